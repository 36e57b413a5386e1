//! What the array takes of an FPGA, against what it may take; and what was placed.

mod placed;

use super::{Section, origin, scrolling};
use crate::data::{Fpga, Module, Origin, Report, Resource};
use crate::figures::bar;
use crate::number::{grouped, percent, share};
use maud::{Markup, html};

pub(crate) fn section(report: &Report) -> Section {
    let body = match &report.fpga {
        None => html! {
            p.absent {
                "Not compiled for a board. " code { "heartbit compile --board NAME" }
                " checks the fit and says here what the array takes."
            }
        },
        Some(fpga) => of_fpga(fpga),
    };
    let body = html! { (body) @if let Some(placed) = &report.placed { (placed::of(placed)) } };
    Section { id: "resources", heading: "Resources", body }
}

fn of_fpga(fpga: &Fpga) -> Markup {
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "resource" }
                th.number scope="col" { (origin(Origin::Predicted)) }
                th.number scope="col" { "limit" }
                th.wide scope="col" aria-hidden="true" {}
                th.number scope="col" { "of the limit" }
            } }
            tbody {
                @for resource in &fpga.resources { (row(resource)) }
                tr {
                    th scope="row" { "clock, MHz" }
                    td.number { (fpga.clock_mhz) " assumed" }
                    td {} td.wide aria-hidden="true" {} td {}
                }
            }
        }
    };
    let caption = html! {
        (fpga.name) " (" (fpga.family) "): what the array takes, and what it may take."
    };
    let of_modules = html! {
        (origin(Origin::Predicted)) " All instances of each module, by the resource model; * is what "
        "synthesis saves across borders."
    };
    html! {
        (scrolling("resources", &caption, &table))
        p.note { (fpga.note) "." }
        details {
            summary { "Module by module" }
            (scrolling("modules", &of_modules, &modules(&fpga.modules)))
        }
    }
}

fn row(resource: &Resource) -> Markup {
    html! {
        tr {
            th scope="row" { (resource.name) }
            td.number { (grouped(resource.estimated)) }
            @match resource.limit {
                Some(limit) => {
                    @let fill = share(resource.estimated, limit);
                    td.number { (grouped(limit)) }
                    td.wide aria-hidden="true" {
                        (bar::single(if fill > 1.0 { "over" } else { "occupancy" }, fill))
                    }
                    td.number { (percent(fill)) }
                }
                None => {
                    td.number { "none" } td.wide aria-hidden="true" {} td.number { "–" }
                }
            }
        }
    }
}

fn modules(modules: &[Module]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "module" } th.number scope="col" { "instances" }
                th.number scope="col" { "logic" } th.number scope="col" { "flip-flops" }
            } }
            tbody {
                @for module in modules {
                    tr {
                        th scope="row" { (module.name) }
                        td.number { (grouped(module.instances)) }
                        td.number { (format!("{:.0}", module.lut)) }
                        td.number { (format!("{:.0}", module.ff)) }
                    }
                }
            }
        }
    }
}
