//! Whole networks: every tensor of every layer, and every cycle count.

use crate::compile::compile;
use crate::reference::{Conv, Map, Net, Shortcut, run};
use heartbit_ir::program::{ArrayShape, Execution, Program};
use heartbit_sim::Simulator;
use proptest::prelude::*;

/// `SplitMix64`: the same numbers everywhere.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number in `low..=high`.
    pub(crate) fn range(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low + 1).expect("low <= high");
        low + i64::try_from(self.next() % span).expect("small")
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// The shape of a layer; numbers are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerSpec {
    pub(crate) cout: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) bits: usize,
    pub(crate) shortcut: Shortcut,
    pub(crate) pool: bool,
}

const fn spec(cout: usize, kernel: usize, stride: usize, shortcut: Shortcut) -> LayerSpec {
    LayerSpec { cout, kernel, stride, bits: 1, shortcut, pool: false }
}

/// Fills layers with numbers: a chain that begins at an image of `(height, width, channels)`.
pub(crate) fn network(
    size: (usize, usize, usize),
    specs: &[LayerSpec],
    numbers: &mut Numbers,
) -> Net {
    let (height, width, channels) = size;
    let mut cin = channels + 1;
    let mut convs = Vec::new();
    for (i, spec) in specs.iter().enumerate() {
        let n = spec.cout * spec.kernel * spec.kernel * cin;
        let top = (1 << spec.bits) - 1;
        let mut draw = |n: usize, low, high| -> Vec<i64> {
            (0..n).map(|_| numbers.range(low, high)).collect()
        };
        let weights =
            draw(n, 0, top).into_iter().map(|v| i32::try_from(2 * v - top).expect("small"));
        let weights = weights.collect();
        let narrow = |v: i64| i16::try_from(v).expect("small");
        let mul = draw(spec.cout, -700, 700).into_iter().map(narrow).collect();
        let bias = draw(spec.cout, -20_000, 20_000);
        convs.push(Conv {
            cout: spec.cout,
            kernel: spec.kernel,
            stride: spec.stride,
            bits: spec.bits,
            weights,
            shortcut: spec.shortcut,
            mul,
            bias: bias.into_iter().map(|v| i32::try_from(v).expect("small")).collect(),
            shift: if i == 0 { 12 } else { 4 },
            clip: if i % 2 == 0 { 32767 } else { 4000 },
            write_stream: true,
            pool: spec.pool.then_some(6),
        });
        cin = spec.cout;
    }
    Net { height, width, channels, convs }
}

fn at(values: &[i32], index: usize) -> i64 {
    values[index].into()
}

#[track_caller]
fn compare(name: &str, layer: usize, columns: usize, actual: &[i32], expected: &Map) {
    for (i, &value) in expected.values.iter().enumerate() {
        let (pixel, c) = (i / expected.channels, i % expected.channels);
        let (y, x) = (pixel / expected.width, pixel % expected.width);
        assert_eq!(
            at(actual, pixel * columns + c),
            value,
            "{name} of layer {layer} at {y},{x},{c}"
        );
    }
}

#[track_caller]
fn check_cycles(program: &Program, execution: &Execution) {
    for (d, &cycles) in program.layers.iter().zip(&execution.layer_cycles) {
        let tile = u64::from(d.steps) + u64::from(d.tile_gap);
        let tiles = u64::from(d.out_height) * u64::from(d.row_tiles);
        let run = u64::from(d.col_tiles) * (tiles * tile + u64::from(d.col_gap));
        assert_eq!(cycles, 18 + run + u64::from(d.drain_wait));
    }
    let last = program.layers.last().expect("layers");
    let send = u64::from(last.col_tiles) + u64::from(program.header.classes) + 1;
    assert_eq!(execution.send_cycles, send);
}

/// Runs two images one after the other and compares everything with the reference.
#[track_caller]
pub(crate) fn check(net: &Net, array: &str, numbers: &mut Numbers) {
    let shape: ArrayShape = array.parse().expect("an array");
    let program = compile(net, shape, 24);
    let mut simulator = Simulator::new(&program).expect("the program is valid");
    for _ in 0..2 {
        let image = numbers.bytes(net.height * net.width * net.channels);
        let expected = run(net, &image);
        let execution = simulator.run(&image).expect("the image is valid");
        assert_eq!(simulator.overflows(), 0);
        check_cycles(&program, &execution);
        for (i, (actual, expected)) in execution.layers.iter().zip(&expected).enumerate() {
            let (height, width) = (expected.sums.height, expected.sums.width);
            assert_eq!((actual.height, actual.width), (height, width));
            compare("sums", i, actual.columns, &actual.sums, &expected.sums);
            compare("shortcut", i, actual.columns, &actual.shortcut, &expected.shortcut);
            compare("logits", i, actual.columns, &actual.logits, &expected.logits);
            compare("stream", i, actual.columns, &actual.stream, &expected.stream);
            for (c, &q) in expected.pooled.iter().enumerate() {
                assert_eq!(i64::from(actual.pooled[c]), q, "pooled channel {c} of layer {i}");
            }
        }
        let logits = &expected.last().expect("layers").logits.values;
        assert_eq!(execution.logits.iter().map(|&l| l.into()).collect::<Vec<i64>>(), *logits);
        let best = logits.iter().max().expect("classes");
        assert_eq!(Some(execution.class), logits.iter().position(|l| l == best));
        let lean = simulator.clone().run_logits(&image).expect("the image is valid");
        assert_eq!(lean, Execution { layers: vec![], ..execution });
    }
}

/// A stem, the layers, a pooled layer and a head.
fn check_chain(size: (usize, usize, usize), layers: &[LayerSpec], array: &str) {
    let mut specs = vec![LayerSpec { bits: 3, ..spec(5, 3, 1, Shortcut::None) }];
    specs.extend_from_slice(layers);
    specs.push(LayerSpec { pool: true, ..spec(7, 1, 1, Shortcut::None) });
    specs.push(LayerSpec { bits: 2, ..spec(4, 1, 1, Shortcut::None) });
    let mut numbers = Numbers(1);
    let net = network(size, &specs, &mut numbers);
    check(&net, array, &mut numbers);
}

const CONV: LayerSpec = spec(6, 3, 1, Shortcut::None);
const DOWN: LayerSpec = spec(9, 3, 2, Shortcut::None);
const BLOCK: LayerSpec = spec(5, 3, 1, Shortcut::Identity);
const DOWN_BLOCK: LayerSpec = spec(10, 3, 2, Shortcut::Pool);

#[test]
fn array_1x1_computes_all_kinds_of_layers() {
    check_chain((4, 6, 3), &[CONV, BLOCK, DOWN_BLOCK, DOWN], "1x1x4");
}

#[test]
fn array_2x2_computes_all_kinds_of_layers() {
    check_chain((6, 4, 3), &[BLOCK, CONV, DOWN_BLOCK, DOWN], "2x2x4");
}

#[test]
fn odd_map_with_stride_2_masks_the_far_border() {
    check_chain((5, 7, 1), &[DOWN, DOWN], "2x3x8");
}

#[test]
fn array_with_more_columns_than_lanes_writes_slices_in_turn() {
    check_chain((6, 6, 3), &[BLOCK, DOWN_BLOCK], "3x9x4");
}

#[test]
fn rows_beyond_the_map_write_nothing() {
    check_chain((2, 2, 2), &[BLOCK, DOWN_BLOCK], "8x4x8");
}

#[test]
fn words_of_several_limbs_match_lane_by_lane() {
    let wide = spec(150, 3, 1, Shortcut::None);
    check_chain((4, 4, 3), &[wide, BLOCK, DOWN_BLOCK], "3x70x130");
    check_chain((4, 4, 3), &[wide, BLOCK, DOWN_BLOCK], "2x7x130");
}

fn layer_spec() -> impl Strategy<Value = LayerSpec> {
    let sizes = (1usize..40, prop_oneof![Just(1usize), Just(3)], 1usize..=2, 1usize..=2);
    let shortcut =
        prop_oneof![Just(Shortcut::None), Just(Shortcut::Identity), Just(Shortcut::Pool)];
    (sizes, shortcut).prop_map(|((cout, kernel, stride, bits), shortcut)| LayerSpec {
        bits,
        ..spec(cout, kernel, stride, shortcut)
    })
}

/// Drops shortcuts that do not fit the maps.
fn fitting(size: (usize, usize, usize), specs: &[LayerSpec]) -> Vec<LayerSpec> {
    let (mut height, mut width, _) = size;
    let mut result = Vec::new();
    for (i, spec) in specs.iter().enumerate() {
        let stride = if i == 0 { 1 } else { spec.stride };
        let even = height % 2 == 0 && width % 2 == 0;
        let shortcut = match spec.shortcut {
            Shortcut::Identity if stride == 1 && i > 0 => Shortcut::Identity,
            Shortcut::Pool if stride == 2 && even => Shortcut::Pool,
            _ => Shortcut::None,
        };
        result.push(LayerSpec { stride, shortcut, ..*spec });
        (height, width) = (height.div_ceil(stride), width.div_ceil(stride));
    }
    result
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn random_networks_agree_with_the_reference(
        rows in 1usize..10,
        cols in 1usize..25,
        lanes in prop_oneof![4usize..24, 60usize..70, 100usize..200],
        size in (1usize..10, 1usize..14, 1usize..=3),
        layers in proptest::collection::vec(layer_spec(), 1..4),
        pooled in 1usize..30,
        classes in 1usize..12,
        seed: u64,
    ) {
        let mut specs = fitting(size, &layers);
        specs.push(LayerSpec { pool: true, ..spec(pooled, 1, 1, Shortcut::None) });
        specs.push(LayerSpec { bits: 3, ..spec(classes, 1, 1, Shortcut::None) });
        let mut numbers = Numbers(seed);
        let net = network(size, &specs, &mut numbers);
        check(&net, &format!("{rows}x{cols}x{lanes}"), &mut numbers);
    }
}
