//! Elementwise passes over one group of 16 images, compiled for each instruction set.
//!
//! Each function reads its arrays once from front to back; [`super::unit`] strings them together.
//! Sums run over one row in `f32` and over rows in `f64`, one for each lane, in a fixed order.
//! Planes are one channel of a group; `side` is their height and width.

mod gradient;
mod prelu;

pub use gradient::{
    GradRow, Landing, StdRow, gradient_sums, input_gradient, input_gradient_identity,
    input_gradient_pooled, plane_sums, shortcut_gradient, shortcut_gradient_pooled, triangle,
    write_gradient, write_gradient_pooled,
};
pub use prelu::{PreluRow, rprelu, rprelu_gradient};

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
