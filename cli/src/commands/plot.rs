//! `plot`: figures of training runs.

use crate::args::{Format, PlotArgs, PlotAxis};
use crate::failure::{Code, Failure, Outcome};
use crate::output::{self, wrapped};
use heartbit_plot::{Error, Options, Report, XAxis};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

pub(crate) fn run(args: &PlotArgs, format: Format) -> Outcome {
    let out = args.out.clone().unwrap_or_else(|| args.runs[0].join("plots"));
    let x = match args.x {
        PlotAxis::Epoch => XAxis::Epoch,
        PlotAxis::Hours => XAxis::Hours,
    };
    let options = Options { x, png: args.png };
    let report = heartbit_plot::plot(&args.runs, &out, options).map_err(failure)?;
    output::result(format, &to_json(&report, &out), || to_text(&report, &out))
}

fn to_json(report: &Report, out: &Path) -> Value {
    let plots: Vec<Value> =
        report.plots.iter().map(|plot| json!({ "name": plot.name, "file": plot.file })).collect();
    let missing: Vec<Value> = report
        .missing
        .iter()
        .map(|m| json!({ "plot": m.plot, "run": m.run, "reason": m.reason }))
        .collect();
    json!({
        "schema": 1, "out": out, "page": out.join("index.html"), "plots": plots,
        "missing": missing, "notes": report.notes,
    })
}

fn to_text(report: &Report, out: &Path) -> String {
    let mut text = String::new();
    for note in &report.notes {
        writeln!(text, "note: {note}").expect("bug: writing to a string");
    }
    for missing in &report.missing {
        let what = match &missing.run {
            Some(run) => format!("`{}` in {}", run.display(), missing.plot),
            None => missing.plot.to_owned(),
        };
        writeln!(text, "not drawn: {what}: {}", missing.reason).expect("bug: writing to a string");
    }
    let files: Vec<&str> = report.plots.iter().map(|plot| plot.file.as_str()).collect();
    let page = out.join("index.html");
    text + &wrapped(&format!("wrote {}: {}", page.display(), files.join(", "))) + "\n"
}

fn failure(error: Error) -> Failure {
    let (code, help) = match &error {
        Error::NoPng => (
            Code::Usage,
            "build with `--features png`, or leave `--png` out and convert the SVG files",
        ),
        Error::NoRun => (Code::Usage, "name the folder of a run"),
        Error::Draw { .. } => (Code::Bug, "please report this with the files of the runs"),
        Error::Write { .. } => {
            (Code::BadInput, "give `--out` a folder in a place that you may write to")
        }
        Error::Read { .. } => {
            (Code::BadInput, "give folders that `heartbit train --out` wrote metrics to")
        }
        Error::NoTime { .. } => (Code::BadInput, "draw over epochs: leave `--x hours` out"),
        Error::NoEpoch { .. } => {
            (Code::BadInput, "leave this run out, or resume it with `heartbit train --resume`")
        }
        _ => (Code::BadInput, "the file is damaged or of another version: leave this run out"),
    };
    Failure::from_error(code, error).help(help)
}
