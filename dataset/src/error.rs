//! What can go wrong with a data set: every message names the path, what was expected, what to do.

use std::io;
use std::path::PathBuf;

/// Why a data set could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No data set has this name.
    #[error("no data set is called `{name}`: choose one of {}", known.join(", "))]
    UnknownName {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// None of the files or folders that would do exists.
    #[error(
        "no {set} file found in `{}`: looked for {}; {remedy}",
        dir.display(),
        looked_for.join(", ")
    )]
    Missing {
        /// The data set.
        set: &'static str,
        /// The folder that was searched.
        dir: PathBuf,
        /// Names, any of which would have been read.
        looked_for: Vec<String>,
        /// What to do.
        remedy: &'static str,
    },
    /// A file or folder exists but cannot be opened or read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A compressed file does not decode.
    #[error("`{}` is not a valid {format} file", path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// `xz` or `gzip`.
        format: &'static str,
        /// The decoder's reason.
        source: io::Error,
    },
    /// The size is not a positive multiple of a record's.
    #[error(
        "`{}` holds {bytes} bytes, which is not a positive multiple of {record} \
         ({labels} label and {pixels} pixels a record): {} whole records and {} bytes",
        path.display(), bytes / record, bytes % record, labels = record - pixels
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size, decompressed.
        bytes: usize,
        /// Bytes of a record.
        record: usize,
        /// Bytes of a record that are pixels.
        pixels: usize,
    },
    /// The file is longer than any file of its kind.
    #[error("`{}` holds more than {limit} bytes, the size of the published file", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Most bytes, decompressed.
        limit: usize,
    },
    /// A label is not a class.
    #[error(
        "`{}`: record {record} has label {value}, but labels are 0 to {}",
        path.display(), classes - 1
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// Index of the record in the file, from 0.
        record: usize,
        /// The byte read.
        value: u8,
        /// Number of classes.
        classes: u32,
    },
    /// An IDX file's header or length is not that of MNIST.
    #[error(
        "`{}` is not an MNIST file: {what} is {found}, expected {expected}; \
         download it again",
        path.display()
    )]
    Idx {
        /// The file.
        path: PathBuf,
        /// The field.
        what: &'static str,
        /// Its value.
        found: u64,
        /// What it must be.
        expected: u64,
    },
    /// A folder of classes has more or fewer than the data set.
    #[error(
        "`{}` has {found} classes, but {set} has {expected}: complete it, or say how many classes \
         a cut-down set has",
        path.display()
    )]
    Classes {
        /// The data set.
        set: &'static str,
        /// The folder.
        path: PathBuf,
        /// Classes in it.
        found: usize,
        /// Classes of the data set.
        expected: u32,
    },
    /// The two splits have different classes, so their labels would not mean the same.
    #[error(
        "class `{name}` is in one of `{}` and `{}` only: both need the same class folders",
        path.display(), other.display()
    )]
    ClassNames {
        /// The first class that only one of them has.
        name: String,
        /// The split that is opened.
        path: PathBuf,
        /// The other split.
        other: PathBuf,
    },
    /// A class folder holds no image.
    #[error("class folder `{}` holds no .jpeg, .jpg or .png file: complete it", path.display())]
    EmptyClass {
        /// The folder.
        path: PathBuf,
    },
    /// A line of `val_annotations.txt` is not of its form.
    #[error("`{}`, line {line}: {problem}; unpack the file again", path.display())]
    Annotation {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// An augmentation was asked for with a number that makes no sense.
    #[error("{option} {value} is not possible: it must be {rule}")]
    Augment {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// The image side was asked for and is not possible.
    #[error("{set} has no images of side {side}: give {allowed}")]
    Side {
        /// The data set.
        set: &'static str,
        /// The side asked for.
        side: usize,
        /// The sides that are possible.
        allowed: &'static str,
    },
    /// The number of classes was asked for and is not possible.
    #[error("{set} has {has} classes, not {asked}: leave the number of classes out")]
    ClassCount {
        /// The data set.
        set: &'static str,
        /// The number asked for.
        asked: u32,
        /// The number there is.
        has: u32,
    },
    /// More images than the limit cannot be read.
    #[error(
        "{count} of {images} images cannot be read, more than the limit of {limit}: {}; \
         replace these files or raise the limit",
        first.join(", ")
    )]
    Corrupt {
        /// Images that cannot be read, as far as the epoch has come.
        count: usize,
        /// Images of the epoch.
        images: usize,
        /// Most that are tolerated.
        limit: usize,
        /// The first few: path and reason.
        first: Vec<String>,
    },
    /// A batch of no images was asked for.
    #[error("a batch needs at least one image")]
    EmptyBatch,
    /// A loader's thread cannot be started.
    #[error("cannot start a thread that loads images")]
    Thread(#[source] io::Error),
}
