//! Figures as SVG inside the page.
//!
//! Colours are classes that the page's style gives a value in either scheme; shapes, hatching and
//! words say the same without colour. Lengths are in units of each figure's own box, which is as
//! wide as a phone, so that words stay readable there.

pub(crate) mod bar;
pub(crate) mod graph;
pub(crate) mod map;
pub(crate) mod roofline;

/// Writes a coordinate: two digits are less than a pixel, and the bytes do not depend on more.
pub(crate) fn at(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A count as a coordinate.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::at;

    #[test]
    fn coordinates_are_short() {
        for (value, text) in
            [(0.0, "0"), (-0.001, "0"), (2.5, "2.5"), (100.0, "100"), (0.126, "0.13")]
        {
            assert_eq!(at(value), text);
        }
    }
}
