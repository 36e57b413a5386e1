//! The weight ring: which word of it a step reads, when it must wait, and what the port writes.
//!
//! Microarchitecture.md, section 2.2. It counts two things: the words that are there and that no
//! step of a first tile has used, and the words that are there or may still be read. What is
//! written into the weight memories, from here or from the load port, passes one register.
//!
//! | port           | dir | width   | stage  | meaning                                            |
//! | -------------- | --- | ------- | ------ | -------------------------------------------------- |
//! | `wt_valid`, `wt_ready`, `wt_data` | in, out, in | 1, 1, `W·L` | | one beat of weights     |
//! | `load_any`     | in  | 1       |        | a write through the load port: empties the ring    |
//! | `load_en`, `load_index`, `load_addr`, `load_data` | in | 1, 16, 16, `L` | | one of weights |
//! | `stream`       | in  | 1       | layer  | flag `stream_weights`                              |
//! | `resident`     | in  | 16      | `t`    | word of the step, of other layers                  |
//! | `first_tile`, `last_tile` | in | 1 | `t`  | of the column tile, also between steps             |
//! | `issue`, `last`, `ct_end` | in | 1 | `t`  | a step, the last of its tile, of its column tile   |
//! | `hold`         | out | 1       | `t`    | the step must wait                                 |
//! | `address`      | out | 16      | `t`    | word of the step                                   |
//! | `write_en`     | out | `cols`  |        | columns that are written                           |
//! | `write_to`     | out | ..      |        | the word                                           |
//! | `write_data`   | out | `W·L`   |        | the words of `W` columns that lie together         |
//!
//! Timing: a beat in cycle `w` is written in `w + 1`, and the step that needs it comes from
//! `w + 1` on; a word that a step of a last tile in `t` has used is free from `t + cols + 3` on.
//!
//! Not here: where the beats come from.

use super::memories::Load;
use super::sizes::{Ring, Sizes, bits_for, fit};
use super::store::address_bits;
use crate::build::{Builder, Module, Reg, Sig};

/// Describes the module `weight_ring`.
pub(super) fn weight_ring(sizes: &Sizes, ring: Ring) -> Module {
    let m = Builder::new("weight_ring", "Streamed weights: a ring in the weight memories.");
    let load = Load::inputs(&m, sizes.lanes);
    let clear = m.input("load_any", 1, "a write through the load port");
    let stream = m.input("stream", 1, "weights of the layer come through the port");
    let steps = Steps::inputs(&m, stream);

    // Up to `F`, which is the top bit.
    let level = |name: &str| m.reg(name, ring.address_bits() + 1, 0);
    let (fresh, held) = (level("fresh"), level("held"));
    let ready = (!clear & !held.msb()).named("ready");
    let beat = (m.input("wt_valid", 1, "a beat is there") & ready).named("beat");
    let groups = groups(&m, sizes.cols / ring.port_cols, clear, beat);
    let arrives = groups[groups.len() - 1].named("arrives");
    count(fresh, clear, arrives, steps.issue & steps.first_tile);
    count(held, clear, arrives, steps.freed(&m, sizes.cols, clear));
    let missing = !fresh.any();
    m.output("wt_ready", ready, "the beat is accepted");
    m.output("hold", stream & steps.first_tile & missing, "the step must wait, t");

    let resident = m.input("resident", 16, "word of the step of other layers, t");
    let word = steps.word(&m, ring, clear).zero_extend(16);
    m.output("address", m.mux(stream, word, resident), "word of the step, t");

    let place = m.reg("place", ring.address_bits(), 0);
    place.next_when(clear | arrives, m.mux(clear, 0, *place + 1));
    let enables: Vec<_> = (0..sizes.cols)
        .rev()
        .map(|column| load.element(column) | groups[(column / ring.port_cols) as usize])
        .collect();
    let enable = m.reg("write_en_q", sizes.cols, 0);
    enable.next(m.concat(&enables));
    m.output("write_en", *enable, "columns that are written");
    let bits = address_bits(sizes.depths.weight);
    let to = m.mux(clear, fit(load.address, bits), place.zero_extend(bits));
    m.output("write_to", m.pipe("write_to_q", to), "the word");
    let words = m.input("wt_data", ring.port_cols * sizes.lanes, "words of columns");
    let data = m.mux(clear, load.data.repeat(ring.port_cols), words);
    m.output("write_data", m.pipe("write_data_q", data), "words of columns");
    m.finish()
}

/// The beats of each group of columns; that of the last one completes a word.
fn groups<'m>(m: &'m Builder, n: u32, clear: Sig<'m>, beat: Sig<'m>) -> Vec<Sig<'m>> {
    if n == 1 {
        return vec![beat];
    }
    let group = m.reg("group", bits_for(n - 1), 0);
    let last = group.eq(u64::from(n - 1)).named("last_group");
    group.next_when(clear | beat, m.mux(clear | last, 0, *group + 1));
    (0..n).map(|g| beat & group.eq(u64::from(g))).collect()
}

/// A number of words, that may grow and fall by one.
fn count<'m>(level: Reg<'m>, clear: Sig<'m>, up: Sig<'m>, down: Sig<'m>) {
    let one = |of: Sig<'m>| of.zero_extend(level.width());
    level.next(clear.builder().mux(clear, 0, *level + one(up) - one(down)));
}

/// The steps of layers whose weights are streamed.
struct Steps<'m> {
    /// One of them is issued.
    issue: Sig<'m>,
    first_tile: Sig<'m>,
    last_tile: Sig<'m>,
    last: Sig<'m>,
    ct_end: Sig<'m>,
}

impl<'m> Steps<'m> {
    fn inputs(m: &'m Builder, stream: Sig<'m>) -> Self {
        Self {
            issue: (m.input("issue", 1, "a step, t") & stream).named("streamed_step"),
            first_tile: m.input("first_tile", 1, "of its column tile, t"),
            last_tile: m.input("last_tile", 1, "of its column tile, t"),
            last: m.input("last", 1, "last step of its tile, t"),
            ct_end: m.input("ct_end", 1, "last step of its column tile, t"),
        }
    }

    /// The word of the step: a column tile's words begin behind those of the one before.
    fn word(&self, m: &'m Builder, ring: Ring, clear: Sig<'m>) -> Sig<'m> {
        let counter = |name: &str| m.reg(name, ring.address_bits(), 0);
        let (word, tile) = (counter("word"), counter("tile_word"));
        let following = *word + 1;
        let begin = (self.issue & self.ct_end).named("begins_tile");
        tile.next_when(clear | begin, m.mux(clear, 0, following));
        let again = m.mux(self.last & !self.ct_end, *tile, following);
        word.next_when(clear | self.issue, m.mux(clear, 0, again));
        *word
    }

    /// A word is free from the next cycle on: all columns have read it.
    fn freed(&self, m: &'m Builder, cols: u32, clear: Sig<'m>) -> Sig<'m> {
        (1..=cols + 2).fold(self.issue & self.last_tile, |used, cycle| {
            let reg = m.reg(&format!("used_{cycle}"), 1, 0);
            reg.next(used & !clear);
            *reg
        })
    }
}

#[cfg(test)]
mod tests;
