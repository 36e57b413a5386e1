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
//! | `load_en`, `load_target`, `load_index`, `load_addr`, `load_data` | in | 1, 3, 16, 16, max(L, 48) | writes one word: 0 program, 1 steps, 2 weights, 3 parameters |
//! | `in_valid`, `in_ready`, `in_data` | in, out, in | 1, 1, 24 | one pixel a beat |
//! | `out_valid`, `out_ready`, `out_data`, `out_last` | out, in, out, out | 1, 1, 32, 1 | logits, then the class |
//! | `busy` | out | 1 | not in `Idle` |
//! | `mon_*` | out | .. | the monitor, for simulation only |
//!
//! Timing: a layer takes `18 + Run + drain_wait` cycles, exactly (section 5.4).
//!
//! Not here: board wrappers and host interfaces, which are built around this module's ports.

mod addresses;
mod array;
mod count_cell;
mod descriptor;
mod drain;
mod epilogue;
mod feeder;
mod image;
mod memories;
mod output;
mod pe;
mod pool;
mod position;
mod post;
mod sequencer;
mod sizes;
mod stem;
mod store;
mod windows;
mod writer;

use heartbit_ir::program::{ArrayConfig, MemoryDepths};

use crate::build::{Builder, Instance, Module, Sig};
use sizes::{Sizes, delay, delay_control, thermometer};

/// Targets of the load port.
const PROGRAM: u64 = 0;
const STEPS: u64 = 1;
const WEIGHTS: u64 = 2;
const PARAMETERS: u64 = 3;

/// The bit of header word 1 that tells a `stem_kernel` of 7 from one of 3.
const STEM_7: u32 = 18;

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

/// What most parts need.
struct Top<'m> {
    m: &'m Builder,
    sizes: &'m Sizes,
    load: LoadPort<'m>,
    /// Fields of the present layer's descriptor.
    fields: Instance<'m>,
    sequencer: Instance<'m>,
    position: Instance<'m>,
    addresses: Instance<'m>,
    writer: Instance<'m>,
}

impl<'m> Top<'m> {
    fn describe(m: &'m Builder, sizes: &'m Sizes) {
        let top = Self {
            m,
            sizes,
            load: LoadPort::inputs(m, sizes),
            fields: m.inst("descriptor", &descriptor::descriptor()),
            sequencer: m.inst("sequencer", &sequencer::sequencer()),
            position: m.inst("position", &position::position(sizes)),
            addresses: m.inst("addresses", &addresses::addresses(sizes)),
            writer: m.inst("writer", &writer::writer(sizes)),
        };
        let header = top.header();
        let image = top.image(&header);
        top.control();
        let results = top.compute(image);
        let columns = top.post_process(&results);
        top.send(&header, &columns);
        top.monitor(&columns);
    }

    /// Connects inputs of an instance to the descriptor's fields of the same names.
    fn connect_fields(&self, to: Instance<'m>, names: &[&str]) {
        for name in names {
            to.set(name, self.fields.out(name));
        }
    }

    /// The header of the program, in registers.
    fn header(&self) -> Header<'m> {
        let m = self.m;
        let passes = |word| self.load.target(PROGRAM) & self.load.address.eq(word);
        let half = |name: &str, word: u64, low: u32| {
            // Like the memories, it outlives a reset.
            let reg = m.reg_without_reset(name, 16);
            reg.next_when(passes(word), self.load.data.slice(low, 16));
            *reg
        };
        let field = |name: &str, low: u32, width: u32| {
            let reg = m.reg_without_reset(name, width);
            reg.next_when(passes(1), self.load.data.slice(low, width));
            *reg
        };
        Header {
            image_height: half("image_height", 0, 0),
            image_width: half("image_width", 0, 16),
            classes: half("classes", 1, 0),
            image_tiles: field("image_tiles", 21, 11),
            stem_7: self.sizes.extended.then(|| field("stem_7", STEM_7, 1)),
        }
    }

    fn image(&self, header: &Header<'m>) -> Instance<'m> {
        let m = self.m;
        let image = m.inst("image", &image::image(self.sizes));
        image
            .set("height", header.image_height)
            .set("width", header.image_width)
            .set("tiles", header.image_tiles)
            .set("source_image", self.fields.out("source_image"))
            .set("tile_end", self.sequencer.out("last"))
            .set("in_valid", m.input("in_valid", 1, "a pixel is there"))
            .set("in_data", m.input("in_data", 24, "pixel, channel 0 in the low byte"))
            .set("free", self.sequencer.out("free"));
        if let Some(stem_7) = header.stem_7 {
            image.set("stem_7", stem_7);
        }
        for name in ["load", "line_end", "ct_end"] {
            image.set(name, self.sequencer.out(name));
        }
        self.sequencer.set("image_full", image.out("full"));
        m.output("in_ready", image.out("in_ready"), "a pixel is accepted");
        image
    }

    /// Program memory, descriptor, sequencer, and the position at the post-processing.
    fn control(&self) {
        let (m, sequencer) = (self.m, self.sequencer);
        let program =
            memories::shared("program_words", "Program memory.", 32, self.sizes.depths.program);
        let program = self.load_words(m.inst("program_mem", &program), PROGRAM);
        program.set("from", sequencer.out("pc"));
        self.fields.set("take", sequencer.out("take")).set("word", program.out("word"));
        let sequencer_fields = [
            "steps",
            "step_base",
            "weight_base",
            "col_tiles",
            "row_tiles",
            "out_height",
            "tile_gap",
            "col_gap",
            "drain_wait",
            "last_layer",
        ];
        self.connect_fields(sequencer, &sequencer_fields);
        m.output("busy", sequencer.out("busy"), "not idle");

        let position = self.position;
        position.set("load", sequencer.out("load")).set("pooled", self.fields.out("shortcut_pool"));
        self.connect_fields(position, &["row_tiles", "out_height", "out_width"]);

        let addresses = self.addresses;
        for name in ["tile_end", "line_end", "ct_end", "beat", "sub", "row", "odd", "x"] {
            addresses.set(name, position.out(name));
        }
        addresses
            .set("load", sequencer.out("load"))
            .set("pooled", self.fields.out("shortcut_pool"));
        let address_fields = [
            "param_base",
            "stream_in_base",
            "stream_in_row",
            "stream_in_plane",
            "shortcut_channels",
            "shortcut_identity",
            "stream_out_base",
            "stream_out_row",
            "stream_out_plane",
            "out_stride_2",
            "out_base",
            "out_y_words",
            "out_phase_words",
            "out_xt_words",
        ];
        self.connect_fields(addresses, &address_fields);

        let writer = self.writer;
        writer.set("load", sequencer.out("load"));
        for name in ["pixel", "writing", "last_pixel", "sub", "x", "y", "ct"] {
            writer.set(name, position.out(name));
        }
        for name in ["stream_out", "bits_out", "bank", "group"] {
            writer.set(name, addresses.out(name));
        }
        let writer_fields = [
            "pool",
            "pool_shift",
            "out_base",
            "out_xt_words",
            "write_bits",
            "write_stream",
            "logits",
        ];
        self.connect_fields(writer, &writer_fields);
    }

    /// Feeder, activation and weight memories, array: the matches at D0.
    fn compute(&self, image: Instance<'m>) -> Results<'m> {
        let (m, sizes, sequencer) = (self.m, self.sizes, self.sequencer);
        let steps = m.inst("steps", &memories::steps(sizes));
        self.load_columns(steps, STEPS, 32).set("from", sequencer.out("step_addr"));
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
        self.connect_fields(feeder, &feeder_fields);
        if sizes.taps > 1 {
            self.connect_fields(feeder, &["in_copies"]);
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
            .set("slice_en", self.writer.out("group_en"))
            .set("to", self.writer.out("bits_addr"))
            .set("bits", self.writer.out("bits"));

        let weights = m.inst("weights", &memories::weights(sizes));
        self.load_columns(weights, WEIGHTS, sizes.lanes)
            .set("address", sequencer.out("weight_addr"));

        // The last step of a tile, so much later that the bottom row of column 0 is next, and
        // then again until all columns are.
        let wait = sizes.popcount_latency + sizes.rows + 2;
        let start = delay_control(m, "start", sequencer.out("last"), wait);
        let start_post = delay_control(m, "start_post", start, sizes.cols - 1);
        self.position.set("start", start_post);
        let drain = m
            .inst("drain", &drain::drain(sizes))
            .set("start", start)
            .set("pooled", self.fields.out("shortcut_pool"));

        let array = m.inst("array", &array::array(sizes));
        array
            .set("tap_first", feeder.out("tap_first"))
            .set("first", feeder.out("first_step"))
            .set("double_sum", feeder.out("double_sum"))
            .set("last", feeder.out("last_step"))
            .set("fan_in", self.fields.out("fan_in"))
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

    /// Parameters, streams, post-processing and pools of all columns.
    fn post_process(&self, results: &Results<'m>) -> Columns<'m> {
        let (m, sizes, fields, writer) = (self.m, self.sizes, self.fields, self.writer);
        let parameters = m.inst("parameters", &memories::parameters(sizes));
        self.load_columns(parameters, PARAMETERS, 48).set("address", self.addresses.out("param"));
        let doc = "Residual streams of all columns.";
        let streams = memories::shared("streams", doc, 16 * sizes.cols, sizes.depths.stream);
        let streams = m.inst("stream_mem", &streams).set("from", self.addresses.out("stream_in"));

        let begin_sum = delay(m, "begin_sum", self.position.out("beat").eq(0), 2);
        let add = delay(m, "add", self.position.out("reading"), 2);
        let live = delay(m, "live", self.addresses.out("live"), 3);
        let live = thermometer(m, live, sizes.cols).named("live_columns");
        let floor = (m.lit(16, 0) - fields.out("clip")).named("floor");
        let (post, pool) = (post::post(sizes.acc_bits), pool::pool());
        let mut columns = Columns::default();
        let mut signs = Vec::new();
        let mut level_bits = Vec::new();
        for c in 0..sizes.cols {
            let at = c as usize;
            let post = m
                .inst(&format!("post_{c}"), &post)
                .set("hits", results.hits[at])
                .set("products", results.products)
                .set("mul", parameters.out(&format!("mul_{c}")))
                .set("bias", parameters.out(&format!("bias_{c}")))
                .set("shift", fields.out("shift"))
                .set("word", streams.out("word").slice(16 * c, 16))
                .set("begin_sum", begin_sum)
                .set("add", add)
                .set("pooled", fields.out("shortcut_pool"))
                .set("live", live.bit(c))
                .set("clip", fields.out("clip"))
                .set("floor", floor);
            let r = post.out("r");
            let pool = m
                .inst(&format!("pool_{c}"), &pool)
                .set("r", r)
                .set("accumulate", writer.out("accumulate"))
                .set("fresh", writer.out("fresh"))
                .set("halve", writer.out("halve"))
                .set("plane", writer.out("plane"));
            signs.insert(0, !r.msb());
            level_bits.insert(0, pool.out("level_bit"));
            columns.sums.insert(0, post.out("z"));
            columns.logits.insert(0, post.out("y"));
            columns.shortcuts.insert(0, post.out("shortcut"));
            columns.streams.insert(0, r);
            columns.levels.insert(0, pool.out("q"));
        }
        writer.set("signs", m.concat(&signs)).set("level_bits", m.concat(&level_bits));
        streams
            .set("en", writer.out("stream_en"))
            .set("to", writer.out("stream_addr"))
            .set("data", m.concat(&columns.streams));
        columns
    }

    /// Logit memory and output port.
    fn send(&self, header: &Header<'m>, columns: &Columns<'m>) {
        let (m, sizes, writer) = (self.m, self.sizes, self.writer);
        let doc = "Logits of all columns.";
        let logits = memories::shared("logits", doc, 32 * sizes.cols, sizes.depths.logit);
        let logits = m.inst("logit_mem", &logits);
        let output = m
            .inst("sender", &output::output(sizes))
            .set("sending", self.sequencer.out("sending"))
            .set("classes", header.classes)
            .set("word", logits.out("word"))
            .set("out_ready", m.input("out_ready", 1, "the beat is accepted"));
        logits
            .set("en", writer.out("logit_en"))
            .set("to", writer.out("mon_ct"))
            .set("data", m.concat(&columns.logits))
            .set("from", output.out("from"));
        self.sequencer.set("sent", output.out("sent"));
        m.output("out_valid", output.out("out_valid"), "a beat is there");
        m.output("out_data", output.out("out_data"), "logits in order, then the class");
        m.output("out_last", output.out("out_last"), "the beat is the class");
        let event = writer.out("mon_valid")
            | writer.out("mon_pool_valid")
            | output.out("beat")
            | self.sequencer.out("entered");
        m.output("mon_event", event, "a cycle worth recording");
    }

    fn monitor(&self, columns: &Columns<'m>) {
        let (m, writer) = (self.m, self.writer);
        m.output("mon_state", self.sequencer.out("state"), "state of the sequencer");
        m.output("mon_layer", self.sequencer.out("layer"), "layer");
        for (name, doc) in [
            ("mon_valid", "results of a pixel are written"),
            ("mon_ct", "its column tile"),
            ("mon_y", "its line"),
            ("mon_x", "its column"),
        ] {
            m.output(name, writer.out(name), doc);
        }
        m.output("mon_sum", m.concat(&columns.sums), "sums");
        m.output("mon_shortcut", m.concat(&columns.shortcuts), "shortcuts that were added");
        m.output("mon_stream", m.concat(&columns.streams), "streams");
        m.output("mon_logit", m.concat(&columns.logits), "logits");
        m.output("mon_pool_valid", writer.out("mon_pool_valid"), "levels are written");
        m.output("mon_pool", m.concat(&columns.levels), "levels");
    }

    /// Connects the write port of a 32-bit memory to the load port.
    fn load_words(&self, memory: Instance<'m>, target: u64) -> Instance<'m> {
        memory
            .set("en", self.load.target(target))
            .set("to", self.load.address)
            .set("data", self.load.data.keep(0, 32))
    }

    /// Connects the memories of all columns to the load port.
    fn load_columns(&self, memory: Instance<'m>, target: u64, bits: u32) -> Instance<'m> {
        memory
            .set("load_en", self.load.target(target))
            .set("load_index", self.load.index)
            .set("load_addr", self.load.address)
            .set("load_data", self.load.data.keep(0, bits))
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

    fn target(&self, target: u64) -> Sig<'m> {
        self.enable & self.target.eq(target)
    }
}

/// The header of the program.
struct Header<'m> {
    image_height: Sig<'m>,
    image_width: Sig<'m>,
    classes: Sig<'m>,
    image_tiles: Sig<'m>,
    /// The stem has a kernel of side 7 and stride 2; only extended hardware can.
    stem_7: Option<Sig<'m>>,
}

/// A pixel at D0.
struct Results<'m> {
    hits: Vec<Sig<'m>>,
    products: Sig<'m>,
}

/// Values of all columns at D4, the last column first.
#[derive(Default)]
struct Columns<'m> {
    sums: Vec<Sig<'m>>,
    shortcuts: Vec<Sig<'m>>,
    streams: Vec<Sig<'m>>,
    logits: Vec<Sig<'m>>,
    levels: Vec<Sig<'m>>,
}
