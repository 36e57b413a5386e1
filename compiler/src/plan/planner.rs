//! How the layers are found: operations in order, each one begins a layer or joins one.
//!
//! A convolution begins a layer, and so do `max_pool` and, where the stream's layer cannot write
//! the levels itself, `quantize`. What a layer's stream is read by decides what the layer writes.

use super::{Convolution, Layer, PlanError, Shortcut, ShortcutKind, Source, WrittenMap};
use heartbit_ir::network::{Element, Network, OpKind, ValueId, ValueType};
use std::collections::BTreeMap;

pub(super) struct Planner<'a> {
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

impl<'a> Planner<'a> {
    pub(super) fn new(network: &'a Network, types: &'a [ValueType]) -> Self {
        let mut consumers = vec![Vec::new(); network.ops.len()];
        for (id, op) in network.ops.iter().enumerate() {
            for operand in op.kind.operands() {
                consumers[operand].push(id);
            }
        }
        Self {
            network,
            types,
            consumers,
            layers: Vec::new(),
            map_of: BTreeMap::new(),
            stream_of: BTreeMap::new(),
            covered: vec![false; network.ops.len()],
        }
    }

    pub(super) fn run(mut self) -> Result<Vec<Layer>, PlanError> {
        self.covered[0] = true;
        if self.consumers[0].len() > 1 {
            return Err(self.unsupported(0, "more than one convolution reads the image"));
        }
        for id in 0..self.network.ops.len() {
            if self.covered[id] {
                continue;
            }
            match self.network.ops[id].kind {
                OpKind::Conv { .. } => self.convolution(id)?,
                OpKind::MaxPool { input, .. } => self.max_pool(id, input)?,
                OpKind::Quantize { input, .. } => self.quantize(id, input)?,
                _ => {}
            }
        }
        match self.covered.iter().position(|covered| !covered) {
            Some(id) => {
                Err(self.unsupported(id, "no convolution leads to it, or nothing reads it"))
            }
            None => Ok(self.layers),
        }
    }

    fn kind(&self, id: ValueId) -> &'a OpKind {
        &self.network.ops[id].kind
    }

    fn unsupported(&self, id: ValueId, reason: impl Into<String>) -> PlanError {
        PlanError::Unsupported { op: self.network.ops[id].name.clone(), reason: reason.into() }
    }

    /// A layer with nothing in it, named after an operation and shaped like its value.
    fn begin(&mut self, id: ValueId) -> Layer {
        self.covered[id] = true;
        let ValueType { height, width, channels, .. } = self.types[id];
        let index = self.layers.len();
        Layer {
            name: self.network.ops[id].name.clone(),
            convolution: None,
            shortcut: None,
            stream: None,
            prelu: None,
            map: None,
            signs: None,
            out_order: (0..channels).collect(),
            shape: [height, width, channels],
            step: 1,
            flat: false,
            out_stride: 1,
            map_last_use: index,
            stream_last_use: index,
        }
    }

    fn convolution(&mut self, conv: ValueId) -> Result<(), PlanError> {
        let convolution = self.operands(conv)?;
        let affine = convolution.affine;
        let mut layer = self.begin(conv);
        self.covered[affine] = true;
        layer.convolution = Some(convolution);
        match *self.kind(affine) {
            OpKind::Requantize { shortcut, .. } => {
                if let Some(value) = shortcut {
                    let shortcut = self.shortcut(value)?;
                    layer.out_order = self.order(shortcut, layer.shape[2]);
                    layer.shortcut = Some(shortcut);
                }
                layer.stream = Some(affine);
                self.write_stream(&mut layer, affine)?;
            }
            OpKind::Threshold { .. } => self.write_signs(&mut layer, affine)?,
            OpKind::Logits { .. } => {}
            _ => return Err(self.unsupported(affine, "cannot follow a convolution")),
        }
        self.layers.push(layer);
        Ok(())
    }

    /// What a convolution reads, and what follows it.
    fn operands(&mut self, conv: ValueId) -> Result<Convolution, PlanError> {
        let OpKind::Conv { input, kernel, stride, .. } = *self.kind(conv) else {
            unreachable!("bug: called for convolutions only");
        };
        let &[affine] = self.consumers[conv].as_slice() else {
            return Err(self.unsupported(conv, "its sums must have exactly one reader"));
        };
        if input == 0 {
            let channels = self.types[0].channels - 1;
            if channels > heartbit_ir::program::IMAGE_CHANNELS {
                return Err(self.unsupported(0, format!("{channels} image channels; at most 3")));
            }
            if !matches!((kernel, stride), (3, 1) | (7, 2)) {
                let reason = format!(
                    "a {kernel}x{kernel} kernel with stride {stride} on the image; \
                     3x3 with stride 1 or 7x7 with stride 2"
                );
                return Err(self.unsupported(conv, reason));
            }
            let in_order = (0..channels).collect();
            let source = Source::Image;
            return Ok(Convolution { conv, affine, source, in_order, stride, flat: None });
        }
        if kernel > 3 {
            return Err(self.unsupported(conv, format!("a {kernel}x{kernel} kernel; 1 or 3")));
        }
        let (map, flat) = match *self.kind(input) {
            OpKind::Flatten { input: map } => {
                self.covered[input] = true;
                (map, Some(self.types[map].height * self.types[map].width))
            }
            _ => (input, None),
        };
        let Some(&from) = self.map_of.get(&map) else {
            return Err(self.unsupported(conv, "its input is not written by a layer"));
        };
        let index = self.layers.len();
        let producer = &self.layers[from];
        let stride = if producer.step == 2 { 1 } else { stride };
        let same = producer.out_stride == stride && producer.flat == flat.is_some();
        if producer.map_last_use != from && !same {
            return Err(self.unsupported(conv, "its input is also read in another way"));
        }
        let producer = &mut self.layers[from];
        producer.out_stride = stride;
        producer.flat = flat.is_some();
        producer.map_last_use = index;
        let in_order = producer.out_order.clone();
        Ok(Convolution { conv, affine, source: Source::Layer(from), in_order, stride, flat })
    }

    /// Resolves the operand of an addition, and extends the life of the stream that it reads.
    fn shortcut(&mut self, value: ValueId) -> Result<Shortcut, PlanError> {
        let (stream, kind) = match *self.kind(value) {
            OpKind::ShortcutPool { input, .. } => {
                self.covered[value] = true;
                (input, ShortcutKind::Average { value })
            }
            _ => (value, ShortcutKind::Identity { stride: 1 }),
        };
        self.read_stream(value, stream, kind)
    }

    fn read_stream(
        &mut self,
        reader: ValueId,
        stream: ValueId,
        kind: ShortcutKind,
    ) -> Result<Shortcut, PlanError> {
        let Some(&from) = self.stream_of.get(&stream) else {
            return Err(self.unsupported(reader, "it reads no stream of a layer"));
        };
        self.layers[from].stream_last_use = self.layers.len();
        Ok(Shortcut { from, stream, kind })
    }

    /// The order of the channels of a layer that a stream joins.
    fn order(&self, shortcut: Shortcut, channels: usize) -> Vec<usize> {
        let from = &self.layers[shortcut.from].out_order;
        let ShortcutKind::Average { value } = shortcut.kind else { return from.clone() };
        let OpKind::ShortcutPool { front, .. } = *self.kind(value) else {
            unreachable!("bug: resolved as an average");
        };
        let kept = from.iter().map(|c| front + c);
        let added = (0..channels).filter(|c| !(front..front + from.len()).contains(c));
        kept.chain(added).collect()
    }

    /// Decides what becomes of a layer's stream from who reads it.
    fn write_stream(&mut self, layer: &mut Layer, stream: ValueId) -> Result<(), PlanError> {
        let mut result = stream;
        if let [reader] = *self.consumers[stream].as_slice()
            && let OpKind::Prelu { .. } = self.kind(reader)
        {
            self.covered[reader] = true;
            layer.prelu = Some(reader);
            result = reader;
        }
        let index = self.layers.len();
        self.stream_of.insert(result, index);
        for reader in self.consumers[result].clone() {
            let map = match *self.kind(reader) {
                OpKind::Sign { .. } | OpKind::Threshold { .. } => WrittenMap::Bits(reader),
                OpKind::GlobalPool { .. } => WrittenMap::Pooled(reader),
                _ => continue,
            };
            if layer.map.replace(map).is_some() {
                return Err(self.unsupported(reader, "its stream already has such a reader"));
            }
            self.map_of.insert(reader, index);
            self.covered[reader] = true;
        }
        // A convolution's layer would be slowed down by the planes.
        if layer.is_pass()
            && layer.map.is_none()
            && let Some(&reader) = self.consumers[result]
                .iter()
                .find(|&&reader| matches!(self.kind(reader), OpKind::Quantize { .. }))
        {
            layer.map = Some(WrittenMap::Levels(reader));
            self.map_of.insert(reader, index);
            self.covered[reader] = true;
        }
        Ok(())
    }

    /// Thresholds on sums: bits, or a stream of which a pass pools the sign.
    fn write_signs(&mut self, layer: &mut Layer, threshold: ValueId) -> Result<(), PlanError> {
        let index = self.layers.len();
        let pools = |id: &ValueId| matches!(self.kind(*id), OpKind::MaxPool { .. });
        let readers = &self.consumers[threshold];
        if readers.iter().any(pools) {
            if !readers.iter().all(pools) {
                let reason = "its bits are read both pooled and as they are";
                return Err(self.unsupported(threshold, reason));
            }
            layer.signs = Some(threshold);
            self.stream_of.insert(threshold, index);
        } else {
            layer.map = Some(WrittenMap::Bits(threshold));
            self.map_of.insert(threshold, index);
        }
        Ok(())
    }

    fn max_pool(&mut self, id: ValueId, input: ValueId) -> Result<(), PlanError> {
        let shortcut = self.read_stream(id, input, ShortcutKind::Extreme { value: id })?;
        let OpKind::MaxPool { padding, .. } = *self.kind(id) else {
            unreachable!("bug: called for max_pool only");
        };
        debug_assert!(padding <= 1, "validated");
        let mut layer = self.begin(id);
        layer.shortcut = Some(shortcut);
        layer.out_order.clone_from(&self.layers[shortcut.from].out_order);
        if self.types[id].element == Element::Stream {
            layer.stream = Some(id);
            self.write_stream(&mut layer, id)?;
        } else {
            if self.types[id].element != Element::Levels(1) {
                return Err(self.unsupported(id, "levels of more than one bit are not pooled"));
            }
            layer.map = Some(WrittenMap::Bits(id));
            self.map_of.insert(id, self.layers.len());
        }
        self.layers.push(layer);
        Ok(())
    }

    /// A pass that writes levels: of every second position where only those are read.
    fn quantize(&mut self, id: ValueId, input: ValueId) -> Result<(), PlanError> {
        let every_second = self.consumers[id]
            .iter()
            .all(|&reader| matches!(self.kind(reader), OpKind::Conv { kernel: 1, stride: 2, .. }));
        let mut shortcut = self.shortcut(input)?;
        let mut layer = self.begin(id);
        if let ShortcutKind::Identity { stride } = &mut shortcut.kind
            && every_second
        {
            *stride = 2;
            layer.step = 2;
            layer.shape[0] = layer.shape[0].div_ceil(2);
            layer.shape[1] = layer.shape[1].div_ceil(2);
        }
        layer.out_order = self.order(shortcut, layer.shape[2]);
        layer.shortcut = Some(shortcut);
        layer.map = Some(WrittenMap::Levels(id));
        self.map_of.insert(id, self.layers.len());
        self.layers.push(layer);
        Ok(())
    }
}
