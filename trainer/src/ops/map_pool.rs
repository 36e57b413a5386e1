//! Poolings from map to map: ImageNet's maximum after the stem, ReActNet's mean before a shortcut.
//!
//! Both read `[groups, channels, h, w, 16]` and keep nothing but their input.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use crate::lanes::{LANES, as_lanes, as_lanes_mut};
use crate::ops::host::{HostBackward, HostOp, host_tensor, values};
use crate::ops::passes::{self, Landing, Row};
use crate::ops::stats::map_shape;

/// Maximum of 3×3 windows at stride 2 with padding 1 (semantics.md, section 2.10).
///
/// A position in the padding never wins; the gradient goes to the first maximum by rows.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool {
    /// Channels.
    pub channels: usize,
    /// Height and width of the input.
    pub side: usize,
}

impl MaxPool {
    /// Height and width of the output.
    pub fn out_side(&self) -> usize {
        self.side.div_ceil(2)
    }

    /// The largest value of each image in the window of output `(i, j)`, and where it is.
    fn window(&self, x: &[Row], i: usize, j: usize) -> (Row, [usize; LANES]) {
        let span = |at: usize| (2 * at).saturating_sub(1)..self.side.min(2 * at + 2);
        let mut best = [f32::NEG_INFINITY; LANES];
        let mut place = [span(i).start * self.side + span(j).start; LANES];
        for at in span(i).flat_map(|y| span(j).map(move |x| y * self.side + x)) {
            for k in 0..LANES {
                if x[at][k] > best[k] {
                    best[k] = x[at][k];
                    place[k] = at;
                }
            }
        }
        (best, place)
    }
}

#[derive(Debug)]
struct SavedMax {
    pool: MaxPool,
    x: FlexTensor,
}

impl HostOp for MaxPool {
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>) {
        let [x] = inputs else { panic!("bug: pooling has one input") };
        let xs = as_lanes(values(x));
        let (plane, side) = (self.side * self.side, self.out_side());
        let planes = xs.len() / plane;
        let mut y = vec![0.0f32; planes * side * side * LANES];
        as_lanes_mut(&mut y).par_chunks_mut(side * side).zip(xs.par_chunks(plane)).for_each(
            |(y, x)| {
                for (at, y) in y.iter_mut().enumerate() {
                    *y = self.window(x, at / side, at % side).0;
                }
            },
        );
        let y = host_tensor(y, map_shape(planes / self.channels, self.channels, side));
        (y, Arc::new(SavedMax { pool: *self, x: x.clone() }))
    }
}

impl HostBackward for SavedMax {
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor> {
        let pool = self.pool;
        let xs = as_lanes(values(&self.x));
        let (plane, side) = (pool.side * pool.side, pool.out_side());
        let mut out = vec![0.0f32; xs.len() * LANES];
        as_lanes_mut(&mut out)
            .par_chunks_mut(plane)
            .zip(xs.par_chunks(plane))
            .zip(as_lanes(grad).par_chunks(side * side))
            .for_each(|((out, x), grad)| {
                for (at, g) in grad.iter().enumerate() {
                    let place = pool.window(x, at / side, at % side).1;
                    for k in 0..LANES {
                        out[place[k]][k] += g[k];
                    }
                }
            });
        let groups = xs.len() / plane / pool.channels;
        vec![host_tensor(out, map_shape(groups, pool.channels, pool.side))]
    }
}

/// Mean of 2×2 blocks, rounded to the grid with gradient 1 (semantics.md, section 2.6).
#[derive(Clone, Copy, Debug)]
pub struct AvgPool {
    /// Channels.
    pub channels: usize,
    /// Height and width of the input: even.
    pub side: usize,
    /// Grid steps in 1.0 of the stream, or `None` off the grid.
    pub grid_scale: Option<f32>,
}

impl HostOp for AvgPool {
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>) {
        let [x] = inputs else { panic!("bug: pooling has one input") };
        let xs = as_lanes(values(x));
        let (plane, side) = (self.side * self.side, self.side / 2);
        let planes = xs.len() / plane;
        let scale = self.grid_scale.unwrap_or(0.0);
        let mut y = vec![0.0f32; planes * side * side * LANES];
        as_lanes_mut(&mut y)
            .par_chunks_mut(side * side)
            .zip(xs.par_chunks(plane))
            .for_each(|(y, x)| passes::mean_of_blocks(x, scale, y, side));
        let y = host_tensor(y, map_shape(planes / self.channels, self.channels, side));
        (y, Arc::new(*self))
    }
}

impl HostBackward for AvgPool {
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor> {
        let grad = as_lanes(grad);
        let (plane, half) = (self.side * self.side, self.side * self.side / 4);
        let mut out = vec![0.0f32; grad.len() * 4 * LANES];
        as_lanes_mut(&mut out).par_chunks_mut(plane).zip(grad.par_chunks(half)).for_each(
            |(out, grad)| {
                let to = Landing { grad, y: grad, bound: f32::INFINITY };
                passes::shortcut_gradient_pooled(to, out, self.side);
            },
        );
        let groups = grad.len() / half / self.channels;
        vec![host_tensor(out, map_shape(groups, self.channels, self.side))]
    }
}

#[cfg(test)]
mod tests;
