//! Columns in blocks of [`LANES`], and what a block can have for every output pixel.

use crate::kernels::LANES;
use crate::plan::Plan;

/// How the columns of all column tiles lie in blocks.
///
/// Each column tile begins with a new block. Columns that do not exist fill the last one up, so
/// that a block is a whole number of bytes of every slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    /// Columns of a column tile: `C`.
    pub(super) cols: usize,
    /// Blocks of a column tile.
    pub(super) of_tile: usize,
    /// Column tiles.
    pub(super) tiles: usize,
}

impl Blocks {
    pub(super) fn new(plan: &Plan, tiles: usize) -> Self {
        let columns = plan.cols.max(plan.write_beats * plan.slice_bits);
        Self { cols: plan.cols, of_tile: columns.div_ceil(LANES), tiles }
    }

    /// Number of blocks.
    pub(super) fn len(&self) -> usize {
        self.tiles * self.of_tile
    }

    /// Column tile of a block, and its first column there.
    pub(super) fn place(&self, block: usize) -> (usize, usize) {
        (block / self.of_tile, block % self.of_tile * LANES)
    }

    /// Columns of a block that exist.
    pub(super) fn live(&self, block: usize) -> usize {
        let (_, first) = self.place(block);
        self.cols.saturating_sub(first).min(LANES)
    }

    /// Index of the first column of a block among all columns of all column tiles.
    pub(super) fn channel(&self, block: usize) -> usize {
        let (ct, first) = self.place(block);
        ct * self.cols + first.min(self.cols)
    }
}
