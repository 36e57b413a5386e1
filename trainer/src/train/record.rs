//! The numbers of an epoch: a line of `metrics.jsonl`.

use serde::{Deserialize, Serialize};

use crate::flips::LayerFlipRates;
use crate::model::network::Network;
use crate::optim::HookReport;

/// Numbers of one epoch; shares are from 0 to 1.
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
    /// The same of the float network; measured after epochs off the grid, and after the last one.
    pub float_accuracy: Option<f64>,
    /// Share of test images on which the two agree.
    pub float_agreement: Option<f64>,
    /// Share of binary weights whose sign is not what it was before the epoch.
    pub flip_rate: f64,
    /// Share of binary weights whose sign has not changed in any step of the run.
    pub never_flipped: f64,
    /// Share of silent weights in the epoch's first step, where SAD is on.
    pub silent: Option<f64>,
    /// Mean over filters and steps of gradient norm over weight norm, before AGS.
    pub ags_ratio: Option<f64>,
    /// The same for each binary layer.
    pub layers: Vec<LayerRecord>,
    /// Wall time of the epoch, evaluation included.
    pub seconds: f64,
    /// Training images a second, evaluation not included.
    pub images_per_second: f64,
}

/// Numbers of one binary layer in an epoch, as in [`EpochRecord`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Name of the convolution.
    pub name: String,
    /// Share of weights whose sign is not what it was before the epoch.
    pub flip_rate: f64,
    /// Share of weights whose sign has not changed in any step of the run.
    pub never_flipped: f64,
    /// Share of silent weights in the epoch's first step, where SAD is on.
    pub silent: Option<f64>,
    /// Mean over filters and steps of gradient norm over weight norm, before AGS.
    pub ags_ratio: Option<f64>,
}

/// What the hooks reported in an epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct HookTotals {
    steps: usize,
    ratios: Vec<f64>,
    silent: Vec<Option<f64>>,
}

impl HookTotals {
    /// Adds one step's reports, one for each binary layer.
    pub(super) fn add(&mut self, reports: &[HookReport]) {
        if self.steps == 0 {
            self.ratios = vec![0.0; reports.len()];
            self.silent = reports.iter().map(|r| r.silent).collect();
        }
        self.steps += 1;
        self.ratios.iter_mut().zip(reports).for_each(|(sum, r)| *sum += r.norm_ratio);
    }

    fn ratio(&self, layer: usize) -> Option<f64> {
        self.ratios.get(layer).map(|sum| sum / self.steps as f64)
    }

    /// Mean over the filters of all layers.
    pub(super) fn norm_ratio(&self, net: &Network) -> Option<f64> {
        mean(net, |layer| self.ratio(layer), |weights, fan_in| weights / fan_in)
    }

    /// Share of all weights.
    pub(super) fn silent(&self, net: &Network) -> Option<f64> {
        mean(net, |layer| self.silent.get(layer).copied().flatten(), |weights, _| weights)
    }

    /// One record for each binary layer.
    pub(super) fn layers(&self, net: &Network, flips: &[LayerFlipRates]) -> Vec<LayerRecord> {
        let layers = net.binary_layers().into_iter().zip(flips).enumerate();
        layers
            .map(|(i, (layer, flips))| LayerRecord {
                name: layer.name,
                flip_rate: flips.epoch,
                never_flipped: flips.never,
                silent: self.silent.get(i).copied().flatten(),
                ags_ratio: self.ratio(i),
            })
            .collect()
    }
}

/// Mean over the layers, each with the share that `size` gives it of its weights and fan-in.
fn mean(
    net: &Network,
    value: impl Fn(usize) -> Option<f64>,
    size: impl Fn(f64, f64) -> f64,
) -> Option<f64> {
    let (mut sum, mut total) = (0.0, 0.0);
    for (i, layer) in net.binary_layers().iter().enumerate() {
        let weights = net.params.list[layer.index].values.len() as f64;
        let size = size(weights, layer.fan_in as f64);
        sum += size * value(i)?;
        total += size;
    }
    (total > 0.0).then(|| sum / total)
}
