//! What engines showed, as the report has it: rungs, and the cycles that were measured.

use super::results::{COSIM_ICARUS, RUN, RUN_SIMULATED, Results, command_of};
use crate::commands::run::Kept;
use crate::failure::{Code, Failure, Outcome};
use crate::ladder::{self, CYCLE_SIM, FLOAT, ICARUS, NETWORK, RTL, Rung, SIM, SNAPPED};
use crate::verdict::{LayerRun, Verdict, differences};
use heartbit_compiler::build::Build;
use heartbit_report::{Origin, Report, RungResult};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Rungs from the top, where their figures are from, and what measures them.
const RUNGS: [(&str, Origin, &str); 7] = [
    (FLOAT, Origin::Float, "heartbit verify CHECKPOINT --data DIR --report FILE.html"),
    (SNAPPED, Origin::Snapped, "heartbit verify CHECKPOINT --data DIR --report FILE.html"),
    (NETWORK, Origin::Network, "heartbit verify BUILD --data DIR"),
    (SIM, Origin::Simulator, "heartbit verify BUILD --data DIR"),
    (CYCLE_SIM, Origin::Simulator, "heartbit sim BUILD --data DIR"),
    (RTL, Origin::Rtl, "heartbit cosim BUILD --data DIR"),
    (ICARUS, Origin::Rtl, "heartbit cosim BUILD --data DIR --simulator icarus"),
];
/// Rungs of a build with a link, shown if they were measured: the whole Verilog, and a board.
const LINK: (&str, Origin, &str) = ("link", Origin::Rtl, RUN_SIMULATED);
const BOARD: (&str, Origin, &str) = ("board", Origin::Board, RUN);

/// What one command says of a rung.
struct Shown {
    by: &'static str,
    rung: Rung,
}

/// Adds rungs, differences and measured cycles to a report.
pub(super) fn add(report: &mut Report, build: &Build, results: &Results) -> Outcome {
    let verify = results.get("verify");
    let verify: Option<ladder::Report> = verify.map(|value| parse("verify", value)).transpose()?;
    report.bounds.extend(verify.iter().flat_map(bounds));
    let shown = shown(verify.as_ref(), results)?;
    for (name, origin, command) in RUNGS {
        let before = report.rungs.len();
        let ran = shown.iter().filter(|s| s.rung.name == name && s.rung.images > 0);
        report.rungs.extend(ran.map(|s| heartbit_report::Rung {
            name,
            origin,
            result: Some(result(s)),
            command: command.to_owned(),
        }));
        if report.rungs.len() == before {
            let command = command.to_owned();
            report.rungs.push(heartbit_report::Rung { name, origin, result: None, command });
        }
    }
    for (name, origin, result) in [LINK, BOARD] {
        if let Some(value) = results.get(result) {
            let kept: Kept = parse(result, value)?;
            let by = command_of(result);
            let command = format!("heartbit {by}");
            let result = Some(kept.rung(by));
            report.rungs.push(heartbit_report::Rung { name, origin, result, command });
        }
    }
    for Shown { by, rung } in &shown {
        let lines = differences(rung.first_divergence.as_ref(), rung.cycle_error.as_ref());
        report.differences.extend(lines.into_iter().map(|line| format!("{by}: {line}")));
    }
    add_cycles(report, build, &shown);
    Ok(())
}

/// What all results say of the rungs.
fn shown(verify: Option<&ladder::Report>, results: &Results) -> Outcome<Vec<Shown>> {
    let rungs = verify.into_iter().flat_map(|report| report.rungs.clone());
    let mut shown: Vec<Shown> = rungs.map(|rung| Shown { by: "verify", rung }).collect();
    for (result, name) in [("sim", CYCLE_SIM), ("cosim", RTL), (COSIM_ICARUS, ICARUS)] {
        if let Some(value) = results.get(result) {
            let verdict: Verdict = parse(result, value)?;
            let rung = Rung::of_tensors(name, verdict);
            shown.push(Shown { by: command_of(result), rung });
        }
    }
    Ok(shown)
}

/// What `verify` was asked to hold, and whether it does.
fn bounds(verify: &ladder::Report) -> impl Iterator<Item = heartbit_report::Bound> {
    verify.bound_checks().map(|check| heartbit_report::Bound {
        by: "verify".to_owned(),
        name: check.name,
        detail: check.detail,
        passed: check.passed,
    })
}

/// Reads the result of a name.
pub(super) fn parse<T: DeserializeOwned>(name: &str, value: &Value) -> Outcome<T> {
    let command = command_of(name);
    serde_json::from_value(value.clone()).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot use the result of `heartbit {command}` in the build"))
            .help(format!("run `heartbit {command}` again, or remove results/{name}.json"))
    })
}

fn result(shown: &Shown) -> RungResult {
    let rung = &shown.rung;
    let compared = if rung.tensors > 0 {
        Some((rung.tensors as u64, "tensors"))
    } else if rung.logits > 0 {
        Some((rung.logits as u64, "logits"))
    } else {
        None
    };
    let counts_classes = rung.tensors == 0 && rung.name != NETWORK;
    RungResult {
        by: shown.by.to_owned(),
        images: rung.images as u64,
        correct: rung.correct as u64,
        other_class: counts_classes.then_some(rung.predictions_differing as u64),
        compared,
        differing: rung.differing as u64,
        cycles_agree: rung.cycles.as_ref().map(|_| rung.cycle_error.is_none()),
    }
}

/// Adds the cycles that the engines took for their first image.
fn add_cycles(report: &mut Report, build: &Build, shown: &[Shown]) {
    // A command whose cycles differ must not be hidden by one whose cycles agree.
    let mut runs: Vec<&Shown> = shown.iter().filter(|s| !s.rung.layers.is_empty()).collect();
    runs.sort_by_key(|s| s.rung.cycle_error.is_none());
    let sim = runs.iter().find(|s| s.rung.layers.iter().any(|layer| layer.sim.is_some()));
    let rtl = runs.iter().find(|s| s.rung.layers.iter().any(|layer| layer.rtl.is_some()));
    let sequence = &build.compiled.sequence;
    let sum = |run: Option<&&Shown>, of: fn(&LayerRun) -> Option<u64>, parts: &[usize]| {
        let layers = &run?.rung.layers;
        parts.iter().map(|part| of(layers.get(*part)?)).sum::<Option<u64>>()
    };
    let n = sequence.layers.len();
    let all: Vec<usize> = (0..=n).collect();
    let add = |cycles: &mut heartbit_report::Cycles, parts: &[usize]| {
        cycles.sim = sum(sim, |layer| layer.sim, parts);
        cycles.rtl = sum(rtl, |layer| layer.rtl, parts);
    };
    for (index, layer) in report.layers.iter_mut().enumerate() {
        add(&mut layer.cycles, sequence.of_layer(index));
    }
    add(&mut report.send, &[n]);
    add(&mut report.total, &all);
}
