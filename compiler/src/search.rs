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
use crate::predict::BackToBack;
use crate::resources::{Area, Model};
use crate::schedule::{Outline, Target, WeightPort, outline};
use fit::{Capacity, shortages, weight_room};
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
    /// Cycles of images back to back.
    pub rhythm: BackToBack,
    /// What it takes.
    pub area: Area,
}

impl Candidate {
    fn new(outline: &Outline, model: &Model) -> Self {
        Self {
            cycles: outline.cycles().total().0,
            rhythm: outline.back_to_back(),
            area: model.area(&outline.array, &outline.depths),
            array: outline.array,
            depths: outline.depths,
        }
    }

    /// Images a second at a clock, one image after the other.
    pub fn images_per_second(&self, clock_hz: f64) -> f64 {
        clock_hz / self.rhythm.cycles_per_image()
    }

    /// What sorts candidates: fewer cycles back to back first, then less of everything, then smaller
    /// sizes.
    fn order(&self) -> impl Ord + use<> {
        let (a, r) = (&self.array, &self.area);
        let sizes = (a.rows, a.cols, a.lanes, a.taps, a.lines);
        let cycles = self.rhythm.cycles.div_ceil(self.rhythm.images);
        (cycles, self.cycles, r.lut, r.bram, r.dsp, r.ff, sizes)
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
        let costs = |c: &Candidate| vec![c.rhythm.cycles_per_image(), to_float(c.area.lut)];
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
/// With a weight port, arrays whose columns its beats divide may stream the weights for which there
/// is not enough memory; compiling such an array may find fewer cycles.
///
/// # Errors
/// [`PlanError`] where no array can execute the network.
pub fn search(
    network: &Network,
    space: &Space,
    model: &Model,
    capacity: &Capacity,
    port: Option<&WeightPort>,
    step: impl Fn() + Sync,
) -> Result<Found, PlanError> {
    let plan = plan(network)?;
    let look = |shape: &ArrayShape| {
        let port = port.filter(|port| port.cols > 0 && shape.cols.is_multiple_of(port.cols));
        let look = Look { network, plan: &plan, shape: *shape, model, capacity, port };
        let found = look.candidates();
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

/// A shape that is looked at.
struct Look<'a> {
    network: &'a Network,
    plan: &'a Plan,
    shape: ArrayShape,
    model: &'a Model,
    capacity: &'a Capacity,
    port: Option<&'a WeightPort>,
}

impl Look<'_> {
    /// The arrays of the shape: each number of lane groups and lines up to what the network makes
    /// use of.
    fn candidates(&self) -> Vec<Candidate> {
        let target = Target::sized_for_network(self.shape);
        let Some(most) = self.schedule(&target) else { return Vec::new() };
        let (taps, lines) = (most.array.taps, most.array.lines);
        let choices = |most: usize| [4, 2, 1].into_iter().filter(move |n| *n <= most);
        let mut found = vec![most];
        for (taps, lines) in choices(taps).flat_map(|t| choices(lines).map(move |q| (t, q))).skip(1)
        {
            let target = Target { taps: Some(taps), lines: Some(lines), ..target.clone() };
            found.extend(self.schedule(&target));
        }
        found
    }

    /// A schedule, if there is one; with weights streamed where it then fits.
    fn schedule(&self, target: &Target) -> Option<Candidate> {
        let target = Target { weight_port: self.port.cloned(), ..target.clone() };
        let all = outline(self.network, self.plan, &target).ok()?;
        let room = self.port.and_then(|_| {
            let depths = &all.depths;
            let short = !shortages(&self.model.area(&all.array, depths), self.capacity).is_empty();
            short.then(|| weight_room(self.model, &all.array, depths, self.capacity)).flatten()
        });
        let streamed = room.and_then(|_| {
            let port = self.port.map(|port| WeightPort { room, ..port.clone() });
            outline(self.network, self.plan, &Target { weight_port: port, ..target }).ok()
        });
        Some(Candidate::new(&streamed.unwrap_or(all), self.model))
    }
}

#[cfg(test)]
mod tests;
