//! The transmitter of a serial line: 8 data bits, no parity, one stop bit.
//!
//! | port       | dir | width | meaning                               |
//! | ---------- | --- | ----- | ------------------------------------- |
//! | `send`     | in  | 1     | a byte is to be sent; only while `free` |
//! | `byte_out` | in  | 8     | it                                    |
//! | `free`     | out | 1     | nothing is being sent                 |
//! | `line`     | out | 1     | the line, a register                  |

use super::UartConfig;
use super::receiver::LINE_BITS;
use crate::axi::bits_for;
use crate::build::{Builder, Module};

/// Describes the module `uart_transmitter`.
pub(super) fn transmitter(config: UartConfig) -> Module {
    let m = Builder::new("uart_transmitter", "Sends bytes, 8N1.");
    let last_clock = u64::from(config.clocks_per_bit() - 1);
    let send = m.input("send", 1, "a byte is to be sent");
    let byte = m.input("byte_out", 8, "it");

    let left = m.reg("bits_left", 4, 0);
    let busy = left.any().named("sending");
    let wait = m.reg_without_reset("wait_clocks", bits_for(config.clocks_per_bit() - 1));
    let tick = (busy & !wait.any()).named("tick");
    wait.next(m.mux(send | tick, last_clock, *wait - 1));
    left.next_when(send | tick, m.mux(send, LINE_BITS, *left - 1));
    // The start bit, the byte, and ones.
    let bits = m.reg("line_bits", 9, 0x1ff);
    let shifted = m.concat(&[m.lit(1, 1), bits.slice(1, 8)]);
    bits.next_when(send | tick, m.mux(send, m.concat(&[byte, m.lit(1, 0)]), shifted));

    m.output("free", !busy, "nothing is being sent");
    m.output("line", bits.bit(0), "the serial line");
    m.finish()
}
