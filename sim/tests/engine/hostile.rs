//! Programs that nobody should write: each is rejected with its reason, or ends.

use crate::handmade::one_pixel;
use heartbit_ir::program::{
    ArrayConfig, Header, LaneMemory, LayerDescriptor, MemoryDepths, Parameter, Program, Step,
};
use heartbit_sim::Simulator;
use proptest::prelude::*;

#[track_caller]
fn check_rejected(break_it: impl Fn(&mut Program), expected: &str) {
    let mut program = one_pixel(12);
    break_it(&mut program);
    let error = Simulator::new(&program).expect_err("the program is broken");
    assert_eq!(error.to_string(), expected);
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
    check_rejected(|p| p.layers.clear(), "program: number of layers is 0, must be at least 1");
    check_rejected(
        |p| p.depths.program = 17,
        "program: words of the program is 18, must be at most 17",
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
fn broken_layers_are_named() {
    let layer = |change: fn(&mut LayerDescriptor)| move |p: &mut Program| change(&mut p.layers[0]);
    check_rejected(layer(|d| d.steps = 0), "layer 0: steps is 0, must be at least 1");
    check_rejected(layer(|d| d.col_tiles = 0), "program: classes is 1, must be at most 0");
    check_rejected(
        layer(|d| d.row_tiles = 2),
        "layer 0: row_tiles (the tiles of out_width) is 2, must be at most 1",
    );
    check_rejected(layer(|d| d.drain_wait = 11), "layer 0: drain_wait is 11, must be at least 12");
    check_rejected(layer(|d| d.clip = 40_000), "layer 0: clip is 40000, must be at most 32767");
    check_rejected(
        layer(|d| d.step_base = 1),
        "layer 0: step_base + steps is 9, must be at most 8",
    );
    check_rejected(
        layer(|d| d.flags.last_layer = false),
        "layer 0: `last_layer` is not set in the last layer",
    );
    check_rejected(
        layer(|d| (d.flags.pool, d.col_gap) = (true, 47)),
        "layer 0: col_gap is 47, must be at least 48",
    );
    check_rejected(
        layer(|d| d.flags.write_bits = true),
        "layer 0: writing the map reaches words 0 to 0 of a memory of 0",
    );
    check_rejected(
        layer(|d| d.in_base = 1),
        "layer 0: reading the image reaches words 1 to 1 of a memory of 1",
    );
    check_rejected(
        layer(|d| (d.out_height, d.in_height, d.in_y_words) = (9, 2, 1)),
        "layer 0: reading the image reaches words 0 to 1 of a memory of 1",
    );
}

#[test]
fn broken_steps_are_named() {
    check_rejected(|p| p.steps[3].shift = 2, "step 3 of layer 0: shift is 2, must be in -1..=1");
    check_rejected(
        |p| {
            p.depths.step = 100;
            p.steps = vec![Step { double: true, ..Step::default() }; 40];
            p.layers[0].steps = 40;
        },
        "layer 0: largest possible count is 8589934588, must be at most 4294967295",
    );
}

/// Numbers of which many are small, so that some programs are nearly right.
fn field() -> impl Strategy<Value = u16> {
    prop_oneof![6 => 0u16..4, 3 => 0u16..40, 1 => any::<u16>()]
}

fn descriptor() -> impl Strategy<Value = LayerDescriptor> {
    (proptest::array::uniform32(field()), any::<bool>()).prop_map(|(half, tame)| {
        let words =
            std::array::from_fn(|i| u32::from(half[2 * i]) | u32::from(half[2 * i + 1]) << 16);
        let mut d = LayerDescriptor::decode(words);
        if tame {
            (d.drain_wait, d.tile_gap) = (200, 100);
            (d.shift, d.pool_shift) = (d.shift % 32, d.pool_shift % 32);
            (d.steps, d.step_base) = (d.steps % 3 + 1, d.step_base % 2);
            (d.weight_base, d.param_base) = (d.weight_base % 4, d.param_base % 4);
            (d.col_tiles, d.out_height) = (d.col_tiles % 3 + 1, d.out_height % 6 + 1);
            (d.in_height, d.in_width) = (d.in_height % 6 + 1, d.in_width % 6 + 1);
            (d.out_width, d.clip) = (d.out_width % 6 + 1, d.clip % 0x8000);
            (d.flags.shortcut_pool, d.last_lanes) = (false, d.last_lanes % 5);
            d.flags.pool &= !d.flags.write_bits;
            d.col_gap = if d.flags.pool { 120 } else { d.col_gap % 8 };
        }
        d
    })
}

fn step() -> impl Strategy<Value = Step> {
    let offset = prop_oneof![4 => -2i16..3, 1 => any::<i16>()];
    let any_step = (any::<[i8; 3]>(), any::<u8>());
    let word = any::<u32>().prop_map(Step::decode);
    let decoded = (offset, word).prop_map(|(offset, step)| Step { offset, ..step });
    let wild = any_step.prop_map(|([dy, dx, shift], plane)| Step {
        dy,
        dx,
        shift,
        plane,
        ..Step::default()
    });
    prop_oneof![9 => decoded, 1 => wild]
}

fn program() -> impl Strategy<Value = Program> {
    let array = (0usize..5, 0usize..6, 4usize..9, 1u32..33);
    let layers = proptest::collection::vec(descriptor(), 0..3);
    let steps = proptest::collection::vec(step(), 4);
    let sizes = (1u16..5, 1u16..5, 0u16..4, any::<bool>());
    (array, layers, steps, sizes).prop_map(
        |((rows, cols, lanes, acc_bits), layers, steps, sizes)| {
            let (image_height, image_width, classes, tame) = sizes;
            let mut layers = layers;
            if tame {
                let count = layers.len();
                for (i, d) in layers.iter_mut().enumerate() {
                    d.flags.last_layer = i + 1 == count;
                    d.row_tiles = u16::try_from(usize::from(d.out_width).div_ceil(rows.max(1)))
                        .expect("small");
                }
            }
            let deep = if tame { 1 << 16 } else { 100 };
            Program {
                array: ArrayConfig { rows, cols, lanes, acc_bits },
                depths: MemoryDepths {
                    image: deep,
                    activation: deep,
                    weight: 64,
                    parameter: 64,
                    stream: deep,
                    logit: 8,
                    step: 8,
                    program: 100,
                },
                header: Header { image_height, image_width, classes },
                layers,
                steps,
                weights: vec![LaneMemory::ones(lanes, 64); cols],
                parameters: vec![vec![Parameter { mul: i16::MIN, bias: i32::MAX }; 64]; cols],
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn garbage_is_rejected_or_ends(program in program()) {
        if let Ok(mut simulator) = Simulator::new(&program) {
            let header = program.header;
            let pixels = usize::from(header.image_height) * usize::from(header.image_width);
            let execution = simulator.run(&vec![0x5a; pixels * 3]).expect("the image is valid");
            prop_assert_eq!(execution.layers.len(), program.layers.len());
            prop_assert_eq!(execution.logits.len(), usize::from(header.classes));
        }
    }
}
