//! The page around the sections: head, contents, style, and what the labels mean.

use crate::data::{Origin, Report};
use crate::figures::bar;
use crate::sections::{Section, ladder, layers, memories, origin, resources, rooflines, summary};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Nothing is loaded: a page that tries is stopped by the browser.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

pub(crate) fn page(report: &Report) -> Markup {
    let a = &report.array;
    let title = format!("{} on {}×{}×{}", report.network.arch, a.rows, a.cols, a.lanes);
    let sections = [
        summary::section(report),
        ladder::section(report),
        layers::network(report),
        layers::table(report),
        layers::breakdown(report),
        rooflines::section(report),
        memories::section(report),
        resources::section(report),
    ];
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) " – Heartbit report" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                (bar::patterns())
                header {
                    p.brand { "Heartbit report" }
                    h1 { (title) }
                    p.subtitle {
                        (a.rows) " rows × " (a.cols) " columns × " (a.lanes) " lanes, "
                        (a.acc_bits) "-bit accumulators"
                        @if let Some(fpga) = &report.fpga { ", for " (fpga.name) }
                    }
                    (contents(&sections))
                }
                main { @for section in &sections { (body(section)) } }
                footer {
                    (legend())
                    p { "Written by heartbit " (report.version) ". The same build and results give the same bytes." }
                }
            }
        }
    }
}

fn contents(sections: &[Section]) -> Markup {
    html! {
        nav aria-label="Contents" {
            ul { @for s in sections { li { a href={ "#" (s.id) } { (s.heading) } } } }
        }
    }
}

fn body(section: &Section) -> Markup {
    html! {
        section id=(section.id) aria-labelledby={ "h-" (section.id) } {
            h2 id={ "h-" (section.id) } { (section.heading) }
            (section.body)
        }
    }
}

fn legend() -> Markup {
    html! {
        h2 { "Where figures are from" }
        dl.origins {
            @for of in Origin::ALL { div { dt { (origin(of)) } dd { (of.meaning()) } } }
        }
    }
}
