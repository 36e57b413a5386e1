//! Rung 5: the description of the accelerator in the native simulation, every tensor and every
//! layer's cycles.
//!
//! Like the Verilog, it knows only the ports of microarchitecture.md, section 6.

use heartbit_compiler::schedule::{Target, compile};
use heartbit_hdl::{PortId, Simulator, accelerator};
use heartbit_ir::program::{ArrayShape, Execution, LayerOutput, Program};
use heartbit_tests::ladder;
use heartbit_tests::problem::{Problem, problems};
use proptest::prelude::*;

/// States of the sequencer.
const FETCH: u64 = 1;
const SEND: u64 = 4;

/// The accelerator in the native simulation.
struct Native<'p> {
    sim: Simulator,
    program: &'p Program,
    ports: Watched,
}

struct Watched {
    state: PortId,
    layer: PortId,
    valid: PortId,
    pool_valid: PortId,
    event: PortId,
}

impl<'p> Native<'p> {
    /// Resets and loads.
    fn new(program: &'p Program) -> Self {
        let sim = Simulator::new(&accelerator(&program.array, &program.depths));
        let ports = Watched {
            state: sim.port("mon_state"),
            layer: sim.port("mon_layer"),
            valid: sim.port("mon_valid"),
            pool_valid: sim.port("mon_pool_valid"),
            event: sim.port("mon_event"),
        };
        let mut native = Self { sim, program, ports };
        native.sim.set("rst", 1);
        (0..3).for_each(|_| native.sim.step());
        native.sim.set("rst", 0);
        native.load();
        native
    }

    fn load(&mut self) {
        for (address, word) in self.program.encode().into_iter().enumerate() {
            self.load_word(0, 0, address, &[word.into()]);
        }
        for (address, step) in self.program.steps.iter().enumerate() {
            self.load_word(1, 0, address, &[step.encode().into()]);
        }
        for (column, words) in self.program.weights.iter().enumerate() {
            for address in 0..words.len() {
                self.load_word(2, column, address, words.word(address));
            }
        }
        for (column, words) in self.program.parameters.iter().enumerate() {
            for (address, word) in words.iter().enumerate() {
                self.load_word(3, column, address, &[word.encode()]);
            }
        }
    }

    fn load_word(&mut self, target: u64, index: usize, address: usize, data: &[u64]) {
        self.sim.set("load_en", 1);
        self.sim.set("load_target", target);
        self.sim.set("load_index", index as u64);
        self.sim.set("load_addr", address as u64);
        self.sim.set_words("load_data", data);
        self.sim.step();
        self.sim.set("load_en", 0);
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
            assert_eq!(self.sim.get("in_ready"), 1, "the image memory is free");
            self.sim.set("in_valid", 1);
            self.sim.set("in_data", data);
            self.sim.step();
        }
        self.sim.set("in_valid", 0);
        assert_eq!(self.sim.get("in_ready"), 0, "a complete image waits");
        let mut pooled_tiles = vec![0; self.program.layers.len()];
        let mut state_before = 0;
        for _ in 0..10_000_000_u32 {
            let ready = stalls();
            self.sim.set("out_ready", u64::from(ready));
            let state = self.look(self.ports.state);
            let layer = usize::try_from(self.look(self.ports.layer)).expect("bug: 8 bits");
            let offered = self.sim.get("out_valid") == 1;
            let beat = ready && offered;
            let pixel = self.look(self.ports.valid) == 1;
            let pool = self.look(self.ports.pool_valid) == 1;
            let expected = beat || pixel || pool || state != state_before;
            assert_eq!(self.look(self.ports.event) == 1, expected, "mon_event");
            assert_eq!(self.sim.get("busy") == 1, state != 0);
            state_before = state;
            if (FETCH..SEND).contains(&state) {
                execution.layer_cycles[layer] += 1;
            } else if state == SEND {
                // Without the stalls.
                execution.send_cycles += u64::from(ready || !offered);
            }
            if pixel {
                self.pixel(&mut execution.layers[layer]);
            }
            if pool {
                let levels = self.sim.get_words("mon_pool");
                for c in 0..cols {
                    let at = pooled_tiles[layer] * cols + c;
                    let level = field(&levels, c, 8).to_le_bytes()[0];
                    execution.layers[layer].pooled[at] = level;
                }
                pooled_tiles[layer] += 1;
            }
            if beat {
                let data = field(&self.sim.get_words("out_data"), 0, 32);
                if self.sim.get("out_last") == 1 {
                    execution.class = usize::try_from(data).expect("bug: a class");
                    self.sim.step();
                    return execution;
                }
                execution.logits.push(data);
            }
            self.sim.step();
        }
        panic!("bug: the accelerator hangs in state {state_before}");
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

fn check(problem: &Problem, shape: ArrayShape) -> Result<(), TestCaseError> {
    let network = problem.network();
    let compiled = compile(&network, &Target::sized_for_network(shape)).expect("fits");
    let mut native = Native::new(&compiled.program);
    let mut cycle = 0_u32;
    // The second image meets what the first one left in the memories.
    for image in problem.images(2) {
        let execution = native.run(&image, || {
            cycle += 1;
            !cycle.is_multiple_of(3)
        });
        ladder::check(&network, &compiled, &image, &execution).map_err(TestCaseError::fail)?;
    }
    Ok(())
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
    fn description_agrees_with_interpreter_and_cycle_model(
        problem in problems(12), shape in shapes(),
    ) {
        check(&problem, shape)?;
    }

    #[test]
    fn description_agrees_where_columns_outnumber_lanes(
        problem in problems(16), rows in 1..=7usize, cols in 5..=13usize,
    ) {
        check(&problem, ArrayShape { rows, cols, lanes: 4 })?;
    }
}
