//! Tiny runs on made-up images: determinism, resume, divergence.

use std::path::Path;

use heartbit_dataset::DatasetKind;
use heartbit_model::{Arch, Tensor, TensorFile};
use rand::Rng;
use std::collections::BTreeMap;

use super::*;
use crate::method::Method;
use crate::presets::preset;

/// Writes a set of dark images of class 0 and bright ones of class 1.
fn write_set(dir: &Path, images: usize) {
    let mut rng = stream(51, 0);
    for (name, images) in [("data_batch_1.bin", images), ("test_batch.bin", 10)] {
        let mut bytes = Vec::new();
        for i in 0..images {
            let label = (i % 2) as u8;
            bytes.push(label);
            bytes.extend((0..3 * 32 * 32).map(|_| 180 * label + rng.random_range(0..70u8)));
        }
        std::fs::write(dir.join(name), bytes).expect("write");
    }
}

fn config(dir: &Path, out: &str) -> TrainConfig {
    with(Method::Ovsw, dir, out)
}

fn with(method: Method, dir: &Path, out: &str) -> TrainConfig {
    TrainConfig {
        data: dir.to_owned(),
        out: dir.join(out),
        epochs: 3,
        batch: 20,
        warmup_epochs: 1,
        threads: 1,
        ..TrainConfig::published(method)
    }
}

fn run(config: &TrainConfig) -> Result<Summary, Error> {
    train(config, &mut |_| {})
}

/// The tensors of a run's state, which include everything that training changes.
fn state(config: &TrainConfig) -> BTreeMap<String, Tensor> {
    let bytes = std::fs::read(config.out.join(STATE)).expect("a state");
    TensorFile::from_bytes(&bytes).expect("just written").tensors
}

#[test]
fn run_is_a_function_of_seed_and_settings_but_not_of_threads() {
    let dir = tempfile::tempdir().expect("temporary folder");
    write_set(dir.path(), 36);
    let base = TrainConfig { epochs: 1, ..config(dir.path(), "a") };
    let threads = TrainConfig { threads: 3, out: dir.path().join("b"), ..base.clone() };
    let seed = TrainConfig { seed: 2, out: dir.path().join("c"), ..base.clone() };
    for config in [&base, &threads, &seed] {
        run(config).expect("trains");
    }
    assert!(state(&base) == state(&threads), "threads must not matter");
    assert!(state(&base) != state(&seed), "the seed must matter");
}

#[test]
fn resumed_run_equals_an_uninterrupted_one_bit_for_bit() {
    let dir = tempfile::tempdir().expect("temporary folder");
    write_set(dir.path(), 36);
    for method in [Method::Ovsw, Method::Recu, Method::RecuOvsw] {
        let base = with(method, dir.path(), &format!("whole-{}", method.name()));
        run(&base).expect("trains");
        let cut =
            TrainConfig { out: dir.path().join(format!("cut-{}", method.name())), ..base.clone() };
        let result = std::panic::catch_unwind(|| {
            train(&cut, &mut |progress| {
                let Progress::Batch { epoch, batch, .. } = progress else { return };
                assert!((epoch, batch) != (2, 1), "interrupted");
            })
        });
        assert!(result.is_err(), "the run must be interrupted in its last epoch");
        let resumed = TrainConfig { resume: true, threads: 2, ..cut.clone() };
        let summary = run(&resumed).expect("resumes");
        assert_eq!(summary.epochs.len(), 3);
        assert!(state(&base) == state(&cut), "{method:?}");
        let lines = std::fs::read_to_string(cut.out.join(METRICS)).expect("metrics");
        assert_eq!(lines.lines().count(), 3);
    }
}

/// Names and bytes of a run's files, but for what contains the time or the folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: BTreeMap<_, _> = entries
        .map(|entry| {
            let path = entry.expect("readable").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(path).expect("readable"))
        })
        .collect();
    files.retain(|name, _| ![STATE, METRICS, CONFIG].contains(&name.as_str()));
    files
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("readable");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

fn without_times(config: &TrainConfig) -> Vec<EpochRecord> {
    let text = std::fs::read_to_string(config.out.join(METRICS)).expect("metrics");
    let records = text.lines().map(|line| serde_json::from_str(line).expect("a record"));
    records.map(|r| EpochRecord { seconds: 0.0, images_per_second: 0.0, ..r }).collect()
}

/// Every point between two files of an epoch: a folder with the first files of this epoch and the
/// others of the one before.
#[test]
fn run_killed_between_two_of_its_files_is_whole_after_a_resume() {
    let dir = tempfile::tempdir().expect("temporary folder");
    write_set(dir.path(), 36);
    let narrow = narrow(Arch::ResNet20, dir.path(), "whole");
    let whole = TrainConfig { epochs: 3, keep: 2, ..narrow };
    let after = |epoch: usize| dir.path().join(format!("after-{epoch}"));
    std::fs::create_dir(after(0)).expect("made");
    let mut best = Vec::new();
    train(&whole, &mut |progress| match progress {
        Progress::Batch { epoch: 0, batch: 1, .. } => copy(&whole.out, &after(0)),
        Progress::Epoch(record) => {
            let epoch = record.epoch + 1;
            copy(&whole.out, &after(epoch));
            best.push(std::fs::read(whole.out.join(BEST)).expect("the best"));
        }
        _ => {}
    })
    .expect("trains");
    for epoch in 1..=3 {
        let kept = format!("epoch-{epoch:04}.safetensors");
        let order = [STATE, CHECKPOINT, BEST, &kept, METRICS];
        for written in 0..order.len() {
            let cut = dir.path().join(format!("cut-{epoch}-{written}"));
            copy(&after(epoch - 1), &cut);
            for name in &order[..written] {
                std::fs::copy(after(epoch).join(name), cut.join(name)).expect("copied");
            }
            std::fs::write(cut.join(".heartbit-half"), "half").expect("written");
            let resumed = TrainConfig { out: cut, resume: true, ..whole.clone() };
            run(&resumed).expect("resumes");
            let place = format!("epoch {epoch}, {written} files");
            assert!(files(&whole.out) == files(&resumed.out), "{place}");
            assert!(state(&whole) == state(&resumed), "{place}");
            assert_eq!(without_times(&whole), without_times(&resumed), "{place}");
        }
    }
    assert!(best[0] != best[2] || best[0] != best[1], "the best must change for this to tell");
}

#[test]
fn training_fits_images_that_differ_in_brightness() {
    let dir = tempfile::tempdir().expect("temporary folder");
    write_set(dir.path(), 40);
    let config = TrainConfig { epochs: 12, lr: 0.05, augment: false, ..config(dir.path(), "fit") };
    let records = run(&config).expect("trains").epochs;
    // Ten classes by chance have loss 2.3, two have 0.7.
    assert!(records[11].train_loss < 0.5, "{records:?}");
    let test = Dataset::open(DatasetKind::Cifar10, Split::Test, dir.path()).expect("written");
    let checkpoint = read_checkpoint(&config.out.join(CHECKPOINT)).expect("written");
    let evaluate = |float| {
        crate::evaluate(&checkpoint, &Arc::new(test), None, float, |_| ())
            .expect("evaluates")
            .accuracy()
    };
    assert_eq!(evaluate(false), records[11].test_accuracy);
}

/// A narrow network of an architecture, one epoch.
fn narrow(arch: Arch, dir: &Path, out: &str) -> TrainConfig {
    let published = arch.published().widths.into_iter();
    let widths = Some(published.map(|w| (w / 16).next_multiple_of(4).max(8)).collect());
    let preset = preset(arch, Method::Ovsw, DatasetKind::Cifar10, Stage::Binary);
    let (data, out) = (dir.to_owned(), dir.join(out));
    TrainConfig { data, out, widths, epochs: 1, warmup_epochs: 0, batch: 18, threads: 1, ..preset }
}

#[test]
fn every_architecture_trains_and_evaluates() {
    let dir = tempfile::tempdir().expect("temporary folder");
    write_set(dir.path(), 36);
    for arch in Arch::ALL {
        let config = narrow(arch, dir.path(), arch.name());
        let record = run(&config).expect("trains").epochs.remove(0);
        assert!(record.train_loss.is_finite(), "{arch}");
        assert!(record.float_accuracy.is_some() && record.silent.is_some(), "{arch}");
        assert!((0.0..=1.0).contains(&record.never_flipped), "{arch}");
        let checkpoint = read_checkpoint(&config.out.join(CHECKPOINT)).expect("written");
        assert_eq!((checkpoint.arch, checkpoint.sizes), (arch, config.sizes()));
        assert_eq!(record.layers.len(), config.graph().expect("valid").binary_convs().count());
    }
}

/// Stage 1 with real weights, then stage 2 that starts from it and learns from a teacher.
#[test]
fn two_stages_start_from_each_other_and_from_a_teacher() {
    let dir = tempfile::tempdir().expect("temporary folder");
    write_set(dir.path(), 36);
    let base = narrow(Arch::ReActNet18, dir.path(), "stage1");
    let first = TrainConfig { stage: Stage::RealWeights, ags: None, sad: None, ..base.clone() };
    let first = TrainConfig { grid_from: None, ..first };
    run(&first).expect("trains real weights");
    let checkpoint = first.out.join(CHECKPOINT);
    let second = TrainConfig {
        init_from: Some(checkpoint.clone()),
        teacher: Some(checkpoint.clone()),
        out: dir.path().join("stage2"),
        ..base.clone()
    };
    let distilled = run(&second).expect("trains").epochs.remove(0);
    let labels = TrainConfig { teacher: None, out: dir.path().join("labels"), ..second.clone() };
    let labelled = run(&labels).expect("trains").epochs.remove(0);
    assert_ne!(distilled.train_loss, labelled.train_loss, "the teacher must matter");
    let resumed = TrainConfig { init_from: Some("gone".into()), resume: true, ..labels };
    run(&resumed).expect("resumes without the file that it began with");
    let other = narrow(Arch::ResNet20, dir.path(), "other");
    let error = run(&TrainConfig { init_from: Some(checkpoint), ..other }).expect_err("misfit");
    assert!(error.to_string().contains("`layer1.0.conv1.weight` is missing"), "{error}");
}

#[test]
fn only_the_last_epochs_keep_their_checkpoints() {
    let dir = tempfile::tempdir().expect("temporary folder");
    write_set(dir.path(), 20);
    let config = TrainConfig { keep: 2, epochs: 3, ..narrow(Arch::ResNet20, dir.path(), "kept") };
    run(&config).expect("trains");
    let kept = [1, 2, 3].map(|e| config.out.join(format!("epoch-{e:04}.safetensors")).exists());
    assert_eq!(kept, [false, true, true]);
}

#[test]
fn diverged_run_stops_and_keeps_the_last_checkpoint() {
    let dir = tempfile::tempdir().expect("temporary folder");
    write_set(dir.path(), 20);
    let config = TrainConfig {
        lr: 1e38,
        warmup_epochs: 0,
        grid_from: None,
        ..config(dir.path(), "diverged")
    };
    let error = run(&config).expect_err("diverges");
    assert!(matches!(error, Error::Diverged { epoch: 1.., .. }), "{error}");
    assert!(config.out.join(CHECKPOINT).exists());
}

#[test]
fn folder_with_a_run_is_not_overwritten_and_other_settings_do_not_resume() {
    let dir = tempfile::tempdir().expect("temporary folder");
    write_set(dir.path(), 20);
    let config = TrainConfig { epochs: 1, ..config(dir.path(), "twice") };
    run(&config).expect("trains");
    assert!(matches!(run(&config), Err(Error::Run { .. })));
    let other = TrainConfig { resume: true, lr: 0.05, ..config.clone() };
    assert!(matches!(run(&other), Err(Error::Run { .. })));
    let none = TrainConfig { resume: true, out: dir.path().join("none"), ..config.clone() };
    assert!(matches!(run(&none), Err(Error::Run { .. })));
    // Killed in its first epoch: the settings are all that there is.
    std::fs::remove_file(config.out.join(STATE)).expect("there");
    let other = run(&other).expect_err("other settings").to_string();
    assert!(other.contains("other settings"), "{other}");
    run(&TrainConfig { resume: true, ..config }).expect("starts again");
}

#[test]
fn folder_in_which_another_process_trains_is_left_alone() {
    let dir = tempfile::tempdir().expect("temporary folder");
    write_set(dir.path(), 20);
    let config = TrainConfig { epochs: 1, ..config(dir.path(), "taken") };
    let resume = TrainConfig { resume: true, ..config.clone() };
    std::fs::create_dir(&config.out).expect("made");
    std::fs::write(config.out.join(".heartbit-x1"), "half").expect("written");
    let before = files(&config.out);
    let other = std::fs::File::open(&config.out).expect("a folder");
    other.lock().expect("a lock");
    for config in [&config, &resume] {
        let error = run(config).expect_err("taken");
        assert!(matches!(error, Error::Busy { .. }), "{error}");
        assert_eq!(files(&config.out), before);
    }
    drop(other);
    let second = || std::fs::File::open(&config.out).expect("a folder").try_lock();
    let mut reports = 0;
    train(&config, &mut |_| {
        reports += 1;
        assert!(matches!(second(), Err(std::fs::TryLockError::WouldBlock)));
    })
    .expect("the folder is free again");
    assert!(reports > 0);
    second().expect("free after the run");
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let config =
        TrainConfig { warmup_epochs: 5, epochs: 3, ..TrainConfig::published(Method::Recu) };
    let error = run(&config).expect_err("warm-up longer than the run");
    assert!(error.to_string().contains("`warmup_epochs` is 5"), "{error}");
}
