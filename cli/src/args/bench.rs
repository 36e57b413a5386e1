//! The flags of `bench`.

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};
use heartbit_ir::program::ArrayShape;
use heartbit_model::{Arch, Method};
use heartbit_sim::kernels::Isa;
use std::path::PathBuf;

/// Measures how fast and how large this program is on this machine.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) what: BenchCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum BenchCommand {
    /// Predicts cycles and utilisation of untrained networks on arrays.
    Arrays(BenchArraysArgs),
    /// Measures the packed kernels of the fast engine.
    Kernels(BenchKernelsArgs),
    /// Measures one image on one thread.
    Latency(BenchLatencyArgs),
    /// Measures the simulators of an accelerator beside Verilator.
    Simulators(BenchSimulatorsArgs),
    /// Measures the training step (needs a binary built with `--features train`).
    Train(BenchTrainArgs),
}

/// Predicts cycles and utilisation of untrained networks on arrays.
///
/// The figures depend on shapes only and are exact: the RTL takes as many cycles.
#[derive(Args, Debug)]
pub(crate) struct BenchArraysArgs {
    /// Architectures, separated by commas; all if left out.
    #[arg(
        long, value_name = "ARCH,..", value_delimiter = ',', default_values_t = Arch::ALL,
        hide_default_value = true, value_parser = Arch::from_name
    )]
    pub(crate) arch: Vec<Arch>,
    /// Arrays, separated by commas.
    #[arg(
        long, value_name = "ROWSxCOLSxLANES,..", value_delimiter = ',',
        default_values = ["4x8x32", "8x8x16", "8x16x64", "16x16x32", "8x32x64", "7x32x64"]
    )]
    pub(crate) array: Vec<ArrayShape>,
}

/// Measures the packed kernels of the fast engine: 3x3 convolutions of binary maps, on one thread.
///
/// A bMAC is one XNOR and one addition. Cycles are those of the core's clock, which is measured by a
/// chain of dependent operations beside each kernel; the time-stamp counter is reported too. Peers
/// are float32 products of the same sizes (ndarray's, which are matrixmultiply's).
///
/// Neither side gathers its pixels from a map. Each figure is the best of many repetitions, since
/// other work on the machine only ever slows them down.
#[derive(Args, Debug)]
pub(crate) struct BenchKernelsArgs {
    /// Channels of the maps, separated by commas.
    #[arg(
        long, value_name = "N,..", value_delimiter = ',', default_values = ["64", "128", "256", "512"],
        value_parser = count(1)
    )]
    pub(crate) channels: Vec<usize>,
    /// Repetitions of each kernel.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = count(1))]
    pub(crate) repetitions: usize,
}

/// Measures the latency of one image on one thread: untrained networks on the fast engine.
///
/// The network is compiled for an array, which decides how its maps lie in memory and hardly what
/// the fast engine takes. Times are processor time of the thread, the shortest of the repetitions, so
/// that other work on the machine hardly counts. Sizes are 4 bytes a number of the checkpoint as float32, and the file of the folded
/// network.
#[derive(Args, Debug)]
#[command(after_help = BENCH_LATENCY_HELP)]
pub(crate) struct BenchLatencyArgs {
    /// Architectures, separated by commas.
    #[arg(
        long, value_name = "ARCH,..", value_delimiter = ',',
        default_values = ["resnet20", "resnet18", "resnet18-imagenet", "resnet34-imagenet"],
        value_parser = Arch::from_name
    )]
    pub(crate) arch: Vec<Arch>,
    /// Array that the networks are compiled for.
    #[arg(long, value_name = "ROWSxCOLSxLANES", default_value = "8x16x64")]
    pub(crate) array: ArrayShape,
    /// Instruction set of the kernels: portable, neon, avx2 or avx512; the fastest if left out.
    #[arg(long, value_name = "NAME", value_parser = isa)]
    pub(crate) isa: Option<Isa>,
    /// Repetitions, of which the fastest counts.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = count(1))]
    pub(crate) repetitions: usize,
    /// Lines of JSON that `reference/latency.py` printed, to compare with.
    #[arg(long, value_name = "FILE")]
    pub(crate) peer: Option<PathBuf>,
}

const BENCH_LATENCY_HELP: &str = "\
A line of --peer is compared with where the network is the same and one thread
was used, the fastest one of several. A ratio is value / peer value: below 1 is
faster, or smaller.";

/// Reads the name of an instruction set that this processor has.
fn isa(name: &str) -> Result<Isa, String> {
    let here = || Isa::ALL.into_iter().filter(|isa| isa.is_here());
    here().find(|isa| isa.to_string() == name).ok_or_else(|| {
        let names: Vec<String> = here().map(|isa| isa.to_string()).collect();
        format!("this processor has {}", names.join(", "))
    })
}

/// Measures images a second of an untrained network: the fast engine, the cycle-exact simulator and
/// the Verilog under Verilator, on one thread each.
///
/// Times are processor time of the thread, the shortest of the repetitions. Each engine is measured
/// with the logits alone, and with every tensor and cycle of every layer.
#[derive(Args, Debug)]
pub(crate) struct BenchSimulatorsArgs {
    /// Architecture.
    #[arg(long, value_name = "ARCH", default_value = "resnet20", value_parser = Arch::from_name)]
    pub(crate) arch: Arch,
    /// Array that the network is compiled for.
    #[arg(long, value_name = "ROWSxCOLSxLANES", default_value = "8x16x64")]
    pub(crate) array: ArrayShape,
    /// Repetitions of the fast engine, of which the fastest counts.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = count(1))]
    pub(crate) repetitions: usize,
    /// Repetitions of the engines that run cycle by cycle.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(1))]
    pub(crate) rtl_images: usize,
}

/// Measures the training step: forward, loss, backward, hooks, optimizer, with the published
/// settings, on one batch of random pixels.
///
/// Each network is measured in a process of its own, so that peaks of memory do not mix. Reading
/// images is not measured.
#[derive(Args, Debug)]
#[command(after_help = BENCH_TRAIN_HELP)]
pub(crate) struct BenchTrainArgs {
    /// Architectures, separated by commas.
    #[arg(
        long, value_name = "ARCH,..", value_delimiter = ',', default_values = ["resnet20", "resnet18"],
        value_parser = Arch::from_name
    )]
    pub(crate) arch: Vec<Arch>,
    /// Training method.
    #[arg(long, value_parser = super::method(), default_value = "recu")]
    pub(crate) method: Method,
    /// Images of a batch.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = count(2))]
    pub(crate) batch: usize,
    /// Threads that compute; 0 takes one for each processor.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// What computes: cpu, or a GPU by cuda, rocm or wgpu, in a binary that was built with the
    /// cargo feature of that name.
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    pub(crate) device: String,
    /// Steps of a window.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(1))]
    pub(crate) steps: usize,
    /// Windows, each measured on its own.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(1))]
    pub(crate) windows: usize,
    /// Steps before the first window.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) warmup: usize,
    /// Lines of JSON that `reference/bench.py` printed, to compare with.
    #[arg(long, value_name = "FILE")]
    pub(crate) peer: Option<PathBuf>,
    /// Measures here, one network, and prints a line for the process that asked.
    #[arg(long, hide = true)]
    pub(crate) in_this_process: bool,
}

const BENCH_TRAIN_HELP: &str = "\
Results are images/s of the best and of the median window, and the peak of
resident memory, which only Linux tells. A line of --peer is compared with where
network, method, batch and threads are the same, the fastest one of several. A
ratio is value / peer value: above 1 is faster, or larger.";

/// Accepts a number of at least `least`.
fn count(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=1 << 20)
}
