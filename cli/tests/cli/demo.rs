//! `demo` from nothing to its verdict.

use crate::support::{names, succeed, temporary};
use std::process::Command;

#[test]
fn demo_ends_in_its_verdict() {
    let directory = temporary();
    let json = succeed(&directory, &["demo"]);
    assert_eq!(json["verdict"], "pass");
    assert_eq!(json["sim"]["images"], 500);
    assert_eq!(json["sim"]["differing"], 0);
    assert_eq!(json["cosim"]["images"], 3);
    assert_eq!(json["cosim"]["differing"], 0);
    let cycles = &json["cosim"]["cycles"];
    assert!(cycles["predicted"].as_u64().is_some_and(|n| n > 10_000), "{cycles}");
    assert_eq!(cycles["predicted"], cycles["sim"]);
    assert_eq!(cycles["predicted"], cycles["rtl"]);
    assert!(json["sim"]["accuracy"].as_f64().is_some_and(|a| a > 0.5), "{}", json["sim"]);
    assert_eq!(names(directory.path()), ["heartbit-demo"]);
    assert_eq!(names(&directory.path().join("heartbit-demo")), ["build", "data"]);
}

#[test]
fn missing_verilator_says_how_to_install_it() {
    let directory = temporary();
    let output = Command::new(env!("CARGO_BIN_EXE_heartbit"))
        .arg("demo")
        .env("VERILATOR", "/nonexistent/verilator")
        .current_dir(directory.path())
        .output()
        .expect("the command starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{error}");
    assert!(error.contains("apt-get install verilator"), "{error}");
    assert_eq!(names(directory.path()), Vec::<String>::new());
}
