//! The normative interpreter: semantics.md, word for word.
//!
//! Slow and obvious on purpose: a value is an `i32` array of `[y, x, channel]`, and every operation
//! is the loop that its definition says. The simulator and the RTL are right exactly
//! where they equal it.
//!
//! Not here: packed words, tiles, cycles.

use crate::network::{InvalidNetwork, Network, OpKind, Threshold, ValueType};
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
        let weights = network
            .ops
            .iter()
            .map(|op| match &op.kind {
                OpKind::Conv { weights, kernel, .. } => {
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
        Ok(Self { network, types, weights })
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
        let mut values: Vec<Map> = Vec::with_capacity(self.network.ops.len());
        for id in 0..self.network.ops.len() {
            let value = self.evaluate(id, image, &values);
            values.push(value);
        }
        Ok(values)
    }

    /// Computes the logits of one image.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn logits(&self, image: &[u8]) -> Result<Vec<i32>, ImageSizeError> {
        let last = self.run(image)?.pop().expect("bug: a valid network ends in logits");
        Ok(last.into_iter().collect())
    }

    fn evaluate(&self, id: usize, image: ArrayView3<'_, u8>, values: &[Map]) -> Map {
        let out = &self.types[id];
        let shape = (out.height, out.width, out.channels);
        match &self.network.ops[id].kind {
            OpKind::Image { channels, .. } => Map::from_shape_fn(shape, |(y, x, c)| {
                if c < *channels { 2 * i32::from(image[[y, x, c]]) - 255 } else { 255 }
            }),
            OpKind::Conv { input, stride, .. } => {
                conv(&values[*input], &self.weights[id], shape, *stride)
            }
            OpKind::Requantize { input, shortcut, mul, bias, shift, clip } => {
                Map::from_shape_fn(shape, |(y, x, c)| {
                    let z = i64::from(values[*input][[y, x, c]]);
                    let scaled = (i64::from(mul[c]) * z + i64::from(bias[c])) >> shift;
                    let r = scaled + shortcut.map_or(0, |s| i64::from(values[s][[y, x, c]]));
                    let r = r.clamp(-i64::from(*clip), i64::from(*clip));
                    i32::try_from(r).expect("bug: clipped to 16 bits")
                })
            }
            OpKind::Threshold { input, thresholds } => Map::from_shape_fn(shape, |(y, x, c)| {
                let z = values[*input][[y, x, c]];
                sign(match thresholds[c] {
                    Threshold::AtLeast(t) => z >= t,
                    Threshold::AtMost(t) => z <= t,
                    Threshold::Constant(b) => b,
                })
            }),
            OpKind::Sign { input } => values[*input].mapv(|x| sign(x >= 0)),
            OpKind::ShortcutPool { input, front, .. } => {
                shortcut_pool(&values[*input], shape, *front)
            }
            OpKind::GlobalPool { input, shift, bits } => Map::from_shape_fn(shape, |(_, _, c)| {
                let channel = values[*input].index_axis(Axis(2), c);
                let sum: i64 = channel.iter().map(|&v| i64::from(v)).sum();
                let q = ((sum >> shift) + (1 << (bits - 1))).clamp(0, (1 << bits) - 1);
                i32::try_from(2 * q - ((1 << bits) - 1)).expect("bug: at most 8 bits")
            }),
            OpKind::Logits { input, bias } => {
                Map::from_shape_fn(shape, |(_, _, o)| values[*input][[0, 0, o]] + bias[o])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::levels::Levels;
    use crate::network::Op;

    fn op(name: &str, kind: OpKind) -> Op {
        Op { name: name.to_owned(), kind }
    }

    /// A 2x2 grey image through a 3x3 convolution, worked out by hand.
    #[test]
    fn padded_taps_contribute_nothing() {
        // Weights: the pixel counts +1 at every tap, the constant -1.
        let weights = Levels::from_values(1, 9, 2, &[1, -1].repeat(9));
        let network = Network {
            arch: "by-hand".to_owned(),
            frac_bits: 4,
            logit_scale: 1.0,
            provenance: std::collections::BTreeMap::new(),
            ops: vec![
                op("image", OpKind::Image { height: 2, width: 2, channels: 1 }),
                op("conv", OpKind::Conv { input: 0, weights, kernel: 3, stride: 1 }),
                op(
                    "requantize",
                    OpKind::Requantize {
                        input: 1,
                        shortcut: None,
                        mul: vec![3],
                        bias: vec![8],
                        shift: 4,
                        clip: 100,
                    },
                ),
                op("pool", OpKind::GlobalPool { input: 2, shift: 2, bits: 4 }),
                op(
                    "linear",
                    OpKind::Conv {
                        input: 3,
                        weights: Levels::from_values(2, 2, 1, &[3, -1]),
                        kernel: 1,
                        stride: 1,
                    },
                ),
                op("logits", OpKind::Logits { input: 4, bias: vec![5, 0] }),
            ],
        };
        let values =
            Interpreter::new(&network).expect("valid").run(&[128, 127, 255, 0]).expect("size");
        // 2p - 255: 1, -1, 255, -255; all four pixels are under every window: 0 - 4·255.
        assert!(values[1].iter().all(|&z| z == -1020));
        // floor((3·-1020 + 8) / 16) = floor(-190.75).
        assert!(values[2].iter().all(|&r| r == -100));
        // floor(-400 / 4) + 8 < 0.
        assert_eq!(values[3][[0, 0, 0]], -15);
        assert_eq!(values[5].iter().copied().collect::<Vec<_>>(), [-40, 15]);
        assert_eq!(predicted_class(&[-40, 15]), 1);
    }

    #[test]
    fn first_of_equal_logits_is_the_class() {
        assert_eq!(predicted_class(&[3, 7, 7]), 1);
    }
}
