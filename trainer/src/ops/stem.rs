//! The fused stem: odd-integer image, quantized convolution, batch normalisation, limit.
//!
//! The image enters as the integers `2p - 255` with a further channel of 255, zero padded, exactly
//! as the deployed network sees it (semantics.md, sections 2.1 and 3); the pixel statistics are
//! folded into the weights. On the grid the folded weights `V` are rounded to odd levels times one
//! scale a channel, with gradient 1; off the grid they stay real.
//!
//! Inputs: latent weights `[cout·3·k·k]`, gamma and beta `[cout]`. Output:
//! `[groups, cout, side, side, 16]`.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use heartbit_ir::grid::{Grid, PixelStatistics, stem_levels};
use rayon::prelude::*;

use crate::lanes::{LANES, Lanes, as_lanes, groups_of, take, with_scratch};
use crate::ops::conv::{self, ConvShape};
use crate::ops::host::{HostBackward, HostOp, host_tensor, values};
use crate::ops::normalised::{Normalisation, Normalised, of_channels};
use crate::ops::stats::{CHUNK_GROUPS, StatsSlot, add_chunks};
use crate::ops::unit::Limit;

/// Channels of an image.
const PIXELS: usize = 3;
/// Channels of the stem's input: the image's and the constant.
pub const STEM_CHANNELS: usize = PIXELS + 1;
/// Value of the constant channel, and largest pixel level.
const FULL: f64 = 255.0;

/// The stem, ready to run on a batch.
#[derive(Clone, Debug)]
pub struct Stem {
    /// Sizes of the convolution, [`STEM_CHANNELS`] input channels; the kernel is 3 or 7.
    pub shape: ConvShape,
    /// Bytes of the batch's images, in planes.
    pub pixels: Arc<Vec<u8>>,
    /// Pixel statistics folded into the weights.
    pub norm: PixelStatistics,
    /// The grid, or `None` off it.
    pub grid: Option<Grid>,
    /// Whether the result is rounded to the stream's grid; where only its sign is read, the
    /// deployed network compares instead.
    pub snap: bool,
    /// The limit on the result.
    pub limit: Limit,
    /// Receives the batch statistics.
    pub stats: StatsSlot,
}

/// Bytes of an image of that side.
fn image_bytes(side: usize) -> usize {
    PIXELS * side * side
}

/// Writes one group of images as levels into the padded map of a stem's input; missing images are
/// zeros.
pub fn write_pixels(pixels: &[u8], group: usize, map: &mut [Lanes], shape: ConvShape) {
    let (side, padded, pad) = (shape.in_side, shape.padded(), shape.pad());
    conv::clear_border(map, STEM_CHANNELS, padded, pad);
    let first = group * LANES;
    let images: Vec<&[u8]> =
        pixels.chunks_exact(image_bytes(side)).skip(first).take(LANES).collect();
    for (c, plane) in map.chunks_exact_mut(padded * padded).take(STEM_CHANNELS).enumerate() {
        for y in 0..side {
            let row = &mut plane[(y + pad) * padded + pad..][..side];
            for (x, out) in row.iter_mut().enumerate() {
                for k in 0..LANES {
                    out.0[k] = match images.get(k) {
                        None => 0.0,
                        Some(_) if c == PIXELS => FULL as f32,
                        Some(image) => {
                            f32::from(2 * i16::from(image[(c * side + y) * side + x]) - 255)
                        }
                    };
                }
            }
        }
    }
}

/// Orders `[cout, k, k, cin]` levels, channel fastest, as `[cout, cin, k, k]` weights.
pub(crate) fn channels_first(levels: &[i32], taps: usize, cin: usize) -> Vec<f32> {
    levels
        .chunks_exact(taps * cin)
        .flat_map(|filter| {
            (0..cin).flat_map(move |c| (0..taps).map(move |tap| filter[tap * cin + c] as f32))
        })
        .collect()
}

/// Folds the pixel statistics into real weights `[cout, 3, k, k]`: `[cout, 4, k, k]` for the
/// integers `2p - 255` and the constant 255.
pub(crate) fn fold_real(latent: &[f32], taps: usize, pixels: &PixelStatistics) -> Vec<f32> {
    let PixelStatistics { mean, std } = pixels;
    let mut weights = Vec::with_capacity(latent.len() / PIXELS * STEM_CHANNELS);
    for filter in latent.chunks_exact(PIXELS * taps) {
        let pixel = |(i, &w): (usize, &f32)| (f64::from(w) / (510.0 * std[i / taps])) as f32;
        weights.extend(filter.iter().enumerate().map(pixel));
        weights.extend((0..taps).map(|tap| {
            let offset: f64 = (0..PIXELS)
                .map(|c| f64::from(filter[c * taps + tap]) * (0.5 - mean[c]) / std[c])
                .sum();
            (offset / FULL) as f32
        }));
    }
    weights
}

/// Folded weights `[cout, 4, k, k]` in units of one scale for each channel.
struct Folded {
    weights: Vec<f32>,
    scale: Vec<f64>,
}

impl Stem {
    fn images(&self) -> usize {
        self.pixels.len() / image_bytes(self.shape.in_side)
    }

    fn fold(&self, latent: &[f32]) -> Folded {
        let (ConvShape { cout, kernel, .. }, taps) = (self.shape, self.shape.taps());
        let Some(grid) = &self.grid else {
            return Folded { weights: fold_real(latent, taps, &self.norm), scale: vec![1.0; cout] };
        };
        let shape = [cout, PIXELS, kernel, kernel];
        let PixelStatistics { mean, std } = &self.norm;
        let folded = stem_levels(latent, shape, mean, std, grid.stem_weight_bits);
        let weights = channels_first(&folded.levels, taps, STEM_CHANNELS);
        Folded { weights, scale: folded.scale }
    }

    /// Gradient of the latent weights from that of the folded ones, per unit of `scale`.
    fn unfold(&self, grad: &[f32], scale: &[f64]) -> Vec<f32> {
        let PixelStatistics { mean, std } = self.norm;
        let taps = self.shape.taps();
        grad.chunks_exact(STEM_CHANNELS * taps)
            .zip(scale)
            .flat_map(|(grad, scale)| {
                (0..PIXELS * taps).map(move |i| {
                    let (c, tap) = (i / taps, i % taps);
                    let pixel = f64::from(grad[i]) / (510.0 * std[c]);
                    let constant =
                        f64::from(grad[PIXELS * taps + tap]) * (0.5 - mean[c]) / std[c] / FULL;
                    ((pixel + constant) / scale) as f32
                })
            })
            .collect()
    }
}

/// What the forward pass leaves for the backward pass.
#[derive(Debug)]
struct Saved {
    stem: Stem,
    sums: Normalised,
    scale: Vec<f64>,
}

impl HostOp for Stem {
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>) {
        let [latent, gamma, beta] = inputs else { panic!("bug: the stem has three inputs") };
        let shape = self.shape;
        assert_eq!(shape.cin, STEM_CHANNELS, "bug: channels of the stem's input");
        let Folded { weights, scale } = self.fold(values(latent));
        let grid = self.grid.as_ref().filter(|_| self.snap);
        let normalisation = Normalisation {
            alpha: &scale,
            gamma: values(gamma),
            beta: values(beta),
            scale: grid.map_or(0.0, |g| (1u32 << g.stream_frac_bits) as f32),
            limit: self.limit,
            stats: &self.stats,
        };
        let packed = conv::pack_forward(&weights, shape);
        let write = |g: usize, map: &mut [Lanes]| write_pixels(&self.pixels, g, map, shape);
        let sums = Normalised::new(shape, self.images(), &packed, write, &normalisation);
        (sums.y(), Arc::new(Saved { stem: self.clone(), sums, scale }))
    }
}

impl HostBackward for Saved {
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor> {
        let shape = self.stem.shape;
        let grad = as_lanes(grad);
        let groups = groups_of(self.stem.images());
        let grads = self.sums.channel_grads(grad);
        let partial: Vec<Vec<Lanes>> = (0..groups.div_ceil(CHUNK_GROUPS))
            .into_par_iter()
            .map(|chunk| {
                let last = groups.min((chunk + 1) * CHUNK_GROUPS);
                let mut weights = conv::zeroed_weights(shape);
                with_scratch(|s| {
                    for g in chunk * CHUNK_GROUPS..last {
                        let map = take(&mut s.grad, shape.padded_grad());
                        self.sums.write_gradient(grad, g, &grads, map);
                        let pixels = take(&mut s.input, shape.padded_input());
                        write_pixels(&self.stem.pixels, g, pixels, shape);
                        conv::backward_weights(pixels, map, &mut weights, &mut s.transposed, shape);
                    }
                });
                weights
            })
            .collect();
        let folded = conv::finish_weights(&add_chunks(partial), shape);
        let latent = self.stem.unfold(&folded, &self.scale);
        let len = latent.len();
        let channel = |f| of_channels(&grads, f);
        vec![host_tensor(latent, [len]), channel(|g| g.gamma), channel(|g| g.beta)]
    }
}

#[cfg(test)]
mod tests;
