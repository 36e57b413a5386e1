//! Depths of the memories, and the weight port.

use serde::{Deserialize, Serialize};

/// Words of each memory; all fit 16-bit addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryDepths {
    /// Words of an image bank, each one plane of a window.
    pub image: usize,
    /// Words of an activation bank.
    pub activation: usize,
    /// Words of a weight column.
    pub weight: usize,
    /// Words of a parameter column.
    pub parameter: usize,
    /// Words of a stream bank, of which a column has two.
    pub stream: usize,
    /// Words of a logit column.
    pub logit: usize,
    /// Steps.
    pub step: usize,
    /// Program words, header and descriptors.
    pub program: usize,
    /// The part of the weight memory that the weight port fills; all weights are resident if
    /// `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<WeightRing>,
}

impl MemoryDepths {
    /// So many words of every memory, and no ring.
    pub const fn uniform(words: usize) -> Self {
        Self {
            image: words,
            activation: words,
            weight: words,
            parameter: words,
            stream: words,
            logit: words,
            step: words,
            program: words,
            ring: None,
        }
    }

    /// Words of a weight column that belong to the ring, behind which the resident weights are.
    pub fn ring_words(&self) -> usize {
        self.ring.map_or(0, |ring| ring.words)
    }
}

/// The words of the weight memory, from 0 on, that hold streamed weights for a while:
/// microarchitecture.md, section 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightRing {
    /// Words of a column: `F`, a power of two and at least 2.
    pub words: usize,
    /// Columns of a beat of the weight port: `W`, a divisor of the array's columns.
    pub port_cols: usize,
}
