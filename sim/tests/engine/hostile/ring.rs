//! Weights that do not pass through the ring, and rings that cannot be.

use super::{check_error, check_rejected, four_layers};
use crate::compile::stream::stream;
use crate::handmade::streamed_pixel;
use heartbit_ir::program::{LaneMemory, PortSlots, Program, WeightRing, WeightStream};
use heartbit_sim::Simulator;

#[track_caller]
fn check_streamed(break_it: impl Fn(&mut Program), expected: &str) {
    check_error(streamed_pixel(), break_it, expected);
}

fn sequence(program: &mut Program) -> &mut WeightStream {
    program.weight_stream.as_mut().expect("a sequence")
}

#[test]
fn broken_rings_are_named() {
    for words in [0, 1, 12, 32] {
        check_streamed(
            |p| {
                p.depths.weight = 16;
                p.depths.ring = Some(WeightRing { words, port_cols: 1 });
            },
            &format!(
                "program: depths.ring.words is {words}, must be a power of two, at least 2 and at \
                 most the 16 words of the weight memory"
            ),
        );
    }
    for (port_cols, cols) in [(0, 1), (2, 1), (2, 3), (3, 4)] {
        check_streamed(
            |p| {
                p.array.cols = cols;
                p.weights = vec![LaneMemory::ones(4, 0); cols];
                p.parameters = vec![p.parameters[0].clone(); cols];
                p.depths.ring = Some(WeightRing { words: 8, port_cols });
            },
            &format!(
                "program: depths.ring.port_cols is {port_cols}, must divide the {cols} columns"
            ),
        );
    }
    let none = PortSlots { latency: 0, pattern: vec![false; 5] };
    check_streamed(
        |p| sequence(p).slots = none.clone(),
        "program: slots in weight_stream.slots.pattern is 0, must be at least 1",
    );
}

#[test]
fn broken_sequences_are_named() {
    check_streamed(
        |p| sequence(p).columns.clear(),
        "program: number of streamed weight columns is 0, must be exactly 1",
    );
    for words in [7, 9] {
        check_streamed(
            |p| sequence(p).columns[0] = LaneMemory::ones(4, words),
            &format!("column 0: number of streamed weight words is {words}, must be exactly 8"),
        );
    }
    check_streamed(
        |p| sequence(p).columns[0] = LaneMemory::ones(65, 8),
        "column 0: limbs of a weight word is 2, must be exactly 1",
    );
    check_streamed(
        |p| p.weight_stream = None,
        "program: number of streamed weight words is 0, must be exactly 8",
    );
    check_streamed(
        |p| p.depths.ring = None,
        "program: number of weight streams (without a weight ring) is 1, must be at most 0",
    );
    check_streamed(
        |p| (p.depths.ring, p.weight_stream) = (None, None),
        "layer 0: it streams weights, but there is no weight ring",
    );
}

#[test]
fn weights_without_a_place_are_named() {
    check_streamed(
        |p| p.depths.ring = Some(WeightRing { words: 4, port_cols: 1 }),
        "layer 0: steps (in the weight ring) is 8, must be at most 4",
    );
    check_streamed(
        |p| p.weights[0] = LaneMemory::ones(4, 1),
        "column 0: number of weight words is 1, must be at most 0",
    );
    // The words are where the ring is.
    check_rejected(
        |p| {
            p.depths.ring = Some(WeightRing { words: 2, port_cols: 1 });
            p.layers[0].weight_base = 1;
        },
        "layer 0: weight_base (after the weight ring) is 1, must be at least 2",
    );
    check_rejected(
        |p| {
            p.depths.ring = Some(WeightRing { words: 2, port_cols: 1 });
            p.layers[0].weight_base = 3;
            p.depths.weight = 11;
        },
        "column 0: number of weight words is 8, must be at least 9",
    );
    let ring = WeightRing { words: 64, port_cols: 2 };
    let slots = PortSlots { latency: 0, pattern: vec![true] };
    let mut program = four_layers();
    stream(&mut program, ring, slots, &[false, true, false, true]);
    Simulator::new(&program).expect("valid");
    check_error(
        program,
        |p| p.layers[1].flags.stream_weights = false,
        "column 0: number of weight words is 17, must be at least 23071",
    );
}

/// A ring that no layer uses: its place is taken, and nothing else changes.
#[test]
fn rings_without_streamed_weights_change_nothing() {
    let resident = four_layers();
    let mut program = resident.clone();
    let ring = WeightRing { words: 16, port_cols: 4 };
    let slots = PortSlots { latency: u64::MAX, pattern: vec![true] };
    stream(&mut program, ring, slots, &[false; 4]);
    let run = |program: &Program| {
        let mut simulator = Simulator::new(program).expect("valid");
        let first = simulator.run_at(&[77; 48], 5).expect("48 bytes");
        (first, simulator.run(&[99; 48]).expect("48 bytes"))
    };
    assert_eq!(run(&program), run(&resident));
    program.weight_stream = None;
    assert_eq!(run(&program), run(&resident));
}

#[test]
fn weights_that_come_too_slowly_are_named() {
    // Eight words, each at most 2^20 cycles after the one before or after a word is free.
    let slow = |latency: u64| {
        move |p: &mut Program| {
            let mut pattern = vec![false; 1 << 20];
            pattern[5] = true;
            sequence(p).slots = PortSlots { latency, pattern };
        }
    };
    let mut program = streamed_pixel();
    slow(1 << 31)(&mut program);
    Simulator::new(&program).expect("2^31 + 2^23 cycles are few");
    let error = |cycles: u64| {
        format!("layer 0: cycles up to its end is {cycles}, must be at most {}", 1u64 << 32)
    };
    let waits = 8 * ((1 << 20) + 3);
    let all = 23 + 8 + 16 + waits;
    check_streamed(slow(1 << 32), &error((1 << 32) + all));
    check_streamed(slow(u64::MAX), &error(u64::MAX));
    check_streamed(slow((1 << 32) - all + 1), &error((1 << 32) + 1));
    slow((1 << 32) - all)(&mut program);
    let mut simulator = Simulator::new(&program).expect("just enough cycles");
    // Its first image, in cycle 0, waits for seven of the eight pauses and all the latency.
    let execution = simulator.run_at(&[9], 0).expect("one byte");
    let first = (1 << 32) - all + 5;
    assert_eq!(execution.layer_cycles, [first + 1 + 7 * (1 << 20) + 1 + 16]);
}
