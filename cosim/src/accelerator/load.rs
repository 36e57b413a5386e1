//! The load port, and the source of streamed weights.

use super::Accelerator;
use crate::{Error, Source};
use heartbit_ir::program::{Program, WeightStream};
use std::sync::Arc;

/// Memories behind the load port: microarchitecture.md, section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadTarget {
    /// Header and descriptors.
    Program = 0,
    /// Steps; the index is the lane group.
    Steps = 1,
    /// Weights; the index is the column.
    Weights = 2,
    /// Parameters; the index is the column.
    Parameters = 3,
}

impl Accelerator {
    /// Loads a program, in place of the one before. From the next cycle on its weights are
    /// streamed, if any are.
    ///
    /// # Errors
    /// [`Error::Program`]; [`Error::Stopped`]; [`Error::UnknownPort`] if the program streams weights
    /// and the design has no port for them.
    pub fn load(&mut self, program: &Program) -> Result<(), Error> {
        program.validate()?;
        self.load_memories(program)?;
        self.loaded(program)
    }

    pub(super) fn load_memories(&mut self, program: &Program) -> Result<(), Error> {
        self.model.set_source(None);
        let work: u64 = program
            .layers
            .iter()
            .map(|layer| layer.run_cycles() + u64::from(layer.layer_gap))
            .sum();
        self.cycle_limit =
            2 * work + 100_000 + stream_of(program).map_or(0, |s| longest(s, program));
        self.program = Some(Arc::new(program.clone()));
        for (addr, word) in program.encode().into_iter().enumerate() {
            self.load_word(LoadTarget::Program, 0, addr, &[word.into()])?;
        }
        for (group, steps) in program.steps.iter().enumerate() {
            for (addr, &word) in steps.iter().enumerate() {
                self.load_word(LoadTarget::Steps, group, addr, &[word.into()])?;
            }
        }
        for (col, weights) in program.weights.iter().enumerate() {
            for index in 0..weights.len() {
                let addr = program.depths.ring_words() + index;
                self.load_word(LoadTarget::Weights, col, addr, weights.word(index))?;
            }
        }
        for (col, parameters) in program.parameters.iter().enumerate() {
            for (addr, parameter) in parameters.iter().enumerate() {
                let bits = program.array.parameter_bits();
                self.load_word(LoadTarget::Parameters, col, addr, &parameter.encode_bits(bits))?;
            }
        }
        Ok(())
    }

    /// Ends a load.
    pub(super) fn loaded(&mut self, program: &Program) -> Result<(), Error> {
        self.model.set(self.ports.load[0], 0);
        self.loaded = self.model.cycle();
        stream_of(program).map_or(Ok(()), |stream| self.stream(stream, program))
    }

    /// Begins to stream weights.
    fn stream(&mut self, stream: &WeightStream, program: &Program) -> Result<(), Error> {
        let ports = ["wt_valid", "wt_ready", "wt_data"].map(|name| self.model.port(name));
        let [valid, ready, data] = ports;
        let data = data?;
        let n_words = self.model.port_info(data).n_words();
        let ring = program.depths.ring.expect("bug: a weight stream without a ring");
        let words =
            |beat: Vec<u64>| beat.into_iter().flat_map(|limb| <[u32; 2]>::from(halves(limb)));
        let beats: Vec<u32> =
            stream.beats(ring.port_cols).flat_map(|beat| words(beat).take(n_words)).collect();
        let slots = &stream.slots;
        let source = Source { valid: valid?, ready: ready?, data, beats: &beats, slots };
        self.model.set_source(Some(&source));
        Ok(())
    }

    pub(super) fn load_word(
        &mut self,
        target: LoadTarget,
        index: usize,
        addr: usize,
        limbs: &[u64],
    ) -> Result<(), Error> {
        let [enable, target_port, index_port, addr_port, data_port] = self.ports.load;
        let mut words = vec![0; self.model.port_info(data_port).n_words()];
        for (pair, limb) in words.chunks_mut(2).zip(limbs) {
            let (low, high) = halves(*limb);
            pair[0] = low;
            if let Some(word) = pair.get_mut(1) {
                *word = high;
            }
        }
        self.model.set(enable, 1);
        self.model.set(target_port, target as u64);
        self.model.set(index_port, index as u64);
        self.model.set(addr_port, addr as u64);
        self.model.poke(data_port, &words);
        self.model.tick()
    }
}

/// What a program streams, if it streams any weights.
pub(super) fn stream_of(program: &Program) -> Option<&WeightStream> {
    program.weight_stream.as_ref().filter(|stream| !stream.is_empty())
}

/// The most cycles that the source needs for the weights of an image.
fn longest(stream: &WeightStream, program: &Program) -> u64 {
    let beats = (stream.columns[0].len() * program.array.cols) as u64;
    let pattern = &stream.slots.pattern;
    let slots = pattern.iter().filter(|&&slot| slot).count() as u64;
    stream.slots.latency + (beats.div_ceil(slots) + 1) * pattern.len() as u64
}

pub(crate) fn halves(limb: u64) -> (u32, u32) {
    let word = |limb: u64| u32::try_from(limb & u64::from(u32::MAX)).expect("bug: 32 bits");
    (word(limb), word(limb >> 32))
}
