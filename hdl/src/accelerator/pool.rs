//! Global pooling of one column: the sum over all pixels, then its level.
//!
//! Microarchitecture.md, section 5.3. The sum is shifted in place: the next column tile begins
//! long after the planes are written.
//!
//! | port         | dir | width | meaning                                              |
//! | ------------ | --- | ----- | ---------------------------------------------------- |
//! | `v`          | in  | 16    | value of a pixel                                     |
//! | `accumulate` | in  | 1     | add it                                               |
//! | `fresh`      | in  | 1     | instead of adding, begin with it                     |
//! | `halve`      | in  | 1     | shift the sum right by one bit                       |
//! | `plane`      | in  | 3     | plane to be written                                  |
//! | `q`          | out | 8     | level `clamp(sum + 128, 0, 255)`                     |
//! | `level_bit`  | out | 1     | bit `plane` of it                                    |
//!
//! Timing: the sum changes at the end of the cycle of `accumulate` or `halve`, the level one cycle
//! later.

use super::arithmetic::{bit_of, level};
use crate::build::{Builder, Module};

/// Describes the module `pool`.
pub(super) fn pool() -> Module {
    let m = Builder::new("pool", "Global pooling of one column.");
    let v = m.input("v", 16, "value").sign_extend(32);
    let accumulate = m.input("accumulate", 1, "add v");
    let fresh = m.input("fresh", 1, "begin with v");
    let halve = m.input("halve", 1, "shift right by one bit");
    let plane = m.input("plane", 3, "plane to be written");
    let sum = m.reg_without_reset("sum", 32);
    let before = *sum & (!fresh).repeat(32);
    sum.next_when(accumulate | halve, m.mux(accumulate, before + v, sum.sar(1)));

    let q = m.pipe("level_q", level(*sum));
    m.output("q", q, "level");
    m.output("level_bit", bit_of(q, plane), "bit of the plane");
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::pool;
    use crate::{Simulator, test_random};

    #[test]
    fn level_is_the_shifted_sum_clamped() {
        let mut sim = Simulator::new(&pool());
        let mut seed = 8;
        for case in 0..200 {
            let mut sum = 0_i64;
            for i in 0..=case % 40 {
                // Now and then all of one sign, so that the level saturates.
                let v = (test_random(&mut seed) >> 48).cast_signed() - 32_768;
                let v = if case % 3 == 0 { v.abs().min(32_767) } else { v };
                sum += v;
                sim.set("v", v.cast_unsigned() & 0xffff);
                sim.set("accumulate", 1);
                sim.set("fresh", u64::from(i == 0));
                sim.step();
            }
            sim.set("accumulate", 0);
            let shift = test_random(&mut seed) % 20;
            sim.set("halve", 1);
            (0..shift).for_each(|_| sim.step());
            sim.set("halve", 0);
            sim.step();
            let level = ((sum >> shift) + 128).clamp(0, 255).cast_unsigned();
            assert_eq!(sim.get("q"), level, "{sum} >> {shift}");
            for plane in 0..8 {
                sim.set("plane", plane);
                assert_eq!(sim.get("level_bit"), level >> plane & 1);
            }
        }
    }
}
