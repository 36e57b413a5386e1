//! Reads the shortcut: where in the streams, and what becomes of the words.
//!
//! Microarchitecture.md, section 5.3, *Shortcut*: `add` reads one word, `average` two pairs of
//! words, `extreme` a window of words of which those outside the map are left out.
//!
//! | port         | dir | width | stage | meaning                                             |
//! | ------------ | --- | ----- | ----- | --------------------------------------------------- |
//! | `load`, `line_end`, `ct_end` | in | 1 | D-1 | events of `position`                          |
//! | `first_beat`, `reading`, `x` | in | 1, 1, 17 | D-1 | of `position`                          |
//! | `y`          | in  | 16    | D-1   | of `position`; extended or `Q > 1`                  |
//! | `restart`    | in  | 1     | D-1   | of `position`; extended only                        |
//! | fields of the descriptor | in | .. | layer | by their names                             |
//! | `address`    | out | 16    | D1    | word of both banks of the streams                   |
//! | `use_even`, `use_odd` | out | 1 | D3 | the word of this bank counts                       |
//! | `first_word` | out | 1     | D4    | the first word of the pixel                         |
//! | `take`       | out | 1     | D4    | a word of the pixel                                 |
//! | `live`       | out | `cols` | D5   | columns that have a shortcut                        |
//!
//! Timing: each stage is a cycle; nothing is kept from one pixel to the next.

use super::beats::{EXTREME, average};
use super::growth::Events;
use super::lines::Lines;
use super::sizes::{Sizes, bits_for, delay, thermometer};
use crate::build::{Builder, Module, Sig};

/// Describes the module `reader`.
pub(super) fn reader(sizes: &Sizes) -> Module {
    let m = Builder::new("reader", "Reads the shortcut.");
    let events = Events::inputs(&m);
    let join = m.input("shortcut", 2, "join of the stream");
    let average = average(join, sizes).named("average");
    let first = m.input("first_beat", 1, "beat 0, D-1");
    let reading = m.input("reading", 1, "beat of a read, D-1");
    let x = m.input("x", 17, "column of the map, D-1");
    let window = if sizes.extended {
        Window::extended(&m, average, first)
    } else {
        Window::plain(&m, average, first)
    };

    let column = window.position(x, window.dx);
    let column = m.pipe("column_0", column);
    let lines = Lines::input(&m, sizes, "lines");
    let (line, line_words) = line(&m, events, &window, &lines);
    let mut line = m.pipe("line_0", line);
    let y = || m.input("y", 16, "line of the map, D-1");
    let mut known_y = None;
    if lines.may_be_several() {
        let y = y();
        m.discard(y);
        let more = lines.offset(y, line_words);
        line = more.map_or(line, |more| line + m.pipe("lines_0", more));
        known_y = Some(y);
    }
    let address = m.pipe("address_1", line + column.keep(1, 16));
    m.output("address", address, "word of the streams, D1");

    let first = delay(&m, "first", first, 2);
    let mut take = delay(&m, "reading", reading, 2);
    if sizes.extended {
        let y = known_y.unwrap_or_else(y).zero_extend(17);
        let row = m.pipe("row_0", window.position(y, window.dy));
        let size = |name: &str| m.input(name, 16, "size of the map").zero_extend(POSITION_BITS);
        // A negative position is a large one.
        let inside = row.lt(size("in_height")) & column.lt(size("in_width"));
        take = take & m.pipe("inside_1", inside | join.ne(EXTREME));
    }
    let begin = begin(&m, sizes, first, take);
    m.output("first_word", delay(&m, "begin_1", begin, 3), "first word of the pixel, D4");
    m.output("take", delay(&m, "take_1", take, 3), "a word of the pixel, D4");
    let odd = column.bit(0);
    m.output("use_even", delay(&m, "even_0", average | !odd, 3), "the even word counts, D3");
    m.output("use_odd", delay(&m, "odd_0", average | odd, 3), "the odd word counts, D3");
    m.output("live", live(&m, sizes, events, join), "columns that have a shortcut, D5");
    m.finish()
}

/// Bits of a signed position in the map; twice a column of 17 bits fits.
const POSITION_BITS: u32 = 19;

/// The part of the window that is read in a beat, at `D-1`.
struct Window<'m> {
    stride_2: Sig<'m>,
    /// Lines and columns from the window's origin: 0, 1, 2, or 3 for -1.
    dy: Sig<'m>,
    dx: Sig<'m>,
    /// Bits of a position.
    bits: u32,
}

impl<'m> Window<'m> {
    /// A word, or two lines of two words: nothing is outside the map.
    fn plain(m: &'m Builder, average: Sig<'m>, first: Sig<'m>) -> Self {
        let dy = (average & !first).zero_extend(2);
        Self { stride_2: average, dy, dx: m.lit(2, 0), bits: 17 }
    }

    /// Counts the columns and lines of the window; `average` reads its columns together.
    fn extended(m: &'m Builder, average: Sig<'m>, first: Sig<'m>) -> Self {
        let restart = m.input("restart", 1, "the next cycle is beat 0, D-1");
        let side = m.input("window", 2, "side of the window");
        let stride_2 = m.input("window_stride_2", 1, "two positions apart");
        let padding = m.input("window_padding", 1, "begins before the map");
        // Rows before the first one exist in a band that is not the first.
        let inner = m.input("window_inner", 1, "begins in the first row despite the padding");
        let above = (padding & !inner).zero_extend(2);
        let dy = m.reg_without_reset("window_y", 2);
        let dx = m.reg_without_reset("window_x", 2);
        let dx_next = *dx + 1;
        let over = (average | dx_next.eq(side)).named("window_line_over");
        dx.next(m.mux(restart | over, 0, dx_next));
        dy.next_when(restart | over, m.mux(restart, 0, *dy + 1));
        m.discard(first);
        Self {
            stride_2: stride_2 | average,
            dy: *dy - above,
            dx: *dx - padding.zero_extend(2),
            bits: POSITION_BITS,
        }
    }

    /// A position of the map, from a pixel of 17 bits and a part of the window.
    fn position(&self, pixel: Sig<'m>, part: Sig<'m>) -> Sig<'m> {
        let m = pixel.builder();
        let pixel = pixel.zero_extend(self.bits);
        let part = m.concat(&[part.all().repeat(self.bits - 2), part]);
        m.mux(self.stride_2, pixel << 1, pixel) + part
    }
}

/// The first word of the line that is read for the first line of the tile, at `D-1`, and how many
/// words later that of its next line is.
fn line<'m>(
    m: &'m Builder,
    events: Events<'m>,
    window: &Window<'m>,
    lines: &Lines<'m>,
) -> (Sig<'m>, Sig<'m>) {
    let base = m.input("stream_in_base", 16, "first word");
    let row_words = m.input("stream_in_row", 16, "words of a line");
    let plane_words = m.input("stream_in_plane", 16, "words of a column tile");
    let ct = m.reg_without_reset("in_ct", 16);
    let line = m.reg_without_reset("in_line", 16);
    let next = events.of_ct(ct, base, plane_words);
    let step = m.mux(window.stride_2, row_words << 1, row_words);
    let _ = events.of_line(line, base, m.pipe("line_step", lines.times(step)), next);
    let none = m.lit(16, 0);
    let part = [none, row_words, row_words << 1, m.pipe("line_before", none - row_words)];
    (*line + m.select(window.dy, &part), step)
}

/// Whether a word that is taken is the first one of its pixel.
fn begin<'m>(m: &'m Builder, sizes: &Sizes, first: Sig<'m>, take: Sig<'m>) -> Sig<'m> {
    if !sizes.extended {
        return first;
    }
    // The first positions of a window may be outside the map.
    let some = m.reg_without_reset("some", 1);
    let before = (*some & !first).named("some_before");
    some.next(before | take);
    take & !before
}

/// The columns that have a shortcut, at D5: what is left of them, at most all of a column tile.
fn live<'m>(m: &'m Builder, sizes: &Sizes, events: Events<'m>, join: Sig<'m>) -> Sig<'m> {
    let left = m.reg_without_reset("left", 16);
    let channels = m.input("shortcut_channels", 16, "channels of the shortcut");
    let cols = u64::from(sizes.cols);
    let full = left.ge(cols).named("full");
    let after = m.mux(full, *left - cols, 0);
    left.next_when(events.load | events.ct_end, m.mux(events.load, channels, after));
    let bits = bits_for(sizes.cols);
    let live = m.mux(full, cols, left.keep(0, bits)) & join.any().repeat(bits);
    m.pipe("live_mask", thermometer(m, delay(m, "live", live, 5), sizes.cols))
}
