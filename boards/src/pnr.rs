//! Place-and-route with the open tools: yosys, nextpnr, and the packer of the bitstream.
//!
//! A run has a folder of its own with the project, the log of each tool, and what the tools write.
//! Whether timing is met is judged from nextpnr's report and not by its exit code; the bitstream is
//! only made where it is, since the PLL of another one would run too fast.
//!
//! Not here: the vendors' tools, for which [`write_project`] is all that is done.

mod report;
mod steps;
mod tools;

pub use report::{ClockTiming, Report, SlowestPath, Use};
pub use steps::{Outcome, Progress, Step, run};
pub(crate) use steps::{execute, synthesis_script};
pub use tools::{Program, Tools};

use crate::board::Board;
use crate::constraints;
use crate::pll::{ClockError, Clocking};
use crate::top;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no bitstream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PnrError {
    /// The board cannot make the clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The build has no link to the host.
    #[error("`{0}` has no `{link}.v`, the accelerator behind a UART", link = top::LINK)]
    NoLink(PathBuf),
    /// There are no models of the cells of a family.
    #[error(
        "no netlist of `{board}` can be simulated: yosys has no models of the block memories of {family}"
    )]
    NoModels {
        /// The board.
        board: String,
        /// Its family.
        family: String,
    },
    /// A file.
    #[error("cannot use `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// A program is neither in the folder that was named nor on the path.
    #[error("there is no {}", names.join(" and no "))]
    ToolMissing {
        /// What it may be called.
        names: Vec<String>,
        /// How to get it.
        install: &'static str,
    },
    /// A program ends with an error.
    #[error("{tool} failed: {message}")]
    ToolFailed {
        /// Its name.
        tool: String,
        /// What it says.
        message: String,
        /// All that it says.
        log: PathBuf,
    },
    /// The design needs more than the device has.
    #[error("the design does not fit {device}: {}", describe(short))]
    DoesNotFit {
        /// The device.
        device: String,
        /// What is short.
        short: Vec<Use>,
        /// All that the tool says.
        log: PathBuf,
    },
    /// What a program wrote is not what this one knows.
    #[error("`{path}` is not a report of nextpnr: {reason}")]
    Report {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

fn describe(short: &[Use]) -> String {
    let one = |u: &Use| format!("{} {} of {}", u.used, u.cell, u.available);
    short.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> PnrError + use<> {
    let path = path.to_owned();
    move |source| PnrError::Io { path, source }
}

/// The project of a board around a build.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// The clock of the array.
    pub clocking: Clocking,
    /// Verilog files, from the folder.
    pub sources: Vec<String>,
    /// All files that were written, from the folder.
    pub files: Vec<String>,
}

/// Writes top level and constraints of a board around the Verilog in `rtl`; files of an earlier run
/// are removed.
///
/// # Errors
/// [`PnrError`].
pub fn write_project(
    board: &Board,
    rtl: &Path,
    folder: &Path,
    clock_mhz: f64,
) -> Result<Project, PnrError> {
    let clocking = Clocking::plan(board.clock.mhz, board.pll.as_ref(), clock_mhz)?;
    let modules = modules(rtl)?;
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error(folder)(error));
        }
        _ => {}
    }
    let design = folder.join("rtl");
    std::fs::create_dir_all(&design).map_err(io_error(&design))?;
    let mut sources = Vec::new();
    for module in modules {
        let source = rtl.join(&module);
        std::fs::copy(&source, design.join(&module)).map_err(io_error(&source))?;
        sources.push(format!("rtl/{module}"));
    }
    let name = top::name(board);
    sources.push(format!("{name}.v"));
    let mut files = constraints::files(board, &sources);
    files.push(constraints::File {
        name: format!("{name}.v"),
        text: top::verilog(board, &clocking),
    });
    for file in &files {
        let path = folder.join(&file.name);
        std::fs::write(&path, &file.text).map_err(io_error(&path))?;
    }
    let mut files: Vec<String> = files.into_iter().map(|file| file.name).collect();
    files.sort();
    Ok(Project { folder: folder.to_owned(), clocking, sources, files })
}

/// The Verilog files of the accelerator behind its link, which leave the bus of other hosts out.
fn modules(rtl: &Path) -> Result<Vec<String>, PnrError> {
    let mut modules = Vec::new();
    for entry in std::fs::read_dir(rtl).map_err(io_error(rtl))? {
        let name = entry.map_err(io_error(rtl))?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|extension| extension == "v") {
            modules.push(name);
        }
    }
    if !modules.contains(&format!("{}.v", top::LINK)) {
        return Err(PnrError::NoLink(rtl.to_owned()));
    }
    modules.sort();
    Ok(modules)
}
