//! Rung 6: the emitted Verilog under Verilator, every tensor and every layer's cycles.
//!
//! A missing Verilator fails these tests; it never skips them.

use heartbit_cases::generate::DEPTHS;
use heartbit_compiler::predict::Predictor;
use heartbit_compiler::schedule::{Compiled, Target, WeightPort, compile};
use heartbit_cosim::{Accelerator, Build, Error, Initial, Toolchain, accelerator_design};
use heartbit_ir::network::Network;
use heartbit_ir::program::{
    ArrayConfig, ArrayShape, Execution, MemoryDepths, PortSlots, WeightRing,
};
use heartbit_tests::ladder;
use heartbit_tests::problem::{Problem, problems};
use heartbit_tests::streamed::streamed;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ACC_BITS: u32 = 24;

fn toolchain() -> Toolchain {
    Toolchain::detect().unwrap_or_else(|error| {
        panic!("{error}: {}", error.help().unwrap_or_default());
    })
}

/// A source that can always send a beat.
fn every_cycle() -> PortSlots {
    PortSlots::at_rate(0, 1, 1)
}

/// Compiles for such memories; what does not fit comes through the port, if there is one.
fn compile_for(
    problem: &Problem,
    array: &ArrayConfig,
    depths: MemoryDepths,
) -> Result<(Network, Compiled), String> {
    let network = problem.network();
    let slots = problem.port.as_ref().map_or_else(every_cycle, |port| port.slots.clone());
    let weight_port = |ring: WeightRing| WeightPort {
        cols: ring.port_cols,
        slots: slots.clone(),
        ring: None,
        room: None,
    };
    let target =
        Target { weight_port: depths.ring.map(weight_port), ..Target::for_hardware(array, depths) };
    let compiled = compile(&network, &target).map_err(|e| e.to_string())?;
    Ok((network, compiled))
}

/// The same with any layers' weights streamed, at a rate that is the problem's own.
fn compile_streamed(
    problem: &Problem,
    array: &ArrayConfig,
    ring: WeightRing,
) -> Result<(Network, Compiled), String> {
    let depths = MemoryDepths { weight: DEPTHS.weight - ring.words, ..DEPTHS };
    let (network, mut compiled) = compile_for(problem, array, depths)?;
    let mut rng = ChaCha8Rng::seed_from_u64(problem.seed);
    let cycles = rng.random_range(1..6);
    let slots = PortSlots::at_rate(rng.random_range(0..400), rng.random_range(1..=cycles), cycles);
    let layers: u32 = rng.random();
    let choose = |layer: usize| layers >> (layer % 32) & 1 == 1;
    compiled.program = streamed(&compiled.program, ring, slots, choose);
    Ok((network, compiled))
}

fn run(
    accelerator: &mut Accelerator,
    problem: &Problem,
    network: &Network,
    compiled: &Compiled,
) -> Result<(), String> {
    accelerator.load(&compiled.program).map_err(|e| e.to_string())?;
    let mut predictor = Predictor::new(&compiled.program);
    // Back to back, without a reset: the second image meets what the first one left behind.
    for image in problem.images(2) {
        let execution = accelerator.run(&image).map_err(|e| e.to_string())?;
        ladder::check(network, compiled, &mut predictor, &image, &execution)?;
        // Again with a host that stalls at random: only the cycles of `Send` may change.
        let mut rng = ChaCha8Rng::seed_from_u64(problem.seed);
        let stalled = accelerator.run_stalled(&image, || rng.random_bool(0.6));
        let stalled = stalled.map_err(|e| e.to_string())?;
        if stalled.send_cycles < execution.send_cycles {
            return Err("stalls made `Send` faster".to_owned());
        }
        // What it finds in the weight ring is its own, as are the cycles that follow.
        let (start, send_cycles) = (stalled.start, execution.send_cycles);
        let unstalled = Execution { send_cycles, ..stalled.clone() };
        ladder::check(network, compiled, &mut predictor, &image, &unstalled)?;
        let has_ring = compiled.program.depths.ring.is_some();
        let layer_cycles = if has_ring { &stalled.layer_cycles } else { &execution.layer_cycles };
        let same = Execution { start, layer_cycles: layer_cycles.clone(), ..execution };
        if unstalled != same {
            return Err("a stalling host changed the results".to_owned());
        }
    }
    Ok(())
}

/// Runs random networks through one model of an array; a failure names its problem.
#[track_caller]
fn check_array(shape: &str, taps: usize, lines: usize, extended: bool, networks: usize) {
    check_depths(DEPTHS, shape, [taps, lines], extended, networks);
}

/// As [`check_array`], with such memories.
#[track_caller]
fn check_depths(
    depths: MemoryDepths,
    shape: &str,
    divisions: [usize; 2],
    extended: bool,
    networks: usize,
) {
    let array = array(shape, divisions, extended);
    check_networks(&array, depths, networks, |problem| compile_for(problem, &array, depths));
}

/// As [`check_array`], with any layers streamed through a ring.
#[track_caller]
fn check_ring(shape: &str, divisions: [usize; 2], ring: WeightRing, networks: usize) {
    let array = array(shape, divisions, true);
    let depths = MemoryDepths { ring: Some(ring), ..DEPTHS };
    check_networks(&array, depths, networks, |problem| compile_streamed(problem, &array, ring));
}

fn array(shape: &str, [taps, lines]: [usize; 2], extended: bool) -> ArrayConfig {
    let ArrayShape { rows, cols, lanes } = shape.parse().expect("an array");
    ArrayConfig { rows, cols, lanes, taps, lines, acc_bits: ACC_BITS, extended }
}

#[track_caller]
fn check_networks(
    array: &ArrayConfig,
    depths: MemoryDepths,
    networks: usize,
    compiled: impl Fn(&Problem) -> Result<(Network, Compiled), String>,
) {
    let model = Build::new(accelerator_design(array, &depths))
        .compile(&toolchain())
        .expect("the Verilog compiles")
        .instantiate(Initial::Random(7))
        .expect("the model loads");
    let mut accelerator = Accelerator::new(model).expect("an accelerator");
    let mut check = |problem: &Problem| {
        let (network, compiled) = compiled(problem)?;
        run(&mut accelerator, problem, &network, &compiled)
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for _ in 0..networks {
        let mut tree = problems(18, array.extended).new_tree(&mut runner).expect("a problem");
        let Err(mut error) = check(&tree.current()) else { continue };
        // Shrink as long as it fails, at most so often.
        for _ in 0..200 {
            if !tree.simplify() {
                break;
            }
            match check(&tree.current()) {
                Err(smaller) => error = smaller,
                Ok(()) if !tree.complicate() => break,
                Ok(()) => {}
            }
        }
        panic!("{array:?}: {error}\n{:#?}", tree.current());
    }
}

#[test]
fn array_with_one_pe_agrees() {
    check_array("1x1x4", 1, 1, true, 12);
}

#[test]
fn array_with_odd_sizes_agrees() {
    check_array("3x5x11", 1, 1, true, 40);
}

#[test]
fn array_with_more_columns_than_lanes_agrees() {
    check_array("2x7x4", 1, 2, true, 30);
}

#[test]
fn array_with_several_slices_a_word_agrees() {
    check_array("4x3x37", 1, 4, false, 40);
}

#[test]
fn array_wider_than_a_machine_word_agrees() {
    check_array("2x4x70", 1, 1, true, 20);
}

#[test]
fn array_with_two_lane_groups_agrees() {
    check_array("3x4x16", 2, 1, true, 30);
}

#[test]
fn array_with_four_lane_groups_agrees() {
    check_array("4x8x64", 4, 2, false, 30);
}

#[test]
fn demo_array_agrees() {
    check_array("8x8x16", 1, 4, false, 40);
}

/// Few resident words behind a ring that every layer of the random networks can go through.
fn ring_depths(words: usize, port_cols: usize) -> MemoryDepths {
    MemoryDepths { weight: words + 64, ring: Some(WeightRing { words, port_cols }), ..DEPTHS }
}

#[test]
fn array_with_a_weight_port_agrees() {
    check_depths(ring_depths(8192, 1), "3x5x11", [1, 1], true, 30);
}

#[test]
fn array_with_lane_groups_and_a_wide_weight_port_agrees() {
    check_depths(ring_depths(2048, 4), "4x8x64", [4, 2], false, 30);
}

#[test]
fn array_with_a_small_ring_and_a_narrow_port_agrees() {
    check_ring("3x6x11", [1, 1], WeightRing { words: 8, port_cols: 2 }, 30);
}

#[test]
fn array_with_a_large_ring_and_a_wide_port_agrees() {
    check_ring("4x4x32", [2, 2], WeightRing { words: 256, port_cols: 4 }, 20);
}

#[test]
fn a_layer_without_steps_halts() {
    let mut runner = TestRunner::deterministic();
    let problem = problems(4, false).new_tree(&mut runner).expect("a problem").current();
    let shape = ArrayShape { rows: 2, cols: 2, lanes: 8 };
    let compiled = compile(&problem.network(), &Target::sized_for_network(shape)).expect("fits");
    let image = &problem.images(1)[0];
    let mut program = compiled.program;
    let mut accelerator = Accelerator::build(&program, &toolchain()).expect("builds");
    accelerator.run(image).expect("runs");
    program.layers[1].steps = 0;
    accelerator.load(&program).expect("loads");
    let result = accelerator.run(image);
    assert!(matches!(result, Err(Error::Halted { layer: 1 })), "{result:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    /// Memories sized for the network, on arrays of any shape, some with a weight port.
    #[test]
    fn random_arrays_agree(
        problem in problems(12, true),
        (rows, cols, lanes) in (1..=6usize, 1..=6usize, 4..=24usize),
    ) {
        let network = problem.network();
        let target = Target::sized_for_network(ArrayShape { rows, cols, lanes });
        let compiled = compile(&network, &problem.target(&network, target)).expect("fits");
        let mut accelerator =
            Accelerator::build(&compiled.program, &toolchain()).expect("builds");
        let mut predictor = Predictor::new(&compiled.program);
        for image in problem.images(2) {
            let execution = accelerator.run(&image).expect("runs");
            ladder::check(&network, &compiled, &mut predictor, &image, &execution)
                .map_err(TestCaseError::fail)?;
        }
    }
}
