//! The array: operands in, matches out (section 4 and 5.1 of microarchitecture.md).
//!
//! A step is executed at once for all rows and columns, in the cycle in which the sequencer
//! issues it. The skew of rows and columns delays all results alike (section 5.2), and the
//! operand words are those of the cycle after the issue, so nothing visible is lost: `post` sees
//! the sums with the times of the page.

use crate::memory::Memories;
use crate::plan::{LayerPlan, Op, Plan};
use crate::sequencer::Issue;
use std::ops::Range;

/// Accumulators of the tile that is being computed.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    /// Matches of row `r`, column `c` at `r·C + c`, not yet cut to `acc_bits`.
    pub(crate) matches: Vec<u32>,
    /// Products of each row: the count column.
    pub(crate) products: Vec<u32>,
}

impl Array {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { matches: vec![0; plan.rows * plan.cols], products: vec![0; plan.rows] }
    }

    /// Executes one step.
    pub(crate) fn step(&mut self, plan: &Plan, layer: &LayerPlan, at: &Issue, from: &Memories) {
        let op = &layer.ops[at.step];
        if at.step == 0 {
            self.matches.fill(0);
            self.products.fill(0);
        } else if op.double {
            self.matches.iter_mut().chain(&mut self.products).for_each(|acc| *acc *= 2);
        }
        let first = at.xt * plan.rows;
        let rows = op.x.start.saturating_sub(first)..op.x.end.saturating_sub(first).min(plan.rows);
        if rows.is_empty() || !op.y.contains(&at.y) {
            return;
        }
        if op.tap_first {
            let fan_in = u32::from(layer.d.fan_in);
            self.products[rows.clone()].iter_mut().for_each(|n| *n += fan_in);
        }
        let word = usize::from(layer.d.weight_base) + at.ct * layer.ops.len() + at.step;
        let size = plan.limbs * plan.cols;
        let weights = &plan.weights[word * size..][..size];
        let step = Step { plan, layer, op, weights, from };
        self.rotate(&step, rows, step.address(at));
    }

    /// Splits the rows where they wrap around the banks.
    fn rotate(&mut self, step: &Step<'_>, rows: Range<usize>, address: u16) {
        let (last, tile) = (step.plan.rows - 1, step.layer.d.in_xt_words);
        match step.op.shift {
            0 => self.accumulate(step, rows.clone(), rows.start, address),
            1 => {
                let inner = rows.start..rows.end.min(last);
                self.accumulate(step, inner.clone(), inner.start + 1, address);
                if rows.contains(&last) {
                    self.accumulate(step, last..last + 1, 0, address.wrapping_add(tile));
                }
            }
            _ => {
                if rows.start == 0 {
                    self.accumulate(step, 0..1, last, address.wrapping_sub(tile));
                }
                let inner = rows.start.max(1)..rows.end;
                self.accumulate(step, inner.clone(), inner.start - 1, address);
            }
        }
    }

    /// Adds the matches of rows whose words are in neighbouring banks.
    fn accumulate(&mut self, step: &Step<'_>, rows: Range<usize>, bank: usize, address: u16) {
        if rows.is_empty() {
            return;
        }
        let Step { plan, layer, op, weights, from } = *step;
        let mask = if op.last_word { &layer.last_mask } else { &plan.lane_mask };
        let sums = &mut self.matches[rows.start * plan.cols..rows.end * plan.cols];
        if layer.d.flags.source_image {
            let words = from.image_words(op.plane, address, bank, rows.len());
            count_image(sums, words, mask, weights, plan.cols);
        } else {
            let words = from.activation_words(address, bank, rows.len());
            count(sums, words, mask, weights, plan.cols);
        }
    }
}

/// What is common to all rows of a step.
#[derive(Clone, Copy)]
struct Step<'a> {
    plan: &'a Plan,
    layer: &'a LayerPlan,
    op: &'a Op,
    weights: &'a [u64],
    from: &'a Memories,
}

impl Step<'_> {
    /// The tile's address plus the step's offset, modulo 2^16.
    fn address(&self, at: &Issue) -> u16 {
        let d = &self.layer.d;
        let words = |count: usize, words: u16| count * usize::from(words);
        let sum = usize::from(d.in_base)
            + words(at.y, d.in_y_words)
            + words(at.xt, d.in_xt_words)
            + self.op.offset as usize;
        u16::try_from(sum & 0xffff).expect("bug: 16 bits")
    }
}

/// Matches of whole activation words; `weights` is complemented.
fn count(sums: &mut [u32], words: &[u64], mask: &[u64], weights: &[u64], cols: usize) {
    if let &[mask] = mask {
        for (row, word) in sums.chunks_exact_mut(cols).zip(words) {
            count_limb(row, word & mask, weights);
        }
        return;
    }
    for (row, word) in sums.chunks_exact_mut(cols).zip(words.chunks_exact(mask.len())) {
        for ((limb, mask), weights) in word.iter().zip(mask).zip(weights.chunks_exact(cols)) {
            count_limb(row, limb & mask, weights);
        }
    }
}

/// Matches of image words, whose lanes from 4 up are 0.
fn count_image(sums: &mut [u32], words: &[u8], mask: &[u64], weights: &[u64], cols: usize) {
    let (low, high) = weights.split_at(cols);
    for (row, &word) in sums.chunks_exact_mut(cols).zip(words) {
        count_limb(row, u64::from(word) & mask[0], low);
        for weights in high.chunks_exact(cols) {
            count_limb(row, 0, weights);
        }
    }
}

#[inline]
fn count_limb(sums: &mut [u32], word: u64, weights: &[u64]) {
    for (sum, weight) in sums.iter_mut().zip(weights) {
        *sum += (word ^ weight).count_ones();
    }
}
