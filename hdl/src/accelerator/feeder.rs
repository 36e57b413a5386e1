//! Feeds the rows of the array: addresses, valid bits, rotation, masks.
//!
//! Microarchitecture.md, section 4.1, for each lane group with its own word of the step; nothing
//! is multiplied, the products of the page grow with the tile counters of the sequencer. The words
//! of a layer that reads the image come from `image`.
//!
//! | port        | dir | width   | stage  | meaning                                            |
//! | ----------- | --- | ------- | ------ | -------------------------------------------------- |
//! | `load`      | in  | 1       |        | the layer begins                                   |
//! | `issue`, `first`, `last` | in | 1 | `t` | a step, the first, the last of its tile           |
//! | `tile_end`, `line_end`, `ct_end` | in | 1 | `t` | with `last`: also of its row, column tile |
//! | fields of the descriptor | in | .. | layer | by their names; `lines` with `Q > 1`       |
//! | `step_{g}`  | in  | 32      | `t+1`  | word of the step memory of lane group `g`          |
//! | `addr_{b}_{g}` | out | 16   | `t+3`  | address of lane group `g` of activation bank `b`   |
//! | `word_{b}`  | in  | `lanes` | `t+4`  | word of the activation bank                        |
//! | `image_{r}` | in  | `lanes` | `t+5`  | word of row `r` from the image, 0 for a map        |
//! | `a_{r}`     | out | `lanes` | `t+6`  | word of row `r`, not yet skewed                    |
//! | `valid_{g}` | out | `rows`  | `t+6`  | row `r` counts in lane group `g`                   |
//! | `tap_first` | out | `taps`  | `t+6`  | a tap of the lane group begins                     |
//! | `double_sum`, `first_step`, `last_step` | out | 1 | `t+6` | tokens                          |
//!
//! Timing: `t` is the cycle of `issue`. Words of steps that are not issued are ignored. A memory's
//! word is registered before it is used, and a sum before it is compared or addresses a memory.

use super::lines::Lines;
use super::sizes::{Sizes, bits_for, delay, delay_control, inside, thermometer};
use crate::build::{Builder, Module, Sig};

/// Bits of a signed input position; a line of 65535 pixels and a tile beyond it fit.
pub(super) const POSITION_BITS: u32 = 20;

/// Describes the module `feeder`.
pub(super) fn feeder(sizes: &Sizes) -> Module {
    let m = Builder::new("feeder", "Addresses, valid bits, rotation and masks of the rows.");
    let issue = delay_control(&m, "issue", m.input("issue", 1, "a step, t"), 4);
    let from_image = m.input("source_image", 1, "flag");
    let steps: Vec<_> = (0..sizes.taps).map(|g| Step::input(&m, &format!("step_{g}"))).collect();
    let counters = Counters::describe(&m, sizes);
    let map = Map {
        height: m.input("in_height", 16, "lines of the map").zero_extend(POSITION_BITS),
        width: m.input("in_width", 16, "columns of the map").zero_extend(POSITION_BITS),
    };

    let mut begins = Vec::new();
    for (group, step) in (0..).zip(&steps) {
        if counters.lines.may_be_several() {
            addresses_of_lines(&m, sizes, group, step, &counters);
        } else {
            addresses(&m, sizes, group, step, &counters);
        }
        let valid = valid_4(&m, sizes, group, step, &counters, &map);
        let valid = (valid | from_image.repeat(sizes.rows)) & issue.repeat(sizes.rows);
        let name = format!("valid_{group}");
        m.output(&name, delay(&m, &name, valid, 2), "rows that count, t+6");
        // From the image, group 0 counts for all.
        let counts = if group == 0 { issue } else { issue & !from_image };
        begins.insert(0, delay(&m, &format!("begins_{group}"), step.tap_first, 2) & counts);
    }
    m.output("tap_first", delay(&m, "tap_first", m.concat(&begins), 2), "a tap begins, t+6");
    let double = delay(&m, "double", steps[0].double, 2) & issue;
    let tokens = [
        ("double_sum", double, 2),
        ("first_step", m.input("first", 1, "first step of a tile, t"), 6),
        ("last_step", m.input("last", 1, "last step of a tile, t"), 6),
    ];
    for (name, value, cycles) in tokens {
        m.output(name, delay(&m, name, value, cycles), "token, t+6");
    }
    steps[1..].iter().for_each(|step| m.discard(step.double));
    operands(&m, sizes, &steps, &counters.lines, from_image);
    m.finish()
}

/// The fields of a step that the feeder uses, at `t+2`.
struct Step<'m> {
    offset: Sig<'m>,
    dy: Sig<'m>,
    dx: Sig<'m>,
    shift: Sig<'m>,
    off: Sig<'m>,
    line_shift: Sig<'m>,
    double: Sig<'m>,
    tap_first: Sig<'m>,
    last_word: Sig<'m>,
}

impl<'m> Step<'m> {
    fn input(m: &'m Builder, name: &str) -> Self {
        let word = m.pipe(&format!("{name}_q"), m.input(name, 32, "word of the step memory, t+1"));
        // Without lines only part of it is used.
        m.discard(word.slice(27, 2));
        Self {
            offset: word.slice(0, 16),
            dy: word.slice(16, 4),
            dx: word.slice(20, 4),
            shift: word.slice(24, 2),
            off: word.bit(26),
            line_shift: word.slice(27, 2),
            double: word.bit(29),
            tap_first: word.bit(30),
            last_word: word.bit(31),
        }
    }
}

/// Size of the map, in the width of positions.
struct Map<'m> {
    height: Sig<'m>,
    width: Sig<'m>,
}

/// Where the tile of the step at `t+2` is.
struct Counters<'m> {
    /// First word of the tile.
    address: Sig<'m>,
    /// Words from a tile to the next, and from a row of tiles to the next.
    xt_words: Sig<'m>,
    y_words: Sig<'m>,
    stride_2: Sig<'m>,
    lines: Lines<'m>,
    /// Input position of row 0 without the tap.
    x: Sig<'m>,
    y: Sig<'m>,
}

impl<'m> Counters<'m> {
    fn describe(m: &'m Builder, sizes: &Sizes) -> Self {
        let event = |name: &str| delay_control(m, name, m.input(name, 1, "event, t"), 2);
        let load = event("load");
        let (tile_end, line_end, ct_end) = (event("tile_end"), event("line_end"), event("ct_end"));
        let base = m.input("in_base", 16, "first word of the map");
        let y_words = m.input("in_y_words", 16, "words of a row of tiles");
        let xt_words = m.input("in_xt_words", 16, "words of a tile");
        let stride_2 = m.input("stride_2", 1, "flag");
        let lines = Lines::input(m, sizes, "lines");

        let line = m.reg_without_reset("line", 16);
        let tile = m.reg_without_reset("tile", 16);
        let restart = (load | ct_end).named("restart");
        let line_next = m.mux(restart, base, *line + y_words);
        line.next_when(load | line_end, line_next);
        let tile_next = m.mux(load | line_end, line_next, *tile + xt_words);
        tile.next_when(load | tile_end, tile_next);

        let x = m.reg_without_reset("x", POSITION_BITS);
        let y = m.reg_without_reset("y", POSITION_BITS);
        let rows = |n: u32| m.lit(POSITION_BITS, u64::from(n));
        let x_next = *x + m.mux(stride_2, rows(2 * sizes.rows), rows(sizes.rows));
        x.next_when(load | tile_end, m.mux(load | line_end, 0, x_next));
        let y_next = *y + lines.choose(|q| m.mux(stride_2, rows(2 * q), rows(q)));
        y.next_when(load | line_end, m.mux(restart, 0, y_next));
        Self { address: *tile, xt_words, y_words, stride_2, lines, x: *x, y: *y }
    }
}

/// The addresses of a lane group: one for all but the first and the last bank.
fn addresses<'m>(m: &'m Builder, sizes: &Sizes, group: u32, step: &Step<'m>, tile: &Counters<'m>) {
    let common = m.pipe(&format!("common_{group}"), tile.address + step.offset);
    let mask = |name: &str, code: u64| {
        let moves = m.pipe(&format!("{name}_{group}"), step.shift.eq(code));
        tile.xt_words & moves.repeat(16)
    };
    let (east, west) = (mask("east", 1), mask("west", 3));
    for bank in 0..sizes.rows {
        let mut address = common;
        if bank == 0 {
            address = address + east;
        }
        if bank == sizes.rows - 1 {
            address = address - west;
        }
        m.output(&format!("addr_{bank}_{group}"), address, "address of the bank, t+3");
    }
}

/// The same where a tile may have several lines: with `q` of them the banks of the first and the
/// last line have addresses of their own, with one the first and the last bank.
fn addresses_of_lines<'m>(
    m: &'m Builder,
    sizes: &Sizes,
    group: u32,
    step: &Step<'m>,
    tile: &Counters<'m>,
) {
    let common = m.pipe(&format!("common_{group}"), tile.address + step.offset);
    let apart = m.mux(tile.lines.several(), tile.y_words, tile.xt_words);
    let apart = m.pipe(&format!("apart_{group}"), apart);
    let ahead = (common + apart).named(&format!("ahead_{group}"));
    let behind = (common - apart).named(&format!("behind_{group}"));
    for bank in 0..sizes.rows {
        // The codes of 1 and -1; the banks from the end that the shift comes from.
        let (code, other, from_end) = if bank < sizes.rows / 2 {
            (1, ahead, bank)
        } else {
            (3, behind, sizes.rows - 1 - bank)
        };
        let moves = tile.lines.choose(|q| match q {
            1 if from_end == 0 => step.shift.eq(code),
            2 | 4 if from_end < sizes.rows / q => step.line_shift.eq(code),
            _ => m.lit(1, 0),
        });
        let moves = m.pipe(&format!("moves_{bank}_{group}"), moves);
        let address = m.mux(moves, other, common);
        m.output(&format!("addr_{bank}_{group}"), address, "address of the bank, t+3");
    }
}

/// For each row, whether its tap is inside the map, at `t+4`.
fn valid_4<'m>(
    m: &'m Builder,
    sizes: &Sizes,
    group: u32,
    step: &Step<'m>,
    tile: &Counters<'m>,
    map: &Map<'m>,
) -> Sig<'m> {
    let name = |what: &str| format!("{what}_{group}");
    let position = |of: Sig<'m>| of.sign_extend(POSITION_BITS);
    let y = m.pipe(&name("y"), tile.y + position(step.dy));
    let off = delay(m, &name("off"), step.off, 2);
    // Row `r` is at `x + r·stride`, in each line of a tile of several.
    let x = m.pipe(&name("x"), tile.x + position(step.dx));
    let columns = inside(m, &name("columns"), x, map.width, Some(tile.stride_2), sizes.rows);
    if !tile.lines.may_be_several() {
        // A negative line is a large one.
        let line = m.pipe(&name("line"), y.lt(map.height));
        return columns & (line & !off).repeat(sizes.rows);
    }
    let lines = inside(m, &name("lines"), y, map.height, Some(tile.stride_2), sizes.lines);
    let rows = tile.lines.choose(|q| {
        let of_line =
            |line| columns.slice(0, sizes.rows / q) & lines.bit(line).repeat(sizes.rows / q);
        m.concat(&(0..q).rev().map(of_line).collect::<Vec<_>>())
    });
    rows & (!off).repeat(sizes.rows)
}

/// Words of the banks to words of the rows.
fn operands<'m>(
    m: &'m Builder,
    sizes: &Sizes,
    steps: &[Step<'m>],
    of_tile: &Lines<'m>,
    from_image: Sig<'m>,
) {
    let lanes = sizes.group_lanes;
    let used = m.pipe("used_lanes", used_lanes(m, sizes));
    let bank = |bank: u32| {
        let name = format!("word_{bank}");
        m.pipe(&format!("{name}_q"), m.input(&name, sizes.lanes, "word of the activations, t+4"))
    };
    let banks: Vec<_> = (0..sizes.rows).map(bank).collect();
    let (n, most) = (banks.len(), sizes.lines as usize);
    // The words of the lane groups of each row, the last group first.
    let mut rows = vec![Vec::new(); n];
    for (group, step) in (0..).zip(steps) {
        let shift = delay(m, &format!("shift_{group}"), step.shift, 3);
        let last_word = delay(m, &format!("last_word_{group}"), step.last_word, 3);
        let part = |word: Sig<'m>| word.slice(group * lanes, lanes);
        let mask = part(used) | (!last_word).repeat(lanes);
        let mask = (mask & (!from_image).repeat(lanes)).named(&format!("mask_{group}"));
        // With one or two rows not every shift is a choice.
        m.discard(shift);
        let turn = turn(m, sizes, group, step, of_tile);
        // The banks of the lines `j + line_shift` in the order of the lines `j`.
        let turned: Vec<_> = (0..n)
            .map(|row| {
                let line = |lines: u32| part(banks[(row + n / most * lines as usize) % n]);
                turn.map_or(line(0), |turn| {
                    m.select(turn, &(0..sizes.lines).map(line).collect::<Vec<_>>())
                })
            })
            .collect();
        for (row, words) in rows.iter_mut().enumerate() {
            let (east, west) = (turned[(row + 1) % n], turned[(row + n - 1) % n]);
            let shifted = m.mux(shift.bit(1), west, east);
            words.insert(0, m.mux(shift.bit(0), shifted, turned[row]) & mask);
        }
    }
    for (row, words) in rows.iter().enumerate() {
        let image = m.input(&format!("image_{row}"), sizes.lanes, "word from the image, t+5");
        let word = m.concat(words) | image;
        m.output(&format!("a_{row}"), m.pipe(&format!("a_{row}_q"), word), "word of the row, t+6");
    }
}

/// By how many times `R/Q` banks the words of a lane group turn for the step's `line_shift`, at
/// `t+5`; nothing where no tile has several lines.
fn turn<'m>(
    m: &'m Builder,
    sizes: &Sizes,
    group: u32,
    step: &Step<'m>,
    of_tile: &Lines<'m>,
) -> Option<Sig<'m>> {
    let bits = sizes.lines.trailing_zeros();
    let turn = |q: u32| match q {
        1 => m.lit(bits, 0),
        _ => step.line_shift.keep(0, bits) << (sizes.lines / q).trailing_zeros(),
    };
    let several = of_tile.may_be_several();
    several.then(|| delay(m, &format!("turn_{group}"), of_tile.choose(turn), 3))
}

/// The lanes below `last_lanes` of each copy.
fn used_lanes<'m>(m: &'m Builder, sizes: &Sizes) -> Sig<'m> {
    let lanes = sizes.lanes;
    let last_lanes = m.input("last_lanes", 16, "lanes with a channel in the last word");
    let used = thermometer(m, last_lanes.keep(0, bits_for(lanes)), lanes);
    if sizes.taps == 1 {
        return used;
    }
    let copies = m.input("in_copies", sizes.copies_bits(), "log2 of the copies of a pixel");
    let of_copies = |log2: u32| used.slice(0, lanes >> log2).repeat(1 << log2);
    let choices: Vec<_> = (0..=sizes.taps.trailing_zeros()).map(of_copies).collect();
    m.select(copies, &choices)
}

#[cfg(test)]
mod tests;
