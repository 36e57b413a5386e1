//! The accelerator's description closes, its ports are those of microarchitecture.md, and RustHDL
//! simulates it like the native simulation.
//!
//! What it computes is compared in `heartbit-tests`, which knows the compiler.

use heartbit_hdl::{Direction, RustHdlBlock, Simulator, accelerator, emit};
use heartbit_ir::program::{
    ArrayConfig, Header, ImageStep, LayerDescriptor, LayerFlags, MemoryDepths, Parameter, Step,
    WeightRing,
};
use rust_hdl_core::prelude::{Block, simulate};

fn depths() -> MemoryDepths {
    MemoryDepths {
        image: 20,
        activation: 30,
        weight: 40,
        parameter: 3,
        stream: 50,
        logit: 2,
        step: 60,
        program: 70,
        ring: None,
    }
}

#[track_caller]
fn check_description(array: &ArrayConfig) {
    let &ArrayConfig { cols, lanes, acc_bits, extended, .. } = array;
    let module = accelerator(array, &depths());
    let ports = module.ports();
    let width = |name: &str| ports.iter().find(|p| p.name == name).map(|p| p.width as usize);
    assert_eq!(width("load_data"), Some(lanes.max(if extended { 135 } else { 56 })));
    assert_eq!(width("mon_sum"), Some(cols * (acc_bits as usize + 1)));
    for (name, bits) in [
        ("mon_shortcut", 16),
        ("mon_stream", 16),
        ("mon_logit", 32),
        ("mon_value", 16),
        ("mon_bit", 1),
        ("mon_pool", 8),
    ] {
        assert_eq!(width(name), Some(cols * bits), "{name}");
    }
    assert_eq!(width("mon_level"), extended.then_some(cols * 8));
    let files = emit(&module);
    assert_eq!(files.last().map(|f| f.name.as_str()), Some("heartbit"));
    for part in ["nonlinear", "levels"] {
        assert_eq!(files.iter().any(|f| f.name == part), extended, "{part}");
    }
}

#[test]
fn every_shape_has_a_description() {
    for rows in [1, 2, 3, 8] {
        for cols in [1, 2, 4, 7, 16, 37] {
            for lanes in [4, 5, 16, 37, 64] {
                // Every other shape is extended.
                let extended = (rows + cols + lanes) % 2 == 0;
                let mut array =
                    ArrayConfig { rows, cols, lanes, taps: 1, lines: 1, acc_bits: 14, extended };
                let taps = [4, 2].into_iter().find(|&taps| array.divides_into(taps));
                check_description(&array);
                array.taps = taps.unwrap_or(1);
                array.extended = !extended;
                array.lines = [4, 2, 1][(cols + lanes) % 3].min(1 << rows.trailing_zeros());
                check_description(&array);
            }
        }
    }
    let large = ArrayConfig {
        rows: 16,
        cols: 16,
        lanes: 128,
        taps: 4,
        lines: 1,
        acc_bits: 24,
        extended: true,
    };
    check_description(&large);
    check_description(&ArrayConfig { lines: 4, ..large });
    check_description(&ArrayConfig {
        rows: 2,
        cols: 2,
        lanes: 4,
        taps: 2,
        lines: 1,
        acc_bits: 1,
        ..large
    });
}

#[test]
fn weight_port_is_there_with_a_ring() {
    let array = ArrayConfig {
        rows: 2,
        cols: 6,
        lanes: 5,
        taps: 1,
        lines: 1,
        acc_bits: 14,
        extended: false,
    };
    let ports = |ring| {
        let module = accelerator(&array, &MemoryDepths { ring, ..depths() });
        let is_part = emit(&module).iter().any(|file| file.name == "weight_ring");
        assert_eq!(is_part, ring.is_some());
        let ports = module.ports();
        ["wt_valid", "wt_ready", "wt_data", "weight_wait"].map(|name| {
            ports.iter().find(|port| port.name == name).map(|port| (port.direction, port.width))
        })
    };
    assert_eq!(ports(None), [None; 4]);
    let (input, output) = (Direction::Input, Direction::Output);
    for (port_cols, bits) in [(1, 5), (2, 10), (6, 30)] {
        let expected = [(input, 1), (output, 1), (input, bits), (output, 1)].map(Some);
        assert_eq!(ports(Some(WeightRing { words: 32, port_cols })), expected);
    }
}

/// A write through the load port: target, index, address, word.
type Write = (u64, u64, u64, Vec<u64>);

/// One layer over an image of 3 x 2 pixels that averages it, twice over, into four levels, and a
/// second one that sends them as logits.
fn writes(array: &ArrayConfig) -> Vec<Write> {
    let header = Header {
        image_height: 3,
        image_width: 2,
        classes: 3,
        stem_kernel: 3,
        stem_stride: 1,
        image_tiles: 1,
    };
    let layer = LayerDescriptor {
        steps: 2,
        col_tiles: 2,
        row_tiles: 1,
        out_height: 3,
        out_width: 2,
        in_height: 3,
        in_width: 2,
        in_y_words: 1,
        last_lanes: 4,
        fan_in: 4,
        tile_gap: 1,
        drain_wait: 20,
        layer_gap: 30,
        clip: 100,
        value_clip: 90,
        level_bits: 8,
        out_plane_words: 1,
        ..LayerDescriptor::default()
    };
    let pool = LayerFlags { source_image: true, pool: true, ..LayerFlags::default() };
    // The map is two pixels wide, so a tile of more rows has room for more of its lines.
    let lines = u8::try_from(array.lines.min(array.rows / 2)).expect("bug: small");
    let send = LayerFlags { logits: true, last_layer: true, ..LayerFlags::default() };
    let layers = [
        LayerDescriptor { flags: pool, level_shift: 2, col_gap: 60, in_y_words: 0, ..layer },
        LayerDescriptor { flags: send, step_base: 2, lines, ..layer },
    ];
    let words = header.encode().into_iter().chain(layers.iter().flat_map(LayerDescriptor::encode));
    let mut out: Vec<_> = (0..).zip(words).map(|(i, word)| (0, 0, i, vec![word.into()])).collect();
    for (i, plane) in [(0, 7), (1, 6)] {
        let planes = [Some(plane), None];
        let image = ImageStep { planes, n_rows: 3, tap_first: true, ..ImageStep::default() };
        let map = Step { tap_first: true, double: i == 1, ..Step::default() };
        for group in 0..array.taps as u64 {
            out.push((1, group, i, vec![image.encode().into()]));
            out.push((1, group, 2 + i, vec![map.encode().into()]));
        }
    }
    for i in 0..8 {
        out.push((2, i % 2, i / 2, vec![0x9e37 >> i & 15]));
    }
    for i in 0..4 {
        let parameter = Parameter { mul: 3, bias: -i, at_most: i == 1, ..Parameter::default() };
        let mut word = parameter.encode().to_vec();
        if !array.extended {
            word = vec![word[0] & ((1 << 56) - 1)];
        }
        out.push((3, (i % 2).cast_unsigned(), (i / 2).cast_unsigned(), word));
    }
    out
}

#[track_caller]
fn check_rusthdl(array: &ArrayConfig) {
    let module = accelerator(array, &depths());
    let mut native = Simulator::new(&module);
    let mut block = RustHdlBlock::new(&module);
    block.connect_all();
    let outputs: Vec<_> = module.ports();
    let outputs: Vec<_> = outputs.iter().filter(|p| p.direction == Direction::Output).collect();
    let data_words = array.load_bits().div_ceil(64);
    let writes = writes(array);
    let mut states = std::collections::BTreeSet::new();
    let mut beats = 0;
    for cycle in 0..600_usize {
        let mut inputs = vec![("rst", vec![u64::from(cycle < 2)]), ("out_ready", vec![1])];
        let load = cycle.checked_sub(2).and_then(|at| writes.get(at));
        inputs.push(("load_en", vec![u64::from(load.is_some())]));
        if let Some((target, index, address, data)) = load {
            let mut data = data.clone();
            data.resize(data_words, 0);
            inputs.push(("load_target", vec![*target]));
            inputs.push(("load_index", vec![*index]));
            inputs.push(("load_addr", vec![*address]));
            inputs.push(("load_data", data));
        }
        inputs.push(("in_valid", vec![u64::from(cycle > writes.len() + 2)]));
        inputs.push(("in_data", vec![(cycle as u64 * 0x03_0507) & 0xff_ffff]));
        for (name, value) in inputs {
            native.set_words(name, &value);
            block.port_mut(name).next = value;
        }
        block.port_mut("clk").next = vec![0];
        assert!(simulate(&mut block, 10));
        for port in &outputs {
            let name = port.name.as_str();
            assert_eq!(block.port(name).value(), native.get_words(name), "{name} in {cycle}");
        }
        states.insert(native.get("mon_state"));
        beats += native.get("out_valid");
        native.step();
        block.port_mut("clk").next = vec![1];
        assert!(simulate(&mut block, 10));
    }
    assert_eq!(states.len(), 5, "every state was seen");
    assert!(beats >= 4, "three logits and a class were sent");
}

#[test]
fn rusthdl_simulates_the_accelerator_like_the_native_simulation() {
    let plain =
        ArrayConfig { rows: 2, cols: 2, lanes: 4, taps: 1, lines: 1, acc_bits: 8, extended: false };
    check_rusthdl(&plain);
    check_rusthdl(&ArrayConfig { taps: 2, lines: 2, extended: true, ..plain });
}
