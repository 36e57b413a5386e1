//! What a user looks at: reports, tables, tools, completions, manuals.
//!
//! Not here: the JSON that is documented (`json.rs`), whole error messages (`errors`).

mod support;

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
    // One of another version is named, too.
    let file = build.join("results/sim.json");
    let kept = std::fs::read_to_string(&file).expect("a result");
    std::fs::write(&file, kept.replacen("\"schema\": 1", "\"schema\": 2", 2)).expect("written");
    succeed(
        &directory,
        &["verify", text(&build), "--data", text(&data), "--images", "2", "--rtl-images", "0"],
    );
    let of_another = page(&build);
    assert!(of_another.contains("another version of heartbit wrote it"), "{of_another}");
    std::fs::write(&file, kept).expect("written");
    std::fs::remove_file(build.join("results/verify.json")).expect("written");
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
fn report_names_a_bound_that_does_not_hold() {
    let directory = temporary();
    let (build, data) = (build(&directory), data());
    let images = ["--images", "20", "--sim-images", "1", "--rtl-images", "0"];
    let verify = ["verify", text(&build), "--data", text(&data), "--min-accuracy", "0.999"];
    fail(&directory, &[&verify[..], &images].concat(), 1, &["network.accuracy"]);
    let page = page(&build);
    let verdict = "Fail. </strong><code>network.accuracy</code> (verify): ";
    assert!(page.contains(verdict) && page.contains("at least 99.9 %"), "{page}");
    assert!(!page.contains("Pass."), "{page}");
}

#[test]
fn report_has_the_verilog_under_both_simulators() {
    let (directory, data) = (temporary(), data());
    // A narrow network: Icarus Verilog takes a minute for an image of the bundled one.
    let random = ["random", "--arch", "resnet20", "--widths", "4,4,4", "--out", "r.safetensors"];
    succeed(&directory, &random);
    succeed(&directory, &["compile", "r.safetensors", "--array", "8x4x64", "--out", "build"]);
    let build = directory.path().join("build");
    let cosim = ["cosim", text(&build), "--data", text(&data), "--images", "1"];
    succeed(&directory, &cosim);
    succeed(&directory, &[&cosim[..], &["--simulator", "icarus"]].concat());
    let results = names(&build.join("results"));
    assert_eq!(results, ["compile.json", "cosim-icarus.json", "cosim.json"]);
    let page = page(&build);
    let verdict = "Nothing differs on rtl (cosim), icarus (cosim --simulator icarus).";
    assert!(page.contains(verdict), "{page}");
    // What differs under one of them fails, whatever the other says.
    let file = build.join("results/cosim-icarus.json");
    let kept = std::fs::read_to_string(&file).expect("a result");
    let broken = kept.replace("\"differing\": 0", "\"differing\": 5");
    assert_ne!(kept, broken);
    std::fs::write(&file, broken).expect("written");
    succeed(&directory, &["sim", text(&build), "--data", text(&data), "--images", "1"]);
    let page = self::page(&build);
    assert!(page.contains("Differences on icarus (cosim --simulator icarus)."), "{page}");
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
    let (directory, other) = (temporary(), temporary());
    let (build, data, network) = (build(&directory), data(), bundled_network());
    let images = ["--data", text(&data), "--images", "2"];
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../model/fixtures/recu-resnet20-safetensors.safetensors");
    let placed = support::linked_build(&other);
    // Paths are as long as they are.
    let temporary_files = std::env::temp_dir();
    let mut trained = Vec::new();
    if cfg!(feature = "train") {
        let sizes = "--widths 4,8,16 --epochs 2 --warmup-epochs 0 --train-images 16 --test-images 8 \
                     --batch 8 --no-grid --out run";
        let train = ["train", "--data", text(&data)].into_iter().chain(sizes.split_whitespace());
        trained = vec![train.collect(), vec!["plot", "run"]];
    }
    let random = ["random", "--arch", "resnet20", "--widths", "4,4,4", "--out", "r.safetensors"];
    succeed(&directory, &random);
    succeed(&directory, &["compile", "r.safetensors", "--array", "8x4x64", "--out", "narrow"]);
    for args in trained.into_iter().chain([
        vec!["boards"],
        vec!["doctor"],
        vec!["inspect", text(&build)],
        vec!["inspect", text(&network)],
        vec!["compile", text(&network), "--array", "8x8x16", "--board", "ulx3s-85f", "--out", "b"],
        [&["sim", text(&build)], &images[..]].concat(),
        [&["verify", text(&build), "--rtl-images", "0"], &images[..]].concat(),
        [&["eval", text(&network)], &images[..]].concat(),
        vec!["search", text(&network), "--board", "ulx3s-85f"],
        vec!["bench", "arrays", "--arch", "resnet20,resnet18-imagenet", "--array", "8x8x16"],
        vec!["fuzz", "--cases", "2", "--max-channels", "4"],
        vec!["import", text(&foreign), "--out", "i.safetensors"],
        [&["widths", "i.safetensors", "--stem-weight-bits", "7,8"], &images[..]].concat(),
        vec!["pnr", text(&placed), "--board", "icebreaker"],
        vec!["cosim", "narrow", "--data", text(&data), "--images", "1", "--simulator", "icarus"],
    ]) {
        let output = heartbit(&directory, &args);
        let shown = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(!shown.is_empty(), "{args:?}");
        for line in shown.lines().filter(|line| !line.contains(text(&temporary_files))) {
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
