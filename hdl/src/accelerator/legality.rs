//! Whether a layer may begin: sizes that no layer has would run the sequencer's counters round
//! once, and gaps that are too short would change fields that are in use.
//!
//! Microarchitecture.md, section 5.4.
//!
//! | port      | dir | width | meaning                                       |
//! | --------- | --- | ----- | --------------------------------------------- |
//! | fields of the front | in | .. | by their names                         |
//! | `illegal` | out | 1     | the layer must not begin                      |
//!
//! Timing: valid from the cycle after that from which the front stands.
//!
//! Not here: addresses and counts beyond a memory, which harm no more than the results.

use heartbit_ir::program::FRONT_WORDS;

use super::fetch::FRONT_DELAY;
use crate::build::{Builder, Module};

/// The fields that must not be zero.
const COUNTS: [&str; 4] = ["steps", "col_tiles", "row_tiles", "out_height"];

/// Describes the module `legality`.
pub(super) fn legality() -> Module {
    let m = Builder::new("legality", "Whether a layer may begin.");
    let mut illegal = m.lit(1, 0);
    for name in COUNTS {
        illegal = illegal | !m.input(name, 16, "at least 1").any();
    }
    let least_drain = FRONT_WORDS as u64 + FRONT_DELAY;
    illegal = illegal | m.input("drain_wait", 16, "at least 12").lt(least_drain);
    let last_layer = m.input("last_layer", 1, "flag");
    let least_gap = m.mux(last_layer, least_drain, m.lit(16, least_drain + 3));
    illegal = illegal | m.input("layer_gap", 16, "at least 15, or 12 after the last").lt(least_gap);
    m.output("illegal", m.pipe("illegal_q", illegal), "the layer must not begin");
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::{COUNTS, legality};
    use crate::Simulator;

    #[test]
    fn a_field_below_its_least_value_is_illegal() {
        let mut sim = Simulator::new(&legality());
        let gaps = [("drain_wait", 12), ("layer_gap", 15)];
        let least: Vec<_> = COUNTS.map(|name| (name, 1)).into_iter().chain(gaps).collect();
        for &(name, value) in &least {
            sim.set(name, value);
        }
        sim.step();
        assert_eq!(sim.get("illegal"), 0);
        for &(name, value) in &least {
            sim.set(name, value - 1);
            sim.step();
            assert_eq!(sim.get("illegal"), 1, "{name}");
            sim.set(name, 65_535);
            sim.step();
            assert_eq!(sim.get("illegal"), 0, "{name}");
        }
        sim.set("last_layer", 1);
        for (value, illegal) in [(11, 1), (12, 0)] {
            sim.set("layer_gap", value);
            sim.step();
            assert_eq!(sim.get("illegal"), illegal);
        }
    }
}
