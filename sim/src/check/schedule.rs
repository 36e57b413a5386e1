//! Gaps and waits: sections 5.2 to 5.4 of microarchitecture.md.
//!
//! The results of two tiles or layers must not meet in the drain, and a half of a descriptor must
//! not be replaced while it is used. That no step reads what will be written later is not a rule
//! here: such a program computes with the old words, like the hardware.

use super::layer::Layer;
use super::saturate;
use crate::error::Error;
use crate::plan::{reads, tile_rows, writes};
use crate::sequencer::FETCH_CYCLES;

/// Cycles of a gap before the next front is addressed.
const BEFORE_FRONT: u64 = 3;
/// Shortest `drain_wait`: the cycles of a gap until the next front is addressed.
const FRONT_ADDRESSES: u64 = 12;
/// Shortest gap between two layers: the fields of the next front stand, and what the sequencer
/// derives from them.
const FRONT_CYCLES: u64 = 15;
/// Cycles in which the next results half is addressed.
const RESULTS_ADDRESSES: u64 = 12;
/// Cycles from the first of them until the first tile of the next layer may be drained, `P + R`
/// cycles after its steps.
const RESULTS_CYCLES: u64 = 11;

impl Layer<'_> {
    /// Rules of a layer alone: drains of its tiles must not overlap, and all must be written when
    /// `drain_wait` ends.
    pub(super) fn check_schedule(&self) -> Result<(), Error> {
        let (array, d) = (&self.program.array, self.d);
        let drain = array.rows as u64 * (reads(d) + writes(d, array) - 1);
        let period = u64::from(d.steps) + u64::from(d.tile_gap);
        self.at_least("steps + tile_gap", period, drain)?;
        let pooling = if d.flags.pool {
            u64::from(d.level_shift) + 1 + u64::from(d.level_bits) * array.write_beats() as u64
        } else {
            0
        };
        if d.flags.pool {
            // The sums are shifted in place before the next column tile's first pixel.
            let limit = (pooling + drain).saturating_sub(period);
            self.at_least("col_gap", d.col_gap.into(), limit)?;
        }
        let latency = array.popcount_latency() + array.rows + array.cols + array.nonlinear_stages();
        let gaps = u64::from(d.tile_gap) + u64::from(d.col_gap);
        let written = (drain + latency as u64 + 12 + pooling).saturating_sub(gaps);
        let wait = d.drain_wait.into();
        self.at_least("drain_wait", wait, written.max(FRONT_ADDRESSES))?;
        let gap = d.layer_gap.into();
        if d.flags.last_layer {
            return self.at_least("layer_gap (of the last layer)", gap, wait);
        }
        let counted = (array.rows + array.popcount_latency() + 5) as u64;
        self.at_least("layer_gap", gap, counted.max(FRONT_CYCLES))
    }

    /// Rules of a layer and the one after it: the next results half is fetched between the drains
    /// of the two, and before the descriptor after it.
    pub(super) fn check_overlap(&self, next: &Self) -> Result<(), Error> {
        let (array, d) = (&self.program.array, self.d);
        let (gap, wait) = (u64::from(d.layer_gap), u64::from(d.drain_wait));
        let filled = (array.popcount_latency() + array.rows) as u64 + u64::from(next.d.steps);
        let limit = (wait + RESULTS_CYCLES).saturating_sub(filled);
        self.at_least("layer_gap (until the next layer is drained)", gap, limit)?;
        let limit = u128::from(wait + RESULTS_ADDRESSES - BEFORE_FRONT).saturating_sub(next.run());
        self.at_least("layer_gap (until the next layer ends)", gap, saturate(limit))
    }

    /// Cycles of `Run`.
    fn run(&self) -> u128 {
        let d = self.d;
        let tile = u128::from(d.steps) + u128::from(d.tile_gap);
        let tiles = tile_rows(d) as u128 * u128::from(d.row_tiles);
        u128::from(d.col_tiles) * (tiles * tile + u128::from(d.col_gap))
    }

    /// All cycles of the layer.
    pub(super) fn cycles(&self) -> u128 {
        let fetch = if self.index == 0 { FETCH_CYCLES } else { 0 };
        fetch as u128 + self.run() + u128::from(self.d.layer_gap)
    }
}
