//! Makes windows of bit planes from the pixels that arrive, and writes them.
//!
//! Microarchitecture.md, section 2.1. A pixel goes to its place in the window; when the window or
//! the row ends, the planes are written, and the pixels that the next window shares move to its
//! begin. The window has a register for each plane, of three bits a pixel, so that all is done on
//! whole words.
//!
//! | port       | dir | width | meaning                                                        |
//! | ---------- | --- | ----- | -------------------------------------------------------------- |
//! | `height`, `width`, `tiles` | in | 16, 16, 11 | of the image, windows of a row            |
//! | `stem_7`   | in  | 1     | k = 7, s = 2 instead of k = 3, s = 1; extended                 |
//! | `in_valid`, `in_ready`, `in_data` | in, out, in | 1, 1, 24 | one pixel a beat              |
//! | `free`     | in  | 1     | the image has been used                                        |
//! | `full`     | out | 1     | a complete image waits                                         |
//! | `row_en`   | out | 3     | image row, modulo 3, whose banks are written                   |
//! | `to`       | out | ..    | word of the bank                                               |
//! | `data_{e}` | out | 3 `V` | plane for the banks of parity `e`; pixel `i` in bits `3i` to `3i + 2` |
//!
//! Timing: see `image`.

use super::image::{SLOT_ROWS, stem_7};
use super::sizes::Sizes;
use super::store::address_bits;
use crate::build::{Builder, Module, Reg, Sig};

/// Bits of a pixel in one plane.
const CHANNELS: u32 = 3;
const PLANES: u32 = 8;

/// Describes the module `windows`.
pub(super) fn windows(sizes: &Sizes) -> Module {
    let m = Builder::new("windows", "Makes windows of bit planes from pixels.");
    let stem_7 = stem_7(&m, sizes);
    let writing = m.reg("writing", 1, 0);
    let pixels = Pixels::describe(&m, *writing);
    let place = Place::describe(&m, sizes, stem_7);

    // One window, `PLANES / stem_planes` cycles long.
    let word = m.reg("word", (PLANES / sizes.stem_planes).trailing_zeros(), 0);
    word.next_when(*writing, *word + 1);
    let written = (*writing & word.all()).named("written");
    let tiles = m.input("tiles", 11, "windows of a row");
    let tile = m.reg("tile", 11, 1);
    let last_tile = tile.eq(tiles).named("last_tile");
    tile.next_when(written, m.mux(last_tile, 1, *tile + 1));
    // All pixels of the row have been taken.
    let over = m.reg("over", 1, 0);
    let row_done = (written & last_tile).named("row_done");
    over.next_when(pixels.row_taken | row_done, pixels.row_taken);
    let begin = (pixels.row_taken | (pixels.beat & place.window_end)).named("window_over");
    writing.next_when(begin | written, begin | (*over & !last_tile));

    place.advance(pixels.beat, written, last_tile);
    let planes: Vec<_> =
        (0..PLANES).map(|plane| pixels.plane(plane, sizes, &place, written, last_tile)).collect();
    for e in 0..sizes.stem_planes {
        let of_parity: Vec<_> = planes.iter().copied().skip(e as usize).collect();
        let words: Vec<_> = of_parity.into_iter().step_by(sizes.stem_planes as usize).collect();
        m.output(&format!("data_{e}"), m.select(*word, &words), "plane of the window");
    }

    let row = m.reg("row", SLOT_ROWS, 1);
    let (first, last) = (row.slice(0, SLOT_ROWS - 1), row.msb());
    row.next_when(row_done, m.mux(pixels.full, 1, m.concat(&[first, last])));
    m.output("row_en", *row & writing.repeat(SLOT_ROWS), "image row, modulo 3");
    let bits = address_bits(sizes.depths.image);
    let (to, row_base) = (m.reg("to_q", bits, 0), m.reg("row_base", bits, 0));
    let row_next = m.mux(pixels.full, 0, m.mux(last, *to + 1, *row_base)).named("row_next");
    row_base.next_when(row_done, row_next);
    to.next_when(*writing, m.mux(row_done, row_next, *to + 1));
    m.output("to", *to, "word of the bank");
    m.finish()
}

/// The pixels that arrive.
struct Pixels<'m> {
    m: &'m Builder,
    data: Sig<'m>,
    beat: Sig<'m>,
    /// The beat is the last of its row.
    row_taken: Sig<'m>,
    full: Sig<'m>,
}

impl<'m> Pixels<'m> {
    fn describe(m: &'m Builder, writing: Sig<'m>) -> Self {
        let height = m.input("height", 16, "rows of the image");
        let width = m.input("width", 16, "columns of the image");
        let data = m.input("in_data", 24, "pixel, channel 0 in the low byte");
        let free = m.input("free", 1, "the image has been used");
        let full = m.reg("full_q", 1, 0);
        let ready = (!*full & !writing).named("ready");
        let beat = (m.input("in_valid", 1, "a pixel is there") & ready).named("beat");
        // Both count from 1.
        let (x, y) = (m.reg("x", 16, 1), m.reg("y", 16, 1));
        let row_end = x.eq(width).named("row_end");
        let last_row = y.eq(height).named("last_row");
        let row_taken = (beat & row_end).named("row_taken");
        let complete = (row_taken & last_row).named("complete");
        x.next_when(beat, m.mux(row_end, 1, *x + 1));
        y.next_when(row_taken, m.mux(last_row, 1, *y + 1));
        full.next_when(complete | free, complete);
        m.output("in_ready", ready, "a pixel is accepted");
        m.output("full", *full, "a complete image waits");
        Self { m, data, beat, row_taken, full: *full }
    }

    /// A plane of the window.
    fn plane(
        &self,
        plane: u32,
        sizes: &Sizes,
        place: &Place<'m>,
        written: Sig<'m>,
        last_tile: Sig<'m>,
    ) -> Sig<'m> {
        let m = self.m;
        let window = m.reg(&format!("plane_{plane}"), CHANNELS * sizes.window_pixels, 0);
        let pixel: Vec<_> = (0..CHANNELS).rev().map(|c| self.data.bit(8 * c + plane)).collect();
        let pixel = m.concat(&pixel).repeat(sizes.window_pixels);
        let taken = (*window & !place.here) | (pixel & place.here);
        // What the next window shares; the rest is outside the image until pixels arrive.
        let shared = |first: u32, n: u32| {
            window.slice(CHANNELS * first, CHANNELS * n).zero_extend(window.width())
        };
        let mut moved = shared(sizes.rows, 2);
        if sizes.extended {
            moved = m.mux(place.stem_7, shared(2 * sizes.rows, 5), moved);
        }
        let moved = m.mux(last_tile, 0, moved);
        window.next_when(self.beat | written, m.mux(self.beat, taken, moved));
        *window
    }
}

/// Where the next pixel goes.
struct Place<'m> {
    m: &'m Builder,
    stem_7: Sig<'m>,
    /// Ones in the bits of the pixel's place.
    here: Sig<'m>,
    /// The place is the last of the window.
    window_end: Sig<'m>,
    /// The next pixel is the first of its row; `at` is 0.
    fresh: Reg<'m>,
    at: Reg<'m>,
}

impl<'m> Place<'m> {
    fn describe(m: &'m Builder, sizes: &Sizes, stem_7: Sig<'m>) -> Self {
        let fresh = m.reg("fresh", 1, 1);
        let at = m.reg("at", CHANNELS * sizes.window_pixels, 0);
        let here = *at | (place(m, stem_7, at.width(), 1, 3) & fresh.repeat(at.width()));
        let here = here.named("here");
        let mut window_end = here.bit(CHANNELS * (sizes.rows + 1));
        if sizes.extended {
            window_end = m.mux(stem_7, here.msb(), window_end);
        }
        Self { m, stem_7, here, window_end, fresh, at }
    }

    fn advance(&self, beat: Sig<'m>, written: Sig<'m>, last_tile: Sig<'m>) {
        let (m, at) = (self.m, self.at);
        self.fresh.next_when(beat | (written & last_tile), !beat);
        let restart = m.mux(last_tile, 0, place(m, self.stem_7, at.width(), 2, 5));
        at.next_when(beat | written, m.mux(beat, self.here << CHANNELS, restart));
    }
}

/// Ones in the bits of a pixel: the first one for k = 3, the second one for k = 7.
fn place<'m>(m: &'m Builder, stem_7: Sig<'m>, width: u32, at_3: u32, at_7: u32) -> Sig<'m> {
    let ones = |at: u32| m.ones(CHANNELS).zero_extend(width - CHANNELS * at);
    let place = |at: u32| m.concat(&[ones(at), m.lit(CHANNELS * at, 0)]);
    // Where there is no k = 7, the window may be too small for its pixel.
    if CHANNELS * at_7 < width { m.mux(stem_7, place(at_7), place(at_3)) } else { place(at_3) }
}
