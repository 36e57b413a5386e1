//! What commands found, kept in the build: `results/NAME.json`, where the name is that of the
//! command, and another one for what it does on something else.
//!
//! Each file has the object that the command prints with `--format json`, without what the clock
//! says, and the checksum of the build that it is of: a result of another state of the build, whose
//! files were changed since, is named and not shown.

use crate::commands::models::write_atomically;
use crate::failure::{Code, Failure, Outcome};
use crate::inputs::{self, network_checksum};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Version of the files.
const SCHEMA: u64 = 1;
/// The folder in a build.
const FOLDER: &str = "results";
/// Names of results with the commands that leave them, in the order in which they climb.
const COMMANDS: [(&str, &str); 8] = [
    (COMPILE, "compile"),
    ("sim", "sim"),
    ("cosim", "cosim"),
    (COSIM_ICARUS, "cosim --simulator icarus"),
    ("verify", "verify"),
    ("pnr", "pnr"),
    (RUN_SIMULATED, "run --simulate"),
    (RUN, "run"),
];
const COMPILE: &str = "compile";
/// The result of `cosim` under Icarus Verilog.
pub(crate) const COSIM_ICARUS: &str = "cosim-icarus";
/// The result of `run` on a simulated accelerator, and on a board.
pub(crate) const RUN_SIMULATED: &str = "run-simulated";
pub(crate) const RUN: &str = "run";
/// The file of the network in a build.
const NETWORK: &str = "network.hbn";
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
        for (name, command) in COMMANDS {
            let path = path(build, name);
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
            if value["schema"] != SCHEMA {
                results.notes.push(format!(
                    "the result of `heartbit {command}`: another version of heartbit wrote it"
                ));
                continue;
            }
            // What `compile` said is of the array, and was written with the build.
            if name == COMPILE || value["build_crc32"] == json!(checksum) {
                results.of.insert(name, value["result"].clone());
            } else {
                results.notes.push(format!(
                    "the result of `heartbit {command}`: the files of the build were changed after it ran"
                ));
            }
        }
        Ok(results)
    }

    /// The result of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.of.get(name)
    }

    /// Takes a result, instead of an earlier one.
    pub(crate) fn set(&mut self, name: &'static str, result: &Value) {
        let mut result = result.clone();
        remove_times(&mut result);
        self.of.insert(name, result);
        let stale = format!("`heartbit {}`", command_of(name));
        self.notes.retain(|note| !note.contains(&stale));
    }

    /// Keeps a result in a build.
    pub(crate) fn store(&self, build: &Path, name: &str) -> Outcome {
        let folder = build.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|error| {
            Failure::from_error(Code::BadInput, error)
                .context(format!("cannot create `{}`", folder.display()))
                .help("make the build writable, or leave the report out with `--no-report`")
        })?;
        let text = stored(self.get(name).expect("bug: it was set"), Some(&checksum(build)?));
        write_atomically(&path(build, name), text.as_bytes())
    }
}

/// The file of `compile`, which is written with the build.
pub(crate) fn of_compile(result: &Value) -> (String, Vec<u8>) {
    (format!("{FOLDER}/compile.json"), stored(result, None).into_bytes())
}

/// The command that leaves a result.
pub(crate) fn command_of(name: &str) -> &'static str {
    COMMANDS.iter().find(|(of, _)| *of == name).expect("bug: a name of a result").1
}

fn path(build: &Path, name: &str) -> PathBuf {
    build.join(FOLDER).join(name).with_extension("json")
}

fn stored(result: &Value, checksum: Option<&str>) -> String {
    let stored = json!({ "schema": SCHEMA, "build_crc32": checksum, "result": result });
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
    let mut files = vec![build.join(NETWORK), build.join("program.json")];
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
        let bytes = std::fs::read(&file).map_err(|error| cannot_read(&file, error))?;
        if file.file_name().is_some_and(|name| name == NETWORK) {
            checksum.update(&network_checksum(&bytes).to_le_bytes());
        } else {
            checksum.update(&bytes);
        }
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
    fn build_with_another_network_is_another_build() {
        let build = tempfile::tempdir().expect("temporary folder");
        for folder in ["mem", "rtl"] {
            std::fs::create_dir(build.path().join(folder)).expect("made");
        }
        std::fs::write(build.path().join("program.json"), "{}").expect("written");
        let of = |body: &[u8]| {
            let file = [body, &crc32fast::hash(body).to_le_bytes()].concat();
            std::fs::write(build.path().join(NETWORK), file).expect("written");
            checksum(build.path()).expect("a build")
        };
        assert_ne!(of(b"HBN1 one network"), of(b"HBN1 another one"));
    }

    #[test]
    fn what_the_clock_says_is_not_kept() {
        let mut results = Results::default();
        let rungs = json!([{ "name": "rtl", "seconds": 2.5 }]);
        results.set("sim", &json!({ "images": 3, "images_per_second": 7.5, "rungs": rungs }));
        assert_eq!(results.get("sim"), Some(&json!({ "images": 3, "rungs": [{ "name": "rtl" }] })));
    }
}
