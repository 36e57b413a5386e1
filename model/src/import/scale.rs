//! Scales of binary convolutions that are no parameter of our methods.
//!
//! An uncentred network computes `norm(s · z)`, where our methods take a statistic `a` of the latent
//! weights for `s`. `OvSW` can learn `s` (`scaling_factor`); `ReActNet` takes the mean magnitude of
//! the weights. Since `gamma · (s·z - mean) / std + beta` equals
//! `(gamma·s/a) · (a·z - mean·a/s) / std + beta`, another `gamma` and `mean` express any `s > 0`
//! exactly but for rounding to `f32`; the variance and its epsilon stay. A negative `s` is moved
//! into the weights first: `s·z(w) = (-s)·z(-w)`, and `a` is the same for `w` and `-w`. (Moving it
//! into `gamma` would be wrong where a maximum stands before the normalisation.)
//!
//! Not here: ReCU's `alpha`, which is a parameter of its own.

use crate::graph::{Conv, LayerKind};
use crate::import::element::narrow;
use crate::import::layout::Layout;
use crate::import::{File, ImportError, WrongShape};
use crate::tensors::Tensor;
use heartbit_ir::grid;
use std::collections::BTreeMap;

/// Epsilon of every batch normalisation.
const BN_EPS: f64 = 1e-5;

/// Returns the keys of learned scales in the file.
pub(crate) fn keys(file: &File<'_>) -> Vec<String> {
    let learned = file.keys.iter().any(|(key, _)| key.ends_with(".scaling_factor"));
    if learned { file.graph.binary_convs().map(|conv| key(file, conv)).collect() } else { vec![] }
}

fn key(file: &File<'_>, conv: &Conv) -> String {
    file.layout.key(&format!("{}.scaling_factor", conv.name))
}

/// Moves the scales of the file into weights and normalisations; returns whether there were any.
///
/// # Errors
/// `Missing` or `Shapes` where not every convolution has its scale, `ConstantFilter` where the
/// statistic is 0 and the scale is not.
pub(crate) fn move_into_norms(
    file: &File<'_>,
    tensors: &mut BTreeMap<String, Tensor>,
) -> Result<bool, ImportError> {
    let keys = keys(file);
    if keys.is_empty() && file.layout != Layout::ReActNet {
        return Ok(false);
    }
    let missing: Vec<_> =
        keys.iter().filter(|key| file.keys.tensor(key).is_none()).cloned().collect();
    let arch = file.graph.arch;
    if !missing.is_empty() {
        return Err(ImportError::Missing { arch, missing });
    }
    for layer in &file.graph.layers {
        if let LayerKind::Binary { conv, norm, .. } = &layer.kind {
            let scales = if keys.is_empty() {
                mean_magnitudes(&tensors[&conv.weight()].data, conv.fan_in())
            } else {
                learned(file, conv)?
            };
            Filters { conv, norm, tensors }.rescale(&scales)?;
        }
    }
    Ok(true)
}

/// The learned scale of each filter.
fn learned(file: &File<'_>, conv: &Conv) -> Result<Vec<f32>, ImportError> {
    let (arch, key) = (file.graph.arch, key(file, conv));
    let raw = file.keys.tensor(&key).expect("bug: missing keys were reported");
    let original = file.keys.original(&key);
    if raw.shape().iter().product::<usize>() != conv.cout {
        let (expected, actual) = (vec![conv.cout], raw.shape().to_vec());
        let wrong = vec![WrongShape { key: original, expected, actual }];
        return Err(ImportError::Shapes { arch, wrong });
    }
    let element = raw.element().name();
    let tensor = raw.read().ok_or(ImportError::ElementType { key: original, element })?;
    Ok(tensor.data)
}

/// `ReActNet`'s scale: the mean of `|w|`.
fn mean_magnitudes(weights: &[f32], fan_in: usize) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "fan-ins are far below 2^53")]
    let mean = |filter: &[f32]| {
        narrow(filter.iter().map(|w| f64::from(w.abs())).sum::<f64>() / filter.len() as f64)
    };
    weights.chunks(fan_in).map(mean).collect()
}

/// The filters of a convolution and the normalisation after them.
struct Filters<'a> {
    conv: &'a Conv,
    norm: &'a str,
    tensors: &'a mut BTreeMap<String, Tensor>,
}

impl Filters<'_> {
    fn value(&mut self, part: &str, channel: usize) -> &mut f32 {
        let key = format!("{}.{part}", self.norm);
        &mut self.tensors.get_mut(&key).expect("bug: every parameter was read").data[channel]
    }

    fn rescale(&mut self, scales: &[f32]) -> Result<(), ImportError> {
        let (weight, fan_in) = (self.conv.weight(), self.conv.fan_in());
        for (filter, &scale) in scales.iter().enumerate() {
            let weights = self.tensors.get_mut(&weight).expect("bug: every parameter was read");
            let weights = &mut weights.data[filter * fan_in..][..fan_in];
            if scale < 0.0 {
                for weight in weights.iter_mut() {
                    *weight = opposite(*weight);
                }
            }
            let statistic = grid::alpha_statistic(weights, fan_in)[0];
            if statistic == 0.0 && scale != 0.0 {
                return Err(ImportError::ConstantFilter { key: weight, filter, scale });
            }
            self.set_norm(filter, f64::from(scale.abs()), statistic);
        }
        Ok(())
    }

    /// Makes the normalisation of `statistic · z` that of `scale · z`.
    fn set_norm(&mut self, channel: usize, scale: f64, statistic: f64) {
        let gamma = f64::from(*self.value("weight", channel));
        let mean = f64::from(*self.value("running_mean", channel));
        if scale == 0.0 {
            // The sums do not matter: what remains is an offset.
            let var = f64::from(*self.value("running_var", channel));
            let offset =
                f64::from(*self.value("bias", channel)) - gamma * mean / (var + BN_EPS).sqrt();
            *self.value("weight", channel) = 0.0;
            *self.value("bias", channel) = narrow(offset);
        } else {
            *self.value("weight", channel) = narrow(gamma * scale / statistic);
            *self.value("running_mean", channel) = narrow(mean * statistic / scale);
        }
    }
}

/// The weight with the opposite bit; that of 0 is +1.
fn opposite(weight: f32) -> f32 {
    if weight == 0.0 { -f32::MIN_POSITIVE } else { -weight }
}
