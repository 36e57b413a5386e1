//! ResNet-20 for CIFAR with a residual around every binary convolution (ReCU's and OvSW's).
//!
//! Stem 3→16, then stages of 16, 32 and 64 channels with three blocks of two convolutions each,
//! then global pooling, batch normalisation and a linear layer. Parameter names are those of a
//! ReCU checkpoint.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use heartbit_dataset::cifar10::{CLASSES, IMAGE_BYTES};
use heartbit_ir::grid::{Grid, PixelStatistics, alpha_statistic};
use rand::Rng;

use crate::method::{AlphaSource, Method, Parts};
use crate::ops::conv::ConvShape;
use crate::ops::head::{HeadParameters, head};
use crate::ops::host::{apply, input};
use crate::ops::pool::{GlobalPool, pool_unit};
use crate::ops::stem::{STEM_CHANNELS, Stem};
use crate::ops::unit::{BatchStats, Fit, Limit, Shortcut, StatsSlot, Unit};
use crate::params::Arrays;

/// Channels of the three stages.
pub const WIDTHS: [usize; 3] = [16, 32, 64];
/// Blocks of a stage.
const BLOCKS: usize = 3;
/// Height and width of the first stage.
const SIDE: usize = 32;
/// Channels of the image.
const PIXELS: usize = 3;
/// Channels of the head.
pub const HEAD_CHANNELS: usize = WIDTHS[2];
/// Positions that the head pools over.
pub const HEAD_POSITIONS: usize = 64;
/// Weight of a batch in the running statistics.
const RUNNING_MOMENTUM: f64 = 0.1;

/// Name and sizes of one residual unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitLayer {
    /// Prefix of the convolution's parameters, as `layer1.0.conv1`.
    pub conv: String,
    /// Prefix of the normalisation's parameters, as `layer1.0.bn1`.
    pub bn: String,
    /// Sizes.
    pub shape: ConvShape,
}

/// Returns the 18 residual units in order.
pub fn units() -> Vec<UnitLayer> {
    let mut units = Vec::new();
    let mut cin = WIDTHS[0];
    let mut side = SIDE;
    for (stage, cout) in WIDTHS.into_iter().enumerate() {
        for block in 0..BLOCKS {
            for conv in 1..=2 {
                let stride = if cin == cout { 1 } else { 2 };
                let shape = ConvShape { cin, cout, kernel: 3, stride, in_side: side };
                side = shape.side();
                units.push(UnitLayer {
                    conv: format!("layer{}.{block}.conv{conv}", stage + 1),
                    bn: format!("layer{}.{block}.bn{conv}", stage + 1),
                    shape,
                });
                cin = cout;
            }
        }
    }
    units
}

/// The sizes of the stem's convolution.
pub fn stem_shape() -> ConvShape {
    ConvShape { cin: STEM_CHANNELS, cout: WIDTHS[0], kernel: 3, stride: 1, in_side: SIDE }
}

/// Indices into the parameters of one batch normalisation.
#[derive(Clone, Copy, Debug)]
struct NormIndex {
    gamma: usize,
    beta: usize,
}

/// Indices into the parameters of one residual unit.
#[derive(Clone, Copy, Debug)]
struct UnitIndex {
    weight: usize,
    alpha: Option<usize>,
    norm: NormIndex,
}

/// A ResNet-20 with its parameters and running statistics.
#[derive(Clone, Debug)]
pub struct ResNet20 {
    /// The method it is trained with, which decides whether alpha is a parameter.
    pub method: Method,
    /// What the optimizer changes.
    pub params: Arrays,
    /// Running means and variances.
    pub buffers: Arrays,
    units: Vec<UnitLayer>,
    unit_index: Vec<UnitIndex>,
    stem_norm: NormIndex,
    head_norm: NormIndex,
    linear: usize,
}

/// Result of a forward pass.
pub struct Forward {
    /// `[images, classes]`.
    pub logits: Tensor<2>,
    /// The parameters as tracked tensors, in the order of `params`.
    pub tensors: Vec<Tensor<1>>,
    /// Statistics of each normalisation, in the order of the network.
    pub stats: Vec<BatchStats>,
}

/// What a forward pass depends on besides parameters and images.
#[derive(Clone, Debug)]
pub struct ForwardMode {
    /// The method's parts.
    pub parts: Parts,
    /// The grid, or `None` off it.
    pub grid: Option<Grid>,
    /// Pixel statistics.
    pub norm: PixelStatistics,
}

impl ResNet20 {
    /// Draws initial parameters.
    ///
    /// Binary convolutions are `N(0, √(2/n))` with fan-in `n`, and so is ReCU's stem; OvSW's stem
    /// and the linear layer are `U(±1/√n)`, alpha `U[0, 1)`, gamma 1, beta 0.
    pub fn new(method: Method, rng: &mut impl Rng) -> Self {
        let mut params = Arrays::default();
        let mut buffers = Arrays::default();
        let fan_in = PIXELS * 9;
        let stem = match method {
            Method::Recu | Method::RecuOvsw => normal(rng, WIDTHS[0] * fan_in, fan_in),
            Method::Vanilla | Method::Ovsw => uniform(rng, WIDTHS[0] * fan_in, fan_in),
        };
        params.push("conv1.weight", &[WIDTHS[0], PIXELS, 3, 3], stem);
        let stem_norm = push_norm(&mut params, &mut buffers, "bn1", WIDTHS[0]);
        let units = units();
        let unit_index = units
            .iter()
            .map(|u| {
                let ConvShape { cin, cout, .. } = u.shape;
                let weights = normal(rng, u.shape.weights(), u.shape.fan_in());
                let weight = params.push(format!("{}.weight", u.conv), &[cout, cin, 3, 3], weights);
                let alpha = (AlphaSource::of(method) == AlphaSource::Learned).then(|| {
                    let values = (0..cout).map(|_| rng.random::<f32>()).collect();
                    params.push(format!("{}.alpha", u.conv), &[cout, 1, 1], values)
                });
                let norm = push_norm(&mut params, &mut buffers, &u.bn, cout);
                UnitIndex { weight, alpha, norm }
            })
            .collect();
        let head_norm = push_norm(&mut params, &mut buffers, "bn2", HEAD_CHANNELS);
        let classes = usize::from(CLASSES);
        let weight = uniform(rng, classes * HEAD_CHANNELS, HEAD_CHANNELS);
        let linear = params.push("linear.weight", &[classes, HEAD_CHANNELS], weight);
        params.push("linear.bias", &[classes], uniform(rng, classes, HEAD_CHANNELS));
        Self { method, params, buffers, units, unit_index, stem_norm, head_norm, linear }
    }

    /// Indices of the latent binary weights in `params`, with their fan-in.
    pub fn binary_layers(&self) -> Vec<(usize, usize)> {
        self.unit_index
            .iter()
            .zip(&self.units)
            .map(|(index, unit)| (index.weight, unit.shape.fan_in()))
            .collect()
    }

    /// Runs a training batch, whose images are bytes in planes.
    pub fn forward(&self, pixels: Arc<Vec<u8>>, mode: &ForwardMode) -> Forward {
        let device = Device::flex().autodiff();
        let images = pixels.len() / IMAGE_BYTES;
        let tensors: Vec<Tensor<1>> = self
            .params
            .list
            .iter()
            .map(|a| tensor(a.values.clone(), &device).require_grad())
            .collect();
        let at = |i: usize| tensors[i].clone();
        let mut slots: Vec<StatsSlot> = vec![StatsSlot::default()];
        let stem = Stem {
            shape: stem_shape(),
            pixels,
            norm: mode.norm,
            grid: mode.grid.clone(),
            limit: Limit::Hardtanh,
            stats: slots[0].clone(),
        };
        let NormIndex { gamma, beta } = self.stem_norm;
        let mut x: Tensor<5> = apply([0, gamma, beta].map(|i| input(at(i))).into(), Arc::new(stem));
        let grid_scale = mode.grid.as_ref().map(|g| (1u32 << g.stream_frac_bits) as f32);
        for (layer, index) in self.units.iter().zip(&self.unit_index) {
            let slot = StatsSlot::default();
            let unit = Unit {
                shape: layer.shape,
                images,
                grid_scale,
                std_gradient: mode.parts.std_gradient,
                binarizer: mode.parts.weights.clone(),
                stats: slot.clone(),
                shift: false,
                pool: false,
                shortcut: Shortcut::Input(match layer.shape.stride {
                    1 => Fit::Identity,
                    _ => Fit::PoolZeroChannels,
                }),
                limit: Limit::Hardtanh,
            };
            slots.push(slot);
            let alpha = match index.alpha {
                Some(alpha) => at(alpha),
                None => tensor(self.statistic(index.weight, layer.shape), &device),
            };
            let NormIndex { gamma, beta } = index.norm;
            let parameters = [at(index.weight), alpha, at(gamma), at(beta)];
            let inputs = std::iter::once(input(x)).chain(parameters.map(input)).collect();
            x = apply(inputs, Arc::new(unit));
        }
        let pool = GlobalPool {
            channels: HEAD_CHANNELS,
            positions: HEAD_POSITIONS,
            images,
            grid: mode.grid.clone(),
            range_log2: 0,
        };
        let pooled: Tensor<2> = apply(vec![input(x)], Arc::new(pool));
        let parameters = HeadParameters {
            norm: Some([at(self.head_norm.gamma), at(self.head_norm.beta)]),
            weight: at(self.linear),
            bias: at(self.linear + 1),
        };
        let unit = mode.grid.as_ref().map_or(1.0, |g| pool_unit(HEAD_POSITIONS, g, 0));
        let (logits, head_stats) = head(pooled, parameters, unit, mode.grid.as_ref());
        let mut stats: Vec<BatchStats> = slots
            .iter()
            .map(|s| s.lock().expect("bug: no thread panics while it holds statistics").clone())
            .collect();
        stats.extend(head_stats);
        Forward { logits, tensors, stats }
    }

    fn statistic(&self, weight: usize, shape: ConvShape) -> Vec<f32> {
        let values = &self.params.list[weight].values;
        alpha_statistic(values, shape.fan_in()).into_iter().map(|a| a as f32).collect()
    }

    /// Moves the running statistics towards those of a batch.
    pub fn update_running(&mut self, stats: &[BatchStats]) {
        let buffers = self.buffers.list.chunks_exact_mut(2);
        assert_eq!(buffers.len(), stats.len(), "bug: one set of statistics a normalisation");
        let blend = |old: &mut f32, new: f64| {
            let old_share = (1.0 - RUNNING_MOMENTUM) * f64::from(*old);
            *old = (old_share + RUNNING_MOMENTUM * new) as f32;
        };
        for (pair, stats) in buffers.zip(stats) {
            let [mean, var] = pair else { unreachable!("bug: chunks of two") };
            mean.values.iter_mut().zip(&stats.mean).for_each(|(old, &new)| blend(old, new));
            var.values.iter_mut().zip(&stats.var).for_each(|(old, &new)| blend(old, new));
        }
    }
}

fn tensor(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}

fn push_norm(params: &mut Arrays, buffers: &mut Arrays, name: &str, channels: usize) -> NormIndex {
    buffers.push(format!("{name}.running_mean"), &[channels], vec![0.0; channels]);
    buffers.push(format!("{name}.running_var"), &[channels], vec![1.0; channels]);
    NormIndex {
        gamma: params.push(format!("{name}.weight"), &[channels], vec![1.0; channels]),
        beta: params.push(format!("{name}.bias"), &[channels], vec![0.0; channels]),
    }
}

/// Draws `count` values of `N(0, √(2/fan_in))` by the Box-Muller transform.
fn normal(rng: &mut impl Rng, count: usize, fan_in: usize) -> Vec<f32> {
    let std = (2.0 / fan_in as f64).sqrt();
    (0..count)
        .map(|_| {
            let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
            let angle = std::f64::consts::TAU * rng.random::<f64>();
            (std * radius * angle.cos()) as f32
        })
        .collect()
}

/// Draws `count` values of `U(±1/√fan_in)`.
fn uniform(rng: &mut impl Rng, count: usize, fan_in: usize) -> Vec<f32> {
    let limit = 1.0 / (fan_in as f64).sqrt();
    (0..count).map(|_| (limit * (2.0 * rng.random::<f64>() - 1.0)) as f32).collect()
}

/// Values of a detached tensor.
pub(crate) fn host_values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[cfg(test)]
mod tests;
