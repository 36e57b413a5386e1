//! The accelerator behind AXI: the top module `heartbit_axi`.
//!
//! It contains `heartbit` as it is and adds a control port, streams for images and results, and a
//! loader. docs/axi.md says what a host sees; the files of this folder say how it is done.
//!
//! ```text
//! s_axi ──> register_file ──────┬──────────> supervisor
//!                               v                │ kill
//! m_axi ──> reader ──> loader ─────> load port   v
//!                         └─> inspector     ┌──────────┐
//! s_axis ─────────────────────────> pixels ─> heartbit ├─> results ──> m_axis
//! m_axi ──> weight_reader ──────> weights ─>          │
//!                                           └──────────┘
//! ```
//!
//! `weights` is there with a weight ring only; it has `m_axi` whenever `loader` does not need it.
//!
//! | port       | meaning                                                                     |
//! | ---------- | --------------------------------------------------------------------------- |
//! | `clk`      | the clock of all ports (`ACLK`)                                             |
//! | `rst`      | synchronous reset, active high (the inverse of `ARESETn`)                   |
//! | `s_axi_*`  | AXI4-Lite: control and status, 32 bits                                      |
//! | `m_axi_*`  | AXI4, read channels: memory images, streamed weights; 32 or 64 bits         |
//! | `s_axis_*` | AXI4-Stream: a pixel a beat, 32 bits                                        |
//! | `m_axis_*` | AXI4-Stream: logits and class, 32 bits                                      |
//! | `irq`      | interrupt, a level                                                          |
//!
//! The monitor ports of the accelerator stay open and cost nothing.

mod host;
mod inspector;
mod lite;
mod loader;
mod memory_image;
mod pixels;
mod reader;
mod register_file;
pub mod registers;
mod results;
mod share;
mod supervisor;
mod top;
mod weight_image;
mod weights;
mod words;

use heartbit_ir::program::{ArrayConfig, MemoryDepths};

use crate::accelerator;
pub(crate) use crate::accelerator::bits_for;
use crate::build::{Builder, Direction, Instance, Module};
pub use host::{c_header, register_page, rust_module};
pub use memory_image::memory_image;
use registers::Needs;
pub use results::CUT;
pub use weight_image::{weight_image, weight_rate};

/// Sizes of the AXI4 port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxiConfig {
    /// Bits of data: 32 or 64.
    pub data_bits: u32,
    /// Bits of an address: 32 to 64.
    pub address_bits: u32,
}

impl Default for AxiConfig {
    fn default() -> Self {
        Self { data_bits: 64, address_bits: 32 }
    }
}

/// All that the wrapper depends on.
#[derive(Clone, Copy, Debug)]
struct Hardware {
    /// The AXI ports; none behind a serial line.
    axi: Option<AxiConfig>,
    array: ArrayConfig,
    depths: MemoryDepths,
}

/// Bits of a unit of a word that comes by registers alone.
const REGISTER_BITS: u32 = 32;
/// Bits of a unit of what is in memory.
const UNIT_BITS: u32 = 64;

/// Beats of a weight port of so many bits that a unit holds; a wider one takes several units.
fn beats_of_unit(port_bits: u32) -> u32 {
    (UNIT_BITS / port_bits).max(1)
}

fn small(n: usize) -> u32 {
    u32::try_from(n).expect("bug: sizes are small")
}

/// The words `CONFIG0` and `CONFIG1` of an array.
fn config_words(array: &ArrayConfig) -> [u32; 2] {
    [
        small(array.rows) | small(array.cols) << 16,
        small(array.lanes)
            | small(array.taps) << 16
            | small(array.lines) << 19
            | u32::from(array.extended) << 22
            | array.acc_bits << 24,
    ]
}

/// Units of so many bits that a word of each target takes.
fn units_of(array: &ArrayConfig, bits: u32) -> [u32; 4] {
    [1, 1, small(array.lanes).div_ceil(bits), small(array.parameter_bits()).div_ceil(bits)]
}

impl Hardware {
    /// The value of a constant register.
    fn constant(&self, name: &str) -> u32 {
        let depths = &self.depths;
        match name {
            "CONFIG0" => config_words(&self.array)[0],
            "CONFIG1" => config_words(&self.array)[1],
            "CONFIG2" => {
                let ports = self.axi.map_or(0, |axi| axi.data_bits | axi.address_bits << 8);
                ports | self.load_bits() << 16
            }
            "CONFIG3" => depths
                .ring
                .map_or(0, |ring| ring.words.trailing_zeros() | small(ring.port_cols) << 16),
            "DEPTH_PROGRAM" => small(depths.program),
            "DEPTH_STEP" => small(depths.step),
            "DEPTH_WEIGHT" => small(depths.weight),
            "DEPTH_PARAMETER" => small(depths.parameter),
            "DEPTH_IMAGE" => small(depths.image),
            "DEPTH_ACTIVATION" => small(depths.activation),
            "DEPTH_STREAM" => small(depths.stream),
            "DEPTH_LOGIT" => small(depths.logit),
            other => registers::register_named(other).reset,
        }
    }

    fn units(&self) -> [u32; 4] {
        units_of(&self.array, self.axi.map_or(REGISTER_BITS, |_| UNIT_BITS))
    }

    /// Whether it has a register.
    fn has(&self, register: &registers::Register) -> bool {
        match register.needs {
            Needs::Nothing => true,
            Needs::Ring => self.depths.ring.is_some(),
            Needs::Axi => self.axi.is_some(),
            Needs::Link => self.axi.is_none(),
        }
    }

    fn load_bits(&self) -> u32 {
        small(self.array.load_bits())
    }

    /// Indices and words of each target.
    fn places(&self) -> [(usize, usize); 4] {
        [
            (1, self.depths.program),
            (self.array.taps, self.depths.step),
            (self.array.cols, self.depths.weight),
            (self.array.cols, self.depths.parameter),
        ]
    }
}

/// Describes the accelerator of a configuration behind AXI, the module `heartbit_axi`.
///
/// # Panics
/// As [`accelerator`], and if the AXI4 port has other sizes than [`AxiConfig`] says.
pub fn heartbit_axi(array: &ArrayConfig, depths: &MemoryDepths, axi: AxiConfig) -> Module {
    let hardware = Hardware { axi: Some(axi), array: *array, depths: *depths };
    top::wrap(&accelerator(array, depths), &hardware)
}

/// Describes the accelerator with the registers and streams of [`heartbit_axi`], but for a master
/// inside the chip: the module `heartbit_host`. It has no memory port, so no weight ring.
pub(crate) fn heartbit_host(array: &ArrayConfig, depths: &MemoryDepths) -> Module {
    assert!(depths.ring.is_none(), "bug: nothing would feed the weight ring");
    let hardware = Hardware { axi: None, array: *array, depths: *depths };
    top::wrap(&accelerator(array, depths), &hardware)
}

/// Makes ports of the module of an instance, those whose names begin so, ports of this module.
fn pass_pins(m: &Builder, inst: Instance<'_>, module: &Module, prefix: &str) {
    for pin in module.ports().iter().filter(|pin| pin.name.starts_with(prefix)) {
        match pin.direction {
            Direction::Input => {
                inst.set(&pin.name, m.input(&pin.name, pin.width, ""));
            }
            Direction::Output => m.output(&pin.name, inst.out(&pin.name), ""),
        }
    }
}

#[cfg(test)]
mod tests;
