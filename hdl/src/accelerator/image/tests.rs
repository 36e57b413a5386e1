//! The whole image unit against the sentences of the page.

use super::super::sizes::{Sizes, test_sizes_of};
use super::image;
use crate::{Simulator, test_random};
use heartbit_ir::program::{ArrayConfig, ImageStep};

/// Cycles from the last pixel's beat to the first step: the rest of `Idle`, and `Fetch`.
const UNTIL_RUN: usize = 22;

fn int(value: usize) -> i64 {
    i64::try_from(value).expect("bug: small")
}

fn index(value: u64) -> usize {
    usize::try_from(value).expect("bug: small")
}

/// An image and the stem that reads it.
struct Image {
    array: ArrayConfig,
    k: usize,
    stride: usize,
    height: usize,
    width: usize,
    pixels: Vec<u64>,
}

/// A step and the tile that it belongs to: `y` is its first row of the image without `dy`.
#[derive(Clone, Copy)]
struct Issued {
    step: ImageStep,
    y: usize,
    xt: usize,
}

impl Image {
    fn random(array: ArrayConfig, k: usize, height: usize, width: usize, seed: &mut u64) -> Self {
        let pixels = (0..height * width).map(|_| test_random(seed) >> 40).collect();
        Self { array, k, stride: if k == 7 { 2 } else { 1 }, height, width, pixels }
    }

    fn tiles(&self) -> usize {
        self.width.div_ceil(self.stride).div_ceil(self.array.rows)
    }

    /// Lines of the map that begin in the row `y0` of the image or below.
    fn lines(&self, y0: usize) -> usize {
        (self.height - y0).div_ceil(self.stride)
    }

    /// Words of a bank.
    fn words(&self) -> usize {
        self.height.div_ceil(3) * self.tiles() * (8 / self.array.stem_planes())
    }

    fn parts(&self) -> u64 {
        let elements = self.array.stem_planes() * self.array.stem_group_stride(self.k);
        elements.div_ceil(self.array.lanes) as u64
    }

    fn random_step(&self, seed: &mut u64) -> ImageStep {
        let mut random =
            |below: u64| u8::try_from(test_random(seed) % below).expect("bug: below a byte");
        let n_planes = u8::try_from(self.array.stem_planes()).expect("bug: one or two");
        let mut plane = |e: u8| {
            let plane = random(8) / n_planes * n_planes + e;
            (e < n_planes && random(4) > 0).then_some(plane)
        };
        ImageStep {
            planes: [plane(0), plane(1)],
            n_rows: 1 + random(3),
            part: random(self.parts()),
            dy: i8::try_from(random(16)).expect("bug: small") - 8,
            double: random(2) == 1,
            tap_first: random(2) == 1,
        }
    }

    /// A bit of the image, 0 outside.
    fn bit(&self, y: i64, x: i64, channel: usize, plane: u8) -> bool {
        let inside = (0..int(self.height)).contains(&y) && (0..int(self.width)).contains(&x);
        let at = usize::try_from(y * int(self.width) + x).unwrap_or(0);
        inside && self.pixels[at] >> (8 * channel + usize::from(plane)) & 1 == 1
    }

    /// The word of row `r`: section 4.2.
    fn word(&self, issued: Issued, r: usize) -> u128 {
        let Issued { step, y, xt } = issued;
        let (k, s, lanes) = (self.k, self.stride, self.array.lanes);
        let mut word = 0;
        for e in 0..self.array.stem_planes() {
            let Some(plane) = step.planes[e] else { continue };
            for d in 0..usize::from(step.n_rows) {
                let iy = int(y + d) + i64::from(step.dy);
                for (i, c) in (0..k).flat_map(|i| (0..3).map(move |c| (i, c))) {
                    let x = int(s * xt * self.array.rows + s * r + i) - int((k - 1) / 2);
                    let element = e * self.array.stem_group_stride(k) + d * 3 * k + 3 * i + c;
                    if element / lanes == usize::from(step.part) {
                        word |= u128::from(self.bit(iy, x, c, plane)) << (element % lanes);
                    }
                }
            }
        }
        word
    }

    fn set(&self, sim: &mut Simulator) {
        sim.set("height", self.height as u64);
        sim.set("width", self.width as u64);
        sim.set("tiles", self.tiles() as u64);
        if self.array.extended {
            sim.set("stem_7", u64::from(self.k == 7));
        }
    }

    /// Reads the image from the row `y0` on for two column tiles, with random steps.
    fn read(&self, sim: &mut Simulator, source_image: bool, y0: usize, seed: &mut u64) {
        sim.set("source_image", source_image.into());
        sim.set("in_base", y0 as u64);
        sim.set("in_y_words", (y0 / 3 * self.tiles()) as u64);
        sim.set("in_xt_words", (y0 % 3) as u64);
        sim.set("load", 1);
        sim.step();
        sim.set("load", 0);
        let mut past: [Option<Issued>; 5] = [None; 5];
        let tiles = self.tiles();
        let lines = self.lines(y0);
        for tile in 0..2 * lines * tiles {
            let (line, xt) = (tile / tiles % lines, tile % tiles);
            let y = y0 + line * self.stride;
            let n_steps = 1 + index(test_random(seed) % 3);
            // A gap after each third tile.
            for at in 0..n_steps + usize::from(tile.is_multiple_of(3)) {
                let last = at == n_steps - 1;
                let line_end = last && xt + 1 == tiles;
                sim.set("tile_end", last.into());
                sim.set("line_end", line_end.into());
                sim.set("ct_end", (line_end && line + 1 == lines).into());
                let word = past[0].map_or(!0, |issued| issued.step.encode());
                sim.set("step_word", word.into());
                for r in 0..self.array.rows {
                    let Some(issued) = past[4] else { break };
                    let word = sim.get_words(&format!("row_{r}"));
                    let word = word.iter().rev().fold(0, |high, low| high << 64 | u128::from(*low));
                    let expected = if source_image { self.word(issued, r) } else { 0 };
                    assert_eq!(word, expected, "row {r}, ({y}, {xt}), {:?}", issued.step);
                }
                sim.step();
                let step = self.random_step(seed);
                past.rotate_right(1);
                past[0] = (at < n_steps).then_some(Issued { step, y, xt });
            }
        }
        sim.set("tile_end", 0);
        sim.set("line_end", 0);
        sim.set("ct_end", 0);
    }

    fn run(&self, sim: &mut Simulator, seed: &mut u64) {
        self.set(sim);
        send(sim, &self.pixels, seed);
        // What is offered to a full memory is not taken.
        sim.set("in_valid", 1);
        sim.set("in_data", 0x12_3456);
        for _ in 0..UNTIL_RUN - 2 {
            assert_eq!((sim.get("in_ready"), sim.get("full")), (0, 1));
            sim.step();
        }
        self.read(sim, true, 0, seed);
        self.read(sim, false, 0, seed);
        // A band that begins somewhere else.
        let y0 = index(test_random(seed) % self.height as u64);
        self.read(sim, true, y0, seed);
        assert_eq!((sim.get("in_ready"), sim.get("full")), (0, 1));
        sim.set("free", 1);
        sim.set("in_valid", 0);
        sim.step();
        sim.set("free", 0);
        assert_eq!((sim.get("in_ready"), sim.get("full")), (1, 0));
    }
}

/// Offers `pixels` with random gaps, to a memory that is not full.
fn send(sim: &mut Simulator, pixels: &[u64], seed: &mut u64) {
    for pixel in pixels {
        loop {
            let valid = !test_random(seed).is_multiple_of(4);
            sim.set("in_valid", valid.into());
            sim.set("in_data", if valid { *pixel } else { test_random(seed) >> 40 });
            let accepted = valid && sim.get("in_ready") == 1;
            assert_eq!(sim.get("full"), 0);
            sim.step();
            if accepted {
                break;
            }
        }
    }
}

/// Images one after the other, of side `k`, height and width each, after one that a reset ends.
#[track_caller]
fn check_images(rows: usize, lanes: usize, extended: bool, images: &[(usize, usize, usize)]) {
    let array = ArrayConfig { rows, cols: 1, lanes, taps: 1, lines: 1, acc_bits: 20, extended };
    let mut seed = (rows * 1000 + lanes) as u64;
    let images: Vec<_> = images
        .iter()
        .map(|(k, height, width)| Image::random(array, *k, *height, *width, &mut seed))
        .collect();
    let mut sizes: Sizes = test_sizes_of(rows, 1, lanes, 1, extended);
    let words = images.iter().map(Image::words).max().expect("bug: an image");
    sizes.depths.image = u32::try_from(words).expect("bug: small");
    let mut sim = Simulator::new(&image(&sizes));
    images[0].set(&mut sim);
    let some = images[0].pixels.len() / 2;
    send(&mut sim, &images[0].pixels[..some], &mut seed);
    sim.set("rst", 1);
    sim.step();
    sim.set("rst", 0);
    for image in &images {
        image.run(&mut sim, &mut seed);
    }
}

#[test]
fn rows_get_the_windows_of_small_kernels() {
    for (rows, lanes) in [(1, 4), (2, 5), (3, 16), (4, 27), (5, 37), (8, 53), (4, 54), (8, 64)] {
        check_images(rows, lanes, false, &[(3, 7, 9), (3, 7, 9), (3, 4, 16), (3, 5, 8)]);
    }
}

#[test]
fn rows_get_the_windows_of_large_kernels() {
    for (rows, lanes) in [(1, 4), (2, 16), (3, 54), (4, 64), (5, 126), (3, 128)] {
        check_images(rows, lanes, true, &[(7, 9, 14), (3, 5, 7), (7, 8, 17), (7, 7, 13)]);
    }
}

#[test]
fn tiny_images_are_in_memory_in_time() {
    let sizes = [(3, 1, 1), (3, 1, 2), (3, 2, 1), (3, 1, 17), (3, 2, 33), (3, 3, 3)];
    for (rows, lanes) in [(1, 4), (16, 16), (16, 64), (40, 4)] {
        check_images(rows, lanes, false, &sizes);
    }
    let sizes = [(7, 1, 1), (7, 1, 33), (7, 2, 34), (3, 1, 17), (7, 3, 65)];
    for (rows, lanes) in [(1, 4), (16, 16), (16, 64)] {
        check_images(rows, lanes, true, &sizes);
    }
}
