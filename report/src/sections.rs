//! The sections of the page, each with a heading that the contents name.

pub(crate) mod ladder;
pub(crate) mod layers;
pub(crate) mod memories;
pub(crate) mod resources;
pub(crate) mod rooflines;
pub(crate) mod summary;

use crate::data::Origin;
use crate::number::grouped;
use maud::{Markup, html};

/// A section of the page.
pub(crate) struct Section {
    /// Its anchor.
    pub(crate) id: &'static str,
    /// Its heading.
    pub(crate) heading: &'static str,
    /// What is below it.
    pub(crate) body: Markup,
}

/// The label of an origin.
pub(crate) fn origin(origin: Origin) -> Markup {
    html! { span.origin title=(origin.meaning()) { (origin.name()) } }
}

/// A count that may not have been measured.
pub(crate) fn measured(count: Option<u64>) -> Markup {
    html! {
        @if let Some(count) = count { (grouped(count)) } @else { span.absent { "not measured" } }
    }
}

/// A table below its caption, which scrolls by itself where the page is narrower, also by keyboard.
///
/// The caption is no part of the table, because it would be as wide as that.
pub(crate) fn scrolling(id: &str, caption: &Markup, table: &Markup) -> Markup {
    html! {
        p.caption id={ "caption-" (id) } { (caption) }
        div.scroll role="region" aria-labelledby={ "caption-" (id) } tabindex="0" { (table) }
    }
}
