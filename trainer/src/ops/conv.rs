//! Direct square convolution over groups of 16 images, forward and both gradients.
//!
//! Kernels are `k×k`, `k` odd, with padding `k / 2` and stride 1 or 2; channels and sides are any.
//! Maps of floats are `[channels, side + 2·pad, side + 2·pad]` of [`Lanes`] with a border of zeros
//! where they are read, `[channels, side, side]` where they are written. Maps of signs have bits in
//! place of floats, and no border.
//!
//! * this file: [`ConvShape`] and the helpers for padded maps;
//! * [`mod@map`]: maps from maps, which is the forward pass and the gradient of the input;
//! * [`mod@weights`]: the gradient of the weights;
//! * [`mod@signs`]: the forward pass where weights and activations are signs, counted in bits.
//!
//! The loops are plain Rust over arrays of fixed size: a block of results stays in registers while
//! a piece of the sum streams past, and what is read again soon fits the first-level cache.
//! They are compiled for AVX-512, for AVX2 with FMA, and portably, and chosen at run time.
//!
//! Every sum has one order, whatever the build, the block sizes and the number of threads.
//! With weights and activations of ±1 all products are exact, so the three builds agree bit for
//! bit; real weights times real activations may differ in the last place where FMA is used.

pub mod map;
mod narrow;
pub mod signs;
pub mod weights;

pub use map::{Packed, backward_input, forward, pack_backward, pack_forward};
pub use signs::{SignWeights, forward_signs, pack_sign_weights, pack_signs};
pub use weights::{backward_weights, finish_weights, zeroed_weights};

use heartbit_model::graph::Conv;

use crate::lanes::{LANES, Lanes};

/// Sizes of one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Input channels.
    pub cin: usize,
    /// Output channels.
    pub cout: usize,
    /// Height and width of the kernel: odd.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
    /// Height and width of the input.
    pub in_side: usize,
}

impl From<&Conv> for ConvShape {
    fn from(conv: &Conv) -> Self {
        let Conv { cin, cout, kernel, stride, in_side, .. } = *conv;
        Self { cin, cout, kernel, stride, in_side }
    }
}

impl ConvShape {
    /// Height and width of the output.
    pub fn side(&self) -> usize {
        self.in_side.div_ceil(self.stride)
    }

    /// Rows and columns of zeros around a map.
    pub fn pad(&self) -> usize {
        self.kernel / 2
    }

    /// Height and width of the padded input.
    pub fn padded(&self) -> usize {
        self.in_side + 2 * self.pad()
    }

    /// Height and width of the padded gradient of the output.
    pub fn padded_side(&self) -> usize {
        self.side() + 2 * self.pad()
    }

    /// Taps of a filter plane.
    pub fn taps(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Weights of a filter.
    pub fn fan_in(&self) -> usize {
        self.cin * self.taps()
    }

    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.cout * self.fan_in()
    }

    /// Lanes of the padded input map.
    pub fn padded_input(&self) -> usize {
        self.cin * self.padded() * self.padded()
    }

    /// Lanes of the padded gradient map.
    pub fn padded_grad(&self) -> usize {
        self.cout * self.padded_side() * self.padded_side()
    }

    /// Lanes of the input map.
    pub fn input(&self) -> usize {
        self.cin * self.in_side * self.in_side
    }

    /// Lanes of the output map.
    pub fn output(&self) -> usize {
        self.cout * self.side() * self.side()
    }

    /// Multiply-accumulates of one image, borders included.
    pub fn macs(&self) -> usize {
        self.output() * self.fan_in()
    }
}

/// Writes zeros to the border of width `pad` of a padded map of `channels` square planes of side
/// `padded`.
pub fn clear_border(map: &mut [Lanes], channels: usize, padded: usize, pad: usize) {
    if pad == 0 {
        return;
    }
    for plane in map[..channels * padded * padded].chunks_exact_mut(padded * padded) {
        plane[..padded * pad].fill(Lanes::ZERO);
        plane[padded * (padded - pad)..].fill(Lanes::ZERO);
        for row in plane.chunks_exact_mut(padded) {
            row[..pad].fill(Lanes::ZERO);
            row[padded - pad..].fill(Lanes::ZERO);
        }
    }
}

fn check_weights(weights: &[f32], shape: ConvShape) {
    assert!(
        matches!(shape.kernel, 1 | 3 | 7)
            && matches!(shape.stride, 1 | 2)
            && weights.len() == shape.weights(),
        "bug: {shape:?} is not a shape of the kernels for {} weights",
        weights.len()
    );
}

/// `acc += a · x` in each lane.
#[inline(always)]
fn multiply_add<const FMA: bool>(acc: &mut Lanes, a: f32, x: &Lanes) {
    for k in 0..LANES {
        acc.0[k] = if FMA { a.mul_add(x.0[k], acc.0[k]) } else { a * x.0[k] + acc.0[k] };
    }
}

#[cfg(test)]
mod tests;
