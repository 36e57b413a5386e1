//! Loss and accuracy over the epochs.

use super::Input;
use super::common::{curves, legend, marks, percentages, range, single, x_axis};
use crate::metrics::Field;
use crate::scene::{Figure, Key, Mark, Stroke};
use crate::style;
use crate::ticks::Axis;

pub(crate) const LOSS: &str = "loss";
pub(crate) const ACCURACY: &str = "accuracy";

/// Training loss.
pub(crate) fn loss(input: &Input<'_>) -> Option<Figure> {
    let curves = curves(input, &|e| Field::Value(e.train_loss));
    let (lo, hi) = (!curves.is_empty()).then(|| range(&curves))?;
    let y = Axis::around(lo, hi, 6).titled("training loss, nats");
    Some(single(
        (LOSS, "Training loss"),
        "Mean cross-entropy of the training images while training.",
        legend(input, &curves),
        (x_axis(input, 8), y),
        marks(&curves, 9, |v| v, |s| s),
    ))
}

/// Training accuracy, dashed, and test accuracy.
pub(crate) fn accuracy(input: &Input<'_>) -> Option<Figure> {
    let test = percentages(input, &|e| Field::Value(e.test_accuracy));
    let train = percentages(input, &|e| Field::Value(e.train_accuracy));
    let (lo, hi) = (!test.is_empty()).then(|| range(test.iter().chain(&train)))?;
    let dashed = |s: Stroke| Stroke { dashed: true, width: 1.1, dot: None, ..s };
    // Dashed lines without their range, which would cover that of the test accuracy.
    let train = marks(&train, 1, |v| v, dashed);
    let lines = train.into_iter().filter(|mark| !matches!(mark, Mark::Area { .. }));
    let marks = lines.chain(marks(&test, 9, |v| v, |s| s)).collect();
    let solid = Stroke { dashed: false, width: 1.6, ..style::reference() };
    let mut keys = legend(input, &test);
    keys.push(Key { text: "test".to_owned(), stroke: solid });
    keys.push(Key { text: "training".to_owned(), stroke: style::reference() });
    Some(single(
        (ACCURACY, "Accuracy"),
        "Top-1 accuracy after each epoch: test images (solid), and training images while training \
         (dashed; mean over seeds).",
        keys,
        (x_axis(input, 8), Axis::around(lo, hi, 7).titled("top-1 accuracy, %")),
        marks,
    ))
}
