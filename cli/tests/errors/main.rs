//! The error messages of the command line, as a user sees them.
//!
//! Each module makes commands fail and compares everything that they print, and their exit codes,
//! with a transcript beside it; `UPDATE_EXPECT=1` writes the transcripts anew, to be read as a
//! user would. [`inventory`] then asks for every message in the sources to be in a transcript, or
//! in `elsewhere.txt` with the test that shows it or the reason why no command prints it.

#![cfg(unix)] // The texts of the system's own errors.

mod builds;
mod data;
mod fitting;
mod import;
mod inventory;
mod models;
mod outputs;
mod runs;
#[path = "../support/mod.rs"]
mod support;
mod tools;
mod transcript;
