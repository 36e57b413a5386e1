//! Images in class folders: `ImageNet` and `Tiny-ImageNet`.
//!
//! A class is a folder, and its label the folder's place in the order of names, as in torchvision.
//! Names are read when a set is opened, images when they are asked for.

mod annotations;
mod listing;

use crate::decode::{self, Rgb};
use crate::loader::Unreadable;
use crate::{DatasetKind, Error, Split};
use listing::{image_files, require_folder, subfolders};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The images of a split.
///
/// `ImageNet` has 1.3 million, so a file is its folder's number and its own name.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    folders: Vec<PathBuf>,
    files: Vec<(u32, Box<OsStr>)>,
    pub(crate) labels: Vec<u32>,
}

impl Folder {
    /// Lists a split of a data set that must have `classes` classes.
    ///
    /// # Errors
    /// Missing or empty folders, another number of classes, other classes than the other split has,
    /// a malformed annotation file.
    pub(crate) fn open(
        kind: DatasetKind,
        split: Split,
        dir: &Path,
        classes: u32,
    ) -> Result<Self, Error> {
        let (train, test) = (dir.join("train"), dir.join("val"));
        let (here, other) = match split {
            Split::Train => (&train, &test),
            Split::Test => (&test, &train),
        };
        require_folder(kind, dir, here)?;
        let tiny = kind == DatasetKind::TinyImagenet;
        if tiny && annotations::exists(here) {
            let images = annotations::read(here)?;
            let names = images.iter().map(|image| OsString::from(&image.class)).collect();
            check_classes(kind, here, &names, classes, other)?;
            return Ok(Self::from_annotations(here, &images, &names));
        }
        let names = subfolders(here)?;
        check_classes(kind, here, &names, classes, other)?;
        let mut set = Self::default();
        for (label, name) in (0..).zip(&names) {
            set.add_class(&here.join(name), label, tiny)?;
        }
        Ok(set)
    }

    /// Adds the images of a class folder and, where `nested`, of the folder `images` in it.
    fn add_class(&mut self, path: &Path, label: u32, nested: bool) -> Result<(), Error> {
        let before = self.files.len();
        self.add_folder(path.to_owned(), label)?;
        let images = path.join("images");
        if nested && images.is_dir() {
            self.add_folder(images, label)?;
        }
        if self.files.len() == before {
            return Err(Error::EmptyClass { path: path.to_owned() });
        }
        Ok(())
    }

    fn add_folder(&mut self, path: PathBuf, label: u32) -> Result<(), Error> {
        let files = image_files(&path)?;
        let folder = u32::try_from(self.folders.len()).expect("bug: two folders a class");
        self.labels.resize(self.labels.len() + files.len(), label);
        self.files.extend(files.into_iter().map(|name| (folder, name.into_boxed_os_str())));
        self.folders.push(path);
        Ok(())
    }

    fn from_annotations(
        test: &Path,
        images: &[annotations::Image],
        names: &BTreeSet<OsString>,
    ) -> Self {
        let label = |class: &str| {
            (0..).zip(names).find(|(_, name)| *name == class).expect("bug: a name of the set").0
        };
        Self {
            folders: vec![test.join("images")],
            files: images
                .iter()
                .map(|i| (0, OsString::from(&i.file).into_boxed_os_str()))
                .collect(),
            labels: images.iter().map(|i| label(&i.class)).collect(),
        }
    }

    /// Returns the file of image `i`.
    pub(crate) fn path(&self, i: usize) -> PathBuf {
        let (folder, name) = &self.files[i];
        self.folders[*folder as usize].join(&**name)
    }

    /// Decodes image `i`.
    pub(crate) fn read(&self, i: usize) -> Result<Rgb, Unreadable> {
        let path = self.path(i);
        decode::read(&path).map_err(|reason| Unreadable { path, reason })
    }
}

/// Checks the number of classes, and their names against those of the other split where it is there.
fn check_classes(
    kind: DatasetKind,
    path: &Path,
    names: &BTreeSet<OsString>,
    expected: u32,
    other: &Path,
) -> Result<(), Error> {
    if names.len() != expected as usize {
        return Err(Error::Classes {
            set: kind.title(),
            path: path.to_owned(),
            found: names.len(),
            expected,
        });
    }
    if !other.is_dir() {
        return Ok(());
    }
    let tiny = kind == DatasetKind::TinyImagenet;
    let others = if tiny && annotations::exists(other) {
        annotations::read(other)?.into_iter().map(|image| image.class.into()).collect()
    } else {
        subfolders(other)?
    };
    match names.symmetric_difference(&others).next() {
        None => Ok(()),
        Some(name) => Err(Error::ClassNames {
            name: name.to_string_lossy().into_owned(),
            path: path.to_owned(),
            other: other.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
