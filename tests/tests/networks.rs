//! Every network of the specification at its full size: interpreter, cycle model, simulator, and
//! the emitted Verilog under Verilator, on every tensor of an image. One of them also with memories that
//! are too small for its maps and for its weights.
//!
//! The weights are random with realistic statistics.

use heartbit_compiler::fold::fold;
use heartbit_compiler::predict::{Predictor, predict};
use heartbit_compiler::random;
use heartbit_compiler::schedule::{Compiled, MemoryWords, Target, WeightPort, compile};
use heartbit_cosim::{Accelerator, Toolchain};
use heartbit_ir::network::{Network, OpKind};
use heartbit_ir::program::{Execution, PortSlots};
use heartbit_model::Arch;
use heartbit_sim::Simulator;
use heartbit_tests::ladder;

/// A network on an array, with one image.
struct Case {
    network: Network,
    compiled: Compiled,
    image: Vec<u8>,
}

impl Case {
    fn new(arch: Arch, shape: &str) -> Self {
        Self::of(arch, &Target::sized_for_network(shape.parse().expect("an array")))
    }

    /// Layers run in bands, and half of the weights are streamed, for which steps wait.
    fn in_small_memories() -> Self {
        let words = MemoryWords { activation: None, weight: Some(8192), stream: Some(8192) };
        let slots = PortSlots::at_rate(40, 1, 2);
        let weight_port = Some(WeightPort { cols: 8, slots, ring: None, room: None });
        let shape = "7x32x64".parse().expect("an array");
        let target = Target { words, weight_port, ..Target::sized_for_network(shape) };
        let case = Self::of(Arch::ResNet18ImageNet, &target);
        let program = &case.compiled.program;
        assert!(case.compiled.sequence.bands.is_some());
        assert!(program.layers.iter().filter(|layer| layer.flags.stream_weights).count() > 5);
        assert!(predict(program).weight_wait().0 > 10_000);
        case
    }

    fn of(arch: Arch, target: &Target) -> Self {
        let checkpoint = random::checkpoint(arch, &arch.published(), 1).expect("valid sizes");
        let network = fold(&checkpoint).expect("complete");
        let compiled = compile(&network, target).expect("fits");
        let OpKind::Image { height, width, channels } = network.ops[0].kind else {
            panic!("bug: a network begins with its image");
        };
        let bytes = u32::try_from(height * width * channels).expect("bug: small");
        // Neither constant nor periodic in a row.
        let image = (0..bytes).map(|i| (i.wrapping_mul(i) / 7 % 251).to_le_bytes()[0]).collect();
        Self { network, compiled, image }
    }

    #[track_caller]
    fn simulate(&self) {
        let mut simulator = Simulator::new(&self.compiled.program).expect("a valid program");
        let execution = simulator.run(&self.image).expect("runs");
        self.check(&execution);
    }

    #[track_caller]
    fn check(&self, execution: &Execution) {
        let mut predictor = Predictor::new(&self.compiled.program);
        let (network, compiled) = (&self.network, &self.compiled);
        let checked = ladder::check(network, compiled, &mut predictor, &self.image, execution);
        assert_eq!(checked, Ok(()));
    }

    #[track_caller]
    fn cosimulate(&self) {
        let toolchain =
            Toolchain::detect().unwrap_or_else(|e| panic!("{e}: {}", e.help().unwrap_or_default()));
        let mut accelerator =
            Accelerator::build(&self.compiled.program, &toolchain).expect("the Verilog compiles");
        let execution = accelerator.run(&self.image).expect("runs");
        self.check(&execution);
    }
}

macro_rules! networks {
    ($($name:ident: $arch:ident on $shape:literal,)*) => {
        mod simulator_agrees {
            $(#[test]
            fn $name() {
                super::Case::new(super::Arch::$arch, $shape).simulate();
            })*
        }

        mod verilog_agrees {
            $(#[test]
            fn $name() {
                super::Case::new(super::Arch::$arch, $shape).cosimulate();
            })*
        }
    };
}

networks! {
    resnet20: ResNet20 on "4x8x32",
    resnet18: ResNet18 on "8x16x64",
    resnet18_ovsw: ResNet18Ovsw on "8x16x64",
    vgg_small: VggSmall on "8x16x64",
    vgg_small_ovsw: VggSmallOvsw on "8x16x64",
    resnet18_imagenet: ResNet18ImageNet on "7x32x64",
    resnet34_imagenet: ResNet34ImageNet on "7x32x64",
    reactnet18: ReActNet18 on "7x32x64",
}

#[test]
fn simulator_agrees_in_bands_with_streamed_weights() {
    Case::in_small_memories().simulate();
}

#[test]
fn verilog_agrees_in_bands_with_streamed_weights() {
    Case::in_small_memories().cosimulate();
}
