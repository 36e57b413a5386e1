//! `train`, and the float engine of `eval`.

mod settings;

use super::eval::FloatAndGrid;
use crate::args::{Format, TrainArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::inputs::Images;
use crate::output::{self, note, percent, print};
use heartbit_trainer::{EpochRecord, Error, Progress};
use serde_json::json;
use std::path::Path;

pub(crate) fn run(args: &TrainArgs, format: Format) -> Outcome {
    let config = settings::settings(args)?;
    if args.run.dry_run {
        let config = config.resolved();
        return output::result(format, &json!({"schema": 1, "config": config}), || {
            serde_json::to_string_pretty(&config).expect("bug: plain data") + "\n"
        });
    }
    let bar = output::bar(Some(0), "{prefix} {bar:24} {pos}/{len} {msg}");
    let mut failed = None;
    let mut report = |progress: Progress| match progress {
        Progress::Device(name) => bar.suspend(|| note(&format!("computing on {name}"))),
        Progress::Batch {
            epoch,
            epochs,
            batch,
            batches,
            loss,
            images_per_second,
            seconds_left,
        } => {
            bar.set_length(batches as u64);
            bar.set_position(batch as u64);
            bar.set_prefix(format!("epoch {}/{epochs}", epoch + 1));
            let left = duration(seconds_left);
            bar.set_message(format!(
                "loss {loss:.3}, {images_per_second:.0} images/s, {left} left"
            ));
        }
        Progress::Tested { images, of } => {
            bar.set_length(of as u64);
            bar.set_position(images as u64);
            bar.set_message("test images");
        }
        Progress::Corrupt { path, reason } => {
            let line = format!("warning: unreadable image `{}`: {reason}", path.display());
            bar.suspend(|| note(&line));
        }
        Progress::Epoch(record) => {
            let line = if format == Format::Json {
                serde_json::to_string(&record).expect("bug: plain data") + "\n"
            } else {
                epoch_line(&record)
            };
            bar.suspend(|| failed = print(&line).err());
        }
    };
    let summary = heartbit_trainer::train(&config, &mut report).map_err(failure)?;
    bar.finish_and_clear();
    if let Some(failure) = failed {
        return Err(failure);
    }
    let last = summary.epochs.last().expect("bug: at least one epoch");
    let json = json!({
        "schema": 1, "checkpoint": summary.checkpoint, "epochs": summary.epochs.len(),
        "test_accuracy": last.test_accuracy,
    });
    // A line like those of the epochs before it.
    print(&match format {
        Format::Json => format!("{json}\n"),
        Format::Text => format!(
            "wrote {}: test accuracy {} after {} epochs\n",
            summary.checkpoint.display(),
            percent(last.test_accuracy),
            summary.epochs.len()
        ),
    })
}

/// A checkpoint in real arithmetic, and on its grid by the trainer's own evaluation.
pub(crate) fn evaluate(path: &Path, images: &Images) -> Outcome<FloatAndGrid> {
    let checkpoint = crate::inputs::checkpoint(path)?;
    let network = heartbit_compiler::fold::fold(&checkpoint)?;
    images.check_size(&network)?;
    images.check_classes(&network)?;
    let bar = output::progress("float and grid", 2 * images.len());
    let evaluate = |float, before: usize| {
        let tested = |n| bar.set_position((before + n) as u64);
        heartbit_trainer::evaluate(&checkpoint, images.set(), Some(images.len()), float, tested)
            .map_err(failure)
    };
    let (float, grid) = (evaluate(true, 0)?, evaluate(false, images.len())?);
    bar.finish_and_clear();
    Ok(FloatAndGrid {
        float_correct: float.correct(),
        agreement: float.agreement(&grid),
        grid_logits: grid.int_logits(),
    })
}

pub(crate) fn failure(error: Error) -> Failure {
    let (code, help) = match &error {
        Error::Config { .. } => (Code::Usage, "see `heartbit train --help`"),
        Error::Diverged { .. } => (
            Code::CheckFailed,
            "start another run with a lower `--lr`, or from the last epoch with `--init-from`",
        ),
        Error::Device { device, .. } => (Code::OutsideTool, driver(device)),
        Error::Dataset(_) => {
            (Code::BadInput, "`--data` names the directory with the data set's files")
        }
        Error::Run { .. } => (
            Code::BadInput,
            "give `--out` a new directory, or `--resume` the run that is there with its settings",
        ),
        Error::Busy { .. } => {
            (Code::BadInput, "wait for its end, or give `--out` another directory")
        }
        Error::Checkpoint { .. } => (
            Code::BadInput,
            "give a checkpoint (.safetensors) of `heartbit train`; `import` converts PyTorch's",
        ),
        _ => (Code::BadInput, "check that the path exists and that you may use it"),
    };
    Failure::from_error(code, error).help(help)
}

/// How to get a backend's driver.
fn driver(device: &str) -> &'static str {
    match device {
        "cuda" => {
            "install the driver of NVIDIA (`nvidia-smi` shows whether it works), or take another \
             `--device`"
        }
        "rocm" => "install ROCm (`rocminfo` shows whether it works), or take another `--device`",
        _ => {
            "install a Vulkan driver (`vulkaninfo --summary` shows whether it works; \
             `apt-get install mesa-vulkan-drivers` has one for AMD, Intel and one without a GPU), \
             or take another `--device`"
        }
    }
}

/// The figures of an epoch that fit a line of a terminal; the metrics have all.
fn epoch_line(record: &EpochRecord) -> String {
    let float = record.float_accuracy.map(|a| format!("  float {}", percent(a)));
    format!(
        "epoch {:>3}  loss {:.3}  train {}  test {}{}  flips {}\n",
        record.epoch + 1,
        record.train_loss,
        percent(record.train_accuracy),
        percent(record.test_accuracy),
        float.unwrap_or_default(),
        percent(record.flip_rate),
    )
}

fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round();
    format!("{:.0} h {:02.0} min", (minutes / 60.0).floor(), minutes % 60.0)
}
