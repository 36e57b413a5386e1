//! The image memory and its input port.
//!
//! Microarchitecture.md, sections 2 and 6: pixels in raster order, column `x` in bank `x mod R`.
//!
//! | port        | dir | width | meaning                                                      |
//! | ----------- | --- | ----- | ------------------------------------------------------------ |
//! | `height`, `width` | in | 16 | of the image                                               |
//! | `in_valid`, `in_ready`, `in_data` | in, out, in | 1, 1, 24 | one pixel a beat            |
//! | `free`      | in  | 1     | the image has been used                                      |
//! | `full`      | out | 1     | a complete image waits                                       |
//! | `addr_{b}`  | in  | 16    | address of bank `b`                                          |
//! | `pixel_{b}` | out | 24    | its word, one cycle later                                    |
//!
//! Timing: `full` rises, and `in_ready` falls, in the cycle after the last pixel's beat; both
//! change back in the cycle after `free`.

use super::sizes::Sizes;
use super::store::{Store, address_bits};
use crate::build::{Builder, Module};

/// Describes the module `image`.
pub(super) fn image(sizes: &Sizes) -> Module {
    let m = Builder::new("image", "Image memory and its input port.");
    let height = m.input("height", 16, "rows of the image");
    let width = m.input("width", 16, "columns of the image");
    let in_valid = m.input("in_valid", 1, "a pixel is there");
    let in_data = m.input("in_data", 24, "pixel, channel 0 in the low byte");
    let free = m.input("free", 1, "the image has been used");

    let full = m.reg("full_q", 1, 0);
    let beat = in_valid & !*full;
    // Both count from 1.
    let x = m.reg("x", 16, 1);
    let y = m.reg("y", 16, 1);
    let line_end = x.eq(width).named("line_end");
    let last_line = y.eq(height).named("last_line");
    let complete = (beat & line_end & last_line).named("complete");
    x.next_when(beat, m.mux(line_end, 1, *x + 1));
    y.next_when(beat & line_end, m.mux(last_line, 1, *y + 1));
    full.next_when(complete | free, complete);

    let bank = m.reg("bank", sizes.rows, 1);
    let word_end = line_end | bank.msb();
    let first_bank = m.lit(sizes.rows, 1);
    bank.next_when(beat, m.mux(word_end, first_bank, *bank << 1));
    let to = m.reg("to", address_bits(sizes.depths.image), 0);
    to.next_when(beat & word_end, m.mux(line_end & last_line, 0, *to + 1));
    for b in 0..sizes.rows {
        let memory = Store::new(&m, &format!("bank_{b}"), 24, sizes.depths.image);
        memory.write(beat & bank.bit(b), *to, in_data);
        let word = memory.read(m.input(&format!("addr_{b}"), 16, "read address"));
        m.output(&format!("pixel_{b}"), word, "pixel");
    }
    m.output("in_ready", !*full, "no complete image waits");
    m.output("full", *full, "a complete image waits");
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::super::sizes::test_sizes;
    use super::image;
    use crate::{Simulator, test_random};

    #[track_caller]
    fn check_images(rows: usize, height: usize, width: usize) {
        let mut sim = Simulator::new(&image(&test_sizes(rows, 1, 4)));
        let mut seed = (height * 10 + width) as u64;
        sim.set("height", height as u64);
        sim.set("width", width as u64);
        sim.set("rst", 1);
        sim.step();
        sim.set("rst", 0);
        for _ in 0..2 {
            let pixels: Vec<u64> =
                (0..height * width).map(|_| test_random(&mut seed) >> 40).collect();
            for pixel in &pixels {
                while test_random(&mut seed).is_multiple_of(4) {
                    sim.set("in_valid", 0);
                    sim.step();
                }
                assert_eq!((sim.get("in_ready"), sim.get("full")), (1, 0));
                sim.set("in_valid", 1);
                sim.set("in_data", *pixel);
                sim.step();
            }
            // What is offered to a full memory is not taken.
            for _ in 0..3 {
                assert_eq!((sim.get("in_ready"), sim.get("full")), (0, 1));
                sim.step();
            }
            sim.set("in_valid", 0);
            let words = width.div_ceil(rows);
            for (i, pixel) in pixels.iter().enumerate() {
                let (y, x) = (i / width, i % width);
                let bank = x % rows;
                sim.set(&format!("addr_{bank}"), (y * words + x / rows) as u64);
                sim.step();
                assert_eq!(sim.get(&format!("pixel_{bank}")), *pixel, "({y}, {x})");
            }
            sim.set("free", 1);
            sim.step();
            sim.set("free", 0);
        }
    }

    #[test]
    fn pixels_lie_in_their_banks() {
        for (rows, height, width) in [(1, 3, 4), (2, 3, 5), (3, 1, 1), (3, 2, 9), (8, 4, 12)] {
            check_images(rows, height, width);
        }
    }
}
