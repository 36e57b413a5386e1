//! Fetches descriptors: addresses the program memory and says where its words go.
//!
//! Microarchitecture.md, section 5.4: a descriptor has two parts, which are fetched in order and
//! apart, as the layer before needs the registers of the second part until its last result is
//! written.
//!
//! | port           | dir | width | meaning                                               |
//! | -------------- | --- | ----- | ----------------------------------------------------- |
//! | `idle`         | in  | 1     | state `Idle`: the program begins anew                 |
//! | `fetching`     | in  | 1     | state `Fetch`: both parts, one after the other        |
//! | `begin_front`  | in  | 1     | first cycle of `Fetch`: a front is addressed from it on |
//! | `begin_wait`   | in  | 1     | first cycle `e` of `Gap`, and a layer follows: from `e + 3` on |
//! | `drain_wait`   | in  | 16    | field: the results may be fetched in cycle `e` plus this |
//! | `pc`           | out | 16    | word of the program memory                            |
//! | `take_front`, `take_results` | out | 1 | the memory shows a word of that part            |
//! | `load_results` | out | 1     | the fields of the results stand, counters begin       |
//! | `result_layer` | out | 8     | layer of the results                                  |
//!
//! Timing: words are addressed one a cycle; a word is there in the next cycle.

use heartbit_ir::program::{DESCRIPTOR_WORDS, FRONT_WORDS, HEADER_WORDS};

use super::sizes::delay_control;
use crate::build::{Builder, Module, Sig};

/// Cycles from the first one of `Gap` until the next front is addressed: the steps before still
/// use the present one.
pub(super) const FRONT_DELAY: u64 = 3;
/// Bits of the number of words that are still to be addressed.
const COUNT_BITS: u32 = 4;

/// Describes the module `fetch`.
pub(super) fn fetch() -> Module {
    let m = Builder::new("fetch", "Addresses the words of descriptors.");
    let idle = m.input("idle", 1, "state Idle");
    let both = m.input("fetching", 1, "state Fetch");
    let begin_fetch = m.input("begin_front", 1, "a front is addressed from this cycle on");
    let begin_wait = m.input("begin_wait", 1, "first cycle of Gap, and a layer follows");
    let cycles = u32::try_from(FRONT_DELAY).expect("bug: a few cycles");
    let begin_front = begin_fetch | delay_control(&m, "begin_front", begin_wait, cycles);
    let drain_wait = m.input("drain_wait", 16, "cycles until all results are written");

    let left = m.reg("drain_left", 16, 0);
    left.next_when(begin_wait | left.any(), m.mux(begin_wait, drain_wait, *left) - 1);
    let drained = left.eq(1).named("drained");

    let (front, front_over) = burst(&m, "front", begin_front, FRONT_WORDS);
    let begin_results = delay_control(&m, "begin_results", (both & front_over) | drained, 1);
    let (results, results_over) =
        burst(&m, "results", begin_results, DESCRIPTOR_WORDS - FRONT_WORDS);
    let pc = m.reg("pc_q", 16, HEADER_WORDS as u64);
    let first = m.lit(16, HEADER_WORDS as u64);
    pc.next_when(idle | front | results, m.mux(idle, first, *pc + 1));

    let load_results = delay_control(&m, "results_over", results_over, 2);
    let layer = m.reg("layer_q", 8, 0);
    layer.next_when(load_results, m.mux(both, 0, *layer + 1));

    m.output("pc", *pc, "word of the program memory");
    m.output("take_front", delay_control(&m, "front", front, 1), "a word of the front is there");
    let take = delay_control(&m, "results", results, 1);
    m.output("take_results", take, "a word of the results is there");
    m.output("load_results", load_results, "the fields of the results stand");
    m.output("result_layer", *layer, "layer of the results");
    m.finish()
}

/// Addresses so many words from the cycle of `begin` on; returns whether one is addressed, and
/// whether it is the last one.
fn burst<'m>(m: &'m Builder, name: &str, begin: Sig<'m>, words: usize) -> (Sig<'m>, Sig<'m>) {
    let left = m.reg(&format!("{name}_left"), COUNT_BITS, 0);
    let active = begin | left.any();
    let after_first = m.lit(COUNT_BITS, words as u64 - 1);
    left.next_when(active, m.mux(begin, after_first, *left - 1));
    (active.named(&format!("{name}_now")), left.eq(1).named(&format!("{name}_last")))
}

#[cfg(test)]
mod tests {
    use super::fetch;
    use crate::Simulator;

    /// One cycle: the address if there is one, whose word is there, and the results' load.
    #[track_caller]
    fn check(sim: &mut Simulator, cycle: u64, pc: Option<u64>, takes: [bool; 2], load: bool) {
        if let Some(pc) = pc {
            assert_eq!(sim.get("pc"), pc, "cycle {cycle}");
        }
        let seen = [sim.get("take_front"), sim.get("take_results"), sim.get("load_results")];
        assert_eq!(seen, [takes[0], takes[1], load].map(u64::from), "cycle {cycle}");
        sim.step();
    }

    /// The first layer, then a second one whose results wait for `drain_wait` cycles.
    #[track_caller]
    fn check_layers(drain_wait: u64) {
        let mut sim = Simulator::new(&fetch());
        sim.set("idle", 1);
        sim.step();
        sim.set("idle", 0);
        sim.set("fetching", 1);
        for cycle in 0..23 {
            sim.set("begin_front", u64::from(cycle == 0));
            let takes = [(1..10).contains(&cycle), (10..22).contains(&cycle)];
            check(&mut sim, cycle, (cycle < 21).then_some(2 + cycle), takes, cycle == 22);
        }
        sim.set("fetching", 0);
        assert_eq!(sim.get("result_layer"), 0);
        sim.set("drain_wait", drain_wait);
        for cycle in 0..drain_wait + 20 {
            sim.set("begin_front", 0);
            sim.set("begin_wait", u64::from(cycle == 0));
            let results = cycle.checked_sub(drain_wait).filter(|&at| at < 14);
            let pc = match results {
                None => (3..12).contains(&cycle).then(|| 23 + cycle - 3),
                Some(at) => (at < 12).then_some(23 + 9 + at),
            };
            let take_results = results.is_some_and(|at| (1..13).contains(&at));
            let takes = [(4..13).contains(&cycle), take_results];
            check(&mut sim, cycle, pc, takes, results == Some(13));
        }
        assert_eq!(sim.get("result_layer"), 1);
    }

    #[test]
    fn parts_are_fetched_when_the_page_says() {
        [12, 13, 40].into_iter().for_each(check_layers);
    }
}
