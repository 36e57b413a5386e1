//! Compiles a network for an array, prints the cycles of every layer, and writes a build directory.
//!
//! `compile_network [NETWORK.hbn [DIRECTORY]]`: the bundled network, and no files, if left out.

#![allow(clippy::print_stdout, reason = "it is what the example shows")]

use anyhow::{Context, Result};
use heartbit_compiler::build;
use heartbit_compiler::predict::predict;
use heartbit_compiler::schedule::{Target, compile};
use heartbit_hdl::{accelerator, emit};
use heartbit_ir::network::Network;
use heartbit_ir::program::ArrayShape;
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let network = match arguments.next() {
        Some(path) => read(&path)?,
        None => heartbit_examples::bundled_network()?,
    };
    run(&network, arguments.next().as_deref())
}

fn read(path: &Path) -> Result<Network> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Network::from_bytes(&bytes).with_context(|| path.display().to_string())
}

fn run(network: &Network, directory: Option<&Path>) -> Result<()> {
    // Accumulators and memories become as large as the network needs them.
    let target = Target::sized_for_network(ArrayShape { rows: 8, cols: 8, lanes: 16 });
    let compiled = compile(network, &target)?;

    let cycles = predict(&compiled.program);
    for (layer, cycles) in compiled.plan.layers.iter().zip(&cycles.layers) {
        println!("{:<18} {:>7} cycles", layer.name, cycles.total().0);
    }
    println!("{:<18} {:>7} cycles an image", "total", cycles.total().0);

    if let Some(directory) = directory {
        let program = &compiled.program;
        let rtl = emit(&accelerator(&program.array, &program.depths));
        let rtl = rtl.into_iter().map(|f| (format!("rtl/{}.v", f.name), f.text.into_bytes()));
        build::write(directory, network, &compiled, &rtl.collect::<Vec<_>>())?;
        println!("wrote {}", directory.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn compile_network_runs() -> anyhow::Result<()> {
        let directory = tempfile::tempdir()?;
        let build = directory.path().join("build");
        super::run(&heartbit_examples::bundled_network()?, Some(&build))?;
        let read = heartbit_compiler::build::read(&build)?;
        assert_eq!(read.network, heartbit_examples::bundled_network()?);
        assert!(build.join("rtl/heartbit.v").is_file());
        Ok(())
    }
}
