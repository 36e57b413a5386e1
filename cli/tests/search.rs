//! `search`, `boards` and `compile --board` as a user meets them.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn heartbit(args: &[&str]) -> Output {
    let run = Command::new(env!("CARGO_BIN_EXE_heartbit")).args(args).output();
    run.expect("the command starts")
}

fn network() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/resnet20-cifar10.hbn");
    path.to_str().expect("a UTF-8 path").to_owned()
}

#[track_caller]
fn succeed(args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
    let output = heartbit(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["schema"], 1);
    json
}

#[track_caller]
fn fail(args: &[&str], code: i32, words: &[&str]) {
    let output = heartbit(args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{error}");
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn front_fits_and_is_a_front_and_can_be_compiled() {
    let directory = tempfile::tempdir().expect("a directory");
    let (plot, build) = (directory.path().join("front.svg"), directory.path().join("build"));
    let (plot, build) = (plot.to_str().expect("UTF-8"), build.to_str().expect("UTF-8"));
    let network = network();
    let json = succeed(&["search", &network, "--board", "ulx3s-85f", "--plot", plot]);
    let front = json["front"].as_array().expect("a front");
    assert!(front.len() > 10, "{front:?}");
    let number = |value: &Value| value.as_u64().expect("a number");
    for pair in front.windows(2) {
        assert!(number(&pair[0]["cycles"]) < number(&pair[1]["cycles"]));
        assert!(number(&pair[0]["area"]["lut"]) > number(&pair[1]["area"]["lut"]));
    }
    assert!(front.iter().all(|p| number(&p["area"]["lut"]) <= 83_640));
    assert!(std::fs::read_to_string(plot).expect("a figure").starts_with("<svg"));
    let best = succeed(&["compile", &network, "--board", "ulx3s-85f", "--out", build]);
    assert_eq!(best["cycles"]["total"], json["models"][0]["best"]["cycles"]);
    assert_eq!(best["area"], json["models"][0]["best"]["area"]);
}

#[test]
fn what_does_not_fit_says_by_how_much_and_what_to_change() {
    let network = network();
    let words =
        ["does not fit ulx3s-25f", "more than the 20,644 it may take", "change ROWS", "search"];
    let args = ["compile", &network, "--array", "16x16x32", "--board", "ulx3s-25f", "--out", "x"];
    fail(&args, 4, &words);
    fail(&["search", &network, "--board", "icebreaker"], 4, &["SB_RAM40", "comes closest"]);
    assert!(!Path::new("x").exists());
}

#[test]
fn wrong_boards_are_refused() {
    let network = network();
    fail(&["search", &network], 2, &["--board"]);
    fail(&["search", &network, "--board", "none"], 2, &["no board `none`", "heartbit boards"]);
    fail(&["search", &network, "--board", "kv260"], 2, &["no resource model", "--family"]);
    fail(&["search", &network, "--board", "none.toml"], 3, &["cannot read"]);
    let args = ["search", &network, "--family", "ecp5", "--accuracy", "0.5,0.6"];
    fail(&args, 2, &["2 accuracies for 1 models"]);
    let boards = succeed(&["boards"]);
    assert!(boards["boards"].as_array().is_some_and(|boards| boards.len() == 13));
}
