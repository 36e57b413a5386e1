//! The network, layer by layer: graph, table, utilisation, and where the cycles go.

use super::{Section, measured, origin, scrolling};
use crate::data::{Cycles, Layer, Origin, Report};
use crate::figures::{bar, graph};
use crate::number::{grouped, percent, share};
use maud::{Markup, html};

pub(crate) fn network(report: &Report) -> Section {
    let body = html! {
        div.pair {
            figure {
                (graph::graph(&report.layers))
                figcaption {
                    "The layers as they run. Solid arrows are maps, dashed arcs shortcuts. "
                    (origin(Origin::Network))
                }
            }
            div {
                (provenance(report))
            }
        }
    };
    Section { id: "network", heading: "Network", body }
}

fn provenance(report: &Report) -> Markup {
    let network = &report.network;
    html! {
        table {
            caption { "What the network is, and where it is from." }
            tbody {
                tr { th scope="row" { "architecture" } td { (network.arch) } }
                tr { th scope="row" { "binary MACs" } td { (grouped(network.binary_macs)) } }
                tr { th scope="row" { "classes" } td { (network.classes) } }
                @for (key, value) in &network.provenance {
                    tr { th scope="row" { (key) } td { (value) } }
                }
            }
        }
    }
}

pub(crate) fn table(report: &Report) -> Section {
    let head = html! {
        thead {
            tr {
                th scope="col" rowspan="2" { "layer" }
                th scope="col" rowspan="2" { "kind" }
                th.number scope="col" rowspan="2" { "output" }
                th.number scope="col" rowspan="2" { "bMAC" }
                th.group scope="colgroup" colspan="3" { "cycles" }
                th.number scope="col" rowspan="2" { "utilisation" }
            }
            tr {
                th.number scope="col" { (origin(Origin::Predicted)) }
                th.number scope="col" { (origin(Origin::Simulator)) }
                th.number scope="col" { (origin(Origin::Rtl)) }
            }
        }
    };
    let products = report.layers.iter().map(|layer| layer.bit_products).sum();
    let whole = share(products, report.total.predicted * report.array.peak());
    let table = html! {
        table {
            (head)
            tbody { @for layer in &report.layers { (row(layer)) } }
            tfoot {
                tr {
                    th scope="row" { "send" } td {}
                    td.number { (report.network.classes) " logits" } td {}
                    (cycles(&report.send)) td {}
                }
                tr {
                    th scope="row" { "total" } td {} td {}
                    td.number { (grouped(products)) }
                    (cycles(&report.total)) td.number { (percent(whole)) }
                }
            }
        }
    };
    let caption = html! {
        "1 bMAC is one XNOR and one add on one bit of each operand; layers of more bits have the "
        "products of their bits. Utilisation is of " (grouped(report.array.peak()))
        " bMAC a cycle, over predicted cycles."
    };
    Section { id: "layers", heading: "Layers", body: scrolling("layers", &caption, &table) }
}

fn row(layer: &Layer) -> Markup {
    let [height, width, channels] = layer.shape;
    html! {
        tr {
            th scope="row" { (layer.name) }
            td {
                (layer.kind)
                @if layer.bands > 1 { ", " (layer.bands) " bands" }
                @if layer.streamed_bits > 0 { ", streamed" }
            }
            td.number { (height) "×" (width) "×" (channels) }
            td.number { (grouped(layer.bit_products)) }
            (cycles(&layer.cycles))
            td.number { (percent(layer.utilisation)) }
        }
    }
}

fn cycles(cycles: &Cycles) -> Markup {
    html! {
        td.number { (grouped(cycles.predicted)) }
        td.number { (measured(cycles.sim)) }
        td.number { (measured(cycles.rtl)) }
    }
}

pub(crate) fn breakdown(report: &Report) -> Section {
    let all = report.total.predicted;
    let bars = html! {
        table.bars {
            thead { tr {
                th scope="col" { "layer" }
                th.number scope="col" { "cycles" }
                th.number scope="col" { "of all" }
                th.wide scope="col" { "of which" }
                th.wide scope="col" { "utilisation" }
                th.number scope="col" aria-label="utilisation in percent" {}
            } }
            tbody { @for layer in &report.layers { (bar_row(layer, all)) } }
        }
    };
    let caption = html! {
        (origin(Origin::Predicted)) " What the array does in the cycles of each layer, as shares of the "
        "layer, and the share of the peak that it reaches. " (legend())
    };
    let sums = html! { "Predicted cycles of each layer, whose sum is the layer's total." };
    let body = html! {
        (scrolling("bars", &caption, &bars))
        details {
            summary { "The same as numbers" }
            (scrolling("parts", &sums, &numbers(report)))
        }
    };
    Section { id: "cycles", heading: "Where the cycles go", body }
}

fn legend() -> Markup {
    let entries = [
        ("compute", "steps of the array"),
        ("wait", "steps that wait for streamed weights"),
        ("stall", "a tile waits until the one before is drained"),
        ("drain", "filling and draining at the end of a layer"),
        ("fetch", "reading the first descriptor"),
    ];
    html! {
        span.legend {
            @for (name, meaning) in entries {
                span.key title=(meaning) {
                    svg width="14" height="14" aria-hidden="true" {
                        rect class={ "part " (name) } width="14" height="14" {}
                    }
                    (name)
                }
            }
        }
    }
}

fn bar_row(layer: &Layer, all: u64) -> Markup {
    let cycles = layer.cycles.predicted;
    let parts = layer.parts.named().map(|(name, count)| (name, share(count, cycles)));
    html! {
        tr {
            th scope="row" { (layer.name) }
            td.number { (grouped(cycles)) }
            td.number { (percent(share(cycles, all))) }
            td.wide { (bar::stacked(&parts)) }
            td.wide { (bar::single("utilisation", layer.utilisation)) }
            td.number { (percent(layer.utilisation)) }
        }
    }
}

fn numbers(report: &Report) -> Markup {
    let names = report.layers.first().map_or([""; 5], |layer| layer.parts.named().map(|p| p.0));
    let sum = |index: usize| report.layers.iter().map(|l| l.parts.named()[index].1).sum::<u64>();
    html! {
        table {
            thead { tr {
                th scope="col" { "layer" }
                @for name in names { th.number scope="col" { (name) } }
                th.number scope="col" { "total" }
            } }
            tbody {
                @for layer in &report.layers {
                    tr {
                        th scope="row" { (layer.name) }
                        @for (_, count) in layer.parts.named() { td.number { (grouped(count)) } }
                        td.number { (grouped(layer.cycles.predicted)) }
                    }
                }
            }
            tfoot { tr {
                th scope="row" { "all layers" }
                @for index in 0..names.len() { td.number { (grouped(sum(index))) } }
                td.number { (grouped(report.layers.iter().map(|l| l.cycles.predicted).sum())) }
            } }
        }
    }
}
