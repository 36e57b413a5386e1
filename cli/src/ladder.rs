//! The ladder from the trained network to the RTL, and what a climb found.
//!
//! Every rung is compared with the integer network, which is normative: `float` (the checkpoint in
//! real arithmetic) and `snapped` (the trainer's evaluation on the deployed grid) from above, `sim`
//! (logits), `cycle-sim` (the cycle-exact simulator), `rtl` (the Verilog) and `icarus` (the Verilog where X is known) from
//! below.
//!
//! Not here: running the engines (`climb`), the report for CI (`junit`).

pub(crate) mod climb;
pub(crate) mod junit;

use crate::output::{Table, grouped, percent, share, wrapped};
use crate::shard::Shard;
use crate::verdict::{
    CycleError, Cycles, Divergence, LayerRun, Subject, Verdict, Watched, differences, earlier,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Names of the rungs, from the top.
pub(crate) const FLOAT: &str = "float";
pub(crate) const SNAPPED: &str = "snapped";
pub(crate) const NETWORK: &str = "network";
pub(crate) const SIM: &str = "sim";
pub(crate) const CYCLE_SIM: &str = "cycle-sim";
pub(crate) const RTL: &str = "rtl";
pub(crate) const ICARUS: &str = "icarus";

/// One engine over its images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rung {
    pub(crate) name: String,
    pub(crate) images: usize,
    /// Images that are classified correctly.
    pub(crate) correct: usize,
    /// Images whose class is not the integer network's.
    pub(crate) predictions_differing: usize,
    /// Logits that were compared with the integer network's.
    pub(crate) logits: usize,
    /// Tensors that were compared.
    pub(crate) tensors: usize,
    /// Elements of these tensors.
    pub(crate) elements: usize,
    /// Logits and tensors that differ.
    pub(crate) differing: usize,
    /// A sum over all images of a checksum of number and logits: engines with the same value agree
    /// on each of them.
    pub(crate) logits_sum: Option<u64>,
    pub(crate) cycles: Option<Cycles>,
    pub(crate) cycle_error: Option<CycleError>,
    pub(crate) first_divergence: Option<Divergence>,
    /// Of a simulator that knows X.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) watched: Option<Watched>,
    /// Cycles of the layers in the first image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) layers: Vec<LayerRun>,
    /// Not kept in a build: files carry no time.
    #[serde(default)]
    pub(crate) seconds: f64,
}

impl Rung {
    fn accuracy(&self) -> f64 {
        share(self.correct as u64, self.images as u64)
    }

    /// A rung that compared tensors.
    pub(crate) fn of_tensors(name: &str, verdict: Verdict) -> Self {
        Self {
            name: name.to_owned(),
            images: verdict.images,
            correct: verdict.correct,
            tensors: verdict.tensors,
            elements: verdict.elements,
            differing: verdict.differing,
            cycles: Some(verdict.cycles),
            cycle_error: verdict.cycle_error,
            first_divergence: verdict.first_divergence,
            watched: verdict.watched,
            layers: verdict.layers,
            seconds: verdict.seconds,
            ..Self::default()
        }
    }

    /// Adds the same rung of other images.
    fn absorb(&mut self, other: Self) {
        self.images = self.images.saturating_add(other.images);
        self.correct = self.correct.saturating_add(other.correct);
        self.predictions_differing =
            self.predictions_differing.saturating_add(other.predictions_differing);
        self.logits = self.logits.saturating_add(other.logits);
        self.tensors = self.tensors.saturating_add(other.tensors);
        self.elements = self.elements.saturating_add(other.elements);
        self.differing = self.differing.saturating_add(other.differing);
        self.seconds += other.seconds;
        self.logits_sum = match (self.logits_sum, other.logits_sum) {
            (Some(a), Some(b)) => Some(a.wrapping_add(b)),
            (a, b) => a.or(b),
        };
        self.cycles = self.cycles.take().or(other.cycles);
        self.watched = self.watched.or(other.watched);
        if self.layers.is_empty() {
            self.layers = other.layers;
        }
        earlier(&mut self.first_divergence, other.first_divergence, |d| d.image);
        earlier(&mut self.cycle_error, other.cycle_error, |d| d.image);
    }
}

/// What must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bounds {
    /// Least accuracy of the integer network, 0 to 1.
    pub(crate) min_accuracy: Option<f64>,
    /// Least share of images that the float network classifies as the integer network does.
    pub(crate) min_agreement: Option<f64>,
}

/// One thing that must hold, and whether it does.
pub(crate) struct Check {
    /// Rung and what of it, as `rtl.tensors`.
    pub(crate) name: String,
    pub(crate) passed: bool,
    /// The figures.
    pub(crate) detail: String,
    pub(crate) seconds: f64,
}

/// What a climb found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) subject: Subject,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<Shard>,
    pub(crate) bounds: Bounds,
    pub(crate) rungs: Vec<Rung>,
    /// What was not compared, and what to do about it.
    pub(crate) not_compared: Vec<String>,
}

impl Report {
    fn rung(&self, name: &str) -> Option<&Rung> {
        self.rungs.iter().find(|rung| rung.name == name)
    }

    /// Everything that must hold of what was compared. Shares of a shard's images mean little: they
    /// are judged when the shards are merged.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for rung in self.rungs.iter().filter(|rung| rung.images > 0) {
            checks.extend(self.bound_of(rung));
            let mut check = |what: &str, passed, detail| {
                let name = format!("{}.{what}", rung.name);
                checks.push(Check { name, passed, detail, seconds: rung.seconds });
            };
            if rung.logits > 0 {
                let of = grouped(rung.logits as u64);
                check("logits", rung.differing == 0, format!("{} of {of} differ", rung.differing));
            }
            if rung.tensors > 0 {
                let of = grouped(rung.tensors as u64);
                check("tensors", rung.differing == 0, format!("{} of {of} differ", rung.differing));
            }
            if let Some(cycles) = &rung.cycles {
                let detail = match &rung.cycle_error {
                    None => format!("{} as predicted", grouped(cycles.predicted)),
                    Some(e) => {
                        let CycleError { image, layer, predicted, actual, .. } = e;
                        format!("image {image}, layer `{layer}`: {predicted} predicted, {actual}")
                    }
                };
                check("cycles", rung.cycle_error.is_none(), detail);
            }
            if let Some(watched) = rung.watched {
                // Anything else ended the climb.
                check("known", true, watched.text());
            }
        }
        checks
    }

    /// Whether the bound holds that a user set on a rung, if there is one.
    fn bound_of(&self, rung: &Rung) -> Option<Check> {
        let of_float = 1.0 - share(rung.predictions_differing as u64, rung.images as u64);
        let (what, is, least) = match rung.name.as_str() {
            FLOAT => ("agreement", of_float, self.bounds.min_agreement?),
            NETWORK => ("accuracy", rung.accuracy(), self.bounds.min_accuracy?),
            _ => return None,
        };
        let judged = self.shard.is_none() && rung.images > 0;
        judged.then(|| Check {
            name: format!("{}.{what}", rung.name),
            passed: is >= least,
            detail: format!("{}, at least {}", percent(is), percent(least)),
            seconds: rung.seconds,
        })
    }

    /// Those of the checks that a user asked for.
    pub(crate) fn bound_checks(&self) -> impl Iterator<Item = Check> {
        self.rungs.iter().filter_map(|rung| self.bound_of(rung))
    }

    /// Whether something was checked, and all of it holds.
    pub(crate) fn passed(&self) -> bool {
        let checks = self.checks();
        !checks.is_empty() && checks.iter().all(|check| check.passed)
    }

    /// The first difference of the first rung, from the top, that has one.
    fn first_divergence(&self) -> Option<&Divergence> {
        self.rungs.iter().find_map(|rung| rung.first_divergence.as_ref())
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = serde_json::to_value(self).expect("bug: plain data");
        let accuracy = |name: &str| self.rung(name).map(Rung::accuracy);
        json["schema"] = json!(1);
        json["accuracy"] =
            json!({ "float": accuracy(FLOAT), "network": accuracy(NETWORK), "sim": accuracy(SIM) });
        let check = |c: Check| json!({ "name": c.name, "passed": c.passed, "detail": c.detail });
        json["checks"] = self.checks().into_iter().map(check).collect();
        json["first_divergence"] = json!(self.first_divergence());
        json["verdict"] = json!(if self.passed() { "pass" } else { "fail" });
        json
    }

    pub(crate) fn text(&self) -> String {
        let mut table = Table::new(&[
            "rung",
            "images",
            "accuracy",
            "other class",
            "logits",
            "tensors",
            "differ",
        ]);
        for rung in &self.rungs {
            let some = |n: usize| if n == 0 { String::new() } else { grouped(n as u64) };
            let compared = rung.logits + rung.tensors > 0;
            let classes = if rung.name == NETWORK || rung.tensors > 0 {
                String::new()
            } else {
                rung.predictions_differing.to_string()
            };
            table.row(vec![
                rung.name.clone(),
                grouped(rung.images as u64),
                format!("{:.2} %", 100.0 * rung.accuracy()),
                classes,
                some(rung.logits),
                some(rung.tensors),
                if compared { rung.differing.to_string() } else { String::new() },
            ]);
        }
        let mut lines: Vec<String> = self.shard.iter().map(|s| format!("shard {s}")).collect();
        lines.push(table.render());
        for check in self.checks() {
            let mark = if check.passed { "ok" } else { "FAIL" };
            lines.push(wrapped(&format!("{mark:<4}  {:<17} {}", check.name, check.detail)));
        }
        if !self.not_compared.is_empty() {
            lines.push("\nnot compared:".to_owned());
            lines.extend(self.not_compared.iter().map(|what| wrapped(&format!("  {what}"))));
        }
        for rung in &self.rungs {
            let (first, cycles) = (rung.first_divergence.as_ref(), rung.cycle_error.as_ref());
            lines.extend(differences(first, cycles));
        }
        lines.push(format!("\nverdict: {}\n", if self.passed() { "pass" } else { "FAIL" }));
        lines.join("\n")
    }

    /// Adds the report of another shard.
    pub(crate) fn absorb(&mut self, other: Self) {
        for rung in other.rungs {
            match self.rungs.iter_mut().find(|mine| mine.name == rung.name) {
                Some(mine) => mine.absorb(rung),
                None => self.rungs.push(rung),
            }
        }
    }
}
