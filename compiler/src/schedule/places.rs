//! Where the maps and streams of a program lie: first-fit over their lives.
//!
//! A region lives from the layer that writes it to the last one that reads it. A layer in bands
//! writes a region of its own in each band, which holds the rows of this band only; the last layer
//! of the group writes its bands into one region.
//!
//! Not here: the fields of the descriptors, and when what is written may be read.

use super::layout::{MapLayout, MapShape, reader_lines};
use super::memory::Allocator;
use crate::plan::bands::{ProgramLayer, Sequence};
use crate::plan::{Plan, ShortcutKind, Source, WrittenMap};
use heartbit_ir::network::{Network, OpKind};
use heartbit_ir::program::ArrayConfig;

/// A map, or those of its rows that are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MapPlace {
    pub(super) layout: MapLayout,
    /// The row of the map that lies first.
    pub(super) first_row: usize,
}

impl MapPlace {
    /// First word of a row: the first row of a tile, if the map's reader has several lines.
    pub(super) fn row_base(&self, row: usize) -> usize {
        self.layout.base + self.layout.line_words(row - self.first_row)
    }
}

/// A stream, or those of its rows that are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StreamPlace {
    /// First word.
    pub(super) base: usize,
    first_row: usize,
    /// Words of a row.
    pub(super) row_words: usize,
    /// Words of the channels of a column tile.
    pub(super) plane_words: usize,
}

impl StreamPlace {
    /// First word of a row.
    pub(super) fn row_base(&self, row: usize) -> usize {
        self.base + (row - self.first_row) * self.row_words
    }
}

/// Words that are in use at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    /// Of an activation bank.
    pub(super) activation: usize,
    /// Of a stream bank.
    pub(super) stream: usize,
}

/// The places of all layers of a program.
#[derive(Debug)]
pub(super) struct Places {
    /// The map that each layer writes; `None` if nothing reads it.
    pub(super) maps: Vec<Option<MapPlace>>,
    /// The stream that each layer writes; `None` if nothing reads it.
    pub(super) streams: Vec<Option<StreamPlace>>,
    /// What is in use while each layer runs.
    pub(super) live: Vec<Live>,
    /// Words of an activation bank.
    pub(super) activation_words: usize,
    /// Words of a stream bank.
    pub(super) stream_words: usize,
}

impl Places {
    /// Places what a program's layers write; `lines` are those of a tile of each layer of the plan.
    pub(super) fn new(
        network: &Network,
        plan: &Plan,
        sequence: &Sequence,
        array: &ArrayConfig,
        lines: &[usize],
    ) -> Self {
        let mut placer = Placer {
            network,
            plan,
            sequence,
            array,
            lines,
            lives: Lives::new(plan, sequence),
            activation: Allocator::default(),
            stream: Allocator::default(),
            maps: Vec::new(),
            streams: Vec::new(),
            live: Vec::new(),
            of_last: None,
        };
        for index in 0..sequence.layers.len() {
            placer.layer(index);
        }
        Self {
            maps: placer.maps,
            streams: placer.streams,
            live: placer.live,
            activation_words: placer.activation.high_water(),
            stream_words: placer.stream.high_water(),
        }
    }
}

/// The last layer of the program that reads what each one writes; itself if none does.
pub(super) struct Lives {
    pub(super) maps: Vec<usize>,
    pub(super) streams: Vec<usize>,
}

impl Lives {
    pub(super) fn new(plan: &Plan, sequence: &Sequence) -> Self {
        let own: Vec<usize> = (0..sequence.layers.len()).collect();
        let mut lives = Self { maps: own.clone(), streams: own };
        for (reader, program_layer) in sequence.layers.iter().enumerate() {
            let layer = &plan.layers[program_layer.layer];
            if let Some(Source::Layer(from)) = layer.source() {
                for &writer in sequence.writers(reader, from) {
                    lives.maps[writer] = reader;
                }
            }
            if let Some(shortcut) = layer.shortcut {
                for &writer in sequence.writers(reader, shortcut.from) {
                    lives.streams[writer] = reader;
                }
            }
        }
        lives
    }
}

struct Placer<'a> {
    network: &'a Network,
    plan: &'a Plan,
    sequence: &'a Sequence,
    array: &'a ArrayConfig,
    lines: &'a [usize],
    lives: Lives,
    activation: Allocator,
    stream: Allocator,
    maps: Vec<Option<MapPlace>>,
    streams: Vec<Option<StreamPlace>>,
    live: Vec<Live>,
    /// Where the last layer of a group in bands writes; all its bands share it.
    of_last: Option<(Option<MapPlace>, Option<StreamPlace>)>,
}

impl Placer<'_> {
    fn layer(&mut self, index: usize) {
        let ProgramLayer { layer, band, .. } = self.sequence.layers[index];
        let bands = self.sequence.bands.filter(|_| band.is_some());
        if let Some(bands) = bands
            && self.of_last.is_none()
        {
            // Before all that lives for one band only, so that no gap is left behind it.
            let first = self.sequence.of_layer(bands.last)[0];
            self.of_last = Some((self.map(first), self.new_stream(first)));
        }
        let (map, stream) = match self.of_last {
            Some(places) if bands.is_some_and(|bands| bands.last == layer) => places,
            _ => (self.map(index), self.new_stream(index)),
        };
        self.maps.push(map);
        self.streams.push(stream);
        let live = Live { activation: self.activation.live(), stream: self.stream.live() };
        self.live.push(live);
        self.activation.release(index);
        self.stream.release(index);
    }

    /// First row and number of rows that are kept of what a layer writes.
    fn kept_rows(&self, index: usize) -> (usize, usize) {
        let ProgramLayer { layer, rows, .. } = self.sequence.layers[index];
        if self.sequence.is_partial(layer) {
            (rows.first, rows.len())
        } else {
            (0, self.plan.layers[layer].shape[0])
        }
    }

    fn map(&mut self, index: usize) -> Option<MapPlace> {
        let last_use = self.lives.maps[index];
        let layer_index = self.sequence.layers[index].layer;
        let layer = &self.plan.layers[layer_index];
        let map = layer.map.filter(|_| layer.map_last_use > layer_index)?;
        let (first_row, height) = self.kept_rows(index);
        let [_, width, channels] = layer.shape;
        let (shape, lines) = match map {
            WrittenMap::Pooled(_) => ([1, 1, channels], 1),
            _ => ([height, width, channels], reader_lines(self.plan, self.lines, layer_index)),
        };
        let shape = MapShape {
            shape,
            stride: layer.out_stride,
            lines,
            planes: self.planes(map),
            flat: layer.flat,
        };
        let mut layout = MapLayout::new(self.array, &shape);
        layout.base = self.activation.allocate(layout.words(), last_use);
        Some(MapPlace { layout, first_row })
    }

    /// Bit planes of a map.
    fn planes(&self, map: WrittenMap) -> usize {
        let (WrittenMap::Levels(id) | WrittenMap::Pooled(id)) = map else { return 1 };
        let (OpKind::Quantize { bits, .. } | OpKind::GlobalPool { bits, .. }) =
            self.network.ops[id].kind
        else {
            unreachable!("bug: levels are written by one of these");
        };
        bits as usize
    }

    fn new_stream(&mut self, index: usize) -> Option<StreamPlace> {
        let last_use = self.lives.streams[index];
        let layer_index = self.sequence.layers[index].layer;
        let layer = &self.plan.layers[layer_index];
        if layer.stream_last_use == layer_index {
            return None;
        }
        if let Some(place) = self.place_to_share(index) {
            self.stream.extend(place.base, last_use);
            return Some(place);
        }
        let (first_row, height) = self.kept_rows(index);
        let [_, width, channels] = layer.shape;
        let row_words = width.div_ceil(2);
        let plane_words = height * row_words;
        let words = plane_words * channels.div_ceil(self.array.cols);
        let base = self.stream.allocate(words, last_use);
        Some(StreamPlace { base, first_row, row_words, plane_words })
    }

    /// The place of the stream that joins a layer, if the result may take it: the array reads a pixel
    /// of the shortcut before it writes that pixel of the result, so nobody else may need the stream.
    fn place_to_share(&self, index: usize) -> Option<StreamPlace> {
        let layer = self.sequence.layers[index].layer;
        let shortcut = self.plan.layers[layer].shortcut?;
        let writer = self.sequence.writers(index, shortcut.from)[0];
        let last_reader = if self.sequence.is_partial(layer) {
            index
        } else {
            *self.sequence.of_layer(layer).last().expect("bug: a layer is in its program")
        };
        let same = shortcut.kind == ShortcutKind::Identity { stride: 1 }
            && self.lives.streams[writer] == last_reader
            // One band's rows have no room for all, and what is whole is read again by the next band.
            && self.sequence.is_partial(layer) == self.sequence.is_partial(shortcut.from)
            && !self.group_reads(layer, shortcut.from);
        if same { self.streams[writer] } else { None }
    }

    /// Whether in each band the layers before the last one of a group, `last`, read a stream of a
    /// layer before the group.
    fn group_reads(&self, last: usize, from: usize) -> bool {
        let Some(bands) = self.sequence.bands.filter(|bands| bands.last == last) else {
            return false;
        };
        let reads = |l: usize| self.plan.layers[l].shortcut.is_some_and(|s| s.from == from);
        from < bands.first && (bands.first..bands.last).any(reads)
    }
}
