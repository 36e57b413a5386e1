//! One layer on one image: chunks of lines, and the results of every line and block.

use super::lines::Want;
use super::plan::{Layer, Source};
use super::record::record_line;
use super::stream::ReadShortcut;
use super::{Memory, Scratch};
use crate::kernels::{Kernels, LANES};
use crate::post::result::level;
use heartbit_ir::program::LayerOutput;
use std::ops::Range;

/// A layer, and what it works on.
pub(super) struct Run<'a> {
    pub(super) layer: &'a Layer,
    pub(super) kernels: Kernels,
    pub(super) memory: &'a mut Memory,
    pub(super) scratch: &'a mut Scratch,
    pub(super) record: Option<&'a mut LayerOutput>,
}

impl Run<'_> {
    /// Executes the layer.
    pub(super) fn run(mut self) {
        let (height, _) = self.layer.size();
        self.scratch.pools[..self.layer.blocks.len()].fill([0; LANES]);
        for (chunk, first) in (0..height).step_by(self.layer.lines).enumerate() {
            let lines = first..height.min(first + self.layer.lines);
            self.multiply(chunk, lines.clone());
            for block in 0..self.layer.blocks.len() {
                for y in lines.clone() {
                    self.make_line(block, y, y - first);
                }
            }
        }
        if self.layer.d.flags.pool {
            self.end_pooling();
        }
    }

    /// Computes `x` of a chunk.
    fn multiply(&mut self, chunk: usize, lines: Range<usize>) {
        let layer = self.layer;
        let Scratch { words, panel, sums, .. } = &mut *self.scratch;
        let pixels = layer.pixels;
        let sums = &mut sums[..layer.blocks.len() * pixels];
        match &layer.source {
            Source::Map(map) => {
                let words = &mut words[..map.words() * pixels];
                map.gather((chunk, pixels), &self.memory.activation, words, panel);
                map.multiply(self.kernels, words, (panel, pixels), sums);
            }
            Source::Image(stem) => {
                let (_, width) = layer.size();
                stem.gather(&self.memory.image, (lines, width), (panel, pixels), self.kernels);
                stem.products.multiply(self.kernels, panel, pixels, sums);
            }
        }
    }

    /// Makes and writes the results of line `y` of a block, the `line`-th of its chunk.
    fn make_line(&mut self, block: usize, y: usize, line: usize) {
        let (layer, tables, flags) = (self.layer, &self.layer.tables, &self.layer.d.flags);
        let (_, width) = layer.size();
        let Scratch { sums, lines, stream, .. } = &mut *self.scratch;
        let x = &sums[block * layer.pixels + line * width..][..width];
        let first = tables.at(y, block);
        let recorded = self.record.is_some();
        let want = Want {
            logits: flags.logits || recorded,
            bits: flags.write_bits || recorded,
            levels: flags.write_levels,
        };
        if let Some(map) = layer.in_place(block).filter(|_| !recorded) {
            let stream = self.memory.stream.line_mut(map.line(block, y), width);
            lines.make(self.kernels, layer, (x, first), stream, &want);
        } else {
            let stream = &mut stream[..width];
            if let Some(source) = &layer.shortcut {
                let (memory, columns) = (&self.memory.stream, &mut *lines.columns);
                let to = &mut *stream;
                let read = ReadShortcut { source, memory, block, y, tables, columns, to };
                self.kernels.vectorise(read);
            }
            if recorded {
                lines.shortcut[..width].copy_from_slice(stream);
            }
            lines.make(self.kernels, layer, (x, first), stream, &want);
            self.write_values(block, y);
        }
        if let Some(record) = self.record.as_deref_mut() {
            let Scratch { sums, lines, stream, .. } = &*self.scratch;
            let x = &sums[block * layer.pixels + line * width..][..width];
            record_line(layer, record, (block, y), lines, (x, stream));
        }
        self.write_line(block, y);
    }

    /// Writes what is made of line `y` of a block, but not its stream.
    fn write_line(&mut self, block: usize, y: usize) {
        let (layer, flags) = (self.layer, &self.layer.d.flags);
        let (_, width) = layer.size();
        let lines = &mut self.scratch.lines;
        if let Some(map) = &layer.map {
            if flags.write_bits {
                map.write_bits(&mut self.memory.activation, (block, y), &lines.bits[..width]);
            }
            if flags.write_levels {
                let levels = lines.levels[..width].as_flattened_mut();
                for q in levels {
                    *q >>= 8 - layer.d.level_bits;
                }
                map.write_levels(&mut self.memory.activation, (block, y), &lines.levels[..width]);
            }
        }
        if flags.logits && y == layer.last_pixel.0 {
            let live = layer.blocks.live(block);
            let logits = &mut self.memory.logit[layer.blocks.channel(block)..][..live];
            logits.copy_from_slice(&lines.logits[layer.last_pixel.1][..live]);
        }
    }

    /// Writes the stream of line `y` of a block, or adds it to the sums.
    fn write_values(&mut self, block: usize, y: usize) {
        let layer = self.layer;
        let (_, width) = layer.size();
        let Scratch { stream, lines, pools, .. } = &mut *self.scratch;
        let values = &lines.values(layer, stream)[..width];
        if let Some(map) = &layer.stream {
            self.memory.stream.line_mut(map.line(block, y), width).copy_from_slice(values);
        }
        if layer.d.flags.pool {
            for value in values {
                pools[block].iter_mut().zip(value).for_each(|(sum, &v)| *sum += i64::from(v));
            }
        }
    }

    /// Writes the levels of the sums.
    fn end_pooling(&mut self) {
        let (layer, d) = (self.layer, &self.layer.d);
        for block in 0..layer.blocks.len() {
            let levels = self.scratch.pools[block].map(|sum| level(sum, d.level_shift));
            if let Some(record) = self.record.as_deref_mut() {
                let live = layer.blocks.live(block);
                let pooled = &mut record.pooled[layer.blocks.channel(block)..][..live];
                pooled.copy_from_slice(&levels[..live]);
            }
            let codes = levels.map(|q| q >> (8 - d.level_bits));
            if let Some(map) = &layer.map {
                map.write_levels(&mut self.memory.activation, (block, 0), &[codes]);
            }
        }
    }
}
