//! The float meaning of a graph: what a checkpoint computes in real arithmetic, slowly.
//!
//! Every layer is one loop nest over `f64`, written from the definitions in [`crate::graph`], so
//! that faster evaluations have something obvious to agree with. The only shared definitions are
//! those of a weight's bit and of the scale of unscaled methods
//! ([`heartbit_ir::grid::binary_weights`], [`heartbit_ir::grid::alpha_statistic`]).
//! As everywhere here, `sign(0)` is +1; the padding of a binary convolution is a literal 0.
//!
//! Not here: the deployed grid (`heartbit_ir::interp` is exact there), batches, training.

use crate::checkpoint::Checkpoint;
use crate::graph::{Conv, Fit, Graph, LayerKind, Reduce, Shortcut};
use heartbit_ir::grid;

/// Epsilon of every batch normalisation.
const BN_EPS: f64 = 1e-5;

/// A square map of real values, `[channel][y][x]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Channels.
    pub channels: usize,
    /// Height and width.
    pub side: usize,
    /// Values, `x` fastest.
    pub data: Vec<f64>,
}

impl Map {
    fn from_fn(channels: usize, side: usize, f: impl Fn(usize, usize, usize) -> f64) -> Self {
        let mut data = Vec::with_capacity(channels * side * side);
        for c in 0..channels {
            for y in 0..side {
                data.extend((0..side).map(|x| f(c, y, x)));
            }
        }
        Self { channels, side, data }
    }

    /// Returns the value at a position.
    pub fn at(&self, channel: usize, y: usize, x: usize) -> f64 {
        self.data[(channel * self.side + y) * self.side + x]
    }

    /// Applies a function of channel and value to every value.
    fn map(&self, f: impl Fn(usize, f64) -> f64) -> Self {
        Self::from_fn(self.channels, self.side, |c, y, x| f(c, self.at(c, y, x)))
    }

    /// Takes the largest of `size` positions in both directions at every second place, the first
    /// `pad` of them outside the map.
    fn max_pool(&self, size: usize, pad: usize) -> Self {
        let window = |at: usize| (2 * at).saturating_sub(pad)..(2 * at + size - pad).min(self.side);
        Self::from_fn(self.channels, self.side / 2, |c, y, x| {
            let values = window(y).flat_map(|y| window(x).map(move |x| self.at(c, y, x)));
            values.fold(f64::NEG_INFINITY, f64::max)
        })
    }

    fn avg_pool(&self) -> Self {
        Self::from_fn(self.channels, self.side / 2, |c, y, x| {
            let row = |y| self.at(c, y, 2 * x) + self.at(c, y, 2 * x + 1);
            (row(2 * y) + row(2 * y + 1)) / 4.0
        })
    }

    /// Convolves with zero padding of half the kernel.
    fn convolve(&self, conv: &Conv, weights: &[f64]) -> Self {
        let (k, pad) = (conv.kernel, conv.kernel / 2);
        Self::from_fn(conv.cout, conv.side(), |o, y, x| {
            let mut sum = 0.0;
            for i in 0..conv.cin {
                for ky in 0..k {
                    for kx in 0..k {
                        let (iy, ix) = (y * conv.stride + ky, x * conv.stride + kx);
                        let inside = |at: usize| (pad..self.side + pad).contains(&at);
                        if inside(iy) && inside(ix) {
                            let weight = weights[((o * conv.cin + i) * k + ky) * k + kx];
                            sum += weight * self.at(i, iy - pad, ix - pad);
                        }
                    }
                }
            }
            sum
        })
    }
}

/// Returns the logits of one image.
///
/// `pixels` are the image's planes, `[channel][y][x]`, as in the CIFAR files.
/// The time is that of as many scalar multiply-accumulates as the network has.
///
/// # Panics
/// If the image does not have the network's size: a bug of the caller.
pub fn logits(checkpoint: &Checkpoint, pixels: &[u8]) -> Vec<f64> {
    let values = layers(checkpoint, pixels);
    let last = values.last().expect("bug: a network has layers");
    head(checkpoint, &checkpoint.graph(), last)
}

/// Returns the value of every layer for one image, in the order of the graph.
///
/// # Panics
/// As [`logits`].
pub fn layers(checkpoint: &Checkpoint, pixels: &[u8]) -> Vec<Map> {
    let graph = checkpoint.graph();
    let image = image(checkpoint, pixels);
    let mut values: Vec<Map> = Vec::new();
    for layer in &graph.layers {
        let value = layer_value(checkpoint, &layer.kind, &image, &values);
        assert_eq!((value.channels, value.side), (layer.channels, layer.side), "bug: shape");
        values.push(value);
    }
    values
}

/// Normalises the pixels: `(p / 255 - mean) / std`.
fn image(checkpoint: &Checkpoint, pixels: &[u8]) -> Map {
    let side = checkpoint.sizes.image_side;
    assert_eq!(pixels.len(), 3 * side * side, "bug: pixels of an image of side {side}");
    let statistics = checkpoint.norm.pixels();
    Map::from_fn(3, side, |c, y, x| {
        let pixel = f64::from(pixels[(c * side + y) * side + x]) / 255.0;
        (pixel - statistics.mean[c]) / statistics.std[c]
    })
}

fn layer_value(checkpoint: &Checkpoint, kind: &LayerKind, image: &Map, values: &[Map]) -> Map {
    match kind {
        LayerKind::Stem { conv, norm, hardtanh } => {
            let sums = image.convolve(conv, &real(checkpoint, &conv.weight()));
            clip(&normalise(checkpoint, norm, &sums), *hardtanh)
        }
        LayerKind::Binary { conv, input, shift, pool, norm, shortcut, hardtanh } => {
            let input = shifted(checkpoint, shift.as_deref(), &values[*input]);
            let sums = binary(checkpoint, conv, &input);
            let pooled = if *pool { sums.max_pool(2, 0) } else { sums };
            let mut sum = normalise(checkpoint, norm, &pooled);
            if let Some(shortcut) = shortcut {
                add(&mut sum, &fitted(shortcut, values, conv.cout));
            }
            clip(&sum, *hardtanh)
        }
        LayerKind::Real { conv, input, norm } => {
            let sums = values[*input].convolve(conv, &real(checkpoint, &conv.weight()));
            normalise(checkpoint, norm, &sums)
        }
        LayerKind::MaxPool { input } => values[*input].max_pool(3, 1),
        LayerKind::AvgPool { input } => values[*input].avg_pool(),
        LayerKind::Prelu { input, before, slope, after } => {
            let slope = real(checkpoint, slope);
            let bias = |key: &Option<String>| key.as_ref().map(|key| real(checkpoint, key));
            let (before, after) = (bias(before), bias(after));
            let of = |bias: &Option<Vec<f64>>, c: usize| bias.as_ref().map_or(0.0, |b| b[c]);
            values[*input].map(|c, v| {
                let v = v + of(&before, c);
                let activated = if v >= 0.0 { v } else { slope[c] * v };
                activated + of(&after, c)
            })
        }
    }
}

/// `alpha · conv(sign(input), sign(weight))`.
fn binary(checkpoint: &Checkpoint, conv: &Conv, input: &Map) -> Map {
    let (latent, method) = (checkpoint.values(&conv.weight()), checkpoint.method);
    let bits = grid::binary_weights(latent, conv.fan_in(), method.centering());
    let weights: Vec<f64> = bits.iter().map(|&bit| if bit { 1.0 } else { -1.0 }).collect();
    let alpha = if method.learns_alpha() {
        real(checkpoint, &conv.alpha())
    } else {
        grid::alpha_statistic(latent, conv.fan_in())
    };
    let signs = input.map(|_, v| if v >= 0.0 { 1.0 } else { -1.0 });
    signs.convolve(conv, &weights).map(|c, z| alpha[c] * z)
}

/// Adds the learned bias of each channel, if there is one.
fn shifted(checkpoint: &Checkpoint, prefix: Option<&str>, input: &Map) -> Map {
    let Some(prefix) = prefix else { return input.clone() };
    let bias = checkpoint.values(&format!("{prefix}.bias"));
    input.map(|c, v| v + f64::from(bias[c]))
}

/// Batch normalisation with the running statistics.
fn normalise(checkpoint: &Checkpoint, norm: &str, input: &Map) -> Map {
    let [gamma, beta, mean, var] = batch_norm(checkpoint, norm);
    input.map(|c, v| (v - mean[c]) / (var[c] + BN_EPS).sqrt() * gamma[c] + beta[c])
}

/// Scale, offset, mean and variance of a batch normalisation.
fn batch_norm(checkpoint: &Checkpoint, norm: &str) -> [Vec<f64>; 4] {
    ["weight", "bias", "running_mean", "running_var"]
        .map(|part| real(checkpoint, &format!("{norm}.{part}")))
}

/// The value that a shortcut adds to a map of `channels` channels.
fn fitted(shortcut: &Shortcut, values: &[Map], channels: usize) -> Map {
    let from = &values[shortcut.from];
    match shortcut.fit {
        Fit::Identity => from.clone(),
        Fit::PoolZeroChannels => {
            let pooled = from.avg_pool();
            let front = (channels - pooled.channels) / 2;
            Map::from_fn(channels, pooled.side, |c, y, x| {
                let inside = (front..front + pooled.channels).contains(&c);
                if inside { pooled.at(c - front, y, x) } else { 0.0 }
            })
        }
    }
}

fn add(sum: &mut Map, other: &Map) {
    assert_eq!((sum.channels, sum.side), (other.channels, other.side), "bug: shapes of a sum");
    for (a, b) in sum.data.iter_mut().zip(&other.data) {
        *a += b;
    }
}

fn clip(map: &Map, hardtanh: bool) -> Map {
    if hardtanh { map.map(|_, v| v.clamp(-1.0, 1.0)) } else { map.clone() }
}

fn head(checkpoint: &Checkpoint, graph: &Graph, last: &Map) -> Vec<f64> {
    let head = &graph.head;
    let mut vector = match head.reduce {
        Reduce::Flatten => last.data.clone(),
        Reduce::GlobalPool => {
            let positions = last.side * last.side;
            #[expect(clippy::cast_precision_loss, reason = "at most 2^20 positions")]
            let mean = |values: &[f64]| values.iter().sum::<f64>() / positions as f64;
            last.data.chunks(positions).map(mean).collect()
        }
    };
    if let Some(norm) = &head.norm {
        let features = Map { channels: vector.len(), side: 1, data: vector };
        vector = normalise(checkpoint, norm, &features).data;
    }
    let weights = real(checkpoint, &format!("{}.weight", head.linear));
    let bias = real(checkpoint, &format!("{}.bias", head.linear));
    let dot = |row: &[f64]| row.iter().zip(&vector).map(|(w, v)| w * v).sum::<f64>();
    weights.chunks(vector.len()).zip(bias).map(|(row, bias)| dot(row) + bias).collect()
}

/// A parameter in `f64`.
fn real(checkpoint: &Checkpoint, key: &str) -> Vec<f64> {
    checkpoint.values(key).iter().map(|&v| f64::from(v)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Role;
    use crate::{Arch, Method, Norm, Sizes, Tensor};
    use heartbit_ir::grid::Grid;
    use std::collections::BTreeMap;

    fn ramp(side: usize) -> Map {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        Map::from_fn(1, side, |_, y, x| (y * side + x) as f64)
    }

    #[test]
    fn convolution_leaves_positions_outside_out() {
        let conv = Conv { name: String::new(), cin: 1, cout: 1, kernel: 3, stride: 2, in_side: 4 };
        let sums = ramp(4).convolve(&conv, &[1.0; 9]);
        // 0 + 1 + 4 + 5; the row above and the column to the left are outside.
        assert_eq!(sums.data, [10.0, 24.0, 51.0, 90.0]);
    }

    #[test]
    fn max_pool_of_three_never_takes_a_position_outside() {
        let negative = ramp(4).map(|_, v| v - 100.0);
        assert_eq!(negative.max_pool(3, 1).data, [-95.0, -93.0, -87.0, -85.0]);
        assert_eq!(ramp(4).max_pool(2, 0).data, [5.0, 7.0, 13.0, 15.0]);
        assert_eq!(ramp(4).avg_pool().data, [2.5, 4.5, 10.5, 12.5]);
    }

    #[test]
    fn shortcut_puts_zero_channels_on_both_sides() {
        let map = Map::from_fn(2, 2, |c, _, _| if c == 0 { 3.0 } else { 5.0 });
        let shortcut = Shortcut { from: 0, fit: Fit::PoolZeroChannels };
        assert_eq!(fitted(&shortcut, &[map], 4).data, [0.0, 3.0, 5.0, 0.0]);
    }

    /// A network whose layers up to the head give a value that can be computed on paper: every
    /// normalisation has scale 0, so each layer is its offset plus its shortcut.
    #[test]
    fn every_architecture_has_the_logits_of_its_offsets() {
        for arch in Arch::ALL {
            let published = arch.published();
            let widths = vec![4; published.widths.len()];
            let sizes = Sizes { image_side: 32, classes: 2, widths };
            let graph = arch.graph_with(&sizes).expect("valid");
            let mut tensors = BTreeMap::new();
            for p in graph.parameters(Method::Recu) {
                let value = match p.role {
                    Role::NormOffset | Role::HeadNormOffset | Role::Bias => 0.25,
                    Role::ClassifierWeight => 1.0,
                    _ => 0.0,
                };
                tensors.insert(p.key.clone(), Tensor::new(&p.shape, vec![value; p.len()]));
            }
            for (key, channels) in graph.buffers() {
                tensors.insert(key, Tensor::new(&[channels], vec![1.0; channels]));
            }
            let checkpoint = Checkpoint {
                arch,
                sizes,
                method: Method::Recu,
                norm: Norm::Recu,
                grid: Grid::default(),
                provenance: BTreeMap::new(),
                tensors,
            };
            let expected = match arch {
                // The last convolution's offset at each of 4·4 positions of 4 channels.
                Arch::VggSmall | Arch::VggSmallOvsw => 64.0 * 0.25,
                // The shortcut of the last stage starts it from its offset; each of four blocks
                // adds an offset and two biases.
                Arch::ReActNet18 => 4.0 * (0.25 + 4.0 * 0.75),
                // The offset of the head's normalisation.
                _ => 4.0 * 0.25,
            };
            assert_eq!(logits(&checkpoint, &vec![9; 3 * 32 * 32]), [expected; 2], "{arch}");
        }
    }
}
