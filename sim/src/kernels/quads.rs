//! Weights of one byte, four side by side, whose products any instruction set sums exactly.

use super::LANES;

/// Four factors of each of the channels of a block, side by side.
pub type QuadBlock = [i8; 4 * LANES];

/// Weights of [`super::Kernels::multiply_bytes`].
#[derive(Clone, Debug)]
pub struct Quads {
    blocks: Vec<QuadBlock>,
    /// Sums of two products that 16 bits hold the sum of.
    run: usize,
}

impl Quads {
    /// The largest magnitude of a weight: the sum of two of its products with a byte fits 16 bits.
    pub const LARGEST: i8 = 64;

    /// Takes weights; `None` if one is larger than [`Quads::LARGEST`].
    pub fn new(blocks: Vec<QuadBlock>) -> Option<Self> {
        let largest = blocks.iter().flatten().map(|weight| weight.unsigned_abs()).max();
        let largest = usize::from(largest.unwrap_or(0));
        let run =
            usize::from(i16::MAX.unsigned_abs()) / (2 * usize::from(u8::MAX) * largest.max(1));
        (run > 0).then_some(Self { blocks, run })
    }

    /// The weights.
    pub fn blocks(&self) -> &[QuadBlock] {
        &self.blocks
    }

    /// How many sums of two products can be added up in 16 bits, at least 1.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "32-bit sums need no limit")
    )]
    pub(super) fn run(&self) -> usize {
        self.run
    }
}

#[cfg(test)]
mod tests {
    use super::{LANES, Quads};

    #[test]
    fn weights_are_taken_up_to_the_largest() {
        for (weight, run) in [(0, Some(64)), (-1, Some(64)), (15, Some(4)), (33, Some(1))] {
            let quads = Quads::new(vec![[0; 4 * LANES], [weight; 4 * LANES]]);
            assert_eq!(quads.map(|quads| quads.run()), run, "{weight}");
        }
        for (weight, fits) in [(64, true), (-64, true), (65, false), (-65, false), (-128, false)] {
            assert_eq!(Quads::new(vec![[weight; 4 * LANES]]).is_some(), fits, "{weight}");
            assert_eq!(weight.unsigned_abs() <= Quads::LARGEST.unsigned_abs(), fits);
        }
    }
}
