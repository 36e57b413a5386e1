//! What can be wrong with a complete description.

use super::node::Place;

/// A module was described incompletely or with a combinational loop.
///
/// This is a mistake in the describing program, never in a user's configuration.
#[derive(Debug, thiserror::Error)]
#[error("module `{module}` is not well formed:{}", list(.problems))]
#[non_exhaustive]
pub struct DescriptionError {
    /// Name of the module.
    pub module: String,
    /// All problems, in the order of the description.
    pub problems: Vec<Problem>,
}

/// One problem and the line of the description that it is about.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

fn list(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |text, problem| text + "\n  " + &problem.to_string())
}
