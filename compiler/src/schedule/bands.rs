//! Which layers run in bands, and how high the bands are.
//!
//! Every group that could help is looked at with every height. What a candidate needs of the
//! memories of activations and streams is known without a schedule of its own, and so is a bound of
//! its cycles: those that fit are scheduled in the order of this bound, until no other can be
//! better than the best one so far.
//!
//! On an FPGA whose block memories weights and maps share, bands may also pay where whole maps fit,
//! because they leave more room for weights that are otherwise streamed.
//!
//! Not here: the rows that a band needs ([`crate::plan::bands`]).

use super::layout;
use super::places::{Live, Places};
use super::port::cycles_of_words;
use super::{Attempt, Contents, Effort, Misfit, Outline, ScheduleError, Task};
use crate::plan::bands::{Bands, ProgramLayer, Sequence};
use heartbit_ir::program::{
    DESCRIPTOR_WORDS, HEADER_WORDS, LayerDescriptor, MAX_LAYERS, MemoryDepths,
};
use std::collections::BTreeMap;

/// Least idle cycles after a layer: microarchitecture.md, section 5.4.
const LEAST_GAP: u64 = 11;
/// Least words of a weight memory of which the rest is streamed: a ring.
const LEAST_WEIGHTS: usize = 2;

/// Bands that may be worth it.
struct Candidate {
    sequence: Sequence,
    /// Its layers take at least so many cycles.
    least_cycles: u64,
}

/// Returns the bands with the fewest cycles of those that fit, if whole maps do not, or take more
/// cycles. If nothing fits, those that miss the target's memories least.
pub(super) fn choose(
    task: &Task<'_>,
    whole: &Attempt,
    effort: Effort,
) -> Result<Option<Sequence>, ScheduleError> {
    let target = task.target;
    let is_room = |misfit: &Misfit| match misfit.resource {
        "--activation-words" | "--stream-words" => true,
        "--weight-words" => target.has_open_room(),
        _ => false,
    };
    if !whole.misfits.iter().all(is_room) {
        return Ok(None);
    }
    let all_fits =
        whole.misfits.is_empty() && target.fits(&whole.outline.array, &whole.outline.depths);
    let choice = Choice { task, whole, most: target.most_words() };
    if all_fits {
        let waits = whole.outline.cycles().weight_wait().0 > 0;
        let is_worth_it = waits && target.has_open_room() && effort == Effort::Thorough;
        // Fewer heights will do where bands are no need.
        let heights = Effort::Quick;
        let least = cycles(&whole.outline);
        return if is_worth_it { choice.best(heights, effort, least) } else { Ok(None) };
    }
    let best = choice.best(effort, effort, u64::MAX)?;
    if best.is_some() || whole.misfits.is_empty() || effort == Effort::Quick {
        return Ok(best);
    }
    let closest = choice.closest();
    Ok(closest.map(|bands| sequence(task, bands)))
}

/// Cycles of an image, or those in which the port brings its words, if they are more.
fn cycles(outline: &Outline) -> u64 {
    outline.cycles().total().0.max(outline.port_cycles())
}

/// What is chosen from.
struct Choice<'a> {
    task: &'a Task<'a>,
    /// The program without bands.
    whole: &'a Attempt,
    /// The most words that each memory may have.
    most: MemoryDepths,
}

impl Choice<'_> {
    /// The candidate with the fewest cycles of those that fit, if it takes less than so many; in short
    /// time the first one that fits.
    fn best(
        &self,
        heights: Effort,
        effort: Effort,
        mut least: u64,
    ) -> Result<Option<Sequence>, ScheduleError> {
        let mut best = None;
        for Candidate { sequence, least_cycles } in self.candidates(heights) {
            if least <= least_cycles {
                break;
            }
            let depths = self.depths(&sequence);
            if !self.has_room(&depths) || least <= self.port_cycles(&depths) {
                continue;
            }
            let quick = Effort::Quick;
            let attempt = self.task.attempt(&sequence, Contents::Counted, quick)?;
            let Attempt { outline, misfits, .. } = attempt;
            let fits = misfits.is_empty() && self.task.target.fits(&outline.array, &outline.depths);
            let cycles = cycles(&outline);
            if fits && cycles < least {
                least = cycles;
                best = Some(sequence);
                if effort == Effort::Quick {
                    break;
                }
            }
        }
        Ok(best)
    }

    /// The bands that exceed the memories of activations and streams by the smallest factor, so that
    /// the error says what would do.
    fn closest(&self) -> Option<Bands> {
        // In 1/65536.
        let ratio = |needed: usize, most: usize| (needed << 16) / most.max(1);
        let all = self.groups(|_| true).into_iter();
        let all = all.flat_map(|group| self.of_group(group, Effort::Thorough));
        let excess = |c: &Candidate| {
            let depths = self.depths(&c.sequence);
            let stream = ratio(depths.stream, self.most.stream);
            (ratio(depths.activation, self.most.activation).max(stream), c.least_cycles)
        };
        all.min_by_key(excess).and_then(|c| c.sequence.bands)
    }

    /// All groups of layers that could help, with all heights of bands, in the order of the bound of
    /// their cycles.
    fn candidates(&self, effort: Effort) -> Vec<Candidate> {
        let groups = self.groups(|depths| self.has_room(depths)).into_iter();
        let mut all: Vec<_> = groups.flat_map(|group| self.of_group(group, effort)).collect();
        all.sort_by_key(|c| c.least_cycles);
        all
    }

    /// The groups outside of which layers find room: what they need at a time stays as it is.
    fn groups(&self, has_room: impl Fn(&MemoryDepths) -> bool) -> Vec<(usize, usize)> {
        let live = &self.whole.scheduled.live;
        let n = live.len();
        let mut known = BTreeMap::new();
        let mut is_possible = |(first, last): (usize, usize)| {
            let outside = (0..first).chain(last + 1..n).map(|i| live[i]);
            let most = outside.fold((1, 1), |(activation, stream), l: Live| {
                (activation.max(l.activation), stream.max(l.stream))
            });
            *known.entry(most).or_insert_with(|| {
                let (activation, stream) = most;
                has_room(&MemoryDepths { activation, stream, ..self.whole.outline.depths })
            })
        };
        let all = (0..n).flat_map(|first| (first + 1..n).map(move |last| (first, last)));
        all.filter(|&group| is_possible(group)).collect()
    }

    /// A group with the heights of its bands; in short time with the least height for each number of
    /// bands.
    fn of_group(&self, (first, last): (usize, usize), effort: Effort) -> Vec<Candidate> {
        let rows = self.task.plan.layers[last].shape[0];
        let mut heights: Vec<usize> = match effort {
            Effort::Thorough => (1..rows).collect(),
            Effort::Quick => (2..=rows).map(|bands| rows.div_ceil(bands)).collect(),
        };
        heights.dedup();
        let bands = heights.into_iter().map(|height| Bands { first, last, height });
        bands.filter_map(|bands| self.candidate(bands)).collect()
    }

    fn candidate(&self, bands: Bands) -> Option<Candidate> {
        let sequence = Sequence::in_bands(self.task.network, self.task.plan, bands)?;
        if sequence.layers.len() > MAX_LAYERS {
            return None;
        }
        let layers = &self.whole.outline.layers;
        let cycles = |l: &ProgramLayer| least_cycles(&layers[l.layer], l.rows.len());
        let least_cycles = sequence.layers.iter().map(cycles).sum();
        Some(Candidate { sequence, least_cycles })
    }

    /// What a sequence needs of the memories, those of activations and streams exactly.
    fn depths(&self, sequence: &Sequence) -> MemoryDepths {
        let Task { network, plan, .. } = self.task;
        let array = &self.whole.outline.array;
        let lines = layout::tile_lines(array, plan, sequence.bands);
        let places = Places::new(network, plan, sequence, array, &lines);
        MemoryDepths {
            activation: places.activation_words.max(1),
            stream: places.stream_words.max(1),
            program: HEADER_WORDS + DESCRIPTOR_WORDS * sequence.layers.len(),
            ..self.whole.outline.depths
        }
    }

    /// Whether there is room for memories of so many words, if all weights are streamed that can be.
    fn has_room(&self, depths: &MemoryDepths) -> bool {
        let target = self.task.target;
        let (most, mut chosen) = (&self.most, target.chosen_words(*depths));
        if target.has_open_room() {
            chosen.weight = LEAST_WEIGHTS;
        }
        depths.activation <= most.activation
            && depths.stream <= most.stream
            && depths.program <= most.program
            && target.fits(&self.whole.outline.array, &chosen)
    }

    /// Cycles in which the port at least brings the weights for which these memories leave no room.
    fn port_cycles(&self, depths: &MemoryDepths) -> u64 {
        let target = self.task.target;
        let (Some(port), Some(budget)) = (&target.weight_port, &target.budget) else { return 0 };
        let array = &self.whole.outline.array;
        let chosen = target.chosen_words(*depths);
        let room = target.weight_words().or_else(|| budget.weight_room(array, &chosen));
        let words = self.whole.all_weights.saturating_sub(room.unwrap_or(0));
        cycles_of_words(words as u64, array.cols, port.cols, &port.slots)
    }
}

fn sequence(task: &Task<'_>, bands: Bands) -> Sequence {
    Sequence::in_bands(task.network, task.plan, bands).expect("bug: a candidate can run in bands")
}

/// The fewest cycles in which rows of a layer are computed, by the descriptor that computes all.
fn least_cycles(d: &LayerDescriptor, rows: usize) -> u64 {
    let tiles = (rows as u64).div_ceil(d.lines.max(1).into()) * u64::from(d.row_tiles);
    let column_tile = tiles * d.tile_period() + u64::from(d.col_gap);
    u64::from(d.col_tiles) * column_tile + LEAST_GAP
}
