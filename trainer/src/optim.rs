//! One optimization step: AGS, then SAD, then weight decay, then SGD or Adam.
//!
//! The order is OvSW's; every step is separately switchable, and only binary layers' latent
//! weights are subject to AGS and SAD ([`Hooks`]). Which parameters decay is [`DecayGroups`].
//! All arithmetic is on host arrays, in `f32` as in the published code; norms are added up in
//! `f64`, in an order that nothing changes.
//!
//! Everything that a resumed run needs is in named arrays: [`Optimizer::state`] and [`SadState`].

mod adam;
mod ags;
mod decay;
mod sad;
mod sgd;

use heartbit_ir::grid::Centering;
use serde::{Deserialize, Serialize};

use crate::params::Arrays;

pub use adam::Adam;
pub use ags::{Ags, GRAD_NORM_MIN, WEIGHT_NORM_MIN, mean_norm_ratio};
pub use decay::DecayGroups;
pub use sad::{Sad, SadSign, SadState};
pub use sgd::Sgd;

/// Gradient hooks of a method; each is optional.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hooks {
    /// Adaptive gradient scaling.
    pub ags: Option<Ags>,
    /// Silence-aware decaying.
    pub sad: Option<Sad>,
}

/// What the hooks have to know of a binary layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryLayer {
    /// Weights of a filter.
    pub fan_in: usize,
    /// What its bits are compared with.
    pub centering: Centering,
}

/// What the hooks saw in one layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HookReport {
    /// Mean over the filters of `‖G‖/‖W‖` before scaling, with the bounds of [`Ags`].
    pub norm_ratio: f64,
    /// Share of silent weights, where SAD is on.
    pub silent: Option<f64>,
}

impl Hooks {
    /// Changes the task gradient of one binary layer: AGS first, then SAD.
    ///
    /// # Panics
    /// If SAD is on and `state` is `None`: a bug.
    pub fn apply(
        &self,
        weights: &[f32],
        grads: &mut [f32],
        layer: BinaryLayer,
        state: Option<&mut SadState>,
    ) -> HookReport {
        let norm_ratio = match self.ags {
            Some(ags) => ags.apply(weights, grads, layer.fan_in),
            None => mean_norm_ratio(weights, grads, layer.fan_in),
        };
        let silent = self.sad.map(|sad| {
            let state = state.expect("bug: SAD has a state for each layer");
            sad.apply(weights, grads, layer, state)
        });
        HookReport { norm_ratio, silent }
    }
}

/// An optimizer and its values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerSettings {
    /// Gradient descent with momentum.
    Sgd {
        /// Factor of the velocity.
        momentum: f64,
        /// Nesterov's variant.
        nesterov: bool,
    },
    /// Adam.
    Adam {
        /// Factors of the running moments.
        betas: [f64; 2],
        /// Added to the root of the second moment.
        eps: f64,
    },
}

impl OptimizerSettings {
    /// What ReCU and OvSW take: momentum 0.9.
    pub const SGD: Self = Self::Sgd { momentum: 0.9, nesterov: false };
    /// PyTorch's values, which the two-stage recipe takes.
    pub const ADAM: Self = Self::Adam { betas: [0.9, 0.999], eps: 1e-8 };

    /// Returns the name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Adam { .. } => "adam",
        }
    }
}

/// An optimizer with its state.
#[derive(Clone, Debug, PartialEq)]
pub enum Optimizer {
    /// Gradient descent.
    Sgd(Sgd),
    /// Adam.
    Adam(Adam),
}

impl Optimizer {
    /// Makes an optimizer for `params`, each of which decays by its own factor in `decays`.
    pub fn new(settings: OptimizerSettings, decays: Vec<f64>, params: &Arrays) -> Self {
        assert_eq!(decays.len(), params.list.len(), "bug: one decay for each parameter");
        match settings {
            OptimizerSettings::Sgd { momentum, nesterov } => {
                Self::Sgd(Sgd::new(momentum, nesterov, decays, params))
            }
            OptimizerSettings::Adam { betas, eps } => {
                Self::Adam(Adam::new(betas, eps, decays, params))
            }
        }
    }

    /// Takes one step along the gradients.
    ///
    /// # Panics
    /// If `grads` are not those of `params`: a bug.
    pub fn step(&mut self, params: &mut Arrays, grads: &[Vec<f32>], lr: f64) {
        assert_eq!(params.list.len(), grads.len(), "bug: one gradient for each parameter");
        match self {
            Self::Sgd(sgd) => sgd.step(params, grads, lr),
            Self::Adam(adam) => adam.step(params, grads, lr),
        }
    }

    /// Returns the state as arrays under a prefix each; writing the same arrays back by
    /// [`state_mut`](Self::state_mut) restores it.
    pub fn state(&self) -> Vec<(&'static str, &Arrays)> {
        match self {
            Self::Sgd(sgd) => sgd.state(),
            Self::Adam(adam) => adam.state(),
        }
    }

    /// Returns the state to be overwritten by that of a file.
    pub fn state_mut(&mut self) -> Vec<(&'static str, &mut Arrays)> {
        match self {
            Self::Sgd(sgd) => sgd.state_mut(),
            Self::Adam(adam) => adam.state_mut(),
        }
    }
}

#[cfg(test)]
mod tests;
