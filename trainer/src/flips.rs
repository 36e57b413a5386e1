//! Which binary weights flip their signs: the statistics of OvSW's figures.
//!
//! The signs are the effective ones, that is the bits of the deployed network; they are compared
//! after every optimizer step, 64 at a time.

use heartbit_ir::grid::binary_weights;
use serde::{Deserialize, Serialize};

use crate::optim::BinaryLayer;
use crate::params::Arrays;

/// Bits of a word.
const BITS: usize = 64;
/// Bits of a word that one `f32` of a file holds exactly.
const CHUNK_BITS: usize = 16;
/// Numbers of a file for one word.
const CHUNKS: usize = BITS / CHUNK_BITS;

/// Signs of the weights of one layer over a run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LayerFlips {
    layer: BinaryLayer,
    weights: usize,
    /// Signs at the start of the epoch.
    start: Vec<u64>,
    /// Signs after the last step.
    last: Vec<u64>,
    /// Weights whose sign has differed after any step of the run.
    flipped: Vec<u64>,
}

/// Flips of one layer in an epoch and in the run so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerFlipRates {
    /// Share of weights whose sign differs from that at the start of the epoch.
    pub epoch: f64,
    /// Share of weights whose sign never differed between consecutive steps of the run.
    ///
    /// That is less than the share of signs that are what they were at first: a weight that flips
    /// twice is back, but it has flipped.
    pub never: f64,
}

/// Flips of all binary layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlipTracker {
    layers: Vec<LayerFlips>,
}

/// Signs, 64 a word, the first in the lowest bit; the last word is filled with zeros.
fn pack(weights: &[f32], layer: BinaryLayer) -> Vec<u64> {
    let signs = binary_weights(weights, layer.fan_in, layer.centering);
    let word = |signs: &[bool]| signs.iter().rev().fold(0, |word, &s| (word << 1) | u64::from(s));
    signs.chunks(BITS).map(word).collect()
}

/// The bits that a number of a file stands for; it has been checked.
#[expect(clippy::cast_sign_loss, reason = "an integer of 16 bits")]
fn bits(v: f32) -> u64 {
    u64::from(v as u16)
}

fn ones(words: impl Iterator<Item = u64>) -> usize {
    words.map(|w| w.count_ones() as usize).sum()
}

impl LayerFlips {
    fn new(weights: &[f32], layer: BinaryLayer) -> Self {
        let signs = pack(weights, layer);
        let flipped = vec![0; signs.len()];
        Self { layer, weights: weights.len(), start: signs.clone(), last: signs, flipped }
    }

    fn rates(&self) -> LayerFlipRates {
        let share = |count: usize| count as f64 / self.weights as f64;
        let moved = self.start.iter().zip(&self.last).map(|(a, b)| a ^ b);
        LayerFlipRates {
            epoch: share(ones(moved)),
            never: share(self.weights - ones(self.flipped.iter().copied())),
        }
    }
}

impl FlipTracker {
    /// Starts with the weights of a network that has not been trained yet.
    pub fn new<'a>(layers: impl IntoIterator<Item = (&'a [f32], BinaryLayer)>) -> Self {
        Self { layers: layers.into_iter().map(|(w, l)| LayerFlips::new(w, l)).collect() }
    }

    /// Begins an epoch: rates count from the signs of now.
    pub fn start_epoch(&mut self) {
        for layer in &mut self.layers {
            layer.start.clone_from(&layer.last);
        }
    }

    /// Notes the weights after an optimizer step, layer by layer in the order of
    /// [`new`](Self::new).
    ///
    /// # Panics
    /// If there are other layers than at the start: a bug.
    pub fn step<'a>(&mut self, layers: impl IntoIterator<Item = &'a [f32]>) {
        let mut given = layers.into_iter();
        for layer in &mut self.layers {
            let weights = given.next().expect("bug: as many layers as at the start");
            assert_eq!(weights.len(), layer.weights, "bug: the layer of the start");
            let signs = pack(weights, layer.layer);
            let each = layer.flipped.iter_mut().zip(&mut layer.last).zip(signs);
            for ((flipped, last), now) in each {
                *flipped |= *last ^ now;
                *last = now;
            }
        }
    }

    /// Returns the rates of each layer.
    pub fn rates(&self) -> Vec<LayerFlipRates> {
        self.layers.iter().map(LayerFlips::rates).collect()
    }

    /// Returns the rates over the weights of all layers.
    pub fn total(&self) -> LayerFlipRates {
        let weights: usize = self.layers.iter().map(|l| l.weights).sum();
        let mean = |rate: fn(&LayerFlipRates) -> f64| {
            let count = |l: &LayerFlips| rate(&l.rates()) * l.weights as f64;
            self.layers.iter().map(count).sum::<f64>() / weights.max(1) as f64
        };
        LayerFlipRates { epoch: mean(|r| r.epoch), never: mean(|r| r.never) }
    }

    /// Returns which weights have flipped, for a file: one array a layer, 16 weights a number.
    ///
    /// With the parameters this is all that a resume between two epochs needs.
    pub fn state(&self, names: &[String]) -> Arrays {
        assert_eq!(names.len(), self.layers.len(), "bug: one name for each layer");
        let mut arrays = Arrays::default();
        for (layer, name) in self.layers.iter().zip(names) {
            let chunk = |word: u64, i: usize| {
                let bits = (word >> (CHUNK_BITS * i)) & ((1 << CHUNK_BITS) - 1);
                bits as f32
            };
            let words = layer.flipped.iter();
            let values: Vec<f32> =
                words.flat_map(|&word| (0..CHUNKS).map(move |i| chunk(word, i))).collect();
            arrays.push(name, &[values.len()], values);
        }
        arrays
    }

    /// Takes over [`state`](Self::state)'s arrays; the tracker must be made of the parameters of
    /// the same moment.
    ///
    /// Returns whether every number is one that `state` writes; otherwise nothing changes.
    #[must_use]
    pub fn restore(&mut self, state: &Arrays) -> bool {
        let valid = |v: f32| v.fract() == 0.0 && (0.0..65_536.0).contains(&v);
        let fits = |(array, layer): (&crate::params::Array, &LayerFlips)| {
            array.values.len() == CHUNKS * layer.flipped.len()
                && array.values.iter().all(|&v| valid(v))
        };
        if state.list.len() != self.layers.len() || !state.list.iter().zip(&self.layers).all(fits) {
            return false;
        }
        for (array, layer) in state.list.iter().zip(&mut self.layers) {
            for (word, chunks) in layer.flipped.iter_mut().zip(array.values.chunks(CHUNKS)) {
                *word = chunks.iter().rev().fold(0, |w, &v| (w << CHUNK_BITS) | bits(v));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
