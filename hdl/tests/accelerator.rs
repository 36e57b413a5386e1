//! The accelerator's description closes, its ports are those of microarchitecture.md, and RustHDL
//! simulates it like the native simulation.
//!
//! What it computes is compared in `heartbit-tests`, which knows the compiler.

use heartbit_hdl::{Direction, RustHdlBlock, Simulator, accelerator, emit};
use heartbit_ir::program::{ArrayConfig, Header, LayerDescriptor, LayerFlags, MemoryDepths, Step};
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
    }
}

#[track_caller]
fn check_description(rows: usize, cols: usize, lanes: usize, acc_bits: u32) {
    let array = ArrayConfig { rows, cols, lanes, acc_bits };
    let module = accelerator(&array, &depths());
    let width = |name: &str| {
        let ports = module.ports();
        let port = ports.iter().find(|p| p.name == name);
        port.unwrap_or_else(|| panic!("bug: no port `{name}`")).width as usize
    };
    assert_eq!(width("load_data"), lanes.max(48));
    assert_eq!(width("mon_sum"), cols * (acc_bits as usize + 1));
    assert_eq!(width("mon_shortcut"), cols * 16);
    assert_eq!(width("mon_stream"), cols * 16);
    assert_eq!(width("mon_logit"), cols * 32);
    assert_eq!(width("mon_pool"), cols * 8);
    let files = emit(&module);
    assert_eq!(files.last().map(|f| f.name.as_str()), Some("heartbit"));
}

#[test]
fn every_shape_has_a_description() {
    for rows in [1, 2, 3, 8] {
        for cols in [1, 2, 4, 7, 16, 37] {
            for lanes in [4, 5, 16, 37, 64] {
                check_description(rows, cols, lanes, 14);
            }
        }
    }
    check_description(16, 16, 128, 24);
    check_description(2, 2, 4, 1);
}

/// One layer over an image of 3 x 2 pixels that averages it, twice over, into four levels, and a
/// second one that sends them as logits.
fn words() -> Vec<(u64, u64, u64)> {
    let header = Header { image_height: 3, image_width: 2, classes: 3 };
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
        clip: 100,
        ..LayerDescriptor::default()
    };
    let pool = LayerFlags { source_image: true, pool: true, ..LayerFlags::default() };
    let send = LayerFlags { logits: true, last_layer: true, ..LayerFlags::default() };
    let layers = [
        LayerDescriptor { flags: pool, pool_shift: 2, col_gap: 50, ..layer },
        LayerDescriptor { flags: send, ..layer },
    ];
    let words = header.encode().into_iter().chain(layers.iter().flat_map(LayerDescriptor::encode));
    let mut out: Vec<_> = (0..).zip(words).map(|(i, word)| (0, i, u64::from(word))).collect();
    for i in 0..2 {
        let step = Step { plane: 7 - u8::from(i == 1), tap_first: true, ..Step::default() };
        out.push((1, i, step.encode().into()));
    }
    out.extend((0..8).map(|i| (2, i / 2 + i % 2 * 0x10_000, 0x9e37 >> i & 15)));
    out.extend((0..4).map(|i| (3, i / 2 + i % 2 * 0x10_000, 3 + i)));
    out
}

#[test]
fn rusthdl_simulates_the_accelerator_like_the_native_simulation() {
    let array = ArrayConfig { rows: 2, cols: 2, lanes: 4, acc_bits: 8 };
    let module = accelerator(&array, &depths());
    let mut native = Simulator::new(&module);
    let mut block = RustHdlBlock::new(&module);
    block.connect_all();
    let outputs: Vec<_> = module.ports();
    let outputs: Vec<_> = outputs.iter().filter(|p| p.direction == Direction::Output).collect();
    let words = words();
    let mut states = std::collections::BTreeSet::new();
    for cycle in 0..500_usize {
        let mut inputs = vec![("rst", u64::from(cycle < 2)), ("out_ready", 1)];
        // The load port's index is in the upper half.
        let load = cycle.checked_sub(2).and_then(|at| words.get(at));
        inputs.push(("load_en", u64::from(load.is_some())));
        if let Some((target, place, data)) = load {
            inputs.push(("load_target", *target));
            inputs.push(("load_index", place >> 16));
            inputs.push(("load_addr", place & 0xffff));
            inputs.push(("load_data", *data));
        }
        inputs.push(("in_valid", u64::from(cycle > words.len() + 2)));
        inputs.push(("in_data", (cycle as u64 * 0x03_0507) & 0xff_ffff));
        for (name, value) in inputs {
            native.set(name, value);
            block.port_mut(name).next = vec![value];
        }
        block.port_mut("clk").next = vec![0];
        assert!(simulate(&mut block, 10));
        for port in &outputs {
            let name = port.name.as_str();
            assert_eq!(block.port(name).value(), native.get_words(name), "{name} in {cycle}");
        }
        states.insert(native.get("mon_state"));
        native.step();
        block.port_mut("clk").next = vec![1];
        assert!(simulate(&mut block, 10));
    }
    assert_eq!(states.len(), 5, "every state was seen");
}
