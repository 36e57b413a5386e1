//! The gradient of 3×3 weights of at most 16 output channels: a sum for each of 16 images.
//!
//! One vector of output channels cannot fill the registers, so here vectors run over images as in
//! [`super::map`], and the lanes are added up at the end; see [`super::weights`] for the rest.
//!
//! Blocking: 4 output × 2 input channels × 3 columns of taps stay in registers over the positions
//! of two rows, or of the whole map where it is small; where registers are fewer and half as wide,
//! one input channel of half the images at a time.

use super::ConvShape;
use crate::lanes::{LANES, Lanes};
use crate::simd::{AVX512, PORTABLE, simd};

/// Output channels computed together.
const COUT_BLOCK: usize = 4;
/// Input channels computed together.
const CIN_BLOCK: usize = 2;
/// Lanes of one block of weights.
const BLOCK: usize = COUT_BLOCK * CIN_BLOCK * 3;

/// Whether a shape's weight gradient is computed here.
pub(super) fn applies(shape: ConvShape) -> bool {
    shape.kernel == 3 && shape.cout <= LANES
}

/// Lanes of the sums: `[cout / 4, cin / 2, 3, 4, 2, 3]`.
pub(super) fn sums(shape: ConvShape) -> usize {
    shape.cout.div_ceil(COUT_BLOCK) * shape.cin.div_ceil(CIN_BLOCK) * 3 * BLOCK
}

/// Rows of the output whose gradients stay in the first-level cache together.
fn row_block(side: usize) -> usize {
    if side > 8 { 2 } else { side }
}

simd! {
    /// Adds the weight gradient of one group, a sum a lane, to `sums`.
    pub(super) fn add<const LEVEL>(
        input: &[Lanes],
        grad: &[Lanes],
        sums: &mut [Lanes],
        shape: ConvShape,
    ) {
        match (LEVEL, shape.stride) {
            (AVX512, 1) => blocks::<true, 16, 2, 1>(input, grad, sums, shape),
            (AVX512, _) => blocks::<true, 16, 2, 2>(input, grad, sums, shape),
            (PORTABLE, 1) => blocks::<false, 16, 2, 1>(input, grad, sums, shape),
            (PORTABLE, _) => blocks::<false, 16, 2, 2>(input, grad, sums, shape),
            (_, 1) => blocks::<true, 8, 1, 1>(input, grad, sums, shape),
            (_, _) => blocks::<true, 8, 1, 2>(input, grad, sums, shape),
        }
    }
}

/// The order of the blocks: rows, output channels, input channels, rows of taps. `W` images and
/// `CI` input channels of a block are computed together.
#[inline(always)]
fn blocks<const FMA: bool, const W: usize, const CI: usize, const S: usize>(
    input: &[Lanes],
    grad: &[Lanes],
    sums: &mut [Lanes],
    shape: ConvShape,
) {
    let side = shape.side();
    let rows = row_block(side);
    for y in (0..side).step_by(rows) {
        let rows = rows.min(side - y);
        let mut sums = sums.chunks_exact_mut(BLOCK);
        for co in (0..shape.cout).step_by(COUT_BLOCK) {
            for ci in (0..shape.cin).step_by(CIN_BLOCK) {
                for ky in 0..3 {
                    let Some(sums) = sums.next() else { unreachable!("bug: too few sums") };
                    for first in (0..CIN_BLOCK).step_by(CI) {
                        for part in 0..LANES / W {
                            let at = At { co, ci, ky, y, rows, first, part };
                            block::<FMA, W, CI, S>(input, grad, sums, shape, at);
                        }
                    }
                }
            }
        }
    }
}

/// Which part of a block of weights, and the rows that are added to it.
#[derive(Clone, Copy)]
struct At {
    co: usize,
    ci: usize,
    ky: usize,
    y: usize,
    rows: usize,
    /// First input channel within the block.
    first: usize,
    /// Part of the images.
    part: usize,
}

/// Adds some rows to a part of one block. Channels beyond the last repeat it; their sums are
/// dropped.
#[inline(always)]
fn block<const FMA: bool, const W: usize, const CI: usize, const S: usize>(
    input: &[Lanes],
    grad: &[Lanes],
    sums: &mut [Lanes],
    shape: ConvShape,
    at: At,
) {
    let (side, padded, grad_padded) = (shape.side(), shape.padded(), shape.padded_side());
    let mut acc = [[[[0.0; W]; 3]; CI]; COUT_BLOCK];
    for y in at.y..at.y + at.rows {
        let g_rows: [&[Lanes]; COUT_BLOCK] = std::array::from_fn(|o| {
            let plane = (at.co + o).min(shape.cout - 1) * grad_padded;
            &grad[(plane + y + 1) * grad_padded + 1..][..side]
        });
        let a_rows: [&[Lanes]; CI] = std::array::from_fn(|i| {
            let plane = (at.ci + at.first + i).min(shape.cin - 1) * padded;
            &input[(plane + y * S + at.ky) * padded..][..padded]
        });
        for x in 0..side {
            let a: [[[f32; W]; 3]; CI] = std::array::from_fn(|i| {
                std::array::from_fn(|kx| *a_rows[i][x * S + kx].part(at.part))
            });
            for o in 0..COUT_BLOCK {
                let g: [f32; W] = *g_rows[o][x].part(at.part);
                for i in 0..CI {
                    for kx in 0..3 {
                        let (t, a) = (&mut acc[o][i][kx], &a[i][kx]);
                        for k in 0..W {
                            t[k] = if FMA { g[k].mul_add(a[k], t[k]) } else { g[k] * a[k] + t[k] };
                        }
                    }
                }
            }
        }
    }
    for o in 0..COUT_BLOCK {
        for i in 0..CI {
            for kx in 0..3 {
                let sum = &mut sums[(o * CIN_BLOCK + at.first + i) * 3 + kx];
                for (sum, add) in sum.part_mut::<W>(at.part).iter_mut().zip(acc[o][i][kx]) {
                    *sum += add;
                }
            }
        }
    }
}

/// Adds up the lanes; the result is `[cout, cin, 3, 3]`.
pub(super) fn finish(sums: &[Lanes], shape: ConvShape) -> Vec<f32> {
    let mut weights = vec![0.0; shape.weights()];
    let mut next = sums.iter();
    for co in (0..shape.cout).step_by(COUT_BLOCK) {
        for ci in (0..shape.cin).step_by(CIN_BLOCK) {
            for ky in 0..3 {
                for i in 0..COUT_BLOCK * CIN_BLOCK {
                    let (o, i) = (co + i / CIN_BLOCK, ci + i % CIN_BLOCK);
                    for (kx, sum) in next.by_ref().take(3).enumerate() {
                        if o < shape.cout && i < shape.cin {
                            weights[(o * shape.cin + i) * 9 + ky * 3 + kx] = sum_lanes(&sum.0);
                        }
                    }
                }
            }
        }
    }
    weights
}

/// Adds 16 values as a balanced tree.
fn sum_lanes(v: &[f32; LANES]) -> f32 {
    let half: [f32; 8] = std::array::from_fn(|i| v[i] + v[i + 8]);
    let quarter: [f32; 4] = std::array::from_fn(|i| half[i] + half[i + 4]);
    (quarter[0] + quarter[2]) + (quarter[1] + quarter[3])
}
