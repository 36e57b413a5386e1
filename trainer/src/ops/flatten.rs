//! From a map to the features of a classifier, in the order of NCHW.
//!
//! On the grid each value becomes an odd level times its unit (semantics.md, sections 2.9 and 3),
//! with gradient 1.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use heartbit_ir::grid::Grid;

use crate::lanes::{LANES, as_lanes, as_lanes_mut, groups_of};
use crate::ops::host::{HostBackward, HostOp, host_tensor, values};
use crate::ops::quantizer::Quantizer;
use crate::ops::stats::map_shape;

/// Flattening of one batch: `[groups, channels, side, side, 16]` to `[images, channels·side²]`.
#[derive(Clone, Debug)]
pub struct FlattenLevels {
    /// Channels.
    pub channels: usize,
    /// Height and width.
    pub side: usize,
    /// Images of the batch.
    pub images: usize,
    /// The grid, or `None` off it; features have `head_activation_bits`.
    pub grid: Option<Grid>,
    /// Values are within ±2^`range_log2`.
    pub range_log2: u32,
}

impl FlattenLevels {
    /// The quantization, or `None` off the grid.
    pub fn quantizer(&self) -> Option<Quantizer> {
        let grid = self.grid.as_ref()?;
        Some(Quantizer::new(grid.head_activation_bits, grid.stream_frac_bits, self.range_log2))
    }
}

impl HostOp for FlattenLevels {
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>) {
        let [x] = inputs else { panic!("bug: flattening has one input") };
        let features = self.channels * self.side * self.side;
        let quantizer = self.quantizer();
        let mut out = vec![0.0; self.images * features];
        let groups =
            as_lanes(values(x)).chunks_exact(features).zip(out.chunks_mut(LANES * features));
        for (group, out) in groups {
            for (k, out) in out.chunks_exact_mut(features).enumerate() {
                for (row, out) in group.iter().zip(out) {
                    *out = match &quantizer {
                        None => row[k],
                        Some(q) => (q.level(row[k].into()) * q.unit) as f32,
                    };
                }
            }
        }
        (host_tensor(out, [self.images, features]), Arc::new(self.clone()))
    }
}

impl HostBackward for FlattenLevels {
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor> {
        let features = self.channels * self.side * self.side;
        let groups = groups_of(self.images);
        let mut out = vec![0.0; groups * features * LANES];
        let pairs =
            as_lanes_mut(&mut out).chunks_exact_mut(features).zip(grad.chunks(LANES * features));
        for (out, grad) in pairs {
            for (k, grad) in grad.chunks_exact(features).enumerate() {
                for (out, g) in out.iter_mut().zip(grad) {
                    out[k] = *g;
                }
            }
        }
        vec![host_tensor(out, map_shape(groups, self.channels, self.side))]
    }
}

#[cfg(test)]
mod tests;
