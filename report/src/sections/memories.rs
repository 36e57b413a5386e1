//! The memories: what they have, what is used, and what lies where while the layers run.

use super::{Section, origin, scrolling};
use crate::data::{Memory, Origin, Report};
use crate::figures::{bar, map};
use crate::number::{grouped, percent, share};
use maud::{Markup, html};

pub(crate) fn section(report: &Report) -> Section {
    let bits: u64 = report.memories.iter().map(Memory::bits).sum();
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "memory" }
                th.number scope="col" { "banks × bits" }
                th.number scope="col" { "words" }
                th.number scope="col" { "used" }
                th.wide scope="col" aria-hidden="true" {}
                th.number scope="col" { "occupancy" }
                th.number scope="col" { "bits" }
            } }
            tbody { @for memory in &report.memories { (row(memory)) } }
            tfoot { tr {
                th scope="row" { "all" } td {} td {} td {} td.wide aria-hidden="true" {} td {}
                td.number { (grouped(bits)) }
            } }
        }
    };
    let caption = html! { (origin(Origin::Predicted)) " Memories of the accelerator." };
    let body = html! {
        (scrolling("memories", &caption, &table))
        div.pair {
            @for memory in report.maps.iter().filter(|memory| !memory.regions.is_empty()) {
                figure {
                    (map::map(memory))
                    figcaption {
                        (origin(Origin::Predicted)) " The " (memory.name) " memory: what each layer writes, from "
                        "the layer that writes it to the last one that reads it. At most "
                        (grouped(memory.live.iter().max().copied().unwrap_or(0))) " of "
                        (grouped(memory.words)) " words are in use at a time."
                    }
                }
            }
        }
    };
    Section { id: "memories", heading: "Memory map", body }
}

fn row(memory: &Memory) -> Markup {
    let occupancy = share(memory.used, memory.words);
    html! {
        tr {
            th scope="row" { (memory.name) }
            td.number { (memory.banks) " × " (memory.word_bits) }
            td.number { (grouped(memory.words)) }
            td.number { (grouped(memory.used)) }
            td.wide aria-hidden="true" { (bar::single("occupancy", occupancy)) }
            td.number { (percent(occupancy)) }
            td.number { (grouped(memory.bits())) }
        }
    }
}
