//! The weight memory: resident words, and those that come through the weight port (section 2.2 of
//! microarchitecture.md).

use super::layer::Layer;
use super::{Extent, at_least, at_most, exactly};
use crate::error::Error;
use crate::ring::{held, pauses};
use heartbit_ir::program::{LaneMemory, Program, WeightRing, WeightStream};

/// The ring, the slots and the number of columns; words are counted by [`check_columns`].
pub(super) fn check(program: &Program) -> Result<(), Error> {
    let (cols, depth) = (program.array.cols, program.depths.weight);
    let stream = program.weight_stream.as_ref();
    let Some(WeightRing { words, port_cols }) = program.depths.ring else {
        let streams = usize::from(stream.is_some());
        return at_most("number of weight streams (without a weight ring)", streams, 0);
    };
    if words < 2 || !words.is_power_of_two() || words > depth {
        return Err(Error::Ring { words, depth });
    }
    if port_cols == 0 || !cols.is_multiple_of(port_cols) {
        return Err(Error::PortColumns { port_cols, cols });
    }
    let Some(WeightStream { columns, slots }) = stream else { return Ok(()) };
    exactly("number of streamed weight columns", columns.len(), cols)?;
    let n_slots = slots.pattern.iter().filter(|&&slot| slot).count();
    at_least("slots in weight_stream.slots.pattern", n_slots, 1)
}

/// Every column has the resident words that layers need, the ring has its place before them, and
/// the sequence has the words of all layers that stream theirs.
pub(super) fn check_columns(program: &Program, extent: &Extent) -> Result<(), Error> {
    let room = program.depths.weight - ring_words(program);
    let streamed = program.weight_stream.as_ref().map_or(&[][..], |stream| &stream.columns);
    if streamed.is_empty() {
        exactly("number of streamed weight words", 0, extent.streamed)?;
    }
    for (column, memory) in program.weights.iter().enumerate() {
        let error = |field, value: usize, rule, limit: usize| {
            Err(Error::Column { column, field, value: value as u64, rule, limit: limit as u64 })
        };
        let words = words(memory);
        if words < extent.weight {
            return error("number of weight words", words, "at least", extent.weight);
        }
        if words > room {
            return error("number of weight words", words, "at most", room);
        }
        check_width(program, column, memory)?;
        let Some(memory) = streamed.get(column) else { continue };
        let words = self::words(memory);
        if words != extent.streamed {
            return error("number of streamed weight words", words, "exactly", extent.streamed);
        }
        check_width(program, column, memory)?;
    }
    Ok(())
}

fn check_width(program: &Program, column: usize, memory: &LaneMemory) -> Result<(), Error> {
    let limbs = program.array.lanes.div_ceil(64);
    let field = "limbs of a weight word";
    let (value, limit) = (if words(memory) == 0 { limbs } else { memory.word(0).len() }, limbs);
    let (value, limit) = (value as u64, limit as u64);
    let error = Error::Column { column, field, value, rule: "exactly", limit };
    if value == limit { Ok(()) } else { Err(error) }
}

/// Words of a memory; a memory without lanes has none.
fn words(memory: &LaneMemory) -> usize {
    if memory.is_empty() { 0 } else { memory.len() }
}

/// Words of the weight ring: `F`, 0 without one.
pub(crate) fn ring_words(program: &Program) -> usize {
    program.depths.ring.map_or(0, |ring| ring.words)
}

/// Cycles before the first slot of the weight port, if any weights are streamed.
pub(super) fn latency(program: &Program) -> u64 {
    let streams = program.layers.iter().any(|d| d.flags.stream_weights);
    let stream = program.weight_stream.as_ref().filter(|_| streams);
    stream.map_or(0, |stream| stream.slots.latency)
}

/// The most cycles in which a step waits for its word: beats come as late as the slots allow, after
/// the word of the step before is free. The first slot of all is [`latency`] cycles later.
pub(super) fn longest_wait(program: &Program) -> u64 {
    let (Some(ring), Some(stream)) = (program.depths.ring, &program.weight_stream) else {
        return 0;
    };
    let pause = pauses(&stream.slots).into_iter().max().unwrap_or(0);
    let (cols, beats) = (program.array.cols, program.array.cols / ring.port_cols);
    beats as u64 * (pause + 1) + held(cols) - 1
}

impl Layer<'_> {
    /// Where the words are that the steps need.
    pub(super) fn check_weights(&self, extent: &mut Extent) -> Result<(), Error> {
        let (d, ring) = (self.d, ring_words(self.program));
        let words = usize::from(d.col_tiles) * usize::from(d.steps);
        if !d.flags.stream_weights {
            self.at_least("weight_base (after the weight ring)", d.weight_base.into(), {
                ring as u64
            })?;
            extent.weight = extent.weight.max(usize::from(d.weight_base) - ring + words);
            return Ok(());
        }
        if ring == 0 {
            let rule = "it streams weights, but there is no weight ring";
            return Err(Error::Flags { layer: self.index, rule });
        }
        self.at_most("steps (in the weight ring)", d.steps.into(), ring as u64)?;
        extent.streamed += words;
        Ok(())
    }

    /// Steps that may wait for their words.
    pub(super) fn waiting_steps(&self) -> u128 {
        let steps = u128::from(self.d.col_tiles) * u128::from(self.d.steps);
        if self.d.flags.stream_weights { steps } else { 0 }
    }
}
