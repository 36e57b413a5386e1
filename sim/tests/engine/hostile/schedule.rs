//! Gaps that are too short for the drain or for the next descriptor.

use super::{check_error, check_layer, check_rejected};
use crate::overlap::{Kind, two_layers};
use heartbit_ir::program::LayerDescriptor;

#[test]
fn results_that_are_not_written_when_the_wait_ends_are_named() {
    // 1 + 1 + 1 + 1 + 12, and 6 stages of the nonlinearity.
    let change = |d: &mut LayerDescriptor, wait| (d.drain_wait, d.layer_gap) = (wait, wait);
    check_rejected(
        |p| change(&mut p.layers[0], 15),
        "layer 0: drain_wait is 15, must be at least 16",
    );
    check_layer(
        |d| {
            d.tile_gap = 0;
            change(d, 21);
        },
        "layer 0: drain_wait is 21, must be at least 22",
    );
    // A gap after the tile counts, down to 12 cycles in all.
    check_layer(
        |d| {
            d.tile_gap = 2;
            change(d, 19);
        },
        "layer 0: drain_wait is 19, must be at least 20",
    );
    check_layer(|d| change(d, 11), "layer 0: drain_wait is 11, must be at least 12");
    check_rejected(
        |p| p.layers[0].layer_gap = 15,
        "layer 0: layer_gap (of the last layer) is 15, must be at least 16",
    );
    check_layer(
        |d| {
            (d.flags.pool, d.level_bits, d.level_shift) = (true, 8, 20);
            (d.tile_gap, d.col_gap) = (0, 21);
        },
        "layer 0: col_gap is 21, must be at least 22",
    );
    check_layer(
        |d| (d.flags.write_levels, d.steps, d.tile_gap, d.level_bits) = (true, 1, 6, 8),
        "layer 0: steps + tile_gap is 7, must be at least 8",
    );
}

#[test]
fn gaps_too_short_for_the_next_front_are_named() {
    let program = || two_layers(Kind::Bits, (2, 4), 30);
    check_error(
        program(),
        |p| p.layers[0].layer_gap = 14,
        "layer 0: layer_gap is 14, must be at least 15",
    );
    // With 16 rows the count column needs `fan_in` for longer: 16 + 1 + 5.
    let tall = two_layers(Kind::Bits, (16, 4), 60);
    check_error(
        tall,
        |p| p.layers[0].layer_gap = 21,
        "layer 0: layer_gap is 21, must be at least 22",
    );
}

#[test]
fn gaps_too_short_for_the_next_results_are_named() {
    // 26 + 11 - K - 3 with few steps, 26 + 9 - Run with a short `Run`.
    let change = |steps, tile_gap, layer_gap| {
        move |p: &mut heartbit_ir::program::Program| {
            (p.layers[0].drain_wait, p.layers[0].layer_gap) = (26, layer_gap);
            let d = &mut p.layers[1];
            (d.steps, d.tile_gap) = (steps, tile_gap);
        }
    };
    let program = || two_layers(Kind::Bits, (2, 4), 30);
    check_error(
        program(),
        change(5, 20, 28),
        "layer 0: layer_gap (until the next layer is drained) is 28, must be at least 29",
    );
    check_error(
        program(),
        change(16, 0, 18),
        "layer 0: layer_gap (until the next layer ends) is 18, must be at least 19",
    );
    for (steps, tile_gap, layer_gap) in [(5, 20, 29), (16, 0, 19)] {
        let mut program = program();
        change(steps, tile_gap, layer_gap)(&mut program);
        program.layers[1].drain_wait = 60;
        program.layers[1].layer_gap = 60;
        heartbit_sim::Simulator::new(&program).expect("no gap is too short");
    }
}

#[test]
fn programs_that_take_too_long_are_named() {
    // `Fetch` counts once: 23 + 8 + 30 cycles of layer 0, then 65535 tiles of 65537 cycles, and 60.
    let mut program = two_layers(Kind::Bits, (2, 4), 30);
    let d = &mut program.layers[1];
    (d.steps, d.tile_gap, d.out_height) = (2, 65535, 65535);
    (d.col_gap, d.drain_wait, d.layer_gap) = (0, 60, 60);
    let cycles = 23 + 8 + 30 + 65535 * 65537 + 60;
    assert!(cycles > 1u64 << 32, "{cycles}");
    check_error(
        program,
        |_| {},
        &format!("layer 1: cycles up to its end is {cycles}, must be at most {}", 1u64 << 32),
    );
}
