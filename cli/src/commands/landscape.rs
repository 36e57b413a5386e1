//! `landscape`: the loss around a checkpoint.

use super::train::failure;
use crate::args::{Format, LandscapeArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::inputs::{self, Images};
use crate::output::{self, progress};
use heartbit_compiler::fold::fold;
use heartbit_model::file::write_atomically;
use heartbit_trainer::Error;
use heartbit_trainer::landscape::{Landscape, LandscapeConfig, landscape};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Images unless given.
const IMAGES: usize = 500;

pub(crate) fn run(args: &LandscapeArgs, format: Format) -> Outcome {
    let checkpoint = inputs::checkpoint(&args.checkpoint)?;
    let network = fold(&checkpoint)?;
    let images = Images::open(&args.data(), args.split.split())?;
    images.check_size(&network)?;
    images.check_classes(&network)?;
    let LandscapeArgs { radius, steps, seed, float, .. } = *args;
    let n = args.images.unwrap_or(IMAGES).min(images.len());
    let config = LandscapeConfig { radius, steps, images: n, seed, float };
    let bar = progress("landscape", steps.saturating_mul(steps));
    let mut report = |done: usize, _| bar.set_position(done as u64);
    let slice = landscape(&checkpoint, images.set(), config, &mut report).map_err(refused)?;
    bar.finish_and_clear();
    let out = args.out.clone().unwrap_or_else(|| beside(&args.checkpoint));
    write(&out, &contents(&slice, args))?;
    summarize(&slice, &out, format)
}

fn beside(checkpoint: &Path) -> PathBuf {
    checkpoint.with_file_name("landscape.json")
}

/// The slice and what it is of; the checkpoint by name only, so that the place does not matter.
fn contents(slice: &Landscape, args: &LandscapeArgs) -> Value {
    let mut json = serde_json::to_value(slice).expect("bug: plain data");
    let name = args.checkpoint.file_name().unwrap_or_default();
    json["checkpoint"] = name.to_string_lossy().into();
    json["dataset"] = args.data().dataset.name().into();
    json["split"] = args.split.name().into();
    json
}

fn write(out: &Path, json: &Value) -> Outcome {
    write_atomically(out, (json.to_string() + "\n").as_bytes()).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot write `{}`", out.display()))
            .help("give `--out` a file in a place that you may write to")
    })
}

fn summarize(slice: &Landscape, out: &Path, format: Format) -> Outcome {
    let centre = slice.loss_1d[slice.loss_1d.len() / 2];
    let finite = || slice.loss.iter().flatten().flatten().copied();
    let lowest = finite().min_by(f64::total_cmp);
    let highest = finite().max_by(f64::total_cmp);
    let json = json!({
        "schema": 1, "out": out, "points": slice.alpha.len() * slice.beta.len(),
        "images": slice.images, "loss": centre, "lowest": lowest, "highest": highest,
    });
    output::result(format, &json, || {
        let number =
            |loss: Option<f64>| loss.map_or("not finite".to_owned(), |l| format!("{l:.4}"));
        format!(
            "wrote {}: loss {} at the checkpoint, {} to {} around it; {} × {} points, {} images\n",
            out.display(),
            number(centre),
            number(lowest),
            number(highest),
            slice.alpha.len(),
            slice.beta.len(),
            slice.images
        )
    })
}

fn refused(error: Error) -> Failure {
    match error {
        Error::Config { .. } => {
            Failure::from_error(Code::Usage, error).help("see `heartbit landscape --help`")
        }
        other => failure(other),
    }
}
