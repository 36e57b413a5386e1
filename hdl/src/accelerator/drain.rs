//! Raises `shift` in the array so that the rows of a tile appear at the bottom, one after the
//! other.
//!
//! Microarchitecture.md, section 5.2: each row is shown for `beats` cycles, and after the `i`-th
//! row only the rows below `i` move, because the next tile may already have reached those above.
//!
//! | port        | dir | width  | meaning                                               |
//! | ----------- | --- | ------ | ----------------------------------------------------- |
//! | `start`     | in  | 1      | from the next cycle on the bottom PE holds row `R-1`  |
//! | `last_beat` | in  | ..     | of `beats`                                            |
//! | `shift`     | out | `rows` | for column 0 of the array                             |
//!
//! Timing: `start` in cycle `t` (`δ0 - 1` of the page), the first `shift` in `t + beats`.

use super::beats::beat;
use super::sizes::Sizes;
use crate::build::{Builder, Module};

/// Describes the module `drain`.
pub(super) fn drain(sizes: &Sizes) -> Module {
    let m = Builder::new("drain", "Shifts the results of a tile out of the array.");
    let start = m.input("start", 1, "the next cycle shows the bottom row");
    let last_beat = m.input("last_beat", sizes.beat_bits(), "last beat of a row");
    // Thermometer of the rows that still move; it ends as zero, so nothing else says "active".
    let below = m.reg("below", sizes.rows, 0);
    let (beat, last) = beat(&m, start, last_beat);
    m.discard(beat);
    let all = m.ones(sizes.rows) << 1;
    below.next_when(start | last, m.mux(start, all, *below << 1));
    m.output("shift", *below & last.repeat(sizes.rows), "rows that take the one above");
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::super::sizes::test_sizes;
    use super::drain;
    use crate::Simulator;

    /// Two tiles, the second one as early as it may be or after a gap.
    #[track_caller]
    fn check_drain(rows: u64, beats: u64, gap: u64) {
        let sizes = test_sizes(usize::try_from(rows).expect("bug: small"), 9, 4);
        let mut sim = Simulator::new(&drain(&sizes));
        sim.set("last_beat", beats - 1);
        let period = rows * beats + gap;
        let all = (1 << rows) - 1;
        for cycle in 0..2 * period {
            // The cycle before that of row `rows - 1`.
            sim.set("start", u64::from(cycle % period == 0));
            let shown = (cycle + period - 1) % period;
            let (row, beat) = (rows.wrapping_sub(1 + shown / beats), shown % beats);
            let shifts = cycle > 0 && row < rows && beat == beats - 1 && row > 0;
            let expected = if shifts { all << (rows - row) & all } else { 0 };
            assert_eq!(sim.get("shift"), expected, "cycle {cycle}, row {row}, beat {beat}");
            sim.step();
        }
    }

    #[test]
    fn rows_below_the_shown_one_move_after_its_last_beat() {
        for rows in [1, 2, 3, 7] {
            for (beats, gap) in [(1, 0), (1, 3), (2, 0), (4, 1)] {
                check_drain(rows, beats, gap);
            }
        }
    }
}
