//! Runs outside tools and keeps what they print.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::Error;

/// How much of a tool's output an error keeps.
const TAIL_BYTES: usize = 8 * 1024;

/// A command with no input and messages in English.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env("LC_ALL", "C");
    command
}

/// Runs `program` and returns what it wrote to standard output, trimmed.
pub(crate) fn query<S: AsRef<OsStr>>(program: &Path, arguments: &[S]) -> io::Result<String> {
    let output = command(program).args(arguments).output()?;
    if !output.status.success() {
        return Err(io::Error::other(tail(&output)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs `command`; `missing` makes the error for a program that does not start.
pub(crate) fn run(
    command: &mut Command,
    tool: &'static str,
    step: &'static str,
    subject: &str,
    missing: impl FnOnce() -> Error,
) -> Result<Output, Error> {
    let output = command.output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => missing(),
        _ => Error::Io { action: "run", path: command.get_program().into(), source },
    })?;
    if output.status.success() {
        return Ok(output);
    }
    Err(failure(&output, tool, step, subject))
}

/// The error of a tool that ran and was not content.
pub(crate) fn failure(
    output: &Output,
    tool: &'static str,
    step: &'static str,
    subject: &str,
) -> Error {
    Error::ToolFailed {
        tool,
        step,
        subject: subject.to_owned(),
        status: output.status.to_string(),
        stderr: tail(output),
    }
}

/// The end of what the tool printed: standard error, or standard output when that is empty.
fn tail(output: &Output) -> String {
    let bytes = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end();
    let mut start = text.len().saturating_sub(TAIL_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    if start > 0 {
        start = text[start..].find('\n').map_or(start, |newline| start + newline + 1);
    }
    text[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn tail_keeps_whole_lines_of_long_output() {
        let text = "line of the tool\n".repeat(10_000) + "line last";
        let output = Output {
            status: std::process::ExitStatus::from_raw(256),
            stdout: Vec::new(),
            stderr: text.into_bytes(),
        };
        let kept = tail(&output);
        assert!(kept.len() <= TAIL_BYTES && kept.ends_with("line last"));
        assert!(kept.starts_with("line of the tool\n"));
    }
}
