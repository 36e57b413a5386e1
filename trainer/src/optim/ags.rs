//! Adaptive gradient scaling (OvSW).

use serde::{Deserialize, Serialize};

/// Adaptive gradient scaling: lifts the gradient of a filter that is small beside its weights.
///
/// Per filter, with `g = max(‖G‖, 1e-6)` and `w = max(‖W‖, 1e-3)`: where `g / w < λ`,
/// `G ← G · λ·w / g`. The bounds are of the published code; equation 14 has none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ags {
    /// The bound λ.
    pub lambda: f64,
}

/// Smallest gradient norm in a quotient.
pub const GRAD_NORM_MIN: f64 = 1e-6;
/// Smallest weight norm in a quotient.
pub const WEIGHT_NORM_MIN: f64 = 1e-3;

/// Norms of the gradient and of the weights of one filter, bounded.
fn norms(weights: &[f32], grads: &[f32]) -> (f64, f64) {
    (norm(grads).max(GRAD_NORM_MIN), norm(weights).max(WEIGHT_NORM_MIN))
}

/// Euclidean norm, added up in eight interleaved sums, which is fast and always the same order.
fn norm(values: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    for chunk in values.chunks(8) {
        for (sum, &v) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(v) * f64::from(v);
        }
    }
    sums.iter().sum::<f64>().sqrt()
}

/// Returns the mean over the filters of `g / w`.
pub fn mean_norm_ratio(weights: &[f32], grads: &[f32], fan_in: usize) -> f64 {
    let filters = weights.chunks(fan_in).zip(grads.chunks(fan_in));
    let total: f64 = filters
        .map(|(w, g)| {
            let (grad, weight) = norms(w, g);
            grad / weight
        })
        .sum();
    total / weights.chunks(fan_in).len() as f64
}

impl Ags {
    /// Scales the gradients of whole filters of `fan_in` weights; returns the mean of `g / w`
    /// before.
    pub fn apply(&self, weights: &[f32], grads: &mut [f32], fan_in: usize) -> f64 {
        let mut total = 0.0;
        for (w, g) in weights.chunks(fan_in).zip(grads.chunks_mut(fan_in)) {
            let (grad, weight) = norms(w, g);
            total += grad / weight;
            if grad / weight < self.lambda {
                let factor = (self.lambda * weight / grad) as f32;
                for g in g {
                    *g *= factor;
                }
            }
        }
        total / weights.chunks(fan_in).len() as f64
    }
}
