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

impl WeightStream {
    /// Whether no weights are streamed.
    pub fn is_empty(&self) -> bool {
        self.columns.iter().all(LaneMemory::is_empty)
    }

    /// The beats of an image for a port of so many columns, in the order in which they are sent:
    /// the words of neighbouring columns side by side, in limbs of 64 bits, the lowest first.
    ///
    /// # Panics
    /// If there are no columns or the port's do not divide them, or if one has more words than
    /// another.
    pub fn beats(&self, port_cols: usize) -> impl Iterator<Item = Vec<u64>> {
        let n_words = self.columns.first().map_or(0, LaneMemory::len);
        assert!(
            self.columns.iter().all(|column| column.len() == n_words),
            "bug: columns of different lengths"
        );
        let groups = self.columns.chunks_exact(port_cols);
        assert!(groups.remainder().is_empty(), "bug: {port_cols} columns of a beat");
        (0..n_words)
            .flat_map(move |word| groups.clone().map(move |group| side_by_side(group, word)))
    }
}

/// One word of some columns, the first column in the low bits.
fn side_by_side(columns: &[LaneMemory], word: usize) -> Vec<u64> {
    let lanes = columns[0].lanes();
    let mut beat = vec![0; (columns.len() * lanes).div_ceil(64)];
    for (column, memory) in columns.iter().enumerate() {
        for (limb, &bits) in memory.word(word).iter().enumerate() {
            let low = column * lanes + limb * 64;
            beat[low / 64] |= bits << (low % 64);
            let above = bits.checked_shr(64 - u32::try_from(low % 64).expect("bug: below 64"));
            if let Some(above) = above.filter(|&above| above != 0) {
                beat[low / 64 + 1] |= above;
            }
        }
    }
    beat
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
    use super::{LaneMemory, PortSlots, WeightStream};

    /// Every bit of every beat, against section 2.2.
    #[track_caller]
    fn check_beats(cols: usize, lanes: usize, port_cols: usize) {
        let bit = |word: usize, col: usize, lane: usize| (word * 7 + col * 5 + lane * 3) % 4 == 1;
        let column = |col: usize| {
            let mut memory = LaneMemory::ones(lanes, 3);
            for (word, lane) in (0..3).flat_map(|word| (0..lanes).map(move |lane| (word, lane))) {
                memory.set(word, lane, bit(word, col, lane));
            }
            memory
        };
        let columns = (0..cols).map(column).collect();
        let stream = WeightStream { columns, slots: PortSlots::at_rate(0, 1, 1) };
        let beats: Vec<_> = stream.beats(port_cols).collect();
        assert_eq!(beats.len(), 3 * cols / port_cols);
        for (index, beat) in beats.iter().enumerate() {
            assert_eq!(beat.len(), (port_cols * lanes).div_ceil(64));
            for at in 0..64 * beat.len() {
                let (word, group) = (index * port_cols / cols, index % (cols / port_cols));
                let (i, lane) = (at / lanes, at % lanes);
                let expected = i < port_cols && bit(word, group * port_cols + i, lane);
                assert_eq!(beat[at / 64] >> (at % 64) & 1 == 1, expected, "beat {index}, bit {at}");
            }
        }
    }

    #[test]
    fn beats_hold_the_words_of_neighbouring_columns() {
        for (cols, lanes, port_cols) in
            [(1, 4, 1), (6, 5, 2), (6, 5, 6), (3, 64, 3), (4, 70, 2), (2, 128, 1), (5, 37, 5)]
        {
            check_beats(cols, lanes, port_cols);
        }
    }

    #[test]
    fn slots_are_spread_evenly_after_the_latency() {
        let port = PortSlots::at_rate(3, 2, 5);
        let slots: Vec<u64> = (0..20).filter(|&cycle| port.is_slot(cycle)).collect();
        assert_eq!(slots, [5, 7, 10, 12, 15, 17]);
        assert!((0..100).all(|cycle| PortSlots::at_rate(0, 1, 1).is_slot(cycle)));
    }
}
