//! Design-space search: every array that fits an FPGA, and the best of them.
//!
//! A candidate's cycles are those of its own schedule ([`crate::schedule::outline`]), which is the
//! compiler's without the contents of memories; its area is the resource model's. Nothing is
//! sampled or pruned by guesses: the space is walked whole.
//!
//! Not here: boards and their clocks (`boards`), how results are shown (`cli`).

pub mod fit;
pub mod front;

use crate::plan::{Plan, PlanError, plan};
use crate::resources::{Area, Model};
use crate::schedule::{Outline, Target, outline};
use fit::{Capacity, shortages};
use front::front;
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayConfig, ArrayShape, MemoryDepths};
use rayon::prelude::*;

/// Arrays that are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Numbers of rows.
    pub rows: Vec<usize>,
    /// Numbers of columns.
    pub cols: Vec<usize>,
    /// Lanes of an element.
    pub lanes: Vec<usize>,
}

impl Default for Space {
    /// 1 to 16 rows, 1 to 64 columns, 4 to 128 lanes in steps of 4.
    fn default() -> Self {
        let lanes = (1..=32).map(|n| 4 * n).collect();
        Self { rows: (1..=16).collect(), cols: (1..=64).collect(), lanes }
    }
}

impl Space {
    /// All shapes, in a fixed order.
    pub fn shapes(&self) -> Vec<ArrayShape> {
        let mut shapes = Vec::new();
        for &rows in &self.rows {
            for &cols in &self.cols {
                shapes.extend(self.lanes.iter().map(|&lanes| ArrayShape { rows, cols, lanes }));
            }
        }
        shapes
    }
}

/// An array with what it takes and how long it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The array.
    pub array: ArrayConfig,
    /// Words of its memories.
    pub depths: MemoryDepths,
    /// Cycles of an image.
    pub cycles: u64,
    /// What it takes.
    pub area: Area,
}

impl Candidate {
    /// Images a second at a clock: one image after the other, and a cycle between them in which the
    /// sequencer finds the next.
    #[expect(clippy::cast_precision_loss, reason = "cycles are far below 2^53")]
    pub fn images_per_second(&self, clock_hz: f64) -> f64 {
        clock_hz / (self.cycles + 1) as f64
    }

    /// What sorts candidates: fewer cycles first, then less of everything, then smaller sizes.
    fn order(&self) -> impl Ord + use<> {
        let (a, r) = (&self.array, &self.area);
        let sizes = (a.rows, a.cols, a.lanes, a.taps, a.lines);
        (self.cycles, r.lut, r.bram, r.dsp, r.ff, sizes)
    }
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Arrays that have a schedule.
    pub scheduled: usize,
    /// Those of them that fit, fastest first.
    pub fitting: Vec<Candidate>,
    /// The array that comes closest, if none fits.
    pub closest: Option<Candidate>,
}

impl Found {
    /// The fastest array, the smallest of several.
    pub fn best(&self) -> Option<&Candidate> {
        self.fitting.first()
    }

    /// Arrays than which no other is both as fast and as small, fastest first.
    pub fn front(&self) -> Vec<&Candidate> {
        let costs = |c: &Candidate| vec![to_float(c.cycles), to_float(c.area.lut)];
        let costs: Vec<_> = self.fitting.iter().map(costs).collect();
        front(&costs).into_iter().map(|i| &self.fitting[i]).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn to_float(n: u64) -> f64 {
    n as f64
}

/// Looks at every array of a space; `step` is told of each shape that is done.
///
/// # Errors
/// [`PlanError`] where no array can execute the network.
pub fn search(
    network: &Network,
    space: &Space,
    model: &Model,
    capacity: &Capacity,
    step: impl Fn() + Sync,
) -> Result<Found, PlanError> {
    let plan = plan(network)?;
    let look = |shape: &ArrayShape| {
        let found = candidates(network, &plan, *shape, model);
        step();
        found
    };
    let all: Vec<Candidate> = space.shapes().par_iter().flat_map_iter(look).collect();
    let scheduled = all.len();
    let fits = |c: &Candidate| shortages(&c.area, capacity).is_empty();
    let (mut fitting, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(fits);
    fitting.sort_by_cached_key(Candidate::order);
    let closest = if fitting.is_empty() {
        let excess = |c: &Candidate| fit::excess(&c.area, capacity);
        rest.into_iter().min_by(|a, b| excess(a).total_cmp(&excess(b)))
    } else {
        None
    };
    Ok(Found { scheduled, fitting, closest })
}

/// The arrays of a shape: each number of lane groups and lines up to what the network makes use of.
fn candidates(network: &Network, plan: &Plan, shape: ArrayShape, model: &Model) -> Vec<Candidate> {
    let Some(most) = schedule(network, plan, shape, None) else { return Vec::new() };
    let (taps, lines) = (most.array.taps, most.array.lines);
    let choices = |most: usize| [4, 2, 1].into_iter().filter(move |n| *n <= most);
    let mut found = vec![most];
    for choice in choices(taps).flat_map(|t| choices(lines).map(move |q| (t, q))).skip(1) {
        found.extend(schedule(network, plan, shape, Some(choice)));
    }
    let candidate = |outline: Outline| Candidate {
        area: model.area(&outline.array, &outline.depths),
        array: outline.array,
        depths: outline.depths,
        cycles: outline.cycles().total().0,
    };
    found.into_iter().map(candidate).collect()
}

/// A schedule, if there is one.
fn schedule(
    network: &Network,
    plan: &Plan,
    shape: ArrayShape,
    choice: Option<(usize, usize)>,
) -> Option<Outline> {
    let target = Target {
        taps: choice.map(|(taps, _)| taps),
        lines: choice.map(|(_, lines)| lines),
        ..Target::sized_for_network(shape)
    };
    outline(network, plan, &target).ok()
}

#[cfg(test)]
mod tests;
