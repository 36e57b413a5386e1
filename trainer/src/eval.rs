//! Evaluation of a trained network: on the deployed grid, exactly, and in real arithmetic.
//!
//! * `layers`: one step for each layer of the graph, over groups of 16 images;
//! * `classifier`: from the last map to logits.
//!
//! On the grid, parameters become integers by [`heartbit_ir::grid`], and the integers then flow
//! through `f32` and `f64` arithmetic that is exact for them.
//! This shares no code with the interpreter of `heartbit_ir`, so that the two check each other:
//! they must give the same integer logits for every image (`tests/interpreter.rs`).
//! In real arithmetic the same steps take the real parameters; that is the float network, whose
//! accuracy is reported beside the deployed one's and never instead of it.

mod classifier;
mod layers;

use std::path::Path;
use std::sync::Arc;

use heartbit_dataset::{Dataset, Loader, LoaderConfig};
use heartbit_ir::grid::{Grid, PixelStatistics};
use heartbit_model::Checkpoint;
use rayon::prelude::*;

use crate::Error;
use crate::eval::classifier::Classifier;
use crate::eval::layers::Step;
use crate::lanes::{LANES, groups_of};
use crate::model::network::Network;

/// Images that are read and evaluated together.
const BATCH: usize = 256;

/// In which arithmetic a network is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision<'a> {
    /// The integers of the deployed network.
    Grid(&'a Grid),
    /// Real numbers.
    Float,
}

/// Results of an evaluation, one for each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Logits of each class, in units of `logit_scale`; on the grid they are the integers that the
    /// deployed network gives.
    pub logits: Vec<Vec<f64>>,
    /// Float value of a logit of 1.
    pub logit_scale: f64,
    /// Labels.
    pub labels: Vec<u32>,
}

impl Evaluation {
    /// The smallest class with the largest logit of each image.
    pub fn predictions(&self) -> Vec<u32> {
        self.logits.iter().map(|l| first_largest(l)).collect()
    }

    /// Number of images whose prediction is the label.
    pub fn correct(&self) -> usize {
        self.predictions().iter().zip(&self.labels).filter(|(p, l)| p == l).count()
    }

    /// Share of correct predictions.
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.logits.len() as f64
    }

    /// Share of images whose predictions agree.
    pub fn agreement(&self, other: &Self) -> f64 {
        let (a, b) = (self.predictions(), other.predictions());
        a.iter().zip(&b).filter(|(a, b)| a == b).count() as f64 / a.len() as f64
    }

    /// The logits of a grid evaluation as integers.
    ///
    /// # Panics
    /// If they are not integers of 32 bits, as in a float evaluation: a bug of the caller.
    pub fn int_logits(&self) -> Vec<Vec<i32>> {
        let integer = |&l: &f64| {
            let i = l as i32;
            assert!(f64::from(i).to_bits() == (l + 0.0).to_bits(), "bug: {l} is not a logit");
            i
        };
        self.logits.iter().map(|l| l.iter().map(integer).collect()).collect()
    }
}

/// Evaluates a checkpoint on the first images of a data set; `tested` gets the number of those that
/// are done, time after time.
///
/// # Errors
/// [`Error::Dataset`] for an image that cannot be read.
pub fn evaluate(
    checkpoint: &Checkpoint,
    dataset: &Arc<Dataset>,
    images: Option<usize>,
    float: bool,
    tested: impl FnMut(usize),
) -> Result<Evaluation, Error> {
    let net = Network::from_checkpoint(checkpoint);
    let precision = if float { Precision::Float } else { Precision::Grid(&checkpoint.grid) };
    Evaluator::new(&net, &checkpoint.norm.pixels(), precision).evaluate(dataset, images, tested)
}

/// Reads a checkpoint file.
///
/// # Errors
/// [`Error::Io`] or [`Error::Checkpoint`].
pub fn read_checkpoint(path: &Path) -> Result<Checkpoint, Error> {
    let bytes =
        std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    Checkpoint::from_bytes(&bytes).map_err(|e| Error::unusable(path, e.to_string()))
}

/// A network, ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Evaluator {
    steps: Vec<Step>,
    classifier: Classifier,
    image_bytes: usize,
}

impl Evaluator {
    /// Prepares a network.
    pub fn new(net: &Network, pixels: &PixelStatistics, precision: Precision<'_>) -> Self {
        let side = net.graph.sizes.image_side;
        Self {
            steps: layers::steps(net, pixels, precision),
            classifier: Classifier::new(net, precision),
            image_bytes: 3 * side * side,
        }
    }

    /// Evaluates the first images of a set; `tested` gets the number of those that are done.
    ///
    /// # Errors
    /// [`Error::Dataset`] for an image that cannot be read.
    pub fn evaluate(
        &self,
        dataset: &Arc<Dataset>,
        images: Option<usize>,
        mut tested: impl FnMut(usize),
    ) -> Result<Evaluation, Error> {
        let config = LoaderConfig { images, workers: 1, ..LoaderConfig::evaluation(BATCH) };
        let (mut logits, mut labels) = (Vec::new(), Vec::new());
        for batch in Loader::epoch(dataset, config) {
            let batch = batch?;
            logits.extend(self.logits(&batch.pixels));
            labels.extend(batch.labels);
            tested(labels.len());
        }
        Ok(Evaluation { logits, logit_scale: self.classifier.logit_scale(), labels })
    }

    /// The logits of images, whose bytes are in planes, one after the other.
    pub fn logits(&self, pixels: &[u8]) -> Vec<Vec<f64>> {
        let images = pixels.len() / self.image_bytes;
        let groups = (0..groups_of(images)).into_par_iter();
        let of_group = |g: usize| {
            let first = g * LANES;
            let last = images.min(first + LANES);
            let pixels = &pixels[first * self.image_bytes..last * self.image_bytes];
            let map = layers::run(&self.steps, pixels);
            self.classifier.logits(&map).into_iter().take(last - first)
        };
        groups.flat_map_iter(of_group).collect()
    }

    /// Float value of a logit of 1.
    pub fn logit_scale(&self) -> f64 {
        self.classifier.logit_scale()
    }
}

/// The smallest index of the largest value.
fn first_largest(logits: &[f64]) -> u32 {
    let best = (0..logits.len()).rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
    best.unwrap_or(0) as u32
}

#[cfg(test)]
mod tests {
    use super::first_largest;

    #[test]
    fn prediction_is_the_smallest_index_with_the_largest_logit() {
        assert_eq!(first_largest(&[0.0, 5.0, 5.0, 1.0, 5.0]), 1);
        assert_eq!(first_largest(&[0.0; 10]), 0);
    }
}
