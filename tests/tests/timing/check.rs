//! Every event of a layer against the formulas of microarchitecture.md, sections 4.1 and 5.1
//! to 5.3, and every sum against the interpreter.
//!
//! The drawings use none of these formulas.

use crate::example::word;
use crate::layer::{Layer, TileRow};
use heartbit_ir::program::Step;

/// The array and a layer in the letters of the page.
struct Formulas<'l, 'w> {
    layer: &'l Layer<'w>,
    /// `R`, `C`, `P` and `beats`.
    rows: usize,
    cols: usize,
    latency: usize,
    beats: usize,
    /// `K` and the idle cycles after a tile.
    steps: usize,
    gap: usize,
}

/// A row of a tile as an output pixel.
struct Pixel {
    tile: usize,
    row: usize,
    y: usize,
    x: usize,
}

/// Checks all tiles of a layer.
pub(crate) fn check(layer: &Layer<'_>) {
    let array = &layer.program.array;
    let levels = array.lanes.next_power_of_two().ilog2() as usize;
    // No shortcut is averaged and no levels are written, so a pixel has `D` beats.
    let beats = array.cols.div_ceil(array.lanes);
    let taps = layer.convolution.kernel * layer.convolution.kernel;
    let formulas = Formulas {
        layer,
        rows: array.rows,
        cols: array.cols,
        latency: levels.div_ceil(2).max(1),
        beats,
        steps: taps,
        gap: (array.rows * beats).saturating_sub(taps),
    };
    assert!(!array.extended, "the stages of the plain array, N = 0");
    formulas.steps();
    for tile in 0..layer.n_tiles() {
        for row in 0..formulas.rows {
            let pixel = formulas.pixel(tile, row);
            formulas.reads(&pixel);
            formulas.sums(&pixel);
            formulas.post_processing(&pixel);
        }
    }
    formulas.shifts();
}

impl Formulas<'_, '_> {
    /// Cycle of a step: tiles follow each other, with a gap where the drain needs it.
    fn issued(&self, tile: usize, step: usize) -> usize {
        tile * (self.steps + self.gap) + step
    }

    /// `δ0`: the bottom PE of column 0 holds row `R - 1`.
    fn drain(&self, tile: usize) -> usize {
        self.issued(tile, self.steps - 1) + self.latency + self.rows + 6
    }

    /// The pixel of a row of a tile, in tiles of one line.
    fn pixel(&self, tile: usize, row: usize) -> Pixel {
        let row_tiles = usize::from(self.layer.convolution.descriptor.row_tiles);
        Pixel { tile, row, y: tile / row_tiles, x: tile % row_tiles * self.rows + row }
    }

    /// Steps, their taps and the gaps behind tiles.
    fn steps(&self) {
        let layer = self.layer;
        for tile in 0..layer.n_tiles() {
            for step in 0..self.steps {
                let cycle = self.issued(tile, step);
                assert_eq!(layer.at("feeder.issue", cycle), 1, "tile {tile}, step {step}");
                let word = layer.at("feeder.step_0", cycle + 1);
                let word = Step::decode(u32::try_from(word).expect("bug: 32 bits"));
                let tap = (word.dy.into(), word.dx.into());
                assert_eq!(tap, layer.convolution.tap(step), "tile {tile}, step {step}");
            }
            for cycle in self.issued(tile, self.steps)..self.issued(tile + 1, 0) {
                assert_eq!(layer.at("feeder.issue", cycle), 0, "the gap after tile {tile}");
            }
            let last = self.issued(tile, self.steps - 1);
            assert_eq!(layer.steps()[tile], (self.issued(tile, 0), last), "tile {tile}");
        }
    }

    /// Sections 2 and 4.1: each tap that is inside the map is read where its pixel lies, and turned
    /// to its row.
    fn reads(&self, pixel: &Pixel) {
        let (layer, convolution) = (self.layer, &self.layer.convolution);
        let d = convolution.descriptor;
        for step in 0..self.steps {
            let at = self.issued(pixel.tile, step);
            let read = convolution.read((pixel.y, pixel.x), step);
            let place = format!("tile {}, step {step}, row {}", pixel.tile, pixel.row);
            let valid = layer.at("feeder.valid_0", at + 6) >> pixel.row & 1 == 1;
            assert_eq!(valid, read.is_some(), "{place}");
            let Some((y, x)) = read else { continue };
            let line = usize::from(d.in_base) + y * usize::from(d.in_y_words);
            let (bank, address) =
                (x % self.rows, line + x / self.rows * usize::from(d.in_xt_words));
            let asked = layer.at(&format!("feeder.addr_{bank}_0"), at + 3);
            assert_eq!(asked, address as u64, "{place}");
            let bits = word(convolution.map, y, x);
            assert_eq!(layer.at(&format!("activations.word_{bank}"), at + 4), bits, "{place}");
            assert_eq!(layer.at(&format!("feeder.a_{}", pixel.row), at + 6), bits, "{place}");
        }
    }

    /// Operands and accumulators of the PEs of a pixel, its count of products, and its sum.
    fn sums(&self, pixel: &Pixel) {
        let (layer, convolution) = (self.layer, &self.layer.convolution);
        let (r, channels) = (pixel.row, convolution.weights.cols());
        let used = (1 << channels) - 1;
        for c in 0..self.cols {
            let signal =
                |name: &str, cycle| layer.at(&format!("array.row_{r}.pe_{c}.{name}"), cycle);
            let (mut matches, mut products) = (0, 0);
            for step in 0..self.steps {
                let at = self.issued(pixel.tile, step) + 6 + r + c;
                let place = format!("tile {}, step {step}, PE({r},{c})", pixel.tile);
                let weights = convolution.weight_word(c, step);
                assert_eq!(signal("w", at), weights, "{place}");
                let read = convolution.read((pixel.y, pixel.x), step);
                // With one level of popcount the skip comes with the tokens.
                assert_eq!(signal("skip", at + self.latency), u64::from(read.is_none()), "{place}");
                if let Some((y, x)) = read {
                    let bits = word(convolution.map, y, x);
                    assert_eq!(signal("a", at), bits, "{place}");
                    matches += u64::from((!(bits ^ weights) & used).count_ones());
                    products += channels as u64;
                }
                assert_eq!(signal("acc", at + self.latency + 1), matches, "{place}");
                if c == 0 {
                    let count = layer.at(&format!("array.count_{r}.acc"), at + self.latency + 1);
                    assert_eq!(count, products, "{place}");
                }
            }
            let dot = 2 * matches.cast_signed() - products.cast_signed();
            assert_eq!(dot, i64::from(convolution.sums[[pixel.y, pixel.x, c]]), "the interpreter");
            let (_, last) = layer.sums(r, c)[pixel.tile];
            assert_eq!(last, self.issued(pixel.tile, self.steps - 1) + 6 + r + c + self.latency);
            assert_eq!(signal("drain_q", last + 1), matches, "the drain register");
            let held = TileRow { tile: pixel.tile, row: r };
            assert_eq!(layer.drained(r, c, last + 1), Some(held));
            let bottom = self.drain(pixel.tile) + (self.rows - 1 - r) * self.beats + c;
            assert_eq!(layer.drained(self.rows - 1, c, bottom), Some(held), "row {r} at the end");
        }
    }

    /// Stages D0 to D7 of a pixel and its write.
    fn post_processing(&self, pixel: &Pixel) {
        let (layer, convolution) = (self.layer, &self.layer.convolution);
        let d0 = self.drain(pixel.tile) + (self.rows - 1 - pixel.row) * self.beats + self.cols - 1;
        // The last row is drained first.
        let nth = pixel.tile * self.rows + self.rows - 1 - pixel.row;
        for stage in 0..=7 {
            assert_eq!(layer.stage(stage)[nth], d0 + stage, "D{stage}");
            assert_eq!(layer.pixel(stage, d0 + stage), (pixel.y, pixel.x), "D{stage}");
        }
        let products = layer.at("array.products", d0).cast_signed();
        let sum_bits = layer.sum_bits();
        let mut bits = 0;
        for c in 0..self.cols {
            let post =
                |name: &str, cycle, bits| layer.signed(&format!("post_{c}.{name}"), cycle, bits);
            let z = i64::from(convolution.sums[[pixel.y, pixel.x, c]]);
            assert_eq!(2 * layer.at(&format!("array.hits_{c}"), d0).cast_signed() - products, z);
            assert_eq!(post("z_d2", d0 + 2, sum_bits), z);
            let d = convolution.descriptor;
            let class = d.borders.class(pixel.y, pixel.x, d.out_height.into(), d.out_width.into());
            let parameter = layer.program.parameters[c][usize::from(d.param_base) + class];
            let product = i64::from(parameter.mul) * z;
            assert_eq!(post("product_3", d0 + 3, sum_bits + 16), product);
            let sum = product + parameter.bias;
            assert_eq!(post("biased_4", d0 + 4, layer.affine_bits()), sum);
            let y = sum >> d.shift;
            assert_eq!(post("y_5", d0 + 5, layer.affine_bits()), y);
            let r = y.clamp(-i64::from(d.clip), d.clip.into());
            assert_eq!(post("r_7", d0 + 7, 16), r);
            bits |= layer.at(&format!("post_{c}.result"), d0 + 7) << c;
            let result = convolution.result[[pixel.y, pixel.x, c]];
            let result = if d.flags.write_bits { result > 0 } else { result >= 0 };
            assert_eq!(bits >> c & 1, u64::from(result), "the interpreter");
        }
        self.write(pixel, d0 + 7, bits);
    }

    /// The write of a pixel's bits to the map, section 2.
    fn write(&self, pixel: &Pixel, cycle: usize, bits: u64) {
        let d = self.layer.convolution.descriptor;
        let bank_en = self.layer.at("writer.bank_en", cycle);
        if !d.flags.write_bits {
            assert_eq!(bank_en, 0, "no map is written");
            return;
        }
        assert_eq!(bank_en, 1 << (pixel.x % self.rows));
        let line = usize::from(d.out_base) + pixel.y * usize::from(d.out_y_words);
        let address = line + pixel.x / self.rows * usize::from(d.out_xt_words);
        assert_eq!(self.layer.at("writer.bits_addr", cycle), address as u64);
        assert_eq!(self.layer.at("writer.bits", cycle), bits);
    }

    /// Section 5.2: `shift` is raised in the last beat of each row but row 0, for the rows from
    /// `R - k` on, and at no other time.
    fn shifts(&self) {
        let layer = self.layer;
        let mut expected = vec![0; self.drain(layer.n_tiles())];
        for tile in 0..layer.n_tiles() {
            assert_eq!(layer.drain_starts()[tile], self.drain(tile) - 1, "tile {tile}");
            for k in 1..self.rows {
                let at = self.drain(tile) + (self.rows - k) * self.beats - 1;
                expected[at] = u64::MAX << (self.rows - k) & ((1 << self.rows) - 1);
            }
        }
        for (cycle, shift) in expected.into_iter().enumerate().skip(self.drain(0)) {
            assert_eq!(layer.at("drain.shift", cycle), shift, "cycle {cycle}");
        }
    }
}
