//! Bars in the cells of tables: the number is beside them, so readers of the screen skip them.

use super::at;
use maud::{Markup, html};

/// Parts of a whole that is as wide as the cell: the class of each and its share.
pub(crate) fn stacked(parts: &[(&str, f64)]) -> Markup {
    let mut left = 0.0;
    let rects: Vec<(String, f64, f64)> = parts
        .iter()
        .filter(|(_, share)| *share > 0.0)
        .map(|(class, share)| {
            let from = left;
            left += share;
            (format!("part {class}"), from, *share)
        })
        .collect();
    html! {
        svg.bar width="100%" height="14" aria-hidden="true" {
            rect.track x="0" y="0" width="100%" height="14" {}
            @for (class, from, share) in rects {
                rect class=(class) x=(percent(from)) y="0" width=(percent(share)) height="14" {}
            }
        }
    }
}

/// One share of a whole.
pub(crate) fn single(class: &str, share: f64) -> Markup {
    stacked(&[(class, share.clamp(0.0, 1.0))])
}

fn percent(share: f64) -> String {
    format!("{}%", at(100.0 * share))
}

/// The hatchings that tell parts of a bar apart without their colours.
pub(crate) fn patterns() -> Markup {
    let line = |name: &str, path: &str| {
        html! {
            pattern id={ "hatch-" (name) } width="6" height="6" patternUnits="userSpaceOnUse" {
                rect class={ "fill-" (name) } width="6" height="6" {}
                path.hatch d=(path) {}
            }
        }
    };
    html! {
        svg.defs width="0" height="0" aria-hidden="true" {
            defs {
                (line("wait", "M0 3h6"))
                (line("stall", "M-1 5l6 6M-1 -1l8 8M1 -1l6 6"))
                (line("drain", "M-1 7l8 -8"))
                (line("fetch", "M3 0v6M0 3h6"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::stacked;

    #[test]
    fn parts_lie_side_by_side_and_nothing_is_not_drawn() {
        let text = stacked(&[("a", 0.25), ("b", 0.0), ("c", 0.5)]).into_string();
        assert!(text.contains(r#"class="part a" x="0%" y="0" width="25%""#), "{text}");
        assert!(text.contains(r#"class="part c" x="25%" y="0" width="50%""#), "{text}");
        assert!(!text.contains("part b"), "{text}");
    }
}
