//! `sim`: the simulator against the interpreter.

use crate::args::{Format, SimArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::inputs::{self, Images};
use crate::report::{self, Destination};
use crate::{output, verdict};

pub(crate) fn run(args: &SimArgs, format: Format) -> Outcome {
    let build = inputs::build(&args.build)?;
    let images = Images::test(&args.data)?.shard(args.shard)?;
    images.check_size(&build.network)?;
    let destination = Destination::new(&args.report, Some(&args.build), args.shard)?;
    let mut verdict = verdict::simulate(&build, &images)?;
    verdict.locate(&build, &images, None)?;
    let json = verdict.json();
    if let Some(destination) = &destination {
        destination.write(&build, Some(&args.build), "sim", &json)?;
    }
    output::result(format, &json, || verdict.text() + &report::line(destination.as_ref()))?;
    conclude(verdict.passed())
}

/// Turns a failed check into exit code 1.
pub(crate) fn conclude(passed: bool) -> Outcome {
    if passed {
        return Ok(());
    }
    Err(Failure::new(Code::CheckFailed, "the engines disagree").help(
        "the first difference is named above; if the build was not changed by hand, report it \
         with the build directory",
    ))
}
