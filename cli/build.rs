//! Tells the command which commit and features it is built from, for `heartbit --version`.
//!
//! Outside a git checkout, or without git, the commit is "no commit": a build must not fail for it.

use std::path::Path;
use std::process::Command;

/// The features that users choose.
const FEATURES: [&str; 5] = ["train", "cuda", "rocm", "wgpu", "png"];

fn main() {
    let is_set =
        |name: &&str| std::env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase())).is_some();
    let features: Vec<&str> = FEATURES.into_iter().filter(is_set).collect();
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    set("FEATURES", &features);
    set("COMMIT", &commit().unwrap_or_else(|| "no commit".to_owned()));
    // The commit may change without any file of this crate.
    for path in
        ["HEAD", "logs/HEAD"].into_iter().filter_map(|name| git(&["rev-parse", "--git-path", name]))
    {
        if Path::new(&path).exists() {
            print(&format!("cargo::rerun-if-changed={path}"));
        }
    }
    print("cargo::rerun-if-changed=build.rs");
}

/// The commit of the checkout; changes that are not committed are not looked for.
fn commit() -> Option<String> {
    // In a package that was unpacked inside of another project's checkout, its commit says nothing.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    Some(format!("commit {}", git(&["rev-parse", "--short=12", "HEAD"])?))
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = output.status.success().then_some(output.stdout)?;
    Some(String::from_utf8(text).ok()?.trim().to_owned())
}

fn set(name: &str, value: &str) {
    print(&format!("cargo::rustc-env=HEARTBIT_{name}={value}"));
}

fn print(line: &str) {
    println!("{line}");
}
