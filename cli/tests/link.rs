//! `compile --uart` and `run`, with the Verilog at the other end of the line, and what they refuse.

mod support;

use std::path::PathBuf;
use support::{build, bundled_network, data, fail, flip_weight, names, succeed, temporary, text};
use tempfile::TempDir;

/// Compiles the bundled network for a small array behind a line of four clocks a bit.
fn linked(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("linked");
    let network = bundled_network();
    let uart = ["--uart", "--clock-hz", "4000000", "--baud", "1000000"];
    let args = ["compile", text(&network), "--array", "4x8x16", "--out", text(&path)];
    succeed(directory, &[&args[..], &uart].concat());
    path
}

#[test]
fn images_run_over_the_simulated_line() {
    let directory = temporary();
    let build = linked(&directory);
    assert_eq!(names(&build.join("host")), ["link.json"]);
    let data = data();
    let args = ["run", text(&build), "--data", text(&data), "--images", "1", "--simulate"];
    let json = succeed(&directory, &args);
    assert_eq!(
        (&json["verdict"], &json["compared"], &json["differing"]),
        (&"pass".into(), &11.into(), &0.into())
    );
    assert_eq!(json["cycles"]["predicted"], json["cycles"]["measured"]);
    assert_eq!(json["line"]["sent_again"], 0);
    assert!(json["load"]["bytes"].as_u64().is_some_and(|bytes| bytes > 50_000), "{json}");

    // The program that is loaded is that of the memory images: one wrong weight is seen.
    flip_weight(&build, 40);
    fail(&directory, &args, 1, &["the engines disagree"]);
}

#[test]
fn what_cannot_run_is_refused() {
    let directory = temporary();
    let (data, network, plain) = (data(), bundled_network(), build(&directory));
    let linked = linked(&directory);
    let run = |build: &'static str| ["run", build, "--data", text(&data)];
    let _ = (&plain, &linked);
    fail(&directory, &run("linked"), 2, &["--port"]);
    let with = |build: &'static str, more: &[&'static str]| [&run(build)[..], more].concat();
    fail(&directory, &with("build", &["--simulate"]), 3, &["no serial link", "compile --uart"]);
    for port in ["/dev/null", "nowhere"] {
        let words = ["cannot open the serial port", port, "dialout"];
        fail(&directory, &with("linked", &["--port", port]), 3, &words);
    }
    fail(&directory, &with("linked", &["--simulate", "--port", "a"]), 2, &["cannot be used with"]);

    let compile = ["compile", text(&network), "--array", "4x8x16", "--out", "b", "--uart"];
    for (more, words) in [
        (["--clock-hz", "1000000", "--baud", "500000"], ["2000000 Hz", "--baud"]),
        (["--clock-hz", "12000000", "--baud", "2600000"], ["2.0 % off", "--clock-hz"]),
        (["--clock-hz", "0", "--baud", "9600"], ["neither may be 0", "--baud"]),
    ] {
        fail(&directory, &[&compile[..], &more].concat(), 2, &words);
    }
    fail(&directory, &[&compile[..], &["--axi"]].concat(), 2, &["cannot be used with"]);
    fail(
        &directory,
        &[&compile[..], &["--weight-port", "2"]].concat(),
        2,
        &["cannot be used with"],
    );
}
