//! Elementwise passes over one group of 16 images, compiled for each instruction set.
//!
//! Each function reads its arrays once from front to back; [`super::unit`] strings them together.
//! Sums run over one row in `f32` and over rows in `f64`, one for each lane, in a fixed order.
//! Planes are one channel of a group; `side` is their height and width.

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
    /// Writes the signs of `x + shift` into the interior of a padded plane, `sign(0) = +1`.
    pub fn write_signs<const LEVEL>(
        x: &[Row],
        shift: f32,
        plane: &mut [Lanes],
        side: usize,
        pad: usize,
    ) {
        let padded = side + 2 * pad;
        let rows = x.chunks_exact(side).zip(plane[padded * pad..].chunks_exact_mut(padded));
        for (row, out) in rows {
            for (x, out) in row.iter().zip(&mut out[pad..]) {
                for k in 0..LANES {
                    out.0[k] = if x[k] + shift >= 0.0 { 1.0 } else { -1.0 };
                }
            }
        }
    }
}

simd! {
    /// Adds `Σ u` and `Σ u²` of each image to the totals, `u = x + shift`.
    pub fn moments<const LEVEL>(
        x: &[Row],
        shift: f32,
        side: usize,
        sum: &mut Totals,
        squares: &mut Totals,
    ) {
        for row in x.chunks_exact(side) {
            let mut s = [0.0; LANES];
            let mut q = [0.0; LANES];
            for x in row {
                for k in 0..LANES {
                    let u = x[k] + shift;
                    s[k] += u;
                    q[k] += u * u;
                }
            }
            add_row(sum, &s);
            add_row(squares, &q);
        }
    }
}

simd! {
    /// Reduces each 2×2 block of a plane, in place, to its largest value, or its smallest if
    /// `largest` is false, and writes which of the four it was: the first one, by rows.
    ///
    /// `side` is that of the plane; an odd last row or column is left out.
    pub fn pool_extremes<const LEVEL>(
        z: &mut [Lanes],
        places: &mut [[u8; LANES]],
        largest: bool,
        side: usize,
    ) {
        let sign = if largest { 1.0 } else { -1.0 };
        let half = side / 2;
        for i in 0..half {
            for j in 0..half {
                let at = 2 * i * side + 2 * j;
                let block = [z[at], z[at + 1], z[at + side], z[at + side + 1]];
                let mut best = block[0];
                let mut place = [0u8; LANES];
                for (q, v) in (0u8..).zip(&block).skip(1) {
                    for k in 0..LANES {
                        let wins = sign * v.0[k] > sign * best.0[k];
                        best.0[k] = if wins { v.0[k] } else { best.0[k] };
                        place[k] = if wins { q } else { place[k] };
                    }
                }
                z[i * half + j] = best;
                places[i * half + j] = place;
            }
        }
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

/// `y = A·z + B`, the grid it is rounded to, and the limit of the result.
#[derive(Clone, Copy, Debug)]
pub struct AffineRow {
    /// Slope.
    pub a: f32,
    /// Offset.
    pub b: f32,
    /// Grid steps in 1.0, or 0 off the grid.
    pub scale: f32,
    /// Largest magnitude of the result; may be infinite.
    pub bound: f32,
}

impl AffineRow {
    fn step(&self) -> f32 {
        if self.scale == 0.0 { 1.0 } else { 1.0 / self.scale }
    }
}

simd! {
    /// One channel of a layer without shortcut: `clamp(snap(A·z + B), ±bound)`.
    pub fn activate<const LEVEL, T: Sum>(z: &[[T; LANES]], f: AffineRow, y: &mut [Row]) {
        let step = f.step();
        for (z, y) in z.iter().zip(y) {
            for k in 0..LANES {
                y[k] = snap(f.a * z[k].get() + f.b, f.scale, step).clamp(-f.bound, f.bound);
            }
        }
    }
}

simd! {
    /// One channel of a layer with identity shortcut: `clamp(snap(A·z + B) + x, ±bound)`.
    pub fn activate_identity<const LEVEL>(
        z: &[[i16; LANES]],
        f: AffineRow,
        x: &[Row],
        y: &mut [Row],
    ) {
        let step = f.step();
        for ((z, x), y) in z.iter().zip(x).zip(y) {
            for k in 0..LANES {
                y[k] = (snap(f.a * z[k].get() + f.b, f.scale, step) + x[k]).clamp(-f.bound, f.bound);
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
                    ys[j][k] = v.clamp(-f.bound, f.bound);
                }
            }
        }
    }
}

/// The gradient of the limit: `g` where `|y| < bound`, else 0.
#[inline(always)]
fn through_limit(g: f32, y: f32, bound: f32) -> f32 {
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
    /// As [`write_gradient`] where [`pool_extremes`] stands between: each gradient goes to the
    /// place that won, and the other three of its block get 0.
    ///
    /// `side` is that of the plane before pooling.
    pub fn write_gradient_pooled<const LEVEL>(
        grad: &[Row],
        y: &[Row],
        z: &[[i16; LANES]],
        places: &[[u8; LANES]],
        f: GradRow,
        plane: &mut [Lanes],
        side: usize,
        pad: usize,
    ) {
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
        grad: &[Row],
        y: &[Row],
        bound: f32,
        out: &mut [Row],
    ) {
        for ((((x, s), grad), y), out) in x.iter().zip(signs).zip(grad).zip(y).zip(out) {
            for k in 0..LANES {
                let direct = through_limit(grad[k], y[k], bound);
                out[k] = f.gradient(s.0[k], x[k], k) + direct;
            }
        }
    }
}

simd! {
    /// As [`input_gradient`], plus the gradient of a pooling shortcut; `grad` and `y` are the
    /// planes of half the side that the channel is pooled into.
    pub fn input_gradient_pooled<const LEVEL>(
        x: &[Row],
        signs: &[Lanes],
        f: StdRow,
        grad: &[Row],
        y: &[Row],
        bound: f32,
        out: &mut [Row],
        side: usize,
    ) {
        let half = side / 2;
        for i in 0..side {
            for j in 0..side {
                let at = i * side + j;
                let from = (i / 2) * half + j / 2;
                for k in 0..LANES {
                    let direct = 0.25 * through_limit(grad[from][k], y[from][k], bound);
                    out[at][k] = f.gradient(signs[at].0[k], x[at][k], k) + direct;
                }
            }
        }
    }
}

simd! {
    /// Gradient of an identity shortcut on its own.
    pub fn shortcut_gradient<const LEVEL>(
        grad: &[Row],
        y: &[Row],
        bound: f32,
        out: &mut [Row],
    ) {
        for ((grad, y), out) in grad.iter().zip(y).zip(out) {
            for k in 0..LANES {
                out[k] = through_limit(grad[k], y[k], bound);
            }
        }
    }
}

simd! {
    /// Gradient of a pooling shortcut on its own; `side` is that of `out`, twice that of `grad`.
    pub fn shortcut_gradient_pooled<const LEVEL>(
        grad: &[Row],
        y: &[Row],
        bound: f32,
        out: &mut [Row],
        side: usize,
    ) {
        let half = side / 2;
        for i in 0..side {
            for j in 0..side {
                let from = (i / 2) * half + j / 2;
                for k in 0..LANES {
                    let direct = through_limit(grad[from][k], y[from][k], bound);
                    out[i * side + j][k] = 0.25 * direct;
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

simd! {
    /// Writes the mean of each 2×2 block, rounded to the grid; `side` is that of `y`.
    pub fn mean_of_blocks<const LEVEL>(x: &[Row], scale: f32, y: &mut [Row], side: usize) {
        let step = 1.0 / scale;
        for i in 0..side {
            for j in 0..side {
                let at = 4 * i * side + 2 * j;
                let block = [x[at], x[at + 1], x[at + 2 * side], x[at + 2 * side + 1]];
                for k in 0..LANES {
                    let sum = (block[0][k] + block[1][k]) + (block[2][k] + block[3][k]);
                    y[i * side + j][k] = snap(0.25 * sum, scale, step);
                }
            }
        }
    }
}

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
