//! RustHDL's own machinery on a described module.

mod support {
    pub(crate) mod array;
}

use heartbit_hdl::{RustHdlBlock, Simulator};
use rust_hdl_core::prelude::{Block, Sim, Simulation, generate_verilog, simulate};
use support::array::array;

const INPUTS: [&str; 4] = ["a_0", "a_1", "w_0", "w_1"];

/// The value of an input at a cycle.
fn stimulus(input: usize, cycle: u64) -> u64 {
    (cycle + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(u32::try_from(input).unwrap_or(0) * 9)
}

fn native(cycles: u64) -> Vec<u64> {
    let mut sim = Simulator::new(&array(2, 2, 64));
    sim.set("valid", 1);
    (0..cycles)
        .map(|cycle| {
            for (i, name) in INPUTS.iter().enumerate() {
                sim.set(name, stimulus(i, cycle));
            }
            sim.step();
            sim.get("acc_1")
        })
        .collect()
}

#[test]
fn simulate_loop_agrees_with_native_simulation() {
    let mut block = RustHdlBlock::new(&array(2, 2, 64));
    block.connect_all();
    block.port_mut("valid").next = vec![1];
    let mut seen = Vec::new();
    for cycle in 0..50 {
        for (i, name) in INPUTS.iter().enumerate() {
            block.port_mut(name).next = vec![stimulus(i, cycle)];
        }
        block.port_mut("clk").next = vec![0];
        assert!(simulate(&mut block, 10));
        block.port_mut("clk").next = vec![1];
        assert!(simulate(&mut block, 10));
        seen.push(block.port("acc_1").value()[0]);
    }
    assert_eq!(seen, native(50));
}

#[test]
fn simulation_writes_a_vcd_with_inner_registers() {
    let block = Box::new(RustHdlBlock::new(&array(2, 2, 64)));
    let mut simulation = Simulation::new();
    simulation.add_clock(5, |x: &mut Box<RustHdlBlock>| {
        let clk = x.port("clk").value()[0];
        x.port_mut("clk").next = vec![1 - clk];
    });
    simulation.add_testbench(|mut sim: Sim<RustHdlBlock>| {
        let mut x = sim.init()?;
        x.port_mut("valid").next = vec![1];
        for cycle in 0..20 {
            for (i, name) in INPUTS.iter().enumerate() {
                x.port_mut(name).next = vec![stimulus(i, cycle)];
            }
            x = sim.watch(|x| x.port("clk").value() == [1], x)?;
            x = sim.watch(|x| x.port("clk").value() == [0], x)?;
        }
        if x.port("acc_1").value()[0] != native(20)[19] {
            return sim.halt(x);
        }
        sim.done(x)
    });
    let mut vcd = Vec::new();
    let result = simulation.run_traced(block, 10_000, &mut vcd);
    assert!(result.is_ok(), "{result:?}");
    let vcd = String::from_utf8_lossy(&vcd);
    assert!(vcd.contains("$scope module pe_1_1") && vcd.contains("$var wire 16"), "{vcd:.600}");
}

#[test]
fn generate_verilog_wraps_the_emitted_text() {
    let mut block = RustHdlBlock::new(&array(2, 2, 64));
    block.connect_all();
    let text = generate_verilog(&block);
    let modules = text.lines().filter(|l| l.trim_start().starts_with("module ")).count();
    assert_eq!(modules, 4, "{text}");
    assert!(text.contains("array u_array (.clk(clk), .rst(rst)"), "{text}");
}
