//! Compares what an engine computed with the interpreter's values, tensor by tensor.
//!
//! Engines report in the physical order of the array, and of a layer in bands the rows of each band;
//! the interpreter in the network's order, and whole values. This module alone knows both. Rows
//! that several bands compute are compared in each.
//!
//! Not here: running either of them.

use crate::locate;
use crate::plan::bands::{ProgramLayer, Rows};
use crate::plan::{Layer, ShortcutKind, Source, WrittenMap};
use crate::schedule::Compiled;
use heartbit_ir::interp::{Map, predicted_class};
use heartbit_ir::network::{Network, OpKind, ValueId};
use heartbit_ir::program::{Execution, LayerOutput};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One tensor that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The layer, with the rows of its band if it runs in bands.
    pub layer: String,
    /// The tensor: `sums`, `shortcut`, `stream`, `value`, `bits`, `levels`, `pooled`, `logits` or
    /// `class`.
    pub tensor: Cow<'static, str>,
    /// Elements that differ.
    pub elements: usize,
    /// The one that is computed first: row, column, channel in the network's order.
    pub first: [usize; 3],
    /// The interpreter's value there.
    pub expected: i32,
    /// The engine's value there.
    pub actual: i32,
    /// Where the array computes it; `None` for what the output port sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// An element of what a layer gives, as the array computes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Index of the layer in the program.
    pub layer: usize,
    /// Row of the layer's result, in its band; of pooled values the last one.
    pub y: usize,
    /// Column of the layer's result; of pooled values the last one.
    pub x: usize,
    /// Channel in the physical order of the array.
    pub channel: usize,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [y, x, c] = self.first;
        write!(
            f,
            "layer `{}`: {} differ in {} elements, first at row {y}, column {x}, channel {c}: \
             expected {}, got {}",
            self.layer, self.tensor, self.elements, self.expected, self.actual
        )
    }
}

/// The result of comparing one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Tensors that were compared.
    pub tensors: usize,
    /// Elements that were compared.
    pub elements: usize,
    /// Tensors that differ, in order of execution.
    pub differences: Vec<Difference>,
}

/// Compares every tensor of every layer.
///
/// `values` are the interpreter's values of the same image.
pub fn compare(
    network: &Network,
    compiled: &Compiled,
    values: &[Map],
    execution: &Execution,
) -> Comparison {
    let mut result = Comparison::default();
    let n_layers = compiled.sequence.layers.len();
    for index in 0..n_layers {
        let nothing = LayerOutput::default();
        // An engine that stopped early differs in every tensor that is missing.
        let output = execution.layers.get(index).unwrap_or(&nothing);
        Check::new(network, compiled, values, index, &mut result).layer(output);
    }
    let logits = network.ops.len() - 1;
    let mut check = Check::new(network, compiled, values, n_layers - 1, &mut result);
    let sent: Vec<_> = values[logits]
        .indexed_iter()
        .map(|((y, x, c), &logit)| ([y, x, c], logit, execution.logits.get(c).copied()))
        .collect();
    check.elements("logits", &sent, |_| None);
    let expected: Vec<i32> = values[logits].iter().copied().collect();
    let class = i32::try_from(predicted_class(&expected)).expect("bug: few classes");
    check.elements("class", &[([0; 3], class, i32::try_from(execution.class).ok())], |_| None);
    result
}

/// Compares every tensor of one layer of the program with the interpreter's values.
pub fn compare_layer(
    network: &Network,
    compiled: &Compiled,
    values: &[Map],
    index: usize,
    output: &LayerOutput,
) -> Comparison {
    let mut result = Comparison::default();
    Check::new(network, compiled, values, index, &mut result).layer(output);
    result
}

struct Check<'a> {
    network: &'a Network,
    compiled: &'a Compiled,
    values: &'a [Map],
    /// Place in the program.
    index: usize,
    layer: &'a Layer,
    /// The rows of the layer's result that were computed.
    rows: Rows,
    result: &'a mut Comparison,
}

impl<'a> Check<'a> {
    fn new(
        network: &'a Network,
        compiled: &'a Compiled,
        values: &'a [Map],
        index: usize,
        result: &'a mut Comparison,
    ) -> Self {
        let ProgramLayer { layer, rows, .. } = compiled.sequence.layers[index];
        let layer = &compiled.plan.layers[layer];
        Self { network, compiled, values, index, layer, rows, result }
    }

    fn layer(&mut self, output: &LayerOutput) {
        let (compiled, layer, rows) = (self.compiled, self.layer, self.rows);
        let order = inverse(&layer.out_order);
        let at = |y: usize, x: usize, c: usize| position(output, y - rows.first, x, order[c]);
        let read = |tensor: &[i32], y, x, c| at(y, x, c).and_then(|i| tensor.get(i).copied());
        let bit = |y, x, c| {
            at(y, x, c).and_then(|i| output.bits.get(i)).map(|&bit| if bit { 1 } else { -1 })
        };
        let level = |q: &u8, bits: u32| {
            let top = i32::from(q >> (8 - bits));
            2 * top - ((1 << bits) - 1)
        };
        if let Some(convolution) = &layer.convolution {
            let stem = convolution.source == Source::Image;
            self.tensor("sums", convolution.conv, 1, |y, x, c| {
                let sum = read(&output.sums, y, x, c)?;
                if stem { stem_sum(compiled, layer, sum, [y, x, c]) } else { Some(sum) }
            });
            if let OpKind::Logits { .. } = self.network.ops[convolution.affine].kind {
                self.tensor("logits", convolution.affine, 1, |y, x, c| {
                    read(&output.logits, y, x, c)
                });
            }
        }
        if let Some(shortcut) = layer.shortcut {
            let (value, step) = match shortcut.kind {
                ShortcutKind::Identity { stride } => (Some(shortcut.stream), stride),
                ShortcutKind::Average { value } => (Some(value), 1),
                // The extreme of bits is pooled as a stream, of which the bits are the sign.
                ShortcutKind::Extreme { value } => (layer.stream.map(|_| value), 1),
            };
            // The sign of a stream that is read for its sign only is compared where it is written.
            let signs = self.compiled.plan.layers[shortcut.from].signs.is_some();
            if let Some(value) = value.filter(|_| !signs) {
                self.tensor("shortcut", value, step, |y, x, c| read(&output.shortcut, y, x, c));
            }
        }
        if let Some(value) = layer.stream {
            self.tensor("stream", value, 1, |y, x, c| read(&output.stream, y, x, c));
        }
        if let Some(value) = layer.prelu {
            self.tensor("value", value, 1, |y, x, c| read(&output.value, y, x, c));
        }
        if let Some(value) = layer.signs {
            self.tensor("bits", value, 1, bit);
        }
        match layer.map {
            Some(WrittenMap::Bits(value)) => self.tensor("bits", value, 1, bit),
            Some(WrittenMap::Levels(value)) => {
                let bits = self.bits(value);
                self.tensor("levels", value, layer.step, |y, x, c| {
                    at(y, x, c).and_then(|i| output.levels.get(i)).map(|q| level(q, bits))
                });
            }
            Some(WrittenMap::Pooled(value)) => {
                let bits = self.bits(value);
                self.tensor("pooled", value, 1, |_, _, c| {
                    output.pooled.get(order[c]).map(|q| level(q, bits))
                });
            }
            None => {}
        }
    }

    /// Bits of the levels that an operation gives.
    fn bits(&self, value: ValueId) -> u32 {
        let (OpKind::Quantize { bits, .. } | OpKind::GlobalPool { bits, .. }) =
            self.network.ops[value].kind
        else {
            unreachable!("bug: levels are written by one of these");
        };
        bits
    }

    /// Compares one value at every `step`-th row and column, in the rows that were computed; `actual`
    /// gives `None` where the engine has no element.
    fn tensor(
        &mut self,
        name: &'static str,
        value: ValueId,
        step: usize,
        actual: impl Fn(usize, usize, usize) -> Option<i32>,
    ) {
        let rows = self.rows;
        let elements: Vec<_> = self.values[value]
            .indexed_iter()
            .filter(|((y, x, _), _)| y.is_multiple_of(step) && x.is_multiple_of(step))
            .filter(|((y, ..), _)| rows.contains(y / step))
            .map(|((y, x, c), &expected)| ([y, x, c], expected, actual(y / step, x / step, c)))
            .collect();
        let order = inverse(&self.layer.out_order);
        let d = &self.compiled.program.layers[self.index];
        let last = [d.out_height, d.out_width].map(|n| usize::from(n.max(1)) - 1);
        let layer = self.index;
        self.elements(name, &elements, |[y, x, c]| {
            let [y, x] = if name == "pooled" { last } else { [y / step - rows.first, x / step] };
            Some(Place { layer, y, x, channel: order[c] })
        });
    }

    /// Compares elements, of which `place` knows where they are computed.
    fn elements(
        &mut self,
        tensor: &'static str,
        elements: &[([usize; 3], i32, Option<i32>)],
        place: impl Fn([usize; 3]) -> Option<Place>,
    ) {
        self.result.tensors += 1;
        self.result.elements += elements.len();
        let differing: Vec<_> = elements.iter().filter(|(_, e, a)| *a != Some(*e)).collect();
        let program = &self.compiled.program;
        let first = differing.iter().min_by_key(|(first, ..)| {
            (place(*first).map(|place| locate::order(program, &place)), *first)
        });
        if let Some(&&(first, expected, actual)) = first {
            self.result.differences.push(Difference {
                layer: self.compiled.sequence.name(&self.compiled.plan, self.index),
                tensor: Cow::Borrowed(tensor),
                elements: differing.len(),
                first,
                expected,
                actual: actual.unwrap_or(i32::MIN),
                place: place(first),
            });
        }
    }
}

/// The network's sum behind one of the array's sums of the stem.
fn stem_sum(compiled: &Compiled, layer: &Layer, sum: i32, [y, x, c]: [usize; 3]) -> Option<i32> {
    let stem = &compiled.stem;
    let [height, width, _] = layer.shape;
    let class = stem.borders.class(y, x, height, width);
    let channels = stem.offsets.len() / stem.borders.classes();
    i32::try_from(i64::from(sum) + stem.offsets[class * channels + c]).ok()
}

/// Returns a stream that an engine recorded, in the network's order, or `None` where no layer
/// holds it, bands do not need all of it, or the engine stopped before it was complete.
pub fn stream(compiled: &Compiled, execution: &Execution, value: ValueId) -> Option<Map> {
    let holds = |layer: &Layer| layer.stream == Some(value) || layer.prelu == Some(value);
    let index = compiled.plan.layers.iter().position(holds)?;
    let layer = &compiled.plan.layers[index];
    let order = inverse(&layer.out_order);
    let types = compiled.plan.types[value];
    let mut map = Map::zeros((types.height, types.width, types.channels));
    let mut is_computed = vec![false; types.height];
    for &part in compiled.sequence.of_layer(index) {
        let (rows, output) = (compiled.sequence.layers[part].rows, execution.layers.get(part)?);
        let is_stream = layer.stream == Some(value);
        let tensor = if is_stream { &output.stream } else { &output.value };
        for y in rows.first..rows.end {
            is_computed[y] = true;
            for (x, c) in (0..types.width).flat_map(|x| (0..types.channels).map(move |c| (x, c))) {
                let at = position(output, y - rows.first, x, order[c])?;
                map[[y, x, c]] = *tensor.get(at)?;
            }
        }
    }
    // Bands leave out the rows that nothing reads.
    is_computed.into_iter().all(|is| is).then_some(map)
}

/// Where a physical channel of a pixel is in the tensors of a layer, if the pixel is there.
fn position(output: &LayerOutput, y: usize, x: usize, channel: usize) -> Option<usize> {
    let there = y < output.height && x < output.width;
    there.then(|| (y * output.width + x) * output.columns + channel)
}

fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    for (physical, &logical) in order.iter().enumerate() {
        inverse[logical] = physical;
    }
    inverse
}
