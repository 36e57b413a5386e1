//! Programs that nobody should write: each is rejected with its reason. `lines` has those about
//! tiles of several lines, `ring` those about streamed weights, `schedule` those about gaps.

mod lines;
mod ring;
mod schedule;

use crate::compile::compile;
use crate::handmade::one_pixel;
use crate::layers::array;
use crate::network::{Numbers, conv, end, network, stem};
use crate::reference::Shortcut as From;
use heartbit_ir::program::{
    Borders, ImageStep, Join, LaneMemory, LayerDescriptor, Program, Shortcut, Step,
};
use heartbit_sim::Simulator;

#[track_caller]
fn check_error(mut program: Program, break_it: impl Fn(&mut Program), expected: &str) {
    break_it(&mut program);
    let error = Simulator::new(&program).expect_err("the program is broken");
    assert_eq!(error.to_string(), expected);
}

#[track_caller]
fn check_rejected(break_it: impl Fn(&mut Program), expected: &str) {
    check_error(one_pixel(12), break_it, expected);
}

/// The same of a layer of `one_pixel` on extended hardware.
#[track_caller]
fn check_layer(break_it: impl Fn(&mut LayerDescriptor), expected: &str) {
    let mut program = one_pixel(12);
    program.array.extended = true;
    (program.layers[0].drain_wait, program.layers[0].layer_gap) = (400, 400);
    (program.layers[0].tile_gap, program.layers[0].value_clip) = (100, 100);
    check_error(program, |p| break_it(&mut p.layers[0]), expected);
}

/// A network of four layers with two lane groups; layers 1 to 3 read maps.
fn four_layers() -> Program {
    let mut numbers = Numbers(7);
    let mut specs = vec![stem(4, 3, 1), conv(4, 3, 1, From::Add { stride: 1 })];
    specs.extend(end(4, 3, 2));
    let net = network((4, 4, 3), &specs, true, &mut numbers);
    compile(&net, array("2x4x16", 2, true), 2, &[1; 4]).program
}

#[test]
fn broken_sizes_are_named() {
    check_rejected(|p| p.array.rows = 0, "program: array.rows is 0, must be at least 1");
    check_rejected(|p| p.array.lanes = 3, "program: array.lanes is 3, must be at least 4");
    check_rejected(
        |p| p.depths.stream = 1 << 20,
        "program: depths.stream is 1048576, must be at most 65536",
    );
    check_rejected(|p| p.header.classes = 2, "program: classes is 2, must be at most 1");
    check_rejected(|p| p.layers.clear(), "program: number of layers is 0, must be 1 to 256");
    check_rejected(
        |p| p.layers = vec![p.layers[0]; 257],
        "program: number of layers is 257, must be 1 to 256",
    );
    check_rejected(
        |p| p.depths.program = 22,
        "program: words of the program is 23, must be at most 22",
    );
    check_rejected(
        |p| p.weights[0] = LaneMemory::ones(4, 7),
        "column 0: number of weight words is 7, must be at least 8",
    );
    check_rejected(
        |p| p.weights[0] = LaneMemory::ones(0, 8),
        "column 0: number of weight words is 0, must be at least 8",
    );
    check_rejected(
        |p| p.weights[0] = LaneMemory::ones(65, 8),
        "column 0: limbs of a weight word is 2, must be exactly 1",
    );
    check_rejected(
        |p| p.parameters[0].clear(),
        "column 0: number of parameters is 0, must be at least 1",
    );
}

#[test]
fn lane_groups_that_do_not_divide_are_named() {
    let groups = |taps: usize, lanes: usize, slices: usize| {
        format!(
            "program: array.taps is {taps}, must be 1, or 2 or 4 groups of {lanes} lanes that are \
             {slices} slices of 1 bits"
        )
    };
    for taps in [0, 3, 8] {
        check_rejected(|p| p.array.taps = taps, &groups(taps, 4, 4));
    }
    check_rejected(|p| (p.array.taps, p.array.lanes) = (4, 6), &groups(4, 6, 6));
    check_rejected(
        |p| p.array.taps = 2,
        "program: number of step memories is 1, must be exactly 2",
    );
    check_rejected(
        |p| p.steps.push(vec![]),
        "program: number of step memories is 2, must be exactly 1",
    );
    check_rejected(
        |p| (p.array.taps, p.steps) = (2, vec![p.steps[0].clone(), vec![0; 7]]),
        "layer 0: step_base + steps is 8, must be at most 7",
    );
}

#[test]
fn broken_images_are_named() {
    check_rejected(
        |p| (p.header.stem_kernel, p.header.stem_stride) = (7, 2),
        "program: the stem is 7x7 with stride 2, must be 3x3 with stride 1, \
         or 7x7 with stride 2 on extended hardware (extended: false)",
    );
    check_rejected(
        |p| (p.array.extended, p.header.stem_stride) = (true, 0),
        "program: the stem is 3x3 with stride 0, must be 3x3 with stride 1, \
         or 7x7 with stride 2 on extended hardware (extended: true)",
    );
    check_rejected(|p| p.header.image_tiles = 2, "program: image_tiles is 2, must be exactly 1");
    check_rejected(|p| p.depths.image = 7, "program: words of the image is 8, must be at most 7");
    check_rejected(
        |p| p.header.image_height = 4,
        "program: words of the image is 16, must be at most 8",
    );
    check_layer(
        |d| d.in_height = 2,
        "layer 0: in_height (the rows of the image) is 2, must be at most 1",
    );
    check_layer(
        |d| (d.out_width, d.row_tiles) = (2, 2),
        "layer 0: row_tiles (the windows of the image) is 2, must be at most 1",
    );
    check_layer(
        |d| d.flags.stride_2 = true,
        "layer 0: stride (that of the stem) is 2, must be at most 1",
    );
}

#[test]
fn broken_layers_are_named() {
    check_layer(|d| d.steps = 0, "layer 0: steps is 0, must be at least 1");
    check_layer(|d| d.col_tiles = 0, "program: classes is 1, must be at most 0");
    check_layer(
        |d| d.row_tiles = 2,
        "layer 0: row_tiles (the tiles of out_width) is 2, must be exactly 1",
    );
    check_layer(|d| d.clip = 40_000, "layer 0: clip is 40000, must be at most 32767");
    check_layer(|d| d.value_clip = 32_768, "layer 0: value_clip is 32768, must be at most 32767");
    check_layer(|d| d.value_shift = 32, "layer 0: value_shift is 32, must be at most 28");
    check_layer(|d| d.value_shift = 3, "layer 0: value_shift modulo 4 is 3, must be exactly 0");
    check_layer(|d| d.level_shift = 32, "layer 0: level_shift is 32, must be at most 31");
    check_layer(|d| d.level_bits = 9, "layer 0: level_bits is 9, must be at most 8");
    check_layer(|d| d.borders.right = 4, "layer 0: right is 4, must be at most 3");
    check_layer(|d| d.step_base = 1, "layer 0: step_base + steps is 9, must be at most 8");
    check_layer(|d| d.last_lanes = 5, "layer 0: last_lanes (of a copy) is 5, must be at most 4");
    check_layer(
        |d| d.borders = Borders { top: 1, ..Borders::default() },
        "column 0: number of parameters is 1, must be at least 2",
    );
    check_layer(
        |d| d.flags.write_bits = true,
        "layer 0: writing the map reaches words 0 to 0 of a memory of 0",
    );
    check_layer(
        |d| {
            d.flags.write_levels = true;
            (d.level_bits, d.out_plane_words) = (3, 5);
        },
        "layer 0: writing the map reaches words 0 to 10 of a memory of 0",
    );
    check_layer(
        |d| (d.flags.pool, d.col_gap, d.level_bits, d.out_plane_words) = (true, 48, 4, 1),
        "layer 0: writing the pooled levels reaches words 0 to 3 of a memory of 0",
    );
    check_layer(
        |d| (d.flags.write_stream, d.stream_out_base) = (true, 3),
        "layer 0: writing the stream reaches words 3 to 3 of a memory of 0",
    );
}

#[test]
fn broken_flags_are_named() {
    check_layer(
        |d| d.flags.last_layer = false,
        "layer 0: `last_layer` is not set in the last layer",
    );
    check_layer(
        |d| (d.flags.write_bits, d.flags.write_levels, d.level_bits) = (true, true, 1),
        "layer 0: it writes several maps",
    );
    check_layer(
        |d| (d.flags.write_levels, d.level_bits) = (true, 0),
        "layer 0: level_bits is 0, must be at least 1",
    );
    check_layer(
        |d| (d.flags.out_flat, d.flags.out_stride_2) = (true, true),
        "layer 0: its map is flat and read with stride 2",
    );
    check_layer(
        |d| (d.flags.out_flat, d.out_phase_words) = (true, 1),
        "layer 0: out_phase_words of a flat map is 1, must be exactly 0",
    );
}

#[test]
fn broken_bands_are_named() {
    let check = |keep: [bool; 4], expected| {
        let change = |p: &mut Program| {
            p.layers[2].flags.source_image = true;
            p.layers.iter_mut().zip(keep).for_each(|(d, keep)| d.flags.keep_image = keep);
        };
        check_error(four_layers(), change, expected);
    };
    check([false; 4], "layer 0: `keep_image` is not set, but a later layer reads the image");
    // Layers between those of the image keep it, too.
    check(
        [true, false, false, false],
        "layer 1: `keep_image` is not set, but a later layer reads the image",
    );
    check(
        [true, true, true, false],
        "layer 2: `keep_image` is set, but no later layer reads the image",
    );
    let check = |base: u16, (y_words, xt_words), expected| {
        let change = |p: &mut Program| {
            let d = &mut p.layers[0];
            (d.in_base, d.in_y_words, d.in_xt_words) = (base, y_words, xt_words);
        };
        check_error(four_layers(), change, expected);
    };
    // Two windows in a row of the image.
    check(0, (1, 0), "layer 0: in_y_words (of image row in_base) is 1, must be exactly 0");
    check(5, (1, 2), "layer 0: in_y_words (of image row in_base) is 1, must be exactly 2");
    check(5, (2, 1), "layer 0: in_xt_words (in_base modulo 3) is 1, must be exactly 2");
}

#[test]
fn plain_hardware_rejects_what_it_lacks() {
    let layer = |change: fn(&mut LayerDescriptor)| move |p: &mut Program| change(&mut p.layers[0]);
    check_rejected(
        layer(|d| d.flags.out_flat = true),
        "layer 0: plain hardware has no flattened maps",
    );
    check_rejected(
        layer(|d| (d.flags.write_levels, d.level_bits) = (true, 1)),
        "layer 0: plain hardware has no maps of levels",
    );
    check_rejected(layer(|d| d.value_shift = 4), "layer 0: plain hardware has no nonlinearity");
    check_rejected(
        layer(|d| d.shortcut.join = Join::Extreme),
        "layer 0: plain hardware has no extremes of windows",
    );
    check_rejected(
        layer(|d| (d.shortcut.join, d.shortcut.stride_2) = (Join::Add, true)),
        "layer 0: plain hardware adds the stream without a stride",
    );
    check_rejected(
        |p| p.parameters[0][0].at_most = true,
        "parameter 0 of column 0: plain hardware has `mul` and `bias` only",
    );
    check_rejected(
        |p| p.parameters[0][0].bias = 1 << 39,
        "parameter 0 of column 0: bias is 549755813888, must be in -549755813888..=549755813887",
    );
    check_rejected(
        |p| p.parameters[0][0].threshold = 1 << 16,
        "parameter 0 of column 0: threshold is 65536, must be in -65536..=65535",
    );
}

#[test]
fn broken_windows_are_named() {
    let join = |join| Shortcut { join, ..Shortcut::default() };
    check_layer(|d| d.shortcut.window = 2, "layer 0: it has a window but no shortcut");
    check_layer(
        |d| d.shortcut = Shortcut { padding: true, ..join(Join::Add) },
        "layer 0: it adds words of a window",
    );
    check_layer(
        |d| d.shortcut = Shortcut { window: 2, ..join(Join::Average) },
        "layer 0: it averages other windows than 2x2 with stride 2",
    );
    check_layer(
        |d| d.shortcut = Shortcut { window: 4, ..join(Join::Extreme) },
        "layer 0: window is 4, must be at most 3",
    );
    check_layer(
        |d| d.shortcut = Shortcut { padding: true, ..join(Join::Extreme) },
        "layer 0: window (of which an element must be inside) is 1, must be at least 2",
    );
    check_layer(
        |d| {
            d.shortcut = Shortcut { window: 3, stride_2: true, ..join(Join::Extreme) };
            (d.out_height, d.in_height) = (3, 4);
        },
        "layer 0: in_height + padding is 4, must be at least 5",
    );
    check_layer(
        |d| {
            d.shortcut = Shortcut {
                window: 3,
                stride_2: true,
                padding: true,
                inner: false,
                join: Join::Extreme,
            };
            (d.out_width, d.row_tiles, d.in_width) = (2, 2, 0);
        },
        "layer 0: in_width + padding is 1, must be at least 3",
    );
    check_layer(
        |d| {
            d.shortcut = Shortcut { window: 2, padding: true, ..join(Join::Extreme) };
            (d.shortcut_channels, d.in_width) = (1, 0);
        },
        "layer 0: in_width is 0, must be at least 1",
    );
    check_layer(
        |d| {
            d.shortcut = Shortcut { window: 3, padding: true, ..join(Join::Extreme) };
            (d.shortcut_channels, d.in_width, d.stream_in_row) = (1, 5, 3);
        },
        "layer 0: reading the stream reaches words 0 to 0 of a memory of 0",
    );
    check_layer(
        |d| {
            d.shortcut = Shortcut { window: 2, stride_2: true, ..join(Join::Average) };
            (d.shortcut_channels, d.stream_in_row, d.out_height) = (1, 3, 2);
        },
        "layer 0: reading the stream reaches words 0 to 9 of a memory of 0",
    );
}

#[test]
fn broken_copies_are_named() {
    let check = |change: fn(&mut LayerDescriptor), expected| {
        check_error(four_layers(), |p| change(&mut p.layers[1]), expected);
    };
    check(|d| d.in_copies = 4, "layer 1: in_copies is 4, must be at most 2");
    check(|d| d.out_copies = 8, "layer 1: out_copies is 8, must be at most 2");
    check(|d| d.last_lanes = 9, "layer 1: last_lanes (of a copy) is 9, must be at most 8");
    check(
        |d| (d.col_tiles, d.out_copies) = (3, 2),
        "layer 1: slices of a pixel with copies is 3, must be at most 2",
    );
    let mut program = four_layers();
    (program.array.taps, program.array.lanes) = (4, 16);
    program.steps = vec![program.steps[0].clone(); 4];
    check_error(program, |p| p.layers[1].in_copies = 3, "layer 1: copies must be 1, 2 or 4");
}

#[test]
fn broken_steps_are_named() {
    let map =
        |word: u32| move |p: &mut Program| p.steps[1][usize::from(p.layers[1].step_base)] = word;
    check_error(four_layers(), map(2 << 24), {
        "step 0 of layer 1: shift is -2, must be in -1..=1"
    });
    check_error(four_layers(), map(1 << 27), {
        "step 0 of layer 1: line_shift is 1, must be in 0..=0"
    });
    let far = Step { offset: 600, ..Step::default() };
    let mut program = four_layers();
    program.layers[1].in_base = 0;
    (program.layers[1].in_y_words, program.layers[1].in_xt_words) = (2, 1);
    check_error(program, map(far.encode()), {
        "layer 1: reading the map reaches words 600 to 607 of a memory of 19"
    });
    let image = |word: u32| move |p: &mut Program| p.steps[0][3] = word;
    let step = ImageStep { planes: [Some(1), None], n_rows: 3, ..ImageStep::default() };
    check_rejected(image(step.encode() & !(3 << 8)), {
        "step 3 of layer 0: n_rows is 0, must be in 1..=3"
    });
    check_rejected(image(ImageStep { part: 7, ..step }.encode()), {
        "step 3 of layer 0: part is 7, must be in 0..=6"
    });
    check_rejected(image(ImageStep { planes: [Some(0), Some(1)], ..step }.encode()), {
        "step 3 of layer 0: use_1 is 1, must be in 0..=0"
    });
    check_rejected(image(step.encode() | 1 << 31), {
        "step 3 of layer 0: bits without a meaning is 2147483648, must be in 0..=0"
    });
    let mut wide = one_pixel(12);
    wide.array.lanes = 54;
    (wide.layers[0].drain_wait, wide.layers[0].layer_gap) = (18, 18);
    wide.weights = vec![LaneMemory::ones(54, 8)];
    check_error(wide, |_| {}, "step 0 of layer 0: parity of a plane is 1, must be in 0..=0");
    check_rejected(
        |p| {
            p.depths.step = 100;
            let step = ImageStep { double: true, n_rows: 1, ..ImageStep::default() };
            p.steps = vec![vec![step.encode(); 40]];
            p.layers[0].steps = 40;
        },
        "layer 0: largest possible count is 8589934588, must be at most 4294967295",
    );
}
