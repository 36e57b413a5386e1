//! Layer by layer: flips over the epochs as small multiples, and what never flipped at the end.

use super::Input;
use super::common::{FONT, Indexed, curves, legend, marks, range, x_axis};
use super::shares;
use crate::curve::{Curve, Point};
use crate::group::printable;
use crate::metrics::{Epoch, Field, Layer};
use crate::scene::{Figure, Mark, Panel, Stroke, Words};
use crate::style;
use crate::ticks::Axis;

pub(crate) const FLIPS: &str = "flips-layers";
pub(crate) const NEVER_FLIPPED: &str = "never-flipped-layers";

/// Width and height of a small panel, with room for labels.
const SMALL: (u32, u32) = (134, 104);
/// Room left and below the small panels.
const EDGE: (u32, u32) = (46, 40);
/// Height of a row of dots.
const ROW: u32 = 17;

/// Flips of each layer: a panel a layer with the same axes, all groups in each.
pub(crate) fn flips(input: &Input<'_>) -> Option<Figure> {
    let layers = layers(input, |layer| layer.flip_rate);
    let curves: Vec<Vec<Indexed>> = layers.iter().map(|(_, curves)| curves.clone()).collect();
    let all = curves.concat();
    let y = (!all.is_empty()).then(|| Axis::around(0.0, range(&all).1, 4))?;
    let columns = columns(&layers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    let n = u32::try_from(layers.len()).ok()?;
    let (across, down) = (u32::try_from(columns).ok()?, n.div_ceil(u32::try_from(columns).ok()?));
    let mut panels = Vec::new();
    for (i, (name, curves)) in (0..n).zip(&layers) {
        let (column, row) = (i % across, i / across);
        // Labels at the left and lower edge only; the last row may be shorter than the others.
        let x = Axis { title: String::new(), ..x_axis(input, 3) };
        let x = if i + across < n { x.unlabelled() } else { x };
        let y = if column > 0 { y.clone().unlabelled() } else { y.clone() };
        let thin = |s: Stroke| Stroke { width: 1.2, ..s };
        panels.push(Panel {
            at: (EDGE.0 - 30 + column * SMALL.0, row * SMALL.1, SMALL.0, SMALL.1 + 4),
            room: (30, 16),
            title: name.clone(),
            x,
            y,
            grid: true,
            font: FONT - 1.5,
            marks: marks(curves, 4, |v| v, thin),
        });
    }
    let size = (EDGE.0 - 30 + across * SMALL.0, down * SMALL.1 + EDGE.1 - 14);
    Some(Figure {
        name: FLIPS,
        heading: "Weight flips, layer by layer",
        caption: "Binary weights of each layer whose sign at the end of an epoch differs from \
                  that at its start. All panels have the same axes."
            .to_owned(),
        size,
        legend: legend(input, &widest(input, &all)),
        legend_left: EDGE.0,
        panels,
        words: vec![
            words("weights flipped in the epoch, %", (9, size.1 / 2 - 8), true),
            words(x_axis(input, 3).title, (size.0 / 2 + 8, size.1 - 10), false),
        ],
    })
}

/// What never flipped in each layer up to the last epoch: a row a layer, a dot a group.
pub(crate) fn never_flipped(input: &Input<'_>) -> Option<Figure> {
    let layers = layers(input, |layer| layer.never_flipped);
    let last: Vec<(usize, usize, Point, usize)> = layers
        .iter()
        .enumerate()
        .flat_map(|(row, (_, curves))| {
            curves.iter().filter_map(move |(group, curve)| {
                Some((row, *group, *curve.points().last()?, curve.seeds))
            })
        })
        .collect();
    let all: Vec<Indexed> = layers.iter().flat_map(|(_, curves)| curves.clone()).collect();
    let rows = (!all.is_empty()).then(|| u32::try_from(layers.len()).ok())??;
    let ends = last
        .iter()
        .map(|&(_, group, point, seeds)| (group, Curve { pieces: vec![vec![point]], seeds }));
    let x = shares::axis(&ends.collect::<Vec<_>>());
    let marks = dot_rows(&last, input.groups.len());
    let names = layers.iter().zip(0..rows).map(|((name, _), i)| (-f64::from(i), name.clone()));
    let y =
        Axis { range: (0.5 - f64::from(rows), 0.5), ticks: names.collect(), title: String::new() };
    let height = rows * ROW + 58;
    let room = (104, 42);
    let panel = Panel {
        at: (0, 0, 560, height),
        room,
        title: String::new(),
        x: x.titled("weights never flipped by the end, %"),
        y,
        grid: true,
        font: FONT,
        marks,
    };
    Some(Figure {
        name: NEVER_FLIPPED,
        heading: "Weights that never flipped, layer by layer",
        caption: "Binary weights of each layer whose sign had not changed in any step by the last \
                  epoch; bars are the range over seeds."
            .to_owned(),
        size: (560, height),
        legend: legend(input, &widest(input, &all))
            .into_iter()
            .map(|mut key| {
                key.stroke.width = 0.0;
                key
            })
            .collect(),
        legend_left: room.0,
        panels: vec![panel],
        words: Vec::new(),
    })
}

/// Dots and ranges of rows, those of each group a little below the last one's.
fn dot_rows(last: &[(usize, usize, Point, usize)], groups: usize) -> Vec<Mark> {
    #[expect(clippy::cast_precision_loss, reason = "rows and groups are few")]
    let height = |row: usize, group: usize| {
        let middle = (groups - 1) as f64 / 2.0;
        let apart = (0.5 / groups as f64).min(0.16);
        -(row as f64) - (group as f64 - middle) * apart
    };
    let bar = |&(row, group, point, seeds): &(usize, usize, Point, usize)| {
        let y = height(row, group);
        let stroke = Stroke { width: 1.2, ..style::stroke(group) };
        let points = vec![(point.min, y), (point.max, y)];
        (seeds > 1).then_some(Mark::Line { points, stroke })
    };
    let dot = |&(row, group, point, _): &(usize, usize, Point, usize)| Mark::Dots {
        points: vec![(point.mean, height(row, group))],
        stroke: style::stroke(group),
        radius: 3.4,
    };
    last.iter().filter_map(bar).chain(last.iter().map(dot)).collect()
}

/// One entry a group, with the most seeds that any of its curves is a mean over.
fn widest(input: &Input<'_>, all: &[Indexed]) -> Vec<Indexed> {
    let of = |group: usize| {
        let curves = all.iter().filter(move |(i, _)| *i == group);
        curves.max_by_key(|(_, curve)| curve.seeds).cloned()
    };
    (0..input.groups.len()).filter_map(of).collect()
}

/// Names of all layers with the percentages of each, in the order in which the runs list them.
fn layers(input: &Input<'_>, field: fn(&Layer) -> Field) -> Vec<(String, Vec<Indexed>)> {
    let mut names: Vec<&str> = Vec::new();
    for layer in input.runs.iter().flat_map(|run| &run.epochs).flat_map(|epoch| &epoch.layers) {
        if !names.contains(&layer.name.as_str()) {
            names.push(&layer.name);
        }
    }
    let of = |name: &str, epoch: &Epoch| {
        epoch.layers.iter().find(|layer| layer.name == name).map_or(Field::Absent, field)
    };
    let with_curves = |name: &&str| {
        let each = curves(input, &|epoch| of(name, epoch)).into_iter();
        let curves: Vec<_> = each.map(|(i, curve)| (i, curve.map(|v| 100.0 * v))).collect();
        (!curves.is_empty()).then(|| (printable(name), curves))
    };
    names.iter().filter_map(with_curves).collect()
}

/// Panels of a row: the layers of a stage where all stages have as many, else about a square.
fn columns(names: &[&str]) -> usize {
    let stage = |name: &&str| name.split('.').next().unwrap_or("").to_owned();
    let mut stages: Vec<(String, usize)> = Vec::new();
    for name in names {
        match stages.last_mut() {
            Some((last, n)) if *last == stage(name) => *n += 1,
            _ => stages.push((stage(name), 1)),
        }
    }
    let first = stages.first().map_or(1, |(_, n)| *n);
    if (2..=6).contains(&first) && stages.iter().all(|(_, n)| *n == first) {
        return first;
    }
    (1..6).find(|columns| columns * columns * 2 >= names.len() * 3).unwrap_or(6)
}

fn words(text: impl Into<String>, at: (u32, u32), upright: bool) -> Words {
    Words { text: text.into(), at, upright }
}

#[cfg(test)]
pub(super) fn columns_of(names: &[&str]) -> usize {
    columns(names)
}
