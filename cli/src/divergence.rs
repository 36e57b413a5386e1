//! Locates the first difference: tile, processing element, cycle and cause, with a waveform of it
//! where the Verilog runs again.
//!
//! What the words should be is said by the simulator, running what the compiler makes of the
//! network; what they were by the waveform, or by the simulator where it is the one that differs.

use crate::commands::cosim;
use crate::failure::Outcome;
use crate::located::{Located, WaveformFiles, signal};
use crate::verdict::Divergence;
use heartbit_compiler::build::Build;
use heartbit_compiler::compare::{Difference, compare};
use heartbit_compiler::diagnose::{Cause, Programs, diagnose};
use heartbit_compiler::locate::{Location, layer_starts, locate};
use heartbit_compiler::predict::predict;
use heartbit_compiler::schedule::{Compiled, Target, compile};
use heartbit_cosim::{
    Design, Error, Group, PeCycles, PeSignals, SaveFile, Toolchain, Trace, Waveform, output_groups,
    time_of,
};
use heartbit_ir::interp::{Interpreter, Map};
use heartbit_ir::program::{ArrayShape, Execution, PeTrace};
use heartbit_sim::Simulator;
use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;

/// Name of the files, without extension.
const FILE_STEM: &str = "first-mismatch";

/// How to run the Verilog again.
pub(crate) struct Tracer<'a> {
    pub(crate) design: Design,
    pub(crate) toolchain: &'a Toolchain,
    /// Where the files go.
    pub(crate) directory: PathBuf,
    /// Cycles before the tile and after its results that the waveform has, too.
    pub(crate) margin: u64,
    /// The waveform has all cycles.
    pub(crate) is_whole: bool,
}

/// An image that differs.
struct Scene<'a> {
    build: &'a Build,
    image: &'a [u8],
    divergence: &'a Divergence,
    values: Vec<Map>,
    /// What the compiler makes of the network; what was loaded if that cannot be compared.
    expected: Cow<'a, Compiled>,
}

/// What the Verilog did when it ran again.
struct Traced {
    files: WaveformFiles,
    /// What the element met; `None` where the output port differs.
    met: Result<PeTrace, String>,
    /// The same difference was seen.
    is_same: bool,
}

/// Locates a difference of an image; `tracer` if its waveform is wanted.
pub(crate) fn find(
    build: &Build,
    image: &[u8],
    divergence: &Divergence,
    tracer: Option<&Tracer<'_>>,
) -> Outcome<Located> {
    let interpreter = Interpreter::new(&build.network).expect("bug: validated when it was read");
    let values = interpreter.run(image).expect("bug: the image was run before");
    let mut notes = Vec::new();
    let expected = expected(build, &mut notes);
    let scene = Scene { build, image, divergence, values, expected };
    let location = scene.location();
    let program = &build.compiled.program;
    let signals = location.map(|location| PeSignals::new(&program.array, &location.pe));
    let traced = tracer.map(|tracer| scene.trace(tracer, location.as_ref(), &mut notes));
    let traced = traced.transpose()?;
    let cause = match &location {
        Some(location) => scene.cause(location, traced.as_ref(), &mut notes)?,
        None => None,
    };
    let tensor = &divergence.difference.tensor;
    let named = |cause: &Cause| Some(signal(cause.part, tensor, signals.as_ref()?));
    Ok(Located {
        location,
        module: signals.map_or("heartbit.sender".to_owned(), |signals| signals.module()),
        signal: cause.as_ref().and_then(named),
        cause,
        notes,
        waveform: traced.map(|traced| traced.files),
    })
}

/// What the compiler makes of the network for the same array and memories.
fn expected<'a>(build: &'a Build, notes: &mut Vec<String>) -> Cow<'a, Compiled> {
    let loaded = &build.compiled.program;
    let array = &loaded.array;
    let target = Target {
        shape: ArrayShape { rows: array.rows, cols: array.cols, lanes: array.lanes },
        taps: Some(array.taps),
        lines: Some(array.lines),
        extended: Some(array.extended),
        acc_bits: Some(array.acc_bits),
        depths: Some(loaded.depths),
    };
    match compile(&build.network, &target) {
        Ok(fresh) if fresh.program.layers == loaded.layers => Cow::Owned(fresh),
        Ok(fresh) => {
            let pairs = fresh.program.layers.iter().zip(&loaded.layers);
            let layer = pairs.take_while(|(fresh, loaded)| fresh == loaded).count();
            let name = build.compiled.plan.layers.get(layer).map_or("", |layer| &layer.name);
            notes.push(format!(
                "mem/program.hex is not what this version compiles, from layer `{name}` on: \
                 changed by hand, or by another version"
            ));
            Cow::Borrowed(&build.compiled)
        }
        Err(error) => {
            notes.push(format!("the network cannot be compiled again for this array: {error}"));
            Cow::Borrowed(&build.compiled)
        }
    }
}

impl Scene<'_> {
    /// Tile, processing element and cycles.
    fn location(&self) -> Option<Location> {
        let place = self.divergence.difference.place?;
        let program = &self.build.compiled.program;
        // What an engine that stopped early did not say is predicted.
        let mut cycles = self.divergence.layer_cycles.clone();
        let predicted = predict(program).layers;
        cycles.extend(predicted.iter().skip(cycles.len()).map(|layer| layer.total().0));
        Some(locate(program, layer_starts(&cycles)[place.layer], &place))
    }

    fn first_difference(&self, compiled: &Compiled, execution: &Execution) -> Option<Difference> {
        let comparison = compare(&self.build.network, compiled, &self.values, execution);
        comparison.differences.into_iter().next()
    }

    /// Runs the image again, with a waveform.
    fn trace(
        &self,
        tracer: &Tracer<'_>,
        location: Option<&Location>,
        notes: &mut Vec<String>,
    ) -> Outcome<Traced> {
        let design = tracer.design.clone();
        let mut rtl = cosim::accelerator(design, self.build, tracer.toolchain, Trace::Fst)?;
        let file = tracer.directory.join(FILE_STEM).with_extension("fst");
        let window = self.window(tracer, location);
        let run = rtl.run_windowed(self.image, &file, window)?;
        let mut waveform = Waveform::open(&file)?;
        let fetch = run.fetch_cycle;
        let array = &self.build.compiled.program.array;
        let signals = location.map(|location| PeSignals::new(array, &location.pe));
        let met = match (location, signals) {
            (Some(location), Some(signals)) => {
                let cycles = self.pe_cycles(location, fetch);
                signals.read(&mut waveform, &cycles).map_err(|error| error.to_string())
            }
            _ => Err("the output port has no processing element".to_owned()),
        };
        let marker = fetch + location.map_or(self.send_start(), |location| location.cycles.sum);
        let groups = signals.map_or_else(output_groups, |signals| signals.groups());
        let saved = save(&file, &waveform, &groups, marker);
        if let Err(error) = &saved {
            notes.push(format!("no save files: {error}"));
        }
        let [gtkwave, surfer] = saved.map_or([None, None], |paths| paths.map(Some));
        let cycles = waveform.cycles();
        let cycles = [cycles.start, cycles.end].map(|cycle| cycle.saturating_sub(fetch));
        let files = WaveformFiles { file, cycles, time: time_of(marker) + 1, gtkwave, surfer };
        let again = self.first_difference(&self.build.compiled, &run.execution);
        let is_same = again.as_ref() == Some(&self.divergence.difference);
        Ok(Traced { files, met, is_same })
    }

    /// The cycles that a waveform shows.
    fn window(&self, tracer: &Tracer<'_>, location: Option<&Location>) -> Range<u64> {
        if tracer.is_whole {
            return 0..u64::MAX;
        }
        let (first, last) = match location {
            Some(Location { cycles, .. }) => {
                (cycles.first_step, cycles.end.max(cycles.sum) + 1)
            }
            None => (self.send_start(), self.send_start() + predict(self.program()).send.0),
        };
        first.saturating_sub(tracer.margin)..last + tracer.margin
    }

    fn program(&self) -> &heartbit_ir::program::Program {
        &self.build.compiled.program
    }

    /// The first cycle in which results are sent.
    fn send_start(&self) -> u64 {
        self.divergence.layer_cycles.iter().sum()
    }

    /// When the words are at the element, in cycles of the model.
    fn pe_cycles(&self, location: &Location, fetch: u64) -> PeCycles {
        let cycles = &location.cycles;
        PeCycles {
            operands: fetch + cycles.operands,
            steps: self.program().layers[location.pe.layer].steps.into(),
            sum: fetch + cycles.sum,
            post: fetch + cycles.post,
        }
    }

    /// What is wrong at a location, if both what should be and what was are known.
    fn cause(
        &self,
        location: &Location,
        traced: Option<&Traced>,
        notes: &mut Vec<String>,
    ) -> Outcome<Option<Cause>> {
        let mut reference = Simulator::new(&self.expected.program)?;
        let execution = reference.run(self.image)?;
        if let Some(difference) = self.first_difference(&self.expected, &execution) {
            notes.push(format!(
                "the simulator differs on what the compiler makes, too ({difference}): the \
                 compiler or the simulator is wrong"
            ));
            return Ok(None);
        }
        let is_rtl = self.divergence.engine == "RTL";
        let met = match traced {
            Some(Traced { is_same: true, met: Ok(met), .. }) => met.clone(),
            Some(Traced { is_same: true, met: Err(error), .. }) if is_rtl => {
                notes.push(format!("its words cannot be compared: {error}"));
                return Ok(None);
            }
            Some(Traced { is_same: false, .. }) if is_rtl => {
                notes.push(
                    "another result when the image runs alone: it depends on the images before"
                        .to_owned(),
                );
                return Ok(None);
            }
            _ if is_rtl => {
                notes.push("a waveform tells what is wrong there (`--trace`)".to_owned());
                return Ok(None);
            }
            _ => Simulator::new(self.program())?.probe(self.image, &location.pe)?,
        };
        let should = reference.probe(self.image, &location.pe)?;
        let programs = Programs { expected: &self.expected.program, loaded: self.program() };
        Ok(Some(diagnose(programs, location, &self.divergence.difference, &should, &met)))
    }
}

fn save(
    path: &std::path::Path,
    waveform: &Waveform,
    groups: &[Group],
    marker: u64,
) -> Result<[PathBuf; 2], Error> {
    SaveFile::new(path, waveform, groups, marker)?.write()
}
