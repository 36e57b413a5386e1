//! Descriptors and memory images, layer by layer.

use super::layout::{self, ChannelMap, MapLayout, MapShape};
use super::memory::Allocator;
use super::stem::{Stem, StemOffsets};
use super::steps::{self, ScheduledStep, StepTable, Window};
use super::streaming::Streaming;
use super::weights::ColumnMemories;
use super::{Contained, Contents, Misfit, Outline};
use crate::plan::{Convolution, Layer, Plan, ShortcutKind, Source, WrittenMap};
use heartbit_ir::grid;
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Network, OpKind};
use heartbit_ir::program::{ArrayConfig, Join, LayerDescriptor, MemoryDepths, Shortcut, Step};
use std::ops::Range;

/// Bits of a level before its lower planes are left out.
const FULL_LEVEL_BITS: u32 = 8;

/// What all layers together need.
pub(super) struct Scheduled {
    pub(super) contained: Contained,
    pub(super) stem: StemOffsets,
    /// Fields that exceed their bits.
    pub(super) oversize: Vec<Misfit>,
}

/// Schedules one layer after the other.
pub(super) struct Scheduler<'a> {
    network: &'a Network,
    pub(super) plan: &'a Plan,
    pub(super) array: ArrayConfig,
    /// Lines of a tile of each layer.
    lines: Vec<usize>,
    activation: Allocator,
    stream: Allocator,
    columns: ColumnMemories,
    /// Where in its columns each layer has its weights; nowhere for a pass.
    weights: Vec<Range<usize>>,
    pub(super) steps: StepTable,
    stem: &'a Stem<'a>,
    stem_offsets: StemOffsets,
    contents: Contents,
    /// Where each layer wrote its map.
    maps: Vec<MapLayout>,
    /// Where each layer wrote its stream.
    stream_bases: Vec<usize>,
    oversize: Vec<Misfit>,
}

impl<'a> Scheduler<'a> {
    pub(super) fn new(
        network: &'a Network,
        plan: &'a Plan,
        array: ArrayConfig,
        stem: &'a Stem<'a>,
        contents: Contents,
    ) -> Self {
        Self {
            network,
            plan,
            array,
            lines: layout::tile_lines(&array, plan),
            activation: Allocator::default(),
            stream: Allocator::default(),
            columns: ColumnMemories::new(array, contents),
            weights: Vec::new(),
            steps: StepTable::new(array.taps),
            stem,
            stem_offsets: stem.offsets(contents),
            contents,
            maps: Vec::new(),
            stream_bases: Vec::new(),
            oversize: Vec::new(),
        }
    }

    /// Words of the memories whose contents are made here, all weights in theirs.
    pub(super) fn depths(&self) -> MemoryDepths {
        MemoryDepths {
            image: 1,
            activation: self.activation.high_water().max(1),
            weight: self.columns.weight_words().max(1),
            parameter: self.columns.parameter_words().max(1),
            stream: self.stream.high_water().max(1),
            logit: 1,
            step: self.steps.len(),
            program: 1,
            ring: None,
        }
    }

    /// Weight words of each layer.
    pub(super) fn weight_words(&self) -> Vec<usize> {
        self.weights.iter().map(ExactSizeIterator::len).collect()
    }

    /// Sets where the weights of each layer are, and how many words they take.
    pub(super) fn place_weights(&mut self, outline: &mut Outline, streaming: &Streaming) {
        if let Some(ring) = streaming.ring {
            let words = self.columns.stream(&mut self.weights, &streaming.streamed, ring.words);
            outline.depths.weight = words;
            outline.depths.ring = Some(ring);
        }
        for (index, d) in outline.layers.iter_mut().enumerate() {
            d.flags.stream_weights = streaming.streamed[index];
            let base = self.weights[index].start;
            d.weight_base = self.half(&self.plan.layers[index], "--weight-words", base);
        }
    }

    pub(super) fn finish(self) -> Scheduled {
        let [weights, streamed] = self.columns.weights;
        Scheduled {
            contained: Contained {
                steps: self.steps.into_memories(),
                weights,
                streamed,
                parameters: self.columns.parameters,
            },
            stem: self.stem_offsets,
            oversize: self.oversize,
        }
    }

    pub(super) fn layer(&mut self, index: usize) -> LayerDescriptor {
        let plan = self.plan;
        let layer = &plan.layers[index];
        let [height, width, channels] = layer.shape;
        let lines = self.lines[index];
        let mut d = LayerDescriptor {
            lines: u8::try_from(lines).expect("bug: at most 4 lines"),
            out_lines: 1,
            col_tiles: self.half(layer, "column tiles", channels.div_ceil(self.array.cols)),
            row_tiles: self.half(layer, "row tiles", width.div_ceil(self.array.rows)),
            out_height: self.half(layer, "height", height),
            out_width: self.half(layer, "width", width),
            clip: half_clip(grid::STREAM_MAX),
            value_clip: half_clip(grid::STREAM_MAX),
            in_copies: 1,
            out_copies: 1,
            ..LayerDescriptor::default()
        };
        d.flags.last_layer = index + 1 == plan.layers.len();
        match &layer.convolution {
            None => self.pass(layer, &mut d),
            Some(convolution) if convolution.source == Source::Image => self.stem(layer, &mut d),
            Some(convolution) => self.convolution(layer, convolution, &mut d),
        }
        self.affine(layer, &mut d);
        self.map(index, &mut d);
        self.stream(index, &mut d);
        self.timing(layer, &mut d);
        let stem = Some(&self.stem_offsets).filter(|_| d.flags.source_image);
        let base = self.columns.push_parameters(self.network, &plan.types, layer, stem);
        d.param_base = self.half(layer, "--parameter-words", base);
        self.activation.release(index);
        self.stream.release(index);
        d
    }

    /// One step without a tap.
    fn pass(&mut self, layer: &Layer, d: &mut LayerDescriptor) {
        let off = Step { off: true, ..Step::default() }.encode();
        let base = self.steps.insert(vec![vec![off; self.array.taps]]);
        self.columns.reserve(d.col_tiles.into());
        self.weights.push(0..0);
        d.steps = 1;
        d.step_base = self.half(layer, "--step-words", base);
    }

    fn stem(&mut self, layer: &Layer, d: &mut LayerDescriptor) {
        let stem = self.stem;
        self.push_steps(layer, stem.weights, &stem.steps, d);
        d.in_height = self.half(layer, "height", stem.image.height);
        d.in_width = self.half(layer, "width", stem.image.width);
        d.fan_in = self.half(layer, "lanes", stem.fan_in());
        d.flags.source_image = true;
        d.flags.stride_2 = stem.stride == 2;
        d.borders = self.stem_offsets.borders;
    }

    /// Steps and weights of a convolution.
    fn push_steps(
        &mut self,
        layer: &Layer,
        weights: &Levels,
        steps: &[ScheduledStep],
        d: &mut LayerDescriptor,
    ) {
        let base = self.steps.insert(steps.iter().map(|step| step.words.clone()).collect());
        d.steps = self.half(layer, "steps", steps.len());
        d.step_base = self.half(layer, "--step-words", base);
        let words = self.columns.push_weights(&layer.out_order, weights, steps);
        self.weights.push(words);
    }

    fn convolution(&mut self, layer: &Layer, convolution: &Convolution, d: &mut LayerDescriptor) {
        let OpKind::Conv { kernel, weights, .. } = &self.network.ops[convolution.conv].kind else {
            unreachable!("bug: a convolution");
        };
        let Source::Layer(from) = convolution.source else {
            unreachable!("bug: the stem is scheduled apart");
        };
        let map = self.maps[from];
        let [height, width, channels] = self.plan.layers[from].shape;
        let channel_map = ChannelMap::new(&self.array, channels);
        let window = Window {
            map,
            channels: &channel_map,
            in_order: &convolution.in_order,
            kernel: *kernel,
            stride: convolution.stride,
            flat: convolution.flat,
        };
        let steps = steps::schedule(&self.array, &window, weights.bits(), self.contents);
        self.push_steps(layer, weights, &steps, d);
        let (height, width) = if convolution.flat.is_some() { (1, 1) } else { (height, width) };
        d.in_height = self.half(layer, "height", height);
        d.in_width = self.half(layer, "width", width);
        let words = "--activation-words";
        d.in_base = self.half(layer, words, map.base);
        d.in_y_words = self.half(layer, words, map.tile_row_words());
        d.in_xt_words = self.half(layer, words, map.pixel_words());
        d.last_lanes = self.half(layer, "lanes", channel_map.last_lanes());
        d.fan_in = self.half(layer, "channels", channels);
        d.in_copies = u8::try_from(map.copies).expect("bug: at most 4 copies");
        d.flags.stride_2 = convolution.stride == 2;
    }

    /// Shifts and limits of the operations behind the sums.
    fn affine(&self, layer: &Layer, d: &mut LayerDescriptor) {
        let kind = |id: usize| &self.network.ops[id].kind;
        if let Some(convolution) = &layer.convolution {
            match kind(convolution.affine) {
                OpKind::Requantize { shift, clip, .. } => {
                    d.shift = *shift;
                    d.clip = half_clip(*clip);
                }
                OpKind::Logits { .. } => d.flags.logits = true,
                _ => {}
            }
        }
        if let Some(prelu) = layer.prelu
            && let OpKind::Prelu { shift, clip, .. } = kind(prelu)
        {
            d.value_shift = *shift;
            d.value_clip = half_clip(*clip);
        }
    }

    /// What the layer writes to the activation memory, and where.
    fn map(&mut self, index: usize, d: &mut LayerDescriptor) {
        let layer = &self.plan.layers[index];
        let read = layer.map_last_use > index;
        let mut map = MapShape {
            shape: layer.shape,
            stride: layer.out_stride,
            lines: self.reader_lines(index),
            planes: 1,
            flat: layer.flat,
        };
        match layer.map.filter(|_| read) {
            None => {
                self.maps.push(MapLayout::default());
                return;
            }
            Some(WrittenMap::Bits(_)) => d.flags.write_bits = true,
            Some(WrittenMap::Levels(id)) => {
                d.flags.write_levels = true;
                map.planes = self.levels(layer, id, d);
            }
            Some(WrittenMap::Pooled(id)) => {
                d.flags.pool = true;
                map.planes = self.levels(layer, id, d);
                map.shape = [1, 1, layer.shape[2]];
                map.lines = 1;
            }
        }
        let mut layout = MapLayout::new(&self.array, &map);
        layout.base = self.activation.allocate(layout.words(), layer.map_last_use);
        self.maps.push(layout);
        d.flags.out_stride_2 = layer.out_stride == 2;
        d.flags.out_flat = layer.flat;
        d.out_lines = u8::try_from(layout.lines).expect("bug: at most 4 lines");
        d.out_copies = u8::try_from(layout.copies).expect("bug: at most 4 copies");
        let words = "--activation-words";
        d.out_base = self.half(layer, words, layout.base);
        d.out_y_words = self.half(layer, words, layout.row_words());
        d.out_phase_words = self.half(layer, words, layout.phase_words(self.array.rows));
        d.out_xt_words = self.half(layer, words, layout.pixel_words());
        d.out_plane_words = self.half(layer, words, layout.plane_words());
    }

    /// Lines of the tiles of the layers that read a layer's map.
    fn reader_lines(&self, index: usize) -> usize {
        let reads = |layer: &Layer| layer.source() == Some(Source::Layer(index));
        let layers = self.plan.layers.iter().zip(&self.lines);
        layers.filter(|(layer, _)| reads(layer)).map(|(_, &lines)| lines).max().unwrap_or(1)
    }

    /// Bits and shift of the levels of an operation; the array makes 8-bit levels and leaves out
    /// the lower planes. Returns the number of planes.
    fn levels(&mut self, layer: &Layer, id: usize, d: &mut LayerDescriptor) -> usize {
        let (OpKind::Quantize { shift, bits, .. } | OpKind::GlobalPool { shift, bits, .. }) =
            self.network.ops[id].kind
        else {
            unreachable!("bug: levels are written by one of these");
        };
        let left_out = FULL_LEVEL_BITS - bits;
        d.level_bits = bits;
        d.level_shift = shift.checked_sub(left_out).unwrap_or_else(|| {
            self.oversize.push(Misfit {
                resource: "level bits of a small shift",
                layer: Some(layer.name.clone()),
                needed: (FULL_LEVEL_BITS - shift).into(),
                available: bits.into(),
            });
            0
        });
        bits as usize
    }

    /// The stream that joins the layer and the one that is written.
    fn stream(&mut self, index: usize, d: &mut LayerDescriptor) {
        let layer = &self.plan.layers[index];
        let mut in_place = None;
        if let Some(shortcut) = layer.shortcut {
            d.shortcut = self.window(shortcut.kind);
            let from = &self.plan.layers[shortcut.from];
            let [height, width, channels] = from.shape;
            if layer.is_pass() {
                d.in_height = self.half(layer, "height", height);
                d.in_width = self.half(layer, "width", width);
            }
            let base = self.stream_bases[shortcut.from];
            d.stream_in_base = self.half(layer, "--stream-words", base);
            d.stream_in_row = self.half(layer, "--stream-words", width.div_ceil(2));
            d.stream_in_plane = self.half(layer, "--stream-words", height * width.div_ceil(2));
            d.shortcut_channels = self.half(layer, "channels", channels);
            // The array reads a pixel of the shortcut before it writes that pixel of the result,
            // so the result may take the place of a stream that nobody else needs.
            let same = shortcut.kind == ShortcutKind::Identity { stride: 1 };
            in_place = Some(base).filter(|_| same && from.stream_last_use == index);
        }
        let [height, width, channels] = layer.shape;
        let plane = height * width.div_ceil(2);
        let words = plane * channels.div_ceil(self.array.cols);
        d.flags.write_stream = layer.stream_last_use > index;
        let base = if !d.flags.write_stream {
            0
        } else if let Some(base) = in_place {
            self.stream.extend(base, layer.stream_last_use);
            base
        } else {
            self.stream.allocate(words, layer.stream_last_use)
        };
        self.stream_bases.push(base);
        if d.flags.write_stream {
            d.stream_out_base = self.half(layer, "--stream-words", base);
            d.stream_out_row = self.half(layer, "--stream-words", width.div_ceil(2));
            d.stream_out_plane = self.half(layer, "--stream-words", plane);
        }
    }

    fn window(&self, kind: ShortcutKind) -> Shortcut {
        match kind {
            ShortcutKind::Identity { stride } => {
                Shortcut { join: Join::Add, stride_2: stride == 2, ..Shortcut::default() }
            }
            ShortcutKind::Average { .. } => {
                Shortcut { join: Join::Average, window: 2, stride_2: true, padding: false }
            }
            ShortcutKind::Extreme { value } => {
                let OpKind::MaxPool { kernel, stride, padding, .. } = self.network.ops[value].kind
                else {
                    unreachable!("bug: an extreme is max_pool");
                };
                Shortcut {
                    join: Join::Extreme,
                    window: u8::try_from(kernel).expect("bug: validated"),
                    stride_2: stride == 2,
                    padding: padding == 1,
                }
            }
        }
    }

    /// Idle cycles within the layer and until its results are written: microarchitecture.md,
    /// sections 5.2 to 5.4.
    fn timing(&mut self, layer: &Layer, d: &mut LayerDescriptor) {
        let array = self.array;
        let drain = array.rows * self.beats(d);
        d.tile_gap = self.half(layer, "drain", drain.saturating_sub(d.steps.into()));
        // Until the pooled sums are written, less the time to the next column tile's first pixel.
        let pooled = (drain + self.pooling_cycles(d)).saturating_sub(d.steps.into());
        if d.flags.pool {
            d.col_gap = self.half(layer, "drain", pooled.saturating_sub(d.tile_gap.into()));
        }
        d.drain_wait = self.half(layer, "drain", self.drain_wait(d));
    }

    /// Cycles from the last pixel of a column tile to its last pooled plane.
    pub(super) fn pooling_cycles(&self, d: &LayerDescriptor) -> usize {
        if !d.flags.pool {
            return 0;
        }
        (d.level_shift + 1) as usize + d.level_bits as usize * self.array.write_beats()
    }

    /// Cycles in which a row is drained.
    pub(super) fn beats(&self, d: &LayerDescriptor) -> usize {
        let planes = if d.flags.write_levels { d.level_bits as usize } else { 1 };
        d.shortcut.reads() + planes * self.array.write_beats() - 1
    }

    /// Narrows a field, or remembers that it does not fit 16 bits.
    pub(super) fn half(&mut self, layer: &Layer, resource: &'static str, value: usize) -> u16 {
        u16::try_from(value).unwrap_or_else(|_| {
            self.oversize.push(Misfit {
                resource,
                layer: Some(layer.name.clone()),
                needed: value as u64,
                available: u64::from(u16::MAX),
            });
            0
        })
    }
}

fn half_clip(clip: i32) -> u16 {
    u16::try_from(clip).expect("bug: validated")
}
