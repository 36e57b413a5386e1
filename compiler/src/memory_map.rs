//! What a program's memories hold, and when: the occupancy that reports show.
//!
//! Nothing is decided here: maps and streams are placed again as the schedule placed them, which
//! is a function of the network and the array, and the other memories are counted in the program.

use crate::schedule::{Compiled, Placed, placed};
use heartbit_ir::network::Network;
use heartbit_ir::program::{LaneMemory, MemoryDepths};

/// What lies where, over the layers of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryMap {
    /// Words of each memory that the program uses; of the weights, those of the ring too.
    pub used: MemoryDepths,
    /// The activation memory.
    pub activation: Placed,
    /// The stream memory.
    pub stream: Placed,
}

impl MemoryMap {
    /// The map of a compiled network.
    pub fn new(network: &Network, compiled: &Compiled) -> Self {
        let program = &compiled.program;
        let (a, header) = (&program.array, &program.header);
        let [activation, stream] = placed(network, compiled);
        let resident = program.weights.iter().map(LaneMemory::len).max().unwrap_or(0);
        let windows =
            usize::from(header.image_height).div_ceil(3) * usize::from(header.image_tiles);
        let used = MemoryDepths {
            image: windows * 8 / a.stem_planes(),
            activation: activation.words,
            weight: program.depths.ring_words() + resident,
            parameter: program.parameters.iter().map(Vec::len).max().unwrap_or(0),
            stream: stream.words,
            logit: usize::from(header.classes).div_ceil(a.cols),
            step: program.steps.iter().map(Vec::len).max().unwrap_or(0),
            program: program.encode().len(),
            ring: program.depths.ring,
        };
        Self { used, activation, stream }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::fold;
    use crate::schedule::{Target, compile};
    use heartbit_ir::program::ArrayShape;
    use heartbit_model::Arch;

    fn compiled() -> (Network, Compiled) {
        let arch = Arch::from_name("resnet20").expect("known");
        let checkpoint = crate::random::checkpoint(arch, &arch.published(), 5).expect("its sizes");
        let network = fold(&checkpoint).expect("it folds");
        let shape = ArrayShape { rows: 8, cols: 8, lanes: 16 };
        let compiled = compile(&network, &Target::sized_for_network(shape)).expect("it fits");
        (network, compiled)
    }

    #[test]
    fn words_in_use_are_those_that_memories_sized_for_the_network_have() {
        let (network, compiled) = compiled();
        assert_eq!(MemoryMap::new(&network, &compiled).used, compiled.program.depths);
    }

    #[test]
    fn regions_lie_where_the_descriptors_say_and_no_two_share_a_word() {
        let (network, compiled) = compiled();
        let map = MemoryMap::new(&network, &compiled);
        let layers = &compiled.program.layers;
        for region in &map.activation.regions {
            assert_eq!(region.base, usize::from(layers[region.steps[0]].out_base));
        }
        for region in &map.stream.regions {
            assert_eq!(region.base, usize::from(layers[region.steps[0]].stream_out_base));
        }
        for (i, a) in map.activation.regions.iter().enumerate() {
            for b in &map.activation.regions[..i] {
                let together = a.steps[0] <= b.steps[1] && b.steps[0] <= a.steps[1];
                let overlap = a.base < b.base + b.words && b.base < a.base + a.words;
                assert!(!(together && overlap), "{a:?} and {b:?}");
            }
        }
        // Every map but the head's is read by a later layer.
        assert_eq!(map.activation.regions.len(), layers.len() - 1);
        assert!(map.activation.live.iter().all(|live| *live <= map.activation.words));
        assert_eq!(map.stream.live.iter().max(), Some(&map.stream.words));
    }
}
