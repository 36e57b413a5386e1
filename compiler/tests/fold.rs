//! Every architecture folds to a valid integer network that means what the floats mean.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixels of a smooth picture, and statistics of small maps"
)]

use heartbit_compiler::fold::{FoldError, fold, fold_on, head_input};
use heartbit_compiler::random;
use heartbit_ir::grid::Grid;
use heartbit_ir::interp::{Interpreter, Map, Tail};
use heartbit_ir::network::{Network, OpKind};
use heartbit_model::graph::Conv;
use heartbit_model::{Arch, Checkpoint, Sizes, float};

/// A narrow network of an architecture on a small image.
fn checkpoint(arch: Arch, seed: u64) -> Checkpoint {
    let published = arch.published();
    let widths = published.widths.iter().map(|w| (w / 8).next_multiple_of(4).max(8)).collect();
    let image_side = published.image_side.min(64);
    let sizes = Sizes { image_side, classes: 10, widths };
    random::checkpoint(arch, &sizes, seed).expect("valid sizes")
}

/// Pixels of one image in planes, and the same in the network's order.
fn image(side: usize) -> (Vec<u8>, Vec<u8>) {
    let pixel = |c: usize, y: usize, x: usize| {
        (40.0 * ((y as f64 / 3.0 + c as f64).sin() + (x as f64 / 5.0).cos()) + 128.0) as u8
    };
    let positions = || (0..side).flat_map(move |y| (0..side).map(move |x| (y, x)));
    let planes = (0..3).flat_map(|c| positions().map(move |(y, x)| pixel(c, y, x))).collect();
    let pixels = positions().flat_map(|(y, x)| (0..3).map(move |c| pixel(c, y, x))).collect();
    (planes, pixels)
}

#[test]
fn every_architecture_folds_with_the_products_of_its_graph() {
    for arch in Arch::ALL {
        let checkpoint = checkpoint(arch, 3);
        let network = fold(&checkpoint).expect("complete");
        let types = network.validate().expect("valid");
        let macs: usize = checkpoint.graph().binary_convs().map(Conv::macs).sum();
        assert_eq!(network.binary_macs(&types), macs as u64, "{arch}");
        assert_eq!(
            Network::from_bytes(&network.to_bytes().expect("valid")).expect("readable"),
            network
        );
    }
}

/// A fine grid gives the float maps but for the signs that rounding turns, each of which moves all
/// later sums of an untrained network: so maps drift apart slowly, and never at once.
#[test]
fn every_layer_of_a_fine_grid_comes_close_to_the_float_layer() {
    for arch in Arch::ALL {
        let mut checkpoint = checkpoint(arch, 5);
        checkpoint.grid = Grid {
            stream_frac_bits: 12,
            stem_weight_bits: 8,
            head_weight_bits: 8,
            head_activation_bits: 8,
            downsample_weight_bits: 8,
            downsample_activation_bits: 8,
        };
        let (planes, pixels) = image(checkpoint.sizes.image_side);
        let network = fold(&checkpoint).expect("complete");
        let values = Interpreter::new(&network).expect("valid").run(&pixels).expect("fits");
        let floats = float::layers(&checkpoint, &planes);
        let mut before = 1.0;
        for (layer, expected) in checkpoint.graph().layers.iter().zip(floats) {
            let Some(actual) = stream(&network, &values, &layer.name) else { continue };
            let (c, s) = (expected.channels, expected.side);
            let expected: Vec<f64> =
                (0..s * s * c).map(|i| expected.at(i % c, i / c / s, i / c % s)).collect();
            let agreement = correlation(&expected, &actual);
            assert!(agreement > 0.6 * before, "{arch} {}: correlation {agreement:.3}", layer.name);
            before = agreement.min(before);
        }
    }
}

/// The stream of a layer, after its pool if it has one.
fn stream(network: &Network, values: &[Map], layer: &str) -> Option<Vec<f64>> {
    let id = ["pool", "stream"]
        .iter()
        .find_map(|kind| network.ops.iter().position(|op| op.name == format!("{layer}.{kind}")))?;
    Some(values[id].iter().map(|&v| f64::from(v)).collect())
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let dot = |x: &[f64], mx: f64, y: &[f64], my: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum()
    };
    dot(a, ma, b, mb) / (dot(a, ma, a, ma) * dot(b, mb, b, mb)).sqrt()
}

#[test]
fn only_layers_whose_number_is_read_keep_a_stream() {
    let count = |arch| {
        let network = fold(&checkpoint(arch, 1)).expect("complete");
        let kinds = network.ops.iter().map(|op| op.kind.mnemonic());
        let count = |name| kinds.clone().filter(|&kind| kind == name).count();
        (count("threshold"), count("requantize"), count("max_pool"))
    };
    assert_eq!(count(Arch::ResNet20), (0, 19, 0));
    // The first convolution of each block.
    assert_eq!(count(Arch::ResNet18), (8, 9, 0));
    assert_eq!(count(Arch::ResNet18Ovsw), (8, 12, 0));
    // All but the last.
    assert_eq!(count(Arch::VggSmall), (5, 1, 3));
    assert_eq!(count(Arch::ResNet18ImageNet), (0, 20, 1));
    // A learned shift before each sign.
    assert_eq!(count(Arch::ReActNet18), (16, 20, 1));
    let network = fold(&checkpoint(Arch::VggSmallOvsw, 1)).expect("complete");
    assert!(network.ops.iter().any(|op| matches!(op.kind, OpKind::Prelu { .. })));
}

/// A grid that differs from the default one in every width.
fn other_grid() -> Grid {
    Grid {
        stream_frac_bits: 12,
        stem_weight_bits: 2,
        head_weight_bits: 3,
        head_activation_bits: 5,
        downsample_weight_bits: 4,
        downsample_activation_bits: 7,
    }
}

#[test]
fn grid_other_than_the_checkpoints_is_a_requantization_that_says_so() {
    for arch in Arch::ALL {
        let mut checkpoint = checkpoint(arch, 7);
        let own = fold(&checkpoint).expect("complete");
        assert_eq!(fold_on(&checkpoint, &checkpoint.grid).expect("complete"), own);
        let folded = fold_on(&checkpoint, &other_grid()).expect("complete");
        let json = |grid: &Grid| serde_json::to_string(grid).expect("plain data");
        assert_eq!(folded.provenance["checkpoint.grid"], json(&checkpoint.grid));
        assert_eq!(folded.provenance["grid"], json(&other_grid()));
        assert!(!own.provenance.contains_key("checkpoint.grid"));
        // The same integers as those of a checkpoint that has this grid as its own.
        checkpoint.grid = other_grid();
        let trained_there = fold(&checkpoint).expect("complete");
        assert_eq!(folded.ops, trained_there.ops, "{arch}");
        assert_ne!(folded.ops, own.ops, "{arch}");
    }
}

#[test]
fn grid_without_hardware_is_refused() {
    let grid = Grid { head_weight_bits: 9, ..Grid::default() };
    let error = fold_on(&checkpoint(Arch::ResNet20, 7), &grid).expect_err("9 bits");
    assert!(matches!(error, FoldError::Grid(refused) if refused == grid));
}

#[test]
fn networks_that_differ_in_the_head_share_all_up_to_its_input() {
    for arch in Arch::ALL {
        let checkpoint = checkpoint(arch, 7);
        let other =
            Grid { head_weight_bits: 2, head_activation_bits: 3, ..checkpoint.grid.clone() };
        let (a, b) = (fold(&checkpoint).expect("complete"), fold_on(&checkpoint, &other));
        let b = b.expect("complete");
        let end = head_input(&a, &a.validate().expect("valid")).expect("a stream");
        assert_eq!(a.ops[..=end], b.ops[..=end], "{arch}");
        assert_ne!(a.ops[end + 1], b.ops[end + 1], "{arch}");
        let (_, pixels) = image(checkpoint.sizes.image_side);
        let values = Interpreter::new(&a).expect("valid").run(&pixels).expect("fits");
        let expected = Interpreter::new(&b).expect("valid").logits(&pixels).expect("fits");
        let tail = Tail::new(&b, end).expect("the head reads one stream");
        assert_eq!(tail.logits(values[end].clone()).expect("shape"), expected, "{arch}");
    }
}
