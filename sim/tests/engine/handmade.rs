//! Programs written by hand, with results worked out on paper.

use crate::compile::compile;
use crate::layers::Numbers;
use crate::reference::{Conv, Net, Shortcut};
use heartbit_ir::program::{
    ArrayConfig, ArrayShape, Header, LaneMemory, LayerDescriptor, LayerFlags, MemoryDepths,
    Parameter, Program, Step,
};
use heartbit_sim::{Error, Simulator};

/// One pixel `p` of one channel on a 1x1 array: `z = (2p - 255) - 255`, eight steps.
pub(crate) fn one_pixel(acc_bits: u32) -> Program {
    let mut weights = LaneMemory::ones(4, 8);
    (0..8).for_each(|word| weights.set(word, 3, false));
    let step = |plane| Step {
        plane,
        double: plane < 7,
        tap_first: true,
        last_word: true,
        ..Step::default()
    };
    Program {
        array: ArrayConfig { rows: 1, cols: 1, lanes: 4, acc_bits },
        depths: MemoryDepths {
            image: 1,
            activation: 0,
            weight: 8,
            parameter: 1,
            stream: 0,
            logit: 1,
            step: 8,
            program: 18,
        },
        header: Header { image_height: 1, image_width: 1, classes: 1 },
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
            last_lanes: 4,
            fan_in: 2,
            drain_wait: 12,
            clip: 100,
            ..LayerDescriptor::default()
        }],
        steps: (0..8).rev().map(step).collect(),
        weights: vec![weights],
        parameters: vec![vec![Parameter { mul: 3, bias: 7 }]],
    }
}

#[test]
fn one_pixel_gives_the_sum_on_paper() {
    let mut simulator = Simulator::new(&one_pixel(12)).expect("valid");
    let execution = simulator.run(&[200]).expect("one byte");
    assert_eq!(execution.layers[0].sums, [2 * 200 - 510]);
    assert_eq!(execution.layers[0].stream, [-100], "clipped");
    assert_eq!(execution.logits, [3 * (2 * 200 - 510) + 7]);
    assert_eq!((execution.layer_cycles, execution.send_cycles), (vec![18 + 8 + 12], 3));
    assert_eq!(simulator.overflows(), 0);
}

#[test]
fn missing_channels_are_zero_and_wrong_lengths_are_rejected() {
    let mut simulator = Simulator::new(&one_pixel(12)).expect("valid");
    // Lane 1 has weight 1 and now holds 9, which nobody subtracts: matches that `n` lacks.
    let execution = simulator.run(&[200, 9]).expect("two channels");
    assert_eq!(execution.layers[0].sums, [2 * 200 - 510 + 2 * 9]);
    let execution = simulator.run(&[200]).expect("one channel");
    assert_eq!(execution.layers[0].sums, [2 * 200 - 510]);
    for bytes in [0, 4] {
        let error = Error::Image { bytes, height: 1, width: 1 };
        assert_eq!(simulator.run(&vec![0; bytes]), Err(error));
    }
}

#[test]
fn accumulators_wrap_and_are_counted() {
    let mut simulator = Simulator::new(&one_pixel(4)).expect("valid");
    let execution = simulator.run(&[200]).expect("one byte");
    // 200 matches and 510 products modulo 16 give 2·8 - 14, which fits 5 bits.
    assert_eq!(execution.layers[0].sums, [2]);
    assert_eq!(simulator.overflows(), 1);
}

/// A row of 16 pixels on 8 rows: two tiles of 8 steps, drained without a pause between them.
/// The stream is read at `x` and written at `x + delta`.
fn shifted_stream(delta: u16, tile_gap: u16) -> Vec<i32> {
    let conv = Conv {
        cout: 1,
        kernel: 1,
        stride: 1,
        bits: 1,
        weights: vec![1, 1],
        shortcut: Shortcut::Identity,
        mul: vec![0],
        bias: vec![5],
        shift: 0,
        clip: 100,
        write_stream: true,
        pool: None,
    };
    let net = Net { height: 1, width: 16, channels: 1, convs: vec![conv] };
    let mut program = compile(&net, ArrayShape { rows: 8, cols: 1, lanes: 4 }, 12);
    let layer = &mut program.layers[0];
    (layer.stream_out_base, layer.tile_gap, layer.shortcut_channels) = (delta, tile_gap, 1);
    (layer.stream_in_row, layer.stream_in_plane) = (16, 16);
    program.depths.stream = 40;
    let image = Numbers(1).bytes(16);
    let mut simulator = Simulator::new(&program).expect("valid");
    simulator.run(&image).expect("16 bytes").layers[0].shortcut.clone()
}

#[test]
fn stream_reads_see_writes_of_earlier_cycles_only() {
    // Row j of tile 0 writes in cycle T + (7-j) + 4, row k of tile 1 reads in T + 8 + (7-k) + 1,
    // so it sees the write where k - j < 5; the addresses agree where 8 + k = j + delta.
    let seen = |from: usize| (0..16).map(|x| if x >= from { 5 } else { 0 }).collect::<Vec<i32>>();
    assert_eq!(shifted_stream(12, 0), seen(12));
    assert_eq!(shifted_stream(13, 0), seen(16));
    assert_eq!(shifted_stream(13, 1), seen(13));
    assert_eq!(shifted_stream(14, 1), seen(16));
}
