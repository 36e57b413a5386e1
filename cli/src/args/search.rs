//! The flags of `search` and of what else deals with boards.

use super::{AroundArgs, PortArgs};
use clap::Args;
use heartbit_compiler::resources::Family;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = SEARCH_HELP)]
pub(crate) struct SearchArgs {
    /// Checkpoints or networks.
    #[arg(required = true, value_name = "MODEL")]
    pub(crate) models: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) fpga: FpgaArgs,
    #[command(flatten)]
    pub(crate) around: AroundArgs,
    #[command(flatten)]
    pub(crate) port: PortArgs,
    /// Accuracy of each MODEL, 0 to 1, in their order and separated by commas; it then counts like
    /// speed and size.
    #[arg(long, value_name = "SHARE,..", value_delimiter = ',', value_parser = share)]
    pub(crate) accuracy: Vec<f64>,
    /// Figure of the front to write (.svg).
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
}

/// The FPGA that the array has to fit: a board, or a family with limits. A limit given beside a board
/// replaces the board's.
#[derive(Args, Debug, Default)]
pub(crate) struct FpgaArgs {
    /// Board, as `heartbit boards` names it, or a board file (.toml).
    #[arg(long, value_name = "NAME")]
    pub(crate) board: Option<String>,
    /// Family of the FPGA instead of a board: ice40, ecp5, gowin or xc7.
    #[arg(long, value_name = "FAMILY", conflicts_with = "board")]
    pub(crate) family: Option<Family>,
    /// Look-up tables, or logic cells where one holds a table and a flip-flop.
    #[arg(long, value_name = "N")]
    pub(crate) lut: Option<u64>,
    /// Flip-flops.
    #[arg(long, value_name = "N")]
    pub(crate) ff: Option<u64>,
    /// Block memories in the family's unit (4 kbit on ice40, else 18 kbit).
    #[arg(long, value_name = "N")]
    pub(crate) bram: Option<u64>,
    /// Multipliers.
    #[arg(long, value_name = "N")]
    pub(crate) dsp: Option<u64>,
    /// Share of a board's tables and flip-flops that an array may take: 0.85 unless given, because
    /// place-and-route needs room.
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "family")]
    pub(crate) fill: Option<f64>,
    /// Clock in MHz; the board's unless given, 50 without a board.
    #[arg(long, value_name = "MHZ", value_parser = clock)]
    pub(crate) clock: Option<f64>,
}

impl FpgaArgs {
    /// Whether any of them is there.
    pub(crate) fn is_given(&self) -> bool {
        let Self { board, family, lut, ff, bram, dsp, fill, clock } = self;
        let limits = [lut, ff, bram, dsp].into_iter().any(Option::is_some);
        limits || board.is_some() || family.is_some() || fill.is_some() || clock.is_some()
    }

    /// The flags as they were given.
    pub(crate) fn flags(&self) -> Vec<String> {
        let Self { board, family, lut, ff, bram, dsp, fill, clock } = self;
        let flag = |name: &str, value: Option<String>| value.map(|v| [format!("--{name}"), v]);
        let number = |name: &str, value: Option<u64>| flag(name, value.map(|n| n.to_string()));
        let all = [
            flag("board", board.clone()),
            flag("family", family.map(|family| family.name().to_owned())),
            number("lut", *lut),
            number("ff", *ff),
            number("bram", *bram),
            number("dsp", *dsp),
            flag("fill", fill.map(|share| share.to_string())),
            flag("clock", clock.map(|mhz| mhz.to_string())),
        ];
        all.into_iter().flatten().flatten().collect()
    }
}

const SEARCH_HELP: &str = "\
Looks at every array of 1 to 16 rows, 1 to 64 columns and 4 to 128 lanes in
steps of 4, with every number of lane groups and lines that the network makes
use of. Look-up tables and flip-flops are a model's, with its measured error
beside them; block memories and multipliers follow from the rules of synthesis.
Speed is that of images back to back.

With `--uart` or `--axi` what is around the array has to fit, too.

Arrays whose maps do not fit count with layers in bands of rows, and, if it is
said what the memory beside the FPGA delivers, arrays whose weights do not fit
with streamed weights (`heartbit compile --help` says how): `--weight-bandwidth`
gives each array the port that suits it, `--weight-port` all of them the same
one. Cycles on the front are exactly those that `heartbit compile` reaches with
the flags of the array, which are printed for the fastest one, and for all as
JSON.

`heartbit widths` makes networks of fewer bits from a checkpoint, with their
measured accuracy; give them here as several MODELs, with `--accuracy`.

Examples:
  heartbit search resnet20.hbn --board ulx3s-85f --uart
  heartbit search a.hbn b.hbn --accuracy 0.702,0.684 --board ulx3s-25f \\
      --plot front.svg
  heartbit search resnet20.hbn --family ecp5 --lut 20000 --bram 100 --clock 80
  heartbit search resnet18.hbn --board ulx3s-85f --weight-bandwidth 200

Exit codes: 0 ok, 2 usage, 3 bad input file or unwritable output, 4 no array
fits.";

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "write a share, for example 0.702".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is 0 to 1".to_owned()) }
}

pub(super) fn clock(text: &str) -> Result<f64, String> {
    let clock: f64 = text.parse().map_err(|_| "write MHz, for example 80".to_owned())?;
    if clock > 0.0 && clock <= 10_000.0 { Ok(clock) } else { Err("above 0 MHz".to_owned()) }
}
