//! Depths of the memories.

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
}
