//! The weight port that a target may have, and whether it makes sense.
//!
//! Not here: which weights come through it ([`super::streaming`]).

use super::{ScheduleError, Target};
use heartbit_ir::program::{ArrayConfig, PortSlots, WeightRing};

/// Words that 16-bit addresses reach.
pub(crate) const ADDRESSES: usize = 1 << 16;
/// Longest pattern of slots.
const MAX_PATTERN: usize = 1 << 16;
/// Most cycles before the first slot.
const MAX_LATENCY: u64 = 1 << 32;

/// A port through which weights come that do not fit: microarchitecture.md, section 2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightPort {
    /// Columns of a beat: a divisor of the array's columns.
    pub cols: usize,
    /// When the source can send a beat.
    pub slots: PortSlots,
    /// Words of the ring, a power of two; the best for the network if `None`.
    pub ring: Option<usize>,
    /// Most words of the weight memory, ring and resident weights together, where the target fixes
    /// no depths; as many as addresses reach if `None`.
    pub room: Option<usize>,
}

impl WeightPort {
    /// Sizes of ring that may be chosen, of which the memory holds none if they are too large.
    pub(super) fn ring_sizes(&self) -> Vec<usize> {
        match self.ring {
            Some(words) => vec![words],
            None => (1..=ADDRESSES.ilog2()).map(|log2| 1 << log2).collect(),
        }
    }
}

/// Cycles in which a source sends so many words of all columns, one beat in each slot.
pub(crate) fn cycles_of_words(words: u64, cols: usize, port_cols: usize, slots: &PortSlots) -> u64 {
    let n_slots = slots.pattern.iter().filter(|slot| **slot).count() as u64;
    let beats = words * (cols / port_cols) as u64;
    (beats * slots.pattern.len() as u64).div_ceil(n_slots.max(1))
}

/// What is wrong with the slots of a source, and the rule that it breaks.
pub(crate) fn slot_error(slots: &PortSlots) -> Option<(usize, &'static str)> {
    let n_slots = slots.pattern.iter().filter(|&&slot| slot).count();
    if n_slots == 0 {
        Some((0, "at least one"))
    } else if slots.pattern.len() > MAX_PATTERN {
        Some((slots.pattern.len(), "a pattern of at most 65536 cycles"))
    } else if slots.latency > MAX_LATENCY {
        let latency = usize::try_from(slots.latency).unwrap_or(usize::MAX);
        Some((latency, "a latency of at most 2^32 cycles"))
    } else {
        None
    }
}

/// Whether a ring can be had by an array; the rule that it breaks if not.
pub(crate) fn ring_error(ring: &WeightRing, array: &ArrayConfig) -> Option<SizeError> {
    if !array.cols.is_multiple_of(ring.port_cols) {
        return Some(SizeError {
            number: ring.port_cols,
            what: "columns in a beat of the weight port (--weight-port)",
            rule: "a divisor of the columns",
        });
    }
    let possible = ring.words.is_power_of_two() && (2..=ADDRESSES).contains(&ring.words);
    (!possible).then_some(SizeError {
        number: ring.words,
        what: "words in the weight ring (--weight-ring)",
        rule: "a power of two from 2 to 65536",
    })
}

/// A size that cannot be had.
pub(crate) struct SizeError {
    /// How many.
    pub(crate) number: usize,
    /// Of what, in the words of the command line.
    pub(crate) what: &'static str,
    /// What it would take.
    pub(crate) rule: &'static str,
}

/// Refuses a port that the array cannot have, or that is not that of the given memories.
pub(super) fn check(target: &Target, array: &ArrayConfig) -> Result<(), ScheduleError> {
    let problem = problem(target, array);
    problem.map_or(Ok(()), |SizeError { number, what, rule }| {
        Err(ScheduleError::Division { shape: target.shape, number, what, rule })
    })
}

fn problem(target: &Target, array: &ArrayConfig) -> Option<SizeError> {
    let hardware = target.depths.and_then(|depths| depths.ring);
    let Some(port) = &target.weight_port else {
        return hardware.map(|ring| SizeError {
            number: ring.words,
            what: "words in a weight ring without a weight port (--weight-port)",
            rule: "a ring has a port that fills it",
        });
    };
    // Without a size of its own, any: the ring's is chosen later.
    let asked = WeightRing { words: port.ring.unwrap_or(2), port_cols: port.cols };
    if let Some(error) = ring_error(&asked, array) {
        return Some(error);
    }
    if let Some((number, rule)) = slot_error(&port.slots) {
        return Some(SizeError { number, what: "slots of the weight port (--weight-rate)", rule });
    }
    let ring = hardware?;
    let same = ring.port_cols == port.cols && port.ring.is_none_or(|words| words == ring.words);
    if !same {
        let what = "columns in a beat, or a ring, other than those of the given memories";
        let rule = "the port is that of the memories";
        return Some(SizeError { number: port.cols, what, rule });
    }
    ring_error(&ring, array)
}
