//! The loss on a slice through the space of weights, along filter-normalised random directions.
//!
//! The method is that of Li et al., "Visualizing the Loss Landscape of Neural Nets" (2018). From a
//! Gaussian array `g` of the weights' shape, each filter `f` of a direction is
//!
//! ```text
//! d[f] = g[f] · |w[f]| / |g[f]|
//! ```
//!
//! so that a step of 1 moves every filter by its own norm, whatever the scale of its layer. The
//! slice is `L(a, b) = mean cross entropy of the network with the weights w + a·d1 + b·d2`.
//!
//! * Moved are the latent weights of all convolutions and the weights of the classifier, where a
//!   filter is a row. A binary layer then takes the signs of the moved latent weights, and a scale
//!   that is a statistic of the weights follows them.
//! * Not moved are normalisations, learned alphas, slopes and biases. Running statistics stay
//!   those of the checkpoint: they are not estimated again for the moved weights.
//!
//! Not here: how the slice is drawn, which is `heartbit_plot`'s.

use std::sync::Arc;

use heartbit_dataset::{Dataset, Loader, LoaderConfig};
use heartbit_model::Checkpoint;
use heartbit_model::graph::Role;
use rand::Rng;
use serde::Serialize;

use crate::Error;
use crate::error::Problem;
use crate::eval::{Evaluation, Evaluator, Precision};
use crate::init::normal;
use crate::model::network::Network;
use crate::params::Arrays;
use crate::rng::stream;

/// Largest radius; at 1000 norms nothing of the trained weights is left.
const MAX_RADIUS: f64 = 1000.0;
/// Most points along a direction: what `heartbit_plot` reads.
const MAX_STEPS: usize = 511;
/// Images that are read together.
const BATCH: usize = 256;

/// What slice is measured, and on which images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LandscapeConfig {
    /// Reach of the slice from the checkpoint in each direction, in norms of the filters.
    pub radius: f64,
    /// Points along each direction: odd, so that the checkpoint is one of them.
    pub steps: usize,
    /// The first so many images of the set; all of them are held in memory.
    pub images: usize,
    /// Seed of both directions.
    pub seed: u64,
    /// Real arithmetic in place of the deployed grid.
    pub float: bool,
}

impl Default for LandscapeConfig {
    fn default() -> Self {
        Self { radius: 1.0, steps: 21, images: 500, seed: 1, float: false }
    }
}

/// A slice of the loss: the contents of `landscape.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Landscape {
    /// Version of the format: 1.
    pub schema: u32,
    /// Reach of the slice, in norms of the filters.
    pub radius: f64,
    /// Positions along the first direction, rising.
    pub alpha: Vec<f64>,
    /// Positions along the second direction, rising.
    pub beta: Vec<f64>,
    /// Mean cross entropy at `[beta][alpha]`; `None` where it is not finite.
    pub loss: Vec<Vec<Option<f64>>>,
    /// The row at `beta = 0`.
    pub loss_1d: Vec<Option<f64>>,
    /// Images that the loss is a mean over.
    pub images: usize,
    /// Seed of both directions.
    pub seed: u64,
    /// Whether the arithmetic was real, not that of the deployed grid.
    pub float: bool,
}

/// Measures the loss around a checkpoint.
///
/// `report` is called after each point with the points done and all points. The same arguments
/// give the same numbers, whatever the number of threads.
///
/// # Errors
/// [`Error::Config`] for settings that make no sense and for images that are not the network's,
/// [`Error::Dataset`] for an image that cannot be read.
pub fn landscape(
    checkpoint: &Checkpoint,
    dataset: &Arc<Dataset>,
    config: LandscapeConfig,
    report: &mut dyn FnMut(usize, usize),
) -> Result<Landscape, Error> {
    check(checkpoint, dataset, config)?;
    let LandscapeConfig { radius, steps, images, seed, float } = config;
    let net = Network::from_checkpoint(checkpoint);
    let first = direction(&net, &mut stream(seed, 2));
    let second = direction(&net, &mut stream(seed, 3));
    let precision = if float { Precision::Float } else { Precision::Grid(&checkpoint.grid) };
    let (pixels, labels) = read(dataset, images)?;
    let positions = positions(radius, steps);
    let mut done = 0;
    let mut loss_at = |a: f64, b: f64| {
        let moved = moved(&net, [(a, &first), (b, &second)]);
        let evaluator = Evaluator::new(&moved, &checkpoint.norm.pixels(), precision);
        let (logits, logit_scale) = (evaluator.logits(&pixels), evaluator.logit_scale());
        let loss = mean_loss(&Evaluation { logits, logit_scale, labels: labels.clone() });
        done += 1;
        report(done, steps * steps);
        loss.is_finite().then_some(loss)
    };
    let mut row = |&b: &f64| positions.iter().map(|&a| loss_at(a, b)).collect();
    let loss: Vec<Vec<Option<f64>>> = positions.iter().map(&mut row).collect();
    let loss_1d = loss[steps / 2].clone();
    let (alpha, beta) = (positions.clone(), positions);
    Ok(Landscape { schema: 1, radius, alpha, beta, loss, loss_1d, images, seed, float })
}

/// Draws a direction: zeros for what is not moved, and for each filter of the network's weights a
/// Gaussian vector of the filter's norm.
pub fn direction(net: &Network, rng: &mut impl Rng) -> Arrays {
    let mut direction = net.params.zeros_like();
    for ((array, spec), weights) in direction.list.iter_mut().zip(&net.specs).zip(&net.params.list)
    {
        if !is_moved(spec.role) {
            continue;
        }
        let fan_in = spec.shape[1..].iter().product();
        let filters = array.values.chunks_exact_mut(fan_in);
        for (filter, weights) in filters.zip(weights.values.chunks_exact(fan_in)) {
            let gaussian: Vec<f64> = (0..fan_in).map(|_| normal(rng)).collect();
            let scale = norm(weights.iter().map(|&w| w.into())) / norm(gaussian.iter().copied());
            filter.iter_mut().zip(gaussian).for_each(|(d, g)| *d = (g * scale) as f32);
        }
    }
    direction
}

/// Returns the mean over the images of `-log softmax(logits · logit_scale)[label]`.
///
/// It is at least 0, and not a number where a logit is none.
pub fn mean_loss(evaluation: &Evaluation) -> f64 {
    let Evaluation { logits, logit_scale, labels } = evaluation;
    let each = logits.iter().zip(labels).map(|(logits, &label)| {
        // Relative to the largest, so that nothing overflows.
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let below = |logit: f64| (logit - largest) * logit_scale;
        let total: f64 = logits.iter().map(|&logit| below(logit).exp()).sum();
        total.ln() - below(logits[label as usize])
    });
    each.sum::<f64>() / labels.len() as f64
}

fn is_moved(role: Role) -> bool {
    matches!(
        role,
        Role::BinaryWeight | Role::StemWeight | Role::RealWeight | Role::ClassifierWeight
    )
}

/// Euclidean norm.
fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// The network with `w + a·d1 + b·d2` in place of each weight that is moved.
fn moved(net: &Network, steps: [(f64, &Arrays); 2]) -> Network {
    let mut moved = net.clone();
    let [(a, first), (b, second)] = steps;
    let arrays = moved.params.list.iter_mut().zip(&first.list).zip(&second.list);
    for (((array, d1), d2), spec) in arrays.zip(&net.specs) {
        if is_moved(spec.role) {
            let directions = d1.values.iter().zip(&d2.values);
            for (w, (&d1, &d2)) in array.values.iter_mut().zip(directions) {
                *w = (f64::from(*w) + a * f64::from(d1) + b * f64::from(d2)) as f32;
            }
        }
    }
    moved
}

/// Positions from `-radius` to `radius`, with an exact 0 in the middle.
fn positions(radius: f64, steps: usize) -> Vec<f64> {
    let half = (steps / 2) as f64;
    (0..steps).map(|i| radius * ((i as f64 - half) / half)).collect()
}

/// The first images, one after the other, and their labels.
fn read(dataset: &Arc<Dataset>, images: usize) -> Result<(Vec<u8>, Vec<u32>), Error> {
    let config = LoaderConfig { images: Some(images), ..LoaderConfig::evaluation(BATCH) };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for batch in Loader::epoch(dataset, config) {
        let batch = batch?;
        pixels.extend(batch.pixels);
        labels.extend(batch.labels);
    }
    Ok((pixels, labels))
}

/// Names every setting that makes no sense.
fn check(checkpoint: &Checkpoint, dataset: &Dataset, config: LandscapeConfig) -> Result<(), Error> {
    let LandscapeConfig { radius, steps, images, .. } = config;
    let mut problems = Vec::new();
    let mut need = |right: bool, name: &str, value: String, rule: String| {
        if !right {
            problems.push(Problem::new(name, value, rule));
        }
    };
    let rule = format!("must be above 0 and at most {MAX_RADIUS}");
    need(radius > 0.0 && radius <= MAX_RADIUS, "radius", radius.to_string(), rule);
    let rule = format!("must be odd and 3 to {MAX_STEPS}");
    let right = steps % 2 == 1 && (3..=MAX_STEPS).contains(&steps);
    need(right, "steps", steps.to_string(), rule);
    let rule = format!("must be 1 to the {} of the set", dataset.len());
    need((1..=dataset.len()).contains(&images), "images", images.to_string(), rule);
    let (side, shape) = (checkpoint.sizes.image_side, dataset.image_shape());
    let rule = format!("the network takes images of {:?}", [3, side, side]);
    need(shape == [3, side, side], "dataset", format!("one of {shape:?}"), rule);
    let (classes, has) = (checkpoint.sizes.classes, dataset.classes() as usize);
    let rule = format!("the network has {classes}");
    need(classes == has, "dataset", format!("one of {has} classes"), rule);
    if problems.is_empty() { Ok(()) } else { Err(Error::Config { problems }) }
}

#[cfg(test)]
mod tests;
