//! Streamed weights: the results of resident ones, in the cycles of a ring that is stepped
//! (`stepped`).

mod stepped;

use crate::compile::compile;
use crate::compile::stream::stream;
use crate::layers::{Draw, draws};
use crate::network::Numbers;
use heartbit_ir::program::{Execution, PortSlots, Program, WeightRing};
use heartbit_sim::{Error, MAX_START, Simulator};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use stepped::Stepped;

/// A network of which some layers are streamed.
#[derive(Clone, Debug)]
struct Case {
    draw: Draw,
    /// Layers with streamed weights, over and over.
    streams: Vec<bool>,
    /// Doublings of the smallest ring.
    doublings: u32,
    /// Which divisor of the columns a beat has.
    port: usize,
    slots: PortSlots,
    /// Cycles after the earliest one in which images begin, or `None` to wait for a full ring.
    starts: Vec<Option<u64>>,
}

fn slots() -> impl Strategy<Value = PortSlots> {
    let patterns = proptest::collection::vec(prop::bool::weighted(0.1), 0..40);
    let drawn = (0u64..300, patterns, any::<bool>()).prop_map(|(latency, mut pattern, front)| {
        pattern.insert(if front { 0 } else { pattern.len() }, true);
        PortSlots { latency, pattern }
    });
    let even = (0u64..50, 1u32..8, 0u32..8)
        .prop_map(|(latency, beats, more)| PortSlots::at_rate(latency, beats, beats + more));
    prop_oneof![drawn, even]
}

fn cases() -> impl Strategy<Value = Case> {
    let streams = proptest::collection::vec(prop::bool::weighted(0.7), 1..6);
    let starts = proptest::collection::vec(proptest::option::of(0u64..700), 4);
    (draws(), streams, 0u32..3, 0usize..4, slots(), starts).prop_map(
        |(draw, streams, doublings, port, slots, starts)| Case {
            draw,
            streams,
            doublings,
            port,
            slots,
            starts,
        },
    )
}

impl Case {
    /// The program with resident weights, and with streamed ones.
    fn programs(&self) -> (Program, Program, Numbers) {
        let (net, lines, numbers) = self.draw.network();
        let resident = compile(&net, self.draw.array, self.draw.copies, &lines).program;
        let layers = resident.layers.len();
        let streams: Vec<bool> = self.streams.iter().copied().cycle().take(layers).collect();
        let streamed = resident.layers.iter().zip(&streams).filter(|(_, streams)| **streams);
        let most = streamed.map(|(d, _)| usize::from(d.steps)).max().unwrap_or(1);
        let cols = self.draw.array.cols;
        let divisors: Vec<usize> = (1..=cols).filter(|w| cols.is_multiple_of(*w)).collect();
        let ring = WeightRing {
            words: most.next_power_of_two().max(2) << self.doublings,
            port_cols: divisors[self.port % divisors.len()],
        };
        let mut program = resident.clone();
        stream(&mut program, ring, self.slots.clone(), &streams);
        (resident, program, numbers)
    }
}

/// Runs a few images with resident and with streamed weights; returns the waits of each.
fn check(case: &Case) -> Vec<u64> {
    let (resident, program, mut numbers) = case.programs();
    let mut expected = Simulator::new(&resident).expect("valid");
    let mut simulator = Simulator::new(&program).expect("valid");
    let streams = program.layers.iter().any(|d| d.flags.stream_weights);
    let mut stepped = streams.then(|| Stepped::new(&program));
    let header = program.header;
    let pixels = usize::from(header.image_height) * usize::from(header.image_width);
    let mut waits = Vec::new();
    for &start in &case.starts {
        let image = numbers.bytes(pixels * 3);
        let start = start.map(|after| stepped.as_ref().map_or(0, |ring| ring.earliest) + after);
        let mut twin = simulator.clone();
        let execution = match start {
            Some(start) => simulator.run_at(&image, start),
            None => simulator.run(&image),
        };
        let execution = execution.expect("valid");
        let without = expected.run(&image).expect("valid");
        let (start, layer_cycles) = match &mut stepped {
            Some(ring) => ring.run(&program, start),
            None => (0, without.layer_cycles.clone()),
        };
        assert_eq!((execution.start, &execution.layer_cycles), (start, &layer_cycles));
        waits.push(layer_cycles.iter().sum::<u64>() - without.layer_cycles.iter().sum::<u64>());
        // A clone has its own ring, and runs as the other one would have.
        assert_eq!(twin.run_at(&image, start).expect("valid"), execution);
        assert_eq!(execution, Execution { start, layer_cycles, ..without });
    }
    waits
}

#[test]
fn streamed_weights_give_the_same_results_in_the_cycles_of_a_stepped_ring() {
    let (waiting, full) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    let result = runner.run(&cases(), |case| {
        let waits = check(&case);
        let images = |waits: &[u64], some: bool| waits.iter().filter(|&&n| (n > 0) == some).count();
        waiting.set(waiting.get() + images(&waits, true));
        full.set(full.get() + images(&waits, false));
        Ok(())
    });
    result.expect("all cases agree");
    assert!(waiting.get() > 200, "only {} images waited for weights", waiting.get());
    assert!(full.get() > 100, "only {} images did not wait", full.get());
}

/// Networks of which all layers are streamed, with a ring as small as can be.
#[test]
fn all_layers_pass_through_the_smallest_ring() {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(50));
    let result = runner.run(&cases(), |case| {
        check(&Case { streams: vec![true], doublings: 0, ..case });
        Ok(())
    });
    result.expect("all cases agree");
}

#[test]
fn images_begin_neither_too_early_nor_too_late() {
    let program = crate::handmade::streamed_pixel();
    let mut simulator = Simulator::new(&program).expect("valid");
    let error = |start, earliest| Err(Error::Start { start, earliest, latest: MAX_START });
    assert_eq!(simulator.run_at(&[9], MAX_START + 1), error(MAX_START + 1, 0));
    let first = simulator.run(&[9]).expect("valid");
    let last = simulator.run_at(&[9], MAX_START).expect("valid");
    assert_eq!(last, Execution { start: MAX_START, ..first.clone() });
    // It takes 50 cycles. The first word is free after 27 of them, and the slots 30, 34, .. 54 bring
    // the others.
    assert_eq!(simulator.run(&[9]), error(MAX_START + 55, MAX_START + 51));
    simulator.restart();
    assert_eq!(simulator.run(&[9]), Ok(first));
}
