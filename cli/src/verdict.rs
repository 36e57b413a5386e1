//! Runs engines over images and judges them against the interpreter.
//!
//! Every tensor of every layer is compared, and the cycles of every layer with the prediction.

use crate::failure::Outcome;
use crate::inputs::Images;
use crate::output::{grouped, percent, progress, share};
use heartbit_compiler::build::Build;
use heartbit_compiler::compare::{Difference, compare};
use heartbit_compiler::predict::{Predictor, predict};
use heartbit_cosim::Accelerator;
use heartbit_ir::interp::{Interpreter, Map, predicted_class};
use heartbit_ir::program::Execution;
use heartbit_sim::Simulator;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::time::Instant;

/// What was found over all images.
#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) images: usize,
    correct: usize,
    tensors: usize,
    elements: usize,
    /// Tensors that differ.
    differing: usize,
    /// The first difference with its image, and its engine.
    first: Option<(usize, &'static str, Difference)>,
    /// Engine and layer whose cycles differ from the prediction: layer, predicted, actual.
    cycle_error: Option<(&'static str, String, u64, u64)>,
    predicted_cycles: u64,
    sim_cycles: Option<u64>,
    rtl_cycles: Option<u64>,
    images_per_second: f64,
}

/// One image through one engine, compared.
struct Checked {
    correct: bool,
    tensors: usize,
    elements: usize,
    differences: Vec<Difference>,
    cycle_error: Option<(String, u64, u64)>,
    cycles: u64,
}

impl Verdict {
    pub(crate) fn passed(&self) -> bool {
        self.images > 0 && self.differing == 0 && self.cycle_error.is_none()
    }

    pub(crate) fn accuracy(&self) -> f64 {
        share(self.correct as u64, self.images as u64)
    }

    /// The first image that differs.
    pub(crate) fn first_differing_image(&self) -> Option<usize> {
        self.first.as_ref().map(|(image, ..)| *image)
    }

    pub(crate) fn json(&self) -> Value {
        let first = self.first.as_ref().map(|(image, engine, difference)| {
            json!({ "image": image, "engine": engine, "difference": difference })
        });
        json!({
            "schema": 1,
            "images": self.images,
            "accuracy": self.accuracy(),
            "tensors": self.tensors,
            "elements": self.elements,
            "differing": self.differing,
            "first_divergence": first,
            "cycles": {
                "predicted": self.predicted_cycles, "sim": self.sim_cycles, "rtl": self.rtl_cycles,
            },
            "images_per_second": self.images_per_second,
            "verdict": if self.passed() { "pass" } else { "fail" },
        })
    }

    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!(
            "{} images, accuracy {}, {:.1} images/s",
            self.images,
            percent(self.accuracy()),
            self.images_per_second
        )];
        lines.push(format!(
            "{} tensors, {} elements compared with the interpreter: {} differ",
            grouped(self.tensors as u64),
            grouped(self.elements as u64),
            self.differing
        ));
        let engines = [("simulator", self.sim_cycles), ("RTL", self.rtl_cycles)];
        let mut cycles = format!("cycles an image: predicted {}", grouped(self.predicted_cycles));
        for (name, value) in engines {
            if let Some(value) = value {
                cycles = format!("{cycles}, {name} {}", grouped(value));
            }
        }
        lines.push(cycles);
        if let Some((image, engine, difference)) = &self.first {
            lines.push(format!("first difference: image {image}, {engine}"));
            let [y, x, c] = difference.first;
            lines.push(format!(
                "  layer `{}`: {} differ in {} elements",
                difference.layer, difference.tensor, difference.elements
            ));
            lines.push(format!(
                "  first at row {y}, column {x}, channel {c}: expected {}, got {}",
                difference.expected, difference.actual
            ));
        }
        if let Some((engine, layer, predicted, actual)) = &self.cycle_error {
            lines.push(format!(
                "cycles differ: layer `{layer}`, predicted {predicted}, {engine} {actual}"
            ));
        }
        lines.push(format!("verdict: {}\n", if self.passed() { "pass" } else { "FAIL" }));
        lines.join("\n")
    }

    /// Adds one image of an engine; images are added in order.
    fn add(&mut self, image: usize, engine: &'static str, checked: Checked) {
        self.tensors += checked.tensors;
        self.elements += checked.elements;
        self.differing += checked.differences.len();
        if self.first.is_none() {
            self.first = checked.differences.into_iter().next().map(|d| (image, engine, d));
        }
        if self.cycle_error.is_none() {
            self.cycle_error = checked.cycle_error.map(|(l, p, a)| (engine, l, p, a));
        }
        let slot = if engine == "RTL" { &mut self.rtl_cycles } else { &mut self.sim_cycles };
        slot.get_or_insert(checked.cycles);
    }
}

/// What engines are judged against.
struct Judge<'a> {
    build: &'a Build,
    interpreter: Interpreter<'a>,
}

impl<'a> Judge<'a> {
    fn new(build: &'a Build) -> Self {
        Self {
            build,
            interpreter: Interpreter::new(&build.network).expect("bug: validated when it was read"),
        }
    }

    /// The cycle model of an engine that has just loaded the program; it follows the engine from
    /// image to image.
    fn predictor(&self) -> Predictor<'a> {
        Predictor::new(&self.build.compiled.program)
    }

    fn values(&self, image: &[u8]) -> Outcome<Vec<Map>> {
        self.interpreter.run(image).map_err(|error| {
            crate::failure::Failure::from_error(crate::failure::Code::BadInput, error)
                .help("the network was trained on images of another size")
        })
    }

    fn check(
        &self,
        predictor: &mut Predictor<'_>,
        values: &[Map],
        label: usize,
        execution: &Execution,
    ) -> Checked {
        let prediction = predictor.image(execution.start);
        let plan = &self.build.compiled.plan;
        let comparison = compare(&self.build.network, &self.build.compiled, values, execution);
        let names = plan.layers.iter().map(|l| l.name.as_str()).chain(["send"]);
        let predicted = prediction.layers.iter().map(|c| c.total().0).chain([prediction.send.0]);
        let actual = |i: usize| {
            if i == plan.layers.len() {
                execution.send_cycles
            } else {
                execution.layer_cycles.get(i).copied().unwrap_or(0)
            }
        };
        let cycle_error = names
            .zip(predicted)
            .enumerate()
            .find(|(i, (_, predicted))| actual(*i) != *predicted)
            .map(|(i, (name, predicted))| (name.to_owned(), predicted, actual(i)));
        Checked {
            correct: predicted_class(&execution.logits) == label && !execution.logits.is_empty(),
            tensors: comparison.tensors,
            elements: comparison.elements,
            differences: comparison.differences,
            cycle_error,
            cycles: execution.layer_cycles.iter().sum::<u64>() + execution.send_cycles,
        }
    }

    fn verdict(&self, images: usize) -> Verdict {
        let prediction = predict(&self.build.compiled.program);
        Verdict { images, predicted_cycles: prediction.total().0, ..Verdict::default() }
    }
}

/// Runs the simulator on all images, in parallel.
pub(crate) fn simulate(build: &Build, images: &Images) -> Outcome<Verdict> {
    let judge = Judge::new(build);
    let simulator = Simulator::new(&build.compiled.program)?;
    let bar = progress("simulate", images.len());
    let started = Instant::now();
    let checked: Vec<Checked> = (0..images.len())
        .into_par_iter()
        .map_init(
            || (simulator.clone(), judge.predictor()),
            |(simulator, predictor), index| {
                let image = images.image(index)?;
                let values = judge.values(&image)?;
                let execution = simulator.run(&image)?;
                bar.inc(1);
                Ok(judge.check(predictor, &values, images.label(index), &execution))
            },
        )
        .collect::<Outcome<_>>()?;
    bar.finish_and_clear();
    let mut verdict = judge.verdict(images.len());
    verdict.images_per_second = rate(images.len(), started);
    for (index, checked) in checked.into_iter().enumerate() {
        verdict.correct += usize::from(checked.correct);
        verdict.add(index, "simulator", checked);
    }
    Ok(verdict)
}

/// Runs simulator and RTL on all images and compares both with the interpreter. The RTL has just
/// loaded the program.
pub(crate) fn cosimulate(
    build: &Build,
    images: &Images,
    rtl: &mut Accelerator,
) -> Outcome<Verdict> {
    let judge = Judge::new(build);
    let mut simulator = Simulator::new(&build.compiled.program)?;
    let (mut of_simulator, mut of_rtl) = (judge.predictor(), judge.predictor());
    let mut verdict = judge.verdict(images.len());
    let bar = progress("co-simulate", images.len());
    let started = Instant::now();
    for index in 0..images.len() {
        let image = images.image(index)?;
        let values = judge.values(&image)?;
        let label = images.label(index);
        let execution = simulator.run(&image)?;
        let simulated = judge.check(&mut of_simulator, &values, label, &execution);
        verdict.add(index, "simulator", simulated);
        let checked = judge.check(&mut of_rtl, &values, label, &rtl.run(&image)?);
        verdict.correct += usize::from(checked.correct);
        verdict.add(index, "RTL", checked);
        bar.inc(1);
    }
    bar.finish_and_clear();
    verdict.images_per_second = rate(images.len(), started);
    Ok(verdict)
}

#[expect(clippy::cast_precision_loss, reason = "image counts are small")]
pub(crate) fn rate(n: usize, started: Instant) -> f64 {
    n as f64 / started.elapsed().as_secs_f64().max(1e-9)
}
