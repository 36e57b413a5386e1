//! Raises `shift` in the array so that the rows of a tile appear at the bottom, one after the
//! other.
//!
//! Microarchitecture.md, section 5.2: each row is shown for `beats` cycles, and after the `i`-th
//! row only the rows below `i` move, because the next tile may already have reached those above.
//!
//! | port     | dir | width  | meaning                                               |
//! | -------- | --- | ------ | ----------------------------------------------------- |
//! | `start`  | in  | 1      | from the next cycle on the bottom PE holds row `R-1`  |
//! | `pooled` | in  | 1      | four reads for each pixel instead of one              |
//! | `shift`  | out | `rows` | for column 0 of the array                             |
//!
//! Timing: `start` in cycle `t` (`δ0 - 1` of the page), the first `shift` in `t + beats`.

use super::sizes::Sizes;
use crate::build::{Builder, Module, Sig};

/// Describes the module `drain`.
pub(super) fn drain(sizes: &Sizes) -> Module {
    let m = Builder::new("drain", "Shifts the results of a tile out of the array.");
    let start = m.input("start", 1, "the next cycle shows the bottom row");
    let pooled = m.input("pooled", 1, "four reads for each pixel");
    // Thermometer of the rows that still move; it ends as zero, so nothing else says "active".
    let below = m.reg("below", sizes.rows, 0);
    let (beat, last_beat) = beats(&m, sizes, start, pooled);
    m.discard(beat);
    let all = m.ones(sizes.rows) << 1;
    below.next_when(start | last_beat, m.mux(start, all, *below << 1));
    m.output("shift", *below & last_beat.repeat(sizes.rows), "rows that take the one above");
    m.finish()
}

/// A counter of the beats of a row, and whether this is the last one.
pub(super) fn beats<'m>(
    m: &'m Builder,
    sizes: &Sizes,
    start: Sig<'m>,
    pooled: Sig<'m>,
) -> (Sig<'m>, Sig<'m>) {
    let width = sizes.beat_bits();
    let beat = m.reg("beat_q", width, 0);
    let most = |reads: u32| m.lit(width, u64::from(reads + sizes.write_beats - 2));
    let last = beat.eq(m.mux(pooled, most(4), most(1))).named("last_beat");
    beat.next(m.mux(start | last, 0, *beat + 1));
    (*beat, last)
}
