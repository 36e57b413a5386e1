//! Settings of a training run.

use std::path::PathBuf;

use heartbit_ir::grid::Grid;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::method::{Method, Norm};
use crate::optim::{Ags, Hooks, Sad};
use crate::schedule::TauSchedule;

/// Settings of a training run; written to `config.json` of the run's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Folder of the CIFAR-10 files.
    pub data: PathBuf,
    /// Folder of the run's results.
    pub out: PathBuf,
    /// Training method.
    pub method: Method,
    /// Passes over the training set.
    pub epochs: usize,
    /// Images of a batch; the last batch of an epoch may be smaller.
    pub batch: usize,
    /// Largest learning rate.
    pub lr: f64,
    /// Epochs of linear warm-up.
    pub warmup_epochs: usize,
    /// Momentum of the gradient descent.
    pub momentum: f64,
    /// Weight decay on every parameter.
    pub weight_decay: f64,
    /// ReCU's tau; the other methods do not read it.
    pub tau: TauSchedule,
    /// Adaptive gradient scaling; `None` is off. OvSW's λ for CIFAR-10 is 0.04.
    pub ags: Option<Ags>,
    /// Silence-aware decaying; `None` is off.
    pub sad: Option<Sad>,
    /// Pixel statistics; `None` takes those of the method's publication.
    pub norm: Option<Norm>,
    /// The deployed precision.
    pub grid: Grid,
    /// First epoch whose forward pass runs on the grid.
    pub grid_from: usize,
    /// Random crops and flips.
    pub augment: bool,
    /// Everything random depends on it.
    pub seed: u64,
    /// Threads; 0 takes one for each processor. Results do not depend on it.
    pub threads: usize,
    /// Trains on the first images only; `None` is all.
    pub train_images: Option<usize>,
    /// Tests on the first images only; `None` is all.
    pub test_images: Option<usize>,
    /// Continues the run in `out`.
    pub resume: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            data: PathBuf::new(),
            out: PathBuf::new(),
            method: Method::Recu,
            epochs: 600,
            batch: 256,
            lr: 0.1,
            warmup_epochs: 5,
            momentum: 0.9,
            weight_decay: 5e-4,
            tau: TauSchedule::default(),
            ags: None,
            sad: None,
            norm: None,
            grid: Grid::default(),
            grid_from: 0,
            augment: true,
            seed: 1,
            threads: 0,
            train_images: None,
            test_images: None,
            resume: false,
        }
    }
}

impl TrainConfig {
    /// The published setting of a method for CIFAR-10: 600 epochs, and OvSW's hooks.
    pub fn published(method: Method) -> Self {
        let hooks = match method {
            Method::Vanilla | Method::Recu => Hooks::default(),
            Method::Ovsw => Hooks { ags: Some(Ags { lambda: 0.04 }), sad: Some(Sad::default()) },
        };
        Self { method, ags: hooks.ags, sad: hooks.sad, ..Self::default() }
    }

    /// The preset of pixel statistics in force.
    pub fn resolved_norm(&self) -> Norm {
        self.norm.unwrap_or_else(|| self.method.default_norm())
    }

    /// The gradient hooks.
    pub fn hooks(&self) -> Hooks {
        Hooks { ags: self.ags, sad: self.sad }
    }

    /// The settings that a resumed run must share with the run it continues.
    pub fn same_run(&self, other: &Self) -> bool {
        let neutral = |c: &Self| Self {
            data: PathBuf::new(),
            out: PathBuf::new(),
            threads: 0,
            resume: false,
            norm: Some(c.resolved_norm()),
            ..c.clone()
        };
        neutral(self) == neutral(other)
    }

    /// Checks the values.
    ///
    /// # Errors
    /// [`Error::Config`] for the first setting that makes no sense.
    pub fn validate(&self) -> Result<(), Error> {
        let check = |ok: bool, name, value: String, rule| {
            if ok { Ok(()) } else { Err(Error::Config { name, value, rule }) }
        };
        let positive = |v: f64| v.is_finite() && v > 0.0;
        check(self.epochs > 0, "epochs", self.epochs.to_string(), "there is at least one")?;
        check(
            self.batch >= 2,
            "batch",
            self.batch.to_string(),
            "batch statistics need two images",
        )?;
        check(positive(self.lr), "lr", self.lr.to_string(), "it is positive")?;
        check(
            self.warmup_epochs <= self.epochs,
            "warmup_epochs",
            self.warmup_epochs.to_string(),
            "it is at most `epochs`",
        )?;
        check(
            (0.0..1.0).contains(&self.momentum),
            "momentum",
            self.momentum.to_string(),
            "it is in 0..1",
        )?;
        check(
            self.weight_decay.is_finite() && self.weight_decay >= 0.0,
            "weight_decay",
            self.weight_decay.to_string(),
            "it is not negative",
        )?;
        check(
            self.tau.min > 0.5 && self.tau.min <= self.tau.max && self.tau.max <= 1.0,
            "tau",
            format!("{} to {}", self.tau.min, self.tau.max),
            "it grows within 0.5 to 1",
        )?;
        let bits = [
            self.grid.stem_weight_bits,
            self.grid.head_weight_bits,
            self.grid.head_activation_bits,
        ];
        check(
            bits.iter().all(|b| (1..=8).contains(b))
                && (4..=14).contains(&self.grid.stream_frac_bits),
            "grid",
            format!("{:?}", self.grid),
            "levels have 1 to 8 bits and the stream 4 to 14 fraction bits",
        )?;
        let images = |n: Option<usize>| n.is_none_or(|n| n >= 2);
        check(
            images(self.train_images),
            "train_images",
            format!("{:?}", self.train_images),
            "at least 2",
        )?;
        check(
            self.test_images.is_none_or(|n| n > 0),
            "test_images",
            format!("{:?}", self.test_images),
            "at least 1",
        )
    }
}
