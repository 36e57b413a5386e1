//! The level of one column's value and the bit of it that is written. Extended only.
//!
//! Microarchitecture.md, section 5.3, `write_levels`.
//!
//! | port          | dir | width | meaning                                             |
//! | ------------- | --- | ----- | --------------------------------------------------- |
//! | `v`           | in  | 16    | the value, D12                                      |
//! | `level_shift` | in  | 5     | of the descriptor                                   |
//! | `plane`       | in  | 3     | bit that is written, D13                            |
//! | `q`           | out | 8     | `clamp((v >> level_shift) + 128, 0, 255)`           |
//! | `level_bit`   | out | 1     | bit `plane` of it                                   |
//!
//! Timing: the outputs belong to D13.

use super::arithmetic::{bit_of, level};
use crate::build::{Builder, Module};

/// Describes the module `levels`.
pub(super) fn levels() -> Module {
    let m = Builder::new("levels", "Level of one column.");
    let v = m.input("v", 16, "value, D12");
    let shift = m.input("level_shift", 5, "shift");
    let shifted = (0..5).fold(v, |value, k| m.mux(shift.bit(k), value.sar(1 << k), value));
    let q = m.pipe("level_13", level(shifted));
    m.output("q", q, "level");
    m.output("level_bit", bit_of(q, m.input("plane", 3, "bit that is written")), "bit of it");
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::levels;
    use crate::{Simulator, test_random};

    #[test]
    fn levels_are_those_of_the_page() {
        let mut sim = Simulator::new(&levels());
        let mut seed = 12;
        for case in 0..2000 {
            let shift = case % 32;
            let v = (test_random(&mut seed) >> 48).cast_signed() - 32_768;
            let v = if case % 2 == 0 { v } else { v >> 7 };
            sim.set("v", v.cast_unsigned() & 0xffff);
            sim.set("level_shift", shift);
            sim.step();
            let q = ((v >> shift) + 128).clamp(0, 255).cast_unsigned();
            assert_eq!(sim.get("q"), q, "{v} >> {shift}");
            for plane in 0..8 {
                sim.set("plane", plane);
                assert_eq!(sim.get("level_bit"), q >> plane & 1);
            }
        }
    }
}
