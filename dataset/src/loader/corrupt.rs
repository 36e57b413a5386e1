//! Images that cannot be read: which they are, and when there are too many.

use crate::Error;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Images that an error message names.
const NAMED: usize = 5;

/// Returns the most unreadable images that a training epoch tolerates: 1 in 1,000, at least 10.
pub fn default_corrupt_limit(images: usize) -> usize {
    (images / 1000).max(10)
}

/// An image that cannot be read, and why.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

impl Unreadable {
    /// The error of one image that was asked for by itself.
    pub(crate) fn into_error(self) -> Error {
        let first = vec![describe(&self.path, &self.reason)];
        Error::Corrupt { count: 1, images: 1, limit: 0, first }
    }
}

/// An image that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorruptImage {
    /// Its index in the data set.
    pub index: usize,
    /// Its file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// The images of an epoch that could not be read; another image of the epoch took each one's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorruptReport {
    images: BTreeMap<usize, CorruptImage>,
}

impl CorruptReport {
    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Returns whether every image could be read.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Returns them in the order of the data set.
    pub fn iter(&self) -> impl Iterator<Item = &CorruptImage> {
        self.images.values()
    }

    pub(super) fn add(&mut self, corrupt: Vec<CorruptImage>) {
        self.images.extend(corrupt.into_iter().map(|image| (image.index, image)));
    }

    pub(super) fn error(&self, images: usize, limit: usize) -> Error {
        let first = self.iter().take(NAMED).map(|i| describe(&i.path, &i.reason)).collect();
        Error::Corrupt { count: self.len(), images, limit, first }
    }
}

fn describe(path: &std::path::Path, reason: &str) -> String {
    format!("`{}` ({reason})", path.display())
}
