//! docs/json.md has every key that commands print, and none that they do not.

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use support::{build, bundled_network, data, heartbit, succeed, temporary, text};
use tempfile::TempDir;

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

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Paths that docs/json.md has for a command; those that end in `?` may be absent or null, and
/// `.*` is any key.
fn documented(command: &str) -> BTreeSet<String> {
    let page = std::fs::read_to_string(root().join("docs/json.md")).expect("the page");
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

/// Heading and arguments of a command whose keys are compared.
#[track_caller]
fn check_command(directory: &TempDir, heading: &str, args: &[&str]) {
    check_keys(heading, &succeed(directory, args));
}

#[test]
fn keys_of_networks_builds_and_tools_are_documented() {
    let directory = temporary();
    let (build, network) = (build(&directory), bundled_network());
    let check = |heading: &str, args: &[&str]| check_command(&directory, heading, args);
    let of_board = ["--board", "ulx3s-85f", "--uart", "--out", "b"];
    check("compile", &[&["compile", text(&network), "--array", "8x8x16"], &of_board[..]].concat());
    check("inspect BUILD", &["inspect", text(&build)]);
    check("inspect MODEL", &["inspect", text(&network)]);
    check("boards", &["boards"]);
    check("boards --catalogue", &["boards", "--catalogue", text(&root().join("boards/results"))]);
    check("doctor", &["doctor"]);
    check("man", &["man", "man1"]);
    check("random", &["random", "--arch", "resnet20", "--out", "r.safetensors"]);
    check("fold", &["fold", "r.safetensors", "--out", "r.hbn"]);
    let foreign = root().join("model/fixtures/recu-resnet20.pth.tar");
    check("import", &["import", text(&foreign), "--out", "i.safetensors"]);
    check("search", &["search", text(&network), "--board", "ulx3s-85f"]);
    check("bench", &["bench", "arrays", "--arch", "resnet20", "--array", "8x8x16"]);
}

#[test]
fn keys_of_engines_are_documented() {
    let directory = temporary();
    let (build, data, network) = (build(&directory), data(), bundled_network());
    let images = ["--data", text(&data), "--images", "2"];
    let check = |heading: &str, args: &[&str], more: &[&str]| {
        check_command(&directory, heading, &[args, &images[..], more].concat());
    };
    check("sim", &["sim", text(&build)], &[]);
    let kept = std::fs::read_to_string(build.join("results/sim.json")).expect("kept");
    check_keys("results/COMMAND.json", &serde_json::from_str(&kept).expect("JSON"));
    check("verify", &["verify", text(&build)], &["--rtl-images", "0"]);
    check("eval", &["eval", text(&network)], &[]);
    succeed(
        &directory,
        &["random", "--arch", "resnet20", "--widths", "4,8,16", "--out", "w.safetensors"],
    );
    let few = ["--stem-weight-bits", "6,8", "--head-weight-bits", "8"];
    check(
        "widths",
        &["widths", "w.safetensors"],
        &[&few[..], &["--head-activation-bits", "8"]].concat(),
    );
    check_command(&directory, "fuzz", &["fuzz", "--cases", "2", "--max-channels", "4"]);
    let case = root().join("tests/cases/pooled-shortcut.json");
    check_command(&directory, "fuzz --replay", &["fuzz", "--replay", text(&case)]);
    check_command(&directory, "demo", &["demo"]);
}

#[test]
fn keys_of_what_is_wrong_are_documented() {
    let directory = temporary();
    let (build, data) = (build(&directory), data());
    let images = ["--data", text(&data), "--images", "2", "--format", "json"];
    let mutate = ["--mutate", "--mutants", "6", "--rtl-images", "1", "--sim-images", "1"];
    let printed = |args: &[&str]| {
        let output = heartbit(&directory, &[args, &images[..]].concat());
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    check_keys("verify --mutate", &printed(&[&["verify", text(&build)], &mutate[..]].concat()));
    support::flip_weight(&build, 0);
    check_keys("first_divergence", &printed(&["sim", text(&build)])["first_divergence"]);
    let trace = ["cosim", text(&build), "--trace", "first-mismatch"];
    check_keys("first_divergence", &printed(&trace)["first_divergence"]);
}

/// A serial line, and a design that is placed in a second.
#[test]
fn keys_of_hardware_are_documented() {
    let directory = temporary();
    let (network, data) = (bundled_network(), data());
    let link = ["--uart", "--clock-hz", "4000000", "--baud", "1000000"];
    let compile = ["compile", text(&network), "--array", "4x8x16", "--out", "linked"];
    succeed(&directory, &[&compile[..], &link].concat());
    check_command(&directory, "asic BUILD", &["asic", "linked"]);
    let run = ["run", "linked", "--data", text(&data), "--images", "1", "--simulate"];
    check_command(&directory, "run", &run);
    let build = support::linked_build(&directory);
    check_command(&directory, "pnr", &["pnr", text(&build), "--board", "icebreaker"]);
    let project = ["pnr", text(&build), "--board", "icebreaker", "--project-only"];
    check_command(&directory, "pnr --project-only", &project);
}

#[test]
fn keys_of_figures_are_documented() {
    let directory = temporary();
    support::training_run(&directory, "run");
    check_command(&directory, "plot", &["plot", "run"]);
}

#[cfg(feature = "train")]
#[test]
fn keys_of_training_are_documented() {
    let directory = temporary();
    let data = data();
    let mut args = vec!["train", "--data", text(&data), "--widths", "4,8,16", "--out", "run"];
    args.extend(["--epochs", "1", "--warmup-epochs", "0", "--batch", "20"]);
    args.extend(["--train-images", "20", "--test-images", "10", "--format", "json"]);
    let output = heartbit(&directory, &args);
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let [epoch, summary] = lines.as_slice() else { panic!("not two lines: {printed}") };
    check_keys("train, an epoch", epoch);
    check_keys("train", summary);
    let dry = ["train", "--data", text(&data), "--out", "dry", "--dry-run"];
    check_command(&directory, "train --dry-run", &dry);
    let checkpoint = "run/checkpoint.safetensors";
    let landscape = ["landscape", checkpoint, "--data", text(&data), "--steps", "3"];
    check_command(&directory, "landscape", &[&landscape[..], &["--images", "8"]].concat());
    let mut bench = vec!["bench", "train", "--arch", "resnet20", "--batch", "16", "--steps", "1"];
    bench.extend(["--warmup", "0", "--windows", "1", "--threads", "1"]);
    check_command(&directory, "bench", &bench);
}

/// The commands of `heartbit --help` that print JSON.
fn commands() -> Vec<String> {
    let help = heartbit(&temporary(), &["--help"]).stdout;
    let help = String::from_utf8(help).expect("UTF-8");
    let (_, list) = help.split_once("Commands:\n").expect("a list of commands");
    let lines = list.lines().take_while(|line| !line.is_empty());
    let named = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let silent = ["", "help", "completions"];
    named.filter(|name| !silent.contains(name)).map(str::to_owned).collect()
}

#[test]
fn every_command_is_in_the_page() {
    let page = std::fs::read_to_string(root().join("docs/json.md")).expect("the page");
    let commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let is_there = page.contains(&format!("\n## `{command}"))
            || page.contains(&format!("`{command}` prints"));
        assert!(is_there, "docs/json.md has nothing of `{command}`");
    }
}
