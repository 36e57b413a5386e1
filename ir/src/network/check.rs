//! The rules of each operation and the type of its result: semantics.md, section 2.
//!
//! A rule that is broken is a message with the values and the rule; [`Network::validate`] adds
//! the place.
//!
//! Not here: names and the network as a whole ([`super`]).
//!
//! [`Network::validate`]: super::Network::validate

use super::{Element, MAX_CHANNELS, MAX_ELEMENTS, MAX_SIDE, OpKind, ValueId, ValueType};
use crate::grid;
use crate::levels::Levels;

/// Largest right shift of `global_pool` and `quantize`.
const QUANTIZE_SHIFT_MAX: u32 = 31;

/// Returns the operand types, or `None` if one of them is itself invalid.
pub(super) fn operand_types(
    kind: &OpKind,
    id: ValueId,
    types: &[Option<ValueType>],
) -> Result<Option<Vec<ValueType>>, String> {
    if let Some(late) = kind.operands().into_iter().find(|&o| o >= id) {
        return Err(format!("reads value {late}, but only values below {id} exist there"));
    }
    Ok(kind.operands().into_iter().map(|o| types[o]).collect())
}

/// Returns the type of the result.
pub(super) fn result_type(kind: &OpKind, operands: &[ValueType]) -> Result<ValueType, String> {
    let value = match kind {
        OpKind::Image { height, width, channels } => image_type(*height, *width, *channels)?,
        OpKind::Conv { weights, kernel, stride, .. } => {
            conv_type(&operands[0], weights, *kernel, *stride)?
        }
        OpKind::Requantize { mul, bias, shift, clip, .. } => {
            requantize_type(operands, mul, bias, *shift, *clip)?
        }
        OpKind::Threshold { thresholds, .. } => {
            expect_sums_or_stream(&operands[0])?;
            expect_len("thresholds", thresholds.len(), operands[0].channels)?;
            operands[0].with(Element::Levels(1))
        }
        OpKind::Sign { .. } => {
            expect_stream("input", &operands[0])?;
            operands[0].with(Element::Levels(1))
        }
        OpKind::ShortcutPool { front, channels, .. } => {
            shortcut_pool_type(&operands[0], *front, *channels)?
        }
        OpKind::GlobalPool { shift, bits, .. } => {
            ValueType { height: 1, width: 1, ..quantized_type(&operands[0], *shift, *bits)? }
        }
        OpKind::Logits { bias, .. } => logits_type(&operands[0], bias)?,
        OpKind::Quantize { shift, bits, .. } => quantized_type(&operands[0], *shift, *bits)?,
        OpKind::MaxPool { kernel, stride, padding, take, .. } => {
            expect_len("extremes", take.len(), operands[0].channels)?;
            max_pool_type(&operands[0], *kernel, *stride, *padding)?
        }
        OpKind::Flatten { .. } => {
            expect_levels("flattens", &operands[0])?;
            ValueType { height: 1, width: 1, channels: operands[0].len(), ..operands[0] }
        }
        OpKind::Prelu { before, slope, shift, after, clip, .. } => {
            prelu_type(&operands[0], [before, slope, after], *shift, *clip)?
        }
    };
    check_size(&value)?;
    Ok(value)
}

fn image_type(height: usize, width: usize, channels: usize) -> Result<ValueType, String> {
    if !(1..MAX_CHANNELS).contains(&channels) {
        return Err(format!("{channels} channels; 1 to {}", MAX_CHANNELS - 1));
    }
    Ok(ValueType { height, width, channels: channels + 1, element: Element::Levels(8) })
}

fn conv_type(
    input: &ValueType,
    weights: &Levels,
    kernel: usize,
    stride: usize,
) -> Result<ValueType, String> {
    let bits = expect_levels("convolves", input)?;
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
    check_multipliers("multiplier", mul)?;
    if bias.contains(&i32::MIN) {
        return Err("a bias of -2^31 is out of range".to_owned());
    }
    check_rounding(shift, clip)?;
    Ok(operands[0].with(Element::Stream))
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

/// The type of `global_pool`, before it becomes one position, and of `quantize`.
fn quantized_type(input: &ValueType, shift: u32, bits: u32) -> Result<ValueType, String> {
    expect_stream("input", input)?;
    if !(1..=8).contains(&bits) || shift > QUANTIZE_SHIFT_MAX {
        return Err(format!(
            "{bits} bits and shift {shift}; 1 to 8 bits and a shift up to {QUANTIZE_SHIFT_MAX}"
        ));
    }
    Ok(input.with(Element::Levels(bits)))
}

fn max_pool_type(
    input: &ValueType,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Result<ValueType, String> {
    if !matches!(input.element, Element::Levels(_) | Element::Stream) {
        return Err(format!("pools {input}; needs levels or a stream"));
    }
    if !(2..=3).contains(&kernel) || !(1..=2).contains(&stride) || padding > kernel / 2 {
        return Err(format!(
            "kernel {kernel}, stride {stride}, padding {padding}; \
             kernel 2 or 3, stride 1 or 2, padding up to half the kernel"
        ));
    }
    let side = |side: usize| {
        let room = (side + 2 * padding).checked_sub(kernel);
        room.map(|room| room / stride + 1)
            .ok_or_else(|| format!("a {kernel}x{kernel} window with padding {padding} on {input}"))
    };
    Ok(ValueType { height: side(input.height)?, width: side(input.width)?, ..*input })
}

/// `integers` are those before, the slopes, and those after.
fn prelu_type(
    input: &ValueType,
    [before, slope, after]: [&[i32]; 3],
    shift: u32,
    clip: i32,
) -> Result<ValueType, String> {
    expect_stream("input", input)?;
    expect_len("offsets before", before.len(), input.channels)?;
    expect_len("slopes", slope.len(), input.channels)?;
    expect_len("offsets after", after.len(), input.channels)?;
    let limit = grid::PRELU_OFFSET_MAX;
    if let Some(o) = before.iter().chain(after).find(|o| o.unsigned_abs() > limit.unsigned_abs()) {
        return Err(format!("offset {o} exceeds {limit} in magnitude"));
    }
    check_multipliers("slope", slope)?;
    check_rounding(shift, clip)?;
    Ok(*input)
}

fn logits_type(input: &ValueType, bias: &[i32]) -> Result<ValueType, String> {
    let Element::Sums(bound) = input.element else {
        return Err(format!("reads {input}; needs sums"));
    };
    expect_len("biases", bias.len(), input.channels)?;
    if (input.height, input.width) != (1, 1) {
        return Err(format!("reads {input}; logits come from a 1x1 map"));
    }
    if bias.iter().any(|&b| i64::from(b).abs() + bound > i64::from(i32::MAX)) {
        return Err("a logit could exceed 32 bits".to_owned());
    }
    Ok(input.with(Element::Logits))
}

fn check_multipliers(what: &str, values: &[i32]) -> Result<(), String> {
    match values.iter().find(|m| m.unsigned_abs() > grid::MUL_MAX.unsigned_abs()) {
        Some(m) => Err(format!("{what} {m} exceeds {} in magnitude", grid::MUL_MAX)),
        None => Ok(()),
    }
}

/// Checks the shift and the clip that end a requantization and a `prelu`.
fn check_rounding(shift: u32, clip: i32) -> Result<(), String> {
    let (max, step) = (grid::SHIFT_MAX, grid::SHIFT_STEP);
    if shift > max || !shift.is_multiple_of(step) {
        return Err(format!("shift {shift} is not a multiple of {step} up to {max}"));
    }
    if !(1..=grid::STREAM_MAX).contains(&clip) {
        return Err(format!("clip {clip} is not 1 to {}", grid::STREAM_MAX));
    }
    Ok(())
}

fn expect_levels(verb: &str, value: &ValueType) -> Result<u32, String> {
    match value.element {
        Element::Levels(bits) => Ok(bits),
        _ => Err(format!("{verb} {value}; needs levels")),
    }
}

fn expect_sums(value: &ValueType) -> Result<(), String> {
    match value.element {
        Element::Sums(_) => Ok(()),
        _ => Err(format!("reads {value}; needs sums")),
    }
}

fn expect_sums_or_stream(value: &ValueType) -> Result<(), String> {
    match value.element {
        Element::Sums(_) | Element::Stream => Ok(()),
        _ => Err(format!("reads {value}; needs sums or a stream")),
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
