//! A row of processing elements, each one beside the next.
//!
//! What enters from the west passes through all of them, what comes from the north goes on to the
//! south. Nothing but wires is here: with a module for the row, the text of the array grows with rows
//! plus columns and not with their product.
//!
//! | port         | dir | width      | meaning                                            |
//! | ------------ | --- | ---------- | -------------------------------------------------- |
//! | `a`, `skip`, `tokens`, `shift` | in | | of the first processing element             |
//! | `w`          | in  | `cols` x `lanes` | weight words from the north, column 0 lowest |
//! | `north`      | in  | `cols` x `acc_bits` | drain registers to the north              |
//! | `w_out`      | out | `cols` x `lanes` | `w`, one cycle later                         |
//! | `drain`      | out | `cols` x `acc_bits` | drain registers                           |
//!
//! Timing: that of [`pe`](super::pe), column `c` later by `c` cycles.

use super::pe::pe;
use super::sizes::Sizes;
use crate::build::{Builder, Module};

/// The module `pe_row` and what its neighbours must know.
pub(super) struct PeRow {
    pub(super) module: Module,
    /// That of a processing element.
    pub(super) skip_delay: u32,
}

/// Describes the module `pe_row`.
pub(super) fn pe_row(sizes: &Sizes) -> PeRow {
    let Sizes { lanes, taps, acc_bits, cols, .. } = *sizes;
    let m = Builder::new("pe_row", &format!("{cols} processing elements in a row."));
    let mut word = m.input("a", lanes, "activation word from the west");
    let mut skip = m.input("skip", taps, "lane groups that do not count");
    let mut tokens = m.input("tokens", 3, "first, double, last, from bit 0");
    let mut shift = m.input("shift", 1, "take the drain registers to the north");
    let weights = m.input("w", cols * lanes, "weight words from the north");
    let north = m.input("north", cols * acc_bits, "drain registers to the north");
    let pe = pe(sizes);
    let (mut south, mut drains) = (Vec::new(), Vec::new());
    for c in 0..cols {
        let pe = m.inst(&format!("pe_{c}"), &pe.module);
        pe.set("a", word).set("w", weights.slice(c * lanes, lanes)).set("skip", skip);
        pe.set("tokens", tokens).set("shift", shift);
        pe.set("north", north.slice(c * acc_bits, acc_bits));
        word = pe.out("a_out");
        skip = pe.out("skip_out");
        tokens = pe.out("tokens_out");
        shift = pe.out("shift_out");
        south.push(pe.out("w_out"));
        drains.push(pe.out("drain"));
    }
    for passed in [word, skip, tokens, shift] {
        m.discard(passed);
    }
    south.reverse();
    drains.reverse();
    m.output("w_out", m.concat(&south), "weight words, one cycle later");
    m.output("drain", m.concat(&drains), "drain registers");
    PeRow { module: m.finish(), skip_delay: pe.skip_delay }
}
