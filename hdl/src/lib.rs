//! The accelerator in RustHDL and its Verilog.
