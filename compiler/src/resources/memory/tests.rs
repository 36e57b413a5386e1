//! Memories by hand: what yosys makes of them alone.

use super::{Mapped, memory, store};
use crate::resources::Family;

#[test]
fn memories_become_what_yosys_makes_of_them_on_ecp5() {
    let ecp5 = |width, depth| memory(Family::Ecp5, width, depth);
    let block = |bram| Mapped { bram, ..Mapped::default() };
    assert_eq!(ecp5(16, 128), block(1));
    assert_eq!(ecp5(128, 2048), Mapped { bram: 15, ..Mapped::default() });
    assert_eq!(ecp5(48, 1024), block(3));
    assert_eq!(ecp5(18, 16_384), Mapped { bram: 16, logic: 98, ff: 3 });
    assert_eq!(ecp5(36, 4096), Mapped { bram: 8, logic: 38, ff: 1 });
    // 16 tables of 16 x 4 bits, six LUT4 each, and what selects among 8 of them.
    assert_eq!(ecp5(8, 128), Mapped { bram: 0, logic: 16 * 6 + 8 * 5 + 8, ff: 8 });
    assert_eq!(ecp5(16, 16), Mapped { bram: 0, logic: 4 * 6, ff: 16 });
    assert_eq!(ecp5(9, 128), block(1));
}

#[test]
fn two_memories_take_fewer_blocks_than_the_next_power_of_two() {
    let weights = store(Family::Ecp5, 64, 2600);
    assert_eq!(weights.bram, 8 + 4);
    assert_eq!(store(Family::Ecp5, 64, 4096).bram, 16);
}
