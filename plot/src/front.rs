//! A front of trade-offs: each series falls back to less as its points take less.
//!
//! Unlike the other figures this one is not read from run folders: the caller has the points.

use crate::figures::common::single;
use crate::scene::{Key, Mark, Stroke};
use crate::ticks::Axis;
use crate::{Error, draw, file, style};
use std::path::Path;

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontPlot {
    /// What the figure shows, in a sentence.
    pub caption: String,
    /// What the x axis counts: the cost.
    pub x: String,
    /// What the y axis counts: the gain.
    pub y: String,
    /// One for each thing that is compared.
    pub series: Vec<Series>,
}

/// Points of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Cost and gain, in any order.
    pub points: Vec<(f64, f64)>,
}

/// Returns the figure as SVG.
///
/// # Errors
/// [`Error::Draw`].
pub fn svg(plot: &FrontPlot) -> Result<String, Error> {
    let all = || plot.series.iter().flat_map(|series| &series.points);
    let largest = |of: fn(&(f64, f64)) -> f64| all().map(of).fold(0.0, f64::max);
    let axis = |most: f64, title: &str| {
        let most = if most > 0.0 { most } else { 1.0 };
        Axis::around(0.0, most, 6).titled(title)
    };
    let (x, y) = (axis(largest(|p| p.0), &plot.x), axis(largest(|p| p.1), &plot.y));
    let key =
        |(i, series): (usize, &Series)| Key { text: series.name.clone(), stroke: style::stroke(i) };
    let legend = plot.series.iter().enumerate().map(key).collect();
    let marks = plot.series.iter().enumerate().flat_map(|(i, series)| marks(i, series));
    let title = ("front", "Speed against size");
    draw::svg(&single(title, plot.caption.clone(), legend, (x, y), marks.collect()))
}

/// The steps of what a budget buys, and the points themselves.
fn marks(index: usize, series: &Series) -> [Mark; 2] {
    let mut points = series.points.clone();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut steps = Vec::new();
    for pair in points.windows(2) {
        steps.extend([pair[0], (pair[1].0, pair[0].1)]);
    }
    steps.extend(points.last());
    let stroke = style::stroke(index);
    [
        Mark::Line { points: steps, stroke: Stroke { dot: None, ..stroke } },
        Mark::Dots { points, stroke, radius: 3.0 },
    ]
}

/// Writes the figure as SVG, whole or not at all.
///
/// # Errors
/// [`Error::Draw`], [`Error::Write`].
pub fn write(path: &Path, plot: &FrontPlot) -> Result<(), Error> {
    file::write(path, svg(plot)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{FrontPlot, Series, svg};

    fn plot(series: &[(&str, &[(f64, f64)])]) -> FrontPlot {
        let one = |(name, points): &(&str, &[(f64, f64)])| Series {
            name: (*name).to_owned(),
            points: points.to_vec(),
        };
        FrontPlot {
            caption: "A front.".to_owned(),
            x: "LUT4".to_owned(),
            y: "images/s".to_owned(),
            series: series.iter().map(one).collect(),
        }
    }

    #[test]
    fn figure_is_svg_with_its_words_and_the_same_each_time() {
        let plot = plot(&[("a & b", &[(30.0, 9.0), (10.0, 2.0)]), ("c", &[(5.0, 1.0)])]);
        let text = svg(&plot).expect("it can be drawn");
        let document = roxmltree::Document::parse(&text).expect("XML");
        let words: Vec<_> =
            document.descendants().filter_map(|n| n.text()).map(str::trim).collect();
        for word in ["a & b", "c", "LUT4", "images/s"] {
            assert!(words.contains(&word), "`{word}` is not in {words:?}");
        }
        assert_eq!(text, svg(&plot).expect("again"));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(svg(&plot(&[("none", &[])])).is_ok());
        assert!(svg(&plot(&[])).is_ok());
    }
}
