//! Compares what an engine computed with the interpreter's values, tensor by tensor.
//!
//! Engines report in the physical order of the array; the interpreter in the network's. This
//! module alone knows both.
//!
//! Not here: running either of them.

use crate::plan::{Layer, ShortcutKind, Source, WrittenMap};
use crate::schedule::Compiled;
use heartbit_ir::interp::{Map, predicted_class};
use heartbit_ir::network::{Network, OpKind, ValueId};
use heartbit_ir::program::{Execution, LayerOutput};
use serde::Serialize;

/// One tensor that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The layer.
    pub layer: String,
    /// The tensor: `sums`, `shortcut`, `stream`, `value`, `bits`, `levels`, `pooled`, `logits` or
    /// `class`.
    pub tensor: &'static str,
    /// Elements that differ.
    pub elements: usize,
    /// The first of them: row, column, channel in the network's order.
    pub first: [usize; 3],
    /// The interpreter's value there.
    pub expected: i32,
    /// The engine's value there.
    pub actual: i32,
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
    for (index, layer) in compiled.plan.layers.iter().enumerate() {
        let nothing = LayerOutput::default();
        // An engine that stopped early differs in every tensor that is missing.
        let output = execution.layers.get(index).unwrap_or(&nothing);
        Check { network, compiled, values, layer, result: &mut result }.layer(output);
    }
    let head = compiled.plan.layers.last().expect("bug: a plan has layers");
    let logits = network.ops.len() - 1;
    let mut check = Check { network, compiled, values, layer: head, result: &mut result };
    check.tensor("logits", logits, 1, |_, _, c| execution.logits.get(c).copied());
    let expected: Vec<i32> = values[logits].iter().copied().collect();
    let class = i32::try_from(predicted_class(&expected)).expect("bug: few classes");
    check.element("class", &[([0, 0, 0], class, i32::try_from(execution.class).ok())]);
    result
}

struct Check<'a> {
    network: &'a Network,
    compiled: &'a Compiled,
    values: &'a [Map],
    layer: &'a Layer,
    result: &'a mut Comparison,
}

impl Check<'_> {
    fn layer(&mut self, output: &LayerOutput) {
        let (compiled, layer) = (self.compiled, self.layer);
        let order = inverse(&layer.out_order);
        let at = |y: usize, x: usize, c: usize| position(output, y, x, order[c]);
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
                if stem { stem_sum(compiled, output, sum, y, x, c) } else { Some(sum) }
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

    /// Compares one value at every `step`-th row and column; `actual` gives `None` where the
    /// engine has no element.
    fn tensor(
        &mut self,
        name: &'static str,
        value: ValueId,
        step: usize,
        actual: impl Fn(usize, usize, usize) -> Option<i32>,
    ) {
        let elements: Vec<_> = self.values[value]
            .indexed_iter()
            .filter(|((y, x, _), _)| y.is_multiple_of(step) && x.is_multiple_of(step))
            .map(|((y, x, c), &expected)| ([y, x, c], expected, actual(y / step, x / step, c)))
            .collect();
        self.element(name, &elements);
    }

    fn element(&mut self, tensor: &'static str, elements: &[([usize; 3], i32, Option<i32>)]) {
        self.result.tensors += 1;
        self.result.elements += elements.len();
        let mut differing = elements.iter().filter(|(_, e, a)| *a != Some(*e));
        if let Some(&(first, expected, actual)) = differing.next() {
            self.result.differences.push(Difference {
                layer: self.layer.name.clone(),
                tensor,
                elements: 1 + differing.count(),
                first,
                expected,
                actual: actual.unwrap_or(i32::MIN),
            });
        }
    }
}

/// The network's sum behind one of the array's sums of the stem.
fn stem_sum(
    compiled: &Compiled,
    output: &LayerOutput,
    sum: i32,
    y: usize,
    x: usize,
    c: usize,
) -> Option<i32> {
    let stem = &compiled.stem;
    let class = stem.borders.class(y, x, output.height, output.width);
    let channels = stem.offsets.len() / stem.borders.classes();
    i32::try_from(i64::from(sum) + stem.offsets[class * channels + c]).ok()
}

/// Returns a stream that an engine recorded, in the network's order, or `None` where no layer
/// holds it or the engine stopped before it was complete.
pub fn stream(compiled: &Compiled, execution: &Execution, value: ValueId) -> Option<Map> {
    let of = |(layer, output): (&Layer, &LayerOutput)| {
        let tensor = if layer.stream == Some(value) {
            &output.stream
        } else if layer.prelu == Some(value) {
            &output.value
        } else {
            return None;
        };
        let order = inverse(&layer.out_order);
        let types = compiled.plan.types[value];
        let mut map = Map::zeros((types.height, types.width, types.channels));
        for ((y, x, c), element) in map.indexed_iter_mut() {
            *element = *tensor.get(position(output, y, x, order[c])?)?;
        }
        Some(map)
    };
    compiled.plan.layers.iter().zip(&execution.layers).find_map(of)
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
