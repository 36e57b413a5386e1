//! What can go wrong while reading runs and writing figures.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of a run cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of a run is larger than any run writes.
    #[error("`{}` has {bytes} bytes, more than {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest size that is read.
        limit: u64,
    },
    /// A line of the metrics is not a record of an epoch.
    #[error("`{}`, line {line}: {reason}", path.display())]
    Line {
        /// The metrics.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The metrics hold no whole epoch.
    #[error("`{}` holds no whole epoch", path.display())]
    NoEpoch {
        /// The metrics.
        path: PathBuf,
    },
    /// A JSON file is not what its name says.
    #[error("`{}`: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The axis of hours needs the time of every epoch.
    #[error("`{}` does not say how many seconds its epochs took", path.display())]
    NoTime {
        /// The metrics.
        path: PathBuf,
    },
    /// No run was given.
    #[error("no run to draw")]
    NoRun,
    /// A figure cannot be drawn.
    #[error("cannot draw `{figure}`: {reason}")]
    Draw {
        /// The figure.
        figure: &'static str,
        /// What the drawing library says.
        reason: String,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// PNG was asked for, but is not built in.
    #[error("this build cannot write PNG: it was made without the cargo feature `png`")]
    NoPng,
}
