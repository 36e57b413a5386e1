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
    source: Source,
    /// Cycles from the one that issues a step until all columns have read its word.
    columns: u64,
    /// The first cycle in which the word of each address may be overwritten.
    free: Vec<u64>,
    /// Address of the next word.
    next: usize,
}

impl Ring {
    /// The empty ring of a program that was just loaded; `None` if no weights are streamed.
    pub(super) fn new(program: &Program) -> Option<Self> {
        let (ring, stream) = (program.depths.ring?, program.weight_stream.as_ref()?);
        if !program.layers.iter().any(|layer| layer.flags.stream_weights) {
            return None;
        }
        let slots = Slots::new(&stream.slots);
        let beats = program.array.cols.div_ceil(ring.port_cols);
        let n = slots.places.len();
        let others = |beats| Others { patterns: (beats / n) as u64, slots: beats % n };
        Some(Self {
            source: Source::Exact { others: beats.checked_sub(2).map(others), slots },
            columns: program.array.cols as u64,
            free: vec![0; ring.words],
            next: 0,
        })
    }

    /// A full ring whose further words come as late as with any phase of the source's slots.
    pub(super) fn late(program: &Program) -> Option<Self> {
        let exact = Self::new(program)?;
        let Source::Exact { slots, .. } = &exact.source else { return None };
        let ring = program.depths.ring?;
        let beats = program.array.cols.div_ceil(ring.port_cols) as u64;
        let source = Source::Late(Late::new(slots, beats, ring.words));
        Some(Self { source, ..exact })
    }

    /// Receives the next word; returns its address and the first cycle in which a step may need it.
    pub(super) fn receive(&mut self) -> (usize, u64) {
        let address = self.next;
        self.next = if address + 1 == self.free.len() { 0 } else { address + 1 };
        let arrived = match &mut self.source {
            Source::Exact { slots, others } => slots.word(self.free[address], *others),
            Source::Late(late) => late.word(self.free[address]),
        };
        (address, arrived)
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

    /// All that the waits of an image depend on which begins in a cycle, if the source is exact.
    pub(super) fn state(&self, start: u64) -> Vec<u64> {
        let Source::Exact { slots, .. } = &self.source else { return Vec::new() };
        let since = start.wrapping_sub(slots.now);
        let (before, after) = self.free.split_at(self.next);
        let busy = after.iter().chain(before).map(|free| free.saturating_sub(slots.now));
        [since, slots.index as u64].into_iter().chain(busy).collect()
    }
}

/// When beats come.
#[derive(Clone, Debug)]
enum Source {
    /// In the slots, which are at the first cycle in which another beat may be offered. `others` are
    /// the slots between the second beat of a word and its last, if it has two.
    Exact { slots: Slots, others: Option<Others> },
    /// As late as they may.
    Late(Late),
}

/// Words that come as late as with any phase of the slots.
///
/// Of a pattern of `P` cycles with `n` slots, `S(i)` of them before cycle `i`, the numbers
/// `n·i - P·S(i)` have a largest and a smallest one. With their difference `spread`, a window of `w`
/// cycles has at least `(n·w - spread) / P` slots, wherever it begins; so `k` slots take at most
/// `(k·P + spread) / n` cycles, rounded up. What has to wait for its place begins a new window.
#[derive(Clone, Debug)]
struct Late {
    /// Words that are there from the beginning.
    there: usize,
    /// When the last word came, in `1 / n` of a cycle, but for the spread.
    last: u64,
    slots: u64,
    /// `P` for each beat of a word.
    word: u64,
    spread: u64,
}

impl Late {
    fn new(slots: &Slots, beats: u64, there: usize) -> Self {
        let small = |n: usize| i64::try_from(n).expect("bug: a pattern is short");
        let (n, period) = (small(slots.places.len()), small(slots.until.len()));
        let ahead = (0..).zip(&slots.before).map(|(i, &before)| n * i - period * small(before));
        let (least, most) = ahead.fold((0, 0), |(least, most), x| (x.min(least), x.max(most)));
        let word = beats * slots.until.len() as u64;
        let spread = most.abs_diff(least);
        Self { there, last: 0, slots: slots.places.len() as u64, word, spread }
    }

    /// The cycle from which on the next word is there, which may be written from a cycle on.
    fn word(&mut self, free: u64) -> u64 {
        if self.there > 0 {
            self.there -= 1;
            return 0;
        }
        self.last = self.last.max(self.slots * free) + self.word;
        (self.last + self.spread).div_ceil(self.slots)
    }
}

/// The slots of a source, looked at in the order of time. What is asked for most, the next slots, is
/// found without a division.
#[derive(Clone, Debug)]
struct Slots {
    /// The cycle up to which they have been looked at.
    now: u64,
    /// Where in the pattern that is, or the end of the latency if it is later.
    index: usize,
    latency: u64,
    /// Cycles from each cycle of the pattern to the next slot.
    until: Vec<usize>,
    /// Slots before each cycle of the pattern.
    before: Vec<usize>,
    /// The cycle of each slot of the pattern.
    places: Vec<usize>,
}

impl Slots {
    fn new(slots: &PortSlots) -> Self {
        let pattern = &slots.pattern;
        let places: Vec<usize> = (0..pattern.len()).filter(|&i| pattern[i]).collect();
        let mut distance = *places.first().expect("bug: a source has at least one slot");
        let mut until = vec![0; pattern.len()];
        for (until, &slot) in until.iter_mut().zip(pattern).rev() {
            distance = if slot { 0 } else { distance + 1 };
            *until = distance;
        }
        let before = pattern.iter().scan(0, |n, &slot| {
            let before = *n;
            *n += usize::from(slot);
            Some(before)
        });
        let before = before.collect();
        Self { now: 0, index: 0, latency: slots.latency, until, before, places }
    }

    /// The cycle after the last beat of the next word, which may be written from a cycle on: the first
    /// beat waits until then, the others for their slots only.
    fn word(&mut self, free: u64, others: Option<Others>) -> u64 {
        self.advance_to_slot();
        self.advance_to(free);
        self.advance(1);
        if let Some(others) = others {
            self.advance_over(others);
            self.advance(1);
        }
        self.now
    }

    /// Goes on by so many cycles.
    fn advance(&mut self, cycles: u64) {
        let from = self.now.max(self.latency);
        self.now += cycles;
        let past = self.index as u64 + (self.now.max(self.latency) - from);
        let period = self.until.len() as u64;
        let past = if past < period { past } else { past - period };
        let index = if past < period { past } else { past % period };
        self.index = usize::try_from(index).expect("bug: an index");
    }

    /// Goes on to a cycle, if it is later.
    fn advance_to(&mut self, cycle: u64) {
        self.advance(cycle.saturating_sub(self.now));
    }

    /// Goes on to the next slot, which may be now.
    fn advance_to_slot(&mut self) {
        self.advance_to(self.latency);
        self.advance(self.until[self.index] as u64);
    }

    /// Goes on to the slot behind the next ones, of which there are `others`.
    fn advance_over(&mut self, others: Others) {
        self.advance_to(self.latency);
        let slot = self.before[self.index] + others.slots;
        let n = self.places.len();
        let (more, slot) = if slot < n { (0, slot) } else { (1, slot - n) };
        let patterns = (others.patterns + more) * self.until.len() as u64;
        self.advance(patterns + self.places[slot] as u64 - self.index as u64);
    }
}

/// A number of slots: whole patterns, and fewer than one has.
#[derive(Clone, Copy, Debug)]
struct Others {
    patterns: u64,
    slots: usize,
}

#[cfg(test)]
mod tests {
    use super::{Others, PortSlots, Slots};

    const PATTERNS: [&str; 6] = ["1", "10", "01", "0010110", "1000", "0001"];

    fn slots(pattern: &str) -> PortSlots {
        PortSlots { latency: 3, pattern: pattern.chars().map(|c| c == '1').collect() }
    }

    #[test]
    fn next_slot_is_the_first_that_is_one() {
        for slots in PATTERNS.map(slots) {
            for cycle in 0..30 {
                let mut next = Slots::new(&slots);
                next.advance_to(cycle);
                next.advance_to_slot();
                let expected = (cycle..cycle + 20).find(|&c| slots.is_slot(c)).expect("a slot");
                assert_eq!(next.now, expected, "{slots:?} from {cycle}");
            }
        }
    }

    #[test]
    fn slots_are_passed_over_one_by_one() {
        for slots in PATTERNS.map(slots) {
            for cycle in 0..30 {
                let all = (cycle..cycle + 200).filter(|&c| slots.is_slot(c));
                for (others, expected) in all.take(20).enumerate() {
                    let mut next = Slots::new(&slots);
                    next.advance_to(cycle);
                    let n = next.places.len();
                    next.advance_over(Others { patterns: (others / n) as u64, slots: others % n });
                    assert_eq!(next.now, expected, "{slots:?} from {cycle} over {others}");
                }
            }
        }
    }
}
