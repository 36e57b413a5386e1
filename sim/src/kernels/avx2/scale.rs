//! Results of the sums of a line with AVX2: two pixels at once, and a last one alone.

use crate::kernels::scale::{ScaleLine, ScaleStretch};
use crate::kernels::{LANES, SumBlock};
use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_max_epi16, _mm_min_epi16, _mm_movemask_epi8,
    _mm_packs_epi16, _mm_packs_epi32, _mm_set_epi64x, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_cvtepi16_epi32, _mm256_extracti128_si256, _mm256_loadu_si256,
    _mm256_max_epi16, _mm256_min_epi16, _mm256_movemask_epi8, _mm256_mullo_epi32,
    _mm256_packs_epi16, _mm256_packs_epi32, _mm256_permute4x64_epi64, _mm256_set1_epi16,
    _mm256_setzero_si256, _mm256_sra_epi32, _mm256_storeu_si256,
};

/// See [`crate::kernels::Kernels::scale`].
#[target_feature(enable = "avx2")]
pub(in crate::kernels) fn scale(
    line: &ScaleLine<'_>,
    results: &mut [[i16; LANES]],
    signs: &mut [u8],
) {
    let shift = _mm_set_epi64x(0, line.shift.into());
    let limits = [_mm256_set1_epi16(-line.clip), _mm256_set1_epi16(line.clip)];
    let pairs = |stretch: &mut ScaleStretch<'_>| scale_pairs(stretch, shift, limits);
    let last = |stretch: &mut ScaleStretch<'_>| scale_last(stretch, shift, limits);
    line.in_pairs(results, signs, pairs, last);
}

/// Two pixels at once, but for the last one of an odd number.
#[inline]
#[target_feature(enable = "avx2")]
fn scale_pairs(stretch: &mut ScaleStretch<'_>, shift: __m128i, [least, most]: [__m256i; 2]) {
    let (pairs, _) = stretch.x.as_chunks::<2>();
    let (results, _) = stretch.results.as_chunks_mut::<2>();
    let (signs, _) = stretch.signs.as_chunks_mut::<2>();
    let (factor, offset) = (load_sums(stretch.factor), load_sums(stretch.offset));
    for (x, (result, signs)) in pairs.iter().zip(results.iter_mut().zip(signs)) {
        let mut sums = [_mm256_setzero_si256(); 2];
        for p in 0..2 {
            let product = _mm256_mullo_epi32(load_sums(&x[p]), factor);
            sums[p] = _mm256_sra_epi32(_mm256_add_epi32(product, offset), shift);
        }
        if stretch.join {
            let words = load_words(result);
            let halves = [_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words)];
            for p in 0..2 {
                sums[p] = _mm256_add_epi32(sums[p], _mm256_cvtepi16_epi32(halves[p]));
            }
        }
        // Pixels 0 1 0 1, half a pixel each.
        let mixed = _mm256_packs_epi32(sums[0], sums[1]);
        let short = _mm256_permute4x64_epi64::<0b11_01_10_00>(mixed);
        let limited = _mm256_min_epi16(_mm256_max_epi16(short, least), most);
        store_words(result, limited);
        // Bytes of pixel 0, of pixel 1 from the 16th on.
        let negative = _mm256_movemask_epi8(_mm256_packs_epi16(limited, limited));
        let [first, _, second, _] = (!negative).to_le_bytes();
        *signs = [first, second];
    }
}

/// The last pixel alone.
#[inline]
#[target_feature(enable = "avx2")]
pub(in crate::kernels) fn scale_last(
    stretch: &mut ScaleStretch<'_>,
    shift: __m128i,
    [least, most]: [__m256i; 2],
) {
    let (Some(x), Some(result), Some(signs)) =
        (stretch.x.last(), stretch.results.last_mut(), stretch.signs.last_mut())
    else {
        return;
    };
    let product = _mm256_mullo_epi32(load_sums(x), load_sums(stretch.factor));
    let sum = _mm256_add_epi32(product, load_sums(stretch.offset));
    let mut sum = _mm256_sra_epi32(sum, shift);
    if stretch.join {
        sum = _mm256_add_epi32(sum, _mm256_cvtepi16_epi32(load_word(result)));
    }
    let halves = (_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    let short = _mm_packs_epi32(halves.0, halves.1);
    let limited = _mm_max_epi16(short, _mm256_castsi256_si128(least));
    let limited = _mm_min_epi16(limited, _mm256_castsi256_si128(most));
    store_word(result, limited);
    let negative = _mm_movemask_epi8(_mm_packs_epi16(limited, limited));
    [*signs, ..] = (!negative).to_le_bytes();
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_word(word: &[i16; LANES]) -> __m128i {
    // SAFETY: the array has the 16 bytes that are read, at any alignment.
    unsafe { _mm_loadu_si128(word.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_word(word: &mut [i16; LANES], values: __m128i) {
    // SAFETY: the array has the 16 bytes that are written, at any alignment.
    unsafe { _mm_storeu_si128(word.as_mut_ptr().cast(), values) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(in crate::kernels) fn load_sums(sums: &SumBlock) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read, at any alignment.
    unsafe { _mm256_loadu_si256(sums.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(in crate::kernels) fn load_words(words: &[[i16; LANES]; 2]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read, at any alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(in crate::kernels) fn store_words(words: &mut [[i16; LANES]; 2], values: __m256i) {
    // SAFETY: the array has the 32 bytes that are written, at any alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), values) }
}
