//! Save files: what a waveform viewer shows when it is opened.
//!
//! | viewer | file | format |
//! |---|---|---|
//! | GTKWave | `.gtkw` | its save file: groups, one radix a signal, the primary marker |
//! | Surfer | `.sucl` | its command file: dividers, signals, their radix, the cursor |
//!
//! A save file names signals of one waveform; [`SaveFile::new`] refuses names that it lacks.

use crate::Error;
use crate::waveform::{Waveform, time_of};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// How values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Radix {
    /// Bits.
    Binary,
    /// Hexadecimal.
    Hexadecimal,
    /// Decimal.
    Unsigned,
    /// Decimal, two's complement.
    Signed,
}

impl Radix {
    /// The flags of a trace in GTKWave's save files: the radix, right-justified.
    fn gtkwave(self) -> &'static str {
        match self {
            Self::Binary => "@28",
            Self::Hexadecimal => "@22",
            Self::Unsigned => "@24",
            Self::Signed => "@420",
        }
    }

    /// The name of Surfer's translator.
    fn surfer(self) -> &'static str {
        match self {
            Self::Binary => "Binary",
            Self::Hexadecimal => "Hexadecimal",
            Self::Unsigned => "Unsigned",
            Self::Signed => "Signed",
        }
    }
}

/// A signal that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its hierarchical name, as [`Waveform`] has it.
    pub name: String,
    /// How.
    pub radix: Radix,
}

impl Shown {
    /// A signal in a radix.
    pub fn new(name: String, radix: Radix) -> Self {
        Self { name, radix }
    }
}

/// Signals below a heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The heading.
    pub name: String,
    /// The signals.
    pub signals: Vec<Shown>,
}

/// A signal of the waveform.
#[derive(Clone, Debug)]
struct Found {
    /// Its name with all scopes.
    name: String,
    width: u32,
    radix: Radix,
}

/// What a viewer shows of a waveform.
#[derive(Clone, Debug)]
pub struct SaveFile {
    waveform: PathBuf,
    groups: Vec<(String, Vec<Found>)>,
    /// The cycle of the marker, and the first one in the file.
    marker: u64,
    first: u64,
}

impl SaveFile {
    /// Shows groups of signals of a waveform, with the marker in the middle of a cycle of the model.
    ///
    /// # Errors
    /// [`Error::UnknownSignal`].
    pub fn new(
        path: &Path,
        waveform: &Waveform,
        groups: &[Group],
        marker: u64,
    ) -> Result<Self, Error> {
        let signal = |shown: &Shown| {
            let width = waveform.width(&shown.name).ok_or_else(|| Error::UnknownSignal {
                path: path.to_owned(),
                name: shown.name.clone(),
            })?;
            Ok(Found { name: waveform.full_name(&shown.name), width, radix: shown.radix })
        };
        let groups = groups
            .iter()
            .map(|group| {
                let signals = group.signals.iter().map(signal).collect::<Result<_, Error>>()?;
                Ok((group.name.clone(), signals))
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { waveform: path.to_owned(), groups, marker, first: waveform.cycles().start })
    }

    /// Writes the files beside the waveform, with its name; returns their paths, GTKWave's first.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self) -> Result<[PathBuf; 2], Error> {
        let files = [("gtkw", self.gtkwave()), ("sucl", self.surfer())];
        for (extension, text) in &files {
            let path = self.waveform.with_extension(extension);
            std::fs::write(&path, text).map_err(Error::io("write", &path))?;
        }
        Ok(files.map(|(extension, _)| self.waveform.with_extension(extension)))
    }

    /// The time of the marker: inputs of the cycle have settled.
    fn time(&self) -> u64 {
        time_of(self.marker) + 1
    }

    /// GTKWave's save file.
    fn gtkwave(&self) -> String {
        let name = self.waveform.file_name().unwrap_or_default().to_string_lossy();
        // Large enough for all groups, and the marker in the middle of the waves.
        let start = time_of(self.first).max(self.time().saturating_sub(MARKER_FROM_LEFT));
        let mut text = format!(
            "[dumpfile] \"{name}\"\n[timestart] {start}\n[size] 1400 900\n[signals_width] 340\n\
             [sst_width] 180\n"
        );
        let unused = " -1".repeat(26);
        writeln!(text, "*-4.000000 {}{unused}", self.time()).expect(STRING);
        for (group, signals) in &self.groups {
            writeln!(text, "@800200\n-{group}").expect(STRING);
            for Found { name, width, radix } in signals {
                let range = if *width > 1 { format!("[{}:0]", width - 1) } else { String::new() };
                writeln!(text, "{}\n{name}{range}", radix.gtkwave()).expect(STRING);
            }
            writeln!(text, "@1000200\n-{group}").expect(STRING);
        }
        text
    }

    /// Surfer's command file; the waveform is named on its command line.
    fn surfer(&self) -> String {
        let mut text = String::new();
        let mut formats = String::new();
        let mut item = 0;
        for (group, signals) in &self.groups {
            writeln!(text, "divider_add {}", one_word(group)).expect(STRING);
            item += 1;
            for Found { name, width, radix } in signals {
                writeln!(text, "variable_add {name}").expect(STRING);
                if *width > 1 {
                    let (id, format) = (item_id(item), radix.surfer());
                    writeln!(formats, "item_focus {id}_\nitem_set_format {format}").expect(STRING);
                }
                item += 1;
            }
        }
        // Formats come last: what is added goes behind the item in focus.
        text + &formats + &format!("item_unfocus\nzoom_fit\ncursor_set {}\n", self.time())
    }
}

/// Time before the marker in the window that is opened, 16 cycles.
const MARKER_FROM_LEFT: u64 = 160;

const STRING: &str = "bug: writing to a string";

/// A heading as Surfer's `divider_add` takes it: a single word of letters, digits and `_`, behind
/// which the command must end.
fn one_word(heading: &str) -> String {
    let words = heading.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

/// The name of an item in Surfer's commands: its number in hexadecimal, with the digits `a` to `p`.
fn item_id(item: usize) -> String {
    let digit = |digit: char| {
        let value = digit.to_digit(16).expect("bug: hexadecimal");
        char::from_u32(u32::from('a') + value).expect("bug: a letter")
    };
    format!("{item:x}").chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surfer_gets_words_and_numbers_that_its_commands_take() {
        assert_eq!(one_word("PE row 0, column 1: inputs"), "PE_row_0_column_1_inputs");
        assert_eq!([0, 15, 16, 31].map(item_id), ["a", "p", "ba", "bp"]);
    }

    #[test]
    fn radix_is_set_of_every_signal_of_several_bits_and_of_no_divider() {
        let found = |name: &str, width, radix| Found { name: name.to_owned(), width, radix };
        let groups = vec![
            ("a group".to_owned(), vec![found("t.clk", 1, Radix::Binary)]),
            (
                "other".to_owned(),
                vec![found("t.z", 9, Radix::Signed), found("t.a", 4, Radix::Hexadecimal)],
            ),
        ];
        let save = SaveFile { waveform: "w.fst".into(), groups, marker: 3, first: 0 };
        let expected = "divider_add a_group\nvariable_add t.clk\ndivider_add other\n\
                        variable_add t.z\nvariable_add t.a\n\
                        item_focus d_\nitem_set_format Signed\n\
                        item_focus e_\nitem_set_format Hexadecimal\nitem_unfocus\nzoom_fit\n";
        assert!(save.surfer().starts_with(expected), "{}", save.surfer());
    }
}
