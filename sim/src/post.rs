//! Drain and post-processing: from matches to streams, bits, levels and logits.
//!
//! Sections 5.2 and 5.3 of microarchitecture.md. A tile waits here from its last step on; each of
//! its rows is processed when the first of its writes becomes due, highest row first, and every
//! read and write carries the cycle of the page: a read in cycle `t` sees the writes of cycles
//! before `t`. The array reads some cycles after the issue of a step; [`Post::advance`] is called
//! first, with the last cycle that the step sees.
//!
//! Tiles carry their layer, since the array may step the next layer while rows of the one before
//! are processed. The results of a layer are final when the first row of another one is processed:
//! `check` accepts only programs in which all its writes have earlier cycles.
//!
//! The parts: `stream` (shortcut and stream writes), `result` (from `z` to bits and levels),
//! `map` (writes to the activation memory, pooling).

mod map;
pub(crate) mod result;
mod stream;

use crate::array::Array;
use crate::memory::Memories;
use crate::plan::{LayerPlan, Plan};
use crate::sequencer::Issue;
use heartbit_ir::program::{LayerOutput, Parameter};
use map::MapWrites;
use result::Results;
use std::collections::VecDeque;
use stream::Streams;

/// What post-processing works on.
pub(crate) struct Context<'a> {
    pub(crate) plan: &'a Plan,
    /// The layer whose results are processed.
    pub(crate) layer: &'a LayerPlan,
    pub(crate) memories: &'a mut Memories,
    /// Index of the layer.
    index: usize,
    /// Where the results of all layers are recorded; empty where nothing is recorded.
    records: &'a mut [LayerOutput],
}

impl<'a> Context<'a> {
    /// Works on layer `index`.
    fn new(
        plan: &'a Plan,
        index: usize,
        memories: &'a mut Memories,
        records: &'a mut [LayerOutput],
    ) -> Self {
        Self { plan, layer: &plan.layers[index], memories, index, records }
    }

    /// Goes on with layer `index`.
    fn enter(&mut self, index: usize) {
        (self.index, self.layer) = (index, &self.plan.layers[index]);
    }

    /// Where results are recorded, if they are.
    fn record(&mut self) -> Option<&mut LayerOutput> {
        self.records.get_mut(self.index)
    }

    /// Parameters of all columns for a pixel.
    fn parameters(&self, pixel: &Pixel) -> &'a [Parameter] {
        let word = self.layer.parameter_word(pixel.ct, pixel.y, pixel.x);
        &self.plan.parameters[word * self.plan.cols..][..self.plan.cols]
    }
}

/// A pixel of a column tile, as the drain shows it.
#[derive(Clone, Copy, Debug, Default)]
struct Pixel {
    /// D0 of its first beat.
    shown: u64,
    /// D8+N of the beat `reads - 1`, in which its first results are written.
    written: u64,
    ct: usize,
    y: usize,
    x: usize,
    /// The row of the array.
    row: usize,
}

/// A tile on its way through the drain.
#[derive(Clone, Debug, Default)]
struct Tile {
    /// Cycle of its last step.
    last_step: u64,
    layer: usize,
    t: usize,
    xt: usize,
    /// Line and column of the pixel that is shown next; all rows above are done or beyond the map.
    line: usize,
    column: usize,
    /// That pixel.
    pixel: Pixel,
    matches: Vec<u32>,
    products: Vec<u32>,
}

impl Tile {
    /// Begins with the last column of the highest line that is inside the map.
    fn start(&mut self, cycle: u64, at: &Issue, plan: &Plan) {
        (self.last_step, self.t, self.xt) = (cycle, at.t, at.xt);
        (self.layer, self.pixel.ct) = (at.layer, at.ct);
        let layer = &plan.layers[at.layer];
        let left = usize::from(layer.d.out_height) - self.t * layer.lines;
        self.line = left.min(layer.lines) - 1;
        self.column = self.last_column(layer);
        self.show(plan, layer);
    }

    /// Goes to the next pixel; returns whether there is one.
    fn advance(&mut self, to: &Context<'_>) -> bool {
        if self.column > 0 {
            self.column -= 1;
        } else if self.line > 0 {
            self.line -= 1;
            self.column = self.last_column(to.layer);
        } else {
            return false;
        }
        self.show(to.plan, to.layer);
        true
    }

    fn last_column(&self, layer: &LayerPlan) -> usize {
        let left = usize::from(layer.d.out_width) - self.xt * layer.pitch;
        left.min(layer.pitch) - 1
    }

    fn show(&mut self, plan: &Plan, layer: &LayerPlan) {
        let row = self.line * layer.pitch + self.column;
        let rows_before = (plan.rows - 1 - row) as u64;
        let shown = self.last_step + plan.drain_delay + rows_before * layer.beats;
        self.pixel = Pixel {
            shown,
            written: shown + layer.reads - 1 + plan.write_delay,
            ct: self.pixel.ct,
            y: self.t * layer.lines + self.line,
            x: self.xt * plan.rows + self.column,
            row,
        };
    }
}

/// Tiles, writes under way and the registers of the post-processing.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    tiles: VecDeque<Tile>,
    free: Vec<Tile>,
    /// The next cycle in which the activation memory changes.
    due: u64,
    /// The layer of the last row that was processed.
    layer: usize,
    streams: Streams,
    results: Results,
    map: MapWrites,
}

impl Post {
    pub(crate) fn new(cols: usize) -> Self {
        Self {
            tiles: VecDeque::new(),
            free: Vec::new(),
            due: u64::MAX,
            layer: 0,
            streams: Streams::new(cols),
            results: Results::new(cols),
            map: MapWrites::new(cols),
        }
    }

    /// Returns the results so far whose accumulator did not hold all matches, and forgets them.
    pub(crate) fn take_overflows(&mut self) -> u64 {
        self.results.take_overflows()
    }

    /// Takes the tile whose last step was issued in `cycle`.
    pub(crate) fn push(&mut self, cycle: u64, at: &Issue, array: &mut Array, plan: &Plan) {
        let mut tile = self.free.pop().unwrap_or_else(|| Tile {
            matches: vec![0; array.matches.len()],
            products: vec![0; array.products.len()],
            ..Tile::default()
        });
        tile.start(cycle, at, plan);
        std::mem::swap(&mut tile.matches, &mut array.matches);
        std::mem::swap(&mut tile.products, &mut array.products);
        self.tiles.push_back(tile);
        self.schedule();
    }

    /// Performs all writes to the activation memory up to cycle `now`, included.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        now: u64,
        plan: &Plan,
        memories: &mut Memories,
        records: &mut [LayerOutput],
    ) {
        if self.due <= now {
            self.catch_up(now, &mut Context::new(plan, self.layer, memories, records));
        }
    }

    /// Ends the last layer: all that is under way is written, at the latest in cycle `now`.
    pub(crate) fn finish(
        &mut self,
        now: u64,
        plan: &Plan,
        memories: &mut Memories,
        records: &mut [LayerOutput],
    ) {
        let to = &mut Context::new(plan, self.layer, memories, records);
        self.catch_up(now, to);
        self.settle(now, to);
        assert!(self.tiles.is_empty(), "bug: the last layer ended before it was drained");
    }

    fn catch_up(&mut self, now: u64, to: &mut Context<'_>) {
        let mut tiles = std::mem::take(&mut self.tiles);
        while let Some(tile) = tiles.front_mut()
            && tile.pixel.written <= now
        {
            if tile.layer != self.layer {
                self.settle(tile.pixel.shown, to);
                self.layer = tile.layer;
                to.enter(tile.layer);
            }
            self.process_row(tile, to);
            if !tile.advance(to) {
                self.free.extend(tiles.pop_front());
            }
        }
        self.tiles = tiles;
        self.map.commit(now, to);
        self.schedule();
    }

    /// Performs the last writes of a layer, all of whose rows are processed, up to cycle `now`.
    fn settle(&mut self, now: u64, to: &mut Context<'_>) {
        self.map.commit(now, to);
        self.streams.commit(now, to.memories);
        let busy = self.map.pending() + self.streams.pending();
        assert_eq!(busy, 0, "bug: a layer ended before it was written");
    }

    fn schedule(&mut self) {
        let row = self.tiles.front().map_or(u64::MAX, |tile| tile.pixel.written);
        self.due = self.map.due().map_or(row, |cycle| row.min(cycle));
    }

    /// Executes all beats of the row that `tile` shows.
    fn process_row(&mut self, tile: &Tile, to: &mut Context<'_>) {
        let (pixel, flags) = (tile.pixel, to.layer.d.flags);
        self.streams.read_shortcut(&pixel, to);
        self.results.compute(tile, &pixel, &self.streams.shortcut, to);
        self.record(&pixel, to);
        if flags.write_bits || flags.write_levels {
            self.map.write(&pixel, &self.results.codes, to);
        }
        if flags.write_stream {
            self.streams.write(&pixel, &self.results.value, to);
        }
        if flags.logits {
            let first = pixel.ct * to.plan.cols;
            self.results.copy_logits(&mut to.memories.logit[first..][..to.plan.cols]);
        }
        if flags.pool {
            self.map.pool(&pixel, &self.results.value, to);
            let last = (to.layer.tile_rows, usize::from(to.layer.d.row_tiles));
            if (tile.t + 1, tile.xt + 1) == last && pixel.row == 0 {
                self.map.end_pooling(&pixel, to);
            }
        }
    }

    /// Records what the monitor ports show of a pixel.
    fn record(&self, pixel: &Pixel, to: &mut Context<'_>) {
        let cols = to.plan.cols;
        if let Some(record) = to.record() {
            let first = (pixel.y * record.width + pixel.x) * record.columns + pixel.ct * cols;
            let columns = first..first + cols;
            record.shortcut[columns.clone()].copy_from_slice(&self.streams.shortcut);
            self.results.record(columns, record);
        }
    }
}

fn wrap(address: usize) -> u16 {
    u16::try_from(address & 0xffff).expect("bug: 16 bits")
}
