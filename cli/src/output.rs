//! Writes results: text for people, JSON for scripts, progress on standard error.

use crate::args::Format;
use crate::failure::{Code, Failure, Outcome};
pub(crate) use heartbit_report::number::{grouped, percent, share};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Prints a line of data; a closed pipe ends the program quietly.
pub(crate) fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::from_error(Code::BadInput, error)
            .context("cannot write to standard output")
            .help("free some space, or redirect the output elsewhere")),
        Ok(()) => Ok(()),
    }
}

/// Prints a result in the chosen format; the text is made only when it is wanted.
pub(crate) fn result(format: Format, json: &Value, text: impl FnOnce() -> String) -> Outcome {
    match format {
        Format::Json => {
            print(&(serde_json::to_string_pretty(json).expect("bug: plain data") + "\n"))
        }
        Format::Text => print(&text()),
    }
}

/// Prints a line on standard error, terminal or not; nobody need be reading.
#[cfg(feature = "train")]
pub(crate) fn note(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// A progress bar that is shown on a terminal only.
pub(crate) fn progress(what: &'static str, n: usize) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg:<14} {bar:30} {pos}/{len}  {per_sec}  {eta} left")
            .expect("bug: the template is fixed");
    ProgressBar::new(n as u64).with_style(style).with_message(what)
}

/// A table with left-aligned first and right-aligned other columns.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(titles: &[&str]) -> Self {
        Self { rows: vec![titles.iter().map(|t| (*t).to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn render(&self) -> String {
        let n = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &Vec<String>, i: usize| row.get(i).map_or(0, |c| c.chars().count());
        let widths: Vec<usize> =
            (0..n).map(|i| self.rows.iter().map(|r| cell(r, i)).max().unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .enumerate()
                .map(|(i, c)| {
                    let width = widths[i];
                    if i == 0 { format!("{c:<width$}") } else { format!("{c:>width$}") }
                })
                .collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// Refuses a file that could not be written after hours of work.
pub(crate) fn check_writable(out: &Path) -> Outcome {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::Builder::new()
        .prefix(".heartbit-")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map(drop);
    file.map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot write `{}`", out.display()))
            .help("check that the directory exists and that you may write to it")
    })
}
