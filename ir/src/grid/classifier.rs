//! The classifier on levels, with or without a batch normalisation before it.
//!
//! Not here: the order of flattened features, which is the folder's.

use super::levels::level_scale;
use super::{BatchNorm, odd, saturate};

/// The classifier, with a batch normalisation before it folded in, as levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    /// `[classes, features]`, feature fastest.
    pub levels: Vec<i32>,
    /// One for each class, in units of a logit.
    pub bias: Vec<i32>,
    /// The float value of the integer logit 1.
    pub logit_scale: f64,
}

/// Folds a batch normalisation into the linear layer after it and quantizes both.
///
/// `weights` is `[classes, features]`; `input_unit` is the float value of a feature's level 1.
///
/// # Panics
/// If the lengths do not match: a bug of the caller.
pub fn classifier(
    weights: &[f32],
    bias: &[f32],
    norm: Option<&BatchNorm>,
    input_unit: f64,
    weight_bits: u32,
) -> Classifier {
    let features = weights.len() / bias.len();
    assert!(
        weights.len() == bias.len() * features && norm.is_none_or(|n| n.gamma.len() == features),
        "bug: shape of a classifier"
    );
    let scale = |i: usize| norm.map_or(1.0, |norm| norm.scale(i));
    let offset = |i: usize| norm.map_or(0.0, |norm| norm.offset(i));
    let folded: Vec<f64> =
        weights.iter().enumerate().map(|(i, &w)| f64::from(w) * scale(i % features)).collect();
    let step = level_scale(&folded, weight_bits);
    let logit_scale = step * input_unit;
    let bias = weights
        .chunks(features)
        .zip(bias)
        .map(|(row, &b)| {
            let moved: f64 = row.iter().enumerate().map(|(i, &w)| f64::from(w) * offset(i)).sum();
            saturate((f64::from(b) + moved) / logit_scale, i32::MAX / 2)
        })
        .collect();
    Classifier {
        levels: folded.iter().map(|v| odd(v / step, weight_bits)).collect(),
        bias,
        logit_scale,
    }
}
