//! The network: a box a layer from top to bottom, what it reads on the left, shortcuts on the right.

use super::at;
use crate::data::{Layer, Source};
use crate::number::grouped;
use maud::{Markup, html};

/// Width of the figure.
const WIDTH: f64 = 400.0;
/// From one box to the next.
const PITCH: f64 = 34.0;
/// Height of a box.
const BOX: f64 = 24.0;
/// From one arc beside the boxes to the next.
const TRACK: f64 = 15.0;
/// Room above the first box, for the image.
const TOP: f64 = 34.0;
/// Room for words beside the boxes.
const NARROWEST: f64 = 190.0;

/// An edge that does not lead from one box to the next.
struct Arc {
    from: usize,
    to: usize,
    track: usize,
}

/// Draws the layers with their edges.
pub(crate) fn graph(layers: &[Layer]) -> Markup {
    let height = TOP + PITCH * super::float(layers.len() as u64) + 26.0;
    let reads: Vec<(usize, usize)> = edges(layers, |layer| match layer.source {
        Some(Source::Layer(from)) => Some(from),
        _ => None,
    });
    let joins: Vec<(usize, usize)> =
        edges(layers, |layer| layer.shortcut.as_ref().map(|shortcut| shortcut.from));
    let far = |edges: &[(usize, usize)]| {
        arcs(edges.iter().copied().filter(|(from, to)| from + 1 != *to).collect())
    };
    let (left_arcs, right_arcs) = (far(&reads), arcs(joins.clone()));
    let tracks =
        |arcs: &[Arc]| super::float(arcs.iter().map(|a| a.track + 1).max().unwrap_or(0) as u64);
    let left = 8.0 + TRACK * tracks(&left_arcs);
    let right = (WIDTH - 8.0 - TRACK * tracks(&right_arcs)).max(left + NARROWEST);
    let middle = f64::midpoint(left, right);
    let images: Vec<usize> = positions(layers, |layer| layer.source == Some(Source::Image));
    html! {
        svg.figure viewBox={ "0 0 " (at(WIDTH)) " " (at(height)) } role="img"
            aria-labelledby="graph-title graph-text" {
            title id="graph-title" { "The layers of the network" }
            desc id="graph-text" { (description(layers, joins.len())) }
            (arrowhead())
            text.label x=(at(middle)) y="12" text-anchor="middle" { "image" }
            @for layer in images.iter().take(1) {
                (arrow(&format!("M{} 16V{}", at(middle), at(top(*layer) - 1.0)), "edge"))
            }
            @for (from, to) in reads.iter().filter(|(from, to)| from + 1 == *to) {
                (arrow(&format!("M{} {}V{}", at(middle), at(top(*from) + BOX), at(top(*to) - 1.0)), "edge"))
            }
            @for arc in &left_arcs {
                (arrow(&arc.path(left, -1.0), "edge"))
            }
            @for arc in &right_arcs {
                (arrow(&arc.path(right, 1.0), "edge shortcut"))
            }
            @for (index, layer) in layers.iter().enumerate() {
                (node(index, layer, left, right))
            }
            @if let Some(last) = layers.len().checked_sub(1) {
                (arrow(&format!("M{} {}V{}", at(middle), at(top(last) + BOX), at(height - 17.0)), "edge"))
                text.label x=(at(middle)) y=(at(height - 5.0)) text-anchor="middle" { "logits" }
            }
        }
    }
}

fn top(index: usize) -> f64 {
    TOP + PITCH * super::float(index as u64)
}

fn edges(layers: &[Layer], from: impl Fn(&Layer) -> Option<usize>) -> Vec<(usize, usize)> {
    layers.iter().enumerate().filter_map(|(to, layer)| Some((from(layer)?, to))).collect()
}

fn positions(layers: &[Layer], holds: impl Fn(&Layer) -> bool) -> Vec<usize> {
    layers.iter().enumerate().filter(|(_, layer)| holds(layer)).map(|(i, _)| i).collect()
}

/// Places edges on tracks so that those on one track do not overlap, short ones inside.
fn arcs(mut edges: Vec<(usize, usize)>) -> Vec<Arc> {
    edges.sort_by_key(|(from, to)| (to.abs_diff(*from), *from));
    let mut placed: Vec<Arc> = Vec::new();
    for (from, to) in edges {
        let clashes =
            |track: usize| placed.iter().any(|a| a.track == track && a.from < to && from < a.to);
        let track = (0..=placed.len()).find(|track| !clashes(*track)).expect("bug: one is free");
        placed.push(Arc { from, to, track });
    }
    placed
}

impl Arc {
    /// From the side of one box to that of another, which is on the right where `side` is 1.
    fn path(&self, edge: f64, side: f64) -> String {
        let out = edge + side * TRACK * (super::float(self.track as u64) + 0.7);
        // A box has its output below the middle of its side and its input above.
        let (from, to) = (top(self.from) + BOX * 0.7, top(self.to) + BOX * 0.3);
        let corner = 5.0;
        format!(
            "M{e} {f}H{a}Q{o} {f} {o} {fc}V{tc}Q{o} {t} {a} {t}H{end}",
            e = at(edge),
            f = at(from),
            a = at(out - side * corner),
            o = at(out),
            fc = at(from + corner),
            tc = at(to - corner),
            t = at(to),
            end = at(edge + side),
        )
    }
}

fn arrow(path: &str, class: &str) -> Markup {
    html! { path class=(class) d=(path) marker-end="url(#arrow)" {} }
}

fn arrowhead() -> Markup {
    html! {
        defs {
            marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
                orient="auto" { path.head d="M0 0L8 4L0 8z" {} }
        }
    }
}

fn node(index: usize, layer: &Layer, left: f64, right: f64) -> Markup {
    let y = top(index);
    let [height, width, channels] = layer.shape;
    html! {
        g {
            title {
                (layer.name) ": " (layer.kind) ", " (height) "×" (width) "×" (channels) ", "
                (grouped(layer.bit_products)) " bMAC, " (grouped(layer.cycles.predicted))
                " cycles predicted"
                @if let Some(shortcut) = &layer.shortcut { ", joined by a shortcut: " (shortcut.kind) }
            }
            rect class={ "node kind-" (layer.kind) } x=(at(left)) y=(at(y)) width=(at(right - left))
                height=(at(BOX)) rx="4" {}
            text.name x=(at(left + 9.0)) y=(at(y + 16.0)) {
                (layer.name) tspan.soft dx="7" { (layer.kind) }
            }
            text.soft x=(at(right - 9.0)) y=(at(y + 16.0)) text-anchor="end" {
                (height) "×" (width) "×" (channels)
            }
        }
    }
}

fn description(layers: &[Layer], shortcuts: usize) -> String {
    let first = layers.first().map_or("", |layer| &layer.name);
    let last = layers.last().map_or("", |layer| &layer.name);
    format!(
        "{} layers from {first} to {last}, each below the one before it; {shortcuts} shortcuts are \
         drawn as dashed arcs on the right. The table of the layers has the same in words.",
        layers.len()
    )
}

#[cfg(test)]
mod tests {
    use super::arcs;

    #[test]
    fn arcs_of_one_track_do_not_overlap() {
        let placed = arcs(vec![(0, 2), (2, 4), (1, 3), (0, 4)]);
        let track =
            |from, to| placed.iter().find(|a| (a.from, a.to) == (from, to)).map(|a| a.track);
        assert_eq!(
            [track(0, 2), track(2, 4), track(1, 3), track(0, 4)].map(Option::unwrap),
            [0, 0, 1, 2]
        );
    }
}
