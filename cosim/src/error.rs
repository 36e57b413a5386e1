//! What can go wrong, where, and what to do next.
//!
//! `Display` is one lowercase fragment; [`Error::details`] holds the text of the outside tool and
//! [`Error::help`] the next step, so that a command line can lay out all three.

use std::io;
use std::path::{Path, PathBuf};

use crate::VerilatorVersion;
use heartbit_ir::program::ProgramError;

/// How to get Verilator and a compiler on Debian and Ubuntu.
pub(crate) const INSTALL_LINE: &str = "apt-get install verilator g++";

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Verilator is not installed where it was looked for.
    #[error("verilator not found: `{}` does not run", .program.display())]
    VerilatorMissing {
        /// What was tried.
        program: PathBuf,
        /// How to install it.
        hint: String,
    },
    /// The C++ compiler is not installed where it was looked for.
    #[error("C++ compiler not found: `{}` does not run", .program.display())]
    CompilerMissing {
        /// What was tried.
        program: PathBuf,
        /// How to install it.
        hint: String,
    },
    /// Another tool, asked for by name, is not installed.
    #[error("{tool} not found: `{}` does not run", .program.display())]
    ToolMissing {
        /// The tool's name.
        tool: &'static str,
        /// What was tried.
        program: PathBuf,
        /// How to install it.
        hint: String,
    },
    /// Verilator is older than this crate supports.
    #[error("verilator {found} is too old, at least {minimum} is needed")]
    VerilatorTooOld {
        /// Version found.
        found: VerilatorVersion,
        /// Oldest supported version.
        minimum: VerilatorVersion,
    },
    /// Neither `--version` nor the installed headers tell Verilator's version.
    #[error("the version of verilator is not readable from `{text}`")]
    VerilatorVersionUnknown {
        /// What `--version` printed.
        text: String,
    },
    /// An outside tool rejected its input or broke.
    #[error("{tool} failed to {step} `{subject}` ({status})")]
    ToolFailed {
        /// The tool's name.
        tool: &'static str,
        /// What it was doing: "translate", "compile", "lint".
        step: &'static str,
        /// The design or file it worked on.
        subject: String,
        /// Exit status in words.
        status: String,
        /// The end of what it printed.
        stderr: String,
    },
    /// The description of the design contradicts itself.
    #[error("the description of design `{top}` has {} problem(s)", .problems.len())]
    InvalidDesign {
        /// Top module.
        top: String,
        /// All problems, in the order of the description.
        problems: Vec<String>,
    },
    /// It is no program for any array.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The port table disagrees with the Verilog text.
    #[error("the port table of `{top}` disagrees with its verilog in {} place(s)", .problems.len())]
    PortMismatch {
        /// Top module.
        top: String,
        /// All disagreements, by port name.
        problems: Vec<String>,
    },
    /// A file operation failed.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// There is no directory for the cache of compiled models.
    #[error("no cache directory: neither XDG_CACHE_HOME nor HOME is set")]
    NoCacheDirectory,
    /// The shared object cannot be loaded.
    #[error("cannot load `{}`", .path.display())]
    Load {
        /// The shared object.
        path: PathBuf,
        /// The loader's reason.
        source: libloading::Error,
    },
    /// The shared object speaks another version of the C interface.
    #[error("`{}` has interface {found}, {expected} is needed", .path.display())]
    AbiMismatch {
        /// The shared object.
        path: PathBuf,
        /// Its interface number.
        found: u32,
        /// This crate's interface number.
        expected: u32,
    },
    /// No port has this name.
    #[error("design `{top}` has no port `{name}`")]
    UnknownPort {
        /// Top module.
        top: String,
        /// The name asked for.
        name: String,
    },
    /// The design has no clock to tick.
    #[error("design `{top}` has no input `clk` or `clock`")]
    NoClock {
        /// Top module.
        top: String,
    },
    /// `$fatal`, `$stop`, a failed assertion, or an error of Verilator's runtime.
    #[error("simulation stopped in cycle {cycle}: {message}")]
    Stopped {
        /// Clock periods completed before the stop was seen.
        cycle: u64,
        /// Where and why.
        message: String,
        /// What the design printed, as far as nobody has taken it.
        log: String,
    },
    /// The design called `$finish` and is asked to run on.
    #[error("the design finished in cycle {cycle}")]
    Finished {
        /// Clock periods completed at `$finish`.
        cycle: u64,
    },
    /// After a reset something is X or Z that must not be.
    #[error("after reset `{signal}` is X or Z in cycle {cycle}")]
    Unknown {
        /// A register or port by its hierarchical name, or what decides about one.
        signal: String,
        /// Clock periods completed.
        cycle: u64,
    },
    /// An image does not have the size that the program was compiled for.
    #[error("the image has {bytes} bytes, but the program reads {pixels} pixels of 1 to 3 bytes")]
    Image {
        /// Bytes of the image.
        bytes: usize,
        /// Pixels of the program's image.
        pixels: usize,
    },
    /// An image was sent before a program.
    #[error("no program is loaded")]
    NoProgram,
    /// The accelerator never sent a class.
    #[error("no result after {cycles} cycles, in layer {layer}")]
    Hang {
        /// Cycles that were waited.
        cycles: u64,
        /// Layer in which it stands.
        layer: usize,
    },
    /// The accelerator refused a layer of the program.
    #[error("halted: layer {layer} of the program must not begin")]
    Halted {
        /// Its index.
        layer: usize,
    },
    /// Pooled levels are shown in another cycle than microarchitecture.md, section 5.3, says.
    #[error(
        "layer {layer} shows pooled levels {actual} cycles after the last pixel of a column tile, \
         {expected} expected"
    )]
    PoolCycle {
        /// Index of the layer in the program.
        layer: usize,
        /// Cycles from the last pixel of the column tile, as the page says.
        expected: u64,
        /// Cycles that it were.
        actual: u64,
    },
    /// A pixel is shown in another cycle than microarchitecture.md, sections 5.2 and 5.3, says.
    #[error(
        "layer {layer} shows line {y}, column {x} of column tile {ct} in cycle {actual} of its run, \
         {expected} expected", ct = place[0], y = place[1], x = place[2]
    )]
    PixelCycle {
        /// Index of the layer in the program.
        layer: usize,
        /// Column tile, line and column.
        place: [u64; 3],
        /// Cycles from the layer's first step, as the page says.
        expected: u64,
        /// Cycles that it were.
        actual: u64,
    },
    /// The monitor names another layer than the one whose steps begin.
    #[error("layer {expected} begins, and the monitor calls it layer {shown}")]
    LayerNumber {
        /// Layers that were run before.
        expected: usize,
        /// What the monitor shows.
        shown: usize,
    },
    /// The accelerator offers a beat in the cycle after the class was accepted.
    #[error("a beat is offered behind the class, which is the last one of an image")]
    BeatBehindClass,
    /// The model was built without waveform support.
    #[error("the model is built without waveforms")]
    TraceNotBuilt,
    /// The waveform file cannot be written.
    #[error("cannot write the waveform `{}`", .path.display())]
    TraceOpen {
        /// The file.
        path: PathBuf,
    },
    /// A file is no waveform that can be read.
    #[error("cannot read the waveform `{}`: {reason}", .path.display())]
    Waveform {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or directory of coverage is none.
    #[error("cannot use `{}` as coverage: {reason}", .path.display())]
    CoverageFile {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A waveform lacks a signal.
    #[error("the waveform `{}` has no signal `{name}`", .path.display())]
    UnknownSignal {
        /// The file.
        path: PathBuf,
        /// The hierarchical name.
        name: String,
    },
    /// A waveform does not cover a cycle.
    #[error("the waveform `{}` has no value of `{name}` in cycle {cycle}", .path.display())]
    OutsideWaveform {
        /// The file.
        path: PathBuf,
        /// The hierarchical name.
        name: String,
        /// The cycle of the model.
        cycle: u64,
    },
}

impl Error {
    /// Makes the conversion of an IO error that happened doing `action` on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// The next step for the user, if there is one.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::VerilatorMissing { hint, .. }
            | Self::CompilerMissing { hint, .. }
            | Self::ToolMissing { hint, .. } => hint.clone(),
            Self::VerilatorTooOld { minimum, .. } => {
                format!("install verilator {minimum} or newer, or name it in VERILATOR")
            }
            Self::VerilatorVersionUnknown { .. } => {
                "name a verilator from your distribution in VERILATOR".to_owned()
            }
            Self::ToolFailed { stderr, .. } if stderr.contains("zlib.h") => {
                "waveforms need zlib: run `apt-get install zlib1g-dev`".to_owned()
            }
            Self::ToolFailed { tool, step, .. } => {
                format!("the first error in the text of {tool} says what it could not {step}")
            }
            Self::Program(_) => "compile a network of fewer layers".to_owned(),
            Self::InvalidDesign { .. } => "correct the names and widths listed".to_owned(),
            Self::PortMismatch { .. } => {
                "emit the port table and the module header from the same description".to_owned()
            }
            Self::NoCacheDirectory => "set XDG_CACHE_HOME, or give a cache directory".to_owned(),
            Self::Load { path, .. } | Self::AbiMismatch { path, .. } => {
                format!("remove `{}` and run again", path.display())
            }
            Self::NoClock { .. } => "use `eval` on a combinational design".to_owned(),
            Self::NoProgram => "load a program first".to_owned(),
            Self::TraceNotBuilt => "build the model with `Trace::Fst`".to_owned(),
            Self::TraceOpen { .. } => {
                "see that the directory exists and is writable; an odd name needs UTF-8".to_owned()
            }
            Self::Halted { .. } => {
                "see section 5.4 of docs/microarchitecture.md for what a layer must have; compile again"
                    .to_owned()
            }
            Self::Image { .. } => "give images of the size the network was trained on".to_owned(),
            Self::Stopped { .. }
            | Self::Hang { .. }
            | Self::PoolCycle { .. }
            | Self::PixelCycle { .. }
            | Self::LayerNumber { .. }
            | Self::BeatBehindClass => {
                "write a waveform of the run (`--trace FILE.fst`) and look at its end".to_owned()
            }
            Self::Unknown { .. } => {
                "a register without a reset or a word that was never written decides there; look at a \
                 waveform (`--trace FILE.fst`)"
                    .to_owned()
            }
            Self::UnknownSignal { .. } => {
                "the Verilog was changed: compile the build again, or look at the waveform".to_owned()
            }
            Self::CoverageFile { .. } => {
                "run the tests with HEARTBIT_RTL_COVERAGE set to an empty directory".to_owned()
            }
            Self::Waveform { .. } | Self::OutsideWaveform { .. } => {
                "write the waveform again, with a larger window".to_owned()
            }
            Self::Io { .. } | Self::UnknownPort { .. } | Self::Finished { .. } => return None,
        })
    }

    /// Text of the outside tool or the list of problems, if there is any.
    pub fn details(&self) -> Option<String> {
        match self {
            Self::ToolFailed { stderr, .. } => Some(stderr.clone()),
            Self::InvalidDesign { problems, .. } | Self::PortMismatch { problems, .. } => {
                Some(problems.join("\n"))
            }
            Self::Stopped { log, .. } if !log.is_empty() => Some(log.clone()),
            _ => None,
        }
    }

    /// Whether the design did something that microarchitecture.md rules out.
    pub fn is_of_the_design(&self) -> bool {
        matches!(
            self,
            Self::Hang { .. }
                | Self::Halted { .. }
                | Self::PoolCycle { .. }
                | Self::PixelCycle { .. }
                | Self::LayerNumber { .. }
                | Self::BeatBehindClass
        )
    }

    /// The exit code that a command line should end with: 1 the simulated design failed a check,
    /// 3 bad input, 5 an outside tool is missing or failed, 70 a bug.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stopped { .. }
            | Self::Finished { .. }
            | Self::Unknown { .. }
            | Self::Hang { .. }
            | Self::PoolCycle { .. }
            | Self::PixelCycle { .. }
            | Self::LayerNumber { .. }
            | Self::BeatBehindClass
            | Self::Halted { .. } => 1,
            Self::InvalidDesign { .. }
            | Self::Program(_)
            | Self::Image { .. }
            | Self::Io { .. }
            | Self::NoCacheDirectory
            | Self::Waveform { .. }
            | Self::CoverageFile { .. }
            | Self::UnknownSignal { .. }
            | Self::OutsideWaveform { .. }
            | Self::TraceOpen { .. } => 3,
            Self::VerilatorMissing { .. }
            | Self::CompilerMissing { .. }
            | Self::ToolMissing { .. }
            | Self::VerilatorTooOld { .. }
            | Self::VerilatorVersionUnknown { .. }
            | Self::ToolFailed { .. }
            | Self::Load { .. } => 5,
            Self::PortMismatch { .. }
            | Self::AbiMismatch { .. }
            | Self::UnknownPort { .. }
            | Self::NoClock { .. }
            | Self::NoProgram
            | Self::TraceNotBuilt => 70,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_verilator_is_an_outside_tool_error_with_the_install_line() {
        let error = Error::VerilatorMissing {
            program: "/nonexistent".into(),
            hint: format!("run `{INSTALL_LINE}`"),
        };
        assert_eq!(error.exit_code(), 5);
        assert!(error.help().is_some_and(|help| help.contains(INSTALL_LINE)));
    }
}
