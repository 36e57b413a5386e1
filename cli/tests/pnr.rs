//! `pnr` and the page of `boards` as a user meets them.

mod support;

use std::path::Path;
use support::{build, fail, linked_build, names, succeed, temporary, text, write_link};

#[test]
fn pnr_writes_a_bitstream_and_its_result() {
    let directory = temporary();
    let build = linked_build(&directory);
    let result = succeed(&directory, &["pnr", text(&build), "--board", "icebreaker"]);
    assert_eq!(result["met"], true, "{result}");
    assert_eq!(result["bitstream"], "heartbit_icebreaker.bin");
    assert_eq!(result["report"]["lut"]["available"], 5280);
    let folder = build.join("pnr/icebreaker");
    let kept = names(&folder);
    for name in ["heartbit_icebreaker.pcf", "heartbit_icebreaker.v", "result.json", "synthesis.log"]
    {
        assert!(kept.iter().any(|kept| kept == name), "{name} is not in {kept:?}");
    }
    let kept = std::fs::read_to_string(build.join("results/pnr.json")).expect("a result");
    let kept: serde_json::Value = serde_json::from_str(&kept).expect("JSON");
    assert_eq!(kept["result"], result);
    let report = std::fs::read_to_string(build.join("report.html")).expect("a report");
    for words in ["Placed and routed", "pnr/icebreaker/heartbit_icebreaker.bin", "5,280"] {
        assert!(report.contains(words), "{words}");
    }
    let page = support::heartbit(&directory, &["boards", "--catalogue", "build/pnr/icebreaker"]);
    // The folder also has nextpnr's own report, which is no result.
    assert_eq!(page.status.code(), Some(3));
    let results = directory.path().join("results");
    std::fs::create_dir(&results).expect("writable");
    std::fs::copy(folder.join("result.json"), results.join("a.json")).expect("copied");
    let page = support::heartbit(&directory, &["boards", "--catalogue", "results"]);
    let page = String::from_utf8(page.stdout).expect("UTF-8");
    assert!(page.contains("| resnet20 | 40108032 | 4 | icebreaker | 4x8x16, "), "{page}");
}

#[test]
fn what_pnr_needs_is_named() {
    let directory = temporary();
    let plain = build(&directory);
    let on_board = ["pnr", text(&plain), "--board", "icebreaker"];
    fail(&directory, &on_board, 3, &["has no serial link", "link.json", "--uart"]);
    write_link(&plain, 24_000_000);
    fail(&directory, &on_board, 3, &["heartbit_uart.v", "--uart"]);
    let build = linked_build(&directory);
    let pnr = |more: &[&str], code, words: &[&str]| {
        let mut args = vec!["pnr", text(&build)];
        args.extend(more);
        fail(&directory, &args, code, words);
    };
    pnr(&["--board", "icebreaker", "--freq", "36"], 2, &["1500000 baud", "--clock-hz 36000000"]);
    pnr(&["--board", "icebreaker", "--freq", "5"], 2, &["cannot make 5 MHz", "16 to 275"]);
    pnr(&["--board", "none"], 2, &["no board `none`"]);
    pnr(&["--board-file", "none.toml"], 3, &["cannot read"]);
    std::fs::write(directory.path().join("bad.toml"), "titel = 1\n").expect("writable");
    pnr(&["--board-file", "bad.toml"], 3, &["`bad.toml`", "line 1", "titel"]);
    write_link(&build, 200_000_000);
    pnr(&["--board", "icebreaker"], 1, &["timing is missed", "of 198.", "--clock-hz 80000000"]);
    let report = std::fs::read_to_string(build.join("report.html")).expect("a report");
    assert!(report.contains("Timing is missed on icebreaker."), "{report}");
    let project = ["--board", "icebreaker", "--project-only", "--report", "r.html"];
    pnr(&project, 2, &["nothing is placed", "leave `--report` out"]);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_heartbit"))
        .args(["pnr", text(&build), "--board", "ulx3s-85f"])
        .env("PATH", directory.path())
        .output()
        .expect("the command starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{error}");
    assert!(error.contains("no `yosys`") && error.contains("apt-get install yosys"), "{error}");
}

#[test]
fn projects_are_written_without_tools() {
    let directory = temporary();
    let build = linked_build(&directory);
    write_link(&build, 25_000_000);
    let arty = succeed(&directory, &["pnr", text(&build), "--board", "arty-a7-35"]);
    assert_eq!(arty["command"], "vivado -mode batch -source heartbit_arty_a7_35.tcl");
    let ecp5 =
        succeed(&directory, &["pnr", text(&build), "--board", "ulx3s-85f", "--project-only"]);
    assert_eq!(ecp5["files"][0], "heartbit_ulx3s_85f.lpf");
    let own = directory.path().join("own.toml");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards/data/hx8k.toml");
    std::fs::copy(file, &own).expect("copied");
    let own =
        succeed(&directory, &["pnr", text(&build), "--board-file", "own.toml", "--project-only"]);
    assert_eq!(own["board"], "own");
}
