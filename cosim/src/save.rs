//! Save files: what a waveform viewer shows when it is opened.
//!
//! | viewer | file | format |
//! |---|---|---|
//! | GTKWave | `.gtkw` | its save file: groups, one radix a signal, the primary marker |
//! | Surfer | `.sucl` | its command file: dividers, signals, the cursor |
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
        let mut text = format!("[dumpfile] \"{name}\"\n[timestart] {}\n", time_of(self.first));
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
        for (group, signals) in &self.groups {
            writeln!(text, "divider_add {group}").expect(STRING);
            for Found { name, .. } in signals {
                writeln!(text, "variable_add {name}").expect(STRING);
            }
        }
        writeln!(text, "zoom_fit\ncursor_set {}", self.time()).expect(STRING);
        text
    }
}

const STRING: &str = "bug: writing to a string";
