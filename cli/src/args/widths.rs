//! The flags of `widths`.

use super::DataArgs;
use clap::Args;
use heartbit_ir::program::ArrayShape;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = WIDTHS_HELP)]
pub(crate) struct WidthsArgs {
    /// Checkpoint (.safetensors): a folded network has no widths left to choose.
    #[arg(value_name = "MODEL")]
    pub(crate) checkpoint: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Array as ROWSxCOLSxLANES: 8x8x16, or the board's fastest for the checkpoint's own grid,
    /// unless given.
    #[arg(long)]
    pub(crate) array: Option<ArrayShape>,
    /// Board that the array has to fit with each of the widths, as `heartbit boards` names it, or
    /// a board file (.toml).
    #[arg(long, value_name = "NAME")]
    pub(crate) board: Option<String>,
    /// Accuracy that may be lost against the checkpoint's own grid, in percentage points.
    #[arg(long, value_name = "POINTS", default_value_t = 0.25, value_parser = points)]
    pub(crate) tolerance: f64,
    #[command(flatten, next_help_heading = "Widths to look at [default: 1 to 8]")]
    pub(crate) choices: ChoiceArgs,
    /// Network to write, on the grid that was chosen (.hbn).
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// The names of the widths are those of `train`.
#[derive(Args, Debug)]
pub(crate) struct ChoiceArgs {
    /// Bits of a stem weight.
    #[arg(
        long = "stem-weight-bits", value_name = "BITS,..", value_delimiter = ',',
        value_parser = bits()
    )]
    pub(crate) stem_weights: Vec<u32>,
    /// Bits of a classifier weight.
    #[arg(
        long = "head-weight-bits", value_name = "BITS,..", value_delimiter = ',',
        value_parser = bits()
    )]
    pub(crate) head_weights: Vec<u32>,
    /// Bits of an activation that the classifier reads.
    #[arg(
        long = "head-activation-bits", value_name = "BITS,..", value_delimiter = ',',
        value_parser = bits()
    )]
    pub(crate) head_levels: Vec<u32>,
    /// Bits of a weight of a real-valued shortcut convolution.
    #[arg(
        long = "downsample-weight-bits", value_name = "BITS,..", value_delimiter = ',',
        value_parser = bits()
    )]
    pub(crate) shortcut_weights: Vec<u32>,
    /// Bits of an activation that such a convolution reads.
    #[arg(
        long = "downsample-activation-bits", value_name = "BITS,..", value_delimiter = ',',
        value_parser = bits()
    )]
    pub(crate) shortcut_levels: Vec<u32>,
}

const WIDTHS_HELP: &str = "\
Stem and head run bit-serially, so fewer bits are fewer cycles, but another
network: on any grid but the checkpoint's own the parameters were not trained,
and the accuracy is another one. It is measured here, beside that of the own
grid on the same images, with standard errors and the share of images on which
both predict the same class. Chosen are the fewest cycles within the tolerance.

Every combination is measured where there are at most 64 without the head's
widths; else (networks with real-valued shortcuts) it is a descent from the
checkpoint's own grid, one bit at a time. docs/widths.md has the details.

Examples:
  heartbit widths run/checkpoint.safetensors --data DIR --out narrow.hbn
  heartbit widths trained.safetensors --data DIR --board ulx3s-85f \\
      --images 2000 --tolerance 0.5
  heartbit widths trained.safetensors --data DIR --stem-weight-bits 2,3,4 \\
      --head-weight-bits 6

Exit codes: 0 ok, 2 usage, 3 bad input file or unwritable output, 4 the network
does not fit.";

fn bits() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=8)
}

fn points(text: &str) -> Result<f64, String> {
    let points: f64 = text.parse().map_err(|_| "write points, for example 0.25".to_owned())?;
    if (0.0..=100.0).contains(&points) { Ok(points) } else { Err("0 to 100 points".to_owned()) }
}
