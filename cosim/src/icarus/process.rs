//! The process that runs a compiled test bench, and the lines that it says.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::Error;
use crate::process::command;

/// What `iverilog` writes.
pub(super) const PRODUCT: &str = "bench.vvp";
/// What the process writes to standard error.
const ERRORS: &str = "errors.txt";

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Outputs after a cycle in which a strobe was 1, lowest word first; unknown bits are 0.
    Record { cycle: u64, outputs: Vec<u32> },
    /// Outputs after the last cycle of a command.
    End { cycles: u64, is_stopped: bool, outputs: Vec<u32> },
    /// A name of what is not known.
    Unknown { cycle: u64, signal: String },
}

/// A test bench that runs.
#[derive(Debug)]
pub(super) struct Process {
    top: String,
    child: Child,
    /// `None` once it was told to end.
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
    errors: PathBuf,
}

impl Process {
    /// Starts the product in a directory, with a waveform if one is wanted.
    pub(super) fn start(
        vvp: &Path,
        directory: &Path,
        top: &str,
        trace: Option<&Path>,
        missing: impl FnOnce() -> Error,
    ) -> Result<Self, Error> {
        let errors = directory.join(ERRORS);
        let file = File::create(&errors).map_err(Error::io("create", &errors))?;
        let product = directory.join(PRODUCT);
        let mut vvp = command(vvp);
        // Not to stop for a prompt.
        vvp.arg("-n").arg(&product).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        if let Some(path) = trace {
            let mut argument = std::ffi::OsString::from("+trace=");
            argument.push(path);
            vvp.arg("-fst").arg(argument);
        }
        let mut child = vvp.spawn().map_err(|_| missing())?;
        let input = child.stdin.take().map(BufWriter::new);
        let output = BufReader::new(child.stdout.take().expect("bug: it is piped"));
        Ok(Self { top: top.to_owned(), child, input, output, errors })
    }

    /// Says a line.
    pub(super) fn send(&mut self, line: &str) -> Result<(), Error> {
        let Some(input) = &mut self.input else { return Err(self.ended()) };
        writeln!(input, "{line}").map_err(|_| self.ended())
    }

    /// Takes a line.
    pub(super) fn receive(&mut self) -> Result<Answer, Error> {
        if let Some(input) = &mut self.input
            && self.output.buffer().is_empty()
        {
            input.flush().map_err(|_| self.ended())?;
        }
        let mut line = String::new();
        loop {
            line.clear();
            match self.output.read_line(&mut line) {
                // The simulator's own word on a waveform.
                Ok(n) if n > 0 && line.starts_with("FST ") => {}
                Ok(n) if n > 0 => return parse(line.trim_end()).ok_or_else(|| self.failed(line)),
                _ => return Err(self.ended()),
            }
        }
    }

    /// Why it does not run any more.
    fn ended(&mut self) -> Error {
        self.input = None;
        let status = self.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
        let said = std::fs::read_to_string(&self.errors).unwrap_or_default();
        self.failure(status, said)
    }

    /// A line that no test bench says: the design's own, or an error of the simulator.
    fn failed(&mut self, line: String) -> Error {
        self.failure("unexpected output".to_owned(), line)
    }

    fn failure(&self, status: String, stderr: String) -> Error {
        let (tool, step) = ("icarus", "run");
        Error::ToolFailed { tool, step, subject: self.top.clone(), status, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input ends it, once what it says has gone; a waveform is then complete.
        self.input = None;
        let _ = io::copy(&mut self.output, &mut io::sink());
        let _ = self.child.wait();
    }
}

fn parse(line: &str) -> Option<Answer> {
    let (kind, rest) = line.split_once(' ')?;
    let (number, rest) = rest.split_once(' ')?;
    let number = number.parse().ok()?;
    Some(match kind {
        "R" => Answer::Record { cycle: number, outputs: words(rest)? },
        "X" => Answer::Unknown { cycle: number, signal: rest.to_owned() },
        "S" => {
            let (stopped, outputs) = rest.split_once(' ')?;
            Answer::End { cycles: number, is_stopped: stopped == "1", outputs: words(outputs)? }
        }
        _ => return None,
    })
}

/// Reads a number, lowest word first.
fn words(text: &str) -> Option<Vec<u32>> {
    let (radix, word_digits, digits) = match text.split_at_checked(1)? {
        ("h", digits) => (16, 8, digits.to_owned()),
        ("b", digits) => (2, 32, digits.replace(['x', 'z'], "0")),
        _ => return None,
    };
    let words = digits.as_bytes().rchunks(word_digits);
    words.map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, radix).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Answer, parse};

    #[test]
    fn lines_are_read_with_the_lowest_word_first() {
        let record = Answer::Record { cycle: 7, outputs: vec![0x89ab_cdef, 0x123_4567] };
        assert_eq!(parse("R 7 h123456789abcdef"), Some(record));
        let end = Answer::End { cycles: 2, is_stopped: true, outputs: vec![0b1001] };
        assert_eq!(parse("S 2 1 bz1x01"), Some(end));
        let unknown = Answer::Unknown { cycle: 3, signal: "top.a: enable of `b`".to_owned() };
        assert_eq!(parse("X 3 top.a: enable of `b`"), Some(unknown));
        for line in ["", "R", "R x h0", "S 1 h0", "Q 1 h0", "R 1 0"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
