//! The image memory (section 2.1).
//!
//! The hardware stores the windows of tiles; here the `3k` bits that a row of the array sees of
//! one image row and plane lie side by side for all output pixels, which is the same: bit `3·i + c`
//! for an output pixel `x` is bit `c` of the image column `s·x - (k - 1) / 2 + i`, 0 outside.

use crate::error::Error;
use heartbit_ir::program::{ArrayConfig, Header, IMAGE_CHANNELS};

/// Planes of a pixel.
const PLANES: usize = 8;

/// Bits of the image, ready for the stem.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    kernel: usize,
    stride: usize,
    /// Image columns.
    width: usize,
    /// Output pixels of an image row, a multiple of the array's rows.
    pixels: usize,
    /// Pixel `x` of plane `p` of row `y` at `(y·8 + p)·pixels + x`.
    bits: Vec<u32>,
    /// One image row: the bits of column `x` at `(k - 1) / 2 + x`, a plane in each byte.
    line: Vec<[u8; PLANES]>,
}

impl Image {
    pub(crate) fn new(array: &ArrayConfig, header: &Header) -> Self {
        let kernel = usize::from(header.stem_kernel);
        let stride = usize::from(header.stem_stride);
        let pixels = usize::from(header.image_tiles) * array.rows;
        Self {
            kernel,
            stride,
            width: header.image_width.into(),
            pixels,
            bits: vec![0; usize::from(header.image_height) * PLANES * pixels],
            line: vec![[0; PLANES]; pixels * stride + kernel],
        }
    }

    /// Stores an image of 1 to 3 bytes a pixel, in raster order.
    pub(crate) fn load(&mut self, bytes: &[u8], channels: usize) {
        let rows = bytes.chunks_exact(self.width * channels);
        for (row, bits) in rows.zip(self.bits.chunks_exact_mut(PLANES * self.pixels)) {
            let line = &mut self.line[(self.kernel - 1) / 2..][..self.width];
            for (pixel, planes) in row.chunks_exact(channels).zip(line) {
                *planes = split(pixel);
            }
            for (plane, bits) in bits.chunks_exact_mut(self.pixels).enumerate() {
                slide(&self.line, plane, (self.kernel, self.stride), bits);
            }
        }
    }

    /// Returns what `n` neighbouring output pixels see of a plane of an image row.
    pub(crate) fn row(&self, plane: usize, y: usize, first: usize, n: usize) -> &[u32] {
        &self.bits[(y * PLANES + plane) * self.pixels + first..][..n]
    }
}

/// Returns the channels of an image of so many bytes.
pub(crate) fn channels(header: &Header, bytes: usize) -> Result<usize, Error> {
    let (height, width) = (usize::from(header.image_height), usize::from(header.image_width));
    let (channels, rest) = (bytes / (height * width), bytes % (height * width));
    if rest != 0 || !(1..=IMAGE_CHANNELS).contains(&channels) {
        return Err(Error::Image { bytes, height, width });
    }
    Ok(channels)
}

/// Returns the channels of a pixel, bit by bit: channel `c` of plane `p` in bit `c` of byte `p`.
fn split(pixel: &[u8]) -> [u8; PLANES] {
    debug_assert!(pixel.len() <= IMAGE_CHANNELS, "bug: channels");
    std::array::from_fn(|p| pixel.iter().rev().fold(0, |bits, byte| bits << 1 | byte >> p & 1))
}

/// Moves a window of `kernel` columns along a line in steps of `stride`.
fn slide(line: &[[u8; PLANES]], plane: usize, (kernel, stride): (usize, usize), bits: &mut [u32]) {
    let start = line[..kernel - stride].iter().rev();
    let mut window = start.fold(0, |window, column| window << 3 | u32::from(column[plane]));
    window <<= 3 * stride;
    for (bits, columns) in bits.iter_mut().zip(line[kernel - stride..].chunks_exact(stride)) {
        window >>= 3 * stride;
        for (i, column) in columns.iter().enumerate() {
            window |= u32::from(column[plane]) << (3 * (kernel - stride + i));
        }
        *bits = window;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_see_the_columns_of_their_window() {
        for (kernel, stride, width) in [(3, 1, 5), (7, 2, 9), (7, 2, 1)] {
            let tiles = usize::from(width).div_ceil(stride).div_ceil(2);
            let array = ArrayConfig {
                rows: 2,
                cols: 1,
                lanes: 4,
                taps: 1,
                lines: 1,
                acc_bits: 9,
                extended: true,
            };
            let header = Header {
                image_height: 2,
                image_width: width,
                classes: 1,
                stem_kernel: kernel,
                stem_stride: stride.try_into().expect("small"),
                image_tiles: tiles.try_into().expect("small"),
            };
            let (width, kernel) = (usize::from(width), usize::from(kernel));
            let bytes: Vec<u8> = (0..=u8::MAX).map(|i| i.wrapping_mul(37)).collect();
            let bytes = &bytes[..2 * width * 2];
            let mut image = Image::new(&array, &header);
            image.load(bytes, 2);
            for (y, x, p) in (0..2)
                .flat_map(|y| (0..2 * tiles).flat_map(move |x| (0..8).map(move |p| (y, x, p))))
            {
                let seen = image.row(p, y, x, 1)[0];
                for (i, c) in (0..kernel).flat_map(|i| (0..3).map(move |c| (i, c))) {
                    let column = (stride * x + i).checked_sub((kernel - 1) / 2);
                    let byte = column.filter(|&column| column < width && c < 2);
                    let byte = byte.map_or(0, |column| bytes[(y * width + column) * 2 + c]);
                    assert_eq!(seen >> (3 * i + c) & 1, u32::from(byte >> p & 1));
                }
            }
        }
    }
}
