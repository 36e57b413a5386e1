//! What holds for the program of every array, and what is asked of all that make, load or run one.
//!
//! Not here: fields, addresses and schedules, which the simulator examines.

use super::Program;

/// Most layers of a program: the sequencer's index has 8 bits, and it halts after layer 255 if that
/// is not the last one (microarchitecture.md, section 5.4).
pub const MAX_LAYERS: usize = 256;

/// Why something is no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// No layers, or more than the sequencer counts.
    #[error("program: number of layers is {layers}, must be 1 to {MAX_LAYERS}")]
    Layers {
        /// Layers of the program, bands counted one by one.
        layers: usize,
    },
}

impl Program {
    /// Checks the number of layers.
    ///
    /// # Errors
    /// [`ProgramError`].
    pub fn validate(&self) -> Result<(), ProgramError> {
        let layers = self.layers.len();
        let possible = (1..=MAX_LAYERS).contains(&layers);
        if possible { Ok(()) } else { Err(ProgramError::Layers { layers }) }
    }
}

#[cfg(test)]
mod tests {
    use super::ProgramError;
    use crate::program::{ArrayConfig, Header, LayerDescriptor, MemoryDepths, Program};

    #[track_caller]
    fn check(layers: usize, expected: &Result<(), ProgramError>) {
        let array = ArrayConfig {
            rows: 1,
            cols: 1,
            lanes: 4,
            taps: 1,
            lines: 1,
            acc_bits: 8,
            extended: false,
        };
        let program = Program {
            array,
            depths: MemoryDepths::uniform(1 << 16),
            header: Header::decode([0, 0]),
            layers: vec![LayerDescriptor::default(); layers],
            steps: Vec::new(),
            weights: Vec::new(),
            weight_stream: None,
            parameters: Vec::new(),
        };
        assert_eq!(program.validate(), *expected, "{layers} layers");
    }

    #[test]
    fn layers_are_as_many_as_the_sequencer_counts() {
        for layers in [1, 2, 255, 256] {
            check(layers, &Ok(()));
        }
        for layers in [0, 257, 300] {
            check(layers, &Err(ProgramError::Layers { layers }));
        }
    }
}
