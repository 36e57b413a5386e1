//! The totals of the specification.

use super::*;
use crate::graph::Parameter;
use crate::method::Method;

/// Totals of one network with its published sizes.
struct Totals {
    binary_weights: usize,
    /// Without learned scales.
    parameters: usize,
    alphas: usize,
    binary_macs: usize,
    real_macs: usize,
}

#[track_caller]
fn check(arch: Arch, expected: &Totals) {
    let graph = arch.graph();
    let count = |method| graph.parameters(method).iter().map(Parameter::len).sum::<usize>();
    let weights: usize = graph.binary_convs().map(|c| c.cout * c.fan_in()).sum();
    assert_eq!(weights, expected.binary_weights, "binary weights");
    assert_eq!(count(Method::Ovsw), expected.parameters, "parameters");
    assert_eq!(count(Method::Recu), expected.parameters + expected.alphas, "with alpha");
    let macs: usize = graph.binary_convs().map(Conv::macs).sum();
    assert_eq!(macs, expected.binary_macs, "binary multiply-accumulates");
    let classifier = graph.sizes.classes * graph.head.features;
    let macs = graph.real_convs().map(Conv::macs).sum::<usize>() + classifier;
    assert_eq!(macs, expected.real_macs, "real multiply-accumulates");
}

#[test]
fn resnet20_has_the_published_totals() {
    let expected = Totals {
        binary_weights: 267_264,
        parameters: 269_850,
        alphas: 672,
        binary_macs: 40_108_032,
        real_macs: 442_368 + 640,
    };
    check(Arch::ResNet20, &expected);
}

#[test]
fn resnet18_has_the_published_totals() {
    let expected = Totals {
        binary_weights: 10_985_472,
        parameters: 11_001_162,
        alphas: 3_840,
        binary_macs: 547_356_672,
        real_macs: 1_769_472 + 5_120,
    };
    check(Arch::ResNet18, &expected);
    let expected = Totals {
        binary_weights: 11_157_504,
        parameters: 11_174_986,
        alphas: 3_840 + 896,
        binary_macs: 553_648_128,
        real_macs: 1_769_472 + 5_120,
    };
    check(Arch::ResNet18Ovsw, &expected);
}

#[test]
fn vgg_small_has_the_published_totals() {
    let hardtanh = Totals {
        binary_weights: 4_571_136,
        parameters: 4_660_106,
        alphas: 1_664,
        binary_macs: 603_979_776,
        real_macs: 3_538_944 + 81_920,
    };
    check(Arch::VggSmall, &hardtanh);
    check(Arch::VggSmallOvsw, &Totals { parameters: 4_660_106 + 512, ..hardtanh });
}

#[test]
fn imagenet_networks_have_the_published_totals() {
    let expected = Totals {
        binary_weights: 10_985_472,
        parameters: 11_690_536,
        alphas: 3_840,
        binary_macs: 1_676_279_808,
        real_macs: 137_281_536 + 512_000,
    };
    check(Arch::ResNet18ImageNet, &expected);
    check(Arch::ReActNet18, &Totals { parameters: 11_704_424, ..expected });
    let expected = Totals {
        binary_weights: 21_086_208,
        parameters: 21_798_696,
        alphas: 7_552,
        binary_macs: 3_525_967_872,
        real_macs: 137_281_536 + 512_000,
    };
    check(Arch::ResNet34ImageNet, &expected);
}

#[test]
fn layers_read_earlier_layers_of_a_shape_that_fits() {
    for arch in Arch::ALL {
        let graph = arch.graph();
        for (id, layer) in graph.layers.iter().enumerate() {
            assert!(layer.operands().iter().all(|&o| o < id), "{arch} {}", layer.name);
            let LayerKind::Binary { shortcut: Some(shortcut), .. } = &layer.kind else { continue };
            let from = &graph.layers[shortcut.from];
            match shortcut.fit {
                Fit::Identity => {
                    assert_eq!((from.channels, from.side), (layer.channels, layer.side));
                }
                Fit::PoolZeroChannels => {
                    assert_eq!(from.side, 2 * layer.side);
                    assert!((layer.channels - from.channels).is_multiple_of(2));
                }
            }
        }
    }
}

#[test]
fn keys_are_unique_and_stable() {
    for arch in Arch::ALL {
        let graph = arch.graph();
        let mut keys: Vec<String> =
            graph.parameters(Method::Recu).into_iter().map(|p| p.key).collect();
        keys.extend(graph.buffers().into_iter().map(|(key, _)| key));
        let total = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), total, "{arch}");
    }
}

#[test]
fn other_sizes_are_checked() {
    let sizes = Arch::ResNet18.published();
    let narrow = Sizes { widths: vec![4, 8, 16, 32], ..sizes.clone() };
    assert!(Arch::ResNet18.graph_with(&narrow).is_ok());
    for wrong in [
        Sizes { widths: vec![4, 8, 16], ..sizes.clone() },
        Sizes { widths: vec![8, 4, 16, 32], ..sizes.clone() },
        Sizes { widths: vec![5, 8, 16, 32], ..sizes.clone() },
        Sizes { image_side: 36, ..sizes.clone() },
        Sizes { classes: 1, ..sizes },
    ] {
        assert!(Arch::ResNet18.graph_with(&wrong).is_err(), "{wrong:?}");
    }
}
