//! `fuzz`: random cases through several engines.

mod found;
#[cfg(test)]
mod tests;

use crate::args::{Format, FuzzArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::fuzz::{COMMAND, Report, Subject, describe};
use crate::output;
use crate::shard::Shard;
use crate::verdict::differences;
use heartbit_cases::campaign::{self, Tally};
use heartbit_cases::check::{Verdict, check_built, hush_findings};
use heartbit_cases::engine::{Engine, EngineKind, Tools};
use heartbit_cases::file::CaseFile;
use heartbit_cases::generate::Source;
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Networks of an array that is built.
const NETWORKS_OF_A_BUILD: usize = 64;
/// Groups of cases whose results are held at once.
const CHUNK: usize = 4096;
/// With the limit on `--first` and `--cases`, far from the end of the numbers.
const MOST_CASES: u64 = 1 << 40;

pub(crate) fn run(args: &FuzzArgs, format: Format) -> Outcome {
    run_fuzzer(&Fuzzer::new(args, EngineKind::engine)?, format)
}

fn run_fuzzer(fuzzer: &Fuzzer<'_>, format: Format) -> Outcome {
    hush_findings();
    if fuzzer.args.replay.is_empty() {
        return conclude(&fuzzer.report()?, format);
    }
    let replayed = fuzzer.replay()?;
    let passed = replayed.iter().all(|case| case.passed);
    let cases: Vec<Value> = replayed.iter().map(Replayed::json).collect();
    let verdict = if passed { "pass" } else { "fail" };
    let json = json!({ "schema": 1, "cases": cases, "verdict": verdict });
    output::result(format, &json, || replayed.iter().map(Replayed::text).collect())?;
    end(passed)
}

/// Writes a report and turns a finding into exit code 1.
pub(crate) fn conclude(report: &Report, format: Format) -> Outcome {
    output::result(format, &report.json(), || report.text())?;
    if report.found.is_none() && !report.passed() {
        return Err(Failure::new(Code::CheckFailed, "no network fits its hardware: nothing ran")
            .help("give more cases (`--cases`)"));
    }
    end(report.passed())
}

fn end(passed: bool) -> Outcome {
    if passed {
        return Ok(());
    }
    Err(Failure::new(Code::CheckFailed, "the engines disagree").help(
        "the first difference is named above; report it with the stored case, which \
         `heartbit fuzz --replay FILE` runs",
    ))
}

/// A stored case that was run.
struct Replayed {
    file: String,
    why: String,
    passed: bool,
    /// What is wrong.
    lines: Vec<String>,
}

impl Replayed {
    fn json(&self) -> Value {
        let verdict = if self.passed { "pass" } else { "fail" };
        json!({ "file": self.file, "why": self.why, "lines": self.lines, "verdict": verdict })
    }

    fn text(&self) -> String {
        let mark = if self.passed { "ok" } else { "FAIL" };
        let head = format!("{mark:<4}  {} ({})\n", self.file, self.why);
        self.lines.iter().fold(head, |text, line| text + "      " + line + "\n")
    }
}

/// Makes an engine.
type Make = fn(EngineKind, Option<&Tools>) -> Box<dyn Engine>;

/// Cases, and the engines that they run through.
struct Fuzzer<'a> {
    args: &'a FuzzArgs,
    kinds: Vec<EngineKind>,
    make: Make,
    source: Source,
    tools: Option<Tools>,
}

/// A group of cases that was run.
type Group = (Tally, Option<campaign::Failure>);

impl<'a> Fuzzer<'a> {
    fn new(args: &'a FuzzArgs, make: Make) -> Outcome<Self> {
        let mut kinds = args.engines.clone();
        kinds.sort_unstable();
        kinds.dedup();
        let is_built = kinds.contains(&EngineKind::Rtl);
        let by_default = if is_built { NETWORKS_OF_A_BUILD } else { 1 };
        let networks = args.networks.map_or(by_default, |n| n as usize);
        if !args.first.is_multiple_of(networks as u64) {
            let message = format!("case {} is inside a group of {networks} cases", args.first);
            return Err(Failure::new(Code::Usage, message)
                .help(format!("give `--first` a multiple of {networks} (`--networks`)")));
        }
        let max_channels = args.max_channels as usize;
        let source = Source { seed: args.seed, networks, max_channels };
        let tools = is_built.then(tools).transpose()?;
        Ok(Self { args, kinds, make, source, tools })
    }

    fn engines(&self, kinds: &[EngineKind]) -> Vec<Box<dyn Engine>> {
        kinds.iter().map(|&kind| (self.make)(kind, self.tools.as_ref())).collect()
    }

    /// Groups of this run, counted from its first one.
    fn groups(&self) -> Outcome<usize> {
        if self.args.minutes.is_some() {
            return Ok(usize::MAX);
        }
        let groups = self.args.cases.div_ceil(self.source.networks as u64);
        let groups = usize::try_from(groups).expect("bug: at most 2^40");
        let shard = self.args.shard.unwrap_or(Shard::WHOLE);
        if shard.count(groups) == 0 {
            let message = format!("shard {shard} of {groups} arrays has none");
            return Err(
                Failure::new(Code::Usage, message).help(format!("divide them among 1 to {groups}"))
            );
        }
        Ok(shard.count(groups))
    }

    /// The numbers of a group's cases.
    fn numbers(&self, group: usize) -> Range<u64> {
        let group = self.args.shard.unwrap_or(Shard::WHOLE).image(group) as u64;
        let networks = self.source.networks as u64;
        let most = if self.args.minutes.is_some() { MOST_CASES } else { self.args.cases };
        let (begin, end) = (group * networks, ((group + 1) * networks).min(most));
        self.args.first + begin..self.args.first + end
    }

    fn report(&self) -> Outcome<Report> {
        let started = Instant::now();
        let deadline = self.args.minutes.map(|minutes| started + Duration::from_secs(60 * minutes));
        let (tally, failure) = self.run(deadline)?;
        let found = failure.map(|failure| self.found(&failure)).transpose()?;
        let cases = if self.args.minutes.is_some() { tally.cases } else { self.args.cases };
        Ok(Report {
            subject: Subject {
                command: COMMAND.to_owned(),
                source: self.source,
                engines: self.kinds.clone(),
                first: self.args.first,
                cases,
            },
            shard: self.args.shard.filter(|shard| *shard != Shard::WHOLE),
            tally,
            found,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// Runs groups in parallel; what comes back is that of all groups up to the first that fails,
    /// or, after the deadline, that was not run.
    fn run(&self, deadline: Option<Instant>) -> Outcome<Group> {
        let groups = self.groups()?;
        let bar = match deadline {
            Some(_) => output::counter("fuzz"),
            None => output::progress("fuzz", self.cases_of(groups)),
        };
        let mut run = (Tally::default(), None);
        let mut first = 0;
        'groups: while first < groups {
            let chunk = first..groups.min(first.saturating_add(CHUNK));
            first = chunk.end;
            for group in self.chunk(chunk, deadline, &bar)? {
                let Some((tally, failure)) = group else { break 'groups };
                run.0.absorb(tally);
                if failure.is_some() {
                    run.1 = failure;
                    break 'groups;
                }
            }
        }
        bar.finish_and_clear();
        Ok(run)
    }

    /// Cases of so many groups of this run.
    fn cases_of(&self, groups: usize) -> usize {
        let cases = usize::try_from(self.args.cases).expect("bug: at most 2^40");
        cases.min(groups.saturating_mul(self.source.networks))
    }

    /// The groups up to the first that fails are all run, whatever the threads do.
    fn chunk(
        &self,
        groups: Range<usize>,
        deadline: Option<Instant>,
        bar: &ProgressBar,
    ) -> Outcome<Vec<Option<Group>>> {
        let failed = AtomicUsize::new(usize::MAX);
        groups
            .into_par_iter()
            .map(|group| {
                let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
                if is_over || group > failed.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                let mut engines = self.engines(&self.kinds);
                let progress = || bar.inc(1);
                let result =
                    campaign::run(self.source, self.numbers(group), &mut engines, progress)?;
                if result.1.is_some() {
                    failed.fetch_min(group, Ordering::Relaxed);
                }
                Ok(Some(result))
            })
            .collect()
    }

    fn replay(&self) -> Outcome<Vec<Replayed>> {
        self.args.replay.iter().map(|path| self.replay_file(path)).collect()
    }

    fn replay_file(&self, path: &Path) -> Outcome<Replayed> {
        let stored = read(path)?;
        let in_file = |failure: Failure| failure.context(format!("in `{}`", path.display()));
        let built = stored.build().map_err(|error| in_file(error.into()))?;
        let mut replayed = Replayed {
            file: path.display().to_string(),
            why: stored.why.clone(),
            passed: true,
            lines: vec![describe(&stored.case)],
        };
        if !stored.is_current() {
            replayed.lines.push(
                "the network is the file's own: today's generator makes another of its numbers"
                    .to_owned(),
            );
        }
        let verdict = check_built(built.clone(), &mut self.engines(&self.kinds))?;
        if let Verdict::Found(finding) = verdict {
            replayed.passed = false;
            let divergence = self.locate(built, &finding)?;
            match &divergence {
                Some(divergence) => replayed.lines.extend(differences(Some(divergence), None)),
                None => replayed.lines.push(finding.to_string()),
            }
        }
        Ok(replayed)
    }
}

/// Verilator, for models of arrays that nobody asks for again.
fn tools() -> Outcome<Tools> {
    Tools::detect()?.with_temporary_models().map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context("cannot create a temporary directory")
            .help("set TMPDIR to a directory that you may write to")
    })
}

/// Reads a stored case.
fn read(path: &Path) -> Outcome<CaseFile> {
    const HELP: &str = "give a case that `heartbit fuzz` stored";
    let bytes = crate::inputs::bytes(path, HELP)?;
    CaseFile::from_json(&bytes)
        .map_err(|error| Failure::from(error).context(format!("cannot use `{}`", path.display())))
}
