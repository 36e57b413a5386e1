//! Layers that read the image: sums of pixels times small integers.
//!
//! A lane with weight bit `w` matches a bit `a` of the image as often as `(1 - w) + (2w - 1)·a`
//! says. So the matches of a column are a constant plus a sum over bits of the image, and where the
//! planes of a pixel have the factors `2^plane·f`, as a compiler makes them, plus a sum of `f` times
//! the pixel. If they do not, each plane is a pixel of its own. Either way the sum is exact.

use super::blocks::Blocks;
use super::map::Constants;
use super::products::{Element, Elements, Panel, Products, SLACK};
use super::weights::Weights;
use crate::error::Error;
use crate::kernels::{Kernels, Task};
use crate::plan::LayerPlan;
use crate::step::{Op, Source, stride};
use heartbit_ir::program::{Header, IMAGE_CHANNELS};
use std::ops::Range;

/// Planes of a pixel.
const PLANES: usize = 8;
/// Image rows of an output row that are copied as a whole.
const MOST_ROWS: usize = 16;

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
    constants: Vec<Constants>,
    /// Of the elements of all rows, for each of the inputs.
    pub(super) products: Products,
}

/// The image rows that a layer reads.
struct Rows {
    first: isize,
    count: usize,
    elements: usize,
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
        let rows = Rows {
            first,
            count: usize::try_from(last - first + 1).expect("bug: not negative"),
            elements: IMAGE_CHANNELS * usize::from(header.stem_kernel),
        };
        let (mut constants, mut factors) = (Vec::new(), Vec::new());
        for ct in 0..blocks.tiles {
            for column in 0..blocks.cols {
                let word = |step| weights.word(ct, step, column);
                let (constant, of_planes) = rows.factors(&layer.ops, lanes, word);
                constants.push(constant);
                factors.push(of_planes);
            }
        }
        let mut inputs = vec![(0, u8::MAX)];
        if !factors.iter().all(|f| f.chunks_exact(PLANES).all(is_pixel)) {
            inputs = (0..8).map(|plane| (plane, 1)).collect();
        }
        let of_input = rows.count * rows.elements;
        let most: Vec<i64> =
            inputs.iter().flat_map(|&(_, mask)| vec![mask.into(); of_input]).collect();
        let products = Products::new(blocks, &most, |channel, element| {
            let (plane, _) = inputs[element / of_input];
            // The kernel sums what is subtracted from the constant.
            -factors[channel][element % of_input * PLANES + plane as usize]
        });
        Ok(Self {
            inputs,
            // A band begins at row `in_base` of the image.
            first_row: first + isize::try_from(layer.d.in_base).expect("bug: 16 bits"),
            rows: rows.count,
            stride: stride(&layer.d),
            height: layer.d.in_height.into(),
            elements: rows.elements,
            constants,
            products: products.ok_or(Error::Fast {
                layer: index,
                rule: "its weights of a pixel have more than 16 bits",
            })?,
        })
    }

    /// Gathers the pixels of some output lines, `width` pixels each; `panel` has room for `pixels`.
    pub(super) fn gather(
        &self,
        image: &Image,
        (lines, width): (Range<usize>, usize),
        (panel, pixels): (&mut Panel, usize),
        kernels: Kernels,
    ) {
        match self.products.elements(panel, pixels) {
            Elements::Bytes(to) if self.inputs == [(0, u8::MAX)] && self.rows <= MOST_ROWS => {
                kernels.vectorise(CopyRows { source: self, image, lines, width, to });
            }
            Elements::Bytes(to) => self.gather_elements(image, lines, width, to),
            Elements::Words(to) => self.gather_elements(image, lines, width, to),
        }
    }

    /// Gathers element by element, for each input.
    fn gather_elements<T: Element>(
        &self,
        image: &Image,
        lines: Range<usize>,
        width: usize,
        to: &mut [T],
    ) {
        let (pitch, step) = (self.products.pitch(), IMAGE_CHANNELS * self.stride);
        for (i, line) in lines.enumerate() {
            for (input, &(shift, mask)) in self.inputs.iter().enumerate() {
                for row in 0..self.rows {
                    let from = image.line(self.image_row(line, row));
                    let first = i * width * pitch + (input * self.rows + row) * self.elements;
                    for x in 0..width {
                        let from = &from[x * step..][..self.elements];
                        let to = &mut to[first + x * pitch..][..self.elements];
                        for (to, from) in to.iter_mut().zip(from) {
                            *to = T::from(from >> shift & mask);
                        }
                    }
                }
            }
        }
    }

    /// The image row that an output line reads, if it is inside the image.
    #[inline]
    fn image_row(&self, line: usize, row: usize) -> Option<usize> {
        let y = self.first_row + (line * self.stride + row).cast_signed();
        usize::try_from(y).ok().filter(|&y| y < self.height)
    }

    /// Constants of a column of all column tiles.
    pub(super) fn constants(&self, channel: usize) -> Constants {
        self.constants[channel]
    }
}

/// Copies whole rows, [`SLACK`] bytes at once: what is too much is written over, by the next row or
/// pixel, or meets zeros.
struct CopyRows<'a> {
    source: &'a StemSource,
    image: &'a Image,
    lines: Range<usize>,
    width: usize,
    to: &'a mut [u8],
}

impl Task for CopyRows<'_> {
    #[expect(clippy::inline_always, reason = "inlined into functions for an instruction set")]
    #[inline(always)]
    fn run(self) {
        let Self { source, image, lines, width, to } = self;
        let (pitch, step) = (source.products.pitch(), IMAGE_CHANNELS * source.stride);
        for (i, line) in lines.enumerate() {
            let mut from = [0; MOST_ROWS];
            for (row, from) in from[..source.rows].iter_mut().enumerate() {
                *from = image.first(source.image_row(line, row));
            }
            for x in 0..width {
                let mut to = &mut to[(i * width + x) * pitch..];
                for from in &from[..source.rows] {
                    let from = &image.bytes[from + x * step..];
                    for at in (0..source.elements).step_by(SLACK) {
                        let some: &[u8; SLACK] =
                            from[at..].first_chunk().expect("bug: slack behind the image");
                        *to[at..].first_chunk_mut().expect("bug: slack behind the panel") = *some;
                    }
                    to = &mut to[source.elements..];
                }
            }
        }
    }
}

impl Rows {
    fn factors<'a>(
        &self,
        ops: &[Op],
        lanes: &[u64],
        word: impl Fn(usize) -> &'a [u64],
    ) -> (Constants, Factors) {
        let mut factors = vec![0i64; self.count * self.elements * PLANES];
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
                let row =
                    usize::try_from(read.dy + piece.row - self.first).expect("bug: the first row");
                for bit in 0..piece.mask.count_ones() {
                    let one = limbs[piece.limb] >> (piece.at + bit) & 1 == 1;
                    let element = row * self.elements + (piece.from + bit) as usize;
                    factors[element * PLANES + piece.plane] += if one { 1 } else { -1 };
                }
            }
        }
        (Constants { matches, products }, factors)
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
    height: usize,
    /// Of all lines, one of zeros behind them, and [`SLACK`].
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
            height,
            bytes: vec![0; IMAGE_CHANNELS * pixels * (height + 1) + SLACK],
        }
    }

    /// Stores an image of 1 to 3 bytes a pixel, in raster order; missing channels are 0.
    pub(super) fn load(&mut self, bytes: &[u8], channels: usize) {
        let rows = bytes.chunks_exact(self.width * channels);
        let lines = self.bytes.chunks_exact_mut(self.pitch).take(self.height);
        for (row, line) in rows.zip(lines) {
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

    /// A line, or zeros, and what is behind it.
    #[inline]
    fn line(&self, y: Option<usize>) -> &[u8] {
        &self.bytes[self.first(y)..]
    }

    /// The first byte of a line, or of zeros.
    #[inline]
    fn first(&self, y: Option<usize>) -> usize {
        y.unwrap_or(self.height) * self.pitch
    }
}
