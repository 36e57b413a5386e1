//! The buffers of a line of results, which a kernel and `line` fill.

use super::line::{Line, Made};
use super::plan::Layer;
use super::stream::columns;
use super::tables::Scale;
use crate::kernels::{Kernels, LANES, ScaleLine, SumBlock};

/// A line of each of the results of a block.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    /// Of lines that are recorded.
    pub(super) shortcut: Vec<[i16; LANES]>,
    /// What a shortcut is made of.
    pub(super) columns: Vec<[i16; LANES]>,
    /// `y` modulo 2^32.
    pub(super) logits: Vec<SumBlock>,
    /// `v`, where something bends.
    value: Vec<[i16; LANES]>,
    /// The bits of a pixel, the first column lowest.
    pub(super) bits: Vec<u8>,
    pub(super) levels: Vec<[u8; LANES]>,
}

/// Which results are wanted.
pub(super) struct Want {
    pub(super) logits: bool,
    pub(super) bits: bool,
    pub(super) levels: bool,
}

impl Lines {
    /// Buffers for lines of at most `width` pixels.
    pub(super) fn new(width: usize) -> Self {
        Self {
            shortcut: vec![[0; LANES]; width],
            columns: vec![[0; LANES]; columns(width)],
            logits: vec![[0; LANES]; width],
            value: vec![[0; LANES]; width],
            bits: vec![0; width],
            levels: vec![[0; LANES]; width],
        }
    }

    /// `v` of the last line, whose `r` is given.
    pub(super) fn values<'a>(
        &'a self,
        layer: &Layer,
        stream: &'a [[i16; LANES]],
    ) -> &'a [[i16; LANES]] {
        if layer.tables.bend.is_some() { &self.value } else { stream }
    }

    /// Makes the results of a line whose constants begin at `first` of the tables; `stream` holds the
    /// shortcut, if there is one, and then `r`.
    pub(super) fn make(
        &mut self,
        kernels: Kernels,
        layer: &Layer,
        (x, first): (&[SumBlock], usize),
        stream: &mut [[i16; LANES]],
        want: &Want,
    ) {
        let (tables, settings, width) = (&layer.tables, layer.settings, x.len());
        let (join, bits) = (layer.shortcut.is_some(), &mut self.bits[..width]);
        if let Scale::Narrow { factor, offset } = &tables.scale {
            let line = ScaleLine {
                x,
                stretches: &tables.stretches,
                factor: &factor[first..],
                offset: &offset[first..],
                shift: settings.shift,
                join,
                clip: settings.clip,
            };
            kernels.scale(&line, stream, bits);
            if tables.bend.is_none() && !want.logits && !want.levels {
                return;
            }
        }
        kernels.vectorise(Line {
            x,
            tables,
            first,
            join,
            settings,
            made: Made {
                logits: want.logits.then(|| &mut self.logits[..width]),
                stream,
                value: &mut self.value[..width],
                bits: want.bits.then_some(bits),
                levels: want.levels.then(|| &mut self.levels[..width]),
            },
        });
    }
}
