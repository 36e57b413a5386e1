//! Locates the first difference: tile, processing element, cycle and cause, with a waveform of it
//! where the Verilog runs again.
//!
//! What the words should be is said by the simulator, running what the compiler makes of the
//! network; what they were by the waveform, or by the simulator where it is the one that differs.

use crate::commands::cosim;
use crate::failure::{Code, Failure, Outcome};
use crate::located::{Located, WaveformFiles, signal};
use crate::verdict::{self, Divergence};
use heartbit_compiler::build::Build;
use heartbit_compiler::compare::{Difference, compare};
use heartbit_compiler::diagnose::{Cause, Programs, diagnose};
use heartbit_compiler::locate::{Location, layer_starts, locate};
use heartbit_compiler::predict::{Predictor, predict};
use heartbit_compiler::schedule::{Compiled, compile_again};
use heartbit_cosim::{
    Design, Group, PeCycles, PeSignals, SaveFile, Toolchain, Trace, Waveform, output_groups,
    time_of,
};
use heartbit_ir::interp::{Interpreter, Map};
use heartbit_ir::program::{Execution, PeTrace, Program};
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
    file: PathBuf,
    waveform: Waveform,
    /// The model's cycle that was the first one of `Fetch`.
    fetch_cycle: u64,
    /// The same difference was seen.
    is_same: bool,
    /// When it ran.
    timing: Timing,
}

/// When an image ran: what the cycles of its steps depend on.
struct Timing {
    /// Its first cycle after the program was loaded, where weights are streamed.
    start: u64,
    /// The cycles that its layers took, as far as they ended.
    layer_cycles: Vec<u64>,
}

impl Timing {
    fn of(execution: &Execution) -> Self {
        Self { start: execution.start, layer_cycles: execution.layer_cycles.clone() }
    }
}

/// Locates a difference of an image; `tracer` if its waveform is wanted.
pub(crate) fn find(
    build: &Build,
    image: &[u8],
    divergence: &Divergence,
    tracer: Option<&Tracer<'_>>,
) -> Outcome<Located> {
    let _spinner = crate::output::spinner("the first difference is located");
    let interpreter = Interpreter::new(&build.network).expect("bug: validated when it was read");
    let values = interpreter.run(image).expect("bug: the image was run before");
    let mut notes = Vec::new();
    let expected = expected(build, &mut notes);
    let scene = Scene { build, image, divergence, values, expected };
    let mut location = scene.location(&scene.timing()?);
    let array = &build.compiled.program.array;
    let signals = location.as_ref().map(|location| PeSignals::new(array, &location.pe));
    // The report on the difference must not be lost with the waveform.
    let mut traced = tracer.and_then(|tracer| {
        let traced = scene.trace(tracer, location.as_ref());
        traced.map_err(|failure| notes.push(format!("no waveform: {}", failure.message()))).ok()
    });
    // What steps wait depends on when the image begins.
    if let Some(traced) = traced.as_ref().filter(|_| scene.streams()) {
        location = scene.location(&traced.timing);
    }
    let cause = match (&location, &signals) {
        (Some(location), Some(signals)) => {
            scene.cause(location, signals, traced.as_mut(), &mut notes)?
        }
        _ => None,
    };
    let sum = location.as_ref().map(|location| location.cycles.sum);
    let marker = cause.as_ref().map(|cause| cause.cycle).or(sum);
    let marker = marker.unwrap_or_else(|| scene.send_start());
    let groups = signals.map_or_else(output_groups, |signals| signals.groups());
    let tensor = &divergence.difference.tensor;
    let named = |cause: &Cause| Some(signal(cause.part, tensor, signals.as_ref()?));
    Ok(Located {
        pe: location.as_ref().map(|location| location.pe),
        cycles: location.as_ref().map(|location| location.cycles),
        module: signals.map_or("heartbit.sender".to_owned(), |signals| signals.module()),
        signal: cause.as_ref().and_then(named),
        cause,
        waveform: traced.map(|traced| traced.save(&groups, marker, &mut notes)),
        notes,
    })
}

/// What the compiler makes of the network for the same array, memories, bands and weight port.
fn expected<'a>(build: &'a Build, notes: &mut Vec<String>) -> Cow<'a, Compiled> {
    let loaded = &build.compiled.program;
    let sequence = &build.compiled.sequence;
    match compile_again(&build.network, loaded, sequence.bands) {
        Ok(fresh) if fresh.program.layers == loaded.layers => Cow::Owned(fresh),
        Ok(fresh) => {
            let pairs = fresh.program.layers.iter().zip(&loaded.layers);
            let equal = pairs.take_while(|(fresh, loaded)| fresh == loaded).count();
            let last = sequence.layers.len() - 1;
            let name = sequence.name(&build.compiled.plan, equal.min(last));
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
    /// Whether steps may wait for their weights.
    fn streams(&self) -> bool {
        self.program().layers.iter().any(|layer| layer.flags.stream_weights)
    }

    /// When the image ran; where weights are streamed, when it runs first, so that it does not
    /// depend on the images before.
    fn timing(&self) -> Outcome<Timing> {
        if !self.streams() {
            let layer_cycles = self.divergence.layer_cycles.clone();
            return Ok(Timing { start: 0, layer_cycles });
        }
        Ok(Timing::of(&Simulator::new(self.program())?.run(self.image)?))
    }

    /// Tile, processing element and cycles.
    fn location(&self, timing: &Timing) -> Option<Location> {
        let place = self.divergence.difference.place?;
        let program = self.program();
        let (predicted, waits) = Predictor::new(program).image_with_waits(timing.start);
        // What an engine that stopped early did not say is predicted.
        let mut cycles = timing.layer_cycles.clone();
        let rest = predicted.layers.iter().skip(cycles.len());
        cycles.extend(rest.map(|layer| layer.total().0));
        Some(locate(program, layer_starts(&cycles)[place.layer], &waits, &place))
    }

    fn first_difference(&self, compiled: &Compiled, execution: &Execution) -> Option<Difference> {
        let comparison = compare(&self.build.network, compiled, &self.values, execution);
        comparison.differences.into_iter().next()
    }

    /// Runs the image again, with a waveform.
    fn trace(&self, tracer: &Tracer<'_>, location: Option<&Location>) -> Outcome<Traced> {
        let design = tracer.design.clone();
        let mut rtl = cosim::accelerator(design, self.build, tracer.toolchain, Trace::Fst)?;
        std::fs::create_dir_all(&tracer.directory).map_err(|error| {
            Failure::from_error(Code::BadInput, error)
                .context(format!("cannot create `{}`", tracer.directory.display()))
        })?;
        let file = tracer.directory.join(FILE_STEM).with_extension("fst");
        let run = rtl.run_windowed(self.image, &file, self.window(tracer, location))?;
        let again = self.first_difference(&self.build.compiled, &run.execution);
        Ok(Traced {
            waveform: Waveform::open(&file)?,
            file,
            fetch_cycle: run.fetch_cycle,
            is_same: again.as_ref() == Some(&self.divergence.difference),
            timing: Timing::of(&run.execution),
        })
    }

    /// The cycles that a waveform shows.
    fn window(&self, tracer: &Tracer<'_>, location: Option<&Location>) -> Range<u64> {
        if tracer.is_whole {
            return 0..u64::MAX;
        }
        let (first, last) = match location {
            Some(Location { cycles, .. }) => (cycles.first_step, cycles.end.max(cycles.sum) + 1),
            None => (self.send_start(), self.send_start() + predict(self.program()).send.0),
        };
        first.saturating_sub(tracer.margin)..last + tracer.margin
    }

    fn program(&self) -> &Program {
        &self.build.compiled.program
    }

    /// The first cycle in which results are sent.
    fn send_start(&self) -> u64 {
        self.divergence.layer_cycles.iter().sum()
    }

    /// What is wrong at a location, if both what should be and what was are known.
    fn cause(
        &self,
        location: &Location,
        signals: &PeSignals,
        traced: Option<&mut Traced>,
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
        let met = match self.met(location, signals, traced)? {
            Ok(met) => met,
            Err(note) => {
                notes.push(note);
                return Ok(None);
            }
        };
        let should = reference.probe(self.image, &location.pe)?;
        let programs = Programs { expected: &self.expected.program, loaded: self.program() };
        Ok(Some(diagnose(programs, location, &self.divergence.difference, &should, &met)))
    }

    /// What the element met, or why that is not known.
    fn met(
        &self,
        location: &Location,
        signals: &PeSignals,
        traced: Option<&mut Traced>,
    ) -> Outcome<Result<PeTrace, String>> {
        let is_rtl = self.divergence.engine == "RTL";
        match traced {
            Some(traced) if traced.is_same => {
                let cycles = pe_cycles(location, traced.fetch_cycle);
                let met = signals.read(&mut traced.waveform, &cycles);
                Ok(met.map_err(|error| format!("its words cannot be compared: {error}")))
            }
            Some(_) if is_rtl => {
                Ok(Err("another result when the image runs alone: it depends on \
                                         the images before"
                    .to_owned()))
            }
            None if is_rtl => {
                Ok(Err("a waveform tells what is wrong there (`--trace`)".to_owned()))
            }
            _ if self.divergence.engine == verdict::SIMULATOR => {
                Ok(Ok(Simulator::new(self.program())?.probe(self.image, &location.pe)?))
            }
            _ => Ok(Err(format!("the {} does not say what it met there", self.divergence.engine))),
        }
    }
}

/// When the words are at the element, in cycles of the model.
fn pe_cycles(location: &Location, fetch: u64) -> PeCycles {
    PeCycles {
        operands: location.operands.iter().map(|cycle| fetch + cycle).collect(),
        sum: fetch + location.cycles.sum,
        post: fetch + location.cycles.post,
    }
}

impl Traced {
    /// Writes the files that open the waveform on the right signals, the marker in a cycle of the
    /// image.
    fn save(self, groups: &[Group], marker: u64, notes: &mut Vec<String>) -> WaveformFiles {
        let Self { file, waveform, fetch_cycle, .. } = self;
        let marker = fetch_cycle + marker;
        let save = SaveFile::new(&file, &waveform, groups, marker).and_then(|save| save.write());
        if let Err(error) = &save {
            notes.push(format!("no save files: {error}"));
        }
        let [gtkwave, surfer] = save.map_or([None, None], |paths| paths.map(Some));
        let cycles = waveform.cycles();
        let cycles = [cycles.start, cycles.end].map(|cycle| cycle.saturating_sub(fetch_cycle));
        WaveformFiles { file, cycles, time: time_of(marker) + 1, gtkwave, surfer }
    }
}
