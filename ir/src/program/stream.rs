//! Weights that are streamed, and the source that streams them: microarchitecture.md, section 2.2.

use super::LaneMemory;
use serde::{Deserialize, Serialize};

/// What the source of the weight port repeats once an image, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightStream {
    /// The words of each column in the order in which they are used.
    pub columns: Vec<LaneMemory>,
    /// The cycles in which beats are expected, for which cycles are predicted.
    pub slots: PortSlots,
}

/// The cycles in which the source of the weight port may begin to offer a beat.
///
/// Cycles are counted from the first one after the program was loaded. In a slot the source offers
/// the next beat if it does not offer one already; it offers a beat until it is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortSlots {
    /// Cycles before the first slot can be.
    pub latency: u64,
    /// Whether each cycle after them is a slot; repeated for ever. At least one is.
    pub pattern: Vec<bool>,
}

impl PortSlots {
    /// Slots spread evenly: `beats` of them in `cycles` cycles, after `latency`.
    ///
    /// # Panics
    /// Unless `1 <= beats <= cycles`.
    pub fn at_rate(latency: u64, beats: u32, cycles: u32) -> Self {
        assert!(1 <= beats && beats <= cycles, "bug: {beats} beats in {cycles} cycles");
        let offered = |n: u32| u64::from(n) * u64::from(beats) / u64::from(cycles);
        let pattern = (0..cycles).map(|n| offered(n + 1) > offered(n)).collect();
        Self { latency, pattern }
    }

    /// Whether a cycle is a slot.
    pub fn is_slot(&self, cycle: u64) -> bool {
        let length = self.pattern.len() as u64;
        cycle >= self.latency
            && usize::try_from((cycle - self.latency) % length).is_ok_and(|at| self.pattern[at])
    }
}

#[cfg(test)]
mod tests {
    use super::PortSlots;

    #[test]
    fn slots_are_spread_evenly_after_the_latency() {
        let port = PortSlots::at_rate(3, 2, 5);
        let slots: Vec<u64> = (0..20).filter(|&cycle| port.is_slot(cycle)).collect();
        assert_eq!(slots, [5, 7, 10, 12, 15, 17]);
        assert!((0..100).all(|cycle| PortSlots::at_rate(0, 1, 1).is_slot(cycle)));
    }
}
