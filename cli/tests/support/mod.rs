//! Runs the command in a directory of its own.

#![allow(dead_code, reason = "no test file uses all of it")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Images of the bundled subset.
pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/cifar10-mini")
}

pub(crate) fn bundled_network() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/resnet20-cifar10.hbn")
}

pub(crate) fn heartbit(directory: &TempDir, args: &[&str]) -> Output {
    heartbit_command(directory).args(args).output().expect("the command starts")
}

/// The command in a directory, without arguments.
pub(crate) fn heartbit_command(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heartbit"));
    command.current_dir(directory.path());
    command
}

pub(crate) fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Runs a command that must succeed and returns its JSON.
#[track_caller]
pub(crate) fn succeed(directory: &TempDir, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
    let output = heartbit(directory, &args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    if !json.is_null() {
        assert_eq!(json["schema"], 1, "{json}");
    }
    json
}

/// Runs a command that must fail, and returns its standard error.
#[track_caller]
pub(crate) fn fail(directory: &TempDir, args: &[&str], code: i32, words: &[&str]) -> String {
    let output = heartbit(directory, args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    for word in words {
        assert!(error.contains(word), "{args:?}: `{word}` is not in: {error}");
    }
    assert!(!error.contains("panicked"), "{error}");
    error
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .expect("readable")
        .map(|e| e.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Compiles the bundled network for a small array.
pub(crate) fn build(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("build");
    let network = bundled_network();
    succeed(directory, &["compile", text(&network), "--array", "4x8x16", "--out", text(&path)]);
    path
}

/// Flips the lowest bit of a weight word of column 0; returns the word before and after.
pub(crate) fn flip_weight(build: &Path, address: usize) -> [String; 2] {
    flip_word(&build.join("mem/weights_000.hex"), address)
}

/// Flips the lowest bit of a word of 16 lanes in a file; returns the word before and after.
pub(crate) fn flip_word(path: &Path, index: usize) -> [String; 2] {
    let text = std::fs::read_to_string(path).expect("readable");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let old = lines[index].clone();
    let word = u64::from_str_radix(&old, 16).expect("hexadecimal") ^ 1;
    lines[index] = format!("{word:04x}");
    std::fs::write(path, lines.join("\n") + "\n").expect("writable");
    [old, lines[index].clone()].map(|word| format!("0x{word}"))
}

/// A build with a link whose Verilog is a design that is placed in a second.
pub(crate) fn linked_build(directory: &TempDir) -> PathBuf {
    let build = build(directory);
    let rtl = build.join("rtl");
    std::fs::remove_dir_all(&rtl).expect("removable");
    std::fs::create_dir(&rtl).expect("writable");
    let design = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards/tests/testdata/rtl");
    std::fs::copy(design.join("heartbit_uart.v"), rtl.join("heartbit_uart.v")).expect("copied");
    write_link(&build, 24_000_000);
    build
}

/// As `compile --uart` writes it.
pub(crate) fn write_link(build: &Path, clock_hz: u32) {
    let text = format!("{{\"schema\": 1, \"clock_hz\": {clock_hz}, \"baud\": 1000000}}");
    std::fs::create_dir_all(build.join("host")).expect("writable");
    std::fs::write(build.join("host/link.json"), text).expect("writable");
}

/// A run's folder with two epochs of the oldest format, and a line that breaks off.
pub(crate) fn training_run(directory: &TempDir, name: &str) -> PathBuf {
    let run = directory.path().join(name);
    std::fs::create_dir(&run).expect("a new folder");
    let line = |epoch: u32| {
        format!(
            "{{\"epoch\":{epoch},\"lr\":0.1,\"tau\":0.85,\"train_loss\":2.0,\
             \"train_accuracy\":0.25,\"test_accuracy\":0.33,\"flip_rate\":0.1}}\n"
        )
    };
    let lines = line(0) + &line(1) + "{\"epoch\":2,";
    std::fs::write(run.join("metrics.jsonl"), lines).expect("written");
    std::fs::write(run.join("config.json"), "{\"method\":\"recu\",\"seed\":1}").expect("written");
    run
}
