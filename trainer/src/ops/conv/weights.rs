//! The gradient of the weights: a product of the padded input with the gradient of the output.
//!
//! The sum runs over images and positions, so vectors run over 16 output channels instead: the
//! gradient is transposed once for each group, and an input value is
//! broadcast. No sum over lanes is left, and the results need one `f32` a weight. Layers of at most
//! 16 channels go another way, `conv/narrow.rs`.
//!
//! Blocking: a block of (input channels × columns of taps × output channels) stays in registers
//! over the positions of a tile, whose transposed gradient stays in the first-level cache for all
//! input channels and rows of taps. A weight's sum goes over the positions of a tile and their
//! images, then over the tiles; the tile depends on the shape only.

use super::{ConvShape, multiply_add, narrow};
use crate::lanes::{LANES, Lanes, as_floats, take};
use crate::simd::{AVX512, PORTABLE, simd};

/// Lanes of transposed gradient in a tile: 32 KiB.
const TILE_LANES: usize = 512;

/// Vectors of 16 output channels.
fn vectors(shape: ConvShape) -> usize {
    shape.cout.div_ceil(LANES)
}

/// Vectors of output channels that are computed together in the AVX-512 build.
fn vector_block(shape: ConvShape) -> usize {
    match vectors(shape) {
        _ if shape.kernel == 7 => 1,
        n if n.is_multiple_of(2) => 2,
        _ => 1,
    }
}

simd! {
    /// Exchanges images and output channels of a padded gradient map.
    ///
    /// The result is `[vectors / block, side, side, image, block]` of 16 output channels; channels
    /// that the shape lacks are zeros.
    fn transpose<const LEVEL>(grad: &[Lanes], out: &mut [Lanes], shape: ConvShape) {
        let (side, padded, block) = (shape.side(), shape.padded_side(), vector_block(shape));
        let plane = padded * padded;
        for v in 0..vectors(shape) {
            let channels = LANES.min(shape.cout - v * LANES);
            let first = (v / block * side * side * LANES) * block + v % block;
            for y in 0..side {
                let start = (y + shape.pad()) * padded + shape.pad();
                for x in 0..side {
                    let at = first + (y * side + x) * LANES * block;
                    let rows = &mut out[at..=at + (LANES - 1) * block];
                    if channels < LANES {
                        rows.iter_mut().step_by(block).for_each(|row| *row = Lanes::ZERO);
                    }
                    for o in 0..channels {
                        let images = &grad[(v * LANES + o) * plane + start + x].0;
                        for (row, value) in rows.iter_mut().step_by(block).zip(images) {
                            row.0[o] = *value;
                        }
                    }
                }
            }
        }
    }
}

/// Returns zeros for [`backward_weights`] to add to.
pub fn zeroed_weights(shape: ConvShape) -> Vec<Lanes> {
    let len =
        if narrow::applies(shape) { narrow::sums(shape) } else { shape.fan_in() * vectors(shape) };
    vec![Lanes::ZERO; len]
}

/// Adds the weight gradient of one group to `sums`, in the kernels' own order.
///
/// `input` and `grad`, the gradient of the output, are padded; `scratch` is for the kernels' use.
/// [`finish_weights`] restores the order `[cout, cin, k, k]`.
pub fn backward_weights(
    input: &[Lanes],
    grad: &[Lanes],
    sums: &mut [Lanes],
    scratch: &mut Vec<Lanes>,
    shape: ConvShape,
) {
    assert!(
        input.len() == shape.padded_input() && grad.len() == shape.padded_grad(),
        "bug: maps of {} and {} lanes for {shape:?}",
        input.len(),
        grad.len()
    );
    if narrow::applies(shape) {
        return narrow::add(input, grad, sums, shape);
    }
    let transposed = take(scratch, vectors(shape) * LANES * shape.side() * shape.side());
    transpose(grad, transposed, shape);
    dispatch(input, transposed, sums, shape);
}

/// Returns the sums of [`backward_weights`] as `[cout, cin, k, k]`.
pub fn finish_weights(sums: &[Lanes], shape: ConvShape) -> Vec<f32> {
    if narrow::applies(shape) {
        return narrow::finish(sums, shape);
    }
    let fan_in = shape.fan_in();
    let mut weights = vec![0.0; shape.weights()];
    for (i, row) in sums.chunks_exact(vectors(shape)).enumerate() {
        for (v, lanes) in row.iter().enumerate() {
            for (k, value) in lanes.0.iter().enumerate().take(shape.cout - v * LANES) {
                weights[(v * LANES + k) * fan_in + i] = *value;
            }
        }
    }
    weights
}

simd! {
    /// Weight gradient in the best build.
    fn dispatch<const LEVEL>(
        input: &[Lanes],
        grad: &[Lanes],
        sums: &mut [Lanes],
        shape: ConvShape,
    ) {
        match (LEVEL, shape.stride) {
            (AVX512, 1) => by_shape::<true, true, 1>(input, grad, sums, shape),
            (AVX512, _) => by_shape::<true, true, 2>(input, grad, sums, shape),
            (PORTABLE, 1) => by_shape::<false, false, 1>(input, grad, sums, shape),
            (PORTABLE, _) => by_shape::<false, false, 2>(input, grad, sums, shape),
            (_, 1) => by_shape::<true, false, 1>(input, grad, sums, shape),
            (_, _) => by_shape::<true, false, 2>(input, grad, sums, shape),
        }
    }
}

/// Picks the block: 24 sums in 32 registers where two vectors of channels share a broadcast, or 6
/// in 16 of half the width.
#[inline(always)]
fn by_shape<const FMA: bool, const WIDE: bool, const S: usize>(
    input: &[Lanes],
    grad: &[Lanes],
    sums: &mut [Lanes],
    shape: ConvShape,
) {
    match (WIDE, vector_block(shape), shape.kernel) {
        (true, 2, 3) => tiles::<FMA, 2, 4, 3, S>(input, grad, sums, shape),
        // 48 or 80 channels and their like; 16 go another way.
        (true, 1, 3) => tiles::<FMA, 1, 4, 3, S>(input, grad, sums, shape),
        (true, 2, 1) => tiles::<FMA, 2, 6, 1, S>(input, grad, sums, shape),
        (true, 1, 7) => tiles::<FMA, 1, 2, 7, S>(input, grad, sums, shape),
        (false, _, 3) => tiles::<FMA, 1, 2, 3, S>(input, grad, sums, shape),
        (false, _, 1) | (true, 1, 1) => tiles::<FMA, 1, 6, 1, S>(input, grad, sums, shape),
        (false, _, 7) => tiles::<FMA, 1, 1, 7, S>(input, grad, sums, shape),
        (_, _, n) => unreachable!("bug: a kernel of {n} columns"),
    }
}

/// A rectangle of positions.
#[derive(Clone, Copy)]
struct Tile {
    y: usize,
    x: usize,
    rows: usize,
    columns: usize,
}

/// The order of the blocks: output channels, tiles, input channels, rows of taps.
#[inline(always)]
fn tiles<const FMA: bool, const GV: usize, const CI: usize, const KX: usize, const S: usize>(
    input: &[Lanes],
    grad: &[Lanes],
    sums: &mut [Lanes],
    shape: ConvShape,
) {
    let side = shape.side();
    let positions = TILE_LANES / LANES / vector_block(shape);
    let (rows, columns) = ((positions / side).max(1), positions.min(side));
    for v in (0..vectors(shape)).step_by(GV) {
        for y in (0..side).step_by(rows) {
            for x in (0..side).step_by(columns) {
                let tile = Tile { y, x, rows: rows.min(side - y), columns: columns.min(side - x) };
                for ci in (0..shape.cin).step_by(CI) {
                    for ky in 0..KX {
                        block::<FMA, GV, CI, KX, S>(input, grad, sums, shape, tile, [v, ci, ky]);
                    }
                }
            }
        }
    }
}

/// A loop of up to 7 rounds that is unrolled here: the compiler turns its own loops over blocks
/// inside out, into gathers, where a block is one vector wide.
macro_rules! unrolled {
    ($i:ident in 0..$n:ident $body:block) => {
        unrolled!($i $n $body 0 1 2 3 4 5 6)
    };
    ($i:ident $n:ident $body:block $($round:literal)*) => {
        $(if $round < $n {
            let $i = $round;
            $body
        })*
    };
}

/// Adds one tile to the gradients of a block of weights.
#[inline(always)]
fn block<const FMA: bool, const GV: usize, const CI: usize, const KX: usize, const S: usize>(
    input: &[Lanes],
    grad: &[Lanes],
    sums: &mut [Lanes],
    shape: ConvShape,
    tile: Tile,
    [v, ci, ky]: [usize; 3],
) {
    let (side, padded) = (shape.side(), shape.padded());
    let group = vector_block(shape);
    let first = (v / group * side * side * LANES) * group + v % group;
    let mut acc = [[[Lanes::ZERO; GV]; KX]; CI];
    for y in tile.y..tile.y + tile.rows {
        // Channels beyond the last repeat it; their sums are dropped.
        let rows: [&[f32]; CI] = std::array::from_fn(|i| {
            let plane = (ci + i).min(shape.cin - 1) * padded;
            let row = &input[(plane + y * S + ky) * padded + tile.x * S..];
            as_floats(&row[..(tile.columns - 1) * S + KX])
        });
        let at = first + (y * side + tile.x) * LANES * group;
        let grad = &grad[at..at + (tile.columns * LANES - 1) * group + GV];
        for n in 0..tile.columns * LANES {
            let g: [Lanes; GV] = std::array::from_fn(|j| grad[n * group + j]);
            let at = (n / LANES) * (S - 1) * LANES + n;
            unrolled!(i in 0..CI {
                let a = &rows[i][at..=at + (KX - 1) * LANES];
                unrolled!(kx in 0..KX {
                    for j in 0..GV {
                        multiply_add::<FMA>(&mut acc[i][kx][j], a[kx * LANES], &g[j]);
                    }
                });
            });
        }
    }
    unrolled!(i in 0..CI {
        if ci + i < shape.cin {
            unrolled!(kx in 0..KX {
                let row = (((ci + i) * KX + ky) * KX + kx) * vectors(shape) + v;
                for j in 0..GV {
                    for k in 0..LANES {
                        sums[row + j].0[k] += acc[i][kx][j].0[k];
                    }
                }
            });
        }
    });
}
