//! `verify`: the ladder from the trained network to the RTL, with a verdict.

use super::mutate;
use crate::args::{Format, VerifyArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::ladder::{Report, climb::climb, junit};
use crate::output;
use crate::report::{self, Destination};
use std::path::Path;

pub(crate) fn run(args: &VerifyArgs, format: Format) -> Outcome {
    args.junit.as_deref().map(output::check_writable).transpose()?;
    if args.mutate.mutate {
        return mutate::run(args, format);
    }
    let build = args.model.is_dir().then_some(args.model.as_path());
    let destination = Destination::new(&args.report, build, args.shard)?;
    let climbed = climb(args)?;
    if let Some(destination) = &destination {
        destination.write(&climbed.build, build, "verify", &climbed.report.json())?;
    }
    let line = report::line(destination.as_ref());
    conclude(&climbed.report, args.junit.as_deref(), format, &line)
}

/// Writes a report, for people with a last line, and turns a failed check into exit code 1.
pub(crate) fn conclude(
    report: &Report,
    junit: Option<&Path>,
    format: Format,
    line: &str,
) -> Outcome {
    if let Some(path) = junit {
        super::models::write_atomically(path, junit::xml(report).as_bytes())?;
    }
    output::result(format, &report.json(), || report.text() + line)?;
    if report.passed() {
        return Ok(());
    }
    let failed: Vec<String> =
        report.checks().into_iter().filter(|c| !c.passed).map(|c| c.name).collect();
    if failed.is_empty() {
        return Err(Failure::new(Code::CheckFailed, "nothing was checked")
            .help("give at least one of the rungs an image"));
    }
    let message = format!("failed: {}", failed.join(", "));
    Err(Failure::new(Code::CheckFailed, message)
        .help("the figures, and the first difference where engines disagree, are above"))
}
