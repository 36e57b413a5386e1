//! Tiles of several lines and folded maps that break a rule.

use super::{check_error, check_rejected};
use crate::compile::compile;
use crate::compile::lines::choose;
use crate::layers::array;
use crate::network::{Numbers, conv, end, network, stem};
use crate::reference::Shortcut as From;
use heartbit_ir::program::{LayerDescriptor, Program};

/// A network of four layers with two lane groups; tiles of layers 1 to 3 cover two lines.
fn folded_layers() -> Program {
    let mut numbers = Numbers(7);
    let mut specs = vec![stem(4, 3, 1), conv(4, 3, 1, From::Add { stride: 1 })];
    specs.extend(end(4, 3, 2));
    let net = network((4, 2, 3), &specs, true, &mut numbers);
    let mut array = array("4x4x16", 2, true);
    array.lines = 2;
    let lines = choose(&net, &array, |allowed| allowed[allowed.len() - 1]);
    assert_eq!(lines, [1, 2, 2, 2]);
    compile(&net, array, 2, &lines).program
}

#[test]
fn rows_that_are_not_whole_lines_are_named() {
    let check = |rows, lines: usize| {
        let rule = format!(
            "program: array.lines is {lines}, must be 1, 2 or 4, and divide the {rows} rows"
        );
        check_rejected(|p| (p.array.rows, p.array.lines) = (rows, lines), &rule);
    };
    for (rows, lines) in [(1, 0), (3, 3), (8, 8), (1, 2), (6, 4)] {
        check(rows, lines);
    }
}

#[test]
fn broken_lines_are_named() {
    let check = |layer: usize, change: fn(&mut LayerDescriptor), expected| {
        check_error(folded_layers(), |p| change(&mut p.layers[layer]), expected);
    };
    check(1, |d| d.lines = 4, "layer 1: lines is 4, must be at most 2");
    check(1, |d| d.out_lines = 4, "layer 1: out_lines is 4, must be at most 2");
    check(0, |d| d.lines = 2, "layer 0: a tile of the stem has one line");
    check(
        1,
        |d| d.out_width = 3,
        "layer 1: out_width (in a line of the array) is 3, must be at most 2",
    );
    check(
        1,
        |d| d.out_width = 5,
        "layer 1: row_tiles (the tiles of out_width) is 1, must be exactly 2",
    );
    check(
        0,
        |d| d.out_width = 3,
        "layer 0: columns of a phase (in a line of the folded map) is 3, must be at most 2",
    );
    check(
        1,
        |d| d.out_lines = 1,
        "layer 1: stride times lines of the reader of the map modulo lines is 1, must be exactly 0",
    );
    check(
        1,
        |d| (d.flags.out_flat, d.out_phase_words) = (true, 3 * d.out_xt_words),
        "layer 1: its map is flat and folded",
    );
    let mut program = folded_layers();
    program.array.lines = 4;
    check_error(program.clone(), |p| p.layers[1].lines = 3, "layer 1: lines must be 1, 2 or 4");
    check_error(program, |p| p.layers[0].out_lines = 3, "layer 0: lines must be 1, 2 or 4");
}

#[test]
fn folded_maps_beyond_the_memory_are_named() {
    let check = |layer: usize, change: fn(&mut LayerDescriptor), expected| {
        check_error(folded_layers(), |p| change(&mut p.layers[layer]), expected);
    };
    // Two folds of two lines: the second one begins a line further.
    check(
        0,
        |d| d.out_y_words = 50,
        "layer 0: writing the map reaches words 0 to 50 of a memory of 7",
    );
    // With stride 2, four lines are one fold of two lines and two phases.
    check(
        0,
        |d| (d.flags.out_stride_2, d.out_y_words, d.out_phase_words) = (true, 50, 9),
        "layer 0: writing the map reaches words 0 to 59 of a memory of 7",
    );
    check(
        1,
        |d| d.in_y_words = 20,
        "layer 1: reading the map reaches words 0 to 20 of a memory of 7",
    );
}

#[test]
fn line_shifts_of_more_than_one_line_are_named() {
    check_error(
        folded_layers(),
        |p| p.steps[1][usize::from(p.layers[1].step_base)] = 2 << 27,
        "step 0 of layer 1: line_shift is -2, must be in -1..=1",
    );
}
