//! One interface over all data sets.

use crate::augment::Augment;
use crate::cifar::{self, CIFAR10, CIFAR100, IMAGE_BYTES, Records};
use crate::decode::Rgb;
use crate::folder::Folder;
use crate::loader::{Images, Unreadable};
use crate::mnist::Digits;
use crate::planes::{append_planes, to_interleaved};
use crate::transform::resize_and_crop;
use crate::{DatasetKind, Error, Split};
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Planes of every delivered image.
const CHANNELS: usize = 3;
/// Largest side that may be chosen.
const MAX_SIDE: usize = 1024;

/// What may be chosen when a data set is opened; the default is the published form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Width and height of delivered images, 1 to 1,024, for data sets of image files.
    pub side: Option<usize>,
    /// Number of class folders of a cut-down set, for data sets of image files.
    pub classes: Option<u32>,
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
    Folder(Folder),
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
        options.check(kind)?;
        let classes = options.classes.unwrap_or(kind.classes());
        let side = options.side.unwrap_or(kind.default_side());
        let store = match kind {
            DatasetKind::Cifar10 => Store::Records(cifar::load(&CIFAR10, split, dir)?),
            DatasetKind::Cifar100 => Store::Records(cifar::load(&CIFAR100, split, dir)?),
            DatasetKind::Mnist => Store::Digits(Digits::load(split, dir)?),
            DatasetKind::TinyImagenet | DatasetKind::Imagenet => {
                Store::Folder(Folder::open(kind, split, dir, classes)?)
            }
        };
        Ok(Self { kind, split, classes, side, store })
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
            Store::Folder(folder) => folder.labels.len(),
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
            Store::Folder(folder) => folder.labels[i],
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
        self.planes(i).map(Cow::into_owned).map_err(Unreadable::into_error)
    }

    /// Returns the file of image `i`, where each image has one.
    ///
    /// # Panics
    /// If `i >= len()`.
    pub fn path(&self, i: usize) -> Option<PathBuf> {
        match &self.store {
            Store::Records(_) | Store::Digits(_) => None,
            Store::Folder(folder) => Some(folder.path(i)),
        }
    }

    /// Returns image `i` as networks are measured on it.
    fn planes(&self, i: usize) -> Result<Cow<'_, [u8]>, Unreadable> {
        match &self.store {
            Store::Records(r) => Ok(Cow::Borrowed(&r.pixels[i * IMAGE_BYTES..][..IMAGE_BYTES])),
            Store::Digits(digits) => Ok(Cow::Owned(digits.planes(i))),
            Store::Folder(folder) => {
                let image = folder.read(i)?;
                let resized = match self.kind {
                    // 256 for 224, as published.
                    DatasetKind::Imagenet => self.side * 8 / 7,
                    _ => self.side,
                };
                Ok(Cow::Owned(in_planes(&resize_and_crop(&image, resized, self.side))))
            }
        }
    }

    /// Returns image `i` as it is before any transform, interleaved.
    fn original(&self, i: usize) -> Result<Rgb, Unreadable> {
        if let Store::Folder(folder) = &self.store {
            return folder.read(i);
        }
        let pixels = to_interleaved(&self.planes(i)?, CHANNELS);
        Ok(Rgb { width: self.side, height: self.side, pixels })
    }
}

fn in_planes(interleaved: &[u8]) -> Vec<u8> {
    let mut planes = Vec::with_capacity(interleaved.len());
    append_planes(interleaved, CHANNELS, &mut planes);
    planes
}

impl OpenOptions {
    /// Refuses options that a data set does not have.
    fn check(self, kind: DatasetKind) -> Result<(), Error> {
        let set = kind.title();
        if let Some(side) = self.side {
            if kind.has_files() && !(1..=MAX_SIDE).contains(&side) {
                return Err(Error::Side { set, side, allowed: "1 to 1024" });
            }
            if !kind.has_files() && side != kind.default_side() {
                return Err(Error::Side { set, side, allowed: "32, or none" });
            }
        }
        match self.classes {
            Some(asked) if !kind.has_files() && asked != kind.classes() => {
                Err(Error::ClassCount { set, asked, has: kind.classes() })
            }
            _ => Ok(()),
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
        let shape = self.image_shape();
        if augment.resized_crop.is_some() {
            let original = self.original(i)?;
            if let Some(window) = augment.resized_crop(&original, self.side, rng) {
                augment.append(&in_planes(&window), shape, rng, out);
                return Ok(());
            }
        }
        augment.append(&self.planes(i)?, shape, rng, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
