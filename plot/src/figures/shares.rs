//! Shares of the binary weights over the epochs: flipped, never flipped, silent.

use super::Input;
use super::common::{Indexed, legend, marks, percentages, range, single, x_axis};
use crate::curve::Quantity;
use crate::scene::Figure;
use crate::ticks::Axis;

pub(crate) const FLIPS: &str = "flips";
pub(crate) const NEVER_FLIPPED: &str = "never-flipped";
pub(crate) const SILENT: &str = "silent";

/// Weights flipped in each epoch.
pub(crate) fn flips(input: &Input<'_>) -> Option<Figure> {
    share(
        input,
        &|e| e.flip_rate,
        (FLIPS, "Weight flips"),
        "Binary weights of all layers whose sign at the end of an epoch differs from that at its \
         start.",
        "weights flipped in the epoch, %",
    )
}

/// Weights that have never flipped.
pub(crate) fn never_flipped(input: &Input<'_>) -> Option<Figure> {
    share(
        input,
        &|e| e.never_flipped,
        (NEVER_FLIPPED, "Weights that never flipped"),
        "Binary weights of all layers whose sign has not changed in any step since training began.",
        "weights never flipped so far, %",
    )
}

/// Silent weights.
pub(crate) fn silent(input: &Input<'_>) -> Option<Figure> {
    share(
        input,
        &|e| e.silent,
        (SILENT, "Silent weights"),
        "Binary weights of all layers whose moving average of flips is below the bound of \
         silence-aware decaying.",
        "silent weights, %",
    )
}

fn share(
    input: &Input<'_>,
    quantity: Quantity<'_>,
    name: (&'static str, &'static str),
    caption: &str,
    title: &str,
) -> Option<Figure> {
    let curves = percentages(input, quantity);
    let y = (!curves.is_empty()).then(|| axis(&curves))?.titled(title);
    let marks = marks(&curves, 9, |v| v, |s| s);
    Some(single(name, caption, legend(input, &curves), (x_axis(input, 8), y), marks))
}

/// A percentage from 0, to 100 where the data reach into the upper half.
pub(crate) fn axis(curves: &[Indexed]) -> Axis {
    let (_, hi) = range(curves);
    if hi > 50.0 { Axis::around(0.0, 100.0, 5) } else { Axis::around(0.0, hi, 6) }
}
