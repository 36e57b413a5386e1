//! The flags of `landscape`.

use super::DataArgs;
use clap::{Args, ValueEnum};
use heartbit_dataset::{DatasetKind, Split};
use std::path::PathBuf;

/// What `landscape` measures, and on which images.
#[derive(Args, Debug)]
#[command(after_help = LANDSCAPE_HELP)]
pub(crate) struct LandscapeArgs {
    /// Checkpoint in the middle of the slice.
    pub(crate) checkpoint: PathBuf,
    /// Directory of the data set; docs/datasets.md has all layouts.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Data set: cifar10, cifar100, mnist, tinyimagenet or imagenet.
    #[arg(long, value_name = "NAME", default_value = "cifar10")]
    dataset: DatasetKind,
    /// Width and height of the images, for data sets of image files [default: 224].
    #[arg(long, value_name = "PIXELS")]
    side: Option<usize>,
    /// Whose loss is measured: `train` is the one that training lowers.
    #[arg(long, value_enum, default_value_t = SliceSplit::Train)]
    pub(crate) split: SliceSplit,
    /// Only the first N images; they are held in memory [default: 500, or all of fewer].
    #[arg(long, value_name = "N")]
    pub(crate) images: Option<usize>,
    /// How far the slice reaches in each direction, in norms of the filters.
    #[arg(long, value_name = "NORMS", default_value_t = 1.0)]
    pub(crate) radius: f64,
    /// Points along each direction, odd; the network is evaluated on all images N×N times.
    #[arg(long, value_name = "N", default_value_t = 21)]
    pub(crate) steps: usize,
    /// Seed of the directions; give compared checkpoints the same.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Real arithmetic in place of the deployed grid.
    #[arg(long)]
    pub(crate) float: bool,
    /// File to write [default: `landscape.json` beside the checkpoint].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

const LANDSCAPE_HELP: &str = "\
Examples:
  heartbit landscape run/checkpoint.safetensors --data cifar
      writes run/landscape.json
  heartbit plot run
      draws it into run/plots

The same arguments give the same bytes. A loss that is not finite is null.

Exit codes: 0 ok, 2 usage, 3 bad input file or unwritable output.";

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SliceSplit {
    /// Training images, without augmentation.
    Train,
    /// Test images.
    Test,
}

impl SliceSplit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }

    pub(crate) fn split(self) -> Split {
        match self {
            Self::Train => Split::Train,
            Self::Test => Split::Test,
        }
    }
}

impl LandscapeArgs {
    /// Which images to read.
    pub(crate) fn data(&self) -> DataArgs {
        let Self { data, dataset, side, images, .. } = self;
        DataArgs { data: data.clone(), dataset: *dataset, side: *side, images: *images }
    }
}
