//! The drawings of docs/timing.md, from the signals alone.
//!
//! A tile is a letter, a tap of the kernel a digit, a pixel `y,x`. Which tap and which pixel a word
//! belongs to is read from the word (see `example`); which pixel a result is, from the counters of
//! the writer.

use crate::example::{pixels, word};
use crate::layer::{FIRST, LAST, Layer};
use heartbit_ir::program::Step;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A name in the page and the text of its block.
pub(crate) type Drawing = (&'static str, String);

/// Size of the example's array, and with its lanes the cycles from a word to its tokens.
const ROWS: usize = 2;
const COLS: usize = 2;
const TOKENS_LATER: usize = 1;
/// Stages that are drawn, and the last of them, of what is written.
const STAGES: [usize; 5] = [0, 2, 3, 5, WRITTEN];
const WRITTEN: usize = 7;

/// All drawings, of the 3x3 layer and of the 1x1 layer.
pub(crate) fn drawings(layer: &Layer<'_>, pointwise: &Layer<'_>) -> Vec<Drawing> {
    // Until the first tile has been written.
    let end = layer.stage(WRITTEN)[ROWS - 1];
    vec![
        ("operands", operands(layer, end)),
        ("sums", sums(layer, end)),
        ("map", map(layer)),
        ("banks", banks(layer)),
        ("tiles", strip(layer)),
        ("gap", strip(pointwise)),
    ]
}

/// Lines of cells, each padded to its column's width.
struct Table {
    widths: Vec<usize>,
    text: String,
}

impl Table {
    fn new(columns: &[(&str, usize)]) -> Self {
        let widths = columns.iter().map(|(_, width)| *width).collect();
        let mut table = Self { widths, text: String::new() };
        table.line(columns.iter().map(|(name, _)| (*name).to_owned()));
        table
    }

    fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut line = String::new();
        for (cell, width) in cells.into_iter().zip(&self.widths) {
            write!(line, "{cell:<width$}").expect("bug: a string takes it");
        }
        self.text += line.trim_end();
        self.text.push('\n');
    }
}

/// `A`, `B` and so on.
fn letter(tile: usize) -> char {
    char::from(b'A' + u8::try_from(tile).expect("bug: a few tiles"))
}

fn pes() -> impl Iterator<Item = (usize, usize)> {
    (0..ROWS).flat_map(|r| (0..COLS).map(move |c| (r, c)))
}

/// The tile whose span includes the cycle.
fn within(spans: &[(usize, usize)], cycle: usize) -> Option<usize> {
    spans.iter().position(|(first, last)| (*first..=*last).contains(&cycle))
}

fn taps(layer: &Layer<'_>) -> std::ops::Range<usize> {
    0..layer.convolution.kernel * layer.convolution.kernel
}

/// The step that is issued: tile and tap.
fn issued(layer: &Layer<'_>, cycle: usize) -> Option<(usize, usize)> {
    let tile = within(&layer.steps(), cycle)?;
    // The word of the step memory comes a cycle later.
    let word = u32::try_from(layer.at("feeder.step_0", cycle + 1)).expect("bug: 32 bits");
    let Step { dy, dx, .. } = Step::decode(word);
    let place = (isize::from(dy), isize::from(dx));
    Some((tile, taps(layer).find(|tap| layer.convolution.tap(*tap) == place)?))
}

/// The word of weights at a PE: tile and tap.
fn arriving(layer: &Layer<'_>, (r, c): (usize, usize), cycle: usize) -> Option<(usize, usize)> {
    let tile = within(&layer.sums(r, c), cycle + TOKENS_LATER)?;
    let word = layer.at(&format!("array.row_{r}.pe_{c}.w"), cycle);
    let tap = taps(layer).find(|tap| layer.convolution.weight_word(c, *tap) == word);
    Some((tile, tap.expect("bug: a word of the weights")))
}

/// The pixel whose word this is.
fn pixel(layer: &Layer<'_>, bits: u64) -> String {
    let map = layer.convolution.map;
    let found = pixels(map).find(|(y, x)| word(map, *y, *x) == bits);
    found.map_or("?".to_owned(), |(y, x)| format!("{y},{x}"))
}

/// The steps, and the words at the inputs of all PEs with their tokens.
fn operands(layer: &Layer<'_>, end: usize) -> String {
    let columns = [
        ("cycle", 7),
        ("step", 6),
        ("ky,kx", 12),
        ("PE(0,0)", 11),
        ("PE(0,1)", 11),
        ("PE(1,0)", 11),
        ("PE(1,1)", 11),
    ];
    let mut table = Table::new(&columns);
    for cycle in 0..=end {
        let step = issued(layer, cycle);
        let name = step.map_or(String::new(), |(tile, tap)| format!("{}{tap}", letter(tile)));
        let side = layer.convolution.kernel;
        let tap = step.map_or(String::new(), |(_, tap)| format!("{},{}", tap / side, tap % side));
        let mut cells = vec![format!("t+{cycle}"), name, tap];
        cells.extend(pes().map(|pe| operand(layer, pe, cycle)));
        table.line(cells);
    }
    table.text
}

fn operand(layer: &Layer<'_>, (r, c): (usize, usize), cycle: usize) -> String {
    let Some((tile, tap)) = arriving(layer, (r, c), cycle) else { return String::new() };
    let signal = |name: &str, at| layer.at(&format!("array.row_{r}.pe_{c}.{name}"), at);
    let skipped = signal("skip", cycle + TOKENS_LATER) == 1;
    let pixel = if skipped { "-".to_owned() } else { pixel(layer, signal("a", cycle)) };
    let tokens = signal("tokens", cycle + TOKENS_LATER);
    let marks = [(FIRST, " F"), (LAST, " L")];
    let token = marks.into_iter().find(|(bit, _)| tokens >> bit & 1 == 1).map_or("", |(_, m)| m);
    format!("{}{tap} {pixel}{token}", letter(tile))
}

/// Accumulators, drain registers, stages and writes.
fn sums(layer: &Layer<'_>, end: usize) -> String {
    let columns = [
        ("cycle", 7),
        ("acc", 5),
        ("", 5),
        ("", 5),
        ("", 6),
        ("n", 4),
        ("", 5),
        ("drain", 5),
        ("", 5),
        ("", 5),
        ("", 5),
        ("", 3),
        ("D0", 10),
        ("D2", 7),
        ("D3", 7),
        ("D5", 7),
        ("D7", 0),
    ];
    let mut table = Table::new(&columns);
    let names = [
        "",
        "0,0",
        "0,1",
        "1,0",
        "1,1",
        "0",
        "1",
        "0,0",
        "0,1",
        "1,0",
        "1,1",
        "",
        "hits/n",
        "z",
        "mul*z",
        "y",
        "bits, bank.word",
    ];
    table.line(names.map(str::to_owned));
    for cycle in 0..=end {
        let mut cells = vec![format!("t+{cycle}")];
        cells.extend(registers(layer, cycle));
        let shifts = layer.drain_starts()[0] < cycle && layer.at("drain.shift", cycle) != 0;
        cells.push(if shifts { "s" } else { "" }.to_owned());
        cells.extend(STAGES.map(|stage| {
            let shown = layer.stage(stage).contains(&cycle);
            if shown { at_stage(layer, stage, cycle) } else { String::new() }
        }));
        table.line(cells);
    }
    table.text
}

/// The accumulators of the PEs and of the count column, and the drain registers of the PEs.
fn registers(layer: &Layer<'_>, cycle: usize) -> Vec<String> {
    let accumulators = pes().map(|(r, c)| {
        let path = format!("array.row_{r}.pe_{c}.acc");
        let tile = held(layer, (r, c), cycle);
        tile.map(|tile| format!("{}{}", letter(tile), layer.at(&path, cycle)))
    });
    let counts = (0..ROWS).map(|r| {
        let path = format!("array.count_{r}.acc");
        held(layer, (r, 0), cycle).map(|_| layer.at(&path, cycle).to_string())
    });
    let drains = pes().map(|(r, c)| {
        let path = format!("array.row_{r}.pe_{c}.drain_q");
        let of = layer.drained(r, c, cycle);
        of.map(|of| format!("{}:{}", of.row, layer.at(&path, cycle)))
    });
    accumulators.chain(counts).chain(drains).map(Option::unwrap_or_default).collect()
}

/// The tile whose partial sum an accumulator holds.
fn held(layer: &Layer<'_>, (r, c): (usize, usize), cycle: usize) -> Option<usize> {
    layer.sums(r, c).iter().rposition(|(first, _)| *first < cycle)
}

/// What a stage shows of both columns.
fn at_stage(layer: &Layer<'_>, stage: usize, cycle: usize) -> String {
    let post = |name: &str, bits| {
        let value = |c| layer.signed(&format!("post_{c}.{name}"), cycle, bits).to_string();
        [value(0), value(1)].join(",")
    };
    match stage {
        0 => {
            let [left, right] = [0, 1].map(|c| layer.at(&format!("array.hits_{c}"), cycle));
            format!("{left},{right}/{}", layer.at("array.products", cycle))
        }
        2 => post("z_d2", layer.sum_bits()),
        3 => post("product_3", layer.sum_bits() + 16),
        5 => post("y_5", layer.affine_bits()),
        _ => {
            let [bank, bits, address] = ["bank_en", "bits", "bits_addr"]
                .map(|name| layer.at(&format!("writer.{name}"), cycle));
            format!("{},{}  {}.{address}", bits & 1, bits >> 1, bank.trailing_zeros())
        }
    }
}

/// Where the pixels of the map that is read were written.
fn map(layer: &Layer<'_>) -> String {
    let writes = layer.writes_before();
    let places: BTreeMap<_, _> =
        writes.into_iter().map(|w| ((w.bank, w.address), w.pixel)).collect();
    let addresses: BTreeSet<_> = places.keys().map(|(_, address)| *address).collect();
    let mut table = Table::new(&[("word", 6), ("bank 0", 8), ("bank 1", 0)]);
    for address in addresses {
        let cell =
            |bank| places.get(&(bank, address)).map_or(String::new(), |(y, x)| format!("{y},{x}"));
        table.line([address.to_string(), cell(0), cell(1)]);
    }
    table.text
}

/// What the banks are asked and what the rows get, in the middle line of the kernel.
fn banks(layer: &Layer<'_>) -> String {
    let columns =
        [("step", 6), ("dx", 5), ("bank 0", 8), ("bank 1", 10), ("row 0", 15), ("row 1", 0)];
    let mut table = Table::new(&columns);
    let middle = |(_, tap): &(usize, usize)| tap / layer.convolution.kernel == 1;
    // Both tiles of the first line.
    let cycles = layer.steps()[0].0..=layer.steps()[1].1;
    for cycle in cycles {
        let Some((tile, tap)) = issued(layer, cycle).filter(middle) else { continue };
        let (_, dx) = layer.convolution.tap(tap);
        let address = |bank: usize| {
            // 16 bits that wrap around.
            let words = layer.signed(&format!("feeder.addr_{bank}_0"), cycle + 3, 16);
            words.to_string()
        };
        let row = |r: usize| row(layer, r, cycle);
        table.line([
            format!("{}{tap}", letter(tile)),
            format!("{dx:>2}"),
            address(0),
            address(1),
            row(0),
            row(1),
        ]);
    }
    table.text
}

/// The pixel that a row gets, and the bank that gave it.
fn row(layer: &Layer<'_>, r: usize, issued: usize) -> String {
    if layer.at("feeder.valid_0", issued + 6) >> r & 1 == 0 {
        return "-".to_owned();
    }
    let word = layer.at(&format!("feeder.a_{r}"), issued + 6);
    let from = |bank: &usize| layer.at(&format!("activations.word_{bank}"), issued + 4) == word;
    let bank = (0..ROWS).find(from).expect("bug: the word of a bank");
    format!("{} of bank {bank}", pixel(layer, word))
}

/// The whole layer, a column a cycle.
fn strip(layer: &Layer<'_>) -> String {
    let end = layer.stage(WRITTEN).last().map_or(0, |last| last + 1);
    let line = |name: &str, cell: &dyn Fn(usize) -> Option<char>| {
        let cells: String = (0..end).map(|cycle| cell(cycle).unwrap_or(' ')).collect();
        format!("{name:<9}{}\n", cells.trim_end())
    };
    let digit = |n: usize| char::from_digit(u32::try_from(n).expect("bug: small"), 10);
    let mut text = line("cycle", &|cycle| digit(cycle / 10).filter(|_| cycle % 10 == 0));
    text += &line("", &|cycle| digit(cycle % 10));
    text += &line("tile", &|cycle| issued(layer, cycle).map(|(tile, _)| letter(tile)));
    text += &line("step", &|cycle| issued(layer, cycle).and_then(|(_, tap)| digit(tap)));
    for pe in pes() {
        let tap = |cycle| arriving(layer, pe, cycle).and_then(|(_, tap)| digit(tap));
        text += &line(&format!("PE({},{})", pe.0, pe.1), &tap);
    }
    for c in 0..COLS {
        // The row whose sum the bottom register has just taken.
        let taken = |cycle: usize| {
            let now = layer.drained(ROWS - 1, c, cycle)?;
            let before = layer.drained(ROWS - 1, c, cycle.checked_sub(1)?);
            (before != Some(now)).then(|| digit(now.row))?
        };
        text += &line(&format!("drain {c}"), &taken);
    }
    for stage in [0, WRITTEN] {
        let row = |cycle| {
            let shown = layer.stage(stage).contains(&cycle);
            shown.then(|| layer.pixel(stage, cycle).1 % ROWS).and_then(digit)
        };
        text += &line(&format!("D{stage}"), &row);
    }
    text
}
