//! What one processing element meets in one tile, and what becomes of it: microarchitecture.md,
//! sections 5.1 to 5.3.
//!
//! Engines that can say it (the simulator by itself, the RTL through its waveform) say it in these
//! words, so that two of them can be compared step by step.

use serde::{Deserialize, Serialize};

/// A processing element, in a tile of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PePlace {
    /// Index of the layer.
    pub layer: usize,
    /// Column tile: `ct`.
    pub column_tile: usize,
    /// Row of tiles: `t`.
    pub tile_row: usize,
    /// Tile of the row of tiles: `xt`.
    pub tile: usize,
    /// Row of the array.
    pub row: usize,
    /// Column of the array.
    pub col: usize,
}

/// The tokens of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// First step of a tile.
    pub first: bool,
    /// The accumulator doubles before it counts.
    pub double: bool,
    /// Last step of a tile.
    pub last: bool,
}

/// One step at one processing element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepTrace {
    /// The activation word, least significant lane first, in 64-bit limbs; lanes of groups that
    /// are not valid mean nothing.
    pub activation: Vec<u64>,
    /// The weight word, alike.
    pub weight: Vec<u64>,
    /// Whether each lane group is valid.
    pub valid: Vec<bool>,
    /// What the accumulator does.
    pub tokens: Tokens,
    /// The accumulator after the step.
    pub matches: u64,
}

/// One tile at one processing element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeTrace {
    /// Its steps.
    pub steps: Vec<StepTrace>,
    /// The drain register when it has taken the sum.
    pub drain: u64,
    /// The matches at the post-processing.
    pub matches: u64,
    /// The products there.
    pub products: u64,
    /// The multiplier that they meet.
    pub mul: i64,
    /// The bias that is added.
    pub bias: i64,
}
