//! The widths that a network has, and the combinations of them.

use heartbit_ir::grid::Grid;
use heartbit_model::Checkpoint;
use heartbit_model::graph::{Graph, LayerKind};
use std::collections::BTreeMap;
use std::fmt;

/// Bits of the widest levels.
const MAX_BITS: u32 = 8;

/// A width of the grid that cycles depend on, those of the body before those of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// [`Grid::stem_weight_bits`].
    StemWeight,
    /// [`Grid::downsample_activation_bits`].
    DownsampleActivation,
    /// [`Grid::downsample_weight_bits`].
    DownsampleWeight,
    /// [`Grid::head_activation_bits`].
    HeadActivation,
    /// [`Grid::head_weight_bits`].
    HeadWeight,
}

impl Width {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [
        Self::StemWeight,
        Self::DownsampleActivation,
        Self::DownsampleWeight,
        Self::HeadActivation,
        Self::HeadWeight,
    ];

    /// The width of a grid.
    pub fn of(self, grid: &Grid) -> u32 {
        match self {
            Self::StemWeight => grid.stem_weight_bits,
            Self::DownsampleActivation => grid.downsample_activation_bits,
            Self::DownsampleWeight => grid.downsample_weight_bits,
            Self::HeadActivation => grid.head_activation_bits,
            Self::HeadWeight => grid.head_weight_bits,
        }
    }

    /// All widths of a grid, in order: what sorts grids such that those of one body are neighbours.
    pub fn all_of(grid: &Grid) -> [u32; 5] {
        Self::ALL.map(|width| width.of(grid))
    }

    /// The grid with another width.
    #[must_use]
    pub fn set(self, grid: &Grid, bits: u32) -> Grid {
        let mut grid = grid.clone();
        let field = match self {
            Self::StemWeight => &mut grid.stem_weight_bits,
            Self::DownsampleActivation => &mut grid.downsample_activation_bits,
            Self::DownsampleWeight => &mut grid.downsample_weight_bits,
            Self::HeadActivation => &mut grid.head_activation_bits,
            Self::HeadWeight => &mut grid.head_weight_bits,
        };
        *field = bits;
        grid
    }

    /// Whether only the classifier depends on it.
    pub fn is_of_the_head(self) -> bool {
        matches!(self, Self::HeadActivation | Self::HeadWeight)
    }

    /// Whether a network has levels of this width.
    fn is_in(self, graph: &Graph) -> bool {
        let real = |kind: &LayerKind| matches!(kind, LayerKind::Real { .. });
        match self {
            Self::DownsampleActivation | Self::DownsampleWeight => {
                graph.layers.iter().any(|layer| real(&layer.kind))
            }
            _ => true,
        }
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StemWeight => "stem weights",
            Self::DownsampleActivation => "shortcut levels",
            Self::DownsampleWeight => "shortcut weights",
            Self::HeadActivation => "head levels",
            Self::HeadWeight => "head weights",
        })
    }
}

/// Widths that no network of this kind can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// The network has nothing of this width.
    #[error("`{arch}` has no {width}: its shortcuts have no real weights")]
    Absent {
        /// The architecture.
        arch: String,
        /// The width.
        width: Width,
    },
    /// Levels do not come in so many bits.
    #[error("{width} of {bits} bits, but levels have 1 to 8")]
    Bits {
        /// The width.
        width: Width,
        /// What was asked for.
        bits: u32,
    },
    /// No width is left.
    #[error("no number of bits is left for the {width}")]
    Empty {
        /// The width.
        width: Width,
    },
}

/// The combinations of widths that are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    arch: String,
    own: Grid,
    /// Numbers of bits of each width that the network has, ascending.
    choices: BTreeMap<Width, Vec<u32>>,
}

impl Space {
    /// 1 to 8 bits of each width that the checkpoint's network has.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let graph = checkpoint.graph();
        let has = Width::ALL.into_iter().filter(|width| width.is_in(&graph));
        Self {
            arch: checkpoint.arch.name().to_owned(),
            own: checkpoint.grid.clone(),
            choices: has.map(|width| (width, (1..=MAX_BITS).collect())).collect(),
        }
    }

    /// Leaves these numbers of bits of a width.
    ///
    /// # Errors
    /// [`SpaceError`].
    pub fn restrict(&mut self, width: Width, bits: &[u32]) -> Result<(), SpaceError> {
        let Some(choices) = self.choices.get_mut(&width) else {
            return Err(SpaceError::Absent { arch: self.arch.clone(), width });
        };
        if let Some(&bits) = bits.iter().find(|bits| !(1..=MAX_BITS).contains(bits)) {
            return Err(SpaceError::Bits { width, bits });
        }
        if bits.is_empty() {
            return Err(SpaceError::Empty { width });
        }
        bits.clone_into(choices);
        choices.sort_unstable();
        choices.dedup();
        Ok(())
    }

    /// The checkpoint's own grid.
    pub fn own(&self) -> &Grid {
        &self.own
    }

    /// The widths that the network has, in order.
    pub fn widths(&self) -> impl Iterator<Item = Width> + '_ {
        self.choices.keys().copied()
    }

    /// Number of combinations, of which the own grid need not be one.
    pub fn combinations(&self) -> usize {
        self.choices.values().map(Vec::len).product()
    }

    /// Number of combinations that do not differ in the head only.
    pub fn bodies(&self) -> usize {
        let body = self.choices.iter().filter(|(width, _)| !width.is_of_the_head());
        body.map(|(_, bits)| bits.len()).product()
    }

    /// All combinations and the own grid, sorted by [`Width::all_of`].
    pub fn grids(&self) -> Vec<Grid> {
        let mut grids = vec![self.own.clone()];
        for (width, choices) in &self.choices {
            let each = |grid: &Grid| choices.iter().map(|bits| width.set(grid, *bits)).collect();
            grids = grids.iter().flat_map(|grid| -> Vec<Grid> { each(grid) }).collect();
        }
        if !grids.contains(&self.own) {
            grids.push(self.own.clone());
        }
        grids.sort_by_key(Width::all_of);
        grids
    }

    /// The grids that are narrower by one step in one width, sorted by [`Width::all_of`].
    pub fn narrower(&self, grid: &Grid) -> Vec<Grid> {
        let step = |(width, choices): (&Width, &Vec<u32>)| {
            let bits = choices.iter().rfind(|bits| **bits < width.of(grid))?;
            Some(width.set(grid, *bits))
        };
        let mut grids: Vec<Grid> = self.choices.iter().filter_map(step).collect();
        grids.sort_by_key(Width::all_of);
        grids
    }
}
