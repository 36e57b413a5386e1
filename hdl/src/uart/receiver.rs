//! The receiver of a serial line: 8 data bits, no parity, one stop bit.
//!
//! The line passes two flip-flops and then a majority of three cycles, so that a glitch of one
//! cycle does nothing. A start bit begins with a falling edge and is looked at again in its middle,
//! from where each bit is taken in its middle. A line that stays low is an error once, and nothing
//! more until it has been high.
//!
//! | port      | dir | width | meaning                                     |
//! | --------- | --- | ----- | ------------------------------------------- |
//! | `line`    | in  | 1     | the line, not synchronous to the clock      |
//! | `strobe`  | out | 1     | a byte has come                             |
//! | `byte_in` | out | 8     | it, in this cycle                           |
//! | `framing` | out | 1     | there was no stop bit, in place of `strobe` |

use super::UartConfig;
use crate::axi::bits_for;
use crate::build::{Builder, Module};

/// Bits of a byte on the line.
pub(super) const LINE_BITS: u64 = 10;

/// Describes the module `uart_receiver`.
pub(super) fn receiver(config: UartConfig) -> Module {
    let m = Builder::new("uart_receiver", "Receives bytes, 8N1.");
    let divisor = config.clocks_per_bit();
    let line = m.input("line", 1, "the serial line");
    let high = |name: &str| m.reg(name, 1, 1);
    let (first, second, third, fourth) =
        (high("line_q"), high("line_qq"), high("earlier"), high("earliest"));
    first.next(line);
    second.next(*first);
    third.next(*second);
    fourth.next(*third);
    let level = (*second & *third | *second & *fourth | *third & *fourth).named("level");
    let before = high("level_q");
    before.next(level);

    let left = m.reg("bits_left", 4, 0);
    let busy = left.any().named("receiving");
    let start = (!busy & *before & !level).named("start");
    let wait_bits = bits_for(divisor - 1);
    let wait = m.reg_without_reset("wait_clocks", wait_bits);
    let tick = (busy & !wait.any()).named("tick");
    let half = u64::from(divisor / 2 - 1);
    wait.next(m.mux(start, half, m.mux(tick, u64::from(divisor - 1), *wait - 1)));
    let is_start_bit = left.eq(LINE_BITS);
    let ended = m.mux(is_start_bit & level, 0, *left - 1);
    left.next_when(start | tick, m.mux(start, LINE_BITS, ended));
    let last = (tick & left.eq(1)).named("last_bit");
    let value = m.reg_without_reset("value", 8);
    value.next_when(tick & !last, m.concat(&[level, value.slice(1, 7)]));

    let [strobe, framing] = ["strobe_q", "framing_q"].map(|name| m.reg(name, 1, 0));
    strobe.next(last & level);
    framing.next(last & !level);
    m.output("strobe", *strobe, "a byte has come");
    m.output("byte_in", *value, "it");
    m.output("framing", *framing, "there was no stop bit");
    m.finish()
}
