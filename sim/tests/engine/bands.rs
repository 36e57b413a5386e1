//! Stems in bands: the same results as in one layer.

use crate::compile::bands::{divide, fold};
use crate::compile::compile;
use crate::layers::{array, draws};
use crate::network::{Numbers, conv, end, network, stem};
use crate::reference::Shortcut as From;
use heartbit_ir::program::{LayerOutput, Program};
use heartbit_sim::Simulator;
use proptest::prelude::*;
use std::ops::Range;

/// Puts the lines of some layers under each other.
fn join(bands: &[LayerOutput]) -> LayerOutput {
    let mut all = bands[0].clone();
    for band in &bands[1..] {
        all.height += band.height;
        all.sums.extend(&band.sums);
        all.shortcut.extend(&band.shortcut);
        all.stream.extend(&band.stream);
        all.value.extend(&band.value);
        all.bits.extend(&band.bits);
        all.logits.extend(&band.logits);
        all.levels.extend(&band.levels);
    }
    all
}

#[track_caller]
fn check(whole: &Program, lines: &[Range<usize>], image: &[u8]) {
    let mut divided = whole.clone();
    divide(&mut divided, lines);
    let run = |program| Simulator::new(program).expect("valid").run(image).expect("an image");
    let (expected, actual) = (run(whole), run(&divided));
    let (bands, rest) = actual.layers.split_at(lines.len());
    assert_eq!(join(bands), expected.layers[0], "bands {lines:?}");
    assert_eq!(rest, &expected.layers[1..]);
    assert_eq!(actual.logits, expected.logits);
    assert_eq!(actual.layer_cycles[lines.len()..], expected.layer_cycles[1..]);
}

/// Bands of so many folds each, over and over.
fn bands(height: usize, fold: usize, heights: &[usize]) -> Vec<Range<usize>> {
    let mut bands = Vec::new();
    let (mut start, mut heights) = (0, heights.iter().cycle());
    while start < height {
        let end = height.min(start + heights.next().expect("a height") * fold);
        bands.push(start..end);
        start = end;
    }
    bands
}

#[test]
fn bands_begin_in_every_line_of_the_image_memory() {
    for (kernel, size) in [(3, (11, 5, 3)), (7, (23, 9, 2))] {
        let mut specs = vec![stem(4, kernel, 2), conv(5, 3, 1, From::Add { stride: 1 })];
        specs.extend(end(3, 8, 2));
        let mut numbers = Numbers(3);
        let net = network(size, &specs, true, &mut numbers);
        let program = compile(&net, array("3x4x16", 1, true), 1, &[1; 4]).program;
        let height = program.layers[0].out_height.into();
        let image = numbers.bytes(size.0 * size.1 * size.2);
        for first in 1..height {
            check(&program, &[0..first, first..height], &image);
        }
        let lines: Vec<_> = (0..height).map(|y| y..y + 1).collect();
        check(&program, &lines, &image);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn stems_in_bands_agree_with_stems_in_one_layer(
        draw in draws(),
        heights in proptest::collection::vec(1usize..5, 1..4),
    ) {
        let (net, lines, mut numbers) = draw.network();
        let program = compile(&net, draw.array, draw.copies, &lines).program;
        let stem = &program.layers[0];
        let lines = bands(stem.out_height.into(), fold(stem), &heights);
        check(&program, &lines, &numbers.bytes(net.height * net.width * net.channels));
    }
}
