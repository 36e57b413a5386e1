//! The memories that an image changes: image, activation, stream, logit (section 2).
//!
//! They are as large as the program reaches and start at 0; what an earlier image left stays.

use crate::plan::Plan;
use heartbit_ir::program::IMAGE_CHANNELS;

/// Planes of a pixel.
const PLANES: usize = 8;

/// Contents of the memories.
#[derive(Clone, Debug)]
pub(crate) struct Memories {
    rows: usize,
    limbs: usize,
    slice_bits: usize,
    /// The four low lanes of each plane: bank `b` of word `w` at `w·R + b`.
    image: [Vec<u8>; PLANES],
    /// Limb `l` of bank `b` of word `w` at `(w·R + b)·limbs + l`.
    activation: Vec<u64>,
    /// Column `c` of word `w` at `w·C + c`.
    pub(crate) stream: Vec<i16>,
    /// Column `c` of word `w` at `w·C + c`.
    pub(crate) logit: Vec<i32>,
}

impl Memories {
    pub(crate) fn new(plan: &Plan) -> Self {
        let (rows, extent) = (plan.rows, &plan.extent);
        Self {
            rows,
            limbs: plan.limbs,
            slice_bits: plan.slice_bits,
            // The constant lane is wired, not stored.
            image: std::array::from_fn(|_| vec![1 << IMAGE_CHANNELS; extent.image * rows]),
            activation: vec![0; extent.activation * rows * plan.limbs],
            stream: vec![0; extent.stream * plan.cols],
            logit: vec![0; extent.logit * plan.cols],
        }
    }

    /// Stores an image of `width` columns and `channels <= 3` bytes a pixel, in raster order.
    pub(crate) fn load_image(&mut self, bytes: &[u8], width: usize, channels: usize) {
        let tiles = width.div_ceil(self.rows);
        for (index, pixel) in bytes.chunks_exact(channels).enumerate() {
            let (y, x) = (index / width, index % width);
            let word = (y * tiles + x / self.rows) * self.rows + x % self.rows;
            for (plane, memory) in self.image.iter_mut().enumerate() {
                let bits = pixel.iter().rev().fold(1, |bits, byte| bits << 1 | byte >> plane & 1);
                memory[word] = bits & ((1 << channels) - 1) | 1 << IMAGE_CHANNELS;
            }
        }
    }

    /// Returns the low lanes of a plane of `n` neighbouring banks.
    pub(crate) fn image_words(&self, plane: usize, address: u16, bank: usize, n: usize) -> &[u8] {
        &self.image[plane][usize::from(address) * self.rows + bank..][..n]
    }

    /// Returns the words of `n` neighbouring banks.
    pub(crate) fn activation_words(&self, address: u16, bank: usize, n: usize) -> &[u64] {
        let first = (usize::from(address) * self.rows + bank) * self.limbs;
        &self.activation[first..][..n * self.limbs]
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
