//! Addresses of the pixel at the post-processing: parameters, shortcut, stream, bit map.
//!
//! Microarchitecture.md, sections 2 and 5.3, without a multiplication: every product of the page
//! is a register that grows with the tile counters. The map layout for stride 2 needs no division
//! either: with `u = row`, or `R + row` in odd tiles, bank and phase are `u / 2` and `u mod 2`, and
//! the tile of the consumer changes after every second tile.
//!
//! | port         | dir | width | meaning                                                       |
//! | ------------ | --- | ----- | ------------------------------------------------------------- |
//! | `load`       | in  | 1     | the layer begins                                              |
//! | `tile_end`, `line_end`, `ct_end` | in | 1 | of `position`                                 |
//! | `beat`, `sub`, `row`, `odd`, `x` | in | .. | of `position`                                |
//! | fields of the descriptor | in | .. | by their names                                       |
//! | `param`      | out | 16    | word of the parameter columns, D0                             |
//! | `live`       | out | ..    | columns that have a shortcut, D0                              |
//! | `stream_in`  | out | 16    | word of the shortcut, D1                                      |
//! | `stream_out` | out | 16    | word of the stream that is written, D0                        |
//! | `bits_out`   | out | 16    | word of the activation memory that is written, D0             |
//! | `bank`       | out | ..    | bank that is written, D0                                      |
//! | `group`      | out | ..    | slice of that word, D0                                        |
//!
//! Timing: the inputs are of stage D0; `stream_in` is registered and belongs to D1.

use super::sizes::{Sizes, bits_for};
use crate::build::{Builder, Module, Reg, Sig};

/// The events of the tile counters.
#[derive(Clone, Copy)]
struct Events<'m> {
    load: Sig<'m>,
    tile_end: Sig<'m>,
    line_end: Sig<'m>,
    ct_end: Sig<'m>,
}

impl<'m> Events<'m> {
    /// A base that grows by `step` with each column tile; returns it and its next value.
    fn of_ct(&self, reg: Reg<'m>, base: Sig<'m>, step: Sig<'m>) -> Sig<'m> {
        let m = base.builder();
        let next = *reg + step;
        reg.next_when(self.load | self.ct_end, m.mux(self.load, base, next));
        next
    }

    /// A base that grows by `step` with each line and begins anew, at `ct_next`, with each column
    /// tile.
    fn of_line(&self, reg: Reg<'m>, base: Sig<'m>, step: Sig<'m>, ct_next: Sig<'m>) -> Sig<'m> {
        let m = base.builder();
        let next = m.mux(self.ct_end, ct_next, *reg + step);
        reg.next_when(self.load | self.line_end, m.mux(self.load, base, next));
        next
    }
}

/// Describes the module `addresses`.
pub(super) fn addresses(sizes: &Sizes) -> Module {
    let m = Builder::new("addresses", "Addresses of the pixel at stage D0.");
    let bit = |name: &str, doc: &str| m.input(name, 1, doc);
    let word = |name: &str, doc: &str| m.input(name, 16, doc);
    let events = Events {
        load: bit("load", "the layer begins"),
        tile_end: bit("tile_end", "last cycle of a tile"),
        line_end: bit("line_end", "last cycle of a line"),
        ct_end: bit("ct_end", "last cycle of a column tile"),
    };
    let beat = m.input("beat", sizes.beat_bits(), "beat of the row");
    let x = m.input("x", 17, "column of the map");
    let x = x.keep(0, 16);
    let pooled = bit("pooled", "flag `shortcut_pool`");

    // Parameters.
    let param = m.reg_without_reset("param_q", 16);
    let _ = events.of_ct(param, word("param_base", "first word"), m.lit(16, 1));
    m.output("param", *param, "word of the parameter columns");

    // The shortcut: four reads of 2 x 2 pixels, or one.
    let base = word("stream_in_base", "first word");
    let row_words = word("stream_in_row", "words of a line");
    let plane_words = word("stream_in_plane", "words of a column tile");
    let in_ct = m.reg_without_reset("stream_in_ct", 16);
    let in_line = m.reg_without_reset("stream_in_line", 16);
    let next = events.of_ct(in_ct, base, plane_words);
    let _ = events.of_line(in_line, base, m.mux(pooled, row_words << 1, row_words), next);
    let column = m.mux(pooled, m.concat(&[x.slice(0, 15), beat.bit(0)]), x);
    let line = *in_line + (row_words & (pooled & beat.bit(1)).repeat(16));
    m.discard(beat);
    m.output("stream_in", m.pipe("stream_in_q", line + column), "word of the shortcut, D1");

    // Columns with a shortcut: what is left of them, at most all of this column tile.
    let left = m.reg_without_reset("left", 16);
    let channels = word("shortcut_channels", "channels of the shortcut");
    let cols = u64::from(sizes.cols);
    let more = left.ge(cols).named("full");
    let after = m.mux(more, *left - cols, 0);
    left.next_when(events.load | events.ct_end, m.mux(events.load, channels, after));
    let live_bits = bits_for(sizes.cols);
    let enabled = bit("shortcut_identity", "flag") | pooled;
    let live = m.mux(more, cols, left.keep(0, live_bits)) & enabled.repeat(live_bits);
    m.output("live", live, "columns that have a shortcut");

    // The stream that is written.
    let base = word("stream_out_base", "first word");
    let row_words = word("stream_out_row", "words of a line");
    let plane_words = word("stream_out_plane", "words of a column tile");
    let out_ct = m.reg_without_reset("stream_out_ct", 16);
    let out_line = m.reg_without_reset("stream_out_line", 16);
    let next = events.of_ct(out_ct, base, plane_words);
    let _ = events.of_line(out_line, base, row_words, next);
    m.output("stream_out", *out_line + x, "word of the stream");

    bits(&m, sizes, events);
    m.finish()
}

/// The address of the bit map that is written.
fn bits<'m>(m: &'m Builder, sizes: &Sizes, events: Events<'m>) {
    let word = |name: &str, doc: &str| m.input(name, 16, doc);
    let sub = m.input("sub", sizes.sub_bits(), "sub-slice");
    let row = m.input("row", sizes.row_bits(), "row of the array");
    let odd = m.input("odd", 1, "odd tile of its line");
    let stride_2 = m.input("out_stride_2", 1, "the map is read with stride 2");
    let base = word("out_base", "first word");
    let y_words = word("out_y_words", "words of a line");
    let phase_words = word("out_phase_words", "words of a phase");
    let xt_words = word("out_xt_words", "words of a tile");

    let group = m.reg_without_reset("group_q", sizes.group_bits());
    let (group_next, words) = next_group(m, sizes, *group);
    let restart = events.load | events.ct_end;
    group.next_when(restart, m.mux(events.load, 0, group_next));
    m.output("group", *group, "slice of the word");

    let ct = m.reg_without_reset("bits_ct", 16);
    let line = m.reg_without_reset("bits_line", 16);
    let tile = m.reg_without_reset("bits_tile", 16);
    let ct_next = events.of_ct(ct, base, words);
    let line_next = events.of_line(line, base, y_words, ct_next);
    let within = m.mux(!stride_2 | odd, *tile + xt_words, *tile);
    let tile_next = m.mux(events.line_end, line_next, within);
    tile.next_when(events.load | events.tile_end, m.mux(events.load, base, tile_next));

    let width = bits_for(2 * sizes.rows - 1);
    let row = row.zero_extend(width);
    let pair = row + m.mux(odd, u64::from(sizes.rows), m.lit(width, 0));
    let half = if width == 1 { m.lit(1, 0) } else { pair.slice(1, width - 1) };
    let bank = m.mux(stride_2, half.zero_extend(width), row);
    m.output("bank", bank.keep(0, sizes.row_bits()), "bank that is written");
    let phase = phase_words & (stride_2 & pair.keep(0, 1)).repeat(16);
    let mut address = *tile + phase;
    if sizes.write_beats > 1 {
        address = address + sub.zero_extend(16);
    } else {
        m.discard(sub);
    }
    m.output("bits_out", address, "word of the activation memory");
}

/// The slice after `group` of a column tile, and by how many words the next tile begins later.
///
/// Either a column tile is one slice, or a slice is a whole word (`C > L` makes `G = 1`).
pub(super) fn next_group<'m>(m: &'m Builder, sizes: &Sizes, group: Sig<'m>) -> (Sig<'m>, Sig<'m>) {
    assert!(sizes.write_beats == 1 || sizes.slices == 1, "bug: {sizes:?}");
    if sizes.slices == 1 {
        m.discard(group);
        return (m.lit(1, 0), m.lit(16, u64::from(sizes.write_beats)));
    }
    let wrap = group.eq(u64::from(sizes.slices - 1));
    (m.mux(wrap, 0, group + 1), wrap.zero_extend(16))
}

#[cfg(test)]
mod tests {
    use super::super::position::position;
    use super::super::sizes::{Sizes, test_sizes};
    use super::addresses;
    use crate::{Simulator, test_random};
    use heartbit_ir::program::{LayerDescriptor, LayerFlags};

    /// `position` and `addresses`, connected.
    struct Bench {
        position: Simulator,
        addresses: Simulator,
    }

    impl Bench {
        fn new(sizes: &Sizes, layer: &LayerDescriptor) -> Self {
            let mut position = Simulator::new(&position(sizes));
            for (name, value) in [
                ("pooled", u16::from(layer.flags.shortcut_pool)),
                ("row_tiles", layer.row_tiles),
                ("out_height", layer.out_height),
                ("out_width", layer.out_width),
            ] {
                position.set(name, value.into());
            }
            let mut addresses = Simulator::new(&addresses(sizes));
            for (name, value) in [
                ("pooled", u16::from(layer.flags.shortcut_pool)),
                ("shortcut_identity", u16::from(layer.flags.shortcut_identity)),
                ("out_stride_2", u16::from(layer.flags.out_stride_2)),
                ("param_base", layer.param_base),
                ("stream_in_base", layer.stream_in_base),
                ("stream_in_row", layer.stream_in_row),
                ("stream_in_plane", layer.stream_in_plane),
                ("shortcut_channels", layer.shortcut_channels),
                ("stream_out_base", layer.stream_out_base),
                ("stream_out_row", layer.stream_out_row),
                ("stream_out_plane", layer.stream_out_plane),
                ("out_base", layer.out_base),
                ("out_y_words", layer.out_y_words),
                ("out_phase_words", layer.out_phase_words),
                ("out_xt_words", layer.out_xt_words),
            ] {
                addresses.set(name, value.into());
            }
            Self { position, addresses }
        }

        fn settle(&mut self, start: bool, load: bool) {
            self.position.set("start", start.into());
            self.position.set("load", load.into());
            self.addresses.set("load", load.into());
            for name in ["tile_end", "line_end", "ct_end", "beat", "sub", "row", "odd", "x"] {
                self.addresses.set(name, self.position.get(name));
            }
        }

        fn step(&mut self) {
            self.position.step();
            self.addresses.step();
        }
    }

    /// Walks one layer and compares every beat with the products of the page.
    #[track_caller]
    fn check_layer(sizes: &Sizes, layer: &LayerDescriptor) {
        let mut bench = Bench::new(sizes, layer);
        bench.settle(false, true);
        bench.step();
        let wide = |value: u16| usize::from(value);
        let [rows, cols, slices, write_beats] =
            [sizes.rows, sizes.cols, sizes.slices, sizes.write_beats].map(|v| v as usize);
        let reads = if layer.flags.shortcut_pool { 4 } else { 1 };
        let beats = reads + write_beats - 1;
        let stride = if layer.flags.out_stride_2 { 2 } else { 1 };
        let tiles = (0..wide(layer.col_tiles)).flat_map(|ct| {
            (0..wide(layer.out_height))
                .flat_map(move |y| (0..wide(layer.row_tiles)).map(move |xt| (ct, y, xt)))
        });
        bench.settle(true, false);
        bench.step();
        for (ct, y, xt) in tiles {
            for at in 0..rows * beats {
                let (row, beat) = (rows - 1 - at / beats, at % beats);
                // The next tile follows at once.
                bench.settle(at == rows * beats - 1, false);
                let x = xt * rows + row;
                let inside = x < wide(layer.out_width);
                let complete = inside && beat >= reads - 1;
                let mut position = |name| bench.position.get(name);
                assert_eq!(position("writing"), u64::from(complete));
                assert_eq!(position("pixel"), u64::from(inside && beat == reads - 1));
                assert_eq!(position("reading"), u64::from(beat < reads));
                let end = y + 1 == wide(layer.out_height)
                    && xt + 1 == wide(layer.row_tiles)
                    && row == 0
                    && beat == reads - 1;
                assert_eq!(position("last_pixel"), u64::from(end));
                let here = (position("x"), position("y"), position("ct"));
                assert_eq!(here, (x as u64, y as u64, ct as u64));
                let mut get = |name| bench.addresses.get(name);
                let param = wide(layer.param_base) + ct;
                assert_eq!(get("param"), param as u64);
                let live = wide(layer.shortcut_channels).saturating_sub(ct * cols).min(cols);
                let has = layer.flags.shortcut_identity || layer.flags.shortcut_pool;
                assert_eq!(get("live"), if has { live as u64 } else { 0 });
                let word = |base: u16, plane: u16, line: u16, y: usize, x: usize| {
                    let word = wide(base) + ct * wide(plane) + y * wide(line) + x;
                    (word % 65_536) as u64
                };
                let to = (layer.stream_out_base, layer.stream_out_plane, layer.stream_out_row);
                assert_eq!(get("stream_out"), word(to.0, to.1, to.2, y, x), "stream_out");
                if complete {
                    let slice = ct * write_beats + beat + 1 - reads;
                    let (phase, xi) = (x % stride, x / stride);
                    let address = wide(layer.out_base)
                        + y * wide(layer.out_y_words)
                        + phase * wide(layer.out_phase_words)
                        + xi / rows * wide(layer.out_xt_words)
                        + slice / slices;
                    assert_eq!(get("bits_out"), (address % 65_536) as u64, "x {x}, slice {slice}");
                    assert_eq!(get("bank"), (xi % rows) as u64);
                    assert_eq!(get("group"), (slice % slices) as u64);
                }
                bench.step();
                if inside && beat < reads {
                    let from = (layer.stream_in_base, layer.stream_in_plane, layer.stream_in_row);
                    let (y, x) = match reads {
                        4 => (2 * y + beat / 2, 2 * x + beat % 2),
                        _ => (y, x),
                    };
                    let expected = word(from.0, from.1, from.2, y, x);
                    assert_eq!(bench.addresses.get("stream_in"), expected, "beat {beat}");
                }
            }
        }
    }

    #[test]
    fn addresses_are_the_products_of_the_page() {
        let mut seed = 5;
        for (rows, cols, lanes) in [(1, 1, 4), (2, 4, 16), (3, 7, 4), (5, 5, 16), (4, 13, 4)] {
            let sizes = test_sizes(rows, cols, lanes);
            for case in 0..16_u16 {
                let mut random = |below: u64| {
                    u16::try_from(test_random(&mut seed) % below).expect("bug: 16 bits")
                };
                let out_width = 1 + random(3 * rows as u64);
                let layer = LayerDescriptor {
                    flags: LayerFlags {
                        shortcut_pool: case & 1 == 1,
                        shortcut_identity: case & 3 == 2,
                        out_stride_2: case & 4 == 4,
                        ..LayerFlags::default()
                    },
                    col_tiles: 1 + random(4),
                    row_tiles: out_width.div_ceil(u16::try_from(rows).expect("bug: small")),
                    out_height: 1 + random(4),
                    out_width,
                    param_base: random(65_536),
                    out_base: random(65_536),
                    out_y_words: random(65_536),
                    out_phase_words: random(65_536),
                    out_xt_words: random(65_536),
                    stream_in_base: random(65_536),
                    stream_out_base: random(65_536),
                    stream_in_row: random(65_536),
                    stream_in_plane: random(65_536),
                    stream_out_row: random(65_536),
                    stream_out_plane: random(65_536),
                    shortcut_channels: random(4 * cols as u64),
                    ..LayerDescriptor::default()
                };
                check_layer(&sizes, &layer);
            }
        }
    }
}
