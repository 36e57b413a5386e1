//! The invariants of ARCHITECTURE.md, proved on the sources and on cargo's own metadata.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each crate may depend on, of this workspace.
const ALLOWED: [(&str, &[&str]); 17] = [
    ("ir", &[]),
    ("model", &["ir"]),
    ("dataset", &[]),
    ("hdl", &["ir"]),
    ("compiler", &["ir", "model"]),
    ("sim", &["ir"]),
    ("cosim", &["ir", "hdl"]),
    ("trainer", &["ir", "model", "dataset"]),
    ("boards", &["ir", "hdl", "compiler"]),
    ("host", &["ir"]),
    ("plot", &[]),
    ("cases", &["ir", "hdl", "compiler", "sim", "cosim"]),
    ("mutate", &["ir", "hdl", "compiler", "sim", "cosim"]),
    ("report", &[]),
    (
        "cli",
        &[
            "ir", "model", "dataset", "hdl", "compiler", "sim", "cosim", "trainer", "boards",
            "host", "plot", "report", "cases", "mutate",
        ],
    ),
    ("examples", &["ir"]),
    (
        "tests",
        &["ir", "model", "dataset", "hdl", "compiler", "sim", "cosim", "boards", "plot", "cases"],
    ),
];

/// Licences that a dependency may offer.
const LICENCES: [&str; 15] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
];

/// Packages of tests alone, which are in no binary, and what else they are licensed as: the icons
/// of the pages that mdBook makes.
const LICENCES_OF_TESTS: [(&str, &str); 1] = [("font-awesome-as-a-crate", "CC-BY-4.0")];

/// Packages that name their licence in a file only, with what it says.
const LICENCE_FILES: [(&str, &str); 1] = [("cfg_block", "Apache-2.0")];

/// Most external packages of the command without features, so that nobody adds many unawares.
const MAX_PACKAGES: usize = 165;

/// Longest source file.
const MAX_LINES: usize = 1_200;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .current_dir(root())
        .output()
        .expect("cargo runs, since it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn metadata() -> Value {
    serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--all-features"]))
        .expect("cargo prints JSON")
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut directories: Vec<PathBuf> = ALLOWED.iter().map(|(name, _)| root().join(name)).collect();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory of the workspace") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("readable");
                files.push((path, text));
            }
        }
    }
    assert!(files.len() > 50, "only {} source files found", files.len());
    files.sort();
    files
}

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    let metadata = metadata();
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let members: BTreeSet<&str> = metadata["workspace_members"]
        .as_array()
        .expect("an array")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut seen = 0;
    for package in metadata["packages"].as_array().expect("an array") {
        if !members.contains(package["id"].as_str().expect("an id")) {
            continue;
        }
        seen += 1;
        let name = package["name"].as_str().expect("a name").strip_prefix("heartbit-");
        let name = name.expect("every crate of the workspace is called heartbit-*");
        let may = allowed.get(name).unwrap_or_else(|| panic!("crate `{name}` is not in the table"));
        for dependency in package["dependencies"].as_array().expect("an array") {
            // What tests need does not count: it is not in what users build.
            let Some(other) = dependency["name"].as_str().and_then(|n| n.strip_prefix("heartbit-"))
            else {
                continue;
            };
            if dependency["kind"].is_null() {
                assert!(may.contains(&other), "`{name}` must not depend on `{other}`");
            }
        }
    }
    assert_eq!(seen, ALLOWED.len());
}

#[test]
fn simulator_and_hardware_share_no_code() {
    for (name, other) in [("sim", "hdl"), ("hdl", "sim"), ("sim", "compiler")] {
        let package = format!("heartbit-{name}");
        let tree = cargo(&["tree", "--package", &package, "--edges", "all", "--prefix", "none"]);
        assert!(tree.contains(&package), "{tree}");
        assert!(!tree.contains(&format!("heartbit-{other} ")), "`{name}` reaches `{other}`");
    }
}

#[test]
fn compiling_and_simulating_never_builds_the_trainer() {
    for package in ["heartbit-cli", "heartbit-compiler", "heartbit-sim", "heartbit-cosim"] {
        let tree =
            cargo(&["tree", "--package", package, "--edges", "normal,build", "--prefix", "none"]);
        for forbidden in ["heartbit-trainer ", "burn"] {
            let found = tree.lines().find(|line| line.starts_with(forbidden));
            assert_eq!(found, None, "`{package}` builds it");
        }
    }
    let with =
        cargo(&["tree", "--package", "heartbit-cli", "--features", "train", "--prefix", "none"]);
    assert!(with.contains("heartbit-trainer "), "the feature `train` adds the trainer");
}

#[test]
fn foreign_functions_are_in_cosim_only() {
    let here = Path::new(file!()).file_name();
    for (path, text) in sources() {
        if path.starts_with(root().join("cosim")) || path.file_name() == here {
            continue;
        }
        for word in ["extern \"C\"", "libloading", "#[link"] {
            assert!(!text.contains(word), "{} contains `{word}`", path.display());
        }
    }
}

#[test]
fn unsafe_code_is_in_few_places() {
    let here = Path::new(file!()).file_name();
    let places = [
        "cosim",
        "sim/src/kernels",
        "sim/src/kernels.rs",
        "trainer/src/lanes.rs",
        "trainer/src/simd.rs",
    ];
    let allowed = places.map(|place| root().join(place));
    let mut kernels = 0;
    for (path, text) in sources() {
        if path.file_name() == here {
            continue;
        }
        let used =
            text.contains("unsafe {") || text.contains("unsafe fn") || text.contains("unsafe impl");
        kernels += usize::from(used && path.starts_with(&allowed[1]));
        let may = allowed.iter().any(|place| path.starts_with(place));
        assert!(may || !used, "{} has unsafe code", path.display());
    }
    assert!(kernels > 1, "the kernels have moved");
}

#[test]
fn interpreter_crate_does_no_io_beyond_its_own_format() {
    for (path, text) in sources() {
        if path.starts_with(root().join("ir/src")) && !path.ends_with("file.rs") {
            for word in ["std::fs", "std::io", "std::net", "std::process", "std::env"] {
                assert!(!text.contains(word), "{} contains `{word}`", path.display());
            }
        }
    }
}

#[test]
fn every_source_file_says_what_it_is() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} has no module header", path.display());
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn licences_are_permissive() {
    for package in metadata()["packages"].as_array().expect("an array") {
        let name = package["name"].as_str().expect("a name");
        let in_file = LICENCE_FILES.into_iter().find(|(n, _)| *n == name).map_or("", |(_, l)| l);
        let licence = package["license"].as_str().unwrap_or(in_file);
        let offered = licence.replace('/', " OR ").replace(['(', ')'], "");
        let allowed =
            |part: &str| LICENCES.contains(&part) || LICENCES_OF_TESTS.contains(&(name, part));
        let fine = offered
            .split(" OR ")
            .any(|choice| choice.split(" AND ").all(|part| allowed(part.trim())));
        assert!(fine, "`{name}` is licensed as `{licence}`");
    }
    for (name, _) in LICENCES_OF_TESTS {
        let all = tree(&["--all-features"]);
        assert!(!all.lines().any(|line| line.starts_with(name)), "`{name}` is in the command");
    }
}

/// The packages that the command is built from, a line each.
fn tree(features: &[&str]) -> String {
    let of_command = ["tree", "--package", "heartbit-cli", "--edges", "normal"];
    cargo(&[&of_command[..], &["--prefix", "none"], features].concat())
}

/// Lines of the tables of external dependencies of a manifest that give no reason, in the line or
/// in the comment above it.
fn without_reason(manifest: &str) -> Vec<&str> {
    let (mut is_dependency, mut is_explained) = (false, false);
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_dependency = line.trim_end().ends_with("dependencies]");
        } else if line.starts_with('#') {
            is_explained = true;
            continue;
        } else if is_dependency && line.contains('=') {
            let is_external = !line.contains("workspace = true") && !line.contains("path = ");
            if is_external && !is_explained && !line.contains(" # ") {
                found.push(line);
            }
        }
        is_explained = false;
    }
    found
}

#[test]
fn every_external_dependency_has_its_reason() {
    let manifests = ALLOWED.iter().map(|(name, _)| root().join(name).join("Cargo.toml"));
    for path in manifests.chain([root().join("Cargo.toml")]) {
        let text = std::fs::read_to_string(&path).expect("readable");
        let none: Vec<&str> = Vec::new();
        assert_eq!(without_reason(&text), none, "{}", path.display());
    }
    let unexplained =
        "[dependencies]\nzip = \"9\"\n# Why.\nzap = \"1\"\nnow = \"1\" # so\n[lints]\na = 1\n";
    assert_eq!(without_reason(unexplained), ["zip = \"9\""]);
}

#[test]
fn command_without_features_has_few_dependencies() {
    let tree = tree(&[]);
    let external = tree.lines().filter(|line| !line.contains("(/"));
    let packages: BTreeSet<Vec<&str>> =
        external.map(|line| line.split_whitespace().take(2).collect()).collect();
    let n = packages.len();
    assert!(n > 50 && n <= MAX_PACKAGES, "{n} external packages, more than {MAX_PACKAGES}");
}
