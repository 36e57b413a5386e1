//! Tests of what is common to all data sets.

#![expect(clippy::cast_possible_truncation, reason = "made-up pixels wrap")]

use super::*;
use crate::cifar::{self, CIFAR10, IMAGE_BYTES};

#[test]
fn cifar10_is_what_its_files_hold() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let bytes: Vec<u8> =
        (0..3 * 3073_u32).map(|i| if i % 3073 == 0 { (i / 3073) as u8 } else { i as u8 }).collect();
    std::fs::write(dir.path().join("test_batch.bin"), bytes).expect("write");
    let records = cifar::load(&CIFAR10, Split::Test, dir.path()).expect("valid");
    let new = Dataset::open(DatasetKind::Cifar10, Split::Test, dir.path()).expect("valid");
    assert_eq!((new.len(), new.classes(), new.image_shape()), (3, 10, [3, 32, 32]));
    for i in 0..3 {
        assert_eq!(new.label(i), u32::from(records.labels[i]));
        let pixels = &records.pixels[i * IMAGE_BYTES..(i + 1) * IMAGE_BYTES];
        assert_eq!(new.image(i).expect("in memory"), pixels);
    }
}

#[test]
fn sets_of_fixed_size_refuse_another_side() {
    let options = OpenOptions { side: Some(64), ..OpenOptions::default() };
    let error = Dataset::open_with(DatasetKind::Mnist, Split::Test, "", options);
    let message = error.expect_err("MNIST has one size").to_string();
    assert!(message.contains("MNIST has no images of side 64"), "{message}");
}
