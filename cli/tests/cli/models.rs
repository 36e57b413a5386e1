//! Networks and checkpoints: written, repeated, refused.

use crate::support::{bundled_network, fail, names, succeed, temporary, text};

#[test]
fn unknown_architecture_lists_the_known_ones() {
    let directory = temporary();
    fail(
        &directory,
        &["random", "--arch", "resnet99", "--out", "a.safetensors"],
        2,
        &["unknown architecture `resnet99`", "resnet20", "--arch"],
    );
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

#[test]
fn models_that_are_no_models_are_refused() {
    let directory = temporary();
    let path = directory.path().join("broken.hbn");
    let mut bytes = std::fs::read(bundled_network()).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, &bytes).expect("writable");
    fail(&directory, &["inspect", "broken.hbn"], 3, &["broken.hbn", "checksum"]);
    std::fs::write(&path, &bytes[..100]).expect("writable");
    fail(&directory, &["inspect", "broken.hbn"], 3, &["truncated"]);
    fail(&directory, &["inspect", "absent.hbn"], 3, &["absent.hbn", "help:"]);
    std::fs::write(directory.path().join("a.safetensors"), b"{}").expect("writable");
    fail(&directory, &["inspect", "a.safetensors"], 3, &["a.safetensors", "checkpoint"]);
    fail(&directory, &["sim", "absent", "--data", "x"], 3, &["not a build directory"]);
}

#[test]
fn output_that_cannot_be_written_leaves_nothing_behind() {
    let directory = temporary();
    let network = bundled_network();
    let random = ["random", "--arch", "resnet20", "--out", "absent/a.safetensors"];
    fail(&directory, &random, 3, &["cannot write `absent/a.safetensors`"]);
    std::fs::write(directory.path().join("file"), "precious").expect("writable");
    let compile = ["compile", text(&network), "--array", "4x8x16", "--out", "file/build"];
    fail(&directory, &compile, 3, &["file/build"]);
    let onto_file = ["compile", text(&network), "--array", "4x8x16", "--out", "file"];
    fail(&directory, &onto_file, 3, &["file", "not a build"]);
    assert_eq!(names(directory.path()), ["file"]);
}

#[test]
fn random_models_repeat_and_fold() {
    let directory = temporary();
    for out in ["a.safetensors", "b.safetensors"] {
        succeed(&directory, &["random", "--arch", "resnet20", "--seed", "5", "--out", out]);
    }
    let read = |name: &str| std::fs::read(directory.path().join(name)).expect("readable");
    assert!(read("a.safetensors") == read("b.safetensors"), "the same seed, the same bytes");
    let mode = |name: &str| {
        let metadata = std::fs::metadata(directory.path().join(name)).expect("there");
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions())
    };
    std::fs::write(directory.path().join("plain"), "").expect("writable");
    assert_eq!(mode("a.safetensors"), mode("plain"), "whoever may read a new file may read this");
    succeed(&directory, &["fold", "a.safetensors", "--note", "why=test", "--out", "a.hbn"]);
    let json = succeed(&directory, &["inspect", "a.hbn"]);
    assert_eq!(json["network"]["provenance"]["why"], "test");
    assert_eq!(json["network"]["provenance"]["seed"], "5");
}
