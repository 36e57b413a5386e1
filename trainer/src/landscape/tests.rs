//! Narrow random networks on a few random images.

use std::path::Path;

use heartbit_compiler::random;
use heartbit_dataset::{DatasetKind, Split};
use heartbit_model::{Arch, Sizes};
use proptest::prelude::*;
use rand::Rng;

use super::*;
use crate::evaluate;

/// More than one group of 16, the last one partial.
const IMAGES: usize = 19;

fn checkpoint(arch: Arch, seed: u64) -> Checkpoint {
    let widths = arch.published().widths.iter().map(|w| (w / 16).max(8)).collect();
    let sizes = Sizes { image_side: 32, classes: 10, widths };
    random::checkpoint(arch, &sizes, seed).expect("valid sizes")
}

/// Random images with the labels 0 to 9 in turn, one more than are used.
fn dataset(dir: &Path) -> Arc<Dataset> {
    let mut rng = stream(91, 0);
    let mut bytes = Vec::new();
    for i in 0..=IMAGES {
        bytes.push((i % 10) as u8);
        bytes.extend((0..3 * 32 * 32).map(|_| rng.random::<u8>()));
    }
    std::fs::write(dir.join("test_batch.bin"), bytes).expect("written");
    Arc::new(Dataset::open(DatasetKind::Cifar10, Split::Test, dir).expect("just written"))
}

fn config() -> LandscapeConfig {
    LandscapeConfig { radius: 0.5, steps: 3, images: IMAGES, ..LandscapeConfig::default() }
}

fn measure(checkpoint: &Checkpoint, set: &Arc<Dataset>, config: LandscapeConfig) -> Landscape {
    landscape(checkpoint, set, config, &mut |_, _| {}).expect("sound settings")
}

#[test]
fn centre_is_the_checkpoint_exactly() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let set = dataset(dir.path());
    for arch in [Arch::ResNet20, Arch::ResNet18] {
        let checkpoint = checkpoint(arch, 1);
        for float in [false, true] {
            let slice = measure(&checkpoint, &set, LandscapeConfig { float, ..config() });
            let plain = evaluate(&checkpoint, &set, Some(IMAGES), float, |_| ()).expect("readable");
            assert_eq!(slice.loss[1][1], Some(mean_loss(&plain)), "{arch}, float {float}");
            assert_ne!(slice.loss[0][0], slice.loss[1][1], "{arch}: moving makes no difference");
            assert_eq!(slice.loss_1d, slice.loss[1]);
        }
    }
}

#[test]
fn rows_are_the_second_direction_and_columns_the_first() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let set = dataset(dir.path());
    let checkpoint = checkpoint(Arch::ResNet20, 2);
    let slice = measure(&checkpoint, &set, config());
    assert_eq!((&slice.alpha, &slice.beta), (&vec![-0.5, 0.0, 0.5], &vec![-0.5, 0.0, 0.5]));
    let net = Network::from_checkpoint(&checkpoint);
    let [d1, d2] = [2, 3].map(|k| direction(&net, &mut stream(config().seed, k)));
    for (i, j) in [(0, 2), (2, 0), (1, 2)] {
        // The same point by another way: a checkpoint whose tensors are moved.
        let (a, b) = (0.5 * (j as f64 - 1.0), 0.5 * (i as f64 - 1.0));
        let mut there = checkpoint.clone();
        for (d1, d2) in d1.list.iter().zip(&d2.list) {
            let tensor = there.tensors.get_mut(&d1.name).expect("of the network");
            for (k, w) in tensor.data.iter_mut().enumerate() {
                let at_a = f64::from(*w) + a * f64::from(d1.values[k]);
                *w = (at_a + b * f64::from(d2.values[k])) as f32;
            }
        }
        let plain = evaluate(&there, &set, Some(IMAGES), false, |_| ()).expect("readable");
        assert_eq!(slice.loss[i][j], Some(mean_loss(&plain)), "[{i}][{j}]");
    }
    assert_ne!(slice.loss[0][2], slice.loss[2][0]);
}

#[test]
fn slice_is_a_function_of_the_seed_but_not_of_threads() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let set = dataset(dir.path());
    let checkpoint = checkpoint(Arch::ResNet20, 3);
    let bytes = |seed: u64, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let slice = || measure(&checkpoint, &set, LandscapeConfig { seed, ..config() });
        serde_json::to_string(&pool.install(slice)).expect("plain data")
    };
    assert_eq!(bytes(1, 1), bytes(1, 3));
    assert_ne!(bytes(1, 1), bytes(2, 1).replace("\"seed\":2", "\"seed\":1"));
}

#[test]
fn every_point_is_reported_in_order() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut reports = Vec::new();
    let checkpoint = checkpoint(Arch::ResNet20, 4);
    let config = LandscapeConfig { images: 2, ..config() };
    landscape(&checkpoint, &dataset(dir.path()), config, &mut |done, all| {
        reports.push((done, all));
    })
    .expect("sound settings");
    assert_eq!(reports, (1..=9).map(|done| (done, 9)).collect::<Vec<_>>());
}

#[test]
fn every_filter_of_a_direction_has_the_filters_norm() {
    for arch in Arch::ALL {
        let net = Network::from_checkpoint(&checkpoint_of(arch));
        let direction = direction(&net, &mut stream(1, 1));
        let mut moved = 0;
        for ((d, w), spec) in direction.list.iter().zip(&net.params.list).zip(&net.specs) {
            if !spec.key.ends_with(".weight") || spec.shape.len() == 1 {
                assert!(d.values.iter().all(|&v| v == 0.0), "{} must stay", spec.key);
                continue;
            }
            let fan_in = w.values.len() / spec.shape[0];
            for (d, w) in d.values.chunks(fan_in).zip(w.values.chunks(fan_in)) {
                let [d, w] = [d, w].map(|v| norm(v.iter().map(|&v| f64::from(v))));
                assert!((d - w).abs() <= 1e-6 * w && w > 0.0, "{}: {d} is not {w}", spec.key);
                moved += 1;
            }
        }
        assert!(moved > 100, "{arch}: {moved} filters");
    }
}

/// A narrow network of any architecture, at the size it needs.
fn checkpoint_of(arch: Arch) -> Checkpoint {
    let published = arch.published();
    let widths = published.widths.iter().map(|w| (w / 16).next_multiple_of(4).max(8)).collect();
    let image_side = published.image_side.min(64);
    random::checkpoint(arch, &Sizes { image_side, classes: 7, widths }, 5).expect("valid sizes")
}

#[test]
fn filter_of_zeros_does_not_move() {
    let mut net = Network::from_checkpoint(&checkpoint(Arch::ResNet20, 6));
    net.params.list[0].values.fill(0.0);
    let direction = direction(&net, &mut stream(1, 1));
    assert!(direction.list[0].values.iter().all(|&v| v == 0.0));
}

#[test]
fn settings_that_make_no_sense_are_all_named() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let set = dataset(dir.path());
    let wrong = LandscapeConfig { radius: f64::NAN, steps: 4, images: 21, ..config() };
    let other = checkpoint_of(Arch::ReActNet18);
    let error = landscape(&other, &set, wrong, &mut |_, _| {}).expect_err("five problems");
    let text = error.to_string();
    for word in ["`radius` is NaN", "`steps` is 4", "`images` is 21", "[3, 64, 64]", "has 7"] {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

proptest! {
    /// Against the definition, on logits where it does not overflow.
    #[test]
    fn mean_loss_is_the_cross_entropy(
        rows in prop::collection::vec((prop::array::uniform4(-900i32..900), 0u32..4), 1..20),
        logit_scale in 0.01f64..0.5,
    ) {
        let labels: Vec<u32> = rows.iter().map(|r| r.1).collect();
        let logits = rows.iter().map(|r| r.0.map(f64::from).to_vec()).collect();
        let each = rows.iter().map(|(row, label)| {
            let p = row.map(|l| (f64::from(l) * logit_scale).exp());
            p.iter().sum::<f64>().ln() - p[*label as usize].ln()
        });
        let expected = each.sum::<f64>() / rows.len() as f64;
        let actual = mean_loss(&Evaluation { logits, logit_scale, labels });
        prop_assert!(actual >= 0.0);
        prop_assert!((actual - expected).abs() <= 1e-9 * (1.0 + expected), "{actual} {expected}");
    }
}

#[test]
fn logits_of_any_size_have_a_loss() {
    let loss = |logits: Vec<f64>| {
        mean_loss(&Evaluation { logits: vec![logits], logit_scale: 1.0, labels: vec![1] })
    };
    assert_eq!(loss(vec![1e9, 0.0]), 1e9);
    assert_eq!(loss(vec![-1e9, 0.0]), 0.0);
    assert!(loss(vec![f64::NAN, 0.0]).is_nan());
}
