//! Signals of the native simulation of the accelerator, cycle by cycle.

use heartbit_hdl::{Simulator, accelerator};
use heartbit_ir::program::Program;
use heartbit_tests::native::load;
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
        let mut source = load(&mut sim, program);
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
            source.step(&mut sim);
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
