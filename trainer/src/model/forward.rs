//! The walk over a network's layers in training.
//!
//! Latent binary weights do not enter burn's graph: the ±1 weights do, and their gradient is taken
//! back to the latent weights by the method's
//! [`WeightBinarizer`](crate::ops::binarize_weight::WeightBinarizer) on the host. So a binarizer
//! is one pair of functions, whatever the device.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::{Device, Gradients, Tensor, TensorData, Transaction};
use heartbit_ir::grid::{Grid, PixelStatistics, STREAM_MAX, range_log2};
use heartbit_model::Graph;
use heartbit_model::graph::{Conv, Layer, LayerId, LayerKind, Reduce, Role, Uses};

use crate::method::Parts;
use crate::model::composite::Composite;
use crate::model::fused::Fused;
use crate::model::head::head;
use crate::model::network::Network;
use crate::ops::unit::BatchStats;

/// What a forward pass depends on besides parameters and images.
#[derive(Clone, Debug)]
pub struct ForwardMode {
    /// The method's parts.
    pub parts: Parts,
    /// The grid, or `None` off it.
    pub grid: Option<Grid>,
    /// Pixel statistics.
    pub pixels: PixelStatistics,
    /// Whether the weights stay real (the first of two stages).
    pub real_weights: bool,
}

/// Which operations run the layers.
#[derive(Clone, Debug)]
pub enum Engine {
    /// Fused operations on the CPU.
    Fused,
    /// burn's operations on a device.
    Composite(Device),
}

impl Engine {
    /// Where tensors are.
    pub fn device(&self) -> Device {
        match self {
            Self::Fused => Device::flex(),
            Self::Composite(device) => device.clone(),
        }
    }
}

impl ForwardMode {
    /// Grid steps in 1.0 of the stream, or `None` off the grid.
    pub(crate) fn grid_scale(&self) -> Option<f32> {
        self.grid.as_ref().map(|g| (1u32 << g.stream_frac_bits) as f32)
    }

    /// The largest magnitude of a stream that no hardtanh limits: none off the grid.
    pub(crate) fn stream_limit(&self) -> Option<f32> {
        Some(STREAM_MAX as f32 / self.grid_scale()?)
    }

    /// The logarithm of a stream's range, for the width of its levels: a hardtanh keeps it to ±1.
    fn range_log2(&self, limited: bool) -> u32 {
        self.grid.as_ref().map_or(0, |g| range_log2(limited, g.stream_frac_bits))
    }
}

/// Result of a forward pass.
pub struct Forward {
    /// `[images, classes]`.
    pub logits: Tensor<2>,
    /// Statistics of each normalisation, in the order of [`Graph::norms`].
    pub stats: Vec<BatchStats>,
    leaves: Vec<Tensor<1>>,
}

/// Layers run by some operations.
pub(crate) trait Executor {
    /// The value of a layer.
    type Map: Clone;

    /// The stem, on the batch's images.
    fn stem(&mut self, conv: &Conv, norm: &str, hardtanh: bool, uses: Uses) -> Self::Map;

    /// A binary convolution with what follows it; operands in the order of [`Layer::operands`].
    fn binary(&mut self, layer: &Layer, uses: Uses, operands: &[Self::Map]) -> Self::Map;

    /// A real convolution of values within ±2^`range_log2`.
    fn real(&mut self, conv: &Conv, norm: &str, x: Self::Map, range_log2: u32) -> Self::Map;

    /// The largest of 3×3 positions at every second place.
    fn max_pool(&mut self, layer: &Layer, x: Self::Map) -> Self::Map;

    /// The mean of 2×2 positions at every second place.
    fn avg_pool(&mut self, layer: &Layer, x: Self::Map) -> Self::Map;

    /// The activation with learned slopes.
    fn prelu(&mut self, layer: &Layer, x: Self::Map) -> Self::Map;

    /// Turns the last layer's value into `[images, features]`; on the grid, into levels.
    fn reduce(&mut self, map: Self::Map, reduce: Reduce, range_log2: u32) -> Tensor<2>;

    /// Statistics of each normalisation so far.
    fn stats(self) -> Vec<BatchStats>;
}

/// Parameters as tracked tensors, by key.
pub(crate) struct Leaves<'a>(BTreeMap<&'a str, Tensor<1>>);

impl Leaves<'_> {
    pub(crate) fn get(&self, key: &str) -> Tensor<1> {
        self.0.get(key).unwrap_or_else(|| panic!("bug: the network has no `{key}`")).clone()
    }
}

impl Network {
    /// Runs a training batch of images, whose bytes are in planes.
    pub fn forward(&self, pixels: Arc<Vec<u8>>, mode: &ForwardMode, engine: &Engine) -> Forward {
        let device = engine.device().autodiff();
        let leaves = self.leaves(mode, &device);
        let keys = self.params.list.iter().map(|a| a.name.as_str());
        let by_key = Leaves(keys.zip(leaves.iter().cloned()).collect());
        let side = self.graph.sizes.image_side;
        let images = pixels.len() / (3 * side * side);
        let (pooled, mut stats) = match engine {
            Engine::Fused => {
                self.walk(Fused::new(self, &by_key, mode, pixels, images, &device), mode)
            }
            Engine::Composite(_) => {
                self.walk(Composite::new(self, &by_key, mode, &pixels, images, &device), mode)
            }
        };
        let grid = mode.grid.as_ref().map(|grid| (grid, self.feature_quantizer(grid).unit));
        let (logits, head_stats) = head(&self.graph.head, &by_key, pooled, grid);
        stats.extend(head_stats);
        Forward { logits, stats, leaves }
    }

    fn walk<E: Executor>(
        &self,
        mut executor: E,
        mode: &ForwardMode,
    ) -> (Tensor<2>, Vec<BatchStats>) {
        let layers = &self.graph.layers;
        let uses = self.graph.uses();
        let last_use = last_uses(&self.graph);
        let mut values: Vec<Option<E::Map>> = Vec::with_capacity(layers.len());
        for (id, layer) in layers.iter().enumerate() {
            let live =
                |o: LayerId| values[o].clone().expect("bug: a value lives until its last use");
            let operands: Vec<E::Map> = layer.operands().into_iter().map(live).collect();
            let first = || operands[0].clone();
            let value = match &layer.kind {
                LayerKind::Stem { conv, norm, hardtanh } => {
                    executor.stem(conv, norm, *hardtanh, uses[id])
                }
                LayerKind::Binary { .. } => executor.binary(layer, uses[id], &operands),
                LayerKind::Real { conv, norm, input } => {
                    let range = mode.range_log2(self.graph.limited(*input));
                    executor.real(conv, norm, first(), range)
                }
                LayerKind::MaxPool { .. } => executor.max_pool(layer, first()),
                LayerKind::AvgPool { .. } => executor.avg_pool(layer, first()),
                LayerKind::Prelu { .. } => executor.prelu(layer, first()),
            };
            values.push(Some(value));
            for o in layer.operands().into_iter().filter(|&o| last_use[o] == id) {
                values[o] = None;
            }
        }
        let last = values.pop().flatten().expect("bug: a network has layers");
        let limited = self.graph.limited(layers.len() - 1);
        let pooled = executor.reduce(last, self.graph.head.reduce, mode.range_log2(limited));
        (pooled, executor.stats())
    }

    /// The parameters as tracked tensors: binary weights as ±1, everything else as it is.
    fn leaves(&self, mode: &ForwardMode, device: &Device) -> Vec<Tensor<1>> {
        let lists = self.params.list.iter().zip(&self.specs);
        lists
            .map(|(array, spec)| {
                let values = match spec.role {
                    Role::BinaryWeight if !mode.real_weights => {
                        let fan_in = array.shape[1..].iter().product();
                        mode.parts.weights.forward(&array.values, fan_in)
                    }
                    _ => array.values.clone(),
                };
                host_tensor(values, device).require_grad()
            })
            .collect()
    }

    /// Takes the gradients of all parameters, those of the latent weights included.
    ///
    /// # Panics
    /// If a parameter takes no part in the loss: a bug.
    pub fn take_gradients(
        &self,
        forward: Forward,
        gradients: &mut Gradients,
        mode: &ForwardMode,
    ) -> Vec<Vec<f32>> {
        let grads = forward.leaves.into_iter().map(|leaf| {
            let grad = leaf.grad_remove(gradients);
            grad.expect("bug: every parameter takes part in the loss")
        });
        let arrays = self.params.list.iter().zip(&self.specs).zip(host_lists(grads));
        arrays
            .map(|((array, spec), grad)| match spec.role {
                Role::BinaryWeight if !mode.real_weights => {
                    let fan_in = array.shape[1..].iter().product();
                    mode.parts.weights.backward(&array.values, fan_in, &grad)
                }
                _ => grad,
            })
            .collect()
    }
}

/// The last layer that reads each value.
fn last_uses(graph: &Graph) -> Vec<LayerId> {
    let mut last = vec![graph.layers.len(); graph.layers.len()];
    for (id, layer) in graph.layers.iter().enumerate() {
        for o in layer.operands() {
            last[o] = id;
        }
    }
    last
}

/// A tensor of host values.
pub(crate) fn host_tensor(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}

/// Values of a tensor.
pub(crate) fn host_values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Values of many tensors, for which a device is waited once.
pub(crate) fn host_lists<const D: usize>(
    tensors: impl IntoIterator<Item = Tensor<D>>,
) -> Vec<Vec<f32>> {
    let read = tensors.into_iter().fold(Transaction::default(), Transaction::register);
    read.execute().iter().map(|data| data.iter::<f32>().collect()).collect()
}
