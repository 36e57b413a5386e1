//! Verilator co-simulation: compile a Verilog design to a shared object, load it, run it, trace it.
//!
//! ```text
//! Design ── Build::compile ──> Compiled (one cached model.so) ── instantiate ──> Model
//!   │            │                                                                 │
//!   │       Toolchain (verilator, g++)                       poke, tick, peek, run_recorded, trace
//!   └── lint, elaborate_yosys, elaborate_icarus
//! ```
//!
//! The design arrives as text with a port table, so a design made at run time needs no build script
//! and no macro.
//! Verilator translates it to C++, one translation unit holds all of that together with a small C
//! interface (`shim.cpp`), and the shared object is kept in a cache under the hash of everything
//! that went into it; docs/adr/0002 says why.
//! All unsafe code of this crate is in the module `ffi`.
//! The library prints nothing: errors carry the tool's own text, [`Error::help`] the next step.
//!
//! Not here: any knowledge of the accelerator, its monitor bus, or its programs.

mod cache;
mod design;
mod error;
mod lint;
mod process;
mod toolchain;

pub use design::{Design, Direction, Port};
pub use error::Error;
pub use lint::{elaborate_icarus, elaborate_yosys, lint};
pub use toolchain::{MINIMUM_VERILATOR, Toolchain, VerilatorVersion};
