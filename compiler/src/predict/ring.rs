//! The weight ring and the source that fills it: microarchitecture.md, section 2.2.
//!
//! The source is followed beat by beat and only as far as steps have asked: when a word arrives
//! depends on the slots of the source and on the word that was at the same address before, which
//! has been used by then. So nothing has to be stepped cycle by cycle.
//!
//! Not here: when steps are issued ([`super`]).

use heartbit_ir::program::{PortSlots, Program};

/// The weight ring at the next word of the sequence.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    slots: Slots,
    /// Beats of a word.
    beats: u64,
    /// Cycles from the one that issues a step until all columns have read its word.
    columns: u64,
    /// The first cycle in which the word of each address may be overwritten.
    free: Vec<u64>,
    /// Address of the next word.
    next: usize,
    /// The cycle after the last beat, the first one in which the source may offer another.
    offers_from: u64,
}

impl Ring {
    /// The empty ring of a program that was just loaded; `None` if no weights are streamed.
    pub(super) fn new(program: &Program) -> Option<Self> {
        let (ring, stream) = (program.depths.ring?, program.weight_stream.as_ref()?);
        program.layers.iter().any(|layer| layer.flags.stream_weights).then(|| Self {
            slots: Slots::new(&stream.slots),
            beats: program.array.cols.div_ceil(ring.port_cols) as u64,
            columns: program.array.cols as u64,
            free: vec![0; ring.words],
            next: 0,
            offers_from: 0,
        })
    }

    /// Receives the next word; returns its address and the first cycle in which a step may need it.
    pub(super) fn receive(&mut self) -> (usize, u64) {
        let address = self.next;
        self.next = (address + 1) % self.free.len();
        for _ in 0..self.beats {
            let offered = self.slots.from(self.offers_from);
            let accepted = offered.max(self.free[address]);
            self.offers_from = accepted + 1;
        }
        (address, self.offers_from)
    }

    /// Frees a word that is used for the last time by a step issued in a cycle.
    pub(super) fn release(&mut self, address: usize, issued: u64) {
        self.free[address] = issued + self.columns + 3;
    }

    /// The first cycle in which the ring is full if no step uses a word.
    pub(super) fn filled_at(&self) -> u64 {
        let mut ring = self.clone();
        (0..ring.free.len()).map(|_| ring.receive().1).last().unwrap_or(0)
    }

    /// All that the waits of an image depend on which begins in a cycle.
    pub(super) fn state(&self, start: u64) -> Vec<u64> {
        let since = start.wrapping_sub(self.offers_from);
        let (before, after) = self.free.split_at(self.next);
        let busy = after.iter().chain(before).map(|free| free.saturating_sub(self.offers_from));
        [since, self.slots.phase(self.offers_from)].into_iter().chain(busy).collect()
    }
}

/// Slots, to be asked for the next one.
#[derive(Clone, Debug)]
struct Slots {
    latency: u64,
    /// Cycles from each cycle of the pattern to the next slot.
    until: Vec<u64>,
}

impl Slots {
    fn new(slots: &PortSlots) -> Self {
        let pattern = &slots.pattern;
        let first = pattern.iter().position(|&slot| slot);
        let mut distance = first.expect("bug: a source has at least one slot") as u64;
        let mut until = vec![0; pattern.len()];
        for (until, &slot) in until.iter_mut().zip(pattern).rev() {
            distance = if slot { 0 } else { distance + 1 };
            *until = distance;
        }
        Self { latency: slots.latency, until }
    }

    /// The first slot from a cycle on.
    fn from(&self, cycle: u64) -> u64 {
        let cycle = cycle.max(self.latency);
        cycle + self.until[self.index(cycle)]
    }

    /// Where in the pattern a cycle is.
    fn phase(&self, cycle: u64) -> u64 {
        self.index(cycle.max(self.latency)) as u64
    }

    fn index(&self, cycle: u64) -> usize {
        usize::try_from((cycle - self.latency) % self.until.len() as u64).expect("bug: an index")
    }
}

#[cfg(test)]
mod tests {
    use super::{PortSlots, Slots};

    #[test]
    fn next_slot_is_the_first_that_is_one() {
        for pattern in ["1", "10", "01", "0010110", "1000", "0001"] {
            let pattern = pattern.chars().map(|c| c == '1').collect();
            let slots = PortSlots { latency: 3, pattern };
            let next = Slots::new(&slots);
            for cycle in 0..30 {
                let expected = (cycle..cycle + 20).find(|&c| slots.is_slot(c)).expect("a slot");
                assert_eq!(next.from(cycle), expected, "{slots:?} from {cycle}");
            }
        }
    }
}
