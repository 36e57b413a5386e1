//! Settings of a training run.
//!
//! [`TrainConfig`] has no defaults of its own: it starts as a publication's preset
//! ([`crate::presets`]), takes over the values of a file ([`TrainConfig::resolve`]), and the
//! caller changes the rest. What makes no sense is in `config/check.rs`.

mod check;
mod layers;

use std::path::PathBuf;

use heartbit_dataset::{AreaRange, Augment, DatasetKind};
use heartbit_ir::grid::Grid;
use heartbit_model::arch::InvalidSizes;
use heartbit_model::{Arch, Graph, Sizes};
use serde::{Deserialize, Serialize};

use crate::init::Init;
use crate::method::{Method, Moment, Norm, Parts, WeightGradient};
use crate::optim::{Ags, BinaryLayer, DecayGroups, Hooks, OptimizerSettings, Sad};
use crate::presets::preset;
use crate::schedule::{LrSchedule, LrShape, TauSchedule};

pub use layers::Choice;

/// The value of [`TrainConfig::resized_crop`] that asks for no window.
const NO_WINDOW: [f64; 2] = [0.0; 2];

/// What is binary in a network while it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Weights and activations: every recipe but stage 1 of the two-stage one.
    Binary,
    /// Activations only; the weights of binary convolutions are real. Stage 1.
    RealWeights,
}

impl Stage {
    /// Both stages.
    pub const ALL: [Self; 2] = [Self::Binary, Self::RealWeights];

    /// Returns the name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::RealWeights => "real-weights",
        }
    }

    /// Returns the stage of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

/// Settings of a training run; written to `config.json` of the run's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Architecture.
    pub arch: Arch,
    /// Channels of each stage; `None` takes the published ones.
    pub widths: Option<Vec<usize>>,
    /// Height and width of the images; `None` takes the data set's.
    pub image_side: Option<usize>,
    /// Training method.
    pub method: Method,
    /// How a gradient passes through the sign of a weight.
    pub weight_gradient: WeightGradient,
    /// What is binary.
    pub stage: Stage,
    /// How parameters are drawn.
    pub init: Init,
    /// Checkpoint whose parameters start the run in place of drawn ones; each must be there, of
    /// the right shape.
    pub init_from: Option<PathBuf>,
    /// Checkpoint of a network whose logits are the target in place of the labels.
    pub teacher: Option<PathBuf>,
    /// Data set.
    #[serde(with = "layers::dataset_name")]
    pub dataset: DatasetKind,
    /// Folder of the data set's files.
    pub data: PathBuf,
    /// Folder of the run's results.
    pub out: PathBuf,
    /// Pixel statistics; `None` takes those of the method's publication.
    pub norm: Option<Norm>,
    /// Random changes of training images; off is none, whatever the next five say. Each of these
    /// is the data set's published one where it is `None`.
    pub augment: bool,
    /// Smallest and largest area of a random window that is resized to the image, as parts of the
    /// image's; both 0 is no such window.
    pub resized_crop: Option<[f64; 2]>,
    /// Largest angle of a random rotation, in degrees; 0 is none.
    pub rotation: Option<f64>,
    /// Pixels of padding of a random crop; 0 is no crop.
    pub crop: Option<usize>,
    /// Random mirror images.
    pub flip: Option<bool>,
    /// Standard deviation of lighting noise; 0 is none.
    pub lighting: Option<f64>,
    /// Trains on the first images only; `None` is all.
    pub train_images: Option<usize>,
    /// Tests on the first images only; `None` is all.
    pub test_images: Option<usize>,
    /// Threads that read and change images; 0 takes one for each processor. Results do not depend
    /// on it.
    pub workers: usize,
    /// Most images of an epoch that may be unreadable; `None` takes the loader's limit.
    pub corrupt_limit: Option<usize>,
    /// Passes over the training set.
    pub epochs: usize,
    /// Images of a batch; the last batch of an epoch may be smaller.
    pub batch: usize,
    /// Optimizer.
    pub optimizer: OptimizerSettings,
    /// Largest learning rate.
    pub lr: f64,
    /// Learning rate over the epochs.
    pub lr_shape: LrShape,
    /// Epochs of linear warm-up.
    pub warmup_epochs: usize,
    /// Weight decay.
    pub weight_decay: f64,
    /// Which parameters decay.
    pub decay_groups: DecayGroups,
    /// Share of the label's probability that is spread over all classes.
    pub label_smoothing: f64,
    /// ReCU's tau; the other weight gradients do not read it.
    pub tau: TauSchedule,
    /// Adaptive gradient scaling; `None` is off.
    pub ags: Option<Ags>,
    /// Silence-aware decaying; `None` is off.
    pub sad: Option<Sad>,
    /// The deployed precision.
    pub grid: Grid,
    /// First epoch whose forward pass runs on the grid; `None` is never. Evaluation is always on
    /// the grid.
    pub grid_from: Option<usize>,
    /// What computes: one of [`crate::device::DEVICES`].
    pub device: String,
    /// Everything random depends on it.
    pub seed: u64,
    /// Threads that compute; 0 takes one for each processor. Results do not depend on it.
    pub threads: usize,
    /// How many of the last epochs keep their checkpoint.
    pub keep: usize,
    /// Continues the run in `out`.
    pub resume: bool,
}

impl TrainConfig {
    /// The published setting of a method for ResNet-20 on CIFAR-10.
    pub fn published(method: Method) -> Self {
        preset(Arch::ResNet20, method, DatasetKind::Cifar10, Stage::Binary)
    }

    /// The sizes of the network.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            image_side: self.image_side.unwrap_or(self.dataset.default_side()),
            classes: self.dataset.classes() as usize,
            widths: self.widths.clone().unwrap_or(self.arch.published().widths),
        }
    }

    /// The network.
    ///
    /// # Errors
    /// [`InvalidSizes`] where the sizes do not fit together.
    pub fn graph(&self) -> Result<Graph, InvalidSizes> {
        self.arch.graph_with(&self.sizes())
    }

    /// The preset of pixel statistics in force.
    pub fn resolved_norm(&self) -> Norm {
        self.norm.unwrap_or_else(|| published_norm(self.method, self.dataset))
    }

    /// The random changes of training images in force.
    pub fn augmentation(&self) -> Augment {
        if !self.augment {
            return Augment::NONE;
        }
        let published = Augment::published(self.dataset);
        let number = |given: Option<f64>, published| {
            given.map_or(published, |value| (value != 0.0).then_some(value))
        };
        Augment {
            resized_crop: self.resized_crop.map_or(published.resized_crop, |[min, max]| {
                ([min, max] != NO_WINDOW).then_some(AreaRange { min, max })
            }),
            rotation: number(self.rotation, published.rotation),
            crop: self.crop.map_or(published.crop, |pad| (pad > 0).then_some(pad)),
            flip: self.flip.unwrap_or(published.flip),
            lighting: number(self.lighting, published.lighting),
        }
    }

    /// The parts of the method in an epoch.
    pub fn parts(&self, epoch: usize) -> Parts {
        let (epochs, tau) = (self.epochs, self.tau.at(epoch, self.epochs));
        Parts::of(self.method, self.weight_gradient, Moment { epoch, epochs, tau })
    }

    /// Tau of an epoch, where the weight gradient reads it.
    pub fn tau_at(&self, epoch: usize) -> Option<f64> {
        let reads = self.weight_gradient == WeightGradient::Recu && self.stage == Stage::Binary;
        reads.then(|| self.tau.at(epoch, self.epochs))
    }

    /// The learning rate's schedule.
    pub fn lr_schedule(&self) -> LrSchedule {
        LrSchedule {
            shape: self.lr_shape.clone(),
            base: self.lr,
            warmup: self.warmup_epochs,
            epochs: self.epochs,
        }
    }

    /// Whether the forward pass of an epoch is on the grid.
    pub fn on_grid(&self, epoch: usize) -> bool {
        self.grid_from.is_some_and(|from| epoch >= from)
    }

    /// The gradient hooks.
    pub fn hooks(&self) -> Hooks {
        Hooks { ags: self.ags, sad: self.sad }
    }

    /// What the hooks and the flip statistics have to know of a layer of this fan-in.
    pub fn binary_layer(&self, fan_in: usize) -> BinaryLayer {
        BinaryLayer { fan_in, centering: self.method.centering() }
    }

    /// Whether a resumed run with these settings continues a run with the other ones: paths,
    /// device, threads, and how many files are kept may differ. Settings that were left open equal
    /// the resolved ones.
    pub fn same_run(&self, other: &Self) -> bool {
        let neutral = |c: &Self| Self {
            data: PathBuf::new(),
            out: PathBuf::new(),
            init_from: None,
            teacher: c.teacher.as_ref().map(|_| PathBuf::new()),
            device: String::new(),
            threads: 0,
            workers: 0,
            corrupt_limit: None,
            keep: 0,
            resume: false,
            ..c.resolved()
        };
        neutral(self) == neutral(other)
    }

    /// The settings with every choice that was left open made, as `config.json` has them.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let (sizes, augment) = (self.sizes(), self.augmentation());
        Self {
            widths: Some(sizes.widths),
            image_side: Some(sizes.image_side),
            norm: Some(self.resolved_norm()),
            resized_crop: Some(augment.resized_crop.map_or(NO_WINDOW, |a| [a.min, a.max])),
            rotation: Some(augment.rotation.unwrap_or(0.0)),
            crop: Some(augment.crop.unwrap_or(0)),
            flip: Some(augment.flip),
            lighting: Some(augment.lighting.unwrap_or(0.0)),
            ..self.clone()
        }
    }
}

/// The pixel statistics that a method's publication takes for a data set.
fn published_norm(method: Method, dataset: DatasetKind) -> Norm {
    match (dataset, method.default_norm()) {
        (DatasetKind::Imagenet, _) => Norm::Recu,
        (DatasetKind::TinyImagenet, _) => Norm::TinyImagenet,
        (DatasetKind::Cifar100, Norm::Recu) => Norm::Cifar100,
        (_, norm) => norm,
    }
}

#[cfg(test)]
mod tests;
