//! A line of results of one block of columns: from `x` to `y`, `r`, `v`, bits and levels.
//!
//! Cycles D2 to D6+N of section 5.3 of microarchitecture.md in plain loops, which the instruction
//! set vectorises: constants are the same in each stretch of a line, and every loop takes the columns
//! of a pixel at once, so that none has a rest. `r` and the signs of most lines come from a kernel.

#![expect(clippy::inline_always, reason = "inlined into functions for an instruction set")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are limited to the narrower type first, or kept modulo its size"
)]

use super::output::pack;
use super::tables::{Bend, Scale, Tables};
use crate::kernels::{LANES, SumBlock, Task};
use std::array::from_fn;
use std::ops::Range;

/// Beyond any shortcut and limit: a larger `y` has the same result.
const FAR: i32 = 1 << 20;

/// What the program says of a layer's results.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Right shift of the product.
    pub(super) shift: u32,
    /// Largest magnitude of `r`.
    pub(super) clip: i16,
    /// Bits of a sum beyond those that an accumulator and a sign keep.
    pub(super) unused: u32,
    /// Right shift of the product with the slope.
    pub(super) value_shift: u32,
    /// Largest magnitude of `v`.
    pub(super) value_clip: i16,
    /// Right shift of a level.
    pub(super) level_shift: u32,
}

/// What is made of a line.
pub(super) struct Made<'a> {
    /// `y` modulo 2^32, if wanted.
    pub(super) logits: Option<&'a mut [SumBlock]>,
    /// `r`, where the shortcut was.
    pub(super) stream: &'a mut [[i16; LANES]],
    /// `v`, where something bends.
    pub(super) value: &'a mut [[i16; LANES]],
    /// The result bits of each pixel, if wanted.
    pub(super) bits: Option<&'a mut [u8]>,
    /// `q` of each column, if wanted.
    pub(super) levels: Option<&'a mut [[u8; LANES]]>,
}

/// A line of results; all slices are of one length. Where 32 bits are enough, the kernel has made `r`
/// and the signs.
pub(super) struct Line<'a> {
    pub(super) x: &'a [SumBlock],
    pub(super) tables: &'a Tables,
    /// Where the line's constants begin.
    pub(super) first: usize,
    /// Whether there is a shortcut.
    pub(super) join: bool,
    pub(super) settings: Settings,
    pub(super) made: Made<'a>,
}

impl Task for Line<'_> {
    #[inline(always)]
    fn run(mut self) {
        let tables = self.tables;
        for stretch in &tables.stretches {
            self.scale(&stretch.pixels, self.first + stretch.kind);
        }
        let Made { stream, value, bits, levels, .. } = self.made;
        let mut values = &*stream;
        if let Some(bend) = &tables.bend {
            for stretch in &tables.stretches {
                let (pixels, kind) = (stretch.pixels.clone(), self.first + stretch.kind);
                let to = &mut value[pixels.clone()];
                bend_values(bend, kind, &self.settings, &stream[pixels], to);
            }
            values = &*value;
        }
        match (bits, &tables.bend, &tables.scale) {
            (Some(bits), None, Scale::Wide { .. }) => signs(values, bits),
            (Some(bits), Some(bend), _) => {
                for stretch in &tables.stretches {
                    let (pixels, kind) = (stretch.pixels.clone(), self.first + stretch.kind);
                    compare(bend, kind, &values[pixels.clone()], &mut bits[pixels]);
                }
            }
            _ => {}
        }
        if let Some(levels) = levels {
            quantize(values, self.settings.level_shift, levels);
        }
    }
}

impl Line<'_> {
    /// Cycles D2 to D6 of a stretch: `r`.
    #[inline(always)]
    fn scale(&mut self, pixels: &Range<usize>, kind: usize) {
        match &self.tables.scale {
            Scale::Narrow { factor, offset } => {
                let Some(logits) = &mut self.made.logits else { return };
                let (factor, offset) = (factor[kind], offset[kind]);
                for pixel in pixels.clone() {
                    for lane in 0..LANES {
                        let product = factor[lane].wrapping_mul(self.x[pixel][lane]);
                        let sum = product.wrapping_add(offset[lane]);
                        logits[pixel][lane] = sum >> self.settings.shift;
                    }
                }
            }
            Scale::Wide { mul, bias } => {
                self.wide(pixels, &self.tables.base[kind], &mul[kind], &bias[kind]);
            }
        }
    }

    /// `y` and `r` of a stretch with 64 bits.
    #[inline(always)]
    fn wide(
        &mut self,
        pixels: &Range<usize>,
        base: &SumBlock,
        mul: &SumBlock,
        bias: &[i64; LANES],
    ) {
        let (x, stream) = (&self.x[pixels.clone()], &mut self.made.stream[pixels.clone()]);
        let Settings { shift, clip, unused, .. } = self.settings;
        let clip = i32::from(clip);
        let scaled = |x: &SumBlock| -> [i64; LANES] {
            from_fn(|lane| {
                let z = wrap_sum(base[lane], x[lane], unused);
                (i64::from(mul[lane]) * i64::from(z) + bias[lane]) >> shift
            })
        };
        let near =
            |x| -> SumBlock { scaled(x).map(|y| y.clamp(-i64::from(FAR), i64::from(FAR)) as i32) };
        for (r, x) in stream.iter_mut().zip(x) {
            let (near, word) = (near(x), if self.join { *r } else { [0; LANES] });
            *r = from_fn(|lane| (near[lane] + i32::from(word[lane])).clamp(-clip, clip) as i16);
        }
        if let Some(logits) = &mut self.made.logits {
            for (y, x) in logits[pixels.clone()].iter_mut().zip(x) {
                *y = scaled(x).map(|y| y as i32);
            }
        }
    }
}

/// Cycles D6+1 to D6+6: `v` of a stretch.
#[inline(always)]
fn bend_values(
    bend: &Bend,
    kind: usize,
    settings: &Settings,
    stream: &[[i16; LANES]],
    value: &mut [[i16; LANES]],
) {
    let (shift, half) = (settings.value_shift, 1 << settings.value_shift >> 1);
    let (before, slope, after) = (bend.before[kind], bend.slope[kind], bend.after[kind]);
    let clip = i32::from(settings.value_clip);
    if bend.narrow {
        for (v, r) in value.iter_mut().zip(stream) {
            for lane in 0..LANES {
                let u = i32::from(r[lane]) + before[lane];
                let bent = if u >= 0 { u } else { (u * slope[lane] + half) >> shift };
                v[lane] = (bent + after[lane]).clamp(-clip, clip) as i16;
            }
        }
    } else {
        let (clip, half) = (i64::from(clip), i64::from(half));
        for (v, r) in value.iter_mut().zip(stream) {
            for lane in 0..LANES {
                let u = i64::from(i32::from(r[lane]) + before[lane]);
                let slope = i64::from(slope[lane]);
                let bent = if u >= 0 { u } else { (u * slope + half) >> shift };
                v[lane] = (bent + i64::from(after[lane])).clamp(-clip, clip) as i16;
            }
        }
    }
}

/// The result bits of a stretch: comparisons with thresholds.
#[inline(always)]
fn compare(bend: &Bend, kind: usize, value: &[[i16; LANES]], bits: &mut [u8]) {
    let (sign, limit) = (bend.sign[kind], bend.limit[kind]);
    for (bits, v) in bits.iter_mut().zip(value) {
        let codes = from_fn(|lane| (sign[lane] * i32::from(v[lane]) >= limit[lane]).into());
        *bits = pack(u64::from_le_bytes(codes));
    }
}

/// The result bits: 1 where a value is not negative.
#[inline(always)]
fn signs(values: &[[i16; LANES]], bits: &mut [u8]) {
    for (bits, values) in bits.iter_mut().zip(values) {
        let codes = from_fn(|lane| (!values[lane].cast_unsigned() >> 15) as u8);
        *bits = pack(u64::from_le_bytes(codes));
    }
}

/// Returns `z`, which keeps the bits of an accumulator and a sign.
#[inline(always)]
pub(super) fn wrap_sum(base: i32, x: i32, unused: u32) -> i32 {
    base.wrapping_sub(x.wrapping_mul(2)) << unused >> unused
}

/// Returns the levels of values.
#[inline(always)]
fn quantize(values: &[[i16; LANES]], shift: u32, levels: &mut [[u8; LANES]]) {
    for (levels, values) in levels.iter_mut().zip(values) {
        for lane in 0..LANES {
            levels[lane] = ((i32::from(values[lane]) >> shift) + 128).clamp(0, 255) as u8;
        }
    }
}
