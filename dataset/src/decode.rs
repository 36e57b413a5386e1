//! JPEG and PNG files to eight-bit RGB.
//!
//! The format is told from the content: ImageNet has a PNG file called `.JPEG`.
//! Gray images repeat their channel, CMYK is converted, 16 bits keep the upper eight, and alpha is
//! dropped. A damaged or cut file is refused rather than filled up with gray.
//!
//! Files are untrusted: their size, [`MAX_SIDE`] and [`MAX_PIXELS`] bound memory before any is
//! taken, at about 0.6 GB for a progressive JPEG of the largest size.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Largest width and height of an image.
pub(crate) const MAX_SIDE: usize = 16_384;
/// Most pixels of an image; the largest one of ImageNet has 61 million.
pub(crate) const MAX_PIXELS: usize = 1 << 26;
/// Most bytes of a file; the largest one of ImageNet has 15 million.
const MAX_FILE: u64 = 1 << 26;

/// A decoded image, interleaved: row, column, channel. Neither side is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rgb {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u8>,
}

/// Reads and decodes a file; the error says why not.
pub(crate) fn read(path: &Path) -> Result<Rgb, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("more than {MAX_FILE} bytes"));
    }
    decode(&bytes)
}

/// Decodes a file's contents; the error says why not.
pub(crate) fn decode(bytes: &[u8]) -> Result<Rgb, String> {
    match bytes {
        [] => Err("an empty file".to_owned()),
        [0xFF, 0xD8, ..] => jpeg(bytes),
        [0x89, b'P', b'N', b'G', ..] => png(bytes),
        _ => Err("neither JPEG nor PNG".to_owned()),
    }
}

fn check_size(width: usize, height: usize) -> Result<(), String> {
    if width == 0 || height == 0 {
        return Err(format!("{width}×{height} pixels"));
    }
    if width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS {
        return Err(format!(
            "{width}×{height} pixels, more than {MAX_SIDE} a side or {MAX_PIXELS} in all"
        ));
    }
    Ok(())
}

fn jpeg(bytes: &[u8]) -> Result<Rgb, String> {
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let info = decoder.info().ok_or("no image in the file")?;
    let (width, height) = (info.width.into(), info.height.into());
    check_size(width, height)?;
    match decoder.input_colorspace() {
        Some(
            ColorSpace::Luma
            | ColorSpace::YCbCr
            | ColorSpace::RGB
            | ColorSpace::CMYK
            | ColorSpace::YCCK,
        ) => {}
        other => return Err(format!("colours are {other:?}")),
    }
    let pixels = decoder.decode().map_err(|error| error.to_string())?;
    whole(Rgb { width, height, pixels })
}

fn png(bytes: &[u8]) -> Result<Rgb, String> {
    let limits = png::Limits { bytes: 4 * MAX_PIXELS };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_size(width, height)?;
    let size = reader.output_buffer_size().ok_or("too large")?;
    let mut samples = vec![0; size];
    let info = reader.next_frame(&mut samples).map_err(|error| error.to_string())?;
    samples.truncate(info.buffer_size());
    let pixels = match info.color_type {
        png::ColorType::Rgb => samples,
        png::ColorType::Rgba => {
            samples.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
        }
        png::ColorType::Grayscale => samples.iter().flat_map(|&gray| [gray; 3]).collect(),
        png::ColorType::GrayscaleAlpha => {
            samples.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect()
        }
        png::ColorType::Indexed => return Err("a palette that was not expanded".to_owned()),
    };
    whole(Rgb { width, height, pixels })
}

/// Checks that a decoder gave every pixel.
fn whole(image: Rgb) -> Result<Rgb, String> {
    let expected = image.width * image.height * 3;
    if image.pixels.len() != expected {
        return Err(format!("{} bytes of pixels, expected {expected}", image.pixels.len()));
    }
    Ok(image)
}

#[cfg(test)]
mod tests;
