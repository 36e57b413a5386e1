//! The training run: epochs, checkpoints, metrics, exact resume.
//!
//! A run's folder holds `config.json` (the resolved settings), `checkpoint.safetensors` (the last
//! epoch), `best.safetensors` (the highest test accuracy), `state.safetensors` (all that a resume
//! needs) and `metrics.jsonl` (one line an epoch).
//!
//! Everything random is drawn from the seed and the epoch's number, and no result depends on the
//! number of threads, so a resumed run continues bit for bit.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use heartbit_dataset::Cifar10;
use heartbit_ir::grid::binary_weights;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::checkpoint::{self, Checkpoint, fill, write_atomically};
use crate::config::TrainConfig;
use crate::data::{Batch, Epoch, stream};
use crate::error::Problem;
use crate::eval::IntegerNetwork;
use crate::loss::cross_entropy;
use crate::model::resnet20::{ForwardMode, ResNet20, host_values};
use crate::optim::{Optimizer, Sad, SadState};
use crate::params::Arrays;

/// Numbers of one epoch; a line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Learning rate.
    pub lr: f64,
    /// Tau, where the method has one.
    pub tau: Option<f64>,
    /// Mean training loss.
    pub train_loss: f64,
    /// Share of training images that were classified correctly while training.
    pub train_accuracy: f64,
    /// Share of test images that the integer network classifies correctly.
    pub test_accuracy: f64,
    /// Share of binary weights whose sign is not what it was before the epoch.
    pub flip_rate: f64,
    /// Wall time of the epoch, evaluation included.
    pub seconds: f64,
    /// Training images a second, evaluation not included.
    pub images_per_second: f64,
}

/// A report to the caller of [`train`].
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
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

/// Trains a ResNet-20 on CIFAR-10.
///
/// `report` is called after every batch and every epoch; it must not call `train`.
///
/// # Errors
/// [`Error::Config`], [`Error::Dataset`], [`Error::Io`], [`Error::Run`] for a folder that already
/// holds a run or none to resume, and [`Error::Diverged`].
pub fn train(
    config: &TrainConfig,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<Summary, Error> {
    config.validate()?;
    supported(config)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(config.threads).build()?;
    let train_set = Cifar10::load_train(&config.data)?;
    let test_set = Cifar10::load_test(&config.data)?;
    pool.install(|| {
        let mut run = Run::open(config)?;
        while run.epoch < config.epochs {
            run.epoch(&train_set, &test_set, report)?;
        }
        Ok(Summary { epochs: run.records, checkpoint: config.out.join(CHECKPOINT) })
    })
}

/// Refuses the settings that the networks and data sets of this trainer do not have.
fn supported(config: &TrainConfig) -> Result<(), Error> {
    let base = TrainConfig::published(config.method);
    let mut problems = Vec::new();
    let mut check = |ok: bool, name: &str, value: String, rule: &str| {
        if !ok {
            problems.push(Problem::new(name, value, rule.to_owned()));
        }
    };
    let (arch, dataset) = (config.arch, config.dataset);
    check(arch == base.arch, "arch", arch.to_string(), "only `resnet20` can be trained");
    check(dataset == base.dataset, "dataset", dataset.to_string(), "only `cifar10` can be read");
    let sizes = config.sizes();
    check(
        sizes == base.sizes(),
        "widths",
        format!("{sizes:?}"),
        "only the published ones are known",
    );
    let stage = config.stage;
    check(stage == base.stage, "stage", stage.name().to_owned(), "only `binary` can be trained");
    let init = config.init;
    check(init == base.init, "init", format!("{init:?}"), "only the published one is known");
    for (name, path) in [("init_from", &config.init_from), ("teacher", &config.teacher)] {
        check(path.is_none(), name, format!("{path:?}"), "it cannot be used yet");
    }
    check(config.keep == base.keep, "keep", config.keep.to_string(), "only one can be kept");
    let limit = config.corrupt_limit;
    check(limit.is_none(), "corrupt_limit", format!("{limit:?}"), "nothing unreadable is skipped");
    let augment = config.augmentation();
    let known = !config.augment || augment == base.augmentation();
    check(known, "crop", format!("{augment:?}"), "only all of the published changes or none");
    if problems.is_empty() { Ok(()) } else { Err(Error::Config { problems }) }
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

/// A run between two epochs.
struct Run<'a> {
    config: &'a TrainConfig,
    net: ResNet20,
    optimizer: Optimizer,
    sad: Vec<SadState>,
    epoch: usize,
    records: Vec<EpochRecord>,
}

/// Loss and hits of some images.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    loss: f64,
    correct: usize,
    images: usize,
}

impl<'a> Run<'a> {
    fn open(config: &'a TrainConfig) -> Result<Self, Error> {
        let net = ResNet20::new(config.method, &mut stream(config.seed, 0));
        let layers = net.binary_layers();
        let state = |sad: Sad| -> Vec<SadState> {
            let each = layers.iter().map(|&(i, fan_in)| (&net.params.list[i].values, fan_in));
            each.map(|(w, fan_in)| sad.state(w, config.binary_layer(fan_in))).collect()
        };
        let sad = config.sad.map_or(Vec::new(), state);
        let parameters = config.arch.graph().parameters(config.method);
        let decay = |name: &str| {
            let parameter = parameters.iter().find(|p| p.key == name);
            let parameter = parameter.expect("bug: the graph has the network's parameters");
            let decays = config.decay_groups.decays(parameter.role, &parameter.shape);
            if decays { config.weight_decay } else { 0.0 }
        };
        let decays = net.params.list.iter().map(|a| decay(&a.name)).collect();
        let optimizer = Optimizer::new(config.optimizer, decays, &net.params);
        let mut run = Self { config, net, optimizer, sad, epoch: 0, records: Vec::new() };
        let state = config.out.join(STATE);
        let wrong = |reason: &str| Error::Run { path: config.out.clone(), reason: reason.into() };
        if config.resume {
            if !state.exists() {
                return Err(wrong("there is no `state.safetensors` to resume from"));
            }
            run.restore()?;
        } else {
            if state.exists() {
                return Err(wrong("it already holds a run; resume it or choose another folder"));
            }
            std::fs::create_dir_all(&config.out)
                .map_err(|source| Error::Io { path: config.out.clone(), source })?;
            let text = serde_json::to_string_pretty(&config.resolved());
            let text = text.expect("bug: settings are plain data") + "\n";
            write_atomically(&config.out.join(CONFIG), text.as_bytes())?;
        }
        Ok(run)
    }

    fn epoch(
        &mut self,
        train_set: &Cifar10,
        test_set: &Cifar10,
        report: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Error> {
        let config = self.config;
        let start = Instant::now();
        let signs = self.signs();
        let lr = config.lr_schedule().at(self.epoch);
        let mode = ForwardMode {
            parts: config.parts(self.epoch),
            grid: config.on_grid(self.epoch).then(|| config.grid.clone()),
            norm: config.resolved_norm().pixels(),
        };
        let images = config.train_images.unwrap_or(train_set.len()).min(train_set.len());
        let data =
            Epoch::new(train_set, images, config.batch, config.augment, config.seed, self.epoch);
        let batches = data.batches();
        let mut total = Tally::default();
        for (i, batch) in data.enumerate() {
            let tally = self.step(batch, &mode, lr);
            if !tally.loss.is_finite() {
                let (epoch, loss) = (self.epoch, tally.loss);
                return Err(Error::Diverged { epoch, batch: i, loss });
            }
            total.loss += tally.loss * tally.images as f64;
            total.correct += tally.correct;
            total.images += tally.images;
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
        let trained = start.elapsed().as_secs_f64();
        let integers =
            IntegerNetwork::new(&self.net, config.resolved_norm().pixels(), &config.grid);
        let tested = integers.evaluate(test_set, config.test_images.unwrap_or(usize::MAX));
        let record = EpochRecord {
            epoch: self.epoch,
            lr,
            tau: config.tau_at(self.epoch),
            train_loss: total.loss / total.images as f64,
            train_accuracy: total.correct as f64 / total.images as f64,
            test_accuracy: tested.accuracy(),
            flip_rate: flip_rate(&signs, &self.signs()),
            seconds: start.elapsed().as_secs_f64(),
            images_per_second: total.images as f64 / trained,
        };
        self.epoch += 1;
        let best = self.records.iter().all(|r| r.test_accuracy < record.test_accuracy);
        self.records.push(record.clone());
        self.save(best)?;
        report(Progress::Epoch(record));
        Ok(())
    }

    /// One optimization step: forward, backward, AGS, SAD, weight decay and momentum.
    fn step(&mut self, batch: Batch, mode: &ForwardMode, lr: f64) -> Tally {
        let Batch { pixels, labels } = batch;
        let forward = self.net.forward(Arc::new(pixels), mode);
        let loss =
            cross_entropy(forward.logits.clone(), &wide(&labels), self.config.label_smoothing);
        let mut gradients = loss.backward();
        let loss = f64::from(host_values(loss)[0]);
        let tally = Tally {
            loss,
            correct: hits(&host_values(forward.logits), &labels),
            images: labels.len(),
        };
        if !loss.is_finite() {
            return tally;
        }
        let mut grads: Vec<Vec<f32>> = forward
            .tensors
            .iter()
            .map(|t| {
                let grad = t.grad_remove(&mut gradients);
                host_values(grad.expect("bug: every parameter takes part in the loss"))
            })
            .collect();
        let hooks = self.config.hooks();
        for (layer, (i, fan_in)) in self.net.binary_layers().into_iter().enumerate() {
            let weights = &self.net.params.list[i].values;
            let binary = self.config.binary_layer(fan_in);
            hooks.apply(weights, &mut grads[i], binary, self.sad.get_mut(layer));
        }
        self.optimizer.step(&mut self.net.params, &grads, lr);
        self.net.update_running(&forward.stats);
        tally
    }

    /// The effective signs of all binary weights.
    fn signs(&self) -> Vec<bool> {
        let centering = self.config.method.centering();
        let layers = self.net.binary_layers();
        let bits = layers
            .iter()
            .map(|&(i, fan_in)| binary_weights(&self.net.params.list[i].values, fan_in, centering));
        bits.flatten().collect()
    }

    /// Writes the state, then the checkpoints, then the metrics.
    fn save(&self, best: bool) -> Result<(), Error> {
        let out = &self.config.out;
        let mut state = self.checkpoint();
        let named = |prefix: &str, arrays: &Arrays| {
            arrays
                .list
                .iter()
                .map(|a| (format!("{prefix}{}", a.name), a.clone()))
                .collect::<Vec<_>>()
        };
        let optimizer: Vec<_> = self.optimizer.state();
        let optimizer = optimizer.into_iter().flat_map(|(prefix, arrays)| named(prefix, arrays));
        let (flips, previous) = self.sad_arrays();
        let sad = [named("sad.flips.", &flips), named("sad.previous.", &previous)].concat();
        for (name, array) in optimizer.chain(sad) {
            state.arrays.push(name, &array.shape, array.values);
        }
        state.metadata.insert("config".into(), json(self.config));
        state.metadata.insert("records".into(), json(&self.records));
        state.save(&out.join(STATE))?;
        self.checkpoint().save(&out.join(CHECKPOINT))?;
        if best {
            self.checkpoint().save(&out.join(BEST))?;
        }
        let lines: String = self.records.iter().map(|r| json(r) + "\n").collect();
        write_atomically(&out.join(METRICS), lines.as_bytes())
    }

    fn checkpoint(&self) -> Checkpoint {
        let config = self.config;
        Checkpoint::of(&self.net, config.resolved_norm(), &config.grid, self.epoch, config.seed)
    }

    /// SAD's state as arrays with the names of the weights.
    fn sad_arrays(&self) -> (Arrays, Arrays) {
        let (mut flips, mut previous) = (Arrays::default(), Arrays::default());
        for (state, (i, _)) in self.sad.iter().zip(self.net.binary_layers()) {
            let weight = &self.net.params.list[i];
            flips.push(&weight.name, &weight.shape, state.flips.clone());
            previous.push(&weight.name, &weight.shape, state.previous.clone());
        }
        (flips, previous)
    }

    /// Reads the state of a run with the same settings.
    fn restore(&mut self) -> Result<(), Error> {
        let path = self.config.out.join(STATE);
        let state = Checkpoint::load(&path)?;
        let wrong = |reason: String| Error::Checkpoint { path: path.clone(), reason };
        let parse = |e: serde_json::Error| wrong(e.to_string());
        let config: TrainConfig =
            serde_json::from_str(state.text("config", &path)?).map_err(parse)?;
        if !self.config.same_run(&config) {
            return Err(wrong("it is of a run with other settings (see `config.json`)".into()));
        }
        checkpoint::describe(&state, &path)?;
        self.records = serde_json::from_str(state.text("records", &path)?).map_err(parse)?;
        self.epoch = self.records.len();
        fill(&mut self.net.params, &state, "", &path)?;
        fill(&mut self.net.buffers, &state, "", &path)?;
        for (prefix, arrays) in self.optimizer.state_mut() {
            fill(arrays, &state, prefix, &path)?;
        }
        let (mut flips, mut previous) = self.sad_arrays();
        fill(&mut flips, &state, "sad.flips.", &path)?;
        fill(&mut previous, &state, "sad.previous.", &path)?;
        for ((state, flips), previous) in self.sad.iter_mut().zip(flips.list).zip(previous.list) {
            *state = SadState { flips: flips.values, previous: previous.values };
        }
        Ok(())
    }
}

/// Labels as the loss takes them.
fn wide(labels: &[u8]) -> Vec<u32> {
    labels.iter().map(|&l| u32::from(l)).collect()
}

/// Plain data as one line of JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("bug: plain data serialises")
}

/// Number of rows of logits whose largest value is at the label.
fn hits(logits: &[f32], labels: &[u8]) -> usize {
    let classes = logits.len() / labels.len();
    logits
        .chunks_exact(classes)
        .zip(labels)
        .filter(|(row, label)| {
            let first_largest = (0..classes).rev().max_by(|&a, &b| row[a].total_cmp(&row[b]));
            first_largest == Some(usize::from(**label))
        })
        .count()
}

fn flip_rate(before: &[bool], after: &[bool]) -> f64 {
    let flips = before.iter().zip(after).filter(|(a, b)| a != b).count();
    flips as f64 / before.len() as f64
}

#[cfg(test)]
mod tests;
