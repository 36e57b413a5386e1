//! Windows of an image and their resizing, as torchvision does with Pillow images.
//!
//! Resizing is Pillow's antialiased bilinear filter: a triangle as wide as an output pixel, in two
//! passes of eight-bit values.

use crate::decode::Rgb;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// A part of an image in pixels, inside it and not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) top: usize,
    pub(crate) left: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// Returns the window that stands in when ten random ones did not fit (`RandomResizedCrop`).
///
/// It is in the middle, as large as possible, with the aspect nearest to the image's in
/// `ratio[0]..=ratio[1]`.
pub(crate) fn fallback_window(height: usize, width: usize, ratio: [f64; 2]) -> Window {
    let (h, w) = (height as f64, width as f64);
    let [lowest, highest] = ratio;
    let (window_height, window_width) = if w / h < lowest {
        (to_pixels(w / lowest, height), width)
    } else if w / h > highest {
        (height, to_pixels(h * highest, width))
    } else {
        (height, width)
    };
    Window {
        top: (height - window_height) / 2,
        left: (width - window_width) / 2,
        height: window_height,
        width: window_width,
    }
}

/// Rounds a positive length, ties to even as Python, into `1..=most`.
fn to_pixels(length: f64, most: usize) -> usize {
    (length.round_ties_even() as usize).clamp(1, most)
}

/// Cuts a window out and resizes it to `side` × `side`, interleaved.
///
/// Pixels outside of the window have no influence.
pub(crate) fn cut_and_resize(image: &Rgb, window: Window, side: usize) -> Vec<u8> {
    let row = |y: usize| {
        let start = (y * image.width + window.left) * 3;
        &image.pixels[start..start + window.width * 3]
    };
    let pixels = (window.top..window.top + window.height).flat_map(row).copied().collect();
    let cut = Rgb { width: window.width, height: window.height, pixels };
    let [height, width] = [cut.height as f64, cut.width as f64];
    resize(&cut, FloatWindow { top: 0.0, left: 0.0, height, width }, side)
}

/// A part of an image in fractions of pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct FloatWindow {
    top: f64,
    left: f64,
    height: f64,
    width: f64,
}

/// Returns the part of a `height` × `width` image that is left when its shorter side is resized to
/// `resized` and the middle `side` × `side` is cut out; `side <= resized`.
fn centre_window(height: usize, width: usize, resized: usize, side: usize) -> FloatWindow {
    let shorter = height.min(width);
    let along = |length: usize| {
        // torchvision rounds the longer side down and the margin to even.
        let length_resized = resized * length / shorter;
        let margin = ((length_resized - side) as f64 / 2.0).round_ties_even();
        let scale = length as f64 / length_resized as f64;
        (margin * scale, (side as f64 * scale).min(length as f64 - margin * scale))
    };
    let ((top, height), (left, width)) = (along(height), along(width));
    FloatWindow { top, left, height, width }
}

/// Resizes the shorter side to `resized` and cuts out the middle `side` × `side`, interleaved.
///
/// Only the middle is computed, so a long thin image costs no more than another one.
pub(crate) fn resize_and_crop(image: &Rgb, resized: usize, side: usize) -> Vec<u8> {
    resize(image, centre_window(image.height, image.width, resized, side), side)
}

fn resize(image: &Rgb, window: FloatWindow, side: usize) -> Vec<u8> {
    let size = |n: usize| u32::try_from(n).expect("bug: sides are bounded by the decoder");
    let (width, height) = (size(image.width), size(image.height));
    let source = ImageRef::new(width, height, &image.pixels, PixelType::U8x3)
        .expect("bug: the decoder gives every pixel");
    let mut target = Image::new(size(side), size(side), PixelType::U8x3);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(window.left, window.top, window.width, window.height)
        .use_alpha(false);
    Resizer::new()
        .resize(&source, &mut target, &options)
        .expect("bug: both are RGB and the window is inside");
    target.into_vec()
}

#[cfg(test)]
mod tests;
