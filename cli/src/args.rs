//! The command line: verbs over artifacts.

mod around;
mod asic;
mod bench;
mod face;
mod fuzz;
#[cfg(feature = "train")]
mod landscape;
mod link;
mod pnr;
pub(crate) mod port;
mod report;
mod search;
#[cfg(feature = "train")]
mod train;
mod verify;
mod widths;

use crate::shard::Shard;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use heartbit_dataset::DatasetKind;
use heartbit_ir::program::ArrayShape;
use heartbit_model::{Arch, Method, Norm};
use std::path::PathBuf;

pub(crate) use around::{AroundArgs, AxiBits};
pub(crate) use asic::AsicArgs;
#[cfg(feature = "train")]
pub(crate) use bench::BenchTrainArgs;
pub(crate) use bench::{
    BenchArgs, BenchArraysArgs, BenchCommand, BenchKernelsArgs, BenchLatencyArgs,
    BenchSimulatorsArgs,
};
pub(crate) use face::{CompletionsArgs, ManArgs};
pub(crate) use fuzz::FuzzArgs;
#[cfg(feature = "train")]
pub(crate) use landscape::LandscapeArgs;
pub(crate) use link::{RunArgs, UartArgs};
pub(crate) use pnr::{BoardsArgs, PnrArgs};
pub(crate) use port::PortArgs;
pub(crate) use report::ReportArgs;
pub(crate) use search::{FpgaArgs, SearchArgs};
#[cfg(feature = "train")]
pub(crate) use train::{
    GridArgs, MethodArgs, NetworkArgs, OptimizationArgs, TrainArgs, TrainDataArgs,
};
pub(crate) use verify::{MergeArgs, VerifyArgs};
pub(crate) use widths::WidthsArgs;

/// Trains binary residual networks, compiles them onto an XNOR-popcount systolic array, and proves
/// that the hardware computes what the software did.
#[derive(Parser, Debug)]
#[command(name = "heartbit", version = crate::version::LONG, max_term_width = 80, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How results are printed on standard output.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Shows no progress; errors and warnings remain.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

const EXIT_CODES: &str = "\
MODEL is a checkpoint (.safetensors) or a folded network (.hbn); BUILD is a
directory that `heartbit compile` wrote. Results go to standard output, progress
and errors to standard error.

Exit codes: 0 ok, 1 the check failed, 2 usage, 3 bad input file or unwritable
output, 4 the network does not fit, 5 an outside tool is missing or failed, 70 a
bug of heartbit.";

/// The array of what is not compiled for another one.
pub(crate) const DEFAULT_ARRAY: ArrayShape = ArrayShape { rows: 8, cols: 8, lanes: 16 };

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For scripts: one JSON object with `"schema": 1`.
    Json,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Runs the whole way on the bundled network and images: compile, simulate, co-simulate, verdict.
    Demo(DemoArgs),
    /// Trains a network (needs a binary built with `--features train`).
    Train(Box<TrainArgs>),
    /// Measures speed and memory.
    Bench(BenchArgs),
    /// Measures the accuracy of a network on a test set.
    Eval(EvalArgs),
    /// Measures the loss around a checkpoint (needs a binary built with `--features train`).
    ///
    /// The loss is measured on a slice through the space of weights, for `heartbit plot` to draw.
    /// Two random directions span the slice; a step of 1 moves every filter by its own norm (filter
    /// normalisation, Li et al. 2018). At each point it is the mean cross entropy of the deployed
    /// network, whose binary layers take the signs of the moved latent weights. A flat valley means
    /// that few signs turn, or that it matters little which.
    ///
    /// Normalisations, learned scales and biases do not move. The running statistics stay those of
    /// the checkpoint.
    Landscape(LandscapeArgs),
    /// Draws training runs: curves, layers, loss landscapes.
    ///
    /// One or several runs become one set of figures: loss, accuracy, weight flips (all layers, and
    /// layer by layer), weights that never flipped, silent weights, gradient over weights (AGS),
    /// schedules, and loss landscapes.
    ///
    /// Each RUN is a folder that `heartbit train --out RUN` wrote: `metrics.jsonl`, `config.json`,
    /// and `landscape.json` if there is one. Runs whose settings differ in the seed only are one
    /// curve: their mean, with the range as a band. A run that is still training can be drawn.
    Plot(PlotArgs),
    /// Writes an untrained checkpoint with realistic statistics, for tests and sizing.
    Random(RandomArgs),
    /// Makes a checkpoint of one that PyTorch wrote.
    Import(ImportArgs),
    /// Folds a checkpoint into an integer network.
    Fold(FoldArgs),
    /// Compiles a network for an array: program, memory images, Verilog.
    Compile(CompileArgs),
    /// Finds the arrays for networks and an FPGA: the Pareto front of speed, size and accuracy.
    Search(SearchArgs),
    /// Finds bit widths of stem, shortcuts and head: the Pareto front of accuracy and cycles.
    Widths(WidthsArgs),
    /// Lists the boards with their capacities.
    Boards(BoardsArgs),
    /// Puts a build on a board: top level, place-and-route, bitstream.
    Pnr(PnrArgs),
    /// Measures the area of a build in standard cells: gate equivalents of each module.
    Asic(AsicArgs),
    /// Shows layers, shapes, cycles and memories.
    Inspect(InspectArgs),
    /// Runs the cycle-exact simulator and compares every tensor with the interpreter.
    Sim(SimArgs),
    /// Runs the Verilog under Verilator or Icarus Verilog and compares every tensor with the interpreter.
    Cosim(CosimArgs),
    /// Runs images on an accelerator behind a serial port, and compares logits and cycles.
    Run(RunArgs),
    /// Climbs the ladder float, snapped float, integer network, simulator, RTL: a verdict for CI.
    Verify(Box<VerifyArgs>),
    /// Runs random networks on random arrays through several engines, until one differs.
    Fuzz(FuzzArgs),
    /// Joins the results of shards of `verify`, `sim`, `cosim` or `fuzz`.
    Merge(MergeArgs),
    /// Lists the outside tools: which are there, what for, and how to install the others.
    ///
    /// Exit code 0 if what the core needs is there (Verilator, a C++ compiler, zlib), 5 if not.
    Doctor,
    /// Prints completions for a shell.
    Completions(CompletionsArgs),
    /// Writes manual pages: one of heartbit, and one of each command.
    Man(ManArgs),
}

#[derive(Args, Debug)]
#[command(after_help = DEMO_HELP)]
pub(crate) struct DemoArgs {
    /// Array as ROWSxCOLSxLANES.
    #[arg(long, default_value = "8x8x16")]
    pub(crate) array: ArrayShape,
    /// Where to write the build and the images.
    #[arg(long, default_value = "heartbit-demo", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Images that go through the RTL.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=500))]
    pub(crate) cosim_images: u32,
}

const DEMO_HELP: &str = "\
The bundled network is a ResNet-20 that was trained on CIFAR-10. The build that
is left behind is one that every command takes:
  heartbit demo
  heartbit inspect heartbit-demo/build
  heartbit cosim heartbit-demo/build --data heartbit-demo/data --images 1";

/// Anything: the answer is how to get a binary with the trainer.
#[cfg(not(feature = "train"))]
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct TrainArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(crate) any: Vec<String>,
}

/// As those of `train`.
#[cfg(not(feature = "train"))]
pub(crate) type LandscapeArgs = TrainArgs;

#[derive(Args, Debug)]
#[command(after_help = PLOT_HELP)]
pub(crate) struct PlotArgs {
    /// Folders of training runs.
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Where to write the figures and `index.html` [default: `plots` in the first run].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Also writes PNG files, 300 dots an inch (needs a binary built with `--features png`).
    #[arg(long)]
    pub(crate) png: bool,
    /// What the x axis of the curves counts.
    #[arg(long, value_enum, default_value_t = PlotAxis::Epoch)]
    pub(crate) x: PlotAxis,
}

const PLOT_HELP: &str = "\
Examples:
  heartbit plot run                         one run, into run/plots
  heartbit plot vanilla recu ovsw --out cmp methods against each other, into cmp
  heartbit plot ovsw-* --out seeds          seeds of one setting: mean and range

DIR gets one SVG a figure and index.html with all of them. What the runs do not
record (older versions, methods without the quantity) is named in the output and
left out of the figures.

Exit codes: 0 ok, 2 usage, 3 bad file of a run or unwritable output.";

/// What the x axis of curves counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlotAxis {
    /// Epochs done.
    Epoch,
    /// Hours since training began, evaluations included.
    Hours,
}

#[derive(Args, Debug)]
#[command(after_help = EVAL_HELP)]
pub(crate) struct EvalArgs {
    /// Checkpoint or network.
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// What computes the logits.
    #[arg(long, value_enum, default_value_t = Engine::Network)]
    pub(crate) engine: Engine,
    /// Array of the engines `sim`, `exact` and `rtl`.
    #[arg(long, default_value = "8x8x16")]
    pub(crate) array: ArrayShape,
}

const EVAL_HELP: &str = "\
Examples:
  heartbit eval network.hbn --data cifar10
  heartbit eval run/checkpoint.safetensors --data cifar10 --engine float
  heartbit eval network.hbn --data cifar10 --engine sim --array 8x16x64

Engines print the same checksum where all their integer logits are the same.
`heartbit verify` compares them, with bounds for CI.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// The float network, and beside it the trainer's own evaluation on the grid (needs
    /// `--features train`).
    Float,
    /// The normative interpreter.
    Network,
    /// The compiled program, layer by layer: the simulator's results, faster.
    Sim,
    /// The simulator, cycle by cycle.
    Exact,
    /// The Verilog under Verilator.
    Rtl,
}

#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    /// Directory of the data set, for CIFAR-10 the one with `test_batch.bin` or
    /// `test_batch.bin.xz`; docs/datasets.md has all layouts.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Data set: cifar10, cifar100, mnist, tinyimagenet or imagenet.
    #[arg(long, value_name = "NAME", default_value = "cifar10")]
    pub(crate) dataset: DatasetKind,
    /// Width and height of the images, for data sets of image files [default: 224].
    #[arg(long, value_name = "PIXELS")]
    pub(crate) side: Option<usize>,
    /// Only the first N images.
    #[arg(long, value_name = "N")]
    pub(crate) images: Option<usize>,
}

#[derive(Args, Debug)]
#[command(after_help = RANDOM_HELP)]
pub(crate) struct RandomArgs {
    /// Architecture.
    #[arg(long, value_parser = Arch::from_name)]
    pub(crate) arch: Arch,
    /// Classes; the architecture's own unless given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=4096))]
    pub(crate) classes: Option<u16>,
    /// Output channels of each stage, separated by commas; the published ones unless given.
    #[arg(long, value_delimiter = ',', value_name = "CHANNELS")]
    pub(crate) widths: Vec<usize>,
    /// Height and width of the image; the published one unless given.
    #[arg(long, value_name = "PIXELS")]
    pub(crate) image_side: Option<usize>,
    /// Seed; the same seed gives the same file.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Checkpoint to write (.safetensors).
    #[arg(long, value_name = "MODEL")]
    pub(crate) out: PathBuf,
}

const RANDOM_HELP: &str = "\
Examples:
  heartbit random --arch resnet18 --out untrained.safetensors
  heartbit random --arch resnet20 --widths 4,8,16 --out small.safetensors
  heartbit compile small.safetensors --array 4x4x16 --out build";

#[derive(Args, Debug)]
#[command(after_help = IMPORT_HELP)]
pub(crate) struct ImportArgs {
    /// Checkpoint of ReCU's, OvSW's or ReActNet's program (.pth, .pt, .pth.tar, .state), or its
    /// tensors as .safetensors; recognised by content.
    pub(crate) file: PathBuf,
    /// Architecture; the one whose parameters the file has unless given.
    #[arg(long, value_parser = Arch::from_name)]
    pub(crate) arch: Option<Arch>,
    /// Training method; `recu` where the file has its scales, else `ovsw`, unless given.
    #[arg(long, value_parser = method())]
    pub(crate) method: Option<Method>,
    /// Pixel statistics that the network was trained with; those of the method's publication
    /// unless given.
    #[arg(long, value_parser = norm())]
    pub(crate) norm: Option<Norm>,
    /// Height and width of the image; the published one unless given.
    #[arg(long, value_name = "PIXELS")]
    pub(crate) image_side: Option<usize>,
    /// Checkpoint to write; the file's name with .safetensors in the current directory unless
    /// given.
    #[arg(long, value_name = "MODEL")]
    pub(crate) out: Option<PathBuf>,
}

const IMPORT_HELP: &str = "\
Examples:
  heartbit import model_best.pth.tar
  heartbit import resnet18.pth --arch resnet18 --out trained.safetensors

docs/import.md lists the networks and files that are read.";

fn method() -> impl TypedValueParser<Value = Method> {
    PossibleValuesParser::new(Method::ALL.map(Method::name))
        .map(|name| Method::from_name(&name).expect("bug: one of the names"))
}

fn norm() -> impl TypedValueParser<Value = Norm> {
    PossibleValuesParser::new(Norm::ALL.map(Norm::name))
        .map(|name| Norm::from_name(&name).expect("bug: one of the names"))
}

#[derive(Args, Debug)]
#[command(after_help = FOLD_HELP)]
pub(crate) struct FoldArgs {
    /// Checkpoint.
    pub(crate) checkpoint: PathBuf,
    /// Provenance to record, as KEY=VALUE; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) note: Vec<(String, String)>,
    /// Network to write (.hbn).
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

const FOLD_HELP: &str = "\
Examples:
  heartbit fold run/checkpoint.safetensors --out network.hbn
  heartbit fold run/checkpoint.safetensors --note data=cifar10 --out network.hbn

The integer network is the golden model: docs/semantics.md says what it
computes.";

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Args, Debug)]
#[command(after_help = port::COMPILE_HELP)]
pub(crate) struct CompileArgs {
    /// Checkpoint or network.
    pub(crate) model: PathBuf,
    /// Array as ROWSxCOLSxLANES; the fastest one that fits the FPGA unless given.
    #[arg(long, required_unless_present_any = ["board", "family"])]
    pub(crate) array: Option<ArrayShape>,
    #[command(flatten)]
    pub(crate) fpga: FpgaArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) port: PortArgs,
    #[command(flatten)]
    pub(crate) around: AroundArgs,
    /// Directory to write.
    #[arg(long, value_name = "BUILD")]
    pub(crate) out: PathBuf,
}

/// Sizes that are otherwise fitted to the network. Fix them for hardware that several networks
/// share.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LimitArgs {
    /// Lane groups, each of which may take another tap of a kernel: 1, 2 or 4.
    #[arg(long, value_name = "N")]
    pub(crate) taps: Option<usize>,
    /// Most lines of a map that a tile covers: 1, 2 or 4.
    #[arg(long, value_name = "N")]
    pub(crate) lines: Option<usize>,
    /// Hardware for every network, whether this one needs it or not.
    #[arg(long)]
    pub(crate) extended: bool,
    /// Bits of an accumulator.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(1..=31))]
    pub(crate) acc_bits: Option<u32>,
    /// Words of an activation bank; if maps do not fit, layers run in bands.
    #[arg(long, value_name = "WORDS")]
    pub(crate) activation_words: Option<usize>,
    /// Words of a weight column.
    #[arg(long, value_name = "WORDS")]
    pub(crate) weight_words: Option<usize>,
    /// Words of a stream bank, of which a column has two; if streams do not fit, layers run in bands.
    #[arg(long, value_name = "WORDS")]
    pub(crate) stream_words: Option<usize>,
}

#[derive(Args, Debug)]
#[command(after_help = INSPECT_HELP)]
pub(crate) struct InspectArgs {
    /// Checkpoint, network or build.
    pub(crate) path: PathBuf,
}

const INSPECT_HELP: &str = "\
Examples:
  heartbit inspect build          cycles and utilisation of each layer, memories
  heartbit inspect network.hbn    operations, shapes, bits";

#[derive(Args, Debug)]
#[command(after_help = SIM_HELP)]
pub(crate) struct SimArgs {
    /// Build.
    pub(crate) build: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Every N-th image only, from the K-th one on; `heartbit merge` joins the results.
    #[arg(long, value_name = "K/N")]
    pub(crate) shard: Option<Shard>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

const SIM_HELP: &str = "\
Examples:
  heartbit sim build --data cifar10 --images 100
  heartbit sim build --data cifar10 --shard 2/8 --format json > shard-2.json";

#[derive(Args, Debug)]
#[command(after_help = COSIM_HELP)]
pub(crate) struct CosimArgs {
    /// Build.
    pub(crate) build: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Every N-th image only, from the K-th one on; `heartbit merge` joins the results.
    #[arg(long, value_name = "K/N")]
    pub(crate) shard: Option<Shard>,
    /// What simulates the Verilog.
    #[arg(long, value_enum, default_value_t = VerilogSimulator::Verilator)]
    pub(crate) simulator: VerilogSimulator,
    /// Waveform: `first-mismatch` re-runs the first image that differs, names what is wrong and
    /// traces the cycles around it, in BUILD; a FILE.fst traces the first image.
    #[arg(long, value_name = "first-mismatch|FILE.fst")]
    pub(crate) trace: Option<PathBuf>,
    /// Cycles before and after the first mismatch that its waveform has, too.
    #[arg(long, value_name = "N", default_value_t = TRACE_MARGIN)]
    pub(crate) trace_margin: u64,
    /// The waveform of the first mismatch has all cycles.
    #[arg(long)]
    pub(crate) trace_full: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

const COSIM_HELP: &str = "\
Examples:
  heartbit cosim build --data cifar10 --images 2
  heartbit cosim build --data cifar10 --images 1 --simulator icarus
  heartbit cosim build --data cifar10 --images 1 --trace first-mismatch

At a difference it names image, layer, processing element, cycle and signal;
docs/debugging.md goes on from there.";

/// What simulates the Verilog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerilogSimulator {
    /// Compiles it; fast, and knows 0 and 1 only.
    Verilator,
    /// Interprets it, some hundred times slower; knows X, and after a reset none may be in a control
    /// register, an enable, or an output.
    Icarus,
}

/// Cycles around a first mismatch, unless the user says.
pub(crate) const TRACE_MARGIN: u64 = 16;

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    /// Checks the help of a command and of its commands.
    fn check(command: &mut clap::Command, checked: &mut usize) {
        for help in [command.render_help(), command.render_long_help()] {
            for line in help.to_string().lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
        }
        // Lines that are too long in the source are broken in the middle of a paragraph.
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in after.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
        }
        *checked += 1;
        command.get_subcommands_mut().for_each(|command| check(command, checked));
    }

    #[test]
    fn help_of_every_command_fits_80_columns() {
        let mut command = Cli::command();
        command.build();
        let mut checked = 0;
        check(&mut command, &mut checked);
        assert!(checked > 20, "only {checked} commands");
    }

    /// Adds the help of a command and of its commands.
    #[cfg(feature = "train")]
    fn add(command: &clap::Command, path: &str, page: &mut String) {
        let mut own = command.clone();
        if path != "heartbit" {
            for option in ["format", "quiet", "help"] {
                own = own.mut_arg(option, |argument| argument.hide(true));
            }
        }
        let help = own.render_long_help().to_string();
        // Clap ends the line above a default with blanks.
        let lines: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
        for part in ["\n## `", path, "`\n\n```text\n", &lines.join("\n"), "\n```\n"] {
            page.push_str(part);
        }
        for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
            add(command, &format!("{path} {}", command.get_name()), page);
        }
    }

    #[test]
    #[cfg(feature = "train")]
    fn page_of_the_command_line_is_its_help() {
        let mut page = "# The command line\n\n\
            Printed from the help of every command, of a binary with the trainer; do not edit: \
            `UPDATE_EXPECT=1 cargo test --package heartbit-cli --features train --lib`.\n\
            `--format`, `--quiet` and `--help` work with every command, and are shown once.\n\
            [json.md](json.md) says what `--format json` prints.\n"
            .to_owned();
        let mut command = Cli::command().version(crate::version::SHORT).term_width(80);
        command.build();
        add(&command, "heartbit", &mut page);
        assert!(page.matches("\n## ").count() > 25, "{page}");
        expect_test::expect_file!["../../docs/cli.md"].assert_eq(&page);
    }
}
