//! What a host of the native simulation does at the accelerator's ports: loads a program, and
//! streams its weights.
//!
//! Like the Verilog, it knows only microarchitecture.md, sections 2.2, 5.4 and 6.

use heartbit_hdl::Simulator;
use heartbit_ir::program::{PortSlots, Program};

/// Writes a program through the load port; the source that is returned begins with the next cycle.
pub fn load(sim: &mut Simulator, program: &Program) -> WeightSource {
    let mut word = |target: u64, index: usize, address: usize, data: &[u64]| {
        sim.set("load_target", target);
        sim.set("load_index", index as u64);
        sim.set("load_addr", address as u64);
        sim.set_words("load_data", data);
        sim.set("load_en", 1);
        sim.step();
        sim.set("load_en", 0);
    };
    for (address, data) in program.encode().into_iter().enumerate() {
        word(0, 0, address, &[data.into()]);
    }
    for (group, steps) in program.steps.iter().enumerate() {
        for (address, &data) in steps.iter().enumerate() {
            word(1, group, address, &[data.into()]);
        }
    }
    for (column, words) in program.weights.iter().enumerate() {
        for index in 0..words.len() {
            word(2, column, program.depths.ring_words() + index, words.word(index));
        }
    }
    for (column, words) in program.parameters.iter().enumerate() {
        for (address, data) in words.iter().enumerate() {
            word(3, column, address, &data.encode_bits(program.array.parameter_bits()));
        }
    }
    let mut source = WeightSource::new(program);
    source.begin(sim);
    source
}

/// The source of the weight port.
pub struct WeightSource {
    /// When it offers them.
    slots: Option<PortSlots>,
    /// The beats of an image; none where no weights are streamed.
    beats: Vec<Vec<u64>>,
    /// Cycles since the first one after the load; 0 where no weights are streamed.
    pub cycle: u64,
    /// Beats that were accepted since then.
    accepted: usize,
    offering: bool,
}

impl WeightSource {
    fn new(program: &Program) -> Self {
        let port_cols = program.depths.ring.map_or(1, |ring| ring.port_cols);
        let stream = program.weight_stream.as_ref().filter(|stream| !stream.is_empty());
        let beats = stream.iter().flat_map(|stream| stream.beats(port_cols)).collect();
        let slots = stream.map(|stream| stream.slots.clone());
        Self { slots, beats, cycle: 0, accepted: 0, offering: false }
    }

    /// Begins anew: with the next cycle, the first one after a load.
    pub fn begin(&mut self, sim: &mut Simulator) {
        (self.cycle, self.accepted, self.offering) = (0, 0, false);
        if !self.beats.is_empty() {
            sim.set("wt_valid", 0);
        }
    }

    /// A cycle.
    pub fn step(&mut self, sim: &mut Simulator) {
        let Some(slots) = &self.slots else {
            return sim.step();
        };
        self.offering |= slots.is_slot(self.cycle);
        sim.set("wt_valid", self.offering.into());
        if self.offering {
            sim.set_words("wt_data", &self.beats[self.accepted % self.beats.len()]);
        }
        if self.offering && sim.get("wt_ready") == 1 {
            self.offering = false;
            self.accepted += 1;
        }
        sim.step();
        self.cycle += 1;
    }
}
