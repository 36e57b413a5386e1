//! Rung 4: interpreter and simulator agree on every tensor; simulator and cycle model on every
//! layer's cycles.

use heartbit_compiler::compare::compare;
use heartbit_compiler::predict::predict;
use heartbit_compiler::schedule::{Target, compile};
use heartbit_ir::interp::Interpreter;
use heartbit_ir::program::ArrayShape;
use heartbit_sim::Simulator;
use heartbit_tests::problem::{Problem, problems};
use proptest::prelude::*;

fn shapes() -> impl Strategy<Value = ArrayShape> {
    (1..=9usize, 1..=12usize, 4..=80usize).prop_map(|(rows, cols, lanes)| ArrayShape {
        rows,
        cols,
        lanes,
    })
}

fn check(problem: &Problem, shape: ArrayShape) -> Result<(), TestCaseError> {
    let network = problem.network();
    let interpreter = Interpreter::new(&network).expect("valid");
    let compiled = compile(&network, &Target::sized_for_network(shape)).expect("fits");
    let mut simulator = Simulator::new(&compiled.program).expect("a valid program");
    let prediction = predict(&compiled.program);
    // The second image meets what the first one left in the memories.
    for image in problem.images(2) {
        let values = interpreter.run(&image).expect("the right size");
        let execution = simulator.run(&image).expect("runs");
        let comparison = compare(&compiled.plan, &values, &execution);
        prop_assert_eq!(&comparison.differences, &vec![]);
        prop_assert!(comparison.tensors >= 2 * compiled.plan.layers.len());
        let predicted: Vec<u64> = prediction.layers.iter().map(|c| c.0).collect();
        prop_assert_eq!(&execution.layer_cycles, &predicted);
        prop_assert_eq!(execution.send_cycles, prediction.send.0);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn simulator_agrees_with_interpreter_and_cycle_model(
        problem in problems(20), shape in shapes(),
    ) {
        check(&problem, shape)?;
    }
}
