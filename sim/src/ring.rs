//! The weight ring: when the words that come through the weight port are there (section 2.2 of
//! microarchitecture.md).
//!
//! No cycle of the port is stepped, since all of them follow from those in which steps free their
//! words. Beat `n` is offered in the first slot after the cycle in which beat `n - 1` was accepted.
//! It is accepted in that cycle, or in the first one in which the word is free that had the same
//! address, `F` words before: until then the ring holds `F` words, from then on fewer.
//! So the port is followed word by word, up to the one that a step needs. The word before it at its
//! address belongs to an earlier column tile, as `K <= F`, and was freed by that tile's last steps.
//!
//! Only cycles come from here. What the words are does not depend on the ring: they are in `plan`.

use crate::check::MAX_START;
use crate::error::Error;
use heartbit_ir::program::{PortSlots, Program};

/// The ring and its port, as the program describes them.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    /// Words of the ring: `F`.
    words: usize,
    /// Beats of a word: `C / W`.
    beats: usize,
    /// Cycles from a step until its word is free: [`held`].
    held: u64,
    /// Words of the sequence.
    sequence: u64,
    /// Cycles before the first slot can be.
    latency: u64,
    /// Cycles from each one of the pattern until the next slot.
    pauses: Vec<u64>,
}

impl Port {
    /// The port of a program that `check` accepted, if it streams weights.
    pub(crate) fn new(program: &Program, sequence: usize) -> Option<Self> {
        let (ring, stream) = (program.depths.ring?, program.weight_stream.as_ref()?);
        let cols = program.array.cols;
        (sequence > 0).then(|| Self {
            words: ring.words,
            beats: cols / ring.port_cols,
            held: held(cols),
            sequence: sequence as u64,
            latency: stream.slots.latency,
            pauses: pauses(&stream.slots),
        })
    }

    /// The first slot in or after a cycle.
    fn slot(&self, cycle: u64) -> u64 {
        let cycle = cycle.max(self.latency);
        let at = (cycle - self.latency) % self.pauses.len() as u64;
        cycle + self.pauses[usize::try_from(at).expect("bug: below a length")]
    }
}

/// Cycles from a step until its word is free: `C + 3`. In that cycle the last column reads it; a
/// beat that is accepted then is written in the next one.
pub(crate) fn held(cols: usize) -> u64 {
    cols as u64 + 3
}

/// Cycles from each one of a pattern, which has a slot, until the next slot: 0 in a slot.
pub(crate) fn pauses(slots: &PortSlots) -> Vec<u64> {
    let mut pauses = vec![0; slots.pattern.len()];
    let mut pause = 0;
    // What follows the last cycle is known in the second round.
    for at in (0..slots.pattern.len()).rev().cycle().take(2 * slots.pattern.len()) {
        pause = if slots.pattern[at] { 0 } else { pause + 1 };
        pauses[at] = pause;
    }
    pauses
}

/// What the ring holds, and when. Cycles are counted from the first one after the program was
/// loaded, those of an image from the first one of its `Fetch`.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    /// Of each address: the cycle from which on its word is there, or from which on it is free.
    since: Vec<u64>,
    /// Words that have been followed to the ring, counted over all images.
    arrived: u64,
    /// The first cycle in which another beat may be offered.
    next_beat: u64,
    /// The first word of the image.
    first_word: u64,
    /// The first cycle of the image.
    start: u64,
    /// The first cycle in which an image can begin.
    earliest: u64,
}

impl Ring {
    /// A ring after the program was loaded.
    pub(crate) fn new(port: Option<&Port>) -> Self {
        Self {
            since: vec![0; port.map_or(0, |port| port.words)],
            arrived: 0,
            next_beat: 0,
            first_word: 0,
            start: 0,
            earliest: 0,
        }
    }

    /// Begins an image in a cycle, or in the first one in which it can begin with a full ring, and
    /// returns the cycle.
    pub(crate) fn begin(&mut self, port: &Port, start: Option<u64>) -> Result<u64, Error> {
        let earliest = self.earliest;
        let start = start.unwrap_or_else(|| earliest.max(self.full(port)));
        if !(earliest..=MAX_START).contains(&start) {
            return Err(Error::Start { start, earliest, latest: MAX_START });
        }
        self.start = start;
        Ok(start)
    }

    /// Ends an image that took so many cycles; one cycle of `Idle` follows.
    pub(crate) fn end(&mut self, port: &Port, cycles: u64) {
        self.first_word += port.sequence;
        self.earliest = self.start + cycles + 1;
    }

    /// The first cycle of the image in which the step that needs one of its words may be issued, 0
    /// if the word was there before.
    pub(crate) fn arrival(&mut self, port: &Port, word: u64) -> u64 {
        let word = self.first_word + word;
        self.follow(port, word);
        self.since(word).saturating_sub(self.start)
    }

    /// Frees a word: the last step that needs it is issued in a cycle of the image.
    pub(crate) fn free(&mut self, port: &Port, word: u64, cycle: u64) {
        *self.since(self.first_word + word) = self.start + cycle + port.held;
    }

    /// The first cycle in which the ring is full, all words before this image's being free.
    fn full(&mut self, port: &Port) -> u64 {
        let last = self.first_word + port.words as u64 - 1;
        self.follow(port, last);
        *self.since(last)
    }

    /// Follows the port up to the last beat of a word.
    fn follow(&mut self, port: &Port, word: u64) {
        while self.arrived <= word {
            let free = *self.since(self.arrived);
            for _ in 0..port.beats {
                self.next_beat = port.slot(self.next_beat).max(free) + 1;
            }
            *self.since(self.arrived) = self.next_beat;
            self.arrived += 1;
        }
    }

    fn since(&mut self, word: u64) -> &mut u64 {
        let size = self.since.len() as u64;
        &mut self.since[usize::try_from(word % size).expect("bug: below a length")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_last_until_the_next_slot() {
        let pattern = [0, 1, 0, 0, 1, 0, 0].map(|slot| slot == 1).to_vec();
        let slots = PortSlots { latency: 5, pattern };
        assert_eq!(pauses(&slots), [1, 0, 2, 1, 0, 3, 2]);
        let port =
            Port { words: 2, beats: 1, held: 2, sequence: 1, latency: 5, pauses: pauses(&slots) };
        for cycle in 0..60 {
            let slot = (cycle..cycle + 12).find(|&cycle| slots.is_slot(cycle));
            assert_eq!(Some(port.slot(cycle)), slot, "from cycle {cycle} on");
        }
    }
}
