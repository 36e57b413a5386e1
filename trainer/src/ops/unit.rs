//! The fused residual unit: everything between two values of the residual stream.
//!
//! `y = hardtanh(snap(bn(alpha · conv(sign(x), sign(w)))) + shortcut(x))`, with batch statistics,
//! zero padding, and `snap` the rounding to the deployed stream's grid with gradient 1.
//! The shortcut is the identity, or where the unit halves the map a 2×2 mean with zero channels
//! on both sides (semantics.md, section 2.6).
//!
//! Inputs: `x` `[groups, cin, h, w, 16]`, latent weights `[cout·cin·9]`, alpha, gamma and beta
//! `[cout]`. Groups run in parallel in fixed chunks whose weight gradients are added in a fixed
//! order, so the result does not depend on the number of threads.

use std::sync::{Arc, Mutex};

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use crate::lanes::{
    LANES, Lanes, as_lanes, as_lanes_mut, groups_of, lane_mask, take, with_scratch,
};
use crate::ops::binarize_activation::{ImageStats, StdGradient};
use crate::ops::binarize_weight::WeightBinarizer;
use crate::ops::conv::{self, ConvShape, TAPS};
use crate::ops::host::{HostBackward, HostOp, host_tensor, values};
use crate::ops::norm::{ChannelGrad, ChannelNorm, SumStats};
use crate::ops::passes::{self, AffineRow, GradRow, Row, Totals};

/// Groups whose weight gradients are added up before the lanes are.
pub const CHUNK_GROUPS: usize = 2;

/// Batch mean and unbiased variance of each channel, for the running statistics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchStats {
    /// Mean of the normalised quantity.
    pub mean: Vec<f64>,
    /// Unbiased variance.
    pub var: Vec<f64>,
}

impl BatchStats {
    /// From the normalisation of each channel.
    pub fn of(norms: &[ChannelNorm]) -> Self {
        Self {
            mean: norms.iter().map(ChannelNorm::batch_mean).collect(),
            var: norms.iter().map(ChannelNorm::batch_var_unbiased).collect(),
        }
    }
}

/// Where an operation leaves its batch statistics.
pub type StatsSlot = Arc<Mutex<BatchStats>>;

/// Writes into a slot.
pub(crate) fn publish(slot: &StatsSlot, stats: BatchStats) {
    *slot.lock().expect("bug: no thread panics while it holds batch statistics") = stats;
}

/// One residual unit, ready to run on a batch.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Sizes.
    pub shape: ConvShape,
    /// Images of the batch.
    pub images: usize,
    /// Grid steps in 1.0 of the stream, or `None` off the grid.
    pub grid_scale: Option<f32>,
    /// Surrogate gradient of the activations.
    pub std_gradient: StdGradient,
    /// Weight binarizer.
    pub binarizer: Arc<dyn WeightBinarizer>,
    /// Receives the batch statistics.
    pub stats: StatsSlot,
}

/// What the forward pass leaves for the backward pass.
#[derive(Debug)]
struct Saved {
    unit: Unit,
    x: FlexTensor,
    y: FlexTensor,
    latent: FlexTensor,
    signs: Vec<f32>,
    z: Vec<[i16; LANES]>,
    images: Vec<ImageStats>,
    norms: Vec<ChannelNorm>,
}

/// First output channel that the shortcut's channels land on.
fn front(shape: ConvShape) -> usize {
    (shape.cout - shape.cin) / 2
}

/// Adds the living lanes of two totals to a channel's moments.
pub(crate) fn add_moments(stats: &mut SumStats, (sum, squares): &(Totals, Totals), mask: &Row) {
    for k in 0..LANES {
        if mask[k] != 0.0 {
            stats.sum += sum[k];
            stats.squares += squares[k];
        }
    }
}

/// Adds up per-group moments in the order of the groups.
pub(crate) fn total_moments(
    groups: &[Vec<SumStats>],
    channels: usize,
    count: usize,
) -> Vec<SumStats> {
    (0..channels)
        .map(|c| {
            groups.iter().fold(SumStats { count: count as f64, ..SumStats::default() }, |t, g| {
                SumStats { sum: t.sum + g[c].sum, squares: t.squares + g[c].squares, ..t }
            })
        })
        .collect()
}

/// The coefficients of a channel's gradient, with dead lanes zeroed.
pub(crate) fn grad_row(grad: &ChannelGrad, mask: &Row) -> GradRow {
    GradRow {
        scale: grad.scale as f32,
        slope: mask.map(|m| m * grad.slope as f32),
        offset: mask.map(|m| m * grad.offset as f32),
    }
}

/// Adds vectors elementwise, in order.
pub(crate) fn add_all(parts: Vec<Vec<f32>>) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    for part in parts {
        for (t, p) in total.iter_mut().zip(part) {
            *t += p;
        }
    }
    total
}

/// The shape of a map as a burn tensor.
pub(crate) fn map_shape(groups: usize, channels: usize, side: usize) -> Vec<usize> {
    vec![groups, channels, side, side, LANES]
}

impl HostOp for Unit {
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>) {
        let [x, latent, alpha, gamma, beta] = inputs else { panic!("bug: a unit has five inputs") };
        let shape = self.shape;
        let fan_in = shape.cin * TAPS;
        assert!(i16::try_from(fan_in).is_ok(), "bug: sums of this fan-in need more than 16 bits");
        let groups = groups_of(self.images);
        let signs = self.binarizer.forward(values(latent), fan_in);
        let packed = conv::pack_forward(&signs, shape);
        let xs = as_lanes(values(x));
        assert_eq!(xs.len(), groups * shape.input(), "bug: size of a unit's input");

        let mut z = vec![[0i16; LANES]; groups * shape.output()];
        let (images, moments): (Vec<_>, Vec<_>) = z
            .par_chunks_mut(shape.output())
            .zip(xs.par_chunks(shape.input()))
            .enumerate()
            .map(|(g, (z, x))| self.convolve_group(x, z, &packed, &lane_mask(self.images, g)))
            .unzip();

        let count = self.images * shape.side * shape.side;
        let (alpha, gamma, beta) = (values(alpha), values(gamma), values(beta));
        let norms: Vec<ChannelNorm> = total_moments(&moments, shape.cout, count)
            .into_iter()
            .enumerate()
            .map(|(c, s)| ChannelNorm::new(s, alpha[c].into(), gamma[c].into(), beta[c].into()))
            .collect();
        publish(&self.stats, BatchStats::of(&norms));

        let mut y = vec![0.0f32; groups * shape.output() * LANES];
        as_lanes_mut(&mut y)
            .par_chunks_mut(shape.output())
            .zip(z.par_chunks(shape.output()))
            .zip(xs.par_chunks(shape.input()))
            .for_each(|((y, z), x)| self.activate_group(x, z, &norms, y));
        let y = host_tensor(y, map_shape(groups, shape.cout, shape.side));
        let saved = Saved {
            unit: self.clone(),
            x: x.clone(),
            y: y.clone(),
            latent: latent.clone(),
            signs,
            z,
            images,
            norms,
        };
        (y, Arc::new(saved))
    }
}

impl Unit {
    /// Convolves the signs of one group; returns the images' statistics and the sums' moments.
    fn convolve_group(
        &self,
        x: &[Row],
        z: &mut [[i16; LANES]],
        packed: &[f32],
        mask: &Row,
    ) -> (ImageStats, Vec<SumStats>) {
        let shape = self.shape;
        let (sum, squares) = passes::moments(x, shape.in_side());
        let plane = shape.side * shape.side;
        let moments = with_scratch(|s| {
            let map = take(&mut s.input, shape.padded_input());
            conv::clear_border(map, shape.cin, shape.padded());
            passes::write_signs(x, map, shape.in_side());
            let out = take(&mut s.output, shape.output());
            conv::forward(map, packed, out, shape);
            out.chunks_exact(plane)
                .zip(z.chunks_exact_mut(plane))
                .map(|(out, z)| {
                    let mut stats = SumStats::default();
                    add_moments(&mut stats, &passes::store_sums(out, z, shape.side), mask);
                    stats
                })
                .collect()
        });
        (ImageStats::new(&sum, &squares, shape.input()), moments)
    }

    /// Normalises one group, adds the shortcut and clamps.
    fn activate_group(&self, x: &[Row], z: &[[i16; LANES]], norms: &[ChannelNorm], y: &mut [Row]) {
        let shape = self.shape;
        let plane = shape.side * shape.side;
        let in_plane = plane * shape.stride * shape.stride;
        let channels = y.chunks_exact_mut(plane).zip(z.chunks_exact(plane)).zip(norms);
        for (c, ((y, z), norm)) in channels.enumerate() {
            let f = AffineRow {
                a: norm.a as f32,
                b: norm.b as f32,
                scale: self.grid_scale.unwrap_or(0.0),
            };
            let source = c.checked_sub(front(shape)).filter(|&c| c < shape.cin);
            match source.map(|c| &x[c * in_plane..(c + 1) * in_plane]) {
                None => passes::activate(z, f, y),
                Some(x) if shape.stride == 1 => passes::activate_identity(z, f, x, y),
                Some(x) => passes::activate_pooled(z, f, x, y, shape.side),
            }
        }
    }
}

/// One group's views for the backward pass.
struct Group<'a> {
    x: &'a [Row],
    y: &'a [Row],
    z: &'a [[i16; LANES]],
    grad: &'a [Row],
    mask: Row,
    stats: &'a ImageStats,
}

impl Saved {
    fn group<'a>(&'a self, grad: &'a [Row], g: usize) -> Group<'a> {
        let (input, output) = (self.unit.shape.input(), self.unit.shape.output());
        Group {
            x: &as_lanes(values(&self.x))[g * input..(g + 1) * input],
            y: &as_lanes(values(&self.y))[g * output..(g + 1) * output],
            z: &self.z[g * output..(g + 1) * output],
            grad: &grad[g * output..(g + 1) * output],
            mask: lane_mask(self.unit.images, g),
            stats: &self.images[g],
        }
    }

    /// `Σ g` and `Σ g·z` of each channel over one group.
    fn sums_of_group(&self, group: &Group<'_>) -> Vec<SumStats> {
        let side = self.unit.shape.side;
        let plane = side * side;
        let channels = group
            .grad
            .chunks_exact(plane)
            .zip(group.y.chunks_exact(plane))
            .zip(group.z.chunks_exact(plane));
        channels
            .map(|((grad, y), z)| {
                let mut sums = SumStats::default();
                add_moments(&mut sums, &passes::gradient_sums(grad, y, z, side), &group.mask);
                sums
            })
            .collect()
    }

    /// Adds one group's weight gradients to `weights` and writes its input gradient.
    fn backward_group(
        &self,
        group: &Group<'_>,
        grads: &[ChannelGrad],
        packed: &[f32],
        weights: &mut [Lanes],
        out: &mut [Row],
    ) {
        let shape = self.unit.shape;
        let (side, padded) = (shape.side, shape.padded());
        let plane = side * side;
        with_scratch(|s| {
            let map = take(&mut s.grad, shape.padded_grad());
            conv::clear_border(map, shape.cout, padded);
            for (c, grad) in grads.iter().enumerate() {
                let at = c * plane..(c + 1) * plane;
                passes::write_gradient(
                    &group.grad[at.clone()],
                    &group.y[at.clone()],
                    &group.z[at],
                    grad_row(grad, &group.mask),
                    &mut map[c * padded * padded..(c + 1) * padded * padded],
                    side,
                    shape.stride,
                );
            }
            let signs = take(&mut s.input, shape.padded_input());
            conv::clear_border(signs, shape.cin, padded);
            passes::write_signs(group.x, signs, shape.in_side());
            conv::backward_weights(signs, map, weights, shape);
            let grad_signs = take(&mut s.output, shape.input());
            conv::backward_input(map, packed, grad_signs, shape);
            let dot = passes::triangle(group.x, &group.stats.inv, grad_signs, shape.in_side());
            let f = group.stats.backward(self.unit.std_gradient, &dot, shape.input());
            self.input_gradient(group, grad_signs, f, out);
        });
    }

    /// Last step of the backward pass: the deviation and the shortcut.
    fn input_gradient(
        &self,
        group: &Group<'_>,
        signs: &[Lanes],
        f: passes::StdRow,
        out: &mut [Row],
    ) {
        let shape = self.unit.shape;
        if shape.stride == 1 {
            passes::input_gradient_identity(group.x, signs, f, group.grad, group.y, out);
            return;
        }
        let plane = shape.side * shape.side;
        let in_plane = shape.in_side() * shape.in_side();
        for (c, out) in out.chunks_exact_mut(in_plane).enumerate() {
            let from = (front(shape) + c) * plane..(front(shape) + c + 1) * plane;
            let at = c * in_plane..(c + 1) * in_plane;
            passes::input_gradient_pooled(
                &group.x[at.clone()],
                &signs[at],
                f,
                &group.grad[from.clone()],
                &group.y[from],
                out,
                shape.in_side(),
            );
        }
    }
}

impl HostBackward for Saved {
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor> {
        let shape = self.unit.shape;
        let grad = as_lanes(grad);
        let groups = groups_of(self.unit.images);
        let sums: Vec<Vec<SumStats>> =
            (0..groups).into_par_iter().map(|g| self.sums_of_group(&self.group(grad, g))).collect();
        let grads: Vec<ChannelGrad> = total_moments(&sums, shape.cout, 0)
            .iter()
            .zip(&self.norms)
            .map(|(sums, norm)| norm.backward(sums.sum, sums.squares))
            .collect();

        let packed = conv::pack_backward(&self.signs, shape);
        let mut input = vec![0.0f32; groups * shape.input() * LANES];
        let partial: Vec<Vec<f32>> = as_lanes_mut(&mut input)
            .par_chunks_mut(CHUNK_GROUPS * shape.input())
            .enumerate()
            .map(|(chunk, out)| {
                let mut buffer = with_scratch(|s| std::mem::take(&mut s.weights));
                let weights = conv::zeroed_weights(&mut buffer, shape);
                for (i, out) in out.chunks_exact_mut(shape.input()).enumerate() {
                    let group = self.group(grad, chunk * CHUNK_GROUPS + i);
                    self.backward_group(&group, &grads, &packed, weights, out);
                }
                let sums = conv::reduce_weights(weights, shape);
                with_scratch(|s| s.weights = buffer);
                sums
            })
            .collect();
        let fan_in = shape.cin * TAPS;
        let latent = self.unit.binarizer.backward(values(&self.latent), fan_in, &add_all(partial));

        let channel = |f: fn(&ChannelGrad) -> f64| {
            host_tensor(grads.iter().map(|g| f(g) as f32).collect(), [shape.cout])
        };
        vec![
            host_tensor(input, map_shape(groups, shape.cin, shape.in_side())),
            host_tensor(latent, [shape.weights()]),
            channel(|g| g.alpha),
            channel(|g| g.gamma),
            channel(|g| g.beta),
        ]
    }
}

#[cfg(test)]
mod tests;
