//! Why training or evaluation stopped.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A setting that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as in the configuration file.
    pub name: String,
    /// The value given.
    pub value: String,
    /// What it has to be.
    pub rule: String,
}

impl Problem {
    /// Names the setting, its value and the rule.
    pub fn new(name: impl Into<String>, value: impl fmt::Display, rule: String) -> Self {
        Self { name: name.into(), value: value.to_string(), rule }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, rule } = self;
        write!(f, "`{name}` is {value}, but {rule}")
    }
}

/// One problem in a line, or a line for each.
fn list(problems: &[Problem]) -> String {
    if let [one] = problems {
        return one.to_string();
    }
    let lines: Vec<String> = problems.iter().map(|p| format!("\n  {p}")).collect();
    format!("{} settings make no sense:{}", problems.len(), lines.concat())
}

/// Why training or evaluation stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data set could not be read.
    #[error("cannot read the data set")]
    Dataset(#[from] heartbit_dataset::Error),
    /// Settings have values that make no sense; all of them.
    #[error("{}", list(problems))]
    Config {
        /// At least one.
        problems: Vec<Problem>,
    },
    /// The loss is NaN or infinite; the last checkpoint is intact.
    #[error(
        "the loss became {loss} in epoch {epoch}, batch {batch}; checkpoints of earlier epochs are kept"
    )]
    Diverged {
        /// Epoch, from 0.
        epoch: usize,
        /// Batch in the epoch, from 0.
        batch: usize,
        /// The loss.
        loss: f64,
    },
    /// The loss of a measured step is NaN or infinite.
    #[error("the loss became {loss} in step {step}, after which there is nothing to measure")]
    NotFinite {
        /// Step, from 0.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// A backend finds no device that it can use.
    #[error("the device `{device}` cannot be used: {reason}")]
    Device {
        /// The backend.
        device: String,
        /// What it says.
        reason: String,
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
    /// Another process trains in a run folder.
    #[error("run folder `{}`: another process trains in it", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The thread pool could not be started.
    #[error("cannot start the training threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl Error {
    /// One setting that makes no sense.
    pub fn config(problem: Problem) -> Self {
        Self::Config { problems: vec![problem] }
    }

    /// A checkpoint that is not what it should be.
    pub(crate) fn unusable(path: &Path, reason: String) -> Self {
        Self::Checkpoint { path: path.to_owned(), reason }
    }
}
