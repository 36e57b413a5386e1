//! A run's folder: settings, metrics, and the landscape if there is one.

use crate::file::read_capped;
use crate::landscape::{self, Landscape};
use crate::metrics::{self, Epoch};
use crate::{Error, XAxis};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Largest file of settings that is read.
const MAX_CONFIG: u64 = 1 << 20;

/// A run as it is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The folder, as it was given.
    pub(crate) path: PathBuf,
    /// The settings; empty where the folder has none.
    pub(crate) config: Map<String, Value>,
    /// At least one.
    pub(crate) epochs: Vec<Epoch>,
    /// Where each epoch is on the x axis.
    pub(crate) xs: Vec<f64>,
    pub(crate) landscape: Option<Landscape>,
}

impl Run {
    /// Reads a run; says in `notes` what the reader tolerated.
    pub(crate) fn read(path: &Path, x: XAxis, notes: &mut Vec<String>) -> Result<Self, Error> {
        let file = path.join("metrics.jsonl");
        let metrics = metrics::read(&file)?;
        if metrics.truncated {
            let file = file.display();
            notes.push(format!("`{file}`: the last line breaks off and is left out"));
        }
        let config = config(path, notes)?;
        let xs = positions(&metrics.epochs, x).ok_or(Error::NoTime { path: file })?;
        let file = path.join("landscape.json");
        let landscape = file.exists().then(|| landscape::read(&file)).transpose()?;
        Ok(Self { path: path.to_owned(), config, epochs: metrics.epochs, xs, landscape })
    }

    /// A text of the settings.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.config.get(key).and_then(Value::as_str)
    }

    /// Lambda of AGS, where it was on.
    pub(crate) fn ags_lambda(&self) -> Option<f64> {
        let lambda = self.config.get("ags")?.get("lambda")?.as_f64()?;
        (lambda > 0.0 && lambda < 1e100).then_some(lambda)
    }
}

fn config(path: &Path, notes: &mut Vec<String>) -> Result<Map<String, Value>, Error> {
    let file = path.join("config.json");
    if !file.exists() {
        notes.push(format!("`{}` has no `config.json`: named by its folder", path.display()));
        return Ok(Map::new());
    }
    let text = read_capped(&file, MAX_CONFIG)?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::Malformed { path: file, reason: error.to_string() })
}

/// Where epochs are on the x axis: after the epoch, so that the first is at 1.
fn positions(epochs: &[Epoch], x: XAxis) -> Option<Vec<f64>> {
    match x {
        XAxis::Epoch => Some(epochs.iter().map(|e| f64::from(e.epoch) + 1.0).collect()),
        XAxis::Hours => {
            let mut hours = 0.0;
            let after = |e: &Epoch| {
                hours += e.seconds.value()? / 3600.0;
                Some(hours)
            };
            epochs.iter().map(after).collect()
        }
    }
}
