//! Maps from maps: the forward convolution and the gradient of its input.
//!
//! Both are one or more `Pass`es of one loop. A pass convolves a padded map with a rectangle of
//! taps and writes its results at every `out_step`-th place.
//! The forward pass is one of them. So is the input's gradient at stride 1, with the channels
//! exchanged and the taps reversed. At stride 2 an input position meets only the taps of its own
//! parity, so the gradient is four passes, one for each parity of row and column, and no product
//! with a zero between two gradients is ever computed.
//!
//! Blocking: 4 channels × 4 positions stay in registers while 16 input channels stream past. The
//! piece of the input that a block of positions needs then stays in the first-level cache for all
//! output channels, and the sums of a few rows in the second-level cache for all input channels.
//! A sum goes over input channels, then rows, then columns of taps, whatever the blocking.

use super::{ConvShape, check_weights, multiply_add};
use crate::lanes::Lanes;
use crate::simd::{AVX512, PORTABLE, simd};

/// Output channels computed together.
const COUT_BLOCK: usize = 4;
/// Positions computed together in the AVX-512 build.
const POSITIONS: usize = 4;
/// Bytes of sums that stay in the second-level cache while the input channels stream past.
const ROWS_BYTES: usize = 256 << 10;

/// One convolution of a padded map with a rectangle of taps.
#[derive(Clone, Debug)]
struct Pass {
    /// Input channels.
    cin: usize,
    /// Output channels.
    cout: usize,
    /// Rows of taps.
    taps_y: usize,
    /// Columns of taps.
    taps_x: usize,
    /// Height and width of the padded input.
    padded: usize,
    /// First row and column of the padded input that is read.
    origin: [usize; 2],
    /// 1 or 2.
    stride: usize,
    /// Rows and columns of results.
    size: [usize; 2],
    /// Height and width of the output map.
    out_side: usize,
    /// First row and column of the output that is written.
    out_origin: [usize; 2],
    /// Distance of written rows and columns.
    out_step: usize,
    /// `[cin / block, cout / 4, block, taps_y, taps_x, 4]`.
    weights: Vec<f32>,
}

impl Pass {
    /// Input channels that are added up in registers.
    fn cin_block(&self) -> usize {
        if self.taps_x <= 3 { 16 } else { 4 }
    }

    /// Rows whose sums are completed before the next ones are begun.
    fn row_block(&self) -> usize {
        let row = self.cout * self.size[1] * size_of::<Lanes>();
        (ROWS_BYTES / row.max(1)).clamp(1, self.size[0].max(1))
    }

    /// Fills in the weights: `tap(o, i, y, x)` gives each one.
    fn with_weights(mut self, tap: impl Fn(usize, usize, usize, usize) -> f32) -> Self {
        let mut packed = Vec::new();
        for first in (0..self.cin).step_by(self.cin_block()) {
            for block in 0..self.cout.div_ceil(COUT_BLOCK) {
                for i in first..self.cin.min(first + self.cin_block()) {
                    for (y, x) in pairs(self.taps_y, self.taps_x) {
                        packed.extend((0..COUT_BLOCK).map(|o| match block * COUT_BLOCK + o {
                            o if o < self.cout => tap(o, i, y, x),
                            _ => 0.0,
                        }));
                    }
                }
            }
        }
        self.weights = packed;
        self
    }
}

fn pairs(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |y| (0..columns).map(move |x| (y, x)))
}

/// Weights in the order in which [`forward`] or [`backward_input`] reads them.
#[derive(Clone, Debug)]
pub struct Packed {
    passes: Vec<Pass>,
    /// Whether some results belong to no pass and are zero.
    sparse: bool,
}

/// Packs `[cout, cin, k, k]` weights for [`forward`].
///
/// # Panics
/// If the shape is not one of the kernels' or does not hold the weights: a bug.
pub fn pack_forward(weights: &[f32], shape: ConvShape) -> Packed {
    check_weights(weights, shape);
    let pass = Pass {
        cin: shape.cin,
        cout: shape.cout,
        taps_y: shape.kernel,
        taps_x: shape.kernel,
        padded: shape.padded(),
        origin: [0; 2],
        stride: shape.stride,
        size: [shape.side(); 2],
        out_side: shape.side(),
        out_origin: [0; 2],
        out_step: 1,
        weights: Vec::new(),
    };
    let k = shape.kernel;
    let pass = pass.with_weights(|o, i, y, x| weights[((o * shape.cin + i) * k + y) * k + x]);
    Packed { passes: vec![pass], sparse: false }
}

/// The taps that one parity of the input's rows (or columns) meets, in the order of the gradient.
struct Parity {
    /// Largest tap, which meets the first gradient row.
    last: usize,
    taps: usize,
    /// Row of the padded gradient map that the first position and the largest tap meet.
    origin: usize,
    /// Positions of this parity.
    size: usize,
}

impl Parity {
    /// Position `r + s·m` meets tap `t` of gradient row `(r + s·m + pad - t) / s`.
    fn new(shape: ConvShape, r: usize) -> Option<Self> {
        let (s, pad) = (shape.stride, shape.pad());
        let meets = |t: &usize| t % s == (r + pad) % s;
        let last = (0..shape.kernel).rev().find(meets)?;
        let taps = (0..shape.kernel).filter(meets).count();
        // The map is padded by `pad`; `last` is at most `2·pad`, so nothing is negative.
        let origin = (r + pad + s * pad - last) / s;
        Some(Self { last, taps, origin, size: (shape.in_side.saturating_sub(r)).div_ceil(s) })
    }
}

/// Packs `[cout, cin, k, k]` weights for [`backward_input`].
///
/// # Panics
/// As [`pack_forward`].
pub fn pack_backward(weights: &[f32], shape: ConvShape) -> Packed {
    check_weights(weights, shape);
    let k = shape.kernel;
    let mut passes = Vec::new();
    for (ry, rx) in pairs(shape.stride, shape.stride) {
        let (Some(py), Some(px)) = (Parity::new(shape, ry), Parity::new(shape, rx)) else {
            continue;
        };
        let pass = Pass {
            cin: shape.cout,
            cout: shape.cin,
            taps_y: py.taps,
            taps_x: px.taps,
            padded: shape.padded_side(),
            origin: [py.origin, px.origin],
            stride: 1,
            size: [py.size, px.size],
            out_side: shape.in_side,
            out_origin: [ry, rx],
            out_step: shape.stride,
            weights: Vec::new(),
        };
        passes.push(pass.with_weights(|o, i, y, x| {
            let (y, x) = (py.last - y * shape.stride, px.last - x * shape.stride);
            weights[((i * shape.cin + o) * k + y) * k + x]
        }));
    }
    let sparse = passes.len() < shape.stride * shape.stride;
    Packed { passes, sparse }
}

/// Computes `out[o] = Σ w[o, i, tap] · input[i]` of one group; `packed` is from [`pack_forward`].
///
/// `input` is padded, `out` is not.
pub fn forward(input: &[Lanes], packed: &Packed, out: &mut [Lanes], shape: ConvShape) {
    assert!(
        input.len() == shape.padded_input() && out.len() == shape.output(),
        "bug: maps of {} and {} lanes for {shape:?}",
        input.len(),
        out.len()
    );
    packed.run(input, out);
}

/// Computes the gradient of the input of one group; `packed` is from [`pack_backward`].
///
/// `grad` is the padded gradient of the output, `out` is not padded.
pub fn backward_input(grad: &[Lanes], packed: &Packed, out: &mut [Lanes], shape: ConvShape) {
    assert!(
        grad.len() == shape.padded_grad() && out.len() == shape.input(),
        "bug: maps of {} and {} lanes for {shape:?}",
        grad.len(),
        out.len()
    );
    packed.run(grad, out);
}

impl Packed {
    fn run(&self, input: &[Lanes], out: &mut [Lanes]) {
        if self.sparse {
            out.fill(Lanes::ZERO);
        }
        for pass in &self.passes {
            run_pass(input, pass, out);
        }
    }
}

simd! {
    /// One pass in the best build.
    fn run_pass<const LEVEL>(input: &[Lanes], pass: &Pass, out: &mut [Lanes]) {
        match (LEVEL, pass.stride) {
            (AVX512, 1) => by_width::<true, POSITIONS, 1>(input, pass, out),
            (AVX512, _) => by_width::<true, POSITIONS, 2>(input, pass, out),
            (PORTABLE, 1) => by_width::<false, 1, 1>(input, pass, out),
            (PORTABLE, _) => by_width::<false, 1, 2>(input, pass, out),
            (_, 1) => by_width::<true, 1, 1>(input, pass, out),
            (_, _) => by_width::<true, 1, 2>(input, pass, out),
        }
    }
}

/// Picks the loop for the number of columns of taps.
#[inline(always)]
fn by_width<const FMA: bool, const XB: usize, const S: usize>(
    input: &[Lanes],
    pass: &Pass,
    out: &mut [Lanes],
) {
    match pass.taps_x {
        1 => rows::<FMA, XB, S, 1>(input, pass, out),
        2 => rows::<FMA, XB, S, 2>(input, pass, out),
        3 => rows::<FMA, XB, S, 3>(input, pass, out),
        4 => rows::<FMA, XB, S, 4>(input, pass, out),
        7 => rows::<FMA, XB, S, 7>(input, pass, out),
        n => unreachable!("bug: {n} columns of taps"),
    }
}

/// The order of the blocks: rows, input channels, positions, output channels.
#[inline(always)]
fn rows<const FMA: bool, const XB: usize, const S: usize, const KX: usize>(
    input: &[Lanes],
    pass: &Pass,
    out: &mut [Lanes],
) {
    let [height, width] = pass.size;
    let rows = pass.row_block();
    for y0 in (0..height).step_by(rows) {
        let mut weights = pass.weights.as_slice();
        for first in (0..pass.cin).step_by(pass.cin_block()) {
            let channels = pass.cin_block().min(pass.cin - first);
            let len = channels * pass.cout.next_multiple_of(COUT_BLOCK) * pass.taps_y * KX;
            let (slab, rest) = weights.split_at(len);
            weights = rest;
            for y in y0..height.min(y0 + rows) {
                for x in (0..width).step_by(XB) {
                    let at = At { first, channels, y, x };
                    match width - x {
                        n if n >= XB => block::<FMA, XB, S, KX>(input, slab, out, pass, at),
                        3 => block::<FMA, 3, S, KX>(input, slab, out, pass, at),
                        2 => block::<FMA, 2, S, KX>(input, slab, out, pass, at),
                        _ => block::<FMA, 1, S, KX>(input, slab, out, pass, at),
                    }
                }
            }
        }
    }
}

/// Which part of the sums of which positions.
#[derive(Clone, Copy)]
struct At {
    first: usize,
    channels: usize,
    y: usize,
    x: usize,
}

/// Adds some input channels to `XB` positions of all output channels.
#[inline(always)]
fn block<const FMA: bool, const XB: usize, const S: usize, const KX: usize>(
    input: &[Lanes],
    slab: &[f32],
    out: &mut [Lanes],
    pass: &Pass,
    at: At,
) {
    let plane = pass.padded * pass.padded;
    let corner = (pass.origin[0] + at.y * S) * pass.padded + pass.origin[1] + at.x * S;
    let out_corner = (pass.out_origin[0] + at.y * pass.out_step) * pass.out_side
        + pass.out_origin[1]
        + at.x * pass.out_step;
    let out_plane = pass.out_side * pass.out_side;
    let filter = at.channels * pass.taps_y * KX * COUT_BLOCK;
    for (cb, filter) in slab.chunks_exact(filter).enumerate() {
        let outputs = COUT_BLOCK.min(pass.cout - cb * COUT_BLOCK);
        let out = &mut out[cb * COUT_BLOCK * out_plane..];
        let mut acc = [[Lanes::ZERO; XB]; COUT_BLOCK];
        if at.first > 0 {
            for o in 0..COUT_BLOCK {
                if o < outputs {
                    for j in 0..XB {
                        acc[o][j] = out[o * out_plane + out_corner + j * pass.out_step];
                    }
                }
            }
        }
        let mut taps = filter.chunks_exact(KX * COUT_BLOCK);
        for ci in at.first..at.first + at.channels {
            for ky in 0..pass.taps_y {
                let start = ci * plane + corner + ky * pass.padded;
                let row = &input[start..start + (XB - 1) * S + KX];
                let Some(taps) = taps.next() else { unreachable!("bug: weights end early") };
                for kx in 0..KX {
                    for o in 0..COUT_BLOCK {
                        let w = taps[kx * COUT_BLOCK + o];
                        for j in 0..XB {
                            multiply_add::<FMA>(&mut acc[o][j], w, &row[j * S + kx]);
                        }
                    }
                }
            }
        }
        for o in 0..COUT_BLOCK {
            if o < outputs {
                for j in 0..XB {
                    out[o * out_plane + out_corner + j * pass.out_step] = acc[o][j];
                }
            }
        }
    }
}
