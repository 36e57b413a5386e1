//! Exact evaluation on the deployed grid.
//!
//! Parameters become integers by [`heartbit_ir::grid`]; the integers then flow through `f32` and
//! `f64` arithmetic that is exact for them, image group by image group.
//! This shares no code with the interpreter of `heartbit_ir`, so that the two check each other:
//! they must give the same integer logits for every image.
//!
//! Bounds: convolution sums are at most 255·15·36 < 2^24, stream values at most 2^14, products at
//! most 2^15·2^24 + 2^31, all exact.

use std::path::Path;

use heartbit_dataset::Cifar10;
use heartbit_dataset::cifar10::{CLASSES, IMAGE_BYTES};
use heartbit_ir::grid::{
    self, Affine, BatchNorm, Grid, Head, PixelStatistics, Requantizer, alpha_statistic,
    requantizer, stem_levels,
};
use rayon::prelude::*;

use crate::Error;
use crate::checkpoint::{Checkpoint, Description, network};
use crate::lanes::{LANES, Lanes, groups_of};
use crate::method::AlphaSource;
use crate::model::resnet20::{HEAD_CHANNELS, HEAD_POSITIONS, ResNet20, stem_shape, units};
use crate::ops::conv::{self, ConvShape, Packed};
use crate::ops::norm::EPS;
use crate::ops::stem::{STEM_CHANNELS, channels_first, write_pixels};
use crate::simd::simd;

/// Classes of the classifier.
const N_CLASSES: usize = CLASSES as usize;

/// Results of an evaluation, one for each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Integer logits, as the deployed network gives them.
    pub int_logits: Vec<[i32; N_CLASSES]>,
    /// Float value of an integer logit of 1.
    pub logit_scale: f64,
    /// Smallest class with the largest logit.
    pub predictions: Vec<u8>,
    /// Images whose prediction is the label.
    pub correct: usize,
}

impl Evaluation {
    /// Share of correct predictions.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.predictions.len() as f64
    }

    /// The logits as floats.
    pub fn float_logits(&self) -> Vec<[f64; N_CLASSES]> {
        self.int_logits.iter().map(|l| l.map(|l| f64::from(l) * self.logit_scale)).collect()
    }
}

/// Evaluates a checkpoint on the first `images` images of a set.
///
/// # Errors
/// [`Error::Io`] or [`Error::Checkpoint`].
pub fn evaluate(path: impl AsRef<Path>, set: &Cifar10, images: usize) -> Result<Evaluation, Error> {
    let path = path.as_ref();
    let (net, Description { norm, grid, .. }) = network(&Checkpoint::load(path)?, path)?;
    Ok(IntegerNetwork::new(&net, norm.pixels(), &grid).evaluate(set, images))
}

/// One residual unit as integers.
#[derive(Clone, Debug)]
struct IntegerUnit {
    shape: ConvShape,
    packed: Packed,
    requantizer: Requantizer,
}

/// A ResNet-20 as integers.
#[derive(Clone, Debug)]
pub struct IntegerNetwork {
    stem: IntegerUnit,
    units: Vec<IntegerUnit>,
    head: Head,
    clip: f64,
    pool_bits: u32,
}

/// Looks up a float array by name.
fn array<'a>(net: &'a ResNet20, name: &str) -> &'a [f32] {
    let found = net.params.get(name).or_else(|| net.buffers.get(name));
    &found.unwrap_or_else(|| panic!("bug: the network has no `{name}`")).values
}

fn batch_norm(net: &ResNet20, prefix: &str) -> BatchNorm {
    let get = |suffix: &str| array(net, &format!("{prefix}.{suffix}")).to_vec();
    BatchNorm {
        gamma: get("weight"),
        beta: get("bias"),
        mean: get("running_mean"),
        var: get("running_var"),
        eps: EPS,
    }
}

impl IntegerNetwork {
    /// Quantizes a network.
    pub fn new(net: &ResNet20, norm: PixelStatistics, grid: &Grid) -> Self {
        let frac_bits = grid.stream_frac_bits;
        let centering = net.method.centering();
        let units = units()
            .into_iter()
            .map(|unit| {
                let fan_in = unit.shape.fan_in();
                let latent = array(net, &format!("{}.weight", unit.conv));
                let signs: Vec<f32> = grid::binary_weights(latent, fan_in, centering)
                    .into_iter()
                    .map(|bit| if bit { 1.0 } else { -1.0 })
                    .collect();
                let alpha: Vec<f64> = match AlphaSource::of(net.method) {
                    AlphaSource::Learned => {
                        let alpha = array(net, &format!("{}.alpha", unit.conv));
                        alpha.iter().map(|&a| f64::from(a)).collect()
                    }
                    AlphaSource::Statistic => alpha_statistic(latent, fan_in),
                };
                let affine = Affine::from_batch_norm(&batch_norm(net, &unit.bn), &alpha);
                IntegerUnit {
                    shape: unit.shape,
                    packed: conv::pack_forward(&signs, unit.shape),
                    requantizer: requantizer(&affine, frac_bits),
                }
            })
            .collect();
        Self {
            stem: integer_stem(net, norm, grid),
            units,
            head: grid::head(
                array(net, "linear.weight"),
                array(net, "linear.bias"),
                &batch_norm(net, "bn2"),
                HEAD_POSITIONS,
                grid,
            ),
            clip: f64::from(1u32 << frac_bits),
            pool_bits: grid.head_activation_bits,
        }
    }

    /// Evaluates the first `images` images of a set.
    pub fn evaluate(&self, set: &Cifar10, images: usize) -> Evaluation {
        let images = images.min(set.len());
        let pixels = &set.images[..images * IMAGE_BYTES];
        let int_logits: Vec<[i32; N_CLASSES]> = (0..groups_of(images))
            .into_par_iter()
            .flat_map_iter(|g| self.group_logits(pixels, g).into_iter().take(images - g * LANES))
            .collect();
        let predictions: Vec<u8> = int_logits.iter().map(first_largest).collect();
        let correct = predictions.iter().zip(&set.labels).filter(|(p, l)| p == l).count();
        Evaluation { int_logits, logit_scale: self.head.logit_scale, predictions, correct }
    }

    /// The logits of one group of images; missing images give meaningless ones.
    fn group_logits(&self, pixels: &[u8], group: usize) -> Vec<[i32; N_CLASSES]> {
        let mut map = vec![Lanes::ZERO; self.stem.shape.padded_input()];
        write_pixels(pixels, group, &mut map, self.stem.shape);
        let mut stream = self.stem.run(&map, None, self.clip);
        for unit in &self.units {
            let mut map = vec![Lanes::ZERO; unit.shape.padded_input()];
            pad_signs(&stream, &mut map, unit.shape.in_side);
            stream = unit.run(&map, Some(&stream), self.clip);
        }
        self.classify(&stream)
    }

    /// Pools the stream and applies the classifier.
    fn classify(&self, stream: &[Lanes]) -> Vec<[i32; N_CLASSES]> {
        let half = 1i64 << (self.pool_bits - 1);
        let full = (1i64 << self.pool_bits) - 1;
        (0..LANES)
            .map(|k| {
                let levels: Vec<i64> = stream
                    .chunks_exact(HEAD_POSITIONS)
                    .map(|plane| {
                        let sum: i64 = plane.iter().map(|v| v.0[k] as i64).sum();
                        2 * ((sum >> self.head.pool_shift) + half).clamp(0, full) - full
                    })
                    .collect();
                std::array::from_fn(|class| {
                    let row = &self.head.levels[class * HEAD_CHANNELS..][..HEAD_CHANNELS];
                    let z: i64 = row.iter().zip(&levels).map(|(&w, a)| i64::from(w) * a).sum();
                    let l = z + i64::from(self.head.bias[class]);
                    i32::try_from(l).expect("bug: 64 products of 14 bits and a 30-bit bias")
                })
            })
            .collect()
    }
}

fn integer_stem(net: &ResNet20, norm: PixelStatistics, grid: &Grid) -> IntegerUnit {
    let shape = stem_shape();
    let levels = stem_levels(
        array(net, "conv1.weight"),
        [shape.cout, STEM_CHANNELS - 1, shape.kernel, shape.kernel],
        &norm.mean,
        &norm.std,
        grid.stem_weight_bits,
    );
    let weights = channels_first(&levels.levels, shape.taps());
    let affine = Affine::from_batch_norm(&batch_norm(net, "bn1"), &levels.scale);
    IntegerUnit {
        shape,
        packed: conv::pack_forward(&weights, shape),
        requantizer: requantizer(&affine, grid.stream_frac_bits),
    }
}

fn first_largest(logits: &[i32; N_CLASSES]) -> u8 {
    (0..CLASSES).rev().max_by_key(|&c| logits[usize::from(c)]).unwrap_or(0)
}

/// One channel's integers of a requantization.
#[derive(Clone, Copy, Debug)]
struct Rescale {
    mul: f64,
    bias: f64,
    unit: f64,
    clip: f64,
}

simd! {
    /// `min(max(floor((mul·z + bias) / 2^shift) + shortcut, -clip), clip)` in place.
    fn rescale<const LEVEL>(z: &mut [Lanes], shortcut: &[Lanes], f: Rescale) {
        for (z, shortcut) in z.iter_mut().zip(shortcut) {
            for k in 0..LANES {
                let y = ((f.mul * f64::from(z.0[k]) + f.bias) * f.unit).floor();
                z.0[k] = (y + f64::from(shortcut.0[k])).clamp(-f.clip, f.clip) as f32;
            }
        }
    }
}

impl IntegerUnit {
    /// Convolves a padded map, rescales, and adds the shortcut of the stream.
    fn run(&self, map: &[Lanes], stream: Option<&[Lanes]>, clip: f64) -> Vec<Lanes> {
        let shape = self.shape;
        let mut z = vec![Lanes::ZERO; shape.output()];
        conv::forward(map, &self.packed, &mut z, shape);
        let plane = shape.side() * shape.side();
        let zeros = vec![Lanes::ZERO; plane];
        let pooled = stream.filter(|_| shape.stride == 2).map(|s| pool_blocks(s, shape.side()));
        let stream = pooled.as_deref().or(stream);
        let front = stream.map_or(0, |_| (shape.cout - shape.cin) / 2);
        for (c, z) in z.chunks_exact_mut(plane).enumerate() {
            let source = c.checked_sub(front).zip(stream);
            let shortcut = source.and_then(|(c, s)| s.chunks_exact(plane).nth(c)).unwrap_or(&zeros);
            let f = Rescale {
                mul: self.requantizer.mul[c].into(),
                bias: self.requantizer.bias[c].into(),
                unit: 1.0 / f64::from(1u32 << self.requantizer.shift),
                clip,
            };
            rescale(z, shortcut, f);
        }
        z
    }
}

/// `floor((a + b + c + d + 2) / 4)` of each 2×2 block; `side` is that of the result.
fn pool_blocks(stream: &[Lanes], side: usize) -> Vec<Lanes> {
    let mut out = Vec::with_capacity(stream.len() / 4);
    for plane in stream.chunks_exact(4 * side * side) {
        for y in 0..side {
            for x in 0..side {
                let at = 4 * y * side + 2 * x;
                let [a, b] = [plane[at], plane[at + 1]];
                let [c, d] = [plane[at + 2 * side], plane[at + 2 * side + 1]];
                out.push(Lanes(std::array::from_fn(|k| {
                    ((a.0[k] + b.0[k] + c.0[k] + d.0[k] + 2.0) / 4.0).floor()
                })));
            }
        }
    }
    out
}

/// Writes the signs of a stream into the interior of a zeroed padded map.
fn pad_signs(stream: &[Lanes], map: &mut [Lanes], side: usize) {
    let padded = side + 2;
    for (i, v) in stream.iter().enumerate() {
        let (plane, y, x) = (i / (side * side), i / side % side, i % side);
        let out = &mut map[(plane * padded + y + 1) * padded + x + 1];
        *out = Lanes(v.0.map(|v| if v >= 0.0 { 1.0 } else { -1.0 }));
    }
}

#[cfg(test)]
mod tests;
