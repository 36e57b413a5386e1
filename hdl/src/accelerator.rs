//! The accelerator: an output-stationary XNOR array with its memories and sequencer.
//!
//! [`accelerator`] describes the top module `heartbit` for a configuration. What it does in which
//! cycle is docs/microarchitecture.md; each part's header says which section. The data flow:
//!
//! ```text
//! in ─> image ─┐                        weights
//!              ├─> feeder ─> rows ─> array ─> post ─> writer ─> activations, streams, logits
//! activations ─┘     ^                 ^       ^                                       │
//!                sequencer ──────────> drain, position, addresses                output ─> out
//! ```
//!
//! | port | dir | width | meaning |
//! | ---- | --- | ----- | ------- |
//! | `clk`, `rst` | in | 1 | synchronous reset of all control state |
//! | `load_en`, `load_target`, `load_index`, `load_addr`, `load_data` | in | 1, 3, 16, 16, max(L, 56), extended max(L, 135) | writes one word: 0 program, 1 steps, 2 weights, 3 parameters |
//! | `in_valid`, `in_ready`, `in_data` | in, out, in | 1, 1, 24 | one pixel a beat |
//! | `out_valid`, `out_ready`, `out_data`, `out_last` | out, in, out, out | 1, 1, 32, 1 | logits, then the class |
//! | `wt_valid`, `wt_ready`, `wt_data` | in, out, in | 1, 1, `W·L` | with a weight ring: a beat of weights |
//! | `weight_wait` | out | 1 | with a weight ring: a step waits for its weights |
//! | `busy` | out | 1 | not in `Idle` |
//! | `error` | out | 1 | halted at an illegal layer, until reset |
//! | `mon_*` | out | .. | the monitor, for simulation only |
//!
//! Timing: a layer takes `Run + layer_gap` cycles, exactly (section 5.4).
//!
//! Not here: board wrappers and host interfaces, which are built around this module's ports.

mod addresses;
mod arithmetic;
mod array;
mod beats;
mod borders;
mod control;
mod count_cell;
mod descriptor;
mod drain;
mod epilogue;
mod feeder;
mod fetch;
mod growth;
mod header;
mod image;
mod legality;
mod levels;
mod lines;
mod memories;
mod nonlinear;
mod output;
mod parameters;
mod pe;
mod pe_row;
#[cfg(test)]
mod pixel_tests;
mod pool;
mod position;
mod post;
mod reader;
mod results;
mod sequencer;
mod shortcut;
mod sizes;
mod stem;
mod store;
mod weight_ring;
mod windows;
mod writer;

use heartbit_ir::program::{ArrayConfig, MemoryDepths};

use crate::build::{Builder, Instance, Module, Sig};
use sizes::Sizes;
pub(crate) use sizes::bits_for;

/// Targets of the load port.
const PROGRAM: u64 = 0;
const STEPS: u64 = 1;
const WEIGHTS: u64 = 2;
const PARAMETERS: u64 = 3;

/// Describes the accelerator of a configuration, the module `heartbit`.
///
/// Memories have at least their depths: a block memory's worth or a third more at most.
///
/// # Panics
/// If the array has no elements or fewer than four lanes, or a memory more than 65536 words: the
/// compiler refuses such configurations.
pub fn accelerator(array: &ArrayConfig, depths: &MemoryDepths) -> Module {
    let sizes = Sizes::new(array, depths);
    let doc = format!(
        "Heartbit accelerator: {} x {} processing elements of {} lanes.",
        sizes.rows, sizes.cols, sizes.lanes
    );
    let m = Builder::new("heartbit", &doc);
    Top::describe(&m, &sizes);
    m.finish()
}

/// Describes the array alone, the module `array`, for designs that have memories and control of their
/// own: the header of `accelerator/array.rs` is its data sheet.
///
/// # Panics
/// As [`accelerator`].
pub fn array(array: &ArrayConfig) -> Module {
    array::array(&Sizes::new(array, &MemoryDepths::uniform(1)))
}

/// What most parts need.
struct Top<'m> {
    m: &'m Builder,
    sizes: &'m Sizes,
    load: LoadPort<'m>,
    program: ProgramWord<'m>,
    header: Instance<'m>,
    /// Fields of the layer that feeds the array.
    front: Instance<'m>,
    /// Fields of the layer whose results are written.
    results: Instance<'m>,
    sequencer: Instance<'m>,
    fetch: Instance<'m>,
    beats: Instance<'m>,
    position: Instance<'m>,
    writer: Instance<'m>,
}

impl<'m> Top<'m> {
    fn describe(m: &'m Builder, sizes: &'m Sizes) {
        let load = LoadPort::inputs(m, sizes);
        let top = Self {
            m,
            sizes,
            program: load.program_word(m),
            load,
            header: m.inst("header", &header::header(sizes)),
            front: m.inst("front", &descriptor::front(sizes)),
            results: m.inst("results", &descriptor::results(sizes)),
            sequencer: m.inst("sequencer", &sequencer::sequencer(sizes)),
            fetch: m.inst("fetch", &fetch::fetch()),
            beats: m.inst("beats", &beats::beats(sizes)),
            position: m.inst("position", &position::position(sizes)),
            writer: m.inst("writer", &writer::writer(sizes)),
        };
        top.connect_header();
        let image = top.image();
        top.control();
        let results = top.compute(image);
        let columns = top.post_process(&results);
        top.send(&columns);
        top.monitor(&columns);
    }

    /// Connects inputs of an instance to the fields of the front of the same names.
    fn connect_front(&self, to: Instance<'m>, names: &[&str]) {
        for name in names {
            to.set(name, self.front.out(name));
        }
    }

    /// Connects inputs of an instance to the fields of the results of the same names.
    fn connect_results(&self, to: Instance<'m>, names: &[&str]) {
        for name in names {
            to.set(name, self.results.out(name));
        }
    }

    /// The image memory and its input port.
    fn image(&self) -> Instance<'m> {
        let (m, header, sequencer) = (self.m, self.header, self.sequencer);
        let image = m.inst("image", &image::image(self.sizes));
        image
            .set("height", header.out("image_height"))
            .set("width", header.out("image_width"))
            .set("tiles", header.out("image_tiles"))
            .set("tile_end", sequencer.out("last"))
            .set("in_valid", m.input("in_valid", 1, "a pixel is there"))
            .set("in_data", m.input("in_data", 24, "pixel, channel 0 in the low byte"))
            .set("free", sequencer.out("free"));
        if self.sizes.extended {
            image.set("stem_7", header.out("stem_7"));
        }
        self.connect_front(image, &["source_image", "in_base", "in_y_words", "in_xt_words"]);
        for name in ["load", "line_end", "ct_end"] {
            image.set(name, sequencer.out(name));
        }
        sequencer.set("image_full", image.out("full"));
        m.output("in_ready", image.out("in_ready"), "a pixel is accepted");
        image
    }

    /// Feeder, activation and weight memories, array: the matches at D0.
    fn compute(&self, image: Instance<'m>) -> Results<'m> {
        let (m, sizes, sequencer) = (self.m, self.sizes, self.sequencer);
        let steps = m.inst("steps", &memories::steps(sizes));
        self.load.connect(steps, STEPS, 32).set("from", sequencer.out("step_addr"));
        image.set("step_word", steps.out("word_0"));

        let feeder = m.inst("feeder", &feeder::feeder(sizes));
        let activations = m.inst("activations", &memories::activations(sizes));
        for name in ["load", "issue", "first", "last", "line_end", "ct_end"] {
            feeder.set(name, sequencer.out(name));
        }
        feeder.set("tile_end", sequencer.out("last"));
        let feeder_fields = [
            "in_base",
            "in_y_words",
            "in_xt_words",
            "stride_2",
            "in_height",
            "in_width",
            "source_image",
            "last_lanes",
        ];
        self.connect_front(feeder, &feeder_fields);
        if sizes.taps > 1 {
            self.connect_front(feeder, &["in_copies"]);
        }
        if sizes.lines > 1 {
            self.connect_front(feeder, &["lines"]);
        }
        for g in 0..sizes.taps {
            feeder.set(&format!("step_{g}"), steps.out(&format!("word_{g}")));
            for b in 0..sizes.rows {
                let name = format!("addr_{b}_{g}");
                activations.set(&name, feeder.out(&name));
            }
        }
        for r in 0..sizes.rows {
            let name = |what: &str| format!("{what}_{r}");
            feeder
                .set(&name("word"), activations.out(&name("word")))
                .set(&name("image"), image.out(&name("row")));
        }
        activations
            .set("bank_en", self.writer.out("bank_en"))
            .set("slice_en", self.writer.out("slice_en"))
            .set("to", self.writer.out("bits_addr"))
            .set("bits", self.writer.out("bits"));

        let weights = self.weights();
        let drain = self.drain();

        // The rows still count products of the layer before while its successor's front enters.
        let load = sequencer.out("load");
        let fan_in = m.pipe_when("fan_in", load, self.front.out("fan_in"));
        let array = m.inst("array", &array::array(sizes));
        array
            .set("tap_first", feeder.out("tap_first"))
            .set("first", feeder.out("first_step"))
            .set("double_sum", feeder.out("double_sum"))
            .set("last", feeder.out("last_step"))
            .set("fan_in", fan_in)
            .set("shift", drain.out("shift"));
        for g in 0..sizes.taps {
            let name = format!("valid_{g}");
            array.set(&name, feeder.out(&name));
        }
        for r in 0..sizes.rows {
            array.set(&format!("a_{r}"), feeder.out(&format!("a_{r}")));
        }
        for c in 0..sizes.cols {
            array.set(&format!("w_{c}"), weights.out(&format!("w_{c}")));
        }
        Results {
            hits: (0..sizes.cols).map(|c| array.out(&format!("hits_{c}"))).collect(),
            products: array.out("products"),
        }
    }

    /// The weight memories, with or without a ring in them.
    fn weights(&self) -> Instance<'m> {
        let (m, sizes, sequencer) = (self.m, self.sizes, self.sequencer);
        let weights = m.inst("weights", &memories::weights(sizes));
        let Some(sizes_of_ring) = sizes.ring else {
            return self
                .load
                .connect(weights, WEIGHTS, sizes.lanes)
                .set("address", sequencer.out("weight_addr"));
        };
        let ring = m.inst("weight_ring", &weight_ring::weight_ring(sizes, sizes_of_ring));
        let port_bits = sizes_of_ring.port_cols * sizes.lanes;
        self.load
            .connect(ring, WEIGHTS, sizes.lanes)
            .set("load_any", self.load.enable)
            .set("stream", self.front.out("stream_weights"))
            .set("resident", sequencer.out("weight_addr"))
            .set("wt_valid", m.input("wt_valid", 1, "a beat of weights is there"))
            .set("wt_data", m.input("wt_data", port_bits, "words of neighbouring columns"));
        for name in ["first_tile", "last_tile", "issue", "last", "ct_end"] {
            ring.set(name, sequencer.out(name));
        }
        sequencer.set("hold", ring.out("hold"));
        for name in ["write_en", "write_to", "write_data"] {
            weights.set(name, ring.out(name));
        }
        m.output("wt_ready", ring.out("wt_ready"), "the beat of weights is accepted");
        m.output("weight_wait", sequencer.out("weight_wait"), "a step waits for its weights");
        weights.set("address", ring.out("address"))
    }
}

struct LoadPort<'m> {
    enable: Sig<'m>,
    target: Sig<'m>,
    index: Sig<'m>,
    address: Sig<'m>,
    data: Sig<'m>,
}

impl<'m> LoadPort<'m> {
    fn inputs(m: &'m Builder, sizes: &Sizes) -> Self {
        Self {
            enable: m.input("load_en", 1, "write a word; only while idle"),
            target: m.input("load_target", 3, "0 program, 1 steps, 2 weights, 3 parameters"),
            index: m.input("load_index", 16, "column or lane group"),
            address: m.input("load_addr", 16, "word"),
            data: m.input("load_data", sizes.load_bits, "word"),
        }
    }

    /// A reset keeps it, and so what is on its way.
    fn program_word(&self, m: &'m Builder) -> ProgramWord<'m> {
        ProgramWord {
            enable: m.pipe("program_en", self.target(PROGRAM)),
            address: m.pipe("program_addr", self.address),
            data: m.pipe("program_data", self.data.keep(0, 32)),
        }
    }

    fn target(&self, target: u64) -> Sig<'m> {
        self.enable & self.target.eq(target)
    }

    /// Connects what has registers of its own between the load port and its memories.
    fn connect(&self, part: Instance<'m>, target: u64, bits: u32) -> Instance<'m> {
        part.set("load_en", self.target(target))
            .set("load_index", self.index)
            .set("load_addr", self.address)
            .set("load_data", self.data.keep(0, bits))
    }
}

/// A word of the program in the cycle after the load port's: it is far to the memory.
struct ProgramWord<'m> {
    enable: Sig<'m>,
    address: Sig<'m>,
    data: Sig<'m>,
}

/// A pixel at D0.
struct Results<'m> {
    hits: Vec<Sig<'m>>,
    products: Sig<'m>,
}
