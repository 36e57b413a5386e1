//! MNIST in its IDX form, delivered as 3×32×32.
//!
//! Files: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and `t10k-` for the test set,
//! plain or `.gz`. An image file is four big-endian words (2051, images, 28, 28) and then the
//! pixels; a label file is two words (2049, labels) and then the labels.
//!
//! Every network for CIFAR, and the hardware, takes three channels of 32×32 pixels. The 28×28
//! digits are therefore padded with two rows and columns of zeros on each side and repeated in
//! three channels, on delivery: 47 MB are kept, not 184 MB.

use crate::cifar::SIDE;
use crate::container::{self, Container};
use crate::{Error, Split};
use std::path::{Path, PathBuf};

/// Width and height of a digit in the files.
const DIGIT: usize = 28;
/// Pixels of a digit in the files.
const DIGIT_BYTES: usize = DIGIT * DIGIT;
/// Most images of a file, which is what the larger published one holds.
const MAX_IMAGES: usize = 60_000;
/// First word of an image file: unsigned bytes in three dimensions.
const IMAGE_MAGIC: u64 = 0x803;
/// First word of a label file: unsigned bytes in one dimension.
const LABEL_MAGIC: u64 = 0x801;
/// Number of classes.
const CLASSES: u32 = 10;
const CONTAINERS: [Container; 2] = [Container::Plain, Container::Gzip];

/// Digits as they are in the files.
#[derive(Debug)]
pub(crate) struct Digits {
    pixels: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

impl Digits {
    /// Reads a split.
    ///
    /// # Errors
    /// [`Error::Missing`] or a file's problem; [`Error::Idx`] if the two files differ in length.
    pub(crate) fn load(split: Split, dir: &Path) -> Result<Self, Error> {
        let prefix = match split {
            Split::Train => "train",
            Split::Test => "t10k",
        };
        let limit = 16 + MAX_IMAGES * DIGIT_BYTES;
        let (path, images) = read(dir, &format!("{prefix}-images-idx3-ubyte"), limit)?;
        let side = DIGIT as u64;
        let pixels = body(&path, images, IMAGE_MAGIC, &[("rows", side), ("columns", side)])?;
        let (path, labels) = read(dir, &format!("{prefix}-labels-idx1-ubyte"), 8 + MAX_IMAGES)?;
        let labels = body(&path, labels, LABEL_MAGIC, &[])?;
        check(&path, "labels", labels.len() as u64, (pixels.len() / DIGIT_BYTES) as u64)?;
        if let Some(record) = labels.iter().position(|&l| u32::from(l) >= CLASSES) {
            return Err(Error::Label { path, record, value: labels[record], classes: CLASSES });
        }
        Ok(Self { pixels, labels })
    }

    /// Returns digit `i` as three equal planes of 32×32, the digit in the middle of zeros.
    pub(crate) fn planes(&self, i: usize) -> Vec<u8> {
        let digit = &self.pixels[i * DIGIT_BYTES..(i + 1) * DIGIT_BYTES];
        let margin = (SIDE - DIGIT) / 2;
        let mut plane = vec![0; SIDE * SIDE];
        for (y, row) in digit.chunks_exact(DIGIT).enumerate() {
            plane[(y + margin) * SIDE + margin..][..DIGIT].copy_from_slice(row);
        }
        plane.repeat(3)
    }
}

fn read(dir: &Path, name: &str, limit: usize) -> Result<(PathBuf, Vec<u8>), Error> {
    container::read_first(dir, name, &CONTAINERS, limit)?.ok_or_else(|| Error::Missing {
        set: "MNIST",
        dir: dir.to_owned(),
        looked_for: container::file_names([name], &CONTAINERS),
        remedy: "put the four IDX files there, plain or .gz, or point to their folder",
    })
}

/// Checks a header (magic, number of items, then `dimensions`) and returns what follows it.
fn body(
    path: &Path,
    mut bytes: Vec<u8>,
    magic: u64,
    dimensions: &[(&'static str, u64)],
) -> Result<Vec<u8>, Error> {
    let header = 4 * (2 + dimensions.len());
    if bytes.len() < header {
        let (found, expected) = (bytes.len() as u64, header as u64);
        return Err(Error::Idx {
            path: path.to_owned(),
            what: "the number of header bytes",
            found,
            expected,
        });
    }
    let word = |n: usize| {
        let word: [u8; 4] = bytes[4 * n..][..4].try_into().expect("bug: four bytes");
        u64::from(u32::from_be_bytes(word))
    };
    check(path, "the magic number", word(0), magic)?;
    for (n, &(what, expected)) in dimensions.iter().enumerate() {
        check(path, what, word(2 + n), expected)?;
    }
    // The product of a 32-bit word and 784 fits.
    let expected = word(1) * dimensions.iter().map(|d| d.1).product::<u64>();
    check(path, "the number of bytes after the header", (bytes.len() - header) as u64, expected)?;
    if expected == 0 {
        let path = path.to_owned();
        return Err(Error::Idx { path, what: "the number of items", found: 0, expected: 60_000 });
    }
    bytes.drain(..header);
    Ok(bytes)
}

fn check(path: &Path, what: &'static str, found: u64, expected: u64) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Idx { path: path.to_owned(), what, found, expected })
}

#[cfg(test)]
mod tests;
