//! The buffers of a line of results, and what the stages of `line` do with them.

use super::line::{Line, LineBend, LineScale, LineShortcut, Made};
use super::plan::Layer;
use super::tables::Scale;
use crate::kernels::{LANES, SumBlock};
use std::ops::Range;

/// A line of each of the results of a block.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    pub(super) shortcut: Vec<SumBlock>,
    /// `y` modulo 2^32.
    pub(super) logits: Vec<SumBlock>,
    /// `r`.
    pub(super) stream: Vec<[i16; LANES]>,
    /// `v`, where something bends.
    value: Vec<[i16; LANES]>,
    pub(super) bits: Vec<[u8; LANES]>,
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
            logits: vec![[0; LANES]; width],
            stream: vec![[0; LANES]; width],
            value: vec![[0; LANES]; width],
            bits: vec![[0; LANES]; width],
            levels: vec![[0; LANES]; width],
        }
    }

    /// `v` of the last line.
    pub(super) fn values(&self, layer: &Layer) -> &[[i16; LANES]] {
        if layer.tables.bend.is_some() { &self.value } else { &self.stream }
    }

    /// The stages of a line whose constants are at `at` of the tables; the shortcut is `words`, or
    /// what was read before.
    pub(super) fn task<'a>(
        &'a mut self,
        layer: &'a Layer,
        (x, at): (&'a [SumBlock], Range<usize>),
        words: Option<&'a [[i16; LANES]]>,
        want: &Want,
        unused: u32,
    ) -> Line<'a> {
        let (d, tables, width) = (&layer.d, &layer.tables, x.len());
        let part = |table: &'a [SumBlock]| &table[at.clone()];
        let scale = match &tables.scale {
            Scale::Narrow { factor, offset } => {
                LineScale::Narrow { factor: part(factor), offset: part(offset) }
            }
            Scale::Wide { mul, bias } => LineScale::Wide {
                base: part(&tables.base),
                mul: part(mul),
                bias: &bias[at.clone()],
                unused,
            },
        };
        let bend = tables.bend.as_ref().map(|bend| LineBend {
            before: part(&bend.before),
            slope: part(&bend.slope),
            after: part(&bend.after),
            sign: part(&bend.sign),
            limit: part(&bend.limit),
            shift: d.value_shift,
            clip: d.value_clip.into(),
            narrow: bend.narrow,
        });
        let shortcut = match (words, layer.shortcut) {
            (Some(words), _) => LineShortcut::Words(words),
            (None, Some(_)) => LineShortcut::Sums(&self.shortcut[..width]),
            (None, None) => LineShortcut::None,
        };
        Line {
            x,
            scale,
            shift: d.shift,
            shortcut,
            clip: d.clip.into(),
            bend,
            made: Made {
                logits: want.logits.then(|| &mut self.logits[..width]),
                stream: &mut self.stream[..width],
                value: &mut self.value[..width],
                bits: want.bits.then(|| &mut self.bits[..width]),
                levels: want.levels.then(|| (&mut self.levels[..width], d.level_shift)),
            },
        }
    }
}
