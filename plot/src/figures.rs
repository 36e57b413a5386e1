//! All figures, and what they lack.
//!
//! One module a figure, each of which makes marks of what it is given and writes nothing.

mod accuracy;
pub(crate) mod common;
mod layers;
mod ratio;
mod schedules;
mod shares;
mod slices;

use crate::group::Group;
use crate::metrics::{Epoch, Field};
use crate::run::Run;
use crate::scene::{Figure, Mark};
use crate::{Missing, Report, XAxis};

/// What figures are made of.
pub(crate) struct Input<'a> {
    pub(crate) groups: Vec<Group<'a>>,
    pub(crate) runs: &'a [Run],
    pub(crate) x: XAxis,
}

/// A kind of figure.
struct Kind {
    name: &'static str,
    /// What it is drawn from, for messages.
    needs: &'static str,
    /// Whether an older version, or another command not yet, wrote what it needs.
    lacks: fn(&Run) -> bool,
    make: fn(&Input<'_>, &mut Vec<String>) -> Option<Figure>,
}

/// All kinds, in the order of the page.
const KINDS: [Kind; 11] = [
    Kind {
        name: accuracy::LOSS,
        needs: "`train_loss`",
        lacks: |_| false,
        make: |input, _| accuracy::loss(input),
    },
    Kind {
        name: accuracy::ACCURACY,
        needs: "`test_accuracy`",
        lacks: |_| false,
        make: |input, _| accuracy::accuracy(input),
    },
    Kind {
        name: shares::FLIPS,
        needs: "`flip_rate`",
        lacks: |run| without(run, |e| e.flip_rate),
        make: |input, _| shares::flips(input),
    },
    Kind {
        name: layers::FLIPS,
        needs: "`flip_rate` of its layers",
        lacks: no_layers,
        make: |input, _| layers::flips(input),
    },
    Kind {
        name: shares::NEVER_FLIPPED,
        needs: "`never_flipped`",
        lacks: |run| without(run, |e| e.never_flipped),
        make: |input, _| shares::never_flipped(input),
    },
    Kind {
        name: layers::NEVER_FLIPPED,
        needs: "`never_flipped` of its layers",
        lacks: no_layers,
        make: |input, _| layers::never_flipped(input),
    },
    Kind {
        name: shares::SILENT,
        needs: "`silent`",
        lacks: |run| without(run, |e| e.silent),
        make: |input, _| shares::silent(input),
    },
    Kind {
        name: ratio::RATIO,
        needs: "`ags_ratio` above 0",
        lacks: |run| without(run, |e| e.ags_ratio),
        make: ratio::ratio,
    },
    Kind {
        name: schedules::SCHEDULES,
        needs: "`lr`",
        lacks: |_| false,
        make: |input, _| schedules::schedules(input),
    },
    Kind {
        name: slices::LANDSCAPE,
        needs: "2-D slice in `landscape.json`",
        lacks: |run| run.landscape.as_ref().is_none_or(|l| l.loss.is_empty()),
        make: |input, _| slices::landscape(input),
    },
    Kind {
        name: slices::SLICE,
        needs: "1-D slice in `landscape.json`",
        lacks: |run| run.landscape.as_ref().is_none_or(|l| l.loss_1d.is_empty()),
        make: |input, _| slices::slice(input),
    },
];

/// Makes every figure that the runs have data for, and reports the others.
pub(crate) fn all(input: &Input<'_>, report: &mut Report) -> Vec<Figure> {
    let mut figures = Vec::new();
    for kind in &KINDS {
        let Some(mut figure) = (kind.make)(input, &mut report.notes) else {
            let reason = format!("no run has {}", kind.needs);
            report.missing.push(Missing { plot: kind.name, run: None, reason });
            continue;
        };
        if has_bands(&figure) {
            figure.caption.push_str(" Bands reach from the lowest to the highest seed.");
        }
        figures.push(figure);
        for run in input.runs.iter().filter(|run| (kind.lacks)(run)) {
            let run = Some(run.path.clone());
            let reason = format!("the run has no {}", kind.needs);
            report.missing.push(Missing { plot: kind.name, run, reason });
        }
    }
    figures
}

fn has_bands(figure: &Figure) -> bool {
    let band = |mark: &Mark| matches!(mark, Mark::Area { opacity, .. } if *opacity < 1.0);
    figure.panels.iter().flat_map(|panel| &panel.marks).any(band)
}

/// Whether no record of a run has the field, be it `null`.
fn without(run: &Run, field: impl Fn(&Epoch) -> Field) -> bool {
    run.epochs.iter().all(|epoch| field(epoch) == Field::Absent)
}

fn no_layers(run: &Run) -> bool {
    run.epochs.iter().all(|epoch| epoch.layers.is_empty())
}

#[cfg(test)]
mod tests;
