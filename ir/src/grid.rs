//! From float parameters to the integers of a network: semantics.md, section 3.
//!
//! The trainer's evaluation and the folder both call these functions, so that the grid has one
//! definition; the arithmetic that *uses* the integers is written separately in each of them.
//! Everything is `f64`, in the order of the formulas, and rounds half away from zero.
//!
//! Not here: batch statistics, gradients, and the choice between architectures.

use serde::{Deserialize, Serialize};

/// Largest magnitude of a requantization multiplier: 16 bits, signed, symmetric.
pub const MUL_MAX: i32 = 32_767;
/// Largest right shift of a requantization; shifts are multiples of [`SHIFT_STEP`].
pub const SHIFT_MAX: u32 = 28;
/// Granularity of requantization shifts: a coarse shifter costs half the multiplexers.
pub const SHIFT_STEP: u32 = 4;
/// Largest magnitude of a stream value: 16 bits, signed, symmetric.
pub const STREAM_MAX: i32 = 32_767;
/// Largest magnitude of an offset that is added to a stream.
pub const PRELU_OFFSET_MAX: i32 = 1 << 20;
/// Epsilon inside the square root of the alpha statistic.
const ALPHA_EPS: f64 = 1e-5;

/// The precision of a deployed network: what the trainer trains on and the folder writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Fraction bits of the residual stream.
    pub stream_frac_bits: u32,
    /// Bits of a stem weight, an odd integer.
    pub stem_weight_bits: u32,
    /// Bits of a head weight, an odd integer.
    pub head_weight_bits: u32,
    /// Bits of an activation that the classifier reads, an odd integer.
    pub head_activation_bits: u32,
    /// Bits of a weight of a real-valued shortcut convolution, an odd integer.
    #[serde(default = "downsample_weight_bits")]
    pub downsample_weight_bits: u32,
    /// Bits of an activation that such a convolution reads, an odd integer.
    #[serde(default = "downsample_activation_bits")]
    pub downsample_activation_bits: u32,
}

/// Checkpoints of networks without such convolutions may leave this out.
fn downsample_weight_bits() -> u32 {
    6
}

/// As [`downsample_weight_bits`].
fn downsample_activation_bits() -> u32 {
    8
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            stream_frac_bits: 12,
            stem_weight_bits: 4,
            head_weight_bits: 6,
            head_activation_bits: 8,
            downsample_weight_bits: downsample_weight_bits(),
            downsample_activation_bits: downsample_activation_bits(),
        }
    }
}

impl Grid {
    /// Whether the hardware has these widths: levels of 1 to 8 bits, 1 to 14 fraction bits.
    pub fn is_valid(&self) -> bool {
        (1..=14).contains(&self.stream_frac_bits)
            && [
                self.stem_weight_bits,
                self.head_weight_bits,
                self.head_activation_bits,
                self.downsample_weight_bits,
                self.downsample_activation_bits,
            ]
            .iter()
            .all(|bits| (1..=8).contains(bits))
    }
}

/// Mean and standard deviation of each channel of pixels scaled to 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelStatistics {
    /// Means.
    pub mean: [f64; 3],
    /// Standard deviations.
    pub std: [f64; 3],
}

/// ReCU's statistics: those of ImageNet, on CIFAR-10 too.
pub const RECU_PIXELS: PixelStatistics =
    PixelStatistics { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
/// OvSW's statistics: those of CIFAR-10.
pub const OVSW_PIXELS: PixelStatistics =
    PixelStatistics { mean: [0.491, 0.482, 0.447], std: [0.247, 0.243, 0.262] };

/// ReCU's statistics for CIFAR-100 (`cifar/` of its repository).
pub const CIFAR100_RECU_PIXELS: PixelStatistics =
    PixelStatistics { mean: [0.507, 0.487, 0.441], std: [0.267, 0.256, 0.276] };
/// ReCU's statistics for Tiny-ImageNet (`imagenet/` of its repository).
pub const TINY_IMAGENET_PIXELS: PixelStatistics =
    PixelStatistics { mean: [0.4802, 0.4481, 0.3975], std: [0.2302, 0.2265, 0.2262] };

/// What a binary weight is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Centering {
    /// `sign(w)`: `OvSW` and the vanilla baseline.
    None,
    /// `sign(w - mean of the filter)`: `ReCU`.
    FilterMean,
}

/// Returns the bit of each latent weight: `w - m >= 0`.
///
/// `weights` holds whole filters of `fan_in` weights each; the order is kept.
pub fn binary_weights(weights: &[f32], fan_in: usize, centering: Centering) -> Vec<bool> {
    weights
        .chunks(fan_in)
        .flat_map(|filter| {
            let mean = match centering {
                Centering::None => 0.0,
                Centering::FilterMean => mean(filter),
            };
            filter.iter().map(move |&w| f64::from(w) - mean >= 0.0)
        })
        .collect()
}

/// Returns `OvSW`'s alpha of each filter: the mean of `|w - mean| / sqrt(var + 1e-5)`, with the
/// unbiased variance. A filter of one weight has variance 0.
pub fn alpha_statistic(weights: &[f32], fan_in: usize) -> Vec<f64> {
    weights
        .chunks(fan_in)
        .map(|filter| {
            let mean = mean(filter);
            let n = count(filter.len());
            let squares: f64 = filter.iter().map(|&w| (f64::from(w) - mean).powi(2)).sum();
            let var = if filter.len() > 1 { squares / (n - 1.0) } else { 0.0 };
            let std = (var + ALPHA_EPS).sqrt();
            filter.iter().map(|&w| (f64::from(w) - mean).abs() / std).sum::<f64>() / n
        })
        .collect()
}

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
    fn scale(&self, channel: usize) -> f64 {
        f64::from(self.gamma[channel]) / (f64::from(self.var[channel]) + self.eps).sqrt()
    }

    /// Returns `beta - scale * mean` of a channel.
    fn offset(&self, channel: usize) -> f64 {
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

/// Returns the shift of [`global_pool`] for values within ±1.
pub fn pool_shift(positions: usize, grid: &Grid) -> u32 {
    global_pool(positions, grid.head_activation_bits, grid.stream_frac_bits, 0).0
}

/// The classifier, with a batch normalisation before it folded in, as levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    /// `[classes, features]`, feature fastest.
    pub levels: Vec<i32>,
    /// One for each class, in units of a logit.
    pub bias: Vec<i32>,
    /// The float value of the integer logit 1.
    pub logit_scale: f64,
}

/// Folds a batch normalisation into the linear layer after it and quantizes both.
///
/// `weights` is `[classes, features]`; `input_unit` is the float value of a feature's level 1.
///
/// # Panics
/// If the lengths do not match: a bug of the caller.
pub fn classifier(
    weights: &[f32],
    bias: &[f32],
    norm: Option<&BatchNorm>,
    input_unit: f64,
    weight_bits: u32,
) -> Classifier {
    let features = weights.len() / bias.len();
    assert!(
        weights.len() == bias.len() * features && norm.is_none_or(|n| n.gamma.len() == features),
        "bug: shape of a classifier"
    );
    let scale = |i: usize| norm.map_or(1.0, |norm| norm.scale(i));
    let offset = |i: usize| norm.map_or(0.0, |norm| norm.offset(i));
    let folded: Vec<f64> =
        weights.iter().enumerate().map(|(i, &w)| f64::from(w) * scale(i % features)).collect();
    let step = level_scale(&folded, weight_bits);
    let logit_scale = step * input_unit;
    let bias = weights
        .chunks(features)
        .zip(bias)
        .map(|(row, &b)| {
            let moved: f64 = row.iter().enumerate().map(|(i, &w)| f64::from(w) * offset(i)).sum();
            saturate((f64::from(b) + moved) / logit_scale, i32::MAX / 2)
        })
        .collect();
    Classifier {
        levels: folded.iter().map(|v| odd(v / step, weight_bits)).collect(),
        bias,
        logit_scale,
    }
}

/// The classifier behind a global pooling and a batch normalisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// `[classes, channels]`, channel fastest.
    pub levels: Vec<i32>,
    /// One for each class, in units of a logit.
    pub bias: Vec<i32>,
    /// The float value of the integer logit 1.
    pub logit_scale: f64,
    /// Right shift of the global pooling.
    pub pool_shift: u32,
}

/// Returns the [`classifier`] that reads a [`global_pool`] of `positions` values within ±1.
///
/// # Panics
/// As for [`classifier`].
pub fn head(weights: &[f32], bias: &[f32], bn: &BatchNorm, positions: usize, grid: &Grid) -> Head {
    let (bits, frac_bits) = (grid.head_activation_bits, grid.stream_frac_bits);
    let (pool_shift, unit) = global_pool(positions, bits, frac_bits, 0);
    let Classifier { levels, bias, logit_scale } =
        classifier(weights, bias, Some(bn), unit, grid.head_weight_bits);
    Head { levels, bias, logit_scale, pool_shift }
}

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

/// Returns the value of one level such that the largest magnitude meets the largest level.
fn level_scale(values: &[f64], bits: u32) -> f64 {
    let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if largest == 0.0 { 1.0 } else { largest / f64::from(max_level(bits)) }
}

/// Rounds half away from zero and saturates to `±limit`. NaN becomes 0.
#[expect(clippy::cast_possible_truncation, reason = "limited to the range of i32 first")]
fn saturate(v: f64, limit: i32) -> i32 {
    v.round().clamp(-f64::from(limit), f64::from(limit)) as i32
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&w| f64::from(w)).sum::<f64>() / count(values.len())
}

#[expect(clippy::cast_precision_loss, reason = "element counts are far below 2^53")]
fn count(n: usize) -> f64 {
    n as f64
}

fn power(bits: u32) -> i32 {
    i32::try_from(bits).expect("bug: a bit width is small")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_maps_each_cell_to_its_centre() {
        let cases = [(-9.0, -7), (-2.0, -1), (-0.1, -1), (0.0, 1), (1.9, 1), (2.0, 3), (99.0, 7)];
        for (v, expected) in cases {
            assert_eq!(odd(v, 3), expected, "{v}");
        }
    }

    #[test]
    fn recu_bits_compare_with_the_filter_mean() {
        let weights = [0.1, 0.2, 0.3, 0.2, -1.0, -2.0, -3.0, -2.0];
        assert_eq!(
            binary_weights(&weights, 4, Centering::FilterMean),
            [false, false, true, false, true, true, false, true].map(|b| b),
        );
        assert!(binary_weights(&weights[..4], 4, Centering::None).iter().all(|&b| b));
    }

    #[test]
    fn requantizer_takes_the_finest_shift_that_fits() {
        let affine = Affine { a: vec![0.05, -0.02], b: vec![0.5, -1.0] };
        let r = requantizer(&affine, 12);
        // 0.05 · 2^(12 + 4) = 3277 fits, 0.05 · 2^(12 + 8) = 52429 does not.
        assert_eq!((r.shift, r.mul), (4, vec![3277, -1311]));
        assert_eq!(r.bias, vec![32_768 + 8, -65_536 + 8]);
    }

    #[test]
    fn requantizer_saturates_a_slope_that_no_shift_holds() {
        let r = requantizer(&Affine { a: vec![100.0], b: vec![0.0] }, 12);
        assert_eq!((r.shift, r.mul[0], r.bias[0]), (0, MUL_MAX, 0));
    }

    #[test]
    fn stem_of_centred_pixels_has_a_zero_offset() {
        let stem = stem_levels(&[1.0, -0.5], [1, 2, 1, 1], &[0.5, 0.5], &[0.25, 0.25], 4);
        assert_eq!(stem.levels, [15, -7, 1]);
    }

    #[test]
    fn classifier_of_a_pooled_vector_restores_the_mean() {
        let bn = BatchNorm {
            gamma: vec![1.0],
            beta: vec![0.0],
            mean: vec![0.0],
            var: vec![1.0],
            eps: 0.0,
        };
        let (shift, unit) = global_pool(64, 8, 12, 0);
        let head = classifier(&[1.0], &[0.5], Some(&bn), unit, 6);
        // A mean of 0.5 sums to 64 · 2048 and pools to 2·(2^17 / 2^11) + 1 = 129 of 256.
        assert_eq!(shift, 11);
        assert_eq!(head.levels, [63]);
        let logit = f64::from(63 * 129 + head.bias[0]) * head.logit_scale;
        assert!((logit - (129.0 / 256.0 + 0.5)).abs() < 1e-4, "{logit}");
        assert_eq!(head, classifier(&[1.0], &[0.5], None, unit, 6));
    }

    /// Metadata that was written before there were shortcuts of real values.
    #[test]
    fn grid_of_an_old_checkpoint_has_the_default_shortcuts() {
        let old = r#"{"stream_frac_bits":12,"stem_weight_bits":4,"head_weight_bits":6,
            "head_activation_bits":8}"#;
        let grid: Grid = serde_json::from_str(old).expect("readable");
        assert_eq!(grid, Grid::default());
        assert_eq!((grid.downsample_weight_bits, grid.downsample_activation_bits), (6, 8));
        let unknown = old.replace("stem", "stern");
        assert!(serde_json::from_str::<Grid>(&unknown).is_err());
        let json = serde_json::to_string(&Grid { downsample_weight_bits: 3, ..grid });
        let json = json.expect("plain numbers");
        let read: Grid = serde_json::from_str(&json).expect("readable");
        assert_eq!(read.downsample_weight_bits, 3);
        assert!(read.is_valid() && !Grid { downsample_activation_bits: 9, ..read }.is_valid());
    }

    #[test]
    fn head_is_a_classifier_of_the_pooled_mean() {
        let bn = BatchNorm {
            gamma: vec![2.0, -0.5],
            beta: vec![0.25, 1.0],
            mean: vec![0.5, -0.125],
            var: vec![3.0, 15.0],
            eps: 1.0,
        };
        let (weights, bias) = ([1.0, 2.0, -4.0, 0.5], [0.5, -1.0]);
        let head = head(&weights, &bias, &bn, 49, &Grid::default());
        // 12 + ceil(log2(49)) - 7; one level is 2^(11 - 1 - 12) / 49.
        let unit = 0.25 / 49.0;
        assert_eq!(head.pool_shift, 11);
        // W' = W · (1, -1/8) = (1, -0.25), (-4, -0.0625); one level is 4 / 63.
        assert_eq!(head.levels, [15, -3, -63, -1]);
        assert!((head.logit_scale - 4.0 / 63.0 * unit).abs() < 1e-15);
        // The offsets of the channels are 0.25 - 1·0.5 and 1 - 0.125·0.125.
        let offsets = [0.5 - 0.25 + 2.0 * 0.984_375, -1.0 + 4.0 * 0.25 + 0.5 * 0.984_375];
        for (integer, offset) in head.bias.iter().zip(offsets) {
            let error = f64::from(*integer) - offset / head.logit_scale;
            assert!(error.abs() <= 0.5, "{integer}: {error}");
        }
    }

    /// Every integer of a stream is less than half a cell away from the level that it becomes,
    /// unless the range cuts it off.
    #[test]
    fn levels_stand_for_what_quantize_read() {
        for (bits, frac_bits, range_log2) in [(8, 12, 0), (8, 12, 3), (4, 10, 0), (1, 3, 2)] {
            let shift = quantize_shift(bits, frac_bits, range_log2);
            let unit = level_unit(shift, frac_bits);
            let one = f64::from(1u32 << frac_bits);
            let range = 1i32 << (frac_bits + range_log2);
            for v in -range..range {
                let q = (v >> shift) + (1 << (bits - 1));
                assert!((0..1 << bits).contains(&q), "{v} leaves {bits} bits");
                let level = f64::from(2 * q - max_level(bits));
                assert!((level * unit - f64::from(v) / one).abs() <= unit, "{v}");
            }
        }
        // Fewer fraction bits than levels: nothing is shifted away.
        assert_eq!(quantize_shift(8, 4, 0), 0);
    }

    #[test]
    fn real_convolution_moves_the_channels_behind_the_taps() {
        // One filter of 2 channels and 1x2 taps: (c, x) = (0, 0), (0, 1), (1, 0), (1, 1).
        let conv = real_conv_levels(&[1.0, 0.5, -0.25, -1.0], [1, 2, 1, 2], 3);
        assert_eq!(conv.levels, [7, -1, 3, -7]);
        assert!((conv.scale[0] - 1.0 / 7.0).abs() < 1e-15);
        let zeros = real_conv_levels(&[0.0; 2], [2, 1, 1, 1], 6);
        assert_eq!((zeros.levels, zeros.scale), (vec![1, 1], vec![1.0, 1.0]));
    }

    #[test]
    fn prelu_of_extreme_slopes_saturates_or_uses_the_largest_shift() {
        let p = prelu(&[40_000.0, -0.4], &[0.0; 2], &[0.0; 2], 12);
        assert_eq!((p.shift, p.slope), (0, vec![MUL_MAX, 0]));
        let p = prelu(&[0.0, 1e-5], &[1e-9, -300.0], &[0.000_123, -0.000_123], 12);
        // 1e-5 · 2^28 = 2684.35; 0.000123 · 2^12 = 0.504; 300 · 2^12 leaves the range.
        assert_eq!((p.shift, p.slope), (28, vec![0, 2684]));
        assert_eq!((p.before, p.after), (vec![0, -PRELU_OFFSET_MAX], vec![1, -1]));
    }

    #[test]
    fn level_unit_is_half_a_cell() {
        // 8 bits over ±1 at 12 fraction bits: 256 cells of 32 units, 2^-7 wide.
        let shift = quantize_shift(8, 12, 0);
        assert_eq!(shift, 5);
        assert!((level_unit(shift, 12) - 1.0 / 256.0).abs() < 1e-15);
        // Over ±8, the whole stream.
        assert_eq!(quantize_shift(8, 12, 3), 8);
    }

    #[test]
    fn real_convolution_has_a_scale_for_each_filter() {
        let conv = real_conv_levels(&[0.5, -1.0, 0.25, 0.25, 0.1, 0.0], [2, 3, 1, 1], 4);
        assert_eq!(conv.levels, [7, -15, 3, 15, 7, 1]);
        assert!((conv.scale[1] - 0.25 / 15.0).abs() < 1e-12);
    }

    #[test]
    fn prelu_slopes_share_the_finest_shift_that_fits() {
        let p = prelu(&[0.25, -1.5], &[0.5, 0.0], &[-1.0, 3e9], 12);
        // 1.5 · 2^12 = 6144 fits 16 bits, 1.5 · 2^16 does not.
        assert_eq!((p.shift, p.slope), (12, vec![1024, -6144]));
        assert_eq!((p.before, p.after), (vec![2048, 0], vec![-4096, PRELU_OFFSET_MAX]));
    }
}
