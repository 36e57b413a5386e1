//! Tests of the generic co-simulation with a real Verilator and compiler.
//!
//! A missing tool fails them, with the line that installs it; they are never skipped.
//! The cache is kept in cargo's directory for test files, so that Verilator's runtime is compiled
//! once and not in every run.

mod build;
mod coverage;
mod icarus;
mod model;
mod source;
mod stop;
mod tools;
mod trace;

use std::path::PathBuf;

use heartbit_cosim::{Build, Design, Error, Model, Optimization, Port, Toolchain};

/// The tools, or a failure that says how to install them.
#[track_caller]
fn toolchain() -> Toolchain {
    Toolchain::detect().unwrap_or_else(|error| fail(&error))
}

/// Fails the test with everything the error has to say.
#[track_caller]
fn fail(error: &Error) -> ! {
    panic!(
        "{error}\n{}\nhelp: {}",
        error.details().unwrap_or_default(),
        error.help().unwrap_or_default()
    )
}

fn cache_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cosim-cache")
}

fn build(design: Design) -> Build {
    Build::new(design).optimization(Optimization::O0).cache_dir(cache_dir())
}

#[track_caller]
fn model(design: Design) -> Model {
    build(design).model(&toolchain()).unwrap_or_else(|error| fail(&error))
}

/// A counter that adds `step`; `text` is put behind its last statement.
fn counter(text: &str) -> Design {
    let verilog = format!(
        "module counter(input clk, input [7:0] step, output reg [15:0] count);\n\
         initial count = 0;\n\
         always @(posedge clk) begin\n\
         count <= count + {{8'd0, step}};\n\
         {text}\n\
         end\n\
         endmodule\n"
    );
    Design::new("counter")
        .file("counter.v", verilog)
        .port(Port::input("clk", 1))
        .port(Port::input("step", 8))
        .port(Port::output("count", 16))
}
