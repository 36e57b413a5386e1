//! A running model: ports, clock, recorder, waveforms.
//!
//! **Cycle.** The clock is low between calls. [`Model::tick`] lets the inputs settle, raises the
//! clock, evaluates, lowers it, evaluates. Registers take the inputs as they were before the rising
//! edge; outputs read afterwards are those *after* the edge: registered outputs show the new state,
//! combinational ones the new state together with the inputs as they still are. The inputs of a
//! [`Source`] are those of the new cycle already.
//!
//! A design that stops itself (`$fatal`, `$stop`, an assertion) makes the call that saw it, and all
//! later ones, return [`Error::Stopped`]; the process lives on.
//! Verilog has two states here: there is no X.

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use heartbit_ir::program::PortSlots;

use crate::ffi::{FINISHED, Handle, RUNNING, RunReason, RunResult, Text};
use crate::{Design, Direction, Error, Initial, Port, Trace};

/// Most words that the recorder asks for at a time.
const CHUNK_WORDS: usize = 1 << 16;

/// Number of a port, valid for all models of the design it was looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortId(u32);

/// What offers beats on a valid/ready port while a model runs.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The input that is 1 while a beat is offered.
    pub valid: PortId,
    /// The output that is 1 where it is accepted.
    pub ready: PortId,
    /// The beat.
    pub data: PortId,
    /// Words of all beats, [`Port::n_words`] each, repeated for ever.
    pub beats: &'a [u32],
    /// The cycles in which the next beat may be offered, counted from the present one. A beat is
    /// offered until it is accepted.
    pub slots: &'a PortSlots,
}

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

/// How a recorded run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// Cycles run in this call.
    pub cycles: u64,
    /// Whether the stop port ended it.
    pub is_stopped: bool,
}

/// One instance of a compiled design. `Send`, not `Sync`; dropping it runs `final` blocks.
pub struct Model {
    handle: Handle,
    design: Arc<Design>,
    clock: Option<PortId>,
    trace: Trace,
    /// Valid, ready and data of the source.
    source: Option<[u32; 3]>,
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
        let mut model = Self { handle, design, clock: None, trace, source: None };
        model.clock = model.design.clock().and_then(|clock| model.port(clock).ok());
        model.check_stopped()?;
        Ok(model)
    }

    /// Looks a port up by its Verilog name.
    ///
    /// # Errors
    /// [`Error::UnknownPort`].
    pub fn port(&self, name: &str) -> Result<PortId, Error> {
        let position = self.design.ports.iter().position(|port| port.name == name);
        position.and_then(|index| u32::try_from(index).ok()).map(PortId).ok_or_else(|| {
            Error::UnknownPort { top: self.design.top.clone(), name: name.to_owned() }
        })
    }

    /// Name, width and direction of a port.
    pub fn port_info(&self, port: PortId) -> &Port {
        &self.design.ports[port.0 as usize]
    }

    /// Sets an input to `words`, least significant first; takes effect at the next evaluation.
    ///
    /// # Panics
    /// If the port is an output or the clock, if the number of words is not [`Port::n_words`], or if a bit above
    /// the port's width is set.
    pub fn poke(&mut self, port: PortId, words: &[u32]) {
        let info = &self.design.ports[port.0 as usize];
        assert!(info.direction == Direction::Input, "bug: `{}` is an output", info.name);
        assert!(self.clock != Some(port), "bug: the clock is driven by `tick` and `run`");
        assert!(
            words.last().is_none_or(|top| top & !info.top_mask() == 0),
            "bug: the value has more than the {} bits of `{}`",
            info.width,
            info.name
        );
        self.handle.poke(port.0, words);
    }

    /// Copies a port into `words`, least significant first; bits above the width are zero.
    ///
    /// # Panics
    /// If the number of words is not [`Port::n_words`].
    pub fn peek(&self, port: PortId, words: &mut [u32]) {
        self.handle.peek(port.0, words);
    }

    /// Sets an input of at most 64 bits.
    ///
    /// # Panics
    /// As [`Model::poke`], and if the port is wider than 64 bits.
    #[expect(clippy::cast_possible_truncation, reason = "splits the value into its two words")]
    pub fn set(&mut self, port: PortId, value: u64) {
        let words = [value as u32, (value >> 32) as u32];
        match self.port_info(port).n_words() {
            1 => {
                assert!(words[1] == 0, "bug: {value:#x} is wider than the port");
                self.poke(port, &words[..1]);
            }
            _ => self.poke(port, &words),
        }
    }

    /// Reads a port of at most 64 bits.
    ///
    /// # Panics
    /// If the port is wider than 64 bits.
    pub fn get(&self, port: PortId) -> u64 {
        let mut words = [0; 2];
        let n_words = self.port_info(port).n_words();
        self.peek(port, &mut words[..n_words.min(2)]);
        u64::from(words[1]) << 32 | u64::from(words[0])
    }

    /// Drives a valid/ready port from the present cycle on, in every method that runs the clock, as
    /// [`Source`] says; in place of the source before. `None` ends it without an offer.
    ///
    /// # Panics
    /// If the ports are not a one-bit input, a one-bit output and an input, if a beat has not
    /// [`Port::n_words`] words or a bit above the port's width, or if no cycle is a slot.
    pub fn set_source(&mut self, source: Option<&Source<'_>>) {
        if let Some(old) = self.source.take() {
            self.handle.set_source(old, &[], &[], 0);
        }
        let Some(source) = source else { return };
        let Source { valid, ready, data, beats, slots } = *source;
        let info = |port: PortId| (self.port_info(port).direction, self.port_info(port).width);
        let fits = info(valid) == (Direction::Input, 1)
            && info(ready) == (Direction::Output, 1)
            && info(data).0 == Direction::Input;
        assert!(fits, "bug: {valid:?}, {ready:?} and {data:?} are no port of a source");
        let (n_words, top_mask) = (self.port_info(data).n_words(), self.port_info(data).top_mask());
        assert!(beats.len().is_multiple_of(n_words), "bug: beats of {n_words} words");
        let mut tops = beats.iter().skip(n_words - 1).step_by(n_words);
        assert!(tops.all(|top| top & !top_mask == 0), "bug: a beat is wider than its port");
        assert!(slots.pattern.contains(&true), "bug: a source that never offers");
        let pattern: Vec<u8> = slots.pattern.iter().map(|&slot| slot.into()).collect();
        let ports = [valid.0, ready.0, data.0];
        self.handle.set_source(ports, beats, &pattern, slots.latency);
        self.source = Some(ports);
    }

    /// Evaluates combinational logic for the present inputs, without a clock edge.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn eval(&mut self) -> Result<(), Error> {
        self.handle.eval();
        self.check_stopped()
    }

    /// Runs one clock cycle; see the module's text for when inputs and outputs count.
    ///
    /// # Errors
    /// [`Error::NoClock`] for a combinational design; [`Error::Stopped`]; [`Error::Finished`] if the
    /// design called `$finish` in an earlier cycle.
    pub fn tick(&mut self) -> Result<(), Error> {
        self.run(1).map(drop)
    }

    /// Runs up to `n` cycles with constant inputs and returns how many ran: fewer only when the
    /// design calls `$finish`.
    ///
    /// # Errors
    /// As [`Model::tick`].
    pub fn run(&mut self, n: u64) -> Result<u64, Error> {
        self.check_clock()?;
        let RunResult { cycles, reason, .. } = self.handle.run(n, &[], &[], None, &mut []);
        if reason == RunReason::Status {
            self.check_stopped()?;
        }
        Ok(cycles)
    }

    /// Runs up to `n` cycles with constant inputs, but for those of a source; after each cycle in which any of `strobes` is
    /// non-zero, appends a record to `out`; ends early after a cycle in which `stop` is non-zero.
    ///
    /// A record is [`Model::cycle`] after that cycle (low word, high word), then the words of each
    /// `watched` port in the order given, all read after the cycle, as `peek` would after `tick`.
    /// The last cycle is recorded before `stop` is looked at.
    ///
    /// # Errors
    /// As [`Model::tick`]; `out` holds the records up to the stop.
    pub fn run_recorded(
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

    /// Clock cycles completed since the model was made.
    pub fn cycle(&self) -> u64 {
        self.handle.cycle()
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

    /// Starts a waveform file with the present state; ends the one before.
    ///
    /// Time is ten units a cycle: inputs take effect from unit 1, the clock rises at 5, falls at 10.
    ///
    /// # Errors
    /// [`Error::TraceNotBuilt`] without [`Trace::Fst`]; [`Error::TraceOpen`] or [`Error::Io`] when
    /// the file cannot be written.
    pub fn trace_start(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        if self.trace == Trace::None {
            return Err(Error::TraceNotBuilt);
        }
        let path = path.as_ref();
        // The FST library gives no reason when it cannot open a file, so open it once before.
        File::create(path).map_err(Error::io("create", path))?;
        let name = CString::new(path.as_os_str().as_bytes()).ok();
        if name.is_some_and(|name| self.handle.trace_start(&name)) {
            Ok(())
        } else {
            Err(Error::TraceOpen { path: path.to_owned() })
        }
    }

    /// Completes the waveform file, if one is open; dropping the model does it too.
    pub fn trace_stop(&mut self) {
        self.handle.trace_stop();
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
