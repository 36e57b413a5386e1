//! The differential ladder: random networks that every engine must agree on.
//!
//! The tests are in `tests/`, one binary for each rung; this library makes their inputs.

pub mod bus;
pub mod ladder;
pub mod packet;
pub mod problem;
#[path = "../../hdl/tests/golden/heartbit_regs.rs"]
pub mod regs;
pub mod streamed;
pub mod verilated;
