//! Co-simulation: compile a Verilog design to a shared object, load it, run it, trace it; or run it
//! under Icarus Verilog, which knows X.
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
//! [`Icarus`] runs the same files as a process of its own and finds what is not known after a reset;
//! what both can do is [`Simulation`].
//!
//! [`Accelerator`] drives the accelerator through its ports and observes every layer.
//! [`Serial`] is the other end of a serial line.
//! [`Waveform`] reads a waveform back, [`PeSignals`] knows the signals around a processing element,
//! and [`SaveFile`] opens GTKWave and Surfer on them.
//!
//! Not here: what is behind the ports, and the judgement whether a result is right.
//!
//! # Examples
//! ```
//! use heartbit_cosim::{Build, Design, Optimization, Port, Simulation, Toolchain};
//!
//! let text = "module counter(input clk, input [7:0] step, output reg [7:0] count);\n\
//!             initial count = 0;\n\
//!             always @(posedge clk) count <= count + step;\n\
//!             endmodule\n";
//! let design = Design::new("counter")
//!     .file("counter.v", text)
//!     .port(Port::input("clk", 1))
//!     .port(Port::input("step", 8))
//!     .port(Port::output("count", 8));
//! let build = Build::new(design).optimization(Optimization::O0);
//! # let build = build.cache_dir(std::env::temp_dir().join("heartbit-cosim-doc"));
//! let mut model = build.model(&Toolchain::detect()?)?;
//! let (step, count) = (model.port("step")?, model.port("count")?);
//! model.set(step, 3);
//! model.run(5)?;
//! assert_eq!(model.get(count), 15);
//! # Ok::<(), heartbit_cosim::Error>(())
//! ```

mod accelerator;
mod build;
mod cache;
mod coverage;
mod design;
mod error;
mod ffi;
mod header;
mod icarus;
mod lint;
mod model;
mod process;
mod save;
mod serial;
mod signals;
mod simulation;
mod toolchain;
mod watch;
mod waveform;

pub use accelerator::{
    Accelerator, Beginning, LoadTarget, LoadWord, Windowed, accelerator_design, axi_design,
    mutant_design, uart_design,
};
pub use build::{Build, Compiled, Initial, Optimization, Trace};
pub use coverage::{Coverage, Hole, ModuleCoverage};
pub use design::{Design, Direction, Port};
pub use error::Error;
pub use icarus::{Icarus, IcarusModel};
pub use lint::{elaborate_icarus, elaborate_yosys, lint};
pub use model::{Model, Status};
pub use save::{Group, Radix, SaveFile, Shown};
pub use serial::Serial;
pub use signals::{PeCycles, PeSignals, output_groups};
pub use simulation::{PortId, RunEnd, Simulation, Source};
pub use toolchain::{MINIMUM_VERILATOR, Toolchain, VerilatorVersion};
pub use watch::{Qualified, Watch};
pub use waveform::{Samples, Waveform, time_of};
