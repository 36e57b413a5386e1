//! Cycles D0 to D6+N: from matches to `z`, `y`, `r`, `v`, the result bit and the level.

use super::{Context, Pixel, Tile};
use heartbit_ir::program::{LayerDescriptor, LayerOutput, Parameter};
use std::ops::Range;

/// Half of the levels of a map, added before the clamp.
const LEVEL_OFFSET: i64 = 128;

/// Results of all columns for one pixel.
#[derive(Clone, Debug)]
pub(super) struct Results {
    /// `z`.
    sums: Vec<i32>,
    /// `y`, not truncated.
    logits: Vec<i64>,
    /// `r`.
    stream: Vec<i16>,
    /// `v`.
    pub(super) value: Vec<i16>,
    /// The result bit, or the planes of the level where levels are written.
    pub(super) codes: Vec<u8>,
    /// The result bit.
    bits: Vec<bool>,
    /// `q`, only where levels are written.
    levels: Vec<u8>,
    overflows: u64,
}

impl Results {
    pub(super) fn new(cols: usize) -> Self {
        Self {
            sums: vec![0; cols],
            logits: vec![0; cols],
            stream: vec![0; cols],
            value: vec![0; cols],
            codes: vec![0; cols],
            bits: vec![false; cols],
            levels: vec![0; cols],
            overflows: 0,
        }
    }

    /// Returns the results whose accumulator did not hold all matches, and forgets them.
    pub(super) fn take_overflows(&mut self) -> u64 {
        std::mem::take(&mut self.overflows)
    }

    /// Computes everything for the row that `tile` shows.
    pub(super) fn compute(
        &mut self,
        tile: &Tile,
        pixel: &Pixel,
        shortcut: &[i32],
        to: &Context<'_>,
    ) {
        let (plan, d) = (to.plan, &to.layer.d);
        let parameters = to.parameters(pixel);
        let matches = &tile.matches[pixel.row * plan.cols..][..plan.cols];
        self.sum(matches, tile.products[pixel.row], plan.array.acc_bits);
        self.scale(shortcut, parameters, d);
        if plan.array.extended {
            self.nonlinear(parameters, d);
        } else {
            self.value.copy_from_slice(&self.stream);
            self.bits.iter_mut().zip(&self.value).for_each(|(bit, &v)| *bit = v >= 0);
        }
        if d.flags.write_levels {
            for ((q, code), &v) in self.levels.iter_mut().zip(&mut self.codes).zip(&self.value) {
                *q = level(v.into(), d.level_shift);
                *code = *q >> (8 - d.level_bits);
            }
        } else {
            self.codes.iter_mut().zip(&self.bits).for_each(|(code, &bit)| *code = bit.into());
        }
    }

    /// D0: `z`, modulo the width of an accumulator and a sign.
    fn sum(&mut self, matches: &[u32], products: u32, acc_bits: u32) {
        let acc_mask = u32::MAX >> (32 - acc_bits);
        let unused = 31 - acc_bits;
        let mut all = products;
        for (sum, &matches) in self.sums.iter_mut().zip(matches) {
            all |= matches;
            let z = ((matches & acc_mask) << 1).wrapping_sub(products & acc_mask);
            *sum = (z << unused).cast_signed() >> unused;
        }
        if all > acc_mask {
            let wrapped = |&&m: &&u32| m > acc_mask || products > acc_mask;
            self.overflows += matches.iter().filter(wrapped).count() as u64;
        }
    }

    /// D2 to D6: `y` and `r`.
    fn scale(&mut self, shortcut: &[i32], parameters: &[Parameter], d: &LayerDescriptor) {
        let clip = i64::from(d.clip);
        for (c, parameter) in parameters.iter().enumerate() {
            let product = i64::from(parameter.mul) * i64::from(self.sums[c]);
            let y = (product + parameter.bias) >> d.shift;
            let r = (y + i64::from(shortcut[c])).clamp(-clip, clip);
            self.logits[c] = y;
            self.stream[c] = i16::try_from(r).expect("bug: clip has 15 bits");
        }
    }

    /// D6+1 to D6+6: `v` and the result bit.
    fn nonlinear(&mut self, parameters: &[Parameter], d: &LayerDescriptor) {
        let half = if d.value_shift == 0 { 0 } else { 1i64 << (d.value_shift - 1) };
        let clip = i64::from(d.value_clip);
        for (c, parameter) in parameters.iter().enumerate() {
            let u = i64::from(self.stream[c]) + i64::from(parameter.before);
            let p = u * i64::from(parameter.slope);
            let bent = if u >= 0 { u } else { (p + half) >> d.value_shift };
            let v = (bent + i64::from(parameter.after)).clamp(-clip, clip);
            let threshold = i64::from(parameter.threshold);
            self.bits[c] = if parameter.at_most { v <= threshold } else { v >= threshold };
            self.value[c] = i16::try_from(v).expect("bug: value_clip has 15 bits");
        }
    }

    /// Copies `y`, cut to the width of a logit word.
    pub(super) fn copy_logits(&self, words: &mut [i32]) {
        truncate(words, &self.logits);
    }

    /// Records what the monitor ports show.
    pub(super) fn record(&self, columns: Range<usize>, record: &mut LayerOutput) {
        record.sums[columns.clone()].copy_from_slice(&self.sums);
        extend(&mut record.stream[columns.clone()], &self.stream);
        extend(&mut record.value[columns.clone()], &self.value);
        truncate(&mut record.logits[columns.clone()], &self.logits);
        record.bits[columns.clone()].copy_from_slice(&self.bits);
        if !record.levels.is_empty() {
            record.levels[columns].copy_from_slice(&self.levels);
        }
    }
}

/// Returns the 8-bit level of a value or a sum: `q`.
pub(crate) fn level(value: i64, shift: u32) -> u8 {
    let q = ((value >> shift) + LEVEL_OFFSET).clamp(0, 255);
    u8::try_from(q).expect("bug: clamped")
}

fn extend(to: &mut [i32], from: &[i16]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = i32::from(from);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a logit word has 32 bits")]
fn truncate(to: &mut [i32], from: &[i64]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from as i32;
    }
}
