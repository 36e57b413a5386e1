//! Adam.

use crate::params::Arrays;

/// Adam with coupled weight decay, as PyTorch's `Adam` (not `AdamW`).
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    betas: [f64; 2],
    eps: f64,
    decays: Vec<f64>,
    first: Arrays,
    second: Arrays,
    steps: Arrays,
}

/// A step count in a file is two numbers to this base, which `f32` holds exactly.
const BASE: u64 = 1 << 20;
/// Name of the array of the step count.
const STEPS: &str = "steps";

impl Adam {
    /// Before the first step. `decays` has a factor for each of `params`.
    pub fn new(betas: [f64; 2], eps: f64, decays: Vec<f64>, params: &Arrays) -> Self {
        let mut steps = Arrays::default();
        steps.push(STEPS, &[2], vec![0.0; 2]);
        let (first, second) = (params.zeros_like(), params.zeros_like());
        Self { betas, eps, decays, first, second, steps }
    }

    #[expect(clippy::cast_sign_loss, reason = "counts, which are exact in an f32")]
    fn steps(&self) -> u64 {
        let digits = &self.steps.list[0].values;
        digits[0] as u64 * BASE + digits[1] as u64
    }

    fn count(&mut self) -> u64 {
        let steps = self.steps() + 1;
        self.steps.list[0].values = vec![(steps / BASE) as f32, (steps % BASE) as f32];
        steps
    }

    /// In step `t`, with `d = G + wd·W`: `m ← β1·m + (1 - β1)·d`, `v ← β2·v + (1 - β2)·d²`,
    /// `W ← W - lr/(1 - β1^t) · m / (√v/√(1 - β2^t) + ε)`.
    pub fn step(&mut self, params: &mut Arrays, grads: &[Vec<f32>], lr: f64) {
        let t = self.count() as f64;
        let [beta1, beta2] = self.betas;
        let size = (lr / (1.0 - beta1.powf(t))) as f32;
        let root = (1.0 - beta2.powf(t)).sqrt() as f32;
        let (keep1, new1) = (beta1 as f32, (1.0 - beta1) as f32);
        let (keep2, new2) = (beta2 as f32, (1.0 - beta2) as f32);
        let eps = self.eps as f32;
        let moments = self.first.list.iter_mut().zip(&mut self.second.list);
        let each = params.list.iter_mut().zip(moments).zip(grads).zip(&self.decays);
        for (((param, (first, second)), grad), &decay) in each {
            let decay = decay as f32;
            let moments = first.values.iter_mut().zip(&mut second.values);
            for ((w, (m, v)), g) in param.values.iter_mut().zip(moments).zip(grad) {
                let d = g + decay * *w;
                *m = keep1 * *m + new1 * d;
                *v = keep2 * *v + new2 * d * d;
                *w -= size * *m / (v.sqrt() / root + eps);
            }
        }
    }

    pub(super) fn state(&self) -> Vec<(&'static str, &Arrays)> {
        vec![("adam.first.", &self.first), ("adam.second.", &self.second), ("adam.", &self.steps)]
    }

    pub(super) fn state_mut(&mut self) -> Vec<(&'static str, &mut Arrays)> {
        vec![
            ("adam.first.", &mut self.first),
            ("adam.second.", &mut self.second),
            ("adam.", &mut self.steps),
        ]
    }
}
