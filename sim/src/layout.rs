//! Where the pixels of a written map lie: section 2 of microarchitecture.md.
//!
//! The layout is that of the layer that reads the map: of its stride and of the lines of its
//! tiles. Here is the first word of a pixel; planes and slices within it are the writer's.

use heartbit_ir::program::LayerDescriptor;

/// The layout of the map that a layer writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    base: usize,
    /// Words from one line to the next of the same fold: `W`.
    line_words: usize,
    phase_words: usize,
    tile_words: usize,
    /// All pixels are words of one.
    flat: bool,
    /// Binary logarithm of the reader's stride.
    stride: u32,
    /// Binary logarithm of the lines of the reader's tiles.
    lines: u32,
    /// Banks of a line of the reader's tiles.
    pitch: usize,
}

/// Where a pixel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its first word, not wrapped.
    pub(crate) word: usize,
    pub(crate) bank: usize,
}

impl Layout {
    /// The layout of the map that `d` writes on an array of `rows` rows, a multiple of the lines
    /// of the reader's tiles.
    pub(crate) fn new(d: &LayerDescriptor, rows: usize) -> Self {
        let lines = out_lines(d);
        Self {
            base: d.out_base.into(),
            line_words: d.out_y_words.into(),
            phase_words: d.out_phase_words.into(),
            tile_words: d.out_xt_words.into(),
            flat: d.flags.out_flat,
            stride: d.flags.out_stride_2.into(),
            lines: lines.trailing_zeros(),
            pitch: rows / lines,
        }
    }

    /// Where a pixel is; in a folded map only if its line fits into the banks of a line.
    pub(crate) fn place(&self, y: usize, x: usize) -> Place {
        if self.flat {
            let word = self.base + y * self.line_words + x * self.tile_words;
            return Place { word, bank: 0 };
        }
        let (vi, xi) = (y >> self.stride, x >> self.stride);
        let (tile, column) = (xi / self.pitch, xi % self.pitch);
        let phase = |at: usize, index: usize| at - (index << self.stride);
        let fold = vi >> self.lines;
        let line = (fold << self.stride) + phase(y, vi);
        let in_line = phase(x, xi) * self.phase_words + tile * self.tile_words;
        Place {
            word: self.base + line * self.line_words + in_line,
            bank: (vi - (fold << self.lines)) * self.pitch + column,
        }
    }

    /// The place of the pixel of a `height` × `width` map with the highest first word.
    pub(crate) fn highest(&self, height: usize, width: usize) -> usize {
        // The last line and column of a phase have the highest address of that phase.
        let last_two = |size: usize| size.saturating_sub(2)..size;
        let pixels = last_two(height).flat_map(|y| last_two(width).map(move |x| (y, x)));
        pixels.map(|(y, x)| self.place(y, x).word).max().unwrap_or(self.base)
    }
}

/// Returns the lines of a tile.
pub(crate) fn lines(d: &LayerDescriptor) -> usize {
    d.lines.max(1).into()
}

/// Returns the lines of a tile of the layer that reads the written map.
pub(crate) fn out_lines(d: &LayerDescriptor) -> usize {
    d.out_lines.max(1).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The formulas of the page, division by division.
    fn on_paper(d: &LayerDescriptor, rows: usize, (y, x): (usize, usize)) -> Place {
        let (stride, q) = (if d.flags.out_stride_2 { 2 } else { 1 }, out_lines(d));
        let (base, px_words) = (usize::from(d.out_base), usize::from(d.out_xt_words));
        if q == 1 {
            let n_xt = usize::from(d.out_phase_words) / px_words;
            let (phase, xi) = (x % stride, x / stride);
            let word = base + ((y * stride + phase) * n_xt + xi / rows) * px_words;
            return Place { word, bank: xi % rows };
        }
        let (vi, xi) = (y / stride, x / stride);
        let word = base + ((vi / q * stride + y % stride) * stride + x % stride) * px_words;
        Place { word, bank: vi % q * rows / q + xi }
    }

    #[test]
    fn pixels_lie_where_the_page_says_and_never_on_each_other() {
        for (rows, out_lines, stride, width) in
            [(4, 1, 1, 9), (4, 1, 2, 9), (8, 2, 1, 4), (8, 2, 2, 7), (12, 4, 1, 3), (4, 4, 2, 2)]
        {
            let (px_words, height) = (3u16, 11);
            let n_xt = u16::try_from(usize::div_ceil(width, stride).div_ceil(rows)).expect("small");
            let mut d = LayerDescriptor {
                out_base: 5,
                out_y_words: u16::try_from(stride).expect("small") * n_xt * px_words,
                out_phase_words: n_xt * px_words,
                out_xt_words: px_words,
                out_lines,
                ..LayerDescriptor::default()
            };
            d.flags.out_stride_2 = stride == 2;
            let layout = Layout::new(&d, rows);
            let mut seen = BTreeSet::new();
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let place = layout.place(y, x);
                assert_eq!(place, on_paper(&d, rows, (y, x)), "{d:?} on {rows} rows: {y}, {x}");
                assert!(seen.insert((place.bank, place.word)) && place.bank < rows);
            }
            let highest = seen.iter().map(|(_, word)| *word).max();
            assert_eq!(Some(layout.highest(height, width)), highest);
        }
    }
}
