//! The registers of the present layer's descriptor.
//!
//! Microarchitecture.md, section 3.1: its words enter one after the other at the end of a chain,
//! so that no word needs a decoder.
//!
//! | port      | dir | width | meaning                                            |
//! | --------- | --- | ----- | -------------------------------------------------- |
//! | `take`    | in  | 1     | a word is there                                    |
//! | `word`    | in  | 32    | the word                                           |
//! | a field   | out | ..    | by its name, see [`fields`]                        |
//!
//! Timing: after the last `take` all fields stand. Fields change only while the pipeline is
//! empty. There is no reset: nothing looks at a field before a descriptor was fetched.

use heartbit_ir::program::DESCRIPTOR_WORDS;

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

/// What every array uses.
const PLAIN: [Field; 45] = [
    field("source_image", 0, 0, 1),
    field("stride_2", 0, 1, 1),
    field("write_bits", 0, 4, 1),
    field("write_stream", 0, 5, 1),
    field("pool", 0, 6, 1),
    field("logits", 0, 7, 1),
    field("out_stride_2", 0, 8, 1),
    field("last_layer", 0, 9, 1),
    field("shift", 0, 16, 3),
    field("level_shift", 0, 19, 5),
    low("steps", 1),
    high("step_base", 1),
    low("weight_base", 2),
    high("param_base", 2),
    low("col_tiles", 3),
    high("row_tiles", 3),
    low("out_height", 4),
    high("out_width", 4),
    low("in_height", 5),
    high("in_width", 5),
    low("in_base", 6),
    high("in_y_words", 6),
    low("in_xt_words", 7),
    high("last_lanes", 7),
    low("fan_in", 8),
    high("tile_gap", 8),
    low("col_gap", 9),
    high("drain_wait", 9),
    low("out_base", 10),
    high("out_y_words", 10),
    low("out_phase_words", 11),
    high("out_xt_words", 11),
    low("stream_in_base", 12),
    high("stream_out_base", 12),
    low("stream_in_row", 13),
    high("stream_in_plane", 13),
    low("stream_out_row", 14),
    high("stream_out_plane", 14),
    low("shortcut_channels", 15),
    high("clip", 15),
    low("out_plane_words", 16),
    field("top", 17, 16, 2),
    field("bottom", 17, 18, 2),
    field("left", 17, 20, 2),
    field("right", 17, 22, 2),
];

/// What only an extended array uses, and what has more bits there.
const EXTENDED: [Field; 9] = [
    field("out_flat", 0, 3, 1),
    field("write_levels", 0, 10, 1),
    field("value_shift", 0, 24, 3),
    field("level_bits", 0, 27, 4),
    high("value_clip", 16),
    field("window", 17, 0, 2),
    field("window_stride_2", 17, 2, 1),
    field("window_padding", 17, 3, 1),
    field("shortcut", 17, 4, 2),
];

/// The fields that an array uses.
///
/// Without the extension `level_bits` are its three low bits, as 8 is like 0 there, and `shortcut`
/// is 2 for `average` and 1 for `add`. `in_copies` and `out_copies`, `log2 f`, have one bit with
/// two lane groups, two with four, and are absent with one; so have `lines` and `out_lines`,
/// `log2 q`, with `Q` in the place of the number of lane groups.
pub(super) fn fields(sizes: &Sizes) -> Vec<Field> {
    let mut fields = PLAIN.to_vec();
    if sizes.extended {
        fields.extend(EXTENDED);
    } else {
        fields.extend([field("level_bits", 0, 27, 3), field("shortcut", 17, 4, 2)]);
    }
    if sizes.taps > 1 {
        let bits = sizes.copies_bits();
        fields.extend([field("in_copies", 17, 24, bits), field("out_copies", 17, 26, bits)]);
    }
    if sizes.lines > 1 {
        let bits = sizes.lines_bits();
        fields.extend([field("lines", 17, 28, bits), field("out_lines", 17, 30, bits)]);
    }
    fields
}

/// Describes the module `descriptor`.
pub(super) fn descriptor(sizes: &Sizes) -> Module {
    let m = Builder::new("descriptor", "Registers of the present layer's descriptor.");
    let take = m.input("take", 1, "a word is there");
    let mut next = m.input("word", 32, "word of the descriptor");
    let mut words: Vec<_> = (0..DESCRIPTOR_WORDS)
        .rev()
        .map(|i| {
            next = m.pipe_when(&format!("word_{i}"), take, next);
            next
        })
        .collect();
    words.reverse();
    m.discard(words[0]);
    for Field { name, word, low, width } in fields(sizes) {
        m.output(name, words[word].slice(low, width), "");
    }
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::super::sizes::{Sizes, test_sizes_of};
    use super::{Field, descriptor, fields};
    use crate::{Simulator, test_random};
    use heartbit_ir::program::{DESCRIPTOR_WORDS, Join, LayerDescriptor};

    /// The words of a random descriptor, after `DESCRIPTOR_WORDS` takes.
    #[track_caller]
    fn check_descriptor(taps: usize, lines: u32, extended: bool, seed: &mut u64) {
        let sizes = Sizes { lines, ..test_sizes_of(4, 4, 16, taps, extended) };
        let mut sim = Simulator::new(&descriptor(&sizes));
        let words: [u32; DESCRIPTOR_WORDS] =
            std::array::from_fn(|_| u32::try_from(test_random(seed) >> 32).expect("half"));
        sim.set("take", 1);
        for word in words {
            sim.set("word", word.into());
            sim.step();
        }
        for Field { name, word, low, width } in fields(&sizes) {
            let expected = u64::from(words[word]) >> low & ((1 << width) - 1);
            assert_eq!(sim.get(name), expected, "{name}");
        }
        let mut words = words;
        // The contract has no other values.
        words[17] &= 0x55ff_ffff;
        let layer = LayerDescriptor::decode(words);
        let join = match layer.shortcut.join {
            Join::None => 0,
            Join::Add => 1,
            Join::Average => 2,
            Join::Extreme => 3,
        };
        assert_eq!(sim.get("shift") * 4, u64::from(layer.shift));
        assert_eq!(sim.get("level_shift"), u64::from(layer.level_shift));
        assert_eq!(sim.get("last_layer"), u64::from(layer.flags.last_layer));
        assert_eq!(sim.get("drain_wait"), u64::from(layer.drain_wait));
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
            assert_eq!(sim.get("window_stride_2"), u64::from(layer.shortcut.stride_2));
            assert_eq!(sim.get("write_levels"), u64::from(layer.flags.write_levels));
            assert_eq!(sim.get("out_flat"), u64::from(layer.flags.out_flat));
        }
        if taps == 2 {
            assert_eq!(1 << sim.get("in_copies"), u64::from(layer.in_copies));
            assert_eq!(1 << sim.get("out_copies"), u64::from(layer.out_copies));
        }
        if lines == 2 {
            assert_eq!(1 << sim.get("lines"), u64::from(layer.lines));
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
