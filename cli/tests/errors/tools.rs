//! Outside tools that are missing, too old, or not content.

use crate::transcript::Transcript;
use expect_test::expect_file;
use std::os::unix::fs::PermissionsExt as _;

/// A program that prints a text and ends with a code.
fn program(t: &Transcript, name: &str, says: &str, code: i32) {
    script(t, name, &format!("echo '{says}'\nexit {code}"));
}

fn script(t: &Transcript, name: &str, lines: &str) {
    t.write(name, format!("#!/bin/sh\n{lines}\n"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(t.path(name), mode).expect("ours");
}

#[test]
fn tools_that_do_not_work() {
    let mut t = Transcript::new();
    t.prepare("compile model.hbn --array 4x8x16 --out b");
    let cosim = "cosim b --data data --images 1 --no-report";
    t.fails_with(&[("VERILATOR", "/no/verilator")], 5, cosim);
    program(&t, "old", "Verilator 4.038 2020-07-11", 0);
    program(&t, "strange", "Hello", 0);
    let at = |name: &str| t.path(name).display().to_string();
    let (old, strange) = (at("old"), at("strange"));
    t.fails_with(&[("VERILATOR", &old)], 5, cosim);
    t.fails_with(&[("VERILATOR", &strange)], 5, cosim);
    t.fails_with(&[("CXX", "/no/c++")], 5, cosim);
    t.fails_with(&[("CXX", "/no/c++")], 5, "doctor --format json");
    let icarus = format!("{cosim} --simulator icarus");
    t.fails_with(&[("IVERILOG", "/no/iverilog")], 5, &icarus);
    t.fails_with(&[("XDG_CACHE_HOME", ""), ("HOME", "")], 3, cosim);
    t.check(&expect_file!["tools.txt"]);
}

#[test]
fn tools_that_write_something_else() {
    let mut t = Transcript::new();
    t.prepare("compile model.hbn --array 4x8x16 --uart --clock-hz 24000000 --out b");
    script(&t, "tools/yosys", "echo '{}' > netlist.json");
    script(
        &t,
        "tools/nextpnr-ice40",
        r#"while [ $# -gt 0 ]; do [ "$1" = --report ] && echo none > "$2"; shift; done"#,
    );
    t.fails(5, "asic b --tool-path tools");
    t.fails(5, "pnr b --board icebreaker --tool-path tools");
    t.check(&expect_file!["tools-strange.txt"]);
}
