//! The program, rearranged for speed: what every cycle needs is computed once here.
//!
//! Step tables become [`Op`]s with the output pixels for which their tap is valid (section 4 of
//! microarchitecture.md), weight words of all columns lie side by side and complemented, so that
//! one `^` is the XNOR of several columns, and the constants of sections 1 and 5.2 are evaluated.
//! Only programs that `check` accepted are planned.

use crate::check::Extent;
use heartbit_ir::program::{Header, LayerDescriptor, Parameter, Program, Step};
use std::ops::Range;

/// A step of the step table, with the output pixels whose tap is inside of the map.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    /// Added to the tile's address, modulo 2^16.
    pub(crate) offset: u32,
    /// Output rows with a valid tap.
    pub(crate) y: Range<usize>,
    /// Output columns with a valid tap.
    pub(crate) x: Range<usize>,
    /// Row `r` reads bank `r + shift`.
    pub(crate) shift: i8,
    /// Plane of the image.
    pub(crate) plane: usize,
    /// The accumulators double first.
    pub(crate) double: bool,
    /// Counts `fan_in` products.
    pub(crate) tap_first: bool,
    /// Lanes from `last_lanes` up are masked.
    pub(crate) last_word: bool,
}

impl Op {
    pub(crate) fn new(step: &Step, d: &LayerDescriptor) -> Self {
        let stride = if d.flags.stride_2 { 2 } else { 1 };
        Self {
            offset: u32::from(step.offset.cast_unsigned()),
            y: valid(step.dy, stride, d.in_height, d.out_height),
            x: valid(step.dx, stride, d.in_width, d.out_width),
            shift: step.shift,
            plane: usize::from(step.plane),
            double: step.double,
            tap_first: step.tap_first,
            last_word: step.last_word,
        }
    }
}

/// Returns the `i < outputs` with `0 <= i·stride + delta < inputs`.
fn valid(delta: i8, stride: usize, inputs: u16, outputs: u16) -> Range<usize> {
    let before = usize::from(delta.min(0).unsigned_abs());
    let inside =
        (usize::from(inputs) + before).saturating_sub(usize::from(delta.max(0).unsigned_abs()));
    before.div_ceil(stride)..inside.div_ceil(stride).min(usize::from(outputs))
}

/// One layer, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct LayerPlan {
    /// The descriptor.
    pub(crate) d: LayerDescriptor,
    /// Its steps.
    pub(crate) ops: Vec<Op>,
    /// Stream reads of a row: 4 with `shortcut_pool`, else 1.
    pub(crate) reads: u64,
    /// Cycles in which a row is drained: `reads + D - 1`.
    pub(crate) beats: u64,
    /// Lanes below `last_lanes`.
    pub(crate) last_mask: Vec<u64>,
}

/// The whole program, ready to run; shared by all clones of a simulator.
#[derive(Debug)]
pub(crate) struct Plan {
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
    /// Bits of an accumulator.
    pub(crate) acc_bits: u32,
    /// Cycles from the last step of a tile to row `R-1` at the post-processing:
    /// `P + R + 3 + C - 1`.
    pub(crate) drain_delay: u64,
    /// Image size and classes.
    pub(crate) header: Header,
    /// Layers in order.
    pub(crate) layers: Vec<LayerPlan>,
    /// All lanes.
    pub(crate) lane_mask: Vec<u64>,
    /// Bits of a column in a packed word: 16, 32 or 64, at least `L` where `L <= 64`.
    pub(crate) field_bits: usize,
    /// Packed words that hold all columns.
    pub(crate) packed: usize,
    /// Complemented weights: limb `l` of word `w` of the memory is at `(w·limbs + l)·packed`,
    /// column `c` there in field `c % fields` of packed word `c / fields`.
    pub(crate) weights: Vec<u64>,
    /// Parameters: column `c` of word `w` at `w·C + c`.
    pub(crate) parameters: Vec<Parameter>,
    /// Words of each memory that the program reaches.
    pub(crate) extent: Extent,
}

impl Plan {
    /// Rearranges a program that [`crate::check::check`] accepted.
    pub(crate) fn new(program: &Program, extent: Extent) -> Self {
        let array = &program.array;
        let limbs = array.lanes.div_ceil(64);
        let lane_mask = low_lanes(array.lanes, limbs);
        let field_bits = array.lanes.next_power_of_two().clamp(16, 64);
        let packed = array.cols.div_ceil(64 / field_bits);
        Self {
            rows: array.rows,
            cols: array.cols,
            limbs,
            write_beats: array.write_beats(),
            slice_bits: array.slice_bits(),
            slices: array.slices_per_word(),
            acc_bits: array.acc_bits,
            drain_delay: (array.popcount_latency() + array.rows + 3 + array.cols - 1) as u64,
            header: program.header,
            layers: program.layers.iter().map(|d| plan_layer(d, program, limbs)).collect(),
            field_bits,
            packed,
            weights: pack_weights(program, extent.weight, &lane_mask, field_bits),
            parameters: (0..extent.parameter)
                .flat_map(|word| program.parameters.iter().map(move |column| column[word]))
                .collect(),
            lane_mask,
            extent,
        }
    }
}

fn plan_layer(d: &LayerDescriptor, program: &Program, limbs: usize) -> LayerPlan {
    let (base, steps) = (usize::from(d.step_base), usize::from(d.steps));
    let reads = reads(d);
    LayerPlan {
        d: *d,
        ops: program.steps[base..][..steps].iter().map(|step| Op::new(step, d)).collect(),
        reads,
        beats: reads + program.array.write_beats() as u64 - 1,
        last_mask: low_lanes(usize::from(d.last_lanes), limbs),
    }
}

/// Returns the stream reads of a row.
pub(crate) fn reads(d: &LayerDescriptor) -> u64 {
    if d.flags.shortcut_pool { 4 } else { 1 }
}

/// Returns a mask of the lanes below `lanes`.
fn low_lanes(lanes: usize, limbs: usize) -> Vec<u64> {
    (0..limbs)
        .map(|limb| match lanes.saturating_sub(limb * 64) {
            n @ 0..64 => (1 << n) - 1,
            _ => u64::MAX,
        })
        .collect()
}

fn pack_weights(program: &Program, words: usize, mask: &[u64], field_bits: usize) -> Vec<u64> {
    let (fields, limbs) = (64 / field_bits, mask.len());
    let packed = program.array.cols.div_ceil(fields);
    let mut weights = vec![0; words * limbs * packed];
    for (c, column) in program.weights.iter().enumerate() {
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
    fn valid_outputs_agree_with_the_inequality() {
        for (delta, stride) in [(-8, 1), (-1, 1), (0, 1), (1, 1), (7, 1), (-1, 2), (0, 2), (1, 2)] {
            for (inputs, outputs) in [(1, 1), (2, 5), (3, 3), (7, 4), (8, 4), (9, 20)] {
                let range = valid(delta, stride, inputs, outputs);
                for i in 0..usize::from(outputs) {
                    let at = i64::try_from(i * stride).expect("small") + i64::from(delta);
                    let inside = (0..i64::from(inputs)).contains(&at);
                    assert_eq!(range.contains(&i), inside, "{delta} {stride} {inputs} {i}");
                }
            }
        }
    }

    #[test]
    fn low_lanes_cover_limbs_exactly() {
        assert_eq!(low_lanes(0, 1), [0]);
        assert_eq!(low_lanes(64, 2), [u64::MAX, 0]);
        assert_eq!(low_lanes(65, 2), [u64::MAX, 1]);
        assert_eq!(low_lanes(17, 1), [0x1_ffff]);
    }
}
