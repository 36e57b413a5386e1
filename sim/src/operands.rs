//! What the rows of the array meet in a step: words of a map, or bits of the image.
//!
//! Sections 4.1 and 4.2 of microarchitecture.md. Here a step reads the memories as they are; that
//! they are as of the cycle in which the hardware reads, the caller sees to. Words are repeated in
//! every field of 64 bits, as `array` counts them.

use crate::array::GROUP;
use crate::memory::Memories;
use crate::plan::{LayerPlan, Plan};
use crate::rows::Rows;
use crate::sequencer::Issue;
use crate::step::{ImageRead, Source, Tap, stride};
use std::ops::Range;

/// Operand words of all rows.
#[derive(Clone, Debug)]
pub(crate) struct Operands {
    /// Limb `l` of row group `g` at `l·groups + g`.
    pub(crate) words: Vec<[u64; GROUP]>,
    /// Ones in the lanes that are counted, laid out alike; lanes that do not exist may be ones.
    pub(crate) valid: Vec<[u64; GROUP]>,
    /// The rows of which `valid` holds all lanes, if it holds nothing else.
    whole: Option<Rows>,
    /// Rows in a limb, a multiple of [`GROUP`].
    padded: usize,
}

impl Operands {
    pub(crate) fn new(plan: &Plan) -> Self {
        let groups = plan.rows.div_ceil(GROUP);
        Self {
            words: vec![[0; GROUP]; plan.limbs * groups],
            valid: vec![[0; GROUP]; plan.limbs * groups],
            whole: Some(Rows::default()),
            padded: groups * GROUP,
        }
    }

    /// A limb of the word of a row, repeated in every field.
    pub(crate) fn word(&self, limb: usize, row: usize) -> u64 {
        self.words.as_flattened()[limb * self.padded + row]
    }

    /// Reads the words of a step and counts its products; returns whether any lane is valid.
    pub(crate) fn read(&mut self, step: &Step<'_>, products: &mut [u32]) -> bool {
        match &step.layer.ops[step.at.step].source {
            Source::Map { taps, all } => match taps.as_slice() {
                [tap] if *all => self.read_word(step, tap, products),
                taps => self.read_words(step, taps, *all, products),
            },
            Source::Image(read) => {
                self.read_image(step, read);
                for n in products {
                    *n += read.products;
                }
                true
            }
        }
    }

    /// Reads a tap of all lane groups.
    fn read_word(&mut self, step: &Step<'_>, tap: &Tap, products: &mut [u32]) -> bool {
        let rows = step.rows(tap);
        if rows.is_empty() {
            return false;
        }
        self.set_whole(rows);
        for rows in rows.ranges() {
            products[rows.clone()].iter_mut().for_each(|n| *n += tap.products);
            self.rotate::<false>(step, tap, rows);
        }
        true
    }

    /// Reads the taps of different lane groups; `all` where every group has one.
    fn read_words(
        &mut self,
        step: &Step<'_>,
        taps: &[Tap],
        all: bool,
        products: &mut [u32],
    ) -> bool {
        let full = Rows::all(step.plan.rows);
        if all && taps.iter().all(|tap| step.rows(tap) == full) {
            self.set_whole(full);
        } else {
            self.whole = None;
            self.valid.fill([0; GROUP]);
        }
        self.words.fill([0; GROUP]);
        let mut any = false;
        for tap in taps {
            for rows in step.rows(tap).ranges() {
                any = true;
                products[rows.clone()].iter_mut().for_each(|n| *n += tap.products);
                if self.whole.is_none() {
                    let valid = self.valid.as_flattened_mut().chunks_exact_mut(self.padded);
                    for (limb, &lanes) in valid.zip(&tap.lanes) {
                        let lanes = lanes.wrapping_mul(step.plan.repeat);
                        limb[rows.clone()].iter_mut().for_each(|valid| *valid |= lanes);
                    }
                }
                self.rotate::<true>(step, tap, rows);
            }
        }
        any
    }

    /// Makes all lanes of some rows valid.
    fn set_whole(&mut self, rows: Rows) {
        if self.whole == Some(rows) {
            return;
        }
        for limb in self.valid.as_flattened_mut().chunks_exact_mut(self.padded) {
            limb.fill(0);
            rows.ranges().for_each(|rows| limb[rows].fill(u64::MAX));
        }
        self.whole = Some(rows);
    }

    /// Reads the words of rows, run by run.
    fn rotate<const MERGE: bool>(&mut self, step: &Step<'_>, tap: &Tap, rows: Range<usize>) {
        let tile = step.tile_address();
        for run in &tap.runs {
            let rows = rows.start.max(run.rows.start)..rows.end.min(run.rows.end);
            if !rows.is_empty() {
                let bank = run.bank + rows.start - run.rows.start;
                let address = tile.wrapping_add_signed(run.offset) & 0xffff;
                self.fetch::<MERGE>(step, tap, rows, bank, address);
            }
        }
    }

    /// Reads and masks the words of rows that are in neighbouring banks; with `MERGE` other lanes
    /// keep theirs.
    fn fetch<const MERGE: bool>(
        &mut self,
        step: &Step<'_>,
        tap: &Tap,
        rows: Range<usize>,
        bank: usize,
        address: usize,
    ) {
        let plan = step.plan;
        let words = step.from.activation_words(address, bank, rows.len());
        let limbs = self.words.as_flattened_mut().chunks_exact_mut(self.padded);
        for (l, (limb, mask)) in limbs.zip(&tap.mask).enumerate() {
            if MERGE && *mask == 0 {
                continue;
            }
            let words = words[l..].iter().step_by(plan.limbs);
            for (operand, &word) in limb[rows.clone()].iter_mut().zip(words) {
                let word = (word & mask).wrapping_mul(plan.repeat);
                *operand = if MERGE { *operand | word } else { word };
            }
        }
    }

    /// Puts the words of all rows together from the image.
    fn read_image(&mut self, step: &Step<'_>, read: &ImageRead) {
        let Step { plan, layer, at, from } = step;
        self.set_whole(Rows::all(plan.rows));
        self.words.fill([0; GROUP]);
        let words = self.words.as_flattened_mut();
        let first = usize::from(layer.d.in_base) + at.t * stride(&layer.d);
        for piece in &read.pieces {
            let y = first.checked_add_signed(read.dy + piece.row);
            let Some(y) = y.filter(|&y| y < usize::from(layer.d.in_height)) else { continue };
            let bits = from.image.row(piece.plane, y, at.xt * plan.rows, plan.rows);
            for (word, &bits) in words[piece.limb * self.padded..].iter_mut().zip(bits) {
                *word |= (u64::from(bits) >> piece.from & piece.mask) << piece.at;
            }
        }
        if plan.repeat != 1 {
            for word in words {
                *word = word.wrapping_mul(plan.repeat);
            }
        }
    }
}

/// What is common to all rows of a step.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) layer: &'a LayerPlan,
    pub(crate) at: &'a Issue,
    pub(crate) from: &'a Memories,
}

impl Step<'_> {
    /// Rows with a valid tap.
    fn rows(&self, tap: &Tap) -> Rows {
        tap.rows((self.at.t, self.at.xt), self.layer.lines, self.layer.pitch)
    }

    /// The tile's address, not wrapped.
    fn tile_address(&self) -> usize {
        let d = &self.layer.d;
        let words = |count: usize, words: u16| count * usize::from(words);
        usize::from(d.in_base) + words(self.at.t, d.in_y_words) + words(self.at.xt, d.in_xt_words)
    }
}
