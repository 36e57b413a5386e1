//! Drain and post-processing: from matches to streams, bits, pooled levels and logits.
//!
//! Sections 5.2 and 5.3 of microarchitecture.md. A tile waits here from its last step on; each of
//! its rows is processed when the first of its writes becomes due, highest row first, and every
//! read and write carries the cycle of the page: a stream read in cycle `t` sees the writes of
//! cycles before `t`, and so do the array's reads, for which [`Post::advance`] is called first.

use crate::array::Array;
use crate::memory::Memories;
use crate::plan::{LayerPlan, Plan};
use crate::sequencer::Issue;
use heartbit_ir::program::LayerOutput;
use std::collections::VecDeque;

/// Half of the levels of a pooled map, added before the clamp.
const POOL_OFFSET: i64 = 128;
/// Planes of a pooled map.
const POOL_PLANES: usize = 8;

/// What post-processing works on.
pub(crate) struct Context<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) layer: &'a LayerPlan,
    pub(crate) memories: &'a mut Memories,
    /// Where results are recorded, if they are.
    record: Option<&'a mut LayerOutput>,
}

impl<'a> Context<'a> {
    /// Works on layer `index`; `record` is empty where nothing is recorded.
    pub(crate) fn new(
        plan: &'a Plan,
        index: usize,
        memories: &'a mut Memories,
        record: &'a mut [LayerOutput],
    ) -> Self {
        Self { plan, layer: &plan.layers[index], memories, record: record.get_mut(index) }
    }
}

/// A tile on its way through the drain.
#[derive(Clone, Debug, Default)]
struct Tile {
    /// Cycle of its last step.
    last_step: u64,
    ct: usize,
    y: usize,
    xt: usize,
    /// The row that is shown next; all rows above are done or beyond the map.
    row: usize,
    matches: Vec<u32>,
    products: Vec<u32>,
}

/// A slice that will be written.
#[derive(Clone, Debug)]
struct SliceWrite {
    cycle: u64,
    address: u16,
    bank: usize,
    slot: usize,
    bits: Vec<u64>,
}

/// Tiles, writes under way and the registers of the post-processing.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    tiles: VecDeque<Tile>,
    free: Vec<Tile>,
    /// The next cycle in which the activation memory changes.
    due: u64,
    slices: VecDeque<SliceWrite>,
    stream_writes: VecDeque<(u64, u16)>,
    stream_values: VecDeque<i16>,
    pool: Vec<i64>,
    sums: Vec<i32>,
    shortcut: Vec<i32>,
    logits: Vec<i64>,
    stream: Vec<i16>,
    overflows: u64,
}

impl Post {
    pub(crate) fn new(cols: usize) -> Self {
        Self {
            tiles: VecDeque::new(),
            free: Vec::new(),
            due: u64::MAX,
            slices: VecDeque::new(),
            stream_writes: VecDeque::new(),
            stream_values: VecDeque::new(),
            pool: vec![0; cols],
            sums: vec![0; cols],
            shortcut: vec![0; cols],
            logits: vec![0; cols],
            stream: vec![0; cols],
            overflows: 0,
        }
    }

    /// Returns the results so far whose accumulator did not hold all matches, and forgets them.
    pub(crate) fn take_overflows(&mut self) -> u64 {
        std::mem::take(&mut self.overflows)
    }

    /// Takes the tile whose last step was issued in `cycle`.
    pub(crate) fn push(&mut self, cycle: u64, at: &Issue, array: &mut Array, to: &Context<'_>) {
        let mut tile = self.free.pop().unwrap_or_else(|| Tile {
            matches: vec![0; array.matches.len()],
            products: vec![0; array.products.len()],
            ..Tile::default()
        });
        (tile.last_step, tile.ct, tile.y, tile.xt) = (cycle, at.ct, at.y, at.xt);
        let live = usize::from(to.layer.d.out_width) - at.xt * to.plan.rows;
        tile.row = live.min(to.plan.rows) - 1;
        std::mem::swap(&mut tile.matches, &mut array.matches);
        std::mem::swap(&mut tile.products, &mut array.products);
        self.tiles.push_back(tile);
        self.schedule(to);
    }

    /// Performs all writes to the activation memory up to cycle `now`, included.
    #[inline]
    pub(crate) fn advance(&mut self, now: u64, to: &mut Context<'_>) {
        if self.due <= now {
            self.catch_up(now, to);
        }
    }

    /// Ends the layer: all that is under way is written, at the latest in cycle `now`.
    pub(crate) fn finish(&mut self, now: u64, to: &mut Context<'_>) {
        self.advance(now, to);
        self.commit_stream(now, to);
        let busy = self.tiles.len() + self.slices.len() + self.stream_writes.len();
        assert_eq!(busy, 0, "bug: a layer ended before it was written");
    }

    fn catch_up(&mut self, now: u64, to: &mut Context<'_>) {
        while let Some(tile) = self.tiles.front()
            && shown(tile, to) + to.layer.reads + 3 <= now
        {
            let mut tile = self.tiles.pop_front().expect("bug: the tile was there");
            self.process_row(&tile, to);
            if tile.row == 0 {
                self.free.push(tile);
            } else {
                tile.row -= 1;
                self.tiles.push_front(tile);
            }
        }
        while let Some(slice) = self.slices.front()
            && slice.cycle <= now
        {
            to.memories.write_slice(slice.address, slice.bank, slice.slot, &slice.bits);
            self.slices.pop_front();
        }
        self.schedule(to);
    }

    fn schedule(&mut self, to: &Context<'_>) {
        let row = self.tiles.front().map_or(u64::MAX, |tile| shown(tile, to) + to.layer.reads + 3);
        self.due = self.slices.front().map_or(row, |slice| row.min(slice.cycle));
    }

    /// Executes all beats of the row that `tile` shows.
    fn process_row(&mut self, tile: &Tile, to: &mut Context<'_>) {
        let first = shown(tile, to);
        let x = tile.xt * to.plan.rows + tile.row;
        self.read_shortcut(first, tile, x, to);
        self.compute(tile, to);
        let (flags, write) = (to.layer.d.flags, first + to.layer.reads + 3);
        if let Some(record) = &mut to.record {
            let columns = record.columns;
            let at = (tile.y * record.width + x) * columns + tile.ct * to.plan.cols;
            let cols = at..at + to.plan.cols;
            record.sums[cols.clone()].copy_from_slice(&self.sums);
            record.shortcut[cols.clone()].copy_from_slice(&self.shortcut);
            extend(&mut record.stream[cols.clone()], &self.stream);
            truncate(&mut record.logits[cols], &self.logits);
        }
        if flags.write_bits {
            self.write_bits(write, tile, x, to);
        }
        if flags.write_stream {
            let d = &to.layer.d;
            let (plane, row) = (d.stream_out_plane, d.stream_out_row);
            let address = stream_address(d.stream_out_base, plane, row, tile.ct, tile.y, x);
            self.stream_writes.push_back((write, address));
            self.stream_values.extend(&self.stream);
        }
        if flags.logits {
            let first = tile.ct * to.plan.cols;
            truncate(&mut to.memories.logit[first..][..to.plan.cols], &self.logits);
        }
        if flags.pool {
            self.pool_row(write, tile, x, to);
        }
    }

    /// Cycles D1 and D2: up to four stream words, beat by beat.
    fn read_shortcut(&mut self, first: u64, tile: &Tile, x: usize, to: &mut Context<'_>) {
        let (d, cols) = (&to.layer.d, to.plan.cols);
        self.shortcut.fill(0);
        let live = usize::from(d.shortcut_channels).saturating_sub(tile.ct * cols).min(cols);
        if live == 0 || !(d.flags.shortcut_identity || d.flags.shortcut_pool) {
            return;
        }
        for beat in 0..if d.flags.shortcut_pool { 4 } else { 1 } {
            self.commit_stream(first + beat as u64, to);
            let (y, x) = if d.flags.shortcut_pool {
                (2 * tile.y + beat / 2, 2 * x + beat % 2)
            } else {
                (tile.y, x)
            };
            let (plane, row) = (d.stream_in_plane, d.stream_in_row);
            let address = stream_address(d.stream_in_base, plane, row, tile.ct, y, x);
            let words = &to.memories.stream[usize::from(address) * cols..][..live];
            for (sum, &word) in self.shortcut.iter_mut().zip(words) {
                *sum += i32::from(word);
            }
        }
        if d.flags.shortcut_pool {
            self.shortcut[..live].iter_mut().for_each(|sum| *sum = (*sum + 2) >> 2);
        }
    }

    /// Cycles D0 to D3: `z`, `y` and `r` of all columns.
    fn compute(&mut self, tile: &Tile, to: &Context<'_>) {
        let (plan, d) = (to.plan, &to.layer.d);
        let acc_mask = u32::MAX >> (32 - plan.acc_bits);
        let unused = 31 - plan.acc_bits;
        let clip = i64::from(d.clip);
        let matches = &tile.matches[tile.row * plan.cols..][..plan.cols];
        let products = tile.products[tile.row];
        let word = usize::from(d.param_base) + tile.ct;
        let parameters = &plan.parameters[word * plan.cols..][..plan.cols];
        let mut all = products;
        for (c, (&matches, parameter)) in matches.iter().zip(parameters).enumerate() {
            all |= matches;
            let z = ((matches & acc_mask) << 1).wrapping_sub(products & acc_mask);
            let z = (z << unused).cast_signed() >> unused;
            let product = i64::from(parameter.mul) * i64::from(z);
            let y = (product + i64::from(parameter.bias)) >> d.shift;
            let r = (y + i64::from(self.shortcut[c])).clamp(-clip, clip);
            self.sums[c] = z;
            self.logits[c] = y;
            self.stream[c] = i16::try_from(r).expect("bug: clip has 15 bits");
        }
        if all > acc_mask {
            let wrapped = |&&m: &&u32| m > acc_mask || products > acc_mask;
            self.overflows += matches.iter().filter(wrapped).count() as u64;
        }
    }

    /// Performs the stream writes up to cycle `now`, included.
    fn commit_stream(&mut self, now: u64, to: &mut Context<'_>) {
        let cols = to.plan.cols;
        while let Some(&(cycle, address)) = self.stream_writes.front()
            && cycle <= now
        {
            let cells = &mut to.memories.stream[usize::from(address) * cols..][..cols];
            for (cell, value) in cells.iter_mut().zip(self.stream_values.drain(..cols)) {
                *cell = value;
            }
            self.stream_writes.pop_front();
        }
    }

    /// Writes the signs of a row, one slice a cycle from `cycle` on.
    fn write_bits(&mut self, cycle: u64, tile: &Tile, x: usize, to: &mut Context<'_>) {
        let (plan, d) = (to.plan, &to.layer.d);
        let stride = if d.flags.out_stride_2 { 2 } else { 1 };
        let (phase, xi) = (x % stride, x / stride);
        let pixel = usize::from(d.out_base)
            + tile.y * usize::from(d.out_y_words)
            + phase * usize::from(d.out_phase_words)
            + xi / plan.rows * usize::from(d.out_xt_words);
        for (sub, columns) in self.stream.chunks(plan.slice_bits).enumerate() {
            let bits = columns.chunks(64).map(|part| pack(part.iter().map(|&r| r >= 0)));
            let slice = tile.ct * plan.write_beats + sub;
            let (address, slot) = (wrap(pixel + slice / plan.slices), slice % plan.slices);
            let bank = xi % plan.rows;
            if plan.write_beats == 1 && plan.slice_bits <= 64 {
                // The only write of the row is due: rows are processed in this cycle or later.
                to.memories.write_slice(address, bank, slot, &[bits.sum()]);
            } else {
                let (cycle, bits) = (cycle + sub as u64, bits.collect());
                self.slices.push_back(SliceWrite { cycle, address, bank, slot, bits });
            }
        }
    }

    /// Adds a row to the sums of `pool` and ends the column tile after its last row.
    fn pool_row(&mut self, cycle: u64, tile: &Tile, x: usize, to: &mut Context<'_>) {
        let (plan, d) = (to.plan, &to.layer.d);
        let first_row = plan.rows.min(usize::from(d.out_width)) - 1;
        if (tile.y, tile.xt, tile.row) == (0, 0, first_row) {
            self.pool.fill(0);
        }
        for (sum, &r) in self.pool.iter_mut().zip(&self.stream) {
            *sum += i64::from(r);
        }
        let last_tile = (usize::from(d.out_height) - 1, usize::from(d.row_tiles) - 1);
        if (tile.y, tile.xt) != last_tile || tile.row > 0 {
            return;
        }
        let level = |sum: &i64| {
            let q = ((sum >> d.pool_shift) + POOL_OFFSET).clamp(0, 255);
            u8::try_from(q).expect("bug: clamped")
        };
        let levels: Vec<u8> = self.pool.iter().map(level).collect();
        if let Some(record) = &mut to.record {
            record.pooled[tile.ct * plan.cols..][..plan.cols].copy_from_slice(&levels);
        }
        debug_assert_eq!(x % plan.rows, 0, "row 0 ends the tile");
        // One cycle to copy the sums, `pool_shift` cycles to shift them.
        let mut cycle = cycle + 2 + u64::from(d.pool_shift);
        for plane in 0..POOL_PLANES {
            for (sub, levels) in levels.chunks(plan.slice_bits).enumerate() {
                let slice = tile.ct * plan.write_beats + sub;
                let word = usize::from(d.out_base)
                    + plane * usize::from(d.out_xt_words)
                    + slice / plan.slices;
                let (address, slot) = (wrap(word), slice % plan.slices);
                let part = |part: &[u8]| pack(part.iter().map(|q| q >> plane & 1 == 1));
                let bits = levels.chunks(64).map(part).collect();
                self.slices.push_back(SliceWrite { cycle, address, bank: 0, slot, bits });
                cycle += 1;
            }
        }
    }
}

/// D0 of the first beat of the row that `tile` shows next.
fn shown(tile: &Tile, to: &Context<'_>) -> u64 {
    let rows_before = (to.plan.rows - 1 - tile.row) as u64;
    tile.last_step + to.plan.drain_delay + rows_before * to.layer.beats
}

fn stream_address(base: u16, plane: u16, row: u16, ct: usize, y: usize, x: usize) -> u16 {
    wrap(usize::from(base) + ct * usize::from(plane) + y * usize::from(row) + x)
}

fn wrap(address: usize) -> u16 {
    u16::try_from(address & 0xffff).expect("bug: 16 bits")
}

fn pack(bits: impl Iterator<Item = bool>) -> u64 {
    bits.enumerate().fold(0, |word, (i, bit)| word | u64::from(bit) << i)
}

fn extend(to: &mut [i32], from: &[i16]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = i32::from(from);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a logit word has 32 bits")]
fn truncate(to: &mut [i32], from: &[i64]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from as i32;
    }
}
