//! One rung of the ladder: an engine's execution against interpreter and cycle model.

use heartbit_compiler::compare::{Difference, compare, stream};
use heartbit_compiler::predict::Predictor;
use heartbit_compiler::schedule::{Compiled, Target};
use heartbit_ir::interp::Interpreter;
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayConfig, ArrayShape, Execution};

/// A target of this shape; where the lanes cannot be divided into so many groups, the compiler
/// chooses.
pub fn target(shape: ArrayShape, taps: usize, extended: bool) -> Target {
    let ArrayShape { rows, cols, lanes } = shape;
    let array = ArrayConfig { rows, cols, lanes, taps, lines: 1, acc_bits: 1, extended };
    let taps = Some(taps).filter(|&taps| array.divides_into(taps));
    Target { taps, extended: Some(extended), ..Target::sized_for_network(shape) }
}

/// Returns the tensors that differ, in order of execution.
///
/// # Panics
/// If the network is not valid or the image has another size: a bug of the test. If nothing
/// differs and yet a stream that is read back is not the interpreter's: a bug of `stream`.
pub fn differences(
    network: &Network,
    compiled: &Compiled,
    image: &[u8],
    execution: &Execution,
) -> Vec<Difference> {
    let interpreter = Interpreter::new(network).expect("bug: a valid network");
    let values = interpreter.run(image).expect("bug: an image of the right size");
    let comparison = compare(network, compiled, &values, execution);
    assert!(comparison.tensors > compiled.plan.layers.len(), "bug: nothing was compared");
    if comparison.differences.is_empty() {
        for value in compiled.plan.layers.iter().flat_map(|l| l.stream.into_iter().chain(l.prelu)) {
            let read = stream(compiled, execution, value);
            if read.is_some() || compiled.sequence.bands.is_none() {
                assert_eq!(read.as_ref(), Some(&values[value]), "bug: stream {value} read back");
            }
        }
    }
    comparison.differences
}

/// Checks every tensor of every layer and the cycles of every layer.
///
/// The predictor was made when the engine loaded the program, and has predicted every image that the
/// engine ran since: where weights are streamed, what the ring holds is left from the image before.
///
/// # Errors
/// What differs first, in words.
pub fn check(
    network: &Network,
    compiled: &Compiled,
    predictor: &mut Predictor<'_>,
    image: &[u8],
    execution: &Execution,
) -> Result<(), String> {
    let prediction = predictor.image(execution.start);
    if let Some(difference) = differences(network, compiled, image, execution).first() {
        return Err(difference.to_string());
    }
    let predicted: Vec<u64> = prediction.layers.iter().map(|c| c.total().0).collect();
    if execution.layer_cycles != predicted || execution.send_cycles != prediction.send.0 {
        return Err(format!(
            "cycles: predicted {predicted:?} and {}, got {:?} and {}",
            prediction.send.0, execution.layer_cycles, execution.send_cycles
        ));
    }
    Ok(())
}
