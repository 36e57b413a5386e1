//! What commands found, kept in the build: `results/COMMAND.json`.
//!
//! Each file has the object that the command prints with `--format json`, without what the clock
//! says, and the checksum of the build that it is of: a result of another state of the build, whose
//! files were changed since, is named and not shown.

use crate::commands::models::write_atomically;
use crate::failure::{Code, Failure, Outcome};
use crate::inputs;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder in a build.
const FOLDER: &str = "results";
/// Commands that leave a result, in the order in which they climb.
const COMMANDS: [&str; 5] = ["compile", "sim", "cosim", "verify", "pnr"];
/// What the clock says.
const TIMES: [&str; 2] = ["seconds", "images_per_second"];

/// The results of a build.
#[derive(Debug, Default)]
pub(crate) struct Results {
    of: BTreeMap<&'static str, Value>,
    /// Results that are not shown, and why.
    pub(crate) notes: Vec<String>,
}

impl Results {
    /// Reads what a build holds.
    pub(crate) fn read(build: &Path) -> Outcome<Self> {
        let mut results = Self::default();
        let checksum = checksum(build)?;
        for command in COMMANDS {
            let path = path(build, command);
            if !path.exists() {
                continue;
            }
            let help = "remove the file, or run its command again";
            let bytes = inputs::bytes(&path, help)?;
            let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
                Failure::from_error(Code::BadInput, error)
                    .context(format!("cannot use `{}`", path.display()))
                    .help(help)
            })?;
            // What `compile` said is of the array, and was written with the build.
            if command == "compile" || value["build_crc32"] == json!(checksum) {
                results.of.insert(command, value["result"].clone());
            } else {
                results.notes.push(format!(
                    "the result of `heartbit {command}`: the files of the build were changed after it ran"
                ));
            }
        }
        Ok(results)
    }

    /// The result of a command.
    pub(crate) fn get(&self, command: &str) -> Option<&Value> {
        self.of.get(command)
    }

    /// Takes the result of a command, instead of an earlier one.
    pub(crate) fn set(&mut self, command: &'static str, result: &Value) {
        let mut result = result.clone();
        remove_times(&mut result);
        self.of.insert(command, result);
        let stale = format!("`heartbit {command}`");
        self.notes.retain(|note| !note.contains(&stale));
    }

    /// Keeps the result of a command in a build.
    pub(crate) fn store(&self, build: &Path, command: &str) -> Outcome {
        let folder = build.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|error| {
            Failure::from_error(Code::BadInput, error)
                .context(format!("cannot create `{}`", folder.display()))
                .help("make the build writable, or leave the report out with `--no-report`")
        })?;
        let text = stored(self.get(command).expect("bug: it was set"), Some(&checksum(build)?));
        write_atomically(&path(build, command), text.as_bytes())
    }
}

/// The file of `compile`, which is written with the build.
pub(crate) fn of_compile(result: &Value) -> (String, Vec<u8>) {
    (format!("{FOLDER}/compile.json"), stored(result, None).into_bytes())
}

fn path(build: &Path, command: &str) -> PathBuf {
    build.join(FOLDER).join(command).with_extension("json")
}

fn stored(result: &Value, checksum: Option<&str>) -> String {
    let stored = json!({ "schema": 1, "build_crc32": checksum, "result": result });
    serde_json::to_string_pretty(&stored).expect("bug: plain data") + "\n"
}

fn remove_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !TIMES.contains(&key.as_str()));
            fields.values_mut().for_each(remove_times);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_times),
        _ => {}
    }
}

/// CRC-32 of all that engines run: network, memory images, Verilog.
fn checksum(build: &Path) -> Outcome<String> {
    let mut files = vec![build.join("network.hbn"), build.join("program.json")];
    for folder in ["mem", "rtl"] {
        let folder = build.join(folder);
        let entries = std::fs::read_dir(&folder).map_err(|error| cannot_read(&folder, error))?;
        for entry in entries {
            files.push(entry.map_err(|error| cannot_read(&folder, error))?.path());
        }
    }
    files.sort();
    let mut checksum = crc32fast::Hasher::new();
    for file in files {
        checksum.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        checksum.update(&std::fs::read(&file).map_err(|error| cannot_read(&file, error))?);
    }
    Ok(format!("{:08x}", checksum.finalize()))
}

fn cannot_read(path: &Path, error: std::io::Error) -> Failure {
    Failure::from_error(Code::BadInput, error)
        .context(format!("cannot read `{}`", path.display()))
        .help("write the build again with `heartbit compile`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_clock_says_is_not_kept() {
        let mut results = Results::default();
        let rungs = json!([{ "name": "rtl", "seconds": 2.5 }]);
        results.set("sim", &json!({ "images": 3, "images_per_second": 7.5, "rungs": rungs }));
        assert_eq!(results.get("sim"), Some(&json!({ "images": 3, "rungs": [{ "name": "rtl" }] })));
    }
}
