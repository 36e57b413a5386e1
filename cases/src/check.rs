//! Runs a case on engines and judges each against interpreter and cycle model.
//!
//! A panic of any part is a finding like a wrong bit, not the end of the run.

use crate::case::{Built, Case, Stalls};
use crate::engine::{Engine, EngineError, Waits};
use crate::ladder::{self, Mismatch};
use heartbit_compiler::predict::Predictor;
use heartbit_compiler::schedule::ScheduleError;
use heartbit_ir::interp::Map;
use heartbit_ir::program::Execution;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The name of what makes networks and programs, where an engine is named.
pub const COMPILER: &str = "compiler";
/// The name of the interpreter, where an engine is named.
pub const INTERPRETER: &str = "interpreter";

/// What is wrong with a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The engine.
    pub engine: String,
    /// Which of the case's images.
    pub image: usize,
    /// What.
    pub kind: Kind,
    /// Cycles of the layers, as far as the engine came.
    #[serde(skip)]
    pub layer_cycles: Vec<u64>,
}

/// In which way it is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// Another tensor, or other cycles.
    Mismatch(Mismatch),
    /// A valid case was refused, or does not end.
    Refused(String),
    /// A panic: message and place.
    Panicked(String),
}

impl Finding {
    fn new(engine: &str, image: usize, kind: Kind) -> Self {
        Self { engine: engine.to_owned(), image, kind, layer_cycles: Vec::new() }
    }

    /// Whether the same engine is wrong in the same way, if not in the same place.
    pub fn is_like(&self, other: &Self) -> bool {
        let same_kind = match (&self.kind, &other.kind) {
            (Kind::Mismatch(a), Kind::Mismatch(b)) => {
                std::mem::discriminant(a) == std::mem::discriminant(b)
            }
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        };
        self.engine == other.engine && same_kind
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { engine, image, .. } = self;
        match &self.kind {
            Kind::Mismatch(mismatch) => write!(f, "{engine}, image {image}: {mismatch}"),
            Kind::Refused(reason) => write!(f, "{engine} refuses the case: {reason}"),
            Kind::Panicked(message) => write!(f, "{engine} panics: {message}"),
        }
    }
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Tensors, of all engines.
    pub tensors: u64,
    /// Elements of them.
    pub elements: u64,
}

/// What a case gives.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Every engine agrees.
    Passed(Box<Built>, Compared),
    /// The network does not fit the hardware: nothing was run.
    Unfit(ScheduleError),
    /// Something is wrong.
    Found(Box<Finding>),
}

/// Runs a case on engines, one after the other, until one is wrong.
///
/// # Errors
/// A tool that is missing or failed.
pub fn check(
    case: &Case,
    engines: &mut [Box<dyn Engine>],
) -> Result<Verdict, heartbit_cosim::Error> {
    match caught(|| case.build()) {
        Err(message) => {
            Ok(Verdict::Found(Box::new(Finding::new(COMPILER, 0, Kind::Panicked(message)))))
        }
        Ok(Err(ScheduleError::Plan(error))) => {
            let kind = Kind::Refused(error.to_string());
            Ok(Verdict::Found(Box::new(Finding::new(COMPILER, 0, kind))))
        }
        Ok(Err(error)) => Ok(Verdict::Unfit(error)),
        Ok(Ok(built)) => check_built(built, engines),
    }
}

/// As [`check`], of a case that was built.
///
/// # Errors
/// A tool that is missing or failed.
pub fn check_built(
    built: Built,
    engines: &mut [Box<dyn Engine>],
) -> Result<Verdict, heartbit_cosim::Error> {
    let interpreted = || built.images.iter().map(|i| ladder::interpreted(&built.network, i));
    let values: Vec<Vec<Map>> = match caught(|| interpreted().collect()) {
        Ok(values) => values,
        Err(message) => {
            let finding = Finding::new(INTERPRETER, 0, Kind::Panicked(message));
            return Ok(Verdict::Found(Box::new(finding)));
        }
    };
    let mut compared = Compared::default();
    for engine in engines {
        let mut run = Run { built: &built, values: &values, image: 0, compared: &mut compared };
        let found = match caught(|| run.engine(engine.as_mut())) {
            Ok(Ok(())) => continue,
            Ok(Err(Stop::Found(finding))) => finding,
            Ok(Err(Stop::Tool(error))) => return Err(error),
            Err(message) => {
                Box::new(Finding::new(engine.name(), run.image, Kind::Panicked(message)))
            }
        };
        return Ok(Verdict::Found(found));
    }
    Ok(Verdict::Passed(Box::new(built), compared))
}

/// Why a run stops.
enum Stop {
    Found(Box<Finding>),
    Tool(heartbit_cosim::Error),
}

/// A case on one engine.
struct Run<'a> {
    built: &'a Built,
    values: &'a [Vec<Map>],
    /// The image that runs.
    image: usize,
    compared: &'a mut Compared,
}

impl Run<'_> {
    fn engine(&mut self, engine: &mut dyn Engine) -> Result<(), Stop> {
        let name = engine.name();
        let stop = |error, image| match error {
            EngineError::Refused(reason) => {
                Stop::Found(Box::new(Finding::new(name, image, Kind::Refused(reason))))
            }
            EngineError::Tool(error) => Stop::Tool(error),
        };
        let program = &self.built.compiled.program;
        engine.load(program).map_err(|error| stop(error, 0))?;
        let mut predictor = Predictor::new(program);
        let mut waits = self.built.stalls.map(Stalls::waits);
        for (index, image) in self.built.images.iter().enumerate() {
            self.image = index;
            let waits = waits.as_mut().map(|waits| waits as &mut Waits<'_>);
            let execution = engine.run(image, waits).map_err(|error| stop(error, index))?;
            self.judge(engine, &mut predictor, execution)?;
        }
        Ok(())
    }

    fn judge(
        &mut self,
        engine: &dyn Engine,
        predictor: &mut Predictor<'_>,
        mut execution: Execution,
    ) -> Result<(), Stop> {
        let Built { network, compiled, stalls, .. } = self.built;
        let prediction = predictor.image(execution.start);
        let waited = stalls.is_some() && engine.counts_waiting();
        if waited && execution.send_cycles > prediction.send.0 {
            // How many of them the host waited is not known; fewer are wrong in any case.
            execution.send_cycles = prediction.send.0;
        }
        let values = &self.values[self.image];
        match ladder::judge(network, compiled, &prediction, values, &execution) {
            Ok(comparison) => {
                self.compared.tensors += comparison.tensors as u64;
                self.compared.elements += comparison.elements as u64;
                Ok(())
            }
            Err(mismatch) => {
                let kind = Kind::Mismatch(mismatch);
                let finding = Finding::new(engine.name(), self.image, kind);
                let layer_cycles = execution.layer_cycles;
                Err(Stop::Found(Box::new(Finding { layer_cycles, ..finding })))
            }
        }
    }
}

thread_local! {
    /// Whether this thread runs a part whose panic is a finding.
    static CATCHES: Cell<bool> = const { Cell::new(false) };
    /// Where its last panic was.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a part; a panic is an error with message and place. Whatever it was working on is not used
/// again.
fn caught<T>(part: impl FnOnce() -> T) -> Result<T, String> {
    CATCHES.set(true);
    let result = catch_unwind(AssertUnwindSafe(part));
    CATCHES.set(false);
    result.map_err(|payload| {
        let place = PLACE.take();
        message(payload.as_ref()) + &place.map_or(String::new(), |place| format!(" ({place})"))
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

/// From now on a panic that becomes a finding writes nothing, and its place is in the finding. Other
/// panics are reported as before.
pub fn hush_findings() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if CATCHES.get() {
            PLACE.set(info.location().map(|at| format!("{}:{}", at.file(), at.line())));
        } else {
            before(info);
        }
    }));
}
