//! Global pooling of one column: the sum over all pixels, then its level.
//!
//! Microarchitecture.md, section 5.3. The sum is shifted in place: the next column tile begins
//! long after the planes are written.
//!
//! | port         | dir | width | meaning                                              |
//! | ------------ | --- | ----- | ---------------------------------------------------- |
//! | `r`          | in  | 16    | stream value of a pixel                              |
//! | `accumulate` | in  | 1     | add `r`                                              |
//! | `fresh`      | in  | 1     | instead of adding, begin with `r`                    |
//! | `halve`      | in  | 1     | shift the sum right by one bit                       |
//! | `plane`      | in  | 3     | plane to be written                                  |
//! | `q`          | out | 8     | level `clamp(sum + 128, 0, 255)`                     |
//! | `level_bit`  | out | 1     | bit `plane` of it                                    |
//!
//! Timing: the sum changes at the end of the cycle of `accumulate` or `halve`.

use crate::build::{Builder, Module};

/// Describes the module `pool`.
pub(super) fn pool() -> Module {
    let m = Builder::new("pool", "Global pooling of one column.");
    let r = m.input("r", 16, "stream value").sign_extend(32);
    let accumulate = m.input("accumulate", 1, "add r");
    let fresh = m.input("fresh", 1, "begin with r");
    let halve = m.input("halve", 1, "shift right by one bit");
    let plane = m.input("plane", 3, "plane to be written");
    let sum = m.reg_without_reset("sum", 32);
    let before = *sum & (!fresh).repeat(32);
    sum.next_when(accumulate | halve, m.mux(accumulate, before + r, sum.sar(1)));

    // -128..=127 plus 128 is the top bit inverted.
    let upper = sum.slice(7, 25);
    let level = m.concat(&[!sum.bit(7), sum.slice(0, 7)]);
    let inside = upper.all() | !upper.any();
    let q = m.mux(inside, level, (!sum.msb()).repeat(8)).named("level");
    m.output("q", q, "level");
    let bits: Vec<_> = (0..8).map(|i| q.bit(i)).collect();
    m.output("level_bit", m.select(plane, &bits), "bit of the plane");
    m.finish()
}
