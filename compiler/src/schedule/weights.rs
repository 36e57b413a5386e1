//! Contents of the weight and parameter columns: microarchitecture.md, section 4.

use super::steps::{ScheduledStep, Window};
use crate::plan::{Layer, Output};
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Network, OpKind, Threshold};
use heartbit_ir::program::{ArrayConfig, LaneMemory, Parameter};

/// Weight and parameter words of every column.
pub(super) struct ColumnMemories {
    array: ArrayConfig,
    weights: Vec<LaneMemory>,
    parameters: Vec<Vec<Parameter>>,
}

impl ColumnMemories {
    pub(super) fn new(array: ArrayConfig) -> Self {
        Self {
            array,
            weights: vec![LaneMemory::ones(array.lanes, 0); array.cols],
            parameters: vec![Vec::new(); array.cols],
        }
    }

    pub(super) fn weight_words(&self) -> usize {
        self.weights[0].len()
    }

    pub(super) fn parameter_words(&self) -> usize {
        self.parameters[0].len()
    }

    /// Adds the weights of a layer in the order of its steps; returns the first word.
    pub(super) fn push_weights(
        &mut self,
        layer: &Layer,
        weights: &Levels,
        window: &Window<'_>,
        steps: &[ScheduledStep],
        col_tiles: usize,
    ) -> usize {
        let base = self.weight_words();
        for column in &mut self.weights {
            column.extend_ones(col_tiles * steps.len());
        }
        let taps = window.kernel * window.kernel;
        for (tile, col, &channel) in tiles(&self.array, col_tiles, &layer.out_order) {
            for (index, step) in steps.iter().enumerate() {
                let word = base + tile * steps.len() + index;
                let row = channel * taps + step.tap;
                for (p, lane) in window.channels.in_word(step.word) {
                    if !weights.planes()[step.weight_plane].get(row, layer.in_order[p]) {
                        self.weights[col].set(word, lane, false);
                    }
                }
            }
        }
        base
    }

    /// Adds the parameters of a layer; returns the first word.
    pub(super) fn push_parameters(
        &mut self,
        network: &Network,
        layer: &Layer,
        col_tiles: usize,
    ) -> usize {
        let base = self.parameter_words();
        for column in &mut self.parameters {
            column.resize(base + col_tiles, Parameter::default());
        }
        for (tile, col, &channel) in tiles(&self.array, col_tiles, &layer.out_order) {
            self.parameters[col][base + tile] = parameter(network, layer, channel);
        }
        base
    }

    pub(super) fn into_memories(self) -> (Vec<LaneMemory>, Vec<Vec<Parameter>>) {
        (self.weights, self.parameters)
    }
}

/// Column tile, column and logical channel of every output channel.
fn tiles<'a>(
    array: &ArrayConfig,
    col_tiles: usize,
    order: &'a [usize],
) -> impl Iterator<Item = (usize, usize, &'a usize)> {
    let cols = array.cols;
    debug_assert!(order.len() <= col_tiles * cols, "bug: more channels than columns");
    order.iter().enumerate().map(move |(p, channel)| (p / cols, p % cols, channel))
}

/// A threshold is a requantization by ±1 whose sign is the comparison; logits are one by 1.
fn parameter(network: &Network, layer: &Layer, channel: usize) -> Parameter {
    let value = match layer.output {
        Output::Stream { requantize: id, .. }
        | Output::Bits { threshold: id }
        | Output::Logits { logits: id } => id,
    };
    // Sums are far below 2^30, so a larger threshold compares like 2^30.
    let limit = |t: i32| t.clamp(-(1 << 30), 1 << 30);
    let (mul, bias) = match &network.ops[value].kind {
        OpKind::Requantize { mul, bias, .. } => (mul[channel], bias[channel]),
        OpKind::Logits { bias, .. } => (1, bias[channel]),
        OpKind::Threshold { thresholds, .. } => match thresholds[channel] {
            Threshold::AtLeast(t) => (1, -limit(t)),
            Threshold::AtMost(t) => (-1, limit(t)),
            Threshold::Constant(plus) => (0, if plus { 0 } else { -1 }),
        },
        _ => unreachable!("bug: a plan's output is one of these"),
    };
    Parameter { mul: i16::try_from(mul).expect("bug: validated"), bias }
}
