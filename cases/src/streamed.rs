//! Makes a program stream some of its weights, whose schedule knows nothing of it.
//!
//! All gaps of a schedule are least gaps, so a program stays right when its steps come later
//! (microarchitecture.md, section 2.2). That lets hardware with a weight ring run every network,
//! whatever the compiler would stream.
//!
//! Not here: how many cycles that takes.

use heartbit_ir::program::{LaneMemory, PortSlots, Program, WeightRing, WeightStream};

/// Streams the weights of the layers that `choose` names and that fit into the ring.
///
/// Words that were only theirs are inverted, so nothing can use them in place of the streamed ones.
///
/// # Panics
/// If the program streams weights already: a bug of the test.
pub fn streamed(
    program: &Program,
    ring: WeightRing,
    slots: PortSlots,
    choose: impl Fn(usize) -> bool,
) -> Program {
    assert!(program.depths.ring.is_none(), "bug: a program with a ring");
    let mut out = program.clone();
    out.depths.ring = Some(ring);
    out.depths.weight = (program.depths.weight + ring.words).min(1 << 16);
    let mut columns = vec![LaneMemory::ones(program.array.lanes, 0); program.array.cols];
    let mut is_resident = vec![false; 1 << 16];
    for (index, layer) in out.layers.iter_mut().enumerate() {
        let base = usize::from(layer.weight_base);
        let words = base..base + usize::from(layer.steps) * usize::from(layer.col_tiles);
        layer.flags.stream_weights = choose(index) && usize::from(layer.steps) <= ring.words;
        if layer.flags.stream_weights {
            layer.weight_base = 0x5a5a;
            for (from, to) in program.weights.iter().zip(&mut columns) {
                words.clone().for_each(|word| push(from, word, to));
            }
        } else {
            layer.weight_base += u16::try_from(ring.words).expect("bug: 16-bit addresses");
            is_resident[words].fill(true);
        }
    }
    for resident in &mut out.weights {
        (0..resident.len())
            .filter(|&word| !is_resident[word])
            .for_each(|word| invert(resident, word));
    }
    out.weight_stream = Some(WeightStream { columns, slots });
    out
}

fn bit(memory: &LaneMemory, word: usize, lane: usize) -> bool {
    memory.word(word)[lane / 64] >> (lane % 64) & 1 == 1
}

/// Appends a word of another memory; the step of a pass may have one that nobody wrote.
fn push(from: &LaneMemory, word: usize, to: &mut LaneMemory) {
    if word < from.len() {
        to.extend_from(from, word..word + 1);
    } else {
        to.extend_ones(1);
    }
}

fn invert(memory: &mut LaneMemory, word: usize) {
    for lane in 0..memory.lanes() {
        memory.set(word, lane, !bit(memory, word, lane));
    }
}
