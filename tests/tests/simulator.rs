//! Rung 4: interpreter, simulator and fast engine agree on every tensor; they and the cycle model on
//! every layer's cycles.

use heartbit_compiler::schedule::compile;
use heartbit_ir::program::ArrayShape;
use heartbit_sim::Simulator;
use heartbit_sim::fast::Engine;
use heartbit_tests::ladder;
use heartbit_tests::problem::{Problem, problems};
use proptest::prelude::*;

fn shapes() -> impl Strategy<Value = ArrayShape> {
    (1..=9usize, 1..=12usize, 4..=80usize).prop_map(|(rows, cols, lanes)| ArrayShape {
        rows,
        cols,
        lanes,
    })
}

fn check(
    problem: &Problem,
    shape: ArrayShape,
    taps: usize,
    extended: bool,
) -> Result<(), TestCaseError> {
    let network = problem.network();
    let target = ladder::target(shape, taps, extended);
    let compiled = compile(&network, &target).expect("fits");
    let mut simulator = Simulator::new(&compiled.program).expect("a valid program");
    let mut engine = Engine::new(&compiled.program).expect("a valid program");
    // The second image meets what the first one left in the memories.
    for image in problem.images(2) {
        let execution = simulator.run(&image).expect("runs");
        ladder::check(&network, &compiled, &image, &execution).map_err(TestCaseError::fail)?;
        prop_assert_eq!(engine.run(&image).expect("runs"), execution);
    }
    Ok(())
}

proptest! {
    // `PROPTEST_CASES` takes precedence.
    #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

    #[test]
    fn plain_arrays_agree_with_interpreter_and_cycle_model(
        problem in problems(20, false), shape in shapes(), taps in 0..=2u32,
    ) {
        check(&problem, shape, 1 << taps, false)?;
    }

    #[test]
    fn extended_arrays_agree_with_interpreter_and_cycle_model(
        problem in problems(20, true), shape in shapes(), taps in 0..=2u32,
    ) {
        check(&problem, shape, 1 << taps, true)?;
    }
}
