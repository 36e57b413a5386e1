//! Draws cases: the same seed and number give the same case, wherever and in whatever order.
//!
//! Cases come in groups of so many networks for one array, so that one Verilated model runs them
//! all. A group of one has memories that are sized for its network, or too small for it; a larger
//! group has memories that every network fits into.

use crate::case::{Case, Hardware, Memories, Stalls, Streamed};
use crate::problem::problems;
use heartbit_compiler::plan::bands::{Bands, Sequence};
use heartbit_compiler::plan::plan;
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayConfig, MemoryDepths, PortSlots, WeightRing};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::{Deserialize, Serialize};

/// Enough for every random network on every array below, so that one model runs them all.
pub const DEPTHS: MemoryDepths = MemoryDepths {
    image: 256,
    activation: 4096,
    weight: 65_536,
    parameter: 1024,
    stream: 4096,
    logit: 16,
    step: 8192,
    program: 512,
    ring: None,
};
const ACC_BITS: u32 = 24;
/// A ring that every layer of these networks passes through.
const PLANNED_RING: usize = 8192;
/// Resident weights beside it, so that the compiler has to stream some.
const FEW_WORDS: usize = 64;

/// What cases are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Of all cases.
    pub seed: u64,
    /// Networks of a group, which have an array in common; at least 1.
    pub networks: usize,
    /// Most channels of a map, at least 1.
    pub max_channels: usize,
}

impl Source {
    /// Case `number`, counted from 0.
    pub fn case(&self, number: u64) -> Case {
        let networks = self.networks as u64;
        let (group, index) = (number / networks, number % networks);
        let hardware = draw(&hardwares(self.networks > 1), [self.seed, group, 0, 0]);
        draw(&cases(hardware, self.max_channels), [self.seed, group, index, 1])
    }
}

/// A value of a strategy, from a generator that begins with these words.
fn draw<S: Strategy>(strategy: &S, words: [u64; 4]) -> S::Value {
    let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy.new_tree(&mut runner).expect("bug: strategies that reject nothing").current()
}

/// Arrays with memories that are fixed, for any network, or follow it.
fn hardwares(is_fixed: bool) -> BoxedStrategy<Hardware> {
    let log2 = || (0..=2u32).prop_map(|n| 1usize << n);
    if is_fixed {
        let sizes = (1..=6usize, 1..=9usize, prop_oneof![4..=40usize, 41..=80usize]);
        let ring = prop::option::weighted(0.5, (1..=11u32, any::<Index>(), any::<bool>()));
        (sizes, log2(), log2(), any::<bool>(), ring)
            .prop_map(|((rows, cols, lanes), taps, lines, extended, ring)| {
                let lines = if rows.is_multiple_of(lines) { lines } else { 1 };
                let taps = if divides(cols, lanes, taps) { taps } else { 1 };
                let depths = ring.map_or(DEPTHS, |(bits, port, is_planned)| {
                    let words = if is_planned { PLANNED_RING } else { 1 << bits };
                    let weight = if is_planned { words + FEW_WORDS } else { DEPTHS.weight };
                    MemoryDepths { weight, ring: Some(fixed_ring(cols, words, port)), ..DEPTHS }
                });
                let memories = Memories::Fixed { acc_bits: ACC_BITS, depths };
                Hardware { rows, cols, lanes, taps, lines: Some(lines), extended, memories }
            })
            .boxed()
    } else {
        let memories = prop_oneof![
            7 => Just(Memories::Sized),
            1 => (any::<bool>(), 50..100usize)
                .prop_map(|(of_streams, percent)| Memories::Short { of_streams, percent }),
        ];
        ((1..=9usize, 1..=12usize, 4..=80usize), log2(), any::<bool>(), memories)
            .prop_map(|((rows, cols, lanes), taps, extended, memories)| Hardware {
                rows,
                cols,
                lanes,
                taps,
                lines: None,
                extended,
                memories,
            })
            .boxed()
    }
}

fn divides(cols: usize, lanes: usize, taps: usize) -> bool {
    let array = ArrayConfig { rows: 1, cols, lanes, taps, lines: 1, acc_bits: 1, extended: false };
    array.divides_into(taps)
}

fn fixed_ring(cols: usize, words: usize, port: Index) -> WeightRing {
    let divisors: Vec<usize> = (1..=cols).filter(|&n| cols.is_multiple_of(n)).collect();
    WeightRing { words, port_cols: *port.get(&divisors) }
}

/// Cases for some hardware.
fn cases(hardware: Hardware, max_channels: usize) -> impl Strategy<Value = Case> {
    let stalls = prop::option::weighted(
        0.4,
        (any::<u64>(), 10..=80u32).prop_map(|(seed, percent)| Stalls { seed, percent }),
    );
    let bands = prop::option::weighted(0.3, any::<(Index, Index)>());
    let problems = problems(max_channels, hardware.extended);
    (problems, bands, streams(&hardware), 1..=2usize, stalls).prop_map(
        move |(mut problem, bands, streamed, images, stalls)| {
            let is_sized = hardware.memories == Memories::Sized;
            let bands = bands.filter(|_| is_sized && streamed.is_none());
            let bands = bands.and_then(|choice| chosen_bands(&problem.network(), choice));
            if bands.is_some() || matches!(hardware.memories, Memories::Short { .. }) {
                problem.port = None;
            }
            Case { problem, hardware: hardware.clone(), bands, streamed, images, stalls }
        },
    )
}

/// Layers that are streamed although the schedule knows nothing of it: where memories are fixed all
/// cases of an array whose ring is beside a full weight memory; else some, through a ring of their
/// own.
fn streams(hardware: &Hardware) -> impl Strategy<Value = Option<Streamed>> + use<> {
    let (tenths, fixed) = match hardware.memories {
        Memories::Fixed { depths, .. } if depths.weight == DEPTHS.weight => (10, depths.ring),
        Memories::Fixed { .. } | Memories::Short { .. } => (0, None),
        Memories::Sized => (2, None),
    };
    let (is_sized, cols) = (hardware.memories == Memories::Sized, hardware.cols);
    let beats = (1..=8u32).prop_flat_map(|cycles| (1..=cycles, Just(cycles)));
    (0..10u32, 1..=6u32, any::<Index>(), 0..400u64, beats, any::<u32>()).prop_map(
        move |(roll, bits, port, latency, (beats, cycles), layers)| {
            let own = is_sized.then(|| fixed_ring(cols, 1 << bits, port));
            let ring = fixed.or(own).filter(|_| roll < tenths)?;
            Some(Streamed { ring, slots: PortSlots::at_rate(latency, beats, cycles), layers })
        },
    )
}

/// One of the groups of layers that can run in bands, if there are any, and a height.
fn chosen_bands(network: &Network, (group, height): (Index, Index)) -> Option<Bands> {
    let plan = plan(network).expect("bug: a network with a plan");
    let n = plan.layers.len();
    let all = (0..n).flat_map(|first| (first..n).map(move |last| Bands { first, last, height: 1 }));
    let groups: Vec<Bands> =
        all.filter(|bands| Sequence::in_bands(network, &plan, *bands).is_some()).collect();
    let &bands = groups.get(group.index(groups.len().max(1)))?;
    let rows = plan.layers[bands.last].shape[0];
    Some(Bands { height: 1 + height.index((rows - 1).max(1)), ..bands })
}

#[cfg(test)]
mod tests {
    use super::Source;
    use std::collections::BTreeMap;

    #[test]
    fn cases_depend_on_seed_and_number_only() {
        let source = Source { seed: 5, networks: 4, max_channels: 8 };
        let forwards: Vec<_> = (0..12).map(|number| source.case(number)).collect();
        let backwards: Vec<_> = (0..12).rev().map(|number| source.case(number)).collect();
        assert!(forwards.iter().eq(backwards.iter().rev()));
        for group in forwards.chunks(4) {
            assert!(group.iter().all(|case| case.hardware == group[0].hardware));
        }
        assert_ne!(forwards[0].hardware, forwards[4].hardware);
        assert_ne!(Source { seed: 6, ..source }.case(0), forwards[0]);
    }

    /// Without this a run would not say what it tested.
    #[test]
    fn every_feature_is_drawn_and_most_cases_fit() {
        for (networks, least_fitting, n_features) in [(1, 340, 17), (8, 380, 17)] {
            let source = Source { seed: 1, networks, max_channels: 12 };
            let built: Vec<_> = (0..400).filter_map(|n| source.case(n).build().ok()).collect();
            assert!(built.len() >= least_fitting, "{} of 400 fit", built.len());
            let mut seen = BTreeMap::<_, usize>::new();
            built.iter().flat_map(super::super::case::Built::features).for_each(|feature| {
                *seen.entry(feature).or_default() += 1;
            });
            assert!(seen.len() >= n_features && seen.values().all(|&n| n >= 4), "{seen:?}");
        }
    }
}
