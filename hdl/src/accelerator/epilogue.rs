//! The end of global pooling: counts the shifts, then writes the planes.
//!
//! Microarchitecture.md, section 5.3: one cycle after the last pixel, `level_shift` shifts, then
//! the planes, bits `8 - level_bits` to 7 of the levels, `write_beats` cycles each.
//!
//! | port        | dir | width | meaning                                                    |
//! | ----------- | --- | ----- | ---------------------------------------------------------- |
//! | `load`      | in  | 1     | the layer begins                                           |
//! | `start`     | in  | 1     | write of the last pixel of a column tile that is pooled    |
//! | `level_shift`, `out_base`, `out_plane_words` | in | 5, 16, 16 | of the descriptor     |
//! | `first_plane` | in | 3    | `8 - level_bits`, modulo 8                                 |
//! | `halve`     | out | 1     | shift the sums                                             |
//! | `first`     | out | 1     | first cycle of the plane writes                            |
//! | `writing`   | out | 1     | a slice of a plane is written                              |
//! | `plane`, `sub`, `slice`, `address` | out | 3, .., .., 16 | which slice, and where         |
//!
//! Timing: `start` in cycle `t`, `first` in `t + level_shift + 2`.

use super::addresses::next_slice;
use super::sizes::Sizes;
use crate::build::{Builder, Module};

/// The last plane of a level.
const LAST_PLANE: u64 = 7;

/// Describes the module `epilogue`.
pub(super) fn epilogue(sizes: &Sizes) -> Module {
    let m = Builder::new("epilogue", "Counts the shifts and plane writes of global pooling.");
    let load = m.input("load", 1, "the layer begins");
    let start = m.input("start", 1, "the sums are complete");
    let level_shift = m.input("level_shift", 5, "shifts");
    let first_plane = m.input("first_plane", 3, "bit of the first plane");
    let out_base = m.input("out_base", 16, "first word of the planes");
    let plane_words = m.input("out_plane_words", 16, "words from a plane to the next");

    let shifting = m.reg("shifting", 1, 0);
    let writing = m.reg("writing_q", 1, 0);
    let left = m.reg_without_reset("left", 5);
    let shifted = (*shifting & left.eq(0)).named("shifted");
    shifting.next_when(start | shifted, start);
    left.next(m.mux(start, level_shift, *left - 1));
    m.output("halve", *shifting & left.ne(0), "shift the sums");

    let plane = m.reg_without_reset("plane_q", 3);
    let sub = m.reg_without_reset("sub_q", sizes.sub_bits());
    let slice = m.reg_without_reset("slice_q", sizes.slice_index_bits());
    let base = m.reg_without_reset("base", 16);
    let address = m.reg_without_reset("address_q", 16);
    let plane_over = sub.eq(u64::from(sizes.write_beats - 1)).named("plane_over");
    let over = (*writing & plane_over & plane.eq(LAST_PLANE)).named("over");
    writing.next_when(shifted | over, shifted);
    sub.next_when(shifted | *writing, m.mux(shifted | plane_over, 0, *sub + 1));
    let plane_end = *writing & plane_over;
    plane.next_when(shifted | plane_end, m.mux(shifted, first_plane, *plane + 1));
    address.next_when(shifted | plane_end, m.mux(shifted, *base, *address + plane_words));
    let (slice_next, words) = next_slice(&m, sizes, *slice);
    slice.next_when(load | over, m.mux(load, 0, slice_next));
    base.next_when(load | over, m.mux(load, out_base, *base + words));

    m.output("first", *writing & plane.eq(first_plane) & sub.eq(0), "first cycle of the writes");
    m.output("writing", *writing, "a slice of a plane is written");
    m.output("plane", *plane, "which plane");
    m.output("sub", *sub, "which sub-slice");
    m.output("slice", *slice, "slice of the word");
    m.output("address", *address + sub.zero_extend(16), "word of bank 0");
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::super::sizes::test_sizes;
    use super::epilogue;
    use crate::Simulator;

    /// Runs the epilogues of three column tiles.
    #[track_caller]
    fn check_tiles(cols: usize, lanes: usize, level_shift: u64, level_bits: u64) {
        let sizes = test_sizes(2, cols, lanes);
        let (beats, slices) = (u64::from(sizes.write_beats), u64::from(sizes.slices));
        let (base, plane_words) = (7, 5);
        let mut sim = Simulator::new(&epilogue(&sizes));
        sim.set("level_shift", level_shift);
        sim.set("first_plane", (8 - level_bits) % 8);
        sim.set("out_base", base);
        sim.set("out_plane_words", plane_words);
        sim.set("load", 1);
        sim.step();
        sim.set("load", 0);
        for ct in 0..3 {
            sim.set("start", 1);
            assert_eq!((sim.get("halve"), sim.get("writing")), (0, 0));
            sim.step();
            sim.set("start", 0);
            for _ in 0..level_shift {
                assert_eq!((sim.get("halve"), sim.get("writing")), (1, 0));
                sim.step();
            }
            assert_eq!((sim.get("halve"), sim.get("writing")), (0, 0));
            sim.step();
            for write in 0..level_bits * beats {
                let (plane, sub) = (write / beats, write % beats);
                let slice = ct * beats + sub;
                assert_eq!((sim.get("halve"), sim.get("writing")), (0, 1));
                assert_eq!(sim.get("first"), u64::from(write == 0));
                assert_eq!((sim.get("plane"), sim.get("sub")), (8 - level_bits + plane, sub));
                assert_eq!(sim.get("address"), base + plane * plane_words + slice / slices);
                assert_eq!(sim.get("slice"), slice % slices);
                sim.step();
            }
            assert_eq!((sim.get("halve"), sim.get("writing")), (0, 0));
        }
    }

    #[test]
    fn planes_are_written_after_the_shifts() {
        for (cols, lanes) in [(1, 4), (4, 16), (7, 4), (5, 16)] {
            for (level_shift, level_bits) in [(0, 8), (1, 5), (12, 1), (31, 8)] {
                check_tiles(cols, lanes, level_shift, level_bits);
            }
        }
    }
}
