//! `PReLU` between two learned offsets: `y = limit(prelu(x + before, slope) + after)`.
//!
//! ReActNet's activation; with offsets of 0 it is the `PReLU` at the end of OvSW's VGG-small.
//! On the grid the offsets and the slope are the integers of [`heartbit_ir::grid::prelu`] and the
//! product is rounded as in semantics.md, section 2.12, all with gradient 1.
//!
//! Inputs: `x` `[groups, channels, h, w, 16]`, slope, before and after `[channels]`.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use heartbit_ir::grid::{Grid, prelu};
use rayon::prelude::*;

use crate::lanes::{LANES, as_lanes, as_lanes_mut, groups_of, lane_mask};
use crate::ops::host::{HostBackward, HostOp, host_tensor, values};
use crate::ops::passes::{self, PreluRow};
use crate::ops::stats::map_shape;
use crate::ops::unit::Limit;

/// The activation of one batch.
#[derive(Clone, Debug)]
pub struct Rprelu {
    /// Channels.
    pub channels: usize,
    /// Height and width.
    pub side: usize,
    /// Images of the batch.
    pub images: usize,
    /// The grid, or `None` off it.
    pub grid: Option<Grid>,
    /// The limit on the result.
    pub limit: Limit,
}

#[derive(Debug)]
struct Saved {
    op: Rprelu,
    x: FlexTensor,
    channels: Vec<PreluRow>,
}

impl Rprelu {
    /// The coefficients of each channel.
    fn rows(&self, slope: &[f32], before: &[f32], after: &[f32]) -> Vec<PreluRow> {
        let bound = self.limit.bound();
        let Some(grid) = &self.grid else {
            let row = |c: usize| PreluRow {
                slope: slope[c].into(),
                before: before[c],
                after: after[c],
                scale: 0.0,
                bound,
            };
            return (0..self.channels).map(row).collect();
        };
        let integers = prelu(slope, before, after, grid.stream_frac_bits);
        let scale = (1u32 << grid.stream_frac_bits) as f32;
        let unit = f64::from(1u32 << integers.shift);
        (0..self.channels)
            .map(|c| PreluRow {
                slope: f64::from(integers.slope[c]) / unit,
                // At most 2^20 units: exact.
                before: integers.before[c] as f32 / scale,
                after: integers.after[c] as f32 / scale,
                scale,
                bound,
            })
            .collect()
    }
}

impl HostOp for Rprelu {
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>) {
        let [x, slope, before, after] = inputs else { panic!("bug: a PReLU has four inputs") };
        let channels = self.rows(values(slope), values(before), values(after));
        let xs = as_lanes(values(x));
        let plane = self.side * self.side;
        let mut y = vec![0.0f32; xs.len() * LANES];
        as_lanes_mut(&mut y)
            .par_chunks_mut(plane)
            .zip(xs.par_chunks(plane))
            .enumerate()
            .for_each(|(i, (y, x))| passes::rprelu(x, channels[i % self.channels], y));
        let y = host_tensor(y, map_shape(groups_of(self.images), self.channels, self.side));
        (y, Arc::new(Saved { op: self.clone(), x: x.clone(), channels }))
    }
}

impl HostBackward for Saved {
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor> {
        let Rprelu { channels, side, images, .. } = self.op;
        let plane = side * side;
        let xs = as_lanes(values(&self.x));
        let mut out = vec![0.0f32; xs.len() * LANES];
        // Slope, before and after of each plane.
        let sums: Vec<[f64; 3]> = as_lanes_mut(&mut out)
            .par_chunks_mut(plane)
            .zip(xs.par_chunks(plane))
            .zip(as_lanes(grad).par_chunks(plane))
            .enumerate()
            .map(|(i, ((out, x), grad))| {
                let totals =
                    passes::rprelu_gradient(x, grad, self.channels[i % channels], out, side);
                let mask = lane_mask(images, i / channels);
                totals.map(|t| (0..LANES).filter(|&k| mask[k] != 0.0).map(|k| t[k]).sum())
            })
            .collect();
        let vector = |which: usize| {
            let of =
                |c: usize| sums.iter().skip(c).step_by(channels).map(|s| s[which]).sum::<f64>();
            host_tensor((0..channels).map(|c| of(c) as f32).collect(), [channels])
        };
        let x = host_tensor(out, map_shape(groups_of(images), channels, side));
        vec![x, vector(0), vector(1), vector(2)]
    }
}

#[cfg(test)]
mod tests;
