//! A network as a list of layers, each of which reads earlier ones.
//!
//! A layer is what one fused operation computes: a convolution with its normalisation, shortcut
//! and activation is one layer. The value of a layer is the real-valued *stream* after it; a
//! binary convolution takes its operand's signs itself.
//! Shapes are (channels, side, side): all maps are square.

use crate::arch::{Arch, Sizes};
use crate::method::Method;

/// Index of a layer and of the value that it produces.
pub type LayerId = usize;

/// A network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The architecture.
    pub arch: Arch,
    /// Its sizes.
    pub sizes: Sizes,
    /// Layers; the first is the stem, and each reads only earlier ones.
    pub layers: Vec<Layer>,
    /// What turns the last layer's value into logits.
    pub head: Head,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Name in reports: the checkpoint prefix of its main parameter where it has one.
    pub name: String,
    /// What it computes.
    pub kind: LayerKind,
    /// Channels of its value.
    pub channels: usize,
    /// Height and width of its value.
    pub side: usize,
}

/// What a layer computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// Convolution of the normalised pixels with real weights, batch normalisation, hardtanh.
    Stem {
        /// The convolution; its padding is half the kernel.
        conv: Conv,
        /// Prefix of the normalisation.
        norm: String,
        /// Whether a hardtanh follows.
        hardtanh: bool,
    },
    /// `hardtanh(norm(pool(alpha · conv(sign(input + shift), sign(weight)))) + shortcut)`.
    Binary {
        /// The convolution; its padding is half the kernel.
        conv: Conv,
        /// What is binarized.
        input: LayerId,
        /// Prefix of a learned bias of each channel that is added before the sign.
        shift: Option<String>,
        /// Whether a 2×2 max pool stands between convolution and normalisation.
        pool: bool,
        /// Prefix of the normalisation.
        norm: String,
        /// What is added after the normalisation.
        shortcut: Option<Shortcut>,
        /// Whether a hardtanh follows.
        hardtanh: bool,
    },
    /// `norm(conv(input, weight))` with real weights on the real-valued stream.
    Real {
        /// A 1×1 convolution.
        conv: Conv,
        /// What is convolved.
        input: LayerId,
        /// Prefix of the normalisation.
        norm: String,
    },
    /// The largest of 3×3 positions at every second place; positions outside never win.
    MaxPool {
        /// What is pooled.
        input: LayerId,
    },
    /// The mean of 2×2 positions at every second place.
    AvgPool {
        /// What is pooled.
        input: LayerId,
    },
    /// `prelu(input + before, slope) + after`, a value of each for every channel.
    Prelu {
        /// What is activated.
        input: LayerId,
        /// Key of the bias before.
        before: Option<String>,
        /// Key of the slope of negative values.
        slope: String,
        /// Key of the bias after.
        after: Option<String>,
    },
}

/// A convolution without bias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Prefix of its parameters.
    pub name: String,
    /// Input channels.
    pub cin: usize,
    /// Output channels.
    pub cout: usize,
    /// Height and width of the kernel: 1, 3 or 7.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
    /// Height and width of the input.
    pub in_side: usize,
}

/// A value that is added after the normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// Whose value.
    pub from: LayerId,
    /// How its shape is made to fit.
    pub fit: Fit,
}

/// How a shortcut's shape is made to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It fits as it is.
    Identity,
    /// It has twice the side and fewer channels: the mean of each 2×2 block, rounded to the grid,
    /// between zero channels of equal number on both sides (semantics.md, section 2.6).
    PoolZeroChannels,
}

/// From the last map to logits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// How the map becomes a vector.
    pub reduce: Reduce,
    /// Prefix of a batch normalisation of the vector.
    pub norm: Option<String>,
    /// Prefix of the linear layer.
    pub linear: String,
    /// Elements of the vector.
    pub features: usize,
    /// Whether the reference implementation writes the weight as a 1×1 convolution, 4-D.
    pub conv_weight: bool,
}

/// How the last map becomes a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// The mean over all positions of each channel.
    GlobalPool,
    /// All elements, the channel slowest.
    Flatten,
}

/// What a parameter is, which decides its initial values, its decay and its hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Latent weights of a binary convolution.
    BinaryWeight,
    /// Learned scale of a binary convolution's filters.
    Alpha,
    /// Weights of the stem.
    StemWeight,
    /// Weights of a real convolution on the stream.
    RealWeight,
    /// Scale of a batch normalisation of maps.
    NormScale,
    /// Offset of a batch normalisation of maps.
    NormOffset,
    /// Scale of the batch normalisation of the pooled vector.
    HeadNormScale,
    /// Offset of the batch normalisation of the pooled vector.
    HeadNormOffset,
    /// Learned bias of each channel.
    Bias,
    /// Slope of a `PReLU`.
    Slope,
    /// Weights of the classifier.
    ClassifierWeight,
    /// Biases of the classifier.
    ClassifierBias,
}

/// A parameter: its key, shape and role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Key in a checkpoint.
    pub key: String,
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// What it is.
    pub role: Role,
}

impl Parameter {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Conv {
    /// Height and width of the output.
    pub fn side(&self) -> usize {
        self.in_side.div_ceil(self.stride)
    }

    /// Products of one output.
    pub fn fan_in(&self) -> usize {
        self.cin * self.kernel * self.kernel
    }

    /// `[cout, cin, kernel, kernel]`.
    pub fn shape(&self) -> [usize; 4] {
        [self.cout, self.cin, self.kernel, self.kernel]
    }

    /// Multiply-accumulates of one image, padding included.
    pub fn macs(&self) -> usize {
        self.side() * self.side() * self.cout * self.fan_in()
    }

    /// Key of the weights.
    pub fn weight(&self) -> String {
        format!("{}.weight", self.name)
    }

    /// Key of the learned scale.
    pub fn alpha(&self) -> String {
        format!("{}.alpha", self.name)
    }
}

impl Layer {
    /// The convolution of the layer, if it has one.
    pub fn conv(&self) -> Option<&Conv> {
        match &self.kind {
            LayerKind::Stem { conv, .. }
            | LayerKind::Binary { conv, .. }
            | LayerKind::Real { conv, .. } => Some(conv),
            LayerKind::MaxPool { .. } | LayerKind::AvgPool { .. } | LayerKind::Prelu { .. } => None,
        }
    }

    /// The prefix of its batch normalisation, if it has one.
    pub fn norm(&self) -> Option<&str> {
        match &self.kind {
            LayerKind::Stem { norm, .. }
            | LayerKind::Binary { norm, .. }
            | LayerKind::Real { norm, .. } => Some(norm),
            LayerKind::MaxPool { .. } | LayerKind::AvgPool { .. } | LayerKind::Prelu { .. } => None,
        }
    }

    /// The layers whose values it reads.
    pub fn operands(&self) -> Vec<LayerId> {
        match &self.kind {
            LayerKind::Stem { .. } => vec![],
            LayerKind::Binary { input, shortcut, .. } => {
                std::iter::once(*input).chain(shortcut.map(|s| s.from)).collect()
            }
            LayerKind::Real { input, .. }
            | LayerKind::MaxPool { input }
            | LayerKind::AvgPool { input }
            | LayerKind::Prelu { input, .. } => vec![*input],
        }
    }

    fn parameters(&self, method: Method) -> Vec<Parameter> {
        let mut list = Vec::new();
        let mut add = |key: String, shape: &[usize], role| {
            list.push(Parameter { key, shape: shape.to_vec(), role });
        };
        let channels = [self.channels];
        match &self.kind {
            LayerKind::Stem { conv, .. } => add(conv.weight(), &conv.shape(), Role::StemWeight),
            LayerKind::Real { conv, .. } => add(conv.weight(), &conv.shape(), Role::RealWeight),
            LayerKind::Binary { conv, shift, .. } => {
                if let Some(shift) = shift {
                    add(format!("{shift}.bias"), &[1, conv.cin, 1, 1], Role::Bias);
                }
                add(conv.weight(), &conv.shape(), Role::BinaryWeight);
                if method.learns_alpha() {
                    add(conv.alpha(), &[conv.cout, 1, 1], Role::Alpha);
                }
            }
            LayerKind::Prelu { before, slope, after, .. } => {
                if let Some(before) = before {
                    add(before.clone(), &[1, self.channels, 1, 1], Role::Bias);
                }
                add(slope.clone(), &channels, Role::Slope);
                if let Some(after) = after {
                    add(after.clone(), &[1, self.channels, 1, 1], Role::Bias);
                }
            }
            LayerKind::MaxPool { .. } | LayerKind::AvgPool { .. } => {}
        }
        if let Some(norm) = self.norm() {
            add(format!("{norm}.weight"), &channels, Role::NormScale);
            add(format!("{norm}.bias"), &channels, Role::NormOffset);
        }
        list
    }
}

impl Graph {
    /// All parameters, in the order of the network.
    pub fn parameters(&self, method: Method) -> Vec<Parameter> {
        let mut list: Vec<_> = self.layers.iter().flat_map(|l| l.parameters(method)).collect();
        let Head { norm, linear, features, .. } = &self.head;
        let classes = self.sizes.classes;
        let mut add = |key: String, shape: &[usize], role| {
            list.push(Parameter { key, shape: shape.to_vec(), role });
        };
        if let Some(norm) = norm {
            add(format!("{norm}.weight"), &[*features], Role::HeadNormScale);
            add(format!("{norm}.bias"), &[*features], Role::HeadNormOffset);
        }
        add(format!("{linear}.weight"), &[classes, *features], Role::ClassifierWeight);
        add(format!("{linear}.bias"), &[classes], Role::ClassifierBias);
        list
    }

    /// Prefix and channels of every batch normalisation, in the order of the network.
    ///
    /// Each has the buffers `running_mean` and `running_var` beside its two parameters.
    pub fn norms(&self) -> Vec<(&str, usize)> {
        let of_layers = self.layers.iter().filter_map(|l| Some((l.norm()?, l.channels)));
        let of_head = self.head.norm.as_deref().map(|norm| (norm, self.head.features));
        of_layers.chain(of_head).collect()
    }

    /// Key and channels of every running mean and variance, in the order of the network.
    pub fn buffers(&self) -> Vec<(String, usize)> {
        let both = |(norm, channels): (&str, usize)| {
            ["running_mean", "running_var"].map(|kind| (format!("{norm}.{kind}"), channels))
        };
        self.norms().into_iter().flat_map(both).collect()
    }

    /// The convolutions with binary weights, in order.
    pub fn binary_convs(&self) -> impl Iterator<Item = &Conv> {
        self.layers.iter().filter_map(|l| match &l.kind {
            LayerKind::Binary { conv, .. } => Some(conv),
            _ => None,
        })
    }

    /// The convolutions with real weights, in order.
    pub fn real_convs(&self) -> impl Iterator<Item = &Conv> {
        self.layers.iter().filter_map(|l| match &l.kind {
            LayerKind::Stem { conv, .. } | LayerKind::Real { conv, .. } => Some(conv),
            _ => None,
        })
    }

    /// Whether the values of a layer are within ±1: after a hardtanh, perhaps pooled.
    pub fn limited(&self, id: LayerId) -> bool {
        match self.layers[id].kind {
            LayerKind::Stem { hardtanh, .. } | LayerKind::Binary { hardtanh, .. } => hardtanh,
            LayerKind::MaxPool { input } | LayerKind::AvgPool { input } => self.limited(input),
            LayerKind::Real { .. } | LayerKind::Prelu { .. } => false,
        }
    }

    /// How the value of each layer is read.
    pub fn uses(&self) -> Vec<Uses> {
        let mut uses = vec![Uses::default(); self.layers.len()];
        for layer in &self.layers {
            match &layer.kind {
                LayerKind::Stem { .. } => {}
                LayerKind::Binary { input, shortcut, .. } => {
                    uses[*input].sign = true;
                    if let Some(shortcut) = shortcut {
                        uses[shortcut.from].value = true;
                    }
                }
                LayerKind::Real { input, .. }
                | LayerKind::MaxPool { input }
                | LayerKind::AvgPool { input }
                | LayerKind::Prelu { input, .. } => uses[*input].value = true,
            }
        }
        if let Some(last) = uses.last_mut() {
            last.value = true;
        }
        uses
    }
}

/// How a value is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// By a binary convolution, which takes its sign.
    pub sign: bool,
    /// By anything that needs the number itself.
    pub value: bool,
}
