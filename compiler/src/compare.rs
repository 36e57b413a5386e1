//! Compares what an engine computed with the interpreter's values, tensor by tensor.
//!
//! Engines report in the physical order of the array; the interpreter in the network's. This
//! module alone knows both.
//!
//! Not here: running either of them.

use crate::plan::{Layer, Output, Plan, Shortcut};
use heartbit_ir::interp::{Map, predicted_class};
use heartbit_ir::network::ValueId;
use heartbit_ir::program::{Execution, LayerOutput};
use serde::Serialize;

/// One tensor that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The layer.
    pub layer: String,
    /// The tensor: `sums`, `shortcut`, `stream`, `sign`, `pooled`, `logits` or `class`.
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
pub fn compare(plan: &Plan, values: &[Map], execution: &Execution) -> Comparison {
    let mut result = Comparison::default();
    for (index, layer) in plan.layers.iter().enumerate() {
        let mut check = Check { plan, values, layer, result: &mut result };
        match execution.layers.get(index) {
            Some(output) => check.layer(output),
            // An engine that stopped early differs in the first tensor that is missing.
            None => check.tensor("sums", layer.conv, |_, _, _| None),
        }
    }
    let head = plan.layers.last().expect("bug: a plan has layers");
    if let Output::Logits { logits } = head.output {
        let port = |_: usize, _: usize, c: usize| execution.logits.get(c).copied();
        let mut check = Check { plan, values, layer: head, result: &mut result };
        check.tensor("logits", logits, port);
        let expected: Vec<i32> = values[logits].iter().copied().collect();
        check.element(
            "class",
            &[(
                [0, 0, 0],
                i32::try_from(predicted_class(&expected)).expect("bug: few classes"),
                i32::try_from(execution.class).ok(),
            )],
        );
    }
    result
}

struct Check<'a> {
    plan: &'a Plan,
    values: &'a [Map],
    layer: &'a Layer,
    result: &'a mut Comparison,
}

impl Check<'_> {
    fn layer(&mut self, output: &LayerOutput) {
        let order = inverse(&self.layer.out_order);
        let at = |y: usize, x: usize, c: usize| {
            (y < output.height && x < output.width)
                .then(|| (y * output.width + x) * output.columns + order[c])
        };
        let read = |tensor: &[i32], y, x, c| at(y, x, c).and_then(|i| tensor.get(i).copied());
        self.tensor("sums", self.layer.conv, |y, x, c| read(&output.sums, y, x, c));
        match self.layer.output {
            Output::Bits { threshold } => {
                self.tensor("sign", threshold, |y, x, c| {
                    read(&output.stream, y, x, c).map(|r| if r >= 0 { 1 } else { -1 })
                });
            }
            Output::Logits { logits } => {
                self.tensor("logits", logits, |y, x, c| read(&output.logits, y, x, c));
            }
            Output::Stream { requantize, shortcut, sign, pool } => {
                if let Some(value) = shortcut.map(|s| self.shortcut_value(s)) {
                    self.tensor("shortcut", value, |y, x, c| read(&output.shortcut, y, x, c));
                }
                self.tensor("stream", requantize, |y, x, c| read(&output.stream, y, x, c));
                if let Some(sign) = sign {
                    self.tensor("sign", sign, |y, x, c| {
                        read(&output.stream, y, x, c).map(|r| if r >= 0 { 1 } else { -1 })
                    });
                }
                if let Some(pool) = pool {
                    self.tensor("pooled", pool, |_, _, c| {
                        output.pooled.get(order[c]).map(|&q| 2 * i32::from(q) - 255)
                    });
                }
            }
        }
    }

    fn shortcut_value(&self, shortcut: Shortcut) -> ValueId {
        match shortcut {
            Shortcut::Pool { value, .. } => value,
            Shortcut::Identity { from } => match self.plan.layers[from].output {
                Output::Stream { requantize, .. } => requantize,
                _ => unreachable!("bug: a shortcut reads a stream"),
            },
        }
    }

    /// Compares one value; `actual` gives `None` where the engine has no element.
    fn tensor(
        &mut self,
        name: &'static str,
        value: ValueId,
        actual: impl Fn(usize, usize, usize) -> Option<i32>,
    ) {
        let elements: Vec<_> = self.values[value]
            .indexed_iter()
            .map(|((y, x, c), &expected)| ([y, x, c], expected, actual(y, x, c)))
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

fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    for (physical, &logical) in order.iter().enumerate() {
        inverse[logical] = physical;
    }
    inverse
}
