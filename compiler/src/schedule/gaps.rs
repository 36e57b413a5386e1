//! Idle cycles between layers: microarchitecture.md, section 5.4.
//!
//! A layer's first steps are issued while the results of the layer before are still written; this
//! module finds the smallest gap for which no step reads a line that is not there yet, and the
//! hardware finds its registers free. A map that was written in bands has several writers.
//!
//! Not here: the gaps within a layer, which depend on that layer alone.

use super::layer::Scheduler;
use crate::plan::Source;
use crate::plan::bands::{Reach, Rows};
use heartbit_ir::program::{DESCRIPTOR_WORDS, FRONT_WORDS, LayerDescriptor, Step};

/// Cycles from the first of `Gap` until the next front is addressed: the last steps use theirs.
const FRONT_DELAY: usize = 3;
/// Cycles from the first of `Gap` until the next layer may begin: its front stands, and what the
/// sequencer derives from it.
const FRONT_CYCLES: usize = FRONT_DELAY + FRONT_WORDS + 3;
/// Words of the results.
const RESULT_WORDS: usize = DESCRIPTOR_WORDS - FRONT_WORDS;
/// Cycles from a tile's last step to its last write, beside those of the sizes of the array.
const WRITE_TAIL: usize = 12;
/// Cycles from that of a step until it addresses the activation memory, less one: in such a cycle
/// it sees what was written so many cycles after its own.
const READ_LEAD: i64 = 2;
/// The least cycles from the end of a layer until the results of the next one are fetched.
const LEAST_DRAIN: usize = FRONT_DELAY + FRONT_WORDS;

/// When the results of a layer are there, in cycles from the first one of its `Gap`; a step in
/// such a cycle sees them.
struct Written<'a> {
    layer: &'a LayerDescriptor,
    /// The rows of the map that it writes.
    rows: Rows,
    /// Cycles from its end to that of the layer before the reader.
    since: i64,
    /// Cycles from a tile's last step to its last write.
    latency: i64,
    /// Whether lines are complete only with the whole map.
    at_once: bool,
}

impl Written<'_> {
    /// A line of the map and all of its lines before it.
    fn line(&self, row: usize) -> i64 {
        let d = self.layer;
        if self.at_once {
            return i64::from(d.drain_wait) - READ_LEAD - 1 - self.since;
        }
        let y = signed(row - self.rows.first);
        // Tiles after the one that ends the line.
        let until = (y / i64::from(d.lines.max(1)) + 1) * i64::from(d.row_tiles);
        let after = signed(d.tiles()) - until;
        let gaps = i64::from(d.tile_gap) + i64::from(d.col_gap);
        self.latency - READ_LEAD - 1 - gaps - after * signed(d.tile_period()) - self.since
    }
}

impl Scheduler<'_> {
    /// Cycles from a tile's last step to its last write.
    fn write_latency(&self, d: &LayerDescriptor) -> usize {
        let array = self.array;
        let pipeline = array.popcount_latency() + array.nonlinear_stages() + WRITE_TAIL;
        array.rows * self.beats(d) + array.rows + array.cols + pipeline
    }

    /// Cycles from the end of a layer's steps and gaps until all its results are written.
    pub(super) fn drain_wait(&self, d: &LayerDescriptor) -> usize {
        let gaps = usize::from(d.tile_gap) + usize::from(d.col_gap);
        (self.write_latency(d) + self.pooling_cycles(d)).saturating_sub(gaps).max(LEAST_DRAIN)
    }

    /// Sets the gap after each layer.
    pub(super) fn set_layer_gaps(&mut self, layers: &mut [LayerDescriptor]) {
        // The first cycle of each layer's `Gap`, from the first step on.
        let mut ends: Vec<i64> = Vec::new();
        let mut begin = 0;
        for index in 0..layers.len() {
            let end = begin + signed(layers[index].run_cycles());
            ends.push(end);
            let gap = match layers.get(index + 1) {
                None => i64::from(layers[index].drain_wait),
                Some(next) => self
                    .until_registers_are_free(&layers[index], next)
                    .max(self.until_map_is_written(index + 1, layers, &ends)),
            };
            begin = end + gap;
            let gap = usize::try_from(gap).expect("bug: a gap is not negative");
            let layer = &self.plan.layers[self.sequence.layers[index].layer];
            layers[index].layer_gap = self.half(layer, "drain", gap);
        }
    }

    fn until_registers_are_free(&self, d: &LayerDescriptor, next: &LayerDescriptor) -> i64 {
        let (rows, latency) = (self.array.rows, self.array.popcount_latency());
        let drain = usize::from(d.drain_wait);
        let fan_in_free = signed(rows + latency + 5);
        let before_drain = signed(usize::from(next.steps) + latency + rows);
        let results_stand = signed(drain + RESULT_WORDS) - 1 - before_drain;
        let front_addressed = signed(next.run_cycles()) + signed(FRONT_DELAY);
        let results_addressed = signed(drain + RESULT_WORDS) - front_addressed;
        signed(FRONT_CYCLES).max(fan_in_free).max(results_stand).max(results_addressed)
    }

    /// Until no step of a layer reads what has not been written; `ends` says when the layers
    /// before it ended.
    fn until_map_is_written(&self, index: usize, layers: &[LayerDescriptor], ends: &[i64]) -> i64 {
        let writers = self.writers(index, layers, ends);
        // What is written at once is there with its last band.
        let Some(last) = writers.last() else { return 0 };
        let reader = &layers[index];
        let first_row = self.first_row_read(index);
        let taps = self.first_taps(reader);
        let period = signed(reader.tile_period());
        let lines = i64::from(reader.lines.max(1));
        let stride = if reader.flags.stride_2 { 2 } else { 1 };
        let last_line = i64::from(reader.in_height) - 1;
        let written = |line: i64| {
            let row = first_row + usize::try_from(line).expect("bug: a line of the map");
            let writer = writers.iter().find(|w| !w.at_once && w.rows.contains(row));
            writer.unwrap_or(last).line(row)
        };
        let waits = (0..signed(reader.tile_rows())).flat_map(|t| {
            let begin = t * i64::from(reader.row_tiles) * period;
            let bottom = ((t + 1) * lines - 1) * stride;
            let written = &written;
            taps.iter()
                .filter(move |(dy, _)| bottom + dy >= 0)
                .map(move |(dy, step)| written((bottom + dy).min(last_line)) - begin - step)
        });
        waits.max().unwrap_or(0)
    }

    /// Who writes the map that a layer reads.
    fn writers<'l>(
        &self,
        index: usize,
        layers: &'l [LayerDescriptor],
        ends: &[i64],
    ) -> Vec<Written<'l>> {
        let reader = &self.plan.layers[self.sequence.layers[index].layer];
        let Some(Source::Layer(from)) = reader.source() else { return Vec::new() };
        let writer = |&w: &usize| Written {
            layer: &layers[w],
            rows: self.sequence.layers[w].rows,
            since: ends[index - 1] - ends[w],
            latency: signed(self.write_latency(&layers[w])),
            at_once: layers[w].flags.pool || layers[w].flags.out_flat,
        };
        self.sequence.writers(index, from).iter().map(writer).collect()
    }

    /// The row of the map that a layer sees as the first one.
    fn first_row_read(&self, index: usize) -> usize {
        let program_layer = self.sequence.layers[index];
        let layer = &self.plan.layers[program_layer.layer];
        let reach = layer.convolution.as_ref().map(|c| Reach::of_map(self.network, c));
        reach.map_or(0, |reach| reach.first_row(program_layer.rows))
    }

    /// Each `dy` that the steps of a layer have, with the first of these steps.
    fn first_taps(&self, d: &LayerDescriptor) -> Vec<(i64, i64)> {
        let mut first: Vec<(i64, i64)> = Vec::new();
        for step in 0..d.steps {
            let words = self.steps.words(usize::from(d.step_base) + usize::from(step));
            for tap in words.iter().map(|&word| Step::decode(word)).filter(|tap| !tap.off) {
                let dy = i64::from(tap.dy);
                if first.iter().all(|(known, _)| *known != dy) {
                    first.push((dy, step.into()));
                }
            }
        }
        first
    }
}

fn signed(n: impl TryInto<i64, Error: std::fmt::Debug>) -> i64 {
    n.try_into().expect("bug: small sizes")
}
