//! The accelerator's description closes and its ports are those of microarchitecture.md.

use heartbit_hdl::{accelerator, emit};
use heartbit_ir::program::{ArrayConfig, MemoryDepths};

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
