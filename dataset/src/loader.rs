//! Batches of an epoch, made ahead by worker threads.
//!
//! An epoch is cut into batches and these into pieces of at most a few megabytes. Worker `k` of `n`
//! makes the pieces `k`, `k + n`, … and hands them over in a short queue of its own, so that the
//! order needs no lock and memory is bounded; [`Epoch`] takes them in turn.
//!
//! Whatever decides a result is done in that one order: which image replaces an unreadable one
//! (`worker`), how many there are, when there are too many ([`Epoch`]).

mod corrupt;
mod worker;

use crate::augment::Augment;
use crate::{Dataset, DatasetKind, Error};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use worker::{Job, Piece};

pub(crate) use corrupt::Unreadable;
pub use corrupt::{CorruptImage, CorruptReport, default_corrupt_limit};
pub(crate) use worker::Images;

/// Pixel bytes of a piece, about.
const PIECE_BYTES: usize = 4 << 20;
/// Pieces that a worker may be ahead.
const QUEUE: usize = 4;

/// In which order an epoch visits the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Shuffled by seed and epoch.
    Shuffled,
    /// As in the data set.
    Sequential,
}

/// What an epoch is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct LoaderConfig {
    /// Images of a batch; the last one may be smaller.
    pub batch: usize,
    /// The order of images.
    pub order: Order,
    /// Random changes of each image.
    pub augment: Augment,
    /// Seed of order and changes.
    pub seed: u64,
    /// Number of the epoch.
    pub epoch: usize,
    /// Takes the first images of the set only.
    pub images: Option<usize>,
    /// Threads that make batches; 0 takes one for each processor. Results do not depend on it.
    pub workers: usize,
    /// Most images that may be unreadable; `None` takes [`default_corrupt_limit`].
    pub corrupt_limit: Option<usize>,
}

impl LoaderConfig {
    /// Shuffled batches with the published augmentation of a data set.
    pub fn training(kind: DatasetKind, batch: usize, seed: u64, epoch: usize) -> Self {
        Self {
            batch,
            order: Order::Shuffled,
            augment: Augment::published(kind),
            seed,
            epoch,
            images: None,
            workers: 0,
            corrupt_limit: None,
        }
    }

    /// Every image once, as it is, in order; an unreadable one is fatal, because to replace it
    /// would count another image twice.
    pub fn evaluation(batch: usize) -> Self {
        Self {
            batch,
            order: Order::Sequential,
            augment: Augment::NONE,
            seed: 0,
            epoch: 0,
            images: None,
            workers: 0,
            corrupt_limit: Some(0),
        }
    }
}

/// Images and labels of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Bytes in planes: image, channel, row, column.
    pub pixels: Vec<u8>,
    /// One label an image.
    pub labels: Vec<u32>,
}

/// Makes epochs.
#[derive(Debug)]
pub struct Loader;

impl Loader {
    /// Starts the workers of one epoch.
    ///
    /// A configuration that makes no sense, such as an empty batch, is the first item's error.
    #[expect(clippy::needless_pass_by_value, reason = "made for the call")]
    pub fn epoch(dataset: &Arc<Dataset>, config: LoaderConfig) -> Epoch {
        start(Arc::clone(dataset), &config)
    }
}

/// One epoch's batches, in order.
///
/// Iteration ends after the first error. Dropping it early stops and joins the workers.
///
/// # Panics
/// `next` panics with a worker's panic, which is a bug.
#[derive(Debug)]
pub struct Epoch {
    workers: Vec<Worker>,
    stop: Arc<AtomicBool>,
    /// Images in the epoch, and of them in delivered batches.
    images: usize,
    done: usize,
    batch: usize,
    image_bytes: usize,
    next_worker: usize,
    limit: usize,
    corrupt: CorruptReport,
    failed: Option<Error>,
}

#[derive(Debug)]
struct Worker {
    pieces: Receiver<Piece>,
    thread: JoinHandle<()>,
}

/// Starts an epoch over any source of images.
fn start<S: Images>(source: Arc<S>, config: &LoaderConfig) -> Epoch {
    let images = config.images.unwrap_or(usize::MAX).min(source.len());
    let limit = config.corrupt_limit.unwrap_or_else(|| default_corrupt_limit(images));
    let mut epoch = Epoch {
        workers: Vec::new(),
        stop: Arc::default(),
        images,
        done: 0,
        batch: config.batch,
        image_bytes: source.image_bytes(),
        next_worker: 0,
        // One image at least must be left to stand in for the others.
        limit: limit.min(images.saturating_sub(1)),
        corrupt: CorruptReport::default(),
        failed: None,
    };
    let valid = if config.batch == 0 { Err(Error::EmptyBatch) } else { config.augment.validate() };
    if let Err(error) = valid {
        epoch.failed = Some(error);
        return epoch;
    }
    let ranges = pieces(images, config.batch, (PIECE_BYTES / epoch.image_bytes).max(1));
    let threads = match config.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let threads = threads.min(ranges.len());
    let job = Arc::new(Job {
        source,
        order: order(config, images),
        ranges,
        augment: config.augment,
        seed: config.seed,
        epoch: config.epoch,
        limit: epoch.limit,
        stop: Arc::clone(&epoch.stop),
    });
    for k in 0..threads {
        let (sender, pieces) = sync_channel(QUEUE);
        let job = Arc::clone(&job);
        let name = format!("loader-{k}");
        match thread::Builder::new().name(name).spawn(move || job.run(k, threads, &sender)) {
            Ok(thread) => epoch.workers.push(Worker { pieces, thread }),
            Err(error) => {
                epoch.failed = Some(Error::Thread(error));
                break;
            }
        }
    }
    epoch
}

/// Cuts an epoch into batches and each batch into pieces.
fn pieces(images: usize, batch: usize, piece: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < images {
        let end_of_batch = (start / batch * batch).saturating_add(batch);
        let end = start.saturating_add(piece).min(end_of_batch).min(images);
        ranges.push(start..end);
        start = end;
    }
    ranges
}

/// Returns which image is at each place of the epoch.
fn order(config: &LoaderConfig, images: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..images).collect();
    if config.order == Order::Shuffled {
        order.shuffle(&mut generator(config.seed, config.epoch, Purpose::Order));
    }
    order
}

/// What random numbers are for.
#[derive(Clone, Copy)]
enum Purpose {
    /// The order of an epoch.
    Order,
    /// The changes of the image with this index.
    Image(usize),
}

/// The generator of one purpose: the four numbers are its key, so none shares numbers with another.
fn generator(seed: u64, epoch: usize, purpose: Purpose) -> ChaCha8Rng {
    let (tag, index) = match purpose {
        Purpose::Order => (0, 0),
        Purpose::Image(index) => (1, index as u64),
    };
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, epoch as u64, tag, index]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

impl Epoch {
    /// Returns the number of batches of the whole epoch.
    pub fn batches(&self) -> usize {
        if self.batch == 0 { 0 } else { self.images.div_ceil(self.batch) }
    }

    /// Returns the number of images of the whole epoch.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Returns the images that could not be read so far, complete when the epoch is.
    pub fn corrupt(&self) -> &CorruptReport {
        &self.corrupt
    }

    fn next_batch(&mut self) -> Result<Batch, Error> {
        let end = self.images.min(self.done.saturating_add(self.batch));
        let mut batch = Batch::default();
        let wanted = end - self.done;
        while batch.labels.len() < wanted {
            let piece = self.receive();
            self.corrupt.add(piece.corrupt);
            if self.corrupt.len() > self.limit || piece.gave_up {
                return Err(self.corrupt.error(self.images, self.limit));
            }
            if batch.labels.is_empty() {
                batch.pixels = piece.pixels;
                batch.pixels.reserve_exact((wanted - piece.labels.len()) * self.image_bytes);
                batch.labels = piece.labels;
            } else {
                batch.pixels.extend_from_slice(&piece.pixels);
                batch.labels.extend_from_slice(&piece.labels);
            }
        }
        self.done = end;
        Ok(batch)
    }

    /// Returns the next piece, or goes on with the panic of the worker that should have made it.
    fn receive(&mut self) -> Piece {
        if let Ok(piece) = self.workers[self.next_worker].pieces.recv() {
            self.next_worker = (self.next_worker + 1) % self.workers.len();
            return piece;
        }
        let worker = self.workers.swap_remove(self.next_worker);
        match worker.thread.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => panic!("bug: a loader thread ended before its last piece"),
        }
    }

    /// Ends the epoch: stops the workers and waits for them.
    fn finish(&mut self) {
        self.done = self.images;
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            // A worker that waits for room in its queue wakes up when the queue is gone.
            drop(worker.pieces);
            // Its panic was printed, and the batches it would have made are not wanted.
            drop(worker.thread.join());
        }
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.finish();
            return Some(Err(error));
        }
        if self.done == self.images {
            return None;
        }
        let batch = self.next_batch();
        if batch.is_err() {
            self.finish();
        }
        Some(batch)
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests;
