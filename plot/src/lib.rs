//! Draws training runs: what the ReCU and OvSW publications plot, from the files of run folders.
//!
//! A run folder holds `metrics.jsonl` and, if it can, `config.json` and `landscape.json`.
//! [`plot`] reads one or several, puts the seeds of one setting together as mean and range, and
//! writes one SVG a figure and a page with all of them. The same files give the same bytes.
//!
//! ```
//! let runs = tempfile::tempdir()?;
//! let line = r#"{"epoch":0,"lr":0.1,"train_loss":2.0,"train_accuracy":0.25,"test_accuracy":0.3}"#;
//! std::fs::write(runs.path().join("metrics.jsonl"), line)?;
//! let out = runs.path().join("plots");
//! let report = heartbit_plot::plot(&[runs.path().into()], &out, heartbit_plot::Options::default())?;
//! assert!(report.plots.iter().any(|plot| plot.file == "accuracy.svg"));
//! assert!(report.missing.iter().any(|missing| missing.plot == "flips"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The way: `metrics`, `landscape` (read) → `run` → `group` (names, seeds) → `figures` (marks, as
//! data) → `draw` (SVG) → `page`. Not here: training, and how the landscape is measured.

mod contour;
mod curve;
mod draw;
mod error;
mod figures;
mod file;
pub mod front;
mod group;
pub mod landscape;
pub mod metrics;
mod page;
#[cfg(feature = "png")]
mod png;
mod run;
mod scene;
mod style;
mod ticks;

pub use error::Error;

use figures::Input;
use run::Run;
use std::path::{Path, PathBuf};

/// What the x axis of the curves counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XAxis {
    /// Epochs that are done.
    #[default]
    Epoch,
    /// Hours since the run began, evaluations included.
    Hours,
}

/// How to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What the x axis counts.
    pub x: XAxis,
    /// Whether to write a PNG beside each SVG; needs the cargo feature `png`.
    pub png: bool,
}

/// What was drawn and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The figures.
    pub plots: Vec<Plot>,
    /// Figures, or curves of them, for which the runs hold no data.
    pub missing: Vec<Missing>,
    /// What was tolerated or left out.
    pub notes: Vec<String>,
}

/// A figure that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plot {
    /// Its name.
    pub name: &'static str,
    /// Its file in the folder of the plots.
    pub file: String,
}

/// Data that a figure lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The figure.
    pub plot: &'static str,
    /// The run without the data; `None` where no run has them, so that there is no figure.
    pub run: Option<PathBuf>,
    /// What is missing.
    pub reason: String,
}

/// Draws runs into a folder, which is made if need be.
///
/// # Errors
/// [`Error`]: a file of a run cannot be read or is not what it should be, a figure cannot be
/// written, or PNG was asked for and is not built in. Nothing is written before all runs are read.
pub fn plot(runs: &[PathBuf], out: &Path, options: Options) -> Result<Report, Error> {
    if options.png && !cfg!(feature = "png") {
        return Err(Error::NoPng);
    }
    if runs.is_empty() {
        return Err(Error::NoRun);
    }
    let mut report = Report::default();
    let runs: Vec<Run> = runs
        .iter()
        .map(|path| Run::read(path, options.x, &mut report.notes))
        .collect::<Result<_, _>>()?;
    let input = Input { groups: group::groups(&runs), runs: &runs, x: options.x };
    let figures = figures::all(&input, &mut report);
    std::fs::create_dir_all(out).map_err(|source| Error::Write { path: out.to_owned(), source })?;
    for figure in &figures {
        let svg = draw::svg(figure)?;
        #[cfg(feature = "png")]
        if options.png {
            let file = format!("{}.png", figure.name);
            file::write(&out.join(&file), &png::render(figure.name, &svg)?)?;
            report.plots.push(Plot { name: figure.name, file });
        }
        let file = format!("{}.svg", figure.name);
        file::write(&out.join(&file), svg.as_bytes())?;
        report.plots.push(Plot { name: figure.name, file });
    }
    let page = page::html(&input, &figures, &report);
    file::write(&out.join("index.html"), page.as_bytes())?;
    Ok(report)
}
