//! The end of global pooling: counts the shifts, then writes the planes.
//!
//! Microarchitecture.md, section 5.3: one cycle after the last pixel, `pool_shift` shifts, then
//! plane 0 to 7, `write_beats` cycles each.
//!
//! | port        | dir | width | meaning                                                    |
//! | ----------- | --- | ----- | ---------------------------------------------------------- |
//! | `load`      | in  | 1     | the layer begins                                           |
//! | `start`     | in  | 1     | D4 of the last pixel of a column tile that is pooled       |
//! | `pool_shift`, `out_base`, `out_xt_words` | in | 5, 16, 16 | of the descriptor         |
//! | `halve`     | out | 1     | shift the sums                                             |
//! | `first`     | out | 1     | first cycle of the plane writes                            |
//! | `writing`   | out | 1     | a slice of a plane is written                              |
//! | `plane`, `sub`, `group`, `address` | out | 3, .., .., 16 | which slice, and where         |
//!
//! Timing: `start` in cycle `t`, `first` in `t + pool_shift + 2`.

use super::addresses::next_group;
use super::sizes::Sizes;
use crate::build::{Builder, Module};

/// Planes of a pooled level.
const PLANES: u64 = 8;

/// Describes the module `epilogue`.
pub(super) fn epilogue(sizes: &Sizes) -> Module {
    let m = Builder::new("epilogue", "Counts the shifts and plane writes of global pooling.");
    let load = m.input("load", 1, "the layer begins");
    let start = m.input("start", 1, "the sums are complete");
    let pool_shift = m.input("pool_shift", 5, "shifts");
    let out_base = m.input("out_base", 16, "first word of the planes");
    let plane_words = m.input("out_xt_words", 16, "words of a plane");

    let shifting = m.reg("shifting", 1, 0);
    let writing = m.reg("writing_q", 1, 0);
    let left = m.reg_without_reset("left", 5);
    let shifted = (*shifting & left.eq(0)).named("shifted");
    shifting.next_when(start | shifted, start);
    left.next(m.mux(start, pool_shift, *left - 1));
    m.output("halve", *shifting & left.ne(0), "shift the sums");

    let plane = m.reg_without_reset("plane_q", 3);
    let sub = m.reg_without_reset("sub_q", sizes.sub_bits());
    let group = m.reg_without_reset("group_q", sizes.group_bits());
    let base = m.reg_without_reset("base", 16);
    let address = m.reg_without_reset("address_q", 16);
    let plane_over = sub.eq(u64::from(sizes.write_beats - 1)).named("plane_over");
    let over = (*writing & plane_over & plane.eq(PLANES - 1)).named("over");
    writing.next_when(shifted | over, shifted);
    sub.next_when(shifted | *writing, m.mux(shifted | plane_over, 0, *sub + 1));
    let plane_end = *writing & plane_over;
    plane.next_when(shifted | plane_end, m.mux(shifted, 0, *plane + 1));
    address.next_when(shifted | plane_end, m.mux(shifted, *base, *address + plane_words));
    let (group_next, words) = next_group(&m, sizes, *group);
    group.next_when(load | over, m.mux(load, 0, group_next));
    base.next_when(load | over, m.mux(load, out_base, *base + words));

    m.output("first", *writing & plane.eq(0) & sub.eq(0), "first cycle of the writes");
    m.output("writing", *writing, "a slice of a plane is written");
    m.output("plane", *plane, "which plane");
    m.output("sub", *sub, "which sub-slice");
    m.output("group", *group, "slice of the word");
    m.output("address", *address + sub.zero_extend(16), "word of bank 0");
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::super::sizes::test_sizes;
    use super::{PLANES, epilogue};
    use crate::Simulator;

    /// Runs the epilogues of three column tiles.
    #[track_caller]
    fn check_tiles(cols: usize, lanes: usize, pool_shift: u64) {
        let sizes = test_sizes(2, cols, lanes);
        let (beats, slices) = (u64::from(sizes.write_beats), u64::from(sizes.slices));
        let (base, plane_words) = (7, 5);
        let mut sim = Simulator::new(&epilogue(&sizes));
        sim.set("pool_shift", pool_shift);
        sim.set("out_base", base);
        sim.set("out_xt_words", plane_words);
        sim.set("load", 1);
        sim.step();
        sim.set("load", 0);
        for ct in 0..3 {
            sim.set("start", 1);
            assert_eq!((sim.get("halve"), sim.get("writing")), (0, 0));
            sim.step();
            sim.set("start", 0);
            for _ in 0..pool_shift {
                assert_eq!((sim.get("halve"), sim.get("writing")), (1, 0));
                sim.step();
            }
            assert_eq!((sim.get("halve"), sim.get("writing")), (0, 0));
            sim.step();
            for write in 0..PLANES * beats {
                let (plane, sub) = (write / beats, write % beats);
                let slice = ct * beats + sub;
                assert_eq!((sim.get("halve"), sim.get("writing")), (0, 1));
                assert_eq!(sim.get("first"), u64::from(write == 0));
                assert_eq!((sim.get("plane"), sim.get("sub")), (plane, sub));
                assert_eq!(sim.get("address"), base + plane * plane_words + slice / slices);
                assert_eq!(sim.get("group"), slice % slices);
                sim.step();
            }
            assert_eq!((sim.get("halve"), sim.get("writing")), (0, 0));
        }
    }

    #[test]
    fn planes_are_written_after_the_shifts() {
        for (cols, lanes) in [(1, 4), (4, 16), (7, 4), (5, 16)] {
            for pool_shift in [0, 1, 12, 31] {
                check_tiles(cols, lanes, pool_shift);
            }
        }
    }
}
