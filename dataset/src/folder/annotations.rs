//! `Tiny-ImageNet`'s validation set as it is published: one folder of images and a list of classes.
//!
//! `val_annotations.txt` has one image a line: file name, class, four numbers of a box, with tabs
//! between. The box is not used.

use crate::Error;
use crate::container::{self, Container};
use std::collections::BTreeSet;
use std::path::Path;

const FILE: &str = "val_annotations.txt";
/// Most bytes of the file; the published one has 356,000.
const MAX_BYTES: usize = 1 << 24;

/// An image and its class.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) file: String,
    pub(super) class: String,
}

/// Returns whether a split is of this form.
pub(super) fn exists(split: &Path) -> bool {
    split.join("images").is_dir() && split.join(FILE).is_file()
}

/// Reads the images of a split in the order of the file.
///
/// # Errors
/// [`Error::Annotation`] names the line.
pub(super) fn read(split: &Path) -> Result<Vec<Image>, Error> {
    let path = split.join(FILE);
    let file = container::read_first(split, FILE, &[Container::Plain], MAX_BYTES)?;
    let bytes = file.map(|(_, bytes)| bytes).unwrap_or_default();
    let wrong = |line: usize, problem| Error::Annotation { path: path.clone(), line, problem };
    let text = str::from_utf8(&bytes).map_err(|_| wrong(1, "the file is not text"))?;
    let (mut images, mut seen) = (Vec::new(), BTreeSet::new());
    for (number, line) in (1..).zip(text.lines()) {
        let mut fields = line.split('\t');
        let (Some(file), Some(class)) = (fields.next(), fields.next()) else {
            return Err(wrong(number, "expected a file name, a tab and a class"));
        };
        // A name that leads out of the folder, or to no file, is not one of a data set.
        if Path::new(file).file_name() != Some(file.as_ref()) || class.is_empty() {
            return Err(wrong(number, "expected the name of a file in `images`, and a class"));
        }
        if !seen.insert(file) {
            return Err(wrong(number, "this image was listed before"));
        }
        images.push(Image { file: file.to_owned(), class: class.to_owned() });
    }
    Ok(images)
}
