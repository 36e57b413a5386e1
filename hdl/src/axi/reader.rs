//! An AXI4 read master: reads some consecutive beats in bursts, in order, and hands them over.
//!
//! Bursts are `INCR`, of at most [`BURST`] beats, and end at multiples of their full length, so
//! that none crosses a 4 KiB boundary, whatever the first address. Up to [`AHEAD`] bursts are
//! asked for before their data arrive. Where a burst ends follows from the address alone, so the
//! expected place of `RLAST` needs no queue.
//!
//! | port            | dir | width     | meaning                                                |
//! | --------------- | --- | --------- | ------------------------------------------------------ |
//! | `start`         | in  | 1         | begins, with the next two; only while not `busy`       |
//! | `address`       | in  | address   | of the first beat, a multiple of its bytes             |
//! | `beats`         | in  | 30        | how many, not 0                                        |
//! | `stop`          | in  | 1         | asks for no further burst; those under way still end   |
//! | `ready`         | in  | 1         | a beat can be taken                                    |
//! | `room`          | in  | 1         | a burst may be asked for; weights only                 |
//! | `asked`         | out | 5         | beats of the burst that is asked for; weights only     |
//! | `beat`, `data`  | out | 1, data   | a beat                                                 |
//! | `last`          | out | 1         | it is the last one                                     |
//! | `error`         | out | 1         | its response is not `OKAY`, or `RLAST` is wrong        |
//! | `busy`          | out | 1         | bursts are under way or still to be asked for          |
//! | `m_axi_*`       |     |           | AXI4, read channels                                    |
//!
//! `m_axi_arvalid` and the address are registers and stay until they are accepted.

use super::AxiConfig;
use crate::build::{Builder, Module, Reg, Sig};

/// Most beats of a burst.
pub(super) const BURST: u32 = 16;
/// Most bursts under way.
pub(super) const AHEAD: u32 = 4;
/// Bits of a number of beats.
pub(super) const BEATS_BITS: u32 = 30;
const BURST_BITS: u32 = BURST.trailing_zeros();

/// Describes the module `axi_reader`, whose beats can always be taken.
pub(super) fn reader(config: AxiConfig) -> Module {
    describe(Builder::new("axi_reader", "AXI4 read master."), config, false)
}

/// Describes the module `axi_weight_reader`, whose beats need room.
pub(super) fn weight_reader(config: AxiConfig) -> Module {
    let doc = "AXI4 read master that asks for bursts when there is room.";
    describe(Builder::new("axi_weight_reader", doc), config, true)
}

fn describe(m: Builder, config: AxiConfig, needs_room: bool) -> Module {
    let start = m.input("start", 1, "begins");
    let address = m.input("address", config.address_bits, "of the first beat");
    let beats = m.input("beats", BEATS_BITS, "how many");
    let stop = m.input("stop", 1, "asks for no further burst");
    let low = config.data_bits.trailing_zeros() - 3;
    let first = address.slice(low, BURST_BITS);

    let under_way = m.reg("under_way", 3, 0);
    let (asked, valid) = ask(&m, config, [start, stop, address, beats], *under_way, needs_room);
    let ended = receive(&m, config, [start, first, beats], *under_way);
    let more = m.mux(asked, *under_way + 1, *under_way);
    let fewer = m.mux(asked, *under_way, *under_way - 1);
    under_way.next(m.mux(ended, fewer, more));

    m.output("busy", under_way.any() | valid, "bursts are under way or to be asked for");
    m.finish()
}

/// The address channel: returns whether a burst begins to be asked for, and whether there is one
/// to ask for.
fn ask<'m>(
    m: &'m Builder,
    config: AxiConfig,
    [start, stop, address, beats]: [Sig<'m>; 4],
    under_way: Sig<'m>,
    needs_room: bool,
) -> (Sig<'m>, Sig<'m>) {
    let low = config.data_bits.trailing_zeros() - 3;
    let ready = m.input("m_axi_arready", 1, "the address is accepted");
    let valid = m.reg("ar_valid", 1, 0);
    let left = m.reg("left", BEATS_BITS, 0);
    // In beats.
    let index_bits = config.address_bits - low;
    let index = m.reg_without_reset("index", index_bits);
    let to_end = m.lit(BURST_BITS + 1, BURST.into())
        - index.slice(0, BURST_BITS).zero_extend(BURST_BITS + 1);
    let short = left.lt(to_end.zero_extend(BEATS_BITS)).named("short_burst");
    let length = m.mux(short, left.slice(0, BURST_BITS + 1), to_end).named("length");
    let mut ask = left.any() & (!*valid | ready) & under_way.lt(u64::from(AHEAD)) & !stop;
    if needs_room {
        ask = ask & m.input("room", 1, "a burst may be asked for");
        m.output("asked", m.mux(ask, length, 0), "beats of the burst that is asked for");
    }
    let ask = ask.named("ask");
    valid.next_when(ask | ready, ask);
    let after = *left - length.zero_extend(BEATS_BITS);
    let next_left = m.mux(stop, 0, m.mux(start, beats, after));
    left.next_when(start | stop | ask, next_left);
    m.discard(address.slice(0, low));
    let next_index =
        m.mux(start, address.slice(low, index_bits), *index + length.zero_extend(index_bits));
    index.next_when(start | ask, next_index);
    let zero = m.lit(low, 0);
    let at = m.pipe_when("ar_index", ask, *index);
    let beats_1 = m.pipe_when("ar_length", ask, (length - 1).keep(0, BURST_BITS));

    m.output("m_axi_araddr", m.concat(&[at, zero]), "address of the burst");
    m.output("m_axi_arlen", beats_1.zero_extend(8), "beats of it, less one");
    m.output("m_axi_arsize", m.lit(3, low.into()), "bytes of a beat: all");
    m.output("m_axi_arburst", m.lit(2, 1), "INCR");
    m.output("m_axi_arcache", m.lit(4, 3), "normal, not cacheable, bufferable");
    m.output("m_axi_arprot", m.lit(3, 0), "data, secure, unprivileged");
    m.output("m_axi_arvalid", *valid, "an address is there");
    (ask, left.any())
}

/// The data channel: returns whether a burst ends.
fn receive<'m>(
    m: &'m Builder,
    config: AxiConfig,
    [start, first, beats]: [Sig<'m>; 3],
    under_way: Sig<'m>,
) -> Sig<'m> {
    let data = m.input("m_axi_rdata", config.data_bits, "read data");
    let response = m.input("m_axi_rresp", 2, "OKAY or an error");
    let last = m.input("m_axi_rlast", 1, "last beat of the burst");
    let valid = m.input("m_axi_rvalid", 1, "data are there");
    let ready = m.input("ready", 1, "a beat can be taken") & under_way.any();
    let ready = ready.named("r_ready");
    let beat = (valid & ready).named("beat_now");
    let place = m.reg_without_reset("place", BURST_BITS);
    let left: Reg<'_> = m.reg_without_reset("left_to_come", BEATS_BITS);
    place.next_when(start | beat, m.mux(start, first, *place + 1));
    left.next_when(start | beat, m.mux(start, beats, *left - 1));
    let over = left.eq(1).named("over");
    let ends = (place.all() | over).named("ends");

    m.output("m_axi_rready", ready, "the data are accepted");
    m.output("beat", beat, "a beat");
    m.output("data", data, "its data");
    m.output("last", beat & over, "it is the last one");
    m.output("error", beat & (response.any() | last.ne(ends)), "something is wrong with it");
    beat & ends
}
