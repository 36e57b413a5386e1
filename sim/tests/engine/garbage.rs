//! Programs of drawn numbers: each is rejected, or ends. Most are repaired in part, so that many
//! run; those that the fast engine takes have the simulator's results there.

use crate::network::Numbers;
use heartbit_ir::program::{
    ArrayConfig, Execution, Header, Join, LaneMemory, LayerDescriptor, MemoryDepths, Parameter,
    PortSlots, Program, Shortcut, WeightRing, WeightStream,
};
use heartbit_sim::Simulator;
use heartbit_sim::fast::Engine;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;

/// Steps 0 to 3 read the image, the rest reads maps.
const IMAGE_STEPS: u16 = 4;
const STEPS: usize = 8;

/// Numbers of which many are small, so that some programs are nearly right.
fn field() -> impl Strategy<Value = u16> {
    prop_oneof![6 => 0u16..4, 3 => 0u16..40, 1 => any::<u16>()]
}

fn descriptor() -> impl Strategy<Value = LayerDescriptor> {
    let streams = prop::bool::weighted(0.3);
    (proptest::collection::vec(field(), 42), 0u8..5, 0u8..5, streams).prop_map(
        |(half, copies, lines, streams)| {
            let words =
                std::array::from_fn(|i| u32::from(half[2 * i]) | u32::from(half[2 * i + 1]) << 16);
            let mut d = LayerDescriptor::decode(words);
            // A few numbers of copies and lines that no word encodes.
            (d.out_copies, d.lines) = (copies, lines);
            d.flags.stream_weights = streams;
            d
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<u32>> {
    let step = (prop_oneof![4 => -2i16..3, 1 => any::<i16>()], any::<u32>());
    proptest::collection::vec(step, STEPS).prop_map(|steps| {
        let word = |(i, &(offset, word)): (usize, &(i16, u32))| {
            if i < usize::from(IMAGE_STEPS) {
                word & 0x600f_0047 | 1 << (8 + word % 2)
            } else {
                // A shift of 2 becomes 0.
                let shift = |low: u32| if word >> low & 3 == 2 { 0 } else { word & 3 << low };
                word & 0xe4ff_0000 | shift(24) | shift(27) | u32::from(offset.cast_unsigned())
            }
        };
        steps.iter().enumerate().map(word).collect()
    })
}

fn parameter() -> impl Strategy<Value = Parameter> {
    let extreme = Parameter {
        mul: i16::MIN,
        bias: (1 << 39) - 1,
        minimum: true,
        before: -(1 << 21),
        slope: i16::MIN,
        after: -(1 << 21),
        threshold: -(1 << 16),
        at_most: true,
    };
    let plain = Parameter { mul: i16::MIN, bias: -(1 << 39), ..Parameter::default() };
    prop_oneof![Just(extreme), Just(plain)]
}

/// A ring that may be none, and slots that need not be.
fn ring() -> impl Strategy<Value = Option<(WeightRing, PortSlots)>> {
    let words = prop_oneof![3 => Just(4usize), 1 => 0usize..40];
    let pattern = proptest::collection::vec(prop::bool::weighted(0.7), 0..6);
    let latency = prop_oneof![9 => 0u64..99, 1 => any::<u64>()];
    let ring = (words, 0usize..4, latency, pattern);
    proptest::option::of(ring.prop_map(|(words, port_cols, latency, pattern)| {
        (WeightRing { words, port_cols }, PortSlots { latency, pattern })
    }))
}

fn program() -> impl Strategy<Value = Program> {
    let array = (0usize..5, 0usize..6, 4usize..9, 0usize..5, 0usize..5, 1u32..33, any::<bool>());
    let array = array.prop_map(|(rows, cols, lanes, taps, lines, acc_bits, extended)| {
        ArrayConfig { rows, cols, lanes, taps, lines, acc_bits, extended }
    });
    let layers = proptest::collection::vec(descriptor(), 0..4);
    let header = (1u16..5, 1u16..5, 0u16..4, any::<bool>());
    let deep = prop_oneof![Just(100usize), Just(1 << 16)];
    let rest = (parameter(), deep, ring(), prop::bool::weighted(0.8));
    (array, layers, steps(), header, rest).prop_map(
        |(array, layers, steps, header, (parameter, deep, ring, repaired))| {
            let (image_height, image_width, classes, seven) = header;
            let (stem_kernel, stem_stride) = if seven { (7, 2) } else { (3, 1) };
            let mut program = Program {
                array,
                depths: MemoryDepths {
                    image: deep,
                    activation: deep,
                    weight: 64,
                    parameter: 200,
                    stream: deep,
                    logit: 8,
                    step: STEPS,
                    program: 100,
                    ring: ring.as_ref().map(|(ring, _)| *ring),
                },
                header: Header {
                    image_height,
                    image_width,
                    classes,
                    stem_kernel,
                    stem_stride,
                    image_tiles: 1,
                },
                layers,
                steps: vec![],
                weights: vec![],
                weight_stream: None,
                parameters: vec![],
            };
            if repaired {
                repair(&mut program);
            }
            let ArrayConfig { cols, lanes, taps, extended, .. } = program.array;
            let kept = if repaired && !extended { Parameter::default() } else { parameter };
            // Tiles of one line have no `line_shift`.
            let folds = program.layers.iter().all(|d| d.lines > 1 || d.flags.source_image);
            let kept_bits = if repaired && !folds { !(3 << 27) } else { u32::MAX };
            program.steps = vec![steps.iter().map(|word| word & kept_bits).collect(); taps];
            let words = if ring.is_some() { 24 } else { 64 };
            program.weights = vec![LaneMemory::ones(lanes, words); cols];
            program.weight_stream = ring.map(|(_, slots)| {
                let columns = vec![LaneMemory::ones(lanes, streamed(&program)); cols];
                WeightStream { columns, slots }
            });
            program.parameters = vec![vec![kept; 200]; cols];
            program
        },
    )
}

/// Words of the sequence that is streamed.
fn streamed(program: &Program) -> usize {
    let streams = program.layers.iter().filter(|d| d.flags.stream_weights);
    let words = |d: &LayerDescriptor| usize::from(d.col_tiles) * usize::from(d.steps);
    // Not more than a test has time for; too few are an error.
    streams.map(words).sum::<usize>().min(1000)
}

/// Makes the array, the header and most fields what they must be.
fn repair(program: &mut Program) {
    let (array, header) = (&mut program.array, &mut program.header);
    (array.rows, array.cols) = (array.rows.max(1), array.cols.max(1));
    array.acc_bits = array.acc_bits.min(31);
    array.taps = array.taps.next_power_of_two();
    array.lines = array.lines.next_power_of_two();
    array.rows = array.rows.next_multiple_of(array.lines);
    if array.taps > 1 {
        array.lanes = array.cols * array.taps * if array.cols == 1 { 4 } else { 2 };
    }
    if !array.extended {
        (header.stem_kernel, header.stem_stride) = (3, 1);
    }
    let outputs = header.image_width.div_ceil(header.stem_stride.into());
    header.image_tiles = tiles(outputs, array);
    let last = program.layers.len().saturating_sub(1);
    for (i, d) in program.layers.iter_mut().enumerate() {
        d.flags.source_image &= i != 1;
        d.flags.last_layer = i == last;
        repair_layer(d, array);
        if d.flags.source_image {
            (d.steps, d.step_base) = (d.steps % 3 + 1, 0);
            (d.out_width, d.in_height) = (outputs, header.image_height);
            d.flags.stride_2 = header.stem_stride == 2;
            d.in_base %= 6;
            (d.in_y_words, d.in_xt_words) = (d.in_base / 3 * header.image_tiles, d.in_base % 3);
        }
        repair_lines(d, array);
        d.row_tiles = tiles(d.out_width, array);
        header.classes = header.classes.clamp(1, d.col_tiles);
    }
    let image = program.layers.iter().rposition(|d| d.flags.source_image).unwrap_or(0);
    let ring = &mut program.depths.ring;
    if let Some(ring) = ring.as_mut().filter(|ring| !array.cols.is_multiple_of(ring.port_cols)) {
        ring.port_cols = 1;
    }
    for (i, d) in program.layers.iter_mut().enumerate() {
        d.flags.keep_image = i < image;
        d.flags.stream_weights &= ring.is_some();
        d.weight_base += ring.map_or(0, |ring| u16::try_from(ring.words).expect("small"));
    }
}

fn tiles(outputs: u16, array: &ArrayConfig) -> u16 {
    u16::try_from(usize::from(outputs).div_ceil(array.rows)).expect("small")
}

/// The most lines, or one; then the width of the result fits into them, or it is one.
fn repair_lines(d: &mut LayerDescriptor, array: &ArrayConfig) {
    let most = u8::try_from(array.lines).expect("small");
    let pitch = u16::try_from(array.rows / array.lines).expect("small");
    d.out_lines = if d.out_lines > 1 && !d.flags.out_flat { most } else { 1 };
    d.lines = if d.lines > 1 && !d.flags.source_image { most } else { 1 };
    if d.flags.out_flat {
        d.lines = 1;
    } else if d.lines > 1 {
        d.out_lines = most;
    }
    if d.flags.source_image {
        if d.out_width > pitch {
            d.out_lines = 1;
        }
    } else if d.lines > 1 || d.out_lines > 1 {
        d.out_width = (d.out_width - 1) % pitch + 1;
    }
}

fn repair_layer(d: &mut LayerDescriptor, array: &ArrayConfig) {
    (d.drain_wait, d.tile_gap, d.layer_gap) = (100, 800, 100 + d.layer_gap % 99);
    (d.steps, d.step_base) = (d.steps % 3 + 1, IMAGE_STEPS + d.step_base % 2);
    (d.weight_base, d.param_base) = (d.weight_base % 4, d.param_base % 4);
    (d.col_tiles, d.out_height) = (d.col_tiles % 3 + 1, d.out_height % 6 + 1);
    (d.in_height, d.in_width) = (d.in_height % 6 + 1, d.in_width % 6 + 1);
    (d.out_width, d.clip) = (d.out_width % 6 + 1, d.clip % 0x8000);
    (d.value_clip, d.level_bits) = (d.value_clip % 0x8000, d.level_bits % 8 + 1);
    if !array.extended {
        (d.flags.write_levels, d.flags.out_flat, d.value_shift) = (false, false, 0);
        d.shortcut.stride_2 &= d.shortcut.join != Join::Add;
        if d.shortcut.join == Join::Extreme {
            d.shortcut = Shortcut::default();
        }
    }
    d.flags.write_levels &= !d.flags.write_bits;
    d.flags.pool &= !(d.flags.write_bits || d.flags.write_levels);
    d.flags.out_flat &= !d.flags.out_stride_2;
    d.col_gap = if d.flags.pool { 120 } else { d.col_gap % 8 };
    if d.flags.out_flat {
        d.out_xt_words %= 100;
        d.out_phase_words = d.out_xt_words * u16::try_from(array.rows - 1).expect("small");
    }
    d.in_copies = d.in_copies.min(u8::try_from(array.taps).expect("small"));
    d.last_lanes %= 5;
    if array.taps == 1 || usize::from(d.col_tiles) > array.slices_per_word() / 4 {
        d.out_copies = 1;
    }
    let s = &mut d.shortcut;
    match s.join {
        Join::None => *s = Shortcut::default(),
        Join::Add => (s.window, s.padding) = (1, false),
        Join::Average => (s.window, s.stride_2, s.padding) = (2, true, false),
        Join::Extreme => {
            s.window = s.window.max(1 + u8::from(s.padding));
            d.in_height = d.in_height.max(2 * d.out_height);
            d.in_width = d.in_width.max(2 * d.out_width);
        }
    }
}

/// Runs a program if it is accepted.
fn accepted(program: &Program) -> bool {
    let Ok(mut simulator) = Simulator::new(program) else { return false };
    let header = program.header;
    let pixels = usize::from(header.image_height) * usize::from(header.image_width);
    let image = vec![0x5a; pixels * 3];
    let execution = simulator.run_at(&image, 0).expect("the image is valid");
    assert_eq!(execution.layers.len(), program.layers.len());
    assert_eq!(execution.logits.len(), usize::from(header.classes));
    simulator.run(&image).expect("the image is valid");
    true
}

/// Runs a program on the fast engine if it takes it: every tensor of two images is the simulator's.
fn is_the_same_layer_by_layer(program: &Program) -> bool {
    let Ok(mut engine) = Engine::new(program) else { return false };
    let mut simulator = Simulator::new(program).expect("the engine takes no other programs");
    // Images of which nothing is recorded take another way, and leave the same behind.
    let mut lean = engine.clone();
    let header = program.header;
    let bytes = usize::from(header.image_height) * usize::from(header.image_width) * 3;
    for image in [Numbers(1).bytes(bytes), Numbers(2).bytes(bytes)] {
        let expected = simulator.run(&image).expect("the image is valid");
        let lean = lean.run_logits(&image).expect("the image is valid");
        assert_eq!(engine.run(&image).expect("the image is valid"), expected, "{program:?}");
        assert_eq!(lean, Execution { layers: vec![], ..expected }, "{program:?}");
    }
    true
}

#[test]
fn garbage_is_rejected_or_ends() {
    let (runs, folded, fast) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let (bands, streamed) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(6000));
    let result = runner.run(&program(), |program| {
        if accepted(&program) {
            let folds = program.layers.iter().any(|d| d.lines > 1);
            runs.set(runs.get() + 1);
            folded.set(folded.get() + usize::from(folds));
            let kept = program.layers.iter().any(|d| d.flags.keep_image);
            bands.set(bands.get() + usize::from(kept));
            let streams = program.layers.iter().any(|d| d.flags.stream_weights);
            streamed.set(streamed.get() + usize::from(streams));
            fast.set(fast.get() + usize::from(is_the_same_layer_by_layer(&program)));
        }
        Ok(())
    });
    assert_eq!(result, Ok(()));
    assert!(fast.get() > 200, "only {} of {} programs ran layer by layer", fast.get(), runs.get());
    assert!(runs.get() > 400, "only {} programs ran", runs.get());
    assert!(folded.get() > 200, "only {} programs with tiles of several lines ran", folded.get());
    assert!(bands.get() > 8, "only {} programs that read the image again ran", bands.get());
    assert!(streamed.get() > 60, "only {} programs with streamed weights ran", streamed.get());
}
