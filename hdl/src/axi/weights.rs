//! Streams weights from memory to the weight port, an image's sequence again and again.
//!
//! The layout in memory is that of `weight_image`. A burst is asked for only when the queue has
//! room for it, so that data are always taken, and up to four are under way. The last beats of a
//! unit are used where they lie in the queue; only the others of it have registers.
//!
//! | port           | dir | width   | meaning                                                   |
//! | -------------- | --- | ------- | --------------------------------------------------------- |
//! | `base`, `length` | in | address, 32 | where the sequence is, and its bytes; 0 for none       |
//! | `take`         | in  | 1       | takes these two, of the next program                      |
//! | `run`          | in  | 1       | there is a program                                        |
//! | `cancel`       | in  | 1       | drops what was read; the sequence begins anew             |
//! | `wt_valid`, `wt_ready`, `wt_data` | out, in, out | 1, 1, `W·L` | the accelerator's port       |
//! | `busy`         | out | 1       | bursts are under way: the AXI4 port is in use             |
//! | `beat`         | out | 1       | a beat of them                                            |
//! | `response`     | out | 1       | an error of the bus, when it occurs                       |
//! | `m_axi_*`      |     |         | AXI4, read channels                                       |
//!
//! Between the last burst of a sequence and the first one of the next the memory's latency passes.
//! While beats that were cancelled still come, nothing is asked for.

use super::reader::{AHEAD, BEATS_BITS, BURST, weight_reader};
use super::weight_image::chunks_of_beat;
use super::{AxiConfig, Hardware, UNIT_BITS, beats_of_unit, bits_for, pass_pins, small};
use crate::build::{Builder, Instance, Module, Sig};
use heartbit_ir::program::WeightRing;

/// Beats that the queue holds: all that can be under way.
const QUEUE: u32 = AHEAD * BURST;

/// Describes the module `axi_weights`.
pub(super) fn weights(hardware: &Hardware, config: AxiConfig, ring: WeightRing) -> Module {
    let m = Builder::new("axi_weights", "Streams weights from memory.");
    // A host may prepare the next program while this one runs.
    let take = m.input("take", 1, "takes the next two");
    let base = m.input("base", config.address_bits, "where the sequence is");
    let base = m.pipe_when("base_q", take, base.keep(3, config.address_bits - 3));
    let length = m.input("length", 32, "its bytes");
    let cancel = m.input("cancel", 1, "drops what was read");
    let units = m.pipe_when("units", take, length.keep(3, 29));

    let reader_module = weight_reader(config);
    let reader = m.inst("reader", &reader_module);
    pass_pins(&m, reader, &reader_module, "m_axi_");
    let run = m.input("run", 1, "there is a program") & units.any() & !cancel;
    let begin = (run & !reader.out("busy")).named("begin_now");
    // Beats of what was cancelled do not count.
    let live = m.reg("live", 1, 0);
    live.next_when(begin | cancel, begin);
    let beats = if config.data_bits == UNIT_BITS { units } else { m.concat(&[units, m.lit(1, 0)]) };
    reader
        .set("start", begin)
        .set("address", m.concat(&[base, m.lit(3, 0)]))
        .set("beats", beats.zero_extend(BEATS_BITS))
        .set("stop", cancel)
        .set("ready", m.lit(1, 1));
    m.discard(reader.out("last"));

    let pop = m.wire("pop", 1);
    let credit = m.reg("credit", bits_for(QUEUE), QUEUE.into());
    let left = *credit + (*pop).zero_extend(credit.width());
    let asked = reader.out("asked").zero_extend(credit.width());
    credit.next(m.mux(*live, left - asked, u64::from(QUEUE)));
    reader.set("room", credit.ge(u64::from(BURST)));

    let (valid, head) = queue(&m, config.data_bits, reader, *live & !cancel, *pop, cancel);
    let port_bits = small(ring.port_cols * hardware.array.lanes);
    let queue = Head { valid, data: head, pop: *pop, clear: cancel };
    pop.assign(queue.split(&m, config.data_bits, port_bits));
    m.output("busy", reader.out("busy"), "bursts are under way");
    m.output("beat", reader.out("beat"), "a beat of them");
    m.output("response", reader.out("error") & *live, "an error of the bus");
    m.finish()
}

/// The beats that have come: whether there is one, and the first of them.
fn queue<'m>(
    m: &'m Builder,
    bits: u32,
    reader: Instance<'m>,
    takes: Sig<'m>,
    pop: Sig<'m>,
    clear: Sig<'m>,
) -> (Sig<'m>, Sig<'m>) {
    let push = (reader.out("beat") & takes).named("push");
    let memory = m.memory("queue", bits, QUEUE);
    let place = |name: &str| m.reg(name, memory.address_bits(), 0);
    let (to, from) = (place("to"), place("from"));
    to.next_when(push | clear, m.mux(clear, 0, *to + 1));
    let from_next = *from + pop.zero_extend(from.width());
    from.next(m.mux(clear, 0, from_next));
    memory.write(push, *to, reader.out("data"));
    let head = memory.read(from_next);
    // Beats in the memory; one that comes now can be read in the next cycle.
    let level = m.reg("level", memory.address_bits() + 1, 0);
    let left = *level - pop.zero_extend(level.width());
    level.next(m.mux(clear, 0, left + push.zero_extend(level.width())));
    let valid = m.reg("head_valid", 1, 0);
    valid.next(left.any() & !clear);
    (*valid, head)
}

/// The first beat of the queue.
#[derive(Clone, Copy)]
struct Head<'m> {
    /// There is one.
    valid: Sig<'m>,
    data: Sig<'m>,
    /// It is used up.
    pop: Sig<'m>,
    /// It is dropped.
    clear: Sig<'m>,
}

impl<'m> Head<'m> {
    /// Units to beats of the weight port; returns whether the first beat of the queue is used up.
    fn split(self, m: &'m Builder, bits: u32, port_bits: u32) -> Sig<'m> {
        let Self { valid, data, pop, clear } = self;
        let chunks = chunks_of_beat(bits, port_bits);
        if chunks == 1 {
            return self.port(m, valid, data, port_bits);
        }
        let chunk = m.reg("chunk", bits_for(chunks - 1), 0);
        let last = chunk.eq(u64::from(chunks - 1)).named("last_chunk");
        chunk.next_when(clear | pop, m.mux(clear | last, 0, *chunk + 1));
        let kept = (0..chunks - 1)
            .rev()
            .map(|k| m.pipe_when(&format!("chunk_{k}"), pop & chunk.eq(u64::from(k)), data));
        let parts: Vec<_> = std::iter::once(data).chain(kept).collect();
        let used = self.port(m, valid & last, m.concat(&parts), port_bits);
        valid & (!last | used)
    }

    /// Offers what is in whole units; returns whether the last beat in them is taken.
    fn port(self, m: &'m Builder, whole: Sig<'m>, word: Sig<'m>, port_bits: u32) -> Sig<'m> {
        let valid = (whole & !self.clear).named("port_valid");
        let taken = (valid & m.input("wt_ready", 1, "the beat is accepted")).named("taken");
        m.output("wt_valid", valid, "a beat is there");
        let beats = beats_of_unit(port_bits);
        if beats == 1 {
            m.output("wt_data", word.keep(0, port_bits), "words of neighbouring columns");
            return taken;
        }
        let part = m.reg("part", bits_for(beats - 1), 0);
        let last = part.eq(u64::from(beats - 1)).named("last_part");
        part.next_when(self.clear | taken, m.mux(self.clear | last, 0, *part + 1));
        m.discard(word);
        let parts: Vec<_> = (0..beats).map(|k| word.slice(k * port_bits, port_bits)).collect();
        m.output("wt_data", m.select(*part, &parts), "words of neighbouring columns");
        taken & last
    }
}

#[cfg(test)]
mod tests;
