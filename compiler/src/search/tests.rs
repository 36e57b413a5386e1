//! The search against the compiler, and its order.

use super::fit::{Budget, Capacity};
use super::fit::{shortages, weight_room};
use super::{Candidate, Found, Space, search};
use crate::fold::fold;
use crate::plan::plan;
use crate::predict::{back_to_back, predict};
use crate::random;
use crate::resources::{Design, Family, Model, Wrapper};
use crate::schedule::{Target, WeightPort, compile, outline};
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayShape, MemoryDepths, PortSlots};
use heartbit_model::Arch;
use std::collections::BTreeSet;

fn network(arch: Arch) -> Network {
    let checkpoint = random::checkpoint(arch, &arch.published(), 5).expect("published sizes");
    fold(&checkpoint).expect("a network")
}

/// Arrays of which each is unlike the others: packed stems, lane groups, lines, more columns than
/// lanes, sizes that divide nothing.
const SHAPES: [&str; 6] = ["8x8x16", "8x16x64", "16x16x32", "3x9x32", "5x11x44", "1x64x64"];

#[test]
fn outline_is_the_program_without_its_memories() {
    for arch in [Arch::ResNet20, Arch::VggSmallOvsw] {
        let network = network(arch);
        let plan = plan(&network).expect("a plan");
        for shape in SHAPES {
            let shape: ArrayShape = shape.parse().expect("a shape");
            for (taps, lines) in [(None, None), (Some(2), Some(1))] {
                let target = Target { taps, lines, ..Target::sized_for_network(shape) };
                let (compiled, fast) =
                    (compile(&network, &target), outline(&network, &plan, &target));
                let (compiled, fast) = match (compiled, fast) {
                    (Ok(compiled), Ok(fast)) => (compiled, fast),
                    (compiled, fast) => {
                        assert_eq!(compiled.err(), fast.err(), "{arch} on {shape}");
                        continue;
                    }
                };
                let program = &compiled.program;
                assert_eq!(fast.array, program.array, "{arch} on {shape}");
                assert_eq!(fast.depths, program.depths, "{arch} on {shape}");
                assert_eq!(fast.layers, program.layers, "{arch} on {shape}");
                assert_eq!(fast.cycles(), predict(program), "{arch} on {shape}");
            }
        }
    }
}

#[test]
fn search_finds_the_compilers_cycles_in_a_fixed_order() {
    let network = network(Arch::ResNet20);
    let space = Space { rows: vec![2, 4, 7, 8], cols: vec![4, 8, 16], lanes: vec![8, 16, 32, 64] };
    let capacity = Capacity { lut: Some(40_000), bram: Some(208), ..Capacity::default() };
    let budget = Budget { family: Family::Ecp5, wrapper: Wrapper::None, capacity };
    let find = || search(&network, &space, &budget, &|_| None, || ()).expect("a plan");
    let found = find();
    assert!(found.scheduled > 48 && !found.fitting.is_empty(), "{found:?}");
    assert_eq!(found.fitting, find().fitting);
    assert!(found.fitting.is_sorted_by_key(|c| c.cycles));
    assert!(found.fitting.iter().all(Candidate::is_plain));
    assert!(found.fitting.iter().all(|c| c.area.lut <= 40_000 && c.area.bram <= 208));
    for Candidate { array, depths, cycles, .. } in found.front().into_iter().cloned() {
        let shape = ArrayShape { rows: array.rows, cols: array.cols, lanes: array.lanes };
        let target = Target {
            taps: Some(array.taps),
            lines: Some(array.lines),
            ..Target::sized_for_network(shape)
        };
        let program = compile(&network, &target).expect("it was found").program;
        assert_eq!((program.array, program.depths), (array, depths));
        assert_eq!(predict(&program).total().0, cycles);
    }
    let front = found.front();
    assert_eq!(front.first().map(|c| c.cycles), found.best().map(|c| c.cycles));
    assert!(front.is_sorted_by(|a, b| a.cycles < b.cycles && a.area.lut > b.area.lut));
}

#[test]
fn nothing_that_fits_leaves_the_closest() {
    let network = network(Arch::ResNet20);
    let space = Space { rows: vec![1, 2], cols: vec![4], lanes: vec![16] };
    let capacity = Capacity { bram: Some(10), ..Capacity::default() };
    let budget = Budget { family: Family::Ecp5, wrapper: Wrapper::None, capacity };
    let found = search(&network, &space, &budget, &|_| None, || ());
    let found = found.expect("a plan");
    assert!(found.best().is_none());
    let closest = found.closest.expect("something is closest");
    assert!(closest.area.bram > 10, "{closest:?}");
}

#[test]
fn weight_port_makes_arrays_fit_whose_weights_do_not() {
    let network = network(Arch::ResNet20);
    let space = Space { rows: vec![4], cols: vec![4, 6], lanes: vec![16] };
    let model = Model::of(Family::Ecp5);
    let shape = "4x4x16".parse().expect("a shape");
    let all = compile(&network, &Target::sized_for_network(shape)).expect("fits").program;
    let some = MemoryDepths { weight: 1024, ..all.depths };
    let bram = model.area(&Design::bare(all.array, some)).bram;
    let capacity = Capacity { bram: Some(bram), ..Capacity::default() };
    let slots = PortSlots::at_rate(0, 1, 2);
    let port = WeightPort { cols: 4, slots, ring: None, room: None };
    let budget = Budget { family: Family::Ecp5, wrapper: Wrapper::None, capacity };
    let find = |port: Option<WeightPort>| {
        search(&network, &space, &budget, &|_| port.clone(), || ()).expect("a plan")
    };
    assert!(find(None).fitting.is_empty());
    let found = find(Some(port.clone()));
    // Beats of 4 columns do not divide 6.
    assert!(!found.fitting.is_empty() && found.fitting.iter().all(|c| c.array.cols == 4));
    assert!(found.fitting.iter().all(|c| c.depths.ring.is_some() && c.port.is_some()));
    check_promises(&network, &budget, &found);
}

/// Compiling an array of the front for the same FPGA gives exactly what the search says.
#[track_caller]
fn check_promises(network: &Network, budget: &Budget, found: &Found) {
    let front = found.front();
    assert!(!front.is_empty());
    for Candidate { array, depths, bands, port, streamed, cycles, rhythm, area } in
        front.into_iter().cloned()
    {
        let shape = ArrayShape { rows: array.rows, cols: array.cols, lanes: array.lanes };
        let target = Target {
            taps: Some(array.taps),
            lines: Some(array.lines),
            weight_port: port,
            budget: Some(*budget),
            ..Target::sized_for_network(shape)
        };
        let compiled = compile(network, &target).expect("it was found");
        let program = &compiled.program;
        assert_eq!((program.array, program.depths), (array, depths));
        assert_eq!(compiled.sequence.bands, bands);
        assert_eq!(program.layers.iter().filter(|l| l.flags.stream_weights).count(), streamed);
        assert_eq!((predict(program).total().0, back_to_back(program)), (cycles, rhythm));
        assert_eq!(budget.area(&array, &depths), area);
        assert!(budget.fits(&array, &depths));
    }
}

/// So few block memories that whole maps have no place, then weights neither.
#[test]
fn arrays_fit_in_bands_and_with_streamed_weights_as_they_are_compiled() {
    let network = network(Arch::ResNet20);
    let space = Space { rows: vec![7, 8], cols: vec![4], lanes: vec![16] };
    let slots = PortSlots::at_rate(20, 1, 1);
    let port = WeightPort { cols: 2, slots, ring: None, room: None };
    // In bands, with streamed weights, and both.
    let mut seen = BTreeSet::new();
    for (bram, has_port) in [(56, false), (44, true)] {
        let capacity = Capacity { bram: Some(bram), ..Capacity::default() };
        let budget = Budget { family: Family::Ecp5, wrapper: Wrapper::None, capacity };
        let ports = |_: &ArrayShape| has_port.then(|| port.clone());
        let found = search(&network, &space, &budget, &ports, || ()).expect("a plan");
        check_promises(&network, &budget, &found);
        let front = found.front();
        seen.extend(front.into_iter().map(|c| (c.bands.is_some(), c.port.is_some())));
    }
    let expected = [(true, false), (false, true), (true, true)];
    assert_eq!(seen, BTreeSet::from(expected));
}

#[test]
fn weight_room_is_the_last_that_fits() {
    let network = network(Arch::ResNet20);
    let target = Target::sized_for_network("4x4x16".parse().expect("a shape"));
    let program = compile(&network, &target).expect("fits").program;
    let design = Design::bare(program.array, program.depths);
    for family in Family::ALL {
        let model = Model::of(family);
        let area = |weight| {
            let depths = MemoryDepths { weight, ..design.depths };
            model.area(&Design { depths, ..design })
        };
        for weight in [256, 1024, 3000] {
            let capacity = Capacity { bram: Some(area(weight).bram), ..Capacity::default() };
            let room = weight_room(model, &design, &capacity).expect("so many fit");
            assert!(room >= weight, "{family}: {room} words");
            assert!(shortages(&area(room), &capacity).is_empty());
            assert!(!shortages(&area(2 * room), &capacity).is_empty(), "{family}: {room} words");
        }
        let none = Capacity { bram: Some(0), ..Capacity::default() };
        assert_eq!(weight_room(model, &design, &none), None);
    }
}
