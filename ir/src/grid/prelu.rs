//! The integers of a `prelu` operation.
//!
//! Not here: what the operation computes ([`crate::interp`]).

use super::{MUL_MAX, PRELU_OFFSET_MAX, SHIFT_MAX, SHIFT_STEP, power, saturate};

/// The integers of a `prelu` operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreluIntegers {
    /// Added to each channel first, in stream units.
    pub before: Vec<i32>,
    /// Multipliers of negative values, at most [`MUL_MAX`] in magnitude.
    pub slope: Vec<i32>,
    /// Right shift of the products, a multiple of [`SHIFT_STEP`].
    pub shift: u32,
    /// Added to each channel last, in stream units.
    pub after: Vec<i32>,
}

/// Quantizes `prelu(x + before, slope) + after` for a stream with `frac_bits` fraction bits.
///
/// The shift is the largest one for which no slope overflows.
pub fn prelu(slope: &[f32], before: &[f32], after: &[f32], frac_bits: u32) -> PreluIntegers {
    let scaled = |v: f32, bits: u32| f64::from(v) * f64::from(2u32).powi(power(bits));
    let fits =
        |shift: u32| slope.iter().all(|&s| scaled(s, shift).abs().round() <= f64::from(MUL_MAX));
    let shift = (0..=SHIFT_MAX / SHIFT_STEP)
        .rev()
        .map(|step| step * SHIFT_STEP)
        .find(|&shift| fits(shift))
        .unwrap_or(0);
    let offset = |v: &f32| stream_offset(*v, frac_bits);
    PreluIntegers {
        before: before.iter().map(offset).collect(),
        slope: slope.iter().map(|&s| saturate(scaled(s, shift), MUL_MAX)).collect(),
        shift,
        after: after.iter().map(offset).collect(),
    }
}

/// Returns a real offset in stream units, rounded half away from zero.
pub fn stream_offset(v: f32, frac_bits: u32) -> i32 {
    saturate(f64::from(v) * f64::from(2u32).powi(power(frac_bits)), PRELU_OFFSET_MAX)
}
