//! The words that a layer reads and writes.

use super::layer::Layer;
use super::{Extent, MAX_DEPTH};
use crate::error::Error;
use crate::layout::{Layout, lines};
use crate::rows::Run;
use crate::step::{Tap, stride};
use heartbit_ir::program::{Join, Step};
use std::ops::Range;

impl Layer<'_> {
    /// Checks the words `first..=last` (not wrapped) and returns how many words that needs.
    fn span(&self, access: &'static str, words: (i64, i64), depth: usize) -> Result<usize, Error> {
        let (first, last) = words;
        let size = MAX_DEPTH.cast_signed() as i64;
        let highest = if first.div_euclid(size) == last.div_euclid(size) {
            last.rem_euclid(size)
        } else {
            size - 1
        };
        match usize::try_from(highest) {
            Ok(highest) if highest < depth => Ok(highest + 1),
            _ => Err(Error::Address { layer: self.index, access, first, last, depth }),
        }
    }

    /// Section 4: the windows of the image, or the words of all valid taps.
    pub(super) fn check_source(&self, extent: &mut Extent) -> Result<(), Error> {
        if self.d.flags.source_image {
            return self.check_image();
        }
        let (d, depth) = (self.d, self.program.depths.activation);
        let steps = usize::from(d.step_base)..usize::from(d.step_base) + usize::from(d.steps);
        for (group, words) in self.program.steps.iter().enumerate() {
            for &word in &words[steps.clone()] {
                let step = Step::decode(word);
                let tap = Tap::new(&step, group, &self.program.array, d);
                if step.off || tap.y.is_empty() || tap.x.is_empty() {
                    continue;
                }
                let rows =
                    tap.runs.iter().flat_map(|run| run.rows.clone().map(move |row| (run, row)));
                for (run, row) in rows {
                    if let Some(words) = self.words_of_row(&tap, run, row) {
                        let words = self.span("reading the map", words, depth)?;
                        extent.activation = extent.activation.max(words);
                    }
                }
            }
        }
        Ok(())
    }

    fn check_image(&self) -> Result<(), Error> {
        let (d, header) = (self.d, &self.program.header);
        let window = u64::from(header.stem_stride);
        let step = stride(d) as u64;
        self.at_least("stride (that of the stem)", step, window)?;
        self.at_most("stride (that of the stem)", step, window)?;
        let (rows, tiles) = (header.image_height, header.image_tiles);
        self.at_most("in_height (the rows of the image)", d.in_height.into(), rows.into())?;
        self.at_most("row_tiles (the windows of the image)", d.row_tiles.into(), tiles.into())?;
        // The band begins at image row `in_base`.
        let words = u64::from(d.in_base / 3) * u64::from(tiles);
        self.exactly("in_y_words (of image row in_base)", d.in_y_words.into(), words)?;
        let rest = u64::from(d.in_base % 3);
        self.exactly("in_xt_words (in_base modulo 3)", d.in_xt_words.into(), rest)
    }

    /// First and last word that a row of a run reads.
    fn words_of_row(&self, tap: &Tap, run: &Run, row: usize) -> Option<(i64, i64)> {
        let (d, lines) = (self.d, lines(self.d));
        let pitch = self.program.array.rows / lines;
        let (first_t, last_t) = tiles_of(&tap.y, row / pitch, lines)?;
        let (first_xt, last_xt) = tiles_of(&tap.x, row % pitch, pitch)?;
        let base = i64::from(d.in_base) + run.offset as i64;
        let at = |t: usize, xt: usize| base + times(t, d.in_y_words) + times(xt, d.in_xt_words);
        Some((at(first_t, first_xt), at(last_t, last_xt)))
    }

    /// Section 5.3: the stream words that are read and written.
    pub(super) fn check_streams(&self, extent: &mut Extent) -> Result<(), Error> {
        let (d, cols) = (self.d, self.program.array.cols);
        let depth = self.program.depths.stream;
        let tiles = usize::from(d.shortcut_channels).div_ceil(cols).min(usize::from(d.col_tiles));
        if let (Some((y, x)), Some(ct)) = (self.last_position(), tiles.checked_sub(1)) {
            let first = i64::from(d.stream_in_base);
            let last =
                first + times(ct, d.stream_in_plane) + times(y, d.stream_in_row) + times(x / 2, 1);
            let words = self.span("reading the stream", (first, last), depth)?;
            extent.stream = extent.stream.max(words);
        }
        if d.flags.write_stream {
            let (y, x) = (usize::from(d.out_height) - 1, usize::from(d.out_width) - 1);
            let first = i64::from(d.stream_out_base);
            let last = first
                + times(usize::from(d.col_tiles) - 1, d.stream_out_plane)
                + times(y, d.stream_out_row)
                + times(x / 2, 1);
            let words = self.span("writing the stream", (first, last), depth)?;
            extent.stream = extent.stream.max(words);
        }
        if d.flags.logits {
            extent.logit = extent.logit.max(usize::from(d.col_tiles));
        }
        Ok(())
    }

    /// The lowest and rightmost position of the stream that is read.
    fn last_position(&self) -> Option<(usize, usize)> {
        let (d, s) = (self.d, &self.d.shortcut);
        let [above, left] = s.paddings();
        let last = |output: u16, input: u16, padding: usize| {
            let first = s.stride() * (usize::from(output) - 1);
            match s.join {
                Join::None => None,
                Join::Add => Some(first),
                Join::Average => Some(first + 1),
                Join::Extreme => {
                    let end = first + usize::from(s.window) - padding;
                    Some(end.min(input.into()) - 1)
                }
            }
        };
        Some((last(d.out_height, d.in_height, above)?, last(d.out_width, d.in_width, left)?))
    }

    /// Section 5.3: the activation words that are written.
    pub(super) fn check_writes(&self, extent: &mut Extent) -> Result<(), Error> {
        let (d, array) = (self.d, &self.program.array);
        let slices = usize::from(d.col_tiles) * array.write_beats();
        let word = (slices - 1) / array.slices_per_word();
        let planes = if d.flags.pool || d.flags.write_levels { d.level_bits as usize } else { 1 };
        let in_pixel = times(planes - 1, d.out_plane_words) + times(word, 1);
        let base = i64::from(d.out_base);
        let depth = self.program.depths.activation;
        let mut reach = |access, last: i64| {
            let words = self.span(access, (base, last + in_pixel), depth)?;
            extent.activation = extent.activation.max(words);
            Ok(())
        };
        if d.flags.pool {
            return reach("writing the pooled levels", base);
        }
        if !(d.flags.write_bits || d.flags.write_levels) {
            return Ok(());
        }
        let layout = Layout::new(d, array.rows);
        let highest = layout.highest(d.out_height.into(), d.out_width.into());
        reach("writing the map", times(highest, 1))
    }
}

/// The first and the last `tile` with `tile·size + at` in a range that is not empty.
fn tiles_of(range: &Range<usize>, at: usize, size: usize) -> Option<(usize, usize)> {
    let first = range.start.saturating_sub(at).div_ceil(size);
    let last = (range.end - 1).checked_sub(at)? / size;
    (first <= last).then_some((first, last))
}

fn times(count: usize, words: u16) -> i64 {
    i64::try_from(count).expect("bug: counts have at most 18 bits") * i64::from(words)
}
