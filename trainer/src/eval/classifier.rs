//! From the last map to logits.

use heartbit_ir::grid::{self, Grid};
use heartbit_model::graph::Reduce;

use crate::eval::Precision;
use crate::eval::layers::batch_norm;
use crate::lanes::{LANES, Lanes};
use crate::model::network::Network;
use crate::ops::quantizer::Quantizer;

/// The classifier, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Classifier {
    reduce: Reduce,
    /// Positions of a channel in the last map.
    positions: usize,
    /// How features become levels; real features stay as they are.
    quantizer: Option<Quantizer>,
    /// `[classes, features]`.
    weights: Vec<f64>,
    /// In units of a logit.
    bias: Vec<f64>,
    logit_scale: f64,
}

impl Classifier {
    pub(crate) fn new(net: &Network, precision: Precision<'_>) -> Self {
        let head = &net.graph.head;
        let last = net.graph.layers.last().expect("bug: a network has layers");
        let positions = last.side * last.side;
        let (weights, bias, logit_scale, quantizer) = match precision {
            Precision::Float => {
                let (weights, bias) = real(net);
                (weights, bias, 1.0, None)
            }
            Precision::Grid(grid) => integers(net, grid),
        };
        Self { reduce: head.reduce, positions, quantizer, weights, bias, logit_scale }
    }

    /// Float value of a logit of 1.
    pub(crate) fn logit_scale(&self) -> f64 {
        self.logit_scale
    }

    /// The logits of each lane's image.
    pub(crate) fn logits(&self, map: &[Lanes]) -> Vec<Vec<f64>> {
        (0..LANES)
            .map(|k| {
                let features = self.features(map, k);
                let rows = self.weights.chunks_exact(features.len()).zip(&self.bias);
                rows.map(|(row, bias)| {
                    row.iter().zip(&features).map(|(w, f)| w * f).sum::<f64>() + bias
                })
                .collect()
            })
            .collect()
    }

    /// The features of one lane's image, the channel slowest.
    fn features(&self, map: &[Lanes], lane: usize) -> Vec<f64> {
        let value = |v: &Lanes| f64::from(v.0[lane]);
        let level = |v: f64| self.quantizer.map_or(v, |q| q.level_of_units(v));
        match self.reduce {
            Reduce::Flatten => map.iter().map(|v| level(value(v))).collect(),
            Reduce::GlobalPool => {
                // Real features are means; levels are of the sums, whose shift divides them.
                let share = if self.quantizer.is_some() { 1.0 } else { self.positions as f64 };
                let planes = map.chunks_exact(self.positions);
                planes.map(|p| level(p.iter().map(value).sum::<f64>() / share)).collect()
            }
        }
    }
}

/// The real weights with the normalisation folded in.
fn real(net: &Network) -> (Vec<f64>, Vec<f64>) {
    let head = &net.graph.head;
    let weights = net.values(&format!("{}.weight", head.linear));
    let bias = net.values(&format!("{}.bias", head.linear));
    let n = head.features;
    let (scale, offset) = match &head.norm {
        None => (vec![1.0; n], vec![0.0; n]),
        Some(norm) => {
            let bn = batch_norm(net, norm);
            let affine = grid::Affine::from_batch_norm(&bn, &vec![1.0; n]);
            (affine.a, affine.b)
        }
    };
    let folded = weights.iter().enumerate().map(|(i, &w)| f64::from(w) * scale[i % n]).collect();
    let moved = weights.chunks_exact(n).zip(bias).map(|(row, &b)| {
        f64::from(b) + row.iter().zip(&offset).map(|(&w, o)| f64::from(w) * o).sum::<f64>()
    });
    (folded, moved.collect())
}

/// The integers of the deployed classifier.
fn integers(net: &Network, grid: &Grid) -> (Vec<f64>, Vec<f64>, f64, Option<Quantizer>) {
    let head = &net.graph.head;
    let weights = net.values(&format!("{}.weight", head.linear));
    let bias = net.values(&format!("{}.bias", head.linear));
    let quantizer = net.feature_quantizer(grid);
    let norm = head.norm.as_ref().map(|norm| batch_norm(net, norm));
    let folded =
        grid::classifier(weights, bias, norm.as_ref(), quantizer.unit, grid.head_weight_bits);
    (
        folded.levels.into_iter().map(f64::from).collect(),
        folded.bias.into_iter().map(f64::from).collect(),
        folded.logit_scale,
        Some(quantizer),
    )
}
