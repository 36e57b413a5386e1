//! The probe: its words make the sums that a run gives.

use crate::compile::{Compiled, compile};
use crate::layers::draws;
use heartbit_ir::program::{ArrayConfig, PePlace, PeTrace, Program};
use heartbit_sim::{Error, Simulator};
use proptest::prelude::*;

/// Counts the matches of a trace word by word.
fn count(trace: &PeTrace, array: &ArrayConfig) -> u64 {
    let mut sum = 0;
    for (index, step) in trace.steps.iter().enumerate() {
        assert_eq!(step.tokens.first, index == 0);
        assert_eq!(step.tokens.last, index + 1 == trace.steps.len());
        let equal = |lane: &usize| {
            let bit = |word: &[u64]| word[lane / 64] >> (lane % 64) & 1;
            bit(&step.activation) == bit(&step.weight)
        };
        let lanes = (0..array.lanes).filter(|lane| step.valid[lane / array.group_lanes()]);
        sum = if step.tokens.double { 2 * sum } else { sum } + lanes.filter(equal).count() as u64;
        assert_eq!(step.matches, sum, "step {index}");
    }
    sum
}

fn check_place(program: &Program, simulator: &mut Simulator, image: &[u8], place: &PePlace) {
    let execution = simulator.run(image).expect("runs");
    let trace = simulator.probe(image, place).expect("a place");
    let (array, d) = (&program.array, &program.layers[place.layer]);
    assert_eq!(trace.steps.len(), usize::from(d.steps));
    let sum = count(&trace, array);
    assert_eq!((trace.drain, trace.matches), (sum, sum));
    let lines = usize::from(d.lines.max(1));
    let pitch = array.rows / lines;
    let y = place.tile_row * lines + place.row / pitch;
    let x = place.tile * array.rows + place.row % pitch;
    let output = &execution.layers[place.layer];
    if y < output.height && x < output.width {
        let column = place.column_tile * array.cols + place.col;
        let z = output.sums[(y * output.width + x) * output.columns + column];
        assert_eq!(i64::from(z), 2 * sum.cast_signed() - trace.products.cast_signed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn probed_words_make_the_sums(draw in draws(), seed in any::<u64>()) {
        let (net, lines, mut numbers) = draw.network();
        let Compiled { program, .. } = compile(&net, draw.array, draw.copies, &lines);
        let image = numbers.bytes(net.height * net.width * net.channels);
        let mut simulator = Simulator::new(&program).expect("a valid program");
        let pick = |salt: u64, n: usize| {
            usize::try_from((seed ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)) % n as u64)
                .expect("small")
        };
        for layer in 0..program.layers.len() {
            let d = &program.layers[layer];
            let tile_rows = usize::try_from(d.tile_rows()).expect("small");
            let place = PePlace {
                layer,
                column_tile: pick(1, d.col_tiles.into()),
                tile_row: pick(2, tile_rows),
                tile: pick(3, d.row_tiles.into()),
                row: pick(4, program.array.rows),
                col: pick(5, program.array.cols),
            };
            check_place(&program, &mut simulator, &image, &place);
        }
    }
}

#[test]
fn a_place_that_does_not_exist_is_named() {
    let program = crate::handmade::one_pixel(8);
    let mut simulator = Simulator::new(&program).expect("a valid program");
    let place = PePlace { layer: 0, column_tile: 0, tile_row: 0, tile: 0, row: 0, col: 99 };
    let limit = program.array.cols;
    let expected = Error::Probe { field: "column", value: 99, limit };
    assert_eq!(simulator.probe(&[0; 3], &place), Err(expected));
}
