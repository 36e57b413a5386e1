//! Heartbit's crates without the command line: one short program for each use.
//!
//! | program | shows |
//! | --- | --- |
//! | `compile_network.rs` | a network becomes a program and a build directory, with the cycles of every layer |
//! | `simulate_images.rs` | your own images through interpreter, fast engine and cycle-exact simulator |
//! | `generate_array.rs` | the Verilog of the array of processing elements alone, for a design of your own |
//! | `drive_verilator.rs` | the emitted Verilog under Verilator, tensor by tensor |
//!
//! `cargo run --release --package heartbit-examples --example compile_network` runs one; `cargo test
//! --package heartbit-examples` runs them all.
//!
//! Here is only what they share.

use anyhow::Context;
use heartbit_ir::network::Network;

/// The network that Heartbit brings along: a binary `ResNet-20`, trained on CIFAR-10.
///
/// # Errors
/// If the file is damaged.
pub fn bundled_network() -> anyhow::Result<Network> {
    let bytes = include_bytes!("../../models/resnet20-cifar10.hbn");
    Network::from_bytes(bytes).context("models/resnet20-cifar10.hbn")
}
