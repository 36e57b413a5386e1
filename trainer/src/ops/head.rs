//! The classifier: batch normalisation over the batch where there is one, linear layer, cross
//! entropy.
//!
//! These tensors are tiny, so they are plain burn operations.
//! The normalisation is folded into the linear layer as in the deployed network, and on the grid
//! the folded weights are rounded to odd levels with gradient 1 (semantics.md, section 3).

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use heartbit_ir::grid::{Grid, max_level};

use crate::ops::norm::EPS;
use crate::ops::unit::BatchStats;

/// Parameters of the head, flat.
pub struct HeadParameters {
    /// Gamma and beta of the normalisation, `[channels]` each, if there is one.
    pub norm: Option<[Tensor<1>; 2]>,
    /// `[classes, channels]`, flat.
    pub weight: Tensor<1>,
    /// `[classes]`.
    pub bias: Tensor<1>,
}

/// Returns the logits `[images, classes]` of features `[images, channels]`, and the batch
/// statistics of the normalisation if there is one.
pub fn head(
    pooled: Tensor<2>,
    p: HeadParameters,
    pool_unit: f64,
    grid: Option<&Grid>,
) -> (Tensor<2>, Option<BatchStats>) {
    let [images, channels] = pooled.dims();
    let [classes] = p.bias.dims();
    let weight = p.weight.reshape([classes, channels]);
    let bias = p.bias.reshape([1, classes]);
    let (folded, bias, stats) = match p.norm {
        None => (weight, bias, None),
        Some([gamma, beta]) => {
            let mean = pooled.clone().mean_dim(0);
            let var = (pooled.clone() - mean.clone()).powf_scalar(2.0).mean_dim(0);
            let stats = batch_stats(&mean, &var, images);
            let scale = gamma.reshape([1, channels]) / (var + EPS).sqrt();
            let offset = beta.reshape([1, channels]) - scale.clone() * mean;
            let moved = (weight.clone() * offset).sum_dim(1).reshape([1, classes]);
            (weight * scale, bias + moved, Some(stats))
        }
    };
    let (folded, bias) = match grid {
        None => (folded, bias),
        Some(grid) => quantize(folded, bias, pool_unit, grid),
    };
    (pooled.matmul(folded.transpose()) + bias, stats)
}

/// Rounds the folded weights to odd levels and the bias to whole logits, with gradient 1.
fn quantize(
    folded: Tensor<2>,
    bias: Tensor<2>,
    pool_unit: f64,
    grid: &Grid,
) -> (Tensor<2>, Tensor<2>) {
    let limit = f64::from(max_level(grid.head_weight_bits));
    let constant = folded.clone().detach();
    let largest = f64::from(constant.clone().abs().max().into_scalar::<f32>());
    let step = if largest == 0.0 { 1.0 } else { largest / limit };
    let levels = ((constant.clone() / (2.0 * step)).floor() * 2.0 + 1.0).clamp(-limit, limit);
    let rounded = folded + (levels * step - constant);
    let unit = step * pool_unit;
    let constant = bias.clone().detach();
    let bias = bias + ((constant.clone() / unit).round() * unit - constant);
    (rounded, bias)
}

fn batch_stats(mean: &Tensor<2>, var: &Tensor<2>, images: usize) -> BatchStats {
    let n = images as f64;
    let host = |t: &Tensor<2>| -> Vec<f64> {
        let data = t.clone().detach().into_data();
        data.iter::<f32>().map(f64::from).collect()
    };
    BatchStats {
        mean: host(mean),
        var: host(var).into_iter().map(|v| v * n / (n - 1.0).max(1.0)).collect(),
    }
}

/// Returns the mean cross entropy of logits `[images, classes]`.
pub fn cross_entropy(logits: Tensor<2>, labels: &[impl Copy + Into<u32>]) -> Tensor<1> {
    let device = logits.device();
    let targets: Vec<i32> = labels.iter().map(|&l| l.into() as i32).collect();
    let targets =
        Tensor::<1, Int>::from_ints(targets.as_slice(), &device).reshape([labels.len(), 1]);
    -log_softmax(logits, 1).gather(1, targets).mean()
}
