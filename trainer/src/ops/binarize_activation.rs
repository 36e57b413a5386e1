//! Activation binarizer: `sign` with the triangle gradient on per-image normalised values.
//!
//! Forward: `b = sign(x)`, `sign(0) = +1`. In training the value is first divided by
//! `s = sqrt(var(x) + 1e-5)` of its image (unbiased, over channels and positions, not centred),
//! which changes no sign but the width of the gradient's window.
//!
//! Backward: `g1 = ∂L/∂b · max(0, 2 - 2|x/s|)`, then
//! `∂L/∂x = g1/s - (x - mean(x)) · Σ(g1·x) / ((N - 1)·s³)` where the deviation is attached (ReCU),
//! or `g1/s` where it is detached (OvSW).

use crate::lanes::LANES;
use crate::ops::passes::{Row, StdRow, Totals};

/// Added to an image's variance.
const EPS: f64 = 1e-5;

/// Whether the gradient flows through the normalisation's deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdGradient {
    /// ReCU.
    Attached,
    /// OvSW and its vanilla baseline.
    Detached,
}

/// Mean and deviation of one group's images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageStats {
    /// Mean of each image.
    pub mean: Row,
    /// `1/s` of each image.
    pub inv: Row,
}

impl ImageStats {
    /// From the sums and the sums of squares of `count` values an image.
    pub fn new(sum: &Totals, squares: &Totals, count: usize) -> Self {
        let n = count as f64;
        let mut stats = Self { mean: [0.0; LANES], inv: [0.0; LANES] };
        for k in 0..LANES {
            let mean = sum[k] / n;
            let var = ((squares[k] - sum[k] * mean) / (n - 1.0)).max(0.0);
            stats.mean[k] = mean as f32;
            stats.inv[k] = (1.0 / (var + EPS).sqrt()) as f32;
        }
        stats
    }

    /// Returns the last step of the backward, given `dot = Σ(g1·x)` of each image.
    pub fn backward(&self, rule: StdGradient, dot: &Totals, count: usize) -> StdRow {
        let n = count as f64;
        let slope = std::array::from_fn(|k| match rule {
            StdGradient::Attached => (dot[k] * f64::from(self.inv[k]).powi(3) / (n - 1.0)) as f32,
            StdGradient::Detached => 0.0,
        });
        StdRow { inv: self.inv, mean: self.mean, slope }
    }
}
