//! An AXI4-Lite slave: five channels on one side, reads and writes of words on the other.
//!
//! Address and data of a write are accepted independently of each other and in any order; a write
//! is carried out when both are there and its answer can be kept. All outputs are registers or
//! functions of registers, so no ready depends on a valid of the same cycle.
//!
//! | port            | dir | width | meaning                                                  |
//! | --------------- | --- | ----- | -------------------------------------------------------- |
//! | `s_axi_*`       |     |       | AXI4-Lite, 32 bits of data                               |
//! | `write`         | out | 1     | a word is written, all its bytes                         |
//! | `write_word`    | out | 10    | its number                                               |
//! | `write_data`    | out | 32    | its value                                                |
//! | `write_ok`      | in  | 1     | it may be, in the same cycle                             |
//! | `read`          | out | 1     | a word is read                                           |
//! | `read_word`     | out | 10    | its number                                               |
//! | `read_data`, `read_ok` | in | 32, 1 | its value, and whether there is one, in the same cycle |
//!
//! Writes of single bytes are refused like those without `write_ok`: `SLVERR`, and no effect.

use super::registers::ADDRESS_BITS;
use crate::build::{Builder, Module, Sig};

/// Bits of a word's number.
pub(super) const WORD_BITS: u32 = ADDRESS_BITS - 2;
const SLVERR: u64 = 2;

/// Describes the module `axi_lite`.
pub(super) fn lite() -> Module {
    let m = Builder::new("axi_lite", "AXI4-Lite slave.");
    writes(&m);
    reads(&m);
    m.finish()
}

fn word_of<'m>(m: &'m Builder, address: Sig<'m>, protection: Sig<'m>) -> Sig<'m> {
    m.discard(protection);
    address.keep(2, WORD_BITS)
}

/// A register that is full from `fill` to `empty`.
fn occupied<'m>(m: &'m Builder, name: &str, fill: Sig<'m>, empty: Sig<'m>) -> Sig<'m> {
    let full = m.reg(name, 1, 0);
    full.next_when(fill | empty, fill);
    *full
}

fn writes(m: &Builder) {
    let address = m.input("s_axi_awaddr", ADDRESS_BITS, "write address");
    let protection = m.input("s_axi_awprot", 3, "does not count");
    let address_valid = m.input("s_axi_awvalid", 1, "an address is there");
    let data = m.input("s_axi_wdata", 32, "write data");
    let strobes = m.input("s_axi_wstrb", 4, "bytes to write: all");
    let data_valid = m.input("s_axi_wvalid", 1, "data are there");
    let answer_ready = m.input("s_axi_bready", 1, "the answer is accepted");
    let ok = m.input("write_ok", 1, "the word may be written");

    let (aw_full, w_full) = (m.wire("aw_full", 1), m.wire("w_full", 1));
    let answered = m.wire("answered", 1);
    let act = (*aw_full & *w_full & (!*answered | answer_ready)).named("act");
    let aw_beat = (address_valid & !*aw_full).named("aw_beat");
    let w_beat = (data_valid & !*w_full).named("w_beat");
    aw_full.assign(occupied(m, "aw_full_q", aw_beat, act));
    w_full.assign(occupied(m, "w_full_q", w_beat, act));
    answered.assign(occupied(m, "b_valid_q", act, *answered & answer_ready));
    let word = m.pipe_when("aw_word", aw_beat, word_of(m, address, protection));
    let data = m.pipe_when("w_data", w_beat, data);
    let whole = m.pipe_when("w_whole", w_beat, strobes.all());
    let refused = m.pipe_when("b_refused", act, !(ok & whole));

    m.output("s_axi_awready", !*aw_full, "the address is accepted");
    m.output("s_axi_wready", !*w_full, "the data are accepted");
    m.output("s_axi_bvalid", *answered, "an answer is there");
    m.output("s_axi_bresp", m.mux(refused, SLVERR, m.lit(2, 0)), "OKAY or SLVERR");
    m.output("write", act & whole, "a word is written");
    m.output("write_word", word, "its number");
    m.output("write_data", data, "its value");
}

fn reads(m: &Builder) {
    let address = m.input("s_axi_araddr", ADDRESS_BITS, "read address");
    let protection = m.input("s_axi_arprot", 3, "does not count");
    let address_valid = m.input("s_axi_arvalid", 1, "an address is there");
    let data_ready = m.input("s_axi_rready", 1, "the data are accepted");
    let data = m.input("read_data", 32, "the word");
    let ok = m.input("read_ok", 1, "there is such a word");

    let (ar_full, answered) = (m.wire("ar_full", 1), m.wire("r_answered", 1));
    let act = (*ar_full & (!*answered | data_ready)).named("read_act");
    let beat = (address_valid & !*ar_full).named("ar_beat");
    ar_full.assign(occupied(m, "ar_full_q", beat, act));
    answered.assign(occupied(m, "r_valid_q", act, *answered & data_ready));
    let word = m.pipe_when("ar_word", beat, word_of(m, address, protection));
    let data = m.pipe_when("r_data", act, m.mux(ok, data, 0));
    let refused = m.pipe_when("r_refused", act, !ok);

    m.output("s_axi_arready", !*ar_full, "the address is accepted");
    m.output("s_axi_rvalid", *answered, "data are there");
    m.output("s_axi_rdata", data, "read data, 0 with SLVERR");
    m.output("s_axi_rresp", m.mux(refused, SLVERR, m.lit(2, 0)), "OKAY or SLVERR");
    m.output("read", act, "a word is read");
    m.output("read_word", word, "its number");
}
