//! `verify --mutate`: mutants in shards, and what is refused.

mod support;

use serde_json::Value;
use std::fs;
use support::{build, bundled_network, data, fail, heartbit, temporary, text};
use tempfile::TempDir;

/// Runs mutants and returns the result, whether some survived or not.
fn mutate(directory: &TempDir, model: &str, more: &[&str]) -> Value {
    let data = data();
    let few = ["--mutants", "14", "--rtl-images", "1", "--format", "json"];
    let args: Vec<&str> = ["verify", model, "--data", text(&data), "--mutate"]
        .into_iter()
        .chain(few)
        .chain(more.iter().copied())
        .collect();
    let output = heartbit(directory, &args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{error}"));
    let passed = json["verdict"] == "pass";
    assert_eq!(output.status.code(), Some(i32::from(!passed)), "{error}");
    json
}

#[test]
fn shards_of_mutants_merge_into_the_whole() {
    let directory = temporary();
    let path = build(&directory);
    let model = text(&path);
    let whole = mutate(&directory, model, &["--sim-images", "1", "--junit", "report.xml"]);
    let outcomes = whole["outcomes"].as_array().expect("a list");
    assert_eq!(outcomes.len(), 14);
    let caught = outcomes.iter().filter(|o| o["fate"]["caught"].is_object()).count();
    assert!(caught > 5, "{whole}");
    let counts = &whole["counts"];
    let sum =
        |names: &[&str]| names.iter().map(|n| counts[n].as_u64().expect("a count")).sum::<u64>();
    assert_eq!(sum(&["tensors", "cycles", "status", "hang"]), caught as u64);
    assert_eq!(
        sum(&["tensors", "cycles", "status", "hang", "equivalent", "survived"]),
        sum(&["mutants"])
    );
    let report = fs::read_to_string(directory.path().join("report.xml")).expect("written");
    assert_eq!(report.matches("<testcase").count(), 14);

    let files = ["one.json", "two.json"];
    for (file, shard) in files.iter().zip(["2/2", "1/2"]) {
        let part = mutate(&directory, model, &["--sim-images", "1", "--shard", shard]);
        fs::write(directory.path().join(file), part.to_string()).expect("writable");
    }
    let merged = heartbit(&directory, &["merge", files[0], files[1], "--format", "json"]);
    let merged: Value = serde_json::from_slice(&merged.stdout).expect("a result");
    for field in ["outcomes", "counts", "kinds", "proofs", "settings", "subject", "verdict"] {
        assert_eq!(merged[field], whole[field], "{field}");
    }
    let other = mutate(&directory, model, &["--sim-images", "2", "--shard", "2/2"]);
    fs::write(directory.path().join("other.json"), other.to_string()).expect("writable");
    fail(&directory, &["merge", "two.json", "other.json"], 3, &["give shards of one run"]);

    // Verilog of which the mutants are not.
    let file = path.join("rtl/pe.v");
    let changed = fs::read_to_string(&file).expect("readable").replace("acc", "sum_of");
    fs::write(&file, changed).expect("writable");
    let args = ["verify", model, "--data", text(&data()), "--mutate"].map(str::to_owned);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    fail(&directory, &args, 3, &["pe.v", "heartbit compile"]);
}

#[test]
fn what_makes_no_sense_with_mutants_is_refused() {
    let directory = temporary();
    let (network, data) = (bundled_network(), data());
    let verify = ["verify", text(&network), "--data", text(&data)];
    let with =
        |more: &[&'static str]| verify.into_iter().chain(more.iter().copied()).collect::<Vec<_>>();
    fail(&directory, &with(&["--mutate", "--min-accuracy", "0.5"]), 2, &["--min-accuracy"]);
    fail(&directory, &with(&["--mutants", "5"]), 2, &["--mutate"]);
    fail(&directory, &with(&["--mutate", "--rtl-images", "0"]), 2, &["--rtl-images"]);
}
