//! Brings the position of a pixel to the end of the post-processing and makes its writes.
//!
//! Microarchitecture.md, section 5.3.
//!
//! | port          | dir | width   | meaning                                                    |
//! | ------------- | --- | ------- | ---------------------------------------------------------- |
//! | `load`        | in  | 1       | the layer begins                                           |
//! | `pixel`, `writing`, `last_pixel`, `x`, `y`, `ct` | in | .. | of `position`, D-1            |
//! | `sub`         | in  | ..      | of `position`, D-1; only where `D > 1`                     |
//! | `plane`       | in  | 3       | of `position`, D-1; extended only                          |
//! | `stream_out`, `stream_odd`, `bits_out`, `bank`, `slice` | in | .. | of `addresses`, D0     |
//! | flags and fields | in | ..    | of the descriptor, by their names                          |
//! | `results`     | in  | `cols`  | result bits, D7+N                                          |
//! | `pool_planes` | in  | `cols`  | bits of the pooled levels                                  |
//! | `level_planes` | in | `cols`  | bits of the levels; extended only                          |
//! | `bank_en`, `slice_en`, `bits_addr`, `bits` | out | .. | write port of the activations       |
//! | `even_en`, `odd_en`, `stream_addr` | out | 1, 1, 16 | write ports of the streams         |
//! | `logit_en`    | out | 1       | write enable of the logits, at word `mon_ct`               |
//! | `accumulate`, `fresh`, `halve` | out | 1 | control of `pool`                              |
//! | `bit_plane`   | out | 3       | bit of the levels that is written                          |
//! | `mon_*`       | out | ..      | the monitor                                                |
//!
//! Timing: `7 + N` cycles from D0 to D7+N; all outputs belong to D7+N.

use super::epilogue::epilogue;
use super::sizes::{Sizes, delay, delay_control};
use crate::build::{Builder, Module, Sig};

/// Describes the module `writer`.
pub(super) fn writer(sizes: &Sizes) -> Module {
    let m = Builder::new("writer", "The writes at the end of the post-processing.");
    // Stages from D0.
    let stages = 7 + sizes.nonlinear_stages;
    let bit = |name: &str, doc: &str| m.input(name, 1, doc);
    let from_position =
        |name: &str, width: u32, doc: &str| delay(&m, name, m.input(name, width, doc), stages + 1);
    let from_addresses =
        |name: &str, width: u32, doc: &str| delay(&m, name, m.input(name, width, doc), stages);
    let control = |name: &str, doc: &str| delay_control(&m, name, bit(name, doc), stages + 1);
    let load = bit("load", "the layer begins");
    let pixel = control("pixel", "results complete, D-1");
    let writing = control("writing", "a slice is written, D-1");
    let last_pixel = control("last_pixel", "last pixel of its column tile, D-1");
    let sub = if sizes.write_beats > 1 {
        from_position("sub", sizes.sub_bits(), "sub-slice, D-1")
    } else {
        m.lit(1, 0)
    };
    m.output("mon_ct", from_position("ct", 16, "column tile, D-1"), "monitor");
    m.output("mon_y", from_position("y", 16, "line, D-1"), "monitor");
    m.output("mon_x", from_position("x", 17, "column, D-1").keep(0, 16), "monitor");
    let bank = from_addresses("bank", sizes.row_bits(), "bank of the activations, D0");
    let slice = from_addresses("slice", sizes.slice_index_bits(), "slice of the word, D0");
    let bits_out = from_addresses("bits_out", 16, "word of the activations, D0");
    m.output("stream_addr", from_addresses("stream_out", 16, "stream word, D0"), "stream word");
    let stream_odd = from_addresses("stream_odd", 1, "bank of the streams, D0");

    let pool = bit("pool", "flag");
    let fresh = m.reg("fresh_q", 1, 0);
    fresh.next_when(load | pixel, load | last_pixel);
    let planes = m.input("level_bits", if sizes.extended { 4 } else { 3 }, "planes of a level");
    let first_plane = (m.lit(3, 0) - planes.keep(0, 3)).named("first_plane");
    let epilogue = m
        .inst("epilogue", &epilogue(sizes))
        .set("load", load)
        .set("start", last_pixel & pool)
        .set("level_shift", m.input("level_shift", 5, "shifts of the pooled sum"))
        .set("first_plane", first_plane)
        .set("out_base", m.input("out_base", 16, "first word of the map"))
        .set("out_plane_words", m.input("out_plane_words", 16, "words to the next plane"));
    m.output("accumulate", pixel & pool, "to the pools");
    m.output("fresh", *fresh, "to the pools");
    m.output("halve", epilogue.out("halve"), "to the pools");

    let pooled = epilogue.out("writing");
    let mut source = m.input("results", sizes.cols, "result bits");
    let mut write_bits = bit("write_bits", "flag");
    let mut plane = epilogue.out("plane");
    if sizes.extended {
        let write_levels = bit("write_levels", "flag");
        let levels = m.input("level_planes", sizes.cols, "bits of the levels");
        source = m.mux(write_levels, levels, source);
        write_bits = write_bits | write_levels;
        let of_level = from_position("plane", 3, "plane of a level, D-1") + first_plane;
        plane = m.mux(pooled, plane, of_level);
    }
    m.output("bit_plane", plane, "bit of the levels");
    let pool_planes = m.input("pool_planes", sizes.cols, "bits of the pooled levels");
    let source = m.mux(pooled, pool_planes, source).named("source");
    let sub = m.mux(pooled, epilogue.out("sub"), sub);
    m.output("bits", cut(&m, sizes, source, sub), "slice to be written");
    let address = m.mux(pooled, epilogue.out("address"), bits_out);
    m.output("bits_addr", address, "word of the activations");
    let slice = m.mux(pooled, epilogue.out("slice"), slice);
    let slices = one_hot(&m, slice, sizes.slices);
    m.output("slice_en", copies(&m, sizes, slices), "slices of the word");
    let bank = m.mux(pooled, 0, bank);
    let enable = (pooled | (writing & write_bits)).repeat(sizes.rows);
    m.output("bank_en", one_hot(&m, bank, sizes.rows) & enable, "banks to be written");

    let stream = pixel & bit("write_stream", "flag");
    m.output("even_en", stream & !stream_odd, "write the even bank of the streams");
    m.output("odd_en", stream & stream_odd, "write the odd bank of the streams");
    m.output("logit_en", pixel & bit("logits", "flag"), "write the logits");
    m.output("mon_valid", pixel, "monitor");
    m.output("mon_pool_valid", epilogue.out("first"), "monitor");
    m.finish()
}

/// The slices of all copies: each is so many copies of the first one apart.
fn copies<'m>(m: &'m Builder, sizes: &Sizes, first: Sig<'m>) -> Sig<'m> {
    if sizes.taps == 1 {
        return first;
    }
    let number = m.input("out_copies", sizes.copies_bits(), "copies, log2");
    let also = |of: Sig<'m>, condition: Sig<'m>, distance: u32| {
        of | (of << distance & condition.repeat(sizes.slices))
    };
    if sizes.taps == 2 {
        return also(first, number, sizes.slices / 2);
    }
    let two = also(first, number.bit(1), sizes.slices / 4);
    also(two, number.any(), sizes.slices / 2)
}

/// Sub-slice `sub` of the bits of all columns, zeros beyond the last column.
fn cut<'m>(m: &'m Builder, sizes: &Sizes, bits: Sig<'m>, sub: Sig<'m>) -> Sig<'m> {
    let width = sizes.slice_bits;
    let items: Vec<_> = (0..sizes.write_beats)
        .map(|i| bits.slice(i * width, width.min(sizes.cols - i * width)).zero_extend(width))
        .collect();
    m.discard(sub);
    m.select(sub, &items)
}

/// Bit `i` is 1 where the index is `i`.
fn one_hot<'m>(m: &'m Builder, index: Sig<'m>, width: u32) -> Sig<'m> {
    if width == 1 {
        m.discard(index);
        return m.lit(1, 1);
    }
    let bits: Vec<_> = (0..u64::from(width)).rev().map(|i| index.eq(i)).collect();
    m.concat(&bits)
}

#[cfg(test)]
mod tests {
    use super::super::sizes::{Sizes, test_sizes_of};
    use super::writer;
    use crate::{Simulator, test_random};
    use std::collections::VecDeque;

    /// What a pixel's beat brings at D-1, and a cycle later from `addresses`.
    #[derive(Clone, Copy, Default)]
    struct Beat {
        pixel: bool,
        writing: bool,
        sub: u64,
        plane: u64,
        bank: u64,
        slice: u64,
        bits_out: u64,
        stream_out: u64,
        stream_odd: u64,
        position: [u64; 3],
    }

    impl Beat {
        fn random(sizes: &Sizes, copies: u32, seed: &mut u64) -> Self {
            let mut random = |below: u32| test_random(seed) % u64::from(below);
            let writing = random(2) == 1;
            Self {
                writing,
                pixel: writing && random(2) == 1,
                sub: random(sizes.write_beats),
                plane: random(8),
                bank: random(sizes.rows),
                slice: random(sizes.slices >> copies),
                bits_out: random(65_536),
                stream_out: random(65_536),
                stream_odd: random(2),
                position: [random(65_536), random(65_536), random(65_536)],
            }
        }
    }

    fn set_beats(sim: &mut Simulator, sizes: &Sizes, early: &Beat, late: &Beat) {
        sim.set("pixel", early.pixel.into());
        sim.set("writing", early.writing.into());
        for (name, value) in ["x", "y", "ct"].iter().zip(early.position) {
            sim.set(name, value);
        }
        if sizes.write_beats > 1 {
            sim.set("sub", early.sub);
        }
        if sizes.extended {
            sim.set("plane", early.plane);
        }
        for (name, value) in [
            ("bank", late.bank),
            ("slice", late.slice),
            ("bits_out", late.bits_out),
            ("stream_out", late.stream_out),
            ("stream_odd", late.stream_odd),
        ] {
            sim.set(name, value);
        }
    }

    /// Random beats of one layer, whose flags are bits of `flags`.
    #[track_caller]
    fn check_writes(sizes: &Sizes, flags: u64, copies: u32) {
        let mut sim = Simulator::new(&writer(sizes));
        let mut seed = flags;
        let flag = |i: u32| flags >> i & 1;
        let levels = sizes.extended && flags & 9 == 8;
        sim.set("write_bits", flag(0));
        sim.set("write_stream", flag(1));
        sim.set("logits", flag(2));
        let level_bits = if sizes.extended { 1 + flags % 8 } else { 8 };
        if sizes.extended {
            sim.set("write_levels", levels.into());
            sim.set("level_bits", level_bits);
        }
        if sizes.taps > 1 {
            sim.set("out_copies", copies.into());
        }
        // From D-1 to D7+N.
        let stages = 8 + sizes.nonlinear_stages as usize;
        let mut past = VecDeque::from(vec![Beat::default(); stages + 1]);
        for _ in 0..300 {
            past.rotate_right(1);
            past[0] = Beat::random(sizes, copies, &mut seed);
            set_beats(&mut sim, sizes, &past[0], &past[1]);
            let mut bits = || test_random(&mut seed) % (1 << sizes.cols);
            let (results, planes) = (bits(), bits());
            sim.set("results", results);
            if sizes.extended {
                sim.set("level_planes", planes);
            }
            let now = past[stages];
            let pixel = u64::from(now.pixel);
            let stream = pixel & flag(1);
            assert_eq!(sim.get("even_en"), stream & (1 - now.stream_odd));
            assert_eq!(sim.get("odd_en"), stream & now.stream_odd);
            assert_eq!(sim.get("stream_addr"), now.stream_out);
            assert_eq!((sim.get("logit_en"), sim.get("mon_valid")), (pixel & flag(2), pixel));
            let position = ["mon_x", "mon_y", "mon_ct"].map(|name| sim.get(name));
            assert_eq!(position, now.position);
            let writes = now.writing && (flag(0) == 1 || levels);
            assert_eq!(sim.get("bank_en"), if writes { 1 << now.bank } else { 0 });
            let distance = sizes.slices >> copies;
            let slices: u64 =
                (0..1 << copies).map(|i| 1 << (now.slice + u64::from(i * distance))).sum();
            assert_eq!(sim.get("slice_en"), slices);
            assert_eq!(sim.get("bits_addr"), now.bits_out);
            if levels {
                assert_eq!(sim.get("bit_plane"), (8 - level_bits + now.plane) % 8);
            }
            let source = if levels { planes } else { results };
            let width = u64::from(sizes.slice_bits);
            let slice = source >> (now.sub * width) & ((1 << width) - 1);
            assert_eq!(sim.get("bits"), slice, "sub-slice {} of {source:b}", now.sub);
            sim.step();
        }
    }

    #[test]
    fn writes_follow_in_their_stage() {
        for (rows, cols, lanes) in [(1, 1, 4), (3, 4, 16), (2, 7, 4), (5, 13, 4)] {
            for flags in 0..16 {
                check_writes(&test_sizes_of(rows, cols, lanes, 1, false), flags, 0);
                check_writes(&test_sizes_of(rows, cols, lanes, 1, true), flags, 0);
            }
        }
    }

    #[test]
    fn all_copies_are_written() {
        for (cols, lanes, taps) in [(4, 16, 4), (2, 8, 2), (3, 24, 4), (8, 16, 2)] {
            for copies in 0..=taps / 2 {
                let sizes = test_sizes_of(2, cols, lanes, taps, true);
                check_writes(&sizes, 1, u32::try_from(copies).expect("bug: small"));
            }
        }
    }
}
