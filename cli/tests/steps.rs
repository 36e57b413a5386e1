//! The first steps of a training run are those of the PyTorch reference.
//!
//! `trainer/fixtures/first-steps.json` has what `reference/steps.py` computed in `float64`, with a
//! code of its own: losses, weights that flipped, and the accuracy on test images, which depends on
//! the running statistics. Later steps cannot be compared: binary networks amplify rounding.
#![cfg(feature = "train")]

mod support;

use serde_json::Value;
use std::path::Path;
use support::{data, succeed, temporary, text};

/// The largest difference of losses, relative: those of `float32`.
const LOSS_TOLERANCE: f64 = 1e-6;

#[track_caller]
fn check(run: &Value) {
    let word = |key: &str| run[key].as_str().expect("a word").to_owned();
    let number = |key: &str| run[key].as_u64().expect("a number").to_string();
    let (checkpoint, method, images) = (word("checkpoint"), word("method"), number("train_images"));
    let steps = run["steps"].as_array().expect("steps");
    let widths: Vec<_> =
        run["widths"].as_array().expect("widths").iter().map(Value::to_string).collect();
    let directory = temporary();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/fixtures");
    let file = fixtures.join(checkpoint);
    succeed(&directory, &["import", text(&file), "--out", "start.safetensors"]);
    let (widths, tests, epochs) =
        (widths.join(","), number("test_images"), steps.len().to_string());
    let images_of = data();
    let arguments = [
        ["--method", &method],
        ["--data", text(&images_of)],
        ["--init-from", "start.safetensors"],
        ["--widths", &widths],
        ["--train-images", &images],
        ["--batch", &images],
        ["--test-images", &tests],
        ["--epochs", &epochs],
        ["--warmup-epochs", "0"],
        ["--out", "run"],
    ];
    let arguments = [["train", "--no-grid", "--no-augment"].as_slice(), &arguments.concat()];
    succeed(&directory, &arguments.concat());

    let metrics = directory.path().join("run/metrics.jsonl");
    let metrics = std::fs::read_to_string(metrics).expect("readable");
    let epochs: Vec<Value> =
        metrics.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(epochs.len(), steps.len());
    for (step, (expected, epoch)) in steps.iter().zip(&epochs).enumerate() {
        let float = |value: &Value| value.as_f64().expect("a number");
        let (want, got) = (float(&expected["loss"]), float(&epoch["train_loss"]));
        let place = format!("{method}, step {step}");
        assert!((got - want).abs() <= LOSS_TOLERANCE * want, "{place}: {got} for {want}");
        for (key, of_epoch) in [
            ("flip_rate", "flip_rate"),
            ("never_flipped", "never_flipped"),
            ("test_accuracy", "float_accuracy"),
        ] {
            // Shares of whole numbers.
            let (want, got) = (float(&expected[key]), float(&epoch[of_epoch]));
            assert!((got - want).abs() < 1e-9, "{place}, {key}: {got} for {want}");
        }
    }
}

#[test]
fn first_steps_are_those_of_the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer/fixtures/first-steps.json");
    let runs = std::fs::read_to_string(path).expect("readable");
    let runs: Vec<Value> = serde_json::from_str(&runs).expect("JSON");
    let methods: Vec<_> = runs.iter().map(|run| run["method"].as_str()).collect();
    assert_eq!(methods, [Some("recu"), Some("ovsw")]);
    runs.iter().for_each(check);
}
