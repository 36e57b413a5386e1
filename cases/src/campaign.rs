//! Many cases: what was run and compared, and the first finding.
//!
//! Groups of cases are independent, so callers may run them in any order and on any machine; tallies
//! are added.

use crate::case::Case;
use crate::check::{Finding, Verdict, check};
use crate::engine::Engine;
use crate::generate::Source;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// What was run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Cases that were drawn.
    pub cases: u64,
    /// Of these, networks that did not fit their hardware, which was not run.
    pub unfit: u64,
    /// Layers of the networks that ran.
    pub layers: u64,
    /// Images that ran through every engine.
    pub images: u64,
    /// Tensors that were compared, of all engines.
    pub tensors: u64,
    /// Elements of them.
    pub elements: u64,
    /// Cases that exercised a feature.
    pub features: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds other cases.
    pub fn absorb(&mut self, other: Self) {
        let sums = [
            (&mut self.cases, other.cases),
            (&mut self.unfit, other.unfit),
            (&mut self.layers, other.layers),
            (&mut self.images, other.images),
            (&mut self.tensors, other.tensors),
            (&mut self.elements, other.elements),
        ];
        for (mine, other) in sums {
            *mine = mine.saturating_add(other);
        }
        for (feature, cases) in other.features {
            let mine = self.features.entry(feature).or_default();
            *mine = mine.saturating_add(cases);
        }
    }

    fn add(&mut self, verdict: &Verdict) {
        self.cases += 1;
        match verdict {
            Verdict::Passed(built, compared) => {
                self.layers += built.compiled.plan.layers.len() as u64;
                self.images += built.images.len() as u64;
                self.tensors += compared.tensors;
                self.elements += compared.elements;
                for feature in built.features() {
                    *self.features.entry(feature.to_owned()).or_default() += 1;
                }
            }
            Verdict::Unfit(_) => self.unfit += 1,
            Verdict::Found(_) => {}
        }
    }
}

/// A case that fails.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its number.
    pub number: u64,
    /// The case.
    pub case: Case,
    /// What is wrong.
    pub finding: Finding,
}

/// Runs cases in order until one fails.
///
/// # Errors
/// A tool that is missing or failed.
pub fn run(
    source: Source,
    numbers: Range<u64>,
    engines: &mut [Box<dyn Engine>],
    mut progress: impl FnMut(),
) -> Result<(Tally, Option<Failure>), heartbit_cosim::Error> {
    let mut tally = Tally::default();
    for number in numbers {
        let case = source.case(number);
        let verdict = check(&case, engines)?;
        tally.add(&verdict);
        progress();
        if let Verdict::Found(finding) = verdict {
            return Ok((tally, Some(Failure { number, case, finding: *finding })));
        }
    }
    Ok((tally, None))
}
