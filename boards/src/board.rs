//! Board files: what an FPGA board has, as far as the choice of an array needs it.
//!
//! A file holds a title, the device, its family, the clock that is assumed, the capacities in the
//! units of the resource model, and where each number is from. All problems of a file are reported
//! at once, each with its line. The files of `boards/data` are built in.

use heartbit_compiler::resources::Family;
use heartbit_compiler::search::fit::Capacity;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// A board.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// The name on the command line: that of its file.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// The FPGA, as its vendor writes it.
    pub device: String,
    /// Its family, as the file names it.
    pub family: String,
    /// The family of the resource model; `None` where there is no model.
    pub model: Option<Family>,
    /// The clock that is assumed, in MHz.
    pub clock_mhz: f64,
    /// Capacities.
    pub capacity: Capacity,
    /// Where the capacities are from.
    pub capacity_source: String,
    /// Where the clock is from.
    pub clock_source: String,
}

/// Families of boards that no resource model covers yet.
const UNMODELLED: [&str; 2] = ["xcup", "cyclone5"];

/// Names and texts of the built-in boards, by name.
const BOARDS: [(&str, &str); 13] = [
    ("arty-a7-100", include_str!("../data/arty-a7-100.toml")),
    ("arty-a7-35", include_str!("../data/arty-a7-35.toml")),
    ("colorlight-i5", include_str!("../data/colorlight-i5.toml")),
    ("de10-nano", include_str!("../data/de10-nano.toml")),
    ("hx8k", include_str!("../data/hx8k.toml")),
    ("icebreaker", include_str!("../data/icebreaker.toml")),
    ("kv260", include_str!("../data/kv260.toml")),
    ("orangecrab-25f", include_str!("../data/orangecrab-25f.toml")),
    ("pynq-z2", include_str!("../data/pynq-z2.toml")),
    ("tang-nano-20k", include_str!("../data/tang-nano-20k.toml")),
    ("tang-nano-9k", include_str!("../data/tang-nano-9k.toml")),
    ("ulx3s-25f", include_str!("../data/ulx3s-25f.toml")),
    ("ulx3s-85f", include_str!("../data/ulx3s-85f.toml")),
];

/// Why there is no such board.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoardError {
    /// No built-in board has the name.
    #[error("there is no board `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The file cannot be read.
    #[error("cannot read the board file `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// The file breaks rules.
    #[error("the board file `{file}` is not valid: {}",
        .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// The file.
        file: String,
        /// All problems, by line.
        problems: Vec<Problem>,
    },
}

/// A rule that a board file breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The rule.
    pub rule: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.rule)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: Spanned<String>,
    device: Spanned<String>,
    family: Spanned<String>,
    clock_mhz: Spanned<f64>,
    capacity: FileCapacity,
    source: FileSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCapacity {
    lut: Spanned<u64>,
    ff: Spanned<u64>,
    bram: Spanned<u64>,
    dsp: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSource {
    capacity: Spanned<String>,
    clock: Spanned<String>,
}

/// All built-in boards, by name.
pub fn boards() -> Vec<Board> {
    let read = |(name, text): (&str, &str)| {
        parse(name, name, text).expect("bug: a built-in board file is not valid")
    };
    BOARDS.into_iter().map(read).collect()
}

impl Board {
    /// The built-in board of a name, or that of a file whose name ends in `.toml`.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn find(name: &str) -> Result<Self, BoardError> {
        let path = Path::new(name);
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(path)
                .map_err(|source| BoardError::Io { path: path.to_owned(), source })?;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            return parse(&stem, name, &text);
        }
        boards()
            .into_iter()
            .find(|board| board.name == name)
            .ok_or_else(|| BoardError::Unknown { name: name.to_owned() })
    }
}

fn parse(name: &str, file: &str, text: &str) -> Result<Board, BoardError> {
    let line = |offset: usize| 1 + text[..offset.min(text.len())].matches('\n').count();
    let invalid = |problems| BoardError::Invalid { file: file.to_owned(), problems };
    let read: File = toml::from_str(text).map_err(|error| {
        let line = line(error.span().map_or(0, |span| span.start));
        invalid(vec![Problem { line, rule: error.message().to_owned() }])
    })?;
    let mut problems = Vec::new();
    let mut check = |at: usize, holds: bool, rule: String| {
        if !holds {
            problems.push(Problem { line: line(at), rule });
        }
    };
    for text in [&read.title, &read.device, &read.source.capacity, &read.source.clock] {
        check(text.span().start, !text.get_ref().trim().is_empty(), "the text is empty".into());
    }
    let family = read.family.get_ref();
    let model: Option<Family> = family.parse().ok();
    let known = model.is_some() || UNMODELLED.contains(&family.as_str());
    let names: Vec<_> = Family::ALL.map(Family::name).into_iter().chain(UNMODELLED).collect();
    let rule = format!("`{family}` is no family: {}", names.join(", "));
    check(read.family.span().start, known, rule);
    let clock = *read.clock_mhz.get_ref();
    let rule = format!("a clock is more than 0 and at most 1000 MHz, not {clock}");
    check(read.clock_mhz.span().start, clock > 0.0 && clock <= 1000.0, rule);
    for (what, n) in
        [("lut", &read.capacity.lut), ("ff", &read.capacity.ff), ("bram", &read.capacity.bram)]
    {
        check(n.span().start, *n.get_ref() > 0, format!("an FPGA has at least one `{what}`"));
    }
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.line);
        return Err(invalid(problems));
    }
    Ok(Board {
        name: name.to_owned(),
        title: read.title.into_inner(),
        device: read.device.into_inner(),
        family: read.family.into_inner(),
        model,
        clock_mhz: clock,
        capacity: Capacity {
            lut: Some(read.capacity.lut.into_inner()),
            ff: Some(read.capacity.ff.into_inner()),
            bram: Some(read.capacity.bram.into_inner()),
            dsp: Some(read.capacity.dsp),
        },
        capacity_source: read.source.capacity.into_inner(),
        clock_source: read.source.clock.into_inner(),
    })
}

#[cfg(test)]
mod tests {
    use super::{BOARDS, BoardError, boards, parse};

    fn text(from: &str, to: &str) -> String {
        let (_, text) = BOARDS.into_iter().find(|(name, _)| *name == "ulx3s-85f").expect("there");
        assert!(text.contains(from), "`{from}` is not in the file");
        text.replace(from, to)
    }

    #[track_caller]
    fn check(from: &str, to: &str, expected: &[(usize, &str)]) {
        let error = parse("x", "x.toml", &text(from, to)).expect_err("it is not valid");
        let BoardError::Invalid { problems, .. } = error else { panic!("{error}") };
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, (line, words)) in problems.iter().zip(expected) {
            assert_eq!(problem.line, *line, "{problem}");
            assert!(problem.rule.contains(words), "{problem}");
        }
    }

    #[test]
    fn built_in_boards_are_valid_and_sorted() {
        let boards = boards();
        assert!(boards.is_sorted_by(|a, b| a.name < b.name));
        assert!(boards.iter().any(|board| board.model.is_none()), "some have no model");
    }

    #[test]
    fn problems_have_lines_and_rules() {
        check("\"ecp5\"", "\"spartan\"", &[(4, "no family: ice40, ecp5, gowin, xc7, xcup")]);
        check("clock_mhz = 60", "clock_mhz = -1", &[(5, "more than 0")]);
        check("clock_mhz = 60", "clock_mhz = nan", &[(5, "more than 0")]);
        check("clock_mhz = 60", "speed = 60", &[(5, "unknown field")]);
        check("lut = 83640", "lut = 0", &[(8, "at least one `lut`")]);
        check("lut = 83640", "lut = -4", &[(8, "")]);
        check("dsp = 156", "", &[(7, "missing field `dsp`")]);
        check("title = \"ULX3S 85F\"", "title = \" \"", &[(2, "empty")]);
        check("[source]", "[source", &[(13, "")]);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let text = text("lut = 83640", "lut = 0").replace("\"ecp5\"", "\"\"");
        let error = parse("x", "x.toml", &text).expect_err("it is not valid").to_string();
        assert!(error.contains("line 4: ") && error.contains("line 8: "), "{error}");
    }
}
