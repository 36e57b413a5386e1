//! Sums of products of small integers: the factors of all columns, packed for a kernel, and the
//! panels of elements that they meet.
//!
//! Elements and factors are bytes where all of a layer's fit, and 16 bits elsewhere.
//! Not here: which elements a layer has (`stem`, `levels`).

use super::blocks::Blocks;
use crate::kernels::{Kernels, LANES, PairBlock, QuadBlock, Quads, SumBlock};
use std::ops::RangeInclusive;

/// Bytes behind those of a panel that may be written, so that copies can be of one size.
pub(super) const SLACK: usize = 32;

/// The factors of a layer.
#[derive(Debug)]
pub(super) struct Products {
    packed: Packed,
    /// Steps of the kernel: elements of a pixel divided by those of a step.
    steps: usize,
    /// Smallest and largest sum of each column.
    ranges: Vec<RangeInclusive<i64>>,
}

#[derive(Debug)]
enum Packed {
    /// Pair `k` of block `b` at `b·steps + k`.
    Pairs(Vec<PairBlock>),
    /// Quad `k` of block `b` at `b·steps + k`.
    Quads(Quads),
}

/// Buffers for the elements of a chunk's pixels.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pairs: Vec<[i16; 2]>,
    quads: Vec<[u8; 4]>,
}

/// The elements of a chunk's pixels, [`Products::pitch`] a pixel.
pub(super) enum Elements<'a> {
    Words(&'a mut [i16]),
    /// With [`SLACK`] behind them.
    Bytes(&'a mut [u8]),
}

impl Products {
    /// Packs `factor(column, element)` of elements that are between 0 and `most`; `None` if one of
    /// them does not fit 16 bits.
    pub(super) fn new(
        blocks: Blocks,
        most: &[i64],
        factor: impl Fn(usize, usize) -> i64,
    ) -> Option<Self> {
        let columns = || {
            let lanes = |block| (0..blocks.live(block)).map(move |lane| (block, lane));
            (0..blocks.len()).flat_map(lanes)
        };
        let (mut ranges, mut largest) = (Vec::new(), 0);
        for (block, lane) in columns() {
            let (mut low, mut high) = (0, 0);
            for (element, most) in most.iter().enumerate() {
                let factor = factor(blocks.channel(block) + lane, element);
                largest = largest.max(factor.abs());
                let end = factor * most;
                (low, high) = (low + end.min(0), high + end.max(0));
            }
            ranges.push(low..=high);
        }
        let all_most = most.iter().copied().max().unwrap_or(0);
        let narrow = all_most <= u8::MAX.into() && largest <= Quads::LARGEST.into();
        if all_most.max(largest) > i16::MAX.into() {
            return None;
        }
        let (of_step, mut pairs, mut quads) = (if narrow { 4 } else { 2 }, Vec::new(), Vec::new());
        let steps = most.len().div_ceil(of_step);
        if narrow {
            quads = vec![[0i8; 4 * LANES] as QuadBlock; steps * blocks.len()];
        } else {
            pairs = vec![[0i16; 2 * LANES] as PairBlock; steps * blocks.len()];
        }
        for (block, lane) in columns() {
            for element in 0..most.len() {
                let factor = factor(blocks.channel(block) + lane, element);
                let step = block * steps + element / of_step;
                let at = of_step * lane + element % of_step;
                if narrow {
                    quads[step][at] = i8::try_from(factor).expect("bug: at most 64");
                } else {
                    pairs[step][at] = i16::try_from(factor).expect("bug: at most 16 bits");
                }
            }
        }
        let packed = if narrow {
            Packed::Quads(Quads::new(quads).expect("bug: at most 64"))
        } else {
            Packed::Pairs(pairs)
        };
        Some(Self { packed, steps, ranges })
    }

    /// The smallest and the largest sum of a column.
    pub(super) fn range(&self, channel: usize) -> RangeInclusive<i64> {
        self.ranges[channel].clone()
    }

    /// Elements of a panel from a pixel to the next: those of a pixel, and some that meet zeros.
    pub(super) fn pitch(&self) -> usize {
        match self.packed {
            Packed::Pairs(_) => 2 * self.steps,
            Packed::Quads(_) => 4 * self.steps,
        }
    }

    /// The elements of so many pixels, as they were left.
    pub(super) fn elements<'a>(&self, panel: &'a mut Panel, pixels: usize) -> Elements<'a> {
        let steps = self.steps * pixels;
        match self.packed {
            Packed::Pairs(_) => Elements::Words(panel.pairs[..steps].as_flattened_mut()),
            Packed::Quads(_) => {
                let bytes = panel.quads[..steps + SLACK / 4].as_flattened_mut();
                Elements::Bytes(bytes)
            }
        }
    }

    /// Sums the products of all columns and so many pixels.
    pub(super) fn multiply(
        &self,
        kernels: Kernels,
        panel: &Panel,
        pixels: usize,
        out: &mut [SumBlock],
    ) {
        let steps = self.steps * pixels;
        match &self.packed {
            _ if steps == 0 => out.fill([0; LANES]),
            Packed::Pairs(weights) => {
                kernels.multiply(&panel.pairs[..steps], weights, self.steps, out);
            }
            Packed::Quads(weights) => {
                kernels.multiply_bytes(&panel.quads[..steps], weights, self.steps, out);
            }
        }
    }
}

impl Panel {
    /// Room for the products of some layers, each with its pixels.
    pub(super) fn new<'a>(layers: impl Iterator<Item = (&'a Products, usize)>) -> Self {
        let (mut pairs, mut quads) = (0, 0);
        for (products, pixels) in layers {
            let steps = products.steps * pixels;
            match products.packed {
                Packed::Pairs(_) => pairs = pairs.max(steps),
                Packed::Quads(_) => quads = quads.max(steps),
            }
        }
        Self { pairs: vec![[0; 2]; pairs], quads: vec![[0; 4]; quads + SLACK / 4] }
    }
}

/// What an element of a panel is.
pub(super) trait Element: Copy + Default + From<u8> {
    /// Adds the lowest bits of a limb to as many elements, each worth 2 to the exponent; no sum
    /// may leave the type.
    fn add_bits(to: &mut [Self], limb: u64, exponent: u32);
}

impl Element for i16 {
    #[inline]
    fn add_bits(to: &mut [Self], limb: u64, exponent: u32) {
        for (lane, to) in (0..).zip(to) {
            *to += Self::from(limb >> lane & 1 == 1) << exponent;
        }
    }
}

impl Element for u8 {
    #[inline]
    fn add_bits(to: &mut [Self], mut limb: u64, exponent: u32) {
        let (eights, rest) = to.as_chunks_mut();
        for eight in eights {
            // No byte carries into the next.
            let sum = u64::from_le_bytes(*eight) + (spread(limb.to_le_bytes()[0]) << exponent);
            *eight = sum.to_le_bytes();
            limb >>= 8;
        }
        for (lane, to) in (0..).zip(rest) {
            *to += Self::from(limb >> lane & 1 == 1) << exponent;
        }
    }
}

/// Returns a byte for each bit, the lowest one first.
#[inline]
fn spread(bits: u8) -> u64 {
    let own = (u64::from(bits) * 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
    ((own + 0x7f7f_7f7f_7f7f_7f7f) >> 7) & 0x0101_0101_0101_0101
}

#[cfg(test)]
mod tests {
    use super::{Element, spread};

    #[test]
    fn bits_are_spread_in_order() {
        for bits in 0..=u8::MAX {
            let bytes = std::array::from_fn(|i| bits >> i & 1);
            assert_eq!(spread(bits), u64::from_le_bytes(bytes), "{bits:#x}");
        }
    }

    #[test]
    fn bits_are_added_to_any_number_of_elements() {
        let limb = 0x0123_4567_89ab_cdef;
        for n in 0..=64 {
            let expected: Vec<u8> =
                (0..64).map(|i| 3 + if i < n { (limb >> i & 1) as u8 * 128 } else { 0 }).collect();
            let (mut bytes, mut words) = ([3u8; 64], [3i16; 64]);
            u8::add_bits(&mut bytes[..n], limb, 7);
            i16::add_bits(&mut words[..n], limb, 7);
            assert_eq!(bytes.as_slice(), expected);
            assert!(words.iter().zip(expected).all(|(&word, byte)| word == i16::from(byte)));
        }
    }
}
