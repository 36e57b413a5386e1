//! Sequencer, ring and weight memories together against the sentences of the page: which step
//! waits, when a beat is accepted, and which words the columns get.

use super::super::WEIGHTS;
use super::super::memories::weights;
use super::super::sequencer::{sequencer, set_layer};
use super::super::sizes::{Sizes, test_sizes};
use super::{Ring, weight_ring};
use crate::build::{Builder, Module};
use crate::{Simulator, test_random};
use heartbit_ir::program::LayerDescriptor;

/// Words of a weight memory.
const DEPTH: u32 = 64;
/// The state `Run`.
const RUN: u64 = 2;
/// The state `Gap`.
const GAP: u64 = 3;

/// The three modules, connected as in the accelerator; the fields of a layer are inputs.
fn bench(sizes: &Sizes, ring: Ring) -> Module {
    let m = Builder::new("bench", "");
    let sequencer = m.inst("sequencer", &sequencer(sizes));
    let fields = ["steps", "step_base", "weight_base", "col_tiles", "row_tiles", "out_height"];
    for name in fields.into_iter().chain(["tile_gap", "col_gap", "layer_gap"]) {
        sequencer.set(name, m.input(name, 16, ""));
    }
    for name in ["image_full", "sent", "last_layer"] {
        sequencer.set(name, m.input(name, 1, ""));
    }
    sequencer.set("illegal", m.lit(1, 0)).set("keep_image", m.lit(1, 0));
    let part = m.inst("weight_ring", &weight_ring(sizes, ring));
    let load = m.input("load_en", 1, "");
    part.set("load_any", load).set("load_en", load & m.input("load_target", 3, "").eq(WEIGHTS));
    for (name, width) in [
        ("load_index", 16),
        ("load_addr", 16),
        ("load_data", sizes.lanes),
        ("stream", 1),
        ("wt_valid", 1),
        ("wt_data", ring.port_cols * sizes.lanes),
    ] {
        part.set(name, m.input(name, width, ""));
    }
    part.set("resident", sequencer.out("weight_addr"));
    for name in ["first_tile", "last_tile", "issue", "last", "ct_end"] {
        part.set(name, sequencer.out(name));
    }
    sequencer.set("hold", part.out("hold"));
    let memories = m.inst("weights", &weights(sizes));
    for name in ["address", "write_en", "write_to", "write_data"] {
        memories.set(name, part.out(name));
    }
    m.output("wt_ready", part.out("wt_ready"), "");
    for name in ["state", "issue", "weight_wait"] {
        m.output(name, sequencer.out(name), "");
    }
    for column in 0..sizes.cols {
        let name = format!("w_{column}");
        m.output(&name, memories.out(&name), "");
    }
    for name in ["step_addr", "idle", "fetching", "begin_front", "begin_wait", "load", "first"] {
        m.discard(sequencer.out(name));
    }
    for name in ["line_end", "free", "sending", "busy", "error", "layer", "entered"] {
        m.discard(sequencer.out(name));
    }
    m.finish()
}

/// A layer, and whether its weights come through the port.
#[derive(Clone, Debug)]
struct Layer {
    fields: LayerDescriptor,
    stream: bool,
}

impl Layer {
    fn random(ring: Ring, seed: &mut u64) -> Self {
        let mut random =
            |below: u32| u16::try_from(test_random(seed) % u64::from(below)).expect("bug: small");
        let stream = random(3) > 0;
        // A column tile may fill the ring.
        let steps = 1 + random(if stream { ring.words } else { 6 });
        let resident = u16::try_from(ring.words).expect("bug: small");
        let fields = LayerDescriptor {
            steps,
            weight_base: if stream { random(65_535) } else { resident + random(8) },
            col_tiles: 1 + random(4),
            row_tiles: 1 + random(2),
            out_height: 1 + random(3),
            tile_gap: random(3),
            col_gap: random(3),
            layer_gap: 11,
            ..LayerDescriptor::default()
        };
        Self { fields, stream }
    }

    fn set(&self, sim: &mut Simulator) {
        set_layer(sim, &self.fields);
        sim.set("stream", self.stream.into());
    }
}

/// A step, and what section 2.2 says of it.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Streamed: the word, counted over all images; else its address.
    word: usize,
    stream: bool,
    first_tile: bool,
    last_tile: bool,
}

/// The steps of an image whose first streamed word is number `word`; returns the next one.
fn steps_of(layers: &[Layer], mut word: usize) -> (Vec<Step>, usize) {
    let mut out = Vec::new();
    for Layer { fields, stream } in layers {
        let k = usize::from(fields.steps);
        for ct in 0..usize::from(fields.col_tiles) {
            let n = usize::from(fields.out_height) * usize::from(fields.row_tiles);
            let base = if *stream { word } else { usize::from(fields.weight_base) + ct * k };
            for (tile, step) in (0..n).flat_map(|tile| (0..k).map(move |step| (tile, step))) {
                let (first_tile, last_tile) = (tile == 0, tile + 1 == n);
                out.push(Step { word: base + step, stream: *stream, first_tile, last_tile });
            }
            word += if *stream { k } else { 0 };
        }
    }
    (out, word)
}

/// The bench, and what the page says about it.
struct Model {
    sim: Simulator,
    sizes: Sizes,
    ring: Ring,
    seed: u64,
    /// Mixed into the words, new with each load.
    salt: u64,
    /// How many of 8 cycles are slots of the source.
    slots: u64,
    cycle: u64,
    offering: bool,
    /// Accepted beats.
    beats: usize,
    /// The cycles in which the last beats of the words were accepted.
    arrived: Vec<u64>,
    /// The cycles from which on words are free.
    free_from: Vec<u64>,
    /// The words that columns get: cycle, column, word.
    expected: Vec<(u64, u32, u64)>,
    /// Cycles in which a step waited, and in which the port was not ready.
    waits: u64,
    full: u64,
}

impl Model {
    fn new(cols: usize, port_cols: u32, words: u32, lanes: usize) -> Self {
        let ring = Ring { words, port_cols };
        let mut sizes = Sizes { ring: Some(ring), ..test_sizes(2, cols, lanes) };
        sizes.depths.weight = DEPTH;
        Self {
            sim: Simulator::new(&bench(&sizes, ring)),
            sizes,
            ring,
            seed: (cols * 100 + lanes) as u64,
            salt: 0,
            slots: 8,
            cycle: 0,
            offering: false,
            beats: 0,
            arrived: Vec::new(),
            free_from: Vec::new(),
            expected: Vec::new(),
            waits: 0,
            full: 0,
        }
    }

    /// The word of a column: streamed as a number, resident as an address.
    fn word(&self, stream: bool, number: usize, column: u32) -> u64 {
        let mut seed =
            self.salt ^ (number as u64) << 9 ^ u64::from(column) << 1 ^ u64::from(stream);
        test_random(&mut seed) >> (64 - self.sizes.lanes)
    }

    /// Forgets what the ring held.
    fn begin_anew(&mut self) {
        (self.beats, self.offering) = (0, false);
        self.arrived.clear();
        self.free_from.clear();
        self.expected.clear();
    }

    /// Writes all words of the weight memories and some of another one.
    fn load(&mut self) {
        self.begin_anew();
        self.salt = test_random(&mut self.seed);
        self.sim.set("wt_valid", 0);
        self.sim.set("load_en", 1);
        for (column, address) in
            (0..self.sizes.cols).flat_map(|column| (0..DEPTH).map(move |a| (column, a)))
        {
            let word = self.word(false, address as usize, column);
            self.sim.set("load_target", WEIGHTS);
            self.sim.set("load_index", column.into());
            self.sim.set("load_addr", address.into());
            self.sim.set("load_data", word);
            assert_eq!(self.sim.get("wt_ready"), 0, "while a word is loaded");
            self.sim.step();
        }
        // Of no weight memory.
        self.sim.set("load_target", 3);
        self.sim.set("load_data", 0);
        self.sim.step();
        self.sim.set("load_en", 0);
    }

    fn reset(&mut self) {
        self.begin_anew();
        self.sim.set("rst", 1);
        self.sim.set("wt_valid", 0);
        self.sim.step();
        self.sim.set("rst", 0);
    }

    /// The source's part of a cycle, and what the port should answer.
    fn offer(&mut self) {
        let slot = test_random(&mut self.seed) % 8 < self.slots;
        self.offering |= slot;
        self.sim.set("wt_valid", self.offering.into());
        let groups = (self.sizes.cols / self.ring.port_cols) as usize;
        let (number, group) = (self.beats / groups, self.beats % groups);
        let mut data = vec![0; (self.ring.port_cols * self.sizes.lanes).div_ceil(64) as usize];
        for i in 0..self.ring.port_cols {
            let column = u32::try_from(group).expect("bug: small") * self.ring.port_cols + i;
            let word = if self.offering { self.word(true, number, column) } else { 0 };
            let low = (i * self.sizes.lanes) as usize;
            for bit in (0..self.sizes.lanes as usize).filter(|bit| word >> bit & 1 == 1) {
                data[(low + bit) / 64] |= 1 << ((low + bit) % 64);
            }
        }
        self.sim.set_words("wt_data", &data);

        let there = self.arrived.len();
        let free = self.free_from.iter().filter(|from| **from <= self.cycle).count();
        let ready = there - free < self.ring.words as usize;
        assert_eq!(self.sim.get("wt_ready"), u64::from(ready), "cycle {}", self.cycle);
        self.full += u64::from(!ready);
        if self.offering && ready {
            self.offering = false;
            self.beats += 1;
            if self.beats.is_multiple_of(groups) {
                self.arrived.push(self.cycle);
            }
        }
    }

    /// A cycle; `step` is the one that is due if any is. Returns whether it is issued.
    fn cycle(&mut self, step: Option<&Step>) -> bool {
        let there = self.arrived.len();
        self.offer();
        let (issue, wait) = (self.sim.get("issue") == 1, self.sim.get("weight_wait") == 1);
        if issue || wait {
            let step = step.expect("a step is due");
            let missing = step.stream && step.first_tile && step.word >= there;
            assert_eq!((issue, wait), (!missing, missing), "{step:?} in cycle {}", self.cycle);
        }
        self.waits += u64::from(wait);
        if let Some(step) = step.filter(|_| issue) {
            for column in 0..self.sizes.cols {
                let word = self.word(step.stream, step.word, column);
                self.expected.push((self.cycle + 6 + u64::from(column), column, word));
            }
            if step.stream && step.last_tile {
                self.free_from.push(self.cycle + u64::from(self.sizes.cols) + 3);
            }
        }
        let now = self.cycle;
        for (_, column, word) in self.expected.extract_if(.., |due| due.0 == now) {
            assert_eq!(self.sim.get(&format!("w_{column}")), word, "column {column} in {now}");
        }
        self.sim.step();
        self.cycle += 1;
        issue
    }

    /// Runs an image, or only some cycles of it; returns the first streamed word of the next one.
    fn image(&mut self, layers: &[Layer], first_word: usize, limit: u64) -> usize {
        let (steps, next_word) = steps_of(layers, first_word);
        let (mut at, mut layer, mut before, mut run_cycles) = (0, 0, 0, 0);
        let waits_before = self.waits;
        layers[0].set(&mut self.sim);
        self.sim.set("sent", 1);
        let end = self.cycle + limit;
        while self.cycle < end {
            // It is taken in the first cycle.
            self.sim.set("image_full", u64::from(run_cycles == 0 && before == 0));
            let state = self.sim.get("state");
            if state == GAP && before == RUN {
                layer += 1;
                if let Some(layer) = layers.get(layer) {
                    layer.set(&mut self.sim);
                }
            }
            if state == 0 && before != 0 {
                assert_eq!(at, steps.len(), "all steps");
                let run: u64 = layers.iter().map(|layer| layer.fields.run_cycles()).sum();
                assert_eq!(run_cycles, run + self.waits - waits_before, "cycles of Run");
                return next_word;
            }
            run_cycles += u64::from(state == RUN);
            before = state;
            at += usize::from(self.cycle(steps.get(at)));
        }
        assert!(limit < 100_000, "the image does not end");
        next_word
    }
}

fn layers(ring: Ring, seed: &mut u64) -> Vec<Layer> {
    let n = 1 + test_random(seed) % 4;
    let mut layers: Vec<_> = (0..n).map(|_| Layer::random(ring, seed)).collect();
    layers.last_mut().expect("bug: a layer").fields.flags.last_layer = true;
    layers
}

/// Images of random programs, with a source of each speed, loads and resets between them.
#[track_caller]
fn check_ring(cols: usize, port_cols: u32, words: u32, lanes: usize) {
    let mut model = Model::new(cols, port_cols, words, lanes);
    model.reset();
    for round in 0..24 {
        model.load();
        model.slots = [8, 1, 4, 7][round % 4];
        let layers = layers(model.ring, &mut model.seed.clone());
        test_random(&mut model.seed);
        if round % 3 == 2 {
            // Cut off; the source begins anew.
            let cycles = test_random(&mut model.seed) % 300;
            model.image(&layers, 0, cycles);
            model.reset();
        }
        let mut word = 0;
        for _ in 0..3 {
            word = model.image(&layers, word, 100_000);
            // The ring fills meanwhile.
            for _ in 0..test_random(&mut model.seed) % 40 {
                model.cycle(None);
            }
        }
    }
    assert!(model.waits > 100, "only {} steps waited", model.waits);
    assert!(model.full > 100, "the ring was full in {} cycles only", model.full);
}

#[test]
fn steps_wait_and_words_come_as_the_page_says() {
    for (cols, port_cols, words, lanes) in
        [(1, 1, 2, 4), (4, 2, 8, 5), (6, 1, 4, 4), (3, 3, 16, 37), (12, 4, 2, 16), (8, 8, 32, 64)]
    {
        check_ring(cols, port_cols, words, lanes);
    }
}
