//! One page about a compiled network: what it is, what it takes, and what was checked.
//!
//! [`html`] writes a [`Report`] as one file of HTML with everything in it: no script, no font, no
//! picture from elsewhere, so that it can be sent to somebody and opened without a network. The
//! same report gives the same bytes. Every figure carries its [`Origin`], and what was not measured
//! is said to be not measured.
//!
//! ```
//! let report = heartbit_report::Report::default();
//! assert!(heartbit_report::html(&report).starts_with("<!DOCTYPE html>"));
//! ```
//!
//! The way: plain data ([`data`]) → `sections` (words and tables) and `figures` (SVG) → `page`.
//! Text goes through a template library that escapes it; figures are our own SVG, because their
//! colours follow the reader's light or dark scheme, which no chart library does.
//!
//! Not here: where the data come from (`heartbit-cli`), and figures of training (`heartbit-plot`).

pub mod data;
mod figures;
pub mod number;
mod page;
mod sections;

pub use data::*;

/// Returns a report as a page of HTML.
pub fn html(report: &Report) -> String {
    page::page(report).into_string()
}
