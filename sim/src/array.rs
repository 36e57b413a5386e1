//! The array: operands in, matches out (section 4 and 5.1 of microarchitecture.md).
//!
//! A step is executed at once for all rows and columns, in the cycle in which the sequencer
//! issues it. The skew of rows and columns delays all results alike (section 5.2), and the
//! operand words are those of the cycle after the issue, so nothing visible is lost: `post` sees
//! the sums with the times of the page.
//!
//! Narrow columns share 64-bit words: matches are counted in fields of `field_bits` bits and
//! carried over to the accumulators before these double, at the end of a tile, and before a field
//! can overflow. Rows are the inner loop, in groups of [`GROUP`], so that it vectorises.

use crate::memory::Memories;
use crate::plan::{LayerPlan, Op, Plan};
use crate::sequencer::Issue;
use std::ops::Range;

/// Rows that are counted together.
const GROUP: usize = 4;
/// Steps of at most 16 matches that a 16-bit field can hold.
const MAX_NARROW_STEPS: u32 = 4095;

/// Accumulators of the tile that is being computed.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    /// Matches of row `r`, column `c` at `r·C + c`, not yet cut to `acc_bits`; complete after the
    /// last step of a tile.
    pub(crate) matches: Vec<u32>,
    /// Products of each row: the count column.
    pub(crate) products: Vec<u32>,
    /// Matches not yet carried over: group `g` of packed word `p` at `p·groups + g`.
    fields: Vec<[u64; GROUP]>,
    /// Steps in `fields`.
    pending: u32,
    /// Operand limb `l` of group `g` at `l·groups + g`, repeated in every field.
    operands: Vec<[u64; GROUP]>,
    /// All ones for rows with a valid tap.
    valid: Vec<[u64; GROUP]>,
}

impl Array {
    pub(crate) fn new(plan: &Plan) -> Self {
        let groups = plan.rows.div_ceil(GROUP);
        Self {
            matches: vec![0; plan.rows * plan.cols],
            products: vec![0; plan.rows],
            fields: vec![[0; GROUP]; plan.packed * groups],
            pending: 0,
            operands: vec![[0; GROUP]; plan.limbs * groups],
            valid: vec![[0; GROUP]; groups],
        }
    }

    /// Executes one step.
    pub(crate) fn step(&mut self, plan: &Plan, layer: &LayerPlan, at: &Issue, from: &Memories) {
        let op = &layer.ops[at.step];
        if at.step == 0 {
            self.matches.fill(0);
            self.products.fill(0);
        } else if op.double {
            self.carry_over(plan);
            self.matches.iter_mut().chain(&mut self.products).for_each(|acc| *acc *= 2);
        }
        let first = at.xt * plan.rows;
        let rows = op.x.start.saturating_sub(first)..op.x.end.saturating_sub(first).min(plan.rows);
        if !rows.is_empty() && op.y.contains(&at.y) {
            if op.tap_first {
                let fan_in = u32::from(layer.d.fan_in);
                self.products[rows.clone()].iter_mut().for_each(|n| *n += fan_in);
            }
            let step = Step { plan, layer, op, from };
            self.rotate(&step, rows.clone(), step.address(at));
            for (row, valid) in self.valid.as_flattened_mut().iter_mut().enumerate() {
                *valid = if rows.contains(&row) { u64::MAX } else { 0 };
            }
            let word = usize::from(layer.d.weight_base) + at.ct * layer.ops.len() + at.step;
            let size = plan.limbs * plan.packed;
            self.count(plan, &plan.weights[word * size..][..size]);
        }
        if at.last || self.pending == MAX_NARROW_STEPS {
            self.carry_over(plan);
        }
    }

    /// Fetches the words of all rows, split where the rows wrap around the banks.
    fn rotate(&mut self, step: &Step<'_>, rows: Range<usize>, address: u16) {
        let (last, tile) = (step.plan.rows - 1, step.layer.d.in_xt_words);
        match step.op.shift {
            0 => self.fetch(step, rows.clone(), rows.start, address),
            1 => {
                let inner = rows.start..rows.end.min(last);
                self.fetch(step, inner.clone(), inner.start + 1, address);
                if rows.contains(&last) {
                    self.fetch(step, last..last + 1, 0, address.wrapping_add(tile));
                }
            }
            _ => {
                if rows.start == 0 {
                    self.fetch(step, 0..1, last, address.wrapping_sub(tile));
                }
                let inner = rows.start.max(1)..rows.end;
                self.fetch(step, inner.clone(), inner.start - 1, address);
            }
        }
    }

    /// Fetches and masks the words of rows that are in neighbouring banks.
    fn fetch(&mut self, step: &Step<'_>, rows: Range<usize>, bank: usize, address: u16) {
        if rows.is_empty() {
            return;
        }
        let Step { plan, layer, op, from } = *step;
        let mask = if op.last_word { &layer.last_mask } else { &plan.lane_mask };
        let repeat = match plan.field_bits {
            16 => 0x0001_0001_0001_0001,
            32 => 0x0000_0001_0000_0001,
            _ => 1,
        };
        let operands = self.operands.as_flattened_mut();
        let padded = operands.len() / plan.limbs;
        if layer.d.flags.source_image {
            let words = from.image_words(op.plane, address, bank, rows.len());
            for (operand, &word) in operands[rows.clone()].iter_mut().zip(words) {
                *operand = (u64::from(word) & mask[0]) * repeat;
            }
            // Lanes from 4 up are 0.
            operands.chunks_exact_mut(padded).skip(1).for_each(|limb| limb[rows.clone()].fill(0));
            return;
        }
        let words = from.activation_words(address, bank, rows.len());
        for (l, (limb, mask)) in operands.chunks_exact_mut(padded).zip(mask).enumerate() {
            let words = words[l..].iter().step_by(plan.limbs);
            for (operand, &word) in limb[rows.clone()].iter_mut().zip(words) {
                *operand = (word & mask) * repeat;
            }
        }
    }

    /// Counts the matches of a step; `weights` is complemented.
    fn count(&mut self, plan: &Plan, weights: &[u64]) {
        self.pending += 1;
        let limbs = self.operands.chunks_exact(self.valid.len());
        for (operands, weights) in limbs.zip(weights.chunks_exact(plan.packed)) {
            match plan.field_bits {
                16 => count_limb::<16>(&mut self.fields, operands, &self.valid, weights),
                32 => count_limb::<32>(&mut self.fields, operands, &self.valid, weights),
                _ => count_limb::<64>(&mut self.fields, operands, &self.valid, weights),
            }
        }
    }

    /// Adds the fields to the accumulators and clears them.
    fn carry_over(&mut self, plan: &Plan) {
        if std::mem::take(&mut self.pending) == 0 {
            return;
        }
        let fields = 64 / plan.field_bits;
        let mask = u64::MAX >> (64 - plan.field_bits);
        let groups = self.valid.len() * GROUP;
        for (p, column) in self.fields.as_flattened_mut().chunks_exact_mut(groups).enumerate() {
            let first = p * fields;
            let count = fields.min(plan.cols - first);
            for (field, row) in column.iter_mut().zip(self.matches.chunks_exact_mut(plan.cols)) {
                for (i, sum) in row[first..][..count].iter_mut().enumerate() {
                    let matches = *field >> (i * plan.field_bits) & mask;
                    *sum += u32::try_from(matches).expect("bug: `check` bounds the count");
                }
            }
            column.fill(0);
        }
    }
}

/// What is common to all rows of a step.
#[derive(Clone, Copy)]
struct Step<'a> {
    plan: &'a Plan,
    layer: &'a LayerPlan,
    op: &'a Op,
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

/// Adds the matches of one limb to the fields of all packed words and rows.
fn count_limb<const FIELD: usize>(
    fields: &mut [[u64; GROUP]],
    operands: &[[u64; GROUP]],
    valid: &[[u64; GROUP]],
    weights: &[u64],
) {
    for (sums, &weight) in fields.chunks_exact_mut(operands.len()).zip(weights) {
        for ((sums, operands), valid) in sums.iter_mut().zip(operands).zip(valid) {
            for i in 0..GROUP {
                sums[i] += ones::<FIELD>(operands[i] ^ weight) & valid[i];
            }
        }
    }
}

/// Counts the ones of every field of `FIELD` bits.
#[inline]
fn ones<const FIELD: usize>(word: u64) -> u64 {
    if FIELD == 64 {
        return word.count_ones().into();
    }
    let pairs = word - (word >> 1 & 0x5555_5555_5555_5555);
    let nibbles = (pairs & 0x3333_3333_3333_3333) + (pairs >> 2 & 0x3333_3333_3333_3333);
    let bytes = (nibbles + (nibbles >> 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    let halves = (bytes + (bytes >> 8)) & 0x00ff_00ff_00ff_00ff;
    if FIELD == 16 { halves } else { (halves + (halves >> 16)) & 0x0000_ffff_0000_ffff }
}

#[cfg(test)]
mod tests {
    use super::ones;

    #[test]
    fn fields_count_their_own_ones() {
        for word in [0, u64::MAX, 0x8000_0001_7fff_fffe, 0x0123_4567_89ab_cdef, 1 << 63] {
            let expect = |bits: u32| {
                let field = |i: u32| word >> (i * bits) & (u64::MAX >> (64 - bits));
                (0..64 / bits)
                    .fold(0, |all, i| all | u64::from(field(i).count_ones()) << (i * bits))
            };
            assert_eq!(ones::<16>(word), expect(16));
            assert_eq!(ones::<32>(word), expect(32));
            assert_eq!(ones::<64>(word), expect(64));
        }
    }
}
