//! Where and when the array computes an element: tile, processing element, and the cycles in which
//! its operands, its sum and its results are where.
//!
//! Microarchitecture.md, sections 4.1 and 5.1 to 5.3, as arithmetic. Cycles are counted from the
//! first one of `Fetch`. When a layer begins is an argument, so that it can be what was observed, and
//! so is how long its steps wait for their weights (section 2.2).
//!
//! Not here: what the words should be (`sim`), what they were (`cosim`), and which of them is
//! wrong ([`crate::diagnose`]).

use crate::compare::Place;
use crate::predict::{FETCH_CYCLES, StepWaits};
use heartbit_ir::program::{LayerDescriptor, PePlace, Program, Step};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Cycles from the issue of a step to its words at PE(0, 0).
const TO_ARRAY: u64 = 6;
/// Cycles from the matches of a plain pixel at the post-processing to its first write.
const TO_WRITE: u64 = 7;

/// Where and when an element is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Tile and processing element.
    pub pe: PePlace,
    /// When.
    pub cycles: TileCycles,
    /// For each step of the tile, the cycle in which its words are at the element.
    pub operands: Vec<u64>,
}

/// The cycles of an element, counted from the first one of `Fetch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TileCycles {
    /// The tile's first step is issued.
    pub first_step: u64,
    /// Its last step is issued.
    pub last_step: u64,
    /// The words of the first step are at the element.
    pub operands: u64,
    /// Its drain register holds the sum, as its accumulator does.
    pub sum: u64,
    /// The sum is at the post-processing, first beat: D0.
    pub post: u64,
    /// The first results are written, and the monitor shows the pixel.
    pub written: u64,
    /// The last results of the pixel are written; of a layer that pools the last plane.
    pub end: u64,
}

/// The first step of every layer: from the cycles of the layers, those of `Fetch` in the first.
pub fn layer_starts(layer_cycles: &[u64]) -> Vec<u64> {
    let mut before = 0;
    let start = |(index, cycles): (usize, &u64)| {
        let start = if index == 0 { FETCH_CYCLES } else { before };
        before += cycles;
        start
    };
    layer_cycles.iter().enumerate().map(start).collect()
}

/// Locates an element of a layer whose first step is issued in cycle `start`, if it does not wait.
pub fn locate(program: &Program, start: u64, waits: &StepWaits, place: &Place) -> Location {
    let (array, d) = (&program.array, &program.layers[place.layer]);
    let (column_tile, tile_row, tile) = order(program, place);
    let (lines, pitch) = lines(program, d);
    let line_row = if lines == 1 { 0 } else { place.y % lines * pitch };
    let row = line_row + place.x % pitch;
    let col = place.channel % array.cols;
    let pe = PePlace { layer: place.layer, column_tile, tile_row, tile, row, col };

    let tiles_before = tile_row as u64 * u64::from(d.row_tiles) + tile as u64;
    let column_period = d.tiles() * d.tile_period() + u64::from(d.col_gap);
    let begin = start + column_tile as u64 * column_period + tiles_before * d.tile_period();
    let waits = waits.of_tile(place.layer, d, column_tile, tiles_before == 0);
    let issued: Vec<u64> = (begin..).zip(waits).map(|(cycle, waited)| cycle + waited).collect();
    let first_step = issued.first().copied().unwrap_or(begin);
    let last_step = issued.last().copied().unwrap_or(begin);
    let (rows, cols) = (array.rows as u64, array.cols as u64);
    let latency = array.popcount_latency() as u64;
    let skew = (row + col) as u64;
    let reads = d.shortcut.reads() as u64;
    let writes = writes(program, d);
    // Row `R-1` of column 0 is shown first; the other columns are delayed until all align.
    let drain = last_step + latency + rows + TO_ARRAY;
    let post = drain + (rows - 1 - row as u64) * (reads + writes - 1) + cols - 1;
    let written = post + reads - 1 + TO_WRITE + array.nonlinear_stages() as u64;
    let pooled =
        u64::from(d.level_shift) + 1 + u64::from(d.level_bits) * array.write_beats() as u64;
    let cycles = TileCycles {
        first_step,
        last_step,
        operands: first_step + TO_ARRAY + skew,
        sum: last_step + TO_ARRAY + 1 + skew + latency,
        post,
        written,
        end: if d.flags.pool { written + pooled } else { written + writes - 1 },
    };
    let operands = issued.into_iter().map(|cycle| cycle + TO_ARRAY + skew).collect();
    Location { pe, cycles, operands }
}

/// Column tile, row of tiles and tile of an element: the order in which elements are computed.
pub(crate) fn order(program: &Program, place: &Place) -> (usize, usize, usize) {
    let (lines, pitch) = lines(program, &program.layers[place.layer]);
    let tile = if lines == 1 { place.x / pitch } else { 0 };
    (place.channel / program.array.cols, place.y / lines, tile)
}

/// The pixel of a row of the array: row and column of the layer's result.
pub fn pixel(program: &Program, pe: &PePlace) -> (usize, usize) {
    let (lines, pitch) = lines(program, &program.layers[pe.layer]);
    (pe.tile_row * lines + pe.row / pitch, pe.tile * program.array.rows + pe.row % pitch)
}

/// Lines of a tile, and rows of the array that have a line.
fn lines(program: &Program, d: &LayerDescriptor) -> (usize, usize) {
    let lines = usize::from(d.lines.max(1));
    (lines, (program.array.rows / lines).max(1))
}

/// Cycles in which the results of a pixel are written.
fn writes(program: &Program, d: &LayerDescriptor) -> u64 {
    let planes = if d.flags.write_levels { u64::from(d.level_bits.max(1)) } else { 1 };
    planes * program.array.write_beats() as u64
}

/// Where the weight word of a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightSource {
    /// The weight memory, at this address.
    Resident(usize),
    /// The weight port: the position in the sequence of an image.
    Streamed(usize),
}

impl WeightSource {
    /// The source of a step's word at an element.
    pub fn of(program: &Program, pe: &PePlace, step: usize) -> Self {
        let words = |d: &LayerDescriptor| usize::from(d.col_tiles) * usize::from(d.steps);
        let d = &program.layers[pe.layer];
        let word = pe.column_tile * usize::from(d.steps) + step;
        if !d.flags.stream_weights {
            return Self::Resident(usize::from(d.weight_base) + word);
        }
        let before = program.layers[..pe.layer].iter().filter(|d| d.flags.stream_weights);
        Self::Streamed(before.map(words).sum::<usize>() + word)
    }

    /// The word of a column, if the program has it.
    pub fn word(self, program: &Program, col: usize) -> Option<&[u64]> {
        let (columns, index) = match self {
            Self::Resident(address) => {
                let ring = program.depths.ring.map_or(0, |ring| ring.words);
                (Some(&program.weights), address.checked_sub(ring)?)
            }
            Self::Streamed(index) => (program.weight_stream.as_ref().map(|s| &s.columns), index),
        };
        let column = columns?.get(col)?;
        (index < column.len()).then(|| column.word(index))
    }
}

impl fmt::Display for WeightSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resident(address) => write!(f, "address {address}"),
            Self::Streamed(index) => write!(f, "word {index} of the weight stream"),
        }
    }
}

/// The parameter word of the element's pixel.
pub fn parameter_address(program: &Program, pe: &PePlace) -> usize {
    let d = &program.layers[pe.layer];
    let (y, x) = pixel(program, pe);
    let class = d.borders.class(y, x, d.out_height.into(), d.out_width.into());
    usize::from(d.param_base) + pe.column_tile * d.borders.classes() + class
}

/// Bank and address that a row reads in a step of a lane group.
pub fn operand_address(program: &Program, pe: &PePlace, step: &Step) -> (usize, u16) {
    let d = &program.layers[pe.layer];
    let (lines, pitch) = lines(program, d);
    let rows = program.array.rows;
    let turn = isize::from(step.shift) + isize::from(step.line_shift) * pitch.cast_signed();
    let bank = (pe.row.cast_signed() + turn).rem_euclid(rows.cast_signed()).cast_unsigned();
    let (turn, words, first, last) = if lines == 1 {
        (step.shift, d.in_xt_words, bank == 0, bank == rows - 1)
    } else {
        let line = bank / pitch;
        (step.line_shift, d.in_y_words, line == 0, line == lines - 1)
    };
    let adjust = match turn {
        -1 if last => 0u16.wrapping_sub(words),
        1 if first => words,
        _ => 0,
    };
    let narrow = |index: usize| u16::try_from(index & 0xffff).expect("bug: 16 bits");
    let address = d
        .in_base
        .wrapping_add(narrow(pe.tile_row).wrapping_mul(d.in_y_words))
        .wrapping_add(narrow(pe.tile).wrapping_mul(d.in_xt_words))
        .wrapping_add(step.offset.cast_unsigned())
        .wrapping_add(adjust);
    (bank, address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heartbit_ir::program::{ArrayConfig, Header, MemoryDepths};

    fn program(lines: u8) -> Program {
        let array = ArrayConfig {
            rows: 4,
            cols: 2,
            lanes: 8,
            taps: 1,
            lines: 2,
            acc_bits: 12,
            extended: false,
        };
        let d = LayerDescriptor {
            steps: 5,
            col_tiles: 2,
            row_tiles: 2,
            out_height: 3,
            out_width: 6,
            tile_gap: 1,
            col_gap: 7,
            lines,
            ..LayerDescriptor::default()
        };
        let depths = MemoryDepths::uniform(1);
        let header = Header {
            image_height: 1,
            image_width: 1,
            classes: 1,
            stem_kernel: 3,
            stem_stride: 1,
            image_tiles: 1,
        };
        Program {
            array,
            depths,
            header,
            layers: vec![d],
            steps: Vec::new(),
            weights: Vec::new(),
            weight_stream: None,
            parameters: Vec::new(),
        }
    }

    #[test]
    fn cycles_are_those_of_the_page() {
        // P = 2, beats = 1; the second column tile begins after 3·2 tiles of 6 cycles and its gap.
        let place = Place { layer: 0, y: 2, x: 5, channel: 3 };
        let none = StepWaits::default();
        let Location { pe, cycles, operands } = locate(&program(1), 100, &none, &place);
        let expected = PePlace { layer: 0, column_tile: 1, tile_row: 2, tile: 1, row: 1, col: 1 };
        assert_eq!(pe, expected);
        let first_step = 100 + (6 * 6 + 7) + 5 * 6;
        let last_step = first_step + 4;
        let post = last_step + 2 + 4 + 6 + 2 + 1;
        let written = post + 7;
        assert_eq!(
            cycles,
            TileCycles {
                first_step,
                last_step,
                operands: first_step + 6 + 2,
                sum: last_step + 7 + 2 + 2,
                post,
                written,
                end: written,
            }
        );
        assert_eq!(operands, (first_step + 8..first_step + 13).collect::<Vec<_>>());
        assert_eq!(pixel(&program(1), &pe), (2, 5));
    }

    #[test]
    fn folded_tiles_have_lines_one_above_the_other() {
        let program = program(2);
        for (y, x, row) in [(0, 0, 0), (0, 1, 1), (1, 0, 2), (2, 1, 1)] {
            let place = Place { layer: 0, y, x, channel: 0 };
            let pe = locate(&program, 0, &StepWaits::default(), &place).pe;
            assert_eq!((pe.tile_row, pe.tile, pe.row), (y / 2, 0, row));
            assert_eq!(pixel(&program, &pe), (y, x));
        }
    }

    #[test]
    fn the_first_layer_begins_after_its_fetch() {
        assert_eq!(layer_starts(&[123, 50, 7]), [23, 123, 173]);
        assert_eq!(layer_starts(&[]), [] as [u64; 0]);
    }
}
