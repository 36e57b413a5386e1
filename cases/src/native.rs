//! The description of the accelerator in the native simulation, and what a host does at its ports.
//!
//! Like the Verilog, it knows only the ports of microarchitecture.md, section 6.
//!
//! Not here: the judgement whether a result is right.

mod source;

pub use source::{WeightSource, load};

use heartbit_hdl::{PortId, Simulator, accelerator};
use heartbit_ir::program::{Execution, LayerOutput, Program};

/// States of the sequencer.
const FETCH: u64 = 1;
const SEND: u64 = 4;

/// The accelerator in the native simulation.
pub struct Native {
    sim: Simulator,
    program: Program,
    source: WeightSource,
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

impl Native {
    /// Resets and loads.
    pub fn new(program: &Program) -> Self {
        let mut sim = Simulator::new(&accelerator(&program.array, &program.depths));
        sim.set("rst", 1);
        (0..3).for_each(|_| sim.step());
        sim.set("rst", 0);
        let source = source::load(&mut sim, program);
        let ports = Watched {
            state: sim.port("mon_state"),
            layer: sim.port("mon_layer"),
            result_layer: sim.port("mon_result_layer"),
            valid: sim.port("mon_valid"),
            pool_valid: sim.port("mon_pool_valid"),
            event: sim.port("mon_event"),
        };
        Self { sim, program: program.clone(), source, ports }
    }

    /// Begins anew, with the program that is loaded.
    fn reset(&mut self) {
        self.source.begin(&mut self.sim);
        self.sim.set("rst", 1);
        self.sim.step();
        self.sim.set("rst", 0);
    }

    /// Offers a pixel for so many cycles and resets, in the middle of an image if it is begun.
    pub fn abandon(&mut self, cycles: usize) {
        self.sim.set("in_valid", 1);
        (0..cycles).for_each(|_| self.step());
        self.reset();
    }

    fn step(&mut self) {
        self.source.step(&mut self.sim);
    }

    fn look(&mut self, port: PortId) -> u64 {
        self.sim.read(port)[0]
    }

    /// Runs one image; `is_ready` decides in each cycle whether the host takes results. The cycles
    /// of `Send` are counted without those in which it does not.
    ///
    /// # Panics
    /// If the accelerator breaks a rule of its ports, or sends no class: a bug of the description.
    pub fn run(&mut self, image: &[u8], mut is_ready: impl FnMut() -> bool) -> Execution {
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
            let ready = is_ready();
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
    pub fn stream(&mut self, images: &[Vec<u8>]) -> Vec<(Vec<i32>, usize)> {
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
