//! `verify` and `merge`: verdicts for CI, whole and in shards.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::{
    build, bundled_network, data, fail, flip_weight, heartbit, succeed, temporary, text,
};
use tempfile::TempDir;

/// Arguments that verify the bundled network on a few images, one of them in the RTL.
fn verify<'a>(model: &'a str, data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let few = ["--images", "13", "--sim-images", "5", "--rtl-images", "2", "--float-images", "3"];
    let all = ["verify", model, "--data", data].into_iter().chain(few);
    all.chain(more.iter().copied()).collect()
}

/// Takes away what no two runs have in common.
fn without_times(mut json: Value) -> Value {
    fn clear(json: &mut Value) {
        match json {
            Value::Object(fields) => {
                fields.remove("seconds");
                fields.remove("images_per_second");
                fields.values_mut().for_each(clear);
            }
            Value::Array(values) => values.iter_mut().for_each(clear),
            _ => {}
        }
    }
    clear(&mut json);
    json
}

/// Runs a command for each shard, and returns the files with their results.
fn shards(directory: &TempDir, args: &[&str], of: usize) -> Vec<String> {
    let run = |number: usize| {
        let shard = format!("{number}/{of}");
        let args: Vec<&str> = args.iter().copied().chain(["--shard", &shard]).collect();
        let name = format!("shard-{number}-of-{of}.json");
        let result = succeed(directory, &args);
        fs::write(directory.path().join(&name), result.to_string()).expect("writable");
        name
    };
    (1..=of).map(run).collect()
}

fn merge<'a>(files: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    ["merge"]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .chain(more.iter().copied())
        .collect()
}

#[test]
fn ladder_is_climbed_and_says_what_it_left_out() {
    let directory = temporary();
    let (network, data) = (bundled_network(), data());
    let more = ["--min-accuracy", "0.5", "--junit", "report.xml"];
    let json = succeed(&directory, &verify(text(&network), text(&data), &more));
    assert_eq!(json["verdict"], "pass");
    assert_eq!(json["first_divergence"], Value::Null);
    let rung = |at: usize, field: &str| json["rungs"][at][field].clone();
    let names: Vec<Value> = (0..4).map(|at| rung(at, "name")).collect();
    assert_eq!(names, ["network", "sim", "cycle-sim", "rtl"]);
    let images: Vec<Value> = (0..4).map(|at| rung(at, "images")).collect();
    assert_eq!(images, [13, 13, 5, 2]);
    assert_eq!(
        (rung(1, "logits"), rung(2, "tensors"), rung(3, "tensors")),
        (130.into(), 395.into(), 158.into())
    );
    assert!((0..4).all(|at| rung(at, "differing") == 0));
    assert_eq!(rung(0, "logits_sum"), rung(1, "logits_sum"));
    assert_eq!(json["accuracy"]["network"], json["accuracy"]["sim"]);
    assert_eq!(json["accuracy"]["float"], Value::Null);
    let left_out = json["not_compared"].as_array().expect("a list");
    let says =
        |words: &str| left_out.iter().any(|what| what.as_str().is_some_and(|w| w.contains(words)));
    assert!(says("float and snapped") && says("RTL of 11 of 13") && says("simulator of 8 of 13"));
    assert!(says("second simulator of 13 of 13"));

    let xml = fs::read_to_string(directory.path().join("report.xml")).expect("a report");
    let xml = roxmltree::Document::parse(&xml).expect("XML");
    let suite = xml.descendants().find(|n| n.has_tag_name("testsuite")).expect("a suite");
    assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("10"), Some("0")));
    assert_eq!(suite.attribute("skipped"), Some("4"));
}

#[test]
fn missed_bound_fails_and_is_named() {
    let directory = temporary();
    let (network, data) = (bundled_network(), data());
    let more = ["--min-accuracy", "0.99", "--rtl-images", "0", "--junit", "report.xml"];
    let args: Vec<&str> = ["verify", text(&network), "--data", text(&data), "--images", "13"]
        .into_iter()
        .chain(["--sim-images", "1"])
        .chain(more)
        .collect();
    fail(&directory, &args, 1, &["network.accuracy", "help:"]);
    let xml = fs::read_to_string(directory.path().join("report.xml")).expect("a report");
    assert!(xml.contains("failures=\"1\"") && xml.contains("at least 99.0 %"), "{xml}");
}

#[test]
fn checkpoint_has_the_rungs_above_the_integer_network() {
    let directory = temporary();
    let data = data();
    let random = ["random", "--arch", "resnet20", "--widths", "8,16,32", "--out", "m.safetensors"];
    succeed(&directory, &random);
    let more = ["--array", "4x4x16", "--min-agreement", "0"];
    let json = succeed(&directory, &verify("m.safetensors", text(&data), &more));
    let rungs = json["rungs"].as_array().expect("rungs");
    assert_eq!((&rungs[0]["name"], &rungs[0]["images"]), (&json!("float"), &json!(3)));
    assert!(json["checks"][0]["name"] == "float.agreement");
    let snapped = rungs.iter().find(|rung| rung["name"] == "snapped");
    if cfg!(feature = "train") {
        let snapped = snapped.expect("the trainer's rung");
        assert_eq!((&snapped["logits"], &snapped["differing"]), (&json!(130), &json!(0)));
    } else {
        let said = json["not_compared"].to_string();
        assert!(snapped.is_none() && said.contains("--features train"), "{said}");
    }
}

#[test]
fn flipped_weight_bit_is_found_on_every_rung_below() {
    let directory = temporary();
    let (build, data) = (build(&directory), data());
    flip_weight(&build, 128);
    let output = heartbit(&directory, &verify(text(&build), text(&data), &["--format", "json"]));
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["verdict"], "fail");
    let failed: Vec<&Value> = json["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .filter(|check| check["passed"] == false)
        .map(|check| &check["name"])
        .collect();
    assert_eq!(failed, ["sim.logits", "cycle-sim.tensors", "rtl.tensors"]);
    let tensors = &json["rungs"][2]["first_divergence"]["difference"];
    assert_eq!((&tensors["layer"], &tensors["tensor"]), (&json!("layer1.0.conv1"), &json!("sums")));
}

#[test]
fn merged_shards_are_the_whole() {
    let directory = temporary();
    let (build, data) = (build(&directory), data());
    let whole = verify(text(&build), text(&data), &["--min-accuracy", "0.5"]);
    let expected = without_times(succeed(&directory, &whole));
    for of in [2, 4] {
        let files = shards(&directory, &whole, of);
        assert_eq!(without_times(succeed(&directory, &merge(&files, &[]))), expected);
        let backwards: Vec<String> = files.into_iter().rev().collect();
        assert_eq!(without_times(succeed(&directory, &merge(&backwards, &[]))), expected);
    }
    for engine in ["sim", "cosim"] {
        let whole = [engine, text(&build), "--data", text(&data), "--images", "5"];
        let expected = without_times(succeed(&directory, &whole));
        let files = shards(&directory, &whole, 3);
        assert_eq!(without_times(succeed(&directory, &merge(&files, &[]))), expected);
    }
}

#[test]
fn bound_is_judged_when_the_shards_are_merged() {
    let directory = temporary();
    let (network, data) = (bundled_network(), data());
    let args = ["--rtl-images", "0", "--min-accuracy", "0.99"];
    let whole: Vec<&str> = ["verify", text(&network), "--data", text(&data), "--images", "9"]
        .into_iter()
        .chain(["--sim-images", "0"])
        .chain(args)
        .collect();
    let files = shards(&directory, &whole, 2);
    fail(&directory, &merge(&files, &[]), 1, &["network.accuracy"]);
}

#[test]
fn what_is_not_one_run_is_not_merged() {
    let directory = temporary();
    let (build, data) = (build(&directory), data());
    let sim =
        |images: &'static str| ["sim", text(&build), "--data", text(&data), "--images", images];
    let files = shards(&directory, &sim("4"), 2);
    fail(&directory, &["merge", &files[0]], 3, &["shard 2/2 is missing"]);
    fail(&directory, &["merge", &files[0], &files[0], &files[1]], 3, &["both shard 1/2"]);
    let thirds = shards(&directory, &sim("4"), 3);
    fail(&directory, &["merge", &files[0], &thirds[1]], 3, &["shard 2/3", "of 2"]);
    fail(&directory, &merge(&files, &["--junit", "x.xml"]), 2, &["heartbit verify"]);
    let others = shards(&directory, &sim("6"), 2);
    // The same names: the first shard is of four images, the second of six.
    fs::write(
        directory.path().join("first.json"),
        succeed(&directory, &[&sim("4")[..], &["--shard", "1/2"]].concat()).to_string(),
    )
    .expect("writable");
    fail(&directory, &["merge", "first.json", &others[1]], 3, &["is of", "but"]);
    for (name, content) in
        [("empty", ""), ("array", "[1]"), ("other", "{\"schema\":1}"), ("old", "{\"schema\":0}")]
    {
        fs::write(directory.path().join(name), content).expect("writable");
        fail(&directory, &["merge", name], 3, &["help:"]);
    }
    let cut = fs::read_to_string(directory.path().join(&files[0])).expect("readable");
    let mut cut: Value = serde_json::from_str(&cut).expect("JSON");
    cut["images"] = json!("many");
    fs::write(directory.path().join("cut"), cut.to_string()).expect("writable");
    fail(&directory, &["merge", "cut", &files[1]], 3, &["cut"]);
    assert!(!Path::new(&directory.path().join("x.xml")).exists());
    fail(
        &directory,
        &["sim", text(&build), "--data", text(&data), "--shard", "0/2"],
        2,
        &["1/2 to 2/2"],
    );
    let many = [&sim("2")[..], &["--shard", "3/3"]].concat();
    fail(&directory, &many, 2, &["has none"]);
}
