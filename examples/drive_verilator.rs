//! Drives the emitted Verilog under Verilator and compares every tensor with the interpreter.
//!
//! Needs Verilator and a C++ compiler; the first run builds the model, later ones find it in a cache.

#![allow(clippy::print_stdout, reason = "it is what the example shows")]

use anyhow::{Context, Result, ensure};
use heartbit_compiler::compare::compare;
use heartbit_compiler::predict::predict;
use heartbit_compiler::schedule::{Target, compile};
use heartbit_cosim::{Accelerator, Toolchain};
use heartbit_dataset::planes::to_interleaved;
use heartbit_dataset::{Dataset, DatasetKind, Split};
use heartbit_ir::interp::Interpreter;
use heartbit_ir::program::ArrayShape;
use std::path::Path;

fn main() -> Result<()> {
    let network = heartbit_examples::bundled_network()?;
    let target = Target::sized_for_network(ArrayShape { rows: 4, cols: 4, lanes: 16 });
    let compiled = compile(&network, &target)?;
    let image = first_image()?;

    let mut rtl = Accelerator::build(&compiled.program, &Toolchain::detect()?)?;
    rtl.load(&compiled.program)?;
    let execution = rtl.run(&image)?;

    let values = Interpreter::new(&network)?.run(&image)?;
    let comparison = compare(&network, &compiled, &values, &execution);
    let first = comparison.differences.first();
    ensure!(first.is_none(), "{}", first.map_or_else(String::new, ToString::to_string));
    println!("{} tensors, {} elements: 0 differ", comparison.tensors, comparison.elements);

    let predicted: Vec<u64> =
        predict(&compiled.program).layers.iter().map(|c| c.total().0).collect();
    ensure!(execution.layer_cycles == predicted, "cycles: predicted {predicted:?}");
    println!("cycles of {} layers: as predicted", predicted.len());
    Ok(())
}

/// The first of the test images that Heartbit brings along.
fn first_image() -> Result<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/cifar10-mini");
    let images = Dataset::open(DatasetKind::Cifar10, Split::Test, &directory)
        .with_context(|| directory.display().to_string())?;
    // The files hold the planes of the channels, the network reads pixels.
    Ok(to_interleaved(&images.image(0)?, 3))
}

#[cfg(test)]
mod tests {
    #[test]
    fn drive_verilator_runs() -> anyhow::Result<()> {
        super::main()
    }
}
