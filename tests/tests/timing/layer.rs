//! What the signals show of one layer: its tiles and pixels, found by counting.
//!
//! Only signals of the parts that the sums pass are used, never a state: the n-th `last` that a
//! part sees belongs to tile `n` of the program, the n-th pixel that is written to pixel `n`.

use crate::example::{Convolution, Example};
use crate::wave::Wave;
use heartbit_ir::program::{LayerDescriptor, Program};
use std::collections::BTreeMap;
use std::ops::Range;

/// Bits of the tokens of a processing element.
pub(crate) const FIRST: u32 = 0;
pub(crate) const LAST: u32 = 2;

/// A write of a pixel to a map.
pub(crate) struct Write {
    pub(crate) bank: u32,
    pub(crate) address: u64,
    /// Row and column.
    pub(crate) pixel: (usize, usize),
}

/// A row of a tile; tiles count within the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TileRow {
    pub(crate) tile: usize,
    pub(crate) row: usize,
}

/// One layer in the signals of a run. Cycles count from its first step.
pub(crate) struct Layer<'w> {
    wave: &'w Wave,
    pub(crate) convolution: Convolution<'w>,
    pub(crate) program: &'w Program,
    /// Cycle of the first step.
    start: usize,
    /// Its tiles among all of the program.
    tiles: Range<usize>,
    /// Its pixels among all of the program.
    pixels: Range<usize>,
    /// For each PE and cycle, whose sum the drain register holds.
    drains: BTreeMap<(usize, usize), Vec<Option<TileRow>>>,
}

impl<'w> Layer<'w> {
    /// Finds a layer in the signals of the example's run.
    pub(crate) fn new(wave: &'w Wave, example: &'w Example, name: &str) -> Self {
        let convolution = example.convolution(name);
        let program = &example.compiled.program;
        let before = &program.layers[..convolution.index];
        let first: usize = before.iter().map(tiles).sum();
        let first_pixel: usize = before.iter().map(pixels).sum();
        let over = match first.checked_sub(1) {
            None => 0,
            Some(last) => 1 + wave.cycles("feeder.last", 0).nth(last).expect("bug: a tile"),
        };
        let start = wave.cycles("feeder.issue", 0).find(|cycle| *cycle >= over);
        let mut layer = Self {
            wave,
            convolution,
            program,
            start: start.expect("bug: a step"),
            tiles: first..first + tiles(convolution.descriptor),
            pixels: first_pixel..first_pixel + pixels(convolution.descriptor),
            drains: BTreeMap::new(),
        };
        (0..program.array.cols).for_each(|c| layer.follow_drains(c));
        layer
    }

    /// Number of tiles.
    pub(crate) fn n_tiles(&self) -> usize {
        self.tiles.len()
    }

    /// Bits of `z`.
    pub(crate) fn sum_bits(&self) -> u32 {
        self.program.array.acc_bits + 1
    }

    /// Bits of `y` before it is limited: of the product or the bias, and a carry.
    pub(crate) fn affine_bits(&self) -> u32 {
        (self.sum_bits() + 16).max(40) + 1
    }

    /// The value of a signal.
    #[track_caller]
    pub(crate) fn at(&self, path: &str, cycle: usize) -> u64 {
        self.wave.at(path, self.start + cycle)
    }

    /// The value of a signal of so many bits, signed.
    #[track_caller]
    pub(crate) fn signed(&self, path: &str, cycle: usize, bits: u32) -> i64 {
        self.wave.signed(path, self.start + cycle, bits)
    }

    /// Cycles of the events of the layer among all of the program.
    fn own(&self, path: &str, bit: u32, which: &Range<usize>) -> Vec<usize> {
        let all = self.wave.cycles(path, bit).skip(which.start).take(which.len());
        all.map(|cycle| cycle - self.start).collect()
    }

    /// First and last step of each tile.
    pub(crate) fn steps(&self) -> Vec<(usize, usize)> {
        self.spans("feeder.first", 0, "feeder.last", 0)
    }

    /// Cycles in which a PE adds the first and the last word of each tile.
    pub(crate) fn sums(&self, r: usize, c: usize) -> Vec<(usize, usize)> {
        let tokens = format!("array.row_{r}.pe_{c}.tokens");
        self.spans(&tokens, FIRST, &tokens, LAST)
    }

    fn spans(&self, first: &str, bit: u32, last: &str, last_bit: u32) -> Vec<(usize, usize)> {
        let last = self.own(last, last_bit, &self.tiles);
        self.own(first, bit, &self.tiles).into_iter().zip(last).collect()
    }

    /// Cycles in which the drain of each tile is told to start.
    pub(crate) fn drain_starts(&self) -> Vec<usize> {
        self.own("drain.start", 0, &self.tiles)
    }

    /// Cycles in which each pixel is at a stage, 0 for D0.
    pub(crate) fn stage(&self, stage: usize) -> Vec<usize> {
        self.own(&format!("writer.pixel_d{}", stage + 1), 0, &self.pixels)
    }

    /// The pixel at a stage: row, column.
    pub(crate) fn pixel(&self, stage: usize, cycle: usize) -> (usize, usize) {
        let position = |axis| {
            let value = self.at(&format!("writer.{axis}_d{}", stage + 1), cycle);
            usize::try_from(value).expect("bug: 17 bits")
        };
        (position("y"), position("x"))
    }

    /// The writes to maps of all layers before.
    pub(crate) fn writes_before(&self) -> Vec<Write> {
        let pixels = self.wave.cycles("writer.pixel_d8", 0).take(self.pixels.start);
        let write = |cycle: usize| {
            let signal = |name: &str| self.wave.at(&format!("writer.{name}"), cycle);
            let position = |name| usize::try_from(signal(name)).expect("bug: 17 bits");
            Write {
                bank: signal("bank_en").trailing_zeros(),
                address: signal("bits_addr"),
                pixel: (position("y_d8"), position("x_d8")),
            }
        };
        pixels.filter(|cycle| self.wave.at("writer.bank_en", *cycle) != 0).map(write).collect()
    }

    /// Whose sum the drain register of a PE holds, if it is one of the layer.
    pub(crate) fn drained(&self, r: usize, c: usize, cycle: usize) -> Option<TileRow> {
        self.drains[&(r, c)][self.start + cycle]
    }

    /// Follows the sums of a column through its drain registers.
    fn follow_drains(&mut self, c: usize) {
        let rows = self.program.array.rows;
        let mut held: Vec<Option<TileRow>> = vec![None; rows];
        let mut seen = vec![0; rows];
        for cycle in 0..self.wave.len() {
            let before = held.clone();
            for r in 0..rows {
                self.drains.entry((r, c)).or_default().push(before[r]);
                let signal =
                    |name: &str| self.wave.at(&format!("array.row_{r}.pe_{c}.{name}"), cycle);
                if signal("tokens") >> LAST & 1 == 1 {
                    let tile = self.tiles.contains(&seen[r]).then(|| seen[r] - self.tiles.start);
                    held[r] = tile.map(|tile| TileRow { tile, row: r });
                    seen[r] += 1;
                } else if signal("shift") == 1 {
                    held[r] = r.checked_sub(1).and_then(|north| before[north]);
                }
            }
        }
    }
}

fn tiles(layer: &LayerDescriptor) -> usize {
    let lines = layer.out_height.div_ceil(layer.lines.into());
    usize::from(layer.col_tiles) * usize::from(lines) * usize::from(layer.row_tiles)
}

fn pixels(layer: &LayerDescriptor) -> usize {
    usize::from(layer.col_tiles) * usize::from(layer.out_height) * usize::from(layer.out_width)
}
