//! The residual stream: the memory, the shortcuts that lines read, and the lines that are written.
//!
//! Section 5.3 of microarchitecture.md, "Shortcut". Blocks of columns lie apart, so that a line of a
//! block is contiguous.

#![expect(clippy::inline_always, reason = "inlined into functions for an instruction set")]

use super::blocks::Blocks;
use super::tables::Tables;
use crate::error::Error;
use crate::kernels::{LANES, Task};
use heartbit_ir::program::{Join, LayerDescriptor};
use std::ops::Range;

/// Largest side of a window.
const MAX_WINDOW: usize = 3;
/// Elements of a word of a block: two banks.
const WORD: usize = 2 * LANES;

/// The stream memory.
#[derive(Clone, Debug)]
pub(super) struct StreamMemory {
    words: usize,
    values: Vec<i16>,
}

impl StreamMemory {
    pub(super) fn new(words: usize, blocks_of_tile: usize) -> Self {
        Self { words, values: vec![0; words * blocks_of_tile * WORD] }
    }

    fn line(&self, at: LineAddress) -> &[i16] {
        &self.values[(at.block * self.words + at.word) * WORD..]
    }

    /// A line of a block, of so many pixels.
    pub(super) fn line_mut(&mut self, at: LineAddress, width: usize) -> &mut [[i16; LANES]] {
        let first = (at.block * self.words + at.word) * WORD;
        &mut self.values[first..].as_chunks_mut().0[..width]
    }
}

/// Where a line of a block begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineAddress {
    /// Block of the column tile.
    block: usize,
    word: usize,
}

/// Where the lines of a map lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamMap {
    base: usize,
    plane: usize,
    row: usize,
    of_tile: usize,
}

impl StreamMap {
    /// The map that a layer writes.
    pub(super) fn output(d: &LayerDescriptor, blocks: Blocks) -> Self {
        let [base, plane, row] =
            [d.stream_out_base, d.stream_out_plane, d.stream_out_row].map(usize::from);
        Self { base, plane, row, of_tile: blocks.of_tile }
    }

    fn input(d: &LayerDescriptor, blocks: Blocks) -> Self {
        let [base, plane, row] =
            [d.stream_in_base, d.stream_in_plane, d.stream_in_row].map(usize::from);
        Self { base, plane, row, of_tile: blocks.of_tile }
    }

    /// Where a line begins.
    pub(super) fn line(&self, block: usize, y: usize) -> LineAddress {
        let (ct, block) = (block / self.of_tile, block % self.of_tile);
        LineAddress { block, word: self.base + ct * self.plane + y * self.row }
    }

    /// Fails where addresses of `tiles` column tiles of `height` x `width` would wrap.
    pub(super) fn check(
        &self,
        layer: usize,
        (tiles, height, width): (usize, usize, usize),
    ) -> Result<(), Error> {
        let last = self.base
            + tiles.saturating_sub(1) * self.plane
            + height.saturating_sub(1) * self.row
            + width.saturating_sub(1) / 2;
        if last > usize::from(u16::MAX) {
            return Err(Error::Fast { layer, rule: "addresses of its stream wrap around" });
        }
        Ok(())
    }
}

/// The shortcut of a layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortcutSource {
    join: Join,
    window: usize,
    stride: usize,
    /// Positions that the first windows begin before the map: rows and columns.
    paddings: [usize; 2],
    map: StreamMap,
    height: usize,
    width: usize,
    blocks: Blocks,
    /// Channels with a shortcut.
    channels: usize,
}

impl ShortcutSource {
    /// The shortcut of a layer; `None` if it has none.
    pub(super) fn new(
        d: &LayerDescriptor,
        layer: usize,
        blocks: Blocks,
    ) -> Result<Option<Self>, Error> {
        let channels = usize::from(d.shortcut_channels);
        if d.shortcut.join == Join::None || channels == 0 {
            return Ok(None);
        }
        let source = Self {
            join: d.shortcut.join,
            window: d.shortcut.window.into(),
            stride: d.shortcut.stride(),
            paddings: d.shortcut.paddings(),
            map: StreamMap::input(d, blocks),
            height: d.in_height.into(),
            width: d.in_width.into(),
            blocks,
            channels,
        };
        let reach = |outputs: u16, inputs: usize| match source.join {
            Join::Extreme => inputs,
            _ => source.stride * (usize::from(outputs) - 1) + source.window,
        };
        let size = (reach(d.out_height, source.height), reach(d.out_width, source.width));
        let tiles = channels.div_ceil(blocks.cols).min(blocks.tiles);
        source.map.check(layer, (tiles, size.0, size.1))?;
        Ok(Some(source))
    }

    /// Channels of a block that have a shortcut.
    fn live(&self, block: usize) -> usize {
        let (ct, first) = self.blocks.place(block);
        self.channels.saturating_sub(ct * self.blocks.cols + first).min(LANES)
    }

    /// Whether the shortcut of a block lies as it is where the layer writes.
    pub(super) fn is_at(&self, map: &StreamMap, block: usize) -> bool {
        self.join == Join::Add && self.stride == 1 && self.live(block) == LANES && self.map == *map
    }
}

/// Reads the shortcut of a line of a block.
pub(super) struct ReadShortcut<'a> {
    pub(super) source: &'a ShortcutSource,
    pub(super) memory: &'a StreamMemory,
    pub(super) block: usize,
    pub(super) y: usize,
    pub(super) tables: &'a Tables,
    /// Room for the extremes of columns.
    pub(super) columns: &'a mut [[i16; LANES]],
    pub(super) to: &'a mut [[i16; LANES]],
}

/// Elements of [`ReadShortcut::columns`] for lines of so many pixels.
pub(super) fn columns(width: usize) -> usize {
    2 * width + MAX_WINDOW
}

impl Task for ReadShortcut<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { source, memory, block, y, tables, columns, to } = self;
        let line = |y: usize| memory.line(source.map.line(block, y));
        let live = source.live(block);
        match source.join {
            _ if live == 0 => {}
            Join::None => {}
            Join::Add => {
                let from = line(source.stride * y).as_chunks().0.iter().step_by(source.stride);
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
            Join::Average => average(line(2 * y), line(2 * y + 1), to),
            Join::Extreme => {
                let first = tables.at(y, block);
                for stretch in &tables.stretches {
                    let flip = tables.flip.as_ref().map(|flip| flip[first + stretch.kind]);
                    source.extreme(line, y, (&stretch.pixels, flip), columns, to);
                }
            }
        }
        if live < LANES {
            for to in to {
                to[live..].fill(0);
            }
        }
    }
}

impl ShortcutSource {
    /// The extremes of the windows of some pixels: first those of their columns.
    #[inline(always)]
    fn extreme<'a>(
        &self,
        line: impl Fn(usize) -> &'a [i16],
        y: usize,
        (pixels, flip): (&Range<usize>, Option<[i16; LANES]>),
        columns: &mut [[i16; LANES]],
        to: &mut [[i16; LANES]],
    ) {
        let flip = flip.unwrap_or([0; LANES]);
        // Positions of the first column, and of the first one that is inside the map.
        let begin = self.stride * pixels.start;
        let columns = &mut columns[..self.stride * (pixels.len() - 1) + self.window];
        columns.fill([i16::MIN; LANES]);
        let outside = self.paddings[1].saturating_sub(begin).min(columns.len());
        let inside = &mut columns[outside..];
        let first = (begin + outside).saturating_sub(self.paddings[1]);
        for dy in 0..self.window {
            let y = (self.stride * y + dy).checked_sub(self.paddings[0]);
            let Some(y) = y.filter(|&y| y < self.height) else { continue };
            // What no window reaches may lie beyond the memory.
            let words: &[[i16; LANES]] = line(y).as_chunks().0;
            let words = words[..self.width.min(words.len())].get(first..).unwrap_or_default();
            for (column, word) in inside.iter_mut().zip(words) {
                for lane in 0..LANES {
                    column[lane] = column[lane].max(word[lane] ^ flip[lane]);
                }
            }
        }
        let to = &mut to[pixels.clone()];
        match self.window {
            3 => extremes::<3>(columns, self.stride, flip, to),
            2 => extremes::<2>(columns, self.stride, flip, to),
            _ => extremes::<1>(columns, self.stride, flip, to),
        }
    }
}

/// The extremes of windows of `W` columns.
#[inline(always)]
fn extremes<const W: usize>(
    columns: &[[i16; LANES]],
    stride: usize,
    flip: [i16; LANES],
    to: &mut [[i16; LANES]],
) {
    let windows = columns.windows(W).step_by(stride);
    for (to, window) in to.iter_mut().zip(windows) {
        let mut best = window[0];
        for word in &window[1..W] {
            for lane in 0..LANES {
                best[lane] = best[lane].max(word[lane]);
            }
        }
        *to = std::array::from_fn(|lane| best[lane] ^ flip[lane]);
    }
}

/// Averages 2x2 positions.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "an average is not larger than all")]
fn average(upper: &[i16], lower: &[i16], to: &mut [[i16; LANES]]) {
    let pairs = upper.as_chunks::<WORD>().0.iter().zip(lower.as_chunks::<WORD>().0);
    for (to, (upper, lower)) in to.iter_mut().zip(pairs) {
        for (lane, to) in to.iter_mut().enumerate() {
            let sum = |pair: &[i16; WORD]| i32::from(pair[lane]) + i32::from(pair[LANES + lane]);
            *to = ((sum(upper) + sum(lower) + 2) >> 2) as i16;
        }
    }
}
