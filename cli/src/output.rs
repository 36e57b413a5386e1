//! Writes results: text for people, JSON for scripts, progress on standard error.

use crate::args::Format;
use crate::failure::{Code, Failure, Outcome};
pub(crate) use heartbit_report::number::{grouped, percent, share};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

/// Breaks a sentence that is longer than a terminal of 80 columns is wide.
pub(crate) fn wrapped(text: &str) -> String {
    const COLUMNS: usize = 80;
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let n = word.chars().count();
        if width > 0 && width + 1 + n > COLUMNS {
            lines.push_str("\n  ");
            width = 2;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += n;
    }
    lines
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

/// Whether progress is left out (`--quiet`).
static QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves progress out, or not, from now on.
pub(crate) fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Counts what has no known end.
pub(crate) fn counter(what: &'static str) -> ProgressBar {
    bar(None, "{msg:<14} {pos}  {per_sec}  {elapsed}").with_message(what)
}

/// A bar that is shown on a terminal only, unless progress is left out.
pub(crate) fn bar(n: Option<u64>, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("bug: the template is fixed");
    let is_quiet = QUIET.load(Ordering::Relaxed);
    let target = if is_quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    ProgressBar::with_draw_target(n, target).with_style(style)
}

/// A progress bar with the time that is left.
pub(crate) fn progress(what: &'static str, n: usize) -> ProgressBar {
    let template = "{msg:<14} {bar:24} {pos}/{len}  {per_sec}  {eta} left";
    bar(Some(n as u64), template).with_message(what)
}

/// Says that something is being done of which nobody knows how long it takes, and since when.
pub(crate) fn spinner(what: &'static str) -> ProgressBar {
    let spinner = bar(None, "{spinner} {msg}, {elapsed} so far").with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

/// A table of texts.
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

    /// The table with numbers: columns but the first are right-aligned.
    pub(crate) fn render(&self) -> String {
        self.aligned(|column| column == 0)
    }

    /// The table with words: all columns are left-aligned.
    pub(crate) fn render_left(&self) -> String {
        self.aligned(|_| true)
    }

    fn aligned(&self, is_left: impl Fn(usize) -> bool) -> String {
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
                    if is_left(i) { format!("{c:<width$}") } else { format!("{c:>width$}") }
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

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn long_sentences_are_broken_between_words() {
        let text = "word ".repeat(40);
        let lines = wrapped(text.trim());
        assert!(lines.lines().all(|line| line.chars().count() <= 80), "{lines}");
        assert_eq!(lines.split_whitespace().count(), 40);
        assert_eq!(wrapped("short"), "short");
    }
}
