//! Training on a GPU backend as a user meets it. `make test-wgpu` runs these on whatever adapter
//! wgpu finds, and a renderer in software will do (`scripts/setup.sh gpu`); `make test-cuda` needs
//! an NVIDIA GPU.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `train` on the bundled images with a small network, into `out` in a directory.
fn train(directory: &Path, out: &str, more: &[&str]) -> Command {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/cifar10-mini");
    let mut command = Command::new(env!("CARGO_BIN_EXE_heartbit"));
    command.current_dir(directory).arg("train").arg("--data").arg(data);
    command.args(["--out", out]).args(more);
    command
}

const SMALL: [&str; 14] = [
    "--method",
    "recu+ovsw",
    "--widths",
    "4,8,16",
    "--train-images",
    "40",
    "--test-images",
    "20",
    "--batch",
    "20",
    "--epochs",
    "3",
    "--warmup-epochs",
    "1",
];

#[track_caller]
fn succeed(command: &mut Command) -> Output {
    let output = command.output().expect("the command starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The records of a run without times.
fn metrics(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let line = |line: &str| {
        let mut record: Value = serde_json::from_str(line).expect("a whole line");
        for time in ["seconds", "images_per_second"] {
            record.as_object_mut().expect("an object").remove(time).expect("a time");
        }
        record
    };
    text.lines().map(line).collect()
}

fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(path).expect("readable")
}

#[cfg(feature = "wgpu")]
#[test]
fn run_on_wgpu_names_its_adapter_and_resumes_there_and_on_the_cpu() {
    names_its_device_and_resumes_there_and_on_the_cpu("wgpu");
}

#[cfg(feature = "cuda")]
#[test]
fn run_on_cuda_names_its_device_and_resumes_there_and_on_the_cpu() {
    names_its_device_and_resumes_there_and_on_the_cpu("cuda");
}

fn names_its_device_and_resumes_there_and_on_the_cpu(device: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    let on_gpu = [&SMALL[..], &["--device", device]].concat();
    let output = succeed(&mut train(directory.path(), "whole", &on_gpu));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("computing on "), "{error}");
    assert_eq!(metrics(&at("whole")).len(), 3);
    let trained = [at("whole/checkpoint.safetensors"), at("whole/state.safetensors")];
    assert!(trained.iter().all(|file| file.exists()));

    let mut child = train(directory.path(), "cut", &on_gpu).spawn().expect("the command starts");
    while metrics(&at("cut")).is_empty() {
        assert!(child.try_wait().expect("it is ours").is_none(), "it ended before it was killed");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
    let done = metrics(&at("cut")).len();
    assert!((1..3).contains(&done), "killed after {done} epochs");
    std::fs::create_dir(at("moved")).expect("new");
    for file in std::fs::read_dir(at("cut")).expect("readable") {
        let file = file.expect("readable");
        std::fs::copy(file.path(), at("moved").join(file.file_name())).expect("copied");
    }
    succeed(&mut train(directory.path(), "cut", &["--resume"]));
    let checkpoint = |run: &str| read(at(run).join("checkpoint.safetensors"));
    assert_eq!(metrics(&at("cut")), metrics(&at("whole")));
    assert!(checkpoint("cut") == checkpoint("whole"), "another checkpoint after a resume");

    // On another device the run goes on, in other last places.
    let moved = succeed(&mut train(directory.path(), "moved", &["--resume", "--device", "cpu"]));
    assert!(!String::from_utf8_lossy(&moved.stderr).contains("computing on "));
    let (moved, whole) = (metrics(&at("moved")), metrics(&at("whole")));
    assert_eq!(moved[..done], whole[..done]);
    assert_eq!(moved.len(), 3);
}

#[cfg(feature = "wgpu")]
#[test]
fn missing_wgpu_adapter_is_an_error_with_a_hint_and_leaves_nothing() {
    // Drivers of Vulkan and of OpenGL are found by these.
    let drivers = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "__EGL_VENDOR_LIBRARY_FILENAMES"];
    let nowhere = drivers.map(|name| (name, "/nonexistent"));
    is_an_error_with_a_hint_and_leaves_nothing(
        "wgpu",
        &nowhere,
        "apt-get install mesa-vulkan-drivers",
    );
}

/// On a machine with a driver that shows no device, and on one without a driver.
#[cfg(feature = "cuda")]
#[test]
fn missing_cuda_device_is_an_error_with_a_hint_and_leaves_nothing() {
    let none = [("CUDA_VISIBLE_DEVICES", "")];
    is_an_error_with_a_hint_and_leaves_nothing("cuda", &none, "nvidia-smi");
}

/// Training on a device that an environment hides.
#[track_caller]
fn is_an_error_with_a_hint_and_leaves_nothing(device: &str, hidden: &[(&str, &str)], hint: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = train(directory.path(), "run", &SMALL)
        .args(["--device", device])
        .envs(hidden.iter().copied())
        .output()
        .expect("the command starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{error}");
    for words in [&format!("the device `{device}` cannot be used"), hint] {
        assert!(error.contains(words), "{error}");
    }
    assert!(!error.contains("panicked"), "{error}");
    assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 0, "{error}");
}
