//! One quantity over the epochs of a group: mean and range over its seeds.

use crate::group::Group;
use crate::metrics::{Epoch, Field};
use crate::run::Run;
use std::collections::BTreeMap;

/// Reads a quantity from a record.
pub(crate) type Quantity<'a> = &'a dyn Fn(&Epoch) -> Field;

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) mean: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Point {
    /// Mean position, and mean and range of the values, of one or more.
    pub(crate) fn of(at: &[(f64, f64)]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a handful of seeds")]
        let n = at.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| at.iter().map(of).sum::<f64>() / n;
        let values = at.iter().map(|p| p.1);
        let (min, max) = (values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN, f64::max));
        // Rounding may put the mean of equal numbers beside them.
        Self { x: mean(|p| p.0), mean: mean(|p| p.1).clamp(min, max), min, max }
    }
}

/// A quantity of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Curve {
    /// Unbroken pieces, none of them empty.
    pub(crate) pieces: Vec<Vec<Point>>,
    /// Runs that the curve is a mean over.
    pub(crate) seeds: usize,
}

impl Curve {
    pub(crate) fn points(&self) -> impl Iterator<Item = &Point> {
        self.pieces.iter().flatten()
    }

    /// Applies an increasing function to the values.
    pub(crate) fn map(mut self, f: impl Fn(f64) -> f64) -> Self {
        for point in self.pieces.iter_mut().flatten() {
            let Point { x, mean, min, max } = *point;
            *point = Point { x, mean: f(mean), min: f(min), max: f(max) };
        }
        self
    }
}

/// Returns a quantity of a group, `None` if no run of it has the quantity.
///
/// Runs without the quantity do not count. The mean is over epochs that all others have: a seed
/// that was stopped early ends the curve, rather than making it jump.
pub(crate) fn curve(group: &Group<'_>, quantity: Quantity<'_>) -> Option<Curve> {
    let series: Vec<BTreeMap<u32, (f64, f64)>> = group
        .runs
        .iter()
        .map(|run| values(run, quantity))
        .filter(|series| !series.is_empty())
        .collect();
    let first = series.first()?;
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    let mut last = None;
    for &epoch in first.keys() {
        let at: Option<Vec<(f64, f64)>> = series.iter().map(|s| s.get(&epoch).copied()).collect();
        let Some(at) = at else { continue };
        let point = Point::of(&at);
        match pieces.last_mut() {
            Some(piece) if last.is_some_and(|l: u32| l + 1 == epoch) => piece.push(point),
            _ => pieces.push(vec![point]),
        }
        last = Some(epoch);
    }
    (!pieces.is_empty()).then_some(Curve { pieces, seeds: series.len() })
}

/// Position and value of each epoch that has one.
fn values(run: &Run, quantity: Quantity<'_>) -> BTreeMap<u32, (f64, f64)> {
    let at = |(epoch, &x): (&Epoch, &f64)| Some((epoch.epoch, (x, quantity(epoch).value()?)));
    run.epochs.iter().zip(&run.xs).filter_map(at).collect()
}

#[cfg(test)]
mod tests;
