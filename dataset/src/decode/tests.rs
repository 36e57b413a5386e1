//! Tests of the decoders on files that Pillow 13.0 wrote, and on damaged ones.

use super::*;
use png::{BitDepth, ColorType};
use proptest::prelude::*;

/// 20×12 pixels; the pixel (x, y) is 255 - 12x, 20 + 18y, 6x + 9y.
const RGB: &[u8] = include_bytes!("fixtures/rgb.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("fixtures/progressive.jpg");
const GRAY: &[u8] = include_bytes!("fixtures/gray.jpg");
const CMYK: &[u8] = include_bytes!("fixtures/cmyk.jpg");

#[track_caller]
fn check(file: &[u8], tolerance: u8, expected: [[u8; 3]; 5]) {
    let image = decode(file).expect("valid");
    assert_eq!((image.width, image.height), (20, 12));
    for ((x, y), expected) in
        [(0, 0), (19, 0), (0, 11), (19, 11), (10, 6)].into_iter().zip(expected)
    {
        let pixel = &image.pixels[(y * 20 + x) * 3..][..3];
        let near = pixel.iter().zip(expected).all(|(p, e)| p.abs_diff(e) <= tolerance);
        assert!(near, "({x}, {y}) is {pixel:?}, Pillow reads {expected:?}");
    }
}

#[test]
fn jpeg_files_are_read_as_pillow_reads_them() {
    let all = [[255, 20, 1], [27, 20, 115], [255, 219, 99], [29, 218, 212], [135, 129, 115]];
    check(RGB, 2, all);
    // Chroma at half the resolution is interpolated in different ways.
    let all = [[246, 24, 1], [29, 21, 107], [255, 217, 106], [38, 214, 211], [136, 128, 115]];
    check(PROGRESSIVE, 8, all);
    check(GRAY, 1, [[88; 3], [33; 3], [216; 3], [161; 3], [129; 3]]);
    let all = [[255, 20, 0], [27, 20, 113], [255, 218, 100], [27, 218, 213], [135, 128, 114]];
    check(CMYK, 2, all);
}

fn png_file(size: [u32; 2], color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, size[0], size[1]);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![1, 2, 3, 4, 5, 6]);
        encoder.set_trns(vec![0, 255]);
    }
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(data).expect("all data");
    writer.finish().expect("to memory");
    file
}

#[test]
fn png_files_of_every_kind_become_rgb() {
    use BitDepth::{Eight, One, Sixteen};
    let cases: [(ColorType, BitDepth, &[u8], [u8; 6]); 7] = [
        (ColorType::Rgb, Eight, &[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]),
        (ColorType::Rgba, Eight, &[1, 2, 3, 0, 4, 5, 6, 255], [1, 2, 3, 4, 5, 6]),
        (ColorType::Grayscale, Eight, &[7, 8], [7, 7, 7, 8, 8, 8]),
        (ColorType::Grayscale, One, &[0b0100_0000], [0, 0, 0, 255, 255, 255]),
        (ColorType::Grayscale, Sixteen, &[7, 200, 8, 0], [7, 7, 7, 8, 8, 8]),
        (ColorType::GrayscaleAlpha, Eight, &[7, 0, 8, 255], [7, 7, 7, 8, 8, 8]),
        (ColorType::Indexed, Eight, &[1, 0], [4, 5, 6, 1, 2, 3]),
    ];
    for (color, depth, data, expected) in cases {
        let image = decode(&png_file([2, 1], color, depth, data)).expect("valid");
        assert_eq!((image.width, image.height, &*image.pixels), (2, 1, &expected[..]), "{color:?}");
    }
}

#[test]
fn cut_files_are_refused() {
    let pixels: Vec<u8> = (0..20 * 12 * 3_u32).map(|i| (i * i % 251) as u8).collect();
    let png = png_file([20, 12], ColorType::Rgb, BitDepth::Eight, &pixels);
    for file in [RGB, PROGRESSIVE, GRAY, CMYK, &png] {
        for length in [0, 3, 30, file.len() / 2, file.len() * 3 / 4] {
            let error = decode(&file[..length]).expect_err("cut");
            assert!(!error.is_empty(), "at {length} of {}", file.len());
        }
    }
}

#[test]
fn other_content_is_refused() {
    assert_eq!(decode(b"GIF89a").expect_err("GIF"), "neither JPEG nor PNG");
    assert_eq!(decode(b"").expect_err("empty"), "an empty file");
}

#[test]
fn size_in_a_header_is_not_believed() {
    // The frame header of a JPEG: FF C0, length, 8 bits, height, width.
    let at = RGB.windows(2).position(|w| w == [0xFF, 0xC0]).expect("a baseline file") + 5;
    let mut file = RGB.to_vec();
    file[at..at + 4].copy_from_slice(&[0x3F, 0xFF, 0x3F, 0xFF]);
    let error = decode(&file).expect_err("16383×16383");
    assert!(error.contains("16383×16383 pixels, more than"), "{error}");
    file[at..at + 4].copy_from_slice(&[0xFF; 4]);
    assert!(decode(&file).expect_err("65535×65535").contains("limit 16384"));
    let mut file = png_file([2, 1], ColorType::Rgb, BitDepth::Eight, &[0; 6]);
    file[16..24].copy_from_slice(&[0, 0, 0x3F, 0xFF, 0, 0, 0x3F, 0xFF]);
    let crc = {
        let mut crc = flate2::Crc::new();
        crc.update(&file[12..29]);
        crc.sum()
    };
    file[29..33].copy_from_slice(&crc.to_be_bytes());
    let error = decode(&file).expect_err("16383×16383");
    assert!(error.contains("16383×16383 pixels, more than"), "{error}");
}

#[test]
fn missing_file_says_why() {
    let error = read(Path::new("no/such/file.jpg")).expect_err("missing");
    assert!(error.contains("No such file") || error.contains("os error"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_files_never_panic(
        which in 0usize..5,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let png = png_file([2, 1], ColorType::Rgb, BitDepth::Eight, &[9; 6]);
        let mut file = [RGB, PROGRESSIVE, GRAY, CMYK, &png][which].to_vec();
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        if is_cut {
            file.truncate(cut.index(file.len()));
        }
        if let Ok(image) = decode(&file) {
            prop_assert_eq!(image.pixels.len(), image.width * image.height * 3);
        }
    }
}
