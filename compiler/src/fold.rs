//! Folds a checkpoint into an integer network: semantics.md, section 3.
//!
//! Where only the sign of a layer is read, convolution, scale, batch normalisation and activation
//! become one integer threshold for each channel, found by search over the float expression.
//! Everywhere else the layer writes the residual stream.
//!
//! Not here: the formulas of the grid ([`heartbit_ir::grid`]), which the trainer shares, and the
//! architectures ([`heartbit_model::graph`]).

mod head;
mod threshold;

pub use head::head_input;
pub use threshold::threshold;

use heartbit_ir::grid::{self, Affine, BatchNorm, Grid, PixelStatistics};
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Extreme, InvalidNetwork, Network, Op, OpKind, Threshold, ValueId};
use heartbit_model::checkpoint::{Checkpoint, CheckpointError};
use heartbit_model::graph::{Conv, Fit, Graph, Layer, LayerId, LayerKind, Shortcut, Uses};

/// Epsilon of every batch normalisation.
const BN_EPS: f64 = 1e-5;
/// Channels of an image.
const PIXELS: usize = 3;

/// Why a checkpoint cannot be folded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// A parameter is missing or wrong.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The grid is none that the hardware has.
    #[error("there are levels of 1 to 8 bits and streams of 1 to 14 fraction bits, but not {0:?}")]
    Grid(Grid),
    /// The result is not a valid network.
    #[error("the folded network is invalid")]
    Invalid(#[from] InvalidNetwork),
}

/// Folds a checkpoint on its own grid.
///
/// # Errors
/// [`FoldError`]: a missing or malformed parameter, or sums that exceed 32 bits.
pub fn fold(checkpoint: &Checkpoint) -> Result<Network, FoldError> {
    fold_on(checkpoint, &checkpoint.grid)
}

/// Folds a checkpoint on a grid that may be another than its own.
///
/// On another one the network is a re-quantization: the parameters were not trained there, and
/// neither predictions nor accuracy are those of [`fold`]. Its provenance then has both grids.
///
/// # Errors
/// [`FoldError`]: widths that the hardware lacks, and the errors of [`fold`].
pub fn fold_on(checkpoint: &Checkpoint, grid: &Grid) -> Result<Network, FoldError> {
    if !grid.is_valid() {
        return Err(FoldError::Grid(grid.clone()));
    }
    checkpoint.check()?;
    let graph = checkpoint.graph();
    let mut folder = Folder::new(checkpoint, &graph, grid);
    for id in 0..graph.layers.len() {
        folder.layer(id);
    }
    let logit_scale = folder.head();
    let mut provenance = checkpoint.provenance.clone();
    provenance.insert("method".to_owned(), checkpoint.method.name().to_owned());
    provenance.insert("norm".to_owned(), checkpoint.norm.name().to_owned());
    if *grid != checkpoint.grid {
        provenance.insert("grid".to_owned(), json(grid));
        provenance.insert("checkpoint.grid".to_owned(), json(&checkpoint.grid));
    }
    let network = Network {
        arch: checkpoint.arch.name().to_owned(),
        frac_bits: grid.stream_frac_bits,
        logit_scale,
        provenance,
        ops: folder.ops,
    };
    network.validate()?;
    Ok(network)
}

fn json(grid: &Grid) -> String {
    serde_json::to_string(grid).expect("bug: a grid is plain data")
}

/// What a layer left for those that read it.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// Only signs.
    Bits(ValueId),
    /// A stream, and its signs once they were needed.
    Stream { stream: ValueId, signs: Option<ValueId> },
}

struct Folder<'a> {
    checkpoint: &'a Checkpoint,
    graph: &'a Graph,
    grid: &'a Grid,
    uses: Vec<Uses>,
    ops: Vec<Op>,
    values: Vec<Value>,
}

impl<'a> Folder<'a> {
    fn new(checkpoint: &'a Checkpoint, graph: &'a Graph, grid: &'a Grid) -> Self {
        let side = graph.sizes.image_side;
        let image = OpKind::Image { height: side, width: side, channels: PIXELS };
        let ops = vec![Op { name: "image".to_owned(), kind: image }];
        Self { checkpoint, graph, grid, uses: graph.uses(), ops, values: Vec::new() }
    }

    fn push(&mut self, name: impl Into<String>, kind: OpKind) -> ValueId {
        self.ops.push(Op { name: name.into(), kind });
        self.ops.len() - 1
    }

    fn frac_bits(&self) -> u32 {
        self.grid.stream_frac_bits
    }

    fn layer(&mut self, id: LayerId) {
        let layer = &self.graph.layers[id];
        let value = match &layer.kind {
            LayerKind::Stem { conv, norm, hardtanh } => {
                let (weights, alpha) = self.stem_weights(conv);
                let image = 0;
                let sums = self.conv(conv, image, weights);
                let bound = conv_bound(&self.ops[sums].kind, grid::max_level(8), PIXELS + 1);
                self.activate(&Activation {
                    id,
                    sums,
                    bound,
                    alpha,
                    norm,
                    pool: false,
                    shortcut: None,
                    hardtanh: *hardtanh,
                })
            }
            LayerKind::Binary { conv, input, shift, pool, norm, shortcut, hardtanh } => {
                let bits = self.bits(*input, shift.as_deref(), conv);
                let (weights, alpha) = self.binary_weights(conv);
                let sums = self.conv(conv, bits, weights);
                let bound = conv_bound(&self.ops[sums].kind, 1, conv.cin);
                let shortcut = shortcut.map(|s| self.shortcut(layer, s));
                self.activate(&Activation {
                    id,
                    sums,
                    bound,
                    alpha,
                    norm,
                    pool: *pool,
                    shortcut,
                    hardtanh: *hardtanh,
                })
            }
            LayerKind::Real { conv, input, norm } => {
                let bits = self.grid.downsample_activation_bits;
                let (levels, unit) = self.levels(&conv.name, *input, bits);
                let (weights, scale) = self.real_weights(conv);
                let alpha: Vec<f64> = scale.iter().map(|s| s * unit).collect();
                let sums = self.conv(conv, levels, weights);
                self.requantize(layer, sums, &self.affine(norm, &alpha), None, false)
            }
            LayerKind::MaxPool { input } => {
                let input = self.stream(*input);
                let take = vec![Extreme::Max; layer.channels];
                self.stream_op(
                    layer,
                    OpKind::MaxPool { input, kernel: 3, stride: 2, padding: 1, take },
                )
            }
            LayerKind::AvgPool { input } => {
                let input = self.stream(*input);
                self.stream_op(
                    layer,
                    OpKind::ShortcutPool { input, front: 0, channels: layer.channels },
                )
            }
            LayerKind::Prelu { input, before, slope, after } => {
                let zeros = vec![0.0; layer.channels];
                let get = |key: &Option<String>| {
                    key.as_ref().map_or(&zeros[..], |key| self.checkpoint.values(key))
                };
                let p = grid::prelu(
                    self.checkpoint.values(slope),
                    get(before),
                    get(after),
                    self.frac_bits(),
                );
                let input = self.stream(*input);
                let clip = grid::STREAM_MAX;
                self.stream_op(
                    layer,
                    OpKind::Prelu {
                        input,
                        before: p.before,
                        slope: p.slope,
                        shift: p.shift,
                        after: p.after,
                        clip,
                    },
                )
            }
        };
        self.values.push(value);
    }

    fn conv(&mut self, conv: &Conv, input: ValueId, weights: Levels) -> ValueId {
        let (kernel, stride) = (conv.kernel, conv.stride);
        self.push(&conv.name, OpKind::Conv { input, weights, kernel, stride })
    }

    fn stream_op(&mut self, layer: &Layer, kind: OpKind) -> Value {
        let stream = self.push(format!("{}.stream", layer.name), kind);
        Value::Stream { stream, signs: None }
    }

    /// The stream of a layer.
    fn stream(&self, id: LayerId) -> ValueId {
        match self.values[id] {
            Value::Stream { stream, .. } => stream,
            Value::Bits(_) => panic!("bug: a layer whose value is read keeps its stream"),
        }
    }

    /// The stream of a layer as levels for real weights, and the float value of one.
    fn levels(&mut self, name: &str, id: LayerId, bits: u32) -> (ValueId, f64) {
        let shift = grid::quantize_shift(bits, self.frac_bits(), self.range_log2(id));
        let unit = grid::level_unit(shift, self.frac_bits());
        let input = self.stream(id);
        (self.push(format!("{name}.levels"), OpKind::Quantize { input, shift, bits }), unit)
    }

    /// The logarithm of the range of a layer's values: ±1 after a hardtanh, else the stream's.
    fn range_log2(&self, id: LayerId) -> u32 {
        grid::range_log2(self.graph.limited(id), self.frac_bits())
    }

    /// The signs of a layer's values, shifted first where the convolution that reads them says so.
    fn bits(&mut self, id: LayerId, shift: Option<&str>, conv: &Conv) -> ValueId {
        if let Some(shift) = shift {
            let bias = self.checkpoint.values(&format!("{shift}.bias"));
            let offset = |&b: &f32| grid::stream_offset(b, self.frac_bits());
            let thresholds = bias.iter().map(|b| Threshold::AtLeast(-offset(b))).collect();
            let input = self.stream(id);
            return self
                .push(format!("{}.sign", conv.name), OpKind::Threshold { input, thresholds });
        }
        match self.values[id] {
            Value::Bits(bits) | Value::Stream { signs: Some(bits), .. } => bits,
            Value::Stream { stream, signs: None } => {
                let name = format!("{}.sign", self.graph.layers[id].name);
                let bits = self.push(name, OpKind::Sign { input: stream });
                self.values[id] = Value::Stream { stream, signs: Some(bits) };
                bits
            }
        }
    }

    /// The stream that a layer adds, pooled and padded where its shape differs.
    fn shortcut(&mut self, layer: &Layer, shortcut: Shortcut) -> ValueId {
        let input = self.stream(shortcut.from);
        match shortcut.fit {
            Fit::Identity => input,
            Fit::PoolZeroChannels => {
                let front = (layer.channels - self.graph.layers[shortcut.from].channels) / 2;
                let kind = OpKind::ShortcutPool { input, front, channels: layer.channels };
                self.push(format!("{}.shortcut", layer.name), kind)
            }
        }
    }

    /// Everything after the sums of a convolution of pixels or signs.
    fn activate(&mut self, a: &Activation<'_>) -> Value {
        let layer = &self.graph.layers[a.id];
        let affine = self.affine(a.norm, &a.alpha);
        let value = if a.shortcut.is_none() && !self.uses[a.id].value {
            let pairs = affine.a.iter().zip(&affine.b);
            let thresholds =
                pairs.map(|(&slope, &offset)| threshold(slope, offset, a.bound)).collect();
            let kind = OpKind::Threshold { input: a.sums, thresholds };
            Value::Bits(self.push(format!("{}.sign", layer.name), kind))
        } else {
            self.requantize(layer, a.sums, &affine, a.shortcut, a.hardtanh)
        };
        if a.pool { self.max_pool(layer, a.norm, value) } else { value }
    }

    /// `VGG-small`'s pool of the scaled sums, moved behind the monotone function that follows: a
    /// maximum where the normalisation's scale is positive, else a minimum.
    fn max_pool(&mut self, layer: &Layer, norm: &str, value: Value) -> Value {
        let gamma = self.checkpoint.values(&format!("{norm}.weight"));
        let take =
            gamma.iter().map(|&g| if g >= 0.0 { Extreme::Max } else { Extreme::Min }).collect();
        let pool = |input| OpKind::MaxPool { input, kernel: 2, stride: 2, padding: 0, take };
        let name = format!("{}.pool", layer.name);
        match value {
            Value::Bits(bits) => Value::Bits(self.push(name, pool(bits))),
            Value::Stream { stream, .. } => {
                Value::Stream { stream: self.push(name, pool(stream)), signs: None }
            }
        }
    }

    fn requantize(
        &mut self,
        layer: &Layer,
        input: ValueId,
        affine: &Affine,
        shortcut: Option<ValueId>,
        hardtanh: bool,
    ) -> Value {
        let r = grid::requantizer(affine, self.frac_bits());
        let clip = if hardtanh { 1 << self.frac_bits() } else { grid::STREAM_MAX };
        let kind =
            OpKind::Requantize { input, shortcut, mul: r.mul, bias: r.bias, shift: r.shift, clip };
        self.stream_op(layer, kind)
    }

    fn affine(&self, norm: &str, alpha: &[f64]) -> Affine {
        Affine::from_batch_norm(&self.batch_norm(norm), alpha)
    }

    fn batch_norm(&self, prefix: &str) -> BatchNorm {
        let get = |name: &str| self.checkpoint.values(&format!("{prefix}.{name}")).to_vec();
        BatchNorm {
            gamma: get("weight"),
            beta: get("bias"),
            mean: get("running_mean"),
            var: get("running_var"),
            eps: BN_EPS,
        }
    }

    fn stem_weights(&self, conv: &Conv) -> (Levels, Vec<f64>) {
        let PixelStatistics { mean, std } = self.checkpoint.norm.pixels();
        let bits = self.grid.stem_weight_bits;
        let weights = self.checkpoint.values(&conv.weight());
        let stem = grid::stem_levels(weights, conv.shape(), &mean, &std, bits);
        let rows = conv.cout * conv.kernel * conv.kernel;
        (Levels::from_values(bits, rows, PIXELS + 1, &stem.levels), stem.scale)
    }

    fn real_weights(&self, conv: &Conv) -> (Levels, Vec<f64>) {
        let bits = self.grid.downsample_weight_bits;
        let weights = self.checkpoint.values(&conv.weight());
        let real = grid::real_conv_levels(weights, conv.shape(), bits);
        let rows = conv.cout * conv.kernel * conv.kernel;
        (Levels::from_values(bits, rows, conv.cin, &real.levels), real.scale)
    }

    fn binary_weights(&self, conv: &Conv) -> (Levels, Vec<f64>) {
        let (cin, cout, taps) = (conv.cin, conv.cout, conv.kernel * conv.kernel);
        let method = self.checkpoint.method;
        let weights = self.checkpoint.values(&conv.weight());
        let signs = grid::binary_weights(weights, conv.fan_in(), method.centering());
        // [cout][cin][tap] to [cout][tap][cin].
        let reordered: Vec<bool> = (0..cout * taps * cin)
            .map(|i| {
                let (o, tap, c) = (i / (taps * cin), i / cin % taps, i % cin);
                signs[(o * cin + c) * taps + tap]
            })
            .collect();
        let alpha = if method.learns_alpha() {
            self.checkpoint.values(&conv.alpha()).iter().map(|&a| f64::from(a)).collect()
        } else {
            grid::alpha_statistic(weights, conv.fan_in())
        };
        (Levels::from_signs(cout * taps, cin, &reordered), alpha)
    }
}

/// What follows the sums of a convolution.
struct Activation<'a> {
    id: LayerId,
    sums: ValueId,
    /// Largest magnitude of a sum.
    bound: i64,
    alpha: Vec<f64>,
    norm: &'a str,
    pool: bool,
    shortcut: Option<ValueId>,
    hardtanh: bool,
}

/// Largest magnitude of a convolution's sums, for inputs of at most `level`.
fn conv_bound(kind: &OpKind, level: i32, cin: usize) -> i64 {
    let OpKind::Conv { weights, kernel, .. } = kind else { panic!("bug: not a convolution") };
    let fan_in = i64::try_from(kernel * kernel * cin).expect("bug: small fan-in");
    fan_in * i64::from(level) * i64::from(grid::max_level(weights.bits()))
}
