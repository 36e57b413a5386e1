//! `train`: settings, runs, and what becomes of their checkpoints.

use crate::support::{data, fail, heartbit, names, succeed, temporary, text};
use serde_json::Value;

#[test]
fn trained_checkpoint_deploys_without_a_single_different_logit() {
    let directory = temporary();
    let data = data();
    let run = ["train", "--data", text(&data), "--epochs", "1", "--warmup-epochs", "0"];
    let run: Vec<&str> = run.iter().copied().chain(["--batch", "100", "--out", "run"]).collect();
    let output = heartbit(&directory, &run);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let hash = |engine: &str| {
        let args =
            ["eval", "run/checkpoint.safetensors", "--data", text(&data), "--engine", engine];
        let json = succeed(&directory, &args);
        // The float network is another one; beside it stands the same network on its grid.
        let of = if engine == "float" { &json["grid"] } else { &json };
        of["logits_crc32"].clone()
    };
    let network = hash("network");
    assert!(network.is_string());
    assert_eq!(hash("float"), network);
    assert_eq!(hash("sim"), network);
    fail(&directory, &run, 3, &["--resume"]);
    fail(
        &directory,
        &["train", "--arch", "resnet99", "--data", "x", "--out", "y"],
        2,
        &["resnet20"],
    );
    fail(&directory, &["train", "--data", "absent", "--out", "y"], 3, &["absent"]);
}

#[test]
fn checkpoint_trained_off_the_grid_is_measured_in_floats_and_as_deployed() {
    let directory = temporary();
    let data = data();
    let mut args = vec!["train", "--data", text(&data), "--no-grid", "--widths", "4,8,16"];
    args.extend(["--epochs", "2", "--warmup-epochs", "0", "--batch", "20", "--out", "run"]);
    args.extend(["--train-images", "40", "--test-images", "50"]);
    let output = heartbit(&directory, &args);
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(lines.matches("  float ").count(), 2, "{lines}");
    let metrics = std::fs::read_to_string(directory.path().join("run/metrics.jsonl"));
    let metrics = metrics.expect("readable");
    let last: Value = serde_json::from_str(metrics.lines().last().expect("lines")).expect("JSON");
    let eval = |engine: &str| {
        let args = ["eval", "run/checkpoint.safetensors", "--data", text(&data), "--images", "50"];
        succeed(&directory, &[&args[..], &["--engine", engine]].concat())
    };
    let (float, network) = (eval("float"), eval("network"));
    assert_eq!(float["accuracy"], last["float_accuracy"]);
    assert_eq!(float["grid"]["agreement"], last["float_agreement"]);
    assert_eq!(network["accuracy"], last["test_accuracy"]);
    assert_eq!(network["logits_crc32"], float["grid"]["logits_crc32"]);
    // The same float network in `f64`, by loops that share no code with the trainer.
    let mut args = vec!["verify", "run/checkpoint.safetensors", "--data", text(&data)];
    args.extend(["--array", "2x2x16", "--images", "50", "--float-images", "50"]);
    args.extend(["--sim-images", "0", "--rtl-images", "0"]);
    let rung = &succeed(&directory, &args)["rungs"][0];
    assert_eq!((&rung["name"], &rung["correct"]), (&"float".into(), &float["correct"]));
    let others = rung["predictions_differing"].as_f64().expect("a count");
    let agreement = float["grid"]["agreement"].as_f64().expect("a share");
    assert!((others / 50.0 - (1.0 - agreement)).abs() < 1e-9, "{others} of 50, {agreement}");
}

/// A progress bar drops lines where standard error is no terminal.
#[test]
fn unreadable_training_image_is_named_where_nobody_watches_a_terminal() {
    let directory = temporary();
    let photo = include_bytes!("../../../dataset/src/decode/fixtures/rgb.jpg");
    for class in 0..200 {
        for split in ["train", "val"] {
            let folder = directory.path().join(format!("t/{split}/n{class:03}"));
            std::fs::create_dir_all(&folder).expect("writable");
            std::fs::write(folder.join("a.JPEG"), photo).expect("writable");
        }
    }
    std::fs::write(directory.path().join("t/train/n001/a.JPEG"), "no image").expect("writable");
    let mut args = vec!["train", "--dataset", "tinyimagenet", "--data", "t", "--out", "run"];
    args.extend(["--image-side", "32", "--arch", "resnet20", "--widths", "4,8,16", "--batch", "4"]);
    args.extend(["--epochs", "1", "--warmup-epochs", "0", "--corrupt-limit", "1"]);
    args.extend(["--train-images", "8", "--test-images", "2"]);
    let output = heartbit(&directory, &args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    assert!(error.contains("warning: unreadable image `t/train/n001/a.JPEG`"), "{error}");
}

#[test]
fn dry_run_resolves_the_preset_of_every_network_and_method() {
    let directory = temporary();
    let archs = [
        "resnet20",
        "resnet18",
        "resnet18-ovsw",
        "vgg-small",
        "vgg-small-ovsw",
        "resnet18-imagenet",
        "resnet34-imagenet",
        "reactnet18",
    ];
    for arch in archs {
        for method in ["vanilla", "recu", "ovsw", "recu+ovsw"] {
            for dataset in ["cifar10", "cifar100", "mnist", "tinyimagenet", "imagenet"] {
                let args = ["train", "--dry-run", "--arch", arch, "--method", method];
                let args = [&args[..], &["--dataset", dataset]].concat();
                let config = succeed(&directory, &args)["config"].take();
                assert_eq!(config["arch"], arch);
                assert_eq!(config["method"], method);
                assert_eq!(config["dataset"], dataset);
                let lambda = if dataset.contains("imagenet") { 0.02 } else { 0.04 };
                let lambda = method.contains("ovsw").then_some(lambda);
                assert_eq!(config["ags"]["lambda"], serde_json::json!(lambda));
                let kind = if arch == "reactnet18" { "adam" } else { "sgd" };
                assert_eq!(config["optimizer"]["kind"], kind);
            }
        }
    }
    let args = ["train", "--dry-run", "--arch", "reactnet18", "--stage", "real-weights"];
    let config = succeed(&directory, &args)["config"].take();
    assert_eq!(config["decay_groups"], "conv-weights");
    assert_eq!(config["lr_shape"]["shape"], "linear");
    assert!(names(directory.path()).is_empty(), "a dry run writes nothing");
}

#[test]
fn flags_come_before_the_file_and_the_file_before_the_preset() {
    let directory = temporary();
    let args = ["train", "--dry-run", "--method", "ovsw", "--lr", "0.25", "--milestones", "7,9"];
    let args =
        [&args[..], &["--lr-shape", "step", "--no-sad", "--no-grid", "--crop", "2"]].concat();
    let images = ["--resized-crop", "0.5,1", "--rotation", "15", "--lighting", "0.1"];
    let args = [&args[..], &images].concat();
    let first = succeed(&directory, &args)["config"].take();
    assert_eq!(first["lr"], 0.25);
    assert_eq!(first["lr_shape"]["milestones"], serde_json::json!([7, 9]));
    assert_eq!(first["lr_shape"]["gamma"], 0.1);
    assert_eq!((&first["sad"], &first["grid_from"]), (&Value::Null, &Value::Null));
    assert_eq!(first["crop"], 2);
    assert_eq!(first["resized_crop"], serde_json::json!([0.5, 1.0]));
    assert_eq!((&first["rotation"], &first["lighting"]), (&15.0.into(), &0.1.into()));

    // What a dry run prints is a file to start from.
    let text = heartbit(&directory, &args).stdout;
    std::fs::write(directory.path().join("c.json"), text).expect("writable");
    let args = ["train", "--dry-run", "--config", "c.json"];
    assert_eq!(succeed(&directory, &args)["config"], first);
    let args = [&args[..], &["--epochs", "9", "--sad-sigma", "0.5", "--grid-from", "3"]].concat();
    let second = succeed(&directory, &args)["config"].take();
    assert_eq!((&second["epochs"], &second["lr"]), (&9.into(), &0.25.into()));
    assert_eq!((&second["sad"]["sigma"], &second["grid_from"]), (&0.5.into(), &3.into()));
    let third = succeed(&directory, &[&args[..], &["--resized-crop", "0"]].concat());
    assert_eq!(third["config"]["resized_crop"], serde_json::json!([0.0, 0.0]));
}

#[test]
fn all_settings_that_make_no_sense_are_reported_at_once() {
    let directory = temporary();
    let args = ["train", "--dry-run", "--method", "recu", "--lr", "0", "--batch", "1"];
    let args = [&args[..], &["--weight-gradient", "ede", "--betas", "0.9,0.99"]].concat();
    let words = ["`lr` is 0.0", "`batch` is 1", "`weight_gradient`", "`betas`", "4 settings"];
    fail(&directory, &args, 2, &words);
    fail(&directory, &["train", "--out", "y"], 2, &["`data`"]);
    fail(&directory, &["train", "--data", "x"], 2, &["--out"]);
    fail(&directory, &["train", "--method", "best", "--dry-run"], 2, &["recu+ovsw"]);
    fail(&directory, &["train", "--config", "absent", "--dry-run"], 3, &["absent"]);
    std::fs::write(directory.path().join("c.json"), r#"{"layers": 3}"#).expect("writable");
    fail(&directory, &["train", "--config", "c.json", "--dry-run"], 2, &["`layers` is 3"]);
}
