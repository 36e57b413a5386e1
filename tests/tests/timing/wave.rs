//! Signals of the native simulation of the accelerator, cycle by cycle.

use heartbit_hdl::{Simulator, accelerator};
use heartbit_ir::program::Program;
use std::collections::BTreeMap;

/// Longest run.
const MAX_CYCLES: usize = 5_000;

/// The values of signals in all cycles from the first pixel of an image to its class.
pub(crate) struct Wave {
    signals: BTreeMap<String, Vec<u64>>,
}

impl Wave {
    /// Loads the program and runs one image of one channel.
    pub(crate) fn record(program: &Program, image: &[u8], paths: Vec<String>) -> Self {
        let mut sim = Simulator::new(&accelerator(&program.array, &program.depths));
        sim.set("rst", 1);
        sim.step();
        sim.set("rst", 0);
        load(&mut sim, program);
        sim.set("out_ready", 1);
        let mut pixels = image.iter().copied();
        let mut pixel = pixels.next();
        let mut signals: BTreeMap<_, _> = paths.into_iter().map(|path| (path, vec![])).collect();
        for _ in 0..MAX_CYCLES {
            sim.set("in_valid", pixel.is_some().into());
            sim.set("in_data", pixel.unwrap_or(0).into());
            for (path, values) in &mut signals {
                let value = sim.peek(path).unwrap_or_else(|| panic!("bug: no signal `{path}`"));
                values.push(value[0]);
            }
            if sim.get("in_ready") == 1 {
                pixel = pixels.next();
            }
            if sim.get("out_valid") == 1 && sim.get("out_last") == 1 {
                return Self { signals };
            }
            sim.step();
        }
        panic!("bug: no class after {MAX_CYCLES} cycles");
    }

    /// Number of cycles.
    pub(crate) fn len(&self) -> usize {
        self.signals.values().next().map_or(0, Vec::len)
    }

    /// The value of a signal in a cycle, of up to 64 bits.
    #[track_caller]
    pub(crate) fn at(&self, path: &str, cycle: usize) -> u64 {
        let values = self.signals.get(path).unwrap_or_else(|| panic!("bug: `{path}` not recorded"));
        values[cycle]
    }

    /// The value of a signal of so many bits, signed.
    #[track_caller]
    pub(crate) fn signed(&self, path: &str, cycle: usize, bits: u32) -> i64 {
        (self.at(path, cycle) << (64 - bits)).cast_signed() >> (64 - bits)
    }

    /// The cycles in which a bit of a signal is 1.
    #[track_caller]
    pub(crate) fn cycles(&self, path: &str, bit: u32) -> impl Iterator<Item = usize> {
        (0..self.signals[path].len()).filter(move |cycle| self.at(path, *cycle) >> bit & 1 == 1)
    }
}

/// Writes a program through the load port.
fn load(sim: &mut Simulator, program: &Program) {
    let mut word = |target: u64, index: usize, address: usize, data: &[u64]| {
        sim.set("load_en", 1);
        sim.set("load_target", target);
        sim.set("load_index", index as u64);
        sim.set("load_addr", address as u64);
        sim.set_words("load_data", data);
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
        (0..words.len()).for_each(|address| word(2, column, address, words.word(address)));
    }
    for (column, words) in program.parameters.iter().enumerate() {
        for (address, data) in words.iter().enumerate() {
            word(3, column, address, &data.encode_bits(program.array.parameter_bits()));
        }
    }
}
