//! Kernels for AVX-512 with VPOPCNTDQ and VNNI: a block is one register of words, or half of one.
//!
//! `PIXELS` times up to four blocks are computed in registers; a count takes three instructions for
//! 512 bits.

use super::avx2::scale::{load_sums, load_words, scale_last, store_words};
use super::avx2::{load_quads, multiply_blocks, store};
use super::scale::{ScaleLine, ScaleStretch};
use super::{
    LANES, PIXELS, PairBlock, QuadBlock, Segment, SumBlock, Task, WordBlock, ranges, rows,
};
use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_set_epi64x, _mm256_dpbusd_epi32, _mm256_max_epi16,
    _mm256_min_epi16, _mm256_movepi16_mask, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm512_add_epi32, _mm512_add_epi64, _mm512_broadcast_i64x4,
    _mm512_cvtepi16_epi32, _mm512_cvtepi64_epi32, _mm512_cvtsepi32_epi16, _mm512_loadu_si512,
    _mm512_mullo_epi32, _mm512_popcnt_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_sll_epi64, _mm512_sra_epi32, _mm512_xor_si512,
};

/// See [`super::Kernels::count`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(super) fn count(
    panel: &[u64],
    weights: &[WordBlock],
    segments: &[Segment],
    out: &mut [SumBlock],
) {
    let words = super::words(segments);
    let pixels = panel.len() / words;
    let (mut weights, mut out) = (weights, out);
    while !weights.is_empty() {
        let blocks = blocks_at_once(weights.len() / words);
        let (some, rest) = weights.split_at(blocks * words);
        let (sums, left) = out.split_at_mut(blocks * pixels);
        match blocks {
            1 => count_blocks::<1>(panel, some, segments, sums),
            2 => count_blocks::<2>(panel, some, segments, sums),
            _ => count_blocks::<4>(panel, some, segments, sums),
        }
        (weights, out) = (rest, left);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn count_blocks<const B: usize>(
    panel: &[u64],
    weights: &[WordBlock],
    segments: &[Segment],
    out: &mut [SumBlock],
) {
    let words = super::words(segments);
    let pixels = panel.len() / words;
    for (first, group) in panel.chunks_exact(PIXELS * words).enumerate() {
        let mut counts = [[_mm512_setzero_si512(); B]; PIXELS];
        for (segment, doublings) in ranges(segments) {
            let blocks = rows(weights, words, &segment);
            counts = count_segment(rows(group, words, &segment), blocks, counts);
            if doublings > 0 {
                let doublings = _mm_set_epi64x(0, doublings.into());
                for blocks in &mut counts {
                    for count in blocks {
                        *count = _mm512_sll_epi64(*count, doublings);
                    }
                }
            }
        }
        for b in 0..B {
            let sums = &mut out[b * pixels + first * PIXELS..][..PIXELS];
            for p in 0..PIXELS {
                store(&mut sums[p], _mm512_cvtepi64_epi32(counts[p][b]));
            }
        }
    }
}

/// Counts on with the words of a segment.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn count_segment<const B: usize>(
    rows: [&[u64]; PIXELS],
    blocks: [&[WordBlock]; B],
    mut counts: [[__m512i; B]; PIXELS],
) -> [[__m512i; B]; PIXELS] {
    for k in 0..rows[0].len() {
        let mut loaded = [_mm512_setzero_si512(); B];
        for b in 0..B {
            loaded[b] = load(&blocks[b][k]);
        }
        for p in 0..PIXELS {
            let word = _mm512_set1_epi64(rows[p][k].cast_signed());
            for b in 0..B {
                let ones = _mm512_popcnt_epi64(_mm512_xor_si512(word, loaded[b]));
                counts[p][b] = _mm512_add_epi64(counts[p][b], ones);
            }
        }
    }
    counts
}

/// See [`super::Kernels::multiply`]: that of AVX2, with twice as many registers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(super) fn multiply(
    panel: &[[i16; 2]],
    weights: &[PairBlock],
    pairs: usize,
    out: &mut [SumBlock],
) {
    let pixels = panel.len() / pairs;
    let (mut weights, mut out) = (weights, out);
    while !weights.is_empty() {
        let blocks = blocks_at_once(weights.len() / pairs);
        let (some, rest) = weights.split_at(blocks * pairs);
        let (sums, left) = out.split_at_mut(blocks * pixels);
        match blocks {
            1 => multiply_blocks::<1>(panel, some, pairs, sums),
            2 => multiply_blocks::<2>(panel, some, pairs, sums),
            _ => multiply_blocks::<4>(panel, some, pairs, sums),
        }
        (weights, out) = (rest, left);
    }
}

/// See [`super::Kernels::multiply_bytes`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(super) fn multiply_bytes(
    panel: &[[u8; 4]],
    weights: &[QuadBlock],
    quads: usize,
    out: &mut [SumBlock],
) {
    let pixels = panel.len() / quads;
    let (mut weights, mut out) = (weights, out);
    while !weights.is_empty() {
        let blocks = blocks_at_once(weights.len() / quads);
        let (some, rest) = weights.split_at(blocks * quads);
        let (sums, left) = out.split_at_mut(blocks * pixels);
        match blocks {
            1 => multiply_byte_blocks::<1>(panel, some, quads, sums),
            2 => multiply_byte_blocks::<2>(panel, some, quads, sums),
            _ => multiply_byte_blocks::<4>(panel, some, quads, sums),
        }
        (weights, out) = (rest, left);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn multiply_byte_blocks<const B: usize>(
    panel: &[[u8; 4]],
    weights: &[QuadBlock],
    quads: usize,
    out: &mut [SumBlock],
) {
    let pixels = panel.len() / quads;
    let blocks: [&[QuadBlock]; B] = rows(weights, quads, &(0..quads));
    for (first, group) in panel.chunks_exact(PIXELS * quads).enumerate() {
        let rows: [&[[u8; 4]]; PIXELS] = rows(group, quads, &(0..quads));
        let mut sums = [[_mm256_setzero_si256(); B]; PIXELS];
        for k in 0..quads {
            let mut loaded = [_mm256_setzero_si256(); B];
            for b in 0..B {
                loaded[b] = load_quads(&blocks[b][k]);
            }
            for p in 0..PIXELS {
                let quad = _mm256_set1_epi32(i32::from_le_bytes(rows[p][k]));
                for b in 0..B {
                    sums[p][b] = _mm256_dpbusd_epi32(sums[p][b], quad, loaded[b]);
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

/// See [`super::Kernels::scale`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(super) fn scale(line: &ScaleLine<'_>, results: &mut [[i16; LANES]], signs: &mut [u8]) {
    let shift = _mm_set_epi64x(0, line.shift.into());
    let limits = [_mm256_set1_epi16(-line.clip), _mm256_set1_epi16(line.clip)];
    let pairs = |stretch: &mut ScaleStretch<'_>| scale_pairs(stretch, shift, limits);
    let last = |stretch: &mut ScaleStretch<'_>| scale_last(stretch, shift, limits);
    line.in_pairs(results, signs, pairs, last);
}

/// Two pixels at once, but for the last one of an odd number.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn scale_pairs(stretch: &mut ScaleStretch<'_>, shift: __m128i, [least, most]: [__m256i; 2]) {
    let (pairs, _) = stretch.x.as_chunks::<2>();
    let (results, _) = stretch.results.as_chunks_mut::<2>();
    let (signs, _) = stretch.signs.as_chunks_mut::<2>();
    let twice = |block| _mm512_broadcast_i64x4(load_sums(block));
    let (factor, offset) = (twice(stretch.factor), twice(stretch.offset));
    let scaled = |x| {
        let product = _mm512_mullo_epi32(load_two_sums(x), factor);
        _mm512_sra_epi32(_mm512_add_epi32(product, offset), shift)
    };
    let limit = |sum, result: &mut [[i16; LANES]; 2], signs: &mut [u8; 2]| {
        let short = _mm512_cvtsepi32_epi16(sum);
        let limited = _mm256_min_epi16(_mm256_max_epi16(short, least), most);
        store_words(result, limited);
        *signs = (!_mm256_movepi16_mask(limited)).to_le_bytes();
    };
    let to = results.iter_mut().zip(signs);
    if stretch.join {
        for (x, (result, signs)) in pairs.iter().zip(to) {
            let words = _mm512_cvtepi16_epi32(load_words(result));
            limit(_mm512_add_epi32(scaled(x), words), result, signs);
        }
    } else {
        for (x, (result, signs)) in pairs.iter().zip(to) {
            limit(scaled(x), result, signs);
        }
    }
}

/// Blocks that are computed together, of so many that are left.
fn blocks_at_once(left: usize) -> usize {
    match left {
        1 => 1,
        2 | 3 => 2,
        _ => 4,
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &WordBlock) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read, at any alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_two_sums(sums: &[SumBlock; 2]) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read, at any alignment.
    unsafe { _mm512_loadu_si512(sums.as_ptr().cast()) }
}

/// See [`super::Kernels::vectorise`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
pub(super) fn vectorise(task: impl Task) {
    task.run();
}
