//! Precedence of settings: what the caller chooses, then a file, then the preset.

use heartbit_dataset::DatasetKind;
use heartbit_model::{Arch, Method};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Stage, TrainConfig};
use crate::Error;
use crate::error::Problem;
use crate::presets::preset;

/// What decides on the preset; `None` takes the file's, then the default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Choice {
    /// Architecture; the default is ResNet-20.
    pub arch: Option<Arch>,
    /// Method; the default is ReCU.
    pub method: Option<Method>,
    /// Data set; the default is CIFAR-10.
    pub dataset: Option<DatasetKind>,
    /// Stage; the default is binary.
    pub stage: Option<Stage>,
}

/// Settings that belong to one run and are never taken from another run's file.
const OF_ONE_RUN: [&str; 2] = ["out", "resume"];

impl TrainConfig {
    /// Returns the preset of the choice, overridden by the entries of `file`: the text of another
    /// run's `config.json`, or of an object with some of its entries.
    ///
    /// `out` and `resume` of a file are left out, because they are of that run.
    ///
    /// # Errors
    /// [`Error::Config`] that names the entry of the file which is unknown or has no such value.
    pub fn resolve(choice: Choice, file: Option<&str>) -> Result<Self, Error> {
        let mut entries = match file {
            None => Map::new(),
            Some(text) => match serde_json::from_str(text) {
                Ok(Value::Object(entries)) => entries,
                Ok(other) => return Err(refuse("config", &other, "it has to be an object")),
                Err(error) => {
                    let rule = format!("it has to be JSON: {error}");
                    return Err(Error::config(Problem::new("config", "a file", rule)));
                }
            },
        };
        for name in OF_ONE_RUN {
            entries.remove(name);
        }
        let dataset = entry(&entries, "dataset", |text| {
            let name: String = text;
            DatasetKind::from_name(&name)
        })?;
        let base = preset(
            choice.arch.or(entry(&entries, "arch", Some)?).unwrap_or(Arch::ResNet20),
            choice.method.or(entry(&entries, "method", Some)?).unwrap_or(Method::Recu),
            choice.dataset.or(dataset).unwrap_or(DatasetKind::Cifar10),
            choice.stage.or(entry(&entries, "stage", Some)?).unwrap_or(Stage::Binary),
        );
        let (arch, method, data, stage) = (base.arch, base.method, base.dataset, base.stage);
        let config = overlay(base, entries)?;
        Ok(Self { arch, method, dataset: data, stage, ..config })
    }
}

/// Reads one entry that the preset depends on.
fn entry<T: DeserializeOwned, R>(
    entries: &Map<String, Value>,
    name: &'static str,
    known: impl Fn(T) -> Option<R>,
) -> Result<Option<R>, Error> {
    let Some(value) = entries.get(name) else { return Ok(None) };
    let parsed = serde_json::from_value(value.clone()).ok().and_then(known);
    parsed.map(Some).ok_or_else(|| refuse(name, value, "no such value is known"))
}

/// Replaces settings one by one, so that a wrong entry is named; all wrong ones are reported.
fn overlay(base: TrainConfig, entries: Map<String, Value>) -> Result<TrainConfig, Error> {
    let object = |config: &TrainConfig| match serde_json::to_value(config) {
        Ok(Value::Object(object)) => object,
        _ => panic!("bug: settings are an object"),
    };
    let mut config = base;
    let mut problems = Vec::new();
    for (name, value) in entries {
        let mut all = object(&config);
        if !all.contains_key(&name) {
            problems.push(Problem::new(name, value, "there is no such setting".to_owned()));
            continue;
        }
        all.insert(name.clone(), value.clone());
        match serde_json::from_value(Value::Object(all)) {
            Ok(changed) => config = changed,
            Err(error) => problems.push(Problem::new(name, value, error.to_string())),
        }
    }
    if problems.is_empty() { Ok(config) } else { Err(Error::Config { problems }) }
}

fn refuse(name: &str, value: &Value, rule: &str) -> Error {
    Error::config(Problem::new(name, value, rule.to_owned()))
}

/// A data set as its name.
pub(super) mod dataset_name {
    use heartbit_dataset::DatasetKind;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub(in crate::config) fn serialize<S: Serializer>(
        kind: &DatasetKind,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.name())
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DatasetKind, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
