//! The trainer's evaluation against two others that share no arithmetic with it: on the grid the
//! normative interpreter, in real arithmetic the slow definition of `heartbit_model::float`.

use heartbit_compiler::fold::fold;
use heartbit_compiler::random;
use heartbit_ir::interp::Interpreter;
use heartbit_model::{Arch, Checkpoint, Sizes, float};
use heartbit_trainer::eval::{Evaluator, Precision};
use heartbit_trainer::model::network::Network;
use heartbit_trainer::rng::stream;
use rand::Rng;

/// More than one group of 16, the last one partial.
const IMAGES: usize = 19;

/// A narrow network of an architecture.
fn checkpoint(arch: Arch, seed: u64) -> Checkpoint {
    let published = arch.published();
    let widths = published.widths.iter().map(|w| (w / 16).next_multiple_of(4).max(8)).collect();
    let image_side = published.image_side.min(64);
    random::checkpoint(arch, &Sizes { image_side, classes: 7, widths }, seed).expect("valid sizes")
}

/// Random images in planes.
fn images(side: usize) -> Vec<Vec<u8>> {
    let mut rng = stream(81, 0);
    (0..IMAGES).map(|_| (0..3 * side * side).map(|_| rng.random()).collect()).collect()
}

fn interleaved(planes: &[u8]) -> Vec<u8> {
    let plane = planes.len() / 3;
    (0..planes.len()).map(|i| planes[i % 3 * plane + i / 3]).collect()
}

fn evaluate(
    checkpoint: &Checkpoint,
    images: &[Vec<u8>],
    precision: Precision<'_>,
) -> Vec<Vec<f64>> {
    let net = Network::from_checkpoint(checkpoint);
    Evaluator::new(&net, &checkpoint.norm.pixels(), precision).logits(&images.concat())
}

#[test]
fn every_architecture_gives_the_interpreters_logits() {
    for arch in Arch::ALL {
        for seed in 0..2 {
            let checkpoint = checkpoint(arch, seed);
            let images = images(checkpoint.sizes.image_side);
            let logits = evaluate(&checkpoint, &images, Precision::Grid(&checkpoint.grid));
            let network = fold(&checkpoint).expect("complete");
            let interpreter = Interpreter::new(&network).expect("valid");
            assert_eq!(logits.len(), IMAGES);
            for i in [0, 7, 15, 16, 18] {
                let expected = interpreter.logits(&interleaved(&images[i])).expect("fits");
                let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
                assert_eq!(logits[i], expected, "{arch}, seed {seed}, image {i}");
            }
            assert!(logits.iter().any(|l| *l != logits[0]), "{arch}: images make no difference");
        }
    }
}

#[test]
fn every_architecture_gives_the_float_logits() {
    for arch in Arch::ALL {
        let checkpoint = checkpoint(arch, 3);
        let images = images(checkpoint.sizes.image_side);
        let logits = evaluate(&checkpoint, &images, Precision::Float);
        let mut agree = 0;
        for i in [0, 16, 18] {
            let expected = float::logits(&checkpoint, &images[i]);
            let largest = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let far =
                expected.iter().zip(&logits[i]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            agree += usize::from(far <= 1e-4 * largest);
        }
        // A sign within f32 rounding of zero may turn in one of them.
        assert!(agree >= 2, "{arch}: {agree} of 3 images agree");
    }
}
