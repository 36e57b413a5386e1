//! Writes words through the load port of the accelerator, and the loader that does only this.
//!
//! A word comes in so many beats as its target needs, the lowest first. Hardware without a memory
//! port has `host_loader`, whose beats are the writes to `LOAD_DATA`, 32 bits each:
//!
//! | port           | dir | width | meaning                                      |
//! | -------------- | --- | ----- | -------------------------------------------- |
//! | `select`, `push` | in | 1, 1 | `write_data` is a `LOAD_SELECT`, a `LOAD_DATA` |
//! | `write_data`   | in  | 32    | of these                                     |
//! | `load_*`       | out | ..    | the load port                                |
//! | `failed`       | out | 1     | a word since the last `LOAD_SELECT` had no place |
//! | `range`        | out | 1     | it has none, in the cycle when it occurs     |

use super::registers::register_named;
use super::{Hardware, REGISTER_BITS, bits_for};
use crate::build::{Builder, Module, Sig};

/// Where a word goes.
pub(super) struct Place<'m> {
    pub(super) target: Sig<'m>,
    pub(super) index: Sig<'m>,
    pub(super) address: Sig<'m>,
}

impl<'m> Place<'m> {
    /// Whether there is such a place.
    pub(super) fn exists(&self, m: &'m Builder, hardware: &Hardware) -> Sig<'m> {
        let [program, steps, weights, parameters] = hardware
            .places()
            .map(|(indices, words)| below(m, self.index, indices) & below(m, self.address, words));
        m.select(self.target, &[program, steps, weights, parameters, m.lit(1, 0)])
    }
}

/// What a word is collected from.
pub(super) struct Beats<'m> {
    pub(super) beat: Sig<'m>,
    pub(super) data: Sig<'m>,
    /// Which beat of its word it is.
    pub(super) chunk: Sig<'m>,
    /// Beats of the widest word.
    pub(super) most: u32,
}

/// The field of a value for `LOAD_SELECT`, in so many bits.
pub(super) fn selected<'m>(written: Sig<'m>, name: &str, bits: u32) -> Sig<'m> {
    let field = register_named("LOAD_SELECT").field(name);
    written.slice(field.low, field.bits).zero_extend(bits)
}

/// Collects beats, and makes the load port, which writes a word in the cycle `written` if its place
/// `exists`.
pub(super) fn write_words<'m>(
    m: &'m Builder,
    hardware: &Hardware,
    place: &Place<'m>,
    beats: &Beats<'m>,
    [written, exists]: [Sig<'m>; 2],
) {
    let &Place { target, index, address } = place;
    let &Beats { beat, data, chunk, most } = beats;
    let chunks: Vec<_> = (0..most)
        .map(|k| {
            let here = if most == 1 { beat } else { beat & chunk.eq(u64::from(k)) };
            m.pipe_when(&format!("chunk_{k}"), here, data)
        })
        .collect();
    let word = m.concat(&chunks.into_iter().rev().collect::<Vec<_>>());
    m.output("load_en", written & exists, "write a word");
    m.output("load_target", target, "0 program, 1 steps, 2 weights, 3 parameters");
    m.output("load_index", index, "column or lane group");
    m.output("load_addr", address, "word");
    m.output("load_data", word.keep(0, hardware.load_bits()), "word");
}

/// `value < n`.
fn below<'m>(m: &'m Builder, value: Sig<'m>, n: usize) -> Sig<'m> {
    match u64::try_from(n).expect("bug: small") {
        n if n >> value.width() != 0 => m.lit(1, 1),
        n => value.lt(n),
    }
}

/// Describes the module `host_loader`.
pub(super) fn host_loader(hardware: &Hardware) -> Module {
    let m = Builder::new("host_loader", "Fills the memories of the accelerator, word by word.");
    let select = m.input("select", 1, "`write_data` is a LOAD_SELECT");
    let push = m.input("push", 1, "it is a LOAD_DATA");
    let data = m.input("write_data", REGISTER_BITS, "what is written");

    let index_bits = register_named("LOAD_SELECT").field("INDEX").bits;
    let target = m.pipe_when("target", select, selected(data, "TARGET", 3));
    let index = m.pipe_when("word_index", select, selected(data, "INDEX", index_bits));
    let units = hardware.units();
    let most = units.into_iter().max().expect("bug: four targets");
    let count_bits = bits_for((most - 1).max(1));
    let chunk = m.reg("chunk", count_bits, 0);
    let last = m.select(target.slice(0, 2), &units.map(|n| m.lit(count_bits, u64::from(n - 1))));
    let last_chunk = chunk.eq(last).named("last_chunk");
    chunk.next_when(select | push, m.mux(select | last_chunk, 0, *chunk + 1));
    let written = m.reg("written", 1, 0);
    written.next(push & last_chunk);
    let address = m.reg_without_reset("word_address", 16);
    let first = selected(data, "ADDRESS", 16);
    address.next_when(select | *written, m.mux(select, first, *address + 1));

    let place = Place { target, index, address: *address };
    let beats = Beats { beat: push, data, chunk: *chunk, most };
    let wide = Place { index: index.zero_extend(16), ..place };
    // A word is written cycles after the one before, and so long after its place is known.
    let exists = m.pipe("exists", wide.exists(&m, hardware));
    write_words(&m, hardware, &wide, &beats, [*written, exists]);
    let nowhere = *written & !exists;
    let failed = m.reg("failed_q", 1, 0);
    failed.next_when(select | nowhere, nowhere);
    m.output("failed", *failed | nowhere, "a word had no place");
    m.output("range", nowhere, "a word for no place");
    m.finish()
}
