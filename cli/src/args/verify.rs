//! Arguments of `verify` and `merge`.

use super::{DataArgs, LimitArgs, ReportArgs};
use crate::shard::Shard;
use clap::Args;
use heartbit_ir::program::ArrayShape;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = VERIFY_HELP)]
pub(crate) struct VerifyArgs {
    /// Checkpoint, network or build.
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Array, where MODEL is no build [default: 8x8x16].
    #[arg(long)]
    pub(crate) array: Option<ArrayShape>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Images of the float rung, which is slow.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) float_images: usize,
    /// Images of which the simulator's every tensor is compared.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) sim_images: usize,
    /// Images of which the RTL's every tensor is compared; 0 needs no Verilator.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) rtl_images: usize,
    /// Images of which every tensor is compared under Icarus Verilog, too, which is slow and finds X;
    /// 0 needs no Icarus.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) icarus_images: usize,
    /// Least accuracy of the integer network, 0 to 1.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) min_accuracy: Option<f64>,
    /// Least share of images that the float network classifies as the integer network does.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) min_agreement: Option<f64>,
    /// Also writes the result as `JUnit` XML.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Where to write the waveform around the RTL's first mismatch [default: MODEL, if it is a
    /// build].
    #[arg(long, value_name = "DIR")]
    pub(crate) trace: Option<PathBuf>,
    /// Every N-th image only (of `--mutate`, mutant), from the K-th one on; `heartbit merge` joins
    /// the results.
    #[arg(long, value_name = "K/N")]
    pub(crate) shard: Option<Shard>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    pub(crate) mutate: MutateArgs,
}

/// Negative controls in place of the ladder.
#[derive(Args, Debug)]
pub(crate) struct MutateArgs {
    /// Breaks the build in many places, one at a time, and fails unless the checks of the rungs
    /// `rtl` and `cycle-sim` notice each, or it is proved to make no difference.
    #[arg(long, conflicts_with_all = ["min_accuracy", "min_agreement", "trace", "report"])]
    pub(crate) mutate: bool,
    /// Mutants: half of them bits of memories, half changes of the hardware.
    #[arg(
        long, value_name = "N", default_value_t = 400, requires = "mutate",
        value_parser = clap::value_parser!(u32).range(1..=20_000)
    )]
    pub(crate) mutants: u32,
    /// Seed of the choice of mutants; the same seed gives the same ones.
    #[arg(long, default_value_t = 1, requires = "mutate")]
    pub(crate) seed: u64,
}

const VERIFY_HELP: &str = "\
Rungs, each compared with the integer network, which is normative:
  float     the checkpoint in real arithmetic: accuracy, and how many images get
            another class
  snapped   the trainer's evaluation on the deployed grid: every logit (binary
            with the trainer)
  network   the interpreter: accuracy
  sim       the simulator, layer by layer: every logit
  cycle-sim the simulator, cycle by cycle: every tensor, every layer's cycles
  rtl       the Verilog under Verilator: every tensor, every layer's cycles; of
            a BUILD, its files
  icarus    the same under Icarus Verilog, and nothing is X or Z after reset
            that must be known

Examples:
  heartbit verify run/checkpoint.safetensors --data cifar10 \\
      --min-accuracy 0.87 --junit report.xml
  heartbit verify build --data cifar10 --shard 2/8 --format json > shard-2.json
  heartbit merge shard-*.json
  heartbit verify build --data cifar10 --mutate   would a fault be noticed?

docs/ci.md has the steps for GitHub Actions, GitLab CI, Slurm and GNU parallel,
docs/mutants.md what the mutants are.";

#[derive(Args, Debug)]
pub(crate) struct MergeArgs {
    /// Results of all shards of one run, as `--format json` printed them.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Also writes the result of `verify` as `JUnit` XML.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is 0 to 1, for example 0.87".to_owned()),
    }
}
