//! Integer networks: the operations, their shapes, and what makes a network valid.
//!
//! The operations are those of semantics.md, section 2, one variant each. [`Network::validate`]
//! reports everything that is wrong at once, and nothing else in this crate looks at a network
//! that it has not accepted. The rules of each operation are in `check`.
//!
//! Not here: what an operation computes ([`crate::interp`]) and its bytes ([`crate::file`]).

mod check;

use crate::levels::Levels;
use check::{operand_types, result_type};
use std::collections::BTreeMap;
use std::fmt;

/// Index of an operation and of the value that it produces.
pub type ValueId = usize;

/// Largest height or width of a map.
pub const MAX_SIDE: usize = 4_096;
/// Largest number of channels of a map.
pub const MAX_CHANNELS: usize = 16_384;
/// Largest number of elements of a map.
pub const MAX_ELEMENTS: usize = 1 << 27;

/// A network of integer operations.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Architecture, for example `resnet20`.
    pub arch: String,
    /// Fraction bits of stream values.
    pub frac_bits: u32,
    /// Float value of the integer logit 1.
    pub logit_scale: f64,
    /// Where the network comes from: free text by key, sorted.
    pub provenance: BTreeMap<String, String>,
    /// Operations; each reads only earlier ones.
    pub ops: Vec<Op>,
}

/// One operation with the name that reports use.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Unique within the network.
    pub name: String,
    /// What it does.
    pub kind: OpKind,
}

/// What an operation does: semantics.md, section 2.
#[derive(Clone, Debug, PartialEq)]
pub enum OpKind {
    /// Section 2.1.
    Image {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Channels of a pixel, without the constant.
        channels: usize,
    },
    /// Section 2.2. Weight row `(o·k + ky)·k + kx`, column `c`.
    Conv {
        /// Levels.
        input: ValueId,
        /// Odd integers.
        weights: Levels,
        /// Side of the kernel.
        kernel: usize,
        /// 1 or 2.
        stride: usize,
    },
    /// Section 2.3.
    Requantize {
        /// Sums.
        input: ValueId,
        /// A stream that is added.
        shortcut: Option<ValueId>,
        /// Multiplier of each channel.
        mul: Vec<i32>,
        /// Offset of each channel.
        bias: Vec<i32>,
        /// Right shift.
        shift: u32,
        /// Largest magnitude of the result.
        clip: i32,
    },
    /// Section 2.4.
    Threshold {
        /// Sums or a stream.
        input: ValueId,
        /// One for each channel.
        thresholds: Vec<Threshold>,
    },
    /// Section 2.5.
    Sign {
        /// A stream.
        input: ValueId,
    },
    /// Section 2.6.
    ShortcutPool {
        /// A stream.
        input: ValueId,
        /// Zero channels before the pooled ones.
        front: usize,
        /// Channels of the result.
        channels: usize,
    },
    /// Section 2.7.
    GlobalPool {
        /// A stream.
        input: ValueId,
        /// Right shift of the sum.
        shift: u32,
        /// Bits of the result.
        bits: u32,
    },
    /// Section 2.8.
    Logits {
        /// Sums of a 1×1 map.
        input: ValueId,
        /// One for each class.
        bias: Vec<i32>,
    },
    /// Section 2.9.
    Quantize {
        /// A stream.
        input: ValueId,
        /// Right shift of an element.
        shift: u32,
        /// Bits of the result.
        bits: u32,
    },
    /// Section 2.10.
    MaxPool {
        /// A stream or levels.
        input: ValueId,
        /// Side of the window, 2 or 3.
        kernel: usize,
        /// 1 or 2.
        stride: usize,
        /// Positions that a window may reach beyond each border, at most `kernel / 2`.
        padding: usize,
        /// What each channel keeps of a window.
        take: Vec<Extreme>,
    },
    /// Section 2.11.
    Flatten {
        /// Levels.
        input: ValueId,
    },
    /// Section 2.12.
    Prelu {
        /// A stream.
        input: ValueId,
        /// Added to each channel first.
        before: Vec<i32>,
        /// Multiplier of the negative values of each channel.
        slope: Vec<i32>,
        /// Right shift of the product.
        shift: u32,
        /// Added to each channel last.
        after: Vec<i32>,
        /// Largest magnitude of the result.
        clip: i32,
    },
}

/// Which element of a window [`OpKind::MaxPool`] keeps.
///
/// The minimum is what a maximum becomes when batch normalisation with a negative scale, moved
/// before the pooling, has turned the order around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

/// An integer comparison in place of batch normalisation and sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// +1 where `z >= t`.
    AtLeast(i32),
    /// +1 where `z <= t`.
    AtMost(i32),
    /// +1 everywhere (`true`) or nowhere.
    Constant(bool),
}

/// Element type of a value: semantics.md, section 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Odd integers of so many bits.
    Levels(u32),
    /// Dot products of at most this magnitude.
    Sums(i64),
    /// Fixed point.
    Stream,
    /// Logits.
    Logits,
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Levels(bits) => write!(f, "levels({bits})"),
            Self::Sums(_) => write!(f, "sums"),
            Self::Stream => write!(f, "stream"),
            Self::Logits => write!(f, "logits"),
        }
    }
}

/// Shape and element type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// Element type.
    pub element: Element,
}

impl ValueType {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same map of another element type.
    fn with(&self, element: Element) -> Self {
        Self { element, ..*self }
    }

    fn same_map(&self, other: &Self) -> bool {
        (self.height, self.width, self.channels) == (other.height, other.width, other.channels)
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}x{}", self.element, self.height, self.width, self.channels)
    }
}

/// One thing that is wrong with a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the operation, or `network`.
    pub place: String,
    /// What is wrong: the values and the rule.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.place, self.message)
    }
}

/// Everything that is wrong with a network, in its order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct InvalidNetwork(pub Vec<Problem>);

impl OpKind {
    /// Returns the name of the operation in semantics.md.
    pub fn mnemonic(&self) -> &'static str {
        match self {
            Self::Image { .. } => "image",
            Self::Conv { .. } => "conv",
            Self::Requantize { .. } => "requantize",
            Self::Threshold { .. } => "threshold",
            Self::Sign { .. } => "sign",
            Self::ShortcutPool { .. } => "shortcut_pool",
            Self::GlobalPool { .. } => "global_pool",
            Self::Logits { .. } => "logits",
            Self::Quantize { .. } => "quantize",
            Self::MaxPool { .. } => "max_pool",
            Self::Flatten { .. } => "flatten",
            Self::Prelu { .. } => "prelu",
        }
    }

    /// Returns the values that the operation reads.
    pub fn operands(&self) -> Vec<ValueId> {
        match *self {
            Self::Image { .. } => vec![],
            Self::Requantize { input, shortcut, .. } => {
                std::iter::once(input).chain(shortcut).collect()
            }
            Self::Conv { input, .. }
            | Self::Threshold { input, .. }
            | Self::Sign { input }
            | Self::ShortcutPool { input, .. }
            | Self::GlobalPool { input, .. }
            | Self::Logits { input, .. }
            | Self::Quantize { input, .. }
            | Self::MaxPool { input, .. }
            | Self::Flatten { input }
            | Self::Prelu { input, .. } => vec![input],
        }
    }
}

impl Network {
    /// Checks the whole network and returns the type of every value.
    ///
    /// # Errors
    /// [`InvalidNetwork`] with every problem that was found. Operations that read an invalid
    /// value are not checked further.
    pub fn validate(&self) -> Result<Vec<ValueType>, InvalidNetwork> {
        let mut problems = Vec::new();
        let mut types: Vec<Option<ValueType>> = Vec::new();
        let mut names = std::collections::BTreeSet::new();
        for (id, op) in self.ops.iter().enumerate() {
            if !names.insert(&op.name) {
                problems.push(problem(&op.name, "the name is used twice"));
            }
            let value = match operand_types(&op.kind, id, &types) {
                Ok(Some(operands)) => result_type(&op.kind, &operands).map(Some),
                Ok(None) => Ok(None),
                Err(message) => Err(message),
            };
            types.push(value.unwrap_or_else(|message| {
                problems.push(problem(&op.name, message));
                None
            }));
        }
        problems.extend(self.check_whole());
        if problems.is_empty() {
            Ok(types.into_iter().flatten().collect())
        } else {
            Err(InvalidNetwork(problems))
        }
    }

    /// Number of classes: the channels of the last operation.
    pub fn classes(&self) -> usize {
        match self.ops.last().map(|op| &op.kind) {
            Some(OpKind::Logits { bias, .. }) => bias.len(),
            _ => 0,
        }
    }

    /// Products of bipolar weights with bipolar activations of one image, padding included.
    pub fn binary_macs(&self, types: &[ValueType]) -> u64 {
        self.ops
            .iter()
            .zip(types)
            .map(|(op, out)| match &op.kind {
                OpKind::Conv { input, weights, kernel, .. }
                    if weights.bits() == 1 && types[*input].element == Element::Levels(1) =>
                {
                    (out.len() * kernel * kernel * weights.cols()) as u64
                }
                _ => 0,
            })
            .sum()
    }

    fn check_whole(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let is_image = |op: &Op| matches!(op.kind, OpKind::Image { .. });
        if !self.ops.first().is_some_and(is_image) || self.ops.iter().skip(1).any(is_image) {
            problems.push(problem("network", "the first operation, and no other, is `image`"));
        }
        let is_logits = |op: &Op| matches!(op.kind, OpKind::Logits { .. });
        let n_logits = self.ops.iter().filter(|op| is_logits(op)).count();
        if n_logits != 1 || !self.ops.last().is_some_and(is_logits) {
            problems.push(problem("network", "the last operation, and no other, is `logits`"));
        }
        if !(1..=14).contains(&self.frac_bits) {
            let message = format!("{} fraction bits; a stream has 1 to 14", self.frac_bits);
            problems.push(problem("network", message));
        }
        if !(self.logit_scale.is_finite() && self.logit_scale > 0.0) {
            let message = format!("logit scale {} is not positive", self.logit_scale);
            problems.push(problem("network", message));
        }
        problems
    }
}

fn problem(place: &str, message: impl Into<String>) -> Problem {
    Problem { place: place.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests;
