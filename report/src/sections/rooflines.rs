//! What bounds each layer: the array itself, its operands, or the port of streamed weights.

use super::{Section, origin, scrolling};
use crate::data::{Array, Layer, Origin, Report};
use crate::figures::float;
use crate::figures::roofline::{Point, Roofline, roofline};
use crate::number::grouped;
use maud::{Markup, html};

pub(crate) fn section(report: &Report) -> Section {
    let array = &report.array;
    let on_chip = Roofline {
        id: "roofline",
        title: "Roofline of the array".to_owned(),
        peak: float(array.peak()),
        bandwidth: float(array.operand_bits()),
        x: "bMAC an operand bit that enters the array",
        points: report.layers.iter().filter_map(|layer| point(layer, array)).collect(),
    };
    let passes = report.layers.iter().filter(|layer| layer.bit_products == 0).count();
    let caption = html! { "Products of each layer an operand bit and a cycle." };
    let body = html! {
        div.pair {
            figure {
                @if let Some(figure) = roofline(&on_chip) { (figure) }
                figcaption {
                    (origin(Origin::Predicted)) " Each step brings a word to every row and every column: "
                    (grouped(array.operand_bits())) " bits. A layer on the slope computes in all its "
                    "cycles; left of the corner, lanes, rows or columns are idle; below the slope, "
                    "cycles go to stalls, waits and draining. ■ stem, ● binary, ◆ real, ▲ head"
                    @if passes > 0 { "; " (passes) " passes without products are left out" }
                    "."
                }
            }
            div.tall { (scrolling("points", &caption, &numbers(&on_chip))) }
            @if let Some(figure) = port(report) { (figure) }
        }
    };
    Section { id: "roofline-section", heading: "Roofline", body }
}

/// A layer over the operands of the steps that it computes in.
fn point(layer: &Layer, array: &Array) -> Option<Point> {
    if layer.bit_products == 0 || layer.parts.compute == 0 {
        return None;
    }
    let products = float(layer.bit_products);
    Some(Point {
        name: layer.name.clone(),
        kind: layer.kind,
        intensity: products / (float(layer.parts.compute) * float(array.operand_bits())),
        rate: products / float(layer.cycles.predicted),
    })
}

/// Streamed layers against the weight port.
fn port(report: &Report) -> Option<Markup> {
    let port = report.weight_port?;
    let streamed = report.layers.iter().filter(|l| l.streamed_bits > 0 && l.bit_products > 0);
    let figure = roofline(&Roofline {
        id: "port-roofline",
        title: "Roofline of the weight port".to_owned(),
        peak: float(report.array.peak()),
        bandwidth: port.bits_per_cycle,
        x: "bMAC a weight bit that comes through the port",
        points: streamed
            .map(|layer| Point {
                name: layer.name.clone(),
                kind: layer.kind,
                intensity: float(layer.bit_products) / float(layer.streamed_bits),
                rate: float(layer.bit_products) / float(layer.cycles.predicted),
            })
            .collect(),
    })?;
    Some(html! {
        figure {
            (figure)
            figcaption {
                (origin(Origin::Predicted)) " Layers whose weights are streamed, at "
                (format!("{:.1}", port.bits_per_cycle)) " bits a cycle in the mean. A layer may lie "
                "above the slope, because the ring brings its first words before it begins."
            }
        }
    })
}

fn numbers(roofline: &Roofline) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "layer" } th scope="col" { "kind" }
                th.number scope="col" { "bMAC a bit" } th.number scope="col" { "bMAC a cycle" }
            } }
            tbody {
                @for point in &roofline.points {
                    tr {
                        th scope="row" { (point.name) } td { (point.kind) }
                        td.number { (format!("{:.2}", point.intensity)) }
                        td.number { (format!("{:.1}", point.rate)) }
                    }
                }
            }
        }
    }
}
