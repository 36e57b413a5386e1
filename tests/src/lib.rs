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

use heartbit_ir::program::MemoryDepths;

/// Enough for every random network behind AXI or the serial line, so that one model runs them all.
pub const WRAPPED_DEPTHS: MemoryDepths = MemoryDepths {
    image: 128,
    activation: 1024,
    weight: 16_384,
    parameter: 1024,
    stream: 4096,
    logit: 16,
    step: 2048,
    program: 256,
    ring: None,
};

pub use heartbit_cases::{ladder, native, problem, streamed};
