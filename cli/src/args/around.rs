//! The flags of what surrounds the accelerator.

use super::UartArgs;
use clap::{Args, ValueEnum};
use heartbit_hdl::axi::AxiConfig;

/// What surrounds the accelerator, nothing unless given.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct AroundArgs {
    /// Puts the accelerator behind AXI, with a memory port of so many bits. `compile` also writes
    /// `rtl/heartbit_axi.v`, and for its host the program as one file, streamed weights as another, and
    /// the registers for C and Rust (`host/`).
    #[arg(
        long, value_enum, value_name = "BITS", num_args = 0..=1, require_equals = true,
        default_missing_value = "64"
    )]
    pub(crate) axi: Option<AxiBits>,
    #[command(flatten)]
    pub(crate) uart: UartArgs,
}

/// Bits of the memory port behind AXI.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AxiBits {
    /// 32 bits.
    #[value(name = "32")]
    Bits32,
    /// 64 bits.
    #[value(name = "64")]
    Bits64,
}

impl AxiBits {
    /// The port that has so many.
    pub(crate) fn config(self) -> AxiConfig {
        let data_bits = match self {
            AxiBits::Bits32 => 32,
            AxiBits::Bits64 => 64,
        };
        AxiConfig { data_bits, ..AxiConfig::default() }
    }
}
