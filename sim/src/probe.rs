//! A probe at one processing element: its words, step by step, in one tile of an image.
//!
//! Sections 4 and 5 of microarchitecture.md. Only [`Simulator::probe`] pays for it: a run without a
//! probe is compiled without one.
//!
//! Not here: which element is of interest, and what its words should be (`compiler`).

use crate::array::{Array, weights};
use crate::error::Error;
use crate::plan::{LayerPlan, Plan};
use crate::sequencer::Issue;
use crate::simulator::Simulator;
use crate::step::{Source, lane_bits};
use heartbit_ir::program::{PePlace, PeTrace, StepTrace, Tokens};
use std::sync::Arc;

impl Simulator {
    /// Executes one image and returns what a processing element meets in one tile.
    ///
    /// # Errors
    /// The same as [`Simulator::run`], and [`Error::Probe`] for a place that the program or the
    /// array does not have.
    pub fn probe(&mut self, image: &[u8], place: &PePlace) -> Result<PeTrace, Error> {
        let plan = Arc::clone(self.plan());
        check(&plan, place)?;
        let mut trace = PeTrace::default();
        self.execute(image, None, Vec::new(), |at, array| {
            if is_of(at, place) {
                trace.steps.push(step(&plan, at, place, array));
                trace.products = array.products[place.row].into();
            }
        })?;
        let mask = u64::MAX >> (64 - plan.array.acc_bits);
        trace.products &= mask;
        let sum = trace.steps.last().map_or(0, |step| step.matches);
        (trace.drain, trace.matches) = (sum, sum);
        if let Some(word) = parameter_word(&plan, place) {
            let parameter = &plan.parameters[word * plan.cols + place.col];
            (trace.mul, trace.bias) = (parameter.mul.into(), parameter.bias);
        }
        Ok(trace)
    }
}

fn check(plan: &Plan, place: &PePlace) -> Result<(), Error> {
    let below = |field, value, limit| {
        if value < limit { Ok(()) } else { Err(Error::Probe { field, value, limit }) }
    };
    below("layer", place.layer, plan.layers.len())?;
    let layer = &plan.layers[place.layer];
    below("column tile", place.column_tile, layer.d.col_tiles.into())?;
    below("row of tiles", place.tile_row, layer.tile_rows)?;
    below("tile", place.tile, layer.d.row_tiles.into())?;
    below("row", place.row, plan.rows)?;
    below("column", place.col, plan.cols)
}

fn is_of(at: &Issue, place: &PePlace) -> bool {
    let tile = (place.layer, place.column_tile, place.tile_row, place.tile);
    (at.layer, at.ct, at.t, at.xt) == tile
}

/// What the element met in the step that was executed last.
fn step(plan: &Plan, at: &Issue, place: &PePlace, array: &mut Array) -> StepTrace {
    let layer = &plan.layers[at.layer];
    let op = &layer.ops[at.step];
    let valid = valid_lanes(plan, layer, at, place.row);
    let group = plan.array.group_lanes();
    let mask = u64::MAX >> (64 - plan.array.acc_bits);
    StepTrace {
        activation: (0..plan.limbs)
            .map(|limb| array.operand(limb, place.row) & valid[limb])
            .collect(),
        weight: weight(plan, layer, at, place.col),
        valid: (0..plan.array.taps)
            .map(|g| valid[g * group / 64] >> (g * group % 64) & 1 == 1)
            .collect(),
        tokens: Tokens { first: at.step == 0, double: op.double && at.step > 0, last: at.last },
        matches: u64::from(array.settled(plan, place.row, place.col)) & mask,
    }
}

/// The lanes of the groups whose tap is valid for a row.
fn valid_lanes(plan: &Plan, layer: &LayerPlan, at: &Issue, row: usize) -> Vec<u64> {
    let mut valid = vec![0; plan.limbs];
    match &layer.ops[at.step].source {
        Source::Image(_) => return lane_bits(plan.array.lanes, |_| true),
        Source::Map { taps, .. } => {
            let has_row = |ranges: crate::rows::Rows| ranges.ranges().any(|r| r.contains(&row));
            let tile = (at.t, at.xt);
            for tap in taps.iter().filter(|tap| has_row(tap.rows(tile, layer.lines, layer.pitch))) {
                valid.iter_mut().zip(&tap.lanes).for_each(|(valid, lanes)| *valid |= lanes);
            }
        }
    }
    valid
}

/// The weight word of a column, as the page has it.
fn weight(plan: &Plan, layer: &LayerPlan, at: &Issue, col: usize) -> Vec<u64> {
    let (words, fields) = (weights(plan, layer, at), 64 / plan.field_bits);
    let lanes = lane_bits(plan.array.lanes, |_| true);
    let field =
        |limb: usize| words[limb * plan.packed + col / fields] >> (col % fields * plan.field_bits);
    lanes.iter().enumerate().map(|(limb, lanes)| !field(limb) & lanes).collect()
}

/// The parameter word of the row's pixel, if it is inside the map.
fn parameter_word(plan: &Plan, place: &PePlace) -> Option<usize> {
    let layer = &plan.layers[place.layer];
    let y = place.tile_row * layer.lines + place.row / layer.pitch;
    let x = place.tile * plan.rows + place.row % layer.pitch;
    let inside = y < usize::from(layer.d.out_height) && x < usize::from(layer.d.out_width);
    inside.then(|| layer.parameter_word(place.column_tile, y, x))
}
