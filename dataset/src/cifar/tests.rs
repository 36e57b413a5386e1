//! Tests of CIFAR-100's records; those of CIFAR-10 are in `cifar10_tests.rs`.

use super::*;
use crate::{Dataset, DatasetKind};
use proptest::prelude::*;

/// A record of CIFAR-100 whose pixels are all `pixel`.
fn record(coarse: u8, fine: u8, pixel: u8) -> Vec<u8> {
    [vec![coarse, fine], vec![pixel; IMAGE_BYTES]].concat()
}

fn open(name: &str, bytes: &[u8], split: Split) -> Result<Dataset, Error> {
    let dir = tempfile::tempdir().expect("temporary folder");
    std::fs::write(dir.path().join(name), bytes).expect("write");
    Dataset::open(DatasetKind::Cifar100, split, dir.path())
}

#[test]
fn fine_label_is_the_class() {
    let bytes = [record(19, 3, 7), record(200, 99, 8)].concat();
    for (name, split) in [("train.bin", Split::Train), ("test.bin", Split::Test)] {
        let set = open(name, &bytes, split).expect("valid");
        assert_eq!((set.len(), set.label(0), set.label(1)), (2, 3, 99));
        assert_eq!(set.image(1).expect("in memory"), vec![8; IMAGE_BYTES]);
    }
}

#[test]
fn fine_label_above_99_names_record_and_range() {
    let bytes = [record(0, 99, 0), record(0, 100, 0)].concat();
    let message = open("test.bin", &bytes, Split::Test).expect_err("label 100").to_string();
    assert!(message.contains("record 1 has label 100, but labels are 0 to 99"), "{message}");
}

#[test]
fn records_of_cifar10_are_not_those_of_cifar100() {
    let message =
        open("test.bin", &[0; 1 + IMAGE_BYTES], Split::Test).expect_err("a byte short").to_string();
    assert!(message.contains("3074 (2 label and 3072 pixels"), "{message}");
}

#[test]
fn other_split_is_missing() {
    let message =
        open("train.bin", &record(0, 0, 0), Split::Test).expect_err("no test set").to_string();
    assert!(message.contains("no CIFAR-100 file") && message.contains("test.bin.xz"), "{message}");
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(
        at in 0usize..2 * (2 + IMAGE_BYTES),
        value: u8,
        cut in 0usize..4000,
    ) {
        let mut bytes = [record(1, 2, 3), record(4, 5, 6)].concat();
        bytes[at] = value;
        bytes.truncate(bytes.len() - cut);
        if let Ok(set) = open("train.bin", &bytes, Split::Train) {
            prop_assert_eq!(set.len() * (2 + IMAGE_BYTES), bytes.len());
            prop_assert!((0..set.len()).all(|i| set.label(i) < 100));
        }
    }
}
