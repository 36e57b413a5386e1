//! Kernels in plain Rust: what every processor runs.

use super::{LANES, PairBlock, QuadBlock, Segment, SumBlock, WordBlock, ranges};

/// See [`super::Kernels::count`].
pub(super) fn count(
    panel: &[u64],
    weights: &[WordBlock],
    segments: &[Segment],
    out: &mut [SumBlock],
) {
    let words = super::words(segments);
    let pixels = panel.len() / words;
    for (weights, out) in weights.chunks_exact(words).zip(out.chunks_exact_mut(pixels)) {
        for (pixel, sums) in panel.chunks_exact(words).zip(out) {
            let mut counts = [0u32; LANES];
            for (segment, doublings) in ranges(segments) {
                for (&word, block) in pixel[segment.clone()].iter().zip(&weights[segment]) {
                    for (count, weight) in counts.iter_mut().zip(block) {
                        *count = count.wrapping_add((word ^ weight).count_ones());
                    }
                }
                counts = counts.map(|count| count.unbounded_shl(doublings));
            }
            *sums = counts.map(u32::cast_signed);
        }
    }
}

/// See [`super::Kernels::multiply`].
pub(super) fn multiply(
    panel: &[[i16; 2]],
    weights: &[PairBlock],
    pairs: usize,
    out: &mut [SumBlock],
) {
    let pixels = panel.len() / pairs;
    for (weights, out) in weights.chunks_exact(pairs).zip(out.chunks_exact_mut(pixels)) {
        for (pixel, sums) in panel.chunks_exact(pairs).zip(out) {
            *sums = [0; LANES];
            for (&[a, b], block) in pixel.iter().zip(weights) {
                for (sum, weights) in sums.iter_mut().zip(block.chunks_exact(2)) {
                    let product = i32::from(a) * i32::from(weights[0]);
                    *sum = sum
                        .wrapping_add(product)
                        .wrapping_add(i32::from(b) * i32::from(weights[1]));
                }
            }
        }
    }
}

/// See [`super::Kernels::multiply_bytes`].
pub(super) fn multiply_bytes(
    panel: &[[u8; 4]],
    weights: &[QuadBlock],
    quads: usize,
    out: &mut [SumBlock],
) {
    let pixels = panel.len() / quads;
    for (weights, out) in weights.chunks_exact(quads).zip(out.chunks_exact_mut(pixels)) {
        for (pixel, sums) in panel.chunks_exact(quads).zip(out) {
            *sums = [0; LANES];
            for (quad, block) in pixel.iter().zip(weights) {
                let quad = quad.map(i32::from);
                for (sum, weights) in sums.iter_mut().zip(block.as_chunks::<4>().0) {
                    let products = quad.iter().zip(weights).map(|(&a, &w)| a * i32::from(w));
                    *sum = sum.wrapping_add(products.sum());
                }
            }
        }
    }
}
