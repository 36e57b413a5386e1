//! `landscape`: measured, drawn, refused.

use crate::support::{data, fail, names, succeed, temporary, text, training_run};
use serde_json::Value;

#[test]
fn landscape_is_measured_then_drawn() {
    let directory = temporary();
    let run = training_run(&directory, "run");
    let data = data();
    let checkpoint = "run/checkpoint.safetensors";
    succeed(&directory, &["random", "--arch", "resnet20", "--out", checkpoint]);
    let args = ["landscape", checkpoint, "--data", text(&data), "--steps", "3", "--images", "8"];
    let of = |more: &[&'static str]| succeed(&directory, &[&args[..], more].concat());
    let json = of(&["--split", "test"]);
    assert_eq!((&json["points"], &json["images"]), (&9.into(), &8.into()), "{json}");
    let read = |path: &str| std::fs::read_to_string(directory.path().join(path)).expect("readable");
    let file: Value = serde_json::from_str(&read("run/landscape.json")).expect("JSON");
    assert_eq!(file["checkpoint"], "checkpoint.safetensors");
    assert_eq!(file["loss_1d"], file["loss"][1]);
    assert_eq!(file["loss_1d"][1], json["loss"]);
    let plots = succeed(&directory, &["plot", "run"])["plots"].to_string();
    for name in ["landscape.svg", "landscape-1d.svg"] {
        assert!(plots.contains(name), "{plots}");
        assert!(run.join("plots").join(name).exists(), "{name}");
    }
    // The same bytes again, others for other images and directions.
    of(&["--split", "test", "--out", "again.json"]);
    assert_eq!(read("run/landscape.json"), read("again.json"));
    assert_ne!(of(&["--split", "train", "--out", "x.json"])["loss"], json["loss"]);
    let other = of(&["--split", "test", "--seed", "2", "--out", "x.json"]);
    assert_eq!(other["loss"], json["loss"]);
    assert_ne!(other["highest"], json["highest"]);
}

#[test]
fn landscape_that_makes_no_sense_is_refused() {
    let directory = temporary();
    let data = data();
    succeed(&directory, &["random", "--arch", "resnet20", "--out", "a.safetensors"]);
    let of = |more: &[&'static str]| {
        [&["landscape", "a.safetensors", "--data", text(&data), "--split", "test"], more].concat()
    };
    fail(&directory, &of(&["--steps", "4"]), 2, &["`steps` is 4", "odd", "landscape --help"]);
    fail(&directory, &of(&["--radius", "0"]), 2, &["`radius` is 0"]);
    fail(&directory, &of(&["--images", "501"]), 2, &["501 images", "holds 500"]);
    let nowhere = of(&["--steps", "3", "--images", "1", "--out", "absent/x.json"]);
    fail(&directory, &nowhere, 3, &["absent/x.json", "--out"]);
    fail(&directory, &["landscape", "b.safetensors", "--data", "x"], 3, &["b.safetensors"]);
    assert_eq!(names(directory.path()), ["a.safetensors"]);
}
