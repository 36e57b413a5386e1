//! Feeds the rows of the array: addresses, valid bits, rotation, masks.
//!
//! Microarchitecture.md, section 4; nothing is multiplied, the products of the page grow with the
//! tile counters of the sequencer.
//!
//! | port        | dir | width   | stage  | meaning                                            |
//! | ----------- | --- | ------- | ------ | -------------------------------------------------- |
//! | `load`      | in  | 1       |        | the layer begins                                   |
//! | `issue`, `first`, `last` | in | 1 | `t` | a step, the first, the last of its tile           |
//! | `tile_end`, `line_end`, `ct_end` | in | 1 | `t` | with `last`: also of its line, column tile |
//! | fields of the descriptor | in | .. | layer | by their names                               |
//! | `step_word` | in  | 32      | `t+1`  | word of the step memory                            |
//! | `addr_{b}`  | out | 16      | `t+1`  | address of bank `b` of image and activations       |
//! | `word_{b}`  | in  | `lanes` | `t+2`  | word of the activation bank                        |
//! | `pixel_{b}` | in  | 24      | `t+2`  | word of the image bank                             |
//! | `a_{r}`     | out | `lanes` | `t+3`  | word of row `r`, not yet skewed                    |
//! | `valid`     | out | `rows`  | `t+3`  | the tap of row `r` is inside the map               |
//! | `tap_first`, `double_sum`, `first_step`, `last_step` | out | 1 | `t+3` | tokens                |
//!
//! Timing: `t` is the cycle of `issue`. Words of steps that are not issued are ignored.

use super::sizes::{Sizes, bits_for, delay, delay_control, thermometer};
use crate::build::{Builder, Module, Sig};

/// Bits of a signed input position; a line of 65535 pixels and a tile beyond it fit.
const POSITION_BITS: u32 = 20;

/// Describes the module `feeder`.
pub(super) fn feeder(sizes: &Sizes) -> Module {
    let m = Builder::new("feeder", "Addresses, valid bits, rotation and masks of the rows.");
    let step = Step::of(m.input("step_word", 32, "word of the step memory, t+1"));
    let issue = delay_control(&m, "issue", m.input("issue", 1, "a step, t"), 1);
    let counters = Counters::describe(&m, sizes);

    addresses(&m, sizes, &step, &counters);
    let valid = valid(&m, sizes, &step, &counters) & issue.repeat(sizes.rows);
    m.output("valid", delay(&m, "valid", valid, 2), "taps inside the map, t+3");
    let tokens = [
        ("tap_first", step.tap_first & issue, 2),
        ("double_sum", step.double & issue, 2),
        ("first_step", m.input("first", 1, "first step of a tile, t"), 3),
        ("last_step", m.input("last", 1, "last step of a tile, t"), 3),
    ];
    for (name, value, cycles) in tokens {
        m.output(name, delay(&m, name, value, cycles), "token, t+3");
    }
    operands(&m, sizes, &step);
    m.finish()
}

/// The fields of a step that the feeder uses, at `t+1`.
struct Step<'m> {
    offset: Sig<'m>,
    dy: Sig<'m>,
    dx: Sig<'m>,
    shift: Sig<'m>,
    plane: Sig<'m>,
    double: Sig<'m>,
    tap_first: Sig<'m>,
    last_word: Sig<'m>,
}

impl<'m> Step<'m> {
    fn of(word: Sig<'m>) -> Self {
        Self {
            offset: word.slice(0, 16),
            dy: word.slice(16, 4),
            dx: word.slice(20, 4),
            shift: word.slice(24, 2),
            plane: word.slice(26, 3),
            double: word.bit(29),
            tap_first: word.bit(30),
            last_word: word.bit(31),
        }
    }
}

/// Where the tile of the step at `t+1` is.
struct Counters<'m> {
    /// First word of the tile.
    address: Sig<'m>,
    /// Words from a tile to the next.
    xt_words: Sig<'m>,
    stride_2: Sig<'m>,
    /// Input position of row 0 without the tap.
    x: Sig<'m>,
    y: Sig<'m>,
}

impl<'m> Counters<'m> {
    fn describe(m: &'m Builder, sizes: &Sizes) -> Self {
        let event = |name: &str| delay_control(m, name, m.input(name, 1, "event, t"), 1);
        let load = m.input("load", 1, "the layer begins");
        let (tile_end, line_end, ct_end) = (event("tile_end"), event("line_end"), event("ct_end"));
        let base = m.input("in_base", 16, "first word of the map");
        let y_words = m.input("in_y_words", 16, "words of a line");
        let xt_words = m.input("in_xt_words", 16, "words of a tile");
        let stride_2 = m.input("stride_2", 1, "flag");

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
        let y_next = *y + m.mux(stride_2, rows(2), rows(1));
        y.next_when(load | line_end, m.mux(restart, 0, y_next));
        Self { address: *tile, xt_words, stride_2, x: *x, y: *y }
    }
}

/// The address of each bank: one for all but the first and the last bank.
fn addresses<'m>(m: &'m Builder, sizes: &Sizes, step: &Step<'m>, tile: &Counters<'m>) {
    let common = (tile.address + step.offset).named("common");
    let (east, west) = (step.shift.eq(1), step.shift.eq(3));
    let mask = |condition: Sig<'m>| tile.xt_words & condition.repeat(16);
    for bank in 0..sizes.rows {
        let mut address = common;
        if bank == 0 {
            address = address + mask(east);
        }
        if bank == sizes.rows - 1 {
            address = address - mask(west);
        }
        m.output(&format!("addr_{bank}"), address, "address of the bank, t+1");
    }
}

/// For each row, whether its tap is inside the map.
fn valid<'m>(m: &'m Builder, sizes: &Sizes, step: &Step<'m>, tile: &Counters<'m>) -> Sig<'m> {
    let position = |of: Sig<'m>| of.sign_extend(POSITION_BITS);
    let size = |name: &str| m.input(name, 16, "size of the map").zero_extend(POSITION_BITS);
    // A negative line is a large one.
    let inside = (tile.y + position(step.dy)).lt(size("in_height")).named("line_inside");
    // Row `r` is at `x + r·stride`: the rows from `begin` on and before `end` are inside.
    let x = (tile.x + position(step.dx)).named("tap_x");
    let halve = |value: Sig<'m>| m.mux(tile.stride_2, (value + 1).sar(1), value);
    let end = halve(size("in_width") - x).named("line_end_distance");
    let bits = bits_for(sizes.rows);
    let many = end.slice(bits, POSITION_BITS - bits).any();
    let before_end = thermometer(m, end.slice(0, bits), sizes.rows) | many.repeat(sizes.rows);
    // A tap reaches at most 8 pixels to the west.
    let begin = halve((m.lit(5, 0) - x.keep(0, 5)).named("outside")).keep(0, 4);
    let before_begin = thermometer(m, begin, sizes.rows) & x.msb().repeat(sizes.rows);
    before_end & !before_begin & (inside & !end.msb()).repeat(sizes.rows)
}

/// Words of the banks to words of the rows.
fn operands<'m>(m: &'m Builder, sizes: &Sizes, step: &Step<'m>) {
    let shift = m.pipe("shift_2", step.shift);
    let plane = m.pipe("plane_2", step.plane);
    let last_word = m.pipe("last_word_2", step.last_word);
    let lanes = sizes.lanes;
    let from_image = m.input("source_image", 1, "flag");
    let last_lanes = m.input("last_lanes", 16, "lanes with a channel in the last word");
    let used = thermometer(m, last_lanes.keep(0, bits_for(lanes)), lanes).named("used_lanes");
    let mask = (used | (!last_word).repeat(lanes)).named("mask");

    let banks: Vec<_> = (0..sizes.rows)
        .map(|bank| {
            let word = m.input(&format!("word_{bank}"), lanes, "word of the activations, t+2");
            let pixel = m.input(&format!("pixel_{bank}"), 24, "word of the image, t+2");
            let channel = |c: u32| {
                let bits: Vec<_> = (0..8).map(|i| pixel.bit(8 * c + i)).collect();
                m.select(plane, &bits)
            };
            let image = m.concat(&[m.lit(1, 1), channel(2), channel(1), channel(0)]);
            m.mux(from_image, image.zero_extend(lanes), word).named(&format!("operand_{bank}"))
        })
        .collect();
    // With one or two rows not every shift is a choice.
    m.discard(shift);
    let n = banks.len();
    for row in 0..n {
        let (same, east, west) = (banks[row], banks[(row + 1) % n], banks[(row + n - 1) % n]);
        let rotated = m.mux(shift.bit(0), m.mux(shift.bit(1), west, east), same);
        let word = rotated & mask;
        m.output(&format!("a_{row}"), m.pipe(&format!("a_{row}_q"), word), "word of the row, t+3");
    }
}

#[cfg(test)]
mod tests {
    use super::super::sizes::test_sizes;
    use super::feeder;
    use crate::{Simulator, test_random};
    use heartbit_ir::program::Step;

    fn int(value: usize) -> i64 {
        i64::try_from(value).expect("bug: small")
    }

    /// A layer and what it is fed.
    struct Layer {
        rows: usize,
        lanes: usize,
        stride: i64,
        height: i64,
        width: i64,
        row_tiles: i64,
        base: i64,
        y_words: i64,
        xt_words: i64,
        image: bool,
        last_lanes: usize,
    }

    /// What a step should make of its tile.
    struct Expected {
        addresses: Vec<u64>,
        valid: u64,
        step: Step,
        first: bool,
        last: bool,
    }

    impl Layer {
        fn random(rows: usize, lanes: usize, seed: &mut u64) -> Self {
            let mut random =
                |below: u64| i64::try_from(test_random(seed) % below).expect("bug: small");
            let (stride, width) = (1 + random(2), 1 + random(4 * rows as u64 + 3));
            let out_width = (width + stride - 1) / stride;
            Self {
                rows,
                lanes,
                stride,
                height: 1 + random(6),
                width,
                row_tiles: (out_width + int(rows) - 1) / int(rows),
                base: random(65_536),
                y_words: random(65_536),
                xt_words: random(65_536),
                image: random(2) == 1,
                last_lanes: usize::try_from(1 + random(lanes as u64)).expect("bug: small"),
            }
        }

        fn expect(&self, step: Step, y: i64, xt: i64) -> Expected {
            let rows = int(self.rows);
            let tile = self.base + y * self.y_words + xt * self.xt_words + i64::from(step.offset);
            let address = |bank: i64| {
                let west = if step.shift == -1 && bank == rows - 1 { self.xt_words } else { 0 };
                let east = if step.shift == 1 && bank == 0 { self.xt_words } else { 0 };
                (tile - west + east).rem_euclid(65_536).cast_unsigned()
            };
            let valid = |row: i64| {
                let y = y * self.stride + i64::from(step.dy);
                let x = (xt * rows + row) * self.stride + i64::from(step.dx);
                let inside = (0..self.height).contains(&y) && (0..self.width).contains(&x);
                u64::from(inside) << row
            };
            Expected {
                addresses: (0..rows).map(address).collect(),
                valid: (0..rows).map(valid).sum(),
                step,
                first: false,
                last: false,
            }
        }

        /// The word of a row, from the words and pixels of all banks.
        fn operand(&self, row: usize, step: Step, words: &[u64], pixels: &[u64]) -> u64 {
            let n = int(self.rows);
            let bank = (int(row) + i64::from(step.shift)).rem_euclid(n);
            let bank = usize::try_from(bank).expect("bug: a bank");
            let bit = |c: u32| pixels[bank] >> (8 * c + u32::from(step.plane)) & 1;
            let image = bit(0) | bit(1) << 1 | bit(2) << 2 | 1 << 3;
            let word = if self.image { image } else { words[bank] };
            let kept = if step.last_word { self.last_lanes } else { self.lanes };
            word & (u64::MAX >> (64 - kept))
        }
    }

    fn random_step(seed: &mut u64) -> Step {
        let bits = test_random(seed);
        let field = |low: u32, mask: u64| u8::try_from(bits >> low & mask).expect("bug: small");
        let small = |low: u32| i8::try_from(field(low, 15)).expect("bug: small") - 8;
        Step {
            offset: u16::try_from(test_random(seed) >> 48).expect("bug: small").cast_signed(),
            dy: small(0),
            dx: small(4),
            shift: [0, 1, -1, 0][usize::from(field(8, 3))],
            plane: field(10, 7),
            double: field(13, 1) == 1,
            tap_first: field(14, 1) == 1,
            last_word: field(15, 1) == 1,
        }
    }

    #[track_caller]
    fn check_layer(sim: &mut Simulator, layer: &Layer, seed: &mut u64) {
        let value = |v: i64| v.cast_unsigned();
        for (name, v) in [
            ("in_base", value(layer.base)),
            ("in_y_words", value(layer.y_words)),
            ("in_xt_words", value(layer.xt_words)),
            ("stride_2", u64::from(layer.stride == 2)),
            ("in_height", value(layer.height)),
            ("in_width", value(layer.width)),
            ("source_image", u64::from(layer.image)),
            ("last_lanes", layer.last_lanes as u64),
            ("issue", 0),
        ] {
            sim.set(name, v);
        }
        sim.set("load", 1);
        sim.step();
        sim.set("load", 0);
        // The steps of the last cycles, the newest first; none where no step was issued.
        let mut past: [Option<Expected>; 3] = [None, None, None];
        let mut shown: Option<Vec<u64>> = None;
        let out_height = (layer.height + layer.stride - 1) / layer.stride;
        let tiles = (0..2 * out_height * layer.row_tiles).map(|i| {
            let (y, xt) = (i / layer.row_tiles % out_height, i % layer.row_tiles);
            (y, xt, xt + 1 == layer.row_tiles, y + 1 == out_height)
        });
        let steps = 3;
        for (y, xt, line_end, ct_end) in tiles {
            // A gap after each second tile.
            for at in 0..steps + (xt % 2) {
                let issue = at < steps;
                let (first, last) = (at == 0, at == steps - 1);
                sim.set("issue", issue.into());
                sim.set("first", first.into());
                sim.set("last", last.into());
                sim.set("tile_end", last.into());
                sim.set("line_end", (last && line_end).into());
                sim.set("ct_end", (last && line_end && ct_end).into());
                let noise = random_step(seed).encode();
                let word = past[0].as_ref().map_or(noise, |e| e.step.encode());
                sim.set("step_word", word.into());
                if let Some(expected) = &past[0] {
                    for (bank, address) in expected.addresses.iter().enumerate() {
                        assert_eq!(sim.get(&format!("addr_{bank}")), *address, "bank {bank}");
                    }
                }
                let mut random = |bits: usize| test_random(seed) >> (64 - bits);
                let words: Vec<_> = (0..layer.rows).map(|_| random(layer.lanes)).collect();
                let pixels: Vec<_> = (0..layer.rows).map(|_| random(24)).collect();
                for b in 0..layer.rows {
                    sim.set(&format!("word_{b}"), words[b]);
                    sim.set(&format!("pixel_{b}"), pixels[b]);
                }
                let token = |sim: &mut Simulator, name| sim.get(name) == 1;
                let tokens = ["tap_first", "double_sum", "first_step", "last_step"]
                    .map(|name| token(sim, name));
                match &past[2] {
                    None => assert_eq!((tokens, sim.get("valid")), ([false; 4], 0)),
                    Some(e) => {
                        let step = e.step;
                        assert_eq!(tokens, [step.tap_first, step.double, e.first, e.last]);
                        assert_eq!(sim.get("valid"), e.valid, "{step:?}");
                        let rows = shown.as_ref().expect("bug: words of the step before");
                        for (row, word) in rows.iter().enumerate() {
                            assert_eq!(sim.get(&format!("a_{row}")), *word, "row {row} {step:?}");
                        }
                    }
                }
                shown = past[1].as_ref().map(|e| {
                    (0..layer.rows).map(|r| layer.operand(r, e.step, &words, &pixels)).collect()
                });
                past.rotate_right(1);
                past[0] = issue.then(|| Expected {
                    first,
                    last,
                    ..layer.expect(random_step(seed), y, xt)
                });
                sim.step();
            }
        }
    }

    #[test]
    fn rows_get_the_words_of_the_page() {
        let mut seed = 11;
        for (rows, lanes) in [(1, 4), (2, 16), (3, 4), (5, 37), (8, 64)] {
            for _ in 0..12 {
                let layer = Layer::random(rows, lanes, &mut seed);
                let mut sim = Simulator::new(&feeder(&test_sizes(rows, 2, lanes)));
                check_layer(&mut sim, &layer, &mut seed);
            }
        }
    }
}
