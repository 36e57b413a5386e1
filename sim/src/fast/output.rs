//! Writes to the activation memory: bits, levels and pooled levels, at the program's addresses.
//!
//! A block of columns is one byte of each plane. When a program is loaded, every slice that is
//! written becomes *moves*: bits of such a byte that go to one byte of a memory word. Where slices
//! are whole bytes, as they are with 8 columns or a multiple, a move is the store of a byte.

use super::blocks::Blocks;
use crate::error::Error;
use crate::kernels::LANES;
use crate::plan::{LayerPlan, Plan};

/// Bits of a block that go to one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Move {
    /// First bit of the block, and as many ones as there are bits.
    low: u32,
    mask: u8,
    /// Byte from the first one of the pixel on, and first bit there.
    byte: usize,
    bit: u32,
}

/// The map that a layer writes.
#[derive(Debug)]
pub(super) struct MapOutput {
    width: usize,
    /// First byte of each pixel.
    pixels: Vec<u32>,
    moves: Vec<Move>,
    /// The moves of each block.
    blocks: Vec<std::ops::Range<usize>>,
    /// Bytes from one plane to the next.
    plane_bytes: usize,
    /// At most 8.
    planes: usize,
    /// Columns of each block that exist.
    live: Vec<u8>,
}

impl MapOutput {
    /// The map of a layer; `None` if it writes none.
    pub(super) fn new(
        plan: &Plan,
        layer: &LayerPlan,
        index: usize,
        blocks: Blocks,
    ) -> Result<Option<Self>, Error> {
        let (d, flags) = (&layer.d, &layer.d.flags);
        if !(flags.write_bits || flags.write_levels || flags.pool) {
            return Ok(None);
        }
        let word_bytes = plan.rows * plan.limbs * 8;
        let slices = blocks.tiles * plan.write_beats;
        let in_pixel =
            (layer.planes - 1) * usize::from(d.out_plane_words) + (slices - 1) / plan.slices;
        let mut pixels = Vec::new();
        let size = (usize::from(d.out_height), usize::from(d.out_width));
        let (height, width) = if flags.pool { (1, 1) } else { size };
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let (word, bank) = if flags.pool {
                (d.out_base.into(), 0)
            } else {
                let place = layer.layout.place(y, x);
                (place.word, place.bank)
            };
            if word + in_pixel > usize::from(u16::MAX) {
                return Err(Error::Fast { layer: index, rule: "addresses of its map wrap around" });
            }
            let byte = word * word_bytes + bank * plan.limbs * 8;
            pixels.push(u32::try_from(byte).expect("bug: at most 2^16 words of 2^15 bytes"));
        }
        let mut output = Self {
            width,
            pixels,
            moves: Vec::new(),
            blocks: Vec::new(),
            plane_bytes: usize::from(d.out_plane_words) * word_bytes,
            planes: layer.planes,
            live: (0..blocks.len()).map(|block| low_ones(blocks.live(block))).collect(),
        };
        for block in 0..blocks.len() {
            let first = output.moves.len();
            output.add_moves(plan, layer.copies, (blocks, block));
            output.blocks.push(first..output.moves.len());
        }
        Ok(Some(output))
    }

    /// The bits of a block that a slice takes, each copy at its place.
    fn add_moves(&mut self, plan: &Plan, copies: usize, (blocks, block): (Blocks, usize)) {
        let (ct, first) = blocks.place(block);
        let mut column = first;
        let end = (first + LANES).min(plan.write_beats * plan.slice_bits);
        while column < end {
            let slice = ct * plan.write_beats + column / plan.slice_bits;
            let in_slice = column % plan.slice_bits;
            let (word, slot) = (slice / plan.slices, slice % plan.slices);
            let mut taken = end - column;
            for copy in 0..copies {
                let slot = slot + copy * (plan.slices / copies);
                let bit = slot * plan.slice_bits + in_slice;
                taken = taken.min(plan.slice_bits - in_slice).min(8 - bit % 8);
            }
            for copy in 0..copies {
                let slot = slot + copy * (plan.slices / copies);
                let bit = slot * plan.slice_bits + in_slice;
                self.moves.push(Move {
                    low: u32::try_from(column - first).expect("bug: below 8"),
                    mask: low_ones(taken),
                    byte: word * plan.rows * plan.limbs * 8 + bit / 8,
                    bit: u32::try_from(bit % 8).expect("bug: below 8"),
                });
            }
            column += taken;
        }
    }

    /// Writes the bits of a line of a block, a byte for each pixel.
    pub(super) fn write_bits(
        &self,
        activation: &mut [u8],
        (block, y): (usize, usize),
        bits: &[u8],
    ) {
        let (live, moves) = (self.live[block], self.moves(block));
        let pixels = self.line(y).iter().zip(bits);
        if let [Move { mask: u8::MAX, byte, .. }] = moves {
            for (&pixel, &bits) in pixels {
                activation[pixel as usize + byte] = bits & live;
            }
        } else {
            for (&pixel, &bits) in pixels {
                write(activation, pixel as usize, moves, bits & live);
            }
        }
    }

    /// Writes the levels of a line of a block, of as many bits as there are planes.
    pub(super) fn write_levels(
        &self,
        activation: &mut [u8],
        (block, y): (usize, usize),
        levels: &[[u8; LANES]],
    ) {
        let (live, moves) = (self.live[block], self.moves(block));
        for (&pixel, &levels) in self.line(y).iter().zip(levels) {
            let planes = transpose(u64::from_le_bytes(levels)).to_le_bytes();
            let mut first = pixel as usize;
            for plane in &planes[..self.planes] {
                write(activation, first, moves, plane & live);
                first += self.plane_bytes;
            }
        }
    }

    fn line(&self, y: usize) -> &[u32] {
        &self.pixels[y * self.width..][..self.width]
    }

    fn moves(&self, block: usize) -> &[Move] {
        &self.moves[self.blocks[block].clone()]
    }
}

/// Moves a byte of a block to a word.
#[inline]
fn write(activation: &mut [u8], first: usize, moves: &[Move], byte: u8) {
    for at in moves {
        let to = &mut activation[first + at.byte];
        if at.mask == u8::MAX {
            *to = byte;
        } else {
            *to = *to & !(at.mask << at.bit) | (byte >> at.low & at.mask) << at.bit;
        }
    }
}

/// Returns the lowest bit of each byte, the first one lowest.
#[expect(clippy::inline_always, reason = "inlined into functions for an instruction set")]
#[inline(always)]
pub(super) fn pack(codes: u64) -> u8 {
    let bits = (codes & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080);
    bits.to_le_bytes()[7]
}

/// Exchanges bit `i` of byte `j` with bit `j` of byte `i`.
#[inline]
fn transpose(bytes: u64) -> u64 {
    // Exchanges the squares of bits that are `distance` apart.
    let exchange = |bytes: u64, distance: u32, mask: u64| {
        let differ = (bytes ^ bytes >> distance) & mask;
        bytes ^ differ ^ differ << distance
    };
    let bytes = exchange(bytes, 7, 0x00aa_00aa_00aa_00aa);
    let bytes = exchange(bytes, 14, 0x0000_cccc_0000_cccc);
    exchange(bytes, 28, 0x0000_0000_f0f0_f0f0)
}

/// `n` ones, at most 8.
fn low_ones(n: usize) -> u8 {
    (0..n).fold(0, |ones, _| ones << 1 | 1)
}

#[cfg(test)]
mod tests {
    use super::{low_ones, pack, transpose};

    #[test]
    fn bytes_are_packed_in_order() {
        for byte in 0..=u8::MAX {
            let codes = std::array::from_fn(|i| byte >> i & 1 | 0xfe);
            assert_eq!(pack(u64::from_le_bytes(codes)), byte);
        }
        let bit = |bytes: u64, i: u32, j: u32| bytes >> (8 * j + i) & 1;
        let bytes = 0x0123_4567_89ab_cdef;
        for (i, j) in (0..8).flat_map(|i| (0..8).map(move |j| (i, j))) {
            assert_eq!(bit(transpose(bytes), i, j), bit(bytes, j, i), "{i} {j}");
        }
        assert_eq!([0, 1, 3, 8].map(low_ones), [0, 1, 7, 255]);
    }
}
