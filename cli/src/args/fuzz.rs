//! Arguments of `fuzz`.

use crate::shard::Shard;
use clap::Args;
use heartbit_cases::engine::EngineKind;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = FUZZ_HELP)]
pub(crate) struct FuzzArgs {
    /// Engines that are compared with the interpreter, separated by commas.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "sim,fast")]
    pub(crate) engines: Vec<EngineKind>,
    /// Seed; the same seed and number give the same case.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Cases to run.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    pub(crate) cases: u64,
    /// Runs for so long, whatever the number of cases.
    #[arg(long, value_name = "M", conflicts_with_all = ["cases", "shard"])]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) minutes: Option<u64>,
    /// Number of the first case, counted from 0: goes on where another run ended.
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1 << 40))]
    pub(crate) first: u64,
    /// Networks for each random array [default: 64 with `rtl`, so that one Verilated model runs
    /// them all, else 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) networks: Option<u32>,
    /// Most channels of a map.
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) max_channels: u32,
    /// Every N-th array only, from the K-th one on; `heartbit merge` joins the results.
    #[arg(long, value_name = "K/N")]
    pub(crate) shard: Option<Shard>,
    /// Where a case that fails is written, with the waveform of the RTL.
    #[arg(long, value_name = "DIR", default_value = "heartbit-fuzz")]
    pub(crate) out: PathBuf,
    /// Runs stored cases in place of random ones.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    #[arg(conflicts_with_all = ["cases", "minutes", "first", "networks", "shard"])]
    pub(crate) replay: Vec<PathBuf>,
}

const FUZZ_HELP: &str = "\
Engines, by cost; each is compared with interpreter and cycle model, on every
tensor of every layer:
  sim       the simulator, cycle by cycle
  fast      the simulator's results layer by layer
  native    the description of the hardware in the native simulation
  rtl       the Verilog under Verilator

A case is a network, an array with its memories, streamed weights, layers in
bands, and a host that waits. The first one that fails is made smaller until
nothing can be left out, and stored.

Examples:
  heartbit fuzz --cases 100000
  heartbit fuzz --engines sim,fast,native,rtl --cases 640 --seed 7
  heartbit fuzz --cases 1000000 --shard 2/8 --format json > shard-2.json
  heartbit fuzz --replay heartbit-fuzz/case-7-123.json --engines sim,native

docs/fuzzing.md says more.

Exit codes: 0 all agree, 1 an engine differs, 2 usage, 3 bad file, 5 Verilator
is missing.";
