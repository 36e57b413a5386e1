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
    Command::new(env!("CARGO_BIN_EXE_heartbit"))
        .args(args)
        .current_dir(directory.path())
        .output()
        .expect("the command starts")
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
