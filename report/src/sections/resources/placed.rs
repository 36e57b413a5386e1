//! What place-and-route made of the design: cells, clocks, the slowest path.

use crate::data::{Origin, Placed, PlacedClock, PlacedResource};
use crate::figures::bar;
use crate::number::{grouped, percent, share};
use crate::sections::{origin, scrolling};
use maud::{Markup, html};

pub(super) fn of(placed: &Placed) -> Markup {
    let caption = html! {
        (origin(Origin::PlaceAndRoute)) " On " (placed.board) " (" (placed.device) "), with link and "
        "PLL; the prediction is of the array alone."
    };
    let clocks =
        html! { (origin(Origin::PlaceAndRoute)) " Clocks, in MHz, seed " (placed.seed) "." };
    html! {
        h3 { "Placed and routed" }
        (scrolling("placed", &caption, &resources(&placed.resources)))
        (scrolling("clocks", &clocks, &clock_table(&placed.clocks)))
        @if let Some(slowest) = &placed.slowest { p.note { (slowest) "." } }
        p.note {
            @match &placed.bitstream {
                Some(name) => { "Bitstream: " code { "pnr/" (placed.board) "/" (name) } "." }
                None => { "No bitstream, since timing is missed." }
            }
            " Tools: " (placed.tools.join("; ")) "."
        }
    }
}

fn resources(resources: &[PlacedResource]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "resource" }
                th.number scope="col" { (origin(Origin::Predicted)) }
                th.number scope="col" { (origin(Origin::PlaceAndRoute)) }
                th.number scope="col" { "of" }
                th.wide scope="col" aria-hidden="true" {}
                th.number scope="col" { "of the device" }
            } }
            tbody { @for resource in resources { (row(resource)) } }
        }
    }
}

fn row(resource: &PlacedResource) -> Markup {
    let fill = share(resource.used, resource.available);
    html! {
        tr {
            th scope="row" { (resource.name) @if !resource.cell.is_empty() { " (" (resource.cell) ")" } }
            td.number { @if let Some(n) = resource.estimated { (grouped(n)) } @else { "–" } }
            @if resource.available == 0 {
                td.number { span.absent { "not counted" } }
                td.number { "–" } td.wide aria-hidden="true" {} td.number { "–" }
            } @else {
                td.number { (grouped(resource.used)) }
                td.number { (grouped(resource.available)) }
                td.wide aria-hidden="true" { (bar::single("occupancy", fill)) }
                td.number { (percent(fill)) }
            }
        }
    }
}

fn clock_table(clocks: &[PlacedClock]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "clock" } th.number scope="col" { "reached" }
                th.number scope="col" { "asked" } th scope="col" { "timing" }
            } }
            tbody {
                @for clock in clocks {
                    tr {
                        th scope="row" { (clock.name) }
                        td.number { (format!("{:.2}", clock.reached_mhz)) }
                        td.number { (format!("{:.2}", clock.asked_mhz)) }
                        td { @if clock.met() { "met" } @else { "missed" } }
                    }
                }
            }
        }
    }
}
