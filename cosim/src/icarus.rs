//! A design under Icarus Verilog: a second reading of the same files, with X.
//!
//! `iverilog` compiles the files and a test bench that this crate prints; `vvp` runs it as a process
//! of its own, and [`IcarusModel`] talks with it in lines. It is slower than Verilator by a factor of
//! some hundred, and knows what a model of two states does not: a register starts as X, and what
//! [`Design::watch`] lists must not be X once it was reset.
//!
//! `IVERILOG` and `VVP` name the programs and override the search path.

mod bench;
mod model;
mod process;

use std::path::{Path, PathBuf};

use crate::process::{command, query, run};
use crate::toolchain::program;
use crate::{Design, Error};
pub use model::IcarusModel;
use process::Process;

/// How to get Icarus Verilog on Debian and Ubuntu.
const INSTALL_LINE: &str = "apt-get install iverilog";

/// Compiles and runs designs with Icarus Verilog.
#[derive(Clone, Debug)]
pub struct Icarus {
    iverilog: PathBuf,
    vvp: PathBuf,
}

impl Icarus {
    /// Finds `iverilog` and `vvp` on the search path, or as `IVERILOG` and `VVP` say.
    ///
    /// # Errors
    /// As [`Icarus::from_programs`].
    pub fn detect() -> Result<Self, Error> {
        Self::from_programs(program("IVERILOG", "iverilog"), program("VVP", "vvp"))
    }

    /// Uses these two programs; a name without a slash is looked for on the search path.
    ///
    /// # Errors
    /// [`Error::ToolMissing`] when one does not run.
    pub fn from_programs(
        iverilog: impl Into<PathBuf>,
        vvp: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        let icarus = Self { iverilog: iverilog.into(), vvp: vvp.into() };
        for (program, variable) in [(&icarus.iverilog, "IVERILOG"), (&icarus.vvp, "VVP")] {
            query(program, &["-V"]).map_err(|_| missing(program, variable))?;
        }
        Ok(icarus)
    }

    /// Compiles a design and starts it; `trace` is a waveform (FST) of the whole run.
    ///
    /// Registers and memories are unknown before the first clock edge, or have values drawn from the
    /// seed `values`.
    ///
    /// # Errors
    /// [`Error::InvalidDesign`]; [`Error::NoClock`]; [`Error::ToolFailed`] when Icarus rejects the
    /// design or what is watched is not in its text; [`Error::Io`].
    pub fn model(
        &self,
        design: Design,
        values: Option<u32>,
        trace: Option<&Path>,
    ) -> Result<IcarusModel, Error> {
        design.validate()?;
        if !design.has_clock() {
            return Err(Error::NoClock { top: design.top });
        }
        let temporary = std::env::temp_dir();
        let directory = tempfile::Builder::new()
            .prefix("heartbit-")
            .tempdir()
            .map_err(Error::io("create a directory in", &temporary))?;
        let file = format!("{}.v", bench::TOP);
        design.write_to(directory.path())?;
        let path = directory.path().join(&file);
        std::fs::write(&path, bench::bench(&design, values)).map_err(Error::io("write", &path))?;
        let mut compile = command(&self.iverilog);
        compile.current_dir(directory.path());
        compile.args(["-g2005", "-I.", "-o", process::PRODUCT, "-s", bench::TOP]);
        compile.args(design.sources()).arg(file);
        let absent = || missing(&self.iverilog, "IVERILOG");
        run(&mut compile, "icarus", "compile", &design.top, absent)?;
        let process = Process::start(&self.vvp, directory.path(), &design.top, trace, || {
            missing(&self.vvp, "VVP")
        })?;
        IcarusModel::new(design, process, directory)
    }
}

/// The error for a program that does not run.
fn missing(program: &Path, variable: &str) -> Error {
    Error::ToolMissing {
        tool: "icarus",
        program: program.to_owned(),
        hint: format!("run `{INSTALL_LINE}`, or name the program in {variable}"),
    }
}
