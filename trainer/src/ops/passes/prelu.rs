//! `PReLU` between two offsets, forward and backward.

use super::gradient::through_limit;
use super::{Row, Totals, add_row};
use crate::lanes::LANES;
use crate::simd::simd;

/// The coefficients of one channel of a `PReLU` between offsets.
#[derive(Clone, Copy, Debug)]
pub struct PreluRow {
    /// Factor of negative values.
    pub slope: f64,
    /// Added first.
    pub before: f32,
    /// Added last.
    pub after: f32,
    /// Grid steps in 1.0, or 0 off the grid.
    pub scale: f32,
    /// Largest magnitude of the result; may be infinite.
    pub bound: f32,
}

impl PreluRow {
    /// The value before the limit.
    ///
    /// The product is `f64`: on the grid it has up to 36 bits.
    #[inline(always)]
    fn value(&self, x: f32) -> f32 {
        let u = x + self.before;
        let scale = f64::from(self.scale);
        let product = f64::from(u) * self.slope;
        let rounded =
            if self.scale == 0.0 { product } else { (product * scale + 0.5).floor() / scale };
        self.after + if u >= 0.0 { u } else { rounded as f32 }
    }
}

simd! {
    /// One channel of `clamp(prelu(x + before) + after, ±bound)`.
    pub fn rprelu<const LEVEL>(x: &[Row], f: PreluRow, y: &mut [Row]) {
        for (x, y) in x.iter().zip(y) {
            for k in 0..LANES {
                y[k] = f.value(x[k]).clamp(-f.bound, f.bound);
            }
        }
    }
}

simd! {
    /// Writes the gradient of `x` and returns the sums for slope, before and after; the gradient
    /// at `x + before = 0` is that of negative values, as in torch.
    pub fn rprelu_gradient<const LEVEL>(
        x: &[Row],
        grad: &[Row],
        f: PreluRow,
        out: &mut [Row],
        side: usize,
    ) -> [Totals; 3] {
        let mut totals = [[0.0; LANES]; 3];
        let slope = f.slope as f32;
        let rows = x.chunks_exact(side).zip(grad.chunks_exact(side));
        for ((x, grad), out) in rows.zip(out.chunks_exact_mut(side)) {
            let mut sums = [[0.0; LANES]; 3];
            for ((x, grad), out) in x.iter().zip(grad).zip(out) {
                for k in 0..LANES {
                    let u = x[k] + f.before;
                    let g = through_limit(grad[k], f.value(x[k]), f.bound);
                    let inner = if u > 0.0 { g } else { slope * g };
                    out[k] = inner;
                    sums[0][k] += if u > 0.0 { 0.0 } else { g * u };
                    sums[1][k] += inner;
                    sums[2][k] += g;
                }
            }
            for (total, sum) in totals.iter_mut().zip(&sums) {
                add_row(total, sum);
            }
        }
        totals
    }
}
