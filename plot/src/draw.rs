//! Draws a figure as SVG.
//!
//! plotters places everything on whole pixels, which would make curves jagged. Everything is
//! therefore drawn [`FINE`] times as large, and the picture's size is set in its first element.

use crate::Error;
use crate::scene::{Dot, Figure, Key, Mark, Panel, Rgb, Stroke, Words};
use crate::style::{GRID, INK};
use crate::ticks::Axis;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Units of the drawing in a pixel.
const FINE: u32 = 10;
/// Fonts in the order of preference; the last is always there.
const FONTS: &str = "Helvetica, Arial, sans-serif";
/// Size of words.
const FONT: f64 = 12.0;
/// Height of a row of the legend.
const LEGEND_ROW: u32 = 20;
/// Length of a line in the legend.
const SAMPLE: f64 = 26.0;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Returns a figure as SVG.
pub(crate) fn svg(figure: &Figure) -> Result<String, Error> {
    let keys = place_legend(figure);
    let rows = keys.iter().map(|(_, _, row)| row + 1).max().unwrap_or(0);
    let top = rows * LEGEND_ROW;
    let (width, height) = (figure.size.0, figure.size.1 + top);
    let mut text = String::new();
    let canvas = SVGBackend::with_string(&mut text, (width * FINE, height * FINE));
    draw(figure, &keys, top, &canvas.into_drawing_area())
        .map_err(|error| Error::Draw { figure: figure.name, reason: error.to_string() })?;
    Ok(with_head(&text, figure, width, height))
}

/// Replaces the first element: sizes in pixels, round corners, and words for those who cannot see
/// the picture.
fn with_head(svg: &str, figure: &Figure, width: u32, height: u32) -> String {
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {} {}\" stroke-linejoin=\"round\" role=\"img\">\n\
         <title>{}</title>\n<desc>{}</desc>{body}",
        width * FINE,
        height * FINE,
        escape(figure.heading),
        escape(&figure.caption),
    )
}

/// Writes a text so that XML and HTML take it literally.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn draw(figure: &Figure, keys: &[(&Key, f64, u32)], top: u32, canvas: &Canvas<'_>) -> Drawn {
    canvas.fill(&WHITE)?;
    for &(key, left, row) in keys {
        draw_key(key, left, f64::from(row * LEGEND_ROW) + 11.0, canvas)?;
    }
    for panel in &figure.panels {
        draw_panel(panel, top, canvas)?;
    }
    for Words { text, at: (x, y), upright } in &figure.words {
        let style = font(FONT, INK).pos(Pos::new(HPos::Center, VPos::Center));
        let turn = if *upright { FontTransform::Rotate270 } else { FontTransform::None };
        let at = (fine(f64::from(*x)), fine(f64::from(y + top)));
        canvas.draw(&Text::new(text.clone(), at, style.transform(turn)))?;
    }
    canvas.present()
}

/// Positions of the legend's entries: left edge and row.
fn place_legend(figure: &Figure) -> Vec<(&Key, f64, u32)> {
    let start = f64::from(figure.legend_left);
    let (mut left, mut row) = (start, 0);
    let mut placed = Vec::new();
    for key in &figure.legend {
        let width = SAMPLE + 6.0 + text_width(&key.text) + 18.0;
        if left > start && left + width > f64::from(figure.size.0) {
            (left, row) = (start, row + 1);
        }
        placed.push((key, left, row));
        left += width;
    }
    placed
}

/// A text's width, on the safe side: fonts differ.
fn text_width(text: &str) -> f64 {
    let wide = |c: char| if "iljftrI.,:;()[]|' ".contains(c) { 0.34 } else { 0.6 };
    text.chars().map(wide).sum::<f64>() * FONT
}

fn draw_key(key: &Key, left: f64, y: f64, canvas: &Canvas<'_>) -> Drawn {
    let ends = [(fine(left), fine(y)), (fine(left + SAMPLE), fine(y))];
    draw_line(&ends, key.stroke, canvas)?;
    if let Some(dot) = key.stroke.dot {
        draw_dot((fine(left + SAMPLE / 2.0), fine(y)), dot, 3.2, key.stroke.color, canvas)?;
    }
    let style = font(FONT, INK).pos(Pos::new(HPos::Left, VPos::Center));
    canvas.draw(&Text::new(key.text.clone(), (fine(left + SAMPLE + 6.0), fine(y)), style))
}

fn draw_panel(panel: &Panel, top: u32, canvas: &Canvas<'_>) -> Drawn {
    let (x, y, w, h) = panel.at;
    let pixels = |n: u32| i32::try_from(n * FINE).expect("bug: figures are small");
    let (left, upper) = (pixels(x), pixels(y + top));
    let area = canvas.clone().shrink((left, upper), (w * FINE, h * FINE));
    // Room for half a label that is centred at the end of an axis.
    let margin = (panel.font * 0.7 * f64::from(FINE)).round();
    let title_room = if panel.title.is_empty() { 0.0 } else { panel.font * 1.5 };
    let mut chart = ChartBuilder::on(&area)
        .margin_top(margin + title_room * f64::from(FINE))
        .margin_right(margin * 1.5)
        .x_label_area_size(panel.room.1 * FINE)
        .y_label_area_size(panel.room.0 * FINE)
        .build_cartesian_2d(Scale::new(&panel.x), Scale::new(&panel.y))?;
    draw_axes(panel, &mut chart)?;
    let at = |p: &(f64, f64)| chart.backend_coord(p);
    for mark in &panel.marks {
        match mark {
            Mark::Line { points, stroke } => {
                let points: Vec<_> = points.iter().map(at).collect();
                draw_line(&points, *stroke, canvas)?;
            }
            Mark::Dots { points, stroke, radius } => {
                for point in points {
                    let dot = stroke.dot.unwrap_or(Dot::Circle);
                    draw_dot(at(point), dot, *radius, stroke.color, canvas)?;
                }
            }
            Mark::Area { outline, color, opacity } => {
                let points: Vec<_> = outline.iter().map(at).collect();
                canvas.draw(&Polygon::new(points, rgb(*color).mix(*opacity).filled()))?;
            }
        }
    }
    if !panel.title.is_empty() {
        let plane = chart.plotting_area().get_pixel_range();
        let at = (plane.0.start, plane.1.start - fine(panel.font * 0.5));
        let style = font(panel.font, INK).pos(Pos::new(HPos::Left, VPos::Bottom));
        canvas.draw(&Text::new(panel.title.clone(), at, style))?;
    }
    Ok(())
}

/// An axis as plotters sees it: a range and the ticks in it.
struct Scale {
    range: (f64, f64),
    ticks: Vec<f64>,
}

impl Scale {
    fn new(axis: &Axis) -> Self {
        Self { range: axis.range, ticks: axis.ticks.iter().map(|tick| tick.0).collect() }
    }
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "a pixel of the drawing")]
    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.range.0) / (self.range.1 - self.range.0);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Lines and labels are at the bold points; there are no lighter ones between.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.range.0..self.range.1
    }
}

/// Draws axes, ticks, labels and the lines across the panel.
fn draw_axes(
    panel: &Panel,
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<Scale, Scale>>,
) -> Drawn {
    let label = |axis: &Axis, at: f64| {
        let tick = axis.ticks.iter().find(|tick| tick.0.to_bits() == at.to_bits());
        tick.map_or_else(String::new, |tick| tick.1.clone())
    };
    let (x_label, y_label) = (|at: &f64| label(&panel.x, *at), |at: &f64| label(&panel.y, *at));
    let many = panel.x.ticks.len().max(panel.y.ticks.len()) + 1;
    let grid = if panel.grid { rgb(GRID).mix(1.0) } else { TRANSPARENT };
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh()
        .x_labels(many)
        .y_labels(many)
        .max_light_lines(0)
        .bold_line_style(grid.stroke_width(7))
        .axis_style(rgb(INK).stroke_width(8))
        .set_all_tick_mark_size(4 * FINE)
        .x_label_formatter(&x_label)
        .y_label_formatter(&y_label)
        .label_style(font(panel.font, INK))
        .axis_desc_style(font(panel.font + 1.0, INK));
    if !panel.x.title.is_empty() {
        mesh.x_desc(&panel.x.title);
    }
    if !panel.y.title.is_empty() {
        mesh.y_desc(&panel.y.title);
    }
    mesh.draw()
}

fn draw_line(points: &[(i32, i32)], stroke: Stroke, canvas: &Canvas<'_>) -> Drawn {
    if stroke.width == 0.0 || points.len() < 2 {
        return Ok(());
    }
    let style = rgb(stroke.color).stroke_width(fine(stroke.width).unsigned_abs());
    let points = points.iter().copied();
    if stroke.dashed {
        return canvas.draw(&DashedPathElement::new(points, 5 * FINE, 3 * FINE, style));
    }
    canvas.draw(&PathElement::new(points.collect::<Vec<_>>(), style))
}

/// Draws a dot with a white edge, so that it stands out from lines.
fn draw_dot(at: (i32, i32), dot: Dot, radius: f64, color: Rgb, canvas: &Canvas<'_>) -> Drawn {
    for (radius, color) in [(radius + 0.8, WHITE), (radius, rgb(color))] {
        let corners = corners(dot);
        if corners.is_empty() {
            canvas.draw(&Circle::new(at, fine(radius), color.filled()))?;
        } else {
            let corner = |(x, y): &(f64, f64)| (at.0 + fine(x * radius), at.1 + fine(y * radius));
            let points: Vec<_> = corners.iter().map(corner).collect();
            canvas.draw(&Polygon::new(points, color.filled()))?;
        }
    }
    Ok(())
}

/// Corners of a dot of radius 1, clockwise; none for a circle. All cover about the same area.
fn corners(dot: Dot) -> Vec<(f64, f64)> {
    match dot {
        Dot::Circle => Vec::new(),
        Dot::Square => vec![(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        Dot::Triangle => vec![(0.0, -1.3), (1.2, 0.9), (-1.2, 0.9)],
        Dot::Diamond => vec![(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        Dot::Star => (0..10)
            .map(|i| {
                let radius = if i % 2 == 0 { 1.5 } else { 0.65 };
                let angle = f64::from(i) * std::f64::consts::PI / 5.0;
                (radius * angle.sin(), -radius * angle.cos())
            })
            .collect(),
    }
}

/// Pixels of the figure in units of the drawing.
#[expect(clippy::cast_possible_truncation, reason = "figures are small")]
fn fine(pixels: f64) -> i32 {
    (pixels * f64::from(FINE)).round() as i32
}

fn rgb((r, g, b): Rgb) -> RGBColor {
    RGBColor(r, g, b)
}

/// A font of a size in pixels; plotters divides by 1.24.
fn font(size: f64, color: Rgb) -> TextStyle<'static> {
    let size = (size * f64::from(FINE) * 1.24).round();
    FontDesc::new(FontFamily::Name(FONTS), size, FontStyle::Normal).color(&rgb(color))
}
