//! What the figures of curves share: axis, marks and legend of groups.

use super::Input;
use crate::XAxis;
use crate::curve::{Curve, Point, Quantity, curve};
use crate::scene::{Figure, Key, Mark, Panel, Stroke};
use crate::style;
use crate::ticks::Axis;

/// Size of a figure of one panel.
pub(crate) const SIZE: (u32, u32) = (640, 360);
/// Room for the labels of the y and of the x axis.
pub(crate) const ROOM: (u32, u32) = (50, 42);
/// Size of labels.
pub(crate) const FONT: f64 = 11.0;

/// A curve of the group with this index.
pub(crate) type Indexed = (usize, Curve);

/// One quantity of all groups that have it.
pub(crate) fn curves(input: &Input<'_>, quantity: Quantity<'_>) -> Vec<Indexed> {
    let each = input.groups.iter().enumerate();
    each.filter_map(|(i, group)| Some((i, curve(group, quantity)?))).collect()
}

/// The same as percentages.
pub(crate) fn percentages(input: &Input<'_>, quantity: Quantity<'_>) -> Vec<Indexed> {
    let curves = curves(input, quantity).into_iter();
    curves.map(|(i, curve)| (i, curve.map(|share| 100.0 * share))).collect()
}

/// The x axis of all curves of the runs.
pub(crate) fn x_axis(input: &Input<'_>, intervals: u32) -> Axis {
    let last = input.runs.iter().filter_map(|run| run.xs.last()).fold(0.0, |a: f64, &b| a.max(b));
    let title = match input.x {
        XAxis::Epoch => "epoch",
        XAxis::Hours => "hours",
    };
    let last = if last > 0.0 { last } else { 1.0 };
    let mut axis = Axis::within(0.0, last, intervals).titled(title);
    if input.x == XAxis::Epoch {
        axis.ticks.retain(|(at, _)| at.fract() == 0.0);
    }
    axis
}

/// Least and greatest value of curves.
pub(crate) fn range<'a>(curves: impl IntoIterator<Item = &'a Indexed>) -> (f64, f64) {
    let points = curves.into_iter().flat_map(|(_, curve)| curve.points());
    points.fold((f64::MAX, f64::MIN), |(lo, hi), p| (lo.min(p.min), hi.max(p.max)))
}

/// The marks of curves: ranges below, then lines, then dots.
///
/// `scale` takes values to positions; `adjust` changes the groups' strokes.
pub(crate) fn marks(
    curves: &[Indexed],
    dots: usize,
    scale: impl Fn(f64) -> f64,
    adjust: impl Fn(Stroke) -> Stroke,
) -> Vec<Mark> {
    let pieces = || {
        curves.iter().flat_map(|(i, curve)| curve.pieces.iter().map(move |p| (*i, curve.seeds, p)))
    };
    let band = |(i, seeds, piece): (usize, usize, &Vec<Point>)| {
        let upper = piece.iter().map(|p| (p.x, scale(p.max)));
        let lower = piece.iter().rev().map(|p| (p.x, scale(p.min)));
        let (outline, color) = (upper.chain(lower).collect(), style::stroke(i).color);
        (seeds > 1).then_some(Mark::Area { outline, color, opacity: 0.18 })
    };
    let mean = |piece: &[Point]| piece.iter().map(|p| (p.x, scale(p.mean))).collect::<Vec<_>>();
    let line = |(i, _, piece): (usize, usize, &Vec<Point>)| Mark::Line {
        points: mean(piece),
        stroke: adjust(style::stroke(i)),
    };
    let dot = |(i, _, piece): (usize, usize, &Vec<Point>)| {
        let stroke = adjust(style::stroke(i));
        stroke.dot?;
        let points = spaced(&mean(piece), dots, i);
        Some(Mark::Dots { points, stroke, radius: if dots > 4 { 3.0 } else { 2.2 } })
    };
    let bands = pieces().filter_map(band);
    bands.chain(pieces().map(line)).chain(pieces().filter_map(dot)).collect()
}

/// About `n` points of a line, not the same ones for each group.
fn spaced(points: &[(f64, f64)], n: usize, group: usize) -> Vec<(f64, f64)> {
    let step = (points.len() / n).max(1);
    let start = (step / 2 + group * step.div_ceil(3)) % step;
    points.iter().skip(start).step_by(step).copied().collect()
}

/// The legend of curves: one entry a group.
pub(crate) fn legend(input: &Input<'_>, curves: &[Indexed]) -> Vec<Key> {
    let key = |(i, curve): &Indexed| {
        let name = &input.groups[*i].name;
        let text = match curve.seeds {
            1 => name.clone(),
            n => format!("{name}, mean of {n} seeds"),
        };
        Key { text, stroke: style::stroke(*i) }
    };
    curves.iter().map(key).collect()
}

/// A figure of one panel.
pub(crate) fn single(
    (name, heading): (&'static str, &'static str),
    caption: impl Into<String>,
    legend: Vec<Key>,
    (x, y): (Axis, Axis),
    marks: Vec<Mark>,
) -> Figure {
    let at = (0, 0, SIZE.0, SIZE.1);
    let title = String::new();
    let panel = Panel { at, room: ROOM, title, x, y, grid: true, font: FONT, marks };
    Figure {
        name,
        heading,
        caption: caption.into(),
        size: SIZE,
        legend,
        legend_left: ROOM.0,
        panels: vec![panel],
        words: Vec::new(),
    }
}
