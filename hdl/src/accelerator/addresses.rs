//! Where the pixel is written: stream and bit map.
//!
//! Microarchitecture.md, sections 2 and 5.3, without a multiplication (see `growth`). The map
//! layout for stride 2 needs no division either: with `u = row`, or `R + row` in odd tiles, bank
//! and phase are `u / 2` and `u mod 2`, and the tile of the consumer changes after every second
//! tile. Where the map is flattened, the address goes down from row to row. With several lines in
//! a tile, or in a tile of the consumer, bits of `y` say what a line adds to its tile.
//!
//! | port         | dir | width | meaning                                                       |
//! | ------------ | --- | ----- | ------------------------------------------------------------- |
//! | `load`       | in  | 1     | the layer begins                                              |
//! | `tile_end`, `line_end`, `ct_end` | in | 1 | of `position`                                 |
//! | `row_end`, `plane_end`, `restart` | in | 1 | of `position`; extended only                 |
//! | `row`, `odd`, `x` | in | ..  | of `position`                                            |
//! | `y`          | in  | 16    | of `position`; only where `Q > 1`                             |
//! | `sub`        | in  | ..    | of `position`; only where `D > 1`                             |
//! | fields of the descriptor | in | .. | by their names                                       |
//! | `stream_out` | out | 16    | word of the streams                                           |
//! | `stream_odd` | out | 1     | bank of the streams                                           |
//! | `bits_out`   | out | 16    | word of the activation memory                                 |
//! | `bank`       | out | ..    | bank of the activation memory                                 |
//! | `slice`      | out | ..    | slice of that word, in the first copy                         |
//!
//! Timing: the inputs are of stage `D-1`; the outputs belong to D0. With `Q = 1` they are
//! registers, else words are sums of two registers.

use super::growth::Events;
use super::lines::Lines;
use super::sizes::{Sizes, bits_for};
use crate::build::{Builder, Module, Reg, Sig};

/// Describes the module `addresses`.
pub(super) fn addresses(sizes: &Sizes) -> Module {
    let m = Builder::new("addresses", "Where the pixel at stage D0 is written.");
    let events = Events::inputs(&m);
    let fold = (sizes.lines > 1).then(|| Fold::inputs(&m, sizes));
    stream(&m, events, fold.as_ref());
    bits(&m, sizes, events, fold.as_ref());
    m.finish()
}

/// Lines of the tiles that write the map and of those that read it.
struct Fold<'m> {
    /// `q`.
    writer: Lines<'m>,
    /// `q'`.
    reader: Lines<'m>,
    /// The line, of which only the low bits count.
    y: Sig<'m>,
    most: u32,
    rows: u32,
}

impl<'m> Fold<'m> {
    fn inputs(m: &'m Builder, sizes: &Sizes) -> Self {
        let y = m.input("y", 16, "line of the map");
        m.discard(y);
        Self {
            writer: Lines::input(m, sizes, "lines"),
            reader: Lines::input(m, sizes, "out_lines"),
            y,
            most: sizes.lines,
            rows: sizes.rows,
        }
    }

    /// Whether the tile, of which this is the first line, is the last one of `s·q'` lines.
    fn is_last(&self, stride_2: Sig<'m>) -> Sig<'m> {
        let m = stride_2.builder();
        let bits = self.most.trailing_zeros() + 1;
        let last_of_tile =
            self.y.keep(0, bits) | self.writer.choose(|q| m.lit(bits, u64::from(q - 1)));
        // The bits of `y / (s·q')`.
        let above = |lines: u32| !m.lit(bits, u64::from(lines - 1));
        let above = self.reader.choose(|q| m.mux(stride_2, above(2 * q), above(q)));
        (last_of_tile | above).all().named("fold_over")
    }

    /// The first bank of the line: `(floor(y / s) mod q')·R/q'`.
    fn bank(&self, stride_2: Sig<'m>, width: u32) -> Sig<'m> {
        let m = stride_2.builder();
        let bits = self.most.trailing_zeros();
        let line = m.mux(stride_2, self.y.slice(1, bits), self.y.slice(0, bits));
        self.reader.choose(|q| {
            let bank = |line: u32| m.lit(width, u64::from(line * (self.rows / q)));
            let banks: Vec<_> = (0..q).map(bank).collect();
            if q == 1 { banks[0] } else { m.select(line.keep(0, q.trailing_zeros()), &banks) }
        })
    }

    /// The words from the even line of a pair to this one: `(y mod s)·W`.
    fn phase(&self, stride_2: Sig<'m>, y_words: Sig<'m>) -> Sig<'m> {
        y_words & (stride_2 & self.y.bit(0)).repeat(16)
    }
}

/// The word of the streams.
fn stream<'m>(m: &'m Builder, events: Events<'m>, fold: Option<&Fold<'m>>) {
    let x = m.input("x", 17, "column of the map");
    let base = m.input("stream_out_base", 16, "first word");
    let row_words = m.input("stream_out_row", 16, "words of a line");
    let plane_words = m.input("stream_out_plane", 16, "words of a column tile");
    let ct = m.reg_without_reset("stream_ct", 16);
    let line = m.reg_without_reset("stream_line", 16);
    let next = events.of_ct(ct, base, plane_words);
    let step = fold.map_or(row_words, |fold| m.pipe("stream_words", fold.writer.times(row_words)));
    let _ = events.of_line(line, base, step, next);
    let mut word = m.pipe("stream_0", *line + x.slice(1, 16));
    if let Some(more) = fold.and_then(|fold| fold.writer.offset(fold.y, row_words)) {
        word = word + m.pipe("stream_line_0", more);
    }
    m.output("stream_out", word, "word of the streams");
    m.output("stream_odd", m.pipe("stream_odd_0", x.bit(0)), "bank of the streams");
}

/// The word of the bit map.
fn bits<'m>(m: &'m Builder, sizes: &Sizes, events: Events<'m>, fold: Option<&Fold<'m>>) {
    let row = m.input("row", sizes.row_bits(), "place in its line of the tile");
    let odd = m.input("odd", 1, "odd tile of its row");
    let stride_2 = m.input("out_stride_2", 1, "the map is read with stride 2");
    let phase_words = m.input("out_phase_words", 16, "words of a phase");

    let slice = m.reg_without_reset("slice_q", sizes.slice_index_bits());
    let (slice_next, ct_words) = next_slice(m, sizes, *slice);
    let restart = events.load | events.ct_end;
    slice.next_when(restart, m.mux(events.load, 0, slice_next));
    m.output("slice", m.pipe("slice_0", *slice), "slice of the word");

    let width = bits_for(2 * sizes.rows - 1);
    let row = row.zero_extend(width);
    let pair = row + m.mux(odd, u64::from(sizes.rows), m.lit(width, 0));
    let half = if width == 1 { m.lit(1, 0) } else { pair.slice(1, width - 1) };
    let mut bank = m.mux(stride_2, half.zero_extend(width), row).keep(0, sizes.row_bits());
    let phase = phase_words & (stride_2 & pair.keep(0, 1)).repeat(16);
    let tile_end = m.input("tile_end", 1, "last cycle of a tile");
    let base = m.input("out_base", 16, "first word");
    let y_words = m.input("out_y_words", 16, "words of a line");
    if let Some(fold) = fold {
        bank = bank + fold.bank(stride_2, sizes.row_bits());
    }
    let map = Map { tile_end, stride_2, odd, phase_words, base, y_words, fold };
    let (tile, flat) = map.describe(m, sizes, events, ct_words);
    if let Some(flat) = flat {
        bank = bank & (!flat).repeat(sizes.row_bits());
    }
    m.output("bank", m.pipe("bank_0", bank), "bank that is written");
    let mut address = tile + phase;
    if sizes.write_beats > 1 {
        let sub = m.input("sub", sizes.sub_bits(), "sub-slice");
        address = address + sub.zero_extend(16);
    }
    if sizes.extended {
        address = address + plane(m);
    }
    let mut address = m.pipe("bits_0", address);
    if let Some(fold) = fold {
        address = address + m.pipe("bits_line_0", fold.phase(stride_2, y_words));
    }
    m.output("bits_out", address, "word of the activation memory");
}

/// The map that is written.
struct Map<'m, 'a> {
    tile_end: Sig<'m>,
    stride_2: Sig<'m>,
    odd: Sig<'m>,
    phase_words: Sig<'m>,
    base: Sig<'m>,
    y_words: Sig<'m>,
    fold: Option<&'a Fold<'m>>,
}

impl<'m> Map<'m, '_> {
    /// The first word of the consumer's tile, or of the pixel in a flattened map; and the flag of
    /// the latter.
    fn describe(
        &self,
        m: &'m Builder,
        sizes: &Sizes,
        events: Events<'m>,
        ct_words: Sig<'m>,
    ) -> (Sig<'m>, Option<Sig<'m>>) {
        let tile_end = self.tile_end;
        // The first pixel of a flattened map that is drained is that of row `R-1`.
        let flat = sizes.extended.then(|| m.input("out_flat", 1, "the map is read as one pixel"));
        let base = flat.map_or(self.base, |flat| {
            m.pipe("flat_base", self.base + (self.phase_words & flat.repeat(16)))
        });
        let xt_words = m.input("out_xt_words", 16, "words of a tile");
        let ct = m.reg_without_reset("bits_ct", 16);
        let line = m.reg_without_reset("bits_line", 16);
        let tile = m.reg_without_reset("bits_tile", 16);
        let ct_next = events.of_ct(ct, base, ct_words);
        let line_next = events.of_line(line, base, self.line_step(), ct_next);
        let line_start = m.mux(events.load, base, line_next);
        let within = m.mux(!self.stride_2 | self.odd, *tile + xt_words, *tile);
        let (mut moves, mut next) = (tile_end, within);
        if let Some(flat) = flat {
            moves = moves | (flat & m.input("row_end", 1, "last cycle of a row"));
            next = m.mux(flat, self.flat_next(tile, tile_end, xt_words), within);
        }
        let next = m.mux(events.load | events.line_end, line_start, next);
        tile.next_when(events.load | moves, next);
        (*tile, flat)
    }

    /// The words from a row of tiles to the next: 0 within `s·q'` lines, which differ in their banks
    /// and phases only.
    fn line_step(&self) -> Sig<'m> {
        self.fold.map_or(self.y_words, |fold| {
            let m = self.y_words.builder();
            let next = m.mux(self.stride_2, self.y_words << 1, self.y_words);
            m.pipe("line_words", next) & fold.is_last(self.stride_2).repeat(16)
        })
    }

    /// The next pixel of a flattened map: the one before, or after row 0 that of row `R-1` of the
    /// next tile. `out_phase_words` is the distance of these rows.
    fn flat_next(&self, pixel: Reg<'m>, tile_end: Sig<'m>, xt_words: Sig<'m>) -> Sig<'m> {
        let m = pixel.builder();
        let ahead = m.pipe("flat_ahead", (self.phase_words << 1) + xt_words);
        let behind = m.pipe("flat_behind", m.lit(16, 0) - xt_words);
        *pixel + m.mux(tile_end, ahead, behind)
    }
}

/// The words from the first plane of a level to the one that is written.
fn plane(m: &Builder) -> Sig<'_> {
    let plane_end = m.input("plane_end", 1, "last beat of a plane");
    let restart = m.input("restart", 1, "the next cycle is beat 0");
    let words = m.input("out_plane_words", 16, "words from a plane to the next");
    let plane = m.reg_without_reset("plane_offset", 16);
    plane.next_when(restart | plane_end, m.mux(restart, 0, *plane + words));
    *plane
}

/// The slice after `slice` of a column tile, and by how many words the next tile begins later.
///
/// Either a column tile is one slice, or a slice is a whole word (`C > L` makes `G = 1`).
pub(super) fn next_slice<'m>(m: &'m Builder, sizes: &Sizes, slice: Sig<'m>) -> (Sig<'m>, Sig<'m>) {
    assert!(sizes.write_beats == 1 || sizes.slices == 1, "bug: {sizes:?}");
    if sizes.slices == 1 {
        m.discard(slice);
        return (m.lit(1, 0), m.lit(16, u64::from(sizes.write_beats)));
    }
    let wrap = slice.eq(u64::from(sizes.slices - 1));
    (m.mux(wrap, 0, slice + 1), wrap.zero_extend(16))
}
