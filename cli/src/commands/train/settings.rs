//! From flags to the settings of a run: flag, then file, then preset.

use crate::args::{GridArgs, MethodArgs, NetworkArgs, OptimizationArgs, TrainArgs, TrainDataArgs};
use crate::failure::{Code, Failure, Outcome};
use heartbit_trainer::config::Choice;
use heartbit_trainer::error::Problem;
use heartbit_trainer::optim::{Ags, OptimizerSettings, Sad};
use heartbit_trainer::schedule::LrShape;
use heartbit_trainer::{Error, TrainConfig};
use std::path::{Path, PathBuf};

/// Name of the settings in a run's directory.
const CONFIG: &str = "config.json";

/// Returns the settings that the flags ask for, valid but for the paths.
pub(super) fn settings(args: &TrainArgs) -> Outcome<TrainConfig> {
    let file = file(args)?;
    let choice = Choice {
        arch: args.network.arch,
        method: args.network.method,
        dataset: args.data.dataset,
        stage: args.network.stage,
    };
    let config = TrainConfig::resolve(choice, file.as_deref());
    let mut config = config.map_err(super::failure)?;
    let mut problems = Vec::new();
    run(args, &mut config);
    network(&args.network, &mut config);
    data(&args.data, &mut config);
    problems.extend(optimization(&args.optimization, &mut config));
    methods(&args.methods, &mut config);
    grid(&args.grid, &mut config);
    if let Err(error) = config.validate() {
        match error {
            Error::Config { problems: more } => problems.extend(more),
            other => return Err(super::failure(other)),
        }
    }
    if !args.run.dry_run && config.data.as_os_str().is_empty() {
        let rule = "it names the directory of the data set's files".to_owned();
        problems.push(Problem::new("data", "not given", rule));
    }
    if problems.is_empty() { Ok(config) } else { Err(super::failure(Error::Config { problems })) }
}

/// Text of the settings to start from: of `--config`, or of the run that is continued.
fn file(args: &TrainArgs) -> Outcome<Option<String>> {
    let of_run = || -> Option<PathBuf> {
        let path = args.run.out.as_ref().filter(|_| args.run.resume)?.join(CONFIG);
        path.exists().then_some(path)
    };
    let Some(path) = args.run.config.clone().or_else(of_run) else { return Ok(None) };
    std::fs::read_to_string(&path).map(Some).map_err(|error| unreadable(&path, error))
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    Failure::from_error(Code::BadInput, error)
        .context(format!("cannot read the settings `{}`", path.display()))
        .help("give `--config` the `config.json` of a run")
}

/// Replaces a setting where a flag is given.
fn set<T: Clone>(target: &mut T, flag: Option<&T>) {
    if let Some(value) = flag {
        target.clone_from(value);
    }
}

/// As [`set`], for settings that may be left open.
fn set_some<T: Clone>(target: &mut Option<T>, flag: Option<&T>) {
    if flag.is_some() {
        *target = flag.cloned();
    }
}

fn run(args: &TrainArgs, config: &mut TrainConfig) {
    let args = &args.run;
    set(&mut config.out, args.out.as_ref());
    set(&mut config.seed, args.seed.as_ref());
    set(&mut config.threads, args.threads.as_ref());
    set(&mut config.device, args.device.as_ref());
    set(&mut config.keep, args.keep.as_ref());
    config.resume = args.resume;
}

fn network(args: &NetworkArgs, config: &mut TrainConfig) {
    set_some(&mut config.widths, args.widths.as_ref());
    set_some(&mut config.image_side, args.image_side.as_ref());
    set(&mut config.weight_gradient, args.weight_gradient.as_ref());
    set_some(&mut config.init_from, args.init_from.as_ref());
    set_some(&mut config.teacher, args.teacher.as_ref());
    set(&mut config.init.binary, args.init.as_ref());
    set(&mut config.init.binary_scale, args.init_scale.as_ref());
    set(&mut config.init.real, args.init_real.as_ref());
    set(&mut config.init.norm_scale, args.init_norm.as_ref());
}

fn data(args: &TrainDataArgs, config: &mut TrainConfig) {
    set(&mut config.data, args.data.as_ref());
    set_some(&mut config.norm, args.norm.as_ref());
    config.augment &= !args.no_augment;
    set_some(&mut config.resized_crop, args.resized_crop.as_ref());
    set_some(&mut config.rotation, args.rotation.as_ref());
    set_some(&mut config.crop, args.crop.as_ref());
    set_some(&mut config.flip, args.flip.as_ref());
    set_some(&mut config.lighting, args.lighting.as_ref());
    set_some(&mut config.train_images, args.train_images.as_ref());
    set_some(&mut config.test_images, args.test_images.as_ref());
    set(&mut config.workers, args.workers.as_ref());
    set_some(&mut config.corrupt_limit, args.corrupt_limit.as_ref());
}

/// Returns the flags that the optimizer or the shape does not have.
fn optimization(args: &OptimizationArgs, config: &mut TrainConfig) -> Vec<Problem> {
    set(&mut config.epochs, args.epochs.as_ref());
    set(&mut config.batch, args.batch.as_ref());
    set(&mut config.lr, args.lr.as_ref());
    set(&mut config.warmup_epochs, args.warmup_epochs.as_ref());
    set(&mut config.weight_decay, args.weight_decay.as_ref());
    set(&mut config.decay_groups, args.decay_groups.as_ref());
    set(&mut config.label_smoothing, args.label_smoothing.as_ref());
    let mut problems = Vec::new();
    let mut foreign = |given: bool, flag: &str, owner: &str| {
        if given {
            problems.push(Problem::new(flag, "given", format!("it is of `{owner}` only")));
        }
    };
    if let Some(settings) = args.optimizer.filter(|o| o.name() != config.optimizer.name()) {
        config.optimizer = settings;
    }
    match &mut config.optimizer {
        OptimizerSettings::Sgd { momentum, nesterov } => {
            set(momentum, args.momentum.as_ref());
            *nesterov |= args.nesterov;
            foreign(args.betas.is_some(), "betas", "adam");
            foreign(args.eps.is_some(), "eps", "adam");
        }
        OptimizerSettings::Adam { betas, eps } => {
            set(betas, args.betas.as_ref());
            set(eps, args.eps.as_ref());
            foreign(args.momentum.is_some(), "momentum", "sgd");
            foreign(args.nesterov, "nesterov", "sgd");
        }
    }
    if let Some(name) = args.lr_shape.as_ref().filter(|name| *name != config.lr_shape.name()) {
        config.lr_shape = LrShape::from_name(name).expect("bug: the flag has known names only");
    }
    if let LrShape::Step { milestones, gamma } = &mut config.lr_shape {
        set(milestones, args.milestones.as_ref());
        set(gamma, args.gamma.as_ref());
    } else {
        foreign(args.milestones.is_some(), "milestones", "--lr-shape step");
        foreign(args.gamma.is_some(), "gamma", "--lr-shape step");
    }
    problems
}

fn methods(args: &MethodArgs, config: &mut TrainConfig) {
    set(&mut config.tau.min, args.tau_min.as_ref());
    set(&mut config.tau.max, args.tau_max.as_ref());
    if let Some(lambda) = args.ags_lambda {
        config.ags = Some(Ags { lambda });
    }
    if args.no_ags {
        config.ags = None;
    }
    let asked = args.sad_sigma.is_some()
        || args.sad_momentum.is_some()
        || args.sad_threshold.is_some()
        || args.sad_sign.is_some()
        || args.track_ones;
    if asked {
        let sad = config.sad.get_or_insert_with(Sad::default);
        set(&mut sad.sigma, args.sad_sigma.as_ref());
        set(&mut sad.momentum, args.sad_momentum.as_ref());
        set(&mut sad.threshold, args.sad_threshold.as_ref());
        set(&mut sad.sign, args.sad_sign.as_ref());
        sad.track_ones |= args.track_ones;
    }
    if args.no_sad {
        config.sad = None;
    }
}

fn grid(args: &GridArgs, config: &mut TrainConfig) {
    set_some(&mut config.grid_from, args.grid_from.as_ref());
    if args.no_grid {
        config.grid_from = None;
    }
    let grid = &mut config.grid;
    set(&mut grid.stream_frac_bits, args.stream_frac_bits.as_ref());
    set(&mut grid.stem_weight_bits, args.stem_weight_bits.as_ref());
    set(&mut grid.head_weight_bits, args.head_weight_bits.as_ref());
    set(&mut grid.head_activation_bits, args.head_activation_bits.as_ref());
    set(&mut grid.downsample_weight_bits, args.downsample_weight_bits.as_ref());
    set(&mut grid.downsample_activation_bits, args.downsample_activation_bits.as_ref());
}
