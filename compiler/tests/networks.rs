//! Every network of the specification compiles, and the array is used as the design asks.

use heartbit_compiler::fold::fold;
use heartbit_compiler::predict::predict;
use heartbit_compiler::random;
use heartbit_compiler::schedule::{Compiled, Target, compile};
use heartbit_ir::network::Network;
use heartbit_model::Arch;

fn network(arch: Arch) -> Network {
    let checkpoint = random::checkpoint(arch, &arch.published(), 1).expect("valid sizes");
    fold(&checkpoint).expect("complete")
}

fn compiled(network: &Network, shape: &str) -> Compiled {
    let target = Target::sized_for_network(shape.parse().expect("an array"));
    compile(network, &target).unwrap_or_else(|error| panic!("{} on {shape}: {error}", network.arch))
}

/// Percent of the peak: binary products in the cycles of the binary layers, and in all cycles.
fn utilisation(network: &Network, compiled: &Compiled) -> [u64; 2] {
    let prediction = predict(&compiled.program);
    let layers = compiled.plan.layers.iter().zip(&prediction.layers);
    let binary = layers.filter(|(layer, _)| compiled.plan.kind(network, layer) == "binary");
    let a = compiled.program.array;
    let peak = (a.rows * a.cols * a.lanes) as u64;
    let macs = network.binary_macs(&compiled.plan.types);
    let share = |cycles: u64| 100 * macs / (cycles * peak);
    [share(binary.map(|(_, cycles)| cycles.total().0).sum()), share(prediction.total().0)]
}

#[test]
fn every_network_compiles_for_the_array_that_suits_imagenet() {
    for arch in Arch::ALL {
        let network = network(arch);
        let compiled = compiled(&network, "7x32x64");
        let kinds: Vec<_> =
            compiled.plan.layers.iter().map(|l| compiled.plan.kind(&network, l)).collect();
        assert_eq!(kinds.first(), Some(&"stem"), "{arch:?}");
        assert_eq!(kinds.last(), Some(&"head"), "{arch:?}");
        let plain = matches!(arch, Arch::ResNet20 | Arch::ResNet18 | Arch::ResNet18Ovsw);
        assert_eq!(compiled.program.array.extended, !plain, "{arch:?}");
        if arch == Arch::ResNet18ImageNet {
            let [binary, _] = utilisation(&network, &compiled);
            assert!(binary >= 95, "{binary} %");
        }
    }
}

#[test]
fn narrow_maps_and_few_channels_fill_the_array() {
    for (arch, shape, [binary, whole]) in [
        (Arch::ResNet20, "8x8x16", [90, 65]),
        (Arch::ResNet20, "4x8x32", [90, 65]),
        (Arch::ResNet18, "8x16x64", [95, 84]),
        (Arch::ResNet18, "16x16x32", [95, 84]),
    ] {
        let network = network(arch);
        let reached = utilisation(&network, &compiled(&network, shape));
        assert!(
            reached[0] >= binary && reached[1] >= whole,
            "{arch:?} on {shape}: {reached:?} % of the peak"
        );
    }
}
