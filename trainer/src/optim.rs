//! One optimization step: AGS, then SAD, then weight decay, then momentum.
//!
//! The order is OvSW's; every step is separately switchable, and only binary layers' latent
//! weights are subject to AGS and SAD. All arithmetic is on host arrays, in `f32` as in the
//! published code; norms are added up in `f64`.

use serde::{Deserialize, Serialize};

use crate::params::Arrays;

/// Adaptive gradient scaling: lifts the gradient of a filter that is small beside its weights.
///
/// Per filter, with `g = max(‖G‖, 1e-6)` and `w = max(‖W‖, 1e-3)`: where `g / w < λ`,
/// `G ← G · λ·w / g`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ags {
    /// The bound λ.
    pub lambda: f64,
}

/// Smallest gradient norm in a quotient.
const GRAD_NORM_MIN: f64 = 1e-6;
/// Smallest weight norm in a quotient.
const WEIGHT_NORM_MIN: f64 = 1e-3;

impl Ags {
    /// Scales the gradients of whole filters of `fan_in` weights.
    pub fn apply(&self, weights: &[f32], grads: &mut [f32], fan_in: usize) {
        for (w, g) in weights.chunks(fan_in).zip(grads.chunks_mut(fan_in)) {
            let grad_norm = norm(g).max(GRAD_NORM_MIN);
            let weight_norm = norm(w).max(WEIGHT_NORM_MIN);
            if grad_norm / weight_norm < self.lambda {
                let factor = (self.lambda * weight_norm / grad_norm) as f32;
                for g in g {
                    *g *= factor;
                }
            }
        }
    }
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt()
}

/// Silence-aware decaying: decays the weights whose sign has not flipped lately.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sad {
    /// The decay σ of silent weights.
    pub sigma: f64,
    /// Momentum `m` of the flip average.
    pub momentum: f64,
    /// A weight is silent below this average ε.
    pub threshold: f64,
}

impl Default for Sad {
    fn default() -> Self {
        Self { sigma: 9e-4, momentum: 0.999, threshold: 1e-4 }
    }
}

/// SAD's state of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct SadState {
    /// Moving average of sign flips, from 0.
    pub flips: Vec<f32>,
    /// The weights of the last step.
    pub previous: Vec<f32>,
}

impl SadState {
    /// The state of a layer that has just been initialised.
    pub fn new(weights: &[f32]) -> Self {
        Self { flips: vec![0.0; weights.len()], previous: weights.to_vec() }
    }
}

impl Sad {
    /// Updates the state and adds `σ·w` to the gradients of silent weights.
    ///
    /// A flip is a change of `sign(w)`, `sign(0) = +1`, since the last call, so the flip that an
    /// optimizer step causes is seen one iteration later.
    pub fn apply(&self, weights: &[f32], grads: &mut [f32], state: &mut SadState) {
        let (m, sigma) = (self.momentum as f32, self.sigma as f32);
        let each = weights.iter().zip(grads).zip(&mut state.flips).zip(&mut state.previous);
        for (((&w, g), flips), previous) in each {
            let flipped = (w >= 0.0) != (*previous >= 0.0);
            *flips = m * *flips + if flipped { (1.0 - self.momentum) as f32 } else { 0.0 };
            if f64::from(*flips) < self.threshold {
                *g += sigma * w;
            }
            *previous = w;
        }
    }
}

/// Gradient hooks of a method; each is optional.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hooks {
    /// Adaptive gradient scaling.
    pub ags: Option<Ags>,
    /// Silence-aware decaying.
    pub sad: Option<Sad>,
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
        fan_in: usize,
        state: Option<&mut SadState>,
    ) {
        if let Some(ags) = self.ags {
            ags.apply(weights, grads, fan_in);
        }
        if let Some(sad) = self.sad {
            sad.apply(weights, grads, state.expect("bug: SAD has a state for each layer"));
        }
    }
}

/// Stochastic gradient descent with momentum and coupled weight decay on every parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    /// Factor of the velocity.
    pub momentum: f64,
    /// Factor of the weights in the gradient.
    pub weight_decay: f64,
    /// One array for each parameter; empty before the first step.
    pub velocity: Option<Arrays>,
}

impl Sgd {
    /// Without velocity.
    pub fn new(momentum: f64, weight_decay: f64) -> Self {
        Self { momentum, weight_decay, velocity: None }
    }

    /// `d = G + wd·W`; `v ← momentum·v + d` (first step `v = d`); `W ← W - lr·v`.
    ///
    /// # Panics
    /// If `grads` are not those of `params`: a bug.
    pub fn step(&mut self, params: &mut Arrays, grads: &[Vec<f32>], lr: f64) {
        assert_eq!(params.list.len(), grads.len(), "bug: one gradient for each parameter");
        let velocity = self.velocity.get_or_insert_with(|| params.zeros_like());
        let (momentum, decay, lr) = (self.momentum as f32, self.weight_decay as f32, lr as f32);
        for ((param, velocity), grad) in params.list.iter_mut().zip(&mut velocity.list).zip(grads) {
            for ((w, v), g) in param.values.iter_mut().zip(&mut velocity.values).zip(grad) {
                *v = momentum * *v + (g + decay * *w);
                *w -= lr * *v;
            }
        }
    }
}

#[cfg(test)]
mod tests;
