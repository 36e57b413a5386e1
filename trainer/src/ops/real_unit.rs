//! A full-precision 1×1 convolution with batch normalisation: the downsampling shortcuts of
//! ImageNet's networks.
//!
//! `y = limit(snap(bn(W · x)))`, without activation and without a shortcut of its own. On the grid
//! the input becomes odd levels worth `u` and the weights odd levels worth one scale `s` a channel
//! (semantics.md, sections 2.9 and 3), both with gradient 1, so that `alpha = s · u`.
//!
//! Inputs: `x` `[groups, cin, h, w, 16]`, weights `[cout·cin]`, gamma and beta `[cout]`.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use heartbit_ir::grid::{Grid, real_conv_levels};
use rayon::prelude::*;

use crate::lanes::{LANES, Lanes, as_lanes, as_lanes_mut, groups_of, take, with_scratch};
use crate::ops::conv::{self, ConvShape};
use crate::ops::host::{HostBackward, HostOp, host_tensor, values};
use crate::ops::normalised::{Normalisation, Normalised, of_channels};
use crate::ops::passes::Row;
use crate::ops::quantizer::Quantizer;
use crate::ops::stats::{CHUNK_GROUPS, StatsSlot, add_chunks, map_shape};
use crate::ops::unit::Limit;

/// The layer, ready to run on a batch.
#[derive(Clone, Debug)]
pub struct RealUnit {
    /// Sizes; the kernel is 1.
    pub shape: ConvShape,
    /// Images of the batch.
    pub images: usize,
    /// The grid, or `None` off it.
    pub grid: Option<Grid>,
    /// The input is within ±2^`range_log2`.
    pub range_log2: u32,
    /// The limit on the result.
    pub limit: Limit,
    /// Receives the batch statistics.
    pub stats: StatsSlot,
}

#[derive(Debug)]
struct Saved {
    unit: RealUnit,
    x: FlexTensor,
    sums: Normalised,
    /// Weights as they are applied: levels on the grid.
    weights: Vec<f32>,
    /// Float value of a weight's level 1, for each output channel; 1 off the grid.
    scale: Vec<f64>,
}

impl RealUnit {
    fn quantizer(&self) -> Option<Quantizer> {
        let grid = self.grid.as_ref()?;
        let (bits, frac_bits) = (grid.downsample_activation_bits, grid.stream_frac_bits);
        Some(Quantizer::new(bits, frac_bits, self.range_log2))
    }

    /// Float value of the input's level 1; 1 off the grid.
    fn unit(&self) -> f64 {
        self.quantizer().map_or(1.0, |q| q.unit)
    }

    /// The weights as they are applied, and each channel's scale.
    fn weights(&self, real: &[f32]) -> (Vec<f32>, Vec<f64>) {
        let ConvShape { cin, cout, .. } = self.shape;
        let Some(grid) = &self.grid else { return (real.to_vec(), vec![1.0; cout]) };
        let levels = real_conv_levels(real, [cout, cin, 1, 1], grid.downsample_weight_bits);
        (levels.levels.iter().map(|&l| l as f32).collect(), levels.scale)
    }

    /// Writes the input of one group as it is convolved; a 1×1 kernel has no padding.
    fn write_input(&self, x: &[Row], map: &mut [Lanes]) {
        match self.quantizer() {
            None => map.iter_mut().zip(x).for_each(|(map, x)| map.0 = *x),
            Some(q) => map.iter_mut().zip(x).for_each(|(map, x)| {
                map.0 = x.map(|v| q.level(v.into()) as f32);
            }),
        }
    }
}

impl HostOp for RealUnit {
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>) {
        let [x, weights, gamma, beta] = inputs else { panic!("bug: a real unit has four inputs") };
        let shape = self.shape;
        assert_eq!(shape.kernel, 1, "bug: kernel of a real unit");
        let (weights, scale) = self.weights(values(weights));
        let unit = self.unit();
        let alpha: Vec<f64> = scale.iter().map(|scale| scale * unit).collect();
        let grid = self.grid.as_ref();
        let normalisation = Normalisation {
            alpha: &alpha,
            gamma: values(gamma),
            beta: values(beta),
            scale: grid.map_or(0.0, |g| (1u32 << g.stream_frac_bits) as f32),
            limit: self.limit,
            stats: &self.stats,
        };
        let packed = conv::pack_forward(&weights, shape);
        let xs = as_lanes(values(x));
        let write = |g: usize, map: &mut [Lanes]| {
            self.write_input(&xs[g * shape.input()..(g + 1) * shape.input()], map);
        };
        let sums = Normalised::new(shape, self.images, &packed, write, &normalisation);
        let y = sums.y();
        (y, Arc::new(Saved { unit: self.clone(), x: x.clone(), sums, weights, scale }))
    }
}

impl HostBackward for Saved {
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor> {
        let shape = self.unit.shape;
        let (grad, xs) = (as_lanes(grad), as_lanes(values(&self.x)));
        let groups = groups_of(self.unit.images);
        let grads = self.sums.channel_grads(grad);
        let packed = conv::pack_backward(&self.weights, shape);
        let per_level = (1.0 / self.unit.unit()) as f32;
        let mut input = vec![0.0f32; groups * shape.input() * LANES];
        let partial: Vec<Vec<Lanes>> = as_lanes_mut(&mut input)
            .par_chunks_mut(CHUNK_GROUPS * shape.input())
            .enumerate()
            .map(|(chunk, out)| {
                let mut weights = conv::zeroed_weights(shape);
                for (i, out) in out.chunks_exact_mut(shape.input()).enumerate() {
                    let g = chunk * CHUNK_GROUPS + i;
                    with_scratch(|s| {
                        let map = take(&mut s.grad, shape.padded_grad());
                        self.sums.write_gradient(grad, g, &grads, map);
                        let levels = take(&mut s.input, shape.padded_input());
                        self.unit
                            .write_input(&xs[g * shape.input()..(g + 1) * shape.input()], levels);
                        conv::backward_weights(levels, map, &mut weights, &mut s.transposed, shape);
                        let result = take(&mut s.output, shape.input());
                        conv::backward_input(map, &packed, result, shape);
                        for (out, result) in out.iter_mut().zip(result) {
                            *out = result.0.map(|g| g * per_level);
                        }
                    });
                }
                weights
            })
            .collect();
        let mut weights = conv::finish_weights(&add_chunks(partial), shape);
        for (filter, scale) in weights.chunks_exact_mut(shape.cin).zip(&self.scale) {
            for g in filter {
                *g = (f64::from(*g) / scale) as f32;
            }
        }
        let channel = |f| of_channels(&grads, f);
        vec![
            host_tensor(input, map_shape(groups, shape.cin, shape.in_side)),
            host_tensor(weights, [shape.weights()]),
            channel(|g| g.gamma),
            channel(|g| g.beta),
        ]
    }
}

#[cfg(test)]
mod tests;
