//! A line of results of one block of columns: from `x` to `y`, `r`, `v`, bits and levels.
//!
//! Cycles D2 to D6+N of section 5.3 of microarchitecture.md in plain loops, which the instruction
//! set vectorises. Every loop takes the columns of a pixel at once, so that none has a rest.

#![expect(clippy::inline_always, reason = "inlined into functions for an instruction set")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are limited to the narrower type first, or kept modulo its size"
)]

use crate::kernels::{LANES, SumBlock, Task};

/// Beyond any shortcut and limit: a larger `y` has the same result.
const FAR: i32 = 1 << 20;

/// How `x` becomes `y`.
pub(super) enum LineScale<'a> {
    Narrow {
        factor: &'a [SumBlock],
        offset: &'a [SumBlock],
    },
    Wide {
        base: &'a [SumBlock],
        mul: &'a [SumBlock],
        bias: &'a [[i64; LANES]],
        /// Bits of a sum beyond those that are kept.
        unused: u32,
    },
}

/// What is added to a line.
pub(super) enum LineShortcut<'a> {
    None,
    /// A line of the stream.
    Words(&'a [[i16; LANES]]),
    /// What was made of several words.
    Sums(&'a [SumBlock]),
}

/// The nonlinearity of a line.
pub(super) struct LineBend<'a> {
    pub(super) before: &'a [SumBlock],
    pub(super) slope: &'a [SumBlock],
    pub(super) after: &'a [SumBlock],
    pub(super) sign: &'a [SumBlock],
    pub(super) limit: &'a [SumBlock],
    pub(super) shift: u32,
    pub(super) clip: i32,
    pub(super) narrow: bool,
}

/// What is made of a line.
pub(super) struct Made<'a> {
    /// `y` modulo 2^32, if wanted.
    pub(super) logits: Option<&'a mut [SumBlock]>,
    /// `r`.
    pub(super) stream: &'a mut [[i16; LANES]],
    /// `v`, where something bends.
    pub(super) value: &'a mut [[i16; LANES]],
    /// The result bit of each column, if wanted.
    pub(super) bits: Option<&'a mut [[u8; LANES]]>,
    /// `q` of each column and its shift, if wanted.
    pub(super) levels: Option<(&'a mut [[u8; LANES]], u32)>,
}

/// A line of results; all slices are of one length.
pub(super) struct Line<'a> {
    pub(super) x: &'a [SumBlock],
    pub(super) scale: LineScale<'a>,
    pub(super) shift: u32,
    pub(super) shortcut: LineShortcut<'a>,
    pub(super) clip: i32,
    pub(super) bend: Option<LineBend<'a>>,
    pub(super) made: Made<'a>,
}

/// `y` of a pixel: modulo 2^32, and limited to what matters for `r`.
type Scaled = (SumBlock, SumBlock);

impl Task for Line<'_> {
    #[inline(always)]
    fn run(mut self) {
        self.scale();
        let Made { stream, value, bits, levels, .. } = self.made;
        let values = if let Some(bend) = &self.bend {
            bend.run(stream, value);
            if let Some(bits) = bits {
                bend.compare(value, bits);
            }
            &*value
        } else {
            if let Some(bits) = bits {
                for (bits, values) in bits.iter_mut().zip(&*stream) {
                    for lane in 0..LANES {
                        bits[lane] = (!values[lane].cast_unsigned() >> 15) as u8;
                    }
                }
            }
            &*stream
        };
        if let Some((levels, shift)) = levels {
            quantize(values, shift, levels);
        }
    }
}

impl Line<'_> {
    /// Cycles D2 to D6: `r`.
    #[inline(always)]
    fn scale(&mut self) {
        let shift = self.shift;
        match self.scale {
            LineScale::Narrow { factor, offset } => {
                let pixels = self.x.iter().zip(factor).zip(offset);
                self.join(pixels.map(|((x, factor), offset)| {
                    let (mut y, mut near) = ([0; LANES], [0; LANES]);
                    for lane in 0..LANES {
                        let sum = factor[lane].wrapping_mul(x[lane]).wrapping_add(offset[lane]);
                        y[lane] = sum >> shift;
                        near[lane] = y[lane].clamp(-FAR, FAR);
                    }
                    (y, near)
                }));
            }
            LineScale::Wide { base, mul, bias, unused } => {
                let pixels = self.x.iter().zip(base).zip(mul).zip(bias);
                self.join(pixels.map(|(((x, base), mul), bias)| {
                    let (mut y, mut near) = ([0; LANES], [0; LANES]);
                    for lane in 0..LANES {
                        let z = wrap_sum(base[lane], x[lane], unused);
                        let wide = (i64::from(mul[lane]) * i64::from(z) + bias[lane]) >> shift;
                        y[lane] = wide as i32;
                        near[lane] = wide.clamp(-i64::from(FAR), FAR.into()) as i32;
                    }
                    (y, near)
                }));
            }
        }
    }

    /// Cycles D5 and D6, of pixels whose `y` is there.
    #[inline(always)]
    fn join(&mut self, pixels: impl Iterator<Item = Scaled>) {
        match self.shortcut {
            LineShortcut::Sums(sums) => self.store(pixels.zip(sums), |&sum| sum),
            LineShortcut::Words(words) => self.store(pixels.zip(words), |word| {
                let mut sums = [0; LANES];
                for lane in 0..LANES {
                    sums[lane] = word[lane].into();
                }
                sums
            }),
            LineShortcut::None => self.store(pixels.map(|y| (y, ())), |()| [0; LANES]),
        }
    }

    /// Adds shortcuts and limits the sums.
    #[inline(always)]
    fn store<S>(
        &mut self,
        pixels: impl Iterator<Item = (Scaled, S)>,
        shortcut: impl Fn(S) -> SumBlock,
    ) {
        let (clip, Made { stream, logits, .. }) = (self.clip, &mut self.made);
        let limited = |near: SumBlock, sum: SumBlock| {
            let mut r = [0; LANES];
            for lane in 0..LANES {
                r[lane] = (near[lane] + sum[lane]).clamp(-clip, clip) as i16;
            }
            r
        };
        match logits {
            Some(logits) => {
                for ((((y, near), s), r), logit) in pixels.zip(&mut **stream).zip(&mut **logits) {
                    *r = limited(near, shortcut(s));
                    *logit = y;
                }
            }
            None => {
                for (((_, near), s), r) in pixels.zip(&mut **stream) {
                    *r = limited(near, shortcut(s));
                }
            }
        }
    }
}

impl LineBend<'_> {
    /// Cycles D6+1 to D6+6: `v`.
    #[inline(always)]
    fn run(&self, stream: &[[i16; LANES]], value: &mut [[i16; LANES]]) {
        let (shift, half) = (self.shift, 1 << self.shift >> 1);
        let constants = self.before.iter().zip(self.slope).zip(self.after);
        let pixels = value.iter_mut().zip(stream).zip(constants);
        if self.narrow {
            let clip = self.clip;
            for ((v, r), ((before, slope), after)) in pixels {
                for lane in 0..LANES {
                    let u = i32::from(r[lane]) + before[lane];
                    let bent = if u >= 0 { u } else { (u * slope[lane] + half) >> shift };
                    v[lane] = (bent + after[lane]).clamp(-clip, clip) as i16;
                }
            }
        } else {
            let (clip, half) = (i64::from(self.clip), i64::from(half));
            for ((v, r), ((before, slope), after)) in pixels {
                for lane in 0..LANES {
                    let u = i64::from(i32::from(r[lane]) + before[lane]);
                    let slope = i64::from(slope[lane]);
                    let bent = if u >= 0 { u } else { (u * slope + half) >> shift };
                    v[lane] = (bent + i64::from(after[lane])).clamp(-clip, clip) as i16;
                }
            }
        }
    }

    /// The result bits.
    #[inline(always)]
    fn compare(&self, value: &[[i16; LANES]], bits: &mut [[u8; LANES]]) {
        let constants = self.sign.iter().zip(self.limit);
        for ((bits, v), (sign, limit)) in bits.iter_mut().zip(value).zip(constants) {
            for lane in 0..LANES {
                bits[lane] = (sign[lane] * i32::from(v[lane]) >= limit[lane]).into();
            }
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
fn quantize(values: &[[i16; LANES]], shift: u32, levels: &mut [[u8; LANES]]) {
    for (levels, values) in levels.iter_mut().zip(values) {
        for lane in 0..LANES {
            levels[lane] = ((i32::from(values[lane]) >> shift) + 128).clamp(0, 255) as u8;
        }
    }
}
