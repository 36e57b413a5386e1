//! The accuracy ladder: each rung beside the integer network, which is normative.

use super::{Section, origin, scrolling};
use crate::data::{Report, Rung, RungResult};
use crate::figures::bar;
use crate::number::{grouped, percent, share};
use maud::{Markup, html};

pub(crate) fn section(report: &Report) -> Section {
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "rung" }
                th scope="col" { "origin" }
                th scope="col" { "by" }
                th.number scope="col" { "images" }
                th.number scope="col" { "accuracy" }
                th.wide scope="col" aria-hidden="true" {}
                th.number scope="col" { "other class" }
                th.number scope="col" { "compared" }
                th.number scope="col" { "differ" }
                th scope="col" { "verdict" }
            } }
            tbody { @for rung in &report.rungs { (row(rung)) } }
        }
    };
    let caption = html! {
        "From the trained network down to the Verilog. Every rung is compared with the integer network."
    };
    let body = html! {
        (scrolling("ladder", &caption, &table))
        (bounds(report))
        p.note {
            "Accuracies of different numbers of images are not comparable to the last digit. "
            "“other class” counts images that the integer network classifies differently; float "
            "arithmetic may, everything below the network must not."
        }
    };
    Section { id: "ladder", heading: "Accuracy ladder", body }
}

/// What was demanded.
fn bounds(report: &Report) -> Markup {
    html! {
        @if !report.bounds.is_empty() {
            h3 { "Bounds" }
            ul.bounds {
                @for bound in &report.bounds {
                    li {
                        code { (bound.name) } " (" (bound.by) "): " (bound.detail) ", "
                        @if bound.passed { span.pass { "holds" } } @else { span.fail { "FAIL" } }
                    }
                }
            }
        }
    }
}

fn row(rung: &Rung) -> Markup {
    html! {
        tr {
            th scope="row" { (rung.name) }
            td { (origin(rung.origin)) }
            @match &rung.result {
                None => td.absent colspan="8" { "not measured" },
                Some(result) => (cells(result)),
            }
        }
    }
}

fn cells(result: &RungResult) -> Markup {
    let accuracy = share(result.correct, result.images);
    html! {
        td { (result.by) }
        td.number { (grouped(result.images)) }
        td.number { (percent(accuracy)) }
        td.wide aria-hidden="true" { (bar::single("accuracy", accuracy)) }
        td.number { @match result.other_class { Some(n) => (grouped(n)), None => "–" } }
        td.number {
            @match result.compared { Some((n, unit)) => { (grouped(n)) " " (unit) }, None => "–" }
        }
        td.number { @if result.compared.is_some() { (grouped(result.differing)) } @else { "–" } }
        td {
            @match result.passed() {
                None => "–",
                Some(true) => span.pass { "pass" },
                Some(false) => span.fail {
                    "FAIL" @if result.cycles_agree == Some(false) { " (cycles)" }
                },
            }
        }
    }
}
