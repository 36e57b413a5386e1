//! One cell of the count column: the number of products of one output pixel.
//!
//! Microarchitecture.md, section 5.1: the accumulator of a PE of column 0, which adds `fan_in`
//! instead of a popcount where a valid tap begins.
//!
//! | port     | dir | width      | meaning                                                   |
//! | -------- | --- | ---------- | --------------------------------------------------------- |
//! | `fan_in` | in  | `acc_bits` | products of one tap                                       |
//! | `tokens` | in  | 4          | bit 0 a valid tap begins, 1 `first`, 2 `double`, 3 `last` |
//! | `shift`  | in  | 1          | take the drain register of the cell to the north          |
//! | `north`  | in  | `acc_bits` | that register                                             |
//! | `drain`  | out | `acc_bits` | the drain register                                        |
//!
//! Timing: tokens in cycle `t`, `drain` holds the sum from `t + 1`.

use super::pe::{VALID, accumulate};
use crate::build::{Builder, Module};

/// Describes the module `count_cell`.
pub(super) fn count_cell(acc_bits: u32) -> Module {
    let m = Builder::new("count_cell", "Number of products of one output pixel.");
    let fan_in = m.input("fan_in", acc_bits, "products of one tap");
    let tokens = m.input("tokens", 4, "tap begins, first, double, last, from bit 0");
    let shift = m.input("shift", 1, "take the drain register to the north");
    let north = m.input("north", acc_bits, "drain register to the north");
    let count = fan_in & tokens.bit(VALID).repeat(acc_bits);
    m.output("drain", accumulate(&m, tokens, count, shift, north), "drain register");
    m.finish()
}
