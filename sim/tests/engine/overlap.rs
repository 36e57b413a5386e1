//! Layers that overlap: what a layer reads while the results of the one before are written, on
//! paper.

use crate::handmade::one_pixel;
use heartbit_ir::program::{
    Execution, ImageStep, Join, LaneMemory, Parameter, Program, Shortcut, Step,
};
use heartbit_sim::Simulator;
use heartbit_sim::fast::Engine;

/// What the first layer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bits,
    /// Eight planes.
    Levels,
    /// Eight planes of a pooled pixel, after so many shifts.
    Pool(u32),
    Flat,
}

impl Kind {
    /// The plane that is written last.
    fn last_plane(self) -> usize {
        match self {
            Self::Levels | Self::Pool(_) => 7,
            Self::Bits | Self::Flat => 0,
        }
    }
}

/// Steps of the second layer.
const STEPS: u16 = 32;

/// One pixel on an array of `rows` x `cols` PEs, `cols` at most 4, in two layers.
///
/// The first one writes a map of ones, the second one reads it after a gap of `gap` cycles: in each
/// step the plane of one channel that is written last. So its sum is the difference of the steps
/// that read what was written and of those that read a 0.
pub(crate) fn two_layers(kind: Kind, (rows, cols): (usize, usize), gap: u16) -> Program {
    let mut program = one_pixel(12);
    (program.array.rows, program.array.cols) = (rows, cols);
    program.array.extended = !matches!(kind, Kind::Bits);
    let depths = &mut program.depths;
    (depths.activation, depths.weight, depths.parameter) = (8, 40, 2);
    (depths.stream, depths.step, depths.program) = (1, 40, 2 + 2 * 21);
    program.weights = vec![LaneMemory::ones(4, 40); cols];
    let ones = Parameter { bias: 1000, ..Parameter::default() };
    program.parameters = vec![vec![ones, Parameter { mul: 1, ..Parameter::default() }]; cols];
    let read = Step {
        offset: i16::try_from(kind.last_plane()).expect("small"),
        tap_first: true,
        last_word: true,
        ..Step::default()
    };
    program.steps[0].extend([read.encode(); STEPS as usize]);
    let mut second = program.layers[0];
    let first = &mut program.layers[0];
    (first.flags.last_layer, first.flags.logits) = (false, false);
    (first.clip, first.value_clip) = (1000, 1000);
    (first.out_xt_words, first.out_plane_words) = (1, 1);
    first.out_phase_words = u16::try_from(rows - 1).expect("small");
    match kind {
        Kind::Bits => first.flags.write_bits = true,
        Kind::Levels => (first.flags.write_levels, first.level_bits) = (true, 8),
        Kind::Pool(shift) => {
            (first.flags.pool, first.level_bits, first.level_shift) = (true, 8, shift);
            first.col_gap = 48;
        }
        Kind::Flat => (first.flags.write_bits, first.flags.out_flat) = (true, true),
    }
    let beats = if kind == Kind::Levels { 8 } else { 1 };
    let nonlinear = if program.array.extended { 6 } else { 0 };
    let wait = |steps: usize, beats: usize| {
        let gap = (rows * beats).saturating_sub(steps);
        let small = |n: usize| u16::try_from(n).expect("small");
        (small(gap), small(rows * beats + 1 + rows + cols + 12 + nonlinear - gap))
    };
    (first.tile_gap, first.drain_wait) = wait(8, beats);
    if let Kind::Pool(shift) = kind {
        first.drain_wait += u16::try_from(shift + 1 + 8).expect("small");
        first.drain_wait -= first.col_gap;
    }
    first.layer_gap = gap;
    second.flags.source_image = false;
    (second.steps, second.step_base, second.weight_base, second.param_base) = (STEPS, 8, 8, 1);
    (second.fan_in, second.last_lanes, second.value_clip) = (1, 1, 100);
    (second.tile_gap, second.drain_wait) = wait(STEPS.into(), 1);
    second.layer_gap = second.drain_wait;
    program.layers.push(second);
    program
}

fn run(program: &Program) -> Execution {
    let mut simulator = Simulator::new(program).expect("valid");
    simulator.run(&[200]).expect("one byte")
}

/// The fast engine refuses a program that reads what is not written, and runs all others.
#[track_caller]
fn check_fast(program: &Program, expected: &Execution, stale: bool) {
    match Engine::new(program) {
        Ok(mut engine) => {
            assert!(!stale, "layer by layer nothing is read too early");
            assert_eq!(&engine.run(&[200]).expect("one byte"), expected);
        }
        Err(error) => {
            assert!(stale, "{error}");
            assert!(error.to_string().starts_with("layer 1: it reads a map before"), "{error}");
        }
    }
}

/// Gaps of `low..=high` cycles: the map is written in cycle `written` of the gap, steps see it from
/// the cycle on that is two earlier, and the first one is in cycle `gap`.
#[track_caller]
fn check_gaps(kind: Kind, size: (usize, usize), written: u16, (low, high): (u16, u16)) {
    let seen = written - 2;
    assert!(low < seen && seen <= high, "{kind:?}: the gaps must matter");
    for gap in low..=high {
        let program = two_layers(kind, size, gap);
        let execution = run(&program);
        check_fast(&program, &execution, gap < seen);
        let stale = i32::from(seen.saturating_sub(gap).min(STEPS));
        let sum = i32::from(STEPS) - 2 * stale;
        assert_eq!(execution.logits, [sum], "{kind:?} after a gap of {gap} cycles");
        assert_eq!(execution.layers[1].sums, vec![sum; size.1]);
        assert_eq!(execution.layers[0].stream, vec![1000; size.1]);
        let [first, second] = [0, 1].map(|i| &program.layers[i]);
        let run = 8 + u64::from(first.tile_gap) + u64::from(first.col_gap);
        let next = u64::from(STEPS) + u64::from(second.tile_gap) + u64::from(second.drain_wait);
        assert_eq!(execution.layer_cycles, [23 + run + u64::from(gap), next]);
    }
    let error = Simulator::new(&two_layers(kind, size, low - 1)).expect_err("too short");
    assert!(error.to_string().starts_with("layer 0: layer_gap"), "{error}");
}

#[test]
fn bits_are_read_in_the_cycle_after_the_one_in_which_they_are_written() {
    // Row 0 of two is written 2 + 1 + 2 + 4 + 12 cycles after the last step, that is in cycle 20
    // of the gap. The front needs 15 cycles.
    check_gaps(Kind::Bits, (2, 4), 20, (15, 21));
    // 1 + 1 + 1 + 4 + 12 + 6 of flattened bits.
    check_gaps(Kind::Flat, (1, 4), 24, (15, 25));
    // 8 + 1 + 8 + 1 + 12; the front needs 15.
    check_gaps(Kind::Bits, (8, 1), 29, (15, 31));
}

#[test]
fn level_planes_are_read_in_the_cycle_after_the_one_in_which_the_last_is_written() {
    // 8·8 + 1 + 8 + 4 + 12 + 6 cycles after the last step, 56 of them in the gap after the tile.
    check_gaps(Kind::Levels, (8, 4), 38, (16, 40));
    // 8 + 1 + 1 + 4 + 12 + 6, without such a gap.
    check_gaps(Kind::Levels, (1, 4), 31, (15, 33));
}

#[test]
fn pooled_planes_are_read_in_the_cycle_after_the_one_in_which_the_last_is_written() {
    // The last pixel is written 16 + 1 + 16 + 4 + 12 + 6 cycles after the last step, the first
    // plane `shift + 2` cycles later and the last one 7 more; 8 + 48 cycles pass in the gaps after
    // the tiles. The front needs 16 + 1 + 5 cycles.
    let written = |shift: u16| 55 + shift + 2 + 7 - 57;
    check_gaps(Kind::Pool(31), (16, 4), written(31), (22, 39));
    check_gaps(Kind::Pool(24), (16, 4), written(24), (22, 33));
    // The levels are recorded for the layer that made them.
    let execution = run(&two_layers(Kind::Pool(31), (16, 4), 22));
    assert_eq!(execution.layers[0].pooled, [128; 4]);
    assert_eq!(execution.layers[1].pooled, [0; 0]);
}

/// A stem of one pixel, then passes of one tile: each adds 3 to the stream.
#[test]
fn passes_of_one_tile_follow_each_other() {
    for (rows, extended) in [(1, false), (1, true), (5, false), (5, true)] {
        let mut program = two_layers(Kind::Bits, (rows, 4), 90);
        program.array.extended = extended;
        let image = ImageStep { n_rows: 1, ..ImageStep::default() };
        let off = Step { off: true, ..Step::default() };
        program.steps[0] = [vec![image.encode(); 8], vec![off.encode(); 32]].concat();
        let wait = rows + 1 + rows + 4 + 12 + if extended { 6 } else { 0 };
        // The stream is 3 after the stem.
        program.parameters =
            vec![vec![Parameter { bias: 3, ..Parameter::default() }, Parameter::default()]; 4];
        let mut first = program.layers[0];
        first.flags.write_stream = true;
        first.drain_wait = u16::try_from(wait).expect("small");
        let mut pass = program.layers[1];
        pass.flags.write_stream = true;
        pass.shortcut = Shortcut { join: Join::Add, ..Shortcut::default() };
        (pass.shortcut_channels, pass.steps, pass.last_lanes) = (4, 1, 0);
        pass.tile_gap = u16::try_from(rows - 1).expect("small");
        pass.drain_wait = u16::try_from(wait + 1 - rows).expect("small").max(12);
        pass.param_base = 0;
        let mut last = pass;
        last.layer_gap = last.drain_wait;
        (pass.flags.last_layer, pass.flags.logits) = (false, false);
        program.layers = vec![first, pass, pass, pass, last];
        program.depths.program = 2 + 5 * 21;
        for d in &mut program.layers[..4] {
            // K' = 1 and Run' = R.
            let wait = usize::from(d.drain_wait);
            let gap = 15.max(rows + 1 + 5).max(wait + 11 - 1 - 1 - rows).max(wait + 9 - rows);
            d.layer_gap = u16::try_from(gap).expect("small");
        }
        let execution = run(&program);
        for (i, layer) in execution.layers.iter().enumerate() {
            let stream = 3 * i32::try_from(i + 1).expect("small");
            assert_eq!(layer.stream, [stream; 4], "layer {i} of {rows} rows");
            assert_eq!(layer.shortcut, [stream - 3; 4]);
            let d = &program.layers[i];
            let run = if i == 0 { 23 + 8 } else { rows as u64 };
            assert_eq!(execution.layer_cycles[i], run + u64::from(d.layer_gap));
            assert_eq!(i == 4, d.flags.last_layer);
        }
        for i in 0..4 {
            let mut program = program.clone();
            program.layers[i].layer_gap -= 1;
            Simulator::new(&program).expect_err("the gap is too short");
        }
    }
}
