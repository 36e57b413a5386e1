//! Where the weight words of a layer are: resident, or in the weight stream.

use heartbit_ir::program::{LayerDescriptor, Program};

/// The weight words of one layer.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    program: &'a Program,
    streamed: bool,
    /// Index of the word of column tile 0 and step 0.
    first: usize,
    steps: usize,
}

impl<'a> Weights<'a> {
    /// The words of layer `index`.
    pub(super) fn new(program: &'a Program, index: usize) -> Self {
        let d = &program.layers[index];
        let words = |d: &LayerDescriptor| usize::from(d.col_tiles) * usize::from(d.steps);
        let streamed = d.flags.stream_weights;
        let first = if streamed {
            program.layers[..index].iter().filter(|d| d.flags.stream_weights).map(words).sum()
        } else {
            // Resident words begin behind the ring.
            let ring = program.depths.ring.map_or(0, |ring| ring.words);
            usize::from(d.weight_base).saturating_sub(ring)
        };
        Self { program, streamed, first, steps: d.steps.into() }
    }

    /// The word that a column meets in a step.
    pub(super) fn word(&self, ct: usize, step: usize, column: usize) -> &'a [u64] {
        let index = self.first + ct * self.steps + step;
        match &self.program.weight_stream {
            Some(stream) if self.streamed => stream.columns[column].word(index),
            _ => self.program.weights[column].word(index),
        }
    }
}
