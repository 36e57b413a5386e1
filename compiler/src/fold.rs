//! Folds a checkpoint into an integer network: semantics.md, section 3.
//!
//! Where only the sign of a layer is read, convolution, scale, batch normalisation and activation
//! become one integer threshold for each channel, found by search over the float expression.
//! Everywhere else the layer writes the residual stream.
//!
//! Not here: the formulas of the grid ([`heartbit_ir::grid`]), which the trainer shares.

use crate::arch::{self, Architecture, ConvLayer, UnknownArchitecture};
use crate::checkpoint::{Checkpoint, CheckpointError};
use heartbit_ir::grid::{self, Affine, BatchNorm, PixelStatistics};
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{InvalidNetwork, Network, Op, OpKind, Threshold, ValueId};

/// Epsilon of every batch normalisation.
const BN_EPS: f64 = 1e-5;

/// Why a checkpoint cannot be folded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// The architecture is not known.
    #[error(transparent)]
    Architecture(#[from] UnknownArchitecture),
    /// A parameter is missing or wrong.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The result is not a valid network.
    #[error("the folded network is invalid")]
    Invalid(#[from] InvalidNetwork),
}

/// Folds a checkpoint of a known architecture.
///
/// # Errors
/// [`FoldError`]: an unknown architecture, a missing or malformed parameter.
pub fn fold(checkpoint: &Checkpoint) -> Result<Network, FoldError> {
    fold_as(checkpoint, &arch::by_name(&checkpoint.arch)?)
}

/// Folds a checkpoint as the given architecture.
///
/// # Errors
/// As for [`fold`].
pub fn fold_as(checkpoint: &Checkpoint, arch: &Architecture) -> Result<Network, FoldError> {
    let mut folder = Folder { checkpoint, arch, ops: Vec::new(), streams: Vec::new() };
    let side = arch.image_side;
    let image = OpKind::Image { height: side, width: side, channels: arch.image_channels };
    let mut input = folder.push("image", image);
    for index in 0..arch.layers.len() {
        input = folder.layer(index, input)?;
    }
    let logit_scale = folder.head()?;
    let mut provenance = checkpoint.provenance.clone();
    provenance.insert("method".to_owned(), checkpoint.method.name().to_owned());
    provenance.insert("norm".to_owned(), checkpoint.norm.name().to_owned());
    let network = Network {
        arch: checkpoint.arch.clone(),
        frac_bits: checkpoint.grid.stream_frac_bits,
        logit_scale,
        provenance,
        ops: folder.ops,
    };
    network.validate()?;
    Ok(network)
}

struct Folder<'a> {
    checkpoint: &'a Checkpoint,
    arch: &'a Architecture,
    ops: Vec<Op>,
    /// Stream of each layer so far, `None` where only its sign exists.
    streams: Vec<Option<ValueId>>,
}

impl Folder<'_> {
    fn push(&mut self, name: impl Into<String>, kind: OpKind) -> ValueId {
        self.ops.push(Op { name: name.into(), kind });
        self.ops.len() - 1
    }

    /// Adds one layer and returns the value that the next convolution reads.
    fn layer(&mut self, index: usize, input: ValueId) -> Result<ValueId, FoldError> {
        let layer = &self.arch.layers[index];
        let (weights, affine) =
            if index == 0 { self.stem(layer)? } else { self.binary_conv(layer)? };
        let (kernel, stride) = (layer.kernel, layer.stride);
        let sums = self.push(&layer.name, OpKind::Conv { input, weights, kernel, stride });
        let last = index + 1 == self.arch.layers.len();
        let read_later = self.arch.layers.iter().any(|l| l.shortcut == Some(index));
        if layer.shortcut.is_none() && !read_later && !last {
            self.streams.push(None);
            let bound = i64::try_from(layer.cin * kernel * kernel).expect("bug: small fan-in")
                * i64::from(if index == 0 { 255 * grid::max_level(8) } else { 1 });
            let thresholds =
                affine.a.iter().zip(&affine.b).map(|(&a, &b)| threshold(a, b, bound)).collect();
            let kind = OpKind::Threshold { input: sums, thresholds };
            return Ok(self.push(format!("{}.sign", layer.name), kind));
        }
        let shortcut = layer.shortcut.map(|from| self.shortcut(layer, from));
        let frac_bits = self.checkpoint.grid.stream_frac_bits;
        let r = grid::requantizer(&affine, frac_bits);
        let clip = if layer.hardtanh { 1 << frac_bits } else { grid::STREAM_MAX };
        let stream = self.push(
            format!("{}.stream", layer.name),
            OpKind::Requantize {
                input: sums,
                shortcut,
                mul: r.mul,
                bias: r.bias,
                shift: r.shift,
                clip,
            },
        );
        self.streams.push(Some(stream));
        if last {
            return Ok(stream);
        }
        Ok(self.push(format!("{}.sign", layer.name), OpKind::Sign { input: stream }))
    }

    /// Returns the stream that a layer adds, pooled and padded where its shape differs.
    fn shortcut(&mut self, layer: &ConvLayer, from: usize) -> ValueId {
        let stream = self.streams[from].expect("bug: a shortcut keeps its stream");
        let source = &self.arch.layers[from];
        if layer.stride == 1 && source.cout == layer.cout {
            return stream;
        }
        let front = (layer.cout - source.cout) / 2;
        let kind = OpKind::ShortcutPool { input: stream, front, channels: layer.cout };
        self.push(format!("{}.shortcut", layer.name), kind)
    }

    fn stem(&self, layer: &ConvLayer) -> Result<(Levels, Affine), FoldError> {
        let shape = [layer.cout, layer.cin, layer.kernel, layer.kernel];
        let key = format!("{}.weight", layer.name);
        let weights = self.checkpoint.tensor(&key, &shape)?;
        let PixelStatistics { mean, std } = self.checkpoint.norm.statistics();
        let bits = self.checkpoint.grid.stem_weight_bits;
        let n = layer.cin;
        let stem = grid::stem_levels(weights, shape, &mean[..n], &std[..n], bits);
        let rows = layer.cout * layer.kernel * layer.kernel;
        let levels = Levels::from_values(bits, rows, layer.cin + 1, &stem.levels);
        let bn = self.batch_norm(&layer.norm, layer.cout)?;
        Ok((levels, Affine::from_batch_norm(&bn, &stem.scale)))
    }

    fn binary_conv(&self, layer: &ConvLayer) -> Result<(Levels, Affine), FoldError> {
        let (cin, cout, kernel) = (layer.cin, layer.cout, layer.kernel);
        let taps = kernel * kernel;
        let key = format!("{}.weight", layer.name);
        let weights = self.checkpoint.tensor(&key, &[cout, cin, kernel, kernel])?;
        let method = self.checkpoint.method;
        let signs = grid::binary_weights(weights, cin * taps, method.centering());
        // [cout][cin][tap] to [cout][tap][cin].
        let reordered: Vec<bool> = (0..cout * taps * cin)
            .map(|i| {
                let (o, tap, c) = (i / (taps * cin), i / cin % taps, i % cin);
                signs[(o * cin + c) * taps + tap]
            })
            .collect();
        let alpha = match method.centering() {
            grid::Centering::None => grid::alpha_statistic(weights, cin * taps),
            grid::Centering::FilterMean => {
                let alpha =
                    self.checkpoint.tensor(&format!("{}.alpha", layer.name), &[cout, 1, 1])?;
                alpha.iter().map(|&a| f64::from(a)).collect()
            }
        };
        let bn = self.batch_norm(&layer.norm, cout)?;
        let levels = Levels::from_signs(cout * taps, cin, &reordered);
        Ok((levels, Affine::from_batch_norm(&bn, &alpha)))
    }

    fn batch_norm(&self, prefix: &str, channels: usize) -> Result<BatchNorm, FoldError> {
        let get = |name: &str| {
            self.checkpoint.tensor(&format!("{prefix}.{name}"), &[channels]).map(<[f32]>::to_vec)
        };
        let var = get("running_var")?;
        if let Some(&value) = var.iter().find(|v| **v < 0.0) {
            let key = format!("{prefix}.running_var");
            return Err(CheckpointError::Value { key, value }.into());
        }
        Ok(BatchNorm {
            gamma: get("weight")?,
            beta: get("bias")?,
            mean: get("running_mean")?,
            var,
            eps: BN_EPS,
        })
    }

    /// Adds pooling, classifier and logits; returns the value of the logit 1.
    fn head(&mut self) -> Result<f64, FoldError> {
        let (channels, classes) = (self.arch.head_channels(), self.checkpoint.classes);
        let prefix = self.arch.head_linear;
        let weights = self.checkpoint.tensor(&format!("{prefix}.weight"), &[classes, channels])?;
        let bias = self.checkpoint.tensor(&format!("{prefix}.bias"), &[classes])?;
        let bn = self.batch_norm(self.arch.head_norm, channels)?;
        let side = *self.arch.sides().last().expect("bug: an architecture has layers");
        let grid = &self.checkpoint.grid;
        let head = grid::head(weights, bias, &bn, side * side, grid);
        let weights = Levels::from_values(grid.head_weight_bits, classes, channels, &head.levels);
        let stream = self.ops.len() - 1;
        let pool = OpKind::GlobalPool {
            input: stream,
            shift: head.pool_shift,
            bits: grid.head_activation_bits,
        };
        let input = self.push("pool", pool);
        let linear = OpKind::Conv { input, weights, kernel: 1, stride: 1 };
        let input = self.push(prefix, linear);
        self.push("logits", OpKind::Logits { input, bias: head.bias });
        Ok(head.logit_scale)
    }
}

/// Folds `a·z + b >= 0` into an integer comparison that holds for every `|z| <= bound`.
///
/// The boundary is found by binary search over the float expression itself, because solving for
/// `z` rounds differently. A negative `a` gives [`Threshold::AtMost`].
pub fn threshold(a: f64, b: f64, bound: i64) -> Threshold {
    #[expect(clippy::cast_precision_loss, reason = "sums are below 2^31")]
    let plus = |z: i64| a * z as f64 + b >= 0.0;
    let narrow = |z: i64| i32::try_from(z).expect("bug: sums fit 32 bits");
    match (plus(-bound), plus(bound)) {
        (true, true) => Threshold::Constant(true),
        (false, false) => Threshold::Constant(false),
        (false, true) => Threshold::AtLeast(narrow(boundary(-bound, bound, plus))),
        (true, false) => Threshold::AtMost(narrow(boundary(-bound, bound, |z| !plus(z)) - 1)),
    }
}

/// Returns the smallest `z` of `low..=high` with `holds(z)`, given that it is monotone and holds
/// at `high`.
fn boundary(mut low: i64, mut high: i64, holds: impl Fn(i64) -> bool) -> i64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn threshold_agrees_with_the_float_expression_for_every_sum(
            a in prop_oneof![Just(0.0f64), -2.0..2.0f64, -1e-3..1e-3f64],
            at in -320.0..320.0f64,
            tie in any::<bool>(),
            bound in 1i64..300,
        ) {
            // Ties land exactly on integers where the product is exact.
            let at = if tie { at.round() } else { at };
            let b = -a * at;
            let t = threshold(a, b, bound);
            for z in -bound..=bound {
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let expected = a * z as f64 + b >= 0.0;
                let actual = match t {
                    Threshold::AtLeast(t) => z >= i64::from(t),
                    Threshold::AtMost(t) => z <= i64::from(t),
                    Threshold::Constant(c) => c,
                };
                prop_assert_eq!(actual, expected, "{}·{} + {}", a, z, b);
            }
        }
    }
}
