//! Commands that fail in a folder of their own, and what they print.

use crate::support::{bundled_network, data, heartbit_command, temporary, text};
use expect_test::ExpectFile;
use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A text without the names of temporary files, which are others each time, and without the builds
/// of the kernels, which are the processor's.
fn without_names(text: &str) -> String {
    let line = |line: &str| match line.split_once(" at path ") {
        Some((before, _)) => format!("{before}\n"),
        None => format!("{line}\n"),
    };
    let builds = |line: String| match line.split_once("this processor has ") {
        Some((before, _)) => format!("{before}this processor has …\n"),
        None => line,
    };
    let process = |line: String| match line.split_once(".tmp`") {
        Some((before, after)) => {
            let stem = before.trim_end_matches(|letter: char| letter.is_ascii_digit());
            format!("{stem}N.tmp`{after}")
        }
        None => line,
    };
    text.lines().map(line).map(builds).map(process).collect()
}

/// A folder with the bundled network and images, and what failed in it.
pub(crate) struct Transcript {
    directory: TempDir,
    text: String,
    /// What is wrong whatever the transcript says.
    problems: Vec<String>,
}

impl Transcript {
    pub(crate) fn new() -> Self {
        let directory = temporary();
        symlink(bundled_network(), directory.path().join("model.hbn")).expect("writable");
        symlink(data(), directory.path().join("data")).expect("writable");
        Self { directory, text: String::new(), problems: Vec::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file, with its folders.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("writable");
        std::fs::write(path, bytes).expect("writable");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("readable")
    }

    /// Runs a command that must succeed, and returns what it prints; it is no part of the
    /// transcript.
    #[track_caller]
    pub(crate) fn prepare(&self, arguments: &str) -> Vec<u8> {
        let output =
            heartbit_command(&self.directory).args(arguments.split(' ')).output().expect("starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {error}");
        output.stdout
    }

    /// Runs a command that must fail with an exit code, and with a hint at what to do.
    #[track_caller]
    pub(crate) fn fails(&mut self, code: i32, arguments: &str) {
        self.fails_with(&[], code, arguments);
    }

    /// The same with environment variables.
    #[track_caller]
    pub(crate) fn fails_with(&mut self, variables: &[(&str, &str)], code: i32, arguments: &str) {
        let output = heartbit_command(&self.directory)
            .args(arguments.split(' '))
            .envs(variables.iter().copied())
            .output()
            .expect("starts");
        let folder = self.directory.path().canonicalize().expect("there");
        let error = String::from_utf8(output.stderr).expect("UTF-8");
        let error = error.replace(text(&folder), "DIR").replace(text(self.directory.path()), "DIR");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let error = without_names(&error.replace(text(&root), "HEARTBIT"));
        let has_hint = error.contains("\nhelp: ") || error.contains("try '--help'");
        for (holds, what) in [
            (output.status.code() == Some(code), format!("exit code {:?}", output.status.code())),
            (error.starts_with("error: "), "no error".to_owned()),
            (has_hint, "no word of what to do".to_owned()),
        ] {
            if !holds {
                self.problems.push(format!("{arguments} ({code} is expected): {what}: {error}"));
            }
        }
        let mut set = String::new();
        for (name, value) in variables {
            write!(set, "{name}={value} ").expect("a string");
        }
        let set = set.replace(text(self.directory.path()), "DIR");
        writeln!(self.text, "$ {set}heartbit {arguments}").expect("a string");
        self.text += &error;
        writeln!(self.text, "[exit code {code}]\n").expect("a string");
    }

    /// Compares everything with the transcript that is kept.
    #[track_caller]
    pub(crate) fn check(&self, expected: &ExpectFile) {
        assert!(self.problems.is_empty(), "{}", self.problems.join("\n"));
        expected.assert_eq(self.text.trim_end());
    }
}
