//! The backward passes of the unit, the stem and the shortcuts.

use super::{Row, Sum, Totals, add_row};
use crate::lanes::{LANES, Lanes};
use crate::simd::simd;

/// The gradient of the limit: `g` where `|y| < bound`, else 0.
#[inline(always)]
pub(super) fn through_limit(g: f32, y: f32, bound: f32) -> f32 {
    if y.abs() < bound { g } else { 0.0 }
}

simd! {
    /// Returns `Σ g` and `Σ g·z` of one channel, `g` the gradient before the limit.
    pub fn gradient_sums<const LEVEL, T: Sum>(
        grad: &[Row],
        y: &[Row],
        z: &[[T; LANES]],
        bound: f32,
        side: usize,
    ) -> (Totals, Totals) {
        let mut sum = [0.0; LANES];
        let mut dot = [0.0; LANES];
        let rows = grad.chunks_exact(side).zip(y.chunks_exact(side)).zip(z.chunks_exact(side));
        for ((grad, y), z) in rows {
            let mut s = [0.0; LANES];
            let mut d = [0.0; LANES];
            for ((grad, y), z) in grad.iter().zip(y).zip(z) {
                for k in 0..LANES {
                    let g = through_limit(grad[k], y[k], bound);
                    s[k] += g;
                    d[k] += g * z[k].get();
                }
            }
            add_row(&mut sum, &s);
            add_row(&mut dot, &d);
        }
        (sum, dot)
    }
}

/// The gradient of a channel's sums, `scale·g + slope·z + offset`; dead lanes have coefficients 0.
#[derive(Clone, Copy, Debug)]
pub struct GradRow {
    /// Factor of the gradient.
    pub scale: f32,
    /// Factor of the sum, for each lane.
    pub slope: Row,
    /// Constant, for each lane.
    pub offset: Row,
    /// The forward pass's limit.
    pub bound: f32,
}

simd! {
    /// Writes the gradient of one channel's sums into the interior of a padded plane.
    pub fn write_gradient<const LEVEL, T: Sum>(
        grad: &[Row],
        y: &[Row],
        z: &[[T; LANES]],
        f: GradRow,
        plane: &mut [Lanes],
        side: usize,
        pad: usize,
    ) {
        let padded = side + 2 * pad;
        let bound = f.bound;
        let rows = grad.chunks_exact(side).zip(y.chunks_exact(side)).zip(z.chunks_exact(side));
        let out = plane[padded * pad..].chunks_exact_mut(padded);
        for (((grad, y), z), out) in rows.zip(out) {
            for (((grad, y), z), out) in grad.iter().zip(y).zip(z).zip(&mut out[pad..]) {
                for k in 0..LANES {
                    let g = through_limit(grad[k], y[k], bound);
                    out.0[k] = f.scale * g + f.slope[k] * z[k].get() + f.offset[k];
                }
            }
        }
    }
}

simd! {
    /// As [`write_gradient`] where [`super::pool_extremes`] stands between: each gradient goes to the
    /// place that won, and the other three of its block get 0.
    ///
    /// The sizes are the side of the plane before pooling and the padding.
    pub fn write_gradient_pooled<const LEVEL>(
        grad: &[Row],
        y: &[Row],
        z: &[[i16; LANES]],
        places: &[[u8; LANES]],
        f: GradRow,
        plane: &mut [Lanes],
        sizes: [usize; 2],
    ) {
        let [side, pad] = sizes;
        let padded = side + 2 * pad;
        let half = side / 2;
        let bound = f.bound;
        if side % 2 == 1 {
            plane.fill(Lanes::ZERO);
        }
        for i in 0..half {
            for j in 0..half {
                let at = i * half + j;
                let corner = (2 * i + pad) * padded + 2 * j + pad;
                let mut g = [0.0; LANES];
                for k in 0..LANES {
                    let direct = through_limit(grad[at][k], y[at][k], bound);
                    g[k] = f.scale * direct + f.slope[k] * z[at][k].get() + f.offset[k];
                }
                for (q, to) in (0u8..).zip([corner, corner + 1, corner + padded, corner + padded + 1])
                {
                    for k in 0..LANES {
                        plane[to].0[k] = if places[at][k] == q { g[k] } else { 0.0 };
                    }
                }
            }
        }
    }
}

simd! {
    /// Applies the triangle `2 - 2|u/s|`, limited below by 0, to the gradient of the signs, in
    /// place, and adds `Σ g·u` of each image to `dot`; `u = x + shift`, `inv = 1/s`.
    pub fn triangle<const LEVEL>(
        x: &[Row],
        shift: f32,
        inv: &Row,
        grad: &mut [Lanes],
        side: usize,
        dot: &mut Totals,
    ) {
        for (x, grad) in x.chunks_exact(side).zip(grad.chunks_exact_mut(side)) {
            let mut d = [0.0; LANES];
            for (x, grad) in x.iter().zip(grad) {
                for k in 0..LANES {
                    let u = x[k] + shift;
                    let g = grad.0[k] * (2.0 - 2.0 * (u * inv[k]).abs()).max(0.0);
                    grad.0[k] = g;
                    d[k] += g * u;
                }
            }
            add_row(dot, &d);
        }
    }
}

/// What turns a gradient after the triangle into the gradient of the map.
#[derive(Clone, Copy, Debug)]
pub struct StdRow {
    /// `1/s` of each image.
    pub inv: Row,
    /// Mean of each image, less the channel's shift: what `x` is compared with.
    pub mean: Row,
    /// Factor of `x - mean`: 0 where the deviation is detached.
    pub slope: Row,
}

impl StdRow {
    #[inline(always)]
    fn gradient(&self, g: f32, x: f32, k: usize) -> f32 {
        g * self.inv[k] - (x - self.mean[k]) * self.slope[k]
    }
}

/// One channel of a result, as its shortcut's gradient needs it.
#[derive(Clone, Copy, Debug)]
pub struct Landing<'a> {
    /// Gradient of the result.
    pub grad: &'a [Row],
    /// The result.
    pub y: &'a [Row],
    /// The result's limit.
    pub bound: f32,
}

impl Landing<'_> {
    /// The gradient before the limit.
    #[inline(always)]
    fn direct(&self, at: usize, k: usize) -> f32 {
        through_limit(self.grad[at][k], self.y[at][k], self.bound)
    }
}

simd! {
    /// Gradient of one channel without a shortcut: `g/s - (x - mean)·slope`.
    pub fn input_gradient<const LEVEL>(x: &[Row], signs: &[Lanes], f: StdRow, out: &mut [Row]) {
        for ((x, s), out) in x.iter().zip(signs).zip(out) {
            for k in 0..LANES {
                out[k] = f.gradient(s.0[k], x[k], k);
            }
        }
    }
}

simd! {
    /// As [`input_gradient`], plus the gradient of an identity shortcut.
    pub fn input_gradient_identity<const LEVEL>(
        x: &[Row],
        signs: &[Lanes],
        f: StdRow,
        to: Landing<'_>,
        out: &mut [Row],
    ) {
        let rows = x.iter().zip(signs).zip(to.grad).zip(to.y);
        for ((((x, s), grad), y), out) in rows.zip(out) {
            for k in 0..LANES {
                let direct = through_limit(grad[k], y[k], to.bound);
                out[k] = f.gradient(s.0[k], x[k], k) + direct;
            }
        }
    }
}

simd! {
    /// As [`input_gradient`], plus the gradient of a pooling shortcut; `side` is that of `x`, twice
    /// that of the result.
    pub fn input_gradient_pooled<const LEVEL>(
        x: &[Row],
        signs: &[Lanes],
        f: StdRow,
        to: Landing<'_>,
        out: &mut [Row],
        side: usize,
    ) {
        let half = side / 2;
        for i in 0..side {
            for j in 0..side {
                let at = i * side + j;
                let from = (i / 2) * half + j / 2;
                for k in 0..LANES {
                    let direct = 0.25 * to.direct(from, k);
                    out[at][k] = f.gradient(signs[at].0[k], x[at][k], k) + direct;
                }
            }
        }
    }
}

simd! {
    /// Gradient of an identity shortcut on its own.
    pub fn shortcut_gradient<const LEVEL>(to: Landing<'_>, out: &mut [Row]) {
        for ((grad, y), out) in to.grad.iter().zip(to.y).zip(out) {
            for k in 0..LANES {
                out[k] = through_limit(grad[k], y[k], to.bound);
            }
        }
    }
}

simd! {
    /// Gradient of a pooling shortcut on its own; `side` is that of `out`, twice that of the result.
    pub fn shortcut_gradient_pooled<const LEVEL>(to: Landing<'_>, out: &mut [Row], side: usize) {
        let half = side / 2;
        for i in 0..side {
            for j in 0..side {
                let from = (i / 2) * half + j / 2;
                for k in 0..LANES {
                    out[i * side + j][k] = 0.25 * to.direct(from, k);
                }
            }
        }
    }
}

simd! {
    /// Returns the sum of a plane for each image.
    pub fn plane_sums<const LEVEL>(x: &[Row], side: usize) -> Totals {
        let mut sum = [0.0; LANES];
        for row in x.chunks_exact(side) {
            let mut s = [0.0; LANES];
            for x in row {
                for k in 0..LANES {
                    s[k] += x[k];
                }
            }
            add_row(&mut sum, &s);
        }
        sum
    }
}
