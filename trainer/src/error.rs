//! Why training or evaluation stopped.

use std::io;
use std::path::PathBuf;

/// Why training or evaluation stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data set could not be read.
    #[error("cannot read the data set")]
    Dataset(#[from] heartbit_dataset::Error),
    /// A setting has a value that makes no sense.
    #[error("`{name}` is {value}, but {rule}")]
    Config {
        /// The setting, as in the configuration file.
        name: &'static str,
        /// The value given.
        value: String,
        /// What it has to be.
        rule: &'static str,
    },
    /// The loss is NaN or infinite; the last checkpoint is intact.
    #[error(
        "the loss became {loss} in epoch {epoch}, batch {batch}; the checkpoint of the last \
         complete epoch is kept: lower the learning rate or resume with another seed"
    )]
    Diverged {
        /// Epoch, from 0.
        epoch: usize,
        /// Batch in the epoch, from 0.
        batch: usize,
        /// The loss.
        loss: f64,
    },
    /// A file could not be read or written.
    #[error("cannot access `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A checkpoint is not what it should be.
    #[error("`{}` is not a usable checkpoint: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A run folder already holds a run, or none to resume.
    #[error("run folder `{}`: {reason}", path.display())]
    Run {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The thread pool could not be started.
    #[error("cannot start the training threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}
