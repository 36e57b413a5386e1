//! Figures of the description layer: time to describe, print and flatten an array, size of its
//! text, cycles a second of its native simulation.
//!
//! `cargo run --release -p heartbit-hdl --example layer_speed`

#[path = "../tests/support/array.rs"]
mod array;

use std::time::Instant;

use heartbit_hdl::{RustHdlBlock, Simulator, emit};
use rust_hdl_core::prelude::{Block, simulate};

#[expect(clippy::print_stdout, reason = "figures are the output")]
fn main() {
    for (rows, cols, lanes) in [(4, 4, 64), (8, 8, 64), (16, 16, 64)] {
        let start = Instant::now();
        let module = array::array(rows, cols, lanes);
        let described = start.elapsed();
        let start = Instant::now();
        let files = emit(&module);
        let emitted = start.elapsed();
        let start = Instant::now();
        let mut sim = Simulator::new(&module);
        let flattened = start.elapsed();
        let bytes: usize = files.iter().map(|f| f.text.len()).sum();
        let inputs: Vec<_> = (0..rows).map(|r| sim.port(&format!("a_{r}"))).collect();
        sim.set("valid", 1);
        let cycles = 2_000_000 / u64::from(rows * cols);
        let start = Instant::now();
        for cycle in 0..cycles {
            for port in &inputs {
                sim.drive(*port, &[cycle.wrapping_mul(0x9e37_79b9_7f4a_7c15)]);
            }
            sim.step();
        }
        let rate = f64::from(u32::try_from(cycles).unwrap_or(0)) / start.elapsed().as_secs_f64();
        println!(
            "{rows}x{cols}x{lanes}: describe {described:?}, emit {emitted:?}, flatten {flattened:?}, \
             {bytes} bytes in {} files, {} instructions, {rate:.0} cycles/s",
            files.len(),
            sim.instructions()
        );
    }
    println!("4x4x64 as a RustHDL block: {:.0} cycles/s", rusthdl_rate(50_000));
}

/// Cycles a second of RustHDL's `simulate` in a loop.
fn rusthdl_rate(cycles: u32) -> f64 {
    let mut block = RustHdlBlock::new(&array::array(4, 4, 64));
    block.connect_all();
    block.port_mut("valid").next = vec![1];
    let start = Instant::now();
    for cycle in 0..cycles {
        for clk in [0, 1] {
            block.port_mut("a_0").next = vec![u64::from(cycle)];
            block.port_mut("clk").next = vec![clk];
            simulate(&mut block, 10);
        }
    }
    f64::from(cycles) / start.elapsed().as_secs_f64()
}
