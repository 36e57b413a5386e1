//! Where a map lies in the banks: microarchitecture.md, sections 1 and 2.

use crate::plan::bands::Bands;
use crate::plan::{Layer, Plan, Source, WrittenMap};
use heartbit_ir::program::ArrayConfig;

/// Physical position of channels in the words of a pixel.
#[derive(Clone, Debug)]
pub(super) struct ChannelMap {
    /// Word and lane of each physical channel, in the first copy.
    positions: Vec<(usize, usize)>,
    /// Words of a pixel that hold a channel.
    used_words: usize,
}

impl ChannelMap {
    /// Channels as the array writes them.
    pub(super) fn new(array: &ArrayConfig, channels: usize) -> Self {
        let (beats, bits) = (array.write_beats(), array.slice_bits());
        let slices = array.slices_per_word();
        let position = |p: usize| {
            let (tile, col) = (p / array.cols, p % array.cols);
            let slice = tile * beats + col / bits;
            (slice / slices, slice % slices * bits + col % bits)
        };
        let positions: Vec<_> = (0..channels).map(position).collect();
        let used_words = positions.iter().map(|(word, _)| word + 1).max().unwrap_or(0);
        Self { positions, used_words }
    }

    /// Words of a pixel that hold a channel.
    pub(super) fn used_words(&self) -> usize {
        self.used_words
    }

    /// One more than the highest lane with a channel in the last used word.
    pub(super) fn last_lanes(&self) -> usize {
        let last = self.used_words() - 1;
        let lanes = self.positions.iter().filter(|(word, _)| *word == last);
        lanes.map(|(_, lane)| lane + 1).max().unwrap_or(0)
    }

    /// Physical channels of a word with their lanes.
    pub(super) fn in_word(&self, word: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.positions
            .iter()
            .enumerate()
            .filter(move |(_, (w, _))| *w == word)
            .map(|(channel, (_, lane))| (channel, *lane))
    }
}

/// How a map is written and read.
#[derive(Clone, Copy, Debug)]
pub(super) struct MapShape {
    /// Rows, columns and channels.
    pub(super) shape: [usize; 3],
    /// Stride of its reader.
    pub(super) stride: usize,
    /// Lines of a tile of its reader.
    pub(super) lines: usize,
    /// Bit planes.
    pub(super) planes: usize,
    /// Whether it is read as one pixel.
    pub(super) flat: bool,
}

/// Addresses of a map.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MapLayout {
    /// First word.
    pub(super) base: usize,
    /// Bit planes.
    pub(super) planes: usize,
    /// Copies of each pixel in its word.
    pub(super) copies: usize,
    /// Lines of a tile of its reader.
    pub(super) lines: usize,
    height: usize,
    /// Columns of a flattened map.
    flat_width: Option<usize>,
    /// 2 if even and odd columns are apart.
    phases: usize,
    /// Words of a bank for one row and phase, in pixels.
    tiles: usize,
    plane_words: usize,
}

impl MapLayout {
    /// A map that the array writes.
    pub(super) fn new(array: &ArrayConfig, map: &MapShape) -> Self {
        let [height, width, channels] = map.shape;
        let slices = channels.div_ceil(array.cols) * array.write_beats();
        let bits_only = map.planes == 1 && !map.flat;
        Self {
            base: 0,
            planes: map.planes,
            copies: if bits_only { copies(array, slices) } else { 1 },
            lines: map.lines,
            height,
            flat_width: map.flat.then_some(width),
            phases: map.stride,
            tiles: width.div_ceil(map.stride).div_ceil(array.rows),
            plane_words: slices.div_ceil(array.slices_per_word()),
        }
    }

    /// Words of one plane of a pixel: `px_words`.
    pub(super) fn plane_words(&self) -> usize {
        self.plane_words
    }

    /// Words of a pixel with all planes, the distance between tiles of a row.
    pub(super) fn pixel_words(&self) -> usize {
        self.plane_words * self.planes
    }

    /// Words of one phase of a row; in a flattened map, from the first to the last row of the
    /// array.
    pub(super) fn phase_words(&self, rows: usize) -> usize {
        let pixels = if self.flat_width.is_some() { rows - 1 } else { self.tiles };
        pixels * self.pixel_words()
    }

    /// Words from one line to the next of the same fold: `W`.
    pub(super) fn row_words(&self) -> usize {
        self.flat_width.unwrap_or(self.phases * self.tiles) * self.pixel_words()
    }

    /// Words of a row of the reader's tiles.
    pub(super) fn tile_row_words(&self) -> usize {
        self.phases * self.row_words()
    }

    /// Words before a line; with several lines of a tile, before the first line of one.
    pub(super) fn line_words(&self, line: usize) -> usize {
        let tile_lines = self.phases * self.lines;
        line / tile_lines * self.tile_row_words() + line % tile_lines * self.row_words()
    }

    /// Words of a bank.
    pub(super) fn words(&self) -> usize {
        // Lines of one fold share their words, line phases do not.
        let folded = self.height.div_ceil(self.phases).div_ceil(self.lines) * self.phases;
        let rows = if self.lines == 1 { self.height } else { folded };
        rows * self.row_words()
    }
}

/// Lines of a tile of each layer: as many as fit beside each other, and as the reader of the
/// layer's map can follow. In bands it is one, because a band may begin at any line, and what is
/// written in bands is read in tiles that begin where bands do.
pub(super) fn tile_lines(array: &ArrayConfig, plan: &Plan, bands: Option<Bands>) -> Vec<usize> {
    let mut lines = vec![1; plan.layers.len()];
    let in_bands = |index| bands.is_some_and(|bands| bands.contains(index));
    // Readers come later, so they are decided first.
    for (index, layer) in plan.layers.iter().enumerate().rev() {
        let single = layer.flat || !reads_lines(plan, layer) || in_bands(index);
        let pooled = matches!(layer.map, Some(WrittenMap::Pooled(_)));
        let reads = |reader: &Layer| reader.source() == Some(Source::Layer(index));
        let follows = |q: usize| {
            plan.layers.iter().zip(&lines).all(|(reader, reader_lines)| {
                pooled || !reads(reader) || (layer.out_stride * reader_lines).is_multiple_of(q)
            })
        };
        let begin_with_bands = |q: usize| {
            bands.is_none_or(|bands| {
                let tile_rows = q * plan.layers[bands.last].out_stride;
                layer.source() != Some(Source::Layer(bands.last))
                    || bands.height.is_multiple_of(tile_rows)
            })
        };
        let fits = |q: &usize| *q <= array.lines && layer.shape[1] * q <= array.rows;
        if !single {
            lines[index] = [4, 2]
                .into_iter()
                .find(|q| fits(q) && follows(*q) && begin_with_bands(*q))
                .unwrap_or(1);
        }
        agree(plan, index, &mut lines);
    }
    lines
}

/// Gives a layer and those behind it that read the same map the same lines, in which it is laid out.
fn agree(plan: &Plan, index: usize, lines: &mut [usize]) {
    let Some(source @ Source::Layer(_)) = plan.layers[index].source() else { return };
    let reads = |i: &usize| plan.layers[*i].source() == Some(source);
    let readers: Vec<usize> = (index..plan.layers.len()).filter(reads).collect();
    let least = readers.iter().map(|&i| lines[i]).min().expect("bug: the layer itself");
    for i in readers {
        lines[i] = least;
    }
}

/// Lines of the tiles of the layers that read a layer's map, of which all have the same.
pub(super) fn reader_lines(plan: &Plan, lines: &[usize], layer: usize) -> usize {
    let layers = plan.layers.iter().zip(lines);
    let mut readers = layers.filter(|(reader, _)| reader.source() == Some(Source::Layer(layer)));
    readers.next().map_or(1, |(_, &lines)| lines)
}

/// Whether a layer reads lines of a map, not the image or one pixel.
fn reads_lines(plan: &Plan, layer: &Layer) -> bool {
    match layer.source() {
        None => true,
        Some(Source::Image) => false,
        Some(Source::Layer(from)) => {
            let from = &plan.layers[from];
            !from.flat && !matches!(from.map, Some(WrittenMap::Pooled(_)))
        }
    }
}

/// The most copies of a pixel of so many slices that a word holds, 4 or 2 or 1.
pub(super) fn copies(array: &ArrayConfig, slices: usize) -> usize {
    let holds = |f: &usize| *f <= array.taps && slices * f <= array.slices_per_word();
    [4, 2].into_iter().find(holds).unwrap_or(1)
}
