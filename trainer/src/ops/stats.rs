//! What the normalising operations share: batch statistics, and sums over groups in a fixed order.

use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use crate::lanes::{LANES, Lanes};
use crate::ops::norm::{ChannelGrad, ChannelNorm, SumStats};
use crate::ops::passes::{GradRow, Row, Totals};

/// Groups whose weight gradients are added up before those of other groups are.
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

/// The moments of one group's channel: the living lanes of two totals.
pub(crate) fn living((sum, squares): &(Totals, Totals), mask: &Row) -> SumStats {
    let mut stats = SumStats::default();
    for k in 0..LANES {
        if mask[k] != 0.0 {
            stats.sum += sum[k];
            stats.squares += squares[k];
        }
    }
    stats
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
pub(crate) fn grad_row(grad: &ChannelGrad, mask: &Row, bound: f32) -> GradRow {
    GradRow {
        scale: grad.scale as f32,
        slope: mask.map(|m| m * grad.slope as f32),
        offset: mask.map(|m| m * grad.offset as f32),
        bound,
    }
}

/// Adds the weight gradients of all chunks elementwise, in the order of the chunks.
pub(crate) fn add_chunks(parts: Vec<Vec<Lanes>>) -> Vec<Lanes> {
    /// Elements that one task adds up.
    const PIECE: usize = 4096;
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    let rest: Vec<Vec<Lanes>> = parts.collect();
    total.par_chunks_mut(PIECE).enumerate().for_each(|(i, total)| {
        for part in &rest {
            for (t, p) in total.iter_mut().zip(&part[i * PIECE..]) {
                for k in 0..LANES {
                    t.0[k] += p.0[k];
                }
            }
        }
    });
    total
}

/// The shape of a map as a burn tensor.
pub(crate) fn map_shape(groups: usize, channels: usize, side: usize) -> Vec<usize> {
    vec![groups, channels, side, side, LANES]
}
