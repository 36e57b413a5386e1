//! Fills the memories of the accelerator: from a memory image, or word by word from registers.
//!
//! Both ways end in one assembler, which collects the beats of a word and then writes it through
//! the load port, one word a cycle at most. The layout of a memory image is that of
//! `memory_image`; a header that does not fit this array, a word for a place that does not exist,
//! a wrong length and an error of the bus end the load.
//!
//! Not here: the way without a memory image, for hardware without a memory port (`words`).
//!
//! | port           | dir | width   | meaning                                                   |
//! | -------------- | --- | ------- | --------------------------------------------------------- |
//! | `start`        | in  | 1       | reads a memory image, with the next two; only while not `active` |
//! | `base`, `length` | in | address, 32 | where it is, and its bytes                           |
//! | `abort`        | in  | 1       | ends a load                                               |
//! | `select`, `push` | in | 1, 1   | `write_data` is a `LOAD_SELECT`, a `LOAD_DATA`            |
//! | `write_data`   | in  | 32      | of these                                                  |
//! | `load_*`       | out | ..      | the load port                                             |
//! | `active`       | out | 1       | a memory image is being read                              |
//! | `done`         | out | 1       | the last cycle of it                                      |
//! | `failed`       | out | 1       | the load is no good                                       |
//! | `beat`         | out | 1       | a beat of it                                              |
//! | `format`, `range`, `response` | out | 1 | errors, when they occur                          |
//! | `m_axi_*`      |     |         | AXI4, read channels                                       |

use super::reader::{BEATS_BITS, reader};
use super::registers::MAGIC;
use super::words::{Beats, Place, selected, write_words};
use super::{AxiConfig, Hardware, UNIT_BITS, bits_for, pass_pins};
use crate::build::{Builder, Instance, Module, Sig};

/// What a beat belongs to.
const HEADER: u64 = 0;
const SECTION: u64 = 1;
const WORDS: u64 = 2;

/// Describes the module `axi_loader`, of hardware behind these AXI ports.
pub(super) fn loader(hardware: &Hardware, config: AxiConfig) -> Module {
    let m = Builder::new("axi_loader", "Fills the memories of the accelerator.");
    let start = m.input("start", 1, "reads a memory image");
    let base = m.input("base", config.address_bits, "where it is");
    let length = m.input("length", 32, "its bytes");
    let abort = m.input("abort", 1, "ends a load");
    let low = config.data_bits.trailing_zeros() - 3;
    let beats = length.keep(low, 32 - low);

    let reader_module = reader(config);
    let reader = m.inst("reader", &reader_module);
    pass_pins(&m, reader, &reader_module, "m_axi_");
    let stop = m.wire("stop", 1);
    let enough = length.slice(4, 28).any();
    reader
        .set("start", start & enough)
        .set("address", m.concat(&[base.keep(3, config.address_bits - 3), m.lit(3, 0)]))
        .set("beats", beats.zero_extend(BEATS_BITS))
        .set("stop", *stop)
        .set("ready", m.lit(1, 1));

    let failed = m.reg("failed_q", 1, 0);
    let source = Source::describe(&m, config, reader, *failed);
    let words = Words::describe(&m, (hardware, config), &source, start, length);

    let active = m.reg("active_q", 1, 0);
    let finish = (*active & !reader.out("busy") & !words.written).named("finish");
    active.next_when(start | finish, start);
    let too_short = start & !enough;
    let cut = reader.out("last") & !*failed & !words.ends;
    let format = (too_short | words.foreign | cut).named("format_now");
    let response = (reader.out("error") & !*failed).named("response_now");
    let broken = (format | response | words.nowhere | (abort & *active)).named("broken");
    stop.assign(broken & !start);
    failed.next_when(start | source.select | broken, broken);

    m.output("active", *active, "a memory image is being read");
    m.output("done", finish, "the last cycle of it");
    m.output("failed", *failed | broken, "the load is no good");
    m.output("beat", reader.out("beat"), "a beat of it");
    m.output("format", format, "no memory image for this array");
    m.output("range", words.nowhere, "a word for no place");
    m.output("response", response, "an error of the bus");
    m.finish()
}

/// Where beats come from: the bus, or pairs of writes to a register.
struct Source<'m> {
    /// A `LOAD_SELECT`.
    select: Sig<'m>,
    /// What was written to the register.
    written: Sig<'m>,
    /// A beat that is to be used.
    beat: Sig<'m>,
    data: Sig<'m>,
}

impl<'m> Source<'m> {
    fn describe(m: &'m Builder, config: AxiConfig, reader: Instance<'m>, failed: Sig<'m>) -> Self {
        let select = m.input("select", 1, "`write_data` is a LOAD_SELECT");
        let push = m.input("push", 1, "it is a LOAD_DATA");
        let written = m.input("write_data", 32, "what is written");
        let (whole, pushed) = if config.data_bits == 32 {
            (push, written)
        } else {
            let half = m.reg("half", 1, 0);
            half.next_when(select | push, push & !*half);
            let low = m.pipe_when("low_half", push & !*half, written);
            (push & *half, m.concat(&[written, low]))
        };
        let beat = (whole | (reader.out("beat") & !failed)).named("beat_used");
        Self { select, written, beat, data: m.mux(whole, pushed, reader.out("data")) }
    }
}

/// The assembler, and the load port.
struct Words<'m> {
    /// A word is written, a cycle after its last beat.
    written: Sig<'m>,
    /// It has no place.
    nowhere: Sig<'m>,
    /// The header is of another array, or of no memory image.
    foreign: Sig<'m>,
    /// The beat may be the last one of a memory image.
    ends: Sig<'m>,
}

impl<'m> Words<'m> {
    fn describe(
        m: &'m Builder,
        (hardware, config): (&Hardware, AxiConfig),
        source: &Source<'m>,
        start: Sig<'m>,
        length: Sig<'m>,
    ) -> Self {
        let &Source { select, beat, data, .. } = source;
        let bits = config.data_bits;
        let units = hardware.units();
        let unit_beats = UNIT_BITS / bits;
        let most = units.into_iter().max().expect("bug: four targets") * unit_beats;
        let count_bits = bits_for(most.max(2 * unit_beats) - 1);
        let count = |n: u32| m.lit(count_bits, u64::from(n - 1));

        let phase = m.reg("phase", 2, HEADER);
        let chunk = m.reg("chunk", count_bits, 0);
        let target = m.reg_without_reset("target", 3);
        let left = m.reg_without_reset("words_left", 16);
        let word_limits = units.map(|n| count(n * unit_beats));
        let word_limit = m.select(target.slice(0, 2), &word_limits);
        let limit = m.select(*phase, &[count(2 * unit_beats), count(unit_beats), word_limit]);
        let last_chunk = chunk.eq(limit).named("last_chunk");
        let part_end = (beat & last_chunk).named("part_end");
        chunk.next_when(start | select | beat, m.mux(start | select | last_chunk, 0, *chunk + 1));
        let in_words = phase.eq(WORDS);
        let word_end = (part_end & in_words).named("word_end");
        // Words from registers are not counted.
        let counted = m.reg("counted", 1, 0);
        counted.next_when(start | select, start);
        let section_over = in_words & *counted & !left.any();
        let after = m.mux(phase.eq(HEADER) | section_over, SECTION, m.lit(2, WORDS));
        let begin = m.mux(start, HEADER, m.lit(2, WORDS));
        phase.next_when(start | select | part_end, m.mux(start | select, begin, after));

        // A section: target and index in the low half, address and words less one in the other.
        let half = |k: u32| {
            let here = beat & phase.eq(SECTION);
            if bits == UNIT_BITS {
                (here, data.slice(32 * k, 32))
            } else {
                (here & chunk.eq(u64::from(k)), data)
            }
        };
        let ((low_here, low), (high_here, high)) = (half(0), half(1));
        let from_either = |name: &str, of_section: Sig<'m>| {
            m.mux(select, selected(source.written, name, of_section.width()), of_section)
        };
        target.next_when(low_here | select, from_either("TARGET", low.slice(0, 3)));
        let index = m.reg_without_reset("word_index", 16);
        index.next_when(low_here | select, from_either("INDEX", low.slice(16, 16)));
        left.next_when(high_here | word_end, m.mux(high_here, high.slice(16, 16), *left - 1));
        let written = m.reg("written", 1, 0);
        written.next(word_end);
        let address = m.reg_without_reset("word_address", 16);
        let new = from_either("ADDRESS", high.slice(0, 16));
        let fresh = (select | high_here).named("fresh");
        address.next_when(fresh | *written, m.mux(fresh, new, *address + 1));

        let place = Place { target: *target, index: *index, address: *address };
        let beats = Beats { beat, data, chunk: *chunk, most };
        let exists = place.exists(m, hardware).named("exists");
        write_words(m, hardware, &place, &beats, [*written, exists]);
        let nowhere = *written & !exists;
        let foreign =
            beat & phase.eq(HEADER) & data.ne(expected(m, (hardware, config), *chunk, length));
        Self { written: *written, nowhere, foreign, ends: in_words & last_chunk & !left.any() }
    }
}

/// The beat of the header that belongs at this place.
fn expected<'m>(
    m: &'m Builder,
    (hardware, config): (&Hardware, AxiConfig),
    chunk: Sig<'m>,
    length: Sig<'m>,
) -> Sig<'m> {
    let constant = |name: &str| m.lit(32, hardware.constant(name).into());
    let words = [m.lit(32, MAGIC.into()), length, constant("CONFIG0"), constant("CONFIG1")];
    if config.data_bits == 32 {
        m.select(chunk.slice(0, 2), &words)
    } else {
        let beats = [m.concat(&[words[1], words[0]]), m.concat(&[words[3], words[2]])];
        m.select(chunk.slice(0, 1), &beats)
    }
}
