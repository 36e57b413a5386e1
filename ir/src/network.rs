//! Integer networks: the operations, their shapes, and what makes a network valid.
//!
//! The operations are those of semantics.md, section 2, one variant each. [`Network::validate`]
//! reports everything that is wrong at once, and nothing else in this crate looks at a network
//! that it has not accepted.
//!
//! Not here: what an operation computes ([`crate::interp`]) and its bytes ([`crate::file`]).

use crate::grid;
use crate::levels::Levels;
use std::collections::BTreeMap;
use std::fmt;

/// Index of an operation and of the value that it produces.
pub type ValueId = usize;

/// Largest height or width of a map.
pub const MAX_SIDE: usize = 4_096;
/// Largest number of channels of a map.
pub const MAX_CHANNELS: usize = 16_384;
/// Largest number of elements of a map or of one weight tensor.
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
        /// Sums.
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
            | Self::Logits { input, .. } => vec![input],
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
                Ok(Some(operands)) => result_type(&op.kind, &operands),
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

/// Returns the operand types, or `None` if one of them is itself invalid.
fn operand_types(
    kind: &OpKind,
    id: ValueId,
    types: &[Option<ValueType>],
) -> Result<Option<Vec<ValueType>>, String> {
    if let Some(late) = kind.operands().into_iter().find(|&o| o >= id) {
        return Err(format!("reads value {late}, but only values below {id} exist there"));
    }
    Ok(kind.operands().into_iter().map(|o| types[o]).collect())
}

fn result_type(kind: &OpKind, operands: &[ValueType]) -> Result<Option<ValueType>, String> {
    let value = match kind {
        OpKind::Image { height, width, channels } => {
            if !(1..MAX_CHANNELS).contains(channels) {
                return Err(format!("{channels} channels; 1 to {}", MAX_CHANNELS - 1));
            }
            let element = Element::Levels(8);
            ValueType { height: *height, width: *width, channels: channels + 1, element }
        }
        OpKind::Conv { weights, kernel, stride, .. } => {
            conv_type(&operands[0], weights, *kernel, *stride)?
        }
        OpKind::Requantize { mul, bias, shift, clip, .. } => {
            requantize_type(operands, mul, bias, *shift, *clip)?
        }
        OpKind::Threshold { thresholds, .. } => {
            expect_sums(&operands[0])?;
            expect_len("thresholds", thresholds.len(), operands[0].channels)?;
            ValueType { element: Element::Levels(1), ..operands[0] }
        }
        OpKind::Sign { .. } => {
            expect_stream("input", &operands[0])?;
            ValueType { element: Element::Levels(1), ..operands[0] }
        }
        OpKind::ShortcutPool { front, channels, .. } => {
            shortcut_pool_type(&operands[0], *front, *channels)?
        }
        OpKind::GlobalPool { shift, bits, .. } => {
            expect_stream("input", &operands[0])?;
            if !(1..=8).contains(bits) || *shift > 31 {
                return Err(format!("{bits} bits and shift {shift}; at most 8 and 31"));
            }
            ValueType { height: 1, width: 1, element: Element::Levels(*bits), ..operands[0] }
        }
        OpKind::Logits { bias, .. } => {
            let bound = expect_sums(&operands[0])?;
            expect_len("biases", bias.len(), operands[0].channels)?;
            if (operands[0].height, operands[0].width) != (1, 1) {
                return Err(format!("reads {}; logits come from a 1x1 map", operands[0]));
            }
            if bias.iter().any(|&b| i64::from(b).abs() + bound > i64::from(i32::MAX)) {
                return Err("a logit could exceed 32 bits".to_owned());
            }
            ValueType { element: Element::Logits, ..operands[0] }
        }
    };
    check_size(&value)?;
    Ok(Some(value))
}

fn conv_type(
    input: &ValueType,
    weights: &Levels,
    kernel: usize,
    stride: usize,
) -> Result<ValueType, String> {
    let Element::Levels(bits) = input.element else {
        return Err(format!("convolves {input}; only levels can be convolved"));
    };
    if kernel.is_multiple_of(2) || kernel > 15 || !(1..=2).contains(&stride) {
        return Err(format!("kernel {kernel}, stride {stride}; odd up to 15, and 1 or 2"));
    }
    if weights.cols() != input.channels {
        return Err(format!("{} weights a tap meet {} channels", weights.cols(), input.channels));
    }
    if weights.rows() == 0 || !weights.rows().is_multiple_of(kernel * kernel) || weights.bits() > 8
    {
        return Err(format!(
            "{} rows of {}-bit weights for a {kernel}x{kernel} kernel",
            weights.rows(),
            weights.bits()
        ));
    }
    let fan_in = (kernel * kernel * weights.cols()) as u64;
    let product = i64::from(grid::max_level(bits)) * i64::from(grid::max_level(weights.bits()));
    let bound = i64::try_from(fan_in).map_err(|_| "fan-in too large")?.saturating_mul(product);
    if bound > i64::from(i32::MAX) {
        return Err(format!("a sum could reach {bound}, more than 32 bits hold"));
    }
    Ok(ValueType {
        height: input.height.div_ceil(stride),
        width: input.width.div_ceil(stride),
        channels: weights.rows() / (kernel * kernel),
        element: Element::Sums(bound),
    })
}

fn requantize_type(
    operands: &[ValueType],
    mul: &[i32],
    bias: &[i32],
    shift: u32,
    clip: i32,
) -> Result<ValueType, String> {
    expect_sums(&operands[0])?;
    expect_len("multipliers", mul.len(), operands[0].channels)?;
    expect_len("biases", bias.len(), operands[0].channels)?;
    if let Some(shortcut) = operands.get(1) {
        expect_stream("shortcut", shortcut)?;
        if !shortcut.same_map(&operands[0]) {
            return Err(format!("adds {shortcut} to {}", operands[0]));
        }
    }
    if let Some(m) = mul.iter().find(|m| m.unsigned_abs() > grid::MUL_MAX.unsigned_abs()) {
        return Err(format!("multiplier {m} exceeds {} in magnitude", grid::MUL_MAX));
    }
    if bias.contains(&i32::MIN) {
        return Err("a bias of -2^31 is out of range".to_owned());
    }
    if shift > grid::SHIFT_MAX || !shift.is_multiple_of(grid::SHIFT_STEP) {
        return Err(format!(
            "shift {shift} is not a multiple of {} up to {}",
            grid::SHIFT_STEP,
            grid::SHIFT_MAX
        ));
    }
    if !(1..=grid::STREAM_MAX).contains(&clip) {
        return Err(format!("clip {clip} is not 1 to {}", grid::STREAM_MAX));
    }
    Ok(ValueType { element: Element::Stream, ..operands[0] })
}

fn shortcut_pool_type(
    input: &ValueType,
    front: usize,
    channels: usize,
) -> Result<ValueType, String> {
    expect_stream("input", input)?;
    if !input.height.is_multiple_of(2) || !input.width.is_multiple_of(2) {
        return Err(format!("pools 2x2 blocks of {input}; height and width must be even"));
    }
    if front.checked_add(input.channels).is_none_or(|end| end > channels) {
        return Err(format!("{front} + {} channels do not fit {channels}", input.channels));
    }
    Ok(ValueType { height: input.height / 2, width: input.width / 2, channels, ..*input })
}

fn expect_sums(value: &ValueType) -> Result<i64, String> {
    match value.element {
        Element::Sums(bound) => Ok(bound),
        _ => Err(format!("reads {value}; needs sums")),
    }
}

fn expect_stream(role: &str, value: &ValueType) -> Result<(), String> {
    if value.element == Element::Stream {
        Ok(())
    } else {
        Err(format!("{role} is {value}; needs a stream"))
    }
}

fn expect_len(what: &str, len: usize, channels: usize) -> Result<(), String> {
    if len == channels { Ok(()) } else { Err(format!("{len} {what} for {channels} channels")) }
}

fn check_size(value: &ValueType) -> Result<(), String> {
    let side = 1..=MAX_SIDE;
    let fits = side.contains(&value.height)
        && side.contains(&value.width)
        && (1..=MAX_CHANNELS).contains(&value.channels)
        && value.len() <= MAX_ELEMENTS;
    if fits {
        Ok(())
    } else {
        Err(format!("{value} is empty or larger than {MAX_SIDE}x{MAX_SIDE}x{MAX_CHANNELS}"))
    }
}
