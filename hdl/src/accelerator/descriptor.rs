//! The registers of a descriptor's two parts.
//!
//! Microarchitecture.md, section 3.1: the words of a part enter one after the other at the end of
//! a chain, so that no word needs a decoder. The front says how the array is fed, the results what
//! becomes of its sums.
//!
//! | port      | dir | width | meaning                                            |
//! | --------- | --- | ----- | -------------------------------------------------- |
//! | `take`    | in  | 1     | a word is there                                    |
//! | `word`    | in  | 32    | the word                                           |
//! | a field   | out | ..    | by its name, see [`front_fields`], [`result_fields`] |
//!
//! Timing: after the last `take` of a part all its fields stand. There is no reset: nothing looks
//! at a field before a descriptor was fetched.

use std::ops::Range;

use heartbit_ir::program::{DESCRIPTOR_WORDS, FRONT_WORDS};

use super::sizes::Sizes;
use crate::build::{Builder, Module};

/// A field of the descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    word: usize,
    low: u32,
    width: u32,
}

const fn field(name: &'static str, word: usize, low: u32, width: u32) -> Field {
    Field { name, word, low, width }
}

const fn low(name: &'static str, word: usize) -> Field {
    field(name, word, 0, 16)
}

const fn high(name: &'static str, word: usize) -> Field {
    field(name, word, 16, 16)
}

/// The front of every array.
const FRONT: [Field; 21] = [
    field("source_image", 0, 0, 1),
    field("stride_2", 0, 1, 1),
    field("last_layer", 0, 2, 1),
    field("keep_image", 0, 3, 1),
    high("drain_wait", 0),
    low("steps", 1),
    high("step_base", 1),
    low("weight_base", 2),
    high("fan_in", 2),
    low("col_tiles", 3),
    high("row_tiles", 3),
    low("out_height", 4),
    high("tile_gap", 4),
    low("col_gap", 5),
    high("layer_gap", 5),
    low("in_height", 6),
    high("in_width", 6),
    low("in_base", 7),
    high("in_y_words", 7),
    low("in_xt_words", 8),
    high("last_lanes", 8),
];

/// The results of every array.
const RESULTS: [Field; 27] = [
    field("write_bits", 9, 4, 1),
    field("write_stream", 9, 5, 1),
    field("pool", 9, 6, 1),
    field("logits", 9, 7, 1),
    field("out_stride_2", 9, 8, 1),
    field("shift", 9, 16, 3),
    field("level_shift", 9, 19, 5),
    field("top", 10, 16, 2),
    field("bottom", 10, 18, 2),
    field("left", 10, 20, 2),
    field("right", 10, 22, 2),
    low("row_tiles", 11),
    high("out_height", 11),
    low("out_width", 12),
    high("param_base", 12),
    low("out_base", 14),
    high("out_y_words", 14),
    low("out_phase_words", 15),
    high("out_xt_words", 15),
    low("stream_in_base", 16),
    high("stream_out_base", 16),
    low("stream_in_row", 17),
    high("stream_in_plane", 17),
    low("stream_out_row", 18),
    high("stream_out_plane", 18),
    low("shortcut_channels", 19),
    high("clip", 19),
];

/// The results that only an extended array uses, and those that have more bits there.
const EXTENDED: [Field; 12] = [
    field("out_flat", 9, 3, 1),
    field("write_levels", 9, 10, 1),
    field("value_shift", 9, 24, 3),
    field("level_bits", 9, 27, 4),
    field("window", 10, 0, 2),
    field("window_stride_2", 10, 2, 1),
    field("window_padding", 10, 3, 1),
    field("window_inner", 10, 6, 1),
    field("shortcut", 10, 4, 2),
    low("in_height", 13),
    high("in_width", 13),
    high("value_clip", 20),
];

/// The fields of the front that an array uses.
///
/// `in_copies`, `log2 f`, has one bit with two lane groups, two with four, and is absent with one;
/// so has `lines`, `log2 q`, with `Q` in the place of the number of lane groups. Only with a weight
/// ring is there `stream_weights`.
pub(super) fn front_fields(sizes: &Sizes) -> Vec<Field> {
    let mut fields = FRONT.to_vec();
    if sizes.taps > 1 {
        fields.push(field("in_copies", 0, 4, sizes.copies_bits()));
    }
    if sizes.lines > 1 {
        fields.push(field("lines", 0, 6, sizes.lines_bits()));
    }
    if sizes.ring.is_some() {
        fields.push(field("stream_weights", 0, 8, 1));
    }
    fields
}

/// The fields of the results that an array uses.
///
/// Without the extension `level_bits` are its three low bits, as 8 is like 0 there, and `shortcut`
/// is 2 for `average` and 1 for `add`. `out_copies`, `lines` and `out_lines` are as in the front.
pub(super) fn result_fields(sizes: &Sizes) -> Vec<Field> {
    let mut fields = RESULTS.to_vec();
    fields.push(low("out_plane_words", 20));
    if sizes.extended {
        fields.extend(EXTENDED);
    } else {
        fields.extend([field("level_bits", 9, 27, 3), field("shortcut", 10, 4, 2)]);
    }
    if sizes.taps > 1 {
        fields.push(field("out_copies", 10, 26, sizes.copies_bits()));
    }
    if sizes.lines > 1 {
        let bits = sizes.lines_bits();
        fields.extend([field("lines", 10, 28, bits), field("out_lines", 10, 30, bits)]);
    }
    fields
}

/// Describes the module `front_fields`.
pub(super) fn front(sizes: &Sizes) -> Module {
    let m = Builder::new("front_fields", "Fields of the layer that feeds the array.");
    chain(&m, 0..FRONT_WORDS, &front_fields(sizes));
    m.finish()
}

/// Describes the module `result_fields`.
pub(super) fn results(sizes: &Sizes) -> Module {
    let m = Builder::new("result_fields", "Fields of the layer whose results are written.");
    chain(&m, FRONT_WORDS..DESCRIPTOR_WORDS, &result_fields(sizes));
    m.finish()
}

fn chain(m: &Builder, range: Range<usize>, fields: &[Field]) {
    let take = m.input("take", 1, "a word is there");
    let mut next = m.input("word", 32, "word of the descriptor");
    let first = range.start;
    let mut words: Vec<_> = range
        .rev()
        .map(|i| {
            // With a reset, as counters compare with fields before there is a first layer.
            let word = m.reg(&format!("word_{i}"), 32, 0);
            word.next_when(take, next);
            next = *word;
            next
        })
        .collect();
    words.reverse();
    m.discard(words[0]);
    for &Field { name, word, low, width } in fields {
        m.output(name, words[word - first].slice(low, width), "");
    }
}

#[cfg(test)]
mod tests {
    use super::super::sizes::{Ring, Sizes, test_sizes_of};
    use super::{Field, front, front_fields, result_fields, results};
    use crate::{Simulator, test_random};
    use heartbit_ir::program::{DESCRIPTOR_WORDS, FRONT_WORDS, Join, LayerDescriptor};

    /// The words of a random descriptor, after `DESCRIPTOR_WORDS` takes.
    #[track_caller]
    fn check_descriptor(taps: usize, lines: u32, extended: bool, seed: &mut u64) {
        // Every second array has a weight ring.
        let ring = (lines > 1).then_some(Ring { words: 8, port_cols: 2 });
        let sizes = Sizes { lines, ring, ..test_sizes_of(4, 4, 16, taps, extended) };
        let mut words: [u32; DESCRIPTOR_WORDS] =
            std::array::from_fn(|_| u32::try_from(test_random(seed) >> 32).expect("half"));
        // The contract has no other values of `log2`, and the same in both parts.
        words[0] &= 0xffff_ff5f;
        words[10] = words[10] & 0x45ff_ffff | (words[0] >> 6 & 1) << 28;
        words[11] = words[3] >> 16 | words[4] << 16;
        words[13] = words[6];
        let (first, last) = words.split_at(FRONT_WORDS);
        let enter = |sim: &mut Simulator, words: &[u32]| {
            sim.set("take", 1);
            for &word in words {
                sim.set("word", word.into());
                sim.step();
            }
        };
        let mut front_sim = Simulator::new(&front(&sizes));
        enter(&mut front_sim, first);
        let mut sim = Simulator::new(&results(&sizes));
        enter(&mut sim, last);
        for (sim, fields) in
            [(&mut front_sim, front_fields(&sizes)), (&mut sim, result_fields(&sizes))]
        {
            for Field { name, word, low, width } in fields {
                let expected = u64::from(words[word]) >> low & ((1 << width) - 1);
                assert_eq!(sim.get(name), expected, "{name}");
            }
        }
        let layer = LayerDescriptor::decode(words);
        let join = match layer.shortcut.join {
            Join::None => 0,
            Join::Add => 1,
            Join::Average => 2,
            Join::Extreme => 3,
        };
        assert_eq!(sim.get("shift") * 4, u64::from(layer.shift));
        assert_eq!(sim.get("level_shift"), u64::from(layer.level_shift));
        for (name, value) in [
            ("last_layer", u16::from(layer.flags.last_layer)),
            ("keep_image", u16::from(layer.flags.keep_image)),
            ("drain_wait", layer.drain_wait),
            ("layer_gap", layer.layer_gap),
            ("fan_in", layer.fan_in),
            ("row_tiles", layer.row_tiles),
            ("out_height", layer.out_height),
        ] {
            assert_eq!(front_sim.get(name), u64::from(value), "{name}");
        }
        assert_eq!(sim.get("row_tiles"), u64::from(layer.row_tiles));
        assert_eq!(sim.get("out_height"), u64::from(layer.out_height));
        assert_eq!(sim.get("out_plane_words"), u64::from(layer.out_plane_words));
        assert_eq!(sim.get("shortcut"), join);
        let borders = layer.borders;
        for (name, n) in [
            ("top", borders.top),
            ("bottom", borders.bottom),
            ("left", borders.left),
            ("right", borders.right),
        ] {
            assert_eq!(sim.get(name), u64::from(n), "{name}");
        }
        if extended {
            assert_eq!(sim.get("value_shift") * 4, u64::from(layer.value_shift));
            assert_eq!(sim.get("value_clip"), u64::from(layer.value_clip));
            assert_eq!(sim.get("level_bits"), u64::from(layer.level_bits));
            assert_eq!(sim.get("window"), u64::from(layer.shortcut.window));
            assert_eq!(sim.get("window_padding"), u64::from(layer.shortcut.padding));
            assert_eq!(sim.get("window_inner"), u64::from(layer.shortcut.inner));
            assert_eq!(sim.get("window_stride_2"), u64::from(layer.shortcut.stride_2));
            assert_eq!(sim.get("write_levels"), u64::from(layer.flags.write_levels));
            assert_eq!(sim.get("out_flat"), u64::from(layer.flags.out_flat));
        }
        if ring.is_some() {
            let streamed = u64::from(layer.flags.stream_weights);
            assert_eq!(front_sim.get("stream_weights"), streamed);
        }
        if taps == 2 {
            assert_eq!(1 << front_sim.get("in_copies"), u64::from(layer.in_copies));
            assert_eq!(1 << sim.get("out_copies"), u64::from(layer.out_copies));
        }
        if lines == 2 {
            assert_eq!(1 << sim.get("lines"), u64::from(layer.lines));
            assert_eq!(1 << front_sim.get("lines"), u64::from(layer.lines));
            assert_eq!(1 << sim.get("out_lines"), u64::from(layer.out_lines));
        }
    }

    #[test]
    fn descriptor_shows_the_fields_of_the_contract() {
        let mut seed = 1;
        for (taps, lines, extended) in
            [(1, 1, false), (2, 4, false), (4, 2, true), (2, 1, true), (1, 2, false)]
        {
            for _ in 0..8 {
                check_descriptor(taps, lines, extended, &mut seed);
            }
        }
    }
}
