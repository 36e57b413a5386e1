//! The cycle model against one that steps every cycle, and against sums on paper.
//!
//! [`Stepped`] is written from microarchitecture.md, sections 2.2, 5.2 and 5.4, as literally as it
//! can be: port and sequencer have a state, and every cycle is one.

use super::{
    BackToBack, CyclePrediction, Predictor, back_to_back, predict, predict_images, repeated,
    without_waits,
};
use heartbit_ir::program::{
    ArrayConfig, Header, LayerDescriptor, LayerFlags, MemoryDepths, PortSlots, Program, WeightRing,
    WeightStream,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::VecDeque;

const CLASSES: u16 = 3;

/// Sizes of a layer that its cycles depend on.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    steps: u16,
    col_tiles: u16,
    tiles: u16,
    tile_gap: u16,
    col_gap: u16,
    layer_gap: u16,
    streamed: bool,
}

/// A weight port and its ring.
#[derive(Clone, Debug)]
struct Port {
    cols: usize,
    beat_cols: usize,
    words: usize,
    slots: PortSlots,
}

impl Port {
    /// One column, a word in a beat.
    fn narrow(words: usize, latency: u64, beats: u32, cycles: u32) -> Self {
        Self { cols: 1, beat_cols: 1, words, slots: PortSlots::at_rate(latency, beats, cycles) }
    }
}

fn program(layers: &[Sizes], port: &Port) -> Program {
    let layer = |sizes: &Sizes| LayerDescriptor {
        flags: LayerFlags { stream_weights: sizes.streamed, ..LayerFlags::default() },
        steps: sizes.steps,
        col_tiles: sizes.col_tiles,
        row_tiles: 1,
        out_height: sizes.tiles,
        tile_gap: sizes.tile_gap,
        col_gap: sizes.col_gap,
        layer_gap: sizes.layer_gap,
        ..LayerDescriptor::default()
    };
    let ring = WeightRing { words: port.words, port_cols: port.beat_cols };
    Program {
        array: ArrayConfig {
            rows: 1,
            cols: port.cols,
            lanes: 4,
            taps: 1,
            lines: 1,
            acc_bits: 8,
            extended: false,
        },
        depths: MemoryDepths {
            image: 1,
            activation: 1,
            weight: port.words,
            parameter: 1,
            stream: 1,
            logit: 1,
            step: 1,
            program: 1,
            ring: Some(ring),
        },
        header: Header::decode([0, CLASSES.into()]),
        layers: layers.iter().map(layer).collect(),
        steps: Vec::new(),
        weights: Vec::new(),
        weight_stream: Some(WeightStream { columns: Vec::new(), slots: port.slots.clone() }),
        parameters: Vec::new(),
    }
}

/// Port and array, cycle by cycle.
struct Stepped<'a> {
    port: &'a Port,
    cycle: u64,
    offered: bool,
    /// Beats of the word that is coming.
    beats: usize,
    /// Words that have come, and of those the ones that steps took.
    complete: u64,
    taken: u64,
    /// Cycles from which on words are free, of those that are not.
    busy_until: VecDeque<u64>,
    /// Words that are free.
    freed: u64,
}

impl<'a> Stepped<'a> {
    fn new(port: &'a Port) -> Self {
        Self {
            port,
            cycle: 0,
            offered: false,
            beats: 0,
            complete: 0,
            taken: 0,
            busy_until: VecDeque::new(),
            freed: 0,
        }
    }

    fn held(&self) -> u64 {
        self.complete - self.freed
    }

    /// One cycle; a step that takes a word, or uses it for the last time, is issued in it.
    fn tick(&mut self, takes: bool, frees: bool) {
        self.free();
        assert!(!takes || self.taken < self.complete, "a word that is not there");
        let ready = self.held() < self.port.words as u64;
        self.offered |= self.port.slots.is_slot(self.cycle);
        if self.offered && ready {
            self.offered = false;
            self.beats += 1;
            if self.beats == self.port.cols / self.port.beat_cols {
                self.beats = 0;
                self.complete += 1;
            }
        }
        self.taken += u64::from(takes);
        if frees {
            self.busy_until.push_back(self.cycle + self.port.cols as u64 + 3);
        }
        self.cycle += 1;
    }

    fn free(&mut self) {
        while self.busy_until.front().is_some_and(|&cycle| cycle <= self.cycle) {
            self.busy_until.pop_front();
            self.freed += 1;
        }
    }

    fn idle(&mut self, cycles: u64) {
        (0..cycles).for_each(|_| self.tick(false, false));
    }

    /// Cycles of each layer of an image whose `Fetch` begins now.
    fn image(&mut self, layers: &[Sizes]) -> Vec<u64> {
        let mut took = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let began = self.cycle;
            self.idle(if index == 0 { 23 } else { 0 });
            for _ in 0..layer.col_tiles {
                for tile in 0..layer.tiles {
                    for _ in 0..layer.steps {
                        let takes = layer.streamed && tile == 0;
                        while takes && self.taken == self.complete {
                            self.tick(false, false);
                        }
                        self.tick(takes, layer.streamed && tile + 1 == layer.tiles);
                    }
                    self.idle(layer.tile_gap.into());
                }
                self.idle(layer.col_gap.into());
            }
            self.idle(layer.layer_gap.into());
            took.push(self.cycle - began);
        }
        took
    }
}

/// Images of which each begins so many cycles after the one before, the first after the load.
fn stepped(layers: &[Sizes], port: &Port, pauses: &[u64]) -> (Vec<u64>, Vec<Vec<u64>>) {
    let mut model = Stepped::new(port);
    let mut starts = Vec::new();
    let mut images = Vec::new();
    for &pause in pauses {
        model.idle(pause);
        starts.push(model.cycle);
        images.push(model.image(layers));
        model.idle(send(layers));
    }
    (starts, images)
}

fn send(layers: &[Sizes]) -> u64 {
    u64::from(layers.last().expect("a layer").col_tiles) + u64::from(CLASSES) + 1
}

fn totals(prediction: &CyclePrediction) -> Vec<u64> {
    prediction.layers.iter().map(|layer| layer.total().0).collect()
}

fn layers() -> impl Strategy<Value = Vec<Sizes>> {
    let layer = (1..=9u16, 1..=4u16, 1..=5u16, 0..=4u16, 0..=4u16, 11..=20u16, 0..4u8).prop_map(
        |(steps, col_tiles, tiles, tile_gap, col_gap, layer_gap, streamed)| Sizes {
            steps,
            col_tiles,
            tiles,
            tile_gap,
            col_gap,
            layer_gap,
            streamed: streamed > 0,
        },
    );
    prop::collection::vec(layer, 1..=5)
}

fn ports() -> impl Strategy<Value = Port> {
    let pattern = prop::collection::vec(any::<bool>(), 1..=12).prop_map(|mut pattern| {
        if !pattern.contains(&true) {
            pattern[0] = true;
        }
        pattern
    });
    (1..=3usize, 1..=3usize, 4..=6u32, 0..=80u64, pattern).prop_map(
        |(beats, beat_cols, words, latency, pattern)| Port {
            cols: beats * beat_cols,
            beat_cols,
            words: 1 << words,
            slots: PortSlots { latency, pattern },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn images_take_the_cycles_of_the_stepped_model(
        layers in layers(), port in ports(), pauses in prop::collection::vec(1..=200u64, 1..=4),
    ) {
        let (starts, expected) = stepped(&layers, &port, &pauses);
        let predicted = predict_images(&program(&layers, &port), &starts);
        let got: Vec<Vec<u64>> = predicted.iter().map(totals).collect();
        prop_assert_eq!(got, expected);
        prop_assert!(predicted.iter().all(|p| p.send.0 == send(&layers)));
    }

    #[test]
    fn images_back_to_back_keep_the_rhythm_of_the_stepped_model(
        layers in layers(), port in ports(),
    ) {
        let program = program(&layers, &port);
        let rhythm = back_to_back(&program);
        let mut model = Stepped::new(&port);
        let mut starts = Vec::new();
        for _ in 0..600 {
            starts.push(model.cycle);
            model.image(&layers);
            model.idle(send(&layers) + 1);
        }
        // Long after the beginning, which is another than that of the prediction.
        let images = usize::try_from(rhythm.images).expect("few");
        let took = starts[599] - starts[599 - images];
        prop_assert!(took.abs_diff(rhythm.cycles) <= 1, "{took} cycles, not {rhythm:?}");
    }
}

#[test]
fn rhythm_without_waits_is_what_images_that_are_followed_take() {
    let mut runner = TestRunner::deterministic();
    let (mut short, mut partly) = (0, 0);
    for _ in 0..4_000 {
        let sizes = (layers(), ports()).new_tree(&mut runner).expect("sizes").current();
        let program = program(&sizes.0, &sizes.1);
        let Some(rhythm) = without_waits(&program) else { continue };
        let followed = repeated(&program, Predictor::new(&program).filled_at());
        let BackToBack { images, cycles } = followed.unwrap_or_else(|measured| measured);
        assert_eq!(rhythm, BackToBack { images: 1, cycles: cycles / images }, "{sizes:?}");
        assert_eq!(cycles % images, 0, "{sizes:?}");
        short += 1;
        partly += u32::from(sizes.1.slots.pattern.contains(&false));
    }
    assert!(short > 300 && partly > 100, "only {short} of 4,000, {partly} with pauses");
}

fn layer(steps: u16, col_tiles: u16, tiles: u16) -> Sizes {
    Sizes { steps, col_tiles, tiles, tile_gap: 0, col_gap: 0, layer_gap: 11, streamed: true }
}

#[test]
fn full_ring_gives_its_words_and_the_rest_come_at_the_rate_of_the_port() {
    // Two column tiles of one tile: 4 of the 8 words are there, and one in 5 cycles follows.
    let layers = [layer(4, 2, 1)];
    let port = Port::narrow(4, 0, 1, 5);
    let predicted = predict(&program(&layers, &port));
    // The last slot of a pattern is one: beats in 4, 9, 14 and 19, so `Fetch` begins in 20 and the
    // first steps are in 43 to 46. Word 4 is offered since 24, and its place is free in 43 + 4; the
    // slots of words 5 to 7 are 49, 54 and 59, so the steps are in 48, 50, 55 and 60.
    assert_eq!(predicted.weight_wait().0, 48 - 47 + 50 - 49 + 55 - 51 + 60 - 56);
    assert_eq!(predicted.layers[0].total().0, 23 + 8 + 10 + 11);
}

#[test]
fn long_column_tiles_hide_the_port() {
    // 4 words in 20 cycles, while a column tile has 6 tiles of 4 steps.
    let predicted = predict(&program(&[layer(4, 3, 6)], &Port::narrow(8, 7, 1, 5)));
    assert_eq!(predicted.weight_wait().0, 0);
    assert_eq!(predicted.total().0, 23 + 3 * 6 * 4 + 11 + 3 + 3 + 1);
}

#[test]
fn words_wait_for_their_place_until_the_last_column_has_read() {
    // A ring of one column tile: the second one can only follow when the first is used.
    let mut port = Port::narrow(4, 0, 1, 1);
    (port.cols, port.beat_cols) = (6, 6);
    let predicted = predict(&program(&[layer(4, 2, 1)], &port));
    // Word 0 is used in `t`, its place free in `t + 9`, and word 4 can be used in `t + 10`.
    assert_eq!(predicted.weight_wait().0, 10 - 4);
}

#[test]
fn image_that_comes_early_waits_for_the_source() {
    let layers = [layer(1, 1, 1)];
    let program = program(&layers, &Port::narrow(2, 100, 1, 1));
    let waits: Vec<u64> =
        predict_images(&program, &[0, 200]).iter().map(|p| p.weight_wait().0).collect();
    assert_eq!(waits, [101 - 23, 0]);
    assert_eq!(predict(&program).weight_wait().0, 0);
}

#[test]
fn bandwidth_bounds_images_back_to_back() {
    // 40 words at 3 in 7 cycles; without waits an image would take 23 + 40 + 11 + 4 + 4 + 1.
    let bound = back_to_back(&program(&[layer(10, 4, 1)], &Port::narrow(32, 0, 3, 7)));
    assert_eq!(bound.images * 40 * 7, bound.cycles * 3);
    assert!((bound.cycles_per_image() - 280.0 / 3.0).abs() < 1e-9);
    let free = back_to_back(&program(&[layer(10, 4, 1)], &Port::narrow(64, 0, 1, 1)));
    assert_eq!(free, BackToBack { images: 1, cycles: 23 + 40 + 11 + 4 + 4 + 1 });
}

#[test]
fn without_streamed_layers_the_port_does_not_matter() {
    let resident = [Sizes { streamed: false, ..layer(5, 2, 3) }];
    let program = program(&resident, &Port::narrow(8, 1_000, 1, 9));
    let single = predict(&program);
    assert_eq!(single.total().0, 23 + 30 + 11 + 2 + 4);
    assert_eq!(predict_images(&program, &[0, 5]), [single.clone(), single]);
    assert_eq!(back_to_back(&program), BackToBack { images: 1, cycles: 71 });
}
