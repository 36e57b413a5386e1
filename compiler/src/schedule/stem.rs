//! The stem: steps that read three rows of the image at once, and what its sums lack.
//!
//! Microarchitecture.md, section 4.2. The array sums the pixels of all taps, those outside the
//! image as -255, and knows nothing of the constant channel. For the pixels of one border class
//! the difference from the network's sum is a constant of the output channel; it goes into the
//! bias, and [`StemOffsets`] keeps it for whoever looks at the sums.

use super::Contents;
use super::steps::{LaneWeight, ScheduledStep, group_words, plane_pairs};
use crate::plan::Plan;
use crate::plan::bands::Rows;
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Network, OpKind, ValueType};
use heartbit_ir::program::{ArrayConfig, Borders, IMAGE_CHANNELS, ImageStep};

/// Bits of a pixel.
const PIXEL_BITS: usize = 8;
/// Value of a pixel outside the image as the array sees it, and the negative of the constant.
const OUTSIDE: i64 = -255;

/// What has to be added to the array's sums of the stem, for each border class and channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StemOffsets {
    /// Which pixels are in which class.
    pub borders: Borders,
    /// `class · channels + channel`.
    pub offsets: Vec<i64>,
}

/// The stem of a network on an array.
pub(super) struct Stem<'a> {
    array: ArrayConfig,
    pub(super) image: ValueType,
    pub(super) out: ValueType,
    pub(super) weights: &'a Levels,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// The steps of a tile.
    pub(super) steps: Vec<ScheduledStep>,
    /// Steps, each as often as it counts after all doublings.
    weighted_steps: i64,
}

/// A step before its lanes are known: the bit planes and the first row.
struct Part {
    pairs: [Option<(usize, usize)>; 2],
    ky: usize,
    n_rows: usize,
    /// Which lanes of the vector.
    index: usize,
}

impl<'a> Stem<'a> {
    pub(super) fn new(network: &'a Network, plan: &Plan, array: &ArrayConfig) -> Self {
        let reads_image = |kind: &OpKind| matches!(kind, OpKind::Conv { input: 0, .. });
        let conv = network.ops.iter().position(|op| reads_image(&op.kind));
        let conv = conv.expect("bug: a plan's image is read by a convolution");
        let OpKind::Conv { weights, kernel, stride, .. } = &network.ops[conv].kind else {
            unreachable!("bug: a convolution");
        };
        let mut stem = Self {
            array: *array,
            image: plan.types[0],
            out: plan.types[conv],
            weights,
            kernel: *kernel,
            stride: *stride,
            steps: Vec::new(),
            weighted_steps: 0,
        };
        stem.schedule();
        stem
    }

    fn pad(&self) -> usize {
        (self.kernel - 1) / 2
    }

    fn pixel_channels(&self) -> usize {
        self.image.channels - 1
    }

    /// Tiles of an output row, which are windows of an image row.
    pub(super) fn row_tiles(&self) -> usize {
        self.out.width.div_ceil(self.array.rows)
    }

    /// Lists the steps of a tile.
    fn schedule(&mut self) {
        let pairs: Vec<_> = plane_pairs(PIXEL_BITS, self.weights.bits() as usize).collect();
        for same_weight in pairs.chunk_by(|a, b| a.0 == b.0) {
            let mut double = !self.steps.is_empty();
            for pairs in self.share_steps(same_weight) {
                for ky in (0..self.kernel).step_by(3) {
                    for index in 0..self.parts() {
                        let n_rows = (self.kernel - ky).min(3);
                        double &= !self.push(&Part { pairs, ky, n_rows, index }, double);
                    }
                }
            }
        }
    }

    /// Parts of a vector, of a word each.
    fn parts(&self) -> usize {
        let elements = self.array.stem_planes() * self.array.stem_group_stride(self.kernel);
        elements.div_ceil(self.array.lanes)
    }

    /// Adds a step if it uses a lane; returns whether it does.
    fn push(&mut self, part: &Part, double: bool) -> bool {
        let lanes = self.lanes(part);
        if lanes.is_empty() {
            return false;
        }
        let word = self.step(part, double).encode();
        let words = group_words(self.array.taps, |_| word);
        self.steps.push(ScheduledStep { words, lanes });
        self.weighted_steps = self.weighted_steps * if double { 2 } else { 1 } + 1;
        true
    }

    /// Groups plane pairs of one weight into steps: with two slot groups, one of even and one of
    /// odd planes; neighbours differ in parity.
    fn share_steps(&self, pairs: &[(usize, usize, usize)]) -> Vec<[Option<(usize, usize)>; 2]> {
        let pair = |p: &(usize, usize, usize)| (p.1, p.2);
        if self.array.stem_planes() == 1 {
            return pairs.iter().map(|p| [Some(pair(p)), None]).collect();
        }
        pairs
            .chunks(2)
            .map(|chunk| {
                let mut slots = [None; 2];
                for p in chunk {
                    slots[p.1 % 2] = Some(pair(p));
                }
                slots
            })
            .collect()
    }

    fn step(&self, part: &Part, double: bool) -> ImageStep {
        let narrow = |v: usize| u8::try_from(v).expect("bug: small");
        let signed = |v: usize| i8::try_from(v).expect("bug: small");
        ImageStep {
            planes: part.pairs.map(|pair| pair.map(|(plane, _)| narrow(plane))),
            n_rows: narrow(part.n_rows),
            part: narrow(part.index),
            dy: signed(part.ky) - signed(self.pad()),
            double,
            tap_first: true,
        }
    }

    fn lanes(&self, part: &Part) -> Vec<LaneWeight> {
        let group_stride = self.array.stem_group_stride(self.kernel);
        let mut lanes = Vec::new();
        for (e, pair) in part.pairs.iter().enumerate() {
            let Some((_, plane)) = *pair else { continue };
            for d in 0..part.n_rows {
                for kx in 0..self.kernel {
                    for c in 0..self.pixel_channels() {
                        let row = d * IMAGE_CHANNELS * self.kernel;
                        let at = e * group_stride + row + IMAGE_CHANNELS * kx + c;
                        if at / self.array.lanes == part.index {
                            lanes.push(LaneWeight {
                                lane: at % self.array.lanes,
                                plane,
                                row: (part.ky + d) * self.kernel + kx,
                                column: c,
                            });
                        }
                    }
                }
            }
        }
        lanes
    }

    /// Products that every step counts: at least as many as its lanes, so that neither count of a
    /// sum exceeds the other's bits.
    pub(super) fn fan_in(&self) -> usize {
        self.steps.iter().map(|step| step.lanes.len()).max().unwrap_or(0)
    }

    /// The largest count that an accumulator holds.
    pub(super) fn largest_count(&self) -> i64 {
        self.weighted_steps * i64::try_from(self.fan_in()).expect("bug: small")
    }

    /// Rows and columns whose windows leave the image.
    fn borders(&self) -> Borders {
        let along = |out: usize, size: usize| {
            let before = (0..out).filter(|y| y * self.stride < self.pad()).count();
            let after = (0..out).filter(|y| y * self.stride + self.pad() >= size).count();
            let narrow = |n: usize| u8::try_from(n).expect("bug: at most 3 rows of a 7x7 kernel");
            (narrow(before), narrow(after))
        };
        let (top, bottom) = along(self.out.height, self.image.height);
        let (left, right) = along(self.out.width, self.image.width);
        Borders { top, bottom, left, right }
    }

    /// The borders of some rows of the result as if they were all, and the first of all classes that
    /// their pixels are in.
    pub(super) fn classes_of(&self, rows: Rows) -> (Borders, usize) {
        let all = self.borders();
        if rows == Rows::whole(self.out.height) {
            return (all, 0);
        }
        let class =
            |y: usize| all.class(y, 0, self.out.height, self.out.width) / all.column_classes();
        let (first, last) = (class(rows.first), class(rows.end - 1));
        let inner = usize::from(all.top).clamp(first, last);
        let narrow = |n: usize| u8::try_from(n).expect("bug: at most 3 rows of a 7x7 kernel");
        let borders = Borders { top: narrow(inner - first), bottom: narrow(last - inner), ..all };
        (borders, first * all.column_classes())
    }

    /// What the array's sums lack; where words are only counted, no more than the classes of it.
    pub(super) fn offsets(&self, contents: Contents) -> StemOffsets {
        let borders = self.borders();
        if contents == Contents::Counted {
            return StemOffsets { borders, offsets: Vec::new() };
        }
        let channels = self.out.channels;
        let mut offsets = vec![0; borders.classes() * channels];
        let weights = self.weights.to_values();
        let levels = |o: usize, tap: usize, c: usize| {
            let row = o * self.kernel * self.kernel + tap;
            i64::from(weights[row * self.image.channels + c])
        };
        let counted = self.largest_count() - self.products();
        for (y, x) in self.representatives(borders) {
            let class = borders.class(y, x, self.out.height, self.out.width);
            for o in 0..channels {
                let mut offset = counted;
                for tap in 0..self.kernel * self.kernel {
                    offset += if self.inside(y, x, tap) {
                        -OUTSIDE * levels(o, tap, self.pixel_channels())
                    } else {
                        let pixels = (0..self.pixel_channels()).map(|c| levels(o, tap, c));
                        -OUTSIDE * pixels.sum::<i64>()
                    };
                }
                offsets[class * channels + o] = offset;
            }
        }
        StemOffsets { borders, offsets }
    }

    /// Products of the lanes of all steps, with their weights.
    fn products(&self) -> i64 {
        let (pixel, weight) = ((1 << PIXEL_BITS) - 1, (1_i64 << self.weights.bits()) - 1);
        let lanes = self.kernel * self.kernel * self.pixel_channels();
        pixel * weight * i64::try_from(lanes).expect("bug: small")
    }

    /// One pixel of each class.
    fn representatives(&self, borders: Borders) -> Vec<(usize, usize)> {
        let along = |out: usize, before: u8, after: u8| {
            let middle = usize::from(before);
            let kept = move |y: &usize| *y <= middle || *y + usize::from(after) >= out;
            (0..out).filter(kept).collect::<Vec<_>>()
        };
        let rows = along(self.out.height, borders.top, borders.bottom);
        let columns = along(self.out.width, borders.left, borders.right);
        rows.iter().flat_map(|&y| columns.iter().map(move |&x| (y, x))).collect()
    }

    fn inside(&self, y: usize, x: usize, tap: usize) -> bool {
        let within = |at: usize, k: usize, size: usize| {
            (at * self.stride + k).checked_sub(self.pad()).is_some_and(|at| at < size)
        };
        within(y, tap / self.kernel, self.image.height)
            && within(x, tap % self.kernel, self.image.width)
    }
}
