//! Layers that read levels with weights of several bits: sums of products of small integers.
//!
//! A word that is read in several steps counts in all of them, so each of its lanes has a factor in
//! each column: `2^doublings`, summed over these steps with the signs of the weight bits. Words whose
//! factors are those of another word times a power of two, as the planes of a map are, are added up,
//! each worth that power, and meet the factors once. The sum is exact, whatever is added up.

use super::blocks::Blocks;
use super::copies::{Copies, limb};
use super::map::Part;
use super::weights::Weights;
use crate::kernels::{Kernels, LANES, PairBlock, SumBlock};
use crate::plan::{LayerPlan, Plan};
use crate::step::Tap;
use std::ops::RangeInclusive;

/// A word that is read.
#[derive(Debug)]
struct Read {
    mask: Vec<u64>,
    /// The element of the panel that its first lane is added to, and what it is worth there.
    element: usize,
    exponent: u32,
}

/// Words that meet the same factors.
struct Group {
    mask: Vec<u64>,
    /// Factor of lane `l`, column `c` at `l·columns + c`.
    factors: Vec<i32>,
    /// The largest value of an element.
    most: i64,
    element: usize,
}

/// A layer that reads levels.
#[derive(Debug)]
pub(super) struct Levels {
    reads: Vec<Read>,
    copies: Copies,
    pairs: usize,
    /// Pair `k` of block `b` at `b·pairs + k`.
    weights: Vec<PairBlock>,
    /// What the kernels of bits would count for each column if all bits were 0, modulo 2^32.
    pub(super) zeros: Vec<u32>,
    /// Smallest and largest sum of each column.
    pub(super) ranges: Vec<RangeInclusive<i64>>,
}

impl Levels {
    /// Prepares a layer; `None` if a number does not fit, or more than `most_pairs` would be needed.
    pub(super) fn new(
        plan: &Plan,
        layer: &LayerPlan,
        chunk_tiles: usize,
        parts: &[Part],
        (weights, blocks): (Weights<'_>, Blocks),
        most_pairs: usize,
    ) -> Option<Self> {
        let columns = blocks.tiles * blocks.cols;
        let word = |part: &Part, column: usize| {
            weights.word(column / blocks.cols, part.step, column % blocks.cols)
        };
        let ones = |part: &Part, column: usize| {
            let lanes = word(part, column).iter().zip(&part.tap.mask);
            let ones: u32 = lanes.map(|(word, mask)| (word & mask).count_ones()).sum();
            ones.wrapping_mul(part.worth())
        };
        let zeros = (0..columns).map(|column| {
            parts.iter().fold(0u32, |sum, part| sum.wrapping_add(ones(part, column)))
        });
        let zeros: Vec<u32> = zeros.collect();
        let (mut groups, mut reads, mut taps) = (Vec::<Group>::new(), Vec::new(), Vec::new());
        let mut elements = 0;
        for same in same_reads(parts) {
            let tap: &Tap = &same[0].tap;
            let factors = factors(&same, columns, word)?;
            let exponent = factors.iter().map(|f| f.trailing_zeros()).min().unwrap_or(32);
            if exponent >= 32 {
                continue;
            }
            let factors: Vec<i32> = factors.into_iter().map(|factor| factor >> exponent).collect();
            let most = 1i64 << exponent;
            let fits = |group: &&mut Group| {
                group.mask == tap.mask
                    && group.most + most <= i16::MAX.into()
                    && group.factors == factors
            };
            let element = if let Some(group) = groups.iter_mut().find(fits) {
                group.most += most;
                group.element
            } else {
                let (mask, element) = (tap.mask.clone(), elements);
                elements += mask.iter().map(|mask| mask.count_ones() as usize).sum::<usize>();
                groups.push(Group { mask, factors, most, element });
                element
            };
            reads.push(Read { mask: tap.mask.clone(), element, exponent });
            taps.push(tap);
            if elements.div_ceil(2) > most_pairs || most > i16::MAX.into() {
                return None;
            }
        }
        let mut levels = Self {
            reads,
            copies: Copies::new(plan, layer, chunk_tiles, &taps),
            pairs: elements.div_ceil(2),
            weights: Vec::new(),
            zeros,
            ranges: vec![0..=0; columns],
        };
        levels.set_weights(&groups, blocks).then_some(levels)
    }

    /// Makes the weights of the kernel; returns whether they fit.
    fn set_weights(&mut self, groups: &[Group], blocks: Blocks) -> bool {
        let columns = self.ranges.len();
        self.weights = vec![[0; 2 * LANES]; self.pairs * blocks.len()];
        for block in 0..blocks.len() {
            for lane in 0..blocks.live(block) {
                let column = blocks.channel(block) + lane;
                let (mut low, mut high) = (0, 0);
                for group in groups {
                    for (i, factors) in group.factors.chunks_exact(columns).enumerate() {
                        // The kernel sums what is subtracted from the constant.
                        let Ok(factor) = i16::try_from(-factors[column]) else { return false };
                        let end = i64::from(factor) * group.most;
                        (low, high) = (low + end.min(0), high + end.max(0));
                        let element = group.element + i;
                        let pair = &mut self.weights[block * self.pairs + element / 2];
                        pair[2 * lane + element % 2] = factor;
                    }
                }
                self.ranges[column] = low..=high;
            }
        }
        true
    }

    /// Pairs of factors of a pixel.
    pub(super) fn pairs(&self) -> usize {
        self.pairs
    }

    /// Gathers the levels of a chunk; `panel` holds the pairs of all its pixels.
    pub(super) fn gather(&self, chunk: usize, activation: &[u8], panel: &mut [[i16; 2]]) {
        panel.fill([0; 2]);
        let elements = panel.as_flattened_mut();
        for (copy, banks) in self.copies.of_chunk(chunk, activation) {
            let read = &self.reads[copy.tap as usize];
            let first = copy.pixel as usize * 2 * self.pairs + read.element;
            for (row, bank) in banks.enumerate() {
                let mut at = first + row * 2 * self.pairs;
                for (index, &mask) in read.mask.iter().enumerate() {
                    let n = mask.count_ones() as usize;
                    add_bits(&mut elements[at..][..n], limb(bank, index), mask, read.exponent);
                    at += n;
                }
            }
        }
    }

    /// Sums what is subtracted from the constants.
    pub(super) fn multiply(&self, kernels: Kernels, panel: &[[i16; 2]], out: &mut [SumBlock]) {
        match self.pairs {
            0 => out.fill([0; LANES]),
            pairs => kernels.multiply(panel, &self.weights, pairs, out),
        }
    }
}

/// Parts that read the same words, in order of the first one.
fn same_reads(parts: &[Part]) -> Vec<Vec<&Part>> {
    let mut reads: Vec<Vec<&Part>> = Vec::new();
    for part in parts {
        let same = |read: &&mut Vec<&Part>| {
            let (tap, other) = (&part.tap, &read[0].tap);
            tap.runs == other.runs
                && tap.mask == other.mask
                && (&tap.y, &tap.x) == (&other.y, &other.x)
        };
        match reads.iter_mut().find(same) {
            Some(read) => read.push(part),
            None => reads.push(vec![part]),
        }
    }
    reads
}

/// The factors of a word that some parts read; `None` if one does not fit.
fn factors<'a>(
    parts: &[&Part],
    columns: usize,
    word: impl Fn(&Part, usize) -> &'a [u64],
) -> Option<Vec<i32>> {
    let mask = &parts[0].tap.mask;
    let lanes: Vec<usize> =
        (0..64 * mask.len()).filter(|lane| mask[lane / 64] >> (lane % 64) & 1 == 1).collect();
    let mut factors = vec![0i32; lanes.len() * columns];
    for part in parts {
        let worth = i32::try_from(part.worth()).ok().filter(|&worth| worth > 0)?;
        for column in 0..columns {
            let word = word(part, column);
            for (i, lane) in lanes.iter().enumerate() {
                let one = word[lane / 64] >> (lane % 64) & 1 == 1;
                let factor = &mut factors[i * columns + column];
                *factor = factor.checked_add(if one { worth } else { -worth })?;
            }
        }
    }
    Some(factors)
}

/// Adds the bits of a limb where the mask has ones, each worth 2 to the exponent.
#[inline]
fn add_bits(to: &mut [i16], limb: u64, mut mask: u64, exponent: u32) {
    let bit = |lane: u32| i16::from(limb >> lane & 1 == 1) << exponent;
    if mask == u64::MAX {
        for (lane, to) in (0..).zip(to) {
            *to += bit(lane);
        }
        return;
    }
    for to in to {
        *to += bit(mask.trailing_zeros());
        mask &= mask - 1;
    }
}
