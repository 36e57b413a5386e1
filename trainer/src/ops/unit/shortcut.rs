//! Where a unit's shortcut comes from, and which channel lands where.

use heartbit_model::graph::Fit;

use super::Unit;
use crate::lanes::LANES;

/// The map that a unit adds after its normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcut {
    /// No map.
    None,
    /// The unit's own input, without its shift.
    Input(Fit),
    /// Another map, given as the last input.
    Other(Fit),
}

/// A limit on the unit's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Hardtanh: ±1, with gradient 1 strictly inside and 0 elsewhere.
    Hardtanh,
    /// The ends of the deployed stream's range, with gradient 1 strictly inside.
    Saturate(f32),
    /// No limit.
    Open,
}

impl Limit {
    /// The largest magnitude of a result.
    pub fn bound(self) -> f32 {
        match self {
            Self::Hardtanh => 1.0,
            Self::Saturate(bound) => bound,
            Self::Open => f32::INFINITY,
        }
    }
}

/// A shortcut's sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) fit: Fit,
    /// Channels of the shortcut's map.
    pub(super) channels: usize,
    /// Height and width of the shortcut's map.
    pub(super) side: usize,
    /// Output channel that its first channel lands on.
    pub(super) front: usize,
}

impl Route {
    /// Lanes of one group of the shortcut's map.
    pub(super) fn lanes(&self) -> usize {
        self.channels * self.plane()
    }

    /// Positions of the shortcut's map.
    pub(super) fn plane(&self) -> usize {
        self.side * self.side
    }

    /// The shortcut's channel that lands on an output channel.
    pub(super) fn source(&self, cout: usize) -> Option<usize> {
        cout.checked_sub(self.front).filter(|&c| c < self.channels)
    }
}

impl Unit {
    /// The sizes of the shortcut, whose map holds `floats` values in `groups` groups.
    pub(super) fn route(&self, fit: Fit, floats: usize, groups: usize) -> Route {
        let side = match fit {
            Fit::Identity => self.out_side(),
            Fit::PoolZeroChannels => 2 * self.out_side(),
        };
        let channels = floats / (groups * side * side * LANES);
        let fits = match fit {
            Fit::Identity => channels == self.shape.cout,
            Fit::PoolZeroChannels => channels <= self.shape.cout,
        };
        assert!(
            fits && floats == groups * channels * side * side * LANES,
            "bug: a shortcut of {floats} values does not fit {:?}",
            self.shape
        );
        Route { fit, channels, side, front: (self.shape.cout - channels) / 2 }
    }
}
