//! Weights that are streamed: section 2.2 of microarchitecture.md.

use super::small;
use heartbit_ir::program::{LaneMemory, PortSlots, Program, WeightRing, WeightStream};

/// Streams the weights of some layers of a program whose weights are resident; those of the others
/// move behind the ring.
pub(crate) fn stream(program: &mut Program, ring: WeightRing, slots: PortSlots, layers: &[bool]) {
    let (mut resident, mut streamed) = (Vec::new(), Vec::new());
    for (d, &streams) in program.layers.iter_mut().zip(layers) {
        let base = usize::from(d.weight_base);
        let words = base..base + usize::from(d.col_tiles) * usize::from(d.steps);
        d.flags.stream_weights = streams;
        if streams {
            // Any number does.
            d.weight_base = 0x5a5a;
            streamed.extend(words);
        } else {
            d.weight_base = small(ring.words + resident.len());
            resident.extend(words);
        }
    }
    let lanes = program.array.lanes;
    let columns = |words: &[usize]| {
        program.weights.iter().map(|memory| select(memory, lanes, words)).collect()
    };
    let (weights, columns) = (columns(&resident), columns(&streamed));
    program.weights = weights;
    program.weight_stream = Some(WeightStream { columns, slots });
    program.depths.weight = ring.words + resident.len();
    program.depths.ring = Some(ring);
}

/// The memory of some words of another one.
fn select(memory: &LaneMemory, lanes: usize, words: &[usize]) -> LaneMemory {
    let mut selected = LaneMemory::ones(lanes, words.len());
    for (to, &from) in words.iter().enumerate() {
        for lane in 0..lanes {
            selected.set(to, lane, memory.word(from)[lane / 64] >> (lane % 64) & 1 == 1);
        }
    }
    selected
}
