//! CIFAR-10 in its binary form: `data_batch_1.bin` .. `data_batch_5.bin` and `test_batch.bin`.
//!
//! A file is a sequence of records, each one label byte and 3,072 pixel bytes: the red, green and
//! blue planes of a 32×32 image, row by row.
//! Each file may also be compressed (`.bin.xz`); where both exist, the plain one is read.
//! The number of records is free, so that a cut-down set is a valid set.
//!
//! Files are untrusted: no size in them is believed before [`MAX_RECORDS`] bounds it, so a
//! malformed or hostile file costs at most 31 MB of memory and gives an [`Error`].

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use lzma_rust2::XzReader;

/// Bytes of one image: three planes of 32×32 pixels.
pub const IMAGE_BYTES: usize = 3 * SIDE * SIDE;
/// Width and height of an image.
pub const SIDE: usize = 32;
/// Number of classes; labels are `0..CLASSES`.
pub const CLASSES: u8 = 10;
/// Most records that one file may hold, which is what the published files hold.
pub const MAX_RECORDS: usize = 10_000;
/// Bytes of one record: the label and the image.
const RECORD_BYTES: usize = 1 + IMAGE_BYTES;
/// Training files are numbered from 1 to this.
const TRAIN_FILES: usize = 5;
/// Most memory of the xz decoder, in KiB: `xz -9` needs 64 MiB, a hostile header could ask for 4 GiB.
const XZ_MEMORY_KIB: u32 = 96 * 1024;
/// Planes of an image.
const CHANNELS: usize = 3;

/// Why a data set could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// None of the files that would do exists.
    #[error(
        "no CIFAR-10 file found in `{}`: looked for {}; \
         unpack `cifar-10-binary.tar.gz` there or point to the folder that holds these files",
        dir.display(),
        looked_for.join(", ")
    )]
    Missing {
        /// The folder that was searched.
        dir: PathBuf,
        /// File names, any of which would have been read.
        looked_for: Vec<String>,
    },
    /// A file exists but cannot be opened or read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A compressed file does not decode.
    #[error("`{}` is not a valid xz file", path.display())]
    CorruptXz {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        source: io::Error,
    },
    /// The size is not a positive multiple of a record's.
    #[error(
        "`{}` holds {bytes} bytes, which is not a positive multiple of {RECORD_BYTES} \
         (1 label and {IMAGE_BYTES} pixels a record): {} whole records and {} bytes",
        path.display(), bytes / RECORD_BYTES, bytes % RECORD_BYTES
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size, decompressed.
        bytes: usize,
    },
    /// The file holds more than [`MAX_RECORDS`].
    #[error("`{}` holds more than {MAX_RECORDS} records of {RECORD_BYTES} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A label is not a class.
    #[error("`{}`: record {record} has label {value}, but labels are 0 to 9", path.display())]
    Label {
        /// The file.
        path: PathBuf,
        /// Index of the record in the file, from 0.
        record: usize,
        /// The byte read.
        value: u8,
    },
}

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
        let names: Vec<String> = (1..=TRAIN_FILES).map(|n| format!("data_batch_{n}.bin")).collect();
        Self::load(dir.as_ref(), &names)
    }

    /// Reads the test set: `test_batch.bin[.xz]`.
    ///
    /// # Errors
    /// [`Error::Missing`] if it does not exist, else its problem.
    pub fn load_test(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::load(dir.as_ref(), &["test_batch.bin".to_owned()])
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
        let planes = self.image(i);
        let plane = SIDE * SIDE;
        (0..plane).flat_map(|p| (0..CHANNELS).map(move |c| planes[c * plane + p])).collect()
    }

    /// Appends the records of one decompressed file.
    fn append(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD_BYTES) {
            return Err(Error::Size { path: path.to_owned(), bytes: bytes.len() });
        }
        for (record, chunk) in bytes.chunks_exact(RECORD_BYTES).enumerate() {
            let value = chunk[0];
            if value >= CLASSES {
                return Err(Error::Label { path: path.to_owned(), record, value });
            }
            self.labels.push(value);
            self.images.extend_from_slice(&chunk[1..]);
        }
        Ok(())
    }

    fn load(dir: &Path, names: &[String]) -> Result<Self, Error> {
        let mut set = Self::default();
        for name in names {
            if let Some((path, bytes)) = read_batch(dir, name)? {
                set.append(&path, &bytes)?;
            }
        }
        if set.is_empty() {
            let looked_for = names.iter().flat_map(|n| [n.clone(), format!("{n}.xz")]).collect();
            return Err(Error::Missing { dir: dir.to_owned(), looked_for });
        }
        Ok(set)
    }
}

/// Reads `name` or `name.xz`, decompressed; `None` if neither exists.
fn read_batch(dir: &Path, name: &str) -> Result<Option<(PathBuf, Vec<u8>)>, Error> {
    let plain = dir.join(name);
    let compressed = dir.join(format!("{name}.xz"));
    if let Some(file) = open(&plain)? {
        let bytes =
            read_capped(file).map_err(|source| Error::Io { path: plain.clone(), source })?;
        return within_limit(bytes, plain).map(Some);
    }
    if let Some(file) = open(&compressed)? {
        let reader = XzReader::new_mem_limit(io::BufReader::new(file), true, XZ_MEMORY_KIB);
        let bytes = read_capped(reader)
            .map_err(|source| Error::CorruptXz { path: compressed.clone(), source })?;
        return within_limit(bytes, compressed).map(Some);
    }
    Ok(None)
}

fn open(path: &Path) -> Result<Option<File>, Error> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { path: path.to_owned(), source }),
    }
}

/// Reads at most one byte more than the limit, so that a longer file is seen and not stored.
fn read_capped(reader: impl Read) -> io::Result<Vec<u8>> {
    let limit = MAX_RECORDS * RECORD_BYTES + 1;
    let mut bytes = Vec::new();
    reader.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn within_limit(bytes: Vec<u8>, path: PathBuf) -> Result<(PathBuf, Vec<u8>), Error> {
    if bytes.len() > MAX_RECORDS * RECORD_BYTES {
        return Err(Error::TooLong { path });
    }
    Ok((path, bytes))
}

#[cfg(test)]
mod tests;
