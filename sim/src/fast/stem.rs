//! Layers that read the image: sums of pixels times small integers.
//!
//! A lane with weight bit `w` matches a bit `a` of the image as often as `(1 - w) + (2w - 1)·a`
//! says. So the matches of a column are a constant plus a sum over bits of the image, and where the
//! planes of a pixel have the factors `2^plane·f`, as a compiler makes them, plus a sum of `f` times
//! the pixel. If they do not, each plane is a pixel of its own. Either way the sum is exact.

use super::blocks::Blocks;
use super::map::Constants;
use super::weights::Weights;
use crate::error::Error;
use crate::kernels::{Kernels, LANES, PairBlock, SumBlock};
use crate::plan::LayerPlan;
use crate::step::{Op, Source, stride};
use heartbit_ir::program::{Header, IMAGE_CHANNELS};
use std::ops::RangeInclusive;

/// Planes of a pixel.
const PLANES: usize = 8;

/// Factors of a column: of plane `p` of element `e` of image row `r` at `(r·3k + e)·8 + p`.
type Factors = Vec<i64>;

/// A layer that reads the image.
#[derive(Debug)]
pub(super) struct StemSource {
    /// Shift and mask of what is multiplied: the pixel, or its planes.
    inputs: Vec<(u32, u8)>,
    /// First image row that output row 0 reads, and their number.
    first_row: isize,
    rows: usize,
    /// Image rows from an output row to the next.
    stride: usize,
    /// Image rows that hold pixels.
    height: usize,
    /// Elements of an image row that a pixel sees: `3k`.
    elements: usize,
    /// Pair `k` of block `b` at `b·pairs + k`.
    weights: Vec<PairBlock>,
    constants: Vec<Constants>,
    /// Smallest and largest sum of each column.
    ranges: Vec<RangeInclusive<i64>>,
}

impl StemSource {
    /// Prepares a layer; `lanes` has a one for each lane of the array.
    pub(super) fn new(
        layer: &LayerPlan,
        header: &Header,
        index: usize,
        (weights, blocks): (Weights<'_>, Blocks),
        lanes: &[u64],
    ) -> Result<Self, Error> {
        let reads: Vec<isize> = layer.ops.iter().flat_map(image_rows).collect();
        let first = reads.iter().copied().min().unwrap_or(0);
        let last = reads.iter().copied().max().unwrap_or(first - 1);
        let mut source = Self {
            inputs: vec![(0, u8::MAX)],
            // A band begins at row `in_base` of the image.
            first_row: first + isize::try_from(layer.d.in_base).expect("bug: 16 bits"),
            rows: usize::try_from(last - first + 1).expect("bug: not negative"),
            stride: stride(&layer.d),
            height: layer.d.in_height.into(),
            elements: IMAGE_CHANNELS * usize::from(header.stem_kernel),
            weights: Vec::new(),
            constants: Vec::new(),
            ranges: Vec::new(),
        };
        let mut factors = Vec::new();
        for ct in 0..blocks.tiles {
            for column in 0..blocks.cols {
                let (constants, of_planes) = source
                    .factors((&layer.ops, first), lanes, |step| weights.word(ct, step, column));
                source.constants.push(constants);
                factors.push(of_planes);
            }
        }
        if !factors.iter().all(|f| f.chunks_exact(PLANES).all(is_pixel)) {
            source.inputs = (0..8).map(|plane| (plane, 1)).collect();
        }
        source.set_weights(&factors, blocks).ok_or(Error::Fast {
            layer: index,
            rule: "its weights of a pixel have more than 16 bits",
        })?;
        Ok(source)
    }

    /// Pairs of factors of a pixel.
    pub(super) fn pairs(&self) -> usize {
        self.inputs.len() * self.rows * self.elements.div_ceil(2)
    }

    fn factors<'a>(
        &self,
        (ops, first): (&[Op], isize),
        lanes: &[u64],
        word: impl Fn(usize) -> &'a [u64],
    ) -> (Constants, Factors) {
        let mut factors = vec![0i64; self.rows * self.elements * PLANES];
        let (mut matches, mut products) = (0u32, 0u32);
        for (step, op) in ops.iter().enumerate() {
            let Source::Image(read) = &op.source else { continue };
            if op.double {
                // All steps before count twice.
                for factor in &mut factors {
                    *factor *= 2;
                }
                (matches, products) = (matches.wrapping_mul(2), products.wrapping_mul(2));
            }
            let limbs = word(step);
            let zeros = limbs.iter().zip(lanes).map(|(w, lanes)| (!w & lanes).count_ones());
            matches = matches.wrapping_add(zeros.sum());
            products = products.wrapping_add(read.products);
            for piece in &read.pieces {
                let row = usize::try_from(read.dy + piece.row - first).expect("bug: the first row");
                for bit in 0..piece.mask.count_ones() {
                    let one = limbs[piece.limb] >> (piece.at + bit) & 1 == 1;
                    let element = row * self.elements + (piece.from + bit) as usize;
                    factors[element * PLANES + piece.plane] += if one { 1 } else { -1 };
                }
            }
        }
        (Constants { matches, products }, factors)
    }

    /// Makes the weights of the kernel; `None` if a factor does not fit.
    fn set_weights(&mut self, factors: &[Factors], blocks: Blocks) -> Option<()> {
        let (pairs, row_pairs) = (self.pairs(), self.elements.div_ceil(2));
        self.weights = vec![[0; 2 * LANES]; pairs * blocks.len()];
        for block in 0..blocks.len() {
            for lane in 0..blocks.live(block) {
                let factors = &factors[blocks.channel(block) + lane];
                let (mut low, mut high) = (0, 0);
                for (input, &(plane, mask)) in self.inputs.iter().enumerate() {
                    for (i, element) in factors.chunks_exact(PLANES).enumerate() {
                        // The kernel sums what is subtracted from the constant.
                        let factor = -element[plane as usize];
                        let range = [0, factor * i64::from(mask)];
                        low += range[0].min(range[1]);
                        high += range[0].max(range[1]);
                        let (row, e) = (i / self.elements, i % self.elements);
                        let pair = (input * self.rows + row) * row_pairs + e / 2;
                        self.weights[block * pairs + pair][2 * lane + e % 2] =
                            i16::try_from(factor).ok()?;
                    }
                }
                self.ranges.push(low..=high);
            }
        }
        Some(())
    }

    /// Gathers the pixels of some output lines, `width` pixels each; `panel` holds the pairs of all
    /// pixels of the chunk.
    pub(super) fn gather(
        &self,
        image: &Image,
        lines: std::ops::Range<usize>,
        width: usize,
        panel: &mut [[i16; 2]],
    ) {
        let (pairs, row_pairs) = (self.pairs(), self.elements.div_ceil(2));
        if pairs == 0 {
            return;
        }
        for (line, panel) in lines.zip(panel.chunks_mut(width * pairs)) {
            for (input, &format) in self.inputs.iter().enumerate() {
                for row in 0..self.rows {
                    let to = &mut panel[(input * self.rows + row) * row_pairs..];
                    let to =
                        to.chunks_mut(pairs).map(|pixel| pixel[..row_pairs].as_flattened_mut());
                    let y = self.first_row + (line * self.stride + row).cast_signed();
                    let y = usize::try_from(y).ok().filter(|&y| y < self.height);
                    let pixels = y.map(|y| image.line(y));
                    let step = IMAGE_CHANNELS * self.stride;
                    for (x, to) in to.enumerate() {
                        match pixels {
                            Some(pixels) => {
                                copy(&pixels[x * step..][..self.elements], format, to);
                            }
                            None => to.fill(0),
                        }
                    }
                }
            }
        }
    }

    /// Sums what is subtracted from the constants.
    pub(super) fn multiply(&self, kernels: Kernels, panel: &[[i16; 2]], out: &mut [SumBlock]) {
        match self.pairs() {
            0 => out.fill([0; LANES]),
            pairs => kernels.multiply(panel, &self.weights, pairs, out),
        }
    }

    /// Constants of a column of all column tiles.
    pub(super) fn constants(&self, channel: usize) -> Constants {
        self.constants[channel]
    }

    /// The smallest and the largest number that is subtracted from the constant.
    pub(super) fn range(&self, channel: usize) -> RangeInclusive<i64> {
        self.ranges[channel].clone()
    }
}

/// Copies elements as `format` says; the last one of an odd number stands alone.
#[inline]
fn copy(from: &[u8], (shift, mask): (u32, u8), to: &mut [i16]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = (from >> shift & mask).into();
    }
}

fn image_rows(op: &Op) -> Vec<isize> {
    match &op.source {
        Source::Image(read) => read.pieces.iter().map(|piece| read.dy + piece.row).collect(),
        Source::Map { .. } => Vec::new(),
    }
}

/// Whether the planes of an element are those of a pixel times a number.
fn is_pixel(planes: &[i64]) -> bool {
    planes.iter().enumerate().all(|(p, &factor)| factor == planes[0] << p)
}

/// The pixels of an image, with zeros on both sides.
#[derive(Clone, Debug)]
pub(super) struct Image {
    /// Bytes of a line, and of its left margin.
    pitch: usize,
    margin: usize,
    width: usize,
    bytes: Vec<u8>,
}

impl Image {
    /// An image that output lines of `outputs` pixels can be read from.
    pub(super) fn new(header: &Header, outputs: usize) -> Self {
        let (kernel, stride) = (usize::from(header.stem_kernel), usize::from(header.stem_stride));
        let (width, height) = (usize::from(header.image_width), usize::from(header.image_height));
        let pixels = (width + kernel).max(outputs * stride + kernel);
        Self {
            pitch: IMAGE_CHANNELS * pixels,
            margin: IMAGE_CHANNELS * ((kernel - 1) / 2),
            width,
            bytes: vec![0; IMAGE_CHANNELS * pixels * height],
        }
    }

    /// Stores an image of 1 to 3 bytes a pixel, in raster order; missing channels are 0.
    pub(super) fn load(&mut self, bytes: &[u8], channels: usize) {
        let rows = bytes.chunks_exact(self.width * channels);
        for (row, line) in rows.zip(self.bytes.chunks_exact_mut(self.pitch)) {
            let line = &mut line[self.margin..][..IMAGE_CHANNELS * self.width];
            if channels == IMAGE_CHANNELS {
                line.copy_from_slice(row);
                continue;
            }
            let pixels = line.chunks_exact_mut(IMAGE_CHANNELS);
            for (to, from) in pixels.zip(row.chunks_exact(channels)) {
                to.fill(0);
                to[..channels].copy_from_slice(from);
            }
        }
    }

    fn line(&self, y: usize) -> &[u8] {
        &self.bytes[y * self.pitch..][..self.pitch]
    }
}
