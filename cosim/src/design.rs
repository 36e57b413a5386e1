//! The design under simulation: Verilog text, top module, and port table.
//!
//! The port table comes from whoever wrote the Verilog; this crate does not parse Verilog.
//! After translation it is compared with what Verilator found, name by name, so a table that
//! disagrees with the text is an error and not a silent truncation.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{Error, Watch};

/// Names of the port that [`crate::Model::tick`] drives.
const CLOCKS: [&str; 2] = ["clk", "clock"];

/// Whether a port of this name is the clock.
pub(crate) fn is_clock(name: &str) -> bool {
    CLOCKS.contains(&name)
}

/// Which way a port goes, seen from the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Driven by the test bench.
    Input,
    /// Driven by the design.
    Output,
}

/// One port of the top module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Verilog name.
    pub name: String,
    /// Width in bits, at least 1.
    pub width: u32,
    /// Input or output.
    pub direction: Direction,
}

impl Port {
    /// An input port of `width` bits.
    pub fn input(name: impl Into<String>, width: u32) -> Self {
        Self { name: name.into(), width, direction: Direction::Input }
    }

    /// An output port of `width` bits.
    pub fn output(name: impl Into<String>, width: u32) -> Self {
        Self { name: name.into(), width, direction: Direction::Output }
    }

    /// Number of 32-bit words that hold the port's value, least significant first.
    pub fn n_words(&self) -> usize {
        self.width.div_ceil(32) as usize
    }

    /// Bits of the top word that belong to the port.
    pub(crate) fn top_mask(&self) -> u32 {
        match self.width % 32 {
            0 => u32::MAX,
            bits => (1 << bits) - 1,
        }
    }
}

/// A Verilog design: files, top module, and the top module's ports.
///
/// Files whose names end in `.v` or `.sv` are compiled in the given order; all others are only
/// written beside them, for `` `include ``.
/// A port named `clk` or `clock`, one bit wide, is the clock; a design without it is combinational.
/// `$readmemh` paths are relative to the directory of the *running* process: give absolute ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Design {
    /// Name of the top module.
    pub top: String,
    /// File names, without directories, and their text.
    pub files: Vec<(String, String)>,
    /// All ports of the top module; their order gives the port numbers.
    pub ports: Vec<Port>,
    /// What must be known after a reset; nothing unless whoever wrote the Verilog says so.
    pub watch: Watch,
}

impl Design {
    /// An empty design with the top module's name.
    pub fn new(top: impl Into<String>) -> Self {
        Self { top: top.into(), files: Vec::new(), ports: Vec::new(), watch: Watch::default() }
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.push((name.into(), text.into()));
        self
    }

    /// Adds a port of the top module.
    #[must_use]
    pub fn port(mut self, port: Port) -> Self {
        self.ports.push(port);
        self
    }

    /// The same ports around other files: `top` is among `files`, and has the design inside it or
    /// stands for it. Nothing is watched any more.
    #[must_use]
    pub fn behind(mut self, top: impl Into<String>, files: Vec<(String, String)>) -> Self {
        self.top = top.into();
        self.files = files;
        self.watch = Watch::default();
        self
    }

    /// Whether the top module has a clock that `tick` can drive.
    pub fn has_clock(&self) -> bool {
        self.clock().is_some()
    }

    /// The name of the clock.
    pub(crate) fn clock(&self) -> Option<&str> {
        self.ports.iter().map(|port| port.name.as_str()).find(|name| is_clock(name))
    }

    /// Names of the files to hand to a compiler, in order.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str()).filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "v" || extension == "sv")
        })
    }

    /// Checks names and widths; the text itself is judged by Verilator.
    ///
    /// # Errors
    /// [`Error::InvalidDesign`] with all problems found.
    pub fn validate(&self) -> Result<(), Error> {
        let mut problems = Vec::new();
        if !is_identifier(&self.top) {
            problems.push(format!("top module `{}` is not a plain identifier", self.top));
        }
        if self.sources().next().is_none() {
            problems.push("no file ends in `.v` or `.sv`".to_owned());
        }
        let mut seen = BTreeSet::new();
        for (name, _) in &self.files {
            if !is_file_name(name) {
                problems.push(format!("`{name}` is not a plain file name"));
            }
            if !seen.insert(name) {
                problems.push(format!("file `{name}` is given twice"));
            }
        }
        if self.ports.is_empty() {
            problems.push("no ports".to_owned());
        }
        let mut seen = BTreeSet::new();
        for port in &self.ports {
            let name = &port.name;
            if !is_identifier(name) {
                problems.push(format!("port `{name}` is not a plain identifier"));
            }
            if port.width == 0 {
                problems.push(format!("port `{name}` has no bits"));
            }
            if is_clock(name) && (port.width != 1 || port.direction != Direction::Input) {
                problems.push(format!("port `{name}` must be an input of one bit"));
            }
            if !seen.insert(name) {
                problems.push(format!("port `{name}` is given twice"));
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Error::InvalidDesign { top: self.top.clone(), problems })
        }
    }

    /// Writes all files into `directory`.
    pub(crate) fn write_to(&self, directory: &Path) -> Result<(), Error> {
        for (name, text) in &self.files {
            let path = directory.join(name);
            std::fs::write(&path, text).map_err(Error::io("write", &path))?;
        }
        Ok(())
    }
}

/// A letter, then letters, digits and underscores.
fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// No directories, nothing that a tool could take for an option.
fn is_file_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_mask_keeps_exactly_the_bits_of_the_last_word() {
        assert_eq!(Port::input("a", 32).top_mask(), u32::MAX);
        assert_eq!(Port::input("a", 33).top_mask(), 1);
        assert_eq!(Port::input("a", 100).top_mask(), 0xf);
    }

    #[test]
    fn validate_reports_every_problem_at_once() {
        let design = Design::new("2top")
            .file("../evil.v", "")
            .port(Port::input("clk", 2))
            .port(Port::output("a b", 0));
        let Err(Error::InvalidDesign { problems, .. }) = design.validate() else {
            panic!("the design is wrong in several ways")
        };
        assert_eq!(problems.len(), 5, "{problems:#?}");
    }
}
