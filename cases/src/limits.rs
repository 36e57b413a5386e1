//! What a case that is read from a file may say.
//!
//! The generator keeps to it; a file that does not would make it panic or take memory without end.

use crate::case::{Case, Memories};
use crate::problem::{Block, MaxPool, Port, Read};
use heartbit_ir::program::{PortSlots, WeightRing};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// Most layers between stem and head.
const MAX_BLOCKS: usize = 64;
/// Most cycles of a pattern of slots.
const MAX_PATTERN: usize = 4096;
/// Words that 16-bit addresses reach.
const ADDRESSES: usize = 1 << 16;

/// Checks every number.
///
/// # Errors
/// The first field that is outside its range, and the range.
pub(crate) fn check(case: &Case) -> Result<(), String> {
    let problem = &case.problem;
    within("height", problem.height, 1..=64)?;
    within("width", problem.width, 1..=64)?;
    within("image_channels", problem.image_channels, 1..=3)?;
    within("channels of the stem", problem.stem.0, 1..=256)?;
    within("bits of the stem", problem.stem.1, 1..=8)?;
    within("blocks", problem.blocks.len(), 0..=MAX_BLOCKS)?;
    problem.blocks.iter().try_for_each(block)?;
    within("head_levels", problem.head_levels, 1..=8)?;
    within("classes", problem.classes, 1..=1024)?;
    within("head_bits", problem.head_bits, 1..=8)?;
    problem.port.as_ref().map_or(Ok(()), port)?;
    hardware(case)?;
    if let Some(streamed) = &case.streamed {
        ring(streamed.ring)?;
        slots(&streamed.slots)?;
    }
    within("images", case.images, 1..=16)?;
    case.stalls.map_or(Ok(()), |stalls| within("percent of stalls", stalls.percent, 0..=90))
}

fn within<T: PartialOrd + Display + Copy>(
    what: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), String> {
    let (least, most) = range.into_inner();
    if least <= value && value <= most {
        return Ok(());
    }
    Err(format!("{what} {value} is not in {least} to {most}"))
}

fn block(block: &Block) -> Result<(), String> {
    within("channels of a block", block.channels, 1..=256)?;
    if !matches!(block.kernel, 1 | 3) {
        return Err(format!("kernel {} is not 1 or 3", block.kernel));
    }
    within("stride", block.stride, 1..=2)?;
    if let Read::Levels(bits) = block.read {
        within("levels of a block", bits, 1..=8)?;
    }
    block.pool.map_or(Ok(()), |MaxPool { kernel, stride, padding }| {
        within("kernel of a pool", kernel, 2..=3)?;
        within("stride of a pool", stride, 1..=2)?;
        within("padding of a pool", padding, 0..=1)
    })
}

fn port(port: &Port) -> Result<(), String> {
    within("divisor of the port", port.divisor, 0..=256)?;
    within("doublings of the ring", port.doublings.unwrap_or(0), 0..=8)?;
    within("resident eighths", port.resident, 0..=8)?;
    slots(&port.slots)
}

fn slots(slots: &PortSlots) -> Result<(), String> {
    within("latency", slots.latency, 0..=1 << 16)?;
    within("cycles of the pattern", slots.pattern.len(), 1..=MAX_PATTERN)?;
    if slots.pattern.contains(&true) { Ok(()) } else { Err("a pattern without a slot".to_owned()) }
}

fn hardware(case: &Case) -> Result<(), String> {
    let hardware = &case.hardware;
    within("rows", hardware.rows, 1..=256)?;
    within("cols", hardware.cols, 1..=256)?;
    within("lanes", hardware.lanes, 4..=1024)?;
    if !matches!(hardware.taps, 1 | 2 | 4) {
        return Err(format!("taps {} are not 1, 2 or 4", hardware.taps));
    }
    if !hardware.is_possible() {
        return Err(format!("lines {:?} do not divide the rows", hardware.lines));
    }
    match hardware.memories {
        Memories::Sized => Ok(()),
        Memories::Short { percent, .. } => within("percent of a memory", percent, 1..=100),
        Memories::Fixed { acc_bits, depths } => {
            within("acc_bits", acc_bits, 1..=32)?;
            for words in [
                depths.image,
                depths.activation,
                depths.weight,
                depths.parameter,
                depths.stream,
                depths.logit,
                depths.step,
                depths.program,
            ] {
                within("words of a memory", words, 1..=ADDRESSES)?;
            }
            depths.ring.map_or(Ok(()), ring)
        }
    }?;
    let ring = case.streamed.as_ref().map(|streamed| streamed.ring);
    match ring {
        Some(ring) if !hardware.cols.is_multiple_of(ring.port_cols) => {
            Err(format!("port_cols {} does not divide the columns", ring.port_cols))
        }
        _ => Ok(()),
    }
}

fn ring(ring: WeightRing) -> Result<(), String> {
    within("port_cols", ring.port_cols, 1..=256)?;
    within("words of the ring", ring.words, 2..=ADDRESSES)?;
    if ring.words.is_power_of_two() {
        return Ok(());
    }
    Err(format!("words of the ring {} are no power of two", ring.words))
}
