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

use crate::lanes::{
    LANES, Lanes, as_lanes, as_lanes_mut, groups_of, lane_mask, take, with_scratch,
};
use crate::ops::conv::{self, ConvShape};
use crate::ops::host::{HostBackward, HostOp, host_tensor, values};
use crate::ops::norm::{ChannelGrad, ChannelNorm, SumStats};
use crate::ops::passes::{self, AffineRow, Row};
use crate::ops::stats::{
    BatchStats, CHUNK_GROUPS, StatsSlot, add_chunks, grad_row, living, map_shape, publish,
    total_moments,
};
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

/// Orders `[cout, k, k, 4]` levels, channel fastest, as `[cout, 4, k, k]` weights.
pub fn channels_first(levels: &[i32], taps: usize) -> Vec<f32> {
    levels
        .chunks_exact(taps * STEM_CHANNELS)
        .flat_map(|filter| {
            (0..STEM_CHANNELS)
                .flat_map(move |c| (0..taps).map(move |tap| filter[tap * STEM_CHANNELS + c] as f32))
        })
        .collect()
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
        let Some(grid) = &self.grid else { return self.fold_real(latent) };
        let ConvShape { cout, kernel, .. } = self.shape;
        let shape = [cout, PIXELS, kernel, kernel];
        let PixelStatistics { mean, std } = &self.norm;
        let folded = stem_levels(latent, shape, mean, std, grid.stem_weight_bits);
        let weights = channels_first(&folded.levels, self.shape.taps());
        Folded { weights, scale: folded.scale }
    }

    /// The folded weights without rounding.
    fn fold_real(&self, latent: &[f32]) -> Folded {
        let PixelStatistics { mean, std } = self.norm;
        let taps = self.shape.taps();
        let mut weights = Vec::with_capacity(self.shape.weights());
        for filter in latent.chunks_exact(PIXELS * taps) {
            weights.extend(
                filter
                    .iter()
                    .enumerate()
                    .map(|(i, &w)| (f64::from(w) / (510.0 * std[i / taps])) as f32),
            );
            weights.extend((0..taps).map(|tap| {
                let offset: f64 = (0..PIXELS)
                    .map(|c| f64::from(filter[c * taps + tap]) * (0.5 - mean[c]) / std[c])
                    .sum();
                (offset / FULL) as f32
            }));
        }
        Folded { weights, scale: vec![1.0; self.shape.cout] }
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
    y: FlexTensor,
    z: Vec<Row>,
    scale: Vec<f64>,
    norms: Vec<ChannelNorm>,
}

impl HostOp for Stem {
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>) {
        let [latent, gamma, beta] = inputs else { panic!("bug: the stem has three inputs") };
        let shape = self.shape;
        assert_eq!(shape.cin, STEM_CHANNELS, "bug: channels of the stem's input");
        let images = self.images();
        let groups = groups_of(images);
        let folded = self.fold(values(latent));
        let packed = conv::pack_forward(&folded.weights, shape);
        let (side, plane) = (shape.side(), shape.side() * shape.side());

        let mut z = vec![[0.0f32; LANES]; groups * shape.output()];
        let moments: Vec<Vec<SumStats>> = z
            .par_chunks_mut(shape.output())
            .enumerate()
            .map(|(g, z)| {
                let mask = lane_mask(images, g);
                with_scratch(|s| {
                    let map = take(&mut s.input, shape.padded_input());
                    write_pixels(&self.pixels, g, map, shape);
                    let out = take(&mut s.output, shape.output());
                    conv::forward(map, &packed, out, shape);
                    out.chunks_exact(plane)
                        .zip(z.chunks_exact_mut(plane))
                        .map(|(out, z)| living(&passes::store_sums(out, z, side), &mask))
                        .collect()
                })
            })
            .collect();

        let (gamma, beta) = (values(gamma), values(beta));
        let norms: Vec<ChannelNorm> = total_moments(&moments, shape.cout, images * plane)
            .into_iter()
            .enumerate()
            .map(|(c, s)| ChannelNorm::new(s, folded.scale[c], gamma[c].into(), beta[c].into()))
            .collect();
        publish(&self.stats, BatchStats::of(&norms));

        let grid = self.grid.as_ref().filter(|_| self.snap);
        let scale = grid.map_or(0.0, |g| (1u32 << g.stream_frac_bits) as f32);
        let bound = self.limit.bound();
        let mut y = vec![0.0f32; groups * shape.output() * LANES];
        as_lanes_mut(&mut y).par_chunks_mut(plane).zip(z.par_chunks(plane)).enumerate().for_each(
            |(i, (y, z))| {
                let norm = &norms[i % shape.cout];
                let f = AffineRow { a: norm.a as f32, b: norm.b as f32, scale, bound };
                passes::activate(z, f, y);
            },
        );
        let y = host_tensor(y, map_shape(groups, shape.cout, side));
        let saved = Saved { stem: self.clone(), y: y.clone(), z, scale: folded.scale, norms };
        (y, Arc::new(saved))
    }
}

impl HostBackward for Saved {
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor> {
        let shape = self.stem.shape;
        let (grad, y) = (as_lanes(grad), as_lanes(values(&self.y)));
        let groups = groups_of(self.stem.images());
        let sums: Vec<Vec<SumStats>> =
            (0..groups).into_par_iter().map(|g| self.sums_of_group(grad, y, g)).collect();
        let grads: Vec<ChannelGrad> = total_moments(&sums, shape.cout, 0)
            .iter()
            .zip(&self.norms)
            .map(|(sums, norm)| norm.backward(sums.sum, sums.squares))
            .collect();

        let partial: Vec<Vec<Lanes>> = (0..groups.div_ceil(CHUNK_GROUPS))
            .into_par_iter()
            .map(|chunk| {
                let last = groups.min((chunk + 1) * CHUNK_GROUPS);
                let mut weights = conv::zeroed_weights(shape);
                with_scratch(|s| {
                    for g in chunk * CHUNK_GROUPS..last {
                        let map = take(&mut s.grad, shape.padded_grad());
                        self.write_gradient(grad, y, g, &grads, map);
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
        let channel = |f: fn(&ChannelGrad) -> f64| {
            host_tensor(grads.iter().map(|g| f(g) as f32).collect(), [shape.cout])
        };
        vec![host_tensor(latent, [len]), channel(|g| g.gamma), channel(|g| g.beta)]
    }
}

impl Saved {
    /// Where a channel of a group is in the maps of the output.
    fn plane(&self, group: usize, c: usize) -> std::ops::Range<usize> {
        let plane = self.stem.shape.side() * self.stem.shape.side();
        let at = (group * self.norms.len() + c) * plane;
        at..at + plane
    }

    /// `Σ g` and `Σ g·z` of each channel over one group.
    fn sums_of_group(&self, grad: &[Row], y: &[Row], group: usize) -> Vec<SumStats> {
        let mask = lane_mask(self.stem.images(), group);
        let (bound, side) = (self.stem.limit.bound(), self.stem.shape.side());
        (0..self.norms.len())
            .map(|c| {
                let at = self.plane(group, c);
                let (grad, y, z) = (&grad[at.clone()], &y[at.clone()], &self.z[at]);
                living(&passes::gradient_sums(grad, y, z, bound, side), &mask)
            })
            .collect()
    }

    /// Writes the gradient of one group's sums into a padded map.
    fn write_gradient(
        &self,
        grad: &[Row],
        y: &[Row],
        group: usize,
        grads: &[ChannelGrad],
        map: &mut [Lanes],
    ) {
        let shape = self.stem.shape;
        let (padded, pad) = (shape.padded_side(), shape.pad());
        let mask = lane_mask(self.stem.images(), group);
        conv::clear_border(map, shape.cout, padded, pad);
        for (c, (channel, map)) in
            grads.iter().zip(map.chunks_exact_mut(padded * padded)).enumerate()
        {
            let at = self.plane(group, c);
            let f = grad_row(channel, &mask, self.stem.limit.bound());
            let (grad, y, z) = (&grad[at.clone()], &y[at.clone()], &self.z[at]);
            passes::write_gradient(grad, y, z, f, map, shape.side(), pad);
        }
    }
}

#[cfg(test)]
mod tests;
