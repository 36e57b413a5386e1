//! The ratio that adaptive gradient scaling bounds from below.

use super::Input;
use super::common::{curves, legend, marks, range, single, x_axis};
use crate::metrics::{Epoch, Field};
use crate::run::Run;
use crate::scene::{Figure, Key, Mark};
use crate::style;
use crate::ticks::Axis;

pub(crate) const RATIO: &str = "ags-ratio";

/// Gradient's norm over the weights' norm, on a logarithmic axis.
pub(crate) fn ratio(input: &Input<'_>, notes: &mut Vec<String>) -> Option<Figure> {
    for run in input.runs {
        let zeros = run.epochs.iter().filter(|e| e.ags_ratio == Field::Value(0.0)).count();
        if zeros > 0 {
            let path = run.path.display();
            notes.push(format!("`{path}`: {RATIO} leaves out {zeros} epochs whose ratio is 0"));
        }
    }
    let positive = |e: &Epoch| match e.ags_ratio {
        Field::Value(0.0) => Field::NotApplicable,
        other => other,
    };
    let curves = curves(input, &positive);
    let (lo, hi) = (!curves.is_empty()).then(|| range(&curves))?;
    let lambda = lambda(input.runs);
    let (lo, hi) = lambda.map_or((lo, hi), |lambda| (lo.min(lambda), hi.max(lambda)));
    let x = x_axis(input, 8);
    let mut keys = legend(input, &curves);
    let mut lines = marks(&curves, 9, f64::log10, |s| s);
    if let Some(lambda) = lambda {
        let points = vec![(x.range.0, lambda.log10()), (x.range.1, lambda.log10())];
        lines.insert(0, Mark::Line { points, stroke: style::reference() });
        keys.push(Key { text: format!("λ = {lambda}"), stroke: style::reference() });
    }
    Some(single(
        (RATIO, "Gradient over weights"),
        "Mean over the filters of all binary layers of the norm of the gradient over the norm of \
         the weights, before adaptive gradient scaling lifts it to λ.",
        keys,
        (x, Axis::logarithmic(lo, hi).titled("‖gradient‖ / ‖weights‖")),
        lines,
    ))
}

/// Lambda, where all runs that have one agree.
fn lambda(runs: &[Run]) -> Option<f64> {
    let mut all = runs.iter().filter_map(Run::ags_lambda);
    let first = all.next()?;
    #[expect(clippy::float_cmp, reason = "the same setting, read from text")]
    all.all(|other| other == first).then_some(first)
}
