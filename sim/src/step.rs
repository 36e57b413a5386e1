//! Steps, decoded: which lanes meet which words, and for which output pixels.
//!
//! Sections 3.2, 4.1 and 4.2 of microarchitecture.md. Lane groups that have the same word become
//! one [`Tap`], so a step costs as much as it has different taps. A step of the stem becomes the
//! [`Piece`]s of its word, each a run of bits of one row and plane of the image.
//!
//! Not here: reading the memories (`operands`) and rejecting words (`check`).

use crate::rows::{Rows, Run};
use heartbit_ir::program::{ArrayConfig, Header, ImageStep, LayerDescriptor, Program, Step};
use std::ops::Range;

/// A step of all lane groups.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    /// The accumulators double first.
    pub(crate) double: bool,
    /// What the rows read.
    pub(crate) source: Source,
}

/// What the rows read in a step.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Words of a map.
    Map {
        /// The taps that are not off.
        taps: Vec<Tap>,
        /// No lane group is off.
        all: bool,
    },
    /// Bits of the image.
    Image(ImageRead),
}

/// A word of a map, for some lane groups.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    step: Step,
    /// Output rows with a valid tap.
    pub(crate) y: Range<usize>,
    /// Output columns with a valid tap.
    pub(crate) x: Range<usize>,
    /// What the rows read.
    pub(crate) runs: Vec<Run>,
    /// Products that are counted where the tap is valid.
    pub(crate) products: u32,
    /// Lanes of the groups.
    pub(crate) lanes: Vec<u64>,
    /// Those of them that hold what is read; the others hold 0.
    pub(crate) mask: Vec<u64>,
}

/// A part of the image vector of each row.
#[derive(Clone, Debug)]
pub(crate) struct ImageRead {
    /// The first image row relative to the output row times the stride.
    pub(crate) dy: isize,
    /// Products that are counted.
    pub(crate) products: u32,
    /// What the lanes hold; lanes of no piece hold 0.
    pub(crate) pieces: Vec<Piece>,
}

/// A run of bits of an image row and plane, in the lanes of one limb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Image row relative to the first of the step: `d`.
    pub(crate) row: isize,
    /// Bit plane.
    pub(crate) plane: usize,
    /// First bit of the row's `3k` bits.
    pub(crate) from: u32,
    /// As many ones as there are bits.
    pub(crate) mask: u64,
    /// Limb of the word.
    pub(crate) limb: usize,
    /// First bit of the limb.
    pub(crate) at: u32,
}

impl Op {
    /// Decodes step `index` of the step memories for a layer.
    pub(crate) fn new(program: &Program, index: usize, d: &LayerDescriptor) -> Self {
        if d.flags.source_image {
            let step = ImageStep::decode(program.steps[0][index]);
            let read = ImageRead {
                dy: step.dy.into(),
                products: if step.tap_first { d.fan_in.into() } else { 0 },
                pieces: pieces(&step, &program.array, &program.header),
            };
            return Self { double: step.double, source: Source::Image(read) };
        }
        let words: Vec<Step> = program.steps.iter().map(|g| Step::decode(g[index])).collect();
        let mut taps: Vec<Tap> = Vec::new();
        for (group, step) in words.iter().enumerate().filter(|(_, step)| !step.off) {
            let tap = Tap::new(step, group, &program.array, d);
            match taps.iter_mut().find(|other| other.reads_the_same(&tap)) {
                Some(other) => other.merge(&tap),
                None => taps.push(tap),
            }
        }
        let all = words.iter().all(|step| !step.off);
        Self { double: words[0].double, source: Source::Map { taps, all } }
    }
}

impl Tap {
    /// Decodes the step of one lane group; its fields are in their ranges.
    pub(crate) fn new(step: &Step, group: usize, array: &ArrayConfig, d: &LayerDescriptor) -> Self {
        let stride = stride(d);
        let size = array.group_lanes();
        let lanes = lane_bits(array.lanes, |lane| lane / size == group);
        let copy = array.lanes / usize::from(d.in_copies.max(1));
        let used = |lane| !step.last_word || lane % copy < usize::from(d.last_lanes);
        let used = lane_bits(array.lanes, used);
        Self {
            step: *step,
            y: valid(step.dy, stride, d.in_height, d.out_height),
            x: valid(step.dx, stride, d.in_width, d.out_width),
            runs: Run::all(step, array.rows, d),
            products: if step.tap_first { d.fan_in.into() } else { 0 },
            mask: lanes.iter().zip(used).map(|(lanes, used)| lanes & used).collect(),
            lanes,
        }
    }

    fn reads_the_same(&self, other: &Self) -> bool {
        let key = |tap: &Self| Step { double: false, tap_first: false, ..tap.step };
        key(self) == key(other)
    }

    fn merge(&mut self, other: &Self) {
        self.products += other.products;
        or(&mut self.lanes, &other.lanes);
        or(&mut self.mask, &other.mask);
    }

    /// Rows of the array whose tap is valid in the tile `(t, xt)` of `lines` lines of `pitch`
    /// rows.
    pub(crate) fn rows(&self, (t, xt): (usize, usize), lines: usize, pitch: usize) -> Rows {
        let inside = |valid: &Range<usize>, first: usize, size: usize| {
            valid.start.saturating_sub(first)..valid.end.saturating_sub(first).min(size)
        };
        let columns = inside(&self.x, xt * pitch, pitch);
        Rows::of_lines(inside(&self.y, t * lines, lines), columns, pitch)
    }
}

/// Distance of the input pixels of two output pixels.
pub(crate) fn stride(d: &LayerDescriptor) -> usize {
    if d.flags.stride_2 { 2 } else { 1 }
}

fn or(to: &mut [u64], from: &[u64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to |= from);
}

/// Returns the limbs of the lanes for which `is_one` holds.
pub(crate) fn lane_bits(lanes: usize, is_one: impl Fn(usize) -> bool) -> Vec<u64> {
    let mut limbs = vec![0; lanes.div_ceil(64)];
    for lane in (0..lanes).filter(|&lane| is_one(lane)) {
        limbs[lane / 64] |= 1 << (lane % 64);
    }
    limbs
}

/// Returns the `i < outputs` with `0 <= i·stride + delta < inputs`.
fn valid(delta: i8, stride: usize, inputs: u16, outputs: u16) -> Range<usize> {
    let before = usize::from(delta.min(0).unsigned_abs());
    let inside =
        (usize::from(inputs) + before).saturating_sub(usize::from(delta.max(0).unsigned_abs()));
    before.div_ceil(stride)..inside.div_ceil(stride).min(usize::from(outputs))
}

/// Section 4.2: `3k` bits of slot `(e, d)` are the elements `e·E + d·3k ..` of the vector.
fn pieces(step: &ImageStep, array: &ArrayConfig, header: &Header) -> Vec<Piece> {
    let (lanes, k) = (array.lanes, usize::from(header.stem_kernel));
    let first_lane = usize::from(step.part) * lanes;
    let mut pieces = Vec::new();
    for (e, plane) in step.planes.iter().take(array.stem_planes()).enumerate() {
        let Some(plane) = *plane else { continue };
        for d in 0..usize::from(step.n_rows) {
            let first = e * array.stem_group_stride(k) + d * 3 * k;
            let mut element = first.max(first_lane);
            let end = (first + 3 * k).min(first_lane + lanes);
            while element < end {
                let lane = element - first_lane;
                let bits = (end - element).min(64 - lane % 64);
                let narrow = |n: usize| u32::try_from(n).expect("bug: below 64");
                pieces.push(Piece {
                    row: d.cast_signed(),
                    plane: plane.into(),
                    from: narrow(element - first),
                    mask: u64::MAX >> (64 - bits),
                    limb: lane / 64,
                    at: narrow(lane % 64),
                });
                element += bits;
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_outputs_agree_with_the_inequality() {
        for (delta, stride) in [(-8, 1), (-1, 1), (0, 1), (1, 1), (7, 1), (-1, 2), (0, 2), (1, 2)] {
            for (inputs, outputs) in [(0, 3), (1, 1), (2, 5), (3, 3), (7, 4), (8, 4), (9, 20)] {
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
    fn lane_bits_cover_limbs_exactly() {
        assert_eq!(lane_bits(64, |_| true), [u64::MAX]);
        assert_eq!(lane_bits(65, |lane| lane >= 63), [1 << 63, 1]);
        assert_eq!(lane_bits(17, |_| true), [0x1_ffff]);
    }

    #[test]
    fn pieces_hold_every_element_of_the_vector_once() {
        for (lanes, k) in [(4, 3), (16, 3), (53, 3), (54, 3), (64, 7), (100, 7), (126, 7), (130, 7)]
        {
            let array = ArrayConfig {
                rows: 2,
                cols: 1,
                lanes,
                taps: 1,
                lines: 1,
                acc_bits: 9,
                extended: true,
            };
            let header = Header {
                image_height: 1,
                image_width: 1,
                classes: 1,
                stem_kernel: k,
                stem_stride: 1,
                image_tiles: 1,
            };
            let (k, planes) = (usize::from(k), array.stem_planes());
            let stride = array.stem_group_stride(k);
            for element in 0..(planes * stride).next_multiple_of(lanes) {
                let part = u8::try_from(element / lanes).expect("small");
                let step =
                    ImageStep { planes: [Some(4), Some(7)], n_rows: 3, part, ..Default::default() };
                let lane = element % lanes;
                let held = |p: &&Piece| {
                    let lane = lane.wrapping_sub(p.limb * 64 + p.at as usize);
                    lane < p.mask.count_ones() as usize
                };
                let all = pieces(&step, &array, &header);
                let found: Vec<_> = all.iter().filter(held).collect();
                let (e, rest) = (element / stride, element % stride);
                if rest >= 9 * k || e >= planes {
                    assert!(found.is_empty(), "element {element} of {lanes} lanes");
                    continue;
                }
                let [piece] = found.as_slice() else { panic!("element {element}: {found:?}") };
                let bit = lane - piece.limb * 64 - piece.at as usize + piece.from as usize;
                assert_eq!((piece.row.cast_unsigned(), bit), (rest / (3 * k), rest % (3 * k)));
                assert_eq!(piece.plane, if e == 0 { 4 } else { 7 });
            }
        }
    }
}
