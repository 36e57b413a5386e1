//! Rung 5: the description of the accelerator in the native simulation, every tensor and every
//! layer's cycles.
//!
//! Like the Verilog, it knows only the ports of microarchitecture.md, section 6.

use heartbit_compiler::fold::fold;
use heartbit_compiler::predict::Predictor;
use heartbit_compiler::random;
use heartbit_compiler::schedule::{Target, compile};
use heartbit_ir::program::{ArrayShape, Execution, PortSlots, Program, WeightRing};
use heartbit_model::Arch;
use heartbit_tests::ladder;
use heartbit_tests::native::Native;
use heartbit_tests::problem::{Problem, problems};
use heartbit_tests::streamed::streamed;
use proptest::prelude::*;

fn check(
    problem: &Problem,
    shape: ArrayShape,
    taps: usize,
    extended: bool,
) -> Result<(), TestCaseError> {
    let network = problem.network();
    let target = ladder::target(shape, taps, extended);
    let compiled = compile(&network, &target).expect("fits");
    let mut native = Native::new(&compiled.program);
    let mut predictor = Predictor::new(&compiled.program);
    let mut cycle = 0_u32;
    // The second image meets what the first one left in the memories.
    for image in problem.images(2) {
        let execution = native.run(&image, || {
            cycle += 1;
            !cycle.is_multiple_of(3)
        });
        ladder::check(&network, &compiled, &mut predictor, &image, &execution)
            .map_err(TestCaseError::fail)?;
    }
    Ok(())
}

/// A ring and the port that fills it, for an array of so many columns.
#[derive(Clone, Debug)]
struct Stream {
    words: usize,
    /// Which of its divisors the columns of a beat are.
    divisor: usize,
    slots: PortSlots,
    /// A bit for each layer that is streamed.
    layers: u32,
}

impl Stream {
    fn of(&self, program: &Program) -> Program {
        let cols = program.array.cols;
        let divisors: Vec<_> = (1..=cols).filter(|n| cols.is_multiple_of(*n)).collect();
        let port_cols = divisors[self.divisor % divisors.len()];
        let ring = WeightRing { words: self.words, port_cols };
        let choose = |layer: usize| self.layers >> (layer % 32) & 1 == 1;
        streamed(program, ring, self.slots.clone(), choose)
    }
}

fn streams() -> impl Strategy<Value = Stream> {
    let beats = (1..=8_u32).prop_flat_map(|cycles| (1..=cycles, Just(cycles)));
    (1..=6_u32, 0..8_usize, 0..500_u64, beats, any::<u32>()).prop_map(
        |(bits, divisor, latency, (beats, cycles), layers)| Stream {
            words: 1 << bits,
            divisor,
            slots: PortSlots::at_rate(latency, beats, cycles),
            layers,
        },
    )
}

/// Images of a network whose weights are streamed, one of them after a reset.
fn check_streamed(
    problem: &Problem,
    target: &Target,
    stream: &Stream,
    reset: usize,
) -> Result<(), TestCaseError> {
    let network = problem.network();
    let mut compiled = compile(&network, target).expect("fits");
    compiled.program = stream.of(&compiled.program);
    let program = &compiled.program;
    let mut native = Native::new(program);
    let mut predictor = Predictor::new(program);
    let images = problem.images(3);
    let mut executions = Vec::new();
    for image in &images {
        let execution = native.run(image, || true);
        ladder::check(&network, &compiled, &mut predictor, image, &execution)
            .map_err(TestCaseError::fail)?;
        executions.push(execution);
    }
    let any = program.layers.iter().any(|layer| layer.flags.stream_weights);
    prop_assert!(executions.is_sorted_by_key(|execution| execution.start));
    prop_assert_eq!(executions.iter().all(|execution| execution.start > 0), any);
    check_after_reset(&mut native, &images, executions, reset)
}

/// Resets in the middle of an image, so many cycles after its first pixel, and then streams images
/// that overlap: their results are those of the executions.
fn check_after_reset(
    native: &mut Native,
    images: &[Vec<u8>],
    executions: Vec<Execution>,
    reset: usize,
) -> Result<(), TestCaseError> {
    let results: Vec<_> = executions.into_iter().map(|e| (e.logits, e.class)).collect();
    native.abandon(reset);
    prop_assert_eq!(native.stream(images), results);
    Ok(())
}

/// Resets in the middle of an image, and then streams images that overlap.
fn check_stream(problem: &Problem, shape: ArrayShape, reset: usize) -> Result<(), TestCaseError> {
    let network = problem.network();
    let compiled = compile(&network, &Target::sized_for_network(shape)).expect("fits");
    let mut native = Native::new(&compiled.program);
    let images = problem.images(3);
    let executions: Vec<_> = images.iter().map(|image| native.run(image, || true)).collect();
    let mut predictor = Predictor::new(&compiled.program);
    for (image, execution) in images.iter().zip(&executions) {
        ladder::check(&network, &compiled, &mut predictor, image, execution)
            .map_err(TestCaseError::fail)?;
    }
    check_after_reset(&mut native, &images, executions, reset)
}

/// An untrained network of the real size, one image.
#[test]
fn resnet20_agrees() {
    let checkpoint =
        random::checkpoint(Arch::ResNet20, &Arch::ResNet20.published(), 1).expect("valid sizes");
    let network = fold(&checkpoint).expect("complete");
    let target = Target::sized_for_network("8x8x16".parse().expect("an array"));
    let compiled = compile(&network, &target).expect("fits");
    let image: Vec<u8> = (0..32 * 32 * 3_u32).map(|i| (i * i % 251).to_le_bytes()[0]).collect();
    let execution = Native::new(&compiled.program).run(&image, || true);
    let mut predictor = Predictor::new(&compiled.program);
    let checked = ladder::check(&network, &compiled, &mut predictor, &image, &execution);
    assert_eq!(checked, Ok(()));
}

fn shapes() -> impl Strategy<Value = ArrayShape> {
    (1..=8usize, 1..=9usize, 4..=40usize).prop_map(|(rows, cols, lanes)| ArrayShape {
        rows,
        cols,
        lanes,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn plain_description_agrees_with_interpreter_and_cycle_model(
        problem in problems(12, false), shape in shapes(), taps in 0..=2u32,
    ) {
        check(&problem, shape, 1 << taps, false)?;
    }

    #[test]
    fn extended_description_agrees_with_interpreter_and_cycle_model(
        problem in problems(12, true), shape in shapes(), taps in 0..=2u32,
    ) {
        check(&problem, shape, 1 << taps, true)?;
    }

    #[test]
    fn images_overlap_and_a_reset_leaves_nothing(
        problem in problems(6, true), shape in shapes(), reset in 1..2000_usize,
    ) {
        check_stream(&problem, shape, reset)?;
    }

    #[test]
    fn weights_that_are_streamed_change_no_result(
        problem in problems(9, true), shape in shapes(), taps in 0..=2u32,
        stream in streams(), reset in 1..2000_usize,
    ) {
        check_streamed(&problem, &ladder::target(shape, 1 << taps, true), &stream, reset)?;
    }

    #[test]
    fn description_agrees_where_columns_outnumber_lanes(
        problem in problems(16, true), rows in 1..=7usize, cols in 5..=13usize,
    ) {
        check(&problem, ArrayShape { rows, cols, lanes: 4 }, 1, true)?;
    }
}
