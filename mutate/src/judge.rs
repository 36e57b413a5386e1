//! The checks: those that judge an intact build, in the same order.

use crate::fate::Check;
use heartbit_compiler::compare::{Difference, compare, compare_layer};
use heartbit_compiler::predict::Predictor;
use heartbit_compiler::schedule::Compiled;
use heartbit_ir::interp::{Interpreter, Map};
use heartbit_ir::network::Network;
use heartbit_ir::program::Execution;

/// How much is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every tensor, and every layer's cycles, as `heartbit verify` does.
    Everything,
    /// The logits of the images that are sent, and nothing else: what a test bench without knowledge
    /// of the layers would see. For measuring how much such a check misses.
    Logits,
}

/// Judges executions of a build against the interpreter and the cycle model.
pub struct Judge<'a> {
    network: &'a Network,
    compiled: &'a Compiled,
    interpreter: Interpreter<'a>,
    scope: Scope,
}

/// An image and the interpreter's values of it.
#[derive(Clone, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) image: &'a [u8],
    values: Vec<Map>,
}

impl<'a> Judge<'a> {
    /// A judge of a build of a valid network.
    pub fn new(network: &'a Network, compiled: &'a Compiled, scope: Scope) -> Self {
        let interpreter = Interpreter::new(network).expect("bug: validated when it was read");
        Self { network, compiled, interpreter, scope }
    }

    /// The build.
    pub fn compiled(&self) -> &'a Compiled {
        self.compiled
    }

    /// The network.
    pub fn network(&self) -> &'a Network {
        self.network
    }

    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    pub(crate) fn expected<'i>(&self, image: &'i [u8]) -> Expected<'i> {
        let values = self.interpreter.run(image).expect("bug: an image of the network's size");
        Expected { image, values }
    }

    /// The cycle model of an engine that has just loaded the program.
    pub(crate) fn predictor(&self) -> Predictor<'a> {
        Predictor::new(&self.compiled.program)
    }

    /// The first tensor of a layer that differs, in words.
    pub(crate) fn layer(
        &self,
        expected: &Expected<'_>,
        index: usize,
        so_far: &Execution,
    ) -> Option<String> {
        let output = &so_far.layers[index];
        let comparison =
            compare_layer(self.network, self.compiled, &expected.values, index, output);
        comparison.differences.first().map(in_words)
    }

    /// The first check that fails, and what differs.
    pub(crate) fn check(
        &self,
        expected: &Expected<'_>,
        predictor: &mut Predictor<'_>,
        execution: &Execution,
    ) -> Option<(Check, String)> {
        let prediction = predictor.image(execution.start);
        let comparison = compare(self.network, self.compiled, &expected.values, execution);
        let is_judged = |d: &&Difference| match self.scope {
            Scope::Everything => true,
            // What is sent has no place in the array.
            Scope::Logits => d.place.is_none() && d.tensor == "logits",
        };
        if let Some(difference) = comparison.differences.iter().find(is_judged) {
            return Some((Check::Tensors, in_words(difference)));
        }
        if self.scope == Scope::Logits {
            return None;
        }
        let Compiled { plan, sequence, .. } = self.compiled;
        let n_layers = sequence.layers.len();
        let predicted = prediction.layers.iter().map(|c| c.total().0).chain([prediction.send.0]);
        let actual = execution.layer_cycles.iter().copied();
        let actual =
            actual.chain(std::iter::repeat(0)).take(n_layers).chain([execution.send_cycles]);
        let (index, (predicted, actual)) = predicted
            .zip(actual)
            .enumerate()
            .find(|(_, (predicted, actual))| predicted != actual)?;
        let layer = if index == n_layers { "send".to_owned() } else { sequence.name(plan, index) };
        Some((Check::Cycles, format!("{layer}: {actual} cycles, {predicted} predicted")))
    }
}

fn in_words(difference: &Difference) -> String {
    format!("{}: {} differ", difference.layer, difference.tensor)
}
