//! One interface over all data sets.

use crate::augment::Augment;
use crate::cifar::{self, CIFAR10, CIFAR100, IMAGE_BYTES, Records};
use crate::loader::{Images, Unreadable};
use crate::mnist::Digits;
use crate::{DatasetKind, Error, Split};
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;
use std::path::Path;

/// What may be chosen when a data set is opened; the default is the published form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Width and height of delivered images, for data sets of image files.
    pub side: Option<usize>,
}

/// A split of a data set.
#[derive(Debug)]
pub struct Dataset {
    kind: DatasetKind,
    split: Split,
    classes: u32,
    side: usize,
    store: Store,
}

/// Where the images are.
#[derive(Debug)]
enum Store {
    Records(Records),
    Digits(Digits),
}

impl Dataset {
    /// Opens a split in its published form. `dir` is the folder described in `docs/datasets.md`.
    ///
    /// # Errors
    /// Missing, unreadable or malformed files.
    pub fn open(kind: DatasetKind, split: Split, dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(kind, split, dir, OpenOptions::default())
    }

    /// Opens a split with options.
    ///
    /// # Errors
    /// As [`Dataset::open`], and an option that the data set does not have.
    pub fn open_with(
        kind: DatasetKind,
        split: Split,
        dir: impl AsRef<Path>,
        options: OpenOptions,
    ) -> Result<Self, Error> {
        let dir = dir.as_ref();
        if let Some(side) = options.side.filter(|&side| side != kind.default_side()) {
            return Err(Error::Side { set: kind.title(), side, allowed: "32, or none" });
        }
        let store = match kind {
            DatasetKind::Cifar10 => Store::Records(cifar::load(&CIFAR10, split, dir)?),
            DatasetKind::Cifar100 => Store::Records(cifar::load(&CIFAR100, split, dir)?),
            DatasetKind::Mnist => Store::Digits(Digits::load(split, dir)?),
        };
        Ok(Self { kind, split, classes: kind.classes(), side: kind.default_side(), store })
    }

    /// Returns which data set this is.
    pub fn kind(&self) -> DatasetKind {
        self.kind
    }

    /// Returns which split this is.
    pub fn split(&self) -> Split {
        self.split
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        match &self.store {
            Store::Records(records) => records.labels.len(),
            Store::Digits(digits) => digits.labels.len(),
        }
    }

    /// Returns whether there is no image; opening such a set is an error.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of classes; labels are `0..classes()`.
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// Returns the class of image `i`.
    ///
    /// # Panics
    /// If `i >= len()`.
    pub fn label(&self, i: usize) -> u32 {
        match &self.store {
            Store::Records(records) => records.labels[i].into(),
            Store::Digits(digits) => digits.labels[i].into(),
        }
    }

    /// Returns channels, height and width of every delivered image.
    pub fn image_shape(&self) -> [usize; 3] {
        [3, self.side, self.side]
    }

    /// Returns the bytes of image `i` in planes, after the transform that networks are measured
    /// with.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if its file cannot be read or decoded.
    ///
    /// # Panics
    /// If `i >= len()`.
    pub fn image(&self, i: usize) -> Result<Vec<u8>, Error> {
        self.planes(i).map(Cow::into_owned).map_err(|unreadable| unreadable.into_error())
    }

    fn planes(&self, i: usize) -> Result<Cow<'_, [u8]>, Unreadable> {
        match &self.store {
            Store::Records(r) => Ok(Cow::Borrowed(&r.pixels[i * IMAGE_BYTES..][..IMAGE_BYTES])),
            Store::Digits(digits) => Ok(Cow::Owned(digits.planes(i))),
        }
    }
}

impl Images for Dataset {
    fn image_bytes(&self) -> usize {
        self.image_shape().into_iter().product()
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.label(i)
    }

    fn append(
        &self,
        i: usize,
        augment: &Augment,
        rng: &mut ChaCha8Rng,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        augment.append(&self.planes(i)?, self.image_shape(), rng, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
