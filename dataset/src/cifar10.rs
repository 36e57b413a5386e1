//! CIFAR-10 with byte labels: `data_batch_1.bin` .. `data_batch_5.bin` and `test_batch.bin`.
//!
//! [`crate::Dataset`] reads the same files and is what new code uses.

use crate::Split;
use crate::cifar::{self, CIFAR10};
use std::path::Path;

pub use crate::Error;
pub use crate::cifar::{IMAGE_BYTES, SIDE};

/// Number of classes; labels are `0..CLASSES`.
pub const CLASSES: u8 = 10;
/// Planes of an image.
const CHANNELS: usize = 3;

/// Images and labels of CIFAR-10, in the order of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cifar10 {
    /// `len()` images of [`IMAGE_BYTES`], each in planes (channel, row, column).
    pub images: Vec<u8>,
    /// One label for each image, `0..=9`.
    pub labels: Vec<u8>,
}

impl Cifar10 {
    /// Reads the training set: every `data_batch_N.bin[.xz]` for `N` in 1..=5 that exists.
    ///
    /// # Errors
    /// [`Error::Missing`] if none exists, else the first file's problem.
    pub fn load_train(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::load(Split::Train, dir.as_ref())
    }

    /// Reads the test set: `test_batch.bin[.xz]`.
    ///
    /// # Errors
    /// [`Error::Missing`] if it does not exist, else its problem.
    pub fn load_test(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::load(Split::Test, dir.as_ref())
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns the bytes of image `i` in planes.
    ///
    /// # Panics
    /// If `i >= len()`.
    pub fn image(&self, i: usize) -> &[u8] {
        &self.images[i * IMAGE_BYTES..(i + 1) * IMAGE_BYTES]
    }

    /// Returns the bytes of image `i` with the channel fastest: row, column, channel.
    ///
    /// # Panics
    /// If `i >= len()`.
    pub fn image_hwc(&self, i: usize) -> Vec<u8> {
        crate::planes::to_interleaved(self.image(i), CHANNELS)
    }

    fn load(split: Split, dir: &Path) -> Result<Self, Error> {
        let records = cifar::load(&CIFAR10, split, dir)?;
        Ok(Self { images: records.pixels, labels: records.labels })
    }
}

#[cfg(test)]
mod tests;
