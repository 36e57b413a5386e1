//! What is in a folder, in the order of names.

use crate::{DatasetKind, Error};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::path::Path;

/// Suffixes of image files, in lower case.
const SUFFIXES: [&str; 3] = ["jpeg", "jpg", "png"];

/// Refuses a split whose folder is not there.
pub(super) fn require_folder(kind: DatasetKind, dir: &Path, split: &Path) -> Result<(), Error> {
    if split.is_dir() {
        return Ok(());
    }
    let name = split.file_name().unwrap_or_default().to_string_lossy();
    Err(Error::Missing {
        set: kind.title(),
        dir: dir.to_owned(),
        looked_for: vec![format!("{name}/")],
        remedy: match kind {
            DatasetKind::TinyImagenet => {
                "unpack `tiny-imagenet-200.zip` and point to the folder that holds `train` and `val`"
            }
            _ => {
                "point to the folder that holds `train` and `val`, each with one folder a class; \
                 the validation images have to be sorted into class folders"
            }
        },
    })
}

/// Returns the names of the folders in a folder, but hidden ones.
pub(super) fn subfolders(path: &Path) -> Result<BTreeSet<OsString>, Error> {
    let folders = entries(path)?.into_iter().filter(|e| e.path().is_dir());
    Ok(folders.map(|e| e.file_name()).filter(|name| !is_hidden(name)).collect())
}

/// Returns the names of the image files in a folder, but hidden ones, sorted.
pub(super) fn image_files(path: &Path) -> Result<Vec<OsString>, Error> {
    let files = entries(path)?.into_iter().filter(|e| !e.file_type().is_ok_and(|t| t.is_dir()));
    let mut names: Vec<OsString> =
        files.map(|e| e.file_name()).filter(|name| !is_hidden(name) && is_image(name)).collect();
    names.sort_unstable();
    Ok(names)
}

fn is_hidden(name: &OsString) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_image(name: &OsString) -> bool {
    let suffix = Path::new(name).extension().and_then(|s| s.to_str()).unwrap_or_default();
    SUFFIXES.iter().any(|image| suffix.eq_ignore_ascii_case(image))
}

fn entries(path: &Path) -> Result<Vec<DirEntry>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    fs::read_dir(path).map_err(io)?.collect::<Result<_, _>>().map_err(io)
}
