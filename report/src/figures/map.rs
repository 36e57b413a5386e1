//! A memory over time: layers from left to right, addresses from bottom to top.

use super::{at, float};
use crate::data::MemoryMap;
use crate::number::grouped;
use maud::{Markup, html};

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 6.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 34.0;

/// Draws what lies where, and when.
pub(crate) fn map(map: &MemoryMap) -> Markup {
    let n = map.steps.len().max(1);
    let x = |step: usize| LEFT + (WIDTH - LEFT - RIGHT) * float(step as u64) / float(n as u64);
    let floor = HEIGHT - BOTTOM;
    let y = |word: u64| floor - (floor - TOP) * float(word) / float(map.words.max(1));
    let id = map.name.replace(' ', "-");
    html! {
        svg.figure viewBox={ "0 0 " (at(WIDTH)) " " (at(HEIGHT)) } role="img"
            aria-labelledby={ "map-" (id) "-title map-" (id) "-text" } {
            title id={ "map-" (id) "-title" } { "The " (map.name) " memory while the layers run" }
            desc id={ "map-" (id) "-text" } { (description(map)) }
            rect.track x=(at(LEFT)) y=(at(TOP)) width=(at(WIDTH - LEFT - RIGHT))
                height=(at(floor - TOP)) {}
            @for region in &map.regions {
                @let (left, right) = (x(region.steps[0]), x(region.steps[1] + 1));
                @let (upper, lower) = (y(region.base + region.words), y(region.base));
                rect.region x=(at(left)) y=(at(upper)) width=(at(right - left))
                    height=(at(lower - upper)) {
                    title {
                        "written by " (map.steps[region.steps[0]]) ", words " (grouped(region.base))
                        " to " (grouped((region.base + region.words).saturating_sub(1)))
                        ", last read by " (map.steps[region.steps[1]])
                    }
                }
            }
            path.axis d={ "M" (at(LEFT)) " " (at(TOP)) "V" (at(floor)) "H" (at(WIDTH - RIGHT)) } {}
            @for word in [0, map.words / 2, map.words] {
                text.tick x=(at(LEFT - 5.0)) y=(at(y(word) + 4.0)) text-anchor="end" { (grouped(word)) }
            }
            @if let [first, .., last] = &map.steps[..] {
                text.tick x=(at(LEFT)) y=(at(floor + 15.0)) { (first) }
                text.tick x=(at(WIDTH - RIGHT)) y=(at(floor + 15.0)) text-anchor="end" { (last) }
            }
            text.soft x=(at(f64::midpoint(LEFT, WIDTH - RIGHT))) y=(at(HEIGHT - 4.0))
                text-anchor="middle" { "layers in the order in which they run" }
        }
    }
}

fn description(map: &MemoryMap) -> String {
    let most = map.live.iter().max().copied().unwrap_or(0);
    let place = map.live.iter().position(|live| *live == most);
    let when = place.and_then(|step| map.steps.get(step)).map_or("", |step| step);
    format!(
        "{} results lie in {} words of a bank; most are in use, {}, while {when} runs. Layers are \
         on the x axis, words on the y axis.",
        map.regions.len(),
        grouped(map.words),
        grouped(most)
    )
}
