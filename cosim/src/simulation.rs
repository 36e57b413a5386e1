//! What every simulated design can do, whatever simulates it: ports, clock, recorder.
//!
//! **Cycle.** The clock is low between calls. [`Simulation::tick`] lets the inputs settle, raises the
//! clock, evaluates, lowers it, evaluates. Registers take the inputs as they were before the rising
//! edge; outputs read afterwards are those *after* the edge: registered outputs show the new state,
//! combinational ones the new state together with the inputs as they still are. The inputs of a
//! [`Source`] are those of the new cycle already.
//!
//! Not here: the simulators ([`Model`](crate::Model), [`IcarusModel`](crate::IcarusModel)).

use std::path::Path;

use heartbit_ir::program::PortSlots;

use crate::design::is_clock;
use crate::{Design, Direction, Error, Port};

/// Number of a port, valid for all simulations of the design it was looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortId(pub(crate) u32);

/// What offers beats on a valid/ready port while a design runs.
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

/// How a recorded run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// Cycles run in this call.
    pub cycles: u64,
    /// Whether the stop port ended it.
    pub is_stopped: bool,
}

/// A design that is simulated.
pub trait Simulation {
    /// The design.
    fn design(&self) -> &Design;

    /// Clock cycles completed since the simulation began.
    fn cycle(&self) -> u64;

    /// Sets an input to `words`, least significant first; takes effect at the next evaluation.
    ///
    /// # Panics
    /// If the port is an output or the clock, if the number of words is not [`Port::n_words`], or if
    /// a bit above the port's width is set.
    fn poke(&mut self, port: PortId, words: &[u32]);

    /// Copies a port into `words`, least significant first; bits above the width are zero.
    ///
    /// # Panics
    /// If the number of words is not [`Port::n_words`].
    fn peek(&self, port: PortId, words: &mut [u32]);

    /// Drives a valid/ready port from the present cycle on, in every method that runs the clock, as
    /// [`Source`] says; in place of the source before. `None` ends it without an offer.
    ///
    /// # Panics
    /// If the ports are not a one-bit input, a one-bit output and an input, if a beat has not
    /// [`Port::n_words`] words or a bit above the port's width, or if no cycle is a slot.
    fn set_source(&mut self, source: Option<&Source<'_>>);

    /// Evaluates combinational logic for the present inputs, without a clock edge.
    ///
    /// # Errors
    /// [`Error::Stopped`]; [`Error::ToolFailed`] if the simulator is a process that ended.
    fn eval(&mut self) -> Result<(), Error>;

    /// Runs up to `n` cycles with constant inputs and returns how many ran: fewer only when the
    /// design calls `$finish`.
    ///
    /// # Errors
    /// As [`Simulation::tick`].
    fn run(&mut self, n: u64) -> Result<u64, Error>;

    /// Runs up to `n` cycles with constant inputs, but for those of a source; after each cycle in
    /// which any of `strobes` is non-zero, appends a record to `out`; ends early after a cycle in
    /// which `stop` is non-zero.
    ///
    /// A record is [`Simulation::cycle`] after that cycle (low word, high word), then the words of
    /// each `watched` port in the order given, all read after the cycle, as `peek` would after
    /// `tick`. The last cycle is recorded before `stop` is looked at.
    ///
    /// # Errors
    /// As [`Simulation::tick`]; `out` holds the records up to the stop.
    fn run_recorded(
        &mut self,
        n: u64,
        strobes: &[PortId],
        watched: &[PortId],
        stop: Option<PortId>,
        out: &mut Vec<u32>,
    ) -> Result<RunEnd, Error>;

    /// Starts a waveform file with the present state; ends the one before.
    ///
    /// Time is ten units a cycle: inputs take effect from unit 1, the clock rises at 5, falls at 10.
    ///
    /// # Errors
    /// [`Error::TraceNotBuilt`] where the simulation has none; [`Error::TraceOpen`] or [`Error::Io`]
    /// when the file cannot be written.
    fn trace_start(&mut self, path: &Path) -> Result<(), Error> {
        let _ = path;
        Err(Error::TraceNotBuilt)
    }

    /// Completes the waveform file, if one is open; dropping the simulation does it too.
    fn trace_stop(&mut self) {}

    /// Looks a port up by its Verilog name.
    ///
    /// # Errors
    /// [`Error::UnknownPort`].
    fn port(&self, name: &str) -> Result<PortId, Error> {
        let design = self.design();
        let position = design.ports.iter().position(|port| port.name == name);
        position
            .and_then(|index| u32::try_from(index).ok())
            .map(PortId)
            .ok_or_else(|| Error::UnknownPort { top: design.top.clone(), name: name.to_owned() })
    }

    /// Name, width and direction of a port.
    fn port_info(&self, port: PortId) -> &Port {
        &self.design().ports[port.0 as usize]
    }

    /// Sets an input of at most 64 bits.
    ///
    /// # Panics
    /// As [`Simulation::poke`], and if the port is wider than 64 bits.
    #[expect(clippy::cast_possible_truncation, reason = "splits the value into its two words")]
    fn set(&mut self, port: PortId, value: u64) {
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
    fn get(&self, port: PortId) -> u64 {
        let mut words = [0; 2];
        let n_words = self.port_info(port).n_words();
        self.peek(port, &mut words[..n_words.min(2)]);
        u64::from(words[1]) << 32 | u64::from(words[0])
    }

    /// Runs one clock cycle; see the module's text for when inputs and outputs count.
    ///
    /// # Errors
    /// [`Error::NoClock`] for a combinational design; [`Error::Stopped`]; [`Error::Finished`] if the
    /// design called `$finish` in an earlier cycle; [`Error::Unknown`] where the simulator knows X.
    fn tick(&mut self) -> Result<(), Error> {
        self.run(1).map(drop)
    }
}

/// Checks the words of an input.
pub(crate) fn check_poke(design: &Design, port: PortId, words: &[u32]) {
    let info = &design.ports[port.0 as usize];
    let name = &info.name;
    assert!(info.direction == Direction::Input, "bug: `{name}` is an output");
    assert!(!is_clock(name), "bug: the clock is driven by `tick` and `run`");
    assert!(words.len() == info.n_words(), "bug: `{name}` has {} words", info.n_words());
    assert!(
        words.last().is_none_or(|top| top & !info.top_mask() == 0),
        "bug: the value has more than the {} bits of `{name}`",
        info.width,
    );
}

/// Checks that a source fits its ports.
pub(crate) fn check_source(design: &Design, source: &Source<'_>) {
    let Source { valid, ready, data, beats, slots } = *source;
    let port = |port: PortId| &design.ports[port.0 as usize];
    let info = |id: PortId| (port(id).direction, port(id).width);
    let fits = info(valid) == (Direction::Input, 1)
        && info(ready) == (Direction::Output, 1)
        && info(data).0 == Direction::Input;
    assert!(fits, "bug: {valid:?}, {ready:?} and {data:?} are no port of a source");
    let (n_words, top_mask) = (port(data).n_words(), port(data).top_mask());
    assert!(beats.len().is_multiple_of(n_words), "bug: beats of {n_words} words");
    let mut tops = beats.iter().skip(n_words - 1).step_by(n_words);
    assert!(tops.all(|top| top & !top_mask == 0), "bug: a beat is wider than its port");
    assert!(slots.pattern.contains(&true), "bug: a source that never offers");
}
