//! The fused stem: odd-integer image, quantized 3×3 convolution, batch normalisation, hardtanh.
//!
//! The image enters as the integers `2p - 255` with a fourth channel of 255, zero padded, exactly
//! as the deployed network sees it (semantics.md, sections 2.1 and 3); the pixel statistics are
//! folded into the weights. On the grid the folded weights `V` are rounded to odd 4-bit levels
//! times one scale a channel, with gradient 1; off the grid they stay real.
//!
//! Inputs: latent weights `[cout·3·9]`, gamma and beta `[cout]`. Output:
//! `[groups, cout, 32, 32, 16]`.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use heartbit_dataset::cifar10::{IMAGE_BYTES, SIDE};
use heartbit_ir::grid::{Grid, PixelStatistics, stem_levels};
use rayon::prelude::*;

use crate::lanes::{
    LANES, Lanes, as_lanes, as_lanes_mut, groups_of, lane_mask, take, with_scratch,
};
use crate::ops::conv::{self, ConvShape, TAPS};
use crate::ops::host::{HostBackward, HostOp, host_tensor, values};
use crate::ops::norm::{ChannelGrad, ChannelNorm, SumStats};
use crate::ops::passes::{self, AffineRow};
use crate::ops::unit::{
    BatchStats, CHUNK_GROUPS, StatsSlot, add_all, add_moments, grad_row, map_shape, publish,
    total_moments,
};

/// Channels of an image.
const PIXELS: usize = 3;
/// Channels of the stem's input: the image's and the constant.
pub const STEM_CHANNELS: usize = PIXELS + 1;
/// Value of the constant channel, and largest pixel level.
const FULL: f64 = 255.0;

/// The stem, ready to run on a batch.
#[derive(Clone, Debug)]
pub struct Stem {
    /// Output channels.
    pub cout: usize,
    /// Bytes of the batch's images, in planes.
    pub pixels: Arc<Vec<u8>>,
    /// Pixel statistics folded into the weights.
    pub norm: PixelStatistics,
    /// The grid, or `None` off it.
    pub grid: Option<Grid>,
    /// Receives the batch statistics.
    pub stats: StatsSlot,
}

/// The convolution's shape for `cout` channels.
pub fn stem_shape(cout: usize) -> ConvShape {
    ConvShape { cin: STEM_CHANNELS, cout, side: SIDE, stride: 1 }
}

/// Writes one group of images as levels into a padded map; missing images are zeros.
pub fn write_pixels(pixels: &[u8], group: usize, map: &mut [Lanes]) {
    let padded = SIDE + 2;
    conv::clear_border(map, STEM_CHANNELS, padded);
    let first = group * LANES;
    let images: Vec<&[u8]> = pixels.chunks_exact(IMAGE_BYTES).skip(first).take(LANES).collect();
    for (c, plane) in map.chunks_exact_mut(padded * padded).take(STEM_CHANNELS).enumerate() {
        for y in 0..SIDE {
            let row = &mut plane[(y + 1) * padded + 1..][..SIDE];
            for (x, out) in row.iter_mut().enumerate() {
                for k in 0..LANES {
                    out.0[k] = match images.get(k) {
                        None => 0.0,
                        Some(_) if c == PIXELS => FULL as f32,
                        Some(image) => {
                            f32::from(2 * i16::from(image[(c * SIDE + y) * SIDE + x]) - 255)
                        }
                    };
                }
            }
        }
    }
}

/// Folded weights `[cout, 4, 3, 3]` in units of one scale for each channel.
struct Folded {
    weights: Vec<f32>,
    scale: Vec<f64>,
}

impl Stem {
    fn fold(&self, latent: &[f32]) -> Folded {
        let Some(grid) = &self.grid else { return self.fold_real(latent) };
        let shape = [self.cout, PIXELS, 3, 3];
        let folded =
            stem_levels(latent, shape, &self.norm.mean, &self.norm.std, grid.stem_weight_bits);
        let mut weights = Vec::with_capacity(folded.levels.len());
        for filter in folded.levels.chunks_exact(TAPS * STEM_CHANNELS) {
            for c in 0..STEM_CHANNELS {
                weights.extend((0..TAPS).map(|tap| filter[tap * STEM_CHANNELS + c] as f32));
            }
        }
        Folded { weights, scale: folded.scale }
    }

    /// The folded weights without rounding.
    fn fold_real(&self, latent: &[f32]) -> Folded {
        let PixelStatistics { mean, std } = self.norm;
        let mut weights = Vec::with_capacity(self.cout * STEM_CHANNELS * TAPS);
        for filter in latent.chunks_exact(PIXELS * TAPS) {
            weights.extend(
                filter
                    .iter()
                    .enumerate()
                    .map(|(i, &w)| (f64::from(w) / (510.0 * std[i / TAPS])) as f32),
            );
            weights.extend((0..TAPS).map(|tap| {
                let offset: f64 = (0..PIXELS)
                    .map(|c| f64::from(filter[c * TAPS + tap]) * (0.5 - mean[c]) / std[c])
                    .sum();
                (offset / FULL) as f32
            }));
        }
        Folded { weights, scale: vec![1.0; self.cout] }
    }

    /// Gradient of the latent weights from that of the folded ones, per unit of `scale`.
    fn unfold(&self, grad: &[f32], scale: &[f64]) -> Vec<f32> {
        let PixelStatistics { mean, std } = self.norm;
        grad.chunks_exact(STEM_CHANNELS * TAPS)
            .zip(scale)
            .flat_map(|(grad, scale)| {
                (0..PIXELS * TAPS).map(move |i| {
                    let (c, tap) = (i / TAPS, i % TAPS);
                    let pixel = f64::from(grad[i]) / (510.0 * std[c]);
                    let constant =
                        f64::from(grad[PIXELS * TAPS + tap]) * (0.5 - mean[c]) / std[c] / FULL;
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
    y: FlexTensor,
    z: Vec<[f32; LANES]>,
    scale: Vec<f64>,
    norms: Vec<ChannelNorm>,
    images: usize,
}

impl HostOp for Stem {
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>) {
        let [latent, gamma, beta] = inputs else { panic!("bug: the stem has three inputs") };
        let shape = stem_shape(self.cout);
        let images = self.pixels.len() / IMAGE_BYTES;
        let groups = groups_of(images);
        let folded = self.fold(values(latent));
        let packed = conv::pack_forward(&folded.weights, shape);
        let plane = SIDE * SIDE;

        let mut z = vec![[0.0f32; LANES]; groups * shape.output()];
        let moments: Vec<Vec<SumStats>> = z
            .par_chunks_mut(shape.output())
            .enumerate()
            .map(|(g, z)| {
                let mask = lane_mask(images, g);
                with_scratch(|s| {
                    let map = take(&mut s.input, shape.padded_input());
                    write_pixels(&self.pixels, g, map);
                    let out = take(&mut s.output, shape.output());
                    conv::forward(map, &packed, out, shape);
                    out.chunks_exact(plane)
                        .zip(z.chunks_exact_mut(plane))
                        .map(|(out, z)| {
                            let mut stats = SumStats::default();
                            add_moments(&mut stats, &passes::store_sums(out, z, SIDE), &mask);
                            stats
                        })
                        .collect()
                })
            })
            .collect();

        let (gamma, beta) = (values(gamma), values(beta));
        let norms: Vec<ChannelNorm> = total_moments(&moments, self.cout, images * plane)
            .into_iter()
            .enumerate()
            .map(|(c, s)| ChannelNorm::new(s, folded.scale[c], gamma[c].into(), beta[c].into()))
            .collect();
        publish(&self.stats, BatchStats::of(&norms));

        let scale = self.grid.as_ref().map_or(0.0, |g| (1u32 << g.stream_frac_bits) as f32);
        let mut y = vec![0.0f32; groups * shape.output() * LANES];
        as_lanes_mut(&mut y).par_chunks_mut(plane).zip(z.par_chunks(plane)).enumerate().for_each(
            |(i, (y, z))| {
                let norm = &norms[i % self.cout];
                passes::activate(z, AffineRow { a: norm.a as f32, b: norm.b as f32, scale }, y);
            },
        );
        let y = host_tensor(y, map_shape(groups, self.cout, SIDE));
        let saved =
            Saved { stem: self.clone(), y: y.clone(), z, scale: folded.scale, norms, images };
        (y, Arc::new(saved))
    }
}

impl HostBackward for Saved {
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor> {
        let shape = stem_shape(self.stem.cout);
        let plane = SIDE * SIDE;
        let (grad, y) = (as_lanes(grad), as_lanes(values(&self.y)));
        let groups = groups_of(self.images);
        let sums: Vec<Vec<SumStats>> = (0..groups)
            .into_par_iter()
            .map(|g| {
                let mask = lane_mask(self.images, g);
                (0..shape.cout)
                    .map(|c| {
                        let at = g * shape.output() + c * plane;
                        let at = at..at + plane;
                        let mut sums = SumStats::default();
                        let (grad, y, z) = (&grad[at.clone()], &y[at.clone()], &self.z[at]);
                        add_moments(&mut sums, &passes::gradient_sums(grad, y, z, SIDE), &mask);
                        sums
                    })
                    .collect()
            })
            .collect();
        let grads: Vec<ChannelGrad> = total_moments(&sums, shape.cout, 0)
            .iter()
            .zip(&self.norms)
            .map(|(sums, norm)| norm.backward(sums.sum, sums.squares))
            .collect();

        let chunks = groups.div_ceil(CHUNK_GROUPS);
        let partial: Vec<Vec<f32>> = (0..chunks)
            .into_par_iter()
            .map(|chunk| {
                let last = groups.min((chunk + 1) * CHUNK_GROUPS);
                with_scratch(|s| {
                    let weights = conv::zeroed_weights(&mut s.weights, shape);
                    for g in chunk * CHUNK_GROUPS..last {
                        let map = take(&mut s.grad, shape.padded_grad());
                        self.write_gradient(grad, y, g, &grads, map);
                        let pixels = take(&mut s.input, shape.padded_input());
                        write_pixels(&self.stem.pixels, g, pixels);
                        conv::backward_weights(pixels, map, weights, shape);
                    }
                    conv::reduce_weights(weights, shape)
                })
            })
            .collect();
        let latent = self.stem.unfold(&add_all(partial), &self.scale);
        let len = latent.len();
        let channel = |f: fn(&ChannelGrad) -> f64| {
            host_tensor(grads.iter().map(|g| f(g) as f32).collect(), [shape.cout])
        };
        vec![host_tensor(latent, [len]), channel(|g| g.gamma), channel(|g| g.beta)]
    }
}

impl Saved {
    /// Writes the gradient of one group's sums into a padded map.
    fn write_gradient(
        &self,
        grad: &[[f32; LANES]],
        y: &[[f32; LANES]],
        group: usize,
        grads: &[ChannelGrad],
        map: &mut [Lanes],
    ) {
        let padded = SIDE + 2;
        let plane = SIDE * SIDE;
        let mask = lane_mask(self.images, group);
        conv::clear_border(map, grads.len(), padded);
        for (c, channel) in grads.iter().enumerate() {
            let at = (group * grads.len() + c) * plane;
            let at = at..at + plane;
            passes::write_gradient(
                &grad[at.clone()],
                &y[at.clone()],
                &self.z[at],
                grad_row(channel, &mask),
                &mut map[c * padded * padded..(c + 1) * padded * padded],
                SIDE,
                1,
            );
        }
    }
}

#[cfg(test)]
mod tests;
