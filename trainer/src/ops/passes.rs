//! Elementwise passes over one group of 16 images, compiled for each instruction set.
//!
//! Each function reads its arrays once from front to back; [`super::unit`] strings them together.
//! Sums run over one row in `f32` and over rows in `f64`, one for each lane, in a fixed order.

use crate::lanes::{LANES, Lanes};
use crate::simd::simd;

/// One value of each image.
pub type Row = [f32; LANES];
/// One `f64` total of each image.
pub type Totals = [f64; LANES];

/// A stored convolution sum: `i16` where the fan-in allows it, else `f32`.
pub trait Sum: Copy + Send + Sync + std::fmt::Debug + 'static {
    /// Returns the value.
    fn get(self) -> f32;
    /// Stores an integer that fits.
    fn put(v: f32) -> Self;
}

impl Sum for i16 {
    #[inline(always)]
    fn get(self) -> f32 {
        f32::from(self)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the unit checks the fan-in")]
    fn put(v: f32) -> Self {
        v as i16
    }
}

impl Sum for f32 {
    #[inline(always)]
    fn get(self) -> f32 {
        self
    }

    #[inline(always)]
    fn put(v: f32) -> Self {
        v
    }
}

/// Adds a row's sums to the totals.
#[inline(always)]
fn add_row(totals: &mut Totals, row: &Row) {
    for k in 0..LANES {
        totals[k] += f64::from(row[k]);
    }
}

/// Rounds to the grid: `floor(v·2^F + 0.5) / 2^F`, with `scale = 2^F`; 0 leaves the value as it is.
#[inline(always)]
pub fn snap(v: f32, scale: f32, step: f32) -> f32 {
    if scale == 0.0 { v } else { (v * scale + 0.5).floor() * step }
}

simd! {
    /// Writes the signs of a map into the interior of a padded one, `sign(0) = +1`.
    pub fn write_signs<const LEVEL>(x: &[Row], map: &mut [Lanes], side: usize) {
        let padded = side + 2;
        let planes = x.chunks_exact(side * side).zip(map.chunks_exact_mut(padded * padded));
        for (plane, out) in planes {
            let rows = plane.chunks_exact(side).zip(out[padded..].chunks_exact_mut(padded));
            for (row, out) in rows {
                for (x, out) in row.iter().zip(&mut out[1..]) {
                    for k in 0..LANES {
                        out.0[k] = if x[k] >= 0.0 { 1.0 } else { -1.0 };
                    }
                }
            }
        }
    }
}

simd! {
    /// Returns `Σ x` and `Σ x²` of each image.
    pub fn moments<const LEVEL>(x: &[Row], side: usize) -> (Totals, Totals) {
        let mut sum = [0.0; LANES];
        let mut squares = [0.0; LANES];
        for row in x.chunks_exact(side) {
            let mut s = [0.0; LANES];
            let mut q = [0.0; LANES];
            for x in row {
                for k in 0..LANES {
                    s[k] += x[k];
                    q[k] += x[k] * x[k];
                }
            }
            add_row(&mut sum, &s);
            add_row(&mut squares, &q);
        }
        (sum, squares)
    }
}

simd! {
    /// Stores the sums of one channel and returns `Σ z` and `Σ z²` of each image.
    pub fn store_sums<const LEVEL, T: Sum>(z: &[Lanes], out: &mut [[T; LANES]], side: usize)
        -> (Totals, Totals) {
        let mut sum = [0.0; LANES];
        let mut squares = [0.0; LANES];
        for (row, out) in z.chunks_exact(side).zip(out.chunks_exact_mut(side)) {
            let mut s = [0.0; LANES];
            let mut q = [0.0; LANES];
            for (z, out) in row.iter().zip(out) {
                for k in 0..LANES {
                    s[k] += z.0[k];
                    q[k] += z.0[k] * z.0[k];
                    out[k] = T::put(z.0[k]);
                }
            }
            add_row(&mut sum, &s);
            add_row(&mut squares, &q);
        }
        (sum, squares)
    }
}

/// `y = A·z + B`, and the grid it is rounded to.
#[derive(Clone, Copy, Debug)]
pub struct AffineRow {
    /// Slope.
    pub a: f32,
    /// Offset.
    pub b: f32,
    /// Grid steps in 1.0, or 0 off the grid.
    pub scale: f32,
}

impl AffineRow {
    fn step(&self) -> f32 {
        if self.scale == 0.0 { 1.0 } else { 1.0 / self.scale }
    }
}

simd! {
    /// One channel of a layer without shortcut: `clamp(snap(A·z + B), -1, 1)`.
    pub fn activate<const LEVEL, T: Sum>(z: &[[T; LANES]], f: AffineRow, y: &mut [Row]) {
        let step = f.step();
        for (z, y) in z.iter().zip(y) {
            for k in 0..LANES {
                y[k] = snap(f.a * z[k].get() + f.b, f.scale, step).clamp(-1.0, 1.0);
            }
        }
    }
}

simd! {
    /// One channel of a layer with identity shortcut: `clamp(snap(A·z + B) + x, -1, 1)`.
    pub fn activate_identity<const LEVEL>(
        z: &[[i16; LANES]],
        f: AffineRow,
        x: &[Row],
        y: &mut [Row],
    ) {
        let step = f.step();
        for ((z, x), y) in z.iter().zip(x).zip(y) {
            for k in 0..LANES {
                y[k] = (snap(f.a * z[k].get() + f.b, f.scale, step) + x[k]).clamp(-1.0, 1.0);
            }
        }
    }
}

simd! {
    /// One channel of a layer with pooling shortcut; `x` is the plane of twice the side.
    ///
    /// The mean of each 2×2 block is rounded to the grid before it is added.
    pub fn activate_pooled<const LEVEL>(
        z: &[[i16; LANES]],
        f: AffineRow,
        x: &[Row],
        y: &mut [Row],
        side: usize,
    ) {
        let step = f.step();
        for i in 0..side {
            let top = &x[4 * i * side..][..2 * side];
            let bottom = &x[(4 * i + 2) * side..][..2 * side];
            let zs = &z[i * side..][..side];
            let ys = &mut y[i * side..][..side];
            for j in 0..side {
                for k in 0..LANES {
                    let block = (top[2 * j][k] + top[2 * j + 1][k])
                        + (bottom[2 * j][k] + bottom[2 * j + 1][k]);
                    let pooled = snap(0.25 * block, f.scale, step);
                    let v = snap(f.a * zs[j][k].get() + f.b, f.scale, step) + pooled;
                    ys[j][k] = v.clamp(-1.0, 1.0);
                }
            }
        }
    }
}

/// The hardtanh's gradient: `g` where `-1 < y < 1`, else 0.
#[inline(always)]
fn through_hardtanh(g: f32, y: f32) -> f32 {
    if y.abs() < 1.0 { g } else { 0.0 }
}

simd! {
    /// Returns `Σ g` and `Σ g·z` of one channel, `g` the gradient before the hardtanh.
    pub fn gradient_sums<const LEVEL, T: Sum>(
        grad: &[Row],
        y: &[Row],
        z: &[[T; LANES]],
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
                    let g = through_hardtanh(grad[k], y[k]);
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
}

simd! {
    /// Writes the gradient of one channel's sums into a padded plane, at every `stride`-th place.
    pub fn write_gradient<const LEVEL, T: Sum>(
        grad: &[Row],
        y: &[Row],
        z: &[[T; LANES]],
        f: GradRow,
        plane: &mut [Lanes],
        side: usize,
        stride: usize,
    ) {
        let padded = side * stride + 2;
        if stride > 1 {
            plane.fill(Lanes::ZERO);
        }
        let rows = grad.chunks_exact(side).zip(y.chunks_exact(side)).zip(z.chunks_exact(side));
        for (i, ((grad, y), z)) in rows.enumerate() {
            let out = &mut plane[(i * stride + 1) * padded + 1..][..side * stride];
            let out = out.iter_mut().step_by(stride);
            for (((grad, y), z), out) in grad.iter().zip(y).zip(z).zip(out) {
                for k in 0..LANES {
                    let g = through_hardtanh(grad[k], y[k]);
                    out.0[k] = f.scale * g + f.slope[k] * z[k].get() + f.offset[k];
                }
            }
        }
    }
}

simd! {
    /// Applies the triangle `2 - 2|x/s|`, limited below by 0, to the gradient of the signs, in
    /// place, and returns `Σ g·x` of each image; `inv = 1/s`.
    pub fn triangle<const LEVEL>(x: &[Row], inv: &Row, grad: &mut [Lanes], side: usize) -> Totals {
        let mut dot = [0.0; LANES];
        for (x, grad) in x.chunks_exact(side).zip(grad.chunks_exact_mut(side)) {
            let mut d = [0.0; LANES];
            for (x, grad) in x.iter().zip(grad) {
                for k in 0..LANES {
                    let g = grad.0[k] * (2.0 - 2.0 * (x[k] * inv[k]).abs()).max(0.0);
                    grad.0[k] = g;
                    d[k] += g * x[k];
                }
            }
            add_row(&mut dot, &d);
        }
        dot
    }
}

/// What turns a gradient after the triangle into the gradient of the map.
#[derive(Clone, Copy, Debug)]
pub struct StdRow {
    /// `1/s` of each image.
    pub inv: Row,
    /// Mean of each image.
    pub mean: Row,
    /// Factor of `x - mean`: 0 where the deviation is detached.
    pub slope: Row,
}

simd! {
    /// Gradient of the map in place: `g/s - (x - mean)·slope`, plus the gradient of an identity
    /// shortcut.
    pub fn input_gradient_identity<const LEVEL>(
        x: &[Row],
        signs: &[Lanes],
        f: StdRow,
        grad: &[Row],
        y: &[Row],
        out: &mut [Row],
    ) {
        for ((((x, s), grad), y), out) in x.iter().zip(signs).zip(grad).zip(y).zip(out) {
            for k in 0..LANES {
                let direct = through_hardtanh(grad[k], y[k]);
                out[k] = s.0[k] * f.inv[k] - (x[k] - f.mean[k]) * f.slope[k] + direct;
            }
        }
    }
}

simd! {
    /// As [`input_gradient_identity`] for one channel of a pooling shortcut; `grad` and `y` are
    /// the planes of half the side that the channel is pooled into.
    pub fn input_gradient_pooled<const LEVEL>(
        x: &[Row],
        signs: &[Lanes],
        f: StdRow,
        grad: &[Row],
        y: &[Row],
        out: &mut [Row],
        side: usize,
    ) {
        let half = side / 2;
        for i in 0..side {
            for j in 0..side {
                let at = i * side + j;
                let from = (i / 2) * half + j / 2;
                for k in 0..LANES {
                    let direct = 0.25 * through_hardtanh(grad[from][k], y[from][k]);
                    out[at][k] = signs[at].0[k] * f.inv[k]
                        - (x[at][k] - f.mean[k]) * f.slope[k]
                        + direct;
                }
            }
        }
    }
}
