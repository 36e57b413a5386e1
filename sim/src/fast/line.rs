//! A line of results of one block of columns: from `x` to `y`, `r`, `v`, bits and levels.
//!
//! Cycles D2 to D6+N of section 5.3 of microarchitecture.md, one plain loop a stage, which the
//! instruction set vectorises.

#![expect(clippy::inline_always, reason = "inlined into functions for an instruction set")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are limited to the narrower type first, or kept modulo its size"
)]

use crate::kernels::Task;

/// Beyond any shortcut and limit: a larger `y` has the same result.
const FAR: i32 = 1 << 20;

/// How `x` becomes `y`.
pub(super) enum LineScale<'a> {
    Narrow {
        factor: &'a [i32],
        offset: &'a [i32],
    },
    Wide {
        base: &'a [i32],
        mul: &'a [i32],
        bias: &'a [i64],
        /// Bits of a sum beyond those that are kept.
        unused: u32,
    },
}

/// What is added to a line.
pub(super) enum LineShortcut<'a> {
    None,
    /// A line of the stream.
    Words(&'a [i16]),
    /// What was made of several words.
    Sums(&'a [i32]),
}

/// The nonlinearity of a line.
pub(super) struct LineBend<'a> {
    pub(super) before: &'a [i32],
    pub(super) slope: &'a [i32],
    pub(super) after: &'a [i32],
    pub(super) sign: &'a [i32],
    pub(super) limit: &'a [i32],
    pub(super) shift: u32,
    pub(super) clip: i32,
    pub(super) narrow: bool,
}

/// What is made of a line.
pub(super) struct Made<'a> {
    /// `y`, limited to what matters for `r`.
    pub(super) y: &'a mut [i32],
    /// `y` modulo 2^32, if wanted.
    pub(super) logits: Option<&'a mut [i32]>,
    /// `r`.
    pub(super) stream: &'a mut [i16],
    /// `v`, where something bends.
    pub(super) value: &'a mut [i16],
    /// The result bit of each column, if wanted.
    pub(super) bits: Option<&'a mut [u8]>,
    /// `q` of each column and its shift, if wanted.
    pub(super) levels: Option<(&'a mut [u8], u32)>,
}

/// A line of results; all slices are of one length.
pub(super) struct Line<'a> {
    pub(super) x: &'a [i32],
    pub(super) scale: LineScale<'a>,
    pub(super) shift: u32,
    pub(super) shortcut: LineShortcut<'a>,
    pub(super) clip: i32,
    pub(super) bend: Option<LineBend<'a>>,
    pub(super) made: Made<'a>,
}

impl Task for Line<'_> {
    #[inline(always)]
    fn run(mut self) {
        self.scale();
        self.join();
        let Made { stream, value, bits, levels, .. } = self.made;
        let values = if let Some(bend) = &self.bend {
            bend.run(stream, value);
            if let Some(bits) = bits {
                bend.compare(value, bits);
            }
            &*value
        } else {
            if let Some(bits) = bits {
                bits.iter_mut().zip(&*stream).for_each(|(bit, &v)| *bit = (v >= 0).into());
            }
            &*stream
        };
        if let Some((levels, shift)) = levels {
            quantize(values, shift, levels);
        }
    }
}

impl Line<'_> {
    /// Cycles D1 to D4.
    #[inline(always)]
    fn scale(&mut self) {
        let (shift, y) = (self.shift, &mut *self.made.y);
        match &self.scale {
            LineScale::Narrow { factor, offset } => {
                let constants = factor.iter().zip(*offset);
                for ((y, &x), (&factor, &offset)) in y.iter_mut().zip(self.x).zip(constants) {
                    *y = factor.wrapping_mul(x).wrapping_add(offset) >> shift;
                }
                if let Some(logits) = &mut self.made.logits {
                    logits.copy_from_slice(y);
                }
            }
            LineScale::Wide { base, mul, bias, unused } => {
                let constants = base.iter().zip(*mul).zip(*bias);
                let wide = self.x.iter().zip(constants).map(|(&x, ((&base, &mul), &bias))| {
                    let z = wrap_sum(base, x, *unused);
                    (i64::from(mul) * i64::from(z) + bias) >> shift
                });
                match &mut self.made.logits {
                    Some(logits) => {
                        for ((y, logit), wide) in y.iter_mut().zip(logits.iter_mut()).zip(wide) {
                            *logit = wide as i32;
                            *y = wide.clamp(-i64::from(FAR), FAR.into()) as i32;
                        }
                    }
                    None => {
                        for (y, wide) in y.iter_mut().zip(wide) {
                            *y = wide.clamp(-i64::from(FAR), FAR.into()) as i32;
                        }
                    }
                }
            }
        }
    }

    /// Cycles D5 and D6.
    #[inline(always)]
    fn join(&mut self) {
        let (clip, stream) = (self.clip, &mut *self.made.stream);
        match self.shortcut {
            LineShortcut::Sums(shortcut) => {
                for ((r, &y), &s) in stream.iter_mut().zip(&*self.made.y).zip(shortcut) {
                    *r = (y.clamp(-FAR, FAR) + s).clamp(-clip, clip) as i16;
                }
            }
            LineShortcut::Words(shortcut) => {
                for ((r, &y), &s) in stream.iter_mut().zip(&*self.made.y).zip(shortcut) {
                    *r = (y.clamp(-FAR, FAR) + i32::from(s)).clamp(-clip, clip) as i16;
                }
            }
            LineShortcut::None => {
                for (r, &y) in stream.iter_mut().zip(&*self.made.y) {
                    *r = y.clamp(-clip, clip) as i16;
                }
            }
        }
    }
}

impl LineBend<'_> {
    /// Cycles D6+1 to D6+5: `v`.
    #[inline(always)]
    fn run(&self, stream: &[i16], value: &mut [i16]) {
        let (shift, half) = (self.shift, 1 << self.shift >> 1);
        let constants = self.before.iter().zip(self.slope).zip(self.after);
        let pixels = value.iter_mut().zip(stream).zip(constants);
        if self.narrow {
            let clip = self.clip;
            for ((v, &r), ((&before, &slope), &after)) in pixels {
                let u = i32::from(r) + before;
                let bent = if u >= 0 { u } else { (u * slope + half) >> shift };
                *v = (bent + after).clamp(-clip, clip) as i16;
            }
        } else {
            let (clip, half) = (i64::from(self.clip), i64::from(half));
            for ((v, &r), ((&before, &slope), &after)) in pixels {
                let u = i64::from(i32::from(r) + before);
                let bent = if u >= 0 { u } else { (u * i64::from(slope) + half) >> shift };
                *v = (bent + i64::from(after)).clamp(-clip, clip) as i16;
            }
        }
    }

    /// The result bits.
    #[inline(always)]
    fn compare(&self, value: &[i16], bits: &mut [u8]) {
        let constants = self.sign.iter().zip(self.limit);
        for ((bit, &v), (&sign, &limit)) in bits.iter_mut().zip(value).zip(constants) {
            *bit = (sign * i32::from(v) >= limit).into();
        }
    }
}

/// Returns `z`, which keeps the bits of an accumulator and a sign.
#[inline(always)]
pub(super) fn wrap_sum(base: i32, x: i32, unused: u32) -> i32 {
    base.wrapping_sub(x.wrapping_mul(2)) << unused >> unused
}

/// Returns the levels of values.
#[inline(always)]
fn quantize(values: &[i16], shift: u32, levels: &mut [u8]) {
    for (q, &v) in levels.iter_mut().zip(values) {
        *q = ((i32::from(v) >> shift) + 128).clamp(0, 255) as u8;
    }
}
