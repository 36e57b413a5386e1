//! The array: matches of operands and weights (section 5.1 of microarchitecture.md).
//!
//! A step is executed at once for all rows and columns, in the cycle in which the sequencer
//! issues it. The skew of rows and columns delays all results alike (section 5.2), and the maps are
//! first brought to what they hold three cycles later, when the operand words are read, so nothing
//! visible is lost: `post` sees the sums with the times of the page.
//!
//! Narrow columns share 64-bit words: matches are counted in fields of `field_bits` bits and
//! carried over to the accumulators before these double, at the end of a tile, and before a field
//! can overflow. Rows are the inner loop, in groups of [`GROUP`], so that it vectorises. Lanes
//! without a valid tap are cleared before they are counted, which costs the same for one lane
//! group as for several.

use crate::memory::Memories;
use crate::operands::{Operands, Step};
use crate::plan::{LayerPlan, Plan};
use crate::sequencer::Issue;

/// Rows that are counted together.
pub(crate) const GROUP: usize = 4;
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
    operands: Operands,
}

impl Array {
    pub(crate) fn new(plan: &Plan) -> Self {
        let groups = plan.rows.div_ceil(GROUP);
        Self {
            matches: vec![0; plan.rows * plan.cols],
            products: vec![0; plan.rows],
            fields: vec![[0; GROUP]; plan.packed * groups],
            pending: 0,
            operands: Operands::new(plan),
        }
    }

    /// Executes one step.
    pub(crate) fn step(&mut self, plan: &Plan, layer: &LayerPlan, at: &Issue, from: &Memories) {
        if at.step == 0 {
            self.matches.fill(0);
            self.products.fill(0);
        } else if layer.ops[at.step].double {
            self.carry_over(plan);
            self.matches.iter_mut().chain(&mut self.products).for_each(|acc| *acc *= 2);
        }
        if self.operands.read(&Step { plan, layer, at, from }, &mut self.products) {
            self.count(plan, weights(plan, layer, at));
        }
        if at.last || self.pending == MAX_NARROW_STEPS {
            self.carry_over(plan);
        }
    }

    /// A limb of the operand word of a row in the last step; only lanes with a valid tap mean
    /// something.
    pub(crate) fn operand(&self, limb: usize, row: usize) -> u64 {
        self.operands.word(limb, row)
    }

    /// The matches of the steps of the tile so far.
    pub(crate) fn settled(&mut self, plan: &Plan, row: usize, col: usize) -> u32 {
        self.carry_over(plan);
        self.matches[row * plan.cols + col]
    }

    /// Counts the matches of a step; `weights` is complemented.
    fn count(&mut self, plan: &Plan, weights: &[u64]) {
        self.pending += 1;
        let groups = plan.rows.div_ceil(GROUP);
        let words = self.operands.words.chunks_exact(groups);
        let valid = self.operands.valid.chunks_exact(groups);
        for ((words, valid), weights) in words.zip(valid).zip(weights.chunks_exact(plan.packed)) {
            match plan.field_bits {
                16 => count_limb::<16>(&mut self.fields, words, valid, weights),
                32 => count_limb::<32>(&mut self.fields, words, valid, weights),
                _ => count_limb::<64>(&mut self.fields, words, valid, weights),
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
        let groups = plan.rows.div_ceil(GROUP) * GROUP;
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

/// The complemented weight words of a step.
pub(crate) fn weights<'p>(plan: &'p Plan, layer: &LayerPlan, at: &Issue) -> &'p [u64] {
    let word = layer.weights + at.ct * layer.ops.len() + at.step;
    let size = plan.limbs * plan.packed;
    &plan.weights[word * size..][..size]
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
                sums[i] += ones::<FIELD>((operands[i] ^ weight) & valid[i]);
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
