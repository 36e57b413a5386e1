//! Sums of a line of pixels, scaled, joined with a shortcut, limited, and their signs.

use super::{LANES, SumBlock};
use std::ops::Range;

/// Neighbouring pixels of a line that have the same constants.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    pub(crate) pixels: Range<usize>,
    /// Index of the constants.
    pub(crate) kind: usize,
}

/// A line of sums of a block, and how they become results:
/// `clamp(((factor·x + offset) >> shift) + shortcut, ±clip)`.
///
/// No product, sum or result before the limit may leave 32 bits.
pub(crate) struct ScaleLine<'a> {
    pub(crate) x: &'a [SumBlock],
    /// In order; together the whole line.
    pub(crate) stretches: &'a [Stretch],
    /// Of each kind.
    pub(crate) factor: &'a [SumBlock],
    /// Of each kind.
    pub(crate) offset: &'a [SumBlock],
    /// Below 32.
    pub(crate) shift: u32,
    /// Whether there is a shortcut, which lies where the results go.
    pub(crate) join: bool,
    pub(crate) clip: i16,
}

/// A stretch of a [`ScaleLine`], cut out of its slices, and where its results go.
pub(super) struct ScaleStretch<'a> {
    pub(super) x: &'a [SumBlock],
    pub(super) factor: &'a SumBlock,
    pub(super) offset: &'a SumBlock,
    pub(super) shift: u32,
    pub(super) join: bool,
    pub(super) clip: i16,
    pub(super) results: &'a mut [[i16; LANES]],
    pub(super) signs: &'a mut [u8],
}

impl ScaleLine<'_> {
    /// Works on each stretch.
    #[expect(clippy::inline_always, reason = "compiled for each instruction set")]
    #[inline(always)]
    pub(super) fn each(
        &self,
        results: &mut [[i16; LANES]],
        signs: &mut [u8],
        mut work: impl FnMut(ScaleStretch<'_>),
    ) {
        for Stretch { pixels, kind } in self.stretches {
            work(ScaleStretch {
                x: &self.x[pixels.clone()],
                factor: &self.factor[*kind],
                offset: &self.offset[*kind],
                shift: self.shift,
                join: self.join,
                clip: self.clip,
                results: &mut results[pixels.clone()],
                signs: &mut signs[pixels.clone()],
            });
        }
    }

    /// Works on each stretch two pixels at once, and on the last one of an odd number alone.
    #[expect(clippy::inline_always, reason = "compiled for each instruction set")]
    #[inline(always)]
    pub(super) fn in_pairs(
        &self,
        results: &mut [[i16; LANES]],
        signs: &mut [u8],
        mut pairs: impl FnMut(&mut ScaleStretch<'_>),
        mut last: impl FnMut(&mut ScaleStretch<'_>),
    ) {
        self.each(results, signs, |mut stretch| {
            let pixels = stretch.x.len();
            if pixels > 1 {
                pairs(&mut stretch);
            }
            if pixels % 2 == 1 {
                last(&mut stretch);
            }
        });
    }
}

/// See [`super::Kernels::scale`].
pub(super) fn scale(line: &ScaleLine<'_>, results: &mut [[i16; LANES]], signs: &mut [u8]) {
    line.each(results, signs, |stretch| {
        let clip = i32::from(stretch.clip);
        for (pixel, x) in stretch.x.iter().enumerate() {
            let word = if stretch.join { stretch.results[pixel] } else { [0; LANES] };
            let result: [i16; LANES] = std::array::from_fn(|lane| {
                let product = stretch.factor[lane].wrapping_mul(x[lane]);
                let y = product.wrapping_add(stretch.offset[lane]) >> stretch.shift;
                let limited = (y + i32::from(word[lane])).clamp(-clip, clip);
                i16::try_from(limited).expect("bug: the limit has 16 bits")
            });
            let sign = |(lane, &result): (usize, &i16)| u8::from(result >= 0) << lane;
            stretch.results[pixel] = result;
            stretch.signs[pixel] = result.iter().enumerate().map(sign).sum();
        }
    });
}
