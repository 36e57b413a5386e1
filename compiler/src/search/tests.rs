//! The search against the compiler, and its order.

use super::{Candidate, Capacity, Space, search};
use crate::fold::fold;
use crate::plan::plan;
use crate::predict::predict;
use crate::random;
use crate::resources::{Family, Model};
use crate::schedule::{Target, compile, outline};
use heartbit_ir::network::Network;
use heartbit_ir::program::ArrayShape;
use heartbit_model::Arch;

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
    let model = Model::of(Family::Ecp5);
    let capacity = Capacity { lut: Some(40_000), bram: Some(208), ..Capacity::default() };
    let find = || search(&network, &space, model, &capacity, || ()).expect("a plan");
    let found = find();
    assert!(found.scheduled > 48 && !found.fitting.is_empty(), "{found:?}");
    assert_eq!(found.fitting, find().fitting);
    assert!(found.fitting.is_sorted_by_key(|c| c.cycles));
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
    let found = search(&network, &space, Model::of(Family::Ecp5), &capacity, || ());
    let found = found.expect("a plan");
    assert!(found.best().is_none());
    let closest = found.closest.expect("something is closest");
    assert!(closest.area.bram > 10, "{closest:?}");
}
