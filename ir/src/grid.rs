//! From float parameters to the integers of a network: semantics.md, section 3.
//!
//! The trainer's evaluation and the folder both call these functions, so that the grid has one
//! definition; the arithmetic that *uses* the integers is written separately in each of them.
//! Everything is `f64`, in the order of the formulas, and rounds half away from zero.
//!
//! * `affine`: batch normalisation and requantization;
//! * `levels`: weights and streams as odd integers;
//! * `classifier`: the last layer;
//! * `prelu`.
//!
//! Not here: batch statistics, gradients, and the choice between architectures.

mod affine;
mod classifier;
mod levels;
mod prelu;

pub use affine::{Affine, BatchNorm, Requantizer, requantizer};
pub use classifier::{Classifier, classifier};
pub use levels::{
    RealConvLevels, StemLevels, global_pool, level_unit, max_level, odd, quantize_shift,
    range_log2, real_conv_levels, stem_levels,
};
pub use prelu::{PreluIntegers, prelu, stream_offset};

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
mod tests;
