//! What the models of Verilator covered: lines that were executed and bits that changed, over many
//! designs.
//!
//! A directory of coverage has one directory a design, named by its key, with the Verilog (`rtl`) and
//! a file of counts (`*.dat`) for each model that ended.
//!
//! Designs of different arrays have modules of the same name and other text. They are joined by what
//! the reader sees: a line by its text, a signal by its module and name, a bit by its number. So a
//! hole is what no design covered. Numbers at the end of a module's name, which tell texts apart,
//! do not count; nets that the emitter numbers (`t3`) count as the expression that they are.
//!
//! Not here: running anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Design, Error};

/// A module of the Verilog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleCoverage {
    /// Branches of always blocks: executed and all.
    pub lines: [usize; 2],
    /// Bits of nets and registers that went up and down: and all.
    pub bits: [usize; 2],
    /// What was not covered, by line or signal.
    pub holes: Vec<Hole>,
}

/// A line that was not executed, or bits of a signal that did not change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hole {
    /// Text of the line, or name of the signal.
    pub what: String,
    /// Bits in ranges; empty for a line.
    pub bits: String,
}

/// Counts by what they are of.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// By module, and by text of a line.
    lines: BTreeMap<(String, String), u64>,
    /// By module, signal and bit.
    bits: BTreeMap<(String, String, u32), u64>,
}

/// Keeps the text of a design beside its counts; returns the directory.
pub(crate) fn keep_design(root: &Path, key: &str, design: &Design) -> Result<PathBuf, Error> {
    let directory = root.join(key);
    let rtl = directory.join("rtl");
    fs::create_dir_all(&rtl).map_err(Error::io("create", &rtl))?;
    design.write_to(&rtl)?;
    // Models run where the caller is by then.
    fs::canonicalize(&directory).map_err(Error::io("find", &directory))
}

/// A file in a directory that no other model of any process writes.
pub(crate) fn new_file(directory: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    directory.join(format!("{}-{number}.dat", std::process::id()))
}

impl Coverage {
    /// Reads all counts of a directory.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::CoverageFile`] for a file that is not what Verilator writes, or a
    /// directory without any.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let mut coverage = Self::default();
        let mut files = 0;
        for design in list(root)? {
            let mut texts = BTreeMap::new();
            for file in list(&design)?.iter().filter(|f| f.extension().is_some_and(|e| e == "dat"))
            {
                let bytes = fs::read(file).map_err(Error::io("read", file))?;
                coverage.add(&String::from_utf8_lossy(&bytes), file, &design, &mut texts)?;
                files += 1;
            }
        }
        if files == 0 {
            return Err(Error::CoverageFile {
                path: root.to_owned(),
                reason: "no model has written its counts there".to_owned(),
            });
        }
        Ok(coverage)
    }

    /// Adds a file; `texts` holds the lines of the design's files.
    fn add(
        &mut self,
        counts: &str,
        file: &Path,
        design: &Path,
        texts: &mut BTreeMap<String, Vec<String>>,
    ) -> Result<(), Error> {
        for (index, line) in counts.lines().enumerate().filter(|(_, line)| line.starts_with('C')) {
            let wrong = || Error::CoverageFile {
                path: file.to_owned(),
                reason: format!("line {} is no count", index + 1),
            };
            let point = Point::parse(line).ok_or_else(wrong)?;
            if !texts.contains_key(point.file) {
                let path = design.join(point.file);
                let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
                texts.insert(point.file.to_owned(), text.lines().map(str::to_owned).collect());
            }
            let text = texts[point.file].get(point.line.wrapping_sub(1)).ok_or_else(wrong)?;
            self.count(&point, text);
        }
        Ok(())
    }

    fn count(&mut self, point: &Point<'_>, line: &str) {
        let module = base_name(point.module).to_owned();
        if !point.is_toggle {
            let what = format!("{} ({})", line.trim(), point.comment);
            *self.lines.entry((module, what)).or_default() += point.count;
            return;
        }
        let (signal, bit) = match point.comment.split_once('[') {
            Some((signal, bit)) => (signal, bit.trim_end_matches(']').parse().unwrap_or(0)),
            None => (point.comment, 0),
        };
        let digits = signal.strip_prefix('t').unwrap_or("x");
        let is_numbered = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
        let name = match line.split_once(" = ") {
            Some((_, expression)) if is_numbered => expression.trim_end_matches(';'),
            _ => signal,
        };
        *self.bits.entry((module, name.to_owned(), bit)).or_default() += point.count;
    }

    /// What was covered, by module.
    pub fn modules(&self) -> BTreeMap<String, ModuleCoverage> {
        let mut modules: BTreeMap<String, ModuleCoverage> = BTreeMap::new();
        for ((module, what), &count) in &self.lines {
            let module = modules.entry(module.clone()).or_default();
            add(&mut module.lines, count > 0);
            if count == 0 {
                module.holes.push(Hole { what: what.clone(), bits: String::new() });
            }
        }
        let mut missing: BTreeMap<(&str, &str), Vec<u32>> = BTreeMap::new();
        for ((module, signal, bit), &count) in &self.bits {
            add(&mut modules.entry(module.clone()).or_default().bits, count > 0);
            if count == 0 {
                missing.entry((module, signal)).or_default().push(*bit);
            }
        }
        for ((module, signal), bits) in missing {
            let hole = Hole { what: signal.to_owned(), bits: ranges(&bits) };
            modules.entry(module.to_owned()).or_default().holes.push(hole);
        }
        modules
    }
}

fn add([covered, all]: &mut [usize; 2], is_covered: bool) {
    *covered += usize::from(is_covered);
    *all += 1;
}

/// Entries of a directory, sorted.
fn list(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(directory).map_err(Error::io("list", directory))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(Error::io("list", directory)))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

/// Without the number that tells texts of one name apart.
fn base_name(module: &str) -> &str {
    match module.rsplit_once('_') {
        Some((base, number))
            if !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()) =>
        {
            base
        }
        _ => module,
    }
}

/// Ascending numbers as `15..8, 3`.
fn ranges(bits: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for &bit in bits {
        match parts.last_mut() {
            Some((_, high)) if *high + 1 == bit => *high = bit,
            _ => parts.push((bit, bit)),
        }
    }
    let part = |(low, high)| if low == high { format!("{low}") } else { format!("{high}..{low}") };
    parts.into_iter().rev().map(part).collect::<Vec<_>>().join(", ")
}

/// One count of a file of Verilator: `C '` and pairs of key and value, each behind a control
/// character, `' ` and the count.
struct Point<'a> {
    file: &'a str,
    line: usize,
    is_toggle: bool,
    module: &'a str,
    comment: &'a str,
    count: u64,
}

impl<'a> Point<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (pairs, count) = line.strip_prefix("C '")?.rsplit_once("' ")?;
        let pairs: Vec<(&str, &str)> =
            pairs.split('\u{1}').filter_map(|pair| pair.split_once('\u{2}')).collect();
        let value = |key: &str| pairs.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
        let (page, module) = value("page")?.split_once('/')?;
        Some(Self {
            file: value("f")?,
            line: value("l")?.parse().ok()?,
            is_toggle: page == "v_toggle",
            module,
            comment: value("o")?,
            count: count.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Coverage, Hole, Point, base_name, ranges};

    fn line(kind: &str, module: &str, line: u32, comment: &str, count: u32) -> String {
        format!(
            "C '\u{1}f\u{2}rtl/{module}.v\u{1}l\u{2}{line}\u{1}n\u{2}3\u{1}page\u{2}v_{kind}/{module}\
             \u{1}o\u{2}{comment}\u{1}h\u{2}TOP.x' {count}"
        )
    }

    #[test]
    fn points_of_several_designs_are_joined_by_what_the_reader_sees() {
        let mut coverage = Coverage::default();
        let mut add = |text: &str, source: &str| {
            coverage.count(&Point::parse(text).expect("a count"), source);
        };
        for (bit, counts) in [(0, [1, 0]), (1, [0, 0]), (2, [0, 0]), (3, [0, 4])] {
            let signal = format!("count[{bit}]");
            // Another line of the other design's text.
            add(&line("toggle", "pe", 5, &signal, counts[0]), "  reg [3:0] count;");
            add(&line("toggle", "pe_2", 9, &signal, counts[1]), "  reg [3:0] count;");
        }
        add(&line("toggle", "pe", 6, "t0", 0), "  wire t0 = a & b;");
        add(&line("toggle", "pe_2", 6, "t1", 2), "  wire t1 = a & b;");
        add(&line("branch", "pe", 7, "if", 0), "    if (rst) count <= 4'd0;");
        add(&line("branch", "pe", 7, "else", 3), "    if (rst) count <= 4'd0;");
        let modules = coverage.modules();
        assert_eq!(modules.len(), 1);
        let module = &modules["pe"];
        assert_eq!((module.lines, module.bits), ([1, 2], [3, 5]));
        let hole = |what: &str, bits: &str| Hole { what: what.to_owned(), bits: bits.to_owned() };
        let expected = [hole("if (rst) count <= 4'd0; (if)", ""), hole("count", "2..1")];
        assert_eq!(module.holes, expected);
    }

    #[test]
    fn names_lose_their_number_and_bits_become_ranges() {
        assert_eq!(
            ["pe_12", "pe", "front_fields", "a_"].map(base_name),
            ["pe", "pe", "front_fields", "a_"]
        );
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "8..7, 5, 2..0");
        assert!(Point::parse("C 'x' y").is_none());
    }
}
