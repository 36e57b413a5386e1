//! How long a training step takes: forward, loss, backward, hooks, optimizer.
//!
//! The step is the one that [`crate::train()`] takes in its first epoch, on one fixed batch of
//! random pixels and labels. Reading and changing images, evaluation and files are not measured.
//!
//! Not here: what is done with the times; `heartbit bench train` repeats windows of steps and
//! compares them with other programs.

use std::time::{Duration, Instant};

use heartbit_dataset::{Batch, DatasetKind};
use heartbit_model::Arch;
use rand::Rng;
use rayon::ThreadPool;

use crate::config::{Stage, TrainConfig};
use crate::model::forward::ForwardMode;
use crate::presets::preset;
use crate::rng::stream;
use crate::train::{Run, Step};
use crate::{Error, method::Method};

/// The published settings of a method for an architecture, on the data set of its publication:
/// ImageNet for networks of images of 224 pixels, else CIFAR-10.
pub fn published(arch: Arch, method: Method) -> TrainConfig {
    let dataset = match arch.published().image_side {
        224 => DatasetKind::Imagenet,
        _ => DatasetKind::Cifar10,
    };
    preset(arch, method, dataset, Stage::Binary)
}

/// A network in training on one random batch.
///
/// ```
/// use heartbit_model::{Arch, Method};
/// use heartbit_trainer::TrainConfig;
/// use heartbit_trainer::bench::{StepBench, published};
///
/// let settings = published(Arch::ResNet20, Method::Recu);
/// let config = TrainConfig { batch: 16, threads: 1, ..settings };
/// let mut bench = StepBench::new(&config)?;
/// bench.run(1)?; // the first step also allocates
/// let seconds = bench.run(2)?.as_secs_f64();
/// let images_per_second = 2.0 * 16.0 / seconds;
/// assert!(images_per_second > 0.0);
/// # Ok::<(), heartbit_trainer::Error>(())
/// ```
pub struct StepBench<'a> {
    pool: ThreadPool,
    run: Run<'a>,
    batch: Batch,
    mode: ForwardMode,
    lr: f64,
    steps: usize,
    loss: Option<f64>,
}

impl<'a> StepBench<'a> {
    /// Draws the network and the batch from the settings' seed. Paths of the settings are not
    /// touched, but for `init_from` and `teacher`.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Threads`], and [`Error::Io`] or [`Error::Checkpoint`] for a
    /// network to start from or to learn from.
    pub fn new(config: &'a TrainConfig) -> Result<Self, Error> {
        config.validate()?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(config.threads).build()?;
        let run = pool.install(|| Run::new(config))?;
        let (mode, lr) = (run.mode(), config.lr_schedule().at(0));
        Ok(Self { pool, run, batch: random_batch(config), mode, lr, steps: 0, loss: None })
    }

    /// Takes some steps one after the other, and returns how long they took together.
    ///
    /// Each step trains, so a later one starts from other parameters.
    ///
    /// # Errors
    /// [`Error::NotFinite`] after a step whose loss is NaN or infinite, because it ends early.
    pub fn run(&mut self, steps: usize) -> Result<Duration, Error> {
        let Self { pool, run, batch, mode, lr, steps: done, loss } = self;
        pool.install(|| {
            let start = Instant::now();
            for _ in 0..steps {
                let Step { tally, .. } = run.step(batch.clone(), mode, *lr);
                if !tally.loss.is_finite() {
                    return Err(Error::NotFinite { step: *done, loss: tally.loss });
                }
                *loss = Some(tally.loss);
                *done += 1;
            }
            Ok(start.elapsed())
        })
    }

    /// The mean loss of the batch in the last step, before its descent; `None` before any.
    pub fn loss(&self) -> Option<f64> {
        self.loss
    }
}

/// Bytes and labels drawn evenly, of the shape that the data set delivers.
fn random_batch(config: &TrainConfig) -> Batch {
    let (sizes, mut rng) = (config.sizes(), stream(config.seed, 1));
    let mut pixels = vec![0; config.batch * 3 * sizes.image_side * sizes.image_side];
    rng.fill(&mut pixels[..]);
    let classes = u32::try_from(sizes.classes).expect("bug: settings are checked");
    let labels = (0..config.batch).map(|_| rng.random_range(0..classes)).collect();
    Batch { pixels, labels }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> TrainConfig {
        TrainConfig { batch: 16, threads: 1, ..published(Arch::ResNet20, Method::RecuOvsw) }
    }

    #[test]
    fn measured_steps_train() {
        let config = small();
        let mut bench = StepBench::new(&config).expect("published settings");
        assert_eq!(bench.loss(), None);
        bench.run(1).expect("a step");
        let start = bench.loss().expect("after a step");
        bench.run(14).expect("steps");
        let end = bench.loss().expect("after a step");
        // The batch stays the same, so descent shows in its loss.
        assert!(end < start, "{start} to {end}");
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let config = TrainConfig { batch: 1, ..small() };
        let error = StepBench::new(&config).err().expect("one image has no statistics");
        assert!(error.to_string().contains("`batch` is 1"), "{error}");
    }

    #[test]
    fn step_that_ends_early_is_not_measured() {
        let config = TrainConfig { lr: 1e38, warmup_epochs: 0, grid_from: None, ..small() };
        let mut bench = StepBench::new(&config).expect("settings that train, badly");
        let error = bench.run(20).expect_err("diverges");
        assert!(matches!(error, Error::NotFinite { step: 1.., .. }), "{error}");
    }
}
