//! Whole networks: every tensor of every layer, and every cycle count. `folded` has more of them.

use crate::compile::lines::choose;
use crate::compile::{Compiled, compile};
use crate::network::{BITS, Numbers, Op, Spec, conv, end, network, pass, stem};
use crate::reference::{Map, Net, Output, Shortcut, Values, run};
use heartbit_ir::program::{
    ArrayConfig, ArrayShape, Execution, LayerDescriptor, LayerOutput, Program,
};
use heartbit_sim::Simulator;
use heartbit_sim::fast::Engine;
use heartbit_sim::kernels::{Isa, Kernels};
use proptest::prelude::*;

pub(crate) fn array(shape: &str, taps: usize, extended: bool) -> ArrayConfig {
    let shape: ArrayShape = shape.parse().expect("an array");
    let ArrayShape { rows, cols, lanes } = shape;
    ArrayConfig { rows, cols, lanes, taps, lines: 1, acc_bits: 26, extended }
}

fn check_map<T: Copy>(name: &str, layer: usize, actual: (&LayerOutput, &[T]), expected: &Map)
where
    i64: From<T>,
{
    let (output, actual) = actual;
    for (i, &value) in expected.values.iter().enumerate() {
        let (pixel, c) = (i / expected.channels, i % expected.channels);
        let (y, x) = (pixel / expected.width, pixel % expected.width);
        let actual = i64::from(actual[pixel * output.columns + c]);
        assert_eq!(actual, value, "{name} of layer {layer} at {y},{x},{c}");
    }
}

fn check_layer(layer: usize, actual: &LayerOutput, expected: &Values) {
    let (height, width) = (expected.sums.height, expected.sums.width);
    assert_eq!((actual.height, actual.width), (height, width));
    check_map("sums", layer, (actual, &actual.sums), &expected.sums);
    check_map("shortcut", layer, (actual, &actual.shortcut), &expected.shortcut);
    check_map("logits", layer, (actual, &actual.logits), &expected.logits);
    check_map("stream", layer, (actual, &actual.stream), &expected.stream);
    check_map("value", layer, (actual, &actual.value), &expected.value);
    check_map("bits", layer, (actual, &actual.bits), &expected.bits);
    check_map("levels", layer, (actual, &actual.levels), &expected.levels);
    for (c, &q) in expected.pooled.iter().enumerate() {
        assert_eq!(i64::from(actual.pooled[c]), q, "pooled channel {c} of layer {layer}");
    }
    assert_eq!(actual.pooled.is_empty(), expected.pooled.is_empty());
    assert_eq!(actual.levels.is_empty(), expected.levels.values.is_empty());
}

fn check_cycles(program: &Program, execution: &Execution) {
    for (i, (d, &cycles)) in program.layers.iter().zip(&execution.layer_cycles).enumerate() {
        let tile = u64::from(d.steps) + u64::from(d.tile_gap);
        let tiles = u64::from(d.out_height).div_ceil(d.lines.into()) * u64::from(d.row_tiles);
        let run = u64::from(d.col_tiles) * (tiles * tile + u64::from(d.col_gap));
        let fetch = if i == 0 { 23 } else { 0 };
        assert_eq!(cycles, fetch + run + u64::from(d.layer_gap));
    }
    let last = program.layers.last().expect("layers");
    let send = u64::from(last.col_tiles) + u64::from(program.header.classes) + 1;
    assert_eq!(execution.send_cycles, send);
}

/// Adds to the sums of the stem what its lanes outside of the image hold.
fn add_offsets(sums: &mut Map, offsets: &[i64], d: &LayerDescriptor) {
    let (width, channels) = (sums.width, sums.channels);
    for (i, sum) in sums.values.iter_mut().enumerate() {
        let (pixel, c) = (i / channels, i % channels);
        let class = d.borders.class(pixel / width, pixel % width, sums.height, width);
        *sum += offsets[class * channels + c];
    }
}

/// Runs two images one after the other and compares everything with the reference.
#[track_caller]
pub(crate) fn check(
    net: &Net,
    array: ArrayConfig,
    (copies, lines): (usize, &[usize]),
    numbers: &mut Numbers,
) {
    let Compiled { program, offsets } = compile(net, array, copies, lines);
    let mut simulator = Simulator::new(&program).expect("the program is valid");
    let kernels = Isa::ALL.into_iter().filter_map(Kernels::new);
    let mut engines: Vec<Engine> = kernels
        .map(|kernels| Engine::with_kernels(&program, kernels).expect("the program is valid"))
        .collect();
    for _ in 0..2 {
        let image = numbers.bytes(net.height * net.width * net.channels);
        let mut expected = run(net, &image);
        let logits = expected.last().expect("layers").logits.values.clone();
        add_offsets(&mut expected[0].sums, &offsets, &program.layers[0]);
        let execution = simulator.run(&image).expect("the image is valid");
        assert_eq!(simulator.overflows(), 0);
        check_cycles(&program, &execution);
        assert_eq!(execution.layers.len(), expected.len());
        for (i, (actual, expected)) in execution.layers.iter().zip(&expected).enumerate() {
            check_layer(i, actual, expected);
        }
        assert_eq!(execution.logits.iter().map(|&l| l.into()).collect::<Vec<i64>>(), logits);
        let best = logits.iter().max().expect("classes");
        assert_eq!(Some(execution.class), logits.iter().position(|l| l == best));
        for engine in &mut engines {
            let lean = engine.clone().run_logits(&image).expect("the image is valid");
            assert_eq!(lean, Execution { layers: vec![], ..execution.clone() });
            assert_eq!(engine.run(&image).expect("the image is valid"), execution);
        }
        let lean = simulator.clone().run_logits(&image).expect("the image is valid");
        assert_eq!(lean, Execution { layers: vec![], ..execution });
    }
}

/// A stem, the layers, a pooled layer and a head. Returns the lines of the tiles of each layer.
#[track_caller]
pub(crate) fn check_chain(
    size: (usize, usize, usize),
    layers: &[Spec],
    array: ArrayConfig,
) -> Vec<usize> {
    let mut specs = vec![stem(5, 3, 3)];
    specs.extend_from_slice(layers);
    specs.extend(end(7, 8, 4));
    let mut numbers = Numbers(1);
    let net = network(size, &specs, array.extended, &mut numbers);
    assert_eq!(net.layers.len(), specs.len(), "no layer is left out");
    let most = |allowed: &[usize]| allowed[allowed.len() - 1];
    let lines = choose(&net, &array, most);
    for copies in [1, 2, 4] {
        check(&net, array, (copies, &lines), &mut numbers);
    }
    lines
}

pub(crate) const ADD: Shortcut = Shortcut::Add { stride: 1 };
pub(crate) const CONV: Spec = conv(6, 3, 1, Shortcut::None);
pub(crate) const DOWN: Spec = conv(9, 3, 2, Shortcut::None);
pub(crate) const BLOCK: Spec = conv(5, 3, 1, ADD);
pub(crate) const DOWN_BLOCK: Spec = conv(10, 3, 2, Shortcut::Average);

pub(crate) const fn extreme(window: usize, stride: usize, padding: usize) -> Shortcut {
    Shortcut::Extreme { window, stride, padding }
}

pub(crate) const fn levels(bits: u32, flat: bool) -> Output {
    Output::Levels { bits, shift: 4, flat }
}

#[test]
fn array_1x1_computes_all_kinds_of_layers() {
    check_chain((4, 6, 3), &[CONV, BLOCK, DOWN_BLOCK, DOWN], array("1x1x4", 1, false));
}

#[test]
fn array_2x2_computes_all_kinds_of_layers() {
    check_chain((6, 4, 3), &[BLOCK, CONV, DOWN_BLOCK, DOWN], array("2x2x4", 1, false));
    check_chain((6, 4, 3), &[BLOCK, CONV, DOWN_BLOCK, DOWN], array("2x2x4", 2, true));
}

#[test]
fn odd_map_with_stride_2_masks_the_far_border() {
    check_chain((5, 7, 1), &[DOWN, DOWN], array("2x3x8", 1, false));
}

#[test]
fn array_with_more_columns_than_lanes_writes_slices_in_turn() {
    check_chain((6, 6, 3), &[BLOCK, DOWN_BLOCK], array("3x9x4", 1, false));
    let quantized = pass(ADD, levels(3, false));
    check_chain((6, 6, 3), &[BLOCK, quantized, CONV], array("3x9x4", 1, true));
}

#[test]
fn rows_beyond_the_map_write_nothing() {
    check_chain((2, 2, 2), &[BLOCK, DOWN_BLOCK], array("8x4x8", 1, false));
}

#[test]
fn words_of_several_limbs_match_lane_by_lane() {
    let wide = conv(150, 3, 1, Shortcut::None);
    check_chain((4, 4, 3), &[wide, BLOCK, DOWN_BLOCK], array("3x70x130", 1, false));
    check_chain((4, 4, 3), &[wide, BLOCK, DOWN_BLOCK], array("2x7x130", 1, false));
    check_chain((4, 4, 3), &[wide, BLOCK, DOWN_BLOCK], array("2x8x160", 4, false));
}

#[test]
fn lane_groups_work_on_other_taps_of_narrow_maps() {
    for (shape, taps) in [("4x4x16", 2), ("4x4x16", 4), ("3x8x64", 4), ("8x16x64", 2)] {
        for extended in [false, true] {
            let layers = [BLOCK, CONV, DOWN_BLOCK, DOWN, conv(30, 1, 1, Shortcut::None)];
            check_chain((8, 8, 3), &layers, array(shape, taps, extended));
        }
    }
}

#[test]
fn stems_of_all_lane_counts_agree_with_the_reference() {
    for lanes in [4, 16, 27, 32, 53, 54, 64, 100, 126, 130] {
        for (kernel, bits, extended) in [(3, 1, false), (3, 8, true), (7, 2, true)] {
            let array = array(&format!("3x5x{lanes}"), 1, extended);
            let mut specs = vec![stem(6, kernel, bits)];
            specs.extend(end(3, 8, 2));
            for size in [(9, 11, 3), (2, 1, 2)] {
                let mut numbers = Numbers(lanes);
                let net = network(size, &specs, extended, &mut numbers);
                check(&net, array, (1, &[1; 3]), &mut numbers);
            }
        }
    }
}

#[test]
fn passes_pool_and_quantize_the_stream() {
    let array = array("3x4x16", 2, true);
    let with = |passes: &[Spec]| {
        let mut layers = vec![BLOCK];
        layers.extend_from_slice(passes);
        layers.push(conv(6, 3, 1, Shortcut::None));
        check_chain((7, 9, 3), &layers, array);
        layers.push(DOWN);
        check_chain((8, 6, 3), &layers, array);
    };
    with(&[pass(extreme(2, 2, 0), BITS)]);
    with(&[pass(extreme(3, 2, 1), BITS)]);
    with(&[pass(extreme(3, 1, 1), levels(1, false))]);
    with(&[pass(extreme(3, 2, 0), Output::None), pass(ADD, levels(8, false))]);
    with(&[pass(extreme(1, 2, 0), BITS)]);
    with(&[pass(Shortcut::Add { stride: 2 }, levels(4, false))]);
    with(&[pass(Shortcut::Average, levels(3, false))]);
}

#[test]
fn blocks_take_strided_and_extreme_shortcuts() {
    let strided = conv(9, 3, 2, Shortcut::Add { stride: 2 });
    let pooled = conv(9, 3, 2, extreme(3, 2, 1));
    let quantized = Spec { output: levels(2, false), ..conv(9, 3, 1, extreme(3, 1, 1)) };
    check_chain((9, 8, 3), &[BLOCK, strided, quantized, pooled], array("4x4x8", 2, true));
}

#[test]
fn flattened_maps_are_read_as_one_pixel() {
    let flat = Spec { output: Output::Bits { flat: true }, ..BLOCK };
    let flat_levels = Spec { output: levels(3, true), ..BLOCK };
    for (shape, taps) in [("2x2x4", 1), ("3x4x16", 4), ("5x8x64", 4)] {
        let array = array(shape, taps, true);
        check_chain((5, 4, 3), &[BLOCK, flat, conv(11, 1, 1, Shortcut::None)], array);
        check_chain((3, 4, 3), &[flat_levels, conv(11, 1, 1, Shortcut::None)], array);
    }
}

fn shortcut() -> impl Strategy<Value = Shortcut> {
    let window = (1usize..4, 1usize..3, 0usize..2);
    let window = window
        .prop_map(|(window, stride, padding)| extreme(window.max(padding + 1), stride, padding));
    prop_oneof![
        2 => Just(Shortcut::None),
        2 => (1usize..3).prop_map(|stride| Shortcut::Add { stride }),
        1 => Just(Shortcut::Average),
        2 => window,
    ]
}

fn spec() -> impl Strategy<Value = Spec> {
    let kernel = prop_oneof![Just(1usize), Just(3)];
    let op = (kernel, 1usize..3, 1usize..3).prop_map(|(kernel, stride, bits)| Op::Conv {
        kernel,
        stride,
        bits,
    });
    let flat = prop::bool::weighted(0.15);
    let output = (1u32..9, 0u32..9, flat, any::<bool>()).prop_map(|(bits, shift, flat, sign)| {
        if sign { Output::Bits { flat } } else { Output::Levels { bits, shift, flat } }
    });
    let op = prop_oneof![3 => op, 1 => Just(Op::Pass)];
    (1usize..40, op, shortcut(), output).prop_map(|(cout, op, shortcut, output)| Spec {
        cout,
        op,
        shortcut,
        output,
    })
}

/// Arrays with one lane group of any width, or several groups of whole slices.
fn arrays() -> impl Strategy<Value = ArrayConfig> {
    let lanes = prop_oneof![4usize..24, 60usize..70, 100usize..200];
    let one = (1usize..25, lanes).prop_map(|(cols, lanes)| (cols, lanes, 1));
    let groups = (2usize..12, 1usize..5, prop_oneof![Just(2usize), Just(4)])
        .prop_map(|(cols, slices, taps)| (cols, cols * slices * taps, taps));
    let rows = prop_oneof![1usize..10, (1usize..4).prop_map(|n| 4 * n)];
    let lines = prop_oneof![Just(1usize), Just(2), Just(4)];
    (rows, prop_oneof![one, groups], lines, any::<bool>()).prop_map(
        |(rows, (cols, lanes, taps), lines, extended)| ArrayConfig {
            rows,
            cols,
            lanes,
            taps,
            lines: if rows.is_multiple_of(lines) { lines } else { 1 },
            acc_bits: 26,
            extended,
        },
    )
}

/// A network and an array, without the numbers.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    pub(crate) array: ArrayConfig,
    pub(crate) copies: usize,
    size: (usize, usize, usize),
    specs: Vec<Spec>,
    seed: u64,
}

impl Draw {
    /// The network, the lines of the tiles of each layer, and more numbers.
    pub(crate) fn network(&self) -> (Net, Vec<usize>, Numbers) {
        let mut numbers = Numbers(self.seed);
        let net = network(self.size, &self.specs, self.array.extended, &mut numbers);
        let drawn = |allowed: &[usize]| {
            let most = allowed.len() - 1;
            allowed[numbers.draw::<usize>(1, 0, 3)[0].min(most)]
        };
        let lines = choose(&net, &self.array, drawn);
        (net, lines, numbers)
    }
}

/// Random networks on random arrays.
pub(crate) fn draws() -> impl Strategy<Value = Draw> {
    let copies = prop_oneof![Just(1usize), Just(2), Just(4)];
    let size = (1usize..12, prop_oneof![1usize..5, 1usize..14], 1usize..=3);
    let first = (1usize..20, any::<bool>(), 1usize..4);
    let layers = proptest::collection::vec(spec(), 1..5);
    let last = (1usize..30, 1u32..9, 1usize..12);
    (arrays(), copies, size, first, layers, last, any::<u64>()).prop_map(
        |(array, copies, size, (cout, wide, bits), layers, last, seed)| {
            let mut specs = vec![stem(cout, if wide && array.extended { 7 } else { 3 }, bits)];
            specs.extend(layers);
            specs.extend(end(last.0, last.1, last.2));
            Draw { array, copies, size, specs, seed }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_networks_agree_with_the_reference(draw in draws()) {
        let (net, lines, mut numbers) = draw.network();
        check(&net, draw.array, (draw.copies, &lines), &mut numbers);
    }
}
