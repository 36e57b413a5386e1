//! The header of the program, in registers.
//!
//! Microarchitecture.md, section 3.1: it is taken from the load port while it passes to the
//! program memory. Like the memories it outlives a reset.
//!
//! | port            | dir | width | meaning                                        |
//! | --------------- | --- | ----- | ---------------------------------------------- |
//! | `en`            | in  | 1     | a word of the program memory is written        |
//! | `address`       | in  | 16    | which                                          |
//! | `data`          | in  | 32    | the word                                       |
//! | `image_height`, `image_width`, `classes` | out | 16 | as in the contract       |
//! | `image_tiles`   | out | 11    | windows of an image row                        |
//! | `stem_7`        | out | 1     | the stem has side 7 and stride 2, not 3 and 1; extended only |

use heartbit_ir::program::HEADER_WORDS;

use super::sizes::Sizes;
use crate::build::{Builder, Module};

/// The bit of word 1, of `stem_kernel`, that tells a side of 7 from one of 3. There is no other.
const STEM_7: u32 = 18;

/// Describes the module `header`.
pub(super) fn header(sizes: &Sizes) -> Module {
    let m = Builder::new("header", "Header of the program.");
    let enable = m.input("en", 1, "a word of the program is written");
    let address = m.input("address", 16, "which");
    let data = m.input("data", 32, "the word");
    let passes = [0, 1].map(|word| enable & address.eq(word));
    assert_eq!(passes.len(), HEADER_WORDS, "bug: a header of another length");
    let field = |name: &str, word: usize, low: u32, width: u32, doc: &str| {
        let reg = m.pipe_when(&format!("{name}_q"), passes[word], data.slice(low, width));
        m.output(name, reg, doc);
    };
    field("image_height", 0, 0, 16, "rows of the image");
    field("image_width", 0, 16, 16, "columns of the image");
    field("classes", 1, 0, 16, "logits that are sent");
    if sizes.extended {
        field("stem_7", 1, STEM_7, 1, "the stem has side 7 and stride 2, not 3 and 1");
    }
    field("image_tiles", 1, 21, 11, "windows of an image row");
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::super::sizes::test_sizes_of;
    use super::header;
    use crate::Simulator;
    use heartbit_ir::program::Header;

    #[test]
    fn header_is_kept_while_other_words_pass() {
        for (extended, stem_kernel, stem_stride) in [(false, 3, 1), (true, 3, 1), (true, 7, 2)] {
            let image = Header {
                image_height: 224,
                image_width: 223,
                classes: 1000,
                stem_kernel,
                stem_stride,
                image_tiles: 1029,
            };
            let mut sim = Simulator::new(&header(&test_sizes_of(1, 1, 4, 1, extended)));
            let words = image.encode().into_iter().chain([u32::MAX; 3]);
            for (address, word) in (0..).zip(words) {
                sim.set("en", 1);
                sim.set("address", address);
                sim.set("data", word.into());
                sim.step();
            }
            sim.set("en", 0);
            sim.set("address", 1);
            sim.step();
            for (name, value) in [
                ("image_height", image.image_height),
                ("image_width", image.image_width),
                ("classes", image.classes),
                ("image_tiles", image.image_tiles),
            ] {
                assert_eq!(sim.get(name), u64::from(value), "{name}");
            }
            if extended {
                assert_eq!(sim.get("stem_7"), u64::from(stem_kernel == 7));
            }
        }
    }
}
