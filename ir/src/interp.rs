//! The normative interpreter: semantics.md, word for word.
//!
//! Slow and obvious on purpose: a value is an `i32` array of `[y, x, channel]`, and every operation
//! is the loop that its definition says. The simulator and the RTL are right exactly
//! where they equal it.
//!
//! Not here: packed words, tiles, cycles.

mod tail;

pub use tail::{ShapeError, Tail, TailError};

use crate::network::{Extreme, InvalidNetwork, Network, OpKind, Threshold, ValueType};
use ndarray::{Array3, Array4, ArrayView3, Axis, s};

/// A value: `[y, x, channel]`.
pub type Map = Array3<i32>;

/// A network that was accepted, with its weights decoded.
pub struct Interpreter<'a> {
    network: &'a Network,
    types: Vec<ValueType>,
    /// Weights of each convolution as `[cout, ky, kx, cin]`, empty elsewhere.
    weights: Vec<Array4<i32>>,
}

/// Why an image cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image has {actual} bytes, but the network reads {expected}")]
pub struct ImageSizeError {
    expected: usize,
    actual: usize,
}

impl<'a> Interpreter<'a> {
    /// Validates the network.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(network: &'a Network) -> Result<Self, InvalidNetwork> {
        let types = network.validate()?;
        Ok(Self::decode(network, types, 0))
    }

    /// Decodes the weights of the operations from `first` on.
    fn decode(network: &'a Network, types: Vec<ValueType>, first: usize) -> Self {
        let weights = network
            .ops
            .iter()
            .enumerate()
            .map(|(id, op)| match &op.kind {
                OpKind::Conv { weights, kernel, .. } if id >= first => {
                    let cout = weights.rows() / (kernel * kernel);
                    Array4::from_shape_vec(
                        (cout, *kernel, *kernel, weights.cols()),
                        weights.to_values(),
                    )
                    .expect("bug: validated")
                }
                _ => Array4::default((0, 0, 0, 0)),
            })
            .collect();
        Self { network, types, weights }
    }

    /// Returns the type of every value.
    pub fn types(&self) -> &[ValueType] {
        &self.types
    }

    /// Computes every value for one image of bytes in `[y][x][channel]` order.
    ///
    /// # Errors
    /// If the number of bytes is not that of the network's image.
    pub fn run(&self, image: &[u8]) -> Result<Vec<Map>, ImageSizeError> {
        let ValueType { height, width, channels, .. } = self.types[0];
        let image = ArrayView3::from_shape((height, width, channels - 1), image).map_err(|_| {
            ImageSizeError { expected: height * width * (channels - 1), actual: image.len() }
        })?;
        let pixels = Map::from_shape_fn((height, width, channels), |(y, x, c)| {
            if c < channels - 1 { 2 * i32::from(image[[y, x, c]]) - 255 } else { 255 }
        });
        Ok(self.complete(vec![pixels]))
    }

    /// Computes the values that are not there yet.
    fn complete(&self, mut values: Vec<Map>) -> Vec<Map> {
        for id in values.len()..self.network.ops.len() {
            let value = self.evaluate(id, &values);
            values.push(value);
        }
        values
    }

    /// Computes the logits of one image.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn logits(&self, image: &[u8]) -> Result<Vec<i32>, ImageSizeError> {
        let last = self.run(image)?.pop().expect("bug: a valid network ends in logits");
        Ok(last.into_iter().collect())
    }

    fn evaluate(&self, id: usize, values: &[Map]) -> Map {
        let out = &self.types[id];
        let shape = (out.height, out.width, out.channels);
        match &self.network.ops[id].kind {
            OpKind::Image { .. } => unreachable!("bug: the image is the first value"),
            OpKind::Conv { input, stride, .. } => {
                conv(&values[*input], &self.weights[id], shape, *stride)
            }
            OpKind::Requantize { input, shortcut, mul, bias, shift, clip } => {
                Map::from_shape_fn(shape, |(y, x, c)| {
                    let z = i64::from(values[*input][[y, x, c]]);
                    let scaled = (i64::from(mul[c]) * z + i64::from(bias[c])) >> shift;
                    clamp(scaled + shortcut.map_or(0, |s| i64::from(values[s][[y, x, c]])), *clip)
                })
            }
            OpKind::Threshold { input, thresholds } => Map::from_shape_fn(shape, |(y, x, c)| {
                let v = values[*input][[y, x, c]];
                sign(match thresholds[c] {
                    Threshold::AtLeast(t) => v >= t,
                    Threshold::AtMost(t) => v <= t,
                    Threshold::Constant(b) => b,
                })
            }),
            OpKind::Sign { input } => values[*input].mapv(|x| sign(x >= 0)),
            OpKind::ShortcutPool { input, front, .. } => {
                shortcut_pool(&values[*input], shape, *front)
            }
            OpKind::GlobalPool { input, shift, bits } => Map::from_shape_fn(shape, |(_, _, c)| {
                let channel = values[*input].index_axis(Axis(2), c);
                quantize(channel.iter().map(|&v| i64::from(v)).sum(), *shift, *bits)
            }),
            OpKind::Logits { input, bias } => {
                Map::from_shape_fn(shape, |(_, _, o)| values[*input][[0, 0, o]] + bias[o])
            }
            OpKind::Quantize { input, shift, bits } => {
                values[*input].mapv(|v| quantize(i64::from(v), *shift, *bits))
            }
            OpKind::MaxPool { input, kernel, stride, padding, take } => {
                max_pool(&values[*input], shape, [*kernel, *stride, *padding], take)
            }
            OpKind::Flatten { input } => {
                // In the order `[y][x][channel]`.
                let elements = values[*input].iter().copied().collect();
                Map::from_shape_vec(shape, elements).expect("bug: validated")
            }
            OpKind::Prelu { input, before, slope, shift, after, clip } => {
                Map::from_shape_fn(shape, |(y, x, c)| {
                    let u = i64::from(values[*input][[y, x, c]]) + i64::from(before[c]);
                    let scaled = (u * i64::from(slope[c]) + half(*shift)) >> shift;
                    let w = if u >= 0 { u } else { scaled };
                    clamp(w + i64::from(after[c]), *clip)
                })
            }
        }
    }
}

/// Returns the smallest index with the largest logit.
pub fn predicted_class(logits: &[i32]) -> usize {
    logits.iter().enumerate().fold(0, |best, (i, &l)| if l > logits[best] { i } else { best })
}

fn sign(plus: bool) -> i32 {
    if plus { 1 } else { -1 }
}

/// Limits to `±clip`.
fn clamp(v: i64, clip: i32) -> i32 {
    i32::try_from(v.clamp(-i64::from(clip), i64::from(clip))).expect("bug: clipped to 16 bits")
}

/// Returns what rounds to nearest when it is added before a right shift.
fn half(shift: u32) -> i64 {
    if shift == 0 { 0 } else { 1 << (shift - 1) }
}

/// Returns the level of `bits` bits whose cell holds `v`; cells are `2^shift` wide.
fn quantize(v: i64, shift: u32, bits: u32) -> i32 {
    let q = ((v >> shift) + (1 << (bits - 1))).clamp(0, (1 << bits) - 1);
    i32::try_from(2 * q - ((1 << bits) - 1)).expect("bug: at most 8 bits")
}

fn conv(input: &Map, weights: &Array4<i32>, shape: (usize, usize, usize), stride: usize) -> Map {
    let (height, width, _) = input.dim();
    let (_, kernel, _, _) = weights.dim();
    let pad = (kernel - 1) / 2;
    // Input position of a tap, or `None` in the padding.
    let tap =
        |o: usize, k: usize, side: usize| (o * stride + k).checked_sub(pad).filter(|&i| i < side);
    let mut sums = Map::zeros(shape);
    for (position, mut z) in sums.lanes_mut(Axis(2)).into_iter().enumerate() {
        let (y, x) = (position / shape.1, position % shape.1);
        for (ky, kx) in (0..kernel * kernel).map(|i| (i / kernel, i % kernel)) {
            let Some(iy) = tap(y, ky, height) else { continue };
            let Some(ix) = tap(x, kx, width) else { continue };
            z += &weights.slice(s![.., ky, kx, ..]).dot(&input.slice(s![iy, ix, ..]));
        }
    }
    sums
}

fn shortcut_pool(input: &Map, shape: (usize, usize, usize), front: usize) -> Map {
    let (_, _, cin) = input.dim();
    Map::from_shape_fn(shape, |(y, x, o)| match o.checked_sub(front) {
        Some(c) if c < cin => {
            let block = input.slice(s![2 * y..2 * y + 2, 2 * x..2 * x + 2, c]);
            (block.sum() + 2) >> 2
        }
        _ => 0,
    })
}

/// Pools windows that end at the border of the map.
fn max_pool(
    input: &Map,
    shape: (usize, usize, usize),
    [kernel, stride, padding]: [usize; 3],
    take: &[Extreme],
) -> Map {
    let (height, width, _) = input.dim();
    // Input positions under a window, without those in the padding.
    let window = |o: usize, side: usize| {
        let start = (o * stride).saturating_sub(padding);
        start..(o * stride + kernel - padding).min(side)
    };
    Map::from_shape_fn(shape, |(y, x, c)| {
        let elements = input.slice(s![window(y, height), window(x, width), c]);
        let extreme = match take[c] {
            Extreme::Max => elements.iter().max(),
            Extreme::Min => elements.iter().min(),
        };
        *extreme.expect("bug: every window has an element of the map")
    })
}

#[cfg(test)]
mod tests;
