//! Generates the array of processing elements alone, for a design with its own memories and control,
//! and multiplies two bipolar matrices on it.
//!
//! `generate_array [DIRECTORY]` writes the Verilog there.

#![allow(clippy::print_stdout, reason = "it is what the example shows")]

use anyhow::{Context, Result, ensure};
use heartbit_hdl::{Simulator, array, emit};
use heartbit_ir::program::ArrayConfig;
use std::path::{Path, PathBuf};

const CONFIG: ArrayConfig =
    ArrayConfig { rows: 2, cols: 3, lanes: 32, taps: 1, lines: 1, acc_bits: 16, extended: false };

/// Words of a dot product.
const DEPTH: usize = 9;

/// Cycles after which the sums are there: more than the latency, since they stay until they are
/// shifted out.
const SETTLED: usize = 64;

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).map(PathBuf::from);
    run(directory.as_deref())
}

fn run(directory: Option<&Path>) -> Result<()> {
    let module = array(&CONFIG);
    for file in emit(&module) {
        println!("{:<12} {:>4} lines", file.name, file.text.lines().count());
        if let Some(directory) = directory {
            let path = directory.join(format!("{}.v", file.name));
            std::fs::write(&path, &file.text).with_context(|| path.display().to_string())?;
        }
    }
    let words = |seed: usize, rows: usize| -> Vec<Vec<u64>> {
        let word = |row, k| u64::from(hash(seed + row * 100 + k));
        (0..rows).map(|row| (0..DEPTH).map(|k| word(row, k)).collect()).collect()
    };
    let (pixels, channels) = (words(0, CONFIG.rows), words(1000, CONFIG.cols));
    let sums = multiply(&mut Simulator::new(&module), &pixels, &channels);
    for (pixel, row) in pixels.iter().zip(&sums) {
        let expected: Vec<i64> = channels.iter().map(|channel| dot(pixel, channel)).collect();
        ensure!(*row == expected, "got {row:?}, expected {expected:?}");
        println!("dot products {row:?}");
    }
    Ok(())
}

/// Dot products of every row of pixels with every row of channels, as the array computes them.
fn multiply(array: &mut Simulator, pixels: &[Vec<u64>], channels: &[Vec<u64>]) -> Vec<Vec<i64>> {
    array.set("fan_in", CONFIG.lanes as u64);
    for cycle in 0..SETTLED {
        let at = |words: &[u64], cycle: Option<usize>| {
            cycle.and_then(|cycle| words.get(cycle)).copied().unwrap_or(0)
        };
        let step = cycle < DEPTH;
        for (r, words) in pixels.iter().enumerate() {
            array.set(&format!("a_{r}"), at(words, Some(cycle)));
        }
        // The weights of column `c` come `c` cycles late.
        for (c, words) in channels.iter().enumerate() {
            array.set(&format!("w_{c}"), at(words, cycle.checked_sub(c)));
        }
        let all_rows = (1 << CONFIG.rows) - 1;
        array.set("valid_0", if step { all_rows } else { 0 });
        array.set("tap_first", step.into());
        array.set("first", (cycle == 0).into());
        array.set("last", (cycle == DEPTH - 1).into());
        array.step();
    }
    // The bottom row is shown; a shift in all rows shows the one above.
    let mut rows: Vec<Vec<i64>> = Vec::new();
    for _ in 0..CONFIG.rows {
        let products = array.get("products").cast_signed();
        let dot = |c| 2 * array.get(&format!("hits_{c}")).cast_signed() - products;
        rows.push((0..CONFIG.cols).map(dot).collect());
        array.set("shift", u64::MAX >> (64 - CONFIG.rows));
        array.step();
        array.set("shift", 0);
        (0..SETTLED).for_each(|_| array.step());
    }
    rows.reverse();
    rows
}

/// The sum over all lanes of products of bits that mean -1 and +1.
fn dot(pixel: &[u64], channel: &[u64]) -> i64 {
    let bit = |word: u64, lane: usize| if word >> lane & 1 == 1 { 1 } else { -1 };
    let word =
        |(a, w): (&u64, &u64)| (0..CONFIG.lanes).map(|l| bit(*a, l) * bit(*w, l)).sum::<i64>();
    pixel.iter().zip(channel).map(word).sum()
}

/// Bits without a pattern.
fn hash(value: usize) -> u32 {
    let mixed = (value ^ 0x9e37).wrapping_mul(0x85eb_ca6b) % (1 << 31);
    u32::try_from(mixed ^ mixed >> 13).expect("bug: 31 bits").wrapping_mul(0xc2b2_ae35)
}

#[cfg(test)]
mod tests {
    #[test]
    fn generate_array_runs() -> anyhow::Result<()> {
        let directory = tempfile::tempdir()?;
        super::run(Some(directory.path()))?;
        assert!(directory.path().join("pe.v").is_file());
        Ok(())
    }
}
