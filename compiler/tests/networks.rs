//! Every network of the specification on the arrays of the design.

use heartbit_compiler::fold::fold;
use heartbit_compiler::predict::predict;
use heartbit_compiler::random;
use heartbit_compiler::schedule::{Compiled, Target, compile};
use heartbit_ir::network::{Network, OpKind};
use heartbit_model::Arch;

const SHAPES: [&str; 6] = ["4x8x32", "8x8x16", "8x16x64", "16x16x32", "8x32x64", "7x32x64"];

fn network(arch: Arch) -> Network {
    let checkpoint = random::checkpoint(arch, &arch.published(), 1).expect("valid sizes");
    fold(&checkpoint).expect("complete")
}

/// Shares of the peak: of the binary layers, and of the binary products in the whole inference.
fn utilisation(network: &Network, compiled: &Compiled) -> (f64, f64, u64) {
    let prediction = predict(&compiled.program);
    let plan = &compiled.plan;
    let binary: u64 = plan
        .layers
        .iter()
        .zip(&prediction.layers)
        .filter(|(layer, _)| plan.kind(network, layer) == "binary")
        .map(|(_, cycles)| cycles.0)
        .sum();
    let a = compiled.program.array;
    let peak = (a.rows * a.cols * a.lanes) as u64;
    let macs = network.binary_macs(&plan.types) as f64;
    let total = prediction.total().0;
    (macs / (binary * peak) as f64, macs / (total * peak) as f64, total)
}

#[test]
fn print_table() {
    for arch in Arch::ALL {
        let network = network(arch);
        for shape in SHAPES {
            let target = Target::sized_for_network(shape.parse().expect("an array"));
            match compile(&network, &target) {
                Ok(compiled) => {
                    let (binary, whole, total) = utilisation(&network, &compiled);
                    println!(
                        "{arch:?} {shape} taps {} binary {:.1} whole {:.1} total {total}",
                        compiled.program.array.taps,
                        binary * 100.,
                        whole * 100.
                    );
                    if shape == "8x16x64" || shape == "7x32x64" {
                        let p = predict(&compiled.program);
                        for (l, c) in compiled.plan.layers.iter().zip(&p.layers) {
                            let k = compiled.plan.kind(&network, l);
                            if k != "binary" {
                                println!("   {} {k} {}", l.name, c.0);
                            }
                        }
                    }
                }
                Err(error) => println!("{arch:?} {shape}: {error}"),
            }
        }
    }
}
