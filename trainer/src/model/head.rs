//! The classifier: batch normalisation of the pooled vector where there is one, linear layer.
//!
//! These tensors are tiny, so they are burn operations on every device.
//! A normalisation is folded into the linear layer as in the deployed network, and on the grid the
//! folded weights are rounded to odd levels with gradient 1 (semantics.md, section 3).

use burn::tensor::Tensor;
use heartbit_ir::grid::{Grid, max_level};
use heartbit_model::graph::Head;

use crate::model::forward::{Leaves, host_values};
use crate::ops::norm::EPS;
use crate::ops::unit::BatchStats;

/// Returns the logits `[images, classes]` of `[images, features]`, and the batch statistics of the
/// normalisation if there is one.
///
/// `grid` is the grid with the float value of one level of the features.
pub(crate) fn head(
    head: &Head,
    params: &Leaves<'_>,
    pooled: Tensor<2>,
    grid: Option<(&Grid, f64)>,
) -> (Tensor<2>, Option<BatchStats>) {
    let [images, features] = pooled.dims();
    let bias = params.get(&format!("{}.bias", head.linear));
    let [classes] = bias.dims();
    let weight = params.get(&format!("{}.weight", head.linear)).reshape([classes, features]);
    let bias = bias.reshape([1, classes]);
    let (weight, bias, stats) = match &head.norm {
        None => (weight, bias, None),
        Some(norm) => {
            let get = |name: &str| params.get(&format!("{norm}.{name}")).reshape([1, features]);
            let mean = pooled.clone().mean_dim(0);
            let var = (pooled.clone() - mean.clone()).powf_scalar(2.0).mean_dim(0);
            let stats = batch_stats(&mean, &var, images);
            let scale = get("weight") / (var + EPS).sqrt();
            let offset = get("bias") - scale.clone() * mean;
            let moved = (weight.clone() * offset).sum_dim(1).reshape([1, classes]);
            (weight * scale, bias + moved, Some(stats))
        }
    };
    let (weight, bias) = match grid {
        None => (weight, bias),
        Some((grid, unit)) => quantize(weight, bias, unit, grid),
    };
    (pooled.matmul(weight.transpose()) + bias, stats)
}

/// Rounds the weights to odd levels and the bias to whole logits, with gradient 1.
fn quantize(
    weight: Tensor<2>,
    bias: Tensor<2>,
    level_unit: f64,
    grid: &Grid,
) -> (Tensor<2>, Tensor<2>) {
    let limit = f64::from(max_level(grid.head_weight_bits));
    let constant = weight.clone().detach();
    let largest = f64::from(constant.clone().abs().max().into_scalar::<f32>());
    let step = if largest == 0.0 { 1.0 } else { largest / limit };
    let levels = ((constant.clone() / (2.0 * step)).floor() * 2.0 + 1.0).clamp(-limit, limit);
    let rounded = weight + (levels * step - constant);
    let unit = step * level_unit;
    let constant = bias.clone().detach();
    let bias = bias + ((constant.clone() / unit).round() * unit - constant);
    (rounded, bias)
}

fn batch_stats(mean: &Tensor<2>, var: &Tensor<2>, images: usize) -> BatchStats {
    let n = images as f64;
    let host = |t: &Tensor<2>| -> Vec<f64> {
        host_values(t.clone().detach()).into_iter().map(f64::from).collect()
    };
    BatchStats {
        mean: host(mean),
        var: host(var).into_iter().map(|v| v * n / (n - 1.0).max(1.0)).collect(),
    }
}
