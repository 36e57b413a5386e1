//! The registers of the present layer's descriptor.
//!
//! Microarchitecture.md, section 3.1: sixteen words enter one after the other at the end of a
//! chain, so that no word needs a decoder.
//!
//! | port      | dir | width | meaning                                            |
//! | --------- | --- | ----- | -------------------------------------------------- |
//! | `take`    | in  | 1     | a word is there                                    |
//! | `word`    | in  | 32    | the word                                           |
//! | a field   | out | ..    | by its name, see [`FIELDS`]                        |
//!
//! Timing: after the sixteenth `take` all fields stand. Fields change only while the pipeline is
//! empty. There is no reset: nothing looks at a field before a descriptor was fetched.

use heartbit_ir::program::DESCRIPTOR_WORDS;

use crate::build::{Builder, Module};

/// Name, word, lowest bit and width of each field.
pub(super) const FIELDS: [(&str, usize, u32, u32); 42] = [
    ("source_image", 0, 0, 1),
    ("stride_2", 0, 1, 1),
    ("shortcut_identity", 0, 2, 1),
    ("shortcut_pool", 0, 3, 1),
    ("write_bits", 0, 4, 1),
    ("write_stream", 0, 5, 1),
    ("pool", 0, 6, 1),
    ("logits", 0, 7, 1),
    ("out_stride_2", 0, 8, 1),
    ("last_layer", 0, 9, 1),
    ("shift", 0, 16, 3),
    ("pool_shift", 0, 19, 5),
    ("steps", 1, 0, 16),
    ("step_base", 1, 16, 16),
    ("weight_base", 2, 0, 16),
    ("param_base", 2, 16, 16),
    ("col_tiles", 3, 0, 16),
    ("row_tiles", 3, 16, 16),
    ("out_height", 4, 0, 16),
    ("out_width", 4, 16, 16),
    ("in_height", 5, 0, 16),
    ("in_width", 5, 16, 16),
    ("in_base", 6, 0, 16),
    ("in_y_words", 6, 16, 16),
    ("in_xt_words", 7, 0, 16),
    ("last_lanes", 7, 16, 16),
    ("fan_in", 8, 0, 16),
    ("tile_gap", 8, 16, 16),
    ("col_gap", 9, 0, 16),
    ("drain_wait", 9, 16, 16),
    ("out_base", 10, 0, 16),
    ("out_y_words", 10, 16, 16),
    ("out_phase_words", 11, 0, 16),
    ("out_xt_words", 11, 16, 16),
    ("stream_in_base", 12, 0, 16),
    ("stream_out_base", 12, 16, 16),
    ("stream_in_row", 13, 0, 16),
    ("stream_in_plane", 13, 16, 16),
    ("stream_out_row", 14, 0, 16),
    ("stream_out_plane", 14, 16, 16),
    ("shortcut_channels", 15, 0, 16),
    ("clip", 15, 16, 16),
];

/// Describes the module `descriptor`.
pub(super) fn descriptor() -> Module {
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
    for (name, word, low, width) in FIELDS {
        m.output(name, words[word].slice(low, width), "");
    }
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::{FIELDS, descriptor};
    use crate::{Simulator, test_random};
    use heartbit_ir::program::{DESCRIPTOR_WORDS, LayerDescriptor};

    #[test]
    fn descriptor_shows_the_fields_of_the_contract() {
        let mut sim = Simulator::new(&descriptor());
        let mut seed = 1;
        let words: [u32; DESCRIPTOR_WORDS] =
            std::array::from_fn(|_| u32::try_from(test_random(&mut seed) >> 32).expect("half"));
        sim.set("take", 1);
        for word in words {
            sim.set("word", word.into());
            sim.step();
        }
        for (name, word, low, width) in FIELDS {
            let expected = u64::from(words[word]) >> low & ((1 << width) - 1);
            assert_eq!(sim.get(name), expected, "{name}");
        }
        let layer = LayerDescriptor::decode(words);
        assert_eq!(sim.get("shift") * 4, u64::from(layer.shift));
        assert_eq!(sim.get("pool_shift"), u64::from(layer.pool_shift));
        assert_eq!(sim.get("last_layer"), u64::from(layer.flags.last_layer));
        assert_eq!(sim.get("drain_wait"), u64::from(layer.drain_wait));
        assert_eq!(sim.get("clip"), u64::from(layer.clip));
    }
}
