//! What is around an array, as far as its area is concerned, and designs as lines of a table.

use super::Design;
use heartbit_ir::program::{ArrayConfig, MemoryDepths, WeightRing};
use serde::Serialize;

/// What is around an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wrapper {
    /// Nothing.
    None,
    /// The serial link.
    Uart,
    /// AXI with a memory port of 32 bits.
    Axi32,
    /// AXI with a memory port of 64 bits.
    Axi64,
}

impl Wrapper {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Uart, Self::Axi32, Self::Axi64];

    /// The name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Uart => "uart",
            Self::Axi32 => "axi32",
            Self::Axi64 => "axi64",
        }
    }

    /// The wrapper of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wrapper| wrapper.name() == name)
    }

    /// The module that all of it is counted as.
    pub fn module(self) -> &'static str {
        match self {
            Self::None => "heartbit",
            Self::Uart => "heartbit_uart",
            Self::Axi32 => "heartbit_axi32",
            Self::Axi64 => "heartbit_axi64",
        }
    }
}

impl Design {
    /// Fields of a design in a table.
    pub const FIELDS: usize = 18;

    /// A design from a line of a table: rows, columns, lanes, taps, lines, accumulator bits,
    /// extended (0, 1); words of image, activation, weight, parameter, stream, logit, step and
    /// program memories; words of the weight ring and columns of its port, both 0 without one; the
    /// wrapper. `None` if it is none.
    pub fn from_fields(fields: &[&str]) -> Option<Self> {
        let [numbers @ .., wrapper] = fields else { return None };
        let numbers: Vec<usize> =
            numbers.iter().map(|n| n.parse()).collect::<Result<_, _>>().ok()?;
        let numbers: &[usize; Self::FIELDS - 1] = numbers.as_slice().try_into().ok()?;
        let &[rows, cols, lanes, taps, lines, acc_bits, extended, depths @ ..] = numbers;
        let [image, activation, weight, parameter, stream, logit, step, program, words, port_cols] =
            depths;
        let ring = (words > 0).then_some(WeightRing { words, port_cols });
        let acc_bits = u32::try_from(acc_bits).ok()?;
        let extended = extended == 1;
        Some(Self {
            array: ArrayConfig { rows, cols, lanes, taps, lines, acc_bits, extended },
            depths: MemoryDepths {
                image,
                activation,
                weight,
                parameter,
                stream,
                logit,
                step,
                program,
                ring,
            },
            wrapper: Wrapper::from_name(wrapper)?,
        })
    }
}
