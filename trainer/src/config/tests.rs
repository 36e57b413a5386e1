//! Validation, precedence, and what a resume may change.

use super::*;
use crate::error::{Error, Problem};
use crate::optim::SadSign;

fn problems(config: &TrainConfig) -> Vec<String> {
    match config.validate() {
        Ok(()) => Vec::new(),
        Err(Error::Config { problems }) => problems.iter().map(|p| p.name.clone()).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_wrong_setting_is_reported_at_once() {
    let config = TrainConfig {
        widths: Some(vec![16, 30, 64]),
        weight_gradient: WeightGradient::Ede,
        epochs: 3,
        warmup_epochs: 5,
        batch: 1,
        lr: -0.1,
        lr_shape: LrShape::Step { milestones: vec![30, 20], gamma: 2.0 },
        optimizer: OptimizerSettings::Sgd { momentum: 0.0, nesterov: true },
        weight_decay: f64::NAN,
        label_smoothing: 1.0,
        tau: TauSchedule { min: 0.99, max: 0.85 },
        ags: Some(Ags { lambda: 0.0 }),
        sad: Some(Sad { momentum: 1.0, ..Sad::default() }),
        grid: Grid { stream_frac_bits: 20, ..Grid::default() },
        device: "abacus".into(),
        train_images: Some(1),
        test_images: Some(0),
        resized_crop: Some([0.5, 0.25]),
        rotation: Some(200.0),
        crop: Some(32),
        lighting: Some(-1.0),
        keep: 0,
        ..TrainConfig::published(Method::Recu)
    };
    let expected = [
        "widths",
        "weight_gradient",
        "grid",
        "device",
        "batch",
        "train_images",
        "test_images",
        "crop",
        "resized_crop",
        "rotation",
        "lighting",
        "keep",
        "lr",
        "warmup_epochs",
        "lr_shape.milestones",
        "lr_shape.gamma",
        "tau",
        "optimizer.nesterov",
        "weight_decay",
        "label_smoothing",
        "ags.lambda",
        "sad.momentum",
    ];
    assert_eq!(problems(&config), expected);
    let message = config.validate().expect_err("wrong").to_string();
    assert!(message.contains("`warmup_epochs` is 5, but it is at most `epochs`"), "{message}");
}

#[test]
fn stage_of_real_weights_has_no_hooks_and_a_teacher_no_smoothing() {
    let base = TrainConfig::published(Method::Ovsw);
    let real = TrainConfig { stage: Stage::RealWeights, ..base.clone() };
    assert_eq!(problems(&real), ["ags", "sad"]);
    let taught = TrainConfig { teacher: Some("t".into()), label_smoothing: 0.1, ..base };
    assert_eq!(problems(&taught), ["label_smoothing"]);
}

#[test]
fn choice_comes_before_the_file_and_the_file_before_the_preset() {
    let file = r#"{"method": "ovsw", "epochs": 90, "lr": 0.05, "out": "old", "resume": true}"#;
    let config = TrainConfig::resolve(Choice::default(), Some(file)).expect("valid");
    let expected = TrainConfig { epochs: 90, lr: 0.05, ..TrainConfig::published(Method::Ovsw) };
    assert_eq!(config, expected);
    let choice = Choice { method: Some(Method::RecuOvsw), ..Choice::default() };
    let config = TrainConfig::resolve(choice, Some(file)).expect("valid");
    let expected = TrainConfig { epochs: 90, lr: 0.05, ..TrainConfig::published(Method::RecuOvsw) };
    assert_eq!(config, expected);
    let config = TrainConfig::resolve(Choice::default(), None).expect("valid");
    assert_eq!(config, TrainConfig::published(Method::Recu));
}

#[test]
fn resolved_settings_of_a_run_give_the_same_run() {
    for method in Method::ALL {
        for arch in Arch::ALL {
            for stage in Stage::ALL {
                let config = preset(arch, method, DatasetKind::Cifar100, stage);
                let config = TrainConfig {
                    data: "d".into(),
                    sad: config.sad.map(|sad| Sad { sign: SadSign::Latent, ..sad }),
                    ..config
                };
                let resolved = config.resolved();
                let text = serde_json::to_string(&resolved).expect("plain data");
                let read = TrainConfig::resolve(Choice::default(), Some(&text)).expect("valid");
                assert_eq!(read, resolved);
                assert_eq!(read.augmentation(), config.augmentation());
                assert_eq!(read.sizes(), config.sizes());
            }
        }
    }
}

#[test]
fn file_that_is_wrong_says_where() {
    let check = |file: &str, names: &[&str]| {
        let error = TrainConfig::resolve(Choice::default(), Some(file)).expect_err("wrong");
        let Error::Config { problems } = error else { panic!("{error}") };
        let found: Vec<&str> = problems.iter().map(|p: &Problem| &p.name[..]).collect();
        assert_eq!(found, names, "{file}");
    };
    check("{", &["config"]);
    check("[1]", &["config"]);
    check(r#"{"epochs": -1, "layers": 3, "lr": 0.1}"#, &["epochs", "layers"]);
    check(r#"{"arch": "resnet99"}"#, &["arch"]);
    check(r#"{"dataset": "cifar11"}"#, &["dataset"]);
    check(r#"{"ags": {"lambda": 0.1, "mu": 1}}"#, &["ags"]);
}

#[test]
fn resume_may_change_paths_and_threads_but_no_value() {
    let base = TrainConfig::published(Method::Ovsw);
    let moved = TrainConfig {
        data: "elsewhere".into(),
        out: "elsewhere".into(),
        threads: 3,
        workers: 2,
        keep: 9,
        resume: true,
        device: "wgpu".into(),
        norm: Some(Norm::Ovsw),
        ..base.clone()
    };
    assert!(base.same_run(&moved));
    // `config.json` has the resolved settings, the state those that were given.
    assert!(moved.resolved().same_run(&base));
    for other in [
        TrainConfig { lr: 0.05, ..base.clone() },
        TrainConfig { teacher: Some("t".into()), ..base.clone() },
        TrainConfig { grid_from: None, ..base.clone() },
        TrainConfig { seed: 2, ..base.clone() },
    ] {
        assert!(!base.same_run(&other), "{other:?}");
    }
}

#[test]
fn augmentation_is_the_published_one_but_for_what_is_given() {
    let base = TrainConfig::published(Method::Recu);
    assert_eq!(base.augmentation(), Augment::published(DatasetKind::Cifar10));
    let with = |crop, flip| TrainConfig { crop, flip, ..base.clone() }.augmentation();
    let (published, none) = (base.augmentation(), Augment::NONE);
    assert_eq!(with(Some(2), None), Augment { crop: Some(2), ..published });
    assert_eq!(with(Some(0), Some(false)), none);
    let off = TrainConfig { augment: false, flip: Some(true), ..base.clone() };
    assert_eq!(off.augmentation(), none);
}

#[test]
fn every_number_of_an_augmentation_can_be_given_and_switched_off() {
    for dataset in DatasetKind::ALL {
        let base = TrainConfig { dataset, ..TrainConfig::published(Method::Recu) };
        let given = TrainConfig {
            resized_crop: Some([0.5, 0.75]),
            rotation: Some(7.0),
            lighting: Some(0.1),
            ..base.clone()
        };
        let expected = Augment {
            resized_crop: Some(AreaRange { min: 0.5, max: 0.75 }),
            rotation: Some(7.0),
            lighting: Some(0.1),
            ..Augment::published(dataset)
        };
        assert_eq!(given.augmentation(), expected);
        let off = TrainConfig {
            resized_crop: Some([0.0, 0.0]),
            rotation: Some(0.0),
            crop: Some(0),
            flip: Some(false),
            lighting: Some(0.0),
            ..base
        };
        assert_eq!(off.augmentation(), Augment::NONE);
        for config in [given, off] {
            assert_eq!(config.resolved().augmentation(), config.augmentation());
        }
    }
}

#[test]
fn grid_that_is_never_trained_on_is_still_the_deployed_one() {
    let config = TrainConfig { grid_from: None, ..TrainConfig::published(Method::Recu) };
    assert!((0..600).all(|e| !config.on_grid(e)));
    let config = TrainConfig { grid_from: Some(2), ..config };
    assert_eq!([0, 1, 2, 3].map(|e| config.on_grid(e)), [false, false, true, true]);
}
