//! The differential ladder: random networks that every engine must agree on.
//!
//! The tests are in `tests/`, one binary for each rung. Their inputs are those of `heartbit-cases`;
//! this library has what surrounds the accelerator on AXI, and every parser of files.

pub mod bus;
pub mod packet;
pub mod parsers;
#[path = "../../hdl/tests/golden/heartbit_regs.rs"]
pub mod regs;
pub mod verilated;

pub use heartbit_cases::{ladder, native, problem, streamed};
