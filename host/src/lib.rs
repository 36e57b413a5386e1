//! The driver of an accelerator behind a serial line, `heartbit_uart`.
//!
//! Written from docs/link.md and docs/registers.md; it shares nothing with the hardware but the
//! printed register names.
//!
//! | module | is |
//! | --- | --- |
//! | [`frame`] | frames: bytes of the line, kind, number, payload, check |
//! | [`link`] | frames that arrive, in order and once, or an error |
//! | [`load`] | a program as frames, and its checksum |
//! | [`device`] | an accelerator: what it is, loading, images |
//! | [`port`] | serial ports |
//! | [`terminal`] | a pseudo-terminal, behind which something else plays the accelerator |
//!
//! Nothing here waits without an end: a port that is silent, closed or noisy is an error after a
//! time that is known before ([`link::Limits`]).

pub mod device;
pub mod frame;
pub mod link;
pub mod load;
pub mod port;
#[path = "../../hdl/tests/golden/heartbit_regs.rs"]
pub mod regs;
#[cfg(unix)]
pub mod terminal;

pub use device::{Device, DeviceError, Inference};
pub use link::{Limits, Link, LinkError, Statistics};
pub use port::{Port, SerialPort};
