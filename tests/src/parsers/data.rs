//! Files of data sets, through the folder that a command would be given.

use super::folder::Folder;
use heartbit_dataset::{Dataset, DatasetKind, OpenOptions, Split};

/// Gzip and xz files are known by their first bytes.
fn suffix(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x1f, 0x8b, ..] => ".gz",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ".xz",
        _ => "",
    }
}

/// Writes a file under the name of its container only.
fn write_contained(folder: &Folder, name: &str, bytes: &[u8]) {
    for suffix in ["", ".gz", ".xz"] {
        folder.remove(&format!("{name}{suffix}"));
    }
    folder.write(&format!("{name}{}", suffix(bytes)), bytes);
}

/// Opens the test set and reads its first and last image.
fn open(folder: &Folder, kind: DatasetKind, directory: &str, options: OpenOptions) {
    if let Ok(set) = Dataset::open_with(kind, Split::Test, folder.path(directory), options) {
        assert!(!set.is_empty(), "bug: an empty set");
        for image in [0, set.len() - 1] {
            assert!(set.label(image) < set.classes(), "bug: a label");
            let bytes = set.image(image).map(|image| image.len());
            assert!(bytes.is_err() || bytes.ok() == Some(set.image_shape().iter().product()));
        }
    }
}

/// Batches of CIFAR-10 and CIFAR-100, plain or `.xz`.
pub fn cifar(bytes: &[u8]) {
    Folder::with(|folder| {
        write_contained(folder, "cifar/test_batch.bin", bytes);
        write_contained(folder, "cifar/test.bin", bytes);
        for kind in [DatasetKind::Cifar10, DatasetKind::Cifar100] {
            open(folder, kind, "cifar", OpenOptions::default());
        }
    });
}

/// Two IDX files, plain or `.gz`; the first two bytes are the length of the first one, the labels.
pub fn mnist(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let Some((labels, images)) = rest.split_at_checked(u16::from_le_bytes(*length).into()) else {
        return;
    };
    Folder::with(|folder| {
        write_contained(folder, "mnist/t10k-labels-idx1-ubyte", labels);
        write_contained(folder, "mnist/t10k-images-idx3-ubyte", images);
        open(folder, DatasetKind::Mnist, "mnist", OpenOptions::default());
    });
}

/// An image file in a class folder.
pub fn image(bytes: &[u8]) {
    // Sides are at most 16,384, whatever a file of so few bytes says: that is tested elsewhere.
    if claims_many_pixels(bytes) {
        return;
    }
    Folder::with(|folder| {
        folder.write("image/val/class/image.jpeg", bytes);
        let options = OpenOptions { side: Some(8), classes: Some(1) };
        open(folder, DatasetKind::Imagenet, "image", options);
    });
}

/// Whether decoding takes long because of what the header says, and not for what follows it.
fn claims_many_pixels(bytes: &[u8]) -> bool {
    const MOST: usize = 1 << 20;
    let word = |at: usize, n: usize| {
        let bytes = bytes.get(at..at + n).unwrap_or_default();
        bytes.iter().fold(0usize, |word, &byte| word << 8 | usize::from(byte))
    };
    if bytes.starts_with(b"\x89PNG") {
        return word(16, 4).saturating_mul(word(20, 4)) > MOST;
    }
    // Frame headers of JPEG: marker, length, precision, height, width.
    let frames = bytes.windows(2).enumerate().filter(|(_, m)| m[0] == 0xff && m[1] & 0xf0 == 0xc0);
    frames.into_iter().any(|(at, _)| word(at + 5, 2).saturating_mul(word(at + 7, 2)) > MOST)
}

/// The list of a validation set of `Tiny-ImageNet`.
pub fn annotations(bytes: &[u8]) {
    Folder::with(|folder| {
        folder.write("tiny/val/val_annotations.txt", bytes);
        folder.write("tiny/val/images/val_0.JPEG", b"no image");
        for classes in 1..=2 {
            let options = OpenOptions { side: Some(8), classes: Some(classes) };
            open(folder, DatasetKind::TinyImagenet, "tiny", options);
        }
    });
}
