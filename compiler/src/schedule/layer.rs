//! Descriptors and memory images, layer by layer.

use super::layout::{self, ChannelMap};
use super::places::{Live, Places};
use super::stem::{Stem, StemOffsets};
use super::steps::{self, ScheduledStep, StepTable, Window, group_words};
use super::streaming::{LayerWeights, Streaming};
use super::weights::ColumnMemories;
use super::{Contained, Contents, Misfit, Outline};
use crate::plan::bands::{ProgramLayer, Reach, Rows, Sequence};
use crate::plan::{Convolution, Layer, Plan, ShortcutKind, Source, WrittenMap};
use heartbit_ir::grid;
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Network, OpKind};
use heartbit_ir::program::{ArrayConfig, Join, LayerDescriptor, MemoryDepths, Shortcut, Step};
use std::collections::BTreeMap;
use std::ops::Range;

/// Bits of a level before its lower planes are left out.
const FULL_LEVEL_BITS: u32 = 8;

/// What all layers together need.
pub(super) struct Scheduled {
    pub(super) contained: Contained,
    pub(super) stem: StemOffsets,
    /// What is in use of the memories of activations and streams while each layer runs.
    pub(super) live: Vec<Live>,
    /// Fields that exceed their bits.
    pub(super) oversize: Vec<Misfit>,
}

/// Schedules one layer after the other.
pub(super) struct Scheduler<'a> {
    pub(super) network: &'a Network,
    pub(super) plan: &'a Plan,
    pub(super) sequence: &'a Sequence,
    pub(super) array: ArrayConfig,
    /// Lines of a tile of each layer of the plan.
    lines: Vec<usize>,
    pub(super) places: Places,
    columns: ColumnMemories,
    /// Where in its columns each layer of the plan has its weights, once they are made.
    weights: Vec<Option<Range<usize>>>,
    pub(super) steps: StepTable,
    stem: &'a Stem<'a>,
    stem_offsets: StemOffsets,
    contents: Contents,
    /// First word of the parameters of each layer of the plan, by the first and
    /// last of their classes; bands share them.
    param_bases: BTreeMap<(usize, usize, usize), usize>,
    oversize: Vec<Misfit>,
}

impl<'a> Scheduler<'a> {
    pub(super) fn new(
        network: &'a Network,
        plan: &'a Plan,
        sequence: &'a Sequence,
        array: ArrayConfig,
        stem: &'a Stem<'a>,
        contents: Contents,
    ) -> Self {
        let lines = layout::tile_lines(&array, plan, sequence.bands);
        Self {
            network,
            plan,
            sequence,
            array,
            places: Places::new(network, plan, sequence, &array, &lines),
            lines,
            columns: ColumnMemories::new(array, contents),
            weights: vec![None; plan.layers.len()],
            steps: StepTable::new(array.taps),
            stem,
            stem_offsets: stem.offsets(contents),
            contents,
            param_bases: BTreeMap::new(),
            oversize: Vec::new(),
        }
    }

    /// Words of the memories whose contents are made here, all weights in theirs.
    pub(super) fn depths(&self) -> MemoryDepths {
        MemoryDepths {
            image: 1,
            activation: self.places.activation_words.max(1),
            weight: self.columns.weight_words().max(1),
            parameter: self.columns.parameter_words().max(1),
            stream: self.places.stream_words.max(1),
            logit: 1,
            step: self.steps.len(),
            program: 1,
            ring: None,
        }
    }

    /// Words of the weights of each of the program's layers; those of several are the first one's.
    pub(super) fn weight_words(&self) -> Vec<LayerWeights> {
        let of = |(index, program): (usize, &ProgramLayer)| {
            let users = self.sequence.of_layer(program.layer);
            let words = self.weights[program.layer].as_ref().map_or(0, ExactSizeIterator::len);
            LayerWeights {
                words: if users.first() == Some(&index) { words } else { 0 },
                is_shared: users.len() > 1,
            }
        };
        self.sequence.layers.iter().enumerate().map(of).collect()
    }

    /// Words that passes find, whatever is in them.
    pub(super) fn pass_words(&self) -> usize {
        self.columns.reserved()
    }

    /// Name of one of the program's layers.
    pub(super) fn name(&self, index: usize) -> String {
        self.sequence.name(self.plan, index)
    }

    /// Sets where the weights of each layer are, and how many words they take.
    pub(super) fn place_weights(&mut self, outline: &mut Outline, streaming: &Streaming) {
        let programs = self.sequence.layers.iter().zip(&streaming.streamed);
        let mut streamed = vec![false; self.plan.layers.len()];
        programs.for_each(|(program, is)| streamed[program.layer] = *is);
        let mut weights: Vec<_> =
            self.weights.iter().map(|words| words.clone().unwrap_or_default()).collect();
        if let Some(ring) = streaming.ring {
            outline.depths.weight = self.columns.stream(&mut weights, &streamed, ring.words);
            outline.depths.ring = Some(ring);
        }
        for (index, d) in outline.layers.iter_mut().enumerate() {
            let (plan_index, layer, _) = self.at(index);
            d.flags.stream_weights = streamed[plan_index];
            d.weight_base = self.half(layer, "--weight-words", weights[plan_index].start);
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
            live: self.places.live,
            oversize: self.oversize,
        }
    }

    pub(super) fn layer(&mut self, index: usize) -> LayerDescriptor {
        let (layer_index, layer, rows) = self.at(index);
        let [_, width, channels] = layer.shape;
        let lines = self.lines[layer_index];
        let mut d = LayerDescriptor {
            lines: u8::try_from(lines).expect("bug: at most 4 lines"),
            out_lines: 1,
            col_tiles: self.half(layer, "column tiles", channels.div_ceil(self.array.cols)),
            row_tiles: self.half(layer, "row tiles", width.div_ceil(self.array.rows)),
            out_height: self.half(layer, "height", rows.len()),
            out_width: self.half(layer, "width", width),
            clip: half_clip(grid::STREAM_MAX),
            value_clip: half_clip(grid::STREAM_MAX),
            in_copies: 1,
            out_copies: 1,
            ..LayerDescriptor::default()
        };
        d.flags.last_layer = index + 1 == self.sequence.layers.len();
        d.flags.keep_image = index < self.last_stem();
        match &layer.convolution {
            None => self.pass(layer, &mut d),
            Some(convolution) if convolution.source == Source::Image => self.stem(index, &mut d),
            Some(convolution) => self.convolution(index, convolution, &mut d),
        }
        self.affine(layer, &mut d);
        self.map(index, &mut d);
        self.shortcut(index, &mut d);
        self.stream(index, &mut d);
        self.timing(layer, &mut d);
        self.parameters(index, &mut d);
        d
    }

    /// Layer of the plan, with its place there, and the rows of its result that one of the program's
    /// layers computes.
    fn at(&self, index: usize) -> (usize, &'a Layer, Rows) {
        let ProgramLayer { layer, rows, .. } = self.sequence.layers[index];
        (layer, &self.plan.layers[layer], rows)
    }

    /// The last of the program's layers that reads the image.
    fn last_stem(&self) -> usize {
        let reads_image = |program: &ProgramLayer| {
            let convolution = self.plan.layers[program.layer].convolution.as_ref();
            convolution.is_some_and(|convolution| convolution.source == Source::Image)
        };
        self.sequence.layers.iter().rposition(reads_image).unwrap_or(0)
    }

    /// One step without a tap.
    fn pass(&mut self, layer: &Layer, d: &mut LayerDescriptor) {
        let off = Step { off: true, ..Step::default() }.encode();
        let base = self.steps.insert(vec![group_words(self.array.taps, |_| off)]);
        self.columns.reserve(d.col_tiles.into());
        d.steps = 1;
        d.step_base = self.half(layer, "--step-words", base);
    }

    fn stem(&mut self, index: usize, d: &mut LayerDescriptor) {
        let stem = self.stem;
        let (layer_index, layer, rows) = self.at(index);
        self.push_steps(layer_index, stem.weights, &stem.steps, d);
        d.in_height = self.half(layer, "height", stem.image.height);
        d.in_width = self.half(layer, "width", stem.image.width);
        d.fan_in = self.half(layer, "lanes", stem.fan_in());
        d.flags.source_image = true;
        d.flags.stride_2 = stem.stride == 2;
        let first = rows.first * stem.stride;
        d.in_base = self.half(layer, "height", first);
        d.in_y_words = self.half(layer, "--image-words", first / 3 * stem.row_tiles());
        d.in_xt_words = self.half(layer, "height", first % 3);
        d.borders = stem.classes_of(rows).0;
    }

    /// Steps and weights of a convolution.
    fn push_steps(
        &mut self,
        layer_index: usize,
        weights: &Levels,
        steps: &[ScheduledStep],
        d: &mut LayerDescriptor,
    ) {
        let layer = &self.plan.layers[layer_index];
        let base = self.steps.insert(steps.iter().map(|step| step.words).collect());
        d.steps = self.half(layer, "steps", steps.len());
        d.step_base = self.half(layer, "--step-words", base);
        if self.weights[layer_index].is_none() {
            let words = self.columns.push_weights(&layer.out_order, weights, steps);
            self.weights[layer_index] = Some(words);
        }
    }

    fn convolution(&mut self, index: usize, convolution: &Convolution, d: &mut LayerDescriptor) {
        let OpKind::Conv { kernel, weights, .. } = &self.network.ops[convolution.conv].kind else {
            unreachable!("bug: a convolution");
        };
        let Source::Layer(from) = convolution.source else {
            unreachable!("bug: the stem is scheduled apart");
        };
        let (layer_index, layer, rows) = self.at(index);
        let writer = self.sequence.writers(index, from)[0];
        let place = self.places.maps[writer].expect("bug: it is read");
        let map = place.layout;
        let [height, width, channels] = self.plan.layers[from].shape;
        let (view, width) = if convolution.flat.is_some() {
            (Rows::whole(1), 1)
        } else {
            let reach = Reach::of_map(self.network, convolution);
            (self.view(reach, layer_index, rows, height), width)
        };
        let channel_map = ChannelMap::new(&self.array, channels);
        let window = Window {
            map,
            channels: &channel_map,
            in_order: &convolution.in_order,
            kernel: *kernel,
            stride: convolution.stride,
            first_line: rows.first * convolution.stride - view.first,
            flat: convolution.flat,
        };
        let steps = steps::schedule(&self.array, &window, weights.bits(), self.contents);
        self.push_steps(layer_index, weights, &steps, d);
        d.in_height = self.half(layer, "height", view.len());
        d.in_width = self.half(layer, "width", width);
        let words = "--activation-words";
        d.in_base = self.half(layer, words, place.row_base(view.first));
        d.in_y_words = self.half(layer, words, map.tile_row_words());
        d.in_xt_words = self.half(layer, words, map.pixel_words());
        d.last_lanes = self.half(layer, "lanes", channel_map.last_lanes());
        d.fan_in = self.half(layer, "channels", channels);
        d.in_copies = u8::try_from(map.copies).expect("bug: at most 4 copies");
        d.flags.stride_2 = convolution.stride == 2;
    }

    /// The rows of an operand that a layer sees as a map of its own: those that it needs, and all of
    /// them if it computes its whole result.
    fn view(&self, reach: Reach, layer: usize, rows: Rows, height: usize) -> Rows {
        if rows == Rows::whole(self.plan.layers[layer].shape[0]) {
            Rows::whole(height)
        } else {
            reach.rows(rows, height)
        }
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
        let (_, layer, rows) = self.at(index);
        let (Some(map), Some(place)) = (layer.map, self.places.maps[index]) else { return };
        match map {
            WrittenMap::Bits(_) => d.flags.write_bits = true,
            WrittenMap::Levels(id) => {
                d.flags.write_levels = true;
                self.levels(layer, id, d);
            }
            WrittenMap::Pooled(id) => {
                d.flags.pool = true;
                self.levels(layer, id, d);
            }
        }
        let layout = place.layout;
        d.flags.out_stride_2 = layer.out_stride == 2;
        d.flags.out_flat = layer.flat;
        d.out_lines = u8::try_from(layout.lines).expect("bug: at most 4 lines");
        d.out_copies = u8::try_from(layout.copies).expect("bug: at most 4 copies");
        let words = "--activation-words";
        d.out_base = self.half(layer, words, place.row_base(rows.first));
        d.out_y_words = self.half(layer, words, layout.row_words());
        d.out_phase_words = self.half(layer, words, layout.phase_words(self.array.rows));
        d.out_xt_words = self.half(layer, words, layout.pixel_words());
        d.out_plane_words = self.half(layer, words, layout.plane_words());
    }

    /// Bits and shift of the levels of an operation; the array makes 8-bit levels and leaves out
    /// the lower planes.
    fn levels(&mut self, layer: &Layer, id: usize, d: &mut LayerDescriptor) {
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
    }

    /// The stream that joins the layer.
    fn shortcut(&mut self, index: usize, d: &mut LayerDescriptor) {
        let (layer_index, layer, rows) = self.at(index);
        let Some(shortcut) = layer.shortcut else { return };
        let [height, width, channels] = self.plan.layers[shortcut.from].shape;
        let reach = Reach::of_stream(self.network, shortcut.kind);
        let view = self.view(reach, layer_index, rows, height);
        // Rows before the view are padding only where it begins with the stream.
        let inner = reach.before > 0 && rows.first > 0;
        d.shortcut = Shortcut { inner, ..self.window(shortcut.kind) };
        if layer.is_pass() {
            d.in_height = self.half(layer, "height", view.len());
            d.in_width = self.half(layer, "width", width);
        }
        let writer = self.sequence.writers(index, shortcut.from)[0];
        let place = self.places.streams[writer].expect("bug: it is read");
        let words = "--stream-words";
        d.stream_in_base = self.half(layer, words, place.row_base(view.first));
        d.stream_in_row = self.half(layer, words, place.row_words);
        d.stream_in_plane = self.half(layer, words, place.plane_words);
        d.shortcut_channels = self.half(layer, "channels", channels);
    }

    /// The stream that is written.
    fn stream(&mut self, index: usize, d: &mut LayerDescriptor) {
        let Some(place) = self.places.streams[index] else { return };
        let (_, layer, rows) = self.at(index);
        let words = "--stream-words";
        d.flags.write_stream = true;
        d.stream_out_base = self.half(layer, words, place.row_base(rows.first));
        d.stream_out_row = self.half(layer, words, place.row_words);
        d.stream_out_plane = self.half(layer, words, place.plane_words);
    }

    fn window(&self, kind: ShortcutKind) -> Shortcut {
        match kind {
            ShortcutKind::Identity { stride } => {
                Shortcut { join: Join::Add, stride_2: stride == 2, ..Shortcut::default() }
            }
            ShortcutKind::Average { .. } => {
                let join = Join::Average;
                Shortcut { join, window: 2, stride_2: true, ..Shortcut::default() }
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
                    inner: false,
                }
            }
        }
    }

    /// Parameters, which bands have in common unless the classes of their rows differ.
    fn parameters(&mut self, index: usize, d: &mut LayerDescriptor) {
        let (layer_index, layer, rows) = self.at(index);
        let stem = d.flags.source_image.then(|| {
            let (_, first) = self.stem.classes_of(rows);
            (&self.stem_offsets, first..first + d.borders.classes())
        });
        let key = stem.as_ref().map_or((0, 0), |(_, classes)| (classes.start, classes.end));
        let (network, types) = (self.network, &self.plan.types);
        let columns = &mut self.columns;
        let base = *self
            .param_bases
            .entry((layer_index, key.0, key.1))
            .or_insert_with(|| columns.push_parameters(network, types, layer, stem.as_ref()));
        d.param_base = self.half(layer, "--parameter-words", base);
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
