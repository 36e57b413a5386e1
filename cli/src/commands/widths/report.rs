//! What a choice of widths says: whose accuracy it is, on how many images, and how sure.

use super::Hardware;
use crate::args::WidthsArgs;
use crate::output::{Table, grouped, percent, share, wrapped};
use heartbit_compiler::widths::{Found, Point, Score, Space, Walk, Width};
use serde_json::{Value, json};

/// A choice with all that it came from.
pub(super) struct Report<'a> {
    pub(super) args: &'a WidthsArgs,
    pub(super) arch: &'a str,
    pub(super) space: &'a Space,
    pub(super) found: &'a Found,
    pub(super) hardware: &'a Hardware,
}

impl Report<'_> {
    pub(super) fn json(&self) -> Value {
        let Found { walk, refused, .. } = self.found;
        let a = self.hardware.array;
        let points = |points: &mut dyn Iterator<Item = &Point>| -> Vec<Value> {
            points.map(|point| self.point_json(point)).collect()
        };
        json!({
            "schema": 1,
            "arch": self.arch,
            "dataset": self.args.data.dataset.name(),
            "images": self.own().images,
            "array": {
                "rows": a.rows, "cols": a.cols, "lanes": a.lanes, "taps": a.taps, "lines": a.lines,
            },
            "fpga": self.hardware.fpga.as_ref().map(crate::fpga::Fpga::json),
            "tolerance": self.args.tolerance / 100.0,
            "walk": walk_name(*walk),
            "combinations": self.space.combinations(),
            "refused": refused,
            "own": self.point_json(self.found.own()),
            "chosen": self.point_json(self.found.chosen()),
            "front": points(&mut self.found.front().into_iter()),
            "measured": points(&mut self.found.points.iter()),
            "out": self.args.out.as_ref().map(|out| out.to_string_lossy()),
        })
    }

    fn point_json(&self, point: &Point) -> Value {
        let s = &point.score;
        let requantized = point != self.found.own();
        json!({
            "grid": point.grid,
            "requantized": requantized,
            "cycles": point.cycles,
            "correct": s.correct,
            "accuracy": s.accuracy(),
            "accuracy_error": s.accuracy_error(),
            "difference": s.difference(),
            "difference_error": if requantized { s.difference_error() } else { 0.0 },
            "gained": s.gained,
            "lost": s.lost,
            "agreement": s.agreement(),
        })
    }

    pub(super) fn text(&self) -> String {
        let a = self.hardware.array;
        let on = self.hardware.fpga.as_ref().map_or(String::new(), |f| format!(" of {}", f.name));
        format!(
            "{} on {}x{}x{}{on}, {} images of {}\n{}\n\n{}\n{}{}",
            self.arch,
            a.rows,
            a.cols,
            a.lanes,
            grouped(self.own().images as u64),
            self.args.data.dataset,
            self.extent(),
            self.table(),
            LEGEND,
            self.choice(),
        )
    }

    /// What was looked at, in a sentence.
    fn extent(&self) -> String {
        let Found { walk, refused, points, .. } = self.found;
        let how = match walk {
            Walk::Exhaustive => "all",
            Walk::Descent => "a descent from the own grid through the",
        };
        let refused = match refused {
            0 => String::new(),
            n => format!(", {} of which are not executed here", grouped(*n as u64)),
        };
        format!(
            "{} grids measured: {how} {} combinations of widths{refused}",
            grouped(points.len() as u64),
            grouped(self.space.combinations() as u64),
        )
    }

    /// The front, with the own grid where it is not on it.
    fn table(&self) -> String {
        let (own, chosen) = (self.found.own(), self.found.chosen());
        let mut points = self.found.front();
        for point in [own, chosen] {
            if !points.contains(&point) {
                points.push(point);
            }
        }
        points.sort_by_key(|point| point.cycles);
        // All widths in one column, since five of their own would not fit a terminal.
        let widths: Vec<Width> = self.space.widths().collect();
        let titles = ["", "bits", "cycles", "accuracy", "±", "to own grid", "±", "same class"];
        let mut table = Table::new(&titles);
        for point in points {
            let mark = match (point == own, point == chosen) {
                (true, true) => "own, chosen",
                (true, false) => "own grid",
                (false, true) => "chosen",
                (false, false) => "",
            };
            let bits = widths.iter().map(|width| width.of(&point.grid).to_string());
            let bits = bits.collect::<Vec<_>>().join(" ");
            let mut cells = vec![mark.to_owned(), bits, grouped(point.cycles)];
            cells.extend(score_cells(&point.score, point == own));
            table.row(cells);
        }
        let names: Vec<String> = widths.iter().map(Width::to_string).collect();
        format!("{}\nbits of {}\n", table.render(), names.join(", "))
    }

    /// What was chosen, and how far that can be relied on.
    fn choice(&self) -> String {
        let (own, chosen) = (self.found.own(), self.found.chosen());
        let images = grouped(self.own().images as u64);
        if own == chosen {
            let chosen = format!(
                "chosen: the checkpoint's own grid; none of fewer cycles is within {} points of \
                 it on these {images} images",
                self.args.tolerance,
            );
            return wrapped(&chosen) + "\n" + &self.wrote();
        }
        let s = &chosen.score;
        let noise = if self.args.tolerance / 100.0 < s.difference_error() {
            let less = format!(
                "the tolerance of {} points is less than the standard error of that difference: \
                 {images} images do not tell; give more",
                self.args.tolerance
            );
            wrapped(&less) + "\n"
        } else {
            String::new()
        };
        let accuracy = format!(
            "accuracy of the re-quantized network {}, of the own grid's {}, on the same {images} \
             images: {} points ± {}; the same class on {}",
            percent(s.accuracy()),
            percent(self.own().accuracy()),
            signed_points(s.difference()),
            points(s.difference_error()),
            percent(s.agreement()),
        );
        format!(
            "chosen: {} of {} cycles ({}), a re-quantization\n{}\n{noise}{}\n{}",
            grouped(chosen.cycles),
            grouped(own.cycles),
            percent(share(chosen.cycles, own.cycles)),
            wrapped(&accuracy),
            wrapped(ON_OTHERS),
            self.wrote(),
        )
    }

    fn wrote(&self) -> String {
        match &self.args.out {
            Some(out) => format!("wrote {}\n", out.display()),
            None => "nothing was written: `--out FILE.hbn` writes the chosen network\n".to_owned(),
        }
    }

    fn own(&self) -> &Score {
        &self.found.own().score
    }
}

const ON_OTHERS: &str = "It was chosen on these images, so its accuracy on others is likely lower: \
                         `heartbit eval` measures it there.";

const LEGEND: &str = "\
± is one standard error, in points. Each accuracy is that of the network on its
own row: all but the own grid's are re-quantizations, the same parameters on a
grid where they were not trained. Same class: as the own grid's network says.

";

fn walk_name(walk: Walk) -> &'static str {
    match walk {
        Walk::Exhaustive => "exhaustive",
        Walk::Descent => "descent",
    }
}

fn score_cells(score: &Score, own: bool) -> [String; 5] {
    let compared = |text: String| if own { "-".to_owned() } else { text };
    [
        percent(score.accuracy()),
        points(score.accuracy_error()),
        compared(signed_points(score.difference())),
        compared(points(score.difference_error())),
        compared(percent(score.agreement())),
    ]
}

/// Writes a share as percentage points.
fn points(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

/// As [`points`], with the sign of what is not nothing.
fn signed_points(share: f64) -> String {
    if share == 0.0 { points(0.0) } else { format!("{:+.2}", 100.0 * share) }
}
