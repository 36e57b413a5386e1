//! What became of the mutants of a build: a table, JSON, a report for CI.

use crate::ladder::junit;
use crate::output::Table;
use crate::shard::Shard;
use crate::verdict::Subject;
use heartbit_mutate::{Catch, Check, Fate, Outcome};
use quick_junit::TestSuite;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The command of the results.
pub(crate) const COMMAND: &str = "mutate";

/// Which mutants there are, and what ran; shards of one run have the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    /// Mutants that were asked for.
    pub(crate) asked: usize,
    /// Mutants of all shards.
    pub(crate) mutants: usize,
    /// Registers that were not dropped, because that would close a combinational loop.
    pub(crate) left_out: usize,
    /// Images of the data set that every mutant runs on the RTL, at most.
    pub(crate) rtl_images: usize,
    /// Images of the data set that mutants of data run on the simulator, at most.
    pub(crate) sim_images: usize,
    /// Images behind both of them that take sums to their ends.
    pub(crate) stress_images: usize,
}

/// What became of the mutants of a shard, or of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) subject: Subject,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<Shard>,
    pub(crate) settings: Settings,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) seconds: f64,
}

/// Mutants of one kind.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    mutants: usize,
    tensors: usize,
    cycles: usize,
    status: usize,
    hang: usize,
    equivalent: usize,
    survived: usize,
}

impl Counts {
    fn of<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            counts.mutants += 1;
            *match &outcome.fate {
                Fate::Caught(Catch { check: Check::Tensors, .. }) => &mut counts.tensors,
                Fate::Caught(Catch { check: Check::Cycles, .. }) => &mut counts.cycles,
                Fate::Caught(Catch { check: Check::Status, .. }) => &mut counts.status,
                Fate::Caught(Catch { check: Check::Hang, .. }) => &mut counts.hang,
                Fate::Equivalent(_) => &mut counts.equivalent,
                Fate::Survived { .. } => &mut counts.survived,
            } += 1;
        }
        counts
    }

    fn caught(&self) -> usize {
        self.tensors + self.cycles + self.status + self.hang
    }

    fn row(&self, name: String) -> Vec<String> {
        let Self { mutants, tensors, cycles, status, hang, equivalent, survived } = *self;
        let numbers = [mutants, tensors, cycles, status, hang, equivalent, survived];
        std::iter::once(name).chain(numbers.map(|n| n.to_string())).collect()
    }
}

impl Report {
    /// Mutants that were neither caught nor proved to make no difference.
    pub(crate) fn survivors(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| matches!(outcome.fate, Fate::Survived { .. }))
    }

    /// Whether there were mutants, and none survived.
    pub(crate) fn passed(&self) -> bool {
        !self.outcomes.is_empty() && self.survivors().next().is_none()
    }

    fn counts(&self) -> Counts {
        Counts::of(self.outcomes.iter())
    }

    /// By family and kind, in order.
    fn by_kind(&self) -> Vec<(String, Counts)> {
        let mut kinds: BTreeMap<(&str, &str), Vec<&Outcome>> = BTreeMap::new();
        for outcome in &self.outcomes {
            kinds.entry((&outcome.family, &outcome.kind)).or_default().push(outcome);
        }
        let name = |(family, kind): (&str, &str)| format!("{family} {kind}");
        kinds.into_iter().map(|(kind, of)| (name(kind), Counts::of(of.into_iter()))).collect()
    }

    /// How many mutants each argument proves to make no difference.
    fn proofs(&self) -> BTreeMap<&'static str, usize> {
        let mut proofs = BTreeMap::new();
        for outcome in &self.outcomes {
            if let Fate::Equivalent(proof) = outcome.fate {
                *proofs.entry(proof.name()).or_default() += 1;
            }
        }
        proofs
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = serde_json::to_value(self).expect("bug: plain data");
        let kinds = self.by_kind();
        json["schema"] = json!(1);
        json["kinds"] = kinds.iter().map(|(kind, n)| (kind.clone(), json!(n))).collect();
        json["counts"] = json!(self.counts());
        json["proofs"] = json!(self.proofs());
        json["verdict"] = json!(if self.passed() { "pass" } else { "fail" });
        json
    }

    pub(crate) fn text(&self) -> String {
        let mut table = Table::new(&[
            "kind", "mutants", "tensors", "cycles", "status", "hang", "equal", "survived",
        ]);
        for (kind, counts) in self.by_kind() {
            table.row(counts.row(kind));
        }
        let all = self.counts();
        table.row(all.row("all".to_owned()));
        let mut lines: Vec<String> = self.shard.iter().map(|s| format!("shard {s}")).collect();
        lines.push(table.render());
        lines.push(format!(
            "{} of {} mutants caught, {} proved to make no difference, {} survived",
            all.caught(),
            all.mutants,
            all.equivalent,
            all.survived
        ));
        if all.equivalent > 0 {
            lines.push("\nproved to make no difference by".to_owned());
            let proofs = self.proofs().into_iter();
            lines.extend(proofs.map(|(proof, n)| format!("  {n:>4}  {proof}")));
        }
        if all.survived > 0 {
            lines.push("\nsurvived".to_owned());
            lines.extend(self.survivors().map(|o| format!("  {:>4}  {}", o.number, o.place)));
        }
        lines.push(format!("\nverdict: {}\n", if self.passed() { "pass" } else { "FAIL" }));
        lines.join("\n")
    }

    /// One test case a mutant.
    pub(crate) fn junit(&self) -> String {
        let subject = &self.subject;
        let shard = self.shard.map_or(String::new(), |shard| format!(" shard {shard}"));
        let (arch, array) = (&subject.arch, &subject.array);
        let mut suite = TestSuite::new(format!("heartbit verify --mutate {arch} {array}{shard}"));
        for outcome in &self.outcomes {
            let (passed, detail) = match &outcome.fate {
                Fate::Caught(Catch { check, engine, detail, .. }) => {
                    (true, format!("caught by {} of {engine}: {detail}", check.name()))
                }
                Fate::Equivalent(proof) => (true, format!("makes no difference: {}", proof.name())),
                Fate::Survived { .. } => {
                    (false, "survived: neither caught nor proved to make no difference".to_owned())
                }
            };
            let name = format!("mutant {}: {}", outcome.number, outcome.place);
            suite.add_test_case(junit::case(&name, passed, &detail));
        }
        junit::document(suite)
    }

    /// Adds the report of another shard.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.outcomes.extend(other.outcomes);
        self.outcomes.sort_by_key(|outcome| outcome.number);
        self.seconds += other.seconds;
    }
}
