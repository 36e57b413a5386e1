//! The figures that a reader looks for first, each with its origin.

use super::{Section, origin};
use crate::data::{Origin, Placed, Report, Rung, RungResult};
use crate::number::{grouped, percent, share};
use maud::{Markup, html};

/// A figure.
struct Tile {
    title: &'static str,
    value: String,
    note: String,
    origin: Origin,
}

pub(crate) fn section(report: &Report) -> Section {
    let tiles = tiles(report);
    let body = html! {
        (verdict(report))
        dl.tiles {
            @for tile in tiles {
                div {
                    dt { (tile.title) " " (origin(tile.origin)) }
                    dd.value { (tile.value) }
                    dd.note { (tile.note) }
                }
            }
        }
        (differences(report))
        (not_measured(report))
    };
    Section { id: "summary", heading: "Summary", body }
}

/// What all checks together say.
fn verdict(report: &Report) -> Markup {
    let results = || results(report);
    let failed: Vec<_> = results().filter(|(_, r)| r.passed() == Some(false)).collect();
    let passed: Vec<_> = results().filter(|(_, r)| r.passed() == Some(true)).collect();
    let below: Vec<_> = report.bounds.iter().filter(|bound| !bound.passed).collect();
    let missed = report.placed.as_ref().filter(|placed| placed.missed().next().is_some());
    html! {
        @if !failed.is_empty() {
            p.verdict.fail { strong { "Fail. " } "Differences on " (rungs(&failed)) "." }
        }
        @for bound in &below {
            p.verdict.fail {
                strong { "Fail. " } code { (bound.name) } " (" (bound.by) "): " (bound.detail) "."
            }
        }
        @if let Some(placed) = missed {
            p.verdict.fail { strong { "Fail. " } "Timing is missed on " (placed.board) "." }
        }
        @if !failed.is_empty() || !below.is_empty() || missed.is_some() {
            // Nothing is said to pass above what fails.
        } @else if passed.is_empty() {
            p.verdict.open {
                strong { "Not checked. " }
                "Nothing was compared with the integer network: all cycles below are predicted."
            }
        } @else {
            p.verdict.pass {
                strong { "Pass. " } "Nothing differs on " (rungs(&passed)) "."
            }
        }
    }
}

/// Rungs with the commands that measured them, in words.
fn rungs(results: &[(&Rung, &RungResult)]) -> String {
    let name = |(rung, result): &(&Rung, &RungResult)| format!("{} ({})", rung.name, result.by);
    results.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn results(report: &Report) -> impl Iterator<Item = (&Rung, &RungResult)> {
    report.rungs.iter().filter_map(|rung| Some((rung, rung.result.as_ref()?)))
}

fn tiles(report: &Report) -> Vec<Tile> {
    let array = &report.array;
    let products: u64 = report.layers.iter().map(|layer| layer.bit_products).sum();
    let whole = share(products, report.total.predicted * array.peak());
    let bits: u64 = report.memories.iter().map(crate::data::Memory::bits).sum();
    let (cycles, cycles_origin) = most_real(report);
    let mut tiles = vec![
        Tile {
            title: "Cycles an image",
            value: grouped(cycles),
            note: format!("{} predicted", grouped(report.total.predicted)),
            origin: cycles_origin,
        },
        Tile {
            title: "Utilisation",
            value: percent(whole),
            note: format!(
                "of {} bMAC a cycle, stem and head included; binary layers {}",
                grouped(array.peak()),
                percent(binary(report))
            ),
            origin: Origin::Predicted,
        },
        Tile {
            title: "Memory",
            value: format!("{} kbit", grouped(bits.div_ceil(1024))),
            note: "in all memories of the accelerator".to_owned(),
            origin: Origin::Predicted,
        },
    ];
    if let Some((rung, result)) = accuracy(report) {
        tiles.insert(
            0,
            Tile {
                title: "Accuracy",
                value: percent(share(result.correct, result.images)),
                note: format!("{} of {} images", grouped(result.correct), grouped(result.images)),
                origin: rung.origin,
            },
        );
    }
    if let Some(fpga) = &report.fpga {
        let fullest =
            fpga.resources.iter().filter_map(|r| Some((share(r.estimated, r.limit?), &r.name)));
        if let Some((fill, name)) = fullest.max_by(|a, b| a.0.total_cmp(&b.0)) {
            tiles.push(Tile {
                title: "Fullest resource",
                value: percent(fill),
                note: format!("of the {name} that it may take of {}", fpga.name),
                origin: Origin::Predicted,
            });
        }
    }
    tiles.extend(report.placed.as_ref().and_then(clock));
    tiles
}

/// The clock that decides about a placed design.
fn clock(placed: &Placed) -> Option<Tile> {
    let clock = placed.tightest()?;
    Some(Tile {
        title: "Clock",
        value: format!("{:.2} MHz", clock.reached_mhz),
        note: format!("{:.2} MHz asked, on {}", clock.asked_mhz, placed.board),
        origin: Origin::PlaceAndRoute,
    })
}

/// The cycles that are closest to hardware.
fn most_real(report: &Report) -> (u64, Origin) {
    let total = &report.total;
    match (total.rtl, total.sim) {
        (Some(cycles), _) => (cycles, Origin::Rtl),
        (None, Some(cycles)) => (cycles, Origin::Simulator),
        (None, None) => (total.predicted, Origin::Predicted),
    }
}

fn binary(report: &Report) -> f64 {
    let layers = || report.layers.iter().filter(|layer| layer.kind == "binary");
    let cycles: u64 = layers().map(|layer| layer.cycles.predicted).sum();
    share(layers().map(|layer| layer.bit_products).sum(), cycles * report.array.peak())
}

/// The result over most images, of the integer network or what computes the same.
fn accuracy(report: &Report) -> Option<(&Rung, &RungResult)> {
    let below = |rung: &Rung| rung.origin >= Origin::Network;
    // The first of those with most images: the one nearest to the network.
    let mut best: Option<(&Rung, &RungResult)> = None;
    for (rung, result) in results(report).filter(|(rung, _)| below(rung)) {
        if best.is_none_or(|(_, kept)| result.images > kept.images) {
            best = Some((rung, result));
        }
    }
    best
}

fn differences(report: &Report) -> Markup {
    html! {
        @if !report.differences.is_empty() {
            h3 { "First difference" }
            pre tabindex="0" { @for line in &report.differences { (line) "\n" } }
        }
    }
}

fn not_measured(report: &Report) -> Markup {
    let mut missing: Vec<Markup> = report
        .rungs
        .iter()
        .filter(|rung| rung.result.is_none())
        .map(|rung| {
            html! { (rung.name) ": " code { (rung.command) } " measures it" }
        })
        .collect();
    if report.fpga.is_none() && report.placed.is_none() {
        missing.push(html! {
            "resources: not compiled for a board (" code { "heartbit compile --board" } ")"
        });
    }
    if report.placed.is_none() {
        missing.push(html! {
            "resources and clock after place-and-route: " code { "heartbit pnr BUILD --board NAME" }
            " measures them, of a build with a link (" code { "--uart" } ")"
        });
    }
    if !results(report).any(|(rung, _)| rung.origin == Origin::Board) {
        missing.push(html! { "a board: nothing here was measured on one" });
    }
    let notes = report.notes.iter().map(|note| html! { (note) });
    let all: Vec<Markup> = missing.into_iter().chain(notes).collect();
    html! {
        h3 { "Not measured" }
        ul.missing { @for line in all { li { (line) } } }
    }
}
