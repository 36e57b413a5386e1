//! The accelerator behind a serial line: the top module `heartbit_uart`.
//!
//! It contains `heartbit` with the registers and streams that it has behind AXI, too, and a master
//! for them that carries out frames. docs/link.md has the frames to the byte.
//!
//! ```text
//! uart_rx ─> receiver ─> deframer ─> buffer ─> executor ─┬─> registers, load port ─┐
//!                                      │ ^               ├─> pixels                ├─ heartbit
//! uart_tx <─ transmitter <─ framer <───┘ └───────────────┴─< results               ┘
//! ```
//!
//! | port      | dir | width | meaning                                              |
//! | --------- | --- | ----- | ---------------------------------------------------- |
//! | `clock`   | in  | 1     | the only clock                                       |
//! | `reset`   | in  | 1     | synchronous, active high                             |
//! | `uart_rx` | in  | 1     | 8N1, from the host; not synchronous                  |
//! | `uart_tx` | out | 1     | 8N1, to the host                                     |
//! | `status`  | out | 4     | for lamps: ready, busy, error, heartbeat, bits 0 to 3 |
//!
//! Not here: clocks, pins, and what else belongs to a board.

mod crc;
mod deframer;
mod executor;
mod framer;
mod protocol;
mod receiver;
#[cfg(test)]
mod tests;
mod top;
mod transmitter;

use heartbit_ir::program::{ArrayConfig, MemoryDepths};

use crate::axi::heartbit_host;
use crate::build::Module;

/// Fewest clocks of a bit: a bit is found in its middle by the majority of three of them.
pub const MIN_CLOCKS_PER_BIT: u32 = 4;
/// Most parts in a thousand that a rate may be off: half of what ten bits bear, as the other side
/// may be off as well.
pub const MAX_RATE_ERROR: u32 = 20;

/// Clock and rate of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UartConfig {
    clock_hz: u32,
    baud: u32,
}

/// A rate that a clock cannot give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UartError {
    /// Clock or rate is 0.
    #[error("a clock of {clock_hz} Hz and {baud} baud: neither may be 0")]
    Zero {
        /// Clock.
        clock_hz: u32,
        /// Rate.
        baud: u32,
    },
    /// Too few clocks a bit.
    #[error(
        "{baud} baud need a clock of at least {} Hz, {MIN_CLOCKS_PER_BIT} clocks a bit, but it has {clock_hz} Hz",
        u64::from(*baud) * u64::from(MIN_CLOCKS_PER_BIT)
    )]
    TooFast {
        /// Clock.
        clock_hz: u32,
        /// Rate.
        baud: u32,
    },
    /// No whole number of clocks comes close.
    #[error(
        "{clocks} clocks of {clock_hz} Hz a bit are {} baud, more than {}.{} % off {baud}",
        clock_hz / clocks,
        MAX_RATE_ERROR / 10,
        MAX_RATE_ERROR % 10
    )]
    Inexact {
        /// Clock.
        clock_hz: u32,
        /// Rate.
        baud: u32,
        /// Clocks of a bit.
        clocks: u32,
    },
}

impl UartConfig {
    /// A line of so many baud beside a clock.
    ///
    /// # Errors
    /// [`UartError`] where the clock cannot give the rate.
    pub fn new(clock_hz: u32, baud: u32) -> Result<Self, UartError> {
        if clock_hz == 0 || baud == 0 {
            return Err(UartError::Zero { clock_hz, baud });
        }
        let config = Self { clock_hz, baud };
        let clocks = config.clocks_per_bit();
        if clocks < MIN_CLOCKS_PER_BIT {
            return Err(UartError::TooFast { clock_hz, baud });
        }
        let made = u64::from(clocks) * u64::from(baud);
        if made.abs_diff(clock_hz.into()) * 1000 > u64::from(clock_hz) * u64::from(MAX_RATE_ERROR) {
            return Err(UartError::Inexact { clock_hz, baud, clocks });
        }
        Ok(config)
    }

    /// The clock, in Hz.
    pub fn clock_hz(self) -> u32 {
        self.clock_hz
    }

    /// Bits a second on the line.
    pub fn baud(self) -> u32 {
        self.baud
    }

    /// Clocks of a bit, rounded.
    pub fn clocks_per_bit(self) -> u32 {
        let clocks = (u64::from(self.clock_hz) + u64::from(self.baud) / 2) / u64::from(self.baud);
        u32::try_from(clocks).expect("bug: at most the clock")
    }
}

/// Describes the accelerator of a configuration behind a serial line, the module `heartbit_uart`.
///
/// # Panics
/// As [`crate::accelerator`], and if it has a weight ring, which the line could not feed.
pub fn heartbit_uart(array: &ArrayConfig, depths: &MemoryDepths, config: UartConfig) -> Module {
    top::wrap(&heartbit_host(array, depths), config)
}
