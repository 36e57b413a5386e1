//! Output-stationary processing element: XNOR, popcount, accumulate, drain.
//!
//! Microarchitecture.md, section 5.1. Both words pass on one cycle later, the activation east and
//! the weight south. Lanes without a channel must arrive as 0 (activation) and 1 (weight), so that
//! they never count.
//!
//! | port         | dir | width      | meaning                                            |
//! | ------------ | --- | ---------- | -------------------------------------------------- |
//! | `a`          | in  | `lanes`    | activation word from the west                      |
//! | `w`          | in  | `lanes`    | weight word from the north                         |
//! | `skip`       | in  | `taps`     | lane groups that do not count                      |
//! | `tokens`     | in  | 3          | bit 0 `first`, 1 `double`, 2 `last`                |
//! | `shift`      | in  | 1          | take the drain register of the PE to the north     |
//! | `north`      | in  | `acc_bits` | that register                                      |
//! | `a_out`      | out | `lanes`    | `a`, one cycle later                               |
//! | `w_out`      | out | `lanes`    | `w`, one cycle later                               |
//! | `skip_out`   | out | `taps`     | `skip`, one cycle later                            |
//! | `tokens_out` | out | 3          | `tokens`, one cycle later                          |
//! | `shift_out`  | out | 1          | `shift`, one cycle later                           |
//! | `drain`      | out | `acc_bits` | the drain register                                 |
//!
//! Timing: words in cycle `t`, their `skip` in `t + skip_delay`, their tokens in `t + P`, `drain`
//! holds the sum from `t + P + 1`. What belongs to the words comes later than they do so that one
//! chain of registers serves both the next PE and the popcount's latency. Nothing has a reset:
//! `first` starts every sum.

use super::sizes::{Sizes, fit};
use crate::build::{Builder, Module, Sig};
use crate::popcount::gated_popcount;

/// Positions in `tokens`.
pub(super) const FIRST: u32 = 0;
pub(super) const DOUBLE: u32 = 1;
pub(super) const LAST: u32 = 2;

/// The module `pe` and what its neighbours must know.
pub(super) struct Pe {
    pub(super) module: Module,
    /// Cycles from words to their `skip`, at least one and at most `P`.
    pub(super) skip_delay: u32,
}

/// Describes the module `pe`.
pub(super) fn pe(sizes: &Sizes) -> Pe {
    let Sizes { lanes, taps, acc_bits, .. } = *sizes;
    let m = Builder::new("pe", "Processing element: XNOR, popcount, accumulate, drain.");
    let a = m.input("a", lanes, "activation word from the west");
    let w = m.input("w", lanes, "weight word from the north");
    let skip = m.input("skip", taps, "lane groups that do not count");
    let tokens = m.input("tokens", 3, "first, double, last, from bit 0");
    let shift = m.input("shift", 1, "take the drain register to the north");
    let north = m.input("north", acc_bits, "drain register to the north");

    let a_q = m.pipe("a_q", a);
    let w_q = m.pipe("w_q", w);
    let tree = gated_popcount(lanes, taps);
    debug_assert_eq!(tree.latency + 1, sizes.popcount_latency, "bug: the popcount is no P");
    let count = m.inst("tree", &tree.module).set("x", !(a_q ^ w_q)).set("skip", skip);
    let count = fit(count.out("count"), acc_bits);
    let drain = accumulate(&m, tokens, count, shift, north);

    m.output("a_out", a_q, "a, one cycle later");
    m.output("w_out", w_q, "w, one cycle later");
    m.output("skip_out", m.pipe("skip_q", skip), "skip, one cycle later");
    m.output("tokens_out", m.pipe("tokens_q", tokens), "tokens, one cycle later");
    m.output("shift_out", m.pipe("shift_q", shift), "shift, one cycle later");
    m.output("drain", drain, "drain register");
    Pe { module: m.finish(), skip_delay: tree.gate + 1 }
}

/// The accumulator and the drain register, which is returned.
pub(super) fn accumulate<'m>(
    m: &'m Builder,
    tokens: Sig<'m>,
    count: Sig<'m>,
    shift: Sig<'m>,
    north: Sig<'m>,
) -> Sig<'m> {
    let acc = m.reg_without_reset("acc", count.width());
    let (first, double, last) = (tokens.bit(FIRST), tokens.bit(DOUBLE), tokens.bit(LAST));
    let before = m.mux(first, 0, m.mux(double, *acc << 1, *acc));
    let next = (before + count).named("sum");
    acc.next(next);
    m.pipe_when("drain_q", last | shift, m.mux(last, next, north))
}

#[cfg(test)]
mod tests {
    use super::super::sizes::{Sizes, test_sizes_of};
    use super::{DOUBLE, FIRST, LAST, pe};
    use crate::{Simulator, test_random};
    use std::collections::VecDeque;

    /// Matches of the lane groups that are not skipped.
    fn matches(sizes: &Sizes, a: u64, w: u64, skip: u64) -> u64 {
        let counts = |lane: &u32| skip >> (lane / sizes.group_lanes) & 1 == 0;
        let lanes = (0..sizes.lanes).filter(counts);
        lanes.filter(|lane| (a ^ w) >> lane & 1 == 0).count() as u64
    }

    #[track_caller]
    fn check_pe(lanes: u32, taps: usize, acc_bits: u32) {
        let sizes = Sizes { acc_bits, ..test_sizes_of(1, 1, lanes as usize, taps, false) };
        let (latency, pe) = (sizes.popcount_latency as usize, pe(&sizes));
        let skip_delay = pe.skip_delay as usize;
        assert!((1..=latency).contains(&skip_delay), "{skip_delay} of {latency}");
        let mut sim = Simulator::new(&pe.module);
        let mut seed = u64::from(lanes);
        // Words and the groups of them that are skipped, the newest first.
        let mut past = VecDeque::from(vec![(0, 0, 0); latency]);
        let mask = |bits: u32| u64::MAX >> (64 - bits);
        let (mut acc, mut drain) = (0_u64, 0_u64);
        for cycle in 0..500 {
            let mut random = |bits: u32| test_random(&mut seed) & mask(bits);
            past.push_front((random(lanes), random(lanes), random(sizes.taps)));
            past.truncate(latency + 1);
            let (a, w, _) = past[0];
            let mut tokens = random(3);
            if cycle < 30 {
                tokens = u64::from(cycle >= latency + 2) << FIRST;
            }
            let (shift, north, skip) = (random(1), random(acc_bits), past[skip_delay].2);
            sim.set("a", a);
            sim.set("w", w);
            sim.set("skip", skip);
            sim.set("tokens", tokens);
            sim.set("shift", shift);
            sim.set("north", north);
            let (a_then, w_then, skip_then) = past[latency];
            let count = matches(&sizes, a_then, w_then, skip_then);
            let before = if tokens >> FIRST & 1 == 1 { 0 } else { acc << (tokens >> DOUBLE & 1) };
            if cycle > 30 {
                assert_eq!(sim.get("drain"), drain, "{taps} of {lanes} lanes, cycle {cycle}");
            }
            acc = (before + count) & mask(acc_bits);
            if tokens >> LAST & 1 == 1 {
                drain = acc;
            } else if shift == 1 {
                drain = north;
            }
            sim.step();
            assert_eq!((sim.get("a_out"), sim.get("w_out")), (a, w));
            assert_eq!((sim.get("skip_out"), sim.get("tokens_out")), (skip, tokens));
            assert_eq!(sim.get("shift_out"), shift);
        }
    }

    #[test]
    fn pe_accumulates_doubles_and_drains() {
        for (lanes, acc_bits) in [(4, 12), (16, 3), (37, 1), (64, 20)] {
            check_pe(lanes, 1, acc_bits);
        }
    }

    #[test]
    fn pe_skips_lane_groups() {
        for (lanes, taps) in [(4, 2), (4, 4), (8, 4), (12, 2), (12, 4), (32, 2), (64, 2), (64, 4)] {
            check_pe(lanes, taps, 20);
        }
    }
}
