//! Tests of CIFAR-10's records: small files written to a temporary folder.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Bytes of a label and an image.
const RECORD_BYTES: usize = 1 + IMAGE_BYTES;
/// Records of a published file.
const MAX_RECORDS: usize = 10_000;

/// A record of one label whose pixel `i` is `i % 251 + first`.
fn record(label: u8, first: u8) -> Vec<u8> {
    let pixels = (0..IMAGE_BYTES).map(|i| u8::try_from(i % 251).expect("below 251") ^ first);
    std::iter::once(label).chain(pixels).collect()
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().expect("temporary folder");
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).expect("write");
    }
    dir
}

#[test]
fn train_set_is_every_existing_batch_in_order() {
    let two = [record(3, 1), record(9, 2)].concat();
    let dir = folder(&[("data_batch_4.bin", &record(7, 5)), ("data_batch_2.bin", &two)]);
    let set = load(&CIFAR10, Split::Train, dir.path()).expect("valid");
    assert_eq!(set.labels, [3, 9, 7]);
    assert_eq!(&set.pixels[2 * IMAGE_BYTES..], &record(7, 5)[1..]);
}

#[test]
fn image_hwc_interleaves_the_planes() {
    let dir = folder(&[("test_batch.bin", &record(0, 0))]);
    let set = load(&CIFAR10, Split::Test, dir.path()).expect("valid");
    let hwc = crate::planes::to_interleaved(&set.pixels, 3);
    for (y, x, c) in [(0, 0, 0), (0, 0, 2), (5, 31, 1), (31, 31, 2)] {
        assert_eq!(hwc[(y * 32 + x) * 3 + c], set.pixels[c * 1024 + y * 32 + x]);
    }
}

#[test]
fn missing_files_are_listed() {
    let dir = folder(&[]);
    let message = load(&CIFAR10, Split::Test, dir.path()).expect_err("nothing there").to_string();
    assert!(message.contains("test_batch.bin, test_batch.bin.xz"), "{message}");
}

#[test]
fn partial_record_gives_the_sizes() {
    let dir = folder(&[("test_batch.bin", &[0; RECORD_BYTES + 5])]);
    let error = load(&CIFAR10, Split::Test, dir.path()).expect_err("5 bytes too many");
    assert!(error.to_string().contains("3078 bytes"), "{error}");
    assert!(error.to_string().contains("1 whole records and 5 bytes"), "{error}");
}

#[test]
fn label_above_nine_names_the_record() {
    let dir = folder(&[("test_batch.bin", &[record(9, 0), record(10, 0)].concat())]);
    let error = load(&CIFAR10, Split::Test, dir.path()).expect_err("label 10");
    assert!(matches!(error, Error::Label { record: 1, value: 10, .. }), "{error}");
}

#[test]
fn file_beyond_the_limit_is_refused() {
    let dir = folder(&[("test_batch.bin", &vec![0; (MAX_RECORDS + 1) * RECORD_BYTES])]);
    let error = load(&CIFAR10, Split::Test, dir.path()).expect_err("too long");
    assert!(matches!(error, Error::TooLong { .. }), "{error}");
}

/// `xz -9e` of one record with label 6 and 3,072 zero pixels, made with xz 5.4.
const XZ_RECORD: &[u8] = include_bytes!("record.bin.xz");

#[test]
fn xz_batch_reads_like_the_plain_one() {
    let dir = folder(&[("test_batch.bin.xz", XZ_RECORD)]);
    let set = load(&CIFAR10, Split::Test, dir.path()).expect("valid");
    assert_eq!((set.labels.as_slice(), set.pixels.iter().any(|&p| p != 0)), (&[6][..], false));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..8000),
        compressed in any::<bool>(),
    ) {
        let name = if compressed { "test_batch.bin.xz" } else { "test_batch.bin" };
        let dir = folder(&[(name, &bytes)]);
        if let Ok(set) = load(&CIFAR10, Split::Test, dir.path()) {
            prop_assert_eq!(set.pixels.len(), set.labels.len() * IMAGE_BYTES);
        }
    }

    #[test]
    fn damaged_xz_is_an_error_or_whole_records(at in 0..XZ_RECORD.len(), flip in 1u8..) {
        let mut bytes = XZ_RECORD.to_vec();
        bytes[at] ^= flip;
        let dir = folder(&[("test_batch.bin.xz", &bytes)]);
        if let Ok(set) = load(&CIFAR10, Split::Test, dir.path()) {
            prop_assert_eq!(set.pixels.len(), set.labels.len() * IMAGE_BYTES);
        }
    }
}
