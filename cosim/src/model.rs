//! A model that Verilator made, running.
//!
//! A design that stops itself (`$fatal`, `$stop`, an assertion) makes the call that saw it, and all
//! later ones, return [`Error::Stopped`]; the process lives on.
//! Verilog has two states here: there is no X.

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ffi::{FINISHED, Handle, RUNNING, RunReason, RunResult, Text};
use crate::simulation::{check_poke, check_source};
use crate::{Design, Error, Initial, PortId, RunEnd, Simulation, Source, Trace};

/// Most words that the recorder asks for at a time.
const CHUNK_WORDS: usize = 1 << 16;

/// Whether a model still runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Running,
    /// The design called `$finish`.
    Finished,
    /// The design or the runtime stopped it; the text says where and why.
    Stopped(String),
}

/// One instance of a compiled design. `Send`, not `Sync`; dropping it runs `final` blocks.
pub struct Model {
    handle: Handle,
    design: Arc<Design>,
    clock: Option<PortId>,
    trace: Trace,
    /// Valid, ready and data of the source.
    source: Option<[u32; 3]>,
    /// The directory in which it says what it covered when it ends.
    pub(crate) coverage: Option<PathBuf>,
}

impl Drop for Model {
    fn drop(&mut self) {
        let Some(directory) = &self.coverage else { return };
        let file = crate::coverage::new_file(directory);
        if let Ok(path) = CString::new(file.as_os_str().as_bytes()) {
            self.handle.write_coverage(&path);
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("top", &self.design.top)
            .field("cycle", &self.cycle())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Loads the shared object at `path`; all inputs are zero.
    pub(crate) fn load(
        design: Arc<Design>,
        path: &Path,
        trace: Trace,
        initial: Initial,
    ) -> Result<Self, Error> {
        let handle = Handle::load(path, &design, initial)?;
        let mut model = Self { handle, design, clock: None, trace, source: None, coverage: None };
        model.clock = model.design.clock().and_then(|clock| model.port(clock).ok());
        model.check_stopped()?;
        Ok(model)
    }

    /// Whether the model still runs.
    pub fn status(&self) -> Status {
        match self.handle.status() {
            RUNNING => Status::Running,
            FINISHED => Status::Finished,
            _ => Status::Stopped(self.handle.text(Text::Message)),
        }
    }

    /// Takes what the design printed with `$display` and the like, at most about 1 MiB.
    pub fn take_log(&mut self) -> String {
        let log = self.handle.text(Text::Log);
        self.handle.clear_log();
        log
    }

    /// Checks that the clock can be ticked.
    fn check_clock(&self) -> Result<(), Error> {
        if self.clock.is_none() {
            return Err(Error::NoClock { top: self.design.top.clone() });
        }
        match self.handle.status() {
            FINISHED => Err(Error::Finished { cycle: self.cycle() }),
            _ => self.check_stopped(),
        }
    }

    fn check_stopped(&self) -> Result<(), Error> {
        if matches!(self.handle.status(), RUNNING | FINISHED) {
            return Ok(());
        }
        let message = self.handle.text(Text::Message);
        let log = self.handle.text(Text::Log);
        Err(Error::Stopped { cycle: self.cycle(), message, log })
    }
}

impl Simulation for Model {
    fn design(&self) -> &Design {
        &self.design
    }

    fn cycle(&self) -> u64 {
        self.handle.cycle()
    }

    fn poke(&mut self, port: PortId, words: &[u32]) {
        check_poke(&self.design, port, words);
        self.handle.poke(port.0, words);
    }

    fn peek(&self, port: PortId, words: &mut [u32]) {
        self.handle.peek(port.0, words);
    }

    fn set_source(&mut self, source: Option<&Source<'_>>) {
        if let Some(old) = self.source.take() {
            self.handle.set_source(old, &[], &[], 0);
        }
        let Some(source) = source else { return };
        check_source(&self.design, source);
        let Source { valid, ready, data, beats, slots } = *source;
        let pattern: Vec<u8> = slots.pattern.iter().map(|&slot| slot.into()).collect();
        let ports = [valid.0, ready.0, data.0];
        self.handle.set_source(ports, beats, &pattern, slots.latency);
        self.source = Some(ports);
    }

    fn eval(&mut self) -> Result<(), Error> {
        self.handle.eval();
        self.check_stopped()
    }

    fn run(&mut self, n: u64) -> Result<u64, Error> {
        self.check_clock()?;
        let RunResult { cycles, reason, .. } = self.handle.run(n, &[], &[], None, &mut []);
        if reason == RunReason::Status {
            self.check_stopped()?;
        }
        Ok(cycles)
    }

    fn run_recorded(
        &mut self,
        n: u64,
        strobes: &[PortId],
        watched: &[PortId],
        stop: Option<PortId>,
        out: &mut Vec<u32>,
    ) -> Result<RunEnd, Error> {
        self.check_clock()?;
        let numbers = |ports: &[PortId]| ports.iter().map(|port| port.0).collect::<Vec<_>>();
        let (strobes, ports) = (numbers(strobes), numbers(watched));
        let record: usize = 2 + watched.iter().map(|&p| self.port_info(p).n_words()).sum::<usize>();
        let mut end = RunEnd { cycles: 0, is_stopped: false };
        while end.cycles < n {
            let most = (CHUNK_WORDS / record).max(1);
            let n_records = usize::try_from(n - end.cycles).map_or(most, |left| left.min(most));
            let start = out.len();
            out.resize(start + n_records * record, 0);
            let stop = stop.map(|port| port.0);
            let result = self.handle.run(n - end.cycles, &strobes, &ports, stop, &mut out[start..]);
            out.truncate(start + result.n_written);
            end.cycles += result.cycles;
            match result.reason {
                RunReason::Full => {}
                RunReason::Done => break,
                RunReason::StopPort => {
                    end.is_stopped = true;
                    break;
                }
                RunReason::Status => {
                    self.check_stopped()?;
                    break;
                }
            }
        }
        Ok(end)
    }

    fn trace_start(&mut self, path: &Path) -> Result<(), Error> {
        if self.trace == Trace::None {
            return Err(Error::TraceNotBuilt);
        }
        // The FST library gives no reason when it cannot open a file, so open it once before.
        File::create(path).map_err(Error::io("create", path))?;
        let name = CString::new(path.as_os_str().as_bytes()).ok();
        if name.is_some_and(|name| self.handle.trace_start(&name)) {
            Ok(())
        } else {
            Err(Error::TraceOpen { path: path.to_owned() })
        }
    }

    fn trace_stop(&mut self) {
        self.handle.trace_stop();
    }
}
