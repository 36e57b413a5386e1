//! `bench`: one module for each thing that is measured.

mod arrays;
mod clock;
mod kernels;
mod latency;
#[cfg(feature = "train")]
mod peer;
#[cfg(feature = "train")]
mod report;
mod simulators;
#[cfg(feature = "train")]
mod train;

use crate::args::{BenchArgs, BenchCommand, Format};
use crate::failure::Outcome;

pub(crate) fn run(args: &BenchArgs, format: Format) -> Outcome {
    match &args.what {
        BenchCommand::Arrays(args) => arrays::run(args, format),
        BenchCommand::Kernels(args) => kernels::run(args, format),
        BenchCommand::Latency(args) => latency::run(args, format),
        BenchCommand::Simulators(args) => simulators::run(args, format),
        #[cfg(feature = "train")]
        BenchCommand::Train(args) => train::run(args, format),
        #[cfg(not(feature = "train"))]
        BenchCommand::Train(_) => Err(super::train::missing()),
    }
}
