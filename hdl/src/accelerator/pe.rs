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
//! | `tokens`     | in  | 4          | bit 0 `valid`, 1 `first`, 2 `double`, 3 `last`     |
//! | `shift`      | in  | 1          | take the drain register of the PE to the north     |
//! | `north`      | in  | `acc_bits` | that register                                      |
//! | `a_out`      | out | `lanes`    | `a`, one cycle later                               |
//! | `w_out`      | out | `lanes`    | `w`, one cycle later                               |
//! | `tokens_out` | out | 4          | `tokens`, one cycle later                          |
//! | `shift_out`  | out | 1          | `shift`, one cycle later                           |
//! | `drain`      | out | `acc_bits` | the drain register                                 |
//!
//! Timing: words in cycle `t`, their tokens in `t + P`, `drain` holds the sum from `t + P + 1`.
//! The tokens come `P` cycles after the words so that one chain of registers serves both the next
//! PE and the popcount's latency. Nothing has a reset: `first` starts every sum.

use super::sizes::fit;
use crate::build::{Builder, Module, Sig};
use crate::popcount::popcount;

/// Positions in `tokens`.
pub(super) const VALID: u32 = 0;
pub(super) const FIRST: u32 = 1;
pub(super) const DOUBLE: u32 = 2;
pub(super) const LAST: u32 = 3;

/// Adder levels between registers of the popcount; makes its latency `P - 1`.
const LEVELS_A_STAGE: u32 = 2;

/// Describes the module `pe`.
pub(super) fn pe(lanes: u32, acc_bits: u32) -> Module {
    let m = Builder::new("pe", "Processing element: XNOR, popcount, accumulate, drain.");
    let a = m.input("a", lanes, "activation word from the west");
    let w = m.input("w", lanes, "weight word from the north");
    let tokens = m.input("tokens", 4, "valid, first, double, last, from bit 0");
    let shift = m.input("shift", 1, "take the drain register to the north");
    let north = m.input("north", acc_bits, "drain register to the north");

    let a_q = m.pipe("a_q", a);
    let w_q = m.pipe("w_q", w);
    let tree = popcount(lanes, LEVELS_A_STAGE);
    let count = m.inst("tree", &tree.module).set("x", !(a_q ^ w_q)).out("count");
    let count = fit(count, acc_bits) & tokens.bit(VALID).repeat(acc_bits);
    let drain = accumulate(&m, tokens, count, shift, north);

    m.output("a_out", a_q, "a, one cycle later");
    m.output("w_out", w_q, "w, one cycle later");
    m.output("tokens_out", m.pipe("tokens_q", tokens), "tokens, one cycle later");
    m.output("shift_out", m.pipe("shift_q", shift), "shift, one cycle later");
    m.output("drain", drain, "drain register");
    m.finish()
}

/// The accumulator and the drain register, which is returned. `tokens` are used but for `valid`.
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
    use super::{DOUBLE, FIRST, LAST, VALID, pe};
    use crate::popcount::popcount;
    use crate::{Simulator, test_random};
    use std::collections::VecDeque;

    #[track_caller]
    fn check_pe(lanes: u32, acc_bits: u32) {
        let latency = popcount(lanes, super::LEVELS_A_STAGE).latency + 1;
        let mut sim = Simulator::new(&pe(lanes, acc_bits));
        let mut seed = u64::from(lanes);
        let mut counts = VecDeque::from(vec![0_u64; latency as usize]);
        let mask = |bits: u32| u64::MAX >> (64 - bits);
        let (mut acc, mut drain) = (0_u64, 0_u64);
        for cycle in 0..500 {
            let a = test_random(&mut seed) & mask(lanes);
            let w = test_random(&mut seed) & mask(lanes);
            let random = test_random(&mut seed);
            let mut tokens = random & 15;
            if cycle < 30 {
                tokens = u64::from(cycle >= latency + 2) << FIRST;
            }
            let (shift, north) = (random >> 4 & 1, random >> 8 & mask(acc_bits));
            sim.set("a", a);
            sim.set("w", w);
            sim.set("tokens", tokens);
            sim.set("shift", shift);
            sim.set("north", north);
            counts.push_back(u64::from((!(a ^ w) & mask(lanes)).count_ones()));
            let count = counts.pop_front().expect("bug: filled") * (tokens >> VALID & 1);
            let before = if tokens >> FIRST & 1 == 1 { 0 } else { acc << (tokens >> DOUBLE & 1) };
            if cycle > 30 {
                assert_eq!(sim.get("drain"), drain, "{lanes} lanes, cycle {cycle}");
            }
            acc = (before + count) & mask(acc_bits);
            if tokens >> LAST & 1 == 1 {
                drain = acc;
            } else if shift == 1 {
                drain = north;
            }
            sim.step();
            assert_eq!((sim.get("a_out"), sim.get("w_out")), (a, w));
            assert_eq!((sim.get("tokens_out"), sim.get("shift_out")), (tokens, shift));
        }
    }

    #[test]
    fn pe_accumulates_doubles_and_drains() {
        for (lanes, acc_bits) in [(4, 12), (16, 3), (37, 1), (64, 20)] {
            check_pe(lanes, acc_bits);
        }
    }
}
