//! Judges a design with outside tools, without building a model.
//!
//! Any warning is an error, and there are no waivers: the emitted Verilog must be clean.
//! With `-Wall`, Verilator wants each module in a file of the module's name.

use std::path::Path;

use crate::{Design, Error, Toolchain, process};

/// Runs `verilator --lint-only -Wall`.
///
/// # Errors
/// [`Error::ToolFailed`] with Verilator's text for any warning; [`Error::InvalidDesign`].
pub fn lint(toolchain: &Toolchain, design: &Design) -> Result<(), Error> {
    let program = toolchain.verilator();
    let arguments = ["--lint-only", "-Wall", "--top-module", &design.top];
    check(design, "verilator", "lint", program, "verilator", |_| {
        arguments.into_iter().chain(design.sources()).map(str::to_owned).collect()
    })
}

/// Reads the design with yosys, resolves the hierarchy, and runs `check -assert`, all warnings being
/// errors; `program` overrides `yosys` on the search path.
///
/// # Errors
/// [`Error::ToolMissing`]; [`Error::ToolFailed`] with the text of yosys; [`Error::InvalidDesign`].
pub fn elaborate_yosys(program: Option<&Path>, design: &Design) -> Result<(), Error> {
    let program = program.unwrap_or(Path::new("yosys"));
    check(design, "yosys", "elaborate", program, "yosys", |sources| {
        let script = format!(
            "read_verilog -sv {}; hierarchy -check -top {}; proc; check -assert",
            sources.join(" "),
            design.top
        );
        ["-q", "-e", ".", "-p", &script].map(str::to_owned).into()
    })
}

/// Elaborates the design with Icarus Verilog, `-g2012 -Wall`; `program` overrides `iverilog` on the
/// search path. Anything it prints is an error.
///
/// # Errors
/// [`Error::ToolMissing`]; [`Error::ToolFailed`] with the text of Icarus; [`Error::InvalidDesign`].
pub fn elaborate_icarus(program: Option<&Path>, design: &Design) -> Result<(), Error> {
    let program = program.unwrap_or(Path::new("iverilog"));
    check(design, "icarus", "elaborate", program, "iverilog", |sources| {
        let options = ["-g2012", "-Wall", "-I.", "-t", "null", "-s", &design.top];
        options.iter().chain(sources).map(|&part| part.to_owned()).collect()
    })
}

/// Writes the design to a temporary directory and runs `program` there; any text on standard error
/// is a failure.
fn check(
    design: &Design,
    tool: &'static str,
    step: &'static str,
    program: &Path,
    package: &str,
    arguments: impl FnOnce(&[&str]) -> Vec<String>,
) -> Result<(), Error> {
    design.validate()?;
    let temporary = std::env::temp_dir();
    let directory = tempfile::Builder::new()
        .prefix("heartbit-")
        .tempdir()
        .map_err(Error::io("create a directory in", &temporary))?;
    design.write_to(directory.path())?;
    let sources: Vec<&str> = design.sources().collect();
    let mut command = process::command(program);
    command.current_dir(directory.path()).args(arguments(&sources));
    let missing = || Error::ToolMissing {
        tool,
        program: program.to_owned(),
        hint: format!("run `apt-get install {package}`"),
    };
    let output = process::run(&mut command, tool, step, &design.top, missing)?;
    if output.stderr.is_empty() {
        Ok(())
    } else {
        Err(process::failure(&output, tool, step, &design.top))
    }
}
