//! The wrapper around an accelerator that meets an illegal descriptor, and says so; and that no
//! input reaches an output within a cycle.
//!
//! All else is checked with the real one, in `heartbit-tests`.

use super::registers::register_named;
use super::top::wrap;
use super::{AxiConfig, Hardware, heartbit_axi};
use crate::{Builder, Direction, Module, Simulator};
use heartbit_ir::program::{ArrayConfig, Header, LayerDescriptor, MemoryDepths, WeightRing};

/// Busy from the first pixel on; the second one it calls illegal.
fn fussy_core() -> Module {
    let m = Builder::new("heartbit", "Stands in for the accelerator.");
    let loads = [("load_en", 1), ("load_target", 3), ("load_index", 16), ("load_addr", 16)];
    for (name, width) in loads.into_iter().chain([("load_data", 56), ("in_data", 24)]) {
        m.discard(m.input(name, width, ""));
    }
    m.discard(m.input("out_ready", 1, ""));
    let valid = m.input("in_valid", 1, "");
    let busy = m.reg("busy_q", 1, 0);
    busy.next_when(valid, 1);
    m.output("in_ready", m.lit(1, 1), "");
    m.output("out_valid", m.lit(1, 0), "");
    m.output("out_data", m.lit(32, 0), "");
    m.output("out_last", m.lit(1, 0), "");
    m.output("busy", *busy, "");
    m.output("error", *busy & valid, "");
    m.finish()
}

fn write(sim: &mut Simulator, register: &str, value: u32) {
    sim.set("s_axi_awaddr", register_named(register).offset.into());
    sim.set("s_axi_wdata", value.into());
    sim.set("s_axi_wstrb", 15);
    sim.set("s_axi_awvalid", 1);
    sim.set("s_axi_wvalid", 1);
    sim.step();
    sim.set("s_axi_awvalid", 0);
    sim.set("s_axi_wvalid", 0);
    sim.step();
    assert_eq!((sim.get("s_axi_bvalid"), sim.get("s_axi_bresp")), (1, 0), "{register}");
    sim.step();
}

fn read(sim: &mut Simulator, register: &str) -> u64 {
    sim.set("s_axi_araddr", register_named(register).offset.into());
    sim.set("s_axi_arvalid", 1);
    sim.step();
    sim.set("s_axi_arvalid", 0);
    sim.step();
    assert_eq!((sim.get("s_axi_rvalid"), sim.get("s_axi_rresp")), (1, 0), "{register}");
    let value = sim.get("s_axi_rdata");
    sim.step();
    value
}

fn bit(register: &str, field: &str) -> u64 {
    1 << register_named(register).field(field).low
}

/// A program of one layer, legal as far as the inspector can see.
fn program() -> Vec<u32> {
    let header = Header {
        image_height: 2,
        image_width: 2,
        classes: 1,
        stem_kernel: 3,
        stem_stride: 1,
        image_tiles: 1,
    };
    let mut layer = LayerDescriptor {
        steps: 1,
        col_tiles: 1,
        row_tiles: 1,
        out_height: 1,
        out_width: 1,
        in_height: 1,
        in_width: 1,
        drain_wait: 9,
        layer_gap: 9,
        ..LayerDescriptor::default()
    };
    layer.flags.last_layer = true;
    header.encode().into_iter().chain(layer.encode()).collect()
}

pub(super) fn sizes() -> (ArrayConfig, MemoryDepths) {
    let array =
        ArrayConfig { rows: 1, cols: 1, lanes: 4, taps: 1, lines: 1, acc_bits: 9, extended: false };
    let depths = MemoryDepths { program: 23, ..MemoryDepths::uniform(1) };
    (array, depths)
}

#[test]
fn no_input_reaches_an_output_within_a_cycle() {
    let (array, mut depths) = sizes();
    depths.weight = 4;
    let ring = WeightRing { words: 4, port_cols: 1 };
    for (data_bits, ring) in [(32, None), (64, None), (32, Some(ring)), (64, Some(ring))] {
        let axi = AxiConfig { data_bits, address_bits: 33 };
        depths.ring = ring;
        let module = heartbit_axi(&array, &depths, axi);
        let outputs = module.ports().into_iter().filter(|p| p.direction == Direction::Output);
        for (port, inputs) in outputs.zip(&module.data.paths) {
            assert!(inputs.is_empty(), "{} depends on inputs {inputs:?}", port.name);
        }
    }
}

#[test]
fn illegal_descriptor_resets_the_accelerator() {
    let (array, depths) = sizes();
    let mut sim = Simulator::new(&wrap(
        &fussy_core(),
        &Hardware { axi: Some(AxiConfig::default()), array, depths },
    ));
    sim.set("rst", 1);
    sim.step();
    sim.set("rst", 0);
    for name in ["s_axi_bready", "s_axi_rready", "m_axis_tready"] {
        sim.set(name, 1);
    }
    write(&mut sim, "LOAD_SELECT", 0);
    for word in program() {
        write(&mut sim, "LOAD_DATA", word);
        write(&mut sim, "LOAD_DATA", 0);
    }
    write(&mut sim, "CONTROL", 2);
    let idle = bit("STATUS", "IDLE") | bit("STATUS", "LOADED");
    assert_eq!(read(&mut sim, "STATUS"), idle);

    sim.set("s_axis_tvalid", 1);
    sim.step();
    assert_eq!(read(&mut sim, "ERROR"), bit("ERROR", "ILLEGAL_DESCRIPTOR"));
    // The rest of the image is dropped; then the accelerator is as it was.
    assert_eq!(read(&mut sim, "STATUS") & bit("STATUS", "BUSY"), 0);
    assert_ne!(read(&mut sim, "STATUS") & bit("STATUS", "DISCARDING"), 0);
    sim.set("s_axis_tlast", 1);
    sim.step();
    sim.set("s_axis_tvalid", 0);
    let status = read(&mut sim, "STATUS");
    assert_eq!(status, idle | bit("STATUS", "ERROR"));
    let events = bit("EVENTS", "RESET") | bit("EVENTS", "ERROR");
    assert_eq!(read(&mut sim, "EVENTS"), events);
}
