//! Weights and streams as odd integers, and the float value of a level.
//!
//! Not here: binary weights ([`super::binary_weights`]), which have no scale of their own.

use super::{STREAM_MAX, count, power, saturate};

/// Returns the largest magnitude of `bits`-bit levels: `2^bits - 1`.
pub fn max_level(bits: u32) -> i32 {
    (1 << bits) - 1
}

/// Returns the odd integer whose cell holds `v`, `2·floor(v / 2) + 1`, limited to `bits` bits.
pub fn odd(v: f64, bits: u32) -> i32 {
    let limit = max_level(bits);
    let nearest = 2.0 * (v / 2.0).floor() + 1.0;
    saturate(nearest, limit)
}

/// The stem's weights as levels.
#[derive(Clone, Debug, PartialEq)]
pub struct StemLevels {
    /// `[cout, k, k, cin + 1]`, channel fastest; the last channel meets the constant 255.
    pub levels: Vec<i32>,
    /// One level's value for each output channel: the stem's alpha.
    pub scale: Vec<f64>,
}

/// Folds the pixel statistics into the stem and quantizes it.
///
/// `weights` is `[cout, cin, k, k]`, as in a checkpoint; `mean` and `std` are those of pixels
/// scaled to 0..=1, one for each of the `cin` channels.
///
/// # Panics
/// If the shape does not match the slices: a bug of the caller.
pub fn stem_levels(
    weights: &[f32],
    shape: [usize; 4],
    mean: &[f64],
    std: &[f64],
    bits: u32,
) -> StemLevels {
    let [cout, cin, kh, kw] = shape;
    let taps = kh * kw;
    assert!(
        weights.len() == cout * cin * taps && mean.len() == cin && std.len() == cin,
        "bug: stem shape {shape:?} does not match {} weights",
        weights.len()
    );
    let mut levels = Vec::with_capacity(cout * taps * (cin + 1));
    let mut scale = Vec::with_capacity(cout);
    for filter in weights.chunks(cin * taps) {
        let mut folded = Vec::with_capacity(taps * (cin + 1));
        for tap in 0..taps {
            let weight = |c: usize| f64::from(filter[c * taps + tap]);
            folded.extend((0..cin).map(|c| weight(c) / (510.0 * std[c])));
            let offset: f64 = (0..cin).map(|c| weight(c) * (0.5 - mean[c]) / std[c]).sum();
            folded.push(offset / 255.0);
        }
        let step = level_scale(&folded, bits);
        levels.extend(folded.iter().map(|v| odd(v / step, bits)));
        scale.push(step);
    }
    StemLevels { levels, scale }
}

/// Weights of a convolution on levels.
#[derive(Clone, Debug, PartialEq)]
pub struct RealConvLevels {
    /// `[cout, k, k, cin]`, channel fastest.
    pub levels: Vec<i32>,
    /// One level's value for each output channel.
    pub scale: Vec<f64>,
}

/// Quantizes the weights `[cout, cin, k, k]` of a real-valued shortcut convolution.
///
/// # Panics
/// If the shape does not match the weights: a bug of the caller.
pub fn real_conv_levels(weights: &[f32], shape: [usize; 4], bits: u32) -> RealConvLevels {
    let [cout, cin, kh, kw] = shape;
    let taps = kh * kw;
    assert!(weights.len() == cout * cin * taps, "bug: shape {shape:?} of a convolution");
    let (mut levels, mut scale) = (Vec::with_capacity(weights.len()), Vec::with_capacity(cout));
    for filter in weights.chunks(cin * taps) {
        let filter: Vec<f64> = filter.iter().map(|&w| f64::from(w)).collect();
        let step = level_scale(&filter, bits);
        let each = (0..taps).flat_map(|tap| (0..cin).map(move |c| c * taps + tap));
        levels.extend(each.map(|i| odd(filter[i] / step, bits)));
        scale.push(step);
    }
    RealConvLevels { levels, scale }
}

/// Returns the logarithm of a stream's range: ±1 where a hardtanh limits it, else all that its 16
/// bits hold.
pub fn range_log2(limited: bool, frac_bits: u32) -> u32 {
    if limited { 0 } else { STREAM_MAX.ilog2() + 1 - frac_bits }
}

/// Returns the right shift that turns a stream within ±2^`range_log2` into `bits`-bit levels:
/// `F + range_log2 - (bits - 1)`, at least 0.
pub fn quantize_shift(bits: u32, frac_bits: u32, range_log2: u32) -> u32 {
    (frac_bits + range_log2).saturating_sub(bits - 1)
}

/// Returns the float value of the level 1 of a stream shifted by `shift`: `2^(shift - 1 - F)`.
///
/// The cell of level `l` holds the stream's integers whose quotient by `2^shift` is `(l - 1) / 2`
/// rounded down, so `l · 2^(shift - 1)` is its centre.
pub fn level_unit(shift: u32, frac_bits: u32) -> f64 {
    f64::from(2u32).powi(power(shift) - 1 - power(frac_bits))
}

/// Returns the right shift of a global pooling of `positions` values within ±2^`range_log2`, and
/// the float value of the level 1 of the mean.
///
/// The shift is `F + range_log2 + ceil(log2(positions)) - (bits - 1)`, at least 0.
pub fn global_pool(positions: usize, bits: u32, frac_bits: u32, range_log2: u32) -> (u32, f64) {
    let log2 = positions.next_power_of_two().trailing_zeros();
    let shift = quantize_shift(bits, frac_bits, range_log2 + log2);
    (shift, level_unit(shift, frac_bits) / count(positions))
}

/// Returns the value of one level such that the largest magnitude meets the largest level.
pub(super) fn level_scale(values: &[f64], bits: u32) -> f64 {
    let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if largest == 0.0 { 1.0 } else { largest / f64::from(max_level(bits)) }
}
