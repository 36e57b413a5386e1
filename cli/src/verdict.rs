//! Runs engines over images and judges them against the interpreter.
//!
//! Every tensor of every layer is compared, and the cycles of every layer with the prediction.

use crate::divergence::{self, Tracer};
use crate::failure::Outcome;
use crate::inputs::{Images, network_checksum};
use crate::located::Located;
use crate::output::{grouped, percent, progress, share, wrapped};
use crate::shard::Shard;
use heartbit_compiler::build::Build;
use heartbit_compiler::compare::{Difference, compare};
use heartbit_compiler::predict::{Predictor, predict};
use heartbit_compiler::schedule::Compiled;
use heartbit_cosim::{Accelerator, Watch};
use heartbit_ir::interp::{Interpreter, Map, predicted_class};
use heartbit_ir::program::Execution;
use heartbit_sim::Simulator;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Instant;

/// The simulator, where an engine is named.
pub(crate) const SIMULATOR: &str = "simulator";

/// Which command, network, array and images a result is of: results of other subjects are not
/// merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) command: String,
    pub(crate) arch: String,
    /// CRC-32 of the network's file.
    pub(crate) network_crc32: String,
    pub(crate) array: String,
    /// CRC-32 of the Verilog, where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rtl_crc32: Option<String>,
    /// What ran it, if that is not Verilator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) simulator: Option<String>,
    /// Images of all shards.
    pub(crate) images: usize,
}

impl Subject {
    pub(crate) fn new(command: &str, build: &Build, images: &Images) -> Self {
        let a = &build.compiled.program.array;
        let bytes = build.network.to_bytes().expect("bug: it was written or read before");
        Self {
            command: command.to_owned(),
            arch: build.network.arch.clone(),
            network_crc32: format!("{:08x}", network_checksum(&bytes)),
            array: format!("{}x{}x{}", a.rows, a.cols, a.lanes),
            rtl_crc32: None,
            simulator: None,
            images: images.total(),
        }
    }
}

/// What was never X or Z after reset: what else would not have become a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watched {
    pub(crate) registers: usize,
    pub(crate) conditions: usize,
    pub(crate) outputs: usize,
}

impl Watched {
    pub(crate) fn new(watch: &Watch) -> Self {
        Self {
            registers: watch.registers(),
            conditions: watch.conditions(),
            outputs: watch.outputs(),
        }
    }

    /// In words.
    pub(crate) fn text(self) -> String {
        let Self { registers, conditions, outputs } = self;
        format!(
            "X or Z after reset: none in {} control registers, {} enables and write addresses, \
             {outputs} outputs",
            grouped(registers as u64),
            grouped(conditions as u64)
        )
    }
}

/// A tensor that differs, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Divergence {
    pub(crate) image: usize,
    pub(crate) engine: String,
    pub(crate) difference: Difference,
    /// Tile, processing element, cycle and cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<Located>,
    /// The cycles that the layers took.
    #[serde(skip)]
    pub(crate) layer_cycles: Vec<u64>,
}

/// A layer whose cycles are not those predicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CycleError {
    pub(crate) image: usize,
    pub(crate) engine: String,
    pub(crate) layer: String,
    pub(crate) predicted: u64,
    pub(crate) actual: u64,
}

/// Cycles of the first image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cycles {
    pub(crate) predicted: u64,
    pub(crate) sim: Option<u64>,
    pub(crate) rtl: Option<u64>,
}

/// Cycles of one of the program's layers, or of sending the result, in the first image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LayerRun {
    pub(crate) name: String,
    pub(crate) predicted: u64,
    pub(crate) sim: Option<u64>,
    pub(crate) rtl: Option<u64>,
}

/// What was found over all images.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) subject: Subject,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<Shard>,
    pub(crate) images: usize,
    pub(crate) correct: usize,
    pub(crate) tensors: usize,
    pub(crate) elements: usize,
    /// Tensors that differ.
    pub(crate) differing: usize,
    /// The first of them.
    pub(crate) first_divergence: Option<Divergence>,
    pub(crate) cycle_error: Option<CycleError>,
    pub(crate) cycles: Cycles,
    /// Of a simulator that knows X.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) watched: Option<Watched>,
    /// The same, layer by layer.
    #[serde(default)]
    pub(crate) layers: Vec<LayerRun>,
    /// Not kept in a build: files carry no time.
    #[serde(default)]
    pub(crate) seconds: f64,
}

/// One image through one engine, compared.
struct Checked {
    correct: bool,
    tensors: usize,
    elements: usize,
    differences: Vec<Difference>,
    /// Each layer with its cycles, predicted and actual.
    layers: Vec<(String, u64, u64)>,
    layer_cycles: Vec<u64>,
    cycles: u64,
}

impl Verdict {
    pub(crate) fn passed(&self) -> bool {
        self.images > 0 && self.differing == 0 && self.cycle_error.is_none()
    }

    pub(crate) fn accuracy(&self) -> f64 {
        share(self.correct as u64, self.images as u64)
    }

    fn images_per_second(&self) -> f64 {
        rate(self.images, self.seconds)
    }

    /// Locates the first difference, if there is one; `tracer` if its waveform is wanted.
    pub(crate) fn locate(
        &mut self,
        build: &Build,
        images: &Images,
        tracer: Option<&Tracer<'_>>,
    ) -> Outcome {
        if let Some(first) = &mut self.first_divergence {
            let image = images.numbered(first.image)?;
            first.location = Some(divergence::find(build, &image, first, tracer)?);
        }
        Ok(())
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = serde_json::to_value(self).expect("bug: plain data");
        json["schema"] = json!(1);
        json["accuracy"] = json!(self.accuracy());
        json["images_per_second"] = json!(self.images_per_second());
        json["verdict"] = json!(if self.passed() { "pass" } else { "fail" });
        json
    }

    pub(crate) fn text(&self) -> String {
        let shard = self.shard.map_or(String::new(), |shard| format!("shard {shard}: "));
        let mut lines = vec![format!(
            "{shard}{} images, accuracy {}, {:.1} images/s",
            self.images,
            percent(self.accuracy()),
            self.images_per_second()
        )];
        lines.push(format!(
            "{} tensors, {} elements compared with the interpreter: {} differ",
            grouped(self.tensors as u64),
            grouped(self.elements as u64),
            self.differing
        ));
        let engines = [("simulator", self.cycles.sim), ("RTL", self.cycles.rtl)];
        let mut cycles = format!("cycles an image: predicted {}", grouped(self.cycles.predicted));
        for (name, value) in engines {
            if let Some(value) = value {
                cycles = format!("{cycles}, {name} {}", grouped(value));
            }
        }
        lines.push(cycles);
        lines.extend(self.watched.map(|watched| wrapped(&watched.text())));
        lines.extend(differences(self.first_divergence.as_ref(), self.cycle_error.as_ref()));
        lines.push(format!("verdict: {}\n", if self.passed() { "pass" } else { "FAIL" }));
        lines.join("\n")
    }

    /// Adds one image of an engine; images are added in order.
    fn add(&mut self, image: usize, engine: &str, checked: Checked) {
        self.add_layers(engine, &checked.layers);
        self.tensors += checked.tensors;
        self.elements += checked.elements;
        self.differing += checked.differences.len();
        if self.first_divergence.is_none() {
            let (engine, layer_cycles) = (engine.to_owned(), checked.layer_cycles);
            self.first_divergence = checked.differences.into_iter().next().map(|difference| {
                Divergence { image, engine, difference, location: None, layer_cycles }
            });
        }
        if self.cycle_error.is_none() {
            let differs =
                checked.layers.into_iter().find(|(_, predicted, actual)| predicted != actual);
            self.cycle_error = differs.map(|(layer, predicted, actual)| {
                let engine = engine.to_owned();
                CycleError { image, engine, layer, predicted, actual }
            });
        }
        let slot = if engine == "RTL" { &mut self.cycles.rtl } else { &mut self.cycles.sim };
        slot.get_or_insert(checked.cycles);
    }

    /// Takes the cycles of the layers of an engine's first image.
    fn add_layers(&mut self, engine: &str, layers: &[(String, u64, u64)]) {
        if self.layers.is_empty() {
            let run = |(name, predicted, _): &(String, u64, u64)| LayerRun {
                name: name.clone(),
                predicted: *predicted,
                ..LayerRun::default()
            };
            self.layers = layers.iter().map(run).collect();
        }
        for (run, (_, _, actual)) in self.layers.iter_mut().zip(layers) {
            let slot = if engine == "RTL" { &mut run.rtl } else { &mut run.sim };
            slot.get_or_insert(*actual);
        }
    }

    /// Adds the result of other images.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.images = self.images.saturating_add(other.images);
        self.correct = self.correct.saturating_add(other.correct);
        self.tensors = self.tensors.saturating_add(other.tensors);
        self.elements = self.elements.saturating_add(other.elements);
        self.differing = self.differing.saturating_add(other.differing);
        self.seconds += other.seconds;
        earlier(&mut self.first_divergence, other.first_divergence, |d| d.image);
        earlier(&mut self.cycle_error, other.cycle_error, |d| d.image);
        self.cycles.sim = self.cycles.sim.or(other.cycles.sim);
        self.cycles.rtl = self.cycles.rtl.or(other.cycles.rtl);
    }
}

/// Keeps what is of the earlier image.
pub(crate) fn earlier<T>(kept: &mut Option<T>, other: Option<T>, image: impl Fn(&T) -> usize) {
    *kept = kept.take().into_iter().chain(other).min_by_key(image);
}

/// What differs, in lines for people.
pub(crate) fn differences(
    divergence: Option<&Divergence>,
    cycle_error: Option<&CycleError>,
) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(Divergence { image, engine, difference, location, .. }) = divergence {
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
        lines.extend(location.iter().flat_map(Located::lines));
    }
    if let Some(CycleError { engine, layer, predicted, actual, .. }) = cycle_error {
        lines.push(format!(
            "cycles differ: layer `{layer}`, predicted {predicted}, {engine} {actual}"
        ));
    }
    lines
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
        let Compiled { plan, sequence, .. } = &self.build.compiled;
        let comparison = compare(&self.build.network, &self.build.compiled, values, execution);
        let n_layers = sequence.layers.len();
        let name =
            |i: usize| if i == n_layers { "send".to_owned() } else { sequence.name(plan, i) };
        let predicted = prediction.layers.iter().map(|c| c.total().0).chain([prediction.send.0]);
        let actual = |i: usize| {
            if i == n_layers {
                execution.send_cycles
            } else {
                execution.layer_cycles.get(i).copied().unwrap_or(0)
            }
        };
        let of_layer = |(i, predicted)| (name(i), predicted, actual(i));
        let layers = predicted.enumerate().map(of_layer).collect();
        Checked {
            correct: predicted_class(&execution.logits) == label && !execution.logits.is_empty(),
            tensors: comparison.tensors,
            elements: comparison.elements,
            differences: comparison.differences,
            layers,
            layer_cycles: execution.layer_cycles.clone(),
            cycles: execution.layer_cycles.iter().sum::<u64>() + execution.send_cycles,
        }
    }

    fn verdict(&self, command: &str, images: &Images) -> Verdict {
        let prediction = predict(&self.build.compiled.program);
        let cycles = Cycles { predicted: prediction.total().0, ..Cycles::default() };
        let subject = Subject::new(command, self.build, images);
        let shard = images.shard_if_any();
        Verdict { subject, shard, images: images.len(), cycles, ..Verdict::default() }
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
    let mut verdict = judge.verdict("sim", images);
    verdict.seconds = started.elapsed().as_secs_f64();
    for (index, checked) in checked.into_iter().enumerate() {
        verdict.correct += usize::from(checked.correct);
        verdict.add(images.number(index), SIMULATOR, checked);
    }
    Ok(verdict)
}

/// Runs the RTL, which has just loaded the program, on all images, and the simulator if it is wanted,
/// and compares them with the interpreter.
pub(crate) fn cosimulate(
    build: &Build,
    images: &Images,
    rtl: &mut Accelerator,
    with_simulator: bool,
) -> Outcome<Verdict> {
    let judge = Judge::new(build);
    let mut simulator = Simulator::new(&build.compiled.program)?;
    let (mut of_simulator, mut of_rtl) = (judge.predictor(), judge.predictor());
    let mut verdict = judge.verdict("cosim", images);
    let bar = progress("co-simulate", images.len());
    let started = Instant::now();
    for index in 0..images.len() {
        let image = images.image(index)?;
        let values = judge.values(&image)?;
        let label = images.label(index);
        let number = images.number(index);
        if with_simulator {
            let execution = simulator.run(&image)?;
            let simulated = judge.check(&mut of_simulator, &values, label, &execution);
            verdict.add(number, SIMULATOR, simulated);
        }
        let checked = judge.check(&mut of_rtl, &values, label, &rtl.run(&image)?);
        verdict.correct += usize::from(checked.correct);
        verdict.add(number, "RTL", checked);
        bar.inc(1);
    }
    bar.finish_and_clear();
    verdict.seconds = started.elapsed().as_secs_f64();
    Ok(verdict)
}

#[expect(clippy::cast_precision_loss, reason = "image counts are small")]
pub(crate) fn rate(n: usize, seconds: f64) -> f64 {
    n as f64 / seconds.max(1e-9)
}
