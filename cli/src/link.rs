//! The serial link of a build: its clock, its description, and the simulated accelerator at its end.

use crate::args::{RunArgs, UartArgs};
use crate::commands::cosim::with_text;
use crate::failure::{Code, Failure, Outcome};
use crate::output;
use heartbit_boards::bench::{self, BENCH};
use heartbit_boards::board::Board;
use heartbit_boards::netlist;
use heartbit_boards::pll::Clocking;
use heartbit_boards::pnr::{self, PnrError, Tools};
use heartbit_boards::top;
use heartbit_compiler::build::Build;
use heartbit_cosim::{Design, Initial, Model, Serial, Simulation as _, Toolchain};
use heartbit_hdl::uart::{MAX_RATE_ERROR, UartConfig};
use heartbit_host::terminal::{Reply, Terminal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// The description, within `host/`.
pub(crate) const FILE: &str = "link.json";
/// Its version.
const SCHEMA: u32 = 1;
/// Cycles between looks at what the driver sends.
const SLICE: u64 = 2_000;
/// The clock where there is neither a board nor a wish.
const DEFAULT_CLOCK_HZ: u32 = 12_000_000;

#[derive(Debug, Serialize, Deserialize)]
struct LinkFile {
    schema: u32,
    clock_hz: u32,
    baud: u32,
    /// The board whose clock that is; of a board file the path as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    board: Option<String>,
}

/// A link, and the board whose clock it has.
#[derive(Clone, Debug)]
pub(crate) struct BoardLink {
    pub(crate) uart: UartConfig,
    /// As it was given on the command line.
    pub(crate) board: Option<String>,
    clocking: Option<Clocking>,
}

impl BoardLink {
    /// The link that the command line asks for, at the clock that the board makes; `board` with the
    /// name that was given.
    pub(crate) fn new(
        args: UartArgs,
        board: Option<(&str, &Board)>,
        clock_mhz: Option<f64>,
    ) -> Outcome<Self> {
        let clocking = board
            .map(|(_, board)| {
                let asked = args.clock_hz.map(|hz| f64::from(hz) / 1e6);
                let wanted = asked.or(clock_mhz).unwrap_or(board.clock_mhz);
                Clocking::plan(board.clock.mhz, board.pll.as_ref(), wanted)
            })
            .transpose()
            .map_err(|error| {
                Failure::from_error(Code::Usage, error).help("give another `--clock-hz`")
            })?;
        let planned = clocking.as_ref().map(Clocking::hz);
        let clock_hz = planned.or(args.clock_hz).unwrap_or(DEFAULT_CLOCK_HZ);
        let uart = UartConfig::new(clock_hz, args.baud).map_err(|error| {
            Failure::from_error(Code::Usage, error)
                .help("give another `--baud`, or a faster `--clock-hz`")
        })?;
        Ok(Self { uart, board: board.map(|(name, _)| name.to_owned()), clocking })
    }

    /// The clock in MHz, exactly as the board makes it.
    pub(crate) fn mhz(&self) -> f64 {
        let hz = f64::from(self.uart.clock_hz());
        self.clocking.as_ref().map_or(hz / 1e6, Clocking::mhz)
    }

    /// The bytes of the description.
    pub(crate) fn describe(&self) -> Vec<u8> {
        let (clock_hz, baud) = (self.uart.clock_hz(), self.uart.baud());
        let file = LinkFile { schema: SCHEMA, clock_hz, baud, board: self.board.clone() };
        let mut bytes = serde_json::to_vec_pretty(&file).expect("bug: plain data");
        bytes.push(b'\n');
        bytes
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "clock_mhz": self.mhz(), "baud": self.uart.baud(), "board": self.board,
            "clocks_per_bit": self.uart.clocks_per_bit(),
        })
    }

    /// Clock and rate in a sentence.
    pub(crate) fn text(&self) -> String {
        let (mhz, baud) = (self.mhz(), output::grouped(self.uart.baud().into()));
        let from = match &self.clocking {
            None => String::new(),
            Some(Clocking::Direct { .. }) => " from the board's pin".to_owned(),
            Some(Clocking::Pll(s)) => {
                format!(" that {} makes of {} MHz", s.primitive.cell(), s.input_mhz)
            }
        };
        let clocks = self.uart.clocks_per_bit();
        format!("serial link: a clock of {mhz:.6} MHz{from}, {baud} baud, {clocks} clocks a bit")
    }
}

/// Refuses a clock beside which the link would have another rate than the host expects.
pub(crate) fn check_rate(link: UartConfig, mhz: f64) -> Outcome {
    let baud = mhz * 1e6 / f64::from(link.clocks_per_bit());
    let off = (baud / f64::from(link.baud()) - 1.0).abs();
    if off * 1000.0 <= f64::from(MAX_RATE_ERROR) {
        return Ok(());
    }
    let message = format!(
        "the link of the build has {} baud at {} Hz, but {baud:.0} baud at the {mhz:.3} MHz of the \
         board's PLL, {:.1} % off",
        link.baud(),
        link.clock_hz(),
        100.0 * off
    );
    Err(Failure::new(Code::Usage, message)
        .help(format!("compile the network with `--uart --clock-hz {:.0}`", mhz * 1e6)))
}

/// The board for which a link was compiled.
pub(crate) fn board_of(path: &Path) -> Outcome<Option<String>> {
    Ok(parse(path)?.board)
}

/// The link of a build directory.
pub(crate) fn read(path: &Path) -> Outcome<UartConfig> {
    let link = parse(path)?;
    UartConfig::new(link.clock_hz, link.baud).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("in `{}`", path.join("host").join(FILE).display()))
            .help(HELP)
    })
}

/// What to do where a build has no link.
const HELP: &str = "write the build with `heartbit compile --uart`";

fn parse(path: &Path) -> Outcome<LinkFile> {
    let file = path.join("host").join(FILE);
    let bytes = std::fs::read(&file).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("the build has no serial link: cannot read `{}`", file.display()))
            .help(HELP)
    })?;
    let bad = |error: anyhow::Error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("in `{}`", file.display()))
            .help(HELP)
    };
    let link: LinkFile = serde_json::from_slice(&bytes).map_err(|error| bad(error.into()))?;
    if link.schema != SCHEMA {
        return Err(bad(anyhow::anyhow!("schema {}, this version reads {SCHEMA}", link.schema)));
    }
    Ok(link)
}

/// The Verilog of a build behind a terminal.
pub(crate) struct Simulated {
    serial: Serial,
    terminal: Terminal,
}

impl Simulated {
    /// Builds the model and makes the terminal.
    pub(crate) fn new(args: &RunArgs, build: &Build, uart: UartConfig) -> Outcome<Self> {
        let program = &build.compiled.program;
        let design = heartbit_cosim::uart_design(&program.array, &program.depths, uart);
        let design = with_text(&args.build, design)?;
        let serial = match &args.simulation.board {
            None => {
                let model = model(&heartbit_cosim::Build::new(design))?;
                Serial::new(model, uart.clocks_per_bit().into())?
            }
            Some(name) => at_board(&Board::find(name)?, args, design, uart)?,
        };
        let terminal = Terminal::new().map_err(|error| {
            Failure::from_error(Code::OutsideTool, error)
                .context("cannot make a pseudo-terminal")
                .help("mount `/dev/pts`, or run on a system that has pseudo-terminals")
        })?;
        Ok(Self { serial, terminal })
    }

    /// The path that a driver opens.
    pub(crate) fn path(&self) -> String {
        self.terminal.path().to_owned()
    }

    /// Runs until it is to stop; returns the cycles.
    pub(crate) fn serve(mut self, stop: &AtomicBool) -> Outcome<u64> {
        let serial = &mut self.serial;
        let served = self.terminal.serve::<anyhow::Error>(stop, |bytes| {
            serial.send(bytes);
            Ok(Reply { bytes: serial.run(SLICE)?, is_idle: serial.is_idle() })
        });
        served.map_err(|error| {
            Failure::from_error(Code::Bug, error).context("the simulated accelerator broke off")
        })?;
        Ok(self.serial.cycle())
    }
}

fn model(build: &heartbit_cosim::Build) -> Outcome<Model> {
    let spinner = output::spinner("Verilator and the C++ compiler build the model");
    let compiled = build.compile(&Toolchain::detect()?)?;
    spinner.finish_and_clear();
    Ok(compiled.instantiate(Initial::Random(1))?)
}

/// A board's top level in its bench, as Verilog or as a netlist of it.
fn at_board(board: &Board, args: &RunArgs, design: Design, uart: UartConfig) -> Outcome<Serial> {
    let wanted = f64::from(uart.clock_hz()) / 1e6;
    let clocking = Clocking::plan(board.clock.mhz, board.pll.as_ref(), wanted)
        .map_err(|error| Failure::from(PnrError::from(error)))?;
    check_rate(uart, clocking.mhz())?;
    let bench =
        bench::bench(board, &clocking, args.simulation.gate_level.then_some(bench::PLL_MODEL));
    let mut files = if args.simulation.gate_level {
        let folder = args.build.join("gate-level").join(&board.name);
        let rtl = args.build.join("rtl");
        let project = pnr::write_project(board, &rtl, &folder, clocking.mhz())?;
        let spinner = output::spinner("yosys makes the netlist");
        let files = netlist::files(board, &project, &Tools::new(&[]), &mut |_, _| ())?;
        spinner.finish_and_clear();
        files
    } else {
        let top = (format!("{}.v", top::name(board)), top::verilog(board, &clocking));
        design.files.iter().cloned().chain([top]).collect()
    };
    files.push((format!("{BENCH}.v"), bench.text.clone()));
    let mut build = heartbit_cosim::Build::new(design.behind(BENCH, files));
    if args.simulation.gate_level {
        build = build.allow(netlist::ALLOWED).optimization(heartbit_cosim::Optimization::O0);
    }
    let mut model = model(&build)?;
    // The line is idle while the PLL locks.
    let line = model.port("uart_rx")?;
    model.set(line, 1);
    model.run(bench.settling)?;
    Ok(Serial::new(model, bench.ticks_per_bit(uart.baud()))?)
}
