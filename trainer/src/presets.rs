//! The publications' values, as starting points that every setting may override.
//!
//! `docs/recipes.md` shows them as a table with their sources. Where a publication says nothing,
//! the value is ours and marked so there.

use heartbit_dataset::{AreaRange, DatasetKind};
use heartbit_ir::grid::Grid;
use heartbit_model::Arch;

use crate::config::{Stage, TrainConfig};
use crate::init::{Init, WeightInit};
use crate::method::{Method, WeightGradient, default_lr_shape};
use crate::optim::{Ags, DecayGroups, OptimizerSettings, Sad};
use crate::schedule::{LrShape, TauSchedule};

/// Scale of batch normalisations at the start of training on ImageNet, in both repositories.
const IMAGENET_NORM_SCALE: f64 = 1e-8;

/// Area of ReActNet's random windows on ImageNet.
const REACTNET_WINDOW: [f64; 2] = [AreaRange::STANDARD.min, AreaRange::STANDARD.max];

/// What kind of recipe a data set takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// Small images.
    Cifar,
    /// ImageNet, and Tiny-ImageNet, which ReCU's code trains with the same settings.
    ImageNet,
}

impl Family {
    fn of(dataset: DatasetKind) -> Self {
        match dataset {
            DatasetKind::Imagenet | DatasetKind::TinyImagenet => Self::ImageNet,
            _ => Self::Cifar,
        }
    }
}

/// Returns the published settings of a method for an architecture and a data set.
///
/// Paths are empty. The values follow the data set, except those of the two-stage recipe, which
/// follow the architecture [`Arch::ReActNet18`] and the stage.
pub fn preset(arch: Arch, method: Method, dataset: DatasetKind, stage: Stage) -> TrainConfig {
    let family = Family::of(dataset);
    let config = base(arch, method, dataset, stage);
    let config = match family {
        Family::Cifar => config,
        Family::ImageNet => imagenet(config),
    };
    let config =
        if dataset == DatasetKind::Mnist { TrainConfig { epochs: 60, ..config } } else { config };
    let config = hooks(config, family);
    if arch == Arch::ReActNet18 || stage == Stage::RealWeights { two_stage(config) } else { config }
}

/// ReCU's and OvSW's common values for CIFAR.
fn base(arch: Arch, method: Method, dataset: DatasetKind, stage: Stage) -> TrainConfig {
    TrainConfig {
        arch,
        widths: None,
        image_side: None,
        method,
        weight_gradient: WeightGradient::of(method),
        stage,
        init: init(arch, method),
        init_from: None,
        teacher: None,
        dataset,
        data: "".into(),
        out: "".into(),
        norm: None,
        augment: true,
        resized_crop: None,
        rotation: None,
        crop: None,
        flip: None,
        lighting: None,
        train_images: None,
        test_images: None,
        workers: 0,
        corrupt_limit: None,
        epochs: 600,
        batch: 256,
        optimizer: OptimizerSettings::SGD,
        lr: 0.1,
        lr_shape: default_lr_shape(method),
        warmup_epochs: 5,
        weight_decay: 5e-4,
        decay_groups: DecayGroups::All,
        label_smoothing: 0.0,
        tau: TauSchedule::default(),
        ags: None,
        sad: None,
        grid: Grid::default(),
        grid_from: Some(0),
        device: "cpu".to_owned(),
        seed: 1,
        threads: 0,
        keep: 1,
        resume: false,
    }
}

/// Initial values, which differ between the publications and between their networks.
fn init(arch: Arch, method: Method) -> Init {
    let (binary, real) = match (arch, method) {
        (Arch::VggSmall | Arch::VggSmallOvsw, _) => {
            (WeightInit::FanOutNormal, WeightInit::FanOutNormal)
        }
        (Arch::ReActNet18, _) => (WeightInit::Standard, WeightInit::Standard),
        (_, Method::Recu | Method::RecuOvsw) => {
            (WeightInit::KaimingNormal, WeightInit::KaimingNormal)
        }
        (_, Method::Vanilla | Method::Ovsw) => (WeightInit::KaimingNormal, WeightInit::Standard),
    };
    let norm_scale = match arch {
        Arch::ResNet18ImageNet | Arch::ResNet34ImageNet => IMAGENET_NORM_SCALE,
        _ => 1.0,
    };
    let classifier_normal = matches!(arch, Arch::VggSmall | Arch::VggSmallOvsw);
    Init { binary, binary_scale: 1.0, real, norm_scale, classifier_normal }
}

/// ImageNet's values.
fn imagenet(config: TrainConfig) -> TrainConfig {
    let decay_groups = match config.method {
        Method::Recu | Method::RecuOvsw => DecayGroups::RecuImagenet,
        Method::Vanilla | Method::Ovsw => DecayGroups::OvswImagenet,
    };
    TrainConfig { epochs: 200, batch: 512, weight_decay: 1e-4, decay_groups, ..config }
}

/// OvSW's hooks.
///
/// The paper gives λ = 0.02 for ImageNet, its repository's commands 0.01; this is the paper's.
fn hooks(config: TrainConfig, family: Family) -> TrainConfig {
    let (lambda, sigma) = match family {
        Family::Cifar => (0.04, 9e-4),
        Family::ImageNet => (0.02, 2e-5),
    };
    match config.method {
        Method::Vanilla | Method::Recu => config,
        Method::Ovsw | Method::RecuOvsw => TrainConfig {
            ags: Some(Ags { lambda }),
            sad: Some(Sad { sigma, ..Sad::default() }),
            ..config
        },
    }
}

/// The two-stage recipe: ReActNet's stage 1 with real weights, ReCU's stage 2 with binary ones.
fn two_stage(config: TrainConfig) -> TrainConfig {
    let epochs = if config.dataset == DatasetKind::Mnist { config.epochs } else { 256 };
    let optimizer = OptimizerSettings::ADAM;
    let config = TrainConfig { optimizer, lr: 1e-3, epochs, ..config };
    // ReCU's stage 2 takes the windows of its other trainings.
    let window = (config.dataset == DatasetKind::Imagenet).then_some(REACTNET_WINDOW);
    match config.stage {
        Stage::RealWeights => TrainConfig {
            resized_crop: window,
            lr_shape: LrShape::Linear,
            warmup_epochs: 0,
            weight_decay: 1e-5,
            decay_groups: DecayGroups::ConvWeights,
            ags: None,
            sad: None,
            ..config
        },
        Stage::Binary => TrainConfig {
            lr_shape: LrShape::RecuCosine,
            warmup_epochs: 5,
            weight_decay: 0.0,
            decay_groups: DecayGroups::None,
            ..config
        },
    }
}

#[cfg(test)]
mod tests;
