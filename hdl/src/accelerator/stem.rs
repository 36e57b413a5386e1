//! Reads the image for the rows of the array.
//!
//! Microarchitecture.md, section 4.2. Image row and tile are counted like a map's in `feeder`;
//! nothing is multiplied or divided: `floor(Y / 3)·X` and `Y mod 3`, `Y = y0 + y·s`, grow with the
//! lines from what the descriptor says of `y0`, and a step adds one of a few multiples of `X`.
//!
//! | port         | dir | width   | stage | meaning                                              |
//! | ------------ | --- | ------- | ----- | ---------------------------------------------------- |
//! | `height`, `tiles` | in | 16, 11 |    | rows of the image, windows of a row: `X`             |
//! | `stem_7`     | in  | 1       |       | k = 7, s = 2 instead of k = 3, s = 1; extended       |
//! | `load`       | in  | 1       |       | the layer begins                                     |
//! | `tile_end`, `line_end`, `ct_end` | in | 1 | `t` | last step of a tile, a line, a column tile  |
//! | `source_image` | in | 1      | layer | flag                                                 |
//! | `in_base`, `in_y_words`, `in_xt_words` | in | 16 | layer | where it begins: `y0`, `floor(y0 / 3)·X`, `y0 mod 3` |
//! | `step_word`  | in  | 32      | `t+1` | word of the step memory                              |
//! | `addr_{m}_{e}` | out | ..    | `t+3` | address of the bank of rows `m` (mod 3), parity `e`  |
//! | `word_{m}_{e}` | in | 3 `V`  | `t+4` | its word                                             |
//! | `row_{r}`    | out | `lanes` | `t+5` | word of row `r`, 0 unless `source_image`             |

use super::feeder::POSITION_BITS;
use super::image::{SLOT_ROWS, stem_7};
use super::sizes::{Sizes, delay, delay_control, fit, inside, thermometer};
use super::store::address_bits;
use crate::build::{Builder, Module, Sig};

/// Describes the module `stem`.
pub(super) fn stem(sizes: &Sizes) -> Module {
    let m = Builder::new("stem", "Reads the image for the rows of the array.");
    let stem_7 = stem_7(&m, sizes);
    let source_image = m.input("source_image", 1, "flag");
    let step_word = m.input("step_word", 32, "word of the step memory, t+1");
    let step = Step::of(m.pipe("step_word_q", step_word));
    let height = m.input("height", 16, "rows of the image").zero_extend(POSITION_BITS);
    let word_bits = (8 / sizes.stem_planes).trailing_zeros();
    let index_bits = address_bits(sizes.depths.image).saturating_sub(word_bits).max(1);
    let tiles = fit(m.input("tiles", 11, "windows of a row"), index_bits);
    let counters = Counters::describe(&m, tiles, stem_7);

    // The first of the three rows: its place among three, and the groups of three before it.
    let (thirds, rest) = third(&m, step.dy);
    let rest = counters.rest.zero_extend(3) + rest;
    let carry = rest.ge(3).named("carry");
    let first = m.mux(carry, rest - 3, rest).keep(0, 2).named("first_row");
    let thirds = (thirds + carry.zero_extend(3)).named("thirds");
    let multiples = multiples(&m, tiles);
    let tile = m.pipe("tile_3", counters.tile);
    let planes = step.planes.map(|plane| plane.keep(3 - word_bits, word_bits));
    let planes = m.pipe("planes_3", m.concat(&[planes[1], planes[0]]));
    m.discard(planes);
    for bank in 0..SLOT_ROWS {
        // Rows in banks before the first one's are in the next group.
        let before = first.ge(u64::from(bank) + 1).zero_extend(3);
        let thirds = m.pipe(&format!("thirds_{bank}"), thirds + before);
        let index = tile + m.select(thirds, &multiples);
        for e in 0..sizes.stem_planes {
            let word = planes.slice(e * word_bits, word_bits);
            m.output(&format!("addr_{bank}_{e}"), m.concat(&[index, word]), "address, t+3");
        }
    }

    let top = m.pipe("top", counters.y + step.dy.sign_extend(POSITION_BITS));
    let rows = inside(&m, "rows", top, height, None, SLOT_ROWS);
    let n_rows = thermometer(&m, delay(&m, "n_rows", step.n_rows, 2), SLOT_ROWS);
    let rows = (rows & n_rows & source_image.repeat(SLOT_ROWS)).named("rows_4");
    let slots =
        slots(&m, sizes, delay(&m, "used", step.used, 2), rows, delay(&m, "first", first, 2));
    let part = delay(&m, "part", step.part, 3);
    m.discard(part);
    for r in 0..sizes.rows {
        let mut word = operand(&m, sizes, 3, r, &slots, part);
        if sizes.extended {
            word = m.mux(stem_7, operand(&m, sizes, 7, r, &slots, part), word);
        }
        m.output(&format!("row_{r}"), word, "word of the row, t+5");
    }
    m.finish()
}

/// The fields of an image step, at `t+2`.
struct Step<'m> {
    planes: [Sig<'m>; 2],
    used: Sig<'m>,
    n_rows: Sig<'m>,
    part: Sig<'m>,
    dy: Sig<'m>,
}

impl<'m> Step<'m> {
    fn of(word: Sig<'m>) -> Self {
        word.builder().discard(word);
        Self {
            planes: [word.slice(0, 3), word.slice(3, 3)],
            used: word.slice(6, 2),
            n_rows: word.slice(8, 2),
            part: word.slice(10, 4),
            dy: word.slice(16, 4),
        }
    }
}

/// Where the tile of the step at `t+2` is in the image, with `Y = y0 + y·s`.
struct Counters<'m> {
    /// `Y`.
    y: Sig<'m>,
    /// `Y mod 3`.
    rest: Sig<'m>,
    /// `floor(Y / 3)·X + xt`.
    tile: Sig<'m>,
}

impl<'m> Counters<'m> {
    fn describe(m: &'m Builder, tiles: Sig<'m>, stem_7: Sig<'m>) -> Self {
        let event = |name: &str| delay_control(m, name, m.input(name, 1, "event, t"), 2);
        let load = event("load");
        let (tile_end, line_end, ct_end) = (event("tile_end"), event("line_end"), event("ct_end"));
        let restart = (load | ct_end).named("restart");
        let stride = |width: u32| m.mux(stem_7, m.lit(width, 2), m.lit(width, 1));
        let first = m.input("in_base", 16, "first row").zero_extend(POSITION_BITS);
        let first_rest = m.input("in_xt_words", 16, "its rest by 3").keep(0, 2);
        let first_line = fit(m.input("in_y_words", 16, "its thirds, in windows"), tiles.width());

        let y = m.reg_without_reset("y", POSITION_BITS);
        y.next_when(load | line_end, m.mux(restart, first, *y + stride(POSITION_BITS)));
        let rest = m.reg_without_reset("rest", 2);
        let sum = rest.zero_extend(3) + stride(3);
        let carry = sum.ge(3).named("line_carry");
        let rest_next = m.mux(carry, sum - 3, sum).keep(0, 2);
        rest.next_when(load | line_end, m.mux(restart, first_rest, rest_next));
        let line = m.reg_without_reset("line", tiles.width());
        let tile = m.reg_without_reset("tile", tiles.width());
        let line_next = *line + (tiles & carry.repeat(tiles.width()));
        let line_next = m.mux(restart, first_line, line_next).named("line_next");
        line.next_when(load | line_end, line_next);
        tile.next_when(load | tile_end, m.mux(load | line_end, line_next, *tile + 1));
        Self { y: *y, rest: *rest, tile: *tile }
    }
}

/// `floor(dy / 3)` and `dy mod 3`, three bits each.
fn third<'m>(m: &'m Builder, dy: Sig<'m>) -> (Sig<'m>, Sig<'m>) {
    let table = |of: fn(i64) -> i64| {
        let entry = |i: i64| of(if i < 8 { i } else { i - 16 }).cast_unsigned() & 7;
        let entries: Vec<_> = (0..16).map(|i| m.lit(3, entry(i))).collect();
        m.select(dy, &entries)
    };
    (table(|dy| dy.div_euclid(3)), table(|dy| dy.rem_euclid(3)))
}

/// The multiples of `x` by 0 to 4 and by -3 to -1, for an index of three bits. They are registers,
/// as `x` stands as long as an image.
fn multiples<'m>(m: &'m Builder, x: Sig<'m>) -> [Sig<'m>; 8] {
    let zero = m.lit(x.width(), 0);
    let three = m.pipe("three_tiles", (x << 1) + x);
    let minus = |n: u32, value: Sig<'m>| m.pipe(&format!("minus_{n}_tiles"), zero - value);
    [zero, x, x << 1, three, x << 2, minus(3, three), minus(2, x << 1), minus(1, x)]
}

/// The planes of each slot, at `t+5`: `slots[e][d]`. What says which they are is of `t+4`.
fn slots<'m>(
    m: &'m Builder,
    sizes: &Sizes,
    used: Sig<'m>,
    rows: Sig<'m>,
    first: Sig<'m>,
) -> Vec<Vec<Sig<'m>>> {
    let width = 3 * sizes.window_pixels;
    m.discard(used);
    let of_group = |e: u32| {
        let word = |bank: u32| {
            let name = format!("word_{bank}_{e}");
            m.pipe(&format!("{name}_q"), m.input(&name, width, "word of the bank, t+4"))
        };
        let words: Vec<_> = (0..SLOT_ROWS).map(word).collect();
        let slot = |d: u32| {
            let live = used.bit(e) & rows.bit(d);
            // Row `d` after the first one is in this bank.
            let is_in = |bank: u32| first.eq(u64::from((bank + SLOT_ROWS - d) % SLOT_ROWS)) & live;
            let word = |bank: u32| {
                let chosen = m.pipe(&format!("chosen_{e}_{d}_{bank}"), is_in(bank));
                words[bank as usize] & chosen.repeat(width)
            };
            (word(0) | word(1) | word(2)).named(&format!("slot_{e}_{d}"))
        };
        (0..SLOT_ROWS).map(slot).collect()
    };
    (0..sizes.stem_planes).map(of_group).collect()
}

/// The word of row `r` for a kernel of side `k`.
fn operand<'m>(
    m: &'m Builder,
    sizes: &Sizes,
    k: u32,
    r: u32,
    slots: &[Vec<Sig<'m>>],
    part: Sig<'m>,
) -> Sig<'m> {
    let stride = if k == 7 { 2 } else { 1 };
    let used = SLOT_ROWS * 3 * k;
    let fits = sizes.stem_planes * used <= sizes.lanes;
    let group_stride = if fits { used } else { sizes.lanes * used.div_ceil(sizes.lanes) };
    let total = sizes.stem_planes * group_stride;
    let parts = total.div_ceil(sizes.lanes);
    // From the last element to the first one.
    let mut vector = Vec::new();
    if parts * sizes.lanes > total {
        vector.push(m.lit(parts * sizes.lanes - total, 0));
    }
    for group in slots.iter().rev() {
        if group_stride > used {
            vector.push(m.lit(group_stride - used, 0));
        }
        vector.extend(group.iter().rev().map(|slot| slot.slice(3 * stride * r, 3 * k)));
    }
    let vector = m.concat(&vector);
    let words: Vec<_> = (0..parts).map(|i| vector.slice(i * sizes.lanes, sizes.lanes)).collect();
    m.select(part, &words)
}
