//! One cell of the count column: the number of products of one output pixel.
//!
//! Microarchitecture.md, section 5.1: the accumulator of a PE of column 0, which adds `fan_in` for
//! each lane group where a valid tap begins instead of a popcount.
//!
//! | port     | dir | width      | meaning                                               |
//! | -------- | --- | ---------- | ----------------------------------------------------- |
//! | `fan_in` | in  | `acc_bits` | products of one tap                                   |
//! | `begins` | in  | ..         | lane groups where a valid tap begins, `0..=taps`      |
//! | `tokens` | in  | 3          | bit 0 `first`, 1 `double`, 2 `last`                   |
//! | `shift`  | in  | 1          | take the drain register of the cell to the north      |
//! | `north`  | in  | `acc_bits` | that register                                         |
//! | `drain`  | out | `acc_bits` | the drain register                                    |
//!
//! Timing: tokens and `begins` in cycle `t`, `drain` holds the sum from `t + 1`.

use super::pe::accumulate;
use super::sizes::{Sizes, bits_for};
use crate::build::{Builder, Module};

/// Describes the module `count_cell`.
pub(super) fn count_cell(sizes: &Sizes) -> Module {
    let acc_bits = sizes.acc_bits;
    let m = Builder::new("count_cell", "Number of products of one output pixel.");
    let fan_in = m.input("fan_in", acc_bits, "products of one tap");
    let begins = m.input("begins", bits_for(sizes.taps), "valid taps that begin");
    let tokens = m.input("tokens", 3, "first, double, last, from bit 0");
    let shift = m.input("shift", 1, "take the drain register to the north");
    let north = m.input("north", acc_bits, "drain register to the north");
    let mut multiples = vec![m.lit(acc_bits, 0), fan_in];
    if sizes.taps > 1 {
        multiples.push(fan_in << 1);
    }
    if sizes.taps > 2 {
        multiples.extend([(fan_in << 1) + fan_in, fan_in << 2]);
    }
    let count = m.select(begins, &multiples);
    m.output("drain", accumulate(&m, tokens, count, shift, north), "drain register");
    m.finish()
}
