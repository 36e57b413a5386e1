//! What a program must satisfy before it runs.
//!
//! The hardware does not check anything; this module rejects what the page leaves undefined:
//! addresses beyond a memory, empty loops, fields that do not fit their bits, parts that plain
//! hardware lacks, and schedules in which drains or the fetches of descriptors meet (sections 1, 2,
//! 3 and 5 of microarchitecture.md).
//! Reads of invalid taps and of pixels that are not written may go anywhere, as in the hardware.
//!
//! Here are the array, the tables and the header; `layer` examines a layer, `schedule` its gaps,
//! `step` its steps, `address` the words that it reaches, `ring` its weights, `parameter` the
//! parameters.

mod address;
mod layer;
mod parameter;
pub(crate) mod ring;
mod schedule;
mod step;

use crate::error::Error;
use heartbit_ir::program::{ArrayConfig, DESCRIPTOR_WORDS, HEADER_WORDS, Program};
use layer::Layer;

/// Longest image, in cycles, that a simulator accepts. Steps may wait for streamed weights in so
/// many of them as the slots of the weight port allow, and for its first slot.
pub const MAX_CYCLES: u64 = 1 << 32;
/// Latest cycle in which an image may begin, where weights are streamed.
pub const MAX_START: u64 = 1 << 62;
/// Most results (pixels × columns, all layers) that a simulator accepts.
pub const MAX_RESULTS: u64 = 1 << 26;
const MAX_ROWS_OR_COLS: usize = 256;
const MAX_LANES: usize = 1024;
const MAX_DEPTH: usize = 1 << 16;
/// Bit planes of an image.
const PLANES: usize = 8;

/// Words of each memory that a program reaches.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    pub(crate) activation: usize,
    /// Words of a stream bank.
    pub(crate) stream: usize,
    pub(crate) logit: usize,
    /// Resident words.
    pub(crate) weight: usize,
    /// Words of the sequence that comes through the weight port.
    pub(crate) streamed: usize,
    pub(crate) parameter: usize,
}

/// Checks a whole program and returns the memory that it needs.
pub(crate) fn check(program: &Program) -> Result<Extent, Error> {
    program.validate()?;
    check_array(&program.array)?;
    check_tables(program)?;
    ring::check(program)?;
    check_header(program)?;
    let sent = program.layers.last().map_or(0, |d| usize::from(d.col_tiles));
    let mut extent = Extent { logit: sent, ..Extent::default() };
    let (mut cycles, mut results) = (u128::from(ring::latency(program)), 0u128);
    let longest_wait = u128::from(ring::longest_wait(program));
    for (index, d) in program.layers.iter().enumerate() {
        let layer = Layer { index, d, program };
        layer.check(&mut extent)?;
        if let Some(index) = index.checked_sub(1) {
            Layer { index, d: &program.layers[index], program }.check_overlap(&layer)?;
        }
        cycles += layer.cycles() + layer.waiting_steps() * longest_wait;
        results += layer.results();
        layer.at_most("cycles up to its end", saturate(cycles), MAX_CYCLES)?;
        layer.at_most("results up to its end", saturate(results), MAX_RESULTS)?;
    }
    ring::check_columns(program, &extent)?;
    check_parameters(program, &extent)?;
    parameter::check(program, extent.parameter)?;
    Ok(extent)
}

fn saturate(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn at_least(field: &'static str, value: usize, limit: usize) -> Result<(), Error> {
    let (value, limit) = (value as u64, limit as u64);
    let error = Error::Program { field, value, rule: "at least", limit };
    if value >= limit { Ok(()) } else { Err(error) }
}

fn at_most(field: &'static str, value: usize, limit: usize) -> Result<(), Error> {
    let (value, limit) = (value as u64, limit as u64);
    let error = Error::Program { field, value, rule: "at most", limit };
    if value <= limit { Ok(()) } else { Err(error) }
}

fn exactly(field: &'static str, value: usize, limit: usize) -> Result<(), Error> {
    let (value, limit) = (value as u64, limit as u64);
    let error = Error::Program { field, value, rule: "exactly", limit };
    if value == limit { Ok(()) } else { Err(error) }
}

fn check_array(array: &ArrayConfig) -> Result<(), Error> {
    at_least("array.rows", array.rows, 1)?;
    at_most("array.rows", array.rows, MAX_ROWS_OR_COLS)?;
    at_least("array.cols", array.cols, 1)?;
    at_most("array.cols", array.cols, MAX_ROWS_OR_COLS)?;
    at_least("array.lanes", array.lanes, 4)?;
    at_most("array.lanes", array.lanes, MAX_LANES)?;
    at_least("array.acc_bits", array.acc_bits as usize, 1)?;
    at_most("array.acc_bits", array.acc_bits as usize, 31)?;
    if !matches!(array.lines, 1 | 2 | 4) || !array.rows.is_multiple_of(array.lines) {
        return Err(Error::Lines { lines: array.lines, rows: array.rows });
    }
    if !matches!(array.taps, 1 | 2 | 4) || !array.divides_into(array.taps) {
        return Err(Error::Taps {
            taps: array.taps,
            lanes: array.lanes,
            slices: array.slices_per_word(),
            slice_bits: array.slice_bits(),
        });
    }
    Ok(())
}

fn check_tables(program: &Program) -> Result<(), Error> {
    let depths = &program.depths;
    at_most("depths.image", depths.image, MAX_DEPTH)?;
    at_most("depths.activation", depths.activation, MAX_DEPTH)?;
    at_most("depths.weight", depths.weight, MAX_DEPTH)?;
    at_most("depths.parameter", depths.parameter, MAX_DEPTH)?;
    at_most("depths.stream", depths.stream, MAX_DEPTH)?;
    at_most("depths.logit", depths.logit, MAX_DEPTH)?;
    at_most("depths.step", depths.step, MAX_DEPTH)?;
    at_most("depths.program", depths.program, MAX_DEPTH)?;
    exactly("number of step memories", program.steps.len(), program.array.taps)?;
    for steps in &program.steps {
        at_most("number of steps", steps.len(), depths.step)?;
    }
    let words = program.layers.len().saturating_mul(DESCRIPTOR_WORDS).saturating_add(HEADER_WORDS);
    at_most("words of the program", words, depths.program)?;
    exactly("number of weight columns", program.weights.len(), program.array.cols)?;
    exactly("number of parameter columns", program.parameters.len(), program.array.cols)
}

/// Section 2.1: the kernels that windows are made for, and the words that they fill.
fn check_header(program: &Program) -> Result<(), Error> {
    let (header, array) = (&program.header, &program.array);
    let (height, width) = (usize::from(header.image_height), usize::from(header.image_width));
    at_least("image height", height, 1)?;
    at_least("image width", width, 1)?;
    let (kernel, stride) = (header.stem_kernel, header.stem_stride);
    match (kernel, stride, array.extended) {
        (3, 1, _) | (7, 2, true) => {}
        _ => return Err(Error::Stem { kernel, stride, extended: array.extended }),
    }
    let tiles = width.div_ceil(stride.into()).div_ceil(array.rows);
    exactly("image_tiles", header.image_tiles.into(), tiles)?;
    let words = height.div_ceil(3) * tiles * (PLANES / array.stem_planes());
    at_most("words of the image", words, program.depths.image)?;
    at_least("classes", header.classes.into(), 1)?;
    let tiles = program.layers.last().map_or(0, |d| usize::from(d.col_tiles));
    at_most("classes", header.classes.into(), tiles * array.cols)?;
    at_most("logit words that are sent", tiles, program.depths.logit)
}

fn check_parameters(program: &Program, extent: &Extent) -> Result<(), Error> {
    for (column, parameters) in program.parameters.iter().enumerate() {
        let (field, words) = ("number of parameters", parameters.len());
        let error = |rule, limit: usize| {
            Err(Error::Column { column, field, value: words as u64, rule, limit: limit as u64 })
        };
        if words < extent.parameter {
            return error("at least", extent.parameter);
        }
        if words > program.depths.parameter {
            return error("at most", program.depths.parameter);
        }
    }
    Ok(())
}
