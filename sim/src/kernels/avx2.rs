//! Kernels for AVX2: a block is two registers of words, or one of pairs or quads.
//!
//! Ones are counted nibble by nibble from a table. The counts of up to [`RUN`] words fit the bytes
//! of a register; then they are summed into 64-bit lanes.

pub(super) mod scale;

use super::{
    LANES, PIXELS, PairBlock, QuadBlock, Quads, Segment, SumBlock, Task, WordBlock, ranges, rows,
};
use std::arch::x86_64::{
    __m256i, _mm_set_epi64x, _mm256_add_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_epi64,
    _mm256_and_si256, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_permute4x64_epi64, _mm256_sad_epu8,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setr_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_shuffle_ps, _mm256_sll_epi64,
    _mm256_srli_epi16, _mm256_storeu_si256, _mm256_xor_si256,
};

/// Words of at most 8 ones a byte that a byte can count.
const RUN: usize = 31;

/// See [`super::Kernels::count`].
#[target_feature(enable = "avx2")]
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
            let mut counts = [[_mm256_setzero_si256(); 2]; PIXELS];
            for (segment, doublings) in ranges(segments) {
                for first in segment.clone().step_by(RUN) {
                    let run = first..segment.end.min(first + RUN);
                    let bytes = count_run(rows(group, words, &run), &block[run]);
                    for p in 0..PIXELS {
                        for half in 0..2 {
                            let sums = _mm256_sad_epu8(bytes[p][half], _mm256_setzero_si256());
                            counts[p][half] = _mm256_add_epi64(counts[p][half], sums);
                        }
                    }
                }
                if doublings > 0 {
                    let doublings = _mm_set_epi64x(0, doublings.into());
                    for halves in &mut counts {
                        for count in halves {
                            *count = _mm256_sll_epi64(*count, doublings);
                        }
                    }
                }
            }
            for p in 0..PIXELS {
                store(&mut sums[p], narrow(counts[p]));
            }
        }
    }
}

/// Counts at most [`RUN`] words, byte by byte.
#[inline]
#[target_feature(enable = "avx2")]
fn count_run(rows: [&[u64]; PIXELS], block: &[WordBlock]) -> [[__m256i; 2]; PIXELS] {
    let table = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3,
        3, 4,
    );
    let nibble = _mm256_set1_epi8(15);
    let mut bytes = [[_mm256_setzero_si256(); 2]; PIXELS];
    for k in 0..rows[0].len() {
        let weights = halves(&block[k]);
        for p in 0..PIXELS {
            let word = _mm256_set1_epi64x(rows[p][k].cast_signed());
            for half in 0..2 {
                let differ = _mm256_xor_si256(word, weights[half]);
                let low = _mm256_and_si256(differ, nibble);
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(differ), nibble);
                let low = _mm256_shuffle_epi8(table, low);
                let high = _mm256_shuffle_epi8(table, high);
                let ones = _mm256_add_epi8(low, high);
                bytes[p][half] = _mm256_add_epi8(bytes[p][half], ones);
            }
        }
    }
    bytes
}

/// Returns the low halves of eight 64-bit lanes, in order.
#[inline]
#[target_feature(enable = "avx2")]
fn narrow(lanes: [__m256i; 2]) -> __m256i {
    let (a, b) = (_mm256_castsi256_ps(lanes[0]), _mm256_castsi256_ps(lanes[1]));
    // Lanes 0 1 4 5 | 2 3 6 7.
    let mixed = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
    _mm256_permute4x64_epi64::<0b11_01_10_00>(mixed)
}

/// See [`super::Kernels::multiply`].
#[target_feature(enable = "avx2")]
pub(super) fn multiply(
    panel: &[[i16; 2]],
    weights: &[PairBlock],
    pairs: usize,
    out: &mut [SumBlock],
) {
    let pixels = panel.len() / pairs;
    let (mut weights, mut out) = (weights, out);
    while !weights.is_empty() {
        let blocks = if weights.len() > pairs { 2 } else { 1 };
        let (some, rest) = weights.split_at(blocks * pairs);
        let (sums, left) = out.split_at_mut(blocks * pixels);
        match blocks {
            1 => multiply_blocks::<1>(panel, some, pairs, sums),
            _ => multiply_blocks::<2>(panel, some, pairs, sums),
        }
        (weights, out) = (rest, left);
    }
}

/// Holds [`PIXELS`] pixels times `B` blocks in registers.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn multiply_blocks<const B: usize>(
    panel: &[[i16; 2]],
    weights: &[PairBlock],
    pairs: usize,
    out: &mut [SumBlock],
) {
    let pixels = panel.len() / pairs;
    let blocks: [&[PairBlock]; B] = rows(weights, pairs, &(0..pairs));
    for (first, group) in panel.chunks_exact(PIXELS * pairs).enumerate() {
        let rows: [&[[i16; 2]]; PIXELS] = rows(group, pairs, &(0..pairs));
        let mut sums = [[_mm256_setzero_si256(); B]; PIXELS];
        for k in 0..pairs {
            let mut loaded = [_mm256_setzero_si256(); B];
            for b in 0..B {
                loaded[b] = load(&blocks[b][k]);
            }
            for p in 0..PIXELS {
                let [a, b] = rows[p][k].map(i16::cast_unsigned);
                let pair = u32::from(a) | u32::from(b) << 16;
                let pair = _mm256_set1_epi32(pair.cast_signed());
                for b in 0..B {
                    let products = _mm256_madd_epi16(pair, loaded[b]);
                    sums[p][b] = _mm256_add_epi32(sums[p][b], products);
                }
            }
        }
        for b in 0..B {
            let out = &mut out[b * pixels + first * PIXELS..][..PIXELS];
            for p in 0..PIXELS {
                store(&mut out[p], sums[p][b]);
            }
        }
    }
}

/// See [`super::Kernels::multiply_bytes`].
#[target_feature(enable = "avx2")]
pub(super) fn multiply_bytes(
    panel: &[[u8; 4]],
    weights: &Quads,
    quads: usize,
    out: &mut [SumBlock],
) {
    let pixels = panel.len() / quads;
    let blocks = weights.blocks().chunks_exact(quads).zip(out.chunks_exact_mut(pixels));
    for (block, out) in blocks {
        let groups = panel.chunks_exact(PIXELS * quads).zip(out.chunks_exact_mut(PIXELS));
        for (group, out) in groups {
            let mut sums = [_mm256_setzero_si256(); PIXELS];
            for first in (0..quads).step_by(weights.run()) {
                let run = first..quads.min(first + weights.run());
                let words = multiply_run(rows(group, quads, &run), &block[run]);
                for p in 0..PIXELS {
                    let products = _mm256_madd_epi16(words[p], _mm256_set1_epi16(1));
                    sums[p] = _mm256_add_epi32(sums[p], products);
                }
            }
            for p in 0..PIXELS {
                store(&mut out[p], sums[p]);
            }
        }
    }
}

/// Sums the products of at most a run of quads, two products of each in 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply_run(rows: [&[[u8; 4]]; PIXELS], block: &[QuadBlock]) -> [__m256i; PIXELS] {
    let mut words = [_mm256_setzero_si256(); PIXELS];
    for k in 0..rows[0].len() {
        let weights = load_quads(&block[k]);
        for p in 0..PIXELS {
            let quad = _mm256_set1_epi32(i32::from_le_bytes(rows[p][k]));
            // Does not saturate: see `Quads`.
            words[p] = _mm256_add_epi16(words[p], _mm256_maddubs_epi16(quad, weights));
        }
    }
    words
}

#[inline]
#[target_feature(enable = "avx2")]
fn halves(words: &WordBlock) -> [__m256i; 2] {
    let (low, high) = words.split_at(LANES / 2);
    // SAFETY: the lower half has the 32 bytes that are read, at any alignment.
    let low = unsafe { _mm256_loadu_si256(low.as_ptr().cast()) };
    // SAFETY: so has the upper one.
    let high = unsafe { _mm256_loadu_si256(high.as_ptr().cast()) };
    [low, high]
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(pairs: &PairBlock) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read, at any alignment.
    unsafe { _mm256_loadu_si256(pairs.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_quads(quads: &QuadBlock) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read, at any alignment.
    unsafe { _mm256_loadu_si256(quads.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store(sums: &mut SumBlock, values: __m256i) {
    // SAFETY: the array has the 32 bytes that are written, at any alignment.
    unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), values) }
}

/// See [`super::Kernels::vectorise`].
#[target_feature(enable = "avx2")]
pub(super) fn vectorise(task: impl Task) {
    task.run();
}
