//! Rung 4: interpreter, simulator and fast engine agree on every tensor; they and the cycle model on
//! every layer's cycles, those of images that wait for their weights included.

use heartbit_compiler::plan::bands::{Bands, Sequence};
use heartbit_compiler::plan::plan;
use heartbit_compiler::predict::Predictor;
use heartbit_compiler::schedule::{Compiled, compile, compile_in_bands};
use heartbit_ir::network::Network;
use heartbit_ir::program::ArrayShape;
use heartbit_sim::Simulator;
use heartbit_sim::fast::Engine;
use heartbit_tests::ladder;
use heartbit_tests::problem::{Problem, ports, problems};
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
    let target = problem.target(&network, ladder::target(shape, taps, extended));
    let compiled = compile(&network, &target).expect("fits");
    run(problem, &network, &compiled)
}

fn run(problem: &Problem, network: &Network, compiled: &Compiled) -> Result<(), TestCaseError> {
    let mut simulator = Simulator::new(&compiled.program).expect("a valid program");
    let mut engine = Engine::new(&compiled.program).expect("a valid program");
    let mut predictor = Predictor::new(&compiled.program);
    // The second image meets what the first one left in the memories.
    for image in problem.images(2) {
        let execution = simulator.run(&image).expect("runs");
        ladder::check(network, compiled, &mut predictor, &image, &execution)
            .map_err(TestCaseError::fail)?;
        prop_assert_eq!(engine.run(&image).expect("runs"), execution);
    }
    Ok(())
}

/// All groups of layers that can run in bands of one row.
fn groups(network: &Network) -> Vec<Bands> {
    let plan = plan(network).expect("a plan");
    let n = plan.layers.len();
    let all = (0..n).flat_map(|first| (first..n).map(move |last| Bands { first, last, height: 1 }));
    all.filter(|bands| Sequence::in_bands(network, &plan, *bands).is_some()).collect()
}

/// Runs the network in bands: `choice` is a group of those that there are, and a height.
fn check_bands(
    problem: &Problem,
    shape: ArrayShape,
    taps: usize,
    choice: (prop::sample::Index, prop::sample::Index),
    accept: fn(&Compiled) -> bool,
) -> Result<(), TestCaseError> {
    let network = problem.network();
    let groups = groups(&network);
    prop_assume!(!groups.is_empty());
    let group = groups[choice.0.index(groups.len())];
    let height = plan(&network).expect("a plan").layers[group.last].shape[0];
    let bands = Bands { height: 1 + choice.1.index(height - 1), ..group };
    let target = ladder::target(shape, taps, true);
    let compiled = compile_in_bands(&network, &target, bands).expect("fits");
    prop_assert_eq!(compiled.sequence.bands, Some(bands));
    prop_assume!(accept(&compiled));
    run(problem, &network, &compiled)
}

proptest! {
    // `PROPTEST_CASES` takes precedence.
    // Many small networks have no layers that can run in bands.
    #![proptest_config(ProptestConfig {
        cases: 4_096,
        max_global_rejects: 65_536,
        ..ProptestConfig::default()
    })]

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

    #[test]
    fn bands_of_maps_agree_with_interpreter_and_cycle_model(
        problem in problems(20, true), shape in shapes(), taps in 0..=2u32,
        choice in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        check_bands(&problem, shape, 1 << taps, choice, |compiled| {
            compiled.program.layers.iter().all(|d| !d.flags.keep_image && !d.shortcut.inner)
        })?;
    }

    #[test]
    fn bands_agree_with_interpreter_and_cycle_model(
        problem in problems(20, true), shape in shapes(), taps in 0..=2u32,
        choice in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        check_bands(&problem, shape, 1 << taps, choice, |_| true)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, ..ProptestConfig::default() })]

    /// As above, and every problem has a weight port.
    #[test]
    fn arrays_with_a_weight_port_agree_with_interpreter_and_cycle_model(
        mut problem in problems(20, true), port in ports(), shape in shapes(),
    ) {
        problem.port = Some(port);
        check(&problem, shape, 1, true)?;
    }
}
