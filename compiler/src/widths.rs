//! Bit widths of the layers of more than one bit, chosen by measured accuracy and exact cycles.
//!
//! Fewer bits are fewer pairs of bit planes, and so fewer cycles, but another network: the same
//! parameters on another grid, where they were not trained. Its accuracy cannot be derived, so the
//! caller measures it; this module says which combinations to measure, compares each with the
//! checkpoint's own grid on the same images, and chooses.
//!
//! * `space`: the widths, and the combinations of them;
//! * `score`: what was measured of one, with its standard errors.
//!
//! Not here: data sets, engines, folding, schedules (the callbacks); fraction bits of the stream,
//! which cost no cycles.

mod score;
mod space;

pub use score::Score;
pub use space::{Space, SpaceError, Width};

use crate::search::front::front;
use heartbit_ir::grid::Grid;
use rayon::prelude::*;
use std::cmp::Reverse;

/// Bodies up to which every combination is measured. Combinations that differ in the head only
/// share a body, and nearly all of the work is in it.
pub const EXHAUSTIVE_BODIES: usize = 64;

/// Which combinations are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// All that the array executes.
    Exhaustive,
    /// From the checkpoint's own grid on, those that are narrower by one step in one width; then
    /// the same from the best of them within the tolerance, until there is none.
    Descent,
}

/// A combination of widths with what it costs and what it predicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The widths.
    pub grid: Grid,
    /// Cycles of an image.
    pub cycles: u64,
    /// What was measured.
    pub score: Score,
}

impl Point {
    /// What sorts points: fewer cycles first, then more right, then fewer bits.
    fn order(&self) -> impl Ord + use<> {
        let widths = Width::all_of(&self.grid);
        (self.cycles, Reverse(self.score.correct), widths.iter().sum::<u32>(), widths)
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which combinations were measured.
    pub walk: Walk,
    /// Combinations that the array does not execute, of those that were looked at.
    pub refused: usize,
    /// Everything that was measured, the checkpoint's own grid included, fewest cycles first.
    pub points: Vec<Point>,
    own: usize,
    chosen: usize,
}

impl Found {
    /// The checkpoint's own grid, with which the others are compared.
    pub fn own(&self) -> &Point {
        &self.points[self.own]
    }

    /// The point of fewest cycles within the tolerance; the own grid if no other is.
    pub fn chosen(&self) -> &Point {
        &self.points[self.chosen]
    }

    /// Points than which no other is as fast and as accurate, fastest first.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn front(&self) -> Vec<&Point> {
        let costs = |p: &Point| vec![p.cycles as f64, -(p.score.correct as f64)];
        let costs: Vec<_> = self.points.iter().map(costs).collect();
        front(&costs).into_iter().map(|i| &self.points[i]).collect()
    }
}

/// Why a search stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError<E> {
    /// There is nothing to compare with.
    #[error("the array does not execute the network on its own grid")]
    OwnGrid,
    /// Measuring failed.
    #[error(transparent)]
    Measure(E),
}

/// Looks for the combination of fewest cycles within a tolerance of the checkpoint's own grid.
///
/// * `labels` are the classes of the images;
/// * `tolerance` is the share of the images that may be wrong beyond those that are on the own
///   grid, for example 0.0025;
/// * `cycles` gives the cycles of an image, or `None` where the array does not execute the grid;
/// * `measure` gives for each grid the predicted class of each image. Grids that share a body are
///   neighbours in its list.
///
/// # Errors
/// [`SearchError`].
///
/// # Panics
/// If `measure` gives another number of results than it was asked for: a bug of the caller.
pub fn search<E>(
    space: &Space,
    labels: &[usize],
    tolerance: f64,
    cycles: impl Fn(&Grid) -> Option<u64> + Sync,
    measure: impl FnMut(&[Grid]) -> Result<Vec<Vec<usize>>, E>,
) -> Result<Found, SearchError<E>> {
    if cycles(space.own()).is_none() {
        return Err(SearchError::OwnGrid);
    }
    let mut search = Search {
        space,
        labels,
        tolerance,
        cycles,
        measure,
        own: None,
        refused: 0,
        points: Vec::new(),
    };
    let walk = if space.bodies() <= EXHAUSTIVE_BODIES { Walk::Exhaustive } else { Walk::Descent };
    match walk {
        Walk::Exhaustive => search.look(space.grids()),
        Walk::Descent => search.descend(),
    }
    .map_err(SearchError::Measure)?;
    Ok(search.finish(walk))
}

struct Search<'a, C, M> {
    space: &'a Space,
    labels: &'a [usize],
    tolerance: f64,
    cycles: C,
    measure: M,
    /// Predictions on the own grid.
    own: Option<Vec<usize>>,
    refused: usize,
    points: Vec<Point>,
}

impl<C, M, E> Search<'_, C, M>
where
    C: Fn(&Grid) -> Option<u64> + Sync,
    M: FnMut(&[Grid]) -> Result<Vec<Vec<usize>>, E>,
{
    /// Measures those of the grids that the array executes; the own one is among the first.
    fn look(&mut self, grids: Vec<Grid>) -> Result<(), E> {
        let cycles: Vec<_> = grids.par_iter().map(&self.cycles).collect();
        self.refused += cycles.iter().filter(|cycles| cycles.is_none()).count();
        let (grids, cycles): (Vec<_>, Vec<_>) =
            grids.into_iter().zip(cycles).filter_map(|(g, cycles)| Some((g, cycles?))).unzip();
        if grids.is_empty() {
            return Ok(());
        }
        let all = (self.measure)(&grids)?;
        assert_eq!(all.len(), grids.len(), "bug: one list of predictions for each grid");
        let own = self.own.get_or_insert_with(|| {
            let own = grids.iter().position(|grid| grid == self.space.own());
            all[own.expect("bug: the own grid is measured first")].clone()
        });
        let points = grids.into_iter().zip(cycles).zip(&all).map(|((grid, cycles), predicted)| {
            Point { grid, cycles, score: Score::new(predicted, own, self.labels) }
        });
        self.points.extend(points);
        Ok(())
    }

    fn descend(&mut self) -> Result<(), E> {
        let mut at = self.space.own().clone();
        self.look(vec![at.clone()])?;
        loop {
            let narrower = self.space.narrower(&at);
            let new = |grid: &Grid| self.points.iter().all(|point| point.grid != *grid);
            self.look(narrower.iter().filter(|grid| new(grid)).cloned().collect())?;
            let here = self.points.iter().find(|point| point.grid == at);
            let most = here.expect("bug: it was measured").cycles;
            let next = self
                .points
                .iter()
                .filter(|p| narrower.contains(&p.grid) && p.cycles <= most && self.tolerates(p))
                .min_by_key(|point| point.order());
            match next {
                // The sum of the widths becomes smaller each time.
                Some(next) => at = next.grid.clone(),
                None => return Ok(()),
            }
        }
    }
}

impl<C, M> Search<'_, C, M> {
    fn tolerates(&self, point: &Point) -> bool {
        point.score.within(self.tolerance)
    }

    fn finish(mut self, walk: Walk) -> Found {
        self.points.sort_by_cached_key(Point::order);
        let first = |holds: &dyn Fn(&Point) -> bool| {
            self.points.iter().position(holds).expect("bug: the own grid was measured")
        };
        let own = first(&|point| point.grid == *self.space.own());
        let chosen = first(&|point| self.tolerates(point));
        Found { walk, refused: self.refused, own, chosen, points: self.points }
    }
}

#[cfg(test)]
mod tests;
