//! The accelerator in RustHDL and its Verilog.
//!
//! A module is described once, as data ([`Builder`]), and three things are derived from it: plain
//! Verilog ([`emit`]), a fast native simulation ([`Simulator`]) and a RustHDL block
//! ([`RustHdlBlock`]). On this layer stand the accelerator's own modules, each a function that
//! returns a [`Module`]; [`axi`] puts a bus around them, [`uart`] a serial line, [`mutate`] breaks
//! them on purpose.

mod accelerator;
pub mod axi;
mod build;
pub mod mutate;
pub mod popcount;
mod rusthdl;
mod sim;
mod text;
pub mod uart;

pub use accelerator::{accelerator, array};
pub use build::{
    Builder, DescriptionError, Direction, Instance, MAX_WIDTH, Memory, Module, Operand, Port,
    Problem, Reg, Sig, Wire,
};
pub use rusthdl::{RustHdlBlock, WideSignal};
pub use sim::{PortId, Simulator};
pub use text::{Condition, State, StateMemory, StateRegister, VerilogFile, emit, state};

/// The low bits of a signed value, as a port of the tests takes it.
#[cfg(test)]
pub(crate) fn test_bits(value: i64, width: u32) -> u64 {
    value.cast_unsigned() & (u64::MAX >> (64 - width))
}

/// A port's bits as a signed value.
#[cfg(test)]
pub(crate) fn test_signed(value: u64, width: u32) -> i64 {
    (value << (64 - width)).cast_signed() >> (64 - width)
}

/// A step of splitmix64, the random numbers of the tests.
#[cfg(test)]
pub(crate) fn test_random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
