//! Runs an image with a waveform of some of its cycles.
//!
//! The file is small, however large the network: nothing is written outside of the window.

use super::{Accelerator, Collector};
use crate::Error;
use heartbit_ir::program::Execution;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// State of the sequencer in which cycles are counted from.
const FETCH: u64 = super::FETCH as u64;
/// Cycles in which an accelerator that has a whole image begins.
const IDLE_LIMIT: u64 = 64;

/// What became of an image with a waveform.
#[derive(Clone, Debug)]
pub struct Windowed {
    /// The results.
    pub execution: Execution,
    /// The model's cycle that was the first one of `Fetch`: time in the waveform is ten units a
    /// cycle of the model.
    pub fetch_cycle: u64,
}

impl Accelerator {
    /// Runs one image as [`Accelerator::run`] does, and writes a waveform of the cycles of `window`,
    /// counted from the first one of `Fetch`; the model must have been built with waveforms.
    ///
    /// # Errors
    /// As [`Accelerator::run`] and [`crate::Simulation::trace_start`].
    pub fn run_windowed(
        &mut self,
        image: &[u8],
        path: &Path,
        window: Range<u64>,
    ) -> Result<Windowed, Error> {
        self.run_located(image, Some((path, window)))
    }

    /// Runs one image as [`Accelerator::run`] does, and says when it began: for a model that writes
    /// a waveform of all that it does.
    ///
    /// # Errors
    /// As [`Accelerator::run`].
    pub fn run_traced(&mut self, image: &[u8]) -> Result<Windowed, Error> {
        self.run_located(image, None)
    }

    fn run_located(
        &mut self,
        image: &[u8],
        traced: Option<(&Path, Range<u64>)>,
    ) -> Result<Windowed, Error> {
        let program = Arc::clone(self.program.as_ref().ok_or(Error::NoProgram)?);
        self.send_image(image, &program, &mut || false)?;
        self.model.set(self.ports.out_ready, 1);
        let mut records = Vec::new();
        let fetch_cycle = self.wait_for_fetch(&mut records)?;
        let mut ended = false;
        if let Some((path, window)) = traced {
            ended = self.record(window.start.min(self.cycle_limit), &mut records)?;
            if !ended {
                self.model.trace_start(path)?;
                let length = window.end.saturating_sub(window.start).min(self.cycle_limit);
                let result = self.record(length, &mut records);
                self.model.trace_stop();
                ended = result?;
            }
        }
        if !ended {
            ended = self.record(self.cycle_limit, &mut records)?;
        }
        let mut collector = Collector::new(&program, &self.ports, self.loaded);
        for record in records.chunks_exact(self.ports.record_words) {
            collector.record(record, true);
        }
        if !ended {
            return Err(self.no_result(self.cycle_limit, collector.layer));
        }
        // The edge that accepts the last beat.
        self.model.tick()?;
        Ok(Windowed { execution: collector.execution, fetch_cycle })
    }

    /// Runs until the image that was sent begins; returns the cycle.
    fn wait_for_fetch(&mut self, records: &mut Vec<u32>) -> Result<u64, Error> {
        let state = self.model.port("mon_state")?;
        for _ in 0..IDLE_LIMIT {
            self.record(1, records)?;
            if self.model.get(state) == FETCH {
                return Ok(self.model.cycle());
            }
        }
        Err(self.no_result(IDLE_LIMIT, 0))
    }

    /// Records the events of `n` cycles; returns whether the class was sent in one of them.
    fn record(&mut self, n: u64, records: &mut Vec<u32>) -> Result<bool, Error> {
        let (strobes, stop) = ([self.ports.event], Some(self.ports.out_last));
        let end = self.model.run_recorded(n, &strobes, &self.ports.watched, stop, records)?;
        Ok(end.is_stopped)
    }
}
