//! Runs images of your own through the interpreter, the fast engine and the cycle-exact simulator.
//!
//! An image is its bytes, row by row, the channels of a pixel side by side. Here they are a picture
//! that no data set has: a disc in the middle of each colour channel.

#![allow(clippy::print_stdout, reason = "it is what the example shows")]

use anyhow::{Result, ensure};
use heartbit_compiler::schedule::{Target, compile};
use heartbit_ir::interp::{Interpreter, predicted_class};
use heartbit_ir::program::ArrayShape;
use heartbit_sim::{Simulator, fast};

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

fn main() -> Result<()> {
    let network = heartbit_examples::bundled_network()?;
    let target = Target::sized_for_network(ArrayShape { rows: 8, cols: 8, lanes: 16 });
    let compiled = compile(&network, &target)?;

    // What a network computes is what the interpreter says: docs/semantics.md.
    let interpreter = Interpreter::new(&network)?;
    // The fast engine is for thousands of images a second, the simulator for every cycle.
    let mut fast = fast::Engine::new(&compiled.program)?;
    let mut simulator = Simulator::new(&compiled.program)?;

    for colour in 0..3 {
        let image = disc(colour);
        let logits = interpreter.logits(&image)?;
        let (quick, exact) = (fast.run_logits(&image)?, simulator.run_logits(&image)?);
        ensure!(quick.logits == logits, "the fast engine differs: {:?}", quick.logits);
        ensure!(exact.logits == logits, "the simulator differs: {:?}", exact.logits);
        ensure!(exact.layer_cycles == quick.layer_cycles, "the cycles differ");

        let cycles = exact.layer_cycles.iter().sum::<u64>() + exact.send_cycles;
        println!("{:<10} in {cycles} cycles, logits {logits:?}", CLASSES[predicted_class(&logits)]);
    }
    Ok(())
}

/// A bright disc on black in one of the colours red, green and blue.
fn disc(colour: usize) -> Vec<u8> {
    let inside = |x: i32, y: i32| (2 * x - 31).pow(2) + (2 * y - 31).pow(2) < 400;
    let pixel = |x, y| (0..3).map(move |c| if inside(x, y) && c == colour { 220 } else { 0 });
    (0..32).flat_map(|y| (0..32).flat_map(move |x| pixel(x, y))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn simulate_images_runs() -> anyhow::Result<()> {
        assert_eq!(super::disc(1).len(), 32 * 32 * 3);
        super::main()
    }
}
