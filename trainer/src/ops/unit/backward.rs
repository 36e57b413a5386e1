//! The unit's gradients.

use burn::backend::flex::FlexTensor;
use heartbit_model::graph::Fit;
use rayon::prelude::*;

use super::shortcut::Route;
use super::{Saved, Shortcut};
use crate::lanes::{
    LANES, Lanes, as_lanes, as_lanes_mut, groups_of, lane_mask, take, with_scratch,
};
use crate::ops::binarize_activation::ImageStats;
use crate::ops::conv::{self, ConvShape, Packed};
use crate::ops::host::{HostBackward, host_tensor, values};
use crate::ops::norm::{ChannelGrad, SumStats};
use crate::ops::normalised::of_channels;
use crate::ops::passes::{self, Landing, Row, StdRow, Totals};
use crate::ops::stats::{CHUNK_GROUPS, add_chunks, grad_row, living, map_shape, total_moments};

/// One group's views.
struct Group<'a> {
    x: &'a [Row],
    y: &'a [Row],
    z: &'a [[i16; LANES]],
    places: &'a [[u8; LANES]],
    grad: &'a [Row],
    mask: Row,
    stats: &'a ImageStats,
}

/// The gradient of the shift that one group gives, a sum a channel.
type ShiftSums = Vec<f64>;

impl Saved {
    fn group<'a>(&'a self, grad: &'a [Row], g: usize) -> Group<'a> {
        let (input, output) = (self.unit.shape.input(), self.unit.out_lanes());
        let out = g * output..(g + 1) * output;
        Group {
            x: &as_lanes(values(&self.x))[g * input..(g + 1) * input],
            y: &as_lanes(values(&self.y))[out.clone()],
            z: &self.z[out.clone()],
            places: if self.unit.pool { &self.places[out.clone()] } else { &[] },
            grad: &grad[out],
            mask: lane_mask(self.unit.images, g),
            stats: &self.images[g],
        }
    }

    /// `Σ g` and `Σ g·z` of each channel over one group.
    fn sums_of_group(&self, group: &Group<'_>) -> Vec<SumStats> {
        let (plane, side) = (self.unit.out_plane(), self.unit.out_side());
        let bound = self.unit.limit.bound();
        let channels = group.grad.chunks_exact(plane).zip(group.y.chunks_exact(plane));
        channels
            .zip(group.z.chunks_exact(plane))
            .map(|((grad, y), z)| {
                living(&passes::gradient_sums(grad, y, z, bound, side), &group.mask)
            })
            .collect()
    }

    /// Gradients of the normalisation.
    fn channel_grads(&self, grad: &[Row]) -> Vec<ChannelGrad> {
        let groups = groups_of(self.unit.images);
        let sums: Vec<Vec<SumStats>> =
            (0..groups).into_par_iter().map(|g| self.sums_of_group(&self.group(grad, g))).collect();
        total_moments(&sums, self.unit.shape.cout, 0)
            .iter()
            .zip(&self.norms)
            .map(|(sums, norm)| norm.backward(sums.sum, sums.squares))
            .collect()
    }

    /// Writes the gradient of one group's sums into a padded map.
    fn write_gradient(&self, group: &Group<'_>, grads: &[ChannelGrad], map: &mut [Lanes]) {
        let shape = self.unit.shape;
        let (plane, padded, pad) = (self.unit.out_plane(), shape.padded_side(), shape.pad());
        conv::clear_border(map, shape.cout, padded, pad);
        for (c, (grad, map)) in grads.iter().zip(map.chunks_exact_mut(padded * padded)).enumerate()
        {
            let at = c * plane..(c + 1) * plane;
            let f = grad_row(grad, &group.mask, self.unit.limit.bound());
            let (g, y, z) = (&group.grad[at.clone()], &group.y[at.clone()], &group.z[at.clone()]);
            if self.unit.pool {
                let places = &group.places[at];
                passes::write_gradient_pooled(g, y, z, places, f, map, [shape.side(), pad]);
            } else {
                passes::write_gradient(g, y, z, f, map, shape.side(), pad);
            }
        }
    }

    /// Adds one group's weight gradients to `weights` and writes its input gradient.
    fn backward_group(
        &self,
        group: &Group<'_>,
        grads: &[ChannelGrad],
        packed: &Packed,
        weights: &mut [Lanes],
        out: &mut [Row],
    ) -> ShiftSums {
        let shape = self.unit.shape;
        with_scratch(|s| {
            let map = take(&mut s.grad, shape.padded_grad());
            self.write_gradient(group, grads, map);
            let signs = take(&mut s.input, shape.padded_input());
            write_signs(group.x, &self.shift, signs, shape);
            conv::backward_weights(signs, map, weights, &mut s.transposed, shape);
            let grad_signs = take(&mut s.output, shape.input());
            conv::backward_input(map, packed, grad_signs, shape);
            let mut dot: Totals = [0.0; LANES];
            let plane = shape.in_side * shape.in_side;
            let planes = group.x.chunks_exact(plane).zip(grad_signs.chunks_exact_mut(plane));
            for ((x, grad), &shift) in planes.zip(&self.shift) {
                passes::triangle(x, shift, &group.stats.inv, grad, shape.in_side, &mut dot);
            }
            let f = group.stats.backward(self.unit.std_gradient, &dot, shape.input());
            self.input_gradient(group, grad_signs, f, out)
        })
    }

    /// Last step of the backward pass: the deviation, the shift, and the input as a shortcut.
    fn input_gradient(
        &self,
        group: &Group<'_>,
        signs: &[Lanes],
        f: StdRow,
        out: &mut [Row],
    ) -> ShiftSums {
        let shape = self.unit.shape;
        let plane = shape.in_side * shape.in_side;
        let own = self.route.filter(|_| matches!(self.unit.shortcut, Shortcut::Input(_)));
        let mut sums = ShiftSums::new();
        for (c, out) in out.chunks_exact_mut(plane).enumerate() {
            let at = c * plane..(c + 1) * plane;
            let (x, signs) = (&group.x[at.clone()], &signs[at]);
            let f = StdRow { mean: f.mean.map(|m| m - self.shift[c]), ..f };
            if self.unit.shift {
                // The shift is not part of the shortcut.
                passes::input_gradient(x, signs, f, out);
                let lanes = passes::plane_sums(out, shape.in_side);
                sums.push(living(&(lanes, [0.0; LANES]), &group.mask).sum);
            }
            let Some(route) = own else {
                if !self.unit.shift {
                    passes::input_gradient(x, signs, f, out);
                }
                continue;
            };
            let to = self.landing(group, route, c);
            match route.fit {
                Fit::Identity => {
                    passes::input_gradient_identity(x, signs, f, to, out);
                }
                Fit::PoolZeroChannels => {
                    passes::input_gradient_pooled(x, signs, f, to, out, shape.in_side);
                }
            }
        }
        sums
    }

    /// The output's gradient and values where a channel of the shortcut lands.
    fn landing<'a>(&self, group: &Group<'a>, route: Route, c: usize) -> Landing<'a> {
        let plane = self.unit.out_plane();
        let at = (route.front + c) * plane..(route.front + c + 1) * plane;
        let bound = self.unit.limit.bound();
        Landing { grad: &group.grad[at.clone()], y: &group.y[at], bound }
    }

    /// The gradient of a shortcut that is another map.
    fn other_gradient(&self, grad: &[Row], route: Route) -> FlexTensor {
        let groups = groups_of(self.unit.images);
        let mut other = vec![0.0f32; groups * route.lanes() * LANES];
        as_lanes_mut(&mut other).par_chunks_mut(route.lanes()).enumerate().for_each(|(g, out)| {
            let group = self.group(grad, g);
            for (c, out) in out.chunks_exact_mut(route.plane()).enumerate() {
                let to = self.landing(&group, route, c);
                match route.fit {
                    Fit::Identity => passes::shortcut_gradient(to, out),
                    Fit::PoolZeroChannels => {
                        passes::shortcut_gradient_pooled(to, out, route.side);
                    }
                }
            }
        });
        host_tensor(other, map_shape(groups, route.channels, route.side))
    }
}

/// Writes the signs of one group's `x + shift` into a padded map.
fn write_signs(x: &[Row], shift: &[f32], map: &mut [Lanes], shape: ConvShape) {
    let padded = shape.padded();
    conv::clear_border(map, shape.cin, padded, shape.pad());
    let planes = x.chunks_exact(shape.in_side * shape.in_side);
    for ((x, map), &shift) in planes.zip(map.chunks_exact_mut(padded * padded)).zip(shift) {
        passes::write_signs(x, shift, map, shape.in_side, shape.pad());
    }
}

impl HostBackward for Saved {
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor> {
        let shape = self.unit.shape;
        let grad = as_lanes(grad);
        let groups = groups_of(self.unit.images);
        let grads = self.channel_grads(grad);
        let packed = conv::pack_backward(values(&self.weights), shape);
        let mut input = vec![0.0f32; groups * shape.input() * LANES];
        let (partial, shifts): (Vec<Vec<Lanes>>, Vec<Vec<ShiftSums>>) = as_lanes_mut(&mut input)
            .par_chunks_mut(CHUNK_GROUPS * shape.input())
            .enumerate()
            .map(|(chunk, out)| {
                let mut weights = conv::zeroed_weights(shape);
                let shifts = out
                    .chunks_exact_mut(shape.input())
                    .enumerate()
                    .map(|(i, out)| {
                        let group = self.group(grad, chunk * CHUNK_GROUPS + i);
                        self.backward_group(&group, &grads, &packed, &mut weights, out)
                    })
                    .collect();
                (weights, shifts)
            })
            .unzip();
        let weights = conv::finish_weights(&add_chunks(partial), shape);
        let channel = |f| of_channels(&grads, f);
        let mut result = vec![
            host_tensor(input, map_shape(groups, shape.cin, shape.in_side)),
            host_tensor(weights, [shape.weights()]),
            channel(|g| g.alpha),
            channel(|g| g.gamma),
            channel(|g| g.beta),
        ];
        if self.unit.shift {
            let sum = |c: usize| shifts.iter().flatten().map(|s| s[c]).sum::<f64>() as f32;
            result.push(host_tensor((0..shape.cin).map(sum).collect(), [shape.cin]));
        }
        if let (Shortcut::Other(_), Some(route)) = (self.unit.shortcut, self.route) {
            result.push(self.other_gradient(grad, route));
        }
        result
    }
}
