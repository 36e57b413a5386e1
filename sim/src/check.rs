//! What a program must satisfy before it runs.
//!
//! The hardware does not check anything; this module rejects what the page leaves undefined:
//! addresses beyond a memory, empty loops, fields that do not fit their bits, and schedules in
//! which drains or layers overlap (sections 2, 3 and 5 of microarchitecture.md).
//! Reads of invalid taps and of pixels that are not written may go anywhere, as in the hardware.

use crate::error::Error;
use crate::plan::{Op, reads};
use heartbit_ir::program::{
    ArrayConfig, DESCRIPTOR_WORDS, HEADER_WORDS, LayerDescriptor, Program, Step,
};

/// Longest image, in cycles, that a simulator accepts.
pub const MAX_CYCLES: u64 = 1 << 32;
/// Most results (pixels × columns, all layers) that a simulator accepts.
pub const MAX_RESULTS: u64 = 1 << 26;
const MAX_ROWS_OR_COLS: usize = 256;
const MAX_LANES: usize = 1024;
const MAX_DEPTH: usize = 1 << 16;

/// Words of each memory that a program reaches.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    pub(crate) image: usize,
    pub(crate) activation: usize,
    pub(crate) stream: usize,
    pub(crate) logit: usize,
    pub(crate) weight: usize,
    pub(crate) parameter: usize,
}

/// Checks a whole program and returns the memory that it needs.
pub(crate) fn check(program: &Program) -> Result<Extent, Error> {
    check_array(&program.array)?;
    check_tables(program)?;
    let mut extent = Extent::default();
    check_header(program, &mut extent)?;
    let (mut cycles, mut results) = (0u128, 0u128);
    for (index, d) in program.layers.iter().enumerate() {
        let layer = Layer { index, d, program };
        layer.check(&mut extent)?;
        cycles += layer.cycles();
        results += layer.results();
        layer.at_most("cycles up to its end", saturate(cycles), MAX_CYCLES)?;
        layer.at_most("results up to its end", saturate(results), MAX_RESULTS)?;
    }
    check_columns(program, &extent)?;
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

fn check_array(array: &ArrayConfig) -> Result<(), Error> {
    at_least("array.rows", array.rows, 1)?;
    at_most("array.rows", array.rows, MAX_ROWS_OR_COLS)?;
    at_least("array.cols", array.cols, 1)?;
    at_most("array.cols", array.cols, MAX_ROWS_OR_COLS)?;
    at_least("array.lanes", array.lanes, 4)?;
    at_most("array.lanes", array.lanes, MAX_LANES)?;
    at_least("array.acc_bits", array.acc_bits as usize, 1)?;
    at_most("array.acc_bits", array.acc_bits as usize, 31)
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
    at_least("number of layers", program.layers.len(), 1)?;
    at_most("number of steps", program.steps.len(), depths.step)?;
    let words = program.layers.len().saturating_mul(DESCRIPTOR_WORDS).saturating_add(HEADER_WORDS);
    at_most("words of the program", words, depths.program)?;
    let cols = program.array.cols;
    at_least("number of weight columns", program.weights.len(), cols)?;
    at_most("number of weight columns", program.weights.len(), cols)?;
    at_least("number of parameter columns", program.parameters.len(), cols)?;
    at_most("number of parameter columns", program.parameters.len(), cols)
}

fn check_header(program: &Program, extent: &mut Extent) -> Result<(), Error> {
    let header = &program.header;
    let (height, width) = (usize::from(header.image_height), usize::from(header.image_width));
    at_least("image height", height, 1)?;
    at_least("image width", width, 1)?;
    extent.image = height * width.div_ceil(program.array.rows);
    at_most("words of the image", extent.image, program.depths.image)?;
    let last = program.layers.last().map_or(0, |d| usize::from(d.col_tiles));
    at_least("classes", usize::from(header.classes), 1)?;
    at_most("classes", usize::from(header.classes), last * program.array.cols)?;
    extent.logit = last;
    at_most("logit words that are sent", last, program.depths.logit)
}

/// Checks that every column holds the words that the layers reach.
fn check_columns(program: &Program, extent: &Extent) -> Result<(), Error> {
    let limbs = program.array.lanes.div_ceil(64);
    for (column, memory) in program.weights.iter().enumerate() {
        let words = if memory.is_empty() { 0 } else { memory.len() };
        let width = if words == 0 { 0 } else { memory.word(0).len() };
        let error = |field, value: usize, rule, limit: usize| {
            Err(Error::Column { column, field, value: value as u64, rule, limit: limit as u64 })
        };
        if words < extent.weight {
            return error("number of weight words", words, "at least", extent.weight);
        }
        if words > program.depths.weight {
            return error("number of weight words", words, "at most", program.depths.weight);
        }
        if width != limbs {
            return error("limbs of a weight word", width, "exactly", limbs);
        }
        let parameters = program.parameters[column].len();
        if parameters < extent.parameter {
            return error("number of parameters", parameters, "at least", extent.parameter);
        }
        if parameters > program.depths.parameter {
            return error("number of parameters", parameters, "at most", program.depths.parameter);
        }
    }
    Ok(())
}

/// One layer under examination.
struct Layer<'a> {
    index: usize,
    d: &'a LayerDescriptor,
    program: &'a Program,
}

impl Layer<'_> {
    fn at_least(&self, field: &'static str, value: u64, limit: u64) -> Result<(), Error> {
        let error = Error::Layer { layer: self.index, field, value, rule: "at least", limit };
        if value >= limit { Ok(()) } else { Err(error) }
    }

    fn at_most(&self, field: &'static str, value: u64, limit: u64) -> Result<(), Error> {
        let error = Error::Layer { layer: self.index, field, value, rule: "at most", limit };
        if value <= limit { Ok(()) } else { Err(error) }
    }

    fn check(&self, extent: &mut Extent) -> Result<(), Error> {
        self.check_fields()?;
        self.check_flags()?;
        self.check_schedule()?;
        self.check_steps()?;
        self.check_reads(extent)?;
        self.check_streams(extent)?;
        self.check_writes(extent)?;
        let tiles = usize::from(self.d.col_tiles);
        let weights = usize::from(self.d.weight_base) + tiles * usize::from(self.d.steps);
        extent.weight = extent.weight.max(weights);
        extent.parameter = extent.parameter.max(usize::from(self.d.param_base) + tiles);
        Ok(())
    }

    fn check_fields(&self) -> Result<(), Error> {
        let d = self.d;
        let sizes = [
            ("steps", d.steps),
            ("col_tiles", d.col_tiles),
            ("row_tiles", d.row_tiles),
            ("out_height", d.out_height),
            ("out_width", d.out_width),
            ("in_height", d.in_height),
            ("in_width", d.in_width),
        ];
        for (field, value) in sizes {
            self.at_least(field, value.into(), 1)?;
        }
        let tiles = usize::from(d.out_width).div_ceil(self.program.array.rows) as u64;
        self.at_least("row_tiles (the tiles of out_width)", d.row_tiles.into(), tiles)?;
        self.at_most("row_tiles (the tiles of out_width)", d.row_tiles.into(), tiles)?;
        self.at_most("last_lanes", d.last_lanes.into(), self.program.array.lanes as u64)?;
        self.at_most("clip", d.clip.into(), 32767)?;
        self.at_most("shift", d.shift.into(), 28)?;
        self.at_most("shift modulo 4", (d.shift % 4).into(), 0)?;
        self.at_most("pool_shift", d.pool_shift.into(), 31)?;
        if d.flags.logits {
            let depth = self.program.depths.logit as u64;
            self.at_most("col_tiles, each a logit word,", d.col_tiles.into(), depth)?;
        }
        Ok(())
    }

    fn check_flags(&self) -> Result<(), Error> {
        let flags = &self.d.flags;
        let last = self.index + 1 == self.program.layers.len();
        let rules = [
            (flags.shortcut_identity && flags.shortcut_pool, "it has two shortcuts"),
            (flags.write_bits && flags.pool, "it writes bits and pooled levels to one map"),
            (flags.last_layer && !last, "`last_layer` is set before the last layer"),
            (!flags.last_layer && last, "`last_layer` is not set in the last layer"),
        ];
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, rule)) => Err(Error::Flags { layer: self.index, rule }),
            None => Ok(()),
        }
    }

    /// Sections 5.2 to 5.4: drains must not overlap, and a layer must be written when it ends.
    fn check_schedule(&self) -> Result<(), Error> {
        let (array, d) = (&self.program.array, self.d);
        let write_beats = array.write_beats() as u64;
        let (rows, cols) = (array.rows as u64, array.cols as u64);
        let drain = rows * (reads(d) + write_beats - 1);
        let period = u64::from(d.steps) + u64::from(d.tile_gap);
        self.at_least("steps + tile_gap", period, drain)?;
        let wait = drain + array.popcount_latency() as u64 + rows + cols + 8;
        self.at_least("drain_wait", d.drain_wait.into(), wait)?;
        if d.flags.pool {
            self.at_least("col_gap", d.col_gap.into(), 40 + 8 * write_beats)?;
        }
        Ok(())
    }

    /// Step fields fit their bits, and the largest possible count fits 32 bits.
    fn check_steps(&self) -> Result<(), Error> {
        let (base, steps) = (usize::from(self.d.step_base), usize::from(self.d.steps));
        self.at_most("step_base + steps", (base + steps) as u64, self.program.steps.len() as u64)?;
        let (mut matches, mut products) = (0u64, 0u64);
        for (index, step) in self.program.steps[base..][..steps].iter().enumerate() {
            self.check_step(index, step)?;
            let factor = if step.double && index > 0 { 2 } else { 1 };
            matches = matches * factor + self.program.array.lanes as u64;
            products *= factor;
            products += if step.tap_first { u64::from(self.d.fan_in) } else { 0 };
            self.at_most("largest possible count", matches.max(products), u32::MAX.into())?;
        }
        Ok(())
    }

    fn check_step(&self, index: usize, step: &Step) -> Result<(), Error> {
        let fields = [
            ("dy", i64::from(step.dy), -8, 7),
            ("dx", i64::from(step.dx), -8, 7),
            ("shift", i64::from(step.shift), -1, 1),
            ("plane", i64::from(step.plane), 0, 7),
        ];
        match fields.into_iter().find(|(_, value, low, high)| value < low || value > high) {
            Some((field, value, low, high)) => {
                Err(Error::Step { layer: self.index, step: index, field, value, low, high })
            }
            None => Ok(()),
        }
    }

    fn cycles(&self) -> u128 {
        let d = self.d;
        let tile = u128::from(d.steps) + u128::from(d.tile_gap);
        let tiles = u128::from(d.out_height) * u128::from(d.row_tiles);
        let run = u128::from(d.col_tiles) * (tiles * tile + u128::from(d.col_gap));
        18 + run + u128::from(d.drain_wait)
    }

    fn results(&self) -> u128 {
        let d = self.d;
        let pixels = u128::from(d.out_height) * u128::from(d.out_width);
        pixels * u128::from(d.col_tiles) * self.program.array.cols as u128
    }

    /// Checks the words `first..=last` (not wrapped) and returns how many words that needs.
    fn span(&self, access: &'static str, words: (i64, i64), depth: usize) -> Result<usize, Error> {
        let (first, last) = words;
        let size = MAX_DEPTH.cast_signed() as i64;
        let highest = if first.div_euclid(size) == last.div_euclid(size) {
            last.rem_euclid(size)
        } else {
            size - 1
        };
        match usize::try_from(highest) {
            Ok(highest) if highest < depth => Ok(highest + 1),
            _ => Err(Error::Address { layer: self.index, access, first, last, depth }),
        }
    }

    /// Section 4: the words of all valid taps.
    fn check_reads(&self, extent: &mut Extent) -> Result<(), Error> {
        let (d, depths) = (self.d, &self.program.depths);
        let (access, depth, used) = if d.flags.source_image {
            ("reading the image", depths.image, &mut extent.image)
        } else {
            ("reading the map", depths.activation, &mut extent.activation)
        };
        let base = usize::from(d.step_base);
        for step in &self.program.steps[base..][..usize::from(d.steps)] {
            let op = Op::new(step, d);
            if op.y.is_empty() || op.x.is_empty() {
                continue;
            }
            for row in 0..self.program.array.rows {
                if let Some(words) = self.words_of_row(step, &op, row) {
                    *used = (*used).max(self.span(access, words, depth)?);
                }
            }
        }
        Ok(())
    }

    /// First and last word that a row reads in a step; `op.x` and `op.y` are not empty.
    fn words_of_row(&self, step: &Step, op: &Op, row: usize) -> Option<(i64, i64)> {
        let (d, rows) = (self.d, self.program.array.rows);
        let first_tile = op.x.start.saturating_sub(row).div_ceil(rows);
        let last_tile = (op.x.end - 1).checked_sub(row)? / rows;
        if first_tile > last_tile {
            return None;
        }
        let tile_words = i64::from(d.in_xt_words);
        let adjust = match step.shift {
            -1 if row == 0 => -tile_words,
            1 if row == rows - 1 => tile_words,
            _ => 0,
        };
        let base = i64::from(d.in_base) + i64::from(step.offset) + adjust;
        let at = |y: usize, tile: usize| base + times(y, d.in_y_words) + times(tile, d.in_xt_words);
        Some((at(op.y.start, first_tile), at(op.y.end - 1, last_tile)))
    }

    /// Section 5.3: the stream words that are read and written.
    fn check_streams(&self, extent: &mut Extent) -> Result<(), Error> {
        let (d, cols) = (self.d, self.program.array.cols);
        let (y, x) = (usize::from(d.out_height) - 1, usize::from(d.out_width) - 1);
        let depth = self.program.depths.stream;
        let tiles = usize::from(d.shortcut_channels).div_ceil(cols).min(usize::from(d.col_tiles));
        let scale = match (d.flags.shortcut_identity, d.flags.shortcut_pool) {
            (_, true) => Some(2),
            (true, _) => Some(1),
            _ => None,
        };
        if let (Some(scale), Some(ct)) = (scale, tiles.checked_sub(1)) {
            let (y, x) = (y * scale + scale - 1, x * scale + scale - 1);
            let first = i64::from(d.stream_in_base);
            let last =
                first + times(ct, d.stream_in_plane) + times(y, d.stream_in_row) + times(x, 1);
            let words = self.span("reading the stream", (first, last), depth)?;
            extent.stream = extent.stream.max(words);
        }
        if d.flags.write_stream {
            let first = i64::from(d.stream_out_base);
            let last = first
                + times(usize::from(d.col_tiles) - 1, d.stream_out_plane)
                + times(y, d.stream_out_row)
                + times(x, 1);
            let words = self.span("writing the stream", (first, last), depth)?;
            extent.stream = extent.stream.max(words);
        }
        if d.flags.logits {
            extent.logit = extent.logit.max(usize::from(d.col_tiles));
        }
        Ok(())
    }

    /// Section 5.3: the activation words that are written.
    fn check_writes(&self, extent: &mut Extent) -> Result<(), Error> {
        let (d, array) = (self.d, &self.program.array);
        let slices = usize::from(d.col_tiles) * array.write_beats();
        let word = (slices - 1) / array.slices_per_word();
        let base = i64::from(d.out_base);
        let depth = self.program.depths.activation;
        if d.flags.pool {
            let last = base + times(7, d.out_xt_words) + times(word, 1);
            let words = self.span("writing the pooled levels", (base, last), depth)?;
            extent.activation = extent.activation.max(words);
        }
        if d.flags.write_bits {
            let stride = if d.flags.out_stride_2 { 2 } else { 1 };
            let (y, x) = (usize::from(d.out_height) - 1, usize::from(d.out_width) - 1);
            for x in [Some(x), x.checked_sub(1)].into_iter().flatten() {
                let last = base
                    + times(y, d.out_y_words)
                    + times(x % stride, d.out_phase_words)
                    + times(x / stride / array.rows, d.out_xt_words)
                    + times(word, 1);
                let words = self.span("writing the map", (base, last), depth)?;
                extent.activation = extent.activation.max(words);
            }
        }
        Ok(())
    }
}

fn times(count: usize, words: u16) -> i64 {
    i64::try_from(count).expect("bug: counts have at most 18 bits") * i64::from(words)
}
