//! Layers that read levels with weights of several bits: sums of products of small integers.
//!
//! A word that is read in several steps counts in all of them, so each of its lanes has a factor in
//! each column: `2^doublings`, summed over these steps with the signs of the weight bits. Words whose
//! factors are those of another word times a power of two, as the planes of a map are, are added up,
//! each worth that power, and meet the factors once. The sum is exact, whatever is added up.

use super::blocks::Blocks;
use super::copies::{Copies, limb};
use super::map::Part;
use super::products::{Element, Elements, Panel, Products};
use super::weights::Weights;
use crate::plan::{LayerPlan, Plan};
use crate::step::Tap;

/// A word that is read.
#[derive(Debug)]
struct Read {
    runs: Vec<Run>,
    /// What a bit is worth, as a power of two.
    exponent: u32,
}

/// Lanes of a limb that are elements of the panel.
#[derive(Debug)]
struct Run {
    limb: usize,
    low: u32,
    lanes: usize,
    /// The element that the first lane is added to.
    element: usize,
}

/// The runs of ones of a mask; the first one is `element`.
fn runs(mask: &[u64], mut element: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    for (limb, &mask) in mask.iter().enumerate() {
        let mut mask = mask;
        while mask != 0 {
            let low = mask.trailing_zeros();
            let lanes = (mask >> low).trailing_ones();
            runs.push(Run { limb, low, lanes: lanes as usize, element });
            element += lanes as usize;
            mask &= !(u64::MAX >> (64 - lanes) << low);
        }
    }
    runs
}

/// Words that meet the same factors.
struct Group {
    mask: Vec<u64>,
    /// Factor of lane `l`, column `c` at `l·columns + c`.
    factors: Vec<i32>,
    /// The largest value of an element, and the first one.
    most: i64,
    element: usize,
}

/// A layer that reads levels.
#[derive(Debug)]
pub(super) struct Levels {
    reads: Vec<Read>,
    copies: Copies,
    pub(super) products: Products,
    /// What the kernels of bits would count for each column if all bits were 0, modulo 2^32.
    pub(super) zeros: Vec<u32>,
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
            reads.push(Read { runs: runs(&tap.mask, element), exponent });
            taps.push(tap);
            if elements.div_ceil(2) > most_pairs || most > i16::MAX.into() {
                return None;
            }
        }
        let places: Vec<(&Group, usize)> = groups
            .iter()
            .flat_map(|group| (0..group.factors.len() / columns).map(move |i| (group, i)))
            .collect();
        let most: Vec<i64> = places.iter().map(|(group, _)| group.most).collect();
        let products = Products::new(blocks, &most, |column, element| {
            let (group, i) = places[element];
            // The kernel sums what is subtracted from the constant.
            -i64::from(group.factors[i * columns + column])
        })?;
        let copies = Copies::new(plan, layer, chunk_tiles, &taps);
        Some(Self { reads, copies, products, zeros })
    }

    /// Gathers the levels of a chunk; `panel` has room for `pixels`.
    pub(super) fn gather(
        &self,
        chunk: usize,
        activation: &[u8],
        (panel, pixels): (&mut Panel, usize),
    ) {
        match self.products.elements(panel, pixels) {
            Elements::Words(to) => self.add_levels(chunk, activation, to),
            Elements::Bytes(to) => self.add_levels(chunk, activation, to),
        }
    }

    fn add_levels<T: Element>(&self, chunk: usize, activation: &[u8], to: &mut [T]) {
        to.fill(T::default());
        let pitch = self.products.pitch();
        for copy in self.copies.of_chunk(chunk) {
            let read = &self.reads[copy.tap as usize];
            let first = copy.pixel as usize * pitch;
            let (banks, bank_bytes) = self.copies.banks(copy, activation);
            for (row, bank) in banks.chunks_exact(bank_bytes).enumerate() {
                let pixel = &mut to[first + row * pitch..][..pitch];
                for run in &read.runs {
                    let bits = limb(bank, run.limb) >> run.low;
                    T::add_bits(&mut pixel[run.element..][..run.lanes], bits, read.exponent);
                }
            }
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
