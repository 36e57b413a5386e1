//! Rooflines on logarithmic axes: what a layer gets of the array, against what its operands allow.

use super::at;
use maud::{Markup, html};

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 40.0;

/// What bounds the layers, and where they are.
pub(crate) struct Roofline {
    /// Names the figure among others on the page.
    pub(crate) id: &'static str,
    /// What it shows.
    pub(crate) title: String,
    /// Products of a cycle that the array can do.
    pub(crate) peak: f64,
    /// Operand bits of a cycle that come in.
    pub(crate) bandwidth: f64,
    /// What the x axis counts.
    pub(crate) x: &'static str,
    /// The layers.
    pub(crate) points: Vec<Point>,
}

/// A layer.
pub(crate) struct Point {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// Products an operand bit.
    pub(crate) intensity: f64,
    /// Products a cycle.
    pub(crate) rate: f64,
}

/// A logarithmic axis.
struct Axis {
    /// Decimal logarithms of its ends.
    ends: [f64; 2],
    /// Where it is drawn.
    span: [f64; 2],
}

impl Axis {
    /// An axis around positive values, with some room.
    fn around(values: impl Iterator<Item = f64> + Clone, span: [f64; 2]) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(0.0, f64::max);
        Self { ends: [(low / 1.4).log10(), (high * 1.6).log10()], span }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.log10() - self.ends[0]) / (self.ends[1] - self.ends[0]);
        self.span[0] + share * (self.span[1] - self.span[0])
    }

    fn low(&self) -> f64 {
        10f64.powf(self.ends[0])
    }

    fn high(&self) -> f64 {
        10f64.powf(self.ends[1])
    }

    /// Powers of two inside, few enough to be read.
    fn ticks(&self) -> Vec<f64> {
        let (low, high) = (self.low().log2().ceil(), self.high().log2().floor());
        let every = ((high - low + 1.0) / 7.0).ceil().max(1.0);
        let mut ticks = Vec::new();
        let mut power = (low / every).ceil() * every;
        while power <= high {
            ticks.push(2f64.powf(power));
            power += every;
        }
        ticks
    }
}

/// Draws a roofline; `None` without a point.
pub(crate) fn roofline(roofline: &Roofline) -> Option<Markup> {
    if roofline.points.is_empty() {
        return None;
    }
    let Roofline { id, peak, bandwidth, .. } = roofline;
    let floor = HEIGHT - BOTTOM;
    let ridge = peak / bandwidth;
    let points = &roofline.points;
    let intensities = points.iter().map(|p| p.intensity).chain([ridge]);
    let x = Axis::around(intensities, [LEFT, WIDTH - RIGHT]);
    let y = Axis::around(points.iter().map(|p| p.rate).chain([*peak]), [floor, TOP]);
    // The slope enters through the left side or through the floor.
    let enters = x.low().max(y.low() / bandwidth);
    let roof = format!(
        "M{} {}L{} {}H{}",
        at(x.at(enters)),
        at(y.at(enters * bandwidth)),
        at(x.at(ridge)),
        at(y.at(*peak)),
        at(WIDTH - RIGHT)
    );
    Some(html! {
        svg.figure viewBox={ "0 0 " (at(WIDTH)) " " (at(HEIGHT)) } role="img"
            aria-labelledby={ (id) "-title " (id) "-text" } {
            title id={ (id) "-title" } { (roofline.title) }
            desc id={ (id) "-text" } { (description(roofline)) }
            @for tick in y.ticks() {
                path.grid d={ "M" (at(LEFT)) " " (at(y.at(tick))) "H" (at(WIDTH - RIGHT)) } {}
                text.tick x=(at(LEFT - 5.0)) y=(at(y.at(tick) + 4.0)) text-anchor="end" { (tick) }
            }
            @for tick in x.ticks() {
                path.grid d={ "M" (at(x.at(tick))) " " (at(TOP)) "V" (at(floor)) } {}
                text.tick x=(at(x.at(tick))) y=(at(floor + 14.0)) text-anchor="middle" { (tick) }
            }
            path.roof d=(roof) {}
            text.label x=(at(WIDTH - RIGHT - 2.0)) y=(at(y.at(*peak) - 5.0)) text-anchor="end" {
                "peak " (at(*peak))
            }
            @for point in points { (mark(point, x.at(point.intensity), y.at(point.rate))) }
            @for point in named(points) {
                @let (left, middle) = (x.at(point.intensity), y.at(point.rate) + 4.0);
                @if left > WIDTH / 2.0 {
                    text.label x=(at(left - 9.0)) y=(at(middle)) text-anchor="end" { (point.name) }
                } @else {
                    text.label x=(at(left + 9.0)) y=(at(middle)) { (point.name) }
                }
            }
            path.axis d={ "M" (at(LEFT)) " " (at(TOP)) "V" (at(floor)) "H" (at(WIDTH - RIGHT)) } {}
            text.soft x=(at(f64::midpoint(LEFT, WIDTH - RIGHT))) y=(at(HEIGHT - 6.0))
                text-anchor="middle" { (roofline.x) }
            text.soft transform={ "translate(11 " (at(f64::midpoint(TOP, floor))) ") rotate(-90)" }
                text-anchor="middle" { "bMAC a cycle" }
        }
    })
}

/// The layers that get least of the array, which a reader looks for; none is close to another.
fn named(points: &[Point]) -> Vec<&Point> {
    let mut sorted: Vec<&Point> = points.iter().collect();
    sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let mut named: Vec<&Point> = Vec::new();
    for point in sorted {
        let close = |other: &&Point| (point.rate / other.rate).ln().abs() < 0.12;
        if named.len() < 3 && !named.iter().any(close) {
            named.push(point);
        }
    }
    named
}

/// A mark whose shape is the kind of the layer.
fn mark(point: &Point, x: f64, y: f64) -> Markup {
    let path = match point.kind {
        "stem" => format!("M{} {}h9v9h-9z", at(x - 4.5), at(y - 4.5)),
        "head" => format!("M{} {}l5.5 9.5h-11z", at(x), at(y - 6.0)),
        "real" => format!("M{} {}l6 6l-6 6l-6 -6z", at(x), at(y - 6.0)),
        _ => format!("M{} {}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z", at(x - 4.5), at(y)),
    };
    html! {
        path class={ "mark kind-" (point.kind) } d=(path) {
            title {
                (point.name) ", " (point.kind) ": " (at(point.rate)) " bMAC a cycle, "
                (at(point.intensity)) " a bit"
            }
        }
    }
}

fn description(roofline: &Roofline) -> String {
    let Roofline { peak, bandwidth, points, .. } = roofline;
    format!(
        "A slope of {} operand bits a cycle meets the peak of {} products a cycle at {} products a \
         bit. {} layers lie below. The table below has their figures.",
        at(*bandwidth),
        at(*peak),
        at(peak / bandwidth),
        points.len()
    )
}
