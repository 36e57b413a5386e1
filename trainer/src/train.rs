//! The training run: epochs, checkpoints, metrics, exact resume.
//!
//! A run's folder holds `config.json` (the resolved settings), `checkpoint.safetensors` (the last
//! epoch), `best.safetensors` (the highest test accuracy), with `keep` above 1 one `epoch-NNNN.safetensors`
//! for each of the last epochs, `state.safetensors` (all that a resume needs) and `metrics.jsonl`
//! (one line an epoch).
//!
//! Everything random is drawn from the seed and the epoch's number, and no result depends on the
//! number of threads, so a resumed run continues bit for bit. It may have been killed at any
//! moment: each file appears whole, the state first, and a resume writes again what followed it.
//! The folder is locked while a process trains in it.
//!
//! * [`record`]: the numbers of an epoch; `state`: the file that a resume reads.

pub mod record;
mod state;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use heartbit_dataset::{Batch, Dataset, Loader, LoaderConfig, OpenOptions, Split};
use heartbit_model::Checkpoint;
use heartbit_model::file::{remove_unfinished, write_atomically};
use serde::Serialize;

use crate::Error;
use crate::config::{Stage, TrainConfig};
use crate::device::{self, Opened};
use crate::error::Problem;
use crate::eval::{Evaluation, Evaluator, Precision, read_checkpoint};
use crate::flips::FlipTracker;
use crate::loss::{cross_entropy, distillation};
use crate::model::forward::{Forward, ForwardMode, host_values};
use crate::model::network::Network;
use crate::optim::{BinaryLayer, HookReport, Optimizer, SadState};
use crate::rng::stream;

pub use record::{EpochRecord, LayerRecord};

/// A report to the caller of [`train`].
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Before the first batch, where a GPU backend computes: what the device calls itself.
    Device(String),
    /// After each batch.
    Batch {
        /// Epoch, from 0.
        epoch: usize,
        /// All epochs.
        epochs: usize,
        /// Batches done in this epoch.
        batch: usize,
        /// Batches of an epoch.
        batches: usize,
        /// Loss of this batch.
        loss: f64,
        /// Training images a second in this epoch.
        images_per_second: f64,
        /// Estimated seconds to the end of the run, without evaluations.
        seconds_left: f64,
    },
    /// While the test images run, after the last batch of an epoch.
    Tested {
        /// Evaluations of an image that are done: of a float network, too, where there is one.
        images: usize,
        /// All of them.
        of: usize,
    },
    /// An image could not be read and was replaced.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// After each epoch and its checkpoint.
    Epoch(EpochRecord),
}

/// Result of a finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// One record for each epoch of the run, earlier parts of a resumed run included.
    pub epochs: Vec<EpochRecord>,
    /// The last epoch's checkpoint.
    pub checkpoint: PathBuf,
}

/// Trains a network.
///
/// `report` is called after every batch and every epoch; it must not call `train`.
///
/// # Errors
/// [`Error::Config`], [`Error::Dataset`], [`Error::Io`], [`Error::Checkpoint`] for a network to
/// start from or to learn from, [`Error::Run`] for a folder that already holds a run or none to
/// resume, [`Error::Busy`] for one in which another process trains, [`Error::Device`] where the
/// device is not there, and [`Error::Diverged`].
pub fn train(
    config: &TrainConfig,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<Summary, Error> {
    config.validate()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(config.threads).build()?;
    let open = |split| {
        let options = OpenOptions { side: config.image_side, ..OpenOptions::default() };
        Dataset::open_with(config.dataset, split, &config.data, options).map(Arc::new)
    };
    let sets = Sets { train: open(Split::Train)?, test: open(Split::Test)? };
    pool.install(|| {
        let mut run = Run::open(config)?;
        if let Some(name) = &run.device.name {
            report(Progress::Device(name.clone()));
        }
        while run.epoch < config.epochs {
            run.epoch(&sets, report)?;
        }
        Ok(Summary { epochs: run.records, checkpoint: config.out.join(CHECKPOINT) })
    })
}

/// File of the last epoch's parameters.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// File of the best epoch's parameters.
pub const BEST: &str = "best.safetensors";
/// File of the state to resume from.
pub const STATE: &str = "state.safetensors";
/// File of the epochs' records.
pub const METRICS: &str = "metrics.jsonl";
/// File of the resolved settings.
pub const CONFIG: &str = "config.json";

/// The images of a run.
struct Sets {
    train: Arc<Dataset>,
    test: Arc<Dataset>,
}

/// A run between two epochs.
pub(crate) struct Run<'a> {
    config: &'a TrainConfig,
    device: Opened,
    net: Network,
    teacher: Option<Evaluator>,
    optimizer: Optimizer,
    sad: Vec<SadState>,
    flips: FlipTracker,
    epoch: usize,
    records: Vec<EpochRecord>,
    /// Keeps other processes of this machine out of the folder.
    lock: Option<File>,
}

/// Loss and hits of some images.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) loss: f64,
    correct: usize,
    images: usize,
}

/// What one optimization step did.
pub(crate) struct Step {
    pub(crate) tally: Tally,
    /// One report for each binary layer; none if the loss is not finite.
    hooks: Vec<HookReport>,
}

impl<'a> Run<'a> {
    /// A run in its folder: one to resume, or a new one.
    fn open(config: &'a TrainConfig) -> Result<Self, Error> {
        let mut run = Self::new(config)?;
        run.prepare()?;
        Ok(run)
    }

    /// A run before its first step, without a folder.
    pub(crate) fn new(config: &'a TrainConfig) -> Result<Self, Error> {
        let graph = config.graph().map_err(|e| {
            let sizes = format!("{:?}", config.sizes());
            Error::config(Problem::new("widths", sizes, e.to_string()))
        })?;
        let mut net = Network::new(graph, config.method, &config.init, &mut stream(config.seed, 0));
        // What a resume restores does not start from a file again, which may be gone.
        let begun = config.resume && config.out.join(STATE).exists();
        if let Some(path) = config.init_from.as_ref().filter(|_| !begun) {
            let checkpoint = read_checkpoint(path)?;
            net.start_from(&checkpoint).map_err(|reason| Error::unusable(path, reason))?;
        }
        let teacher = config.teacher.as_deref().map(|path| teacher(path, &net)).transpose()?;
        let weights = || latent_weights(&net, config);
        let sad = config.sad.map_or(Vec::new(), |sad| {
            weights().into_iter().map(|(w, layer)| sad.state(w, layer)).collect()
        });
        let flips = FlipTracker::new(weights());
        let decays = config.decay_groups.factors(&net.specs, config.weight_decay);
        let optimizer = Optimizer::new(config.optimizer, decays, &net.params);
        let device = device::open(&config.device, config.stage)?;
        Ok(Self {
            config,
            device,
            net,
            teacher,
            optimizer,
            sad,
            flips,
            epoch: 0,
            records: Vec::new(),
            lock: None,
        })
    }

    /// Takes the folder, which is made if it is new, and restores the run in it.
    fn prepare(&mut self) -> Result<(), Error> {
        let out = &self.config.out;
        let wrong = |reason: &str| Error::Run { path: out.clone(), reason: reason.into() };
        if !self.config.resume {
            let io = |source| Error::Io { path: out.clone(), source };
            std::fs::create_dir_all(out).map_err(io)?;
        }
        if out.exists() {
            self.lock = lock(out)?;
        }
        match (self.config.resume, out.join(STATE).exists()) {
            (false, true) => {
                Err(wrong("it already holds a run; resume it or choose another folder"))
            }
            (false, false) => self.begin(),
            (true, true) => {
                self.clear()?;
                self.restore()?;
                // The run may have been killed after the state and before these.
                self.publish()
            }
            // Killed in its first epoch.
            (true, false) if out.join(CONFIG).exists() => {
                self.clear()?;
                self.check_settings()
            }
            (true, false) => Err(wrong("there is no run to resume")),
        }
    }

    /// Writes the settings of a new run.
    fn begin(&self) -> Result<(), Error> {
        self.clear()?;
        let text = serde_json::to_string_pretty(&self.config.resolved());
        let text = text.expect("bug: settings are plain data") + "\n";
        write(&self.config.out.join(CONFIG), text.as_bytes())
    }

    /// Removes what a killed process was writing.
    fn clear(&self) -> Result<(), Error> {
        let out = &self.config.out;
        remove_unfinished(out).map_err(|source| Error::Io { path: out.clone(), source })
    }

    pub(crate) fn mode(&self) -> ForwardMode {
        let config = self.config;
        ForwardMode {
            parts: config.parts(self.epoch),
            grid: config.on_grid(self.epoch).then(|| config.grid.clone()),
            pixels: config.resolved_norm().pixels(),
            real_weights: config.stage == Stage::RealWeights,
        }
    }

    fn epoch(
        &mut self,
        sets: &Sets,
        report: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Error> {
        let config = self.config;
        let start = Instant::now();
        self.flips.start_epoch();
        let (lr, mode) = (config.lr_schedule().at(self.epoch), self.mode());
        let images = config.train_images.unwrap_or(usize::MAX).min(sets.train.len());
        let batches = images.div_ceil(config.batch);
        let mut data = Loader::epoch(&sets.train, self.loader());
        let mut total = Tally::default();
        let mut hooks = record::HookTotals::default();
        for (i, batch) in data.by_ref().enumerate() {
            let Step { tally, hooks: reports } = self.step(batch?, &mode, lr);
            if !tally.loss.is_finite() {
                let (epoch, loss) = (self.epoch, tally.loss);
                return Err(Error::Diverged { epoch, batch: i, loss });
            }
            hooks.add(&reports);
            total.add(tally);
            let images_per_second = total.images as f64 / start.elapsed().as_secs_f64();
            let left = images * (config.epochs - self.epoch) - total.images;
            report(Progress::Batch {
                epoch: self.epoch,
                epochs: config.epochs,
                batch: i + 1,
                batches,
                loss: tally.loss,
                images_per_second,
                seconds_left: left as f64 / images_per_second,
            });
        }
        for image in data.corrupt().iter() {
            let (path, reason) = (image.path.clone(), image.reason.clone());
            report(Progress::Corrupt { path, reason });
        }
        let images_per_second = total.images as f64 / start.elapsed().as_secs_f64();
        let (tested, float) = self.test(&sets.test, report)?;
        let flips = self.flips.total();
        let record = EpochRecord {
            epoch: self.epoch,
            lr,
            tau: config.tau_at(self.epoch),
            train_loss: total.loss / total.images as f64,
            train_accuracy: total.correct as f64 / total.images as f64,
            test_accuracy: tested.accuracy(),
            float_accuracy: float.as_ref().map(Evaluation::accuracy),
            float_agreement: float.as_ref().map(|float| tested.agreement(float)),
            flip_rate: flips.epoch,
            never_flipped: flips.never,
            silent: hooks.silent(&self.net),
            ags_ratio: hooks.norm_ratio(&self.net),
            layers: hooks.layers(&self.net, &self.flips.rates()),
            seconds: start.elapsed().as_secs_f64(),
            images_per_second,
        };
        self.epoch += 1;
        self.records.push(record.clone());
        write(&config.out.join(STATE), &self.state().to_bytes())?;
        self.publish()?;
        report(Progress::Epoch(record));
        Ok(())
    }

    fn loader(&self) -> LoaderConfig {
        let config = self.config;
        LoaderConfig {
            augment: config.augmentation(),
            images: config.train_images,
            workers: config.workers,
            corrupt_limit: config.corrupt_limit,
            ..LoaderConfig::training(config.dataset, config.batch, config.seed, self.epoch)
        }
    }

    /// Evaluates on the grid, and in real arithmetic where the training was, and at the end.
    fn test(
        &self,
        set: &Arc<Dataset>,
        report: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(Evaluation, Option<Evaluation>), Error> {
        let config = self.config;
        let pixels = config.resolved_norm().pixels();
        let images = config.test_images.unwrap_or(usize::MAX).min(set.len());
        let float = self.epoch + 1 == config.epochs || !config.on_grid(self.epoch);
        let of = if float { 2 * images } else { images };
        let mut evaluate = |precision, before| {
            Evaluator::new(&self.net, &pixels, precision).evaluate(set, config.test_images, |n| {
                report(Progress::Tested { images: before + n, of });
            })
        };
        let tested = evaluate(Precision::Grid(&config.grid), 0)?;
        let float = float.then(|| evaluate(Precision::Float, images)).transpose()?;
        Ok((tested, float))
    }

    /// One optimization step: forward, backward, AGS, SAD, weight decay, descent.
    pub(crate) fn step(&mut self, batch: Batch, mode: &ForwardMode, lr: f64) -> Step {
        let Batch { pixels, labels } = batch;
        let pixels = Arc::new(pixels);
        let taught = self.teacher.as_ref().map(|teacher| teacher.logits(&pixels));
        let forward = self.net.forward(pixels, mode, &self.device.engine);
        let logits = forward.logits.clone();
        let loss = match taught {
            Some(taught) => distillation(logits.clone(), self.tensor(&taught)),
            None => cross_entropy(logits.clone(), &labels, self.config.label_smoothing),
        };
        let mut gradients = loss.backward();
        let tally = Tally {
            loss: f64::from(host_values(loss)[0]),
            correct: hits(&host_values(logits), &labels),
            images: labels.len(),
        };
        if !tally.loss.is_finite() {
            return Step { tally, hooks: Vec::new() };
        }
        let Forward { stats, .. } = &forward;
        self.net.update_running(stats);
        let mut grads = self.net.take_gradients(forward, &mut gradients, mode);
        let hooks = self.apply_hooks(&mut grads);
        self.optimizer.step(&mut self.net.params, &grads, lr);
        self.flips.step(latent_weights(&self.net, self.config).into_iter().map(|(w, _)| w));
        Step { tally, hooks }
    }

    fn apply_hooks(&mut self, grads: &mut [Vec<f32>]) -> Vec<HookReport> {
        let hooks = self.config.hooks();
        let layers = self.net.binary_layers();
        let each = layers.iter().enumerate().map(|(i, layer)| {
            let weights = &self.net.params.list[layer.index].values;
            let binary = self.config.binary_layer(layer.fan_in);
            hooks.apply(weights, &mut grads[layer.index], binary, self.sad.get_mut(i))
        });
        each.collect()
    }

    fn tensor(&self, rows: &[Vec<f64>]) -> Tensor<2> {
        let values: Vec<f32> = rows.iter().flatten().map(|&v| v as f32).collect();
        let data = TensorData::new(values, [rows.len(), rows[0].len()]);
        Tensor::from_data(data, &self.device.engine.device().autodiff())
    }

    /// Writes what follows from the state: the checkpoints, then the metrics.
    fn publish(&self) -> Result<(), Error> {
        let out = &self.config.out;
        let checkpoint = self.checkpoint().to_bytes();
        write(&out.join(CHECKPOINT), &checkpoint)?;
        if self.last_is_best() {
            write(&out.join(BEST), &checkpoint)?;
        }
        self.keep(&checkpoint)?;
        let lines: String = self.records.iter().map(|r| json(r) + "\n").collect();
        write(&out.join(METRICS), lines.as_bytes())
    }

    /// Whether the last epoch has a higher test accuracy than every earlier one.
    fn last_is_best(&self) -> bool {
        let Some((last, earlier)) = self.records.split_last() else { return false };
        earlier.iter().all(|r| r.test_accuracy < last.test_accuracy)
    }

    /// Keeps this epoch's checkpoint and removes the one that is too old.
    fn keep(&self, checkpoint: &[u8]) -> Result<(), Error> {
        let keep = self.config.keep;
        if keep <= 1 {
            return Ok(()); // The last epoch is `checkpoint.safetensors`.
        }
        let path = |epoch: usize| self.config.out.join(format!("epoch-{epoch:04}.safetensors"));
        write(&path(self.epoch), checkpoint)?;
        let Some(old) = self.epoch.checked_sub(keep).map(path).filter(|p| p.exists()) else {
            return Ok(());
        };
        std::fs::remove_file(&old).map_err(|source| Error::Io { path: old, source })
    }

    fn checkpoint(&self) -> Checkpoint {
        let config = self.config;
        let provenance = [
            ("epoch", self.epoch.to_string()),
            ("epochs", config.epochs.to_string()),
            ("seed", config.seed.to_string()),
            ("dataset", config.dataset.name().to_owned()),
        ];
        let provenance = provenance.map(|(key, value)| (key.to_owned(), value)).into();
        self.net.checkpoint(config.resolved_norm(), &config.grid, provenance)
    }
}

/// The latent weights of each binary layer, with what hooks and statistics know of it.
fn latent_weights<'n>(net: &'n Network, config: &TrainConfig) -> Vec<(&'n [f32], BinaryLayer)> {
    let values = |index: usize| &net.params.list[index].values[..];
    let layers = net.binary_layers().into_iter();
    layers.map(|l| (values(l.index), config.binary_layer(l.fan_in))).collect()
}

/// A trained network that gives the targets.
fn teacher(path: &Path, student: &Network) -> Result<Evaluator, Error> {
    let checkpoint = read_checkpoint(path)?;
    let (theirs, ours) = (&checkpoint.sizes, &student.graph.sizes);
    if (theirs.classes, theirs.image_side) != (ours.classes, ours.image_side) {
        let reason = format!(
            "it has {} classes and images of {} pixels, the student {} and {}",
            theirs.classes, theirs.image_side, ours.classes, ours.image_side
        );
        return Err(Error::unusable(path, reason));
    }
    let net = Network::from_checkpoint(&checkpoint);
    Ok(Evaluator::new(&net, &checkpoint.norm.pixels(), Precision::Float))
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.loss += other.loss * other.images as f64;
        self.correct += other.correct;
        self.images += other.images;
    }
}

/// Locks a folder for the processes of this machine until the file is closed or this process ends.
///
/// Two processes in one folder would take each other's files for their own. `None` where the file
/// system cannot lock, which keeps nobody from training.
fn lock(folder: &Path) -> Result<Option<File>, Error> {
    let path = || folder.to_owned();
    let file = File::open(folder).map_err(|source| Error::Io { path: path(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path: path() }),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_atomically(path, bytes).map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// Plain data as one line of JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("bug: plain data serialises")
}

/// Number of rows of logits whose largest value is at the label.
fn hits(logits: &[f32], labels: &[u32]) -> usize {
    let classes = logits.len() / labels.len();
    logits
        .chunks_exact(classes)
        .zip(labels)
        .filter(|(row, label)| {
            let first_largest = (0..classes).rev().max_by(|&a, &b| row[a].total_cmp(&row[b]));
            first_largest == Some(**label as usize)
        })
        .count()
}

#[cfg(test)]
mod tests;
