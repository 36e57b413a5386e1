//! One rung of the ladder: an engine's execution against interpreter and cycle model.

use heartbit_compiler::compare::{Comparison, Difference, compare, stream};
use heartbit_compiler::predict::{CyclePrediction, Predictor};
use heartbit_compiler::schedule::{Compiled, Target};
use heartbit_ir::interp::{Interpreter, Map};
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayConfig, ArrayShape, Execution};
use proptest::test_runner::Reason;
use serde::{Deserialize, Serialize};

/// What differs first between an engine and what it should do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Mismatch {
    /// A tensor, from the interpreter's.
    #[error("{0}")]
    Tensor(Box<Difference>),
    /// Cycles of layers or of `Send`, from the cycle model's.
    #[error(
        "cycles: predicted {predicted:?} and {predicted_send}, got {actual:?} and {actual_send}"
    )]
    Cycles {
        /// Of each layer.
        predicted: Vec<u64>,
        /// Of `Send`.
        predicted_send: u64,
        /// Of each layer, as the engine counts them.
        actual: Vec<u64>,
        /// Of `Send`, as the engine counts them.
        actual_send: u64,
    },
}

impl From<Mismatch> for String {
    fn from(mismatch: Mismatch) -> Self {
        mismatch.to_string()
    }
}

impl From<Mismatch> for Reason {
    fn from(mismatch: Mismatch) -> Self {
        mismatch.to_string().into()
    }
}

/// A target of this shape; where the lanes cannot be divided into so many groups, the compiler
/// chooses.
pub fn target(shape: ArrayShape, taps: usize, extended: bool) -> Target {
    let ArrayShape { rows, cols, lanes } = shape;
    let array = ArrayConfig { rows, cols, lanes, taps, lines: 1, acc_bits: 1, extended };
    let taps = Some(taps).filter(|&taps| array.divides_into(taps));
    Target { taps, extended: Some(extended), ..Target::sized_for_network(shape) }
}

/// Compares an execution with the interpreter's values of its image.
///
/// # Panics
/// If nothing differs and yet a stream that is read back is not the interpreter's: a bug of
/// `stream`.
pub fn comparison(
    network: &Network,
    compiled: &Compiled,
    values: &[Map],
    execution: &Execution,
) -> Comparison {
    let comparison = compare(network, compiled, values, execution);
    assert!(comparison.tensors > compiled.plan.layers.len(), "bug: nothing was compared");
    if comparison.differences.is_empty() {
        for value in compiled.plan.layers.iter().flat_map(|l| l.stream.into_iter().chain(l.prelu)) {
            let read = stream(compiled, execution, value);
            if read.is_some() || compiled.sequence.bands.is_none() {
                assert_eq!(read.as_ref(), Some(&values[value]), "bug: stream {value} read back");
            }
        }
    }
    comparison
}

/// Returns the tensors that differ, in order of execution.
///
/// # Panics
/// If the network is not valid or the image has another size: a bug of the test. As
/// [`comparison`].
pub fn differences(
    network: &Network,
    compiled: &Compiled,
    image: &[u8],
    execution: &Execution,
) -> Vec<Difference> {
    comparison(network, compiled, &interpreted(network, image), execution).differences
}

/// The interpreter's values.
///
/// # Panics
/// If the network is not valid or the image has another size: a bug of the test.
pub fn interpreted(network: &Network, image: &[u8]) -> Vec<Map> {
    let interpreter = Interpreter::new(network).expect("bug: a valid network");
    interpreter.run(image).expect("bug: an image of the right size")
}

/// Checks every tensor of every layer and the cycles of every layer; returns what was compared.
///
/// # Errors
/// What differs first.
pub fn judge(
    network: &Network,
    compiled: &Compiled,
    prediction: &CyclePrediction,
    values: &[Map],
    execution: &Execution,
) -> Result<Comparison, Mismatch> {
    let comparison = comparison(network, compiled, values, execution);
    if let Some(difference) = comparison.differences.first() {
        return Err(Mismatch::Tensor(Box::new(difference.clone())));
    }
    let predicted: Vec<u64> = prediction.layers.iter().map(|c| c.total().0).collect();
    if execution.layer_cycles != predicted || execution.send_cycles != prediction.send.0 {
        return Err(Mismatch::Cycles {
            predicted,
            predicted_send: prediction.send.0,
            actual: execution.layer_cycles.clone(),
            actual_send: execution.send_cycles,
        });
    }
    Ok(comparison)
}

/// As [`judge`], of an image that the interpreter has not run.
///
/// The predictor was made when the engine loaded the program, and has predicted every image that the
/// engine ran since: where weights are streamed, what the ring holds is left from the image before.
///
/// # Errors
/// What differs first.
pub fn check(
    network: &Network,
    compiled: &Compiled,
    predictor: &mut Predictor<'_>,
    image: &[u8],
    execution: &Execution,
) -> Result<(), Mismatch> {
    let prediction = predictor.image(execution.start);
    let values = interpreted(network, image);
    judge(network, compiled, &prediction, &values, execution).map(drop)
}
