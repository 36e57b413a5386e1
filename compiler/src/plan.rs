//! Groups the operations of a network into the layers that the array executes.
//!
//! A layer is a convolution with everything that happens before its result is written:
//! requantization and shortcut, or threshold; sign; pooling; logits. The plan also fixes the
//! physical order of the channels (microarchitecture.md, section 1), so that a shortcut never
//! moves data between columns.
//!
//! Not here: sizes of the array, addresses.

use heartbit_ir::network::{Element, InvalidNetwork, Network, OpKind, ValueId, ValueType};
use std::collections::BTreeMap;

/// A network as layers of the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Types of all values.
    pub types: Vec<ValueType>,
    /// Layers in order of execution.
    pub layers: Vec<Layer>,
}

/// What a layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The image.
    Image,
    /// What an earlier layer wrote to the activation memory.
    Layer(usize),
}

/// The shortcut of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcut {
    /// The stream of a layer, unchanged.
    Identity {
        /// The layer that wrote it.
        from: usize,
    },
    /// The stream of a layer, averaged over 2×2 pixels, with zero channels added.
    Pool {
        /// The layer that wrote it.
        from: usize,
        /// The `shortcut_pool` operation.
        value: ValueId,
    },
}

/// What a layer does with its sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Requantizes to the stream.
    Stream {
        /// The `requantize` operation.
        requantize: ValueId,
        /// What is added.
        shortcut: Option<Shortcut>,
        /// The `sign` operation, if a convolution reads it.
        sign: Option<ValueId>,
        /// The `global_pool` operation, if there is one.
        pool: Option<ValueId>,
    },
    /// Compares with thresholds.
    Bits {
        /// The `threshold` operation.
        threshold: ValueId,
    },
    /// Sends logits.
    Logits {
        /// The `logits` operation.
        logits: ValueId,
    },
}

/// One layer of the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Name of the convolution.
    pub name: String,
    /// The `conv` operation.
    pub conv: ValueId,
    /// What the convolution reads.
    pub source: Source,
    /// Physical order of the input channels: element `p` is the logical channel.
    pub in_order: Vec<usize>,
    /// Physical order of the output channels.
    pub out_order: Vec<usize>,
    /// What happens to the sums.
    pub output: Output,
    /// Stride with which the written map is read; 1 if nothing reads it.
    pub out_stride: usize,
    /// Last layer that reads the written map; the layer itself if none does.
    pub map_last_use: usize,
    /// Last layer that reads the written stream; the layer itself if none does.
    pub stream_last_use: usize,
}

impl Layer {
    /// What the layer is, for reports.
    pub fn kind(&self) -> &'static str {
        match (&self.source, &self.output) {
            (Source::Image, _) => "stem",
            (_, Output::Logits { .. }) => "head",
            _ => "binary",
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
    check_implemented(network, &types)?;
    let mut planner = Planner {
        network,
        types: &types,
        consumers: consumers(network),
        layers: Vec::new(),
        map_of: BTreeMap::new(),
        stream_of: BTreeMap::new(),
        covered: vec![false; network.ops.len()],
    };
    planner.covered[0] = true;
    for id in 0..network.ops.len() {
        if let OpKind::Conv { .. } = network.ops[id].kind {
            planner.layer(id)?;
        }
    }
    if let Some(id) = planner.covered.iter().position(|covered| !covered) {
        return Err(planner.unsupported(id, "no convolution leads to it, or nothing reads it"));
    }
    let layers = planner.layers;
    Ok(Plan { types, layers })
}

/// Refuses operations of which no hardware exists: semantics.md, section 2.13.
fn check_implemented(network: &Network, types: &[ValueType]) -> Result<(), PlanError> {
    for op in &network.ops {
        let operand = match op.kind {
            OpKind::Quantize { .. }
            | OpKind::MaxPool { .. }
            | OpKind::Flatten { .. }
            | OpKind::Prelu { .. } => "",
            OpKind::Threshold { input, .. } if types[input].element == Element::Stream => {
                " of a stream"
            }
            _ => continue,
        };
        let mnemonic = op.kind.mnemonic();
        let reason = format!("the accelerator does not implement `{mnemonic}`{operand} yet");
        return Err(PlanError::Unsupported { op: op.name.clone(), reason });
    }
    Ok(())
}

fn consumers(network: &Network) -> Vec<Vec<ValueId>> {
    let mut consumers = vec![Vec::new(); network.ops.len()];
    for (id, op) in network.ops.iter().enumerate() {
        for operand in op.kind.operands() {
            consumers[operand].push(id);
        }
    }
    consumers
}

struct Planner<'a> {
    network: &'a Network,
    types: &'a [ValueType],
    consumers: Vec<Vec<ValueId>>,
    layers: Vec<Layer>,
    /// Layer that writes a levels value.
    map_of: BTreeMap<ValueId, usize>,
    /// Layer that writes a stream value.
    stream_of: BTreeMap<ValueId, usize>,
    covered: Vec<bool>,
}

impl Planner<'_> {
    fn unsupported(&self, id: ValueId, reason: impl Into<String>) -> PlanError {
        PlanError::Unsupported { op: self.network.ops[id].name.clone(), reason: reason.into() }
    }

    fn layer(&mut self, conv: ValueId) -> Result<(), PlanError> {
        let index = self.layers.len();
        let OpKind::Conv { input, kernel, stride, .. } = self.network.ops[conv].kind else {
            unreachable!("bug: called for convolutions only");
        };
        let source = self.source(conv, input)?;
        if kernel > 3 {
            return Err(self.unsupported(conv, format!("a {kernel}x{kernel} kernel; 1 or 3")));
        }
        let in_order = match source {
            Source::Image if stride != 1 => {
                return Err(self.unsupported(conv, "the image is read with stride 1 only"));
            }
            Source::Image => (0..self.types[input].channels).collect(),
            Source::Layer(from) => {
                let producer = &mut self.layers[from];
                if producer.map_last_use != from && producer.out_stride != stride {
                    let reason = "its input is also read with another stride";
                    return Err(self.unsupported(conv, reason));
                }
                producer.out_stride = stride;
                producer.map_last_use = index;
                producer.out_order.clone()
            }
        };
        let &[after] = self.consumers[conv].as_slice() else {
            return Err(self.unsupported(conv, "its sums must have exactly one reader"));
        };
        self.covered[conv] = true;
        self.covered[after] = true;
        let channels = self.types[conv].channels;
        let mut out_order: Vec<usize> = (0..channels).collect();
        let output = match self.network.ops[after].kind {
            OpKind::Requantize { shortcut, .. } => {
                let shortcut = shortcut.map(|s| self.shortcut(s, index)).transpose()?;
                if let Some(shortcut) = shortcut {
                    out_order = self.shortcut_order(shortcut, channels);
                }
                self.stream_output(after, shortcut, index)?
            }
            OpKind::Threshold { .. } => {
                self.map_of.insert(after, index);
                Output::Bits { threshold: after }
            }
            OpKind::Logits { .. } => Output::Logits { logits: after },
            _ => return Err(self.unsupported(after, "cannot follow a convolution")),
        };
        self.layers.push(Layer {
            name: self.network.ops[conv].name.clone(),
            conv,
            source,
            in_order,
            out_order,
            output,
            out_stride: 1,
            map_last_use: index,
            stream_last_use: index,
        });
        Ok(())
    }

    fn source(&self, conv: ValueId, input: ValueId) -> Result<Source, PlanError> {
        if input == 0 {
            let channels = self.types[0].channels - 1;
            if channels > heartbit_ir::program::IMAGE_CHANNELS {
                return Err(self.unsupported(0, format!("{channels} image channels; at most 3")));
            }
            return Ok(Source::Image);
        }
        self.map_of
            .get(&input)
            .map(|&layer| Source::Layer(layer))
            .ok_or_else(|| self.unsupported(conv, "its input is not written by a layer"))
    }

    /// Resolves the operand of an addition and extends the life of the stream that it reads.
    fn shortcut(&mut self, value: ValueId, reader: usize) -> Result<Shortcut, PlanError> {
        let (stream, pooled) = match self.network.ops[value].kind {
            OpKind::ShortcutPool { input, .. } => (input, true),
            _ => (value, false),
        };
        let Some(&from) = self.stream_of.get(&stream) else {
            return Err(self.unsupported(value, "a shortcut adds the stream of a layer"));
        };
        self.layers[from].stream_last_use = reader;
        if pooled {
            self.covered[value] = true;
            return Ok(Shortcut::Pool { from, value });
        }
        Ok(Shortcut::Identity { from })
    }

    fn shortcut_order(&self, shortcut: Shortcut, channels: usize) -> Vec<usize> {
        match shortcut {
            Shortcut::Identity { from } => self.layers[from].out_order.clone(),
            Shortcut::Pool { from, value } => {
                let OpKind::ShortcutPool { front, .. } = self.network.ops[value].kind else {
                    unreachable!("bug: resolved as a pooled shortcut");
                };
                let kept = self.layers[from].out_order.iter().map(|c| front + c);
                let n = self.layers[from].out_order.len();
                let added = (0..channels).filter(|c| !(front..front + n).contains(c));
                kept.chain(added).collect()
            }
        }
    }

    fn stream_output(
        &mut self,
        requantize: ValueId,
        shortcut: Option<Shortcut>,
        index: usize,
    ) -> Result<Output, PlanError> {
        self.stream_of.insert(requantize, index);
        let (mut sign, mut pool) = (None, None);
        for &reader in &self.consumers[requantize] {
            let slot = match self.network.ops[reader].kind {
                OpKind::Sign { .. } => &mut sign,
                OpKind::GlobalPool { .. } => &mut pool,
                _ => continue,
            };
            if slot.replace(reader).is_some() {
                return Err(self.unsupported(reader, "its stream already has such a reader"));
            }
        }
        if let (Some(_), Some(pool)) = (sign, pool) {
            return Err(self.unsupported(pool, "its stream is also read by `sign`"));
        }
        if let Some(id) = pool
            && self.types[id].element != Element::Levels(8)
        {
            return Err(self.unsupported(id, "the array pools to 8-bit levels"));
        }
        for id in [sign, pool].into_iter().flatten() {
            self.map_of.insert(id, index);
            self.covered[id] = true;
        }
        Ok(Output::Stream { requantize, shortcut, sign, pool })
    }
}

#[cfg(test)]
mod tests;
