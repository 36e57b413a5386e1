//! The flags of the serial link: of the hardware behind it, and of the command that talks to it.

use super::{DataArgs, ReportArgs};
use clap::Args;
use std::path::PathBuf;

/// The serial line of an accelerator.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct UartArgs {
    /// Puts the accelerator behind a serial line, for `heartbit run`. `compile` also writes
    /// `rtl/heartbit_uart.v`.
    #[arg(long, conflicts_with_all = ["axi", "weight_source"])]
    pub(crate) uart: bool,
    /// Clock of the accelerator behind a serial line, 12 MHz unless given. With `--board` the clock is
    /// the highest one not above this, or above that of the board, that the board's PLL makes.
    #[arg(long, value_name = "HZ", requires = "uart", conflicts_with = "clock")]
    pub(crate) clock_hz: Option<u32>,
    /// Bits a second on the serial line, at most a quarter of the clock.
    #[arg(long, value_name = "BAUD", default_value_t = DEFAULT_BAUD, requires = "uart")]
    pub(crate) baud: u32,
}

const DEFAULT_BAUD: u32 = 1_000_000;

impl UartArgs {
    /// The flags as they were given, a rate only if it is not the default.
    pub(crate) fn flags(self) -> Vec<String> {
        if !self.uart {
            return Vec::new();
        }
        let clock = self.clock_hz.map(|hz| ["--clock-hz".to_owned(), hz.to_string()]);
        let baud =
            (self.baud != DEFAULT_BAUD).then(|| ["--baud".to_owned(), self.baud.to_string()]);
        let more = clock.into_iter().chain(baud).flatten();
        std::iter::once("--uart".to_owned()).chain(more).collect()
    }
}

#[derive(Args, Debug)]
#[command(after_help = RUN_HELP)]
pub(crate) struct RunArgs {
    /// Build that `heartbit compile --uart` wrote.
    pub(crate) build: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Serial port of the accelerator, as /dev/ttyUSB1.
    #[arg(long, value_name = "PORT", required_unless_present = "simulate")]
    pub(crate) port: Option<String>,
    /// Bits a second on the port; those that the build was compiled for unless given.
    #[arg(long, value_name = "BAUD", requires = "port")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) baud: Option<u32>,
    #[command(flatten)]
    pub(crate) simulation: SimulationArgs,
    /// Loads the program even if the accelerator says that it has it.
    #[arg(long)]
    pub(crate) reload: bool,
    /// Does not load the program: refuses an accelerator that has another one, or none.
    #[arg(long, conflicts_with_all = ["reload", "simulate"])]
    pub(crate) no_load: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// What stands in for an accelerator.
#[derive(Args, Debug)]
pub(crate) struct SimulationArgs {
    /// Runs the Verilog of the build under Verilator, behind a pseudo-terminal that the driver opens
    /// like any port.
    #[arg(long, conflicts_with = "port")]
    pub(crate) simulate: bool,
    /// Simulates the top level of a board instead: its pads, reset and LEDs, and a model of its PLL.
    /// A board, as `heartbit boards` names it, or a board file (.toml).
    #[arg(long, value_name = "NAME", requires = "simulate")]
    pub(crate) board: Option<String>,
    /// Simulates the netlist that yosys makes of that top level, with the models of the cells that
    /// yosys has (iCE40 only). For small arrays: each cell is simulated.
    #[arg(long, requires = "board")]
    pub(crate) gate_level: bool,
}

const RUN_HELP: &str = "\
Exit codes: 0 every logit, class and cycle count is that of the network, 1 one
is not, 2 usage, 3 no port, no answer, or another accelerator, 5 Verilator or
yosys is missing or failed. docs/link.md has the protocol, its limits and how
fast it is.";
