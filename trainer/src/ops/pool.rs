//! Global average pooling, from groups of 16 images to one row an image.
//!
//! On the grid the mean becomes one of `2^bits` odd levels (semantics.md, section 2.7), given here
//! as its float value `level · u`; the gradient is that of the mean.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use heartbit_ir::grid::Grid;

use crate::lanes::{LANES, as_lanes, as_lanes_mut, groups_of};
use crate::ops::host::{HostBackward, HostOp, host_tensor, values};
use crate::ops::quantizer::Quantizer;

/// The pooling of one batch: `[groups, channels, side, side, 16]` to `[images, channels]`.
#[derive(Clone, Debug)]
pub struct GlobalPool {
    /// Channels.
    pub channels: usize,
    /// Height times width.
    pub positions: usize,
    /// Images of the batch.
    pub images: usize,
    /// The grid, or `None` off it.
    pub grid: Option<Grid>,
    /// Values are within ±2^`range_log2`: 0 after a hardtanh.
    pub range_log2: u32,
}

impl GlobalPool {
    /// The quantization of sums, or `None` off the grid.
    fn quantizer(&self) -> Option<Quantizer> {
        let Grid { head_activation_bits: bits, stream_frac_bits, .. } = self.grid.as_ref()?;
        Some(Quantizer::of_sums(self.positions, *bits, *stream_frac_bits, self.range_log2))
    }
}

impl HostOp for GlobalPool {
    fn forward(&self, inputs: &[FlexTensor]) -> (FlexTensor, Arc<dyn HostBackward>) {
        let [x] = inputs else { panic!("bug: pooling has one input") };
        let quantizer = self.quantizer();
        let pooled =
            |sum: f64| quantizer.map_or(sum / self.positions as f64, |q| q.level(sum) * q.unit);
        let mut out = vec![0.0; self.images * self.channels];
        for (i, plane) in as_lanes(values(x)).chunks_exact(self.positions).enumerate() {
            let (group, c) = (i / self.channels, i % self.channels);
            let living = LANES.min(self.images - group * LANES);
            for k in 0..living {
                let sum: f64 = plane.iter().map(|row| f64::from(row[k])).sum();
                out[(group * LANES + k) * self.channels + c] = pooled(sum) as f32;
            }
        }
        (host_tensor(out, [self.images, self.channels]), Arc::new(self.clone()))
    }
}

impl HostBackward for GlobalPool {
    fn backward(&self, grad: &[f32]) -> Vec<FlexTensor> {
        let groups = groups_of(self.images);
        let mut out = vec![0.0; groups * self.channels * self.positions * LANES];
        let planes = as_lanes_mut(&mut out).chunks_exact_mut(self.positions);
        for (i, plane) in planes.enumerate() {
            let (group, c) = (i / self.channels, i % self.channels);
            let row: [f32; LANES] = std::array::from_fn(|k| {
                grad.get((group * LANES + k) * self.channels + c)
                    .map_or(0.0, |g| g / self.positions as f32)
            });
            plane.fill(row);
        }
        let side = self.positions.isqrt();
        vec![host_tensor(out, [groups, self.channels, side, side, LANES])]
    }
}
