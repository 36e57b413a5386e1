//! Random layers, with tiles of one line and of several, against the formulas of the page.

use super::super::sizes::{Sizes, test_sizes_of};
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
    taps: usize,
    /// Most lines of a tile, and those of the layer.
    most_lines: u32,
    lines: i64,
    stride: i64,
    height: i64,
    width: i64,
    row_tiles: i64,
    base: i64,
    y_words: i64,
    xt_words: i64,
    image: bool,
    copies: usize,
    last_lanes: usize,
}

/// What a step should make of its tile: addresses of the banks and valid rows of each group.
struct Expected {
    addresses: Vec<Vec<u64>>,
    valid: Vec<u64>,
    steps: Vec<Step>,
    first: bool,
    last: bool,
}

impl Layer {
    fn random(sizes: &Sizes, seed: &mut u64) -> Self {
        let [rows, lanes, taps] = [sizes.rows, sizes.lanes, sizes.taps].map(|n| n as usize);
        let mut random = |below: u64| i64::try_from(test_random(seed) % below).expect("bug: small");
        let lines = 1 << random(u64::from(sizes.lines.trailing_zeros() + 1));
        let stride = 1 + random(2);
        let most_width = if lines == 1 {
            4 * rows as u64 + 3
        } else {
            (stride * int(rows) / lines).cast_unsigned()
        };
        let width = 1 + random(most_width);
        let out_width = (width + stride - 1) / stride;
        let copies = [1, 2, 4][usize::try_from(random(3)).expect("bug: small")].min(taps);
        let last_lanes = 1 + random((lanes / copies) as u64);
        Self {
            rows,
            lanes,
            taps,
            most_lines: sizes.lines,
            lines,
            stride,
            height: 1 + random(if lines == 1 { 6 } else { 13 }),
            width,
            row_tiles: (out_width + int(rows) - 1) / int(rows),
            base: random(65_536),
            y_words: random(65_536),
            xt_words: random(65_536),
            image: random(3) == 1,
            copies,
            last_lanes: usize::try_from(last_lanes).expect("bug: small"),
        }
    }

    fn set(&self, sim: &mut Simulator) {
        let value = |v: i64| v.cast_unsigned();
        for (name, v) in [
            ("in_base", value(self.base)),
            ("in_y_words", value(self.y_words)),
            ("in_xt_words", value(self.xt_words)),
            ("stride_2", u64::from(self.stride == 2)),
            ("in_height", value(self.height)),
            ("in_width", value(self.width)),
            ("source_image", u64::from(self.image)),
            ("last_lanes", self.last_lanes as u64),
        ] {
            sim.set(name, v);
        }
        if self.taps > 1 {
            sim.set("in_copies", u64::from(self.copies.trailing_zeros()));
        }
        if self.most_lines > 1 {
            sim.set("lines", self.lines.trailing_zeros().into());
        }
    }

    /// Rows of the array in a line.
    fn line_rows(&self) -> i64 {
        int(self.rows) / self.lines
    }

    /// Tiles above each other.
    fn tile_rows(&self) -> i64 {
        let out_height = (self.height + self.stride - 1) / self.stride;
        (out_height + self.lines - 1) / self.lines
    }

    fn expect(&self, steps: Vec<Step>, t: i64, xt: i64) -> Expected {
        let address = |step: &Step, bank: i64| {
            let tile = t * self.y_words + xt * self.xt_words + i64::from(step.offset);
            let adjust = if self.lines == 1 {
                let west = step.shift == -1 && bank == int(self.rows) - 1;
                let east = step.shift == 1 && bank == 0;
                (i64::from(east) - i64::from(west)) * self.xt_words
            } else {
                let up = step.line_shift == -1 && bank / self.line_rows() == self.lines - 1;
                let down = step.line_shift == 1 && bank / self.line_rows() == 0;
                (i64::from(down) - i64::from(up)) * self.y_words
            };
            (self.base + tile + adjust).rem_euclid(65_536).cast_unsigned()
        };
        let valid = |step: &Step, row: i64| {
            let (line, column) = (row / self.line_rows(), row % self.line_rows());
            let y = (t * self.lines + line) * self.stride + i64::from(step.dy);
            let x = (xt * int(self.rows) + column) * self.stride + i64::from(step.dx);
            let inside = (0..self.height).contains(&y) && (0..self.width).contains(&x);
            u64::from(self.image || inside && !step.off) << row
        };
        let rows = 0..int(self.rows);
        let addresses = |step| rows.clone().map(|bank| address(step, bank)).collect();
        let valid = |step| rows.clone().map(|row| valid(step, row)).sum();
        Expected {
            addresses: steps.iter().map(addresses).collect(),
            valid: steps.iter().map(valid).collect(),
            steps,
            first: false,
            last: false,
        }
    }

    /// The word of a row, from the words of all banks.
    fn operand(&self, row: usize, steps: &[Step], words: &[u64]) -> u64 {
        let lane = |lane: usize| {
            let step = &steps[lane / (self.lanes / self.taps)];
            let lines = if self.lines == 1 { 0 } else { i64::from(step.line_shift) };
            let bank = int(row) + i64::from(step.shift) + lines * self.line_rows();
            let bank = bank.rem_euclid(int(self.rows));
            let of_copy = lane % (self.lanes / self.copies);
            let used = !step.last_word || of_copy < self.last_lanes;
            words[usize::try_from(bank).expect("bug: a bank")] & u64::from(used) << lane
        };
        (0..self.lanes).map(lane).sum()
    }
}

fn random_step(seed: &mut u64) -> Step {
    let bits = test_random(seed);
    let field = |low: u32, mask: u64| u8::try_from(bits >> low & mask).expect("bug: small");
    let small = |low: u32| i8::try_from(field(low, 15)).expect("bug: small") - 8;
    Step {
        line_shift: [0, 1, -1, 0][usize::from(field(16, 3))],
        offset: u16::try_from(test_random(seed) >> 48).expect("bug: small").cast_signed(),
        dy: small(0),
        dx: small(4),
        shift: [0, 1, -1, 0][usize::from(field(8, 3))],
        off: field(10, 7) == 0,
        double: field(13, 1) == 1,
        tap_first: field(14, 1) == 1,
        last_word: field(15, 1) == 1,
    }
}

/// Compares tokens and valid rows, at `t+6`, with a step or with none.
#[track_caller]
fn check_tokens(sim: &mut Simulator, layer: &Layer, expected: Option<&Expected>) {
    let tokens = ["tap_first", "double_sum", "first_step", "last_step"].map(|name| sim.get(name));
    let valid: Vec<_> = (0..layer.taps).map(|g| sim.get(&format!("valid_{g}"))).collect();
    let Some(e) = expected else {
        assert_eq!((tokens, valid), ([0; 4], vec![0; layer.taps]));
        return;
    };
    let counts = |g: usize| e.steps[g].tap_first && (g == 0 || !layer.image);
    let tap_first = (0..layer.taps).map(|g| u64::from(counts(g)) << g).sum();
    let flags = [e.steps[0].double, e.first, e.last].map(u64::from);
    assert_eq!(tokens, [tap_first, flags[0], flags[1], flags[2]]);
    assert_eq!(valid, e.valid, "{:?}", e.steps);
}

#[track_caller]
fn check_layer(sim: &mut Simulator, layer: &Layer, seed: &mut u64) {
    layer.set(sim);
    sim.set("issue", 0);
    sim.set("load", 1);
    sim.step();
    sim.set("load", 0);
    // The steps of the last cycles, the newest first; none where no step was issued.
    let mut past: [Option<Expected>; 6] = Default::default();
    let mut shown: Option<Vec<u64>> = None;
    let mut words_before = vec![0; layer.rows];
    let tile_rows = layer.tile_rows();
    let tiles = (0..2 * tile_rows * layer.row_tiles).map(|i| {
        let (t, xt) = (i / layer.row_tiles % tile_rows, i % layer.row_tiles);
        (t, xt, xt + 1 == layer.row_tiles, t + 1 == tile_rows)
    });
    let steps = 3;
    for (t, xt, line_end, ct_end) in tiles {
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
            for g in 0..layer.taps {
                let noise = random_step(seed).encode();
                let word = past[0].as_ref().map_or(noise, |e| e.steps[g].encode());
                sim.set(&format!("step_{g}"), word.into());
            }
            for (g, addresses) in past[2].iter().flat_map(|e| e.addresses.iter().enumerate()) {
                for (bank, address) in addresses.iter().enumerate() {
                    assert_eq!(sim.get(&format!("addr_{bank}_{g}")), *address, "bank {bank}");
                }
            }
            let mut random = |bits: usize| test_random(seed) >> (64 - bits);
            let words: Vec<_> = (0..layer.rows).map(|_| random(layer.lanes)).collect();
            let mut images = vec![0; layer.rows];
            if layer.image {
                images.fill_with(|| random(layer.lanes));
            }
            for b in 0..layer.rows {
                sim.set(&format!("word_{b}"), words[b]);
                sim.set(&format!("image_{b}"), images[b]);
            }
            check_tokens(sim, layer, past[5].as_ref());
            for (row, word) in shown.iter().flat_map(|rows| rows.iter().enumerate()) {
                assert_eq!(sim.get(&format!("a_{row}")), *word, "row {row}");
            }
            shown = past[4].as_ref().map(|e| {
                let from_map = |r| layer.operand(r, &e.steps, &words_before);
                let rows = images.iter().enumerate();
                rows.map(|(r, word)| if layer.image { *word } else { from_map(r) }).collect()
            });
            words_before = words;
            past.rotate_right(1);
            let words = (0..layer.taps).map(|_| random_step(seed)).collect();
            past[0] = issue.then(|| Expected { first, last, ..layer.expect(words, t, xt) });
            sim.step();
        }
    }
}

#[track_caller]
fn check_random_layers(sizes: &Sizes) {
    let mut seed = u64::from(sizes.rows * 100 + sizes.lanes + sizes.taps);
    for _ in 0..12 {
        let layer = Layer::random(sizes, &mut seed);
        let mut sim = Simulator::new(&feeder(sizes));
        check_layer(&mut sim, &layer, &mut seed);
    }
}

#[test]
fn rows_get_the_words_of_the_page() {
    for (rows, lanes) in [(1, 4), (2, 16), (3, 4), (5, 37), (8, 64)] {
        check_random_layers(&test_sizes_of(rows, 2, lanes, 1, false));
    }
}

#[test]
fn lane_groups_get_the_words_of_their_taps() {
    for (rows, cols, lanes, taps) in [(1, 2, 4, 2), (3, 1, 4, 4), (5, 2, 8, 4), (2, 4, 64, 4)] {
        check_random_layers(&test_sizes_of(rows, cols, lanes, taps, false));
    }
}

#[test]
fn lines_get_the_words_of_the_page() {
    for (rows, lines, taps) in [(2, 2, 1), (4, 2, 2), (4, 4, 1), (6, 2, 1), (8, 4, 4), (12, 4, 1)] {
        let sizes = test_sizes_of(rows, 2, 8, taps, false);
        check_random_layers(&Sizes { lines, ..sizes });
    }
}
