//! What runs a program: four engines behind one trait.
//!
//! Not here: what the result should be ([`crate::ladder`]).

use crate::native::Native;
use heartbit_cosim::{Accelerator, Build, Compiled, Initial, Toolchain, accelerator_design};
use heartbit_ir::program::{ArrayConfig, Execution, MemoryDepths, Program};
use heartbit_sim::{Simulator, fast};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tempfile::TempDir;

/// Says whether the host waits, one call a cycle.
pub type Waits<'a> = dyn FnMut() -> bool + 'a;

/// Why an engine gives no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// It refuses a program or an image, or does not end: a finding.
    #[error("{0}")]
    Refused(String),
    /// A tool is missing or failed: no verdict.
    #[error(transparent)]
    Tool(heartbit_cosim::Error),
}

/// An engine.
pub trait Engine: Send {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// Loads a program in place of the one before.
    ///
    /// # Errors
    /// [`EngineError`].
    fn load(&mut self, program: &Program) -> Result<(), EngineError>;

    /// Runs an image with the program that was loaded last; an engine without ports has no host
    /// that waits.
    ///
    /// # Errors
    /// [`EngineError`].
    fn run(
        &mut self,
        image: &[u8],
        waits: Option<&mut Waits<'_>>,
    ) -> Result<Execution, EngineError>;

    /// Whether the cycles of `Send` contain those in which the host waits.
    fn counts_waiting(&self) -> bool {
        false
    }

    /// Whether other hardware takes long, because it is built.
    fn is_built(&self) -> bool {
        false
    }
}

/// What builds Verilog, and where models are kept.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Verilator and compiler.
    pub toolchain: Arc<Toolchain>,
    /// The user's cache if `None`.
    directory: Option<Arc<TempDir>>,
}

impl Tools {
    /// Finds the tools; models are kept in the user's cache.
    ///
    /// # Errors
    /// A tool that is missing or too old.
    pub fn detect() -> Result<Self, heartbit_cosim::Error> {
        Ok(Self { toolchain: Arc::new(Toolchain::detect()?), directory: None })
    }

    /// Keeps models in a temporary directory: those of random arrays are never used again.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn with_temporary_models(self) -> std::io::Result<Self> {
        Ok(Self { directory: Some(Arc::new(tempfile::tempdir()?)), ..self })
    }

    fn compile(&self, program: &Program) -> Result<Compiled, heartbit_cosim::Error> {
        let build = Build::new(accelerator_design(&program.array, &program.depths));
        let build = match &self.directory {
            Some(directory) => build.cache_dir(directory.path()),
            None => build,
        };
        build.compile(&self.toolchain)
    }
}

/// The engines that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// The simulator, cycle by cycle.
    Sim,
    /// The simulator's results layer by layer.
    Fast,
    /// The description of the hardware in the native simulation.
    Native,
    /// The emitted Verilog under Verilator.
    Rtl,
}

impl EngineKind {
    /// All, by cost.
    pub const ALL: [Self; 4] = [Self::Sim, Self::Fast, Self::Native, Self::Rtl];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Fast => "fast",
            Self::Native => "native",
            Self::Rtl => "rtl",
        }
    }

    /// Makes one.
    ///
    /// # Panics
    /// If there are no tools for the Verilog.
    pub fn engine(self, tools: Option<&Tools>) -> Box<dyn Engine> {
        match self {
            Self::Sim => Box::new(Sim(None)),
            Self::Fast => Box::new(Fast(None)),
            Self::Native => Box::new(NativeEngine(None)),
            Self::Rtl => {
                let tools = tools.expect("bug: Verilog without its tools").clone();
                Box::new(Rtl { tools, model: None })
            }
        }
    }
}

impl FromStr for EngineKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("there is no engine `{text}`: sim, fast, native, rtl"))
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn refused(error: impl fmt::Display) -> EngineError {
    EngineError::Refused(error.to_string())
}

fn loaded<T>(engine: &mut Option<T>) -> &mut T {
    engine.as_mut().expect("bug: a program was loaded")
}

struct Sim(Option<Simulator>);

impl Engine for Sim {
    fn name(&self) -> &'static str {
        "simulator"
    }

    fn load(&mut self, program: &Program) -> Result<(), EngineError> {
        self.0 = Some(Simulator::new(program).map_err(refused)?);
        Ok(())
    }

    fn run(&mut self, image: &[u8], _: Option<&mut Waits<'_>>) -> Result<Execution, EngineError> {
        loaded(&mut self.0).run(image).map_err(refused)
    }
}

struct Fast(Option<fast::Engine>);

impl Engine for Fast {
    fn name(&self) -> &'static str {
        "fast engine"
    }

    fn load(&mut self, program: &Program) -> Result<(), EngineError> {
        self.0 = Some(fast::Engine::new(program).map_err(refused)?);
        Ok(())
    }

    fn run(&mut self, image: &[u8], _: Option<&mut Waits<'_>>) -> Result<Execution, EngineError> {
        let engine = loaded(&mut self.0);
        // Images of which no layer is recorded take another way: logits are compared on both.
        let lean = engine.clone().run_logits(image).map_err(refused)?;
        let execution = engine.run(image).map_err(refused)?;
        Ok(Execution { logits: lean.logits, class: lean.class, ..execution })
    }
}

struct NativeEngine(Option<Native>);

impl Engine for NativeEngine {
    fn name(&self) -> &'static str {
        "native simulation"
    }

    fn load(&mut self, program: &Program) -> Result<(), EngineError> {
        self.0 = Some(Native::new(program));
        Ok(())
    }

    fn run(
        &mut self,
        image: &[u8],
        waits: Option<&mut Waits<'_>>,
    ) -> Result<Execution, EngineError> {
        let native = loaded(&mut self.0);
        Ok(match waits {
            Some(waits) => native.run(image, || !waits()),
            None => native.run(image, || true),
        })
    }
}

struct Rtl {
    tools: Tools,
    model: Option<(ArrayConfig, MemoryDepths, Accelerator)>,
}

impl Rtl {
    fn accelerator(
        &mut self,
        program: &Program,
    ) -> Result<&mut Accelerator, heartbit_cosim::Error> {
        let Program { array, depths, .. } = program;
        let is_other =
            |(a, d, _): &(ArrayConfig, MemoryDepths, Accelerator)| (a, d) != (array, depths);
        if self.model.as_ref().is_none_or(is_other) {
            // Registers without a reset start with random bits: a result must not depend on them.
            let model = self.tools.compile(program)?.instantiate(Initial::Random(1))?;
            self.model = Some((*array, *depths, Accelerator::new(model)?));
        }
        Ok(&mut self.model.as_mut().expect("bug: it was just built").2)
    }

    /// What did not end in a result may go on with the next image: it begins anew.
    fn failed(&mut self, error: heartbit_cosim::Error) -> EngineError {
        self.model = None;
        if error.exit_code() == 1 { refused(error) } else { EngineError::Tool(error) }
    }
}

impl Engine for Rtl {
    fn name(&self) -> &'static str {
        "RTL"
    }

    fn load(&mut self, program: &Program) -> Result<(), EngineError> {
        let result = self.accelerator(program).and_then(|accelerator| accelerator.load(program));
        result.map_err(|error| self.failed(error))
    }

    fn run(
        &mut self,
        image: &[u8],
        waits: Option<&mut Waits<'_>>,
    ) -> Result<Execution, EngineError> {
        let (_, _, accelerator) = loaded(&mut self.model);
        let result = match waits {
            Some(waits) => accelerator.run_stalled(image, waits),
            None => accelerator.run(image),
        };
        result.map_err(|error| self.failed(error))
    }

    fn counts_waiting(&self) -> bool {
        true
    }

    fn is_built(&self) -> bool {
        true
    }
}
