//! The wiring of `heartbit_axi`: which part tells which what.
//!
//! The ports are those of the module's text in `axi`; the parts are in the files beside this one.

use heartbit_ir::program::{ArrayConfig, MemoryDepths};

use super::inspector::STREAM_WORDS_BITS;
use super::share::share_pins;
use super::weight_image::words_by_units;
use super::{
    AxiConfig, Hardware, inspector, loader, pass_pins, pixels, register_file, registers, results,
    small, supervisor, weights,
};
use crate::build::{Builder, Instance, Module, Sig};

/// Describes the wrapper around a module with the ports of `heartbit`.
pub(super) fn wrap(
    core: &Module,
    array: &ArrayConfig,
    depths: &MemoryDepths,
    axi: AxiConfig,
) -> Module {
    assert!(matches!(axi.data_bits, 32 | 64), "bug: {axi:?}");
    assert!((32..=64).contains(&axi.address_bits), "bug: {axi:?}");
    let hardware = Hardware { axi, array: *array, depths: *depths };
    let doc = "Heartbit accelerator behind AXI: control, image and result streams, loader.";
    let m = Builder::new("heartbit_axi", doc);
    let registers =
        register_file::register_file(&|name| hardware.constant(name), depths.ring.is_some());
    let (pixels, results) = (pixels::pixels(), results::results());
    let loader = loader::loader(&hardware);
    let inspector = inspector::inspector(array.extended, depths.ring.map(|ring| small(ring.words)));
    let weights = depths.ring.map(|ring| weights::weights(&hardware, ring));
    let top = Top {
        m: &m,
        registers: m.inst("registers", &registers),
        loader: m.inst("loader", &loader),
        inspector: m.inst("inspector", &inspector),
        pixels: m.inst("pixels", &pixels),
        core: m.inst("core", core),
        results: m.inst("results", &results),
        supervisor: m.inst("supervisor", &supervisor::supervisor(depths.ring.is_some())),
        weights: weights.as_ref().map(|weights| m.inst("weights", weights)),
    };
    pass_pins(&m, top.registers, &registers, "s_axi_");
    match top.weights {
        None => pass_pins(&m, top.loader, &loader, "m_axi_"),
        Some(weights) => share_pins(&m, &loader, [top.loader, weights], weights.out("busy")),
    }
    pass_pins(&m, top.pixels, &pixels, "s_axis_");
    pass_pins(&m, top.results, &results, "m_axis_");
    let state = top.state(&hardware);
    let illegal = top.accelerator(core, &state);
    top.load(&state, axi);
    top.stream(&state, axi);
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
    registers: Instance<'m>,
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
        let written = self.registers.out("write_data").bit(field.low);
        written & self.registers.out("control_write")
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
            | self.core.out("busy")
            | loader.out("active");
        let whole = self.inspector.out("legal") & !loader.out("failed");
        let short = self.weights_short(hardware).named("weights_short");
        let fit = whole & !short;
        let commit = (loader.out("done") | self.command("COMMIT")).named("commit");
        let written = ["load_select_write", "load_data_write"].map(|name| self.registers.out(name));
        let fresh = self.start() | written[0] | written[1];
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
        let Some(ring) = hardware.depths.ring else { return m.lit(1, 0) };
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
    fn load(&self, state: &State<'m>, axi: AxiConfig) {
        let (m, registers, loader) = (self.m, self.registers, self.loader);
        let base = [registers.out("load_base_high"), registers.out("load_base_low")];
        loader
            .set("start", self.start())
            .set("base", m.concat(&base).keep(0, axi.address_bits))
            .set("length", registers.out("load_length"))
            .set("abort", state.abort)
            .set("select", registers.out("load_select_write"))
            .set("push", registers.out("load_data_write"))
            .set("write_data", registers.out("write_data"));
        self.inspector
            .set("en", loader.out("load_en") & loader.out("load_target").eq(0))
            .set("address", loader.out("load_addr"))
            .set("data", loader.out("load_data").slice(0, 32));
        let resync = m.reg("resync", 1, 0);
        resync.next(self.command("RESYNC"));
        self.pixels
            .set("open", state.loaded & !loader.out("active"))
            .set("height", self.inspector.out("height"))
            .set("width", self.inspector.out("width"))
            .set("kill", state.kill)
            .set("resync", *resync);
        self.results.set("kill", state.kill);

        let command = |name: &str| {
            let field = registers::register_named("CONTROL").field(name);
            registers.out("write_data").bit(field.low)
        };
        // Together with an abort they are refused.
        let loads = command("START_LOAD") | command("COMMIT");
        registers
            .set("control_allow", !loads | (state.idle & !command("ABORT")))
            .set("load_select_allow", state.idle)
            .set("load_data_allow", state.idle);
    }

    /// The weights that come from memory.
    fn stream(&self, state: &State<'m>, axi: AxiConfig) {
        let (registers, core) = (self.registers, self.core);
        let Some(weights) = self.weights else { return };
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
        let (core, pixels, results, loader) = (self.core, self.pixels, self.results, self.loader);
        let supervisor = self.supervisor;
        let mut waits = pixels.out("starved") | results.out("waiting") | loader.out("active");
        let mut beat = pixels.out("beat") | results.out("taken") | loader.out("beat");
        let mut abort = state.abort;
        if let Some(weights) = self.weights {
            waits = waits | core.out("weight_wait");
            beat = beat | weights.out("beat");
            abort = abort | weights.out("response");
        }
        supervisor
            .set("abort", abort)
            .set("illegal", illegal)
            .set("busy", core.out("busy"))
            .set("class_now", core.out("out_data").slice(0, 16))
            .set("class_taken", self.registers.out("class_taken"))
            .set("watchdog", self.registers.out("watchdog"))
            .set("timeout", self.registers.out("timeout"))
            .set("waits", waits)
            .set("beat", beat)
            .set("load_active", loader.out("active"));
        for name in ["complete", "broken", "early", "late"] {
            supervisor.set(name, pixels.out(name));
        }
        for name in ["finished", "stalled"] {
            supervisor.set(name, results.out(name));
        }
    }

    /// The registers that show something.
    fn report(&self, state: &State<'m>, illegal: Sig<'m>) {
        let (m, registers, loader) = (self.m, self.registers, self.loader);
        let (pixels, results, supervisor) = (self.pixels, self.results, self.supervisor);
        for name in ["cycles", "stalls", "images", "dropped", "load_cycles"] {
            registers.set(name, supervisor.out(name));
        }
        registers
            .set("class_class", supervisor.out("last_class"))
            .set("class_fresh", supervisor.out("fresh"));
        for (name, value) in [
            ("idle", state.idle),
            ("loaded", state.loaded),
            ("loading", loader.out("active")),
            ("receiving", pixels.out("receiving")),
            ("waiting", supervisor.out("image_waiting")),
            ("busy", self.core.out("busy")),
            ("result", results.out("m_axis_tvalid")),
            ("discarding", pixels.out("discarding")),
            ("error", registers.out("error").any()),
        ] {
            registers.set(&format!("status_{name}"), value);
        }
        let refused = registers.out("control_refused")
            | registers.out("load_select_refused")
            | registers.out("load_data_refused");
        let unwanted = pixels.out("offered") & !state.loaded & !loader.out("active");
        let timed_out = supervisor.out("timed_out");
        let mut response = loader.out("response");
        let mut wants_memory = loader.out("active");
        if let Some(weights) = self.weights {
            response = response | weights.out("response");
            wants_memory = wants_memory | self.core.out("weight_wait");
        }
        let errors = [
            ("illegal_program", state.unfit),
            ("illegal_descriptor", illegal),
            ("load_format", loader.out("format")),
            ("load_range", loader.out("range")),
            ("load_refused", refused),
            ("memory_response", response),
            ("input_short", pixels.out("early")),
            ("input_long", pixels.out("late")),
            ("no_program", unwanted),
            ("output_underrun", supervisor.out("underrun")),
            ("watchdog", supervisor.out("barked")),
            ("input_stall", timed_out & pixels.out("starved")),
            ("output_stall", timed_out & results.out("waiting")),
            ("memory_stall", timed_out & wants_memory),
            ("weights_short", state.short),
        ];
        for (name, value) in errors {
            registers.set(&format!("error_{name}"), value);
        }
        let any = errors.into_iter().fold(m.lit(1, 0), |any, (_, value)| any | value);
        registers
            .set("events_image", results.out("finished"))
            .set("events_load", loader.out("done"))
            .set("events_reset", state.kill)
            .set("events_error", any);
        let irq = m.reg("irq_q", 1, 0);
        irq.next((registers.out("events") & registers.out("irq_enable")).any());
        m.output("irq", *irq, "interrupt, a level");
    }
}
