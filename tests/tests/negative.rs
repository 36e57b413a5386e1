//! Negative controls: one wrong bit anywhere must be found, and the first layer that differs named.
//!
//! Without these, agreement of the engines would prove nothing.

#[path = "support/mutate.rs"]
mod mutate;

use heartbit_compiler::fold::fold;
use heartbit_compiler::random;
use heartbit_compiler::schedule::{Compiled, Target, compile};
use heartbit_cosim::{Accelerator, Build, Design, Initial, Toolchain, accelerator_design};
use heartbit_ir::network::Network;
use heartbit_ir::program::{Execution, Program};
use heartbit_model::Arch;
use heartbit_sim::Simulator;
use heartbit_tests::ladder;
use mutate::mutate;

/// An untrained ResNet-20 on a small array, with one image.
struct Fixture {
    network: Network,
    compiled: Compiled,
    image: Vec<u8>,
}

impl Fixture {
    fn new() -> Self {
        let checkpoint = random::checkpoint(Arch::ResNet20, &Arch::ResNet20.published(), 3)
            .expect("valid sizes");
        let network = fold(&checkpoint).expect("complete");
        let target = Target::sized_for_network("8x8x16".parse().expect("an array"));
        let compiled = compile(&network, &target).expect("fits");
        let image = (0..32 * 32 * 3u32).map(|i| (i * i % 251).to_le_bytes()[0]).collect();
        Self { network, compiled, image }
    }

    /// First layer and tensor that differ, or `None`.
    fn first_difference(&self, execution: &Execution) -> Option<(String, String)> {
        ladder::differences(&self.network, &self.compiled, &self.image, execution)
            .into_iter()
            .next()
            .map(|d| (d.layer, d.tensor.into_owned()))
    }

    fn simulate(&self, program: &Program) -> Execution {
        let mut simulator = Simulator::new(program).expect("a valid program");
        simulator.run(&self.image).expect("runs")
    }

    fn design(&self) -> Design {
        let program = &self.compiled.program;
        accelerator_design(&program.array, &program.depths)
    }

    fn cosimulate(&self, design: Design, program: &Program) -> Execution {
        let mut accelerator = Self::accelerator(design);
        accelerator.load(program).expect("loads");
        accelerator.run(&self.image).expect("runs")
    }

    fn accelerator(design: Design) -> Accelerator {
        let toolchain =
            Toolchain::detect().unwrap_or_else(|e| panic!("{e}: {}", e.help().unwrap_or_default()));
        let model = Build::new(design)
            .compile(&toolchain)
            .expect("the Verilog compiles")
            .instantiate(Initial::Random(1))
            .expect("the model loads");
        Accelerator::new(model).expect("an accelerator")
    }

    fn layer(&self, name: &str) -> usize {
        self.compiled.plan.layers.iter().position(|l| l.name == name).expect("a layer")
    }
}

#[test]
fn intact_engines_agree() {
    let fixture = Fixture::new();
    let program = &fixture.compiled.program;
    assert_eq!(fixture.first_difference(&fixture.simulate(program)), None);
    assert_eq!(fixture.first_difference(&fixture.cosimulate(fixture.design(), program)), None);
}

#[test]
fn flipped_weight_bit_is_found_in_its_layer() {
    let fixture = Fixture::new();
    for name in ["conv1", "layer1.2.conv2", "layer2.0.conv1", "layer3.2.conv2", "linear"] {
        let mut program = fixture.compiled.program.clone();
        let word = usize::from(program.layers[fixture.layer(name)].weight_base);
        let bit = program.weights[0].word(word)[0] & 1 == 1;
        program.weights[0].set(word, 0, !bit);
        // The first step of a tile is a corner tap, which only inner pixels see.
        let expected = Some((name.to_owned(), "sums".to_owned()));
        assert_eq!(fixture.first_difference(&fixture.simulate(&program)), expected, "simulator");
        let execution = fixture.cosimulate(fixture.design(), &program);
        assert_eq!(fixture.first_difference(&execution), expected, "RTL");
    }
}

#[test]
fn shifted_threshold_is_found_in_its_layer() {
    let fixture = Fixture::new();
    for name in ["conv1", "layer2.1.conv1", "layer3.0.conv2"] {
        let mut program = fixture.compiled.program.clone();
        let layer = program.layers[fixture.layer(name)];
        // One unit of the stream, in every border class: some pixel is not clipped.
        let first = usize::from(layer.param_base);
        for parameter in &mut program.parameters[1][first..first + layer.borders.classes()] {
            parameter.bias += 1 << layer.shift;
        }
        let expected = Some((name.to_owned(), "stream".to_owned()));
        assert_eq!(fixture.first_difference(&fixture.simulate(&program)), expected, "simulator");
        let execution = fixture.cosimulate(fixture.design(), &program);
        assert_eq!(fixture.first_difference(&execution), expected, "RTL");
    }
}

#[test]
fn dropped_skew_register_is_found_in_the_first_layer() {
    let fixture = Fixture::new();
    let program = &fixture.compiled.program;
    let mutants = [
        // Row 1 gets its activations with row 0.
        ("array.v", ".a(a_1_d1)", ".a(a_1)"),
        // Row 5 gets its activations a cycle early.
        ("array.v", ".a(a_5_d5)", ".a(a_5_d4)"),
        // The sums of column 0 leave a cycle early.
        ("array.v", "assign hits_0 = hits_0_d7;", "assign hits_0 = hits_0_d6;"),
        // PE outputs skip their register: the weights run ahead of the activations.
        ("pe.v", "assign w_out = w_q;", "assign w_out = w;"),
    ];
    for (file, from, to) in mutants {
        let design = mutate(fixture.design(), file, from, to);
        let execution = fixture.cosimulate(design, program);
        assert_eq!(
            fixture.first_difference(&execution),
            Some(("conv1".to_owned(), "sums".to_owned())),
            "{from}"
        );
    }
}

#[test]
fn sender_that_does_not_wait_for_the_host_is_found() {
    let fixture = Fixture::new();
    let ready = "wire beat_now = valid_now & out_ready;";
    let design = mutate(fixture.design(), "sender.v", ready, "wire beat_now = valid_now;");
    for (design, expected) in [(fixture.design(), None), (design, Some("logits"))] {
        let mut accelerator = Fixture::accelerator(design);
        accelerator.load(&fixture.compiled.program).expect("loads");
        let mut turn = false;
        let mut stall = || {
            turn = !turn;
            turn
        };
        // A beat that was not taken is lost, perhaps the last one with all that follows.
        let tensor = match accelerator.run_stalled(&fixture.image, &mut stall) {
            Ok(execution) => fixture.first_difference(&execution).map(|(_, tensor)| tensor),
            Err(heartbit_cosim::Error::Hang { .. }) => Some("logits".to_owned()),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(tensor.as_deref(), expected);
    }
}

#[test]
fn class_that_is_offered_again_is_found() {
    let fixture = Fixture::new();
    let sent = "assign sent = beat_now & ending;";
    let design = mutate(fixture.design(), "sender.v", sent, "assign sent = !beat_now & ending;");
    for stalls in [false, true] {
        let mut accelerator = Fixture::accelerator(design.clone());
        accelerator.load(&fixture.compiled.program).expect("loads");
        let result = if stalls {
            accelerator.run_stalled(&fixture.image, || false)
        } else {
            accelerator.run(&fixture.image)
        };
        assert!(matches!(result, Err(heartbit_cosim::Error::BeatBehindClass)), "{result:?}");
    }
}
