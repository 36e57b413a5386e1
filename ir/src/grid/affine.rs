//! Batch normalisation as an affine form, and the affine form as a requantization.
//!
//! Not here: thresholds, which the folder finds by search.

use super::{MUL_MAX, SHIFT_MAX, SHIFT_STEP, power, saturate};

/// Parameters and running statistics of one batch normalisation, a value for each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm {
    /// Scale.
    pub gamma: Vec<f32>,
    /// Offset.
    pub beta: Vec<f32>,
    /// Running mean.
    pub mean: Vec<f32>,
    /// Running (unbiased) variance.
    pub var: Vec<f32>,
    /// Added to the variance.
    pub eps: f64,
}

impl BatchNorm {
    /// Returns `gamma / sqrt(var + eps)` of a channel.
    pub(super) fn scale(&self, channel: usize) -> f64 {
        f64::from(self.gamma[channel]) / (f64::from(self.var[channel]) + self.eps).sqrt()
    }

    /// Returns `beta - scale * mean` of a channel.
    pub(super) fn offset(&self, channel: usize) -> f64 {
        f64::from(self.beta[channel])
            - f64::from(self.gamma[channel]) * f64::from(self.mean[channel])
                / (f64::from(self.var[channel]) + self.eps).sqrt()
    }
}

/// `y = a·z + b`, a pair for each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// Slopes.
    pub a: Vec<f64>,
    /// Offsets.
    pub b: Vec<f64>,
}

impl Affine {
    /// Returns the affine form of `batch_norm(alpha · z)`.
    ///
    /// # Panics
    /// If the vectors do not have one length: a bug of the caller.
    pub fn from_batch_norm(bn: &BatchNorm, alpha: &[f64]) -> Self {
        assert!(
            [bn.gamma.len(), bn.beta.len(), bn.mean.len(), bn.var.len()]
                .iter()
                .all(|&len| len == alpha.len()),
            "bug: batch normalisation and alpha differ in length"
        );
        let a = alpha
            .iter()
            .enumerate()
            .map(|(c, alpha)| {
                f64::from(bn.gamma[c]) * alpha / (f64::from(bn.var[c]) + bn.eps).sqrt()
            })
            .collect();
        let b = (0..alpha.len()).map(|c| bn.offset(c)).collect();
        Self { a, b }
    }
}

/// The integers of a `requantize` operation, a pair for each channel and one shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requantizer {
    /// Multipliers, at most [`MUL_MAX`] in magnitude.
    pub mul: Vec<i32>,
    /// Offsets, rounding to nearest included.
    pub bias: Vec<i32>,
    /// Right shift, a multiple of [`SHIFT_STEP`] up to [`SHIFT_MAX`].
    pub shift: u32,
}

/// Quantizes an affine layer for a stream with `frac_bits` fraction bits.
///
/// The shift is the largest one that no channel overflows; where even shift 0 overflows, the
/// channel saturates.
pub fn requantizer(affine: &Affine, frac_bits: u32) -> Requantizer {
    let scale = |shift: u32| f64::from(2u32).powi(power(frac_bits + shift));
    let fits = |shift: u32| {
        affine.a.iter().all(|a| (a.abs() * scale(shift)).round() <= f64::from(MUL_MAX))
            && affine.b.iter().all(|b| b.abs() * scale(shift) < f64::from(1u32 << 30))
    };
    let shift = (0..=SHIFT_MAX / SHIFT_STEP)
        .rev()
        .map(|step| step * SHIFT_STEP)
        .find(|&shift| fits(shift))
        .unwrap_or(0);
    let half = if shift == 0 { 0.0 } else { f64::from(1u32 << (shift - 1)) };
    Requantizer {
        mul: affine.a.iter().map(|a| saturate(a * scale(shift), MUL_MAX)).collect(),
        bias: affine
            .b
            .iter()
            .map(|b| saturate((b * scale(shift)).round() + half, i32::MAX))
            .collect(),
        shift,
    }
}
