//! The memories of an array, and what each becomes: blocks, look-up tables or flip-flops.
//!
//! Widths and depths are those of docs/microarchitecture.md, section 2, with the depths rounded up
//! as the hardware does it. Which cells a memory is made of follows the costs by which yosys
//! (`memory_libmap` with the family's tables) chooses; so blocks are exact, not fitted.

use super::family::Family;
use super::{Design, Wrapper};

/// Bits that the second of two memories must save.
const BLOCK_BITS: usize = 4096;
/// Words of the smallest second memory.
const BLOCK_WORDS: usize = 256;
/// Bytes of the buffer of a serial link, and beats of the queue of streamed weights behind AXI.
const FRAME_WORDS: usize = 512;
const QUEUE_WORDS: usize = 64;

/// Memories of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// The module that they are in.
    pub module: &'static str,
    /// How many there are in all instances of the module.
    pub count: usize,
    /// Bits of a word.
    pub width: usize,
    /// Words that are needed.
    pub words: usize,
    /// The parameter that decides on the words, in the words of the command line.
    pub option: Option<&'static str>,
}

/// What memories take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Block memories.
    pub bram: u64,
    /// Units of logic: tables used as memory, and multiplexers between parts.
    pub logic: u64,
    /// Flip-flops.
    pub ff: u64,
}

impl Mapped {
    /// Adds so many of another.
    pub fn add(&mut self, n: u64, other: Self) {
        self.bram += n * other.bram;
        self.logic += n * other.logic;
        self.ff += n * other.ff;
    }
}

/// All memories of a design.
pub fn stores(design: &Design) -> Vec<Store> {
    let Design { array: a, depths, wrapper } = design;
    let store = |module, count, width, words, option| Store { module, count, width, words, option };
    let mut stores = vec![
        store("image", 3 * a.stem_planes(), 3 * a.window_pixels(), depths.image, None),
        store(
            "activations",
            a.rows * a.slices_per_word(),
            a.slice_bits(),
            depths.activation,
            Some("--activation-words"),
        ),
        store("weights", a.cols, a.lanes, depths.weight, Some("--weight-words")),
        store("streams", 2, 16 * a.cols, depths.stream, Some("--stream-words")),
        store("logits", 1, 32 * a.cols, depths.logit, None),
        store("steps", a.taps, 32, depths.step, None),
        store("program_words", 1, 32, depths.program, None),
    ];
    let parts: &[usize] = if a.extended { &[36, 21, 22, 36, 20] } else { &[36, 20] };
    let parameters = parts.iter();
    stores.extend(parameters.map(|w| store("parameters", a.cols, *w, depths.parameter, None)));
    let module = wrapper.module();
    stores.extend(match wrapper {
        Wrapper::Uart => Some(store(module, 1, 8, FRAME_WORDS, None)),
        Wrapper::Axi32 if depths.ring.is_some() => Some(store(module, 1, 32, QUEUE_WORDS, None)),
        Wrapper::Axi64 if depths.ring.is_some() => Some(store(module, 1, 64, QUEUE_WORDS, None)),
        _ => None,
    });
    stores
}

impl Store {
    /// What all of them take.
    pub fn mapped(&self, family: Family) -> Mapped {
        let mut all = Mapped::default();
        all.add(self.count as u64, store(family, self.width, self.words));
        all
    }
}

/// One store: one memory of a power of two, or two with a multiplexer where that saves a block.
fn store(family: Family, width: usize, words: usize) -> Mapped {
    let whole = words.next_power_of_two().max(2);
    let low = whole / 2;
    let high = words.saturating_sub(low).next_power_of_two().max(BLOCK_WORDS);
    if high < low && (low - high) * width >= BLOCK_BITS {
        let mut both = memory(family, width, low);
        both.add(1, memory(family, width, high));
        both.logic += width as u64 + 2;
        both.ff += 1;
        both
    } else {
        memory(family, width, whole)
    }
}

/// A kind of cell that words are put into.
struct Cell {
    /// Width and depth.
    shape: (usize, usize),
    /// What yosys says that one costs, whatever the bits of it that are used.
    fixed: f64,
    /// What it adds for each bit of the word.
    per_bit: f64,
    /// What it is.
    is: Mapped,
    /// Whether a register for the word that is read is added.
    adds_register: bool,
}

/// One memory of a power of two of words: the cheapest of the family's cells, or flip-flops.
fn memory(family: Family, width: usize, depth: usize) -> Mapped {
    let n = |cell: &Cell| (width.div_ceil(cell.shape.0), depth.div_ceil(cell.shape.1));
    let cost = |cell: &Cell| {
        let (across, deep) = n(cell);
        // A bit of a multiplexer, or an enable, counts half.
        let select = if deep > 1 { float(width * (deep - 1) + deep) / 2.0 } else { 0.0 };
        float(deep) * (float(across) * cell.fixed + float(width) * cell.per_bit) + select
    };
    let cells = cells(family);
    let cheapest = cells.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
    let cheapest = cheapest.expect("bug: families have memories");
    if float(width * depth) <= cost(cheapest) {
        return flip_flops(family, width, depth);
    }
    let (across, deep) = n(cheapest);
    let mut mapped = Mapped::default();
    mapped.add((across * deep) as u64, cheapest.is);
    if deep > 1 {
        mapped.logic += (width * select_logic(family, deep) + deep) as u64;
    }
    mapped.ff += if cheapest.adds_register { width as u64 } else { u64::from(deep.ilog2()) };
    mapped
}

/// Bits in flip-flops, with a multiplexer and a register behind it.
fn flip_flops(family: Family, width: usize, depth: usize) -> Mapped {
    let logic = width * select_logic(family, depth) + depth;
    let ff = (width * (depth + 1)) as u64;
    // Those that hold words share no cell with a table where cells hold both.
    let alone = if family == Family::Ice40 { (width * depth) as u64 } else { 0 };
    Mapped { bram: 0, logic: logic as u64 + alone, ff }
}

/// Tables of a bit that is selected out of `n`, a power of two.
fn select_logic(family: Family, n: usize) -> usize {
    let wide = matches!(family, Family::Xc7);
    match n {
        0 | 1 => 0,
        2 => 1,
        4 if wide => 1,
        8 if wide => 2,
        _ if wide => n / 4,
        4 => 2,
        8 => 5,
        _ => n - n / 8,
    }
}

fn cells(family: Family) -> Vec<Cell> {
    let block = |shapes: &[(usize, usize)], fixed, bram| -> Vec<Cell> {
        let is = Mapped { bram, ..Mapped::default() };
        let cell = |&shape| Cell { shape, fixed, per_bit: 0.0, is, adds_register: false };
        shapes.iter().map(cell).collect()
    };
    let tables = |shape, fixed, per_bit, logic| {
        let is = Mapped { logic, ..Mapped::default() };
        Cell { shape, fixed, per_bit, is, adds_register: true }
    };
    let kbit_18 = [(1, 16_384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512)];
    let mut cells = block(&kbit_18, 128.0, 1);
    match family {
        Family::Ice40 => return block(&[(2, 2048), (4, 1024), (8, 512), (16, 256)], 64.0, 1),
        Family::Ecp5 => cells.push(tables((4, 16), 4.0, 0.0, 6)),
        Family::Gowin => cells.push(tables((4, 16), 0.0, 1.0, 6)),
        Family::Xc7 => {
            let twice = kbit_18.map(|(width, depth)| (width, 2 * depth));
            cells.extend(block(&twice, 257.0, 2));
            cells.extend(block(&[(72, 512)], 257.0, 2));
            cells.push(tables((6, 32), 1.0, 7.0 / 6.0, 4));
            cells.push(tables((3, 64), 1.0, 7.0 / 3.0, 4));
        }
    }
    cells
}

#[expect(clippy::cast_precision_loss, reason = "bits of a memory are far below 2^53")]
fn float(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
