//! Learning rate and ReCU's tau, as they were set.

use super::Input;
use super::common::{FONT, Indexed, ROOM, curves, legend, marks, range, x_axis};
use crate::metrics::Field;
use crate::scene::{Figure, Panel};
use crate::ticks::Axis;

pub(crate) const SCHEDULES: &str = "schedules";

const WIDTH: u32 = 400;
const HEIGHT: u32 = 280;

/// Learning rate, and beside it tau where a run has one.
pub(crate) fn schedules(input: &Input<'_>) -> Option<Figure> {
    let lr = curves(input, &|e| Field::Value(e.lr));
    let tau = curves(input, &|e| e.tau);
    let (_, hi) = (!lr.is_empty()).then(|| range(&lr))?;
    let mut panels = vec![panel(input, 0, &lr, Axis::around(0.0, hi, 5).titled("learning rate"))];
    if !tau.is_empty() {
        let (lo, hi) = range(&tau);
        panels.push(panel(input, WIDTH, &tau, Axis::around(lo, hi, 5).titled("τ")));
    }
    Some(Figure {
        name: SCHEDULES,
        heading: "Schedules",
        caption: "Learning rate of each epoch, and the quantile τ at which ReCU clamps weights."
            .to_owned(),
        size: (if tau.is_empty() { WIDTH } else { 2 * WIDTH }, HEIGHT),
        legend: legend(input, &lr),
        legend_left: ROOM.0,
        panels,
        words: Vec::new(),
    })
}

fn panel(input: &Input<'_>, left: u32, curves: &[Indexed], y: Axis) -> Panel {
    Panel {
        at: (left, 0, WIDTH, HEIGHT),
        room: ROOM,
        title: String::new(),
        x: x_axis(input, 6),
        y,
        grid: true,
        font: FONT,
        marks: marks(curves, 7, |v| v, |s| s),
    }
}
