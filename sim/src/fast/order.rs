//! Whether layer by layer is cycle by cycle: the same data at every read.
//!
//! Which write a read sees depends on the program alone, not on its data. So the program is run
//! twice without data: in the order of the sequencer and the drain (sections 5.2 to 5.4 of
//! microarchitecture.md), and in the order of the fast engine. Memories hold *tags*, which say where
//! a word was written: layer, column tile, slice, plane, pixel. Both runs sum a hash of every read
//! with the tag that it sees; equal sums, and equal memories in the end, mean equal results for
//! this image and, since the next one begins with the same memories, for all that follow.
//!
//! The cycles of the layers are counted on the way.

use crate::error::Error;
use crate::plan::{LayerPlan, Plan, SEEN_BY_BEAT, SEEN_BY_STEP};
use crate::sequencer::{Cycle, Issue, Sequencer};
use crate::step::{Op, Source};
use heartbit_ir::program::Join;
use std::collections::VecDeque;
use std::ops::Range;

/// The sums of the reads of a layer: of each column tile, and of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reads {
    steps: Vec<u64>,
    stream: u64,
}

/// A memory of tags, and the reads so far.
struct Trace<'a> {
    plan: &'a Plan,
    /// Slice `s` of bank `b` of word `w` at `(w·R + b)·G + s`.
    activation: Vec<u64>,
    /// Bank `b` of word `w` at `2w + b`.
    stream: Vec<u64>,
    reads: Vec<Reads>,
}

/// A write under way.
#[derive(Clone, Copy)]
struct Write {
    cycle: u64,
    at: usize,
    tag: u64,
}

/// Spreads small numbers over 64 bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Cycles of each layer, and of `Send`.
pub(super) type Cycles = (Vec<u64>, u64);

/// Compares both orders, `lines` of a layer being those of a chunk.
pub(super) fn check(plan: &Plan, lines: &[usize]) -> Result<Cycles, Error> {
    let mut hardware = Trace::new(plan);
    let cycles = hardware.run_cycles();
    let mut fast = Trace::new(plan);
    for (index, &lines) in lines.iter().enumerate() {
        fast.run_layer(index, lines);
    }
    for (layer, (hardware, fast)) in hardware.reads.iter().zip(&fast.reads).enumerate() {
        if hardware.steps != fast.steps {
            let rule = "it reads a map before that is written, or after it is overwritten";
            return Err(Error::Fast { layer, rule });
        }
        if hardware.stream != fast.stream {
            let rule = "it reads a stream before that is written, or after it is overwritten";
            return Err(Error::Fast { layer, rule });
        }
    }
    if hardware.activation != fast.activation || hardware.stream != fast.stream {
        let layer = plan.layers.len() - 1;
        return Err(Error::Fast { layer, rule: "results overwrite each other in another order" });
    }
    Ok(cycles)
}

impl<'a> Trace<'a> {
    fn new(plan: &'a Plan) -> Self {
        let reads =
            |layer: &LayerPlan| Reads { steps: vec![0; layer.d.col_tiles.into()], stream: 0 };
        Self {
            plan,
            activation: vec![0; plan.extent.activation * plan.rows * plan.slices],
            stream: vec![0; plan.extent.stream * 2],
            reads: plan.layers.iter().map(reads).collect(),
        }
    }

    /// The order of the hardware.
    fn run_cycles(&mut self) -> Cycles {
        let plan = self.plan;
        let (mut layers, mut send) = (vec![0; plan.layers.len()], 0);
        let (mut maps, mut streams) = (VecDeque::new(), VecDeque::new());
        let mut sequencer = Sequencer::new();
        sequencer.start();
        for now in 0.. {
            let layer = sequencer.layer();
            // Steps that wait only come later, so the order is decided without waiting.
            let cycle = sequencer.tick(plan, None, now);
            cycle.count(layer, &mut layers, &mut send);
            match cycle {
                Cycle::Idle => break,
                Cycle::Issue(at) => {
                    commit(&mut maps, now + SEEN_BY_STEP, &mut self.activation);
                    let sum = self.read_step((at.layer, at.step), (at.t, at.xt));
                    let sums = &mut self.reads[layer].steps[at.ct];
                    *sums = sums.wrapping_add(sum);
                    if at.last {
                        self.drain(now, &at, &mut maps, &mut streams);
                    }
                }
                _ => {}
            }
        }
        commit(&mut maps, u64::MAX, &mut self.activation);
        commit(&mut streams, u64::MAX, &mut self.stream);
        (layers, send)
    }

    /// All rows of a tile whose last step was issued in cycle `now`, highest first.
    fn drain(
        &mut self,
        now: u64,
        at: &Issue,
        maps: &mut VecDeque<Write>,
        streams: &mut VecDeque<Write>,
    ) {
        let (plan, layer) = (self.plan, &self.plan.layers[at.layer]);
        let (lines, columns) = inside(layer, at.t, at.xt);
        let rows = lines.rev().flat_map(|line| columns.clone().rev().map(move |x| (line, x)));
        for (line, column) in rows {
            let row = line * layer.pitch + column;
            let shown = now + plan.drain_delay + (plan.rows - 1 - row) as u64 * layer.beats;
            let written = shown + layer.reads - 1 + plan.write_delay;
            let pixel = (at.t * layer.lines + line, at.xt * plan.rows + column);
            for beat in 0..layer.reads {
                commit(streams, shown + beat + SEEN_BY_BEAT, &mut self.stream);
                self.read_stream(at.layer, at.ct, pixel, beat);
            }
            let later = |first: u64, (i, (at, tag)): (usize, (usize, u64))| Write {
                cycle: first + (i / layer.copies) as u64,
                at,
                tag,
            };
            let stream = stream_write(layer, (at.layer, at.ct), pixel);
            streams.extend(stream.map(|(at, tag)| Write { cycle: written, at, tag }));
            if !layer.d.flags.pool {
                let slices = slice_writes(plan, (at.layer, at.ct), pixel);
                maps.extend(slices.into_iter().enumerate().map(|write| later(written, write)));
            } else if (at.t + 1, at.xt + 1) == (layer.tile_rows, layer.d.row_tiles.into())
                && row == 0
            {
                let first = written + 2 + u64::from(layer.d.level_shift);
                let slices = slice_writes(plan, (at.layer, at.ct), (0, 0));
                maps.extend(slices.into_iter().enumerate().map(|write| later(first, write)));
            }
        }
    }

    /// The order of the fast engine.
    fn run_layer(&mut self, index: usize, chunk: usize) {
        let (plan, layer) = (self.plan, &self.plan.layers[index]);
        let (height, width) = (usize::from(layer.d.out_height), usize::from(layer.d.out_width));
        let tiles = usize::from(layer.d.col_tiles);
        for first in (0..height).step_by(chunk) {
            let lines = first..height.min(first + chunk);
            let mut sum = 0u64;
            for t in first / layer.lines..lines.end.div_ceil(layer.lines) {
                for xt in 0..usize::from(layer.d.row_tiles) {
                    for step in 0..layer.ops.len() {
                        sum = sum.wrapping_add(self.read_step((index, step), (t, xt)));
                    }
                }
            }
            for sums in &mut self.reads[index].steps {
                *sums = sums.wrapping_add(sum);
            }
            for (ct, y) in (0..tiles).flat_map(|ct| lines.clone().map(move |y| (ct, y))) {
                for x in 0..width {
                    for beat in 0..layer.reads {
                        self.read_stream(index, ct, (y, x), beat);
                    }
                }
                for x in 0..width {
                    if let Some((at, tag)) = stream_write(layer, (index, ct), (y, x)) {
                        self.stream[at] = tag;
                    }
                    if !layer.d.flags.pool {
                        self.write_slices(slice_writes(plan, (index, ct), (y, x)));
                    }
                }
            }
        }
        for ct in (0..tiles).filter(|_| layer.d.flags.pool) {
            self.write_slices(slice_writes(plan, (index, ct), (0, 0)));
        }
    }

    fn write_slices(&mut self, slices: Vec<(usize, u64)>) {
        for (at, tag) in slices {
            self.activation[at] = tag;
        }
    }

    /// Hashes what all rows read in a step.
    fn read_step(&self, (layer, step): (usize, usize), (t, xt): (usize, usize)) -> u64 {
        let (plan, index) = (self.plan, layer);
        let layer = &plan.layers[index];
        let Op { source: Source::Map { taps, .. }, .. } = &layer.ops[step] else { return 0 };
        let d = &layer.d;
        let tile = usize::from(d.in_base)
            + t * usize::from(d.in_y_words)
            + xt * usize::from(d.in_xt_words);
        let mut sum = 0u64;
        for (i, tap) in taps.iter().enumerate() {
            let slots = slots(&tap.mask, plan);
            let key = hash([step, i, t, xt, 0, 0]);
            for valid in tap.rows((t, xt), layer.lines, layer.pitch).ranges() {
                for run in &tap.runs {
                    let address = tile.wrapping_add_signed(run.offset) & 0xffff;
                    for row in valid.start.max(run.rows.start)..valid.end.min(run.rows.end) {
                        let bank = run.bank + row - run.rows.start;
                        let word = (address * plan.rows + bank) * plan.slices;
                        for slot in slots.clone() {
                            let tag = self.activation[word + slot];
                            let place = (row * plan.slices + slot) as u64;
                            let key = key.wrapping_add(place.wrapping_mul(GOLDEN));
                            sum = sum.wrapping_add(mix(key ^ tag.rotate_left(32)));
                        }
                    }
                }
            }
        }
        sum
    }

    /// Hashes what a pixel of a column tile reads of the stream in a beat.
    fn read_stream(&mut self, index: usize, ct: usize, (y, x): (usize, usize), beat: u64) {
        let layer = &self.plan.layers[index];
        let d = &layer.d;
        if usize::from(d.shortcut_channels) <= ct * self.plan.cols {
            return;
        }
        let beat = usize::try_from(beat).expect("bug: at most 9 beats");
        let stride = d.shortcut.stride();
        let window = usize::from(d.shortcut.window);
        let [above, left] = d.shortcut.paddings();
        let inside = |at: usize, padding: usize, size: u16| {
            at.checked_sub(padding).filter(|&at| at < size.into())
        };
        let positions = match d.shortcut.join {
            Join::None => return,
            Join::Add => [Some((stride * y, stride * x)), None],
            Join::Average => [Some((2 * y + beat, 2 * x)), Some((2 * y + beat, 2 * x + 1))],
            Join::Extreme => {
                let y = inside(stride * y + beat / window, above, d.in_height);
                let x = inside(stride * x + beat % window, left, d.in_width);
                [y.zip(x), None]
            }
        };
        for (i, (row, column)) in positions.into_iter().flatten().enumerate() {
            let plane = (d.stream_in_base, d.stream_in_plane, d.stream_in_row);
            let tag = self.stream[stream_at(plane, ct, (row, column))];
            let key = hash([ct, y, x, beat, i, 1]);
            let sum = &mut self.reads[index].stream;
            *sum = sum.wrapping_add(mix(key ^ tag.rotate_left(32)));
        }
    }
}

/// Performs the writes up to a cycle, included.
fn commit(writes: &mut VecDeque<Write>, now: u64, memory: &mut [u64]) {
    while let Some(write) = writes.front().filter(|write| write.cycle <= now) {
        memory[write.at] = write.tag;
        writes.pop_front();
    }
}

/// Lines and columns of a tile that are inside the result.
fn inside(layer: &LayerPlan, t: usize, xt: usize) -> (Range<usize>, Range<usize>) {
    let lines = usize::from(layer.d.out_height) - t * layer.lines;
    let columns = usize::from(layer.d.out_width) - xt * layer.pitch;
    (0..lines.min(layer.lines), 0..columns.min(layer.pitch))
}

/// The slices of a word of which some lanes are used.
fn slots(mask: &[u64], plan: &Plan) -> Range<usize> {
    let (first, last) = (0..plan.array.lanes)
        .filter(|lane| mask[lane / 64] >> (lane % 64) & 1 == 1)
        .fold((usize::MAX, 0), |(first, last), lane| (first.min(lane), last.max(lane + 1)));
    if first == usize::MAX {
        return 0..0;
    }
    first / plan.slice_bits..last.div_ceil(plan.slice_bits).min(plan.slices)
}

/// The word of the stream that a pixel of a column tile writes, and its tag.
fn stream_write(
    layer: &LayerPlan,
    (index, ct): (usize, usize),
    (y, x): (usize, usize),
) -> Option<(usize, u64)> {
    let d = &layer.d;
    let plane = (d.stream_out_base, d.stream_out_plane, d.stream_out_row);
    let write = || (stream_at(plane, ct, (y, x)), hash([index + 1, ct, y, x, 0, 2]));
    d.flags.write_stream.then(write)
}

fn stream_at((base, plane, row): (u16, u16, u16), ct: usize, (y, x): (usize, usize)) -> usize {
    let word = usize::from(base) + ct * usize::from(plane) + y * usize::from(row) + x / 2;
    (word & 0xffff) * 2 + x % 2
}

/// The slices that a pixel of a column tile writes, in order, and their tags; copies follow each
/// other.
fn slice_writes(
    plan: &Plan,
    (index, ct): (usize, usize),
    (y, x): (usize, usize),
) -> Vec<(usize, u64)> {
    let layer = &plan.layers[index];
    let (d, flags) = (&layer.d, &layer.d.flags);
    if !(flags.write_bits || flags.write_levels || flags.pool) {
        return Vec::new();
    }
    let (first, bank) = if flags.pool {
        (usize::from(d.out_base), 0)
    } else {
        let place = layer.layout.place(y, x);
        (place.word, place.bank)
    };
    let mut writes = Vec::new();
    for plane in 0..layer.planes {
        for sub in 0..plan.write_beats {
            let slice = ct * plan.write_beats + sub;
            let word = first + plane * usize::from(d.out_plane_words) + slice / plan.slices;
            let at = ((word & 0xffff) * plan.rows + bank) * plan.slices + slice % plan.slices;
            let tag = hash([index + 1, slice, plane, y, x, 3]);
            let apart = plan.slices / layer.copies;
            writes.extend((0..layer.copies).map(|copy| (at + copy * apart, tag)));
        }
    }
    writes
}

/// Mixes the bits of a number: the last step of `SplitMix64`.
fn mix(z: u64) -> u64 {
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

fn hash(numbers: [usize; 6]) -> u64 {
    numbers.iter().fold(0, |all, &n| mix(all.wrapping_add(GOLDEN) ^ n as u64))
}
