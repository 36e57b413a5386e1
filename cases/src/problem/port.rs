//! A weight port for a random network.
//!
//! A [`Port`] does not know the network and the array that it is for; [`Port::fitted`] finds sizes
//! that they can have.

use heartbit_compiler::plan::plan;
use heartbit_compiler::schedule::{Target, WeightPort, outline};
use heartbit_ir::network::Network;
use heartbit_ir::program::{LayerDescriptor, MemoryDepths, PortSlots, WeightRing};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// Eighths of the weights.
const SHARES: usize = 8;

/// How weights are streamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Which divisor of the columns a beat has.
    pub divisor: usize,
    /// When the source offers beats.
    pub slots: PortSlots,
    /// How often the ring is doubled from the smallest that every layer can go through; the
    /// compiler chooses if `None`.
    pub doublings: Option<u32>,
    /// Eighths of the weights that have room beside that ring.
    pub resident: usize,
}

/// Returns a strategy for ports.
pub fn ports() -> impl Strategy<Value = Port> {
    let pattern =
        prop::collection::vec(prop::bool::weighted(0.4), 1..=12).prop_map(|mut pattern| {
            pattern[0] |= !pattern.contains(&true);
            pattern
        });
    let latency = prop_oneof![Just(0), 0..=300u64];
    (0..12usize, latency, pattern, prop::option::of(0..=2u32), 0..SHARES).prop_map(
        |(divisor, latency, pattern, doublings, resident)| Port {
            divisor,
            slots: PortSlots { latency, pattern },
            doublings,
            resident,
        },
    )
}

impl Port {
    /// A target with the port, and with a weight memory that holds a part of the weights only. With
    /// a ring of its own the memories are fixed, and the ring is there whether it is needed or not.
    ///
    /// # Panics
    /// If the network does not fit without the port: a bug of the test.
    pub fn fitted(&self, network: &Network, target: &Target) -> Target {
        let plan = plan(network).expect("bug: a network with a plan");
        let all = outline(network, &plan, target).expect("bug: all fits");
        let most = |of: fn(&LayerDescriptor) -> u16| {
            usize::from(all.layers.iter().map(of).max().unwrap_or(0))
        };
        let smallest = most(|d| d.steps).next_power_of_two().max(2);
        let words = smallest << self.doublings.unwrap_or(0);
        // A pass reads a word behind the ring for each column tile, whatever is in it.
        let resident = (all.depths.weight * self.resident / SHARES).max(most(|d| d.col_tiles));
        let room = words + resident;
        let cols = target.shape.cols;
        let divisors: Vec<usize> = (1..=cols).filter(|&n| cols.is_multiple_of(n)).collect();
        let ring = WeightRing { words, port_cols: divisors[self.divisor % divisors.len()] };
        let fixed = MemoryDepths { weight: room, ring: Some(ring), ..all.depths };
        Target {
            depths: self.doublings.map(|_| fixed),
            weight_port: Some(WeightPort {
                cols: ring.port_cols,
                slots: self.slots.clone(),
                ring: None,
                room: Some(room),
            }),
            ..target.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ports;
    use crate::ladder;
    use crate::problem::problems;
    use heartbit_compiler::schedule::compile;
    use heartbit_ir::program::ArrayShape;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    /// Without this the ladder would not say whether it has seen streamed weights.
    #[test]
    fn most_ports_stream_weights_and_all_fit() {
        let mut runner = TestRunner::deterministic();
        let shapes = (1..=9usize, 1..=12usize, 4..=80usize);
        let cases = (problems(20, true), ports(), shapes);
        let (mut streamed, mut fixed) = (0, 0);
        for _ in 0..200 {
            let (problem, port, (rows, cols, lanes)) =
                cases.new_tree(&mut runner).expect("a problem").current();
            let network = problem.network();
            let target = ladder::target(ArrayShape { rows, cols, lanes }, 1, true);
            let target = port.fitted(&network, &target);
            fixed += u32::from(target.depths.is_some());
            let program = compile(&network, &target).expect("fits").program;
            streamed += u32::from(program.layers.iter().any(|d| d.flags.stream_weights));
        }
        assert!(streamed >= 150 && (50..150).contains(&fixed), "{streamed} stream, {fixed} fixed");
    }
}
