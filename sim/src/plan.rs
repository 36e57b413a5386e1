//! The program, rearranged for speed: what every cycle needs is computed once here.
//!
//! Step tables become [`Op`]s, weight words of all columns lie side by side and complemented, so
//! that one `^` is the XNOR of several columns, border classes become tables, and the constants of
//! sections 1 and 5.2 of microarchitecture.md are evaluated.
//! Only programs that `check` accepted are planned.

use crate::check::Extent;
use crate::check::ring::ring_words;
use crate::layout::{Layout, lines};
use crate::ring::Port;
use crate::step::{Op, lane_bits};
use heartbit_ir::program::{
    ArrayConfig, Header, Join, LaneMemory, LayerDescriptor, Parameter, Program,
};

/// Cycles from a step to the last one whose writes it sees: in the next one, `t + 3`, the memories
/// of its operands are addressed.
pub(crate) const SEEN_BY_STEP: u64 = 2;
/// Cycles from D0 of a beat to the last one whose writes it sees: in the next one, D1, the stream
/// memory is addressed.
pub(crate) const SEEN_BY_BEAT: u64 = 0;

/// One layer, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct LayerPlan {
    /// The descriptor.
    pub(crate) d: LayerDescriptor,
    /// Its steps.
    pub(crate) ops: Vec<Op>,
    /// Where its weights begin in [`Plan::weights`].
    pub(crate) weights: usize,
    /// Its first word in the sequence of streamed weights, if they are.
    pub(crate) streamed: Option<u64>,
    /// Lines of a tile: `q`.
    pub(crate) lines: usize,
    /// Rows of the array that have a line: `R / q`.
    pub(crate) pitch: usize,
    /// Rows of tiles.
    pub(crate) tile_rows: usize,
    /// Where pixels of the map are written.
    pub(crate) layout: Layout,
    /// Stream reads of a row.
    pub(crate) reads: u64,
    /// Cycles in which a row is drained.
    pub(crate) beats: u64,
    /// Planes that are written for each pixel.
    pub(crate) planes: usize,
    /// Copies of each pixel that are written.
    pub(crate) copies: usize,
    /// `class_y·n_x` of each output row.
    row_classes: Vec<usize>,
    /// `class_x` of each output column.
    column_classes: Vec<usize>,
}

impl LayerPlan {
    /// Returns the parameter word of an output pixel.
    pub(crate) fn parameter_word(&self, ct: usize, y: usize, x: usize) -> usize {
        let class = self.row_classes[y] + self.column_classes[x];
        usize::from(self.d.param_base) + ct * classes(&self.d) + class
    }
}

/// The whole program, ready to run; shared by all clones of a simulator.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The array.
    pub(crate) array: ArrayConfig,
    /// `R`.
    pub(crate) rows: usize,
    /// `C`.
    pub(crate) cols: usize,
    /// 64-bit limbs of `L` lanes.
    pub(crate) limbs: usize,
    /// `D`.
    pub(crate) write_beats: usize,
    /// `S`.
    pub(crate) slice_bits: usize,
    /// `G`.
    pub(crate) slices: usize,
    /// Cycles from the last step of a tile to row `R-1` at the post-processing:
    /// `P + R + 6 + C - 1`.
    pub(crate) drain_delay: u64,
    /// Cycles from D0 of the last read to the first write: `8 + N`.
    pub(crate) write_delay: u64,
    /// Image size and classes.
    pub(crate) header: Header,
    /// Layers in order.
    pub(crate) layers: Vec<LayerPlan>,
    /// Bits of a column in a packed word: 16, 32 or 64, at least `L` where `L <= 64`.
    pub(crate) field_bits: usize,
    /// A one in the lowest bit of each field.
    pub(crate) repeat: u64,
    /// Packed words that hold all columns.
    pub(crate) packed: usize,
    /// Complemented weights, the resident words and then those that are streamed: limb `l` of word
    /// `w` is at `(w·limbs + l)·packed`, column `c` there in field `c % fields` of packed word
    /// `c / fields`.
    pub(crate) weights: Vec<u64>,
    /// The weight port, if weights are streamed.
    pub(crate) port: Option<Port>,
    /// Parameters: column `c` of word `w` at `w·C + c`.
    pub(crate) parameters: Vec<Parameter>,
    /// Words of each memory that the program reaches.
    pub(crate) extent: Extent,
}

impl Plan {
    /// Rearranges a program that [`crate::check::check`] accepted.
    pub(crate) fn new(program: &Program, extent: Extent) -> Self {
        let array = program.array;
        let lane_mask = lane_bits(array.lanes, |_| true);
        let field_bits = array.lanes.next_power_of_two().clamp(16, 64);
        Self {
            rows: array.rows,
            cols: array.cols,
            limbs: lane_mask.len(),
            write_beats: array.write_beats(),
            slice_bits: array.slice_bits(),
            slices: array.slices_per_word(),
            drain_delay: (array.popcount_latency() + array.rows + 6 + array.cols - 1) as u64,
            write_delay: 8 + array.nonlinear_stages() as u64,
            header: program.header,
            layers: plan_layers(program, extent.weight),
            field_bits,
            repeat: (0..64).step_by(field_bits).fold(0, |all, bit| all | 1 << bit),
            packed: array.cols.div_ceil(64 / field_bits),
            weights: plan_weights(program, &extent, &lane_mask, field_bits),
            port: Port::new(program, extent.streamed),
            parameters: (0..extent.parameter)
                .flat_map(|word| program.parameters.iter().map(move |column| column[word]))
                .collect(),
            array,
            extent,
        }
    }
}

/// Plans all layers; the weights that are streamed follow `resident` words in the plan.
fn plan_layers(program: &Program, resident: usize) -> Vec<LayerPlan> {
    let mut streamed = 0;
    let plan = |d: &LayerDescriptor| {
        let mut layer = plan_layer(d, program);
        if d.flags.stream_weights {
            layer.weights = resident + streamed;
            layer.streamed = Some(streamed as u64);
            streamed += usize::from(d.col_tiles) * usize::from(d.steps);
        } else {
            layer.weights = usize::from(d.weight_base) - ring_words(program);
        }
        layer
    };
    program.layers.iter().map(plan).collect()
}

fn plan_layer(d: &LayerDescriptor, program: &Program) -> LayerPlan {
    let (base, steps) = (usize::from(d.step_base), usize::from(d.steps));
    let b = &d.borders;
    let n_x = usize::from(b.left) + 1 + usize::from(b.right);
    let rows = border_classes(d.out_height.into(), b.top, b.bottom);
    LayerPlan {
        d: *d,
        ops: (base..base + steps).map(|index| Op::new(program, index, d)).collect(),
        weights: 0,
        streamed: None,
        lines: lines(d),
        pitch: program.array.rows / lines(d),
        tile_rows: tile_rows(d),
        layout: Layout::new(d, program.array.rows),
        reads: reads(d),
        beats: reads(d) + writes(d, &program.array) - 1,
        planes: planes(d),
        copies: usize::from(d.out_copies.max(1)),
        row_classes: rows.into_iter().map(|class| class * n_x).collect(),
        column_classes: border_classes(d.out_width.into(), b.left, b.right),
    }
}

/// Returns the rows of tiles that cover the result: section 5.2.
pub(crate) fn tile_rows(d: &LayerDescriptor) -> usize {
    usize::from(d.out_height).div_ceil(lines(d))
}

/// Returns the stream reads of a row: section 5.2.
pub(crate) fn reads(d: &LayerDescriptor) -> u64 {
    match d.shortcut.join {
        Join::None | Join::Add => 1,
        Join::Average => 2,
        Join::Extreme => u64::from(d.shortcut.window).pow(2),
    }
}

/// Returns the cycles in which the results of a row are written.
pub(crate) fn writes(d: &LayerDescriptor, array: &ArrayConfig) -> u64 {
    let planes = if d.flags.write_levels { d.level_bits.into() } else { 1 };
    array.write_beats() as u64 * planes
}

/// Returns the planes of the map that is written.
fn planes(d: &LayerDescriptor) -> usize {
    if d.flags.write_levels || d.flags.pool { d.level_bits as usize } else { 1 }
}

/// Returns the parameter words of a column tile.
pub(crate) fn classes(d: &LayerDescriptor) -> usize {
    let b = &d.borders;
    (usize::from(b.top) + 1 + usize::from(b.bottom))
        * (usize::from(b.left) + 1 + usize::from(b.right))
}

/// Returns the border class of every position along one side of a result.
fn border_classes(size: usize, before: u8, after: u8) -> Vec<usize> {
    let (before, after) = (usize::from(before), usize::from(after));
    let class = |at: usize| {
        if at < before {
            at
        } else if at + after >= size {
            before + 1 + (at + after - size)
        } else {
            before
        }
    };
    (0..size).map(class).collect()
}

fn plan_weights(program: &Program, extent: &Extent, mask: &[u64], field_bits: usize) -> Vec<u64> {
    let mut weights = pack_weights(&program.weights, extent.weight, mask, field_bits);
    if let Some(stream) = &program.weight_stream {
        weights.extend(pack_weights(&stream.columns, extent.streamed, mask, field_bits));
    }
    weights
}

/// Packs the first `words` words of all columns.
fn pack_weights(columns: &[LaneMemory], words: usize, mask: &[u64], field_bits: usize) -> Vec<u64> {
    let (fields, limbs) = (64 / field_bits, mask.len());
    let packed = columns.len().div_ceil(fields);
    let mut weights = vec![0; words * limbs * packed];
    for (c, column) in columns.iter().enumerate() {
        for word in 0..words {
            for (l, (bits, mask)) in column.word(word).iter().zip(mask).enumerate() {
                let field = (!bits & mask) << (c % fields * field_bits);
                weights[(word * limbs + l) * packed + c / fields] |= field;
            }
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn border_classes_count_from_both_sides() {
        assert_eq!(border_classes(6, 2, 1), [0, 1, 2, 2, 2, 3]);
        assert_eq!(border_classes(3, 1, 1), [0, 1, 2]);
        assert_eq!(border_classes(3, 0, 0), [0, 0, 0]);
        // No row between the borders, and borders that overlap: the first one wins.
        assert_eq!(border_classes(2, 1, 1), [0, 2]);
        assert_eq!(border_classes(2, 2, 2), [0, 1]);
    }
}
