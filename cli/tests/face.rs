//! What a user looks at: reports, tables, tools, completions, manuals, and the JSON that is
//! documented.

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use support::{
    build, bundled_network, data, fail, flip_weight, heartbit, names, succeed, temporary, text,
};

fn page(build: &Path) -> String {
    std::fs::read_to_string(build.join("report.html")).expect("a report")
}

#[test]
fn report_grows_with_what_was_measured_and_repeats() {
    let directory = temporary();
    let (build, data) = (build(&directory), data());
    let first = page(&build);
    assert!(first.contains("Not checked."), "nothing ran");
    let sim = ["sim", text(&build), "--data", text(&data), "--images", "2"];
    succeed(&directory, &sim);
    let second = page(&build);
    assert!(second.contains("Nothing differs on cycle-sim (sim)"), "{second}");
    succeed(&directory, &[&sim[..], &["--quiet"]].concat());
    assert_eq!(second, page(&build), "a report carries no time");
    assert_eq!(names(&build.join("results")), ["compile.json", "sim.json"]);
    // Of a build that was changed since, the result is named and not shown; a failure is shown.
    flip_weight(&build, 0);
    let verify =
        ["verify", text(&build), "--data", text(&data), "--images", "2", "--rtl-images", "0"];
    assert_eq!(heartbit(&directory, &verify).status.code(), Some(1));
    let third = page(&build);
    assert!(
        third.contains("the result of `heartbit sim`: the files of the build were changed"),
        "{third}"
    );
    assert!(third.contains("Fail.") && !third.contains("cycle-sim (sim)"), "{third}");
    assert!(third.contains("First difference"), "{third}");
}

#[test]
fn report_goes_where_the_user_says_or_nowhere() {
    let directory = temporary();
    let (build, data, network) = (build(&directory), data(), bundled_network());
    let before = page(&build);
    let images = ["--data", text(&data), "--images", "1"];
    succeed(&directory, &[&["sim", text(&build), "--no-report"], &images[..]].concat());
    assert_eq!(names(&build.join("results")), ["compile.json"]);
    let elsewhere = ["verify", text(&network), "--rtl-images", "0", "--report", "mine.html"];
    succeed(&directory, &[&elsewhere[..], &images].concat());
    let mine = std::fs::read_to_string(directory.path().join("mine.html")).expect("a report");
    assert!(mine.contains("Nothing differs on sim (verify), cycle-sim (verify)."), "{mine}");
    assert_eq!(before, page(&build));
    let nowhere = ["sim", text(&build), "--report", "no/such/place.html"];
    fail(&directory, &[&nowhere[..], &images].concat(), 3, &["no/such/place.html", "--no-report"]);
    let shard = ["sim", text(&build), "--report", "x.html", "--shard", "1/1"];
    assert!(heartbit(&directory, &[&shard[..], &images].concat()).status.success());
}

#[test]
fn tables_fit_80_columns() {
    let directory = temporary();
    let (build, data, network) = (build(&directory), data(), bundled_network());
    let images = ["--data", text(&data), "--images", "2"];
    for args in [
        vec!["boards"],
        vec!["doctor"],
        vec!["inspect", text(&build)],
        vec!["inspect", text(&network)],
        vec!["compile", text(&network), "--array", "8x8x16", "--board", "ulx3s-85f", "--out", "b"],
        [&["sim", text(&build)], &images[..]].concat(),
        [&["verify", text(&build), "--rtl-images", "0"], &images[..]].concat(),
        [&["eval", text(&network)], &images[..]].concat(),
    ] {
        let output = heartbit(&directory, &args);
        let shown = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(!shown.is_empty(), "{args:?}");
        for line in shown.lines().filter(|line| !line.contains(text(directory.path()))) {
            assert!(line.chars().count() <= 80, "{args:?}: {line}");
        }
        assert!(!shown.contains('\u{1b}'), "{args:?} has escapes, but no terminal");
    }
}

#[test]
fn doctor_names_what_is_missing_and_how_to_install_it() {
    let directory = temporary();
    let json = succeed(&directory, &["doctor"]);
    assert_eq!(json["core"], true);
    let tools = json["tools"].as_array().expect("tools");
    let verilator = tools.iter().find(|tool| tool["name"] == "verilator").expect("verilator");
    assert_eq!((&verilator["found"], &verilator["core"]), (&true.into(), &true.into()));
    assert!(verilator["version"].as_str().is_some_and(|v| v.starts_with('5')), "{verilator}");
    let without = |variable: &str| {
        Command::new(env!("CARGO_BIN_EXE_heartbit"))
            .arg("doctor")
            .env(variable, "/no/such/program")
            .output()
            .expect("the command starts")
    };
    for (variable, tool) in [("VERILATOR", "verilator"), ("CXX", "C++ compiler")] {
        let output = without(variable);
        assert_eq!(output.status.code(), Some(5), "{variable}");
        let shown = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(shown.lines().any(|l| l.starts_with(tool) && l.contains("MISSING")), "{shown}");
        let error = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(error.contains(tool) && error.contains("apt-get install"), "{error}");
    }
}

#[test]
fn completions_and_manuals_know_every_command() {
    let directory = temporary();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = heartbit(&directory, &["completions", shell]);
        let script = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(script.contains("cosim") && script.contains("trace-margin"), "{shell}");
    }
    let json = succeed(&directory, &["man", "man1"]);
    let pages = names(&directory.path().join("man1"));
    assert_eq!(json["files"].as_array().map(Vec::len), Some(pages.len()));
    for page in ["heartbit.1", "heartbit-cosim.1", "heartbit-bench-kernels.1"] {
        assert!(pages.iter().any(|p| p == page), "`{page}` is not in {pages:?}");
    }
}

#[test]
fn version_names_commit_and_features() {
    let output = heartbit(&temporary(), &["--version"]);
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    let version = format!("heartbit {} (", env!("CARGO_PKG_VERSION"));
    assert!(shown.starts_with(&version) && shown.contains("commit"), "{shown}");
    let train = if cfg!(feature = "train") { "train" } else { "features: " };
    assert!(shown.contains(train), "{shown}");
}

/// Paths of all values of an object: `layers[].name`.
fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                keys(value, &format!("{path}{dot}{key}"), found);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for value in values {
                keys(value, &format!("{path}[]"), found);
            }
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

/// Paths that docs/json.md has for a command; those that end in `?` may be absent or null, and
/// `.*` is any key.
fn documented(command: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/json.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let heading = format!("\n## `{command}`\n");
    let (_, section) = page.split_once(&heading).unwrap_or_else(|| panic!("no `{command}`"));
    let section = section.split("\n## ").next().expect("a text");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect()
}

#[track_caller]
fn check_keys(command: &str, printed: &Value) {
    let mut found = BTreeSet::new();
    keys(printed, "", &mut found);
    let documented = documented(command);
    // A documented path covers what is below it, unless that is documented, too.
    let covers = |path: &str, key: &str| {
        let path = path.trim_end_matches('?');
        let (stem, any) = path.strip_suffix(".*").map_or((path, false), |stem| (stem, true));
        key == path || any && key.starts_with(stem)
    };
    let below = |path: &str, key: &str| path.starts_with(key) && path.contains('?');
    for key in &found {
        let known = documented.iter().any(|path| covers(path, key) || below(path, key));
        assert!(known, "`{command}` prints `{key}`, which docs/json.md does not have");
    }
    for path in documented.iter().filter(|path| !path.contains('?')) {
        let printed = found.iter().any(|key| covers(path, key));
        assert!(printed, "docs/json.md has `{path}`, which `{command}` does not print: {found:?}");
    }
}

#[test]
fn documented_keys_are_those_that_are_printed() {
    let directory = temporary();
    let (build, data, network) = (build(&directory), data(), bundled_network());
    let images = ["--data", text(&data), "--images", "2"];
    let run = |args: &[&str]| succeed(&directory, args);
    let board = [
        "compile",
        text(&network),
        "--array",
        "8x8x16",
        "--board",
        "ulx3s-85f",
        "--uart",
        "--out",
        "b",
    ];
    check_keys("compile", &run(&board));
    check_keys("inspect BUILD", &run(&["inspect", text(&build)]));
    check_keys("inspect MODEL", &run(&["inspect", text(&network)]));
    check_keys("sim", &run(&[&["sim", text(&build)], &images[..]].concat()));
    check_keys(
        "verify",
        &run(&[&["verify", text(&build), "--rtl-images", "0"], &images[..]].concat()),
    );
    check_keys("eval", &run(&[&["eval", text(&network)], &images[..]].concat()));
    check_keys("boards", &run(&["boards"]));
    check_keys("asic BUILD", &run(&["asic", text(&build)]));
    check_keys("doctor", &run(&["doctor"]));
    check_keys("man", &run(&["man", "man1"]));
    check_keys("random", &run(&["random", "--arch", "resnet20", "--out", "r.safetensors"]));
    check_keys("fold", &run(&["fold", "r.safetensors", "--out", "r.hbn"]));
    let page = std::fs::read_to_string(build.join("results/sim.json")).expect("kept");
    check_keys("results/COMMAND.json", &serde_json::from_str(&page).expect("JSON"));
}
