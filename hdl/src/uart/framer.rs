//! Sends a frame: flag, kind, number, length, payload from the buffer, check, flag.
//!
//! | port       | dir | width | meaning                                      |
//! | ---------- | --- | ----- | -------------------------------------------- |
//! | `begin_frame` | in | 1   | sends one; only while not `busy`             |
//! | `kind`, `number`, `length` | in | 8 | of it, until it is sent            |
//! | `payload`  | in  | 8     | the byte at `place`, two cycles later        |
//! | `place`    | out | 8     | which byte of the payload                    |
//! | `busy`     | out | 1     | a frame is being sent                        |
//! | `free`     | in  | 1     | of the transmitter                           |
//! | `send`, `byte_out` | out | 1, 8 | for the transmitter                   |

use super::crc::{CRC_16, step};
use super::protocol::{ESCAPE, FLAG, TURN};
use crate::build::{Builder, Module};

/// Parts of a frame, in order: flag, kind, number, length, payload, check of two bytes, flag.
const OPENING: u64 = 1;
const LENGTH: u64 = 4;
const PAYLOAD: u64 = 5;
const CHECK_LOW: u64 = 6;
const CLOSING: u64 = 8;

/// Describes the module `link_framer`.
pub(super) fn framer() -> Module {
    let m = Builder::new("link_framer", "Sends frames.");
    let begin = m.input("begin_frame", 1, "sends a frame");
    let header = ["kind", "number", "length"].map(|name| m.input(name, 8, "of the frame"));
    let payload = m.input("payload", 8, "of the buffer");
    let free = m.input("free", 1, "a byte may be sent");

    let part = m.reg("part", 4, 0);
    let place = m.reg_without_reset("place_q", 8);
    let (crc, escaped) = (m.reg_without_reset("crc", 16), m.reg("escaped", 1, 0));
    let is_flag = (part.eq(OPENING) | part.eq(CLOSING)).named("is_flag");
    let check = [0, 8].map(|low| !crc.slice(low, 8));
    let [kind, number, length] = header;
    let flag = m.lit(8, FLAG);
    let bytes = [flag, flag, kind, number, length, payload, check[0], check[1], flag];
    let byte = m.pipe("plain", m.select(*part, &bytes));
    let special = byte.eq(FLAG) | byte.eq(ESCAPE);
    let escape = (special & !is_flag & !*escaped).named("escape");

    // Two cycles for the buffer, one for the choice, the byte, then its bits into the check.
    let [reading, coming, fetched] = ["reading", "coming", "fetched"].map(|name| m.reg(name, 1, 0));
    let left = m.reg("crc_left", 4, 0);
    let summing = left.any().named("summing");
    let busy = part.any().named("busy_now");
    let send = (busy & free & *fetched & !summing).named("send_now");
    let sent = (send & !escape).named("sent");
    let counts = (busy & !is_flag & part.lt(CHECK_LOW)).named("counts");
    escaped.next_when(send, escape);
    left.next_when((sent & counts) | summing, m.mux(summing, *left - 1, 8));
    let bit = m.select(left.slice(0, 3), &[0, 7, 6, 5, 4, 3, 2, 1].map(|at| byte.bit(at)));
    crc.next_when(begin | summing, m.mux(begin, 0xffff, step(&m, *crc, bit, CRC_16)));

    let over = (left.eq(1) | (sent & !counts)).named("part_over");
    reading.next(busy & !over);
    coming.next(busy & *reading & !over);
    fetched.next(busy & *coming & !over);
    let in_payload = part.eq(PAYLOAD);
    let next_place = (*place + in_payload.zero_extend(8)).named("next_place");
    place.next_when(begin | over, m.mux(begin, 0, next_place));
    // All stand for cycles before the part is over.
    let following = m.pipe("following", next_place);
    let more = m.pipe("more", following.ne(length));
    let behind_length = (part.eq(LENGTH) | in_payload).named("behind_length");
    let after = m.mux(behind_length, m.mux(more, PAYLOAD, m.lit(4, CHECK_LOW)), *part + 1);
    let next = m.mux(part.eq(CLOSING), 0, after);
    part.next_when(begin | over, m.mux(begin, OPENING, next));

    let turned = byte ^ m.concat(&[m.lit(2, 0), *escaped, m.lit(5, 0)]);
    const { assert!(TURN == 1 << 5, "another bit is turned") };
    m.output("busy", busy, "a frame is being sent");
    m.output("place", *place, "which byte of the payload");
    m.output("send", send, "a byte is sent");
    m.output("byte_out", m.mux(escape, ESCAPE, turned), "it");
    m.finish()
}
