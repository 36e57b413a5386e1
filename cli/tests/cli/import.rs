//! `import` of checkpoints that PyTorch wrote.

use crate::support::{fail, heartbit, names, succeed, temporary, text};
use std::path::{Path, PathBuf};

/// A checkpoint that PyTorch wrote.
fn foreign(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/fixtures").join(name)
}

#[test]
fn foreign_checkpoint_is_imported_and_folds() {
    let directory = temporary();
    let json = succeed(&directory, &["import", text(&foreign("recu-resnet20.pth.tar"))]);
    assert_eq!(json["arch"], "resnet20");
    assert_eq!(json["method"], "recu");
    assert_eq!(json["norm"], "recu");
    assert_eq!(json["classes"], 10);
    assert_eq!(json["parameters"], 17_526);
    assert_eq!(json["unused"], serde_json::json!([]));
    assert_eq!(json["zeros"], 0);
    assert_eq!(json["out"], "recu-resnet20.safetensors");
    assert_eq!(names(directory.path()), ["recu-resnet20.safetensors"]);
    succeed(&directory, &["fold", "recu-resnet20.safetensors", "--out", "a.hbn"]);
    let json = succeed(&directory, &["inspect", "a.hbn"]);
    let provenance = &json["network"]["provenance"];
    assert_eq!(provenance["import.file"], "recu-resnet20.pth.tar");
    assert_eq!(provenance["import.container"], "PyTorch legacy");
    assert_eq!(provenance["import.epoch"], "8");
}

#[test]
fn options_of_an_import_are_taken() {
    let directory = temporary();
    let file = foreign("ovsw-resnet34-imagenet.pth");
    let options = ["--arch", "resnet34-imagenet", "--method", "vanilla", "--norm", "ovsw"];
    let mut args = vec!["import", text(&file), "--image-side", "64", "--out", "x.safetensors"];
    args.extend(options);
    let json = succeed(&directory, &args);
    assert_eq!(json["method"], "vanilla");
    assert_eq!(json["norm"], "ovsw");
    assert_eq!(json["image_side"], 64);
    assert_eq!(json["out"], "x.safetensors");
    let output = heartbit(&directory, &args);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("wrote x.safetensors: resnet34-imagenet, method vanilla"), "{said}");
}

#[test]
fn what_an_import_leaves_out_is_a_warning() {
    use heartbit_model::{Checkpoint, Tensor, TensorFile};
    let directory = temporary();
    succeed(&directory, &["random", "--arch", "resnet20", "--out", "own.safetensors"]);
    let own = std::fs::read(directory.path().join("own.safetensors")).expect("readable");
    let mut tensors = Checkpoint::from_bytes(&own).expect("just written").tensors;
    tensors.insert("teacher.bias".to_owned(), Tensor::new(&[1], vec![0.5]));
    tensors.get_mut("layer1.0.conv1.weight").expect("there").data[..144].fill(0.25);
    let file = TensorFile { metadata: std::collections::BTreeMap::new(), tensors };
    std::fs::write(directory.path().join("foreign.safetensors"), file.to_bytes())
        .expect("writable");
    let args = ["import", "foreign.safetensors", "--out", "x.safetensors"];
    let output = heartbit(&directory, &args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    assert!(error.contains("warning: nothing uses 1 keys of the file: teacher.bias\n"), "{error}");
    assert!(error.contains("warning: 144 binary weights are exactly"), "{error}");
    let json = succeed(&directory, &args);
    assert_eq!((&json["unused"][0], &json["zeros"]), (&"teacher.bias".into(), &144.into()));
    let own = "own.safetensors";
    fail(&directory, &["import", own, "--out", "y"], 3, &["already a heartbit checkpoint"]);
    let words = ["is the file that is imported", "help: give `--out`"];
    fail(&directory, &["import", "foreign.safetensors"], 2, &words);
}

#[test]
fn files_that_cannot_be_imported_leave_nothing() {
    let directory = temporary();
    let hostile = foreign("hostile/reduce-zip.pth");
    fail(&directory, &["import", text(&hostile)], 3, &["no tensors", "help: save the model's"]);
    let json = foreign("README.md");
    fail(&directory, &["import", text(&json)], 3, &["neither a PyTorch checkpoint", "help: "]);
    let good = foreign("recu-resnet20.pth.tar");
    let words = ["lacks: conv0.weight", "help: leave `--arch` out"];
    fail(&directory, &["import", text(&good), "--arch", "vgg-small"], 3, &words);
    let words = ["ReCU's learned scales", "help: leave `--method` out"];
    fail(&directory, &["import", text(&good), "--method", "ovsw"], 3, &words);
    fail(&directory, &["import", "absent.pth"], 3, &["cannot read `absent.pth`", "help: give"]);
    assert_eq!(names(directory.path()), Vec::<String>::new());
}
