//! What a figure consists of, as data: panels, marks, legend.
//!
//! Lengths are in pixels of the finished figure, positions of marks in the units of their axes.
//! Not here: how marks become SVG (`draw`).

use crate::ticks::Axis;

/// A colour as red, green and blue.
pub(crate) type Rgb = (u8, u8, u8);

/// A figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// Name of the file, without its ending.
    pub(crate) name: &'static str,
    /// Heading on the page of all figures.
    pub(crate) heading: &'static str,
    /// What the figure shows, in a sentence.
    pub(crate) caption: String,
    /// Width and height without the legend.
    pub(crate) size: (u32, u32),
    /// Entries above the panels.
    pub(crate) legend: Vec<Key>,
    /// Where the legend begins, from the left.
    pub(crate) legend_left: u32,
    /// Panels.
    pub(crate) panels: Vec<Panel>,
    /// Words outside the panels.
    pub(crate) words: Vec<Words>,
}

/// An entry of a legend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) stroke: Stroke,
}

/// How a line or a dot looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) color: Rgb,
    pub(crate) dashed: bool,
    /// Width of the line; 0 draws dots only.
    pub(crate) width: f64,
    pub(crate) dot: Option<Dot>,
}

/// Shape of a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dot {
    Circle,
    Square,
    Triangle,
    Diamond,
    Star,
}

/// A rectangle with axes.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// Left, top, width and height, labels of the axes included.
    pub(crate) at: (u32, u32, u32, u32),
    /// Room for the labels of the y axis and of the x axis.
    pub(crate) room: (u32, u32),
    /// Above the panel; empty for none.
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Whether lines run across the panel at the y axis' ticks.
    pub(crate) grid: bool,
    /// Size of the labels.
    pub(crate) font: f64,
    /// In the order in which they are drawn.
    pub(crate) marks: Vec<Mark>,
}

/// Something in a panel.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// A line through points.
    Line { points: Vec<(f64, f64)>, stroke: Stroke },
    /// Dots.
    Dots { points: Vec<(f64, f64)>, stroke: Stroke, radius: f64 },
    /// The area between two lines; `outline` goes round it once.
    Area { outline: Vec<(f64, f64)>, color: Rgb, opacity: f64 },
}

/// A text outside the panels.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) text: String,
    /// The middle of the text.
    pub(crate) at: (u32, u32),
    /// Whether it reads from bottom to top.
    pub(crate) upright: bool,
}
