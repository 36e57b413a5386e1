//! The wiring of `heartbit_axi` and `heartbit_host`: which part tells which what.
//!
//! The ports are those of the module's text in `axi`; the parts are in the files beside this one.

use super::inspector::STREAM_WORDS_BITS;
use super::lite::WORD_BITS;
use super::share::share_pins;
use super::weight_image::words_by_units;
use super::{
    AxiConfig, Hardware, inspector, loader, pass_pins, pixels, register_file, registers, results,
    small, supervisor, weights, words,
};
use crate::build::{Builder, Instance, Module, Sig};

/// Describes the wrapper around a module with the ports of `heartbit`.
pub(super) fn wrap(core: &Module, hardware: &Hardware) -> Module {
    let &Hardware { axi, depths, .. } = hardware;
    let (name, doc, loader) = if let Some(axi) = axi {
        assert!(matches!(axi.data_bits, 32 | 64), "bug: {axi:?}");
        assert!((32..=64).contains(&axi.address_bits), "bug: {axi:?}");
        let doc = "Heartbit accelerator behind AXI: control, image and result streams, loader.";
        ("heartbit_axi", doc, loader::loader(hardware, axi))
    } else {
        let doc = "Heartbit accelerator with registers and streams, for a master on the chip.";
        ("heartbit_host", doc, words::host_loader(hardware))
    };
    let m = Builder::new(name, doc);
    let registers = register_file::register_file(hardware);
    let (pixels, results) = (pixels::pixels(), results::results());
    let ring_words = depths.ring.map(|ring| small(ring.words));
    let inspector = inspector::inspector(hardware.array.extended, ring_words);
    let weights = axi.zip(depths.ring).map(|(axi, ring)| weights::weights(hardware, axi, ring));
    let registers_inst = m.inst("registers", &registers);
    let write_data = match axi {
        Some(_) => registers_inst.out("write_data"),
        None => m.input("write_data", 32, "its value"),
    };
    let top = Top {
        m: &m,
        axi,
        registers: registers_inst,
        write_data,
        loader: m.inst("loader", &loader),
        inspector: m.inst("inspector", &inspector),
        pixels: m.inst("pixels", &pixels),
        core: m.inst("core", core),
        results: m.inst("results", &results),
        supervisor: m.inst("supervisor", &supervisor::supervisor(hardware)),
        weights: weights.as_ref().map(|weights| m.inst("weights", weights)),
    };
    if axi.is_some() {
        pass_pins(&m, top.registers, &registers, "s_axi_");
    } else {
        top.master();
    }
    match top.weights {
        None => pass_pins(&m, top.loader, &loader, "m_axi_"),
        Some(weights) => share_pins(&m, &loader, [top.loader, weights], weights.out("busy")),
    }
    pass_pins(&m, top.pixels, &pixels, "s_axis_");
    pass_pins(&m, top.results, &results, "m_axis_");
    let state = top.state(hardware);
    let illegal = top.accelerator(core, &state);
    if axi.is_none() {
        m.output("has_program", state.loaded, "there is a program");
    }
    top.load(&state);
    top.stream(&state);
    top.supervise(&state, illegal);
    top.report(&state, illegal);
    m.finish()
}

/// Bits of a product with what an array's sizes give.
const PRODUCT_BITS: u32 = STREAM_WORDS_BITS + FACTOR_BITS;
/// Bits of those: units that a word of 256 columns of 1024 lanes takes.
const FACTOR_BITS: u32 = 13;

/// So many times a value.
fn multiple(value: Sig<'_>, times: u64) -> Sig<'_> {
    let wide = value.zero_extend(PRODUCT_BITS);
    let bits = (0..FACTOR_BITS).filter(|bit| times >> bit & 1 == 1);
    let sum = bits.map(|bit| wide << bit).reduce(|a, b| a + b);
    sum.expect("bug: times 0")
}

struct Top<'m> {
    m: &'m Builder,
    axi: Option<AxiConfig>,
    registers: Instance<'m>,
    /// What is written to a register.
    write_data: Sig<'m>,
    loader: Instance<'m>,
    inspector: Instance<'m>,
    pixels: Instance<'m>,
    core: Instance<'m>,
    results: Instance<'m>,
    supervisor: Instance<'m>,
    /// With a weight ring.
    weights: Option<Instance<'m>>,
}

/// What several parts ask for.
struct State<'m> {
    /// Neither an image nor a load is under way.
    idle: Sig<'m>,
    /// There is a program.
    loaded: Sig<'m>,
    /// A program is to be taken.
    commit: Sig<'m>,
    /// It cannot run.
    unfit: Sig<'m>,
    /// Its streamed weights are not all there.
    short: Sig<'m>,
    kill: Sig<'m>,
    abort: Sig<'m>,
}

impl<'m> Top<'m> {
    /// A field of `CONTROL` that is written.
    fn command(&self, name: &str) -> Sig<'m> {
        let field = registers::register_named("CONTROL").field(name);
        self.write_data.bit(field.low) & self.registers.out("control_write")
    }

    /// Ports for a master on the chip.
    fn master(&self) {
        let (m, registers) = (self.m, self.registers);
        for (name, width, doc) in [
            ("write", 1, "a word is written"),
            ("write_word", WORD_BITS, "its number"),
            ("read", 1, "a word is read"),
            ("read_word", WORD_BITS, "its number"),
        ] {
            registers.set(name, m.input(name, width, doc));
        }
        registers.set("write_data", self.write_data);
        registers.set("load_crc", m.input("load_crc", 32, "of what was loaded"));
        m.output("write_ok", registers.out("write_ok"), "it may be written");
        m.output("read_data", registers.out("read_data"), "the word, 0 where there is none");
        m.output("read_ok", registers.out("read_ok"), "there is such a word");
        // What only limits look at.
        m.discard(self.pixels.out("starved"));
        m.discard(self.results.out("waiting"));
        m.discard(self.results.out("taken"));
        m.output("busy", self.core.out("busy"), "the array works on an image");
        m.output("failing", registers.out("error").any(), "something went wrong");
    }

    /// Whether a memory image is being read.
    fn load_active(&self) -> Option<Sig<'m>> {
        self.axi.map(|_| self.loader.out("active"))
    }

    /// Connects the accelerator's ports; returns whether it halted at an illegal descriptor.
    fn accelerator(&self, core: &Module, state: &State<'m>) -> Sig<'m> {
        let (m, inst) = (self.m, self.core);
        // With a program its weights begin anew, so the ring must be empty.
        let empties = self.weights.map(|_| state.commit);
        inst.reset_when(empties.map_or(state.kill, |empties| state.kill | empties));
        for name in ["load_en", "load_target", "load_index", "load_addr", "load_data"] {
            inst.set(name, self.loader.out(name));
        }
        for name in ["in_valid", "in_data"] {
            inst.set(name, self.pixels.out(name));
        }
        self.pixels.set("in_ready", inst.out("in_ready"));
        inst.set("out_ready", self.results.out("out_ready"));
        for name in ["out_valid", "out_data", "out_last"] {
            self.results.set(name, inst.out(name));
        }
        let ports = core.ports();
        for port in ports.iter().filter(|port| port.name.starts_with("mon_")) {
            m.discard(inst.out(&port.name));
        }
        inst.out("error")
    }

    fn state(&self, hardware: &Hardware) -> State<'m> {
        let m = self.m;
        let (pixels, loader) = (self.pixels, self.loader);
        let in_the_way = pixels.out("receiving")
            | pixels.out("beat")
            | pixels.out("broken")
            | self.supervisor.out("image_waiting")
            | self.core.out("busy");
        let in_the_way = or(in_the_way, self.load_active());
        let whole = self.inspector.out("legal") & !loader.out("failed");
        let short = self.weights_short(hardware).named("weights_short");
        let fit = whole & !short;
        let done = self.axi.map(|_| loader.out("done"));
        let commit = or(self.command("COMMIT"), done).named("commit");
        let written = ["load_select_write", "load_data_write"].map(|name| self.registers.out(name));
        let fresh = or(written[0] | written[1], self.axi.map(|_| self.start()));
        let loaded = m.reg("loaded", 1, 0);
        let changed = commit | fresh;
        // What is left of weights after an error would not be right.
        let fault = self.weights.map(|weights| weights.out("response"));
        match fault {
            None => loaded.next_when(changed, commit & fit & !fresh),
            Some(fault) => loaded.next_when(changed | fault, commit & fit & !fresh & !fault),
        }
        State {
            idle: (!in_the_way).named("idle"),
            loaded: *loaded,
            commit,
            unfit: commit & !self.inspector.out("legal") & !loader.out("failed"),
            short: commit & whole & short,
            kill: self.supervisor.out("kill"),
            abort: self.command("ABORT"),
        }
    }

    /// Whether `WEIGHT_LENGTH` is less than the weights of an image that the program streams.
    fn weights_short(&self, hardware: &Hardware) -> Sig<'m> {
        let m = self.m;
        let Some((_, ring)) = self.axi.zip(hardware.depths.ring) else { return m.lit(1, 0) };
        let array = &hardware.array;
        let [by_words, by_units] =
            words_by_units(small(array.cols), small(ring.port_cols), small(array.lanes));
        let needed = multiple(self.inspector.out("stream_words"), by_words);
        let units = multiple(self.registers.out("weight_length").keep(3, 29), by_units);
        units.lt(needed)
    }

    fn start(&self) -> Sig<'m> {
        self.command("START_LOAD")
    }

    /// Loader, inspector, and when pixels may come.
    fn load(&self, state: &State<'m>) {
        let (m, registers, loader) = (self.m, self.registers, self.loader);
        if let Some(axi) = self.axi {
            let base = [registers.out("load_base_high"), registers.out("load_base_low")];
            loader
                .set("start", self.start())
                .set("base", m.concat(&base).keep(0, axi.address_bits))
                .set("length", registers.out("load_length"))
                .set("abort", state.abort);
        }
        loader
            .set("select", registers.out("load_select_write"))
            .set("push", registers.out("load_data_write"))
            .set("write_data", self.write_data);
        self.inspector
            .set("en", loader.out("load_en") & loader.out("load_target").eq(0))
            .set("address", loader.out("load_addr"))
            .set("data", loader.out("load_data").slice(0, 32));
        let resync = m.reg("resync", 1, 0);
        resync.next(self.command("RESYNC"));
        self.pixels
            .set("open", self.load_active().map_or(state.loaded, |active| state.loaded & !active))
            .set("height", self.inspector.out("height"))
            .set("width", self.inspector.out("width"))
            .set("kill", state.kill)
            .set("resync", *resync);
        self.results.set("kill", state.kill);

        let command = |name: &str| {
            let field = registers::register_named("CONTROL").field(name);
            self.write_data.bit(field.low)
        };
        // Together with an abort they are refused.
        let loads = or(command("COMMIT"), self.axi.map(|_| command("START_LOAD")));
        registers
            .set("control_allow", !loads | (state.idle & !command("ABORT")))
            .set("load_select_allow", state.idle)
            .set("load_data_allow", state.idle);
    }

    /// The weights that come from memory.
    fn stream(&self, state: &State<'m>) {
        let (registers, core) = (self.registers, self.core);
        let Some((axi, weights)) = self.axi.zip(self.weights) else { return };
        let base = [registers.out("weight_base_high"), registers.out("weight_base_low")];
        weights
            .set("base", self.m.concat(&base).keep(0, axi.address_bits))
            .set("length", registers.out("weight_length"))
            .set("take", state.commit)
            .set("run", state.loaded)
            .set("cancel", state.kill | state.commit | !state.loaded)
            .set("wt_ready", core.out("wt_ready"));
        core.set("wt_valid", weights.out("wt_valid")).set("wt_data", weights.out("wt_data"));
        self.supervisor.set("weight_wait", core.out("weight_wait"));
        registers.set("weight_stalls", self.supervisor.out("weight_stalls"));
    }

    fn supervise(&self, state: &State<'m>, illegal: Sig<'m>) {
        let supervisor = self.supervisor;
        let response = self.weights.map(|weights| weights.out("response"));
        supervisor
            .set("abort", or(state.abort, response))
            .set("illegal", illegal)
            .set("busy", self.core.out("busy"));
        for name in ["complete", "broken"] {
            supervisor.set(name, self.pixels.out(name));
        }
        for name in ["finished", "stalled"] {
            supervisor.set(name, self.results.out(name));
        }
        if self.axi.is_some() {
            self.limit();
        }
    }

    /// The limits that a host behind AXI may set, and what it counts and reads.
    fn limit(&self) {
        let (core, pixels, results, loader) = (self.core, self.pixels, self.results, self.loader);
        let (supervisor, registers) = (self.supervisor, self.registers);
        let mut waits = pixels.out("starved") | results.out("waiting") | loader.out("active");
        let mut beat = pixels.out("beat") | results.out("taken") | loader.out("beat");
        if let Some(weights) = self.weights {
            waits = waits | core.out("weight_wait");
            beat = beat | weights.out("beat");
        }
        supervisor
            .set("class_now", core.out("out_data").slice(0, 16))
            .set("class_taken", registers.out("class_taken"))
            .set("watchdog", registers.out("watchdog"))
            .set("timeout", registers.out("timeout"))
            .set("waits", waits)
            .set("beat", beat)
            .set("load_active", loader.out("active"));
        for name in ["early", "late"] {
            supervisor.set(name, pixels.out(name));
        }
        registers
            .set("class_class", supervisor.out("last_class"))
            .set("class_fresh", supervisor.out("fresh"));
        for name in ["stalls", "images", "dropped", "load_cycles"] {
            registers.set(name, supervisor.out(name));
        }
    }

    /// The registers that show something.
    fn report(&self, state: &State<'m>, illegal: Sig<'m>) {
        let (m, registers) = (self.m, self.registers);
        let (pixels, results, supervisor) = (self.pixels, self.results, self.supervisor);
        registers.set("cycles", supervisor.out("cycles"));
        for (name, value) in [
            ("idle", state.idle),
            ("loaded", state.loaded),
            ("loading", self.load_active().unwrap_or_else(|| m.lit(1, 0))),
            ("receiving", pixels.out("receiving")),
            ("waiting", supervisor.out("image_waiting")),
            ("busy", self.core.out("busy")),
            ("result", results.out("m_axis_tvalid")),
            ("discarding", pixels.out("discarding")),
            ("error", registers.out("error").any()),
        ] {
            registers.set(&format!("status_{name}"), value);
        }
        let errors = self.errors(state, illegal);
        for (name, value) in errors {
            registers.set(&format!("error_{name}"), value.unwrap_or_else(|| m.lit(1, 0)));
        }
        if self.axi.is_none() {
            return;
        }
        let happen = errors.into_iter().filter_map(|(_, value)| value);
        let any = happen.fold(m.lit(1, 0), |any, value| any | value);
        registers
            .set("events_image", results.out("finished"))
            .set("events_load", self.loader.out("done"))
            .set("events_reset", state.kill)
            .set("events_error", any);
        let irq = m.reg("irq_q", 1, 0);
        irq.next((registers.out("events") & registers.out("irq_enable")).any());
        m.output("irq", *irq, "interrupt, a level");
    }

    /// The fields of `ERROR`, and what sets them where this hardware has it.
    fn errors(&self, state: &State<'m>, illegal: Sig<'m>) -> [(&'static str, Option<Sig<'m>>); 15] {
        let (registers, loader, pixels) = (self.registers, self.loader, self.pixels);
        let refused = registers.out("control_refused")
            | registers.out("load_select_refused")
            | registers.out("load_data_refused");
        let unwanted = pixels.out("offered") & !state.loaded;
        let unwanted = self.load_active().map_or(unwanted, |active| unwanted & !active);
        let of_axi = self.axi.map(|_| {
            let timed_out = self.supervisor.out("timed_out");
            let response = self.weights.map(|weights| weights.out("response"));
            let waits = self.weights.map(|_| self.core.out("weight_wait"));
            [
                loader.out("format"),
                or(loader.out("response"), response),
                self.supervisor.out("underrun"),
                self.supervisor.out("barked"),
                timed_out & pixels.out("starved"),
                timed_out & self.results.out("waiting"),
                timed_out & or(loader.out("active"), waits),
            ]
        });
        let of_axi = |k: usize| of_axi.map(|errors| errors[k]);
        [
            ("illegal_program", Some(state.unfit)),
            ("illegal_descriptor", Some(illegal)),
            ("load_format", of_axi(0)),
            ("load_range", Some(loader.out("range"))),
            ("load_refused", Some(refused)),
            ("memory_response", of_axi(1)),
            ("input_short", Some(pixels.out("early"))),
            ("input_long", Some(pixels.out("late"))),
            ("no_program", Some(unwanted)),
            ("output_underrun", of_axi(2)),
            ("watchdog", of_axi(3)),
            ("input_stall", of_axi(4)),
            ("output_stall", of_axi(5)),
            ("memory_stall", of_axi(6)),
            ("weights_short", self.axi.map(|_| state.short)),
        ]
    }
}

/// Either, where there is a second one.
fn or<'m>(one: Sig<'m>, other: Option<Sig<'m>>) -> Sig<'m> {
    other.map_or(one, |other| one | other)
}
