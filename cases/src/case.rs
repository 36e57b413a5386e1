//! A case: a network, the hardware that it is compiled for, and what the host does.
//!
//! A case says every choice; nothing is drawn when it is built, but weights and images from the
//! problem's seed.
//!
//! Not here: drawing cases ([`crate::generate`]), running them ([`crate::check`]).

use crate::ladder;
use crate::problem::Problem;
use crate::streamed::streamed;
use heartbit_compiler::plan::bands::Bands;
use heartbit_compiler::schedule::{
    Compiled, MemoryWords, ScheduleError, Target, WeightPort, compile, compile_in_bands,
};
use heartbit_ir::network::{Network, OpKind};
use heartbit_ir::program::{
    ArrayConfig, ArrayShape, LayerFlags, MemoryDepths, PortSlots, WeightRing,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Everything that a run depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The network, and the weight port that a compiler plans with.
    pub problem: Problem,
    /// What it is compiled for.
    pub hardware: Hardware,
    /// Layers that run in bands; the compiler chooses if `None`.
    pub bands: Option<Bands>,
    /// Layers whose weights are streamed although the schedule knows nothing of it.
    pub streamed: Option<Streamed>,
    /// Images one after the other, at least one.
    pub images: usize,
    /// When the host waits; never if `None`. Only engines with ports have a host.
    pub stalls: Option<Stalls>,
}

/// An array and its memories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// Output pixels of a tile.
    pub rows: usize,
    /// Output channels of a tile.
    pub cols: usize,
    /// XNOR bits of a processing element.
    pub lanes: usize,
    /// Lane groups; the compiler chooses where the lanes cannot be divided so.
    pub taps: usize,
    /// Most lines of a tile; the compiler chooses if `None`.
    pub lines: Option<usize>,
    /// Whether the array has its extensions.
    pub extended: bool,
    /// Its memories.
    pub memories: Memories,
}

/// Depths of the memories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Memories {
    /// As the network needs them.
    Sized,
    /// As the network needs them, but one has so many hundredths only: layers run in bands.
    Short {
        /// Whether it is the stream memory, not the activation memory.
        of_streams: bool,
        /// Hundredths of what the network needs without bands.
        percent: usize,
    },
    /// These, for whatever network.
    Fixed {
        /// Bits of an accumulator.
        acc_bits: u32,
        /// Words of the memories.
        depths: MemoryDepths,
    },
}

/// Weights that pass through a ring: microarchitecture.md, section 2.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Streamed {
    /// The ring, where the memories are not [`Memories::Fixed`] with one.
    pub ring: WeightRing,
    /// When the source offers beats.
    pub slots: PortSlots,
    /// A bit for each layer that is streamed if it fits, modulo 32.
    pub layers: u32,
}

/// A host that waits at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stalls {
    /// Of the generator.
    pub seed: u64,
    /// Chance that it waits in a cycle, 0 to 90.
    pub percent: u32,
}

impl Stalls {
    /// Says, cycle by cycle, whether the host waits.
    pub fn waits(self) -> impl FnMut() -> bool {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        move || rng.random_range(0..100) < self.percent
    }
}

/// A case that is ready to run.
#[derive(Clone, Debug)]
pub struct Built {
    /// The network.
    pub network: Network,
    /// Plan and program.
    pub compiled: Compiled,
    /// Bytes of the images.
    pub images: Vec<Vec<u8>>,
    /// When the host waits.
    pub stalls: Option<Stalls>,
}

impl Hardware {
    /// Rows, columns and lanes.
    pub fn shape(&self) -> ArrayShape {
        ArrayShape { rows: self.rows, cols: self.cols, lanes: self.lanes }
    }

    /// Whether such an array can be.
    pub fn is_possible(&self) -> bool {
        let lines = self.lines.unwrap_or(1);
        let at_least = self.rows >= 1 && self.cols >= 1 && self.lanes >= 4;
        at_least && matches!(lines, 1 | 2 | 4) && self.rows.is_multiple_of(lines)
    }

    fn target(&self) -> Target {
        let base = ladder::target(self.shape(), self.taps, self.extended);
        let taps = base.taps;
        match self.memories {
            Memories::Fixed { acc_bits, depths } => {
                let ArrayShape { rows, cols, lanes } = self.shape();
                let (taps, lines) = (taps.unwrap_or(1), self.lines.unwrap_or(1));
                let extended = self.extended;
                let array = ArrayConfig { rows, cols, lanes, taps, lines, acc_bits, extended };
                Target::for_hardware(&array, depths)
            }
            Memories::Sized | Memories::Short { .. } => Target { lines: self.lines, ..base },
        }
    }
}

impl Case {
    /// Makes the network and its images, and compiles.
    ///
    /// # Errors
    /// [`ScheduleError`] where the network does not fit.
    pub fn build(&self) -> Result<Built, ScheduleError> {
        self.build_of(self.problem.network(), self.problem.images(self.images))
    }

    /// As [`Case::build`], of a network and images that are there already.
    ///
    /// # Errors
    /// [`ScheduleError`] where the network does not fit.
    pub fn build_of(&self, network: Network, images: Vec<Vec<u8>>) -> Result<Built, ScheduleError> {
        let target = self.target(&network)?;
        let mut compiled = match self.bands {
            Some(bands) => compile_in_bands(&network, &target, bands)?,
            None => compile(&network, &target)?,
        };
        if let Some(Streamed { ring, slots, layers }) = &self.streamed {
            let choose = |layer: usize| layers >> (layer % 32) & 1 == 1;
            compiled.program = streamed(&compiled.program, *ring, slots.clone(), choose);
        }
        Ok(Built { network, compiled, images, stalls: self.stalls })
    }

    fn target(&self, network: &Network) -> Result<Target, ScheduleError> {
        let target = self.hardware.target();
        match self.hardware.memories {
            Memories::Sized if self.streamed.is_none() => Ok(self.problem.target(network, target)),
            Memories::Sized => Ok(target),
            Memories::Short { of_streams, percent } => {
                let needed = compile(network, &target)?.program.depths;
                let some = |words: usize| Some((words * percent / 100).max(1));
                let words = MemoryWords {
                    stream: some(needed.stream).filter(|_| of_streams),
                    activation: some(needed.activation).filter(|_| !of_streams),
                    weight: None,
                };
                Ok(Target { words, ..target })
            }
            Memories::Fixed { depths, .. } => Ok(self.with_port(target, depths)),
        }
    }

    /// Fixed memories: what does not fit comes through the port, unless the schedule is to know
    /// nothing of it.
    fn with_port(&self, target: Target, depths: MemoryDepths) -> Target {
        if let Some(Streamed { ring, .. }) = &self.streamed {
            let weight = depths.weight.saturating_sub(ring.words);
            return Target {
                depths: Some(MemoryDepths { weight, ring: None, ..depths }),
                ..target
            };
        }
        let port = |ring: WeightRing| WeightPort {
            cols: ring.port_cols,
            slots: self.problem.port.as_ref().map_or_else(every_cycle, |port| port.slots.clone()),
            ring: None,
            room: None,
        };
        Target { weight_port: depths.ring.map(port), ..target }
    }
}

/// A source that can always send a beat.
fn every_cycle() -> PortSlots {
    PortSlots::at_rate(0, 1, 1)
}

impl Built {
    /// What the case exercises, by name: what a run never saw was not tested.
    pub fn features(&self) -> BTreeSet<&'static str> {
        let program = &self.compiled.program;
        let any = |of: fn(&LayerFlags) -> bool| program.layers.iter().any(|d| of(&d.flags));
        let known = [
            ("extended array", program.array.extended),
            ("lane groups", program.array.taps > 1),
            ("folded lines", program.layers.iter().any(|d| d.lines > 1)),
            ("several write beats", program.array.write_beats() > 1),
            ("bands", self.compiled.sequence.bands.is_some()),
            ("weight ring", program.depths.ring.is_some()),
            ("streamed weights", any(|flags| flags.stream_weights)),
            ("written levels", any(|flags| flags.write_levels)),
            ("stalling host", self.stalls.is_some()),
            ("several images", self.images.len() > 1),
        ];
        let of_hardware = known.into_iter().filter(|(_, is)| *is).map(|(name, _)| name);
        of_hardware.chain(self.network.ops.iter().filter_map(|op| feature(&op.kind))).collect()
    }
}

/// What an operation exercises, unless every network does.
fn feature(kind: &OpKind) -> Option<&'static str> {
    match kind {
        OpKind::Conv { kernel: 7, .. } => Some("7x7 stem"),
        OpKind::Conv { kernel: 1, .. } => Some("1x1 convolution"),
        OpKind::Requantize { shortcut: Some(_), .. } => Some("shortcut"),
        OpKind::Threshold { .. } => Some("thresholds"),
        OpKind::ShortcutPool { .. } => Some("pooled shortcut"),
        OpKind::MaxPool { .. } => Some("maximum pool"),
        OpKind::Prelu { .. } => Some("nonlinearity"),
        OpKind::Flatten { .. } => Some("flattened map"),
        _ => None,
    }
}
