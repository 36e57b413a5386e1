//! Kernels for NEON: a block is four registers of two words.
//!
//! The counts of up to [`RUN`] words fit the bytes of a register; then they are summed into 64-bit
//! lanes.

use super::{LANES, PIXELS, Segment, SumBlock, WordBlock, ranges, rows};
use std::arch::aarch64::{
    uint8x16_t, uint64x2_t, vaddq_u8, vaddq_u64, vcntq_u8, vdupq_n_s64, vdupq_n_u8, vdupq_n_u64,
    veorq_u64, vgetq_lane_u64, vld1q_u64, vpaddlq_u8, vpaddlq_u16, vpaddlq_u32,
    vreinterpretq_u8_u64, vshlq_u64,
};

/// Words of at most 8 ones a byte that a byte can count.
const RUN: usize = 31;
/// Registers of a block.
const QUARTERS: usize = LANES / 2;

/// See [`super::Kernels::count`].
#[target_feature(enable = "neon")]
pub(super) fn count(
    panel: &[u64],
    weights: &[WordBlock],
    segments: &[Segment],
    out: &mut [SumBlock],
) {
    let words = super::words(segments);
    let pixels = panel.len() / words;
    for (block, out) in weights.chunks_exact(words).zip(out.chunks_exact_mut(pixels)) {
        for (group, sums) in panel.chunks_exact(PIXELS * words).zip(out.chunks_exact_mut(PIXELS)) {
            let mut counts = [[vdupq_n_u64(0); QUARTERS]; PIXELS];
            for (segment, doublings) in ranges(segments) {
                for first in segment.clone().step_by(RUN) {
                    let run = first..segment.end.min(first + RUN);
                    let bytes = count_run(rows(group, words, &run), &block[run]);
                    for p in 0..PIXELS {
                        for q in 0..QUARTERS {
                            counts[p][q] = vaddq_u64(counts[p][q], widen(bytes[p][q]));
                        }
                    }
                }
                if doublings > 0 {
                    let doublings = vdupq_n_s64(doublings.into());
                    for count in counts.as_flattened_mut() {
                        *count = vshlq_u64(*count, doublings);
                    }
                }
            }
            for p in 0..PIXELS {
                for q in 0..QUARTERS {
                    sums[p][2 * q] = narrow(vgetq_lane_u64::<0>(counts[p][q]));
                    sums[p][2 * q + 1] = narrow(vgetq_lane_u64::<1>(counts[p][q]));
                }
            }
        }
    }
}

/// Counts at most [`RUN`] words, byte by byte.
#[inline]
#[target_feature(enable = "neon")]
fn count_run(rows: [&[u64]; PIXELS], block: &[WordBlock]) -> [[uint8x16_t; QUARTERS]; PIXELS] {
    let mut bytes = [[vdupq_n_u8(0); QUARTERS]; PIXELS];
    for (k, weights) in block.iter().enumerate() {
        let weights = quarters(weights);
        for p in 0..PIXELS {
            let word = vdupq_n_u64(rows[p][k]);
            for q in 0..QUARTERS {
                let ones = vcntq_u8(vreinterpretq_u8_u64(veorq_u64(word, weights[q])));
                bytes[p][q] = vaddq_u8(bytes[p][q], ones);
            }
        }
    }
    bytes
}

#[inline]
#[target_feature(enable = "neon")]
fn widen(bytes: uint8x16_t) -> uint64x2_t {
    vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(bytes)))
}

/// The low half of a count.
#[expect(clippy::cast_possible_truncation, reason = "counts are kept modulo 2^32")]
fn narrow(count: u64) -> i32 {
    count as i32
}

#[inline]
#[target_feature(enable = "neon")]
fn quarters(words: &WordBlock) -> [uint64x2_t; QUARTERS] {
    let mut registers = [vdupq_n_u64(0); QUARTERS];
    for (register, pair) in registers.iter_mut().zip(words.chunks_exact(2)) {
        // SAFETY: the chunk has the two words that are read.
        *register = unsafe { vld1q_u64(pair.as_ptr()) };
    }
    registers
}
