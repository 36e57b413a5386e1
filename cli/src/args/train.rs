//! The flags of `train`: every setting of a run. What is not given comes from `--config`, then
//! from the preset.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args};
use heartbit_dataset::DatasetKind;
use heartbit_model::{Arch, Method, Norm};
use heartbit_trainer::config::Stage;
use heartbit_trainer::init::WeightInit;
use heartbit_trainer::method::WeightGradient;
use heartbit_trainer::optim::{DecayGroups, OptimizerSettings, SadSign};
use heartbit_trainer::schedule::LrShape;
use std::path::PathBuf;

/// Accepts the names of some values, which `--help` lists.
fn named<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let find = move |text: String| {
        let found = all.iter().copied().find(|&value| name(value) == text);
        found.expect("bug: the parser accepts known names only")
    };
    PossibleValuesParser::new(all.iter().map(|&value| name(value))).map(find)
}

/// Optimizers with their default values.
const OPTIMIZERS: [OptimizerSettings; 2] = [OptimizerSettings::SGD, OptimizerSettings::ADAM];

#[derive(Args, Debug)]
#[command(after_help = TRAIN_HELP)]
pub(crate) struct TrainArgs {
    #[command(flatten, next_help_heading = "Run")]
    pub(crate) run: RunArgs,
    #[command(flatten, next_help_heading = "Network and method")]
    pub(crate) network: NetworkArgs,
    #[command(flatten, next_help_heading = "Data")]
    pub(crate) data: TrainDataArgs,
    #[command(flatten, next_help_heading = "Optimization")]
    pub(crate) optimization: OptimizationArgs,
    #[command(flatten, next_help_heading = "ReCU and OvSW")]
    pub(crate) methods: MethodArgs,
    #[command(flatten, next_help_heading = "Deployed grid")]
    pub(crate) grid: GridArgs,
}

const TRAIN_HELP: &str = "\
Every setting starts as the preset of architecture, method, data set and stage,
that is as published; --config comes before the preset, and a flag before both.
--dry-run shows the result. docs/recipes.md has the presets and their sources.

Examples:
  heartbit train --data cifar10 --epochs 20 --warmup-epochs 2 --out run
  heartbit train --data cifar10 --method ovsw --arch resnet18-ovsw --out ovsw
  heartbit train --out run --resume
  heartbit plot run
  heartbit fold run/checkpoint.safetensors --out network.hbn";

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Directory of checkpoints and metrics.
    #[arg(long, value_name = "RUN", required_unless_present = "dry_run")]
    pub(crate) out: Option<PathBuf>,
    /// Continues the run in RUN with its settings, bit for bit as if it had not stopped.
    #[arg(long, requires = "out")]
    pub(crate) resume: bool,
    /// Settings to start from: the `config.json` of another run, or a part of one.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Prints the resolved settings as JSON and trains nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Seed of everything random.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Threads that compute; 0 takes one for each processor. Results do not depend on it.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// What computes: cpu, or a GPU by cuda, rocm or wgpu, in a binary that was built with the
    /// feature of that name [default: cpu].
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// How many of the last epochs keep their checkpoint.
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<usize>,
}

#[derive(Args, Debug)]
pub(crate) struct NetworkArgs {
    /// Architecture [default: resnet20].
    #[arg(long, value_parser = named(&Arch::ALL, Arch::name))]
    pub(crate) arch: Option<Arch>,
    /// Training method [default: recu].
    #[arg(long, value_parser = named(&Method::ALL, Method::name))]
    pub(crate) method: Option<Method>,
    /// What is binary; `real-weights` is stage 1 of the two-stage recipe [default: binary].
    #[arg(long, value_parser = named(&Stage::ALL, Stage::name))]
    pub(crate) stage: Option<Stage>,
    /// Channels of each stage, as 16,32,64.
    #[arg(long, value_name = "C,..", value_delimiter = ',')]
    pub(crate) widths: Option<Vec<usize>>,
    /// Height and width of the images.
    #[arg(long, value_name = "PIXELS")]
    pub(crate) image_side: Option<usize>,
    /// How a gradient passes through the sign of a weight.
    #[arg(long, value_parser = named(&WeightGradient::ALL, WeightGradient::name))]
    pub(crate) weight_gradient: Option<WeightGradient>,
    /// Checkpoint whose parameters start the run.
    #[arg(long, value_name = "FILE")]
    pub(crate) init_from: Option<PathBuf>,
    /// Checkpoint of a network whose logits are the target in place of the labels.
    #[arg(long, value_name = "FILE")]
    pub(crate) teacher: Option<PathBuf>,
    /// Initial values of binary convolutions.
    #[arg(long, value_parser = named(&WeightInit::ALL, WeightInit::name))]
    pub(crate) init: Option<WeightInit>,
    /// Factor on the initial values of binary convolutions.
    #[arg(long, value_name = "FACTOR")]
    pub(crate) init_scale: Option<f64>,
    /// Initial values of real convolutions.
    #[arg(long, value_parser = named(&WeightInit::ALL, WeightInit::name))]
    pub(crate) init_real: Option<WeightInit>,
    /// Initial scale of batch normalisations.
    #[arg(long, value_name = "GAMMA")]
    pub(crate) init_norm: Option<f64>,
}

#[derive(Args, Debug)]
pub(crate) struct TrainDataArgs {
    /// Data set [default: cifar10].
    #[arg(long, value_parser = named(&DatasetKind::ALL, DatasetKind::name))]
    pub(crate) dataset: Option<DatasetKind>,
    /// Directory of the data set's files; CIFAR and MNIST files may be compressed as .xz.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Pixel statistics.
    #[arg(long, value_parser = named(&Norm::ALL, Norm::name))]
    pub(crate) norm: Option<Norm>,
    /// Images as they are, without any random change.
    #[arg(long)]
    pub(crate) no_augment: bool,
    /// Resizes a random window of this part of the area to the image; 0 is none.
    #[arg(long, value_name = "MIN,MAX", value_parser = window, conflicts_with = "no_augment")]
    pub(crate) resized_crop: Option<[f64; 2]>,
    /// Largest angle of a random rotation; 0 is none.
    #[arg(long, value_name = "DEGREES", conflicts_with = "no_augment")]
    pub(crate) rotation: Option<f64>,
    /// Padding of a random crop; 0 is no crop.
    #[arg(long, value_name = "PIXELS", conflicts_with = "no_augment")]
    pub(crate) crop: Option<usize>,
    /// Random mirror images.
    #[arg(long, value_name = "true|false", action = ArgAction::Set, conflicts_with = "no_augment")]
    pub(crate) flip: Option<bool>,
    /// Standard deviation of lighting noise, 0.1 in its publication; 0 is none.
    #[arg(long, value_name = "STD", conflicts_with = "no_augment")]
    pub(crate) lighting: Option<f64>,
    /// Trains on the first images only.
    #[arg(long, value_name = "N")]
    pub(crate) train_images: Option<usize>,
    /// Tests on the first images only.
    #[arg(long, value_name = "N")]
    pub(crate) test_images: Option<usize>,
    /// Threads that read images; 0 takes one for each processor. Results do not depend on it.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Most images of an epoch that may be unreadable.
    #[arg(long, value_name = "N")]
    pub(crate) corrupt_limit: Option<usize>,
}

#[derive(Args, Debug)]
pub(crate) struct OptimizationArgs {
    /// Passes over the training set.
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<usize>,
    /// Images of a batch.
    #[arg(long, value_name = "N")]
    pub(crate) batch: Option<usize>,
    /// Optimizer.
    #[arg(long, value_parser = named(&OPTIMIZERS, OptimizerSettings::name))]
    pub(crate) optimizer: Option<OptimizerSettings>,
    /// Momentum of sgd.
    #[arg(long, value_name = "M")]
    pub(crate) momentum: Option<f64>,
    /// Nesterov's variant of sgd.
    #[arg(long)]
    pub(crate) nesterov: bool,
    /// Factors of adam's moments, as 0.9,0.999.
    #[arg(long, value_name = "B1,B2", value_parser = pair)]
    pub(crate) betas: Option<[f64; 2]>,
    /// Added to the root of adam's second moment.
    #[arg(long, value_name = "EPS")]
    pub(crate) eps: Option<f64>,
    /// Largest learning rate.
    #[arg(long, value_name = "RATE")]
    pub(crate) lr: Option<f64>,
    /// Learning rate over the epochs, after the warm-up.
    #[arg(long, value_parser = PossibleValuesParser::new(LrShape::NAMES))]
    pub(crate) lr_shape: Option<String>,
    /// Epochs of `step`, counted from the last epoch of the warm-up.
    #[arg(long, value_name = "EPOCH,..", value_delimiter = ',')]
    pub(crate) milestones: Option<Vec<usize>>,
    /// Factor of `step`.
    #[arg(long, value_name = "FACTOR")]
    pub(crate) gamma: Option<f64>,
    /// Epochs of linear warm-up.
    #[arg(long, value_name = "N")]
    pub(crate) warmup_epochs: Option<usize>,
    /// Weight decay.
    #[arg(long, value_name = "DECAY")]
    pub(crate) weight_decay: Option<f64>,
    /// Which parameters decay.
    #[arg(long, value_parser = named(&DecayGroups::ALL, DecayGroups::name))]
    pub(crate) decay_groups: Option<DecayGroups>,
    /// Share of the label's probability that is spread over all classes.
    #[arg(long, value_name = "SHARE")]
    pub(crate) label_smoothing: Option<f64>,
}

fn pair(text: &str) -> Result<[f64; 2], String> {
    let (first, second) =
        text.split_once(',').ok_or("write two numbers with a comma between them")?;
    let number = |text: &str| text.trim().parse::<f64>().map_err(|e| format!("`{text}`: {e}"));
    Ok([number(first)?, number(second)?])
}

/// An area, or none.
fn window(text: &str) -> Result<[f64; 2], String> {
    if text.trim() == "0" { Ok([0.0; 2]) } else { pair(text) }
}

#[derive(Args, Debug)]
pub(crate) struct MethodArgs {
    /// ReCU's tau in the first epoch.
    #[arg(long, value_name = "TAU")]
    pub(crate) tau_min: Option<f64>,
    /// What ReCU's tau grows towards.
    #[arg(long, value_name = "TAU")]
    pub(crate) tau_max: Option<f64>,
    /// Lifts gradients of filters to LAMBDA times the weights (AGS).
    #[arg(long, value_name = "LAMBDA")]
    pub(crate) ags_lambda: Option<f64>,
    /// No adaptive gradient scaling.
    #[arg(long, conflicts_with = "ags_lambda")]
    pub(crate) no_ags: bool,
    /// Decay of silent weights (SAD).
    #[arg(long, value_name = "SIGMA")]
    pub(crate) sad_sigma: Option<f64>,
    /// Momentum of SAD's average of flips.
    #[arg(long, value_name = "M")]
    pub(crate) sad_momentum: Option<f64>,
    /// A weight is silent below this average.
    #[arg(long, value_name = "EPSILON")]
    pub(crate) sad_threshold: Option<f64>,
    /// Whose sign flips: that of the latent weight, or that of the bit.
    #[arg(long, value_parser = named(&SadSign::ALL, SadSign::name))]
    pub(crate) sad_sign: Option<SadSign>,
    /// SAD's averages start at 1, so that no weight is silent at first.
    #[arg(long)]
    pub(crate) track_ones: bool,
    /// No silence-aware decaying.
    #[arg(
        long,
        conflicts_with_all = ["sad_sigma", "sad_momentum", "sad_threshold", "sad_sign", "track_ones"]
    )]
    pub(crate) no_sad: bool,
}

#[derive(Args, Debug)]
pub(crate) struct GridArgs {
    /// First epoch whose forward pass runs on the deployed grid.
    #[arg(long, value_name = "EPOCH")]
    pub(crate) grid_from: Option<usize>,
    /// Trains in floats throughout; evaluation is on the grid all the same.
    #[arg(long, conflicts_with = "grid_from")]
    pub(crate) no_grid: bool,
    /// Fraction bits of the residual stream.
    #[arg(long, value_name = "BITS")]
    pub(crate) stream_frac_bits: Option<u32>,
    /// Bits of a stem weight.
    #[arg(long, value_name = "BITS")]
    pub(crate) stem_weight_bits: Option<u32>,
    /// Bits of a classifier weight.
    #[arg(long, value_name = "BITS")]
    pub(crate) head_weight_bits: Option<u32>,
    /// Bits of an activation that the classifier reads.
    #[arg(long, value_name = "BITS")]
    pub(crate) head_activation_bits: Option<u32>,
    /// Bits of a weight of a real-valued shortcut convolution.
    #[arg(long, value_name = "BITS")]
    pub(crate) downsample_weight_bits: Option<u32>,
    /// Bits of an activation that such a convolution reads.
    #[arg(long, value_name = "BITS")]
    pub(crate) downsample_activation_bits: Option<u32>,
}
