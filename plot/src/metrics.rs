//! Reads `metrics.jsonl`: one JSON object an epoch.
//!
//! Older runs lack some fields, and some methods have no such quantity: [`Field`] keeps the two
//! apart. Unknown fields are ignored, so that newer runs can be drawn too.
//! Not here: which run a file belongs to, and how it is drawn.

use crate::Error;
use crate::file::read_capped;
use serde::{Deserialize, Deserializer};
use std::path::Path;

/// Largest file that is read; 600 epochs of 32 layers take about 4 MB.
const MAX_BYTES: u64 = 1 << 28;
/// Most layers of a network.
const MAX_LAYERS: usize = 1_000;
/// Largest number that is drawn; beyond it, axes would overflow.
const MAX_VALUE: f64 = 1e100;

/// A number that a record may lack.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Field {
    /// The record does not have the field: an older version wrote it.
    #[default]
    Absent,
    /// The field is `null`: the method has no such quantity.
    NotApplicable,
    /// The number.
    Value(f64),
}

impl Field {
    /// Returns the number, if there is one.
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::NotApplicable => None,
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::NotApplicable, Self::Value))
    }
}

/// What was measured in an epoch.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Epoch {
    /// Number of the epoch, from 0.
    pub epoch: u32,
    /// Learning rate.
    pub lr: f64,
    /// ReCU's tau, in 0 to 1.
    #[serde(default)]
    pub tau: Field,
    /// Mean training loss, in nats.
    pub train_loss: f64,
    /// Share of training images classified correctly while training.
    pub train_accuracy: f64,
    /// Share of test images classified correctly.
    pub test_accuracy: f64,
    /// Share of binary weights whose sign at the epoch's end differs from that at its start.
    #[serde(default)]
    pub flip_rate: Field,
    /// Share of binary weights whose sign has never changed since the run began.
    #[serde(default)]
    pub never_flipped: Field,
    /// Share of binary weights whose moving average of flips is below SAD's bound.
    #[serde(default)]
    pub silent: Field,
    /// Mean over filters of the gradient's norm over the weights' norm, before AGS scales it.
    #[serde(default)]
    pub ags_ratio: Field,
    /// The same for each binary layer, in the network's order; empty in older runs.
    #[serde(default)]
    pub layers: Vec<Layer>,
    /// Seconds that the epoch took.
    #[serde(default)]
    pub seconds: Field,
}

/// What was measured in an epoch in one binary layer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Layer {
    /// The layer's name.
    pub name: String,
    /// As [`Epoch::flip_rate`].
    #[serde(default)]
    pub flip_rate: Field,
    /// As [`Epoch::never_flipped`].
    #[serde(default)]
    pub never_flipped: Field,
    /// As [`Epoch::silent`].
    #[serde(default)]
    pub silent: Field,
    /// As [`Epoch::ags_ratio`].
    #[serde(default)]
    pub ags_ratio: Field,
}

/// The records of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// At least one epoch, by rising number.
    pub epochs: Vec<Epoch>,
    /// Whether the last line breaks off, as after a killed run; it is left out.
    pub truncated: bool,
}

/// Reads the metrics of a run.
///
/// # Errors
/// [`Error::Read`], [`Error::TooLarge`], [`Error::NoEpoch`], and [`Error::Line`] for a line that
/// is no record, has a number outside its range, or repeats an epoch. A last line that breaks off
/// is no error.
pub fn read(path: &Path) -> Result<Metrics, Error> {
    parse(path, &read_capped(path, MAX_BYTES)?)
}

/// Parses the text of a metrics file; `path` is for messages only.
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, text: &[u8]) -> Result<Metrics, Error> {
    let mut epochs: Vec<Epoch> = Vec::new();
    let mut truncated = false;
    for (i, line) in text.split_inclusive(|&b| b == b'\n').enumerate() {
        let bad = |reason: String| Error::Line { path: path.to_owned(), line: i + 1, reason };
        if line.trim_ascii().is_empty() {
            continue;
        }
        let whole = line.strip_suffix(b"\n");
        let text = whole.unwrap_or(line);
        match serde_json::from_slice::<Epoch>(text) {
            // Only the last line can lack its end.
            Err(error) if whole.is_none() && breaks_off(text, &error) => truncated = true,
            Err(error) => return Err(bad(error.to_string())),
            Ok(epoch) => {
                check(&epoch).map_err(bad)?;
                if let Some(last) = epochs.last().filter(|last| last.epoch >= epoch.epoch) {
                    return Err(bad(format!("epoch {} after epoch {}", epoch.epoch, last.epoch)));
                }
                epochs.push(epoch);
            }
        }
    }
    if epochs.is_empty() {
        return Err(Error::NoEpoch { path: path.to_owned() });
    }
    Ok(Metrics { epochs, truncated })
}

/// Whether an error is at the end of a text, where more could have followed.
fn breaks_off(text: &[u8], error: &serde_json::Error) -> bool {
    // A number that ends in its point is an error of syntax, not an early end.
    error.is_eof() || (error.is_syntax() && error.column() >= text.len())
}

/// Checks every number of a record against its range.
fn check(epoch: &Epoch) -> Result<(), String> {
    let value = Field::Value;
    in_range("lr", value(epoch.lr), MAX_VALUE)?;
    in_range("train_loss", value(epoch.train_loss), MAX_VALUE)?;
    in_range("train_accuracy", value(epoch.train_accuracy), 1.0)?;
    in_range("test_accuracy", value(epoch.test_accuracy), 1.0)?;
    in_range("tau", epoch.tau, 1.0)?;
    in_range("flip_rate", epoch.flip_rate, 1.0)?;
    in_range("never_flipped", epoch.never_flipped, 1.0)?;
    in_range("silent", epoch.silent, 1.0)?;
    in_range("ags_ratio", epoch.ags_ratio, MAX_VALUE)?;
    in_range("seconds", epoch.seconds, MAX_VALUE)?;
    if epoch.layers.len() > MAX_LAYERS {
        return Err(format!("{} layers, more than {MAX_LAYERS}", epoch.layers.len()));
    }
    for layer in &epoch.layers {
        check_layer(layer).map_err(|reason| format!("layer `{}`: {reason}", layer.name))?;
    }
    Ok(())
}

fn check_layer(layer: &Layer) -> Result<(), String> {
    in_range("flip_rate", layer.flip_rate, 1.0)?;
    in_range("never_flipped", layer.never_flipped, 1.0)?;
    in_range("silent", layer.silent, 1.0)?;
    in_range("ags_ratio", layer.ags_ratio, MAX_VALUE)
}

fn in_range(name: &str, field: Field, max: f64) -> Result<(), String> {
    match field.value() {
        Some(value) if !(0.0..=max).contains(&value) => {
            Err(format!("`{name}` is {value}, not in 0 to {max}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
