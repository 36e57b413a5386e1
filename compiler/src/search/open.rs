//! Arrays that do not fit whole: with layers in bands, with streamed weights, or with both.
//!
//! Neither takes cycles off, so what an array takes whole bounds what it can reach, and so does what the
//! port has to bring. Arrays are looked at in the order of this bound, a batch at a time, unless one that fits is at least as fast and as
//! small as the bound says.
//!
//! Not here: which bands and which layers those are ([`crate::schedule`]).

use super::fit::Budget;
use super::front::front;
use super::{Candidate, Look, to_float};
use crate::schedule::port::ADDRESSES;
use crate::schedule::{Effort, Target, WeightPort, cycles_of_words, outline_to_fit};
use heartbit_ir::program::MemoryDepths;
use rayon::prelude::*;

/// Arrays that are looked at before the front is looked at again. Results depend on it as little as
/// on threads: it only decides how many arrays are looked at in vain.
const BATCH: usize = 64;

/// An array that may fit.
#[derive(Clone, Debug)]
pub(super) struct Open {
    target: Target,
    /// It takes at least so many cycles an image.
    cycles: u64,
    /// Its look-up tables, which do not depend on the sizes of block memories.
    lut: u64,
}

impl Open {
    /// An array that does not fit whole, if it could with next to no words for maps, streams and
    /// weights that are streamed.
    pub(super) fn new(
        whole: &Candidate,
        target: &Target,
        port: Option<&WeightPort>,
        budget: &Budget,
    ) -> Option<Self> {
        let weight = if port.is_some() { 2 } else { whole.depths.weight };
        let least = MemoryDepths { activation: 1, stream: 1, weight, ..whole.depths };
        let rhythm = whole.rhythm;
        let port_cycles = port.map_or(0, |port| least_port_cycles(whole, port, budget));
        budget.fits(&whole.array, &least).then(|| Self {
            target: Target { weight_port: port.cloned(), ..target.clone() },
            cycles: (rhythm.cycles / rhythm.images).max(port_cycles),
            lut: whole.area.lut,
        })
    }
}

/// Cycles of an image in which the port brings the weights that cannot stay on the chip, if all block
/// memories were filled with weights to the last bit. A weight memory in tables would be tiny.
fn least_port_cycles(whole: &Candidate, port: &WeightPort, budget: &Budget) -> u64 {
    let array = &whole.array;
    let bits = budget.capacity.bram.map(|n| n * budget.family.bram_bits());
    let room = bits.map_or(ADDRESSES as u64, |bits| bits / (array.cols * array.lanes) as u64);
    let streamed = (whole.depths.weight as u64).saturating_sub(room.min(ADDRESSES as u64));
    cycles_of_words(streamed, array.cols, port.cols, &port.slots)
}

/// Arrays than which no other is as fast and as small: cycles and tables, fewer cycles first.
#[derive(Default)]
struct Staircase(Vec<(f64, u64)>);

impl Staircase {
    /// Adds arrays.
    fn add<'a>(&mut self, candidates: impl Iterator<Item = &'a Candidate>) {
        self.0.extend(candidates.map(|c| (c.rhythm.cycles_per_image(), c.area.lut)));
        self.0.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut least = u64::MAX;
        self.0.retain(|(_, lut)| {
            let is_step = *lut < least;
            least = least.min(*lut);
            is_step
        });
    }

    /// Whether one of them is at least as good as so many cycles and tables.
    fn beats(&self, cycles: u64, lut: u64) -> bool {
        let cycles = to_float(cycles);
        let as_fast = self.0.partition_point(|step| step.0 <= cycles);
        as_fast > 0 && self.0[as_fast - 1].1 <= lut
    }
}

/// A candidate, and what it is to be looked at again as where that was done in short time.
type Quick<'a> = (Candidate, Option<&'a Open>);

impl Look<'_> {
    /// Looks at arrays beside those that fit whole; returns all that fit, and how many were left
    /// alone. What is on the front has the compiler's cycles.
    pub(super) fn open(
        &self,
        mut open: Vec<Open>,
        plain: Vec<Candidate>,
    ) -> (Vec<Candidate>, usize) {
        open.sort_by_key(|open| (open.cycles, open.lut));
        let mut front = Staircase::default();
        front.add(plain.iter());
        let mut fitting: Vec<Quick<'_>> = plain.into_iter().map(|c| (c, None)).collect();
        let (mut beaten, mut rest) = (0, &open[..]);
        while !rest.is_empty() {
            let mut batch: Vec<&Open> = Vec::new();
            while let Some((first, others)) = rest.split_first().filter(|_| batch.len() < BATCH) {
                rest = others;
                if front.beats(first.cycles, first.lut) {
                    beaten += 1;
                } else {
                    batch.push(first);
                }
            }
            let look = |open: &&Open| {
                self.fit(open, Effort::Quick, |cycles| front.beats(cycles, open.lut))
            };
            let found: Vec<Option<Candidate>> = batch.par_iter().map(look).collect();
            front.add(found.iter().flatten());
            let found = found.into_iter().zip(batch);
            fitting.extend(found.filter_map(|(found, open)| Some((found?, Some(open)))));
        }
        (self.refined(fitting), beaten)
    }

    /// Looks at the front as long as the compiler does, until all of it has been.
    fn refined(&self, mut all: Vec<Quick<'_>>) -> Vec<Candidate> {
        loop {
            let costs: Vec<_> = all.iter().map(|(candidate, _)| candidate.costs()).collect();
            let quick: Vec<(usize, &Open)> =
                front(&costs).into_iter().filter_map(|i| Some((i, all[i].1?))).collect();
            if quick.is_empty() {
                return all.into_iter().map(|(candidate, _)| candidate).collect();
            }
            let look =
                |(i, open): &(usize, &Open)| (*i, self.fit(open, Effort::Thorough, |_| false));
            let found: Vec<(usize, Option<Candidate>)> = quick.par_iter().map(look).collect();
            for (i, candidate) in found {
                all[i] = (candidate.expect("bug: it fitted in short time"), None);
            }
        }
    }

    /// An array with layers in bands or with streamed weights, if it then fits. Of one that is beaten
    /// with the fewest cycles that images back to back may take, that bound is its rhythm: what the
    /// images really take has to be followed for many of them.
    fn fit(
        &self,
        open: &Open,
        effort: Effort,
        is_beaten: impl Fn(u64) -> bool,
    ) -> Option<Candidate> {
        let (outline, bands) =
            outline_to_fit(self.network, self.plan, &open.target, effort).ok()?;
        if !self.budget.fits(&outline.array, &outline.depths) {
            return None;
        }
        let bound = outline.least_rhythm();
        let rhythm = if is_beaten(bound.cycles) { bound } else { outline.back_to_back() };
        let port = open.target.weight_port.as_ref();
        Some(Candidate::new(&outline, bands, port, rhythm, self.budget))
    }
}
