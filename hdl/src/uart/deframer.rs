//! Finds frames among the bytes of the line and puts what they hold into the buffer.
//!
//! Between flags, escapes are undone, every byte is stored at its place, and the check runs along.
//! Nothing is acted upon before the closing flag has come and the check is right. A frame of which
//! nothing more comes is given up after four ticks.
//!
//! | port       | dir | width | meaning                                                     |
//! | ---------- | --- | ----- | ----------------------------------------------------------- |
//! | `strobe`, `byte_in`, `framing` | in | 1, 8, 1 | of the receiver                           |
//! | `timer`    | in  | 1     | a tick                                                      |
//! | `kept`     | in  | 1     | a part of the buffer is still needed                        |
//! | `kept_from` | in | 8     | from here on                                                |
//! | `store`, `place`, `content` | out | 1, 8, 8 | a byte for the buffer                        |
//! | `complete` | out | 1     | a frame has come and is right                               |
//! | `ended`    | out | 1     | a frame is over, one way or the other                       |
//! | `length`   | out | 8     | its bytes, in this cycle                                    |
//! | `fault`    | out | 3     | why it is not, 0 if it is                                   |

use super::crc::{CRC_16, CRC_16_RESIDUE, step};
use super::protocol::{DAMAGED, ESCAPE, FLAG, INCOMPLETE, OVERRUN, TURN};
use crate::build::{Builder, Module};

/// Ticks after which nothing more is waited for.
pub(super) const PATIENCE: u64 = 4;

/// Describes the module `link_deframer`.
pub(super) fn deframer() -> Module {
    let m = Builder::new("link_deframer", "Finds frames.");
    let strobe = m.input("strobe", 1, "a byte has come");
    let byte = m.input("byte_in", 8, "it");
    let framing = m.input("framing", 1, "a byte has come without a stop bit");
    let timer = m.input("timer", 1, "a tick");
    let kept = m.input("kept", 1, "a part of the buffer is needed");
    let kept_from = m.input("kept_from", 8, "from here on");

    let (escaped, count) = (m.reg("escaped", 1, 0), m.reg("count", 8, 0));
    let (bad, late) = (m.reg("bad", 1, 0), m.reg("overrun", 1, 0));
    let flag = (strobe & byte.eq(FLAG)).named("flag");
    let escape = (strobe & byte.eq(ESCAPE)).named("escape");
    let content = (strobe & !flag & !escape).named("content_now");
    let open = (count.any() | *bad | *late | *escaped).named("open");

    let age = m.reg("age", 3, 0);
    let expired = age.eq(PATIENCE).named("expired");
    age.next(m.mux(strobe | framing | expired | !open, 0, *age + timer.zero_extend(3)));

    let over = (flag | expired).named("over");
    escaped.next_when(strobe | expired, escape);
    count.next_when(over | content, m.mux(over, 0, *count + 1));
    let overtaken = (content & kept & count.ge(kept_from)).named("overtaken");
    let too_long = content & count.all();
    bad.next_when(over | framing | too_long, !over);
    late.next_when(over | overtaken, !over);

    let value = byte ^ m.concat(&[m.lit(2, 0), *escaped, m.lit(5, 0)]);
    const { assert!(TURN == 1 << 5, "another bit is turned") };
    let left = m.reg("crc_left", 4, 0);
    let busy = left.any();
    left.next_when(content | busy, m.mux(content, 8, *left - 1));
    let bits = m.reg_without_reset("crc_bits", 8);
    bits.next(m.mux(content, value, m.concat(&[m.lit(1, 0), bits.slice(1, 7)])));
    let crc = m.reg("crc", 16, 0xffff);
    crc.next_when(over | busy, m.mux(over, 0xffff, step(&m, *crc, bits.bit(0), CRC_16)));

    let wrong = *bad | *escaped | crc.ne(CRC_16_RESIDUE);
    let fault = m.mux(*late, OVERRUN, m.mux(wrong, m.lit(3, DAMAGED), 0));
    let fault = m.mux(expired, INCOMPLETE, fault).named("fault_now");
    m.output("store", content & !overtaken & !*late, "a byte for the buffer");
    m.output("place", *count, "where");
    m.output("content", value, "it");
    m.output("ended", over & open, "a frame is over");
    m.output("complete", over & open & !fault.any(), "it is right");
    m.output("length", *count, "its bytes");
    m.output("fault", fault, "why it is not");
    m.finish()
}
