//! How many cycles a pixel is shown: the reads of its shortcut and the writes of its bits.
//!
//! Microarchitecture.md, section 5.2: `beats = reads + writes - 1`.
//!
//! | port        | dir | width | meaning                                        |
//! | ----------- | --- | ----- | ---------------------------------------------- |
//! | `shortcut`  | in  | 2     | join                                           |
//! | `window`, `write_levels`, `level_bits` | in | 2, 1, 4 | extended only         |
//! | `last_read` | out | ..    | `reads - 1`                                    |
//! | `last_beat` | out | ..    | `beats - 1`                                    |
//!
//! Timing: a cycle; all are constant for a layer.

use super::sizes::Sizes;
use crate::build::{Builder, Module, Sig};

/// Joins of the stream, as in the descriptor.
pub(super) const AVERAGE: u64 = 2;
pub(super) const EXTREME: u64 = 3;
/// The most planes of a level.
const PLANES: u32 = 8;

/// Describes the module `beats`.
pub(super) fn beats(sizes: &Sizes) -> Module {
    let m = Builder::new("beats", "Beats of a pixel.");
    let width = sizes.beat_bits();
    let number = |n: u32| m.lit(width, u64::from(n));
    let join = m.input("shortcut", 2, "join of the stream");
    let few = sizes.write_beats - 1;
    let (reads, writes) = if sizes.extended {
        let window = m.input("window", 2, "side of the window");
        let squares = m.select(window, &[0, 0, 3, 8].map(number));
        let reads = m.mux(join.eq(EXTREME), squares, number(0));
        let planes: Vec<_> =
            (0..=PLANES).map(|n| number((n * sizes.write_beats).max(1) - 1)).collect();
        let planes = m.select(m.input("level_bits", 4, "planes of a level"), &planes);
        (reads, m.mux(m.input("write_levels", 1, "flag"), planes, number(few)))
    } else {
        (number(0), number(few))
    };
    let reads = m.mux(average(join, sizes), number(1), reads);
    m.output("last_read", m.pipe("last_read_q", reads), "beat of the last read");
    m.output("last_beat", m.pipe("last_beat_q", reads + writes), "last beat");
    m.finish()
}

/// Whether the join is an average.
pub(super) fn average<'m>(join: Sig<'m>, sizes: &Sizes) -> Sig<'m> {
    // Without the extension there is no other join above `add`.
    if sizes.extended { join.eq(AVERAGE) } else { join.keep(1, 1) }
}

/// A counter of the beats of a row, and whether this is the last one.
pub(super) fn beat<'m>(m: &'m Builder, start: Sig<'m>, last_beat: Sig<'m>) -> (Sig<'m>, Sig<'m>) {
    let beat = m.reg("beat_q", last_beat.width(), 0);
    let last = beat.eq(last_beat).named("is_last_beat");
    beat.next(m.mux(start | last, 0, *beat + 1));
    (*beat, last)
}

#[cfg(test)]
mod tests {
    use super::super::sizes::test_sizes_of;
    use super::beats;
    use crate::Simulator;
    use heartbit_ir::program::{Join, Shortcut};

    #[test]
    fn beats_are_those_of_the_page() {
        let joins = [Join::None, Join::Add, Join::Average, Join::Extreme];
        for (cols, lanes, extended) in [(4, 16, false), (9, 4, false), (4, 16, true), (9, 4, true)]
        {
            let sizes = test_sizes_of(2, cols, lanes, 1, extended);
            let mut sim = Simulator::new(&beats(&sizes));
            for (code, join) in (0..if extended { 4 } else { 3 }).zip(joins) {
                sim.set("shortcut", code);
                for (window, levels) in (1..=3).flat_map(|w| (0..=8).map(move |l| (w, l))) {
                    if extended {
                        sim.set("window", window.into());
                        sim.set("write_levels", u64::from(levels > 0));
                        sim.set("level_bits", levels);
                    }
                    let reads = Shortcut { join, window, ..Shortcut::default() }.reads() as u64;
                    let planes = if extended { levels.max(1) } else { 1 };
                    let writes = u64::from(sizes.write_beats) * planes;
                    sim.step();
                    assert_eq!(sim.get("last_read"), reads - 1);
                    assert_eq!(sim.get("last_beat"), reads + writes - 2);
                }
            }
        }
    }
}
