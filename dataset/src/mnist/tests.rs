//! Tests of the IDX reader: small files written to a temporary folder.

#![expect(clippy::cast_possible_truncation, reason = "made-up pixels wrap")]

use super::*;
use crate::{Dataset, DatasetKind};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

fn idx(magic: u32, dimensions: &[u32], body: &[u8]) -> Vec<u8> {
    let header = std::iter::once(&magic).chain(dimensions).flat_map(|word| word.to_be_bytes());
    header.chain(body.iter().copied()).collect()
}

/// Two digits: pixel `i` of digit `n` is `i % 251 + n`.
fn digits() -> Vec<u8> {
    let body: Vec<u8> =
        (0..2 * DIGIT_BYTES).map(|i| (i % DIGIT_BYTES % 251 + i / DIGIT_BYTES) as u8).collect();
    idx(0x803, &[2, 28, 28], &body)
}

fn open(images: (&str, &[u8]), labels: (&str, &[u8])) -> Result<Dataset, Error> {
    let dir = tempfile::tempdir().expect("temporary folder");
    for (name, bytes) in [images, labels] {
        std::fs::write(dir.path().join(name), bytes).expect("write");
    }
    Dataset::open(DatasetKind::Mnist, Split::Test, dir.path())
}

const IMAGES: &str = "t10k-images-idx3-ubyte";
const LABELS: &str = "t10k-labels-idx1-ubyte";

#[track_caller]
fn check_refused(images: &[u8], labels: &[u8], expected: &str) {
    let message = open((IMAGES, images), (LABELS, labels)).expect_err(expected).to_string();
    assert!(message.contains(expected), "{message}");
}

#[test]
fn digit_is_in_the_middle_of_zeros_in_three_equal_planes() {
    let labels = idx(0x801, &[2], &[7, 0]);
    let set = open((IMAGES, &digits()), (LABELS, &labels)).expect("valid");
    assert_eq!((set.len(), set.classes(), set.label(0)), (2, 10, 7));
    assert_eq!(set.image_shape(), [3, 32, 32]);
    let image = set.image(1).expect("in memory");
    for (i, &pixel) in image.iter().enumerate() {
        let (y, x) = (i % 1024 / 32, i % 32);
        let inside = (2..30).contains(&y) && (2..30).contains(&x);
        let expected = if inside { ((y - 2) * 28 + x - 2) % 251 + 1 } else { 0 };
        assert_eq!(usize::from(pixel), expected, "y {y} x {x}");
    }
}

#[test]
fn gzip_reads_like_the_plain_file() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("to memory");
        encoder.finish().expect("to memory")
    };
    let labels = idx(0x801, &[2], &[1, 2]);
    let plain = open((IMAGES, &digits()), (LABELS, &labels)).expect("valid");
    let (images, labels) = (gzip(&digits()), gzip(&labels));
    let (images_gz, labels_gz) = (format!("{IMAGES}.gz"), format!("{LABELS}.gz"));
    let set = open((&images_gz, &images), (&labels_gz, &labels)).expect("valid");
    assert_eq!(set.image(0).expect("in memory"), plain.image(0).expect("in memory"));
    assert_eq!(set.label(1), 2);
    let cut = &images[..images.len() - 9];
    let error = open((&images_gz, cut), (&labels_gz, &labels)).expect_err("cut");
    assert!(matches!(error, Error::Compressed { format: "gzip", .. }), "{error}");
}

#[test]
fn wrong_headers_name_the_field() {
    let labels = idx(0x801, &[2], &[1, 2]);
    check_refused(&labels, &labels, "header bytes is 10, expected 16");
    check_refused(&idx(0x802, &[2, 28, 28], &[]), &labels, "magic number is 2050, expected 2051");
    check_refused(&idx(0x803, &[2, 28, 27], &[]), &labels, "columns is 27, expected 28");
    check_refused(&idx(0x803, &[u32::MAX, 28, 28], &[]), &labels, "after the header is 0");
    check_refused(&idx(0x803, &[0, 28, 28], &[]), &labels, "number of items is 0");
    check_refused(&digits(), &idx(0x801, &[3], &[1, 2, 3]), "labels is 3, expected 2");
    check_refused(&digits(), &idx(0x801, &[2], &[1, 10]), "record 1 has label 10");
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(
        at in 0usize..16 + 2 * DIGIT_BYTES,
        value: u8,
        label_at in 0usize..10,
        label_value: u8,
    ) {
        let (mut images, mut labels) = (digits(), idx(0x801, &[2], &[1, 2]));
        images[at] = value;
        labels[label_at] = label_value;
        if let Ok(set) = open((IMAGES, &images), (LABELS, &labels)) {
            prop_assert!((0..set.len()).all(|i| set.label(i) < 10 && set.image(i).is_ok()));
        }
    }
}
