//! The residual stream: the shortcut that a pixel reads, and the writes under way.

use super::{Context, Pixel};
use crate::memory::{Memories, StreamAddress};
use crate::plan::SEEN_BY_BEAT;
use heartbit_ir::program::{Join, LayerDescriptor};
use std::collections::VecDeque;

/// The shortcut of a pixel and the writes under way.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    /// The shortcut of each column.
    pub(super) shortcut: Vec<i32>,
    writes: VecDeque<(u64, StreamAddress)>,
    values: VecDeque<i16>,
}

impl Streams {
    pub(super) fn new(cols: usize) -> Self {
        Self { shortcut: vec![0; cols], writes: VecDeque::new(), values: VecDeque::new() }
    }

    /// Writes that are not done.
    pub(super) fn pending(&self) -> usize {
        self.writes.len()
    }

    /// Cycles D1 to D4: reads the stream, beat by beat.
    pub(super) fn read_shortcut(&mut self, pixel: &Pixel, to: &mut Context<'_>) {
        self.shortcut.fill(0);
        let (d, cols) = (&to.layer.d, to.plan.cols);
        let live = usize::from(d.shortcut_channels).saturating_sub(pixel.ct * cols).min(cols);
        if live == 0 {
            return;
        }
        match d.shortcut.join {
            Join::None => {}
            Join::Add => {
                self.commit_seen(pixel, 0, to.memories);
                let stride = d.shortcut.stride();
                self.sum(live, input(d, pixel.ct, stride * pixel.y, stride * pixel.x), to);
            }
            Join::Average => {
                for beat in 0..2 {
                    self.commit_seen(pixel, beat, to.memories);
                    for right in 0..2 {
                        let (y, x) = (2 * pixel.y + beat, 2 * pixel.x + right);
                        self.sum(live, input(d, pixel.ct, y, x), to);
                    }
                }
                self.shortcut[..live].iter_mut().for_each(|sum| *sum = (*sum + 2) >> 2);
            }
            Join::Extreme => self.read_extreme(live, pixel, to),
        }
    }

    /// Performs the writes that a beat of a pixel sees.
    fn commit_seen(&mut self, pixel: &Pixel, beat: usize, memories: &mut Memories) {
        self.commit(pixel.shown + beat as u64 + SEEN_BY_BEAT, memories);
    }

    fn sum(&mut self, live: usize, at: StreamAddress, to: &Context<'_>) {
        let words = to.memories.stream_words(at);
        for (sum, &word) in self.shortcut[..live].iter_mut().zip(words) {
            *sum += i32::from(word);
        }
    }

    fn read_extreme(&mut self, live: usize, pixel: &Pixel, to: &mut Context<'_>) {
        let (d, parameters) = (&to.layer.d, to.parameters(pixel));
        let (window, stride) = (usize::from(d.shortcut.window), d.shortcut.stride());
        let [above, left] = d.shortcut.paddings();
        let inside = |at: usize, padding: usize, size: u16| {
            at.checked_sub(padding).filter(|&at| at < size.into())
        };
        let mut first = true;
        for beat in 0..window * window {
            self.commit_seen(pixel, beat, to.memories);
            let y = inside(stride * pixel.y + beat / window, above, d.in_height);
            let x = inside(stride * pixel.x + beat % window, left, d.in_width);
            let (Some(y), Some(x)) = (y, x) else { continue };
            let words = to.memories.stream_words(input(d, pixel.ct, y, x));
            let columns = self.shortcut[..live].iter_mut().zip(words).zip(parameters);
            for ((extreme, &word), parameter) in columns {
                let word = i32::from(word);
                *extreme = match (first, parameter.minimum) {
                    (true, _) => word,
                    (false, true) => word.min(*extreme),
                    (false, false) => word.max(*extreme),
                };
            }
            first = false;
        }
    }

    /// Writes the values of a pixel in the cycle in which it is written.
    pub(super) fn write(&mut self, pixel: &Pixel, values: &[i16], to: &Context<'_>) {
        let d = &to.layer.d;
        let (plane, row) = (d.stream_out_plane, d.stream_out_row);
        let at = address(d.stream_out_base, plane, row, (pixel.ct, pixel.y, pixel.x));
        self.writes.push_back((pixel.written, at));
        self.values.extend(values);
    }

    /// Performs the writes up to cycle `now`, included.
    pub(super) fn commit(&mut self, now: u64, memories: &mut Memories) {
        while let Some(&(cycle, at)) = self.writes.front()
            && cycle <= now
        {
            let cells = memories.stream_words_mut(at);
            let values = self.values.drain(..cells.len());
            for (cell, value) in cells.iter_mut().zip(values) {
                *cell = value;
            }
            self.writes.pop_front();
        }
    }
}

fn input(d: &LayerDescriptor, ct: usize, y: usize, x: usize) -> StreamAddress {
    address(d.stream_in_base, d.stream_in_plane, d.stream_in_row, (ct, y, x))
}

fn address(base: u16, plane: u16, row: u16, at: (usize, usize, usize)) -> StreamAddress {
    let (ct, y, x) = at;
    let word = usize::from(base) + ct * usize::from(plane) + y * usize::from(row) + x / 2;
    StreamAddress { word: super::wrap(word), bank: u8::from(x % 2 == 1) }
}
