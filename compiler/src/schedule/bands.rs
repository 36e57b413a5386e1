//! Which layers run in bands, and how high the bands are.
//!
//! Every group that could help is looked at with every height. What a candidate needs of the
//! memories of activations and streams is known without a schedule of its own, and so is a bound of
//! its cycles: those that fit are scheduled in the order of this bound, until no other can be
//! better than the best one so far.
//!
//! Not here: the rows that a band needs ([`crate::plan::bands`]).

use super::layout;
use super::places::{Live, Places};
use super::{Attempt, Contents, Misfit, ScheduleError, Task};
use crate::plan::bands::{Bands, ProgramLayer, Sequence};
use heartbit_ir::program::{
    ArrayConfig, DESCRIPTOR_WORDS, HEADER_WORDS, LayerDescriptor, MemoryDepths,
};

/// Layers that the sequencer counts.
const MOST_LAYERS: usize = 256;
/// Least idle cycles after a layer: microarchitecture.md, section 5.4.
const LEAST_GAP: u64 = 11;

/// Bands that may be worth it.
struct Candidate {
    bands: Bands,
    /// Its layers take at least so many cycles.
    least_cycles: u64,
    /// What it needs of the memories, those of activations and streams exactly.
    depths: MemoryDepths,
}

/// Returns the bands with the fewest cycles of those that fit, if whole maps do not. If nothing
/// does, those that miss the target's memories least.
pub(super) fn choose(
    task: &Task<'_>,
    whole: &Attempt,
    fits: &dyn Fn(&ArrayConfig, &MemoryDepths) -> bool,
) -> Result<Option<Sequence>, ScheduleError> {
    let is_room =
        |misfit: &Misfit| matches!(misfit.resource, "--activation-words" | "--stream-words");
    let array = &whole.outline.array;
    let all_fits = whole.misfits.is_empty() && fits(array, &whole.outline.depths);
    if all_fits || !whole.misfits.iter().all(is_room) {
        return Ok(None);
    }
    let most = task.target.most_words();
    let live = &whole.scheduled.live;
    let has_no_room = |i: &usize| {
        let Live { activation, stream } = live[*i];
        activation > most.activation || stream > most.stream
    };
    let without_room: Vec<usize> = (0..live.len()).filter(has_no_room).collect();
    let mut candidates = candidates(task, whole, &without_room);
    candidates.retain(|c| {
        c.depths.activation <= most.activation
            && c.depths.stream <= most.stream
            && c.depths.program <= most.program
            && fits(array, &task.target.chosen_words(c.depths))
    });
    candidates.sort_by_key(|c| c.least_cycles);
    let best = best(task, candidates, fits)?;
    if best.is_some() || whole.misfits.is_empty() {
        return Ok(best);
    }
    let closest = closest(task, whole, &most);
    Ok(closest.map(|bands| sequence(task, bands)))
}

/// The candidate with the fewest cycles of those that fit; they come in the order of the bound of
/// their cycles.
fn best(
    task: &Task<'_>,
    candidates: Vec<Candidate>,
    fits: &dyn Fn(&ArrayConfig, &MemoryDepths) -> bool,
) -> Result<Option<Sequence>, ScheduleError> {
    let mut best: Option<(u64, Sequence)> = None;
    for candidate in candidates {
        let least = best.as_ref().map_or(u64::MAX, |(cycles, _)| *cycles);
        if least <= candidate.least_cycles {
            break;
        }
        let sequence = sequence(task, candidate.bands);
        let Attempt { outline, misfits, .. } = task.attempt(&sequence, Contents::Counted)?;
        let cycles = outline.cycles().total().0;
        if cycles < least && misfits.is_empty() && fits(&outline.array, &outline.depths) {
            best = Some((cycles, sequence));
        }
    }
    Ok(best.map(|(_, sequence)| sequence))
}

/// The bands that exceed the memories of activations and streams by the smallest factor, so that the
/// error says what would do.
fn closest(task: &Task<'_>, whole: &Attempt, most: &MemoryDepths) -> Option<Bands> {
    // In 1/65536.
    let ratio = |needed: usize, most: usize| (needed << 16) / most.max(1);
    let excess = |c: &Candidate| {
        let Candidate { depths, least_cycles, .. } = c;
        let stream = ratio(depths.stream, most.stream);
        (ratio(depths.activation, most.activation).max(stream), *least_cycles)
    };
    candidates(task, whole, &[]).into_iter().min_by_key(excess).map(|c| c.bands)
}

fn sequence(task: &Task<'_>, bands: Bands) -> Sequence {
    Sequence::in_bands(task.network, task.plan, bands).expect("bug: a candidate can run in bands")
}

/// All groups of layers that could help, with all heights of bands. What layers outside the group
/// need at a time stays as it is, so those `without_room` have to be in it.
fn candidates(task: &Task<'_>, whole: &Attempt, without_room: &[usize]) -> Vec<Candidate> {
    let n = task.plan.layers.len();
    let groups = (0..n).flat_map(|first| (first + 1..n).map(move |last| (first, last)));
    groups
        .filter(|(first, last)| without_room.iter().all(|i| (first..=last).contains(&i)))
        .flat_map(|(first, last)| {
            let heights = 1..task.plan.layers[last].shape[0];
            heights.map(move |height| Bands { first, last, height })
        })
        .filter_map(|bands| candidate(task, whole, bands))
        .collect()
}

fn candidate(task: &Task<'_>, whole: &Attempt, bands: Bands) -> Option<Candidate> {
    let array = &whole.outline.array;
    let sequence = Sequence::in_bands(task.network, task.plan, bands)?;
    let n_layers = sequence.layers.len();
    if n_layers > MOST_LAYERS {
        return None;
    }
    let lines = layout::tile_lines(array, task.plan, Some(bands));
    let places = Places::new(task.network, task.plan, &sequence, array, &lines);
    let cycles = |l: &ProgramLayer| least_cycles(&whole.outline.layers[l.layer], l.rows.len());
    let depths = MemoryDepths {
        activation: places.activation_words.max(1),
        stream: places.stream_words.max(1),
        program: HEADER_WORDS + DESCRIPTOR_WORDS * n_layers,
        ..whole.outline.depths
    };
    Some(Candidate { bands, least_cycles: sequence.layers.iter().map(cycles).sum(), depths })
}

/// The fewest cycles in which rows of a layer are computed, by the descriptor that computes all.
fn least_cycles(d: &LayerDescriptor, rows: usize) -> u64 {
    let tiles = (rows as u64).div_ceil(d.lines.max(1).into()) * u64::from(d.row_tiles);
    let column_tile = tiles * d.tile_period() + u64::from(d.col_gap);
    u64::from(d.col_tiles) * column_tile + LEAST_GAP
}
