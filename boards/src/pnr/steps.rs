//! The steps of a run, one program after the other, each with its log.
//!
//! Not here: where the programs are ([`super::Tools`]), what a report means ([`super::Report`]).

use super::report::{Report, shortages};
use super::{PnrError, Program, Project, Tools, io_error};
use crate::board::Board;
use crate::top;
use heartbit_compiler::resources::Family;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// A step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// yosys.
    Synthesis,
    /// nextpnr.
    PlaceAndRoute,
    /// The packer.
    Bitstream,
}

impl Step {
    /// What it is called, and its log without `.log`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Synthesis => "synthesis",
            Self::PlaceAndRoute => "place-and-route",
            Self::Bitstream => "bitstream",
        }
    }
}

/// Is told, a few times a second, the step and the last line of its log.
pub type Progress<'a> = dyn FnMut(Step, &str) + 'a;

/// A run that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What nextpnr reports.
    pub report: Report,
    /// The bitstream, where timing is met.
    pub bitstream: Option<PathBuf>,
    /// The versions of the programs, as they print them.
    pub versions: Vec<String>,
}

/// Synthesises, places and routes a project of the open flow, and packs the bitstream.
///
/// # Errors
/// [`PnrError`]; that timing is missed is none.
pub fn run(
    board: &Board,
    project: &Project,
    seed: u32,
    tools: &Tools,
    progress: &mut Progress<'_>,
) -> Result<Outcome, PnrError> {
    let family = board.model.expect("bug: the open flow is for families with a model");
    let name = top::name(board);
    // All are looked for before the first one runs for minutes.
    let yosys = tools.find(Program::YOSYS)?;
    let nextpnr = tools.find(Program::nextpnr(family))?;
    let packer = tools.find(Program::packer(family))?;
    let mut program = |step, program: &Path, arguments: &[String]| {
        execute(step, program, arguments, &project.folder, progress)
    };
    program(Step::Synthesis, &yosys, &synthesis(family, board, project, &name))?;
    let arguments = place_and_route(family, board, project, &name, seed);
    let log = match program(Step::PlaceAndRoute, &nextpnr, &arguments) {
        Ok(log) => log,
        Err(error) => return Err(fit_error(board, error)),
    };
    let path = project.folder.join(format!("{name}_report.json"));
    let json = fs::read_to_string(&path).map_err(io_error(&path))?;
    let report = Report::read(family, &json, &log)
        .map_err(|reason| PnrError::Report { path: path.clone(), reason })?;
    let bitstream = if report.met() {
        let (file, arguments) = packing(family, board, &name);
        program(Step::Bitstream, &packer, &arguments)?;
        Some(project.folder.join(file))
    } else {
        None
    };
    let versions =
        [(&yosys, "-V"), (&nextpnr, "--version")].map(|(path, flag)| version(path, flag));
    Ok(Outcome { report, bitstream, versions: versions.into() })
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn synthesis(family: Family, board: &Board, project: &Project, name: &str) -> Vec<String> {
    let script = synthesis_script(family, board, project, name);
    // Older versions of nextpnr do not know the cells in which newer ones of yosys keep scopes.
    strings(&["-p", &format!("{script}; delete t:$scopeinfo; stat; write_json {name}.json")])
}

/// The commands of yosys up to the netlist.
pub(crate) fn synthesis_script(
    family: Family,
    board: &Board,
    project: &Project,
    name: &str,
) -> String {
    let command = match family {
        Family::Ice40 if board.part.as_deref().is_some_and(|part| part.starts_with("up")) => {
            "synth_ice40 -device u"
        }
        Family::Ice40 => "synth_ice40 -device hx",
        Family::Ecp5 => "synth_ecp5 -nowidelut",
        Family::Gowin | Family::Xc7 => "synth_gowin -nowidelut",
    };
    let files = project.sources.join(" ");
    format!("read_verilog {files}; {command} -top {name}")
}

fn place_and_route(
    family: Family,
    board: &Board,
    project: &Project,
    name: &str,
    seed: u32,
) -> Vec<String> {
    let part = board.part.as_deref().expect("bug: boards of the open flow have a part");
    let (json, constraints) =
        (format!("{name}.json"), format!("{name}.{}", board.constraints.name()));
    let (report, mhz) = (format!("{name}_report.json"), project.clocking.mhz().to_string());
    let mut arguments = strings(&[
        "--json",
        &json,
        "--report",
        &report,
        "--freq",
        &mhz,
        "--seed",
        &seed.to_string(),
        "--timing-allow-fail",
    ]);
    let speed = board.speed.as_deref();
    arguments.extend(match family {
        Family::Ice40 => strings(&[
            &format!("--{part}"),
            "--package",
            &board.package,
            "--pcf",
            &constraints,
            "--asc",
            &format!("{name}.asc"),
        ]),
        Family::Ecp5 => strings(&[
            &format!("--{part}"),
            "--package",
            &board.package,
            "--speed",
            speed.unwrap_or("6"),
            "--lpf",
            &constraints,
            "--textcfg",
            &format!("{name}.config"),
        ]),
        Family::Gowin | Family::Xc7 => strings(&[
            "--device",
            &board.device,
            "--vopt",
            &format!("family={part}"),
            "--vopt",
            &format!("cst={constraints}"),
            "--write",
            &format!("{name}_placed.json"),
        ]),
    });
    arguments
}

/// The bitstream, and how it is packed.
fn packing(family: Family, board: &Board, name: &str) -> (String, Vec<String>) {
    match family {
        Family::Ice40 => {
            let file = format!("{name}.bin");
            (file.clone(), strings(&[&format!("{name}.asc"), &file]))
        }
        Family::Ecp5 => {
            let file = format!("{name}.bit");
            (file.clone(), strings(&[&format!("{name}.config"), &file, "--compress"]))
        }
        Family::Gowin | Family::Xc7 => {
            let (file, part) = (format!("{name}.fs"), board.part.as_deref().unwrap_or_default());
            (file.clone(), strings(&["-d", part, "-o", &file, &format!("{name}_placed.json")]))
        }
    }
}

/// A program that ended because a device is too small says so in its log.
fn fit_error(board: &Board, error: PnrError) -> PnrError {
    let PnrError::ToolFailed { log, .. } = &error else { return error };
    let Ok(text) = fs::read_to_string(log) else { return error };
    let short = shortages(&text);
    if short.is_empty() {
        return error;
    }
    PnrError::DoesNotFit { device: board.device.clone(), short, log: log.clone() }
}

/// Runs a program in a folder; returns all that it said, which is kept in the folder.
pub(crate) fn execute(
    step: Step,
    program: &Path,
    arguments: &[String],
    folder: &Path,
    progress: &mut Progress<'_>,
) -> Result<String, PnrError> {
    let tool = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = folder.join(format!("{}.log", step.name()));
    let log = File::create(&path).map_err(io_error(&path))?;
    let copy = log.try_clone().map_err(io_error(&path))?;
    progress(step, "");
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(copy)
        .spawn()
        .map_err(io_error(program))?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(io_error(program))? {
            break status;
        }
        thread::sleep(Duration::from_millis(100));
        if let Some(line) = last_line(&path) {
            progress(step, &line);
        }
    };
    let bytes = fs::read(&path).map_err(io_error(&path))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if status.success() {
        return Ok(text);
    }
    Err(PnrError::ToolFailed { tool, message: complaint(&text, status), log: path })
}

/// What a log complains of, or how the program ended.
fn complaint(log: &str, status: ExitStatus) -> String {
    let is_error = |line: &&str| line.to_ascii_lowercase().contains("error");
    let lines: Vec<_> = log.lines().filter(is_error).take(3).map(str::trim).collect();
    if !lines.is_empty() {
        return lines.join("; ");
    }
    let last = log.lines().rev().find(|line| !line.trim().is_empty());
    format!("{status}; its last line is `{}`", last.unwrap_or_default().trim())
}

/// The last whole line of a log.
fn last_line(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(1024))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim_start_matches("Info:").trim().to_owned())
}

/// What a program says of its version.
fn version(program: &Path, flag: &str) -> String {
    let output = Command::new(program).arg(flag).stdin(Stdio::null()).output();
    let text = output.map(|o| [o.stdout, o.stderr].concat()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find(|line| line.contains("nextpnr") || line.contains("Yosys"));
    line.map_or_else(String::new, |line| line.trim().replace('"', ""))
}

#[cfg(test)]
mod tests {
    use super::complaint;
    use std::process::Command;

    #[test]
    fn complaints_are_errors_or_the_end() {
        let status = Command::new("false").status().expect("it starts");
        assert_eq!(complaint("Info: a\nERROR: b\nc\n", status), "ERROR: b");
        let end = complaint("Info: a\nlast\n\n", status);
        assert!(end.contains("exit status: 1") && end.contains("`last`"), "{end}");
    }
}
