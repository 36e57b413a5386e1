//! `merge`: the results of shards as the result of the whole.

use super::{sim, verify};
use crate::args::{Format, MergeArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::inputs;
use crate::ladder::Report;
use crate::output;
use crate::shard::Shard;
use crate::verdict::Verdict;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What `--format json` of one shard is.
enum Part {
    Verify(Box<Report>),
    Engine(Box<Verdict>),
}

pub(crate) fn run(args: &MergeArgs, format: Format) -> Outcome {
    let parts: Vec<(&PathBuf, Part)> =
        args.files.iter().map(|path| Ok((path, read(path)?))).collect::<Outcome<_>>()?;
    check_shards(&parts)?;
    let (first, rest) = parts.split_first().expect("bug: the command line asks for a file");
    check_subjects(first, rest)?;
    let mut parts = parts;
    parts.sort_by_key(|(_, part)| part.shard());
    let mut parts = parts.into_iter().map(|(_, part)| part);
    let mut whole = parts.next().expect("bug: there is one");
    parts.for_each(|part| whole.absorb(part));
    match whole {
        Part::Verify(report) => {
            verify::conclude(&Report { shard: None, ..*report }, args.junit.as_deref(), format, "")
        }
        Part::Engine(_) if args.junit.is_some() => {
            Err(Failure::new(Code::Usage, "these are not results of `heartbit verify`")
                .help("leave `--junit` out, or run `heartbit verify`"))
        }
        Part::Engine(verdict) => {
            let verdict = Verdict { shard: None, ..*verdict };
            output::result(format, &verdict.json(), || verdict.text())?;
            sim::conclude(verdict.passed())
        }
    }
}

impl Part {
    fn shard(&self) -> Shard {
        let shard = match self {
            Part::Verify(report) => report.shard,
            Part::Engine(verdict) => verdict.shard,
        };
        shard.unwrap_or(Shard::WHOLE)
    }

    /// What has to be equal in all shards.
    fn subject(&self) -> Value {
        let value = match self {
            Part::Verify(report) => serde_json::to_value((&report.subject, report.bounds)),
            Part::Engine(verdict) => serde_json::to_value((&verdict.subject, ())),
        };
        value.expect("bug: plain data")
    }

    fn absorb(&mut self, other: Self) {
        match (self, other) {
            (Part::Verify(mine), Part::Verify(other)) => mine.absorb(*other),
            (Part::Engine(mine), Part::Engine(other)) => mine.absorb(*other),
            _ => unreachable!("bug: their subjects are equal"),
        }
    }
}

fn read(path: &Path) -> Outcome<Part> {
    const HELP: &str = "give what `heartbit verify`, `sim` or `cosim` printed with `--format json`";
    let bad = |message: String| Failure::new(Code::BadInput, message).help(HELP);
    let bytes = inputs::bytes(path, HELP)?;
    let in_file = |error: serde_json::Error| {
        bad(error.to_string()).context(format!("cannot use `{}`", path.display()))
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(in_file)?;
    if value["schema"] != 1 {
        return Err(bad(format!("`{}` is no result of this version (schema 1)", path.display())));
    }
    match value["subject"]["command"].as_str() {
        Some("verify") => Ok(Part::Verify(serde_json::from_value(value).map_err(in_file)?)),
        Some("sim" | "cosim") => Ok(Part::Engine(serde_json::from_value(value).map_err(in_file)?)),
        _ => Err(bad(format!("`{}` is no result of images", path.display()))),
    }
}

/// Every shard is there, once.
fn check_shards(parts: &[(&PathBuf, Part)]) -> Outcome {
    let of = parts[0].1.shard().of;
    let bad = |message: String| {
        Failure::new(Code::BadInput, message)
            .help(format!("give the results of the shards 1/{of} to {of}/{of}, each once"))
    };
    let mut seen: Vec<Option<&PathBuf>> = vec![None; of];
    for (path, part) in parts {
        let shard = part.shard();
        let path = *path;
        if shard.of != of || shard.number == 0 || shard.number > of {
            let message = format!("`{}` is shard {shard}, others are of {of}", path.display());
            return Err(bad(message));
        }
        if let Some(other) = seen[shard.number - 1].replace(path) {
            let (one, other) = (other.display(), path.display());
            return Err(bad(format!("`{one}` and `{other}` are both shard {shard}")));
        }
    }
    match seen.iter().position(Option::is_none) {
        Some(missing) => Err(bad(format!("shard {}/{of} is missing", missing + 1))),
        None => Ok(()),
    }
}

fn check_subjects(first: &(&PathBuf, Part), rest: &[(&PathBuf, Part)]) -> Outcome {
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
