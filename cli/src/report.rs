//! The report of a build: what was compiled and what all commands found, as one page.
//!
//! `sim`, `cosim`, `verify`, `pnr` and `run` leave their result in the build (`results`), and each
//! time the page is written again from all of them. Not here: what the page looks like (`heartbit-report`).

mod design;
mod ladder;
mod placed;
pub(crate) mod results;

use crate::args::ReportArgs;
use crate::commands::models::write_atomically;
use crate::failure::{Code, Failure, Outcome};
use crate::output::check_writable;
use crate::shard::Shard;
use heartbit_compiler::build::Build;
use heartbit_report::Report;
use results::Results;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Name of the page in a build.
pub(crate) const PAGE: &str = "report.html";

/// Where a command's report goes.
pub(crate) struct Destination {
    /// The build, if it keeps the result.
    build: Option<PathBuf>,
    page: PathBuf,
}

impl Destination {
    /// Where the arguments say, or `None` if no report is written. A shard has none, because it is
    /// not the result.
    ///
    /// Refuses a place that could not be written after hours of simulation.
    pub(crate) fn new(
        args: &ReportArgs,
        build: Option<&Path>,
        shard: Option<Shard>,
    ) -> Outcome<Option<Self>> {
        let is_shard = shard.is_some_and(|shard| shard != Shard::WHOLE);
        let destination = match (&args.report, build) {
            (Some(_), _) if is_shard => {
                return Err(Failure::new(Code::Usage, "a shard has no report of its own")
                    .help("leave `--report` out, or `--shard`"));
            }
            (Some(page), _) => Self { build: None, page: page.clone() },
            (None, Some(build)) if !args.no_report && !is_shard => Self::in_build(build),
            _ => return Ok(None),
        };
        let help = "give `--report` a file in a place that you may write to, or `--no-report`";
        check_writable(&destination.page).map_err(|failure| failure.help(help))?;
        Ok(Some(destination))
    }

    /// The build itself.
    pub(crate) fn in_build(build: &Path) -> Self {
        Self { build: Some(build.to_owned()), page: build.join(PAGE) }
    }

    /// Keeps a result under its name and writes the page; `read` is the build that was given.
    pub(crate) fn write(
        &self,
        build: &Build,
        read: Option<&Path>,
        name: &'static str,
        result: &Value,
    ) -> Outcome {
        let mut results = read.map(Results::read).transpose()?.unwrap_or_default();
        results.set(name, result);
        if let Some(path) = &self.build {
            results.store(path, name)?;
        }
        let page = heartbit_report::html(&assemble(build, &results)?);
        write_atomically(&self.page, page.as_bytes())
    }

    /// The line that says so.
    pub(crate) fn line(&self) -> String {
        format!("report: {}\n", self.page.display())
    }
}

/// The line of a report that may not be written.
pub(crate) fn line(destination: Option<&Destination>) -> String {
    destination.map_or_else(String::new, Destination::line)
}

/// Everything that is known of a build.
pub(crate) fn assemble(build: &Build, results: &Results) -> Outcome<Report> {
    let mut report = design::design(build);
    report.fpga = design::fpga(build, results.get("compile"));
    report.placed = results.get("pnr").map(|result| placed::placed(build, result)).transpose()?;
    ladder::add(&mut report, build, results)?;
    report.notes.extend(results.notes.iter().cloned());
    Ok(report)
}
