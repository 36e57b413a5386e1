//! Groups the operations of a network into the layers that the accelerator executes.
//!
//! A layer is a convolution with everything that happens before its result is written, or a
//! [pass](Layer::is_pass): the same without a convolution, which pools or quantizes a stream. The
//! plan also fixes the physical order of the channels (microarchitecture.md, section 1), so that a
//! shortcut never moves data between columns.
//!
//! Not here: how the grouping is found (`planner`), layers in bands ([`bands`]), sizes of the array, addresses.

pub mod bands;
mod planner;

use heartbit_ir::network::{Element, InvalidNetwork, Network, OpKind, ValueId, ValueType};
use planner::Planner;

/// A network as layers of the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Types of all values.
    pub types: Vec<ValueType>,
    /// Layers in order of execution.
    pub layers: Vec<Layer>,
}

/// What a convolution reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The image.
    Image,
    /// What an earlier layer wrote to the activation memory.
    Layer(usize),
}

/// The convolution of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// The `conv` operation.
    pub conv: ValueId,
    /// The operation behind it that multiplies and adds: `requantize`, `threshold` or `logits`.
    pub affine: ValueId,
    /// What it reads.
    pub source: Source,
    /// Physical order of the input channels: element `p` is the logical channel. For a flattened
    /// map, of one of its pixels.
    pub in_order: Vec<usize>,
    /// Stride at which it reads the map that the source wrote; 1 where the source has written
    /// only the positions that the convolution needs.
    pub stride: usize,
    /// Pixels of a flattened map, which are then the taps.
    pub flat: Option<usize>,
}

/// How a stream joins a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortcutKind {
    /// As it is, or every second position in both directions.
    Identity {
        /// 1 or 2.
        stride: usize,
    },
    /// Averaged over 2×2 positions, with zero channels added.
    Average {
        /// The `shortcut_pool` operation.
        value: ValueId,
    },
    /// The largest or smallest of a window.
    Extreme {
        /// The `max_pool` operation.
        value: ValueId,
    },
}

/// The stream that joins a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// The layer that wrote it.
    pub from: usize,
    /// Its value.
    pub stream: ValueId,
    /// What becomes of it.
    pub kind: ShortcutKind,
}

/// What a layer writes to the activation memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenMap {
    /// Bits of every pixel: a `sign`, a `threshold`, or a `max_pool` of bits.
    Bits(ValueId),
    /// Levels of every pixel: a `quantize`.
    Levels(ValueId),
    /// Levels of the sums over all pixels: a `global_pool`.
    Pooled(ValueId),
}

/// One layer of the accelerator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Name of the operation that begins it.
    pub name: String,
    /// The convolution; a pass has none.
    pub convolution: Option<Convolution>,
    /// The stream that is added to the convolution, or that a pass reads.
    pub shortcut: Option<Shortcut>,
    /// The value of the result before the nonlinearity, where it is a stream.
    pub stream: Option<ValueId>,
    /// The `prelu` operation.
    pub prelu: Option<ValueId>,
    /// What is written to the activation memory.
    pub map: Option<WrittenMap>,
    /// The `threshold` operation that a window of a later layer pools: the sums' comparison is
    /// written as a stream of which the sign counts.
    pub signs: Option<ValueId>,
    /// Physical order of the output channels.
    pub out_order: Vec<usize>,
    /// Rows, columns and channels of the result.
    pub shape: [usize; 3],
    /// Distance of the positions of `map`'s value that are computed: 2 where only every second
    /// one in both directions is read.
    pub step: usize,
    /// Whether the written map is read as one pixel.
    pub flat: bool,
    /// Stride with which the written map is read; 1 if nothing reads it.
    pub out_stride: usize,
    /// Last layer that reads the written map; the layer itself if none does.
    pub map_last_use: usize,
    /// Last layer that reads the written stream; the layer itself if none does.
    pub stream_last_use: usize,
}

impl Layer {
    /// Whether there is no convolution.
    pub fn is_pass(&self) -> bool {
        self.convolution.is_none()
    }

    /// What the layer reads from the activation or image memory.
    pub fn source(&self) -> Option<Source> {
        self.convolution.as_ref().map(|c| c.source)
    }

    /// Whether the array needs its extensions for the layer.
    fn is_extended(&self, plan: &Plan, network: &Network) -> bool {
        let kernel = self.convolution.as_ref().map(|c| &network.ops[c.conv].kind);
        let wide_stem = self.source() == Some(Source::Image)
            && matches!(kernel, Some(OpKind::Conv { kernel: 7, .. }));
        let compares = matches!(self.map, Some(WrittenMap::Bits(id))
            if matches!(network.ops[id].kind, OpKind::Threshold { input, .. }
                if plan.types[input].element == Element::Stream));
        self.is_pass()
            || self.prelu.is_some()
            || wide_stem
            || compares
            || self.flat
            || matches!(self.map, Some(WrittenMap::Levels(_)))
    }
}

impl Plan {
    /// Whether the network needs an array with extensions.
    pub fn is_extended(&self, network: &Network) -> bool {
        self.layers.iter().any(|layer| layer.is_extended(self, network))
    }

    /// What a layer is, for reports: `stem`, `binary`, `real`, `head` or `pass`.
    pub fn kind(&self, network: &Network, layer: &Layer) -> &'static str {
        let Some(convolution) = &layer.convolution else { return "pass" };
        if let OpKind::Logits { .. } = network.ops[convolution.affine].kind {
            return "head";
        }
        let OpKind::Conv { input, weights, .. } = &network.ops[convolution.conv].kind else {
            unreachable!("bug: a convolution");
        };
        let bipolar = weights.bits() == 1 && self.types[*input].element == Element::Levels(1);
        match convolution.source {
            Source::Image => "stem",
            Source::Layer(_) if bipolar => "binary",
            Source::Layer(_) => "real",
        }
    }
}

/// Why a valid network cannot be executed by the array.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The network is not valid.
    #[error(transparent)]
    Invalid(#[from] InvalidNetwork),
    /// An operation that the array does not support where it stands.
    #[error("`{op}` cannot be mapped to the array: {reason}")]
    Unsupported {
        /// The operation.
        op: String,
        /// The rule that it breaks.
        reason: String,
    },
}

/// Groups the operations of a network into layers.
///
/// # Errors
/// [`PlanError`]: an invalid network, or one with a structure that the array does not have.
pub fn plan(network: &Network) -> Result<Plan, PlanError> {
    let types = network.validate()?;
    let layers = Planner::new(network, &types).run()?;
    Ok(Plan { types, layers })
}

#[cfg(test)]
mod tests;
