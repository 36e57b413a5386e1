//! Stochastic gradient descent with momentum.

use crate::params::Arrays;

/// Gradient descent with momentum and coupled weight decay.
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    momentum: f64,
    nesterov: bool,
    decays: Vec<f64>,
    velocity: Arrays,
}

impl Sgd {
    /// At rest. `decays` has a factor for each of `params`.
    pub fn new(momentum: f64, nesterov: bool, decays: Vec<f64>, params: &Arrays) -> Self {
        Self { momentum, nesterov, decays, velocity: params.zeros_like() }
    }

    /// `d = G + wd·W`; `v ← m·v + d` from `v = 0`, which makes the first velocity `d`; then
    /// `W ← W - lr·v`, or with Nesterov `W ← W - lr·(d + m·v)`. As PyTorch's, without dampening.
    pub fn step(&mut self, params: &mut Arrays, grads: &[Vec<f32>], lr: f64) {
        let (momentum, lr) = (self.momentum as f32, lr as f32);
        let each = params.list.iter_mut().zip(&mut self.velocity.list).zip(grads).zip(&self.decays);
        for (((param, velocity), grad), &decay) in each {
            let decay = decay as f32;
            for ((w, v), g) in param.values.iter_mut().zip(&mut velocity.values).zip(grad) {
                let d = g + decay * *w;
                *v = momentum * *v + d;
                *w -= lr * if self.nesterov { d + momentum * *v } else { *v };
            }
        }
    }

    pub(super) fn state(&self) -> Vec<(&'static str, &Arrays)> {
        vec![("velocity.", &self.velocity)]
    }

    pub(super) fn state_mut(&mut self) -> Vec<(&'static str, &mut Arrays)> {
        vec![("velocity.", &mut self.velocity)]
    }
}
