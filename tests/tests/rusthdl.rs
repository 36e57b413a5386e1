//! Rung 5: the description of the accelerator in the native simulation, every tensor and every
//! layer's cycles.
//!
//! Like the Verilog, it knows only the ports of microarchitecture.md, section 6.

use heartbit_compiler::fold::fold;
use heartbit_compiler::predict::Predictor;
use heartbit_compiler::random;
use heartbit_compiler::schedule::{Target, compile};
use heartbit_hdl::{PortId, Simulator, accelerator};
use heartbit_ir::program::{ArrayShape, Execution, LayerOutput, PortSlots, Program, WeightRing};
use heartbit_model::Arch;
use heartbit_tests::ladder;
use heartbit_tests::problem::{Problem, problems};
use heartbit_tests::streamed::streamed;
use native::WeightSource;
use proptest::prelude::*;

#[path = "support/native.rs"]
mod native;

/// States of the sequencer.
const FETCH: u64 = 1;
const SEND: u64 = 4;

/// The accelerator in the native simulation.
struct Native<'p> {
    sim: Simulator,
    program: &'p Program,
    source: WeightSource<'p>,
    ports: Watched,
}

struct Watched {
    state: PortId,
    layer: PortId,
    result_layer: PortId,
    valid: PortId,
    pool_valid: PortId,
    event: PortId,
}

impl<'p> Native<'p> {
    /// Resets and loads.
    fn new(program: &'p Program) -> Self {
        let mut sim = Simulator::new(&accelerator(&program.array, &program.depths));
        sim.set("rst", 1);
        (0..3).for_each(|_| sim.step());
        sim.set("rst", 0);
        let source = native::load(&mut sim, program);
        let ports = Watched {
            state: sim.port("mon_state"),
            layer: sim.port("mon_layer"),
            result_layer: sim.port("mon_result_layer"),
            valid: sim.port("mon_valid"),
            pool_valid: sim.port("mon_pool_valid"),
            event: sim.port("mon_event"),
        };
        Self { sim, program, source, ports }
    }

    /// Begins anew, with the program that is loaded.
    fn reset(&mut self) {
        self.source.begin(&mut self.sim);
        self.sim.set("rst", 1);
        self.sim.step();
        self.sim.set("rst", 0);
    }

    fn step(&mut self) {
        self.source.step(&mut self.sim);
    }

    fn look(&mut self, port: PortId) -> u64 {
        self.sim.read(port)[0]
    }

    /// Runs one image; `stalls` decides in each cycle of `Send` whether the host is ready.
    fn run(&mut self, image: &[u8], mut stalls: impl FnMut() -> bool) -> Execution {
        let cols = self.program.array.cols;
        let output = |layer| LayerOutput::for_layer(layer, cols);
        let mut execution = Execution {
            layers: self.program.layers.iter().map(output).collect(),
            layer_cycles: vec![0; self.program.layers.len()],
            ..Execution::default()
        };
        let pixels = usize::from(self.program.header.image_height)
            * usize::from(self.program.header.image_width);
        for pixel in image.chunks(image.len() / pixels) {
            let data = pixel.iter().rev().fold(0, |data, byte| data << 8 | u64::from(*byte));
            self.sim.set("in_valid", 1);
            self.sim.set("in_data", data);
            // Not while a window is written.
            let waited = (0..1000).find(|_| {
                let ready = self.sim.get("in_ready") == 1;
                self.step();
                ready
            });
            assert!(waited.is_some(), "the image memory is free");
        }
        self.sim.set("in_valid", 0);
        let mut pooled_tiles = vec![0; self.program.layers.len()];
        let mut state_before = 0;
        for _ in 0..10_000_000_u32 {
            let ready = stalls();
            self.sim.set("out_ready", u64::from(ready));
            let state = self.look(self.ports.state);
            let layer = usize::try_from(self.look(self.ports.layer)).expect("bug: 8 bits");
            // The array may be on the next layer already.
            let results = usize::try_from(self.look(self.ports.result_layer)).expect("bug: 8 bits");
            let offered = self.sim.get("out_valid") == 1;
            let beat = ready && offered;
            let pixel = self.look(self.ports.valid) == 1;
            let pool = self.look(self.ports.pool_valid) == 1;
            let expected = beat || pixel || pool || state != state_before;
            assert_eq!(self.look(self.ports.event) == 1, expected, "mon_event");
            assert_eq!(self.sim.get("busy") == 1, state != 0);
            let free = state == SEND || state != 0 && layer > 0;
            assert!(free || state == 0 || self.sim.get("in_ready") == 0, "free after layer 0");
            if state == FETCH && state_before != FETCH {
                execution.start = self.source.cycle;
            }
            state_before = state;
            if (FETCH..SEND).contains(&state) {
                execution.layer_cycles[layer] += 1;
            } else if state == SEND {
                // Without the stalls.
                execution.send_cycles += u64::from(ready || !offered);
            }
            if pixel {
                self.pixel(&mut execution.layers[results]);
            }
            if pool {
                let levels = self.sim.get_words("mon_pool");
                for c in 0..cols {
                    let at = pooled_tiles[results] * cols + c;
                    let level = field(&levels, c, 8).to_le_bytes()[0];
                    execution.layers[results].pooled[at] = level;
                }
                pooled_tiles[results] += 1;
            }
            if beat {
                let data = field(&self.sim.get_words("out_data"), 0, 32);
                if self.sim.get("out_last") == 1 {
                    execution.class = usize::try_from(data).expect("bug: a class");
                    self.step();
                    return execution;
                }
                execution.logits.push(data);
            }
            self.step();
        }
        panic!("bug: the accelerator hangs in state {state_before}");
    }

    /// Offers the images without waiting for results, and returns what comes out.
    fn stream(&mut self, images: &[Vec<u8>]) -> Vec<(Vec<i32>, usize)> {
        let header = self.program.header;
        let n = usize::from(header.image_height) * usize::from(header.image_width);
        let mut pixels = images.iter().flat_map(|image| image.chunks(image.len() / n));
        let mut pixel = pixels.next();
        let mut results = Vec::new();
        let mut logits = Vec::new();
        self.sim.set("out_ready", 1);
        while results.len() < images.len() {
            let byte = |pixel: &[u8], i: usize| u64::from(pixel.get(i).copied().unwrap_or(0));
            let data = pixel.map_or(0, |p| byte(p, 0) | byte(p, 1) << 8 | byte(p, 2) << 16);
            self.sim.set("in_valid", u64::from(pixel.is_some()));
            self.sim.set("in_data", data);
            if self.sim.get("in_ready") == 1 {
                pixel = pixels.next();
            }
            if self.sim.get("out_valid") == 1 {
                let data = field(&self.sim.get_words("out_data"), 0, 32);
                if self.sim.get("out_last") == 1 {
                    let class = usize::try_from(data).expect("bug: a class");
                    results.push((std::mem::take(&mut logits), class));
                } else {
                    logits.push(data);
                }
            }
            self.step();
        }
        results
    }

    fn pixel(&mut self, output: &mut LayerOutput) {
        let array = self.program.array;
        let mut position = |name| usize::try_from(self.sim.get(name)).expect("bug: 16 bits");
        let (ct, y, x) = (position("mon_ct"), position("mon_y"), position("mon_x"));
        assert!(y < output.height && x < output.width, "a pixel of the map");
        let at = (y * output.width + x) * output.columns + ct * array.cols;
        let mut columns = |name, into: &mut Vec<i32>, bits| {
            let words = self.sim.get_words(name);
            for c in 0..array.cols {
                into[at + c] = field(&words, c, bits);
            }
        };
        columns("mon_sum", &mut output.sums, array.acc_bits as usize + 1);
        columns("mon_shortcut", &mut output.shortcut, 16);
        columns("mon_stream", &mut output.stream, 16);
        columns("mon_logit", &mut output.logits, 32);
        columns("mon_value", &mut output.value, 16);
        let bits = self.sim.get_words("mon_bit");
        for c in 0..array.cols {
            output.bits[at + c] = field(&bits, c, 1) != 0;
        }
        if !output.levels.is_empty() {
            let levels = self.sim.get_words("mon_level");
            for c in 0..array.cols {
                output.levels[at + c] = field(&levels, c, 8).to_le_bytes()[0];
            }
        }
    }
}

/// Signed field `index` of `bits` bits.
fn field(words: &[u64], index: usize, bits: usize) -> i32 {
    let low = index * bits;
    let word = |at: usize| u128::from(words.get(at).copied().unwrap_or(0));
    let both = word(low / 64) | word(low / 64 + 1) << 64;
    let value = (both >> (low % 64) << (128 - bits)).cast_signed() >> (128 - bits);
    i32::try_from(value).expect("bug: at most 32 bits")
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
    native.sim.set("in_valid", 1);
    (0..reset).for_each(|_| native.step());
    native.reset();
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
