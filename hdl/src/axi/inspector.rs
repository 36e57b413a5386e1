//! Looks at the program on its way through the load port: is it one that can run?
//!
//! The program has to be written in order from word 0, as the memory image has it. What is found
//! here is what would make the sequencer count without an end: sizes of 0, a missing last layer, a
//! last layer that keeps the image, a descriptor that is cut off, a column tile that does not fit
//! into the weight ring, and parts that the hardware does not have.
//!
//! | port              | dir | width | meaning                                       |
//! | ----------------- | --- | ----- | --------------------------------------------- |
//! | `en`              | in  | 1     | a word of the program memory is written       |
//! | `address`, `data` | in  | 16, 32 | which, and the word                          |
//! | `height`, `width` | out | 16    | of the image, as the header says              |
//! | `legal`           | out | 1     | what was written since word 0 can run         |
//! | `stream_words`    | out | 40    | weight words that it streams, from the last word of the program on; only with a weight ring |
//!
//! Not here: what only the sequencer can see, in the words and at the time that it reads them.

use heartbit_ir::program::{DESCRIPTOR_WORDS, FRONT_WORDS, HEADER_WORDS};

use crate::build::{Builder, Module, Sig};

/// Flags of a descriptor's word 0, the first one of its front.
const LAST_LAYER: u32 = 2;
const KEEP_IMAGE: u32 = 3;
const STREAM_WEIGHTS: u32 = 8;
/// Flags of the first word of its results.
const OUT_FLAT: u32 = 3;
const WRITE_BITS: u32 = 4;
const POOL: u32 = 6;
const WRITE_LEVELS: u32 = 10;

/// Bits of the number of words that a program of 256 layers may stream.
pub(super) const STREAM_WORDS_BITS: u32 = 40;

/// Describes the module `axi_inspector`, for hardware with a weight ring of so many words.
pub(super) fn inspector(extended: bool, ring_words: Option<u32>) -> Module {
    let m = Builder::new("axi_inspector", "Looks at the program that is loaded.");
    let enable = m.input("en", 1, "a word of the program is written");
    let address = m.input("address", 16, "which");
    let data = m.input("data", 32, "the word");
    let first = address.eq(0).named("first_word");

    // The place in a descriptor.
    let slot = m.reg("slot", 5, 0);
    let here = m.mux(address.eq(HEADER_WORDS as u64), 0, *slot).named("here");
    let whole = here.eq(DESCRIPTOR_WORDS as u64 - 1);
    slot.next_when(enable, m.mux(first | whole, 0, here + 1));
    let next = m.reg_without_reset("next_address", 16);
    next.next_when(enable, address + 1);
    let ordered = m.reg("ordered", 1, 0);
    ordered.next_when(enable, first | (*ordered & address.eq(*next)));

    let second = address.eq(1);
    let in_descriptor = (!first & !second).named("in_descriptor");
    let wrong = wrong_header(data, first, second, extended)
        | (in_descriptor & wrong_descriptor(data, here, extended))
        | (in_descriptor & wrong_weights(&m, data, enable, here, ring_words));
    let bad = m.reg("bad", 1, 0);
    bad.next_when(enable, (*bad & !first) | wrong.named("wrong"));
    let last = m.reg("last_layer", 1, 0);
    let flags = in_descriptor & here.eq(0);
    last.next_when(enable & (first | flags), data.bit(LAST_LAYER) & !first);

    let height = m.pipe_when("height_q", enable & first, data.slice(0, 16));
    let width = m.pipe_when("width_q", enable & first, data.slice(16, 16));
    m.output("height", height, "rows of the image");
    m.output("width", width, "columns of the image");
    let legal = *ordered & !*bad & *last & !slot.any();
    m.output("legal", legal, "it can run");
    if ring_words.is_some() {
        let words = stream_words(&m, data, enable, [first, in_descriptor], here);
        m.output("stream_words", words, "weight words that it streams");
    }
    m.finish()
}

/// Counts the words of the layers that stream weights: the steps of each, times its column tiles.
///
/// They are multiplied bit by bit. The sum is there 17 cycles after the word of the column tiles was
/// written, when at the earliest the last word of the descriptor is.
fn stream_words<'m>(
    m: &'m Builder,
    data: Sig<'m>,
    enable: Sig<'m>,
    [first, in_descriptor]: [Sig<'m>; 2],
    slot: Sig<'m>,
) -> Sig<'m> {
    let low = data.slice(0, 16);
    let now = (enable & in_descriptor).named("descriptor_now");
    let streams = m.pipe_when("streams", now & slot.eq(0), data.bit(STREAM_WEIGHTS));
    let steps = m.pipe_when("layer_steps", now & slot.eq(1), low);
    let begin = (now & slot.eq(3)).named("begin_product");
    let clear = enable & first;
    let factor = m.reg("factor", 16, 0);
    factor.next(m.mux(clear, 0, m.mux(begin & streams, low, *factor >> 1)));
    let term = m.reg_without_reset("term", 32);
    term.next(m.mux(begin, steps.zero_extend(32), *term << 1));
    let words = m.reg("words", STREAM_WORDS_BITS, 0);
    let sum = *words + term.zero_extend(STREAM_WORDS_BITS);
    words.next_when(clear | factor.bit(0), m.mux(clear, 0, sum));
    *words
}

/// Neither half may be 0.
fn no_half(data: Sig<'_>) -> Sig<'_> {
    !data.slice(0, 16).any() | !data.slice(16, 16).any()
}

fn wrong_header<'m>(data: Sig<'m>, first: Sig<'m>, second: Sig<'m>, extended: bool) -> Sig<'m> {
    // Kernel and stride of the stem.
    let stem = data.slice(16, 5);
    let known = stem.eq(1 << 3 | 3);
    let known = if extended { known | stem.eq(2 << 3 | 7) } else { known };
    let classes = data.slice(0, 16).any();
    let tiles = data.slice(21, 11).any();
    (first & no_half(data)) | (second & !(known & classes & tiles))
}

fn wrong_descriptor<'m>(data: Sig<'m>, slot: Sig<'m>, extended: bool) -> Sig<'m> {
    let [flat, bits, pool, levels] =
        [OUT_FLAT, WRITE_BITS, POOL, WRITE_LEVELS].map(|at| data.bit(at));
    let several = (bits & pool) | (bits & levels) | (pool & levels);
    let flags = if extended { several } else { several | flat | levels };
    let no_low = |data: Sig<'m>| !data.slice(0, 16).any();
    let no_high = |data: Sig<'m>| !data.slice(16, 16).any();
    let results = FRONT_WORDS as u64;
    let checks: [(u64, Sig<'m>); 10] = [
        // The wait, steps, column and row tiles, height, gap; the map that is read.
        (0, no_high(data)),
        (0, data.bit(LAST_LAYER) & data.bit(KEEP_IMAGE)),
        (1, no_low(data)),
        (3, no_half(data)),
        (4, no_low(data)),
        (5, no_high(data)),
        (6, no_half(data)),
        // Flags, the window, the width.
        (results, flags),
        (results + 1, !data.slice(0, 2).any()),
        (results + 3, no_low(data)),
    ];
    let none = data.builder().lit(1, 0);
    checks.into_iter().fold(none, |any, (at, wrong)| any | (slot.eq(at) & wrong))
}

/// Weights are streamed without a ring, or a column tile of them does not fit into it.
fn wrong_weights<'m>(
    m: &'m Builder,
    data: Sig<'m>,
    enable: Sig<'m>,
    slot: Sig<'m>,
    ring_words: Option<u32>,
) -> Sig<'m> {
    let flag = data.bit(STREAM_WEIGHTS);
    let Some(words) = ring_words else { return slot.eq(0) & flag };
    let stream = m.pipe_when("stream", enable & slot.eq(0), flag);
    let steps = data.slice(0, 16).zero_extend(17);
    slot.eq(1) & stream & !steps.lt(u64::from(words) + 1)
}

#[cfg(test)]
mod tests {
    use super::inspector;
    use crate::Simulator;
    use heartbit_ir::program::{Header, LayerDescriptor};

    fn program() -> Vec<u32> {
        let header = Header {
            image_height: 3,
            image_width: 2,
            classes: 3,
            stem_kernel: 3,
            stem_stride: 1,
            image_tiles: 1,
        };
        let mut layer = LayerDescriptor {
            steps: 1,
            col_tiles: 1,
            row_tiles: 1,
            out_height: 1,
            out_width: 1,
            in_height: 1,
            in_width: 1,
            drain_wait: 9,
            layer_gap: 11,
            ..LayerDescriptor::default()
        };
        let mut words = header.encode().to_vec();
        words.extend(layer.encode());
        layer.flags.last_layer = true;
        words.extend(layer.encode());
        words
    }

    /// Writes words in order, but for `skipped`.
    fn is_legal(sim: &mut Simulator, words: &[u32], skipped: Option<usize>) -> bool {
        for (address, word) in words.iter().enumerate() {
            sim.set("en", u64::from(skipped != Some(address)));
            sim.set("address", address as u64);
            sim.set("data", (*word).into());
            sim.step();
        }
        sim.set("en", 0);
        sim.get("legal") == 1
    }

    #[test]
    fn programs_that_cannot_run_are_found() {
        let mut sim = Simulator::new(&inspector(false, None));
        let good = program();
        assert!(is_legal(&mut sim, &good, None));
        assert_eq!((sim.get("height"), sim.get("width")), (3, 2));
        // Words, of header and both descriptors, and what is not allowed in them.
        for (word, value) in [
            (0, 0x0002_0000),
            (0, 0x0000_0003),
            (1, good[1] & !0xffff),
            (1, good[1] & 0x001f_ffff),
            (1, good[1] & !(7 << 16) | 7 << 16),
            (2, 0),
            (3, 0),
            (5, 1),
            (6, 0x0001_0000),
            (7, 1),
            (8, 1),
            (11, 1 << 10),
            (11, 1 << 4 | 1 << 6),
            (12, 0),
            (14, 0x0001_0000),
            (2, good[2] | 1 << 8),
            (23, good[23] | 8),
            (23, good[23] & !4),
            (24, 0),
        ] {
            let mut bad = good.clone();
            bad[word] = value;
            assert!(!is_legal(&mut sim, &bad, None), "word {word} = {value:#x}");
            assert!(is_legal(&mut sim, &good, None));
        }
        for cut in 0..good.len() {
            assert!(!is_legal(&mut sim, &good[..cut], None) || cut == 0, "{cut} words");
            assert!(!is_legal(&mut sim, &good, Some(cut)) || cut == 0, "without word {cut}");
        }
    }

    #[test]
    fn streamed_column_tiles_fit_into_the_ring() {
        for ring_words in [2, 16, 65_536] {
            let mut sim = Simulator::new(&inspector(false, Some(ring_words)));
            let mut words = program();
            for (steps, fits) in
                [(ring_words - 1, true), (ring_words, true), (ring_words + 1, false)]
            {
                let Ok(steps) = u16::try_from(steps) else { continue };
                words[3] = steps.into();
                assert!(is_legal(&mut sim, &words, None), "{steps} resident steps");
                words[2] |= 1 << 8;
                assert_eq!(is_legal(&mut sim, &words, None), fits, "{steps} steps");
                words[2] &= !(1 << 8);
            }
        }
    }

    #[test]
    fn streamed_words_are_counted_by_the_last_word() {
        let mut sim = Simulator::new(&inspector(false, Some(65_536)));
        let mut words = program();
        let layer = |index: usize| 2 + 21 * index;
        for (streams, steps, tiles, expected) in [
            ([0, 0], [7, 9], [3, 5], 0),
            ([1, 0], [7, 9], [3, 5], 21),
            ([0, 1], [7, 9], [3, 5], 45),
            ([1, 1], [7, 9], [3, 5], 66),
            ([1, 1], [0xffff, 0xffff], [0xffff, 0x8000], 0xffff * 0x1_7fff),
        ] {
            for i in [0, 1] {
                let at = layer(i);
                words[at] = words[at] & !(1 << 8) | streams[i] << 8;
                words[at + 1] = words[at + 1] & !0xffff | steps[i];
                words[at + 3] = words[at + 3] & !0xffff | tiles[i];
            }
            assert!(is_legal(&mut sim, &words, None));
            assert_eq!(sim.get("stream_words"), expected, "{streams:?} {steps:?} {tiles:?}");
        }
    }

    #[test]
    fn extended_hardware_takes_more() {
        let mut sim = Simulator::new(&inspector(true, None));
        let mut words = program();
        words[1] = words[1] & !(0x1f << 16) | (2 << 3 | 7) << 16;
        words[11] |= 1 << 10 | 1 << 3;
        assert!(is_legal(&mut sim, &words, None));
    }
}
