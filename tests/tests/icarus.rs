//! The emitted Verilog under Icarus Verilog: every tensor and every layer's cycles as under Verilator,
//! and nothing that must be known is X or Z after a reset.
//!
//! All layer kinds of the eight networks at small sizes, random networks on extended hardware, and
//! streamed weights. A missing Icarus fails these tests; it never skips them.

#[path = "support/mutate.rs"]
mod mutate;

use heartbit_compiler::fold::fold;
use heartbit_compiler::predict::Predictor;
use heartbit_compiler::random;
use heartbit_compiler::schedule::{Compiled, Target, compile};
use heartbit_cosim::{
    Accelerator, Build, Design, Error, Icarus, Initial, Toolchain, accelerator_design,
};
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayShape, Execution, IMAGE_CHANNELS, PortSlots, WeightRing};
use heartbit_model::{Arch, Sizes};
use heartbit_tests::ladder;
use heartbit_tests::problem::problems;
use heartbit_tests::streamed::streamed;
use mutate::mutate;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

fn icarus() -> Icarus {
    Icarus::detect().unwrap_or_else(|error| {
        panic!("{error}: {}", error.help().unwrap_or_default());
    })
}

/// A network on an array, with images.
struct Case {
    network: Network,
    compiled: Compiled,
    images: Vec<Vec<u8>>,
}

impl Case {
    /// A small network of an architecture.
    fn new(arch: Arch, widths: &[usize], image_side: usize, shape: &str) -> Self {
        let sizes = Sizes { image_side, classes: 5, widths: widths.to_vec() };
        let checkpoint = random::checkpoint(arch, &sizes, 1).expect("valid sizes");
        let network = fold(&checkpoint).expect("complete");
        let target = Target::sized_for_network(shape.parse().expect("an array"));
        let compiled = compile(&network, &target).expect("fits");
        let n_bytes = image_side * image_side * IMAGE_CHANNELS;
        // Neither constant nor periodic in a row.
        let byte = |i: usize| u8::try_from(i * i / 7 % 251).expect("below 256");
        Self { network, compiled, images: vec![(0..n_bytes).map(byte).collect()] }
    }

    fn resnet20() -> Self {
        Self::new(Arch::ResNet20, &[4, 4, 8], 8, "4x2x32")
    }

    fn design(&self) -> Design {
        accelerator_design(&self.compiled.program.array, &self.compiled.program.depths)
    }

    /// Runs all images back to back.
    fn run(&self, mut accelerator: Accelerator) -> Result<Vec<Execution>, Error> {
        accelerator.load(&self.compiled.program)?;
        self.images.iter().map(|image| accelerator.run(image)).collect()
    }

    fn run_icarus(&self, design: Design, values: Option<u32>) -> Result<Vec<Execution>, Error> {
        self.run(Accelerator::new(icarus().model(design, values, None)?)?)
    }

    #[track_caller]
    fn check(&self, executions: &[Execution]) {
        let mut predictor = Predictor::new(&self.compiled.program);
        for (image, execution) in self.images.iter().zip(executions) {
            let (network, compiled) = (&self.network, &self.compiled);
            let checked = ladder::check(network, compiled, &mut predictor, image, execution);
            assert_eq!(checked, Ok(()));
        }
    }

    #[track_caller]
    fn cosimulate(&self) {
        let design = self.design();
        let (registers, conditions) = (design.watch.registers(), design.watch.conditions());
        assert!(
            registers > 50 && conditions > 50 && design.watch.outputs() > 20,
            "nothing is watched"
        );
        self.check(&self.run_icarus(design, None).expect("runs, and is known"));
    }

    /// What is found unknown in a design that was changed.
    #[track_caller]
    fn unknown(&self, file: &str, from: &str, to: &str) -> (String, u64) {
        match self.run_icarus(mutate(self.design(), file, from, to), None) {
            Err(Error::Unknown { signal, cycle }) => (signal, cycle),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("not found: {from}"),
        }
    }
}

macro_rules! networks {
    ($($name:ident: $arch:ident $widths:expr, $side:literal on $shape:literal,)*) => {
        mod small_network_agrees {
            $(#[test]
            fn $name() {
                super::Case::new(super::Arch::$arch, &$widths, $side, $shape).cosimulate();
            })*
        }
    };
}

networks! {
    resnet20: ResNet20 [4, 4, 8], 8 on "4x2x32",
    resnet18: ResNet18 [4, 4, 8, 8], 8 on "4x2x32",
    resnet18_ovsw: ResNet18Ovsw [4, 4, 8, 8], 8 on "4x3x32",
    vgg_small: VggSmall [4, 4, 4, 4, 8, 8], 8 on "4x2x32",
    vgg_small_ovsw: VggSmallOvsw [4, 4, 4, 4, 8, 8], 8 on "3x2x40",
    resnet18_imagenet: ResNet18ImageNet [4, 4, 8, 8], 32 on "4x2x64",
    resnet34_imagenet: ResNet34ImageNet [4, 4, 8, 8], 32 on "4x4x64",
    reactnet18: ReActNet18 [4, 4, 8, 8], 32 on "4x2x64",
}

/// Random networks on hardware with every extension, two images each, one after the other in one
/// model: each meets what the one before left in the memories.
#[test]
fn random_networks_agree() {
    let mut runner = TestRunner::deterministic();
    for shape in ["2x3x8", "1x1x4", "3x2x11"] {
        for _ in 0..2 {
            let problem = problems(5, true).new_tree(&mut runner).expect("a problem").current();
            let network = problem.network();
            let shape: ArrayShape = shape.parse().expect("an array");
            let target = Target { extended: Some(true), ..Target::sized_for_network(shape) };
            let compiled = compile(&network, &target).expect("fits");
            Case { network, compiled, images: problem.images(2) }.cosimulate();
        }
    }
}

#[test]
fn streamed_weights_agree() {
    let Case { network, mut compiled, mut images } = Case::resnet20();
    images.push(images[0].iter().rev().copied().collect());
    let ring = WeightRing { words: 64, port_cols: 1 };
    compiled.program = streamed(&compiled.program, ring, PortSlots::at_rate(30, 2, 5), |_| true);
    Case { network, compiled, images }.cosimulate();
}

#[test]
fn initial_values_change_nothing() {
    let case = Case::resnet20();
    let expected = case.run_icarus(case.design(), None).expect("runs");
    for seed in [1, 2] {
        let executions = case.run_icarus(case.design(), Some(seed)).expect("runs");
        assert_eq!(executions, expected, "Icarus, seed {seed}");
    }
    let toolchain = Toolchain::detect()
        .unwrap_or_else(|error| panic!("{error}: {}", error.help().unwrap_or_default()));
    let compiled = Build::new(case.design()).compile(&toolchain).expect("compiles");
    for seed in 1..=8 {
        let model = compiled.instantiate(Initial::Random(seed)).expect("loads");
        let executions = case.run(Accelerator::new(model).expect("an accelerator")).expect("runs");
        assert_eq!(executions, expected, "Verilator, seed {seed}");
    }
}

#[test]
fn register_that_lost_its_reset_is_named() {
    let case = Case::resnet20();
    for (file, from, to, signal) in [
        (
            "sequencer.v",
            "    if (rst) state_q <= 3'd0;\n    else state_q <= state_next;",
            "    state_q <= state_next;",
            "heartbit.sequencer.state_q",
        ),
        (
            "drain.v",
            "    if (rst) beat_q <= 1'b0;\n    else beat_q",
            "    beat_q",
            "heartbit.drain.beat_q",
        ),
        (
            "result_fields.v",
            "    if (rst) word_10 <= 32'h0;\n    else if (take) word_10",
            "    if (take) word_10",
            "heartbit.results.word_10",
        ),
    ] {
        // The first look is at what the second edge of the reset takes.
        assert_eq!(case.unknown(file, from, to), (signal.to_owned(), 1), "{file}");
    }
}

#[test]
fn word_that_was_not_loaded_is_found_at_the_outputs() {
    let mut case = Case::resnet20();
    let parameters = &mut case.compiled.program.parameters[1];
    parameters.truncate(parameters.len() - 1);
    match case.run_icarus(case.design(), None) {
        Err(Error::Unknown { signal, .. }) => {
            assert!(signal.starts_with("heartbit.mon_"), "{signal}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn missing_icarus_is_an_outside_tool_error_with_the_install_line() {
    let error = Icarus::from_programs("/nonexistent/iverilog", "vvp").expect_err("not there");
    assert_eq!(error.exit_code(), 5);
    assert!(error.help().is_some_and(|help| help.contains("apt-get install iverilog")));
}
