//! Tests of names and of putting seeds together.

use super::*;
use serde_json::json;

fn run(folder: &str, config: Value) -> Run {
    let Value::Object(config) = config else { panic!("an object") };
    Run { path: folder.into(), config, epochs: Vec::new(), xs: Vec::new(), landscape: None }
}

/// Checks names and sizes of the groups of some runs.
#[track_caller]
fn check(runs: &[Run], expected: &[(&str, usize)]) {
    let groups = groups(runs);
    let found: Vec<(&str, usize)> =
        groups.iter().map(|g| (g.name.as_str(), g.runs.len())).collect();
    assert_eq!(found, expected);
}

#[test]
fn seeds_are_one_group() {
    let of = |seed: u32| run("r", json!({"method": "recu", "seed": seed, "out": seed}));
    check(&[of(1), of(2), of(3)], &[("ReCU", 3)]);
}

#[test]
fn the_same_seed_twice_is_no_second_seed() {
    let of = |folder: &str| run(folder, json!({"method": "recu", "seed": 1}));
    check(&[of("a"), of("b")], &[("ReCU (a)", 1), ("ReCU (b)", 1)]);
}

#[test]
fn what_differs_is_in_the_name() {
    let of = |method: &str, arch: &str, epochs: u32| {
        run("r", json!({"method": method, "arch": arch, "dataset": "cifar10", "epochs": epochs}))
    };
    check(
        &[of("vanilla", "resnet20", 9), of("ovsw", "resnet20", 9)],
        &[("vanilla", 1), ("OvSW", 1)],
    );
    check(
        &[of("ovsw", "resnet20", 9), of("ovsw", "resnet18", 60)],
        &[("OvSW, ResNet-20, 9 epochs", 1), ("OvSW, ResNet-18, 60 epochs", 1)],
    );
}

#[test]
fn parts_that_are_off_are_in_the_name() {
    let on = run("r", json!({"method": "ovsw", "ags": {"lambda": 0.04}, "seed": 1}));
    let off = run("r", json!({"method": "ovsw", "ags": null, "seed": 2}));
    let recu = run("r", json!({"method": "recu", "ags": null, "seed": 1}));
    check(&[on, off, recu], &[("OvSW, ags.lambda 0.04", 1), ("OvSW, no ags", 1), ("ReCU", 1)]);
}

#[test]
fn runs_without_settings_have_the_name_of_their_folder() {
    check(&[run("some/where", json!({}))], &[("where", 1)]);
}

#[test]
fn names_are_short_and_without_control_characters() {
    assert_eq!(printable("a\u{0}b\u{ffff}"), "a\u{fffd}b\u{fffd}");
    assert_eq!(printable(&"x".repeat(99)).chars().count(), 61);
}
