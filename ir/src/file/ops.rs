//! The operations in the container: their fields in the header, their arrays in the payload.
//!
//! | operation | payload |
//! |---|---|
//! | `conv` | weight planes, least significant first, rows padded to bytes |
//! | `requantize` | multipliers (i16), biases (i32) |
//! | `threshold` | a tag byte (0 at least, 1 at most, 2 constant) and an i32 each |
//! | `logits` | biases (i32) |
//! | `max_pool` | a byte each: 0 maximum, 1 minimum |
//! | `prelu` | offsets before (i32), slopes (i16), offsets after (i32) |
//!
//! All others have none. An operation that an older program does not know is refused there as a
//! malformed header, so a new one needs no new version of the container.
//!
//! Not here: prefix, checksum, and whether the network makes sense.

use crate::levels::{BitMatrix, Levels};
use crate::network::{Extreme, Op, OpKind, Threshold};
use serde::{Deserialize, Serialize};

/// An operation in the header.
#[derive(Serialize, Deserialize)]
pub(super) struct HeaderOp {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) kind: HeaderKind,
}

/// What an operation does, without its arrays.
#[derive(Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum HeaderKind {
    Image { height: usize, width: usize, channels: usize },
    Conv { input: usize, rows: usize, cols: usize, bits: u32, kernel: usize, stride: usize },
    Requantize { input: usize, shortcut: Option<usize>, channels: usize, shift: u32, clip: i32 },
    Threshold { input: usize, channels: usize },
    Sign { input: usize },
    ShortcutPool { input: usize, front: usize, channels: usize },
    GlobalPool { input: usize, shift: u32, bits: u32 },
    Logits { input: usize, channels: usize },
    Quantize { input: usize, shift: u32, bits: u32 },
    MaxPool { input: usize, channels: usize, kernel: usize, stride: usize, padding: usize },
    Flatten { input: usize },
    Prelu { input: usize, channels: usize, shift: u32, clip: i32 },
}

/// Returns what the header says of an operation.
pub(super) fn header_op(op: &Op) -> HeaderOp {
    let kind = match &op.kind {
        &OpKind::Image { height, width, channels } => HeaderKind::Image { height, width, channels },
        OpKind::Conv { input, weights, kernel, stride } => HeaderKind::Conv {
            input: *input,
            rows: weights.rows(),
            cols: weights.cols(),
            bits: weights.bits(),
            kernel: *kernel,
            stride: *stride,
        },
        OpKind::Requantize { input, shortcut, mul, shift, clip, .. } => HeaderKind::Requantize {
            input: *input,
            shortcut: *shortcut,
            channels: mul.len(),
            shift: *shift,
            clip: *clip,
        },
        OpKind::Threshold { input, thresholds } => {
            HeaderKind::Threshold { input: *input, channels: thresholds.len() }
        }
        &OpKind::Sign { input } => HeaderKind::Sign { input },
        &OpKind::ShortcutPool { input, front, channels } => {
            HeaderKind::ShortcutPool { input, front, channels }
        }
        &OpKind::GlobalPool { input, shift, bits } => HeaderKind::GlobalPool { input, shift, bits },
        OpKind::Logits { input, bias } => {
            HeaderKind::Logits { input: *input, channels: bias.len() }
        }
        &OpKind::Quantize { input, shift, bits } => HeaderKind::Quantize { input, shift, bits },
        &OpKind::MaxPool { input, kernel, stride, padding, ref take } => {
            HeaderKind::MaxPool { input, channels: take.len(), kernel, stride, padding }
        }
        &OpKind::Flatten { input } => HeaderKind::Flatten { input },
        &OpKind::Prelu { input, ref slope, shift, clip, .. } => {
            HeaderKind::Prelu { input, channels: slope.len(), shift, clip }
        }
    };
    HeaderOp { name: op.name.clone(), kind }
}

/// Returns the arrays of an operation.
pub(super) fn payload(kind: &OpKind) -> Vec<u8> {
    let words = |values: &[i32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let narrow = |m: &i32| i16::try_from(*m).expect("bug: validated").to_le_bytes();
    match kind {
        OpKind::Conv { weights, .. } => {
            weights.planes().iter().flat_map(|p| p.as_bytes().iter().copied()).collect()
        }
        OpKind::Requantize { mul, bias, .. } => {
            mul.iter().flat_map(narrow).chain(words(bias)).collect()
        }
        OpKind::MaxPool { take, .. } => take.iter().map(|t| u8::from(*t == Extreme::Min)).collect(),
        OpKind::Prelu { before, slope, after, .. } => {
            let slopes = slope.iter().flat_map(narrow);
            words(before).into_iter().chain(slopes).chain(words(after)).collect()
        }
        OpKind::Threshold { thresholds, .. } => thresholds
            .iter()
            .flat_map(|t| {
                let (tag, value) = match *t {
                    Threshold::AtLeast(t) => (0, t),
                    Threshold::AtMost(t) => (1, t),
                    Threshold::Constant(b) => (2, i32::from(b)),
                };
                std::iter::once(tag).chain(value.to_le_bytes())
            })
            .collect(),
        OpKind::Logits { bias, .. } => words(bias),
        OpKind::Image { .. }
        | OpKind::Sign { .. }
        | OpKind::ShortcutPool { .. }
        | OpKind::GlobalPool { .. }
        | OpKind::Quantize { .. }
        | OpKind::Flatten { .. } => Vec::new(),
    }
}

/// Reads the arrays of an operation.
pub(super) fn read_kind(
    header: &HeaderKind,
    reader: &mut Reader<'_>,
) -> Result<OpKind, &'static str> {
    Ok(match *header {
        HeaderKind::Image { height, width, channels } => OpKind::Image { height, width, channels },
        HeaderKind::Conv { input, rows, cols, bits, kernel, stride } => {
            let weights = read_weights(reader, rows, cols, bits)?;
            OpKind::Conv { input, weights, kernel, stride }
        }
        HeaderKind::Requantize { input, shortcut, channels, shift, clip } => {
            let mul = reader.array(channels, |[a, b]| i32::from(i16::from_le_bytes([a, b])))?;
            let bias = reader.array(channels, i32::from_le_bytes)?;
            OpKind::Requantize { input, shortcut, mul, bias, shift, clip }
        }
        HeaderKind::Threshold { input, channels } => {
            let thresholds = read_thresholds(reader, channels)?;
            OpKind::Threshold { input, thresholds }
        }
        HeaderKind::Sign { input } => OpKind::Sign { input },
        HeaderKind::ShortcutPool { input, front, channels } => {
            OpKind::ShortcutPool { input, front, channels }
        }
        HeaderKind::GlobalPool { input, shift, bits } => OpKind::GlobalPool { input, shift, bits },
        HeaderKind::Logits { input, channels } => {
            OpKind::Logits { input, bias: reader.array(channels, i32::from_le_bytes)? }
        }
        HeaderKind::Quantize { input, shift, bits } => OpKind::Quantize { input, shift, bits },
        HeaderKind::MaxPool { input, channels, kernel, stride, padding } => {
            let take = reader.take(channels)?.iter().map(|&byte| match byte {
                0 => Ok(Extreme::Max),
                1 => Ok(Extreme::Min),
                _ => Err("unknown extreme"),
            });
            let take = take.collect::<Result<_, _>>()?;
            OpKind::MaxPool { input, kernel, stride, padding, take }
        }
        HeaderKind::Flatten { input } => OpKind::Flatten { input },
        HeaderKind::Prelu { input, channels, shift, clip } => {
            let before = reader.array(channels, i32::from_le_bytes)?;
            let slope = reader.array(channels, |[a, b]| i32::from(i16::from_le_bytes([a, b])))?;
            let after = reader.array(channels, i32::from_le_bytes)?;
            OpKind::Prelu { input, before, slope, shift, after, clip }
        }
    })
}

fn read_weights(
    reader: &mut Reader<'_>,
    rows: usize,
    cols: usize,
    bits: u32,
) -> Result<Levels, &'static str> {
    if !(1..=8).contains(&bits) {
        return Err("weights have 1 to 8 bits");
    }
    let plane_bytes = rows.checked_mul(cols.div_ceil(8)).ok_or("too many weights")?;
    let planes = (0..bits)
        .map(|_| {
            let bytes = reader.take(plane_bytes)?.to_vec();
            BitMatrix::from_bytes(rows, cols, bytes).ok_or("a padding bit is set")
        })
        .collect::<Result<Vec<_>, _>>()?;
    Levels::from_planes(planes).ok_or("no weights")
}

fn read_thresholds(reader: &mut Reader<'_>, n: usize) -> Result<Vec<Threshold>, &'static str> {
    reader
        .array(n, |[tag, a, b, c, d]| (tag, i32::from_le_bytes([a, b, c, d])))?
        .into_iter()
        .map(|(tag, value)| match (tag, value) {
            (0, t) => Ok(Threshold::AtLeast(t)),
            (1, t) => Ok(Threshold::AtMost(t)),
            (2, 0 | 1) => Ok(Threshold::Constant(value == 1)),
            _ => Err("unknown threshold tag"),
        })
        .collect()
}

/// Takes bytes from the front, never more than there are.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], &'static str> {
        let (head, tail) = self.bytes.split_at_checked(n).ok_or("it ends too early")?;
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize, T>(
        &mut self,
        n: usize,
        read: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, &'static str> {
        let bytes = self.take(n.checked_mul(N).ok_or("too many elements")?)?;
        Ok(bytes.as_chunks().0.iter().map(|chunk| read(*chunk)).collect())
    }

    pub(super) fn u32(&mut self) -> Result<u32, &'static str> {
        Ok(self.array(1, u32::from_le_bytes)?[0])
    }

    pub(super) fn u64(&mut self) -> Result<u64, &'static str> {
        Ok(self.array(1, u64::from_le_bytes)?[0])
    }
}
