//! Words of lanes, as the weight memories hold them.

use std::ops::Range;

/// Words of `lanes` bits, least significant lane first, in 64-bit limbs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneMemory {
    lanes: usize,
    limbs: Vec<u64>,
}

impl LaneMemory {
    /// Returns `words` words with all lanes 1, the value of lanes without a channel.
    pub fn ones(lanes: usize, words: usize) -> Self {
        let mut memory = Self { lanes, limbs: vec![u64::MAX; words * lanes.div_ceil(64)] };
        if !lanes.is_multiple_of(64) {
            for top in memory.limbs.iter_mut().skip(lanes / 64).step_by(lanes.div_ceil(64)) {
                *top = (1 << (lanes % 64)) - 1;
            }
        }
        memory
    }

    /// Adds words with all lanes 1.
    pub fn extend_ones(&mut self, words: usize) {
        self.limbs.extend_from_slice(&Self::ones(self.lanes, words).limbs);
    }

    /// Bits of a word.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Adds words of another memory of as many lanes.
    pub fn extend_from(&mut self, other: &Self, words: Range<usize>) {
        assert_eq!(self.lanes, other.lanes, "bug: memories of other lanes");
        let n = self.lanes.div_ceil(64);
        self.limbs.extend_from_slice(&other.limbs[words.start * n..words.end * n]);
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.limbs.len() / self.lanes.div_ceil(64)
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.limbs.is_empty()
    }

    /// Limbs of a word.
    pub fn word(&self, index: usize) -> &[u64] {
        let n = self.lanes.div_ceil(64);
        &self.limbs[index * n..][..n]
    }

    /// Sets one lane of a word.
    pub fn set(&mut self, index: usize, lane: usize, bit: bool) {
        assert!(lane < self.lanes, "bug: lane {lane} of {}", self.lanes);
        let limb = &mut self.limbs[index * self.lanes.div_ceil(64) + lane / 64];
        *limb = *limb & !(1 << (lane % 64)) | u64::from(bit) << (lane % 64);
    }
}
