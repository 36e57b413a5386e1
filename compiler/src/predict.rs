//! The cycle model: microarchitecture.md, section 5.4, in closed form.
//!
//! It is compared with the simulator, which steps a state machine, and with the RTL: for every
//! layer the three agree to the cycle.
//!
//! Not here: stalls of the host port, which are the host's.

use heartbit_ir::program::{DESCRIPTOR_WORDS, LayerDescriptor, Program};
use serde::Serialize;
use std::iter::Sum;

/// Cycles to fetch the first descriptor; the others are fetched meanwhile.
pub(crate) const FETCH_CYCLES: u64 = DESCRIPTOR_WORDS as u64 + 2;

/// A number of rising clock edges of the array clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CycleCount(pub u64);

/// Where the cycles of a layer go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LayerCycles {
    /// Reading the descriptor, of the first layer.
    pub fetch: u64,
    /// Steps of the array.
    pub compute: u64,
    /// Between tiles, where draining one takes longer than the steps of the next.
    pub stall: u64,
    /// Until the next layer can begin, and for each column tile that is pooled.
    pub drain: u64,
}

impl LayerCycles {
    /// All of them.
    pub fn total(&self) -> CycleCount {
        CycleCount(self.fetch + self.compute + self.stall + self.drain)
    }
}

impl Sum for LayerCycles {
    fn sum<I: Iterator<Item = Self>>(layers: I) -> Self {
        layers.fold(Self::default(), |a, b| Self {
            fetch: a.fetch + b.fetch,
            compute: a.compute + b.compute,
            stall: a.stall + b.stall,
            drain: a.drain + b.drain,
        })
    }
}

/// Cycles of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CyclePrediction {
    /// Cycles of each layer, until the next one begins.
    pub layers: Vec<LayerCycles>,
    /// Cycles of `Send`.
    pub send: CycleCount,
}

impl CyclePrediction {
    /// Cycles from the first `Fetch` to the last beat of `Send`.
    pub fn total(&self) -> CycleCount {
        CycleCount(self.layers.iter().map(|c| c.total().0).sum::<u64>() + self.send.0)
    }
}

/// Predicts the cycles of one image.
pub fn predict(program: &Program) -> CyclePrediction {
    let last = program.layers.last().expect("bug: a program has layers");
    CyclePrediction {
        layers: program
            .layers
            .iter()
            .enumerate()
            .map(|(i, layer)| layer_cycles(i, layer))
            .collect(),
        send: CycleCount(u64::from(last.col_tiles) + u64::from(program.header.classes) + 1),
    }
}

fn layer_cycles(index: usize, layer: &LayerDescriptor) -> LayerCycles {
    let (col_tiles, tiles) = (u64::from(layer.col_tiles), layer.tiles());
    LayerCycles {
        fetch: if index == 0 { FETCH_CYCLES } else { 0 },
        compute: col_tiles * tiles * u64::from(layer.steps),
        stall: col_tiles * tiles * u64::from(layer.tile_gap),
        drain: col_tiles * u64::from(layer.col_gap) + u64::from(layer.layer_gap),
    }
}
