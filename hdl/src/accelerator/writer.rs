//! Brings the position of a pixel from D0 to D4 and makes the writes of that stage.
//!
//! Microarchitecture.md, section 5.3.
//!
//! | port          | dir | width   | meaning                                                    |
//! | ------------- | --- | ------- | ---------------------------------------------------------- |
//! | `load`        | in  | 1       | the layer begins                                           |
//! | `pixel`, `writing`, `last_pixel`, `sub`, `x`, `y`, `ct` | in | .. | of `position`, D0        |
//! | `stream_out`, `bits_out`, `bank`, `group` | in | .. | of `addresses`, D0                    |
//! | flags and fields | in | ..    | of the descriptor, by their names                          |
//! | `signs`       | in  | `cols`  | `r >= 0`, D4                                               |
//! | `level_bits`  | in  | `cols`  | bit of the pooled plane                                    |
//! | `bank_en`, `group_en`, `bits_addr`, `bits` | out | .. | write port of the activations       |
//! | `stream_en`, `stream_addr` | out | 1, 16 | write port of the streams                       |
//! | `logit_en`    | out | 1       | write enable of the logits, at word `mon_ct`               |
//! | `accumulate`, `fresh`, `halve`, `plane` | out | .. | control of `pool`                      |
//! | `mon_*`       | out | ..      | the monitor                                                |
//!
//! Timing: four cycles from D0 to D4; all outputs belong to D4.

use super::epilogue::epilogue;
use super::sizes::{Sizes, delay, delay_control};
use crate::build::{Builder, Module, Sig};

/// Stages from D0 to D4.
const STAGES: u32 = 4;

/// Describes the module `writer`.
pub(super) fn writer(sizes: &Sizes) -> Module {
    let m = Builder::new("writer", "The writes of stage D4.");
    let bit = |name: &str, doc: &str| m.input(name, 1, doc);
    let late =
        |name: &str, width: u32, doc: &str| delay(&m, name, m.input(name, width, doc), STAGES);
    let late_control = |name: &str, doc: &str| delay_control(&m, name, bit(name, doc), STAGES);
    let load = bit("load", "the layer begins");
    let pixel = late_control("pixel", "results complete, D0");
    let writing = late_control("writing", "a slice is written, D0");
    let last_pixel = late_control("last_pixel", "last pixel of its column tile, D0");
    let sub = late("sub", sizes.sub_bits(), "sub-slice, D0");
    let bank = late("bank", sizes.row_bits(), "bank of the activations, D0");
    let group = late("group", sizes.group_bits(), "slice of the word, D0");
    let bits_out = late("bits_out", 16, "word of the activations, D0");
    m.output("stream_addr", late("stream_out", 16, "word of the stream, D0"), "stream word");
    m.output("mon_ct", late("ct", 16, "column tile, D0"), "monitor");
    m.output("mon_y", late("y", 16, "line, D0"), "monitor");
    m.output("mon_x", late("x", 17, "column, D0").keep(0, 16), "monitor");
    let signs = m.input("signs", sizes.cols, "r >= 0");
    let level_bits = m.input("level_bits", sizes.cols, "bit of the plane");

    let pool = bit("pool", "flag");
    let fresh = m.reg("fresh_q", 1, 0);
    fresh.next_when(load | pixel, load | last_pixel);
    let epilogue = m
        .inst("epilogue", &epilogue(sizes))
        .set("load", load)
        .set("start", last_pixel & pool)
        .set("pool_shift", m.input("pool_shift", 5, "shifts of the pooled sum"))
        .set("out_base", m.input("out_base", 16, "first word of the map"))
        .set("out_xt_words", m.input("out_xt_words", 16, "words of a plane"));
    m.output("accumulate", pixel & pool, "to the pools");
    m.output("fresh", *fresh, "to the pools");
    m.output("halve", epilogue.out("halve"), "to the pools");
    m.output("plane", epilogue.out("plane"), "to the pools");

    let planes = epilogue.out("writing");
    let sub = m.mux(planes, epilogue.out("sub"), sub);
    let source = m.mux(planes, level_bits, signs).named("source");
    m.output("bits", slice(&m, sizes, source, sub), "slice to be written");
    let address = m.mux(planes, epilogue.out("address"), bits_out);
    m.output("bits_addr", address, "word of the activations");
    let group = m.mux(planes, epilogue.out("group"), group);
    m.output("group_en", one_hot(&m, group, sizes.slices), "slice of the word");
    let bank = m.mux(planes, 0, bank);
    let enable = (planes | (writing & bit("write_bits", "flag"))).repeat(sizes.rows);
    m.output("bank_en", one_hot(&m, bank, sizes.rows) & enable, "banks to be written");

    m.output("stream_en", pixel & bit("write_stream", "flag"), "write the stream");
    m.output("logit_en", pixel & bit("logits", "flag"), "write the logits");
    m.output("mon_valid", pixel, "monitor");
    m.output("mon_pool_valid", epilogue.out("first"), "monitor");
    m.finish()
}

/// Sub-slice `sub` of the bits of all columns, zeros beyond the last column.
fn slice<'m>(m: &'m Builder, sizes: &Sizes, bits: Sig<'m>, sub: Sig<'m>) -> Sig<'m> {
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
    use super::super::sizes::{Sizes, test_sizes};
    use super::{STAGES, writer};
    use crate::{Simulator, test_random};
    use std::collections::VecDeque;

    /// What a pixel's beat brings at D0.
    #[derive(Clone, Copy, Default)]
    struct Beat {
        pixel: bool,
        writing: bool,
        sub: u64,
        bank: u64,
        group: u64,
        bits_out: u64,
        stream_out: u64,
        ct: u64,
    }

    #[track_caller]
    fn check_writes(sizes: &Sizes, flags: u64) {
        let mut sim = Simulator::new(&writer(sizes));
        let mut seed = flags;
        let flag = |i: u32| flags >> i & 1;
        sim.set("write_bits", flag(0));
        sim.set("write_stream", flag(1));
        sim.set("logits", flag(2));
        let mut past = VecDeque::from(vec![Beat::default(); STAGES as usize]);
        for _ in 0..300 {
            let mut random = |below: u32| test_random(&mut seed) % u64::from(below);
            let writing = random(2) == 1;
            let beat = Beat {
                writing,
                pixel: writing && random(2) == 1,
                sub: random(sizes.write_beats),
                bank: random(sizes.rows),
                group: random(sizes.slices),
                bits_out: random(65_536),
                stream_out: random(65_536),
                ct: random(65_536),
            };
            past.push_back(beat);
            for (name, value) in [
                ("pixel", beat.pixel.into()),
                ("writing", beat.writing.into()),
                ("sub", beat.sub),
                ("bank", beat.bank),
                ("group", beat.group),
                ("bits_out", beat.bits_out),
                ("stream_out", beat.stream_out),
                ("ct", beat.ct),
            ] {
                sim.set(name, value);
            }
            let signs = random(1 << sizes.cols);
            sim.set("signs", signs);
            let now = past.pop_front().expect("bug: filled");
            let pixel = u64::from(now.pixel);
            assert_eq!(sim.get("stream_en"), pixel & flag(1));
            assert_eq!(sim.get("logit_en"), pixel & flag(2));
            assert_eq!(sim.get("mon_valid"), pixel);
            assert_eq!((sim.get("mon_ct"), sim.get("stream_addr")), (now.ct, now.stream_out));
            let banks = if now.writing && flag(0) == 1 { 1 << now.bank } else { 0 };
            assert_eq!(sim.get("bank_en"), banks);
            assert_eq!(sim.get("group_en"), 1 << now.group);
            assert_eq!(sim.get("bits_addr"), now.bits_out);
            let width = u64::from(sizes.slice_bits);
            let slice = signs >> (now.sub * width) & ((1 << width) - 1);
            assert_eq!(sim.get("bits"), slice, "sub-slice {} of {signs:b}", now.sub);
            sim.step();
        }
    }

    #[test]
    fn writes_follow_four_cycles_later() {
        for (rows, cols, lanes) in [(1, 1, 4), (3, 4, 16), (2, 7, 4), (5, 13, 4)] {
            for flags in 0..8 {
                check_writes(&test_sizes(rows, cols, lanes), flags);
            }
        }
    }
}
