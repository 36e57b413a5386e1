//! The accelerator under a simulator: load a program, run images, observe every layer.
//!
//! Knows the ports of microarchitecture.md, section 6, and nothing of what is behind them. What
//! the monitor shows is collected in the same [`Execution`] that the simulator returns.
//!
//! Not here: the Verilog (`hdl`), and the judgement whether a result is right.

mod collector;
mod design;
mod load;
mod mutant;
mod pixels;
mod ports;
mod trial;
mod window;

pub use design::{accelerator_design, axi_design, uart_design};
pub use load::LoadTarget;
pub(crate) use load::halves;
pub use mutant::{LoadWord, mutant_design};
pub(crate) use ports::of_pixel;
pub use trial::Beginning;
pub use window::Windowed;

use crate::{Build, Error, Initial, PortId, Simulation, Toolchain};
use collector::Collector;
use heartbit_ir::program::{Execution, IMAGE_CHANNELS, Program};
use ports::Ports;
use std::path::Path;
use std::sync::Arc;

/// Cycles after which [`Accelerator::run_while`] asks whether to go on.
const CHUNK: u64 = 2_000;
/// States of the sequencer as the monitor shows them.
const FETCH: u32 = 1;
const RUN: u32 = 2;
const GAP: u32 = 3;

/// An accelerator that runs a program.
pub struct Accelerator {
    model: Box<dyn Simulation + Send>,
    ports: Ports,
    /// What is loaded; `None` before the first [`Accelerator::load`].
    program: Option<Arc<Program>>,
    /// The first cycle after it was loaded.
    loaded: u64,
    /// Cycles after which an image that is not finished never will be.
    cycle_limit: u64,
}

impl Accelerator {
    /// Builds the accelerator that a program was compiled for, and loads the program.
    ///
    /// # Errors
    /// [`Error`] of the tools.
    pub fn build(program: &Program, toolchain: &Toolchain) -> Result<Self, Error> {
        let design = accelerator_design(&program.array, &program.depths);
        let model = Build::new(design).compile(toolchain)?.instantiate(Initial::Random(1))?;
        let mut accelerator = Self::new(model)?;
        accelerator.load(program)?;
        Ok(accelerator)
    }

    /// Resets a model; a program has to be loaded before an image can run.
    ///
    /// # Errors
    /// [`Error::UnknownPort`] if the model is no accelerator; [`Error::Stopped`].
    pub fn new(model: impl Simulation + Send + 'static) -> Result<Self, Error> {
        let (ports, model) = (Ports::find(&model)?, Box::new(model));
        let mut accelerator = Self { model, ports, program: None, loaded: 0, cycle_limit: 0 };
        accelerator.reset()?;
        Ok(accelerator)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.model.set(self.ports.rst, 1);
        self.model.run(4)?;
        self.model.set(self.ports.rst, 0);
        Ok(())
    }

    /// Starts a waveform; the model must have been built with one.
    ///
    /// # Errors
    /// As [`Simulation::trace_start`](crate::Simulation::trace_start).
    pub fn trace_start(&mut self, path: &Path) -> Result<(), Error> {
        self.model.trace_start(path)
    }

    /// Runs one image of 1 to 3 bytes a pixel, in `[y][x][channel]` order.
    ///
    /// # Errors
    /// [`Error::NoProgram`]; [`Error::Image`] for a wrong number of bytes; [`Error::Halted`] for a
    /// program that the design refuses; [`Error::Hang`] if no class is sent in time;
    /// [`Error::BeatBehindClass`]; [`Error::Stopped`].
    pub fn run(&mut self, image: &[u8]) -> Result<Execution, Error> {
        let (limit, event) = (self.cycle_limit, self.ports.event);
        let execution = self.run_in_chunks(image, limit, event, |_, _| true)?;
        Ok(execution.expect("bug: it was to go on"))
    }

    /// Runs one image as [`Accelerator::run`] does, and looks at the output port only: tensors are
    /// not seen, nor are cycles.
    ///
    /// # Errors
    /// As [`Accelerator::run`].
    pub fn run_logits(&mut self, image: &[u8]) -> Result<Execution, Error> {
        let (limit, valid) = (self.cycle_limit, self.ports.out_valid);
        let execution = self.run_in_chunks(image, limit, valid, |_, _| true)?;
        let Execution { logits, class, .. } = execution.expect("bug: it was to go on");
        Ok(Execution { logits, class, ..Execution::default() })
    }

    /// Like [`Accelerator::run`], but asks now and then whether to `go_on`, with what there is so far
    /// and the number of layers that are complete; returns `None` if not. The accelerator is then
    /// of no use until it is reset.
    ///
    /// # Errors
    /// As [`Accelerator::run`].
    pub fn run_while(
        &mut self,
        image: &[u8],
        go_on: impl FnMut(&Execution, usize) -> bool,
    ) -> Result<Option<Execution>, Error> {
        self.run_in_chunks(image, CHUNK, self.ports.event, go_on)
    }

    /// Looks at the ports in the cycles in which `strobe` is 1.
    fn run_in_chunks(
        &mut self,
        image: &[u8],
        chunk: u64,
        strobe: PortId,
        mut go_on: impl FnMut(&Execution, usize) -> bool,
    ) -> Result<Option<Execution>, Error> {
        let program = Arc::clone(self.program.as_ref().ok_or(Error::NoProgram)?);
        self.send_image(image, &program, &mut || false)?;
        self.model.set(self.ports.out_ready, 1);
        let mut records = Vec::new();
        let mut collector = Collector::new(&program, &self.ports, self.loaded);
        let mut cycles = 0;
        while cycles < self.cycle_limit {
            records.clear();
            let end = self.model.run_recorded(
                chunk.min(self.cycle_limit - cycles),
                &[strobe],
                &self.ports.watched,
                Some(self.ports.out_last),
                &mut records,
            )?;
            cycles += end.cycles;
            for record in records.chunks_exact(self.ports.record_words) {
                collector.record(record, true);
            }
            if end.is_stopped {
                // The edge that accepts the last beat.
                self.model.tick()?;
                let execution = collector.checked()?;
                return self.check_end().map(|()| Some(execution));
            }
            if !go_on(&collector.execution, collector.result_layer.min(program.layers.len())) {
                return Ok(None);
            }
        }
        Err(self.no_result(cycles, collector.layer))
    }

    /// Runs one image as [`Accelerator::run`] does, but the host stalls: before a pixel is
    /// offered, and in every cycle in which a result could be taken, `stall` says whether it
    /// waits. Results and the cycles of the layers must not depend on it.
    ///
    /// # Errors
    /// As [`Accelerator::run`].
    pub fn run_stalled(
        &mut self,
        image: &[u8],
        mut stall: impl FnMut() -> bool,
    ) -> Result<Execution, Error> {
        let program = Arc::clone(self.program.as_ref().ok_or(Error::NoProgram)?);
        self.send_image(image, &program, &mut stall)?;
        let mut collector = Collector::new(&program, &self.ports, self.loaded);
        let mut record = vec![0; self.ports.record_words];
        for _ in 0..self.cycle_limit {
            let ready = !stall();
            self.model.set(self.ports.out_ready, ready.into());
            self.model.eval()?;
            let last = self.model.get(self.ports.out_last) == 1;
            // The design's own word for an accepted beat does not count.
            let taken = ready && self.model.get(self.ports.out_valid) == 1;
            if taken || self.model.get(self.ports.event) == 1 {
                let (low, high) = halves(self.model.cycle());
                record[..2].copy_from_slice(&[low, high]);
                for (&port, &offset) in self.ports.watched.iter().zip(&self.ports.offsets) {
                    let n_words = self.model.port_info(port).n_words();
                    self.model.peek(port, &mut record[offset..offset + n_words]);
                }
                collector.record(&record, ready);
            }
            self.model.tick()?;
            if taken && last {
                let execution = collector.checked()?;
                return self.check_end().map(|()| execution);
            }
        }
        Err(self.no_result(self.cycle_limit, collector.layer))
    }

    /// Nothing is sent behind the class, which was accepted in the cycle before.
    fn check_end(&mut self) -> Result<(), Error> {
        self.model.eval()?;
        if self.model.get(self.ports.out_valid) == 1 { Err(Error::BeatBehindClass) } else { Ok(()) }
    }

    /// Why no class was sent.
    fn no_result(&self, cycles: u64, layer: usize) -> Error {
        if self.model.get(self.ports.error) == 1 {
            Error::Halted { layer }
        } else {
            Error::Hang { cycles, layer }
        }
    }

    fn send_image(
        &mut self,
        image: &[u8],
        program: &Program,
        stall: &mut dyn FnMut() -> bool,
    ) -> Result<(), Error> {
        let header = &program.header;
        let pixels = usize::from(header.image_height) * usize::from(header.image_width);
        let channels = image.len() / pixels;
        if image.len() != pixels * channels || !(1..=IMAGE_CHANNELS).contains(&channels) {
            return Err(Error::Image { bytes: image.len(), pixels });
        }
        let [valid, data, ready] = self.ports.image;
        let mut waited = 0;
        for pixel in image.chunks_exact(channels) {
            let word = pixel.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
            while stall() {
                self.model.set(valid, 0);
                self.model.tick()?;
            }
            self.model.set(valid, 1);
            self.model.set(data, word);
            self.model.eval()?;
            while self.model.get(ready) == 0 {
                self.model.tick()?;
                waited += 1;
                if waited > self.cycle_limit {
                    return Err(self.no_result(waited, 0));
                }
            }
            self.model.tick()?;
        }
        self.model.set(valid, 0);
        Ok(())
    }
}
