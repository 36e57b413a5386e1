//! The accelerator behind AXI under Icarus Verilog: results and cycles while every port stalls, and
//! nothing that must be known is X or Z after a reset, the payload of a channel where it is valid.
//!
//! A missing Icarus fails these tests; it never skips them.

use super::loaded::Loaded;
use super::pins::DEPTHS;
use super::{BUS_32, BUS_64, GROUPS, SMALL, run_network, some_problems};
use heartbit_cosim::{Error, Icarus, Simulation, axi_design};
use heartbit_hdl::axi::AxiConfig;
use heartbit_ir::program::ArrayConfig;
use heartbit_tests::bus::bench::Bench;
use heartbit_tests::verilated::ModelPins;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn icarus() -> Icarus {
    Icarus::detect().unwrap_or_else(|error| {
        panic!("{error}: {}", error.help().unwrap_or_default());
    })
}

#[track_caller]
fn check_networks(array: &ArrayConfig, axi: AxiConfig, networks: std::ops::Range<usize>) {
    let design = axi_design(array, &DEPTHS, axi);
    assert!(design.watch.registers() > 100 && design.watch.outputs() == 21, "{:?}", design.watch);
    let model = icarus().model(design, None, None).expect("compiles");
    let mut bench = Bench::new(ModelPins::of(model), axi.data_bits.into());
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for (index, problem) in some_problems(networks.end, false).iter().enumerate() {
        if networks.contains(&index) {
            let loaded = Loaded::new(problem, array, 2);
            run_network(&mut bench, &loaded, axi, &mut rng, false)
                .unwrap_or_else(|error| panic!("network {index}: {error}\n{problem:#?}"));
        }
    }
}

#[test]
fn stalls_change_nothing_and_all_is_known_behind_a_bus_of_64_bits() {
    check_networks(&SMALL, BUS_64, 0..2);
}

#[test]
fn stalls_change_nothing_and_all_is_known_behind_a_bus_of_32_bits() {
    check_networks(&GROUPS, BUS_32, 1..2);
}

#[test]
fn register_of_the_bus_that_lost_its_reset_is_named() {
    let mut design = axi_design(&SMALL, &DEPTHS, BUS_64);
    let state = design.watch.states.iter().find(|state| state.path.ends_with(".supervisor"));
    let register = state.and_then(|state| state.registers.iter().find(|r| r.has_reset));
    let name = &register.expect("the supervisor has registers").name;
    let (_, text) =
        design.files.iter_mut().find(|(file, _)| file == "axi_supervisor.v").expect("a file");
    let from = format!("    if (rst) {name} <= ");
    let at = text.find(&from).expect("a reset");
    // The reset takes the register's own value.
    let end = at + text[at..].find(';').expect("a statement");
    text.replace_range(at..end, &format!("    if (rst) {name} <= {name}"));
    let expected = format!("heartbit_axi.supervisor.{name}");
    let mut model = icarus().model(design, None, None).expect("compiles");
    let reset = model.port("rst").expect("a reset");
    model.set(reset, 1);
    match model.run(4) {
        Err(Error::Unknown { signal, .. }) => assert_eq!(signal, expected),
        other => panic!("{other:?}"),
    }
}
