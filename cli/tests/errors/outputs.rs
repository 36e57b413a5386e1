//! Places that cannot be written to.

use crate::support::{heartbit_command, temporary};
use crate::transcript::Transcript;
use expect_test::expect_file;
use std::fs::File;
use std::process::{Child, Stdio};

#[test]
fn places_that_cannot_be_written() {
    let mut t = Transcript::new();
    t.write("file", "precious");
    t.prepare("random --arch resnet20 --out a.safetensors");
    t.fails(3, "random --arch resnet20 --out file/a.safetensors");
    t.fails(3, "fold a.safetensors --out file/a.hbn");
    t.fails(3, "widths a.safetensors --data data --images 1 --out file/a.hbn");
    t.fails(3, "compile model.hbn --array 4x8x16 --out file/b");
    t.fails(3, "compile model.hbn --array 4x8x16 --out file");
    t.fails(3, "demo --out file/demo");
    t.fails(2, "demo --cosim-images 2");
    t.fails(3, "man file/man");
    t.fails(3, "search model.hbn --family ecp5 --plot file/front.svg");
    t.fails(3, "verify model.hbn --data data --images 1 --rtl-images 0 --junit file/a.xml");
    t.fails_with(&[("TMPDIR", "file")], 3, "fuzz --cases 1 --max-channels 4 --engines rtl");
    t.check(&expect_file!["outputs.txt"]);
}

#[test]
fn runs_that_cannot_be_drawn() {
    let mut t = Transcript::new();
    let epoch = "{\"epoch\":0,\"lr\":0.1,\"tau\":0.85,\"train_loss\":2.0,\"train_accuracy\":0.25,\
                 \"test_accuracy\":0.33,\"flip_rate\":0.1}\n";
    t.fails(2, "plot");
    t.fails(3, "plot absent");
    t.write("run/metrics.jsonl", "");
    t.write("run/config.json", "{\"method\":\"recu\",\"seed\":1}");
    t.fails(3, "plot run");
    t.write("run/metrics.jsonl", "{}\n");
    t.fails(3, "plot run");
    t.write("run/metrics.jsonl", epoch);
    t.fails(3, "plot run --x hours");
    t.fails(3, "plot run --out run/config.json/plots");
    t.write("run/config.json", "{");
    t.fails(3, "plot run");
    let large = File::create(t.path("run/metrics.jsonl")).expect("writable");
    large.set_len(3 << 30).expect("a file with a hole");
    t.fails(3, "plot run");
    t.check(&expect_file!["outputs-plot.txt"]);
}

/// Where standard output is a file on a full disk, which is no closed pipe.
#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_is_full_is_an_error() {
    let full = File::options().write(true).open("/dev/full").expect("a device of Linux");
    let output = heartbit_command(&temporary())
        .arg("boards")
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(Child::wait_with_output)
        .expect("the command starts");
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.starts_with("error: cannot write to standard output\n"), "{error}");
    assert!(error.contains("help: free some space"), "{error}");
}
