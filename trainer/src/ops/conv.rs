//! Direct 3×3 convolution over groups of 16 images, forward and both gradients.
//!
//! Maps are `[channels, height + 2, width + 2]` of [`Lanes`] with a border of zeros where they
//! are read, `[channels, height, width]` where they are written.
//! The loops are plain Rust over arrays of fixed size: a block of output channels times positions
//! (or of weights) stays in registers while the fan-in streams past.
//! They are compiled for AVX-512, for AVX2 with FMA, and portably, and chosen at run time.
//!
//! Every sum has one order, whatever the block sizes and the number of threads.
//! With weights and activations of ±1 all products are exact, so the three builds agree bit for
//! bit as well; the stem's weight gradient alone may differ in the last place where FMA is used.

use crate::lanes::{LANES, Lanes, take};
use crate::simd::{AVX512, PORTABLE, simd};

/// Output channels computed together; channel counts are multiples of it.
pub const COUT_BLOCK: usize = 4;
/// Input channels whose weight gradients are computed together.
pub const CIN_BLOCK: usize = 2;
/// Taps of a filter plane.
pub const TAPS: usize = 9;

/// Sizes of one convolution; the kernel is 3×3 with padding 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Input channels.
    pub cin: usize,
    /// Output channels.
    pub cout: usize,
    /// Height and width of the output.
    pub side: usize,
    /// 1 or 2.
    pub stride: usize,
}

impl ConvShape {
    /// Height and width of the input.
    pub fn in_side(&self) -> usize {
        self.side * self.stride
    }

    /// Height and width of the padded input.
    pub fn padded(&self) -> usize {
        self.in_side() + 2
    }

    /// Lanes of the padded input map.
    pub fn padded_input(&self) -> usize {
        self.cin * self.padded() * self.padded()
    }

    /// Lanes of the padded gradient map, which has the input's height and width.
    pub fn padded_grad(&self) -> usize {
        self.cout * self.padded() * self.padded()
    }

    /// Lanes of the input map.
    pub fn input(&self) -> usize {
        self.cin * self.in_side() * self.in_side()
    }

    /// Lanes of the output map.
    pub fn output(&self) -> usize {
        self.cout * self.side * self.side
    }

    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.cout * self.cin * TAPS
    }

    /// Panics where the kernels' blocks do not divide the sizes.
    fn check(&self) {
        assert!(
            self.cout.is_multiple_of(COUT_BLOCK)
                && self.cin.is_multiple_of(COUT_BLOCK)
                && self.side.is_multiple_of(4)
                && matches!(self.stride, 1 | 2),
            "bug: {self:?} is not a shape of the kernels"
        );
    }
}

/// Packs `[cout, cin, 3, 3]` weights for [`forward`]: `[cout / 4, cin, 9, 4]`.
pub fn pack_forward(weights: &[f32], shape: ConvShape) -> Vec<f32> {
    let mut packed = Vec::with_capacity(weights.len());
    for block in 0..shape.cout / COUT_BLOCK {
        for ci in 0..shape.cin {
            for tap in 0..TAPS {
                packed
                    .extend((0..COUT_BLOCK).map(|o| {
                        weights[((block * COUT_BLOCK + o) * shape.cin + ci) * TAPS + tap]
                    }));
            }
        }
    }
    packed
}

/// Packs `[cout, cin, 3, 3]` weights for [`backward_input`]: channels exchanged, taps reversed.
pub fn pack_backward(weights: &[f32], shape: ConvShape) -> Vec<f32> {
    let mut packed = Vec::with_capacity(weights.len());
    for block in 0..shape.cin / COUT_BLOCK {
        for co in 0..shape.cout {
            for tap in 0..TAPS {
                packed.extend((0..COUT_BLOCK).map(|i| {
                    weights[(co * shape.cin + block * COUT_BLOCK + i) * TAPS + (TAPS - 1 - tap)]
                }));
            }
        }
    }
    packed
}

/// Writes zeros to the border of a padded map of `channels` square planes of side `padded`.
pub fn clear_border(map: &mut [Lanes], channels: usize, padded: usize) {
    for plane in map[..channels * padded * padded].chunks_exact_mut(padded * padded) {
        plane[..padded].fill(Lanes::ZERO);
        plane[padded * (padded - 1)..].fill(Lanes::ZERO);
        for row in plane.chunks_exact_mut(padded) {
            row[0] = Lanes::ZERO;
            row[padded - 1] = Lanes::ZERO;
        }
    }
}

/// Computes `out[o] = Σ w[o, i, tap] · input[i]` of one group; `packed` is from [`pack_forward`].
pub fn forward(input: &[Lanes], packed: &[f32], out: &mut [Lanes], shape: ConvShape) {
    shape.check();
    dispatch_forward(input, packed, out, shape);
}

/// Computes the gradient of the input of one group from the padded gradient map of the output.
///
/// For stride 2 the map holds the gradient at even positions and zeros between them.
/// `packed` is from [`pack_backward`].
pub fn backward_input(grad: &[Lanes], packed: &[f32], out: &mut [Lanes], shape: ConvShape) {
    shape.check();
    let transposed =
        ConvShape { cin: shape.cout, cout: shape.cin, side: shape.in_side(), stride: 1 };
    dispatch_forward(grad, packed, out, transposed);
}

/// Adds the weight gradient of one group, a sum a lane, to `lanes`, in the kernels' own order.
///
/// [`reduce_weights`] adds the lanes and restores the order `[cout, cin, 3, 3]`.
pub fn backward_weights(input: &[Lanes], grad: &[Lanes], lanes: &mut [Lanes], shape: ConvShape) {
    shape.check();
    dispatch_weights(input, grad, lanes, shape);
}

/// Returns a zeroed buffer for [`backward_weights`].
pub fn zeroed_weights(buffer: &mut Vec<Lanes>, shape: ConvShape) -> &mut [Lanes] {
    let lanes = take(buffer, shape.weights());
    lanes.fill(Lanes::ZERO);
    lanes
}

/// Adds up the lanes of [`backward_weights`]; the result is `[cout, cin, 3, 3]`.
pub fn reduce_weights(lanes: &[Lanes], shape: ConvShape) -> Vec<f32> {
    let mut weights = vec![0.0; shape.weights()];
    let mut next = lanes.iter();
    for cb in 0..shape.cout / COUT_BLOCK {
        for ib in 0..shape.cin / CIN_BLOCK {
            for ky in 0..3 {
                for o in 0..COUT_BLOCK {
                    for i in 0..CIN_BLOCK {
                        let filter = (cb * COUT_BLOCK + o) * shape.cin + ib * CIN_BLOCK + i;
                        for (kx, sum) in next.by_ref().take(3).enumerate() {
                            weights[filter * TAPS + ky * 3 + kx] = sum_lanes(&sum.0);
                        }
                    }
                }
            }
        }
    }
    weights
}

/// Adds 16 values as a balanced tree.
pub fn sum_lanes(v: &[f32; LANES]) -> f32 {
    let half: [f32; 8] = std::array::from_fn(|i| v[i] + v[i + 8]);
    let quarter: [f32; 4] = std::array::from_fn(|i| half[i] + half[i + 4]);
    (quarter[0] + quarter[2]) + (quarter[1] + quarter[3])
}

/// `acc += a · x` in each lane.
#[inline(always)]
fn multiply_add<const FMA: bool>(acc: &mut Lanes, a: f32, x: &Lanes) {
    for k in 0..LANES {
        acc.0[k] = if FMA { a.mul_add(x.0[k], acc.0[k]) } else { a * x.0[k] + acc.0[k] };
    }
}

#[inline(always)]
fn forward_body<const FMA: bool, const XB: usize, const STRIDE: usize>(
    input: &[Lanes],
    packed: &[f32],
    out: &mut [Lanes],
    shape: ConvShape,
) {
    let ConvShape { cin, cout, side, .. } = shape;
    let padded = side * STRIDE + 2;
    for y in 0..side {
        for cb in 0..cout / COUT_BLOCK {
            let block = &packed[cb * cin * TAPS * COUT_BLOCK..][..cin * TAPS * COUT_BLOCK];
            for x0 in (0..side).step_by(XB) {
                let mut acc = [[Lanes::ZERO; XB]; COUT_BLOCK];
                for ci in 0..cin {
                    for ky in 0..3 {
                        let start = (ci * padded + y * STRIDE + ky) * padded + x0 * STRIDE;
                        let row = &input[start..start + (XB - 1) * STRIDE + 3];
                        let taps = &block[(ci * 3 + ky) * 3 * COUT_BLOCK..][..3 * COUT_BLOCK];
                        for kx in 0..3 {
                            for o in 0..COUT_BLOCK {
                                let w = taps[kx * COUT_BLOCK + o];
                                for j in 0..XB {
                                    multiply_add::<FMA>(&mut acc[o][j], w, &row[j * STRIDE + kx]);
                                }
                            }
                        }
                    }
                }
                for o in 0..COUT_BLOCK {
                    for j in 0..XB {
                        out[((cb * COUT_BLOCK + o) * side + y) * side + x0 + j] = acc[o][j];
                    }
                }
            }
        }
    }
}

/// Rows of the output whose gradients stay in the first-level cache together.
fn row_block(side: usize) -> usize {
    if side > 8 { 2 } else { side }
}

#[inline(always)]
fn weights_body<const FMA: bool, const STRIDE: usize>(
    input: &[Lanes],
    grad: &[Lanes],
    lanes: &mut [Lanes],
    shape: ConvShape,
) {
    const BLOCK: usize = COUT_BLOCK * CIN_BLOCK * 3;
    let ConvShape { cin, cout, side, .. } = shape;
    let padded = side * STRIDE + 2;
    let rows = row_block(side);
    for y0 in (0..side).step_by(rows) {
        for cb in 0..cout / COUT_BLOCK {
            for ib in 0..cin / CIN_BLOCK {
                for ky in 0..3 {
                    let mut acc = [[[Lanes::ZERO; 3]; CIN_BLOCK]; COUT_BLOCK];
                    for y in y0..y0 + rows {
                        let g_rows: [&[Lanes]; COUT_BLOCK] = std::array::from_fn(|o| {
                            let plane = (cb * COUT_BLOCK + o) * padded;
                            &grad[(plane + y * STRIDE + 1) * padded + 1..][..side * STRIDE]
                        });
                        let a_rows: [&[Lanes]; CIN_BLOCK] = std::array::from_fn(|i| {
                            let plane = (ib * CIN_BLOCK + i) * padded;
                            &input[(plane + y * STRIDE + ky) * padded..][..padded]
                        });
                        for x in 0..side {
                            let g: [Lanes; COUT_BLOCK] =
                                std::array::from_fn(|o| g_rows[o][x * STRIDE]);
                            for i in 0..CIN_BLOCK {
                                for kx in 0..3 {
                                    let a = a_rows[i][x * STRIDE + kx];
                                    for o in 0..COUT_BLOCK {
                                        let t = &mut acc[o][i][kx].0;
                                        for k in 0..LANES {
                                            t[k] = if FMA {
                                                g[o].0[k].mul_add(a.0[k], t[k])
                                            } else {
                                                g[o].0[k] * a.0[k] + t[k]
                                            };
                                        }
                                    }
                                }
                            }
                        }
                    }
                    let at = ((cb * (cin / CIN_BLOCK) + ib) * 3 + ky) * BLOCK;
                    let sums = &mut lanes[at..at + BLOCK];
                    for o in 0..COUT_BLOCK {
                        for i in 0..CIN_BLOCK {
                            for kx in 0..3 {
                                let sum = &mut sums[(o * CIN_BLOCK + i) * 3 + kx].0;
                                for k in 0..LANES {
                                    sum[k] += acc[o][i][kx].0[k];
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

simd! {
    /// Forward convolution in the best build.
    fn dispatch_forward<const LEVEL>(
        input: &[Lanes],
        packed: &[f32],
        out: &mut [Lanes],
        shape: ConvShape,
    ) {
        match (LEVEL, shape.stride) {
            (AVX512, 1) => forward_body::<true, 4, 1>(input, packed, out, shape),
            (AVX512, _) => forward_body::<true, 4, 2>(input, packed, out, shape),
            (PORTABLE, 1) => forward_body::<false, 1, 1>(input, packed, out, shape),
            (PORTABLE, _) => forward_body::<false, 1, 2>(input, packed, out, shape),
            (_, 1) => forward_body::<true, 1, 1>(input, packed, out, shape),
            (_, _) => forward_body::<true, 1, 2>(input, packed, out, shape),
        }
    }
}

simd! {
    /// Weight gradient in the best build.
    fn dispatch_weights<const LEVEL>(
        input: &[Lanes],
        grad: &[Lanes],
        lanes: &mut [Lanes],
        shape: ConvShape,
    ) {
        match (LEVEL, shape.stride) {
            (PORTABLE, 1) => weights_body::<false, 1>(input, grad, lanes, shape),
            (PORTABLE, _) => weights_body::<false, 2>(input, grad, lanes, shape),
            (_, 1) => weights_body::<true, 1>(input, grad, lanes, shape),
            (_, _) => weights_body::<true, 2>(input, grad, lanes, shape),
        }
    }
}

#[cfg(test)]
mod tests;
