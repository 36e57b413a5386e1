//! Batch normalisation of real-valued convolution sums: what the stem and the real shortcuts share.
//!
//! `y = limit(snap(bn(alpha · z)))` for sums `z` of one convolution. Sums go over the groups in a
//! fixed order. The fused binary unit has its own, because its sums are integers and may be pooled.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use crate::lanes::{
    LANES, Lanes, as_lanes, as_lanes_mut, groups_of, lane_mask, take, with_scratch,
};
use crate::ops::conv::{self, ConvShape, Packed};
use crate::ops::host::{host_tensor, values};
use crate::ops::norm::{ChannelGrad, ChannelNorm, SumStats};
use crate::ops::passes::{self, AffineRow, Row};
use crate::ops::stats::{
    BatchStats, StatsSlot, grad_row, living, map_shape, publish, total_moments,
};
use crate::ops::unit::Limit;

/// What is done with the sums.
pub(crate) struct Normalisation<'a> {
    /// Scale of each channel's sums.
    pub(crate) alpha: &'a [f64],
    pub(crate) gamma: &'a [f32],
    pub(crate) beta: &'a [f32],
    /// Grid steps in 1.0 of the stream, or 0 off the grid.
    pub(crate) scale: f32,
    pub(crate) limit: Limit,
    /// Receives the batch statistics.
    pub(crate) stats: &'a StatsSlot,
}

/// The sums of a batch, and what they became.
#[derive(Debug)]
pub(crate) struct Normalised {
    shape: ConvShape,
    images: usize,
    bound: f32,
    z: Vec<Row>,
    norms: Vec<ChannelNorm>,
    y: FlexTensor,
}

impl Normalised {
    /// Convolves the padded map that `write` makes of each group, and normalises the sums.
    pub(crate) fn new(
        shape: ConvShape,
        images: usize,
        packed: &Packed,
        write: impl Fn(usize, &mut [Lanes]) + Sync,
        n: &Normalisation<'_>,
    ) -> Self {
        let groups = groups_of(images);
        let (side, plane) = (shape.side(), shape.side() * shape.side());
        let mut z = vec![[0.0f32; LANES]; groups * shape.output()];
        let moments: Vec<Vec<SumStats>> = z
            .par_chunks_mut(shape.output())
            .enumerate()
            .map(|(g, z)| {
                let mask = lane_mask(images, g);
                with_scratch(|s| {
                    let map = take(&mut s.input, shape.padded_input());
                    write(g, map);
                    let out = take(&mut s.output, shape.output());
                    conv::forward(map, packed, out, shape);
                    out.chunks_exact(plane)
                        .zip(z.chunks_exact_mut(plane))
                        .map(|(out, z)| living(&passes::store_sums(out, z, side), &mask))
                        .collect()
                })
            })
            .collect();
        let norms: Vec<ChannelNorm> = total_moments(&moments, shape.cout, images * plane)
            .into_iter()
            .enumerate()
            .map(|(c, s)| ChannelNorm::new(s, n.alpha[c], n.gamma[c].into(), n.beta[c].into()))
            .collect();
        publish(n.stats, BatchStats::of(&norms));
        let bound = n.limit.bound();
        let mut y = vec![0.0f32; groups * shape.output() * LANES];
        as_lanes_mut(&mut y).par_chunks_mut(plane).zip(z.par_chunks(plane)).enumerate().for_each(
            |(i, (y, z))| {
                let norm = &norms[i % shape.cout];
                let (a, b) = (norm.a as f32, norm.b as f32);
                passes::activate(z, AffineRow { a, b, scale: n.scale, bound }, y);
            },
        );
        let y = host_tensor(y, map_shape(groups, shape.cout, side));
        Self { shape, images, bound, z, norms, y }
    }

    /// The result, `[groups, cout, side, side, 16]`.
    pub(crate) fn y(&self) -> FlexTensor {
        self.y.clone()
    }

    /// Where a channel of a group is in the maps of the output.
    fn plane(&self, group: usize, c: usize) -> std::ops::Range<usize> {
        let plane = self.shape.side() * self.shape.side();
        let at = (group * self.norms.len() + c) * plane;
        at..at + plane
    }

    /// Gradients of the normalisation.
    pub(crate) fn channel_grads(&self, grad: &[Row]) -> Vec<ChannelGrad> {
        let (y, side) = (as_lanes(values(&self.y)), self.shape.side());
        let sums: Vec<Vec<SumStats>> = (0..groups_of(self.images))
            .into_par_iter()
            .map(|g| {
                let mask = lane_mask(self.images, g);
                (0..self.norms.len())
                    .map(|c| {
                        let at = self.plane(g, c);
                        let (grad, y, z) = (&grad[at.clone()], &y[at.clone()], &self.z[at]);
                        living(&passes::gradient_sums(grad, y, z, self.bound, side), &mask)
                    })
                    .collect()
            })
            .collect();
        total_moments(&sums, self.norms.len(), 0)
            .iter()
            .zip(&self.norms)
            .map(|(sums, norm)| norm.backward(sums.sum, sums.squares))
            .collect()
    }

    /// Writes the gradient of one group's sums into a padded map.
    pub(crate) fn write_gradient(
        &self,
        grad: &[Row],
        group: usize,
        grads: &[ChannelGrad],
        map: &mut [Lanes],
    ) {
        let (shape, y) = (self.shape, as_lanes(values(&self.y)));
        let (padded, pad) = (shape.padded_side(), shape.pad());
        let mask = lane_mask(self.images, group);
        conv::clear_border(map, shape.cout, padded, pad);
        for (c, (channel, map)) in
            grads.iter().zip(map.chunks_exact_mut(padded * padded)).enumerate()
        {
            let at = self.plane(group, c);
            let f = grad_row(channel, &mask, self.bound);
            let (grad, y, z) = (&grad[at.clone()], &y[at.clone()], &self.z[at]);
            passes::write_gradient(grad, y, z, f, map, shape.side(), pad);
        }
    }
}

/// One value of each channel's gradient, as a tensor.
pub(crate) fn of_channels(grads: &[ChannelGrad], f: fn(&ChannelGrad) -> f64) -> FlexTensor {
    host_tensor(grads.iter().map(|g| f(g) as f32).collect(), [grads.len()])
}
