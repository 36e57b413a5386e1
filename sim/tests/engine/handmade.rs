//! Programs written by hand, with results worked out on paper.

use heartbit_ir::program::{
    ArrayConfig, Header, ImageStep, Join, LaneMemory, LayerDescriptor, LayerFlags, MemoryDepths,
    Parameter, PortSlots, Program, Shortcut, WeightRing, WeightStream,
};
use heartbit_sim::{Error, MAX_START, Simulator};
use std::ops::Range;

/// One pixel `p` of one channel on a 1x1 array: `z = 2p - 510`, eight steps.
///
/// The lanes are elements 0 to 3 of the vector: the pixel to the left, which is outside of the
/// image, and channel 0 of the pixel.
pub(crate) fn one_pixel(acc_bits: u32) -> Program {
    let step = |plane| ImageStep {
        planes: [Some(plane), None],
        n_rows: 1,
        double: plane < 7,
        tap_first: true,
        ..ImageStep::default()
    };
    Program {
        array: ArrayConfig {
            rows: 1,
            cols: 1,
            lanes: 4,
            taps: 1,
            lines: 1,
            acc_bits,
            extended: false,
        },
        depths: MemoryDepths {
            image: 8,
            activation: 0,
            weight: 8,
            parameter: 1,
            stream: 0,
            logit: 1,
            step: 8,
            program: 23,
            ring: None,
        },
        header: Header {
            image_height: 1,
            image_width: 1,
            classes: 1,
            stem_kernel: 3,
            stem_stride: 1,
            image_tiles: 1,
        },
        layers: vec![LayerDescriptor {
            flags: LayerFlags {
                source_image: true,
                logits: true,
                last_layer: true,
                ..LayerFlags::default()
            },
            steps: 8,
            col_tiles: 1,
            row_tiles: 1,
            out_height: 1,
            out_width: 1,
            in_height: 1,
            in_width: 1,
            fan_in: 2,
            drain_wait: 16,
            layer_gap: 16,
            clip: 100,
            ..LayerDescriptor::default()
        }],
        steps: vec![(0..8).rev().map(|plane| step(plane).encode()).collect()],
        weights: vec![LaneMemory::ones(4, 8)],
        weight_stream: None,
        parameters: vec![vec![Parameter { mul: 3, bias: 7, ..Parameter::default() }]],
    }
}

#[test]
fn one_pixel_gives_the_sum_on_paper() {
    let mut simulator = Simulator::new(&one_pixel(12)).expect("valid");
    let execution = simulator.run(&[200]).expect("one byte");
    assert_eq!(execution.layers[0].sums, [2 * 200 - 510]);
    assert_eq!(execution.layers[0].stream, [-100], "clipped");
    assert_eq!(execution.layers[0].value, [-100]);
    assert_eq!(execution.layers[0].bits, [false]);
    assert_eq!(execution.logits, [3 * (2 * 200 - 510) + 7]);
    assert_eq!((execution.layer_cycles, execution.send_cycles), (vec![23 + 8 + 16], 3));
    assert_eq!(simulator.overflows(), 0);
}

#[test]
fn missing_channels_are_zero_and_wrong_lengths_are_rejected() {
    let mut program = one_pixel(12);
    // Elements 4 to 7: channels 1 and 2 of the pixel, and the pixel to the right.
    for word in &mut program.steps[0] {
        *word = ImageStep { part: 1, ..ImageStep::decode(*word) }.encode();
    }
    let mut simulator = Simulator::new(&program).expect("valid");
    let execution = simulator.run(&[200, 9]).expect("two channels");
    assert_eq!(execution.layers[0].sums, [2 * 9 - 510]);
    let execution = simulator.run(&[200]).expect("one channel");
    assert_eq!(execution.layers[0].sums, [-510]);
    for bytes in [0, 4] {
        let error = Error::Image { bytes, height: 1, width: 1 };
        assert_eq!(simulator.run(&vec![0; bytes]), Err(error));
    }
}

#[test]
fn lanes_outside_of_the_image_hold_zeros_that_count() {
    let mut program = one_pixel(12);
    // A weight of 0 meets the 0 of the pixel to the left in all eight steps.
    (0..8).for_each(|word| program.weights[0].set(word, 1, false));
    let mut simulator = Simulator::new(&program).expect("valid");
    let execution = simulator.run(&[200]).expect("one byte");
    assert_eq!(execution.layers[0].sums, [2 * (200 + 255) - 510]);
}

#[test]
fn accumulators_wrap_and_are_counted() {
    let mut simulator = Simulator::new(&one_pixel(4)).expect("valid");
    let execution = simulator.run(&[200]).expect("one byte");
    // 200 matches and 510 products modulo 16 give 2·8 - 14, which fits 5 bits.
    assert_eq!(execution.layers[0].sums, [2]);
    assert_eq!(simulator.overflows(), 1);
}

/// The nonlinearity, the bit and the level of one value on paper: `r = -100` becomes `v`.
#[track_caller]
fn check_value(parameter: Parameter, value_shift: u32, expected: (i32, bool, u8)) {
    let mut program = one_pixel(12);
    program.array.extended = true;
    program.depths.activation = 3;
    program.parameters[0][0] = Parameter { mul: 3, bias: 7, ..parameter };
    let layer = &mut program.layers[0];
    (layer.value_shift, layer.value_clip) = (value_shift, 300);
    (layer.level_bits, layer.out_plane_words, layer.level_shift) = (3, 1, 1);
    layer.flags.write_levels = true;
    (layer.drain_wait, layer.layer_gap) = (3 + 15 + 6, 3 + 15 + 6);
    let mut simulator = Simulator::new(&program).expect("valid");
    let layer = &simulator.run(&[200]).expect("one byte").layers[0];
    assert_eq!((layer.stream[0], layer.value[0], layer.bits[0], layer.levels[0]), {
        let (value, bit, level) = expected;
        (-100, value, bit, level)
    });
}

#[test]
fn values_bend_round_and_clip_as_on_paper() {
    let p = Parameter::default();
    check_value(p, 0, (-100, false, 78));
    // (-100 + 96) · 3 = -12; (-12 + 8) >> 4 = -1 rounds -0.75.
    check_value(Parameter { before: 96, slope: 3, ..p }, 4, (-1, false, 127));
    // (-100 + 92) · 3 = -24; (-24 + 8) >> 4 = -1 rounds -1.5 up.
    check_value(Parameter { before: 92, slope: 3, ..p }, 4, (-1, false, 127));
    check_value(Parameter { before: 100, slope: 0, after: 4, ..p }, 4, (4, true, 130));
    check_value(Parameter { before: 1 << 20, ..p }, 4, (300, true, 255));
    check_value(Parameter { threshold: -100, ..p }, 0, (-100, true, 78));
    check_value(Parameter { threshold: -99, ..p }, 0, (-100, false, 78));
    check_value(Parameter { threshold: -100, at_most: true, ..p }, 0, (-100, true, 78));
    check_value(Parameter { threshold: -101, at_most: true, ..p }, 0, (-100, false, 78));
}

/// A row of 16 pixels on 8 rows: two tiles of 8 steps, drained without a pause between them.
/// The stream is read at `x` and written at `x + delta`, `delta` even.
fn shifted_stream(delta: u16, tile_gap: u16, extended: bool) -> Vec<i32> {
    let mut program = one_pixel(12);
    (program.array.rows, program.array.extended) = (8, extended);
    (program.header.image_width, program.header.image_tiles) = (16, 2);
    (program.depths.image, program.depths.stream) = (16, 20);
    program.parameters[0][0] = Parameter { bias: 5, ..Parameter::default() };
    let layer = &mut program.layers[0];
    layer.flags.write_stream = true;
    layer.shortcut = Shortcut { join: Join::Add, ..Shortcut::default() };
    (layer.out_width, layer.in_width, layer.row_tiles) = (16, 16, 2);
    (layer.stream_out_base, layer.tile_gap, layer.shortcut_channels) = (delta / 2, tile_gap, 1);
    let wait = 8 + 1 + 8 + 1 + 12 + if extended { 6 } else { 0 } - tile_gap;
    (layer.value_clip, layer.drain_wait, layer.layer_gap) = (100, wait, wait);
    let mut simulator = Simulator::new(&program).expect("valid");
    simulator.run(&[0; 16]).expect("16 bytes").layers[0].shortcut.clone()
}

#[test]
fn stream_reads_see_writes_of_earlier_cycles_only() {
    // Row j of tile 0 writes in cycle T + (7-j) + 8 + N, row k of tile 1 reads in
    // T + 8 + gap + (7-k) + 1, so it sees the write where k - j < 1 + gap - N; the addresses agree
    // where 8 + k = j + delta. What a tile reads of itself is written later.
    let seen = |of: Range<usize>| (0..16).map(|x| if of.contains(&x) { 5 } else { 0 }).collect();
    let check = |delta, gap, extended, of| {
        let expected: Vec<i32> = seen(of);
        assert_eq!(shifted_stream(delta, gap, extended), expected, "{delta}, {gap}, {extended}");
    };
    check(10, 1, false, 0..0);
    check(10, 2, false, 10..16);
    check(12, 2, false, 0..0);
    check(12, 3, false, 0..0);
    check(12, 4, false, 12..16);
    check(4, 2, true, 8..12);
    check(6, 3, true, 0..0);
    check(6, 4, true, 8..14);
    check(8, 5, true, 0..0);
    check(8, 6, true, 8..16);
}

#[test]
fn bands_begin_in_their_row_of_the_image() {
    let rows = [10, 20, 30, 40, 200];
    for (y0, y_words, xt_words) in [(0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 1, 0), (4, 1, 1)] {
        let mut program = one_pixel(12);
        (program.header.image_height, program.depths.image) = (5, 16);
        let d = &mut program.layers[0];
        d.in_height = 5;
        (d.in_base, d.in_y_words, d.in_xt_words) = (y0, y_words, xt_words);
        let mut simulator = Simulator::new(&program).expect("valid");
        let execution = simulator.run(&rows).expect("five bytes");
        assert_eq!(execution.layers[0].sums, [2 * i32::from(rows[usize::from(y0)]) - 510]);
    }
}

/// `one_pixel` with eight words that come in the cycles 10, 14, .. 38 into a ring of eight.
pub(crate) fn streamed_pixel() -> Program {
    let mut program = one_pixel(12);
    program.weights = vec![LaneMemory::ones(4, 0)];
    program.depths.ring = Some(WeightRing { words: 8, port_cols: 1 });
    program.weight_stream = Some(WeightStream {
        columns: vec![LaneMemory::ones(4, 8)],
        slots: PortSlots { latency: 10, pattern: vec![true, false, false, false] },
    });
    program.layers[0].flags.stream_weights = true;
    program
}

#[test]
fn steps_wait_for_slots_as_on_paper() {
    let mut simulator = Simulator::new(&streamed_pixel()).expect("valid");
    let mut check = |start: Option<u64>, expected: (u64, u64)| {
        let execution = match start {
            Some(start) => simulator.run_at(&[200], start),
            None => simulator.run(&[200]),
        };
        let execution = execution?;
        assert_eq!((execution.layers[0].sums[0], execution.send_cycles), (2 * 200 - 510, 3));
        assert_eq!((execution.start, execution.layer_cycles[0]), expected);
        Ok(())
    };
    // Word j is accepted in cycle 10 + 4j, so the last one is there from cycle 39 on; its step could
    // be issued in cycle 23 + 7.
    assert_eq!(check(Some(0), (0, 23 + 8 + 9 + 16)), Ok(()));
    // `Send` ends in cycle 58. The words of the steps in the cycles 23 to 27, 31, 35 and 39 are free
    // four cycles later: so the next ones come in the cycles 42, 46, .. 70.
    let error = Error::Start { start: 59, earliest: 60, latest: MAX_START };
    assert_eq!(check(Some(59), (0, 0)), Err(error));
    // Step 0 is issued in cycle 83, and nothing is missing.
    assert_eq!(check(Some(60), (60, 23 + 8 + 16)), Ok(()));
    // The first word is free in cycle 87, in which a beat waits, and the slots 90, 94, .. 114 bring
    // the others: the ring is full in cycle 115.
    assert_eq!(check(None, (115, 23 + 8 + 16)), Ok(()));
    simulator.restart();
    assert_eq!(simulator.run(&[200]).expect("one byte").start, 39);
}

#[test]
fn steps_wait_for_the_beats_of_all_columns_as_on_paper() {
    // Two columns, a beat each, and two column tiles of eight words in a ring of eight.
    let mut program = one_pixel(12);
    program.array.cols = 2;
    program.header.classes = 4;
    program.depths.logit = 2;
    program.depths.parameter = 2;
    program.depths.ring = Some(WeightRing { words: 8, port_cols: 1 });
    program.weights = vec![LaneMemory::ones(4, 0); 2];
    let mut columns = vec![LaneMemory::ones(4, 16); 2];
    // Zeros that meet those outside of the image, in column 0 of tile 1 and column 1 of tile 0.
    (8..16).for_each(|word| columns[0].set(word, 1, false));
    (0..8).for_each(|word| columns[1].set(word, 1, false));
    let slots = PortSlots { latency: 0, pattern: vec![true] };
    program.weight_stream = Some(WeightStream { columns, slots });
    program.parameters = vec![vec![program.parameters[0][0]; 2]; 2];
    let d = &mut program.layers[0];
    d.flags.stream_weights = true;
    (d.col_tiles, d.drain_wait, d.layer_gap) = (2, 17, 17);
    let mut simulator = Simulator::new(&program).expect("valid");
    // Word j < 8 comes in the cycles 2j and 2j + 1: the ring is full in cycle 16. `Run` begins in
    // cycle 39, word 0 is free in cycle 39 + 5, and word 8 + i comes in 44 + 2i and 45 + 2i. Its
    // step could be issued in cycle 47 + i: words 10 to 15 are 50 - 49 = 1 to 60 - 54 = 6 late.
    // `Send` takes the cycles up to 16 + 62 + 7 - 1; the ring has been full since cycle 76.
    for start in [16, 86, 156] {
        let execution = simulator.run(&[200]).expect("one byte");
        assert_eq!(execution.layers[0].sums, [-110, 400, 400, -110]);
        assert_eq!((execution.start, execution.send_cycles), (start, 2 + 4 + 1));
        assert_eq!(execution.layer_cycles, [23 + 16 + 6 + 17]);
    }
}
