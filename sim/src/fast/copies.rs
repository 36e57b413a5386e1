//! Which words of the activation memory the rows of a layer read, tile by tile: section 4.1 of
//! microarchitecture.md as a list.

use crate::plan::{LayerPlan, Plan};
use crate::step::Tap;
use std::ops::Range;

/// Most copies of a layer: those of an image that takes a minute.
pub(super) const MAX_COPIES: usize = 1 << 26;

/// Neighbouring pixels that read neighbouring banks, of one tile or more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    /// Index of the tap.
    pub(super) tap: u32,
    /// First byte of the first bank's word.
    from: u32,
    /// Pixel of the chunk.
    pub(super) pixel: u32,
    rows: u32,
}

/// The copies of a layer.
#[derive(Debug)]
pub(super) struct Copies {
    list: Vec<Copy>,
    /// Those of each chunk.
    chunks: Vec<Range<usize>>,
    /// Bytes from a bank to the next.
    bank_bytes: usize,
}

impl Copies {
    /// The copies of some taps in chunks of so many rows of tiles.
    pub(super) fn new(plan: &Plan, layer: &LayerPlan, chunk_tiles: usize, taps: &[&Tap]) -> Self {
        let mut all = Self { list: Vec::new(), chunks: Vec::new(), bank_bytes: plan.limbs * 8 };
        for first in (0..layer.tile_rows).step_by(chunk_tiles) {
            let start = all.list.len();
            for t in first..layer.tile_rows.min(first + chunk_tiles) {
                for (index, tap) in taps.iter().enumerate() {
                    all.add_tiles(plan, layer, (t, first), (index, tap));
                }
            }
            all.chunks.push(start..all.list.len());
        }
        all
    }

    /// A tap in row `t` of tiles of the chunk that begins with row `first`.
    fn add_tiles(
        &mut self,
        plan: &Plan,
        layer: &LayerPlan,
        (t, first): (usize, usize),
        (index, tap): (usize, &Tap),
    ) {
        let (d, width) = (&layer.d, usize::from(layer.d.out_width));
        let small = |n: usize| u32::try_from(n).expect("bug: below 2^32");
        for xt in 0..usize::from(d.row_tiles) {
            let tile = usize::from(d.in_base)
                + t * usize::from(d.in_y_words)
                + xt * usize::from(d.in_xt_words);
            for valid in tap.rows((t, xt), layer.lines, layer.pitch).ranges() {
                for run in &tap.runs {
                    let rows = valid.start.max(run.rows.start)..valid.end.min(run.rows.end);
                    if rows.is_empty() {
                        continue;
                    }
                    let address = tile.wrapping_add_signed(run.offset) & 0xffff;
                    let bank = run.bank + rows.start - run.rows.start;
                    let line = (t - first) * layer.lines + rows.start / layer.pitch;
                    let pixel = line * width + xt * plan.rows + rows.start % layer.pitch;
                    self.push(Copy {
                        tap: small(index),
                        from: small((address * plan.rows + bank) * self.bank_bytes),
                        pixel: small(pixel),
                        rows: small(rows.len()),
                    });
                }
            }
        }
    }

    /// Appends a copy, or extends the one before where it goes on.
    fn push(&mut self, copy: Copy) {
        let begun = self.chunks.last().map_or(0, |chunk| chunk.end);
        if let Some(last) = self.list[begun..].last_mut() {
            let end = last.from as usize + last.rows as usize * self.bank_bytes;
            let follows = last.pixel + last.rows == copy.pixel && end == copy.from as usize;
            if last.tap == copy.tap && follows {
                last.rows += copy.rows;
                return;
            }
        }
        self.list.push(copy);
    }

    /// The copies of a chunk.
    pub(super) fn of_chunk(&self, chunk: usize) -> &[Copy] {
        &self.list[self.chunks[chunk].clone()]
    }

    /// The words that a copy reads, and the bytes of each.
    pub(super) fn banks<'a>(&self, copy: &Copy, activation: &'a [u8]) -> (&'a [u8], usize) {
        let bytes = copy.rows as usize * self.bank_bytes;
        (&activation[copy.from as usize..][..bytes], self.bank_bytes)
    }
}

/// Returns a limb of a bank's word.
#[inline]
pub(super) fn limb(bank: &[u8], index: usize) -> u64 {
    u64::from_le_bytes(*bank[index * 8..].first_chunk().expect("bug: whole limbs"))
}
