//! A design that runs under Icarus Verilog.
//!
//! Ports are kept here; the process is told of inputs, and tells outputs, when the clock runs.

use std::fmt::Write as _;
use std::sync::Arc;

use heartbit_ir::program::PortSlots;
use tempfile::TempDir;

use super::bench;
use super::process::{Answer, Process};
use crate::accelerator::halves;
use crate::simulation::{check_poke, check_source};
use crate::{Design, Direction, Error, PortId, RunEnd, Simulation, Source};

/// A design that runs under Icarus Verilog; dropping it ends the process.
///
/// Bits that are not known read as 0: those that must be known are an error
/// ([`Error::Unknown`]) of the method that ran the clock.
#[derive(Debug)]
pub struct IcarusModel {
    design: Arc<Design>,
    process: Process,
    /// Words of each port.
    values: Vec<Vec<u32>>,
    /// An input was set since the process was told of them.
    is_dirty: bool,
    cycle: u64,
    /// Strobes and stop that the process was told.
    masks: String,
    source: Option<Offers>,
    /// What was not known, once it was found.
    unknown: Option<(String, u64)>,
    // Last, so that it is removed after the process ended.
    _directory: TempDir,
}

/// A source, and where it stands.
#[derive(Debug)]
struct Offers {
    ports: [PortId; 3],
    beats: Vec<u32>,
    slots: PortSlots,
    /// The cycle from which slots are counted.
    first: u64,
    /// First word of the beat that is offered, or of the next one.
    next: usize,
    is_offering: bool,
}

impl IcarusModel {
    /// A design that a process runs, whose files are in the directory.
    pub(super) fn new(design: Design, process: Process, directory: TempDir) -> Result<Self, Error> {
        let values = design.ports.iter().map(|port| vec![0; port.n_words()]).collect();
        let mut model = Self {
            design: Arc::new(design),
            process,
            values,
            is_dirty: true,
            cycle: 0,
            masks: String::new(),
            source: None,
            unknown: None,
            _directory: directory,
        };
        model.eval()?;
        Ok(model)
    }

    /// All ports of a direction as one number.
    fn number(&self, direction: Direction, words_of: impl Fn(usize) -> Option<Vec<u32>>) -> String {
        let design = &self.design;
        let bits = bench::bits(design, direction).max(1);
        let mut all = vec![0_u32; bits.div_ceil(32) as usize + 1];
        for (index, port) in design.ports.iter().enumerate() {
            let Some(words) = words_of(index) else { continue };
            if bench::is_listed(port, direction) {
                let low = bench::offset(design, port);
                let (at, shift) = ((low / 32) as usize, low % 32);
                for (i, word) in words.iter().enumerate() {
                    let wide = u64::from(*word) << shift;
                    let (low, high) = halves(wide);
                    all[at + i] |= low;
                    if high != 0 {
                        all[at + i + 1] |= high;
                    }
                }
            }
        }
        all.iter().rev().fold(String::new(), |mut text, word| {
            write!(text, "{word:08x}").expect("bug: a string takes all text");
            text
        })
    }

    fn inputs(&self) -> String {
        self.number(Direction::Input, |index| Some(self.values[index].clone()))
    }

    /// Tells the process of inputs that were set.
    fn send_inputs(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.is_dirty) {
            let line = format!("0 {}", self.inputs());
            self.process.send(&line)?;
        }
        Ok(())
    }

    /// Tells the process which outputs are strobes, and which stop it.
    fn send_masks(&mut self, strobes: &[PortId], stop: Option<PortId>) -> Result<(), Error> {
        let ones = |ports: &[PortId]| {
            self.number(Direction::Output, |index| {
                let port = &self.design.ports[index];
                let is_in = ports.iter().any(|id| id.0 as usize == index);
                is_in.then(|| {
                    let mut words = vec![u32::MAX; port.n_words()];
                    words[port.n_words() - 1] = port.top_mask();
                    words
                })
            })
        };
        let masks = format!("1 {} {}", ones(strobes), ones(stop.as_slice()));
        if masks != self.masks {
            self.process.send(&masks)?;
            self.masks = masks;
        }
        Ok(())
    }

    /// Sends a command that runs the clock, and takes the answer; `record` gets the cycle of each
    /// record, the values being those of its ports.
    fn advance(
        &mut self,
        line: &str,
        mut record: impl FnMut(&mut Self, u64),
    ) -> Result<RunEnd, Error> {
        self.check_known()?;
        self.process.send(line)?;
        loop {
            match self.process.receive()? {
                Answer::Unknown { cycle, signal } => self.unknown = Some((signal, cycle)),
                Answer::Record { cycle, outputs } => {
                    self.take(&outputs);
                    record(self, cycle);
                }
                Answer::End { cycles, is_stopped, outputs } => {
                    self.take(&outputs);
                    self.cycle += cycles;
                    self.check_known()?;
                    return Ok(RunEnd { cycles, is_stopped });
                }
            }
        }
    }

    fn check_known(&self) -> Result<(), Error> {
        let unknown = |(signal, cycle): &(String, u64)| Error::Unknown {
            signal: signal.clone(),
            cycle: *cycle,
        };
        self.unknown.as_ref().map_or(Ok(()), |found| Err(unknown(found)))
    }

    /// Keeps the outputs of an answer, lowest word first.
    fn take(&mut self, outputs: &[u32]) {
        let word = |index: usize| u64::from(outputs.get(index).copied().unwrap_or(0));
        let mut low = 0_u32;
        for (port, value) in self.design.ports.iter().zip(&mut self.values) {
            if !bench::is_listed(port, Direction::Output) {
                continue;
            }
            for (i, out) in value.iter_mut().enumerate() {
                let at = low as usize / 32 + i;
                let pair = word(at) | word(at + 1) << 32;
                *out = halves(pair >> (low % 32)).0;
            }
            *value.last_mut().expect("bug: a port has a word") &= port.top_mask();
            low += port.width;
        }
    }

    fn set_port(&mut self, port: PortId, words: &[u32]) {
        self.values[port.0 as usize].copy_from_slice(words);
        self.is_dirty = true;
    }

    /// The source's pins in a cycle, which is the present one or the next.
    fn offer(&mut self, cycle: u64) {
        let Some(mut offers) = self.source.take() else { return };
        let [valid, _, data] = offers.ports;
        if !offers.is_offering && offers.slots.is_slot(cycle - offers.first) {
            offers.is_offering = true;
            let n_words = self.design.ports[data.0 as usize].n_words();
            self.set_port(data, &offers.beats[offers.next..offers.next + n_words]);
        }
        self.set_port(valid, &[offers.is_offering.into()]);
        self.source = Some(offers);
    }

    /// Runs a cycle with a source, whose pins change with the clock edge.
    fn step(&mut self, record: impl FnMut(&mut Self, u64)) -> Result<RunEnd, Error> {
        if self.is_dirty {
            // Whether a beat is accepted is a question of the inputs as they are.
            self.eval()?;
        }
        if let Some(offers) = &mut self.source {
            let [_, ready, data] = offers.ports;
            if offers.is_offering && self.values[ready.0 as usize][0] == 1 {
                offers.is_offering = false;
                offers.next += self.design.ports[data.0 as usize].n_words();
                offers.next %= offers.beats.len();
            }
        }
        self.offer(self.cycle + 1);
        self.is_dirty = false;
        let line = format!("3 {}", self.inputs());
        self.advance(&line, record)
    }
}

impl Simulation for IcarusModel {
    fn design(&self) -> &Design {
        &self.design
    }

    fn cycle(&self) -> u64 {
        self.cycle
    }

    fn poke(&mut self, port: PortId, words: &[u32]) {
        check_poke(&self.design, port, words);
        if self.values[port.0 as usize] != words {
            self.set_port(port, words);
        }
    }

    fn peek(&self, port: PortId, words: &mut [u32]) {
        words.copy_from_slice(&self.values[port.0 as usize]);
    }

    fn set_source(&mut self, source: Option<&Source<'_>>) {
        if let Some(old) = self.source.take() {
            self.set_port(old.ports[0], &[0]);
        }
        let Some(source) = source else { return };
        check_source(&self.design, source);
        self.source = Some(Offers {
            ports: [source.valid, source.ready, source.data],
            beats: source.beats.to_vec(),
            slots: source.slots.clone(),
            first: self.cycle,
            next: 0,
            is_offering: false,
        });
        if source.beats.is_empty() {
            self.source = None;
        }
        self.offer(self.cycle);
    }

    fn eval(&mut self) -> Result<(), Error> {
        self.send_inputs()?;
        self.advance("2 0", |_, _| {}).map(drop)
    }

    fn run(&mut self, n: u64) -> Result<u64, Error> {
        self.run_recorded(n, &[], &[], None, &mut Vec::new()).map(|end| end.cycles)
    }

    fn run_recorded(
        &mut self,
        n: u64,
        strobes: &[PortId],
        watched: &[PortId],
        stop: Option<PortId>,
        out: &mut Vec<u32>,
    ) -> Result<RunEnd, Error> {
        self.send_masks(strobes, stop)?;
        let mut record = |model: &mut Self, cycle: u64| {
            let (low, high) = halves(cycle);
            out.extend([low, high]);
            for port in watched {
                out.extend(&model.values[port.0 as usize]);
            }
        };
        if self.source.is_none() {
            self.send_inputs()?;
            return self.advance(&format!("2 {n}"), record);
        }
        let mut end = RunEnd { cycles: 0, is_stopped: false };
        while end.cycles < n && !end.is_stopped {
            end.is_stopped = self.step(&mut record)?.is_stopped;
            end.cycles += 1;
        }
        Ok(end)
    }
}
