//! Engines beside the interpreter: equal logits, and differences that are named.

use crate::support::{
    build, bundled_network, data, fail, flip_weight, heartbit, succeed, temporary, text,
};
use std::process::Command;

/// A small network, so that an interpreter of Verilog takes seconds.
#[test]
fn icarus_gives_the_report_of_cosim_and_names_what_is_unknown() {
    let directory = temporary();
    let model = "small.safetensors";
    succeed(&directory, &["random", "--arch", "resnet20", "--widths", "4,4,8", "--out", model]);
    succeed(&directory, &["compile", model, "--array", "8x4x64", "--out", "small"]);
    let data = data();
    let of = |command, more: &[&'static str]| -> Vec<String> {
        let args = [command, "small", "--data", text(&data), "--images", "1"];
        args.iter().chain(more).map(|&arg| arg.to_owned()).collect()
    };
    let args = of("cosim", &["--simulator", "icarus"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let json = succeed(&directory, &args);
    assert_eq!((&json["verdict"], &json["differing"]), (&"pass".into(), &0.into()), "{json}");
    assert_eq!(json["subject"]["simulator"], "icarus");
    assert_eq!(json["cycles"]["rtl"], json["cycles"]["predicted"]);
    assert!(json["watched"]["registers"].as_u64().is_some_and(|n| n > 50), "{}", json["watched"]);

    let sequencer = directory.path().join("small/rtl/sequencer.v");
    let verilog = std::fs::read_to_string(&sequencer).expect("a file of the build");
    let reset = "    if (rst) state_q <= 3'd0;\n    else state_q";
    assert!(verilog.contains(reset), "{verilog}");
    std::fs::write(&sequencer, verilog.replace(reset, "    state_q")).expect("writable");
    let word = "`heartbit.sequencer.state_q` is X or Z in cycle 1";
    fail(&directory, &args, 1, &[word, "help: "]);
    let verify = of("verify", &["--rtl-images", "0", "--sim-images", "0", "--icarus-images", "1"]);
    let verify: Vec<&str> = verify.iter().map(String::as_str).collect();
    fail(&directory, &verify, 1, &[word]);

    let first = [&args[..], &["--trace", "first-mismatch"]].concat();
    fail(&directory, &first, 2, &["--simulator verilator"]);
    let output = Command::new(env!("CARGO_BIN_EXE_heartbit"))
        .args(&args)
        .current_dir(directory.path())
        .env("IVERILOG", "/nonexistent/iverilog")
        .output()
        .expect("the command starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(5) && error.contains("apt-get install iverilog"),
        "{error}"
    );
}

#[test]
fn engines_agree_on_every_logit() {
    let directory = temporary();
    let (network, data) = (bundled_network(), data());
    let hash = |engine: &str, images: &str| {
        let args =
            ["eval", text(&network), "--data", text(&data), "--images", images, "--engine", engine];
        succeed(&directory, &args)["logits_crc32"].clone()
    };
    assert_eq!(hash("network", "40"), hash("sim", "40"));
    assert_eq!(hash("exact", "4"), hash("sim", "4"));
    assert_eq!(hash("network", "2"), hash("rtl", "2"));
    assert_ne!(hash("network", "2"), hash("network", "3"));
}

#[test]
fn flipped_weight_bit_fails_and_names_the_layer() {
    let directory = temporary();
    let build = build(&directory);
    let data = data();
    let sim = ["sim", text(&build), "--data", text(&data), "--images", "2"];
    assert_eq!(succeed(&directory, &sim)["verdict"], "pass");
    // Word 64 · 2 of a column is the first of `layer1.0.conv1`: after two tiles of the stem.
    flip_weight(&build, 128);
    let output = heartbit(&directory, &sim);
    assert_eq!(output.status.code(), Some(1));
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(report.contains("layer `layer1.0.conv1`: sums differ"), "{report}");
    assert!(report.contains("verdict: FAIL"), "{report}");
}
