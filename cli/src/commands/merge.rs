//! `merge`: the results of shards as the result of the whole.

use super::{fuzz, sim, verify};
use crate::args::{Format, MergeArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::fuzz as fuzzed;
use crate::inputs;
use crate::ladder::Report;
use crate::output;
use crate::shard::Shard;
use crate::verdict::Verdict;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What `--format json` of one shard is.
enum Part {
    Verify(Box<Report>),
    Engine(Box<Verdict>),
    Fuzz(Box<fuzzed::Report>),
}

pub(crate) fn run(args: &MergeArgs, format: Format) -> Outcome {
    let parts: Vec<(&Path, Part)> =
        args.files.iter().map(|path| Ok((path.as_path(), read(path)?))).collect::<Outcome<_>>()?;
    match merged(parts)? {
        Part::Verify(report) => verify::conclude(&report, args.junit.as_deref(), format),
        Part::Engine(_) | Part::Fuzz(_) if args.junit.is_some() => {
            Err(Failure::new(Code::Usage, "these are not results of `heartbit verify`")
                .help("leave `--junit` out, or run `heartbit verify`"))
        }
        Part::Engine(verdict) => {
            output::result(format, &verdict.json(), || verdict.text())?;
            sim::conclude(verdict.passed())
        }
        Part::Fuzz(report) => fuzz::conclude(&report, format),
    }
}

/// Whether texts are the results of all shards of one run, which can be printed; what is wrong if
/// not.
///
/// # Errors
/// The message of `heartbit merge`.
pub fn check(results: &[&[u8]]) -> Result<(), String> {
    let path = Path::new("a result");
    let parse = |text: &&[u8]| Ok((path, parse(path, text)?));
    let whole = results.iter().map(parse).collect::<Outcome<_>>().and_then(merged);
    let print = |whole: Part| match whole {
        Part::Verify(report) => report.text() + &report.json().to_string(),
        Part::Engine(verdict) => verdict.text() + &verdict.json().to_string(),
        Part::Fuzz(report) => report.text() + &report.json().to_string(),
    };
    whole.map(print).map(drop).map_err(|failure| failure.message())
}

/// The result of the whole from those of all shards, at least one.
fn merged(mut parts: Vec<(&Path, Part)>) -> Outcome<Part> {
    let (first, rest) = parts.split_first().expect("bug: the command line asks for a file");
    check_shards(&parts)?;
    check_subjects(first, rest)?;
    parts.sort_by_key(|(_, part)| part.shard());
    let mut parts = parts.into_iter().map(|(_, part)| part);
    let mut whole = parts.next().expect("bug: there is one");
    parts.for_each(|part| whole.absorb(part));
    whole.unsharded();
    Ok(whole)
}

impl Part {
    fn shard(&self) -> Shard {
        let shard = match self {
            Part::Verify(report) => report.shard,
            Part::Engine(verdict) => verdict.shard,
            Part::Fuzz(report) => report.shard,
        };
        shard.unwrap_or(Shard::WHOLE)
    }

    /// All shards are in it.
    fn unsharded(&mut self) {
        match self {
            Part::Verify(report) => report.shard = None,
            Part::Engine(verdict) => verdict.shard = None,
            Part::Fuzz(report) => report.shard = None,
        }
    }

    /// What has to be equal in all shards.
    fn subject(&self) -> Value {
        let value = match self {
            Part::Verify(report) => serde_json::to_value((&report.subject, report.bounds)),
            Part::Engine(verdict) => serde_json::to_value((&verdict.subject, ())),
            Part::Fuzz(report) => serde_json::to_value((&report.subject, ())),
        };
        value.expect("bug: plain data")
    }

    fn absorb(&mut self, other: Self) {
        match (self, other) {
            (Part::Verify(mine), Part::Verify(other)) => mine.absorb(*other),
            (Part::Engine(mine), Part::Engine(other)) => mine.absorb(*other),
            (Part::Fuzz(mine), Part::Fuzz(other)) => mine.absorb(*other),
            _ => unreachable!("bug: their subjects are equal"),
        }
    }
}

/// What can be merged.
const HELP: &str =
    "give what `heartbit verify`, `sim`, `cosim` or `fuzz` printed with `--format json`";

fn read(path: &Path) -> Outcome<Part> {
    parse(path, &inputs::bytes(path, HELP)?)
}

/// Reads a result; `path` is for messages only.
fn parse(path: &Path, text: &[u8]) -> Outcome<Part> {
    let bad = |message: String| Failure::new(Code::BadInput, message).help(HELP);
    let in_file = |error: serde_json::Error| {
        bad(error.to_string()).context(format!("cannot use `{}`", path.display()))
    };
    let value: Value = serde_json::from_slice(text).map_err(in_file)?;
    if value["schema"] != 1 {
        return Err(bad(format!("`{}` is no result of this version (schema 1)", path.display())));
    }
    match value["subject"]["command"].as_str() {
        Some("verify") => Ok(Part::Verify(serde_json::from_value(value).map_err(in_file)?)),
        Some("sim" | "cosim") => Ok(Part::Engine(serde_json::from_value(value).map_err(in_file)?)),
        Some(fuzzed::COMMAND) => Ok(Part::Fuzz(serde_json::from_value(value).map_err(in_file)?)),
        _ => Err(bad(format!("`{}` is no result of images", path.display()))),
    }
}

/// Every shard is there, once.
fn check_shards(parts: &[(&Path, Part)]) -> Outcome {
    let of = parts[0].1.shard().of;
    let bad = |message: String| {
        Failure::new(Code::BadInput, message)
            .help(format!("give the results of the shards 1/{of} to {of}/{of}, each once"))
    };
    // A file may say any number of shards.
    let mut seen: BTreeMap<usize, &Path> = BTreeMap::new();
    for (path, part) in parts {
        let shard = part.shard();
        let path = *path;
        if shard.of != of || shard.number == 0 || shard.number > of {
            let message = format!("`{}` is shard {shard}, others are of {of}", path.display());
            return Err(bad(message));
        }
        if let Some(other) = seen.insert(shard.number, path) {
            let (one, other) = (other.display(), path.display());
            return Err(bad(format!("`{one}` and `{other}` are both shard {shard}")));
        }
    }
    match (1..=of).find(|number| !seen.contains_key(number)) {
        Some(missing) => Err(bad(format!("shard {missing}/{of} is missing"))),
        None => Ok(()),
    }
}

fn check_subjects(first: &(&Path, Part), rest: &[(&Path, Part)]) -> Outcome {
    let subject = first.1.subject();
    for (path, part) in rest {
        let other = part.subject();
        if other != subject {
            let (one, path) = (first.0.display(), path.display());
            let message = format!("`{one}` is of {subject}, but `{path}` of {other}");
            return Err(Failure::new(Code::BadInput, message).help(
                "give shards of one run: the same command, network, array, images and bounds",
            ));
        }
    }
    Ok(())
}
