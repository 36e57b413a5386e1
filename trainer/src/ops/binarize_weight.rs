//! Weight binarizers: from latent weights to ±1 and back.
//!
//! A binarizer is a forward rule for the bits and a surrogate gradient; a new one is a new
//! implementation of [`WeightBinarizer`]. The bits are those of [`heartbit_ir::grid`], which the
//! deployed network uses too, so training and deployment cannot disagree on a sign.
//!
//! `sign(0) = +1`, unlike `torch.sign`.

use std::fmt::Debug;

use heartbit_ir::grid::{Centering, binary_weights};
use rayon::prelude::*;

/// A rule from latent weights to ±1, with a surrogate gradient.
pub trait WeightBinarizer: Debug + Send + Sync {
    /// What the bits are compared with; also decides how the network is deployed.
    fn centering(&self) -> Centering;

    /// Returns the gradient of the latent weights from the gradient `grad` of the ±1 weights.
    ///
    /// `latent` holds whole filters of `fan_in` weights, all of one layer.
    fn backward(&self, latent: &[f32], fan_in: usize, grad: &[f32]) -> Vec<f32>;

    /// Returns the ±1 weights of one layer.
    fn forward(&self, latent: &[f32], fan_in: usize) -> Vec<f32> {
        let bits = binary_weights(latent, fan_in, self.centering());
        bits.into_iter().map(|bit| if bit { 1.0 } else { -1.0 }).collect()
    }
}

/// OvSW's and the vanilla binarizer.
///
/// Forward: `b = sign(w)`. Backward: `∂L/∂w = ∂L/∂b`, the identity everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Identity;

impl WeightBinarizer for Identity {
    fn centering(&self) -> Centering {
        Centering::None
    }

    fn backward(&self, _latent: &[f32], _fan_in: usize, grad: &[f32]) -> Vec<f32> {
        grad.to_vec()
    }
}

/// ReCU's binarizer: rectified clamp units.
///
/// Forward, for each filter of `n` weights: `w0 = w - mean(w)`, `s = sqrt(var(w0) + 1e-5)` with the
/// unbiased variance, `w1 = 2√2 · w0 / s`, `b = sign(clamp(w1, -Q, Q)) = sign(w0)`.
/// `Q = -mean|w1| · ln(2 - 2τ)`, the mean over the whole layer, is a constant of the gradient.
///
/// Backward: `g1 = ∂L/∂b` where `|w1| <= Q`, else 0;
/// `d = 2√2·g1/s - 2√2·w0·Σ(g1·w0) / (s³(n - 1))`; `∂L/∂w = d - mean(d)`.
#[derive(Clone, Copy, Debug)]
pub struct Recu {
    /// Order of the quantile that weights are clamped to, in (0.5, 1].
    pub tau: f64,
}

/// Standard deviation that ReCU scales a filter to.
const RECU_STD: f64 = 2.0 * std::f64::consts::SQRT_2;
/// Added to a filter's variance.
const RECU_EPS: f64 = 1e-5;

/// A centred filter and its deviation.
struct Standardised {
    centred: Vec<f64>,
    std: f64,
}

impl Standardised {
    fn new(filter: &[f32]) -> Self {
        let n = filter.len() as f64;
        let mean = filter.iter().map(|&w| f64::from(w)).sum::<f64>() / n;
        let centred: Vec<f64> = filter.iter().map(|&w| f64::from(w) - mean).collect();
        let var = centred.iter().map(|w| w * w).sum::<f64>() / (n - 1.0).max(1.0);
        Self { centred, std: (var + RECU_EPS).sqrt() }
    }

    /// The standardised weight.
    fn scaled(&self, i: usize) -> f64 {
        self.centred[i] * (RECU_STD / self.std)
    }
}

impl Recu {
    /// Returns the clamp's bound `Q` of a layer.
    pub fn bound(self, latent: &[f32], fan_in: usize) -> f64 {
        let filters: Vec<_> = latent.chunks(fan_in).map(Standardised::new).collect();
        self.bound_of(&filters)
    }

    fn bound_of(self, filters: &[Standardised]) -> f64 {
        let sums: Vec<f64> = filters
            .par_iter()
            .map(|f| (0..f.centred.len()).map(|i| f.scaled(i).abs()).sum::<f64>())
            .collect();
        // In the order of the filters, whatever the number of threads.
        let total: f64 = sums.iter().sum();
        let count: usize = filters.iter().map(|f| f.centred.len()).sum();
        -(total / count as f64) * (2.0 - 2.0 * self.tau).ln()
    }
}

impl WeightBinarizer for Recu {
    fn centering(&self) -> Centering {
        Centering::FilterMean
    }

    fn backward(&self, latent: &[f32], fan_in: usize, grad: &[f32]) -> Vec<f32> {
        let filters: Vec<_> = latent.par_chunks(fan_in).map(Standardised::new).collect();
        let bound = self.bound_of(&filters);
        let n = fan_in as f64;
        let mut out = vec![0.0; grad.len()];
        let rows = out.par_chunks_mut(fan_in).zip(&filters).zip(grad.par_chunks(fan_in));
        rows.for_each(|((out, f), grad)| {
            let masked: Vec<f64> = grad
                .iter()
                .enumerate()
                .map(|(i, &g)| if f.scaled(i).abs() <= bound { f64::from(g) } else { 0.0 })
                .collect();
            let dot: f64 = masked.iter().zip(&f.centred).map(|(g, w)| g * w).sum();
            let pull = dot / (f.std.powi(3) * (n - 1.0).max(1.0));
            let d: Vec<f64> = masked
                .iter()
                .zip(&f.centred)
                .map(|(g, w)| RECU_STD * (g / f.std - w * pull))
                .collect();
            let mean = d.iter().sum::<f64>() / n;
            out.iter_mut().zip(&d).for_each(|(out, d)| *out = (d - mean) as f32);
        });
        out
    }
}

#[cfg(test)]
mod tests;
