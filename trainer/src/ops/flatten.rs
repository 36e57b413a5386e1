//! From a map to the features of a classifier, in the order of NCHW.
//!
//! On the grid each value becomes an odd level times its unit (semantics.md, sections 2.9 and 3),
//! with gradient 1.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use heartbit_ir::grid::{Grid, level_unit, max_level, quantize_shift};

use crate::lanes::{LANES, as_lanes, as_lanes_mut, groups_of};
use crate::ops::host::{HostBackward, HostOp, host_tensor, values};
use crate::ops::stats::map_shape;

/// A quantization of stream values to odd levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantizer {
    /// Grid steps in 1.0 of the stream.
    scale: f64,
    /// Stream units in half a level's distance to the next: `2^shift`.
    cell: f64,
    /// Largest level.
    full: f64,
    /// Float value of the level 1.
    pub unit: f64,
}

impl Quantizer {
    /// For a stream of `frac_bits` fraction bits within ±2^`range_log2`.
    pub fn new(bits: u32, frac_bits: u32, range_log2: u32) -> Self {
        let shift = quantize_shift(bits, frac_bits, range_log2);
        Self {
            scale: f64::from(frac_bits).exp2(),
            cell: f64::from(shift).exp2(),
            full: f64::from(max_level(bits)),
            unit: level_unit(shift, frac_bits),
        }
    }

    /// The level of a value: `2·clamp(floor(v / 2^shift) + m, 0, 2^bits - 1) - (2^bits - 1)`.
    pub fn level(&self, v: f32) -> f64 {
        let q = (f64::from(v) * self.scale / self.cell).floor();
        (2.0 * q + 1.0).clamp(-self.full, self.full)
    }
}

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
                        Some(q) => (q.level(row[k]) * q.unit) as f32,
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
