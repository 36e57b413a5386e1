//! Layers that read a map: their words, gathered into panels, and their weights.
//!
//! When a program is loaded, every step becomes *pieces*, runs of lanes that hold data, packed
//! tightly one behind the other; what the lanes without data add is constant. Steps between two
//! doublings are a [`Segment`]. Maps of levels are multiplied as integers where that is less work
//! (`levels`).

use super::blocks::Blocks;
use super::copies::{Copies, MAX_COPIES, limb};
use super::levels::Levels;
use super::products::{Panel, Products};
use super::weights::Weights;
use crate::error::Error;
use crate::kernels::{Kernels, LANES, PIXELS, Segment, SumBlock, WordBlock};
use crate::plan::{LayerPlan, Plan};
use crate::step::{Op, Source, Tap};
use std::ops::{Range, RangeInclusive};

/// Lanes of a word that go to bits of a panel's word.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Limb of the word, and its first bit there.
    limb: usize,
    low: u32,
    /// As many ones as there are bits.
    mask: u64,
    /// Word of a pixel in the panel, and the first bit there.
    word: usize,
    at: u32,
}

/// A tap of a step.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pieces: Range<usize>,
    pub(super) step: usize,
    /// Doublings that follow.
    doublings: u32,
    pub(super) tap: Tap,
}

impl Part {
    /// What a match is worth, modulo 2^32.
    pub(super) fn worth(&self) -> u32 {
        1u32.checked_shl(self.doublings).unwrap_or(0)
    }
}

/// A layer that reads a map.
#[derive(Debug)]
pub(super) struct MapSource {
    pieces: Vec<Piece>,
    parts: Vec<Part>,
    segments: Vec<Segment>,
    /// Word `k` of block `b` at `b·words + k`.
    weights: Vec<WordBlock>,
    how: How,
}

/// How the parts are multiplied.
#[derive(Debug)]
enum How {
    /// Bit by bit.
    Bits(Copies),
    /// As small integers.
    Levels(Levels),
}

/// What is constant in the sums of a column, for the pixels at one position.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Constants {
    /// Matches, if no bit of the panel differs, modulo 2^32.
    pub(super) matches: u32,
    /// Products: `n`, modulo 2^32.
    pub(super) products: u32,
}

/// The parts of all steps.
#[derive(Default)]
struct Parts {
    pieces: Vec<Piece>,
    list: Vec<Part>,
    segments: Vec<Segment>,
}

impl Parts {
    fn add_steps(&mut self, ops: &[Op]) {
        let doublings = |from: usize| ops[from..].iter().filter(|op| op.double).count();
        // The bit that the next piece takes, and the doublings behind the segment so far.
        let (mut bit, mut last) = (0, None);
        for (step, op) in ops.iter().enumerate() {
            let Source::Map { taps, .. } = &op.source else { continue };
            let later = u32::try_from(doublings(step + 1)).expect("bug: at most 2^16 steps");
            for tap in taps {
                if tap.y.is_empty() || tap.x.is_empty() {
                    // What it counts where it is valid, which is nowhere.
                    continue;
                }
                if last != Some(later) && tap.mask.iter().any(|&mask| mask != 0) {
                    if let (Some(segment), Some(last)) = (self.segments.last_mut(), last) {
                        segment.doublings = last - later;
                    }
                    let words = self.segments.iter().map(|segment| segment.words).sum::<usize>();
                    self.segments.push(Segment { words: 0, doublings: later });
                    (bit, last) = (64 * words, Some(later));
                }
                let first = self.pieces.len();
                for (limb, &mask) in tap.mask.iter().enumerate() {
                    self.add_pieces(limb, mask, &mut bit);
                }
                self.list.push(Part {
                    pieces: first..self.pieces.len(),
                    step,
                    doublings: later,
                    tap: tap.clone(),
                });
            }
        }
    }

    fn add_pieces(&mut self, limb: usize, mut mask: u64, bit: &mut usize) {
        while mask != 0 {
            let low = mask.trailing_zeros();
            let run = (mask >> low).trailing_ones();
            let at = u32::try_from(*bit % 64).expect("bug: below 64");
            let bits = run.min(64 - at);
            let ones = u64::MAX >> (64 - bits);
            if at == 0 {
                self.segments.last_mut().expect("bug: a segment has begun").words += 1;
            }
            self.pieces.push(Piece { limb, low, mask: ones, word: *bit / 64, at });
            *bit += bits as usize;
            mask &= !(ones << low);
        }
    }
}

impl MapSource {
    /// Prepares a layer whose chunks are `chunk_tiles` rows of tiles.
    pub(super) fn new(
        plan: &Plan,
        layer: &LayerPlan,
        (index, chunk_tiles): (usize, usize),
        (weights, blocks): (Weights<'_>, Blocks),
    ) -> Result<Self, Error> {
        let mut parts = Parts::default();
        parts.add_steps(&layer.ops);
        let Parts { pieces, list: parts, segments } = parts;
        let tiles = layer.tile_rows * usize::from(layer.d.row_tiles);
        if (parts.len() * (plan.rows + 1)).saturating_mul(tiles) > MAX_COPIES {
            return Err(Error::Fast { layer: index, rule: "it has too many steps" });
        }
        let words: usize = segments.iter().map(|segment| segment.words).sum();
        let mut levels = None;
        if segments.len() > 1 {
            // A word costs as much as about three pairs.
            let to = (weights, blocks);
            levels = Levels::new(plan, layer, chunk_tiles, &parts, to, 2 * words);
        }
        let how = levels.map_or_else(
            || {
                let taps: Vec<&Tap> = parts.iter().map(|part| &part.tap).collect();
                How::Bits(Copies::new(plan, layer, chunk_tiles, &taps))
            },
            How::Levels,
        );
        let mut source = Self { pieces, parts, segments, weights: Vec::new(), how };
        if source.words() > 0 {
            source.add_weights(weights, blocks);
        }
        Ok(source)
    }

    /// Words of a pixel in all segments, 0 where there are products.
    pub(super) fn words(&self) -> usize {
        match self.how {
            How::Bits(_) => self.segments.iter().map(|segment| segment.words).sum(),
            How::Levels(_) => 0,
        }
    }

    /// The products, where there are no words.
    pub(super) fn products(&self) -> Option<&Products> {
        match &self.how {
            How::Bits(_) => None,
            How::Levels(levels) => Some(&levels.products),
        }
    }

    fn add_weights(&mut self, weights: Weights<'_>, blocks: Blocks) {
        let words = self.words();
        self.weights = vec![[0; LANES]; words * blocks.len()];
        for block in 0..blocks.len() {
            let (ct, first) = blocks.place(block);
            for lane in 0..blocks.live(block) {
                for part in &self.parts {
                    let from = weights.word(ct, part.step, first + lane);
                    for piece in &self.pieces[part.pieces.clone()] {
                        let bits = from[piece.limb] >> piece.low & piece.mask;
                        self.weights[block * words + piece.word][lane] |= bits << piece.at;
                    }
                }
            }
        }
    }

    /// Gathers what a chunk of so many pixels reads: words, or elements of products.
    pub(super) fn gather(
        &self,
        (chunk, pixels): (usize, usize),
        activation: &[u8],
        words: &mut [u64],
        panel: &mut Panel,
    ) {
        match &self.how {
            How::Bits(copies) => self.gather_bits(copies, chunk, activation, words),
            How::Levels(levels) => levels.gather(chunk, activation, (panel, pixels)),
        }
    }

    fn gather_bits(&self, copies: &Copies, chunk: usize, activation: &[u8], panel: &mut [u64]) {
        panel.fill(0);
        let words = self.words();
        for copy in copies.of_chunk(chunk) {
            let part = &self.parts[copy.tap as usize];
            for piece in &self.pieces[part.pieces.clone()] {
                let first = copy.pixel as usize * words + piece.word;
                let banks = copies.banks(copy, activation);
                if piece.mask == u64::MAX {
                    // The whole word of the panel, and nothing else writes it.
                    let whole = |to: &mut u64, bits| *to = bits;
                    each_limb(banks, piece.limb, &mut panel[first..], words, whole);
                } else {
                    each_limb(banks, piece.limb, &mut panel[first..], words, |to, bits| {
                        *to |= (bits >> piece.low & piece.mask) << piece.at;
                    });
                }
            }
        }
    }

    /// Computes what is subtracted from the constants.
    pub(super) fn multiply(
        &self,
        kernels: Kernels,
        words: &[u64],
        (panel, pixels): (&Panel, usize),
        out: &mut [SumBlock],
    ) {
        match &self.how {
            How::Levels(levels) => levels.products.multiply(kernels, panel, pixels, out),
            How::Bits(_) if self.weights.is_empty() => out.fill([0; LANES]),
            How::Bits(_) => kernels.count(words, &self.weights, &self.segments, out),
        }
    }

    /// Cuts the output lines, or columns, where taps begin and end to be valid.
    pub(super) fn cuts(&self) -> [Vec<usize>; 2] {
        let along = |range: fn(&Tap) -> &Range<usize>| {
            let ends = self.parts.iter().flat_map(|part| {
                let Range { start, end } = *range(&part.tap);
                [start, end]
            });
            let mut cuts: Vec<usize> = ends.collect();
            cuts.sort_unstable();
            cuts.dedup();
            cuts
        };
        [along(|tap| &tap.y), along(|tap| &tap.x)]
    }

    /// Returns the constants of a column at an output pixel.
    pub(super) fn constants(
        &self,
        weights: Weights<'_>,
        ((ct, column), channel): ((usize, usize), usize),
        (y, x): (usize, usize),
    ) -> Constants {
        let mut all = Constants::default();
        for part in &self.parts {
            let (tap, worth) = (&part.tap, part.worth());
            let word = weights.word(ct, part.step, column);
            let lanes = word.iter().zip(&tap.lanes).zip(&tap.mask);
            let mut matches = 0;
            if tap.y.contains(&y) && tap.x.contains(&x) {
                for ((&weight, &lanes), &mask) in lanes {
                    // Lanes that hold data match unless they differ; the others hold 0.
                    matches += mask.count_ones() + (!weight & lanes & !mask).count_ones();
                }
                all.products = all.products.wrapping_add(tap.products.wrapping_mul(worth));
            } else {
                // The panel holds zeros, and nothing counts.
                matches += lanes.map(|((&w, _), &mask)| (w & mask).count_ones()).sum::<u32>();
            }
            all.matches = all.matches.wrapping_add(matches.wrapping_mul(worth));
        }
        if let How::Levels(levels) = &self.how {
            all.matches = all.matches.wrapping_sub(levels.zeros[channel]);
        }
        all
    }

    /// The smallest and the largest number that is subtracted from the constant.
    pub(super) fn range(&self, channel: usize) -> RangeInclusive<i64> {
        if let How::Levels(levels) = &self.how {
            return levels.products.range(channel);
        }
        let ones = |part: &Part| {
            let lanes: u32 = part.tap.mask.iter().map(|mask| mask.count_ones()).sum();
            i64::from(lanes) << part.doublings
        };
        // Counts have at most 32 bits, so there are at most 31 doublings.
        0..=self.parts.iter().map(ones).sum()
    }
}

/// Works on a limb of each bank, and on a word of the panel for each, `words` behind the one before.
#[inline]
fn each_limb(
    (banks, bank_bytes): (&[u8], usize),
    index: usize,
    panel: &mut [u64],
    words: usize,
    work: impl Fn(&mut u64, u64),
) {
    let mut to = 0;
    if bank_bytes == 8 {
        for bank in banks.as_chunks().0 {
            work(&mut panel[to], u64::from_le_bytes(*bank));
            to += words;
        }
        return;
    }
    for bank in banks.chunks_exact(bank_bytes) {
        work(&mut panel[to], limb(bank, index));
        to += words;
    }
}

/// Pixels that a kernel computes for so many pixels of a chunk.
pub(super) fn padded(pixels: usize) -> usize {
    pixels.next_multiple_of(PIXELS)
}
