//! The binary form of CIFAR-10 and CIFAR-100: records of labels and a 32×32 image.
//!
//! A file is a sequence of records, each one or two label bytes and 3,072 pixel bytes: the red,
//! green and blue planes, row by row. CIFAR-100 has the coarse label first; the fine one is used.
//! Each file may also be compressed (`.xz`); where both exist, the plain one is read.
//! The number of records is free up to the published one, so that a cut-down set is a valid set.

use crate::container::{self, Container};
use crate::{Error, Split};
use std::path::Path;

/// Width and height of an image.
pub(crate) const SIDE: usize = 32;
/// Bytes of one image: three planes of 32×32 pixels.
pub(crate) const IMAGE_BYTES: usize = 3 * SIDE * SIDE;

/// What the files of one CIFAR look like.
#[derive(Debug)]
pub(crate) struct Format {
    set: &'static str,
    /// Bytes of labels before the pixels; the last one is the class.
    label_bytes: usize,
    classes: u32,
    /// Most records that one file may hold, which is what the largest published file holds.
    max_records: usize,
    train: &'static [&'static str],
    test: &'static [&'static str],
    remedy: &'static str,
}

/// CIFAR-10: `data_batch_1.bin` .. `data_batch_5.bin`, `test_batch.bin`.
pub(crate) const CIFAR10: Format = Format {
    set: "CIFAR-10",
    label_bytes: 1,
    classes: 10,
    max_records: 10_000,
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: &["test_batch.bin"],
    remedy: "unpack `cifar-10-binary.tar.gz` there or point to the folder that holds these files",
};

/// CIFAR-100: `train.bin`, `test.bin`.
pub(crate) const CIFAR100: Format = Format {
    set: "CIFAR-100",
    label_bytes: 2,
    classes: 100,
    max_records: 50_000,
    train: &["train.bin"],
    test: &["test.bin"],
    remedy: "unpack `cifar-100-binary.tar.gz` there or point to the folder that holds these files",
};

const CONTAINERS: [Container; 2] = [Container::Plain, Container::Xz];

/// Images of [`IMAGE_BYTES`] in planes and their classes, in the order of the files.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

/// Reads every file of a split that exists, in order.
///
/// # Errors
/// [`Error::Missing`] if none exists, else the first file's problem.
pub(crate) fn load(format: &Format, split: Split, dir: &Path) -> Result<Records, Error> {
    let names = match split {
        Split::Train => format.train,
        Split::Test => format.test,
    };
    let limit = format.max_records * (format.label_bytes + IMAGE_BYTES);
    let mut records = Records::default();
    for name in names {
        if let Some((path, bytes)) = container::read_first(dir, name, &CONTAINERS, limit)? {
            append(&mut records, format, &path, &bytes)?;
        }
    }
    if records.labels.is_empty() {
        return Err(Error::Missing {
            set: format.set,
            dir: dir.to_owned(),
            looked_for: container::file_names(names.iter().copied(), &CONTAINERS),
            remedy: format.remedy,
        });
    }
    Ok(records)
}

/// Appends the records of one decompressed file.
fn append(records: &mut Records, format: &Format, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let size = format.label_bytes + IMAGE_BYTES;
    if bytes.is_empty() || !bytes.len().is_multiple_of(size) {
        let path = path.to_owned();
        return Err(Error::Size { path, bytes: bytes.len(), record: size, pixels: IMAGE_BYTES });
    }
    records.pixels.reserve(bytes.len() / size * IMAGE_BYTES);
    for (record, chunk) in bytes.chunks_exact(size).enumerate() {
        let (labels, pixels) = chunk.split_at(format.label_bytes);
        let value = labels[format.label_bytes - 1];
        if u32::from(value) >= format.classes {
            let (path, classes) = (path.to_owned(), format.classes);
            return Err(Error::Label { path, record, value, classes });
        }
        records.labels.push(value);
        records.pixels.extend_from_slice(pixels);
    }
    Ok(())
}

#[cfg(test)]
mod cifar10_tests;
#[cfg(test)]
mod tests;
