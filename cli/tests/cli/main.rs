//! The command as a user meets it: results, exit codes, messages, and what is left on disk.
//!
//! One module a subject. Not here: whole error messages (`tests/errors`), reports and tables
//! (`tests/face.rs`), JSON (`tests/json.rs`).

mod bench;
mod compile;
mod data;
mod demo;
mod engines;
mod import;
#[cfg(feature = "train")]
mod landscape;
mod models;
mod plot;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "train")]
mod train;
