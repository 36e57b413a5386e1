//! The loss around a checkpoint: a map of a 2-D slice a run, and 1-D slices of all runs.

use super::Input;
use super::common::{FONT, Indexed, legend, marks, range, single};
use crate::contour::isolines;
use crate::curve::{Curve, Point};
use crate::landscape::Landscape;
use crate::run::Run;
use crate::scene::{Dot, Figure, Mark, Panel, Stroke};
use crate::style;
use crate::ticks::Axis;

pub(crate) const LANDSCAPE: &str = "landscape";
pub(crate) const SLICE: &str = "landscape-1d";

/// Size of a map, and room for its labels.
const MAP: (u32, u32) = (236, 228);
const ROOM: (u32, u32) = (46, 38);
/// Most maps of a row.
const ACROSS: usize = 3;
/// Width of the scale of colours, with its labels.
const BAR: u32 = 78;
/// Colours of the scale.
const LEVELS: u32 = 64;
/// A scale is logarithmic where the greatest loss is so many times the least.
const LOGARITHMIC: f64 = 20.0;

/// Losses as positions on the axis of colours.
struct Scale {
    axis: Axis,
    logarithmic: bool,
    /// Losses of the lines, as positions.
    lines: Vec<f64>,
}

impl Scale {
    /// One scale for all maps, so that their colours can be compared.
    fn new(maps: &[&Landscape]) -> Option<Self> {
        let losses = || maps.iter().flat_map(|map| map.loss.iter().flatten().flatten().copied());
        let (lo, hi) = losses().fold((f64::MAX, f64::MIN), |(lo, hi), v| (lo.min(v), hi.max(v)));
        if lo > hi {
            return None;
        }
        let logarithmic = lo > 0.0 && hi / lo > LOGARITHMIC;
        let (axis, lines) = if logarithmic {
            let mut axis = Axis::logarithmic(lo, hi);
            axis.range = (lo.log10(), hi.log10());
            axis.ticks.retain(|tick| (axis.range.0..=axis.range.1).contains(&tick.0));
            let (from, to) = axis.range;
            let lines = (1..12).map(|k| from + (to - from) * f64::from(k) / 12.0).collect();
            (axis, lines)
        } else {
            let lines = Axis::within(lo, hi, 14).ticks.iter().map(|tick| tick.0).collect();
            (Axis::within(lo, hi, 6), lines)
        };
        Some(Self { axis: axis.titled("loss, nats"), logarithmic, lines })
    }

    fn position(&self, loss: f64) -> f64 {
        if self.logarithmic { loss.log10() } else { loss }
    }

    /// The colour of a position, as a number below [`LEVELS`].
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    fn level(&self, position: f64) -> u32 {
        let (lo, hi) = self.axis.range;
        let share = ((position - lo) / (hi - lo)).clamp(0.0, 1.0);
        ((share * f64::from(LEVELS)) as u32).min(LEVELS - 1)
    }
}

/// The colour of a level.
fn color(level: u32) -> (u8, u8, u8) {
    style::scale((f64::from(level) + 0.5) / f64::from(LEVELS))
}

/// Maps of the loss, one a run.
pub(crate) fn landscape(input: &Input<'_>) -> Option<Figure> {
    let maps: Vec<(String, &Landscape)> = named_runs(input)
        .into_iter()
        .filter_map(|(name, run)| Some((name, run.landscape.as_ref()?)))
        .filter(|(_, map)| map.alpha.len() > 1 && map.beta.len() > 1)
        .collect();
    let scale = Scale::new(&maps.iter().map(|(_, map)| *map).collect::<Vec<_>>())?;
    let across = u32::try_from(maps.len().min(ACROSS)).ok()?;
    let down = u32::try_from(maps.len().div_ceil(ACROSS)).ok()?;
    let mut panels: Vec<Panel> = Vec::new();
    for (k, (name, map)) in (0..).zip(&maps) {
        panels.push(map_panel(name, map, &scale, (k % across * MAP.0, k / across * MAP.1)));
    }
    panels.push(color_bar(&scale, across * MAP.0));
    Some(Figure {
        name: LANDSCAPE,
        heading: "Loss landscape",
        caption: "Loss on a plane through the trained weights (dot), spanned by two random \
                  directions α and β. All maps share the scale of colours; lines join equal losses; \
                  white cells had no finite loss."
            .to_owned(),
        size: (across * MAP.0 + BAR, down * MAP.1),
        legend: Vec::new(),
        legend_left: 0,
        panels,
        words: Vec::new(),
    })
}

/// The runs with names of their own: the group's, and the seed where it has several.
fn named_runs<'a>(input: &Input<'a>) -> Vec<(String, &'a Run)> {
    let each = input.groups.iter().flat_map(|group| group.runs.iter().map(move |run| (group, run)));
    let name = |(group, run): (&crate::group::Group<'a>, &&'a Run)| {
        let seed = run.config.get("seed").filter(|_| group.runs.len() > 1);
        let name = match seed {
            Some(seed) => format!("{}, seed {seed}", group.name),
            None => group.name.clone(),
        };
        (name, *run)
    };
    each.map(name).collect()
}

fn map_panel(name: &str, map: &Landscape, scale: &Scale, (left, top): (u32, u32)) -> Panel {
    let mut marks = cells(map, scale);
    let values: Vec<Vec<Option<f64>>> = map
        .loss
        .iter()
        .map(|row| row.iter().map(|loss| loss.map(|loss| scale.position(loss))).collect())
        .collect();
    for &level in &scale.lines {
        let (lo, hi) = scale.axis.range;
        // White on dark colours, dark on light ones.
        let color = if (level - lo) / (hi - lo) < 0.4 { (255, 255, 255) } else { style::INK };
        let stroke = Stroke { color, dashed: false, width: 0.6, dot: None };
        let lines = isolines(&map.alpha, &map.beta, &values, level);
        marks.extend(lines.into_iter().map(|points| Mark::Line { points, stroke }));
    }
    let (x, y) = (edges(&map.alpha), edges(&map.beta));
    let inside = |edges: &[f64]| edges[0] <= 0.0 && edges[edges.len() - 1] >= 0.0;
    if inside(&x) && inside(&y) {
        let dot = Stroke { color: style::INK, dashed: false, width: 0.0, dot: Some(Dot::Circle) };
        marks.push(Mark::Dots { points: vec![(0.0, 0.0)], stroke: dot, radius: 2.4 });
    }
    Panel {
        at: (left, top, MAP.0, MAP.1),
        room: ROOM,
        title: name.to_owned(),
        x: Axis::within(x[0], x[x.len() - 1], 5).titled("α"),
        y: Axis::within(y[0], y[y.len() - 1], 5).titled("β"),
        grid: false,
        font: FONT - 0.5,
        marks,
    }
}

/// Rectangles of the colours of a map; neighbours of the same colour in a row are one.
fn cells(map: &Landscape, scale: &Scale) -> Vec<Mark> {
    let (x, y) = (edges(&map.alpha), edges(&map.beta));
    let mut marks = Vec::new();
    for (i, row) in map.loss.iter().enumerate() {
        let levels: Vec<Option<u32>> =
            row.iter().map(|loss| loss.map(|loss| scale.level(scale.position(loss)))).collect();
        let mut start = 0;
        for same in levels.chunk_by(|a, b| a == b) {
            let end = start + same.len();
            if let Some(level) = same[0] {
                // A little beyond its edge, so that no background shines through: the next
                // rectangle covers that.
                let over = |edges: &[f64], k: usize| {
                    edges.get(k + 1).map_or(edges[k], |next| edges[k] + (next - edges[k]) * 0.1)
                };
                marks.push(rectangle((x[start], y[i]), (over(&x, end), over(&y, i + 1)), level));
            }
            start = end;
        }
    }
    marks
}

fn rectangle((x0, y0): (f64, f64), (x1, y1): (f64, f64), level: u32) -> Mark {
    let outline = vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1)];
    Mark::Area { outline, color: color(level), opacity: 1.0 }
}

/// Edges of the cells around positions: half-way between neighbours.
fn edges(positions: &[f64]) -> Vec<f64> {
    let n = positions.len();
    let mut edges = Vec::with_capacity(n + 1);
    edges.push(positions[0] - (positions[1] - positions[0]) / 2.0);
    edges.extend(positions.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])));
    edges.push(positions[n - 1] + (positions[n - 1] - positions[n - 2]) / 2.0);
    edges
}

/// The scale of colours, as a narrow panel at the right.
fn color_bar(scale: &Scale, left: u32) -> Panel {
    let (lo, hi) = scale.axis.range;
    let height = (hi - lo) / f64::from(LEVELS);
    let step = |level: u32| {
        let from = lo + height * f64::from(level);
        // Up to the end: the next step covers the rest, and nothing shines through between.
        rectangle((0.0, from), (1.0, hi), level)
    };
    Panel {
        at: (left, 0, BAR, MAP.1),
        room: (50, ROOM.1),
        title: " ".to_owned(),
        x: Axis { range: (0.0, 1.0), ticks: Vec::new(), title: String::new() },
        y: scale.axis.clone(),
        grid: false,
        font: FONT - 0.5,
        marks: (0..LEVELS).map(step).collect(),
    }
}

/// Loss along the first direction, all runs in one panel.
pub(crate) fn slice(input: &Input<'_>) -> Option<Figure> {
    let curves: Vec<Indexed> = input
        .groups
        .iter()
        .enumerate()
        .flat_map(|(i, group)| slices(&group.runs).into_iter().map(move |curve| (i, curve)))
        .collect();
    let (lo, hi) = (!curves.is_empty()).then(|| range(&curves))?;
    let xs = || curves.iter().flat_map(|(_, curve)| curve.points()).map(|point| point.x);
    let (from, to) = (xs().fold(f64::MAX, f64::min), xs().fold(f64::MIN, f64::max));
    let logarithmic = lo > 0.0 && hi / lo > LOGARITHMIC;
    let (y, marks) = if logarithmic {
        (Axis::logarithmic(lo, hi), marks(&curves, 9, f64::log10, |s| s))
    } else {
        (Axis::around(lo, hi, 6), marks(&curves, 9, |v| v, |s| s))
    };
    let mut keys = legend(input, &curves);
    keys.dedup();
    Some(single(
        (SLICE, "Loss along a direction"),
        "Loss on a line through the trained weights (α = 0) along a random direction.",
        keys,
        (Axis::within(from, to, 8).titled("α"), y.titled("loss, nats")),
        marks,
    ))
}

/// The 1-D slices of a group: one with mean and range where all have the same positions.
fn slices(runs: &[&Run]) -> Vec<Curve> {
    let maps: Vec<&Landscape> = runs
        .iter()
        .filter_map(|run| run.landscape.as_ref())
        .filter(|map| map.loss_1d.iter().any(Option::is_some))
        .collect();
    let Some(first) = maps.first() else { return Vec::new() };
    if maps.iter().all(|map| map.alpha == first.alpha) {
        return vec![mean_slice(&maps)];
    }
    maps.iter().map(|map| mean_slice(&[*map])).filter(|c| !c.pieces.is_empty()).collect()
}

/// Mean and range of slices with the same positions; a loss that one of them lacks is a gap.
fn mean_slice(maps: &[&Landscape]) -> Curve {
    let mut pieces: Vec<Vec<Point>> = vec![Vec::new()];
    for (j, &x) in maps[0].alpha.iter().enumerate() {
        let at: Option<Vec<(f64, f64)>> =
            maps.iter().map(|map| Some((x, map.loss_1d[j]?))).collect();
        match at {
            Some(at) => pieces.last_mut().expect("bug: never empty").push(Point::of(&at)),
            None => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    Curve { pieces, seeds: maps.len() }
}
