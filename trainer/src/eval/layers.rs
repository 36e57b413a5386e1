//! The layers of a network in evaluation, over one group of 16 images.
//!
//! A map is `[channels, side, side]` of [`Lanes`]. On the grid its values are the stream's
//! integers, where only the sign is read ±1; in real arithmetic they are real numbers.
//! Bounds on the grid: convolution sums stay below 2^24 and are exact in `f32`, products of
//! multipliers and sums below 2^53 in `f64`.

use heartbit_ir::grid::{
    self, Affine, BatchNorm, PixelStatistics, STREAM_MAX, range_log2, real_conv_levels,
    requantizer, stem_levels,
};
use heartbit_model::graph::{Conv, Fit, Layer, LayerId, LayerKind, Shortcut, Uses};

use crate::eval::Precision;
use crate::lanes::{Lanes, Signs, as_rows};
use crate::model::network::Network;
use crate::ops::conv::{self, ConvShape, Packed, SignWeights};
use crate::ops::norm::EPS;
use crate::ops::quantizer::Quantizer;
use crate::ops::stem::{STEM_CHANNELS, channels_first, fold_real, write_pixels};
use crate::simd::simd;

/// One layer, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    kind: Kind,
    operands: Vec<LayerId>,
}

#[derive(Clone, Debug)]
enum Kind {
    Conv(Box<ConvStep>),
    MaxPool { side: usize },
    AvgPool { side: usize, rounding: bool },
    Prelu(PreluStep),
}

/// A convolution with everything that follows it.
#[derive(Clone, Debug)]
struct ConvStep {
    shape: ConvShape,
    source: Source,
    /// For each channel, whether a 2×2 pool keeps the largest sum or the smallest.
    pool: Option<Vec<bool>>,
    rescale: Vec<Rescale>,
    shortcut: Option<Fit>,
    /// Whether values are rounded down, as integers are.
    rounding: bool,
    clip: f64,
}

/// What a convolution reads, with the weights for it.
#[derive(Clone, Debug)]
enum Source {
    /// The images' bytes.
    Pixels(Packed),
    /// The signs of a map, after adding a bias to each channel.
    Signs { weights: SignWeights, shift: Vec<f32> },
    /// The map itself, or its levels.
    Values { weights: Packed, quantizer: Option<Quantizer> },
}

/// What one channel's sums become.
#[derive(Clone, Copy, Debug)]
enum Rescale {
    /// `(mul·z + bias) · unit`.
    Affine { mul: f64, bias: f64, unit: f64 },
    /// The sign of `a·z + b`.
    Sign { a: f64, b: f64 },
}

#[derive(Clone, Debug)]
struct PreluStep {
    before: Vec<f64>,
    slope: Vec<f64>,
    after: Vec<f64>,
    /// Value of a slope of 1, below 1 where slopes are integers.
    unit: f64,
    rounding: bool,
    clip: f64,
}

/// Prepares the layers of a network.
pub(crate) fn steps(
    net: &Network,
    pixels: &PixelStatistics,
    precision: Precision<'_>,
) -> Vec<Step> {
    let builder = Builder { net, pixels, precision };
    let layers = net.graph.layers.iter().zip(net.graph.uses());
    layers
        .map(|(layer, uses)| Step { kind: builder.kind(layer, uses), operands: layer.operands() })
        .collect()
}

/// Runs the layers on up to 16 images; lanes without an image hold finite values.
pub(crate) fn run(steps: &[Step], pixels: &[u8]) -> Vec<Lanes> {
    let mut last_use = vec![steps.len(); steps.len()];
    for (id, step) in steps.iter().enumerate() {
        step.operands.iter().for_each(|&o| last_use[o] = id);
    }
    let mut values: Vec<Vec<Lanes>> = Vec::with_capacity(steps.len());
    for (id, step) in steps.iter().enumerate() {
        let operands: Vec<&[Lanes]> = step.operands.iter().map(|&o| &values[o][..]).collect();
        let value = step.run(&operands, pixels);
        values.push(value);
        for &o in step.operands.iter().filter(|&&o| last_use[o] == id) {
            values[o] = Vec::new();
        }
    }
    values.pop().expect("bug: a network has layers")
}

struct Builder<'a> {
    net: &'a Network,
    pixels: &'a PixelStatistics,
    precision: Precision<'a>,
}

impl Builder<'_> {
    /// Fraction bits of the stream, or `None` in real arithmetic.
    fn frac_bits(&self) -> Option<u32> {
        match self.precision {
            Precision::Grid(grid) => Some(grid.stream_frac_bits),
            Precision::Float => None,
        }
    }

    /// Largest magnitude of a layer's values.
    fn clip(&self, hardtanh: bool) -> f64 {
        match (self.frac_bits(), hardtanh) {
            (Some(bits), true) => f64::from(1u32 << bits),
            (Some(_), false) => f64::from(STREAM_MAX),
            (None, true) => 1.0,
            (None, false) => f64::INFINITY,
        }
    }

    fn kind(&self, layer: &Layer, uses: Uses) -> Kind {
        let rounding = self.frac_bits().is_some();
        match &layer.kind {
            LayerKind::MaxPool { input } => {
                Kind::MaxPool { side: self.net.graph.layers[*input].side }
            }
            LayerKind::AvgPool { .. } => Kind::AvgPool { side: layer.side, rounding },
            LayerKind::Prelu { before, slope, after, .. } => {
                Kind::Prelu(self.prelu(layer, before.as_deref(), slope, after.as_deref()))
            }
            LayerKind::Stem { conv, norm, hardtanh } => {
                let (weights, scale) = self.stem(conv);
                let shape = ConvShape { cin: STEM_CHANNELS, ..ConvShape::from(conv) };
                Kind::Conv(Box::new(ConvStep {
                    shape,
                    source: Source::Pixels(conv::pack_forward(&weights, shape)),
                    pool: None,
                    rescale: self.rescale(norm, &scale, !uses.value),
                    shortcut: None,
                    rounding,
                    clip: self.clip(*hardtanh),
                }))
            }
            LayerKind::Binary { conv, shift, pool, norm, shortcut, hardtanh, .. } => {
                let alpha = self.net.alpha(conv);
                let weights = binary_weights(self.net, conv);
                let only_sign = !uses.value && shortcut.is_none();
                let larger = || alpha.iter().map(|&a| a >= 0.0).collect();
                Kind::Conv(Box::new(ConvStep {
                    shape: conv.into(),
                    source: Source::Signs {
                        weights: conv::pack_sign_weights(&weights, conv.into()),
                        shift: shift
                            .as_ref()
                            .map_or_else(|| vec![0.0; conv.cin], |prefix| self.shift(prefix)),
                    },
                    pool: pool.then(larger),
                    rescale: self.rescale(norm, &alpha, only_sign),
                    shortcut: shortcut.map(|Shortcut { fit, .. }| fit),
                    rounding,
                    clip: self.clip(*hardtanh),
                }))
            }
            LayerKind::Real { conv, input, norm } => {
                let (weights, scale, quantizer) = self.real(conv, *input);
                Kind::Conv(Box::new(ConvStep {
                    shape: conv.into(),
                    source: Source::Values {
                        weights: conv::pack_forward(&weights, conv.into()),
                        quantizer,
                    },
                    pool: None,
                    rescale: self.rescale(norm, &scale, false),
                    shortcut: None,
                    rounding,
                    clip: self.clip(false),
                }))
            }
        }
    }

    /// Weights `[cout, 4, k, k]` and the scale of each filter.
    fn stem(&self, conv: &Conv) -> (Vec<f32>, Vec<f64>) {
        let latent = self.net.values(&conv.weight());
        let PixelStatistics { mean, std } = self.pixels;
        let taps = conv.kernel * conv.kernel;
        match self.precision {
            Precision::Float => (fold_real(latent, taps, self.pixels), vec![1.0; conv.cout]),
            Precision::Grid(grid) => {
                let folded = stem_levels(latent, conv.shape(), mean, std, grid.stem_weight_bits);
                (channels_first(&folded.levels, taps, STEM_CHANNELS), folded.scale)
            }
        }
    }

    /// Weights `[cout, cin, 1, 1]`, the scale of each filter, and how the input is quantized.
    ///
    /// The scale is that of sums of levels, so it contains the value of an input level.
    fn real(&self, conv: &Conv, input: LayerId) -> (Vec<f32>, Vec<f64>, Option<Quantizer>) {
        let latent = self.net.values(&conv.weight());
        let Precision::Grid(grid) = self.precision else {
            return (latent.to_vec(), vec![1.0; conv.cout], None);
        };
        let bits = grid.downsample_activation_bits;
        let frac_bits = grid.stream_frac_bits;
        let range = range_log2(self.net.graph.limited(input), frac_bits);
        let quantizer = Quantizer::new(bits, frac_bits, range);
        let folded = real_conv_levels(latent, conv.shape(), grid.downsample_weight_bits);
        let weights = channels_first(&folded.levels, conv.kernel * conv.kernel, conv.cin);
        let scale = folded.scale.iter().map(|s| s * quantizer.unit).collect();
        (weights, scale, Some(quantizer))
    }

    fn shift(&self, prefix: &str) -> Vec<f32> {
        let bias = self.net.values(&format!("{prefix}.bias"));
        match self.frac_bits() {
            None => bias.to_vec(),
            Some(bits) => bias.iter().map(|&b| grid::stream_offset(b, bits) as f32).collect(),
        }
    }

    fn rescale(&self, norm: &str, alpha: &[f64], only_sign: bool) -> Vec<Rescale> {
        let affine = Affine::from_batch_norm(&batch_norm(self.net, norm), alpha);
        let pairs = affine.a.iter().zip(&affine.b);
        match self.frac_bits() {
            _ if only_sign => pairs.map(|(&a, &b)| Rescale::Sign { a, b }).collect(),
            None => pairs.map(|(&mul, &bias)| Rescale::Affine { mul, bias, unit: 1.0 }).collect(),
            Some(bits) => {
                let r = requantizer(&affine, bits);
                let unit = 1.0 / f64::from(1u32 << r.shift);
                let pairs = r.mul.iter().zip(&r.bias);
                pairs
                    .map(|(&m, &b)| Rescale::Affine { mul: m.into(), bias: b.into(), unit })
                    .collect()
            }
        }
    }

    fn prelu(
        &self,
        layer: &Layer,
        before: Option<&str>,
        slope: &str,
        after: Option<&str>,
    ) -> PreluStep {
        let zeros = vec![0.0; layer.channels];
        let get = |key: Option<&str>| key.map_or(&zeros[..], |key| self.net.values(key));
        let (before, slope, after) = (get(before), self.net.values(slope), get(after));
        let clip = self.clip(false);
        match self.frac_bits() {
            None => {
                let real = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect();
                let (before, slope, after) = (real(before), real(slope), real(after));
                PreluStep { before, slope, after, unit: 1.0, rounding: false, clip }
            }
            Some(bits) => {
                let p = grid::prelu(slope, before, after, bits);
                let real = |v: Vec<i32>| v.into_iter().map(f64::from).collect();
                let unit = 1.0 / f64::from(1u32 << p.shift);
                let (before, slope, after) = (real(p.before), real(p.slope), real(p.after));
                PreluStep { before, slope, after, unit, rounding: true, clip }
            }
        }
    }
}

fn binary_weights(net: &Network, conv: &Conv) -> Vec<f32> {
    let latent = net.values(&conv.weight());
    let bits = grid::binary_weights(latent, conv.fan_in(), net.method.centering());
    bits.into_iter().map(|bit| if bit { 1.0 } else { -1.0 }).collect()
}

/// Parameters and running statistics of a normalisation.
pub(crate) fn batch_norm(net: &Network, prefix: &str) -> BatchNorm {
    let get = |suffix: &str| net.values(&format!("{prefix}.{suffix}")).to_vec();
    BatchNorm {
        gamma: get("weight"),
        beta: get("bias"),
        mean: get("running_mean"),
        var: get("running_var"),
        eps: EPS,
    }
}

impl Step {
    fn run(&self, operands: &[&[Lanes]], pixels: &[u8]) -> Vec<Lanes> {
        match &self.kind {
            Kind::Conv(step) => step.run(operands, pixels),
            Kind::MaxPool { side } => max_pool(operands[0], *side),
            Kind::AvgPool { side, rounding } => avg_pool(operands[0], *side, *rounding),
            Kind::Prelu(step) => step.run(operands[0]),
        }
    }
}

impl ConvStep {
    fn run(&self, operands: &[&[Lanes]], pixels: &[u8]) -> Vec<Lanes> {
        let z = self.sums(operands, pixels);
        let side = self.shape.side();
        let (mut z, side) = match &self.pool {
            None => (z, side),
            Some(larger) => (pool_sums(&z, larger, side), side / 2),
        };
        let shortcut = self.shortcut.map(|fit| self.fit(operands[operands.len() - 1], fit, side));
        let plane = side * side;
        let zeros = vec![Lanes::ZERO; plane];
        for (c, z) in z.chunks_exact_mut(plane).enumerate() {
            match self.rescale[c] {
                Rescale::Sign { a, b } => signs(z, a, b),
                Rescale::Affine { mul, bias, unit } => {
                    let added = shortcut.as_ref().map_or(&zeros[..], |s| &s[c * plane..][..plane]);
                    let f = Affinity { mul, bias, unit, rounding: self.rounding, clip: self.clip };
                    rescale(z, added, f);
                }
            }
        }
        z
    }

    /// The sums of the convolution.
    fn sums(&self, operands: &[&[Lanes]], pixels: &[u8]) -> Vec<Lanes> {
        let shape = self.shape;
        let mut z = vec![Lanes::ZERO; shape.output()];
        let padded = || vec![Lanes::ZERO; shape.padded_input()];
        let (weights, map) = match &self.source {
            Source::Signs { weights, shift } => {
                let mut map = vec![Signs::default(); shape.sign_input()];
                conv::pack_signs(as_rows(operands[0]), shift, &mut map, shape);
                conv::forward_signs(&map, weights, &mut z, shape);
                return z;
            }
            Source::Pixels(weights) => {
                let mut map = padded();
                write_pixels(pixels, 0, &mut map, shape);
                (weights, map)
            }
            Source::Values { weights, quantizer } => {
                let mut map = padded();
                match quantizer {
                    None => pad(operands[0], &mut map, shape, |v| v),
                    Some(q) => {
                        let level = |v: f32| q.level_of_units(v.into()) as f32;
                        pad(operands[0], &mut map, shape, level);
                    }
                }
                (weights, map)
            }
        };
        conv::forward(&map, weights, &mut z, shape);
        z
    }

    /// The stream that is added, in the shape of the result.
    fn fit(&self, stream: &[Lanes], fit: Fit, side: usize) -> Vec<Lanes> {
        match fit {
            Fit::Identity => stream.to_vec(),
            Fit::PoolZeroChannels => {
                let pooled = avg_pool(stream, side, self.rounding);
                let missing = self.shape.cout * side * side - pooled.len();
                let zeros = vec![Lanes::ZERO; missing / 2];
                [&zeros[..], &pooled, &zeros].concat()
            }
        }
    }
}

/// One channel's rescaling.
#[derive(Clone, Copy, Debug)]
struct Affinity {
    mul: f64,
    bias: f64,
    unit: f64,
    rounding: bool,
    clip: f64,
}

simd! {
    /// `clamp(floor((mul·z + bias)·unit) + shortcut, ±clip)` in place.
    fn rescale<const LEVEL>(z: &mut [Lanes], shortcut: &[Lanes], f: Affinity) {
        for (z, shortcut) in z.iter_mut().zip(shortcut) {
            for k in 0..crate::lanes::LANES {
                let y = (f.mul * f64::from(z.0[k]) + f.bias) * f.unit;
                let y = if f.rounding { y.floor() } else { y };
                z.0[k] = (y + f64::from(shortcut.0[k])).clamp(-f.clip, f.clip) as f32;
            }
        }
    }
}

simd! {
    /// The sign of `a·z + b` in place.
    fn signs<const LEVEL>(z: &mut [Lanes], a: f64, b: f64) {
        for z in z {
            for k in 0..crate::lanes::LANES {
                z.0[k] = if a * f64::from(z.0[k]) + b >= 0.0 { 1.0 } else { -1.0 };
            }
        }
    }
}

/// Writes a map into the interior of a zeroed padded one.
fn pad(map: &[Lanes], out: &mut [Lanes], shape: ConvShape, f: impl Fn(f32) -> f32) {
    let (side, padded, border) = (shape.in_side, shape.padded(), shape.pad());
    for (i, row) in map.chunks_exact(side).enumerate() {
        let (c, y) = (i / side, i % side);
        let start = (c * padded + y + border) * padded + border;
        for (v, out) in row.iter().zip(&mut out[start..start + side]) {
            *out = Lanes(v.0.map(&f));
        }
    }
}

/// The largest or smallest of each 2×2 block of sums; `side` is that of the sums.
fn pool_sums(z: &[Lanes], larger: &[bool], side: usize) -> Vec<Lanes> {
    let planes = z.chunks_exact(side * side).zip(larger);
    let each = |(plane, &larger): (&[Lanes], &bool)| {
        blocks(plane, side)
            .map(|block| {
                let pick = |a: f32, b: f32| if larger { a.max(b) } else { a.min(b) };
                Lanes(std::array::from_fn(|k| {
                    block.map(|v| v.0[k]).into_iter().reduce(pick).unwrap_or(0.0)
                }))
            })
            .collect::<Vec<_>>()
    };
    planes.flat_map(each).collect()
}

/// The mean of each 2×2 block, rounded half up where the values are integers; `side` is that of
/// the result.
fn avg_pool(map: &[Lanes], side: usize, rounding: bool) -> Vec<Lanes> {
    let half = if rounding { 2.0 } else { 0.0 };
    let mean = move |block: [Lanes; 4]| {
        Lanes(std::array::from_fn(|k| {
            let sum: f32 = block.iter().map(|v| v.0[k]).sum();
            let mean = (sum + half) / 4.0;
            if rounding { mean.floor() } else { mean }
        }))
    };
    map.chunks_exact(4 * side * side).flat_map(|plane| blocks(plane, 2 * side).map(mean)).collect()
}

/// The 2×2 blocks of a plane, row by row.
fn blocks(plane: &[Lanes], side: usize) -> impl Iterator<Item = [Lanes; 4]> + '_ {
    let half = side / 2;
    (0..half * half).map(move |i| {
        let at = 2 * (i / half) * side + 2 * (i % half);
        [plane[at], plane[at + 1], plane[at + side], plane[at + side + 1]]
    })
}

/// The largest of 3×3 positions at every second place; `side` is that of the input.
fn max_pool(map: &[Lanes], side: usize) -> Vec<Lanes> {
    let half = side.div_ceil(2);
    let window = move |plane: &[Lanes], y: usize, x: usize| {
        let mut best = Lanes([f32::NEG_INFINITY; crate::lanes::LANES]);
        for y in (2 * y).saturating_sub(1)..side.min(2 * y + 2) {
            for v in &plane[y * side + (2 * x).saturating_sub(1)..y * side + side.min(2 * x + 2)] {
                best = Lanes(std::array::from_fn(|k| best.0[k].max(v.0[k])));
            }
        }
        best
    };
    let planes = map.chunks_exact(side * side);
    planes.flat_map(|p| (0..half * half).map(move |i| window(p, i / half, i % half))).collect()
}

impl PreluStep {
    fn run(&self, map: &[Lanes]) -> Vec<Lanes> {
        let plane = map.len() / self.slope.len();
        let value = |c: usize, v: f32| {
            let u = f64::from(v) + self.before[c];
            let scaled = u * self.slope[c] * self.unit;
            let negative = if self.rounding { (scaled + 0.5).floor() } else { scaled };
            let w = if u >= 0.0 { u } else { negative };
            (w + self.after[c]).clamp(-self.clip, self.clip) as f32
        };
        let each = |(i, v): (usize, &Lanes)| Lanes(v.0.map(|v| value(i / plane, v)));
        map.iter().enumerate().map(each).collect()
    }
}
