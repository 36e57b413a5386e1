//! Networks whose tiles cover several lines: narrow maps on arrays of many rows.
//!
//! Every case says how many lines the tiles of each layer cover, from the stem to the head. Layers
//! whose map nobody reads cover one: a pass has quantized the stream anew.

use crate::layers::{ADD, BLOCK, CONV, DOWN, DOWN_BLOCK, array, check_chain, extreme, levels};
use crate::network::{BITS, Spec, conv, pass};
use crate::reference::{Output, Shortcut};

/// Runs a chain on an array whose tiles may cover `lines` lines.
#[track_caller]
fn check_folded(
    size: (usize, usize, usize),
    layers: &[Spec],
    (shape, taps, lines): (&str, usize, usize),
    expected: &[usize],
) {
    let extensions: &[bool] = if is_plain(layers) { &[false, true] } else { &[true] };
    for &extended in extensions {
        let mut array = array(shape, taps, extended);
        array.lines = lines;
        assert_eq!(check_chain(size, layers, array), expected);
    }
}

fn is_plain(layers: &[Spec]) -> bool {
    layers.iter().all(|layer| {
        let shortcut = matches!(layer.shortcut, Shortcut::None | Shortcut::Average);
        (shortcut || layer.shortcut == ADD) && layer.output == BITS
    })
}

#[test]
fn arrays_of_two_rows_have_two_lines_of_one_pixel() {
    check_folded((5, 1, 3), &[BLOCK, CONV], ("2x3x8", 1, 2), &[1, 2, 2, 2, 2]);
    check_folded((6, 2, 3), &[BLOCK, DOWN_BLOCK, CONV], ("2x3x8", 1, 2), &[1, 1, 2, 2, 2, 2]);
}

#[test]
fn arrays_of_four_rows_fold_maps_of_odd_height() {
    check_folded((5, 2, 3), &[BLOCK, CONV], ("4x4x16", 1, 2), &[1, 2, 2, 2, 2]);
    check_folded((7, 1, 2), &[BLOCK, CONV], ("4x4x16", 1, 4), &[1, 4, 4, 4, 4]);
    check_folded((3, 2, 3), &[BLOCK, CONV], ("4x4x16", 1, 4), &[1, 2, 2, 2, 4]);
}

#[test]
fn strides_lead_from_single_lines_to_folded_maps() {
    let lines = [1, 1, 2, 2, 4, 4, 4];
    for size in [(8, 8, 3), (7, 7, 1), (9, 8, 3), (13, 5, 2)] {
        check_folded(size, &[BLOCK, DOWN, CONV, DOWN], ("8x4x16", 1, 4), &lines);
        check_folded(size, &[BLOCK, DOWN, BLOCK, DOWN], ("8x9x70", 1, 4), &lines);
    }
    check_folded((8, 8, 3), &[BLOCK, DOWN_BLOCK, CONV, DOWN_BLOCK], ("8x4x16", 1, 4), &lines);
}

#[test]
fn arrays_of_twelve_rows_have_lines_of_three_and_six() {
    check_folded((9, 6, 3), &[BLOCK, CONV, DOWN, CONV], ("12x5x8", 1, 4), &[1, 2, 2, 4, 4, 4, 4]);
    check_folded((10, 5, 2), &[BLOCK, DOWN_BLOCK, BLOCK], ("12x5x8", 1, 2), &[1, 2, 2, 2, 2, 2]);
    check_folded((11, 3, 3), &[CONV, DOWN, CONV], ("12x5x8", 1, 4), &[1, 4, 4, 4, 4, 4]);
}

#[test]
fn more_columns_than_lanes_write_slices_of_folded_maps_in_turn() {
    check_folded((6, 4, 3), &[BLOCK, DOWN_BLOCK], ("8x9x4", 1, 4), &[1, 2, 4, 4, 4]);
    let quantized = pass(ADD, levels(3, false));
    check_folded((5, 2, 3), &[BLOCK, quantized, CONV], ("8x9x4", 1, 4), &[1, 1, 4, 4, 4, 4]);
}

#[test]
fn lane_groups_and_lines_go_together() {
    for (shape, taps) in [("8x4x16", 2), ("8x4x16", 4), ("8x16x64", 2)] {
        check_folded(
            (8, 8, 3),
            &[BLOCK, DOWN_BLOCK, CONV, DOWN],
            (shape, taps, 4),
            &[1, 1, 2, 2, 4, 4, 4],
        );
        check_folded((5, 3, 3), &[BLOCK, DOWN, CONV], (shape, taps, 2), &[1, 2, 2, 2, 2, 2]);
    }
    check_folded((5, 3, 3), &[CONV, DOWN, CONV], ("12x8x64", 4, 4), &[1, 4, 4, 4, 4, 4]);
}

#[test]
fn passes_cover_several_lines() {
    let with = |passes: &[Spec], expected: &[usize]| {
        let mut layers = vec![BLOCK];
        layers.extend_from_slice(passes);
        layers.push(CONV);
        check_folded((7, 4, 3), &layers, ("8x4x16", 2, 4), expected);
    };
    with(&[pass(extreme(3, 1, 1), levels(1, false))], &[1, 1, 2, 2, 2, 4]);
    with(&[pass(extreme(3, 2, 1), BITS)], &[1, 1, 4, 4, 4, 4]);
    with(&[pass(extreme(2, 2, 0), levels(5, false))], &[1, 1, 4, 4, 4, 4]);
    with(&[pass(Shortcut::Average, levels(3, false))], &[1, 1, 4, 4, 4, 4]);
    with(&[pass(Shortcut::Add { stride: 2 }, levels(4, false))], &[1, 1, 4, 4, 4, 4]);
    with(&[pass(ADD, levels(8, false))], &[1, 1, 2, 2, 2, 4]);
    with(
        &[pass(extreme(3, 2, 1), Output::None), pass(ADD, levels(2, false))],
        &[1, 1, 4, 4, 4, 4, 4],
    );
}

#[test]
fn blocks_with_folded_maps_take_strided_and_extreme_shortcuts() {
    let strided = conv(9, 3, 2, Shortcut::Add { stride: 2 });
    let pooled = conv(9, 3, 2, extreme(3, 2, 1));
    let quantized = Spec { output: levels(2, false), ..conv(9, 3, 1, extreme(3, 1, 1)) };
    check_folded(
        (9, 8, 3),
        &[BLOCK, strided, quantized, pooled],
        ("8x4x8", 2, 4),
        &[1, 1, 2, 2, 4, 4, 4],
    );
}

#[test]
fn flattened_maps_come_from_tiles_of_one_line() {
    let flat = Spec { output: Output::Bits { flat: true }, ..BLOCK };
    check_folded(
        (5, 4, 3),
        &[BLOCK, flat, conv(11, 1, 1, Shortcut::None)],
        ("8x4x16", 2, 2),
        &[1, 1, 1, 2, 2, 2],
    );
}
