//! Design-space search: every array that fits an FPGA, and the best of them.
//!
//! A candidate's cycles are those of its own schedule ([`crate::schedule::outline_to_fit`]), which is
//! the compiler's without the contents of memories; its area is the resource model's. Nothing is
//! sampled: every array is scheduled whole. One that does not fit so may fit with layers in bands or
//! with streamed weights, which takes long to find out. That can only make it slower, so arrays that
//! another one beats even at their best are left alone, and the others are looked at in short time;
//! what is on the front then gets the time of the compiler, whose cycles it has (`open`).
//!
//! Not here: boards and their clocks (`boards`), how results are shown (`cli`).

pub mod fit;
pub mod front;

mod open;

use crate::plan::bands::Bands;
use crate::plan::{Plan, PlanError, plan};
use crate::predict::BackToBack;
use crate::resources::Area;
use crate::schedule::{Misfit, Outline, Target, WeightPort, draft};
use fit::Budget;
use front::front;
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayConfig, ArrayShape, MemoryDepths};
use open::Open;
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
    /// Layers that run in bands, if any do.
    pub bands: Option<Bands>,
    /// The port through which weights are streamed, if any are.
    pub port: Option<WeightPort>,
    /// Layers whose weights are streamed.
    pub streamed: usize,
    /// Cycles of an image.
    pub cycles: u64,
    /// Cycles of images back to back.
    pub rhythm: BackToBack,
    /// What it takes.
    pub area: Area,
}

impl Candidate {
    fn new(
        outline: &Outline,
        bands: Option<Bands>,
        port: Option<&WeightPort>,
        rhythm: BackToBack,
        budget: &Budget,
    ) -> Self {
        Self {
            cycles: outline.cycles().total().0,
            rhythm,
            area: budget.area(&outline.array, &outline.depths),
            array: outline.array,
            depths: outline.depths,
            bands,
            port: port.filter(|_| outline.depths.ring.is_some()).cloned(),
            streamed: outline.layers.iter().filter(|layer| layer.flags.stream_weights).count(),
        }
    }

    /// Whether all layers run whole, with their weights on the chip.
    pub fn is_plain(&self) -> bool {
        self.bands.is_none() && self.port.is_none()
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

    /// What is to be small on the front.
    fn costs(&self) -> Vec<f64> {
        vec![self.rhythm.cycles_per_image(), to_float(self.area.lut)]
    }
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Arrays that have a schedule.
    pub scheduled: usize,
    /// Arrays that do not fit whole and were left alone, because another one is at least as fast and
    /// as small even if they lost no cycle in bands or to streamed weights.
    pub beaten: usize,
    /// Those that fit, fastest first; of those behind the front, the cycles may be bounds.
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
        let costs: Vec<_> = self.fitting.iter().map(Candidate::costs).collect();
        front(&costs).into_iter().map(|i| &self.fitting[i]).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn to_float(n: u64) -> f64 {
    n as f64
}

/// The weight port that an array of a shape may have, if any.
pub type PortOf<'a> = dyn Fn(&ArrayShape) -> Option<WeightPort> + Sync + 'a;

/// Looks at every array of a space; `step` is told of each shape that is done.
///
/// An array whose maps or weights do not fit may run layers in bands, and stream weights through the
/// port that its shape may have, if that port's beats divide its columns. Of the arrays on the front
/// the cycles are those of [`crate::schedule::compile`] for the same target.
///
/// # Errors
/// [`PlanError`] where no array can execute the network.
pub fn search(
    network: &Network,
    space: &Space,
    budget: &Budget,
    ports: &PortOf<'_>,
    step: impl Fn() + Sync,
) -> Result<Found, PlanError> {
    let plan = plan(network)?;
    let port_of = |shape: &ArrayShape| {
        ports(shape).filter(|p| p.cols > 0 && shape.cols.is_multiple_of(p.cols))
    };
    let look = Look { network, plan: &plan, budget };
    let looked = |shape: &ArrayShape| {
        let drafts = look.drafts(*shape, port_of(shape).as_ref());
        step();
        drafts
    };
    let drafts: Vec<Draft> = space.shapes().par_iter().flat_map_iter(looked).collect();
    let scheduled = drafts.iter().filter(|draft| draft.is_schedule).count();
    let (plain, rest): (Vec<_>, Vec<_>) = drafts.into_iter().partition(|draft| draft.fits);
    let closest = |draft: &Draft| fit::excess(&draft.whole.area, &budget.capacity);
    let closest =
        rest.iter().filter(|d| d.is_schedule).min_by(|a, b| closest(a).total_cmp(&closest(b)));
    let closest = closest.map(|draft| draft.whole.clone());
    let open: Vec<Open> = rest.into_iter().filter_map(|draft| draft.open).collect();
    let plain = plain.into_iter().map(|draft| draft.whole).collect();
    let (mut fitting, beaten) = look.open(open, plain);
    fitting.sort_by_cached_key(Candidate::order);
    let closest = closest.filter(|_| fitting.is_empty());
    Ok(Found { scheduled, beaten, fitting, closest })
}

/// What is looked at.
struct Look<'a> {
    network: &'a Network,
    plan: &'a Plan,
    budget: &'a Budget,
}

/// An array with all layers whole, and all weights on the chip.
struct Draft {
    whole: Candidate,
    /// Its memories have addresses.
    is_schedule: bool,
    /// It is one, and fits.
    fits: bool,
    /// If it does not, and may with layers in bands or with streamed weights.
    open: Option<Open>,
}

impl Look<'_> {
    /// The arrays of a shape: each number of lane groups and lines up to what the network makes use
    /// of.
    fn drafts(&self, shape: ArrayShape, port: Option<&WeightPort>) -> Vec<Draft> {
        let target = Target { budget: Some(*self.budget), ..Target::sized_for_network(shape) };
        let Some(most) = self.draft(&target, port) else { return Vec::new() };
        let (taps, lines) = (most.whole.array.taps, most.whole.array.lines);
        let choices = |most: usize| [4, 2, 1].into_iter().filter(move |n| *n <= most);
        let mut found = vec![most];
        for (taps, lines) in choices(taps).flat_map(|t| choices(lines).map(move |q| (t, q))).skip(1)
        {
            let target = Target { taps: Some(taps), lines: Some(lines), ..target.clone() };
            found.extend(self.draft(&target, port));
        }
        found
    }

    /// A schedule with all layers whole, if memories are all that it may lack.
    fn draft(&self, target: &Target, port: Option<&WeightPort>) -> Option<Draft> {
        let (outline, misfits) = draft(self.network, self.plan, target).ok()?;
        let helps = |misfit: &Misfit| match misfit.resource {
            "--activation-words" | "--stream-words" => true,
            "--weight-words" => port.is_some(),
            _ => false,
        };
        if !misfits.iter().all(helps) {
            return None;
        }
        let whole = Candidate::new(&outline, None, None, outline.back_to_back(), self.budget);
        let is_schedule = misfits.is_empty();
        let fits = is_schedule && self.budget.fits(&whole.array, &whole.depths);
        let open = if fits { None } else { Open::new(&whole, target, port, self.budget) };
        Some(Draft { whole, is_schedule, fits, open })
    }
}

#[cfg(test)]
mod tests;
