//! Sums of signs times signs: exclusive or and population count.
//!
//! A sign is one bit, 1 for -1, so that a product of signs is the exclusive or of two bits and the
//! sum of n products is `n - 2·ones` (Rastegari et al., XNOR-Net, ECCV 2016, section 3.2). Sums
//! are integers: those of [`forward`](super::forward) for the same signs, bit for bit.
//!
//! * [`pack_signs`] makes the map of bits of one group, [`pack_sign_weights`] the weights' bits.
//! * [`forward_signs`] convolves the one with the other.
//!
//! Maps have no border: a tap beyond the map is left out. Channels beyond the last one are 0 in map
//! and weights, and add no ones.
//! Both gradients need real numbers; they are in [`mod@super::map`] and [`mod@super::weights`].

use super::{ConvShape, check_weights};
use crate::lanes::{LANES, Lanes, SIGN_CHANNELS, Signs};
use crate::ops::passes::Row;
use crate::simd::simd;

/// Output channels computed together.
const COUT_BLOCK: usize = 4;
/// Channels of a byte.
const BYTE: usize = 8;
/// Taps whose ones fit a byte.
const COUNTED_TAPS: usize = u8::MAX as usize / BYTE;

/// Weights in the order in which [`forward_signs`] reads them.
#[derive(Clone, Debug)]
pub struct SignWeights {
    /// `[cout / 4, cin / 16, taps, 4]`, the same bits for every image.
    filters: Vec<[Signs; COUT_BLOCK]>,
}

impl ConvShape {
    /// Planes of a map of signs.
    fn sign_planes(&self) -> usize {
        self.cin.div_ceil(SIGN_CHANNELS)
    }

    /// Length of the input as a map of signs, `[cin / 16, side, side]`.
    pub fn sign_input(&self) -> usize {
        self.sign_planes() * self.in_side * self.in_side
    }

    /// The taps that meet the map in row (or column) `at` of the output.
    fn taps_inside(&self, at: usize) -> std::ops::Range<usize> {
        let first = at * self.stride;
        self.pad().saturating_sub(first)..self.kernel.min(self.in_side + self.pad() - first)
    }
}

/// Packs `[cout, cin, k, k]` weights of ±1.
///
/// # Panics
/// If a weight is no sign, the shape is not one of the kernels', or it does not hold the weights: a
/// bug.
pub fn pack_sign_weights(weights: &[f32], shape: ConvShape) -> SignWeights {
    check_weights(weights, shape);
    assert!(weights.iter().all(|w| matches!(w, 1.0 | -1.0)), "bug: weights that are no signs");
    let bit = |o: usize, c: usize, tap: usize| {
        let inside = o < shape.cout && c < shape.cin;
        inside && weights[(o * shape.cin + c) * shape.taps() + tap] < 0.0
    };
    let byte =
        |o, first, tap| (0..BYTE).fold(0, |byte, b| byte | u8::from(bit(o, first + b, tap)) << b);
    let mut filters = Vec::new();
    for block in 0..shape.cout.div_ceil(COUT_BLOCK) {
        for plane in 0..shape.sign_planes() {
            for tap in 0..shape.taps() {
                filters.push(std::array::from_fn(|o| {
                    let halves: [u8; 2] = std::array::from_fn(|h| {
                        byte(block * COUT_BLOCK + o, plane * SIGN_CHANNELS + h * BYTE, tap)
                    });
                    Signs(std::array::from_fn(|i| halves[i / LANES]))
                }));
            }
        }
    }
    SignWeights { filters }
}

/// Packs the signs of one group's `x + shift`, `sign(0) = +1`.
///
/// `x` is `[cin, side, side]` without a border, `map` has [`ConvShape::sign_input`] elements, and
/// the shift is one value a channel.
///
/// # Panics
/// If a length is not that of the shape: a bug.
pub fn pack_signs(x: &[Row], shift: &[f32], map: &mut [Signs], shape: ConvShape) {
    let plane = shape.in_side * shape.in_side;
    assert!(
        x.len() == shape.input() && shift.len() == shape.cin && map.len() == shape.sign_input(),
        "bug: {} lanes, {} shifts and {} signs for {shape:?}",
        x.len(),
        shift.len(),
        map.len()
    );
    let planes = x.chunks(SIGN_CHANNELS * plane).zip(shift.chunks(SIGN_CHANNELS));
    for ((x, shift), map) in planes.zip(map.chunks_exact_mut(plane)) {
        let mut bytes = x.chunks(BYTE * plane).zip(shift.chunks(BYTE));
        for half in 0..2 {
            // Zeros where there is no channel: the map is whatever the last user left.
            let (x, shift) = bytes.next().unwrap_or_default();
            pack_byte(x, shift, map, half);
        }
    }
}

simd! {
    /// Packs up to eight channels into one half of a plane of signs.
    fn pack_byte<const LEVEL>(x: &[Row], shift: &[f32], map: &mut [Signs], half: usize) {
        // Eight but at the end: a length that the compiler knows.
        match <&[f32; BYTE]>::try_from(shift) {
            Ok(shift) => pack_channels(x, shift, map, half),
            Err(_) => pack_channels(x, shift, map, half),
        }
    }
}

#[inline(always)]
fn pack_channels(x: &[Row], shift: &[f32], map: &mut [Signs], half: usize) {
    let plane = map.len();
    for (i, signs) in map.iter_mut().enumerate() {
        let mut bits = [0u32; LANES];
        for (b, shift) in shift.iter().enumerate() {
            let x = &x[b * plane + i];
            for k in 0..LANES {
                bits[k] |= if x[k] + shift >= 0.0 { 0 } else { 1 << b };
            }
        }
        for k in 0..LANES {
            signs.0[half * LANES + k] = bits[k] as u8;
        }
    }
}

/// Computes `out[o] = Σ w[o, i, tap] · sign[i]` of one group, integers.
///
/// `map` is from [`pack_signs`], `weights` from [`pack_sign_weights`]; `out` has no border.
///
/// # Panics
/// If a length is not that of the shape, or a sum has more than 65,535 products: a bug.
pub fn forward_signs(map: &[Signs], weights: &SignWeights, out: &mut [Lanes], shape: ConvShape) {
    assert!(
        map.len() == shape.sign_input()
            && weights.filters.len()
                == shape.cout.div_ceil(COUT_BLOCK) * shape.sign_planes() * shape.taps()
            && out.len() == shape.output()
            && u16::try_from(shape.fan_in()).is_ok(),
        "bug: {} signs, {} blocks of weights and {} lanes for {shape:?}",
        map.len(),
        weights.filters.len(),
        out.len()
    );
    run(map, weights, out, shape);
}

simd! {
    /// The order of the blocks: output channels, positions, input channels.
    fn run<const LEVEL>(
        map: &[Signs],
        weights: &SignWeights,
        out: &mut [Lanes],
        shape: ConvShape,
    ) {
        let (side, plane) = (shape.side(), shape.side() * shape.side());
        let filters = weights.filters.chunks_exact(shape.sign_planes() * shape.taps());
        for (out, filters) in out.chunks_mut(COUT_BLOCK * plane).zip(filters) {
            for y in 0..side {
                for x in 0..side {
                    let ones = ones_at(map, filters, shape, [y, x]);
                    let taps = shape.taps_inside(y).len() * shape.taps_inside(x).len();
                    // At most the fan-in, which was checked; the type shows that nothing wraps.
                    let products = i32::from((shape.cin * taps) as u16);
                    let channels = out[y * side + x..].iter_mut().step_by(plane);
                    for (out, ones) in channels.zip(&ones) {
                        for k in 0..LANES {
                            out.0[k] = (products - 2 * i32::from(ones[k])) as f32;
                        }
                    }
                }
            }
        }
    }
}

/// Counts the products that are -1 at one position of four output channels.
#[inline(always)]
fn ones_at(
    map: &[Signs],
    filters: &[[Signs; COUT_BLOCK]],
    shape: ConvShape,
    [y, x]: [usize; 2],
) -> [[u16; LANES]; COUT_BLOCK] {
    let (rows, columns) = (shape.taps_inside(y), shape.taps_inside(x));
    let (kernel, side) = (shape.kernel, shape.in_side);
    let mut sums = [[0; LANES]; COUT_BLOCK];
    for (plane, filters) in map.chunks_exact(side * side).zip(filters.chunks_exact(shape.taps())) {
        for first in rows.clone().step_by(COUNTED_TAPS / kernel) {
            let mut ones = [[0; 2 * LANES]; COUT_BLOCK];
            for ky in first..rows.end.min(first + COUNTED_TAPS / kernel) {
                let row = (y * shape.stride + ky - shape.pad()) * side;
                let at = row + x * shape.stride + columns.start - shape.pad();
                let signs = &plane[at..at + columns.len()];
                let filters = &filters[ky * kernel + columns.start..ky * kernel + columns.end];
                // The interior of a 3×3 kernel: a length that the compiler knows.
                match (<&[_; 3]>::try_from(signs), <&[_; 3]>::try_from(filters)) {
                    (Ok(signs), Ok(filters)) => add_ones(signs, filters, &mut ones),
                    _ => add_ones(signs, filters, &mut ones),
                }
            }
            for o in 0..COUT_BLOCK {
                for k in 0..LANES {
                    // At most the fan-in.
                    let both = u16::from(ones[o][k]) + u16::from(ones[o][LANES + k]);
                    sums[o][k] = both.wrapping_add(sums[o][k]);
                }
            }
        }
    }
    sums
}

/// Adds the products that are -1 of one row of taps.
#[inline(always)]
fn add_ones(
    signs: &[Signs],
    filters: &[[Signs; COUT_BLOCK]],
    ones: &mut [[u8; 2 * LANES]; COUT_BLOCK],
) {
    for (signs, filters) in signs.iter().zip(filters) {
        for o in 0..COUT_BLOCK {
            for i in 0..2 * LANES {
                // At most 8 · COUNTED_TAPS, so nothing wraps; a checked sum is no vector.
                let bits = signs.0[i] ^ filters[o].0[i];
                ones[o][i] = ones[o][i].wrapping_add(bits.count_ones() as u8);
            }
        }
    }
}
