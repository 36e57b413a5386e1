//! Which pixel comes to the post-processing: the drain's own tile counters.
//!
//! Microarchitecture.md, section 5.2: they advance as in the sequencer, at the pace of the drain.
//! Outputs are registers of the cycle before D0, `D-1`, so that addresses have that cycle, or of
//! the one before, `D-2`.
//!
//! | port         | dir | width | meaning                                                     |
//! | ------------ | --- | ----- | ----------------------------------------------------------- |
//! | `start`      | in  | 1     | in two cycles row `R-1` of a tile is at `D-1`               |
//! | `load`       | in  | 1     | the layer begins                                            |
//! | `loaded`     | out | 1     | `load` of a cycle before, for what takes the outputs        |
//! | `last_read`, `last_beat` | in | .. | of `beats`                                        |
//! | `row_tiles`, `out_height`, `out_width` | in | 16 | of the descriptor                    |
//! | `lines`      | in  | ..    | of the descriptor; only where `Q > 1`                       |
//! | `first_beat` | out | 1     | beat 0                                                      |
//! | `reading`    | out | 1     | `beat < reads`                                              |
//! | `pixel`      | out | 1     | beat `reads - 1` of a pixel of the map                      |
//! | `writing`    | out | 1     | that beat, or a later one, of a pixel of the map            |
//! | `sub`        | out | ..    | in these, the sub-slice; only where `D > 1`                 |
//! | `plane`      | out | 3     | and the plane of a level; extended only                     |
//! | `plane_end`  | out | 1     | last beat of the plane; extended only                       |
//! | `row`        | out | ..    | `k mod (R/q)`, the place in its line of the tile            |
//! | `x`, `y`, `ct` | out | 17, 16, 16 | position                                             |
//! | `next_x`, `next_y` | out | 17, 16 | of `D-2`                                             |
//! | `odd`        | out | 1     | the tile's number in its row of tiles is odd                |
//! | `restart`    | out | 1     | the next cycle is beat 0, if it is a beat at all            |
//! | `row_end`    | out | 1     | last cycle of a row; extended only                          |
//! | `tile_end`, `line_end`, `ct_end` | out | 1 | last cycle of a tile, a row of tiles, a column tile |
//! | `last_pixel` | out | 1     | `pixel` is the last one of its column tile                  |
//!
//! Timing: `start` in cycle `t`, row `R-1` in `t + 2`; no gap is needed between tiles.

use super::beats::beat;
use super::lines::Lines;
use super::sizes::{Sizes, delay, delay_control};
use crate::build::{Builder, Module, Reg, Sig};

/// Describes the module `position`.
pub(super) fn position(sizes: &Sizes) -> Module {
    let m = Builder::new("position", "Which pixel is at the cycle before stage D0.");
    let start = m.input("start", 1, "the next cycle shows the bottom row");
    let load = m.input("load", 1, "the layer begins");
    let last_read = m.input("last_read", sizes.beat_bits(), "beat of the last read");
    let last_beat = m.input("last_beat", sizes.beat_bits(), "last beat");
    let row_tiles = m.input("row_tiles", 16, "tiles of a line");
    let out_height = m.input("out_height", 16, "lines");
    let out_width = m.input("out_width", 16, "pixels of a line");
    let lines = Lines::input(&m, sizes, "lines");
    let bottom = u64::from(sizes.rows - 1);

    let active = m.reg("active", 1, 0);
    let row = m.reg_without_reset("row_q", sizes.row_bits());
    let (beat, last) = beat(&m, start, last_beat);
    let restart = start | last;
    let row_end = *active & last;
    let last_row = row.eq(0).named("last_row");
    let tile_end = (row_end & last_row).named("tile_over");
    row.next_when(start | row_end, m.mux(start, bottom, *row - 1));
    active.next_when(start | tile_end, start);

    // Counts from 1, so that it is compared as it is.
    let tile = m.reg_without_reset("tile", 16);
    let y = m.reg_without_reset("y_q", if lines.may_be_several() { 17 } else { 16 });
    let ct = m.reg_without_reset("ct_q", 16);
    let x = m.reg_without_reset("x_q", 17);
    let odd = m.reg_without_reset("odd_q", 1);
    let last_tile = tile.eq(row_tiles).named("last_tile");
    // The first line of a last tile, and of the tile after the present one.
    let last_from = out_height.zero_extend(18) - lines.number(18);
    let last_from = m.pipe("last_from", last_from);
    let last_line = y.zero_extend(18).sge(last_from).named("last_line");
    let line_end = (tile_end & last_tile).named("line_over");
    let ct_end = (line_end & last_line).named("ct_over");
    tile.next_when(load | tile_end, m.mux(load | last_tile, 1, *tile + 1));
    odd.next_when(load | tile_end, !(load | last_tile | *odd));
    let mut restart_x = load | line_end;
    if lines.may_be_several() {
        let up = (row_end & !last_row & x.eq(0)).named("up");
        count_lines(y, &lines, load | ct_end, line_end, up);
        restart_x = restart_x | up;
    } else {
        y.next_when(restart_x, m.mux(load | last_line, 0, *y + 1));
    }
    ct.next_when(load | ct_end, m.mux(load, 0, *ct + 1));
    let step = m.mux(last_row, 2 * bottom + 1, m.ones(17));
    let rightmost = lines.choose(|q| m.lit(17, u64::from(sizes.rows / q - 1)));
    x.next_when(load | row_end, m.mux(restart_x, rightmost, *x + step));

    let mut inside = *active & x.lt(out_width.zero_extend(17));
    if lines.may_be_several() {
        inside = inside & y.lt(out_height.zero_extend(17));
    }
    let complete = beat.ge(last_read).named("complete");
    let pixel = (inside & beat.eq(last_read)).named("first_write");
    let out = Registered { m: &m };
    out.control("loaded", load, "the layer begins");
    out.data("first_beat", beat.eq(0), "beat 0");
    out.control("reading", last_read.ge(beat), "the shortcut is read");
    out.control("pixel", pixel, "the results are complete for the first time");
    out.control("writing", inside & complete, "the results are complete");
    writes(&out, sizes, restart, complete);
    let place = m.mux(lines.several(), x.keep(0, sizes.row_bits()), *row);
    out.data("row", place, "place in its line of the tile");
    m.output("next_x", *x, "column of the map, D-2");
    m.output("next_y", y.keep(0, 16), "line of the map, D-2");
    out.data("x", *x, "column of the map");
    out.data("y", y.keep(0, 16), "line of the map");
    out.data("ct", *ct, "column tile");
    out.data("odd", *odd, "odd tile of its row");
    out.control("tile_end", tile_end, "last cycle of a tile");
    out.control("line_end", line_end, "last cycle of a row of tiles");
    out.control("ct_end", ct_end, "last cycle of a column tile");
    out.control("last_pixel", pixel & last_row & last_tile & last_line, "of its column tile");
    if sizes.extended {
        out.control("restart", restart, "the next cycle is beat 0");
        out.control("row_end", row_end, "last cycle of a row");
    }
    m.finish()
}

/// Counts the lines where tiles may have several: one up after the first column of a line, as the
/// last line of a tile is drained first, and from its first line to the last one of the next tile.
fn count_lines<'m>(
    y: Reg<'m>,
    lines: &Lines<'m>,
    restart: Sig<'m>,
    line_end: Sig<'m>,
    up: Sig<'m>,
) {
    let m = up.builder();
    let number = |n: u32| m.lit(17, n.into());
    let ahead = lines.choose(|q| number(2 * q - 1));
    let next = m.mux(line_end, *y + ahead, *y - 1);
    let first = lines.choose(|q| number(q - 1));
    y.next_when(restart | line_end | up, m.mux(restart, first, next));
}

/// Counters of the writes of a pixel: sub-slice and plane.
fn writes<'m>(out: &Registered<'m>, sizes: &Sizes, restart: Sig<'m>, complete: Sig<'m>) {
    let m = out.m;
    let mut plane_end = complete;
    if sizes.write_beats > 1 {
        let count = m.reg_without_reset("sub_q", sizes.sub_bits());
        let over = count.eq(u64::from(sizes.write_beats - 1)).named("sub_over");
        count.next(m.mux(restart | !complete | over, 0, *count + 1));
        plane_end = plane_end & over;
        out.data("sub", *count, "sub-slice to be written");
    }
    if sizes.extended {
        let plane = m.reg_without_reset("plane_q", 3);
        plane.next_when(restart | plane_end, m.mux(restart, 0, *plane + 1));
        out.data("plane", *plane, "plane to be written");
        out.control("plane_end", plane_end, "last beat of the plane");
    }
}

/// Outputs through registers.
struct Registered<'m> {
    m: &'m Builder,
}

impl<'m> Registered<'m> {
    /// What starts or writes something, which reset clears.
    fn control(&self, name: &str, value: Sig<'m>, doc: &str) {
        self.m.output(name, delay_control(self.m, name, value, 1), doc);
    }

    fn data(&self, name: &str, value: Sig<'m>, doc: &str) {
        self.m.output(name, delay(self.m, name, value, 1), doc);
    }
}
