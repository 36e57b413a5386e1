//! Contents of the weight and parameter columns: microarchitecture.md, sections 3.3 and 4.3.

use super::Contents;
use super::stem::StemOffsets;
use super::steps::ScheduledStep;
use crate::plan::{Layer, ShortcutKind, WrittenMap};
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Element, Extreme, Network, OpKind, Threshold, ValueType};
use heartbit_ir::program::{ArrayConfig, LaneMemory, Parameter};
use std::ops::Range;

/// Largest threshold of a stream that means something; beyond it lies no value.
const THRESHOLD_LIMIT: i32 = 1 << 15;
/// Sums are far below, so a larger threshold compares like this one.
const SUM_LIMIT: i32 = 1 << 30;

/// Weight and parameter words of every column.
pub(super) struct ColumnMemories {
    array: ArrayConfig,
    weight_words: usize,
    /// Words that passes find, whatever is in them.
    reserved: usize,
    parameter_words: usize,
    /// Words in the memory, and words that are streamed. No column where words are counted only.
    pub(super) weights: [Vec<LaneMemory>; 2],
    pub(super) parameters: Vec<Vec<Parameter>>,
}

impl ColumnMemories {
    pub(super) fn new(array: ArrayConfig, contents: Contents) -> Self {
        let columns = match contents {
            Contents::Built => array.cols,
            Contents::Counted => 0,
        };
        Self {
            array,
            weight_words: 0,
            reserved: 0,
            parameter_words: 0,
            weights: [(); 2].map(|()| vec![LaneMemory::ones(array.lanes, 0); columns]),
            parameters: vec![Vec::new(); columns],
        }
    }

    pub(super) fn weight_words(&self) -> usize {
        self.weight_words
    }

    pub(super) fn parameter_words(&self) -> usize {
        self.parameter_words
    }

    /// Whether words are counted and not made.
    fn is_counted(&self) -> bool {
        self.parameters.is_empty()
    }

    /// Adds the weights of a layer in the order of its steps; returns where they are.
    pub(super) fn push_weights(
        &mut self,
        out_order: &[usize],
        weights: &Levels,
        steps: &[ScheduledStep],
    ) -> Range<usize> {
        let base = self.weight_words();
        let words = out_order.len().div_ceil(self.array.cols) * steps.len();
        self.extend_weights(words);
        if self.is_counted() {
            return base..base + words;
        }
        let rows_of_channel = weights.rows() / out_order.len();
        for (tile, col, &channel) in tiles(&self.array, out_order) {
            for (index, step) in steps.iter().enumerate() {
                let word = base + tile * steps.len() + index;
                for weight in &step.lanes {
                    let row = channel * rows_of_channel + weight.row;
                    if !weights.planes()[weight.plane].get(row, weight.column) {
                        self.weights[0][col].set(word, weight.lane, false);
                    }
                }
            }
        }
        base..base + words
    }

    /// Takes the words of some layers out of the memory, in the order in which they are used, and
    /// puts a ring in front of the others; returns the words of the memory.
    pub(super) fn stream(
        &mut self,
        layers: &mut [Range<usize>],
        streamed: &[bool],
        ring: usize,
    ) -> usize {
        let none = vec![LaneMemory::ones(self.array.lanes, 0); self.weights[0].len()];
        let all = std::mem::replace(&mut self.weights[0], none);
        self.weight_words = ring;
        for (words, &streamed) in layers.iter_mut().zip(streamed) {
            let columns = &mut self.weights[usize::from(streamed)];
            for (column, all) in columns.iter_mut().zip(&all) {
                column.extend_from(all, words.clone());
            }
            let n = words.len();
            // A pass has no words, and finds the first ones.
            let base = match (streamed, n) {
                (true, _) => 0,
                (false, 0) => ring,
                (false, _) => self.weight_words,
            };
            *words = base..base + n;
            self.weight_words += if streamed { 0 } else { n };
        }
        self.make_room(ring + self.reserved);
        self.weight_words
    }

    /// Makes sure that a pass, whose one step counts nothing, finds a word for each column tile.
    pub(super) fn reserve(&mut self, words: usize) {
        self.reserved = self.reserved.max(words);
        self.make_room(words);
    }

    /// Words that passes find.
    pub(super) fn reserved(&self) -> usize {
        self.reserved
    }

    fn make_room(&mut self, words: usize) {
        self.extend_weights(words.saturating_sub(self.weight_words()));
    }

    fn extend_weights(&mut self, words: usize) {
        self.weight_words += words;
        self.weights[0].iter_mut().for_each(|column| column.extend_ones(words));
    }

    /// Adds the parameters of a layer, for the stem those of some of its border classes; returns the
    /// first word.
    pub(super) fn push_parameters(
        &mut self,
        network: &Network,
        types: &[ValueType],
        layer: &Layer,
        stem: Option<&(&StemOffsets, Range<usize>)>,
    ) -> usize {
        let base = self.parameter_words();
        let classes = stem.map_or(1, |(_, classes)| classes.len());
        let col_tiles = layer.out_order.len().div_ceil(self.array.cols);
        self.parameter_words = base + col_tiles * classes;
        for column in &mut self.parameters {
            column.resize(self.parameter_words, Parameter::default());
        }
        if self.is_counted() {
            return base;
        }
        for (tile, col, &channel) in tiles(&self.array, &layer.out_order) {
            let mut parameter = parameter(network, types, layer, channel);
            let bias = parameter.bias;
            for class in 0..classes {
                if let Some((stem, classes)) = stem {
                    let class = classes.start + class;
                    let offset = stem.offsets[class * layer.out_order.len() + channel];
                    parameter.bias = bias + i64::from(parameter.mul) * offset;
                }
                self.parameters[col][base + tile * classes + class] = parameter;
            }
        }
        base
    }
}

/// Column tile, column and logical channel of every output channel.
fn tiles<'a>(
    array: &ArrayConfig,
    order: &'a [usize],
) -> impl Iterator<Item = (usize, usize, &'a usize)> {
    let cols = array.cols;
    order.iter().enumerate().map(move |(p, channel)| (p / cols, p % cols, channel))
}

fn parameter(network: &Network, types: &[ValueType], layer: &Layer, channel: usize) -> Parameter {
    let kind = |id: usize| &network.ops[id].kind;
    let mut parameter = Parameter::default();
    if let Some(convolution) = &layer.convolution {
        let (mul, bias) = affine(kind(convolution.affine), channel);
        parameter.mul = i16::try_from(mul).expect("bug: validated");
        parameter.bias = bias.into();
    }
    if let Some(shortcut) = layer.shortcut
        && let ShortcutKind::Extreme { value } = shortcut.kind
        && let OpKind::MaxPool { take, .. } = kind(value)
    {
        parameter.minimum = take[channel] == Extreme::Min;
    }
    if let Some(prelu) = layer.prelu
        && let OpKind::Prelu { before, slope, after, .. } = kind(prelu)
    {
        parameter.before = before[channel];
        parameter.slope = i16::try_from(slope[channel]).expect("bug: validated");
        parameter.after = after[channel];
    }
    if let Some(WrittenMap::Bits(id)) = layer.map
        && let OpKind::Threshold { input, thresholds } = kind(id)
        && types[*input].element == Element::Stream
    {
        let limit = |t: i32| t.clamp(-THRESHOLD_LIMIT, THRESHOLD_LIMIT);
        (parameter.threshold, parameter.at_most) = match thresholds[channel] {
            Threshold::AtLeast(t) => (limit(t), false),
            Threshold::AtMost(t) => (limit(t), true),
            Threshold::Constant(plus) => (if plus { -1 } else { 1 } * THRESHOLD_LIMIT, false),
        };
    }
    parameter
}

/// Multiplier and bias of an operation on sums. A threshold is a requantization by ±1 whose sign
/// is the comparison; logits are one by 1.
fn affine(kind: &OpKind, channel: usize) -> (i32, i32) {
    let limit = |t: i32| t.clamp(-SUM_LIMIT, SUM_LIMIT);
    match kind {
        OpKind::Requantize { mul, bias, .. } => (mul[channel], bias[channel]),
        OpKind::Logits { bias, .. } => (1, bias[channel]),
        OpKind::Threshold { thresholds, .. } => match thresholds[channel] {
            Threshold::AtLeast(t) => (1, -limit(t)),
            Threshold::AtMost(t) => (-1, limit(t)),
            Threshold::Constant(plus) => (0, if plus { 0 } else { -1 }),
        },
        _ => unreachable!("bug: a plan's affine operation is one of these"),
    }
}
