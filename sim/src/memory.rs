//! The memories that an image changes: image, activation, stream, logit (section 2).
//!
//! They are as large as the program reaches and start at 0; what an earlier image left stays.

use crate::image::Image;
use crate::plan::Plan;

/// Contents of the memories.
#[derive(Clone, Debug)]
pub(crate) struct Memories {
    rows: usize,
    cols: usize,
    limbs: usize,
    slice_bits: usize,
    pub(crate) image: Image,
    /// Limb `l` of bank `b` of word `w` at `(w·R + b)·limbs + l`.
    activation: Vec<u64>,
    /// Column `c` of bank `b` of word `w` at `(w·2 + b)·C + c`.
    stream: Vec<i16>,
    /// Column `c` of word `w` at `w·C + c`.
    pub(crate) logit: Vec<i32>,
}

impl Memories {
    pub(crate) fn new(plan: &Plan) -> Self {
        let (rows, extent) = (plan.array.rows, &plan.extent);
        Self {
            rows,
            cols: plan.cols,
            limbs: plan.limbs,
            slice_bits: plan.slice_bits,
            image: Image::new(&plan.array, &plan.header),
            activation: vec![0; extent.activation * rows * plan.limbs],
            stream: vec![0; extent.stream * 2 * plan.cols],
            logit: vec![0; extent.logit * plan.cols],
        }
    }

    /// Returns the words of `n` neighbouring banks.
    pub(crate) fn activation_words(&self, address: usize, bank: usize, n: usize) -> &[u64] {
        let first = (address * self.rows + bank) * self.limbs;
        &self.activation[first..][..n * self.limbs]
    }

    /// Returns the stream words of the columns.
    pub(crate) fn stream_words(&self, at: StreamAddress) -> &[i16] {
        &self.stream[at.first(self.cols)..][..self.cols]
    }

    /// Returns the stream words of the columns, to be written.
    pub(crate) fn stream_words_mut(&mut self, at: StreamAddress) -> &mut [i16] {
        &mut self.stream[at.first(self.cols)..][..self.cols]
    }

    /// Writes one slice of a word; `bits` holds it from its lowest bit.
    pub(crate) fn write_slice(&mut self, address: u16, bank: usize, slot: usize, bits: &[u64]) {
        let first = (usize::from(address) * self.rows + bank) * self.limbs;
        let word = &mut self.activation[first..][..self.limbs];
        let offset = slot * self.slice_bits;
        for (chunk, &bits) in bits.iter().enumerate() {
            let width = (self.slice_bits - chunk * 64).min(64);
            let mask = u64::MAX >> (64 - width);
            let (limb, low) = ((offset + chunk * 64) / 64, (offset + chunk * 64) % 64);
            word[limb] = word[limb] & !(mask << low) | (bits & mask) << low;
            if low + width > 64 {
                let high = 64 - low;
                word[limb + 1] = word[limb + 1] & !(mask >> high) | (bits & mask) >> high;
            }
        }
    }
}

/// Where a position of the stream is: the word, and the bank by column parity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamAddress {
    pub(crate) word: u16,
    pub(crate) bank: u8,
}

impl StreamAddress {
    fn first(self, cols: usize) -> usize {
        (usize::from(self.word) * 2 + usize::from(self.bank)) * cols
    }
}
