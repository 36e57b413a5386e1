//! `doctor`: the outside tools, what for, which are there, and how to install the others.
//!
//! Not here: which version of Verilator is new enough (`heartbit-cosim`).

use crate::args::Format;
use crate::failure::{Code, Failure, Outcome};
use crate::output::{self, Table};
use heartbit_boards::pnr::{Program, Tools};
use heartbit_compiler::resources::Family;
use heartbit_cosim::Toolchain;
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An outside tool.
struct Tool {
    /// What it is called, and its package of Debian and Ubuntu, or where else it is from.
    program: Program,
    /// What prints the version of the first; `None` where that opens a window or does not exist.
    version: Option<&'static str>,
    /// What needs it.
    needed_for: &'static str,
}

const VERILATOR: &str = "verilator";
const COMPILER: &str = "C++ compiler";
const ZLIB: &str = "zlib";
/// What co-simulation does not run without.
const CORE: [&str; 3] = [VERILATOR, COMPILER, ZLIB];
const CORE_FOR: &str = "demo, cosim, verify, eval (RTL)";

/// What is good to have.
fn optional() -> [Tool; 11] {
    let of_pnr = |program, version, needed_for| Tool { program, version, needed_for };
    let other =
        |name, version, needed_for, install| of_pnr(program(name, install), version, needed_for);
    let (version, viewer) = (Some("--version"), "waveforms (one viewer will do)");
    [
        of_pnr(Program::YOSYS, Some("-V"), "tests, place-and-route, asic"),
        other(
            "iverilog",
            Some("-V"),
            "cosim and verify under Icarus, tests",
            "apt-get install iverilog",
        ),
        of_pnr(Program::nextpnr(Family::Ice40), version, "place-and-route: iCE40"),
        of_pnr(Program::nextpnr(Family::Ecp5), version, "place-and-route: ECP5"),
        of_pnr(Program::nextpnr(Family::Gowin), version, "place-and-route: Gowin"),
        of_pnr(Program::packer(Family::Ice40), None, "bitstreams: iCE40"),
        of_pnr(Program::packer(Family::Ecp5), version, "bitstreams: ECP5"),
        of_pnr(Program::packer(Family::Gowin), None, "bitstreams: Gowin"),
        other(
            "openFPGALoader",
            Some("-V"),
            "bitstreams onto boards",
            "apt-get install openfpgaloader",
        ),
        other("gtkwave", None, viewer, "apt-get install gtkwave"),
        other("surfer", version, viewer, "https://surfer-project.org"),
    ]
}

/// What was found of a tool.
#[derive(Debug, Serialize)]
struct Status {
    name: &'static str,
    /// Whether the core needs it.
    core: bool,
    /// Whether it is there and new enough.
    found: bool,
    path: Option<PathBuf>,
    /// What it says of its version.
    version: Option<String>,
    needed_for: &'static str,
    install: String,
    /// Why it cannot be used.
    problem: Option<String>,
}

pub(crate) fn run(format: Format) -> Outcome {
    let mut all = core();
    all.extend(optional().iter().map(found));
    let missing: Vec<&str> =
        all.iter().filter(|tool| tool.core && !tool.found).map(|tool| tool.name).collect();
    let json = json!({ "schema": 1, "tools": all, "core": missing.is_empty() });
    output::result(format, &json, || text(&all))?;
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("missing or too old: {}", missing.join(", "));
    Err(Failure::new(Code::OutsideTool, message)
        .help("run `apt-get install verilator g++ zlib1g-dev`, or `scripts/setup.sh demo`"))
}

/// Verilator, the compiler and zlib, as co-simulation finds them.
fn core() -> Vec<Status> {
    let blank = |name, install: &str| Status {
        name,
        core: CORE.contains(&name),
        found: false,
        path: None,
        version: None,
        needed_for: CORE_FOR,
        install: install.to_owned(),
        problem: None,
    };
    let verilator_program = program(VERILATOR, "apt-get install verilator");
    let gcc = program("g++", "apt-get install g++");
    let mut verilator = blank(VERILATOR, verilator_program.install);
    let mut compiler = blank(COMPILER, gcc.install);
    match Toolchain::detect() {
        Ok(tools) => {
            let path = Some(tools.verilator().to_owned());
            let version = Some(tools.verilator_version().to_string());
            verilator = Status { found: true, path, version, ..verilator };
            let path = Some(tools.cxx().to_owned());
            let version = Some(tools.cxx_version().to_owned());
            compiler = Status { found: true, path, version, ..compiler };
        }
        Err(error) => {
            // Verilator is looked for first.
            let is_compiler = matches!(error, heartbit_cosim::Error::CompilerMissing { .. });
            let problem = Some(error.to_string());
            if is_compiler {
                verilator.found = true;
                verilator.path = on_path(verilator_program);
                compiler.problem = problem;
            } else {
                verilator.problem = problem;
                compiler.path = std::env::var_os("CXX").map(PathBuf::from).or_else(|| on_path(gcc));
                compiler.found = compiler.path.is_some();
            }
        }
    }
    let mut zlib = blank(ZLIB, "apt-get install zlib1g-dev");
    zlib.needed_for = "waveforms of demo, cosim, verify";
    zlib.path = ["/usr/include", "/usr/local/include", "/opt/homebrew/include"]
        .map(|folder| Path::new(folder).join("zlib.h"))
        .into_iter()
        .find(|header| header.is_file());
    zlib.version = zlib.path.as_deref().and_then(zlib_version);
    zlib.found = zlib.path.is_some();
    vec![verilator, compiler, zlib]
}

/// The version that the header of zlib states.
fn zlib_version(header: &Path) -> Option<String> {
    let text = std::fs::read_to_string(header).ok()?;
    let line = text.lines().find(|line| line.starts_with("#define ZLIB_VERSION "))?;
    Some(line.split('"').nth(1)?.to_owned())
}

fn found(tool: &Tool) -> Status {
    let Program { names, install } = tool.program;
    let path = on_path(tool.program);
    // Programs of Python packages compile themselves when they are started for the first time.
    let native = path.as_deref().filter(|path| path.ends_with(names[0]));
    let version = native.and_then(|path| version(path, tool.version?));
    Status {
        name: names[0],
        core: false,
        found: path.is_some(),
        path,
        version,
        needed_for: tool.needed_for,
        install: install.to_owned(),
        problem: None,
    }
}

/// A program of one name.
const fn program(name: &'static str, install: &'static str) -> Program {
    Program { names: [name; 2], install }
}

fn on_path(program: Program) -> Option<PathBuf> {
    Tools::new(&[]).find(program).ok()
}

/// The first line with a number that a program prints about itself.
fn version(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find(|line| line.chars().any(|c| c.is_ascii_digit()))?;
    Some(line.trim().to_owned())
}

fn text(all: &[Status]) -> String {
    const WIDEST: usize = 16;
    let mut table = Table::new(&["tool", "", "version", "needed for"]);
    for tool in all {
        let state = match (tool.found, tool.core) {
            (true, _) => "found",
            (false, true) => "MISSING",
            (false, false) => "missing",
        };
        let version = tool.version.as_deref().map_or(String::new(), number);
        // What a distribution adds is in the JSON.
        let upstream = version.split('-').next().unwrap_or_default();
        let version = upstream.chars().take(WIDEST).collect();
        table.row(vec![
            tool.name.to_owned(),
            state.to_owned(),
            version,
            tool.needed_for.to_owned(),
        ]);
    }
    let mut text = table.render_left();
    let missing: Vec<&Status> = all.iter().filter(|tool| !tool.found).collect();
    if !missing.is_empty() {
        let mut table = Table::default();
        for tool in missing {
            table.row(vec![format!("  {}", tool.name), tool.install.clone()]);
        }
        text = format!(
            "{text}\nmissing, and how to install it on Debian and Ubuntu:\n{}",
            table.render_left()
        );
    }
    for tool in all {
        if let Some(problem) = &tool.problem {
            text = format!("{text}\n{}: {problem}\n", tool.name);
        }
    }
    text
}

/// The first word of a version line that looks like a number.
fn number(line: &str) -> String {
    let is_number = |word: &&str| {
        let word = word.trim_start_matches(['v', '"', '(']);
        word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.')
    };
    let words = line.split([' ', ',']);
    words.into_iter().find(is_number).unwrap_or(line).trim_matches(['"', '(', ')']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_tools_print() {
        for (line, expected) in [
            ("Yosys 0.23 (git sha1 7ce5011c24b)", "0.23"),
            ("Icarus Verilog version 11.0 (stable) ()", "11.0"),
            ("g++ (Debian 12.2.0-14+deb12u1) 12.2.0", "12.2.0-14+deb12u1"),
            ("\"nextpnr-ecp5\" -- Next Generation Place and Route (Version 0.4-1)", "0.4-1"),
            ("no number", "no number"),
        ] {
            assert_eq!(number(line), expected);
        }
    }

    #[test]
    fn every_line_fits_a_terminal_of_80_columns() {
        let mut all: Vec<Status> = optional().iter().map(found).collect();
        for tool in &mut all {
            tool.found = false;
            tool.version = Some("1.2.3-very-long-version-of-a-distribution".to_owned());
        }
        all.extend(core());
        for line in text(&all).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
