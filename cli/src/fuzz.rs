//! What a run of the fuzzer found, as text and as JSON.
//!
//! Not here: running it (`commands::fuzz`).

use crate::output::{Table, grouped};
use crate::shard::Shard;
use crate::verdict::{Divergence, differences, rate};
use heartbit_cases::campaign::Tally;
use heartbit_cases::case::Case;
use heartbit_cases::check::Finding;
use heartbit_cases::engine::EngineKind;
use heartbit_cases::generate::Source;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The command's name in results.
pub(crate) const COMMAND: &str = "fuzz";

/// Which cases a result is of: results of others are not merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subject {
    pub(crate) command: String,
    pub(crate) source: Source,
    pub(crate) engines: Vec<EngineKind>,
    /// Number of the first case.
    pub(crate) first: u64,
    /// Cases of all shards.
    pub(crate) cases: u64,
}

/// A case that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Found {
    /// Its number.
    pub(crate) number: u64,
    /// What was wrong with it.
    pub(crate) finding: Finding,
    /// What was left of it.
    pub(crate) smallest: Case,
    /// What is wrong with that.
    pub(crate) remaining: Finding,
    /// Cases that were run to make it smaller.
    pub(crate) runs: usize,
    /// Where it is stored.
    pub(crate) file: PathBuf,
    /// Where it differs, if a tensor does.
    pub(crate) first_divergence: Option<Divergence>,
}

/// What a run found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) subject: Subject,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<Shard>,
    pub(crate) tally: Tally,
    pub(crate) found: Option<Found>,
    pub(crate) seconds: f64,
}

impl Report {
    /// Whether something ran, and nothing differed.
    pub(crate) fn passed(&self) -> bool {
        self.found.is_none() && self.tally.layers > 0
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = serde_json::to_value(self).expect("bug: plain data");
        json["schema"] = json!(1);
        json["verdict"] = json!(if self.passed() { "pass" } else { "fail" });
        json
    }

    pub(crate) fn text(&self) -> String {
        let Self { subject, tally, .. } = self;
        let engines: Vec<&str> = subject.engines.iter().map(|kind| kind.name()).collect();
        let shard = self.shard.map_or(String::new(), |shard| format!("shard {shard}: "));
        let cases = usize::try_from(tally.cases).unwrap_or(usize::MAX);
        let mut lines = vec![
            format!(
                "{shard}{} cases from number {} of seed {} through {}, {:.1} a second",
                grouped(tally.cases),
                grouped(subject.first),
                subject.source.seed,
                engines.join(", "),
                rate(cases, self.seconds)
            ),
            format!(
                "{} layers, {} images; {} tensors, {} elements compared with the interpreter",
                grouped(tally.layers),
                grouped(tally.images),
                grouped(tally.tensors),
                grouped(tally.elements)
            ),
        ];
        if tally.unfit > 0 {
            let unfit = grouped(tally.unfit);
            lines.push(format!("not run, because the network does not fit: {unfit} cases"));
        }
        let mut table = Table::new(&["with", "cases"]);
        for (feature, &cases) in &tally.features {
            table.row(vec![feature.clone(), grouped(cases)]);
        }
        lines.push(table.render());
        lines.extend(self.found.iter().flat_map(Found::lines));
        lines.push(format!("verdict: {}\n", if self.passed() { "pass" } else { "FAIL" }));
        lines.join("\n")
    }

    /// Adds the report of another shard.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.tally.absorb(other.tally);
        self.seconds += other.seconds;
        let found = self.found.take().into_iter().chain(other.found);
        self.found = found.min_by_key(|found| found.number);
    }
}

impl Found {
    fn lines(&self) -> Vec<String> {
        let Self { number, finding, smallest, remaining, runs, file, first_divergence } = self;
        let mut lines = vec![
            format!("case {number} fails: {finding}"),
            format!("smallest in {runs} runs: {}", describe(smallest)),
        ];
        match first_divergence {
            Some(divergence) => lines.extend(differences(Some(divergence), None)),
            None => lines.push(format!("  {remaining}")),
        }
        lines.push(format!("stored, to run with `--replay`: {}", file.display()));
        lines
    }
}

/// A case in a line.
pub(crate) fn describe(case: &Case) -> String {
    let (problem, hardware) = (&case.problem, &case.hardware);
    format!(
        "image {}x{}x{}, stem, {} blocks, head; array {}{}",
        problem.height,
        problem.width,
        problem.image_channels,
        problem.blocks.len(),
        hardware.shape(),
        if hardware.extended { ", extended" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use super::{COMMAND, Found, Report, Subject};
    use heartbit_cases::campaign::Tally;
    use heartbit_cases::check::{Finding, Kind};
    use heartbit_cases::generate::Source;

    fn report(found: Option<u64>) -> Report {
        let source = Source { seed: 7, networks: 1, max_channels: 4 };
        let finding = Finding {
            engine: "simulator".to_owned(),
            image: 1,
            kind: Kind::Panicked("bug: x".to_owned()),
            layer_cycles: Vec::new(),
        };
        let found = found.map(|number| Found {
            number,
            remaining: finding.clone(),
            finding,
            smallest: source.case(number),
            runs: 12,
            file: "out/case.json".into(),
            first_divergence: None,
        });
        let subject = Subject {
            command: COMMAND.to_owned(),
            source,
            engines: Vec::new(),
            first: 0,
            cases: 20,
        };
        let tally = Tally { cases: 5, layers: 9, unfit: 1, ..Tally::default() };
        Report { subject, shard: None, tally, found, seconds: 1.0 }
    }

    #[test]
    fn a_report_says_what_failed_and_where_it_is() {
        let text = report(Some(3)).text();
        for words in ["case 3 fails: simulator panics: bug: x", "in 12 runs", "out/case.json"] {
            assert!(text.contains(words), "`{words}` is not in {text}");
        }
        assert!(text.contains("does not fit: 1 cases") && text.ends_with("verdict: FAIL\n"));
        let json = report(Some(3)).json();
        assert_eq!(json["found"]["finding"]["kind"]["panicked"], "bug: x");
        assert_eq!(serde_json::from_value::<Report>(json).ok(), Some(report(Some(3))));
    }

    #[test]
    fn the_earliest_case_of_all_shards_is_kept() {
        for order in [[Some(3), None, Some(8)], [Some(8), Some(3), None]] {
            let mut whole = report(order[0]);
            order[1..].iter().for_each(|found| whole.absorb(report(*found)));
            assert_eq!(whole.found.as_ref().map(|found| found.number), Some(3));
            assert_eq!((whole.tally.cases, whole.tally.layers), (15, 27));
        }
    }

    #[test]
    fn a_run_of_nothing_is_no_pass() {
        assert!(report(None).passed());
        let nothing = Report { tally: Tally::default(), ..report(None) };
        assert!(!nothing.passed());
    }
}
