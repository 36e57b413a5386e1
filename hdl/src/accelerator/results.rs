//! Wiring of what is made of the matches: post-processing, writes, output port, monitor.

use super::beats::{EXTREME, average};
use super::sizes::delay_control;
use super::{
    PARAMETERS, Results, Top, addresses, borders, levels, memories, output, parameters, pool, post,
    reader,
};
use crate::build::{Instance, Module, Sig};

/// Parameters of a column that only the extension has: input of `post`, name.
const EXTENDED: [(&str, &str); 6] = [
    ("minimum", "minimum"),
    ("before_term", "before"),
    ("slope", "slope"),
    ("after_term", "after"),
    ("threshold", "threshold"),
    ("at_most", "at_most"),
];

/// Values of all columns at D7+N, the last column first.
#[derive(Default)]
pub(super) struct Columns<'m> {
    sums: Vec<Sig<'m>>,
    shortcuts: Vec<Sig<'m>>,
    streams: Vec<Sig<'m>>,
    values: Vec<Sig<'m>>,
    results: Vec<Sig<'m>>,
    logits: Vec<Sig<'m>>,
    /// Levels of `write_levels` and their bits; none without the extension.
    levels: Vec<Sig<'m>>,
    level_planes: Vec<Sig<'m>>,
    pooled: Vec<Sig<'m>>,
    pool_planes: Vec<Sig<'m>>,
}

/// What all columns share.
struct Shared<'m> {
    parameters: Instance<'m>,
    reader: Instance<'m>,
    average: Sig<'m>,
    extreme: Option<Sig<'m>>,
    even: Sig<'m>,
    odd: Sig<'m>,
    floor: Sig<'m>,
    value_floor: Option<Sig<'m>>,
    post: Module,
    levels: Module,
    pool: Module,
}

impl<'m> Top<'m> {
    /// Parameters, streams, post-processing and pools of all columns.
    pub(super) fn post_process(&self, results: &Results<'m>) -> Columns<'m> {
        let (m, sizes, writer) = (self.m, self.sizes, self.writer);
        let reader = self.reader();
        let doc = "One bank of the residual streams of all columns.";
        let bank = memories::shared("streams", doc, 16 * sizes.cols, sizes.depths.stream);
        let even = m.inst("stream_even", &bank).set("from", reader.out("address"));
        let odd = m.inst("stream_odd", &bank).set("from", reader.out("address"));
        let shared = self.shared(reader, even.out("word"), odd.out("word"));
        let mut columns = Columns::default();
        for column in (0..sizes.cols).rev() {
            self.column(column, results, &shared, &mut columns);
        }
        let to = m.pipe("stream_to", writer.out("stream_addr"));
        let values = m.pipe("stream_data", m.concat(&columns.values));
        for (bank, enable) in [(even, "even_en"), (odd, "odd_en")] {
            bank.set("en", delay_control(m, enable, writer.out(enable), 1))
                .set("to", to)
                .set("data", values);
        }
        self.connect_writer(&columns);
        columns
    }

    /// Where the shortcut is read.
    fn reader(&self) -> Instance<'m> {
        let reader = self
            .m
            .inst("reader", &reader::reader(self.sizes))
            .set("load", self.position.out("loaded"));
        self.connect_position(reader, &["line_end", "ct_end", "first_beat", "reading", "x"]);
        self.connect_results(
            reader,
            &[
                "shortcut",
                "shortcut_channels",
                "stream_in_base",
                "stream_in_row",
                "stream_in_plane",
            ],
        );
        if self.sizes.extended {
            self.connect_position(reader, &["y", "restart"]);
            let fields = [
                "window",
                "window_stride_2",
                "window_padding",
                "window_inner",
                "in_height",
                "in_width",
            ];
            self.connect_results(reader, &fields);
        } else if self.sizes.lines > 1 {
            self.connect_position(reader, &["y"]);
        }
        if self.sizes.lines > 1 {
            self.connect_results(reader, &["lines"]);
        }
        reader
    }

    /// The parameters of the pixel, and what else all columns share.
    fn shared(&self, reader: Instance<'m>, even: Sig<'m>, odd: Sig<'m>) -> Shared<'m> {
        let (m, sizes, fields) = (self.m, self.sizes, self.results);
        let borders =
            m.inst("borders", &borders::borders()).set("load", self.position.out("loaded"));
        self.connect_position(borders, &["ct_end", "next_x", "next_y"]);
        self.connect_results(
            borders,
            &["param_base", "out_height", "out_width", "top", "bottom", "left", "right"],
        );
        let parameters = m.inst("parameters", &parameters::parameters(sizes));
        self.load
            .connect(parameters, PARAMETERS, sizes.parameter_bits)
            .set("address", borders.out("param"));
        let join = fields.out("shortcut");
        let negative = |name: &str| m.lit(16, 0) - fields.out(name);
        Shared {
            parameters,
            reader,
            average: average(join, sizes).named("average"),
            extreme: sizes.extended.then(|| join.eq(EXTREME).named("extreme")),
            even: m.pipe("even_word", even),
            odd: m.pipe("odd_word", odd),
            floor: m.pipe("floor", negative("clip")),
            value_floor: sizes.extended.then(|| m.pipe("value_floor", negative("value_clip"))),
            post: post::post(sizes),
            levels: levels::levels(),
            pool: pool::pool(),
        }
    }

    /// Post-processing and pool of one column.
    fn column(
        &self,
        column: u32,
        results: &Results<'m>,
        shared: &Shared<'m>,
        columns: &mut Columns<'m>,
    ) {
        let (m, fields, writer, reader) = (self.m, self.results, self.writer, shared.reader);
        let parameter = |name: &str| shared.parameters.out(&format!("{name}_{column}"));
        let post = m
            .inst(&format!("post_{column}"), &shared.post)
            .set("hits", results.hits[column as usize])
            .set("products", results.products)
            .set("mul", parameter("mul"))
            .set("bias", parameter("bias"))
            .set("shift", fields.out("shift"))
            .set("even", shared.even.slice(16 * column, 16))
            .set("odd", shared.odd.slice(16 * column, 16))
            .set("average", shared.average)
            .set("live", reader.out("live").bit(column))
            .set("clip", fields.out("clip"))
            .set("floor", shared.floor);
        for name in ["use_even", "use_odd", "first_word", "take"] {
            post.set(name, reader.out(name));
        }
        let v = post.out("v");
        if let (Some(extreme), Some(floor)) = (shared.extreme, shared.value_floor) {
            for (input, name) in EXTENDED {
                post.set(input, parameter(name));
            }
            post.set("extreme", extreme).set("value_floor", floor);
            self.connect_results(post, &["value_shift", "value_clip"]);
            let levels = m
                .inst(&format!("levels_{column}"), &shared.levels)
                .set("v", post.out("next_v"))
                .set("level_shift", fields.out("level_shift"))
                .set("plane", writer.out("bit_plane"));
            columns.levels.push(levels.out("q"));
            columns.level_planes.push(levels.out("level_bit"));
        }
        let pool = m
            .inst(&format!("pool_{column}"), &shared.pool)
            .set("v", v)
            .set("accumulate", writer.out("accumulate"))
            .set("fresh", writer.out("fresh"))
            .set("halve", writer.out("halve"))
            .set("plane", writer.out("bit_plane"));
        columns.pooled.push(pool.out("q"));
        columns.pool_planes.push(pool.out("level_bit"));
        columns.sums.push(post.out("z"));
        columns.shortcuts.push(post.out("shortcut"));
        columns.streams.push(post.out("r"));
        columns.values.push(v);
        columns.results.push(post.out("result"));
        columns.logits.push(post.out("y"));
    }

    /// Where and what is written.
    fn connect_writer(&self, columns: &Columns<'m>) {
        let (m, sizes, writer) = (self.m, self.sizes, self.writer);
        let addresses = m
            .inst("addresses", &addresses::addresses(sizes))
            .set("load", self.position.out("loaded"));
        self.connect_position(addresses, &["tile_end", "line_end", "ct_end", "row", "odd", "x"]);
        self.connect_results(
            addresses,
            &[
                "stream_out_base",
                "stream_out_row",
                "stream_out_plane",
                "out_stride_2",
                "out_base",
                "out_y_words",
                "out_phase_words",
                "out_xt_words",
            ],
        );
        writer.set("load", self.position.out("loaded"));
        self.connect_position(writer, &["pixel", "writing", "last_pixel", "x", "y", "ct"]);
        for name in ["stream_out", "stream_odd", "bits_out", "bank", "slice"] {
            writer.set(name, addresses.out(name));
        }
        self.connect_results(
            writer,
            &[
                "pool",
                "level_bits",
                "level_shift",
                "out_base",
                "out_plane_words",
                "write_bits",
                "write_stream",
                "logits",
            ],
        );
        writer
            .set("results", m.concat(&columns.results))
            .set("pool_planes", m.concat(&columns.pool_planes));
        if sizes.write_beats > 1 {
            self.connect_position(addresses, &["sub"]);
            self.connect_position(writer, &["sub"]);
        }
        if sizes.lines > 1 {
            self.connect_position(addresses, &["y"]);
            self.connect_results(addresses, &["lines", "out_lines"]);
        }
        if sizes.taps > 1 {
            self.connect_results(writer, &["out_copies"]);
        }
        if sizes.extended {
            self.connect_position(addresses, &["row_end", "plane_end", "restart"]);
            self.connect_results(addresses, &["out_flat", "out_plane_words"]);
            self.connect_results(writer, &["write_levels"]);
            self.connect_position(writer, &["plane"]);
            writer.set("level_planes", m.concat(&columns.level_planes));
        }
    }

    /// Connects inputs of an instance to the position's outputs of the same names.
    fn connect_position(&self, to: Instance<'m>, names: &[&str]) {
        for name in names {
            to.set(name, self.position.out(name));
        }
    }

    /// Logit memory and output port.
    pub(super) fn send(&self, columns: &Columns<'m>) {
        let (m, sizes, writer) = (self.m, self.sizes, self.writer);
        let doc = "Logits of all columns.";
        let logits = memories::shared("logits", doc, 32 * sizes.cols, sizes.depths.logit);
        let logits = m.inst("logit_mem", &logits);
        let output = m
            .inst("sender", &output::output(sizes))
            .set("sending", self.sequencer.out("sending"))
            .set("classes", self.header.out("classes"))
            .set("word", logits.out("word"))
            .set("out_ready", m.input("out_ready", 1, "the beat is accepted"));
        logits
            .set("en", delay_control(m, "logit_en", writer.out("logit_en"), 1))
            .set("to", m.pipe("logit_to", writer.out("mon_ct")))
            .set("data", m.pipe("logit_data", m.concat(&columns.logits)))
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

    /// The monitor ports, for simulation only.
    pub(super) fn monitor(&self, columns: &Columns<'m>) {
        let (m, writer) = (self.m, self.writer);
        m.output("mon_state", self.sequencer.out("state"), "state of the sequencer");
        m.output("mon_layer", self.sequencer.out("layer"), "layer whose steps are issued");
        let layer = self.fetch.out("result_layer");
        m.output("mon_result_layer", layer, "layer whose results are written");
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
        m.output("mon_value", m.concat(&columns.values), "values after the nonlinearity");
        m.output("mon_bit", m.concat(&columns.results), "result bits");
        if self.sizes.extended {
            m.output("mon_level", m.concat(&columns.levels), "levels of the values");
        }
        m.output("mon_pool_valid", writer.out("mon_pool_valid"), "levels are written");
        m.output("mon_pool", m.concat(&columns.pooled), "pooled levels");
    }
}
