//! Layers by burn's own operations, on any device.
//!
//! Maps are `[images, channels, height, width]`. This is the path of the GPU backends, and on the
//! CPU the check of the fused operations: it shares no arithmetic with them.
//!
//! Rounding has gradient 1 (the straight-through estimator): a rounded value is written as
//! `x - detach(x) + rounded`, whose value is exactly `rounded`.

use burn::tensor::module::{avg_pool2d, batch_norm_train, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use heartbit_ir::grid::{Grid, level_unit, quantize_shift, real_conv_levels, stem_levels};
use heartbit_model::graph::{Conv, Fit, Layer, LayerKind, Reduce, Shortcut, Uses};

use crate::model::forward::{Executor, ForwardMode, Leaves, host_lists, host_tensor};
use crate::model::network::Network;
use crate::ops::binarize_activation::StdGradient;
use crate::ops::norm::EPS;
use crate::ops::unit::BatchStats;

/// Largest level of a pixel, and the value of the constant channel.
const FULL: f64 = 255.0;
/// Channels of an image.
const PIXELS: usize = 3;

/// The layers of one batch.
pub(crate) struct Composite<'a> {
    net: &'a Network,
    params: &'a Leaves<'a>,
    mode: &'a ForwardMode,
    pixels: Tensor<4>,
    images: usize,
    device: Device,
    moments: Vec<Moments>,
}

/// Statistics of a normalisation, which stay on the device until all are read at once.
struct Moments {
    mean: Tensor<1>,
    var: Tensor<1>,
    /// Values that they are of, for each channel.
    count: usize,
}

impl<'a> Composite<'a> {
    pub(crate) fn new(
        net: &'a Network,
        params: &'a Leaves<'a>,
        mode: &'a ForwardMode,
        bytes: &[u8],
        images: usize,
        device: &Device,
    ) -> Self {
        let side = net.graph.sizes.image_side;
        let plane = side * side;
        let mut levels = Vec::with_capacity(images * (PIXELS + 1) * plane);
        for image in bytes.chunks_exact(PIXELS * plane) {
            levels.extend(image.iter().map(|&p| f32::from(2 * i16::from(p) - 255)));
            levels.extend(std::iter::repeat_n(FULL as f32, plane));
        }
        let data = TensorData::new(levels, [images, PIXELS + 1, side, side]);
        let pixels = Tensor::from_data(data, device);
        Self { net, params, mode, pixels, images, device: device.clone(), moments: Vec::new() }
    }

    fn channels(&self, key: &str, channels: usize) -> Tensor<4> {
        self.params.get(key).reshape([1, channels, 1, 1])
    }

    /// A constant of each output channel.
    fn constant(&self, values: impl IntoIterator<Item = f64>) -> Tensor<4> {
        let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
        let channels = values.len();
        host_tensor(values, &self.device).reshape([1, channels, 1, 1])
    }

    /// Normalises by the batch's statistics and records them.
    fn norm(&mut self, x: Tensor<4>, prefix: &str) -> Tensor<4> {
        let [n, _, h, w] = x.dims();
        let gamma = self.params.get(&format!("{prefix}.weight"));
        let beta = self.params.get(&format!("{prefix}.bias"));
        let out = batch_norm_train(x, gamma, beta, EPS);
        self.moments.push(Moments { mean: out.mean, var: out.variance, count: n * h * w });
        out.output
    }

    /// Rounds to the stream's grid.
    fn snap(&self, x: Tensor<4>) -> Tensor<4> {
        let Some(scale) = self.mode.grid_scale() else { return x };
        let scale = f64::from(scale);
        let rounded = (x.clone().detach() * scale + 0.5).floor() / scale;
        straight_through(x, rounded)
    }

    fn limit(&self, x: Tensor<4>, hardtanh: bool) -> Tensor<4> {
        let bound = if hardtanh { Some(1.0) } else { self.mode.stream_limit() };
        let Some(bound) = bound else { return x };
        // The gradient is 0 at the bounds themselves, which values on the grid do reach.
        let inside = x.clone().detach().abs().lower_elem(bound).float();
        let limited = x.clone().detach().clamp(-bound, bound);
        straight_through(x * inside, limited)
    }

    /// Folds the pixel statistics into the weights `[cout, 4, k, k]`, in units of a scale of each
    /// output channel.
    fn fold_stem(&self, latent: &Tensor<4>, conv: &Conv) -> (Tensor<4>, Tensor<4>) {
        let stats = &self.mode.pixels;
        let per_channel = |f: &dyn Fn(usize) -> f64| self.constant((0..PIXELS).map(f));
        let pixel = latent.clone() * per_channel(&|c| 1.0 / (510.0 * stats.std[c]));
        let offset = per_channel(&|c| (0.5 - stats.mean[c]) / stats.std[c] / FULL);
        let folded = Tensor::cat(vec![pixel, (latent.clone() * offset).sum_dim(1)], 1);
        let Some(grid) = &self.mode.grid else {
            return (folded, self.constant(vec![1.0; conv.cout]));
        };
        let values = self.net.values(&conv.weight());
        let levels =
            stem_levels(values, conv.shape(), &stats.mean, &stats.std, grid.stem_weight_bits);
        self.levels(folded, &levels.levels, &levels.scale)
    }

    /// Weights `[cout, channels, k, k]` as levels (given with the channel fastest) times a scale.
    fn levels(&self, real: Tensor<4>, levels: &[i32], scale: &[f64]) -> (Tensor<4>, Tensor<4>) {
        let [cout, cin, kh, kw] = real.dims();
        let values: Vec<f32> = levels.iter().map(|&l| l as f32).collect();
        let data = TensorData::new(values, [cout, kh, kw, cin]);
        let levels = Tensor::<4>::from_data(data, &self.device).permute([0, 3, 1, 2]);
        let inverse = self.constant(scale.iter().map(|s| 1.0 / s)).reshape([cout, 1, 1, 1]);
        (straight_through(real * inverse, levels), self.constant(scale.iter().copied()))
    }

    fn fit(&self, x: Tensor<4>, fit: Fit, channels: usize) -> Tensor<4> {
        match fit {
            Fit::Identity => x,
            Fit::PoolZeroChannels => {
                let pooled = self.mean_pool(x);
                let [n, cin, h, w] = pooled.dims();
                let zeros = Tensor::zeros([n, (channels - cin) / 2, h, w], &self.device);
                Tensor::cat(vec![zeros.clone(), pooled, zeros], 1)
            }
        }
    }

    fn mean_pool(&self, x: Tensor<4>) -> Tensor<4> {
        let options = AvgPoolOptions::new([2, 2]).with_stride([2, 2]);
        self.snap(avg_pool2d(x, options))
    }

    /// `sign(x)` with the triangle `max(0, 2 - 2|a|)` as its gradient, `a` the value divided by its
    /// image's deviation.
    fn binarize(&self, x: Tensor<4>) -> Tensor<4> {
        let dims = x.dims();
        let n = dims[1] * dims[2] * dims[3];
        let flat = x.clone().reshape([dims[0], n]);
        let centred = flat.clone() - flat.mean_dim(1);
        let var = centred.powf_scalar(2.0).sum_dim(1) / (n as f64 - 1.0);
        let mut std = (var + EPS).sqrt().reshape([dims[0], 1, 1, 1]);
        if self.mode.parts.std_gradient == StdGradient::Detached {
            std = std.detach();
        }
        let signs = x.clone().detach().greater_equal_elem(0.0).float() * 2.0 - 1.0;
        let a = (x / std).clamp(-1.0, 1.0);
        // Its derivative is the triangle.
        let surrogate = a.clone() * 2.0 - a.clone() * a.abs();
        straight_through(surrogate, signs)
    }

    /// The slopes, on the grid rounded to the fraction bits that they share.
    fn slope(&self, key: &str, channels: usize) -> Tensor<4> {
        let slope = self.channels(key, channels);
        let Some(grid) = &self.mode.grid else { return slope };
        let values = self.net.values(key);
        let zeros = vec![0.0; channels];
        let integers = heartbit_ir::grid::prelu(values, &zeros, &zeros, grid.stream_frac_bits);
        let unit = f64::from(integers.shift).exp2();
        let rounded = self.constant(integers.slope.iter().map(|&s| f64::from(s) / unit));
        straight_through(slope, rounded)
    }
}

/// The value `rounded` with the gradient of `x`.
fn straight_through<const D: usize>(x: Tensor<D>, rounded: Tensor<D>) -> Tensor<D> {
    x.clone() - x.detach() + rounded
}

fn convolve(x: Tensor<4>, weight: Tensor<4>, conv: &Conv) -> Tensor<4> {
    let pad = conv.kernel / 2;
    let options = ConvOptions::new([conv.stride; 2], [pad; 2], [1, 1], 1);
    conv2d(x, weight, None, options)
}

/// A stream as odd levels, given as their float values (semantics.md, `quantize`).
fn quantize<const D: usize>(x: Tensor<D>, grid: &Grid, bits: u32, range_log2: u32) -> Tensor<D> {
    let shift = quantize_shift(bits, grid.stream_frac_bits, range_log2);
    let unit = level_unit(shift, grid.stream_frac_bits);
    let rounded = levels(x.clone().detach() / (2.0 * unit), bits) * unit;
    straight_through(x, rounded)
}

/// `2·clamp(floor(v) + 2^(bits - 1), 0, 2^bits - 1) - (2^bits - 1)`.
fn levels<const D: usize>(v: Tensor<D>, bits: u32) -> Tensor<D> {
    let half = f64::from(1u32 << (bits - 1));
    let full = f64::from((1u32 << bits) - 1);
    (v.floor() + half).clamp(0.0, full) * 2.0 - full
}

impl Executor for Composite<'_> {
    type Map = Tensor<4>;

    fn stem(&mut self, conv: &Conv, norm: &str, hardtanh: bool, uses: Uses) -> Tensor<4> {
        let latent = self.params.get(&conv.weight()).reshape(conv.shape());
        let (weight, scale) = self.fold_stem(&latent, conv);
        let z = convolve(self.pixels.clone(), weight, conv) * scale;
        let y = self.norm(z, norm);
        let y = if uses.value { self.snap(y) } else { y };
        self.limit(y, hardtanh)
    }

    fn binary(&mut self, layer: &Layer, uses: Uses, operands: &[Tensor<4>]) -> Tensor<4> {
        let LayerKind::Binary { conv, shift, pool, norm, shortcut, hardtanh, .. } = &layer.kind
        else {
            panic!("bug: not a binary layer")
        };
        let x = operands[0].clone();
        let shifted = match shift {
            Some(shift) => x + self.snap(self.channels(&format!("{shift}.bias"), conv.cin)),
            None => x,
        };
        let signs = self.binarize(shifted);
        let weight = self.params.get(&conv.weight()).reshape(conv.shape());
        let alpha = if self.net.method.learns_alpha() {
            self.channels(&conv.alpha(), conv.cout)
        } else {
            self.constant(self.net.alpha(conv))
        };
        let mut z = convolve(signs, weight, conv) * alpha;
        if *pool {
            z = max_pool2d(z, MaxPoolOptions::new([2, 2]).with_stride([2, 2]));
        }
        let mut y = self.norm(z, norm);
        if uses.value || shortcut.is_some() {
            y = self.snap(y);
        }
        if let Some(Shortcut { fit, .. }) = shortcut {
            y = y + self.fit(operands[1].clone(), *fit, layer.channels);
        }
        self.limit(y, *hardtanh)
    }

    fn real(&mut self, conv: &Conv, norm: &str, x: Tensor<4>, range_log2: u32) -> Tensor<4> {
        let weight = self.params.get(&conv.weight()).reshape(conv.shape());
        let z = match &self.mode.grid {
            None => convolve(x, weight, conv),
            Some(grid) => {
                let bits = grid.downsample_weight_bits;
                let values = self.net.values(&conv.weight());
                let folded = real_conv_levels(values, conv.shape(), bits);
                let (weight, scale) = self.levels(weight, &folded.levels, &folded.scale);
                let x = quantize(x, grid, grid.downsample_activation_bits, range_log2);
                convolve(x, weight, conv) * scale
            }
        };
        let y = self.norm(z, norm);
        let y = self.snap(y);
        self.limit(y, false)
    }

    fn max_pool(&mut self, _layer: &Layer, x: Tensor<4>) -> Tensor<4> {
        let options = MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_padding([1, 1]);
        max_pool2d(x, options)
    }

    fn avg_pool(&mut self, _layer: &Layer, x: Tensor<4>) -> Tensor<4> {
        self.mean_pool(x)
    }

    fn prelu(&mut self, layer: &Layer, x: Tensor<4>) -> Tensor<4> {
        let LayerKind::Prelu { before, slope, after, .. } = &layer.kind else {
            panic!("bug: not an activation")
        };
        let x = match before {
            Some(key) => x + self.snap(self.channels(key, layer.channels)),
            None => x,
        };
        let slope = self.slope(slope, layer.channels);
        // At 0, which values on the grid do reach, the gradient is the slope's, as torch's.
        let positive = x.clone().detach().greater_elem(0.0).float();
        let negative = (positive.clone() * -1.0 + 1.0) * x.clone() * slope;
        let y = x * positive + self.snap(negative);
        let y = match after {
            Some(key) => y + self.snap(self.channels(key, layer.channels)),
            None => y,
        };
        self.limit(y, false)
    }

    fn reduce(&mut self, map: Tensor<4>, reduce: Reduce, range_log2: u32) -> Tensor<2> {
        let [_, c, h, w] = map.dims();
        let grid = self.mode.grid.as_ref();
        match reduce {
            Reduce::Flatten => {
                let flat = map.reshape([self.images, c * h * w]);
                grid.map_or(flat.clone(), |g| quantize(flat, g, g.head_activation_bits, range_log2))
            }
            Reduce::GlobalPool => {
                let sum = map.reshape([self.images, c, h * w]).sum_dim(2).reshape([self.images, c]);
                let positions = (h * w) as f64;
                let Some(grid) = grid else { return sum / positions };
                let log2 = (h * w).next_power_of_two().trailing_zeros();
                quantize(sum, grid, grid.head_activation_bits, range_log2 + log2) / positions
            }
        }
    }

    fn stats(self) -> Vec<BatchStats> {
        let read = host_lists(self.moments.iter().flat_map(|m| [m.mean.clone(), m.var.clone()]));
        let each = self.moments.iter().zip(read.chunks_exact(2));
        each.map(|(moments, read)| {
            let count = moments.count as f64;
            let unbiased = count / (count - 1.0).max(1.0);
            BatchStats {
                mean: read[0].iter().copied().map(f64::from).collect(),
                var: read[1].iter().map(|&v| f64::from(v) * unbiased).collect(),
            }
        })
        .collect()
    }
}
