//! FPGA families: their cells, the synthesis command, and the shapes of their block memories.

use heartbit_ir::program::ArrayConfig;
use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;

/// A family of FPGAs whose area is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Lattice iCE40 (HX, LP, UP).
    Ice40,
    /// Lattice ECP5.
    Ecp5,
    /// Gowin GW1N and GW2A.
    Gowin,
    /// Xilinx 7 series.
    Xc7,
}

/// What a cell of a netlist is, with how many basic units it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Nothing that is counted: constants, wide multiplexers beside look-up tables, carry chains
    /// that lie beside the tables they use.
    Free,
    /// Look-up tables.
    Lut(u64),
    /// Look-up tables within a carry cell.
    Carry(u64),
    /// Look-up tables used as memory or shift register.
    LutRam(u64),
    /// A flip-flop.
    Ff,
    /// Block memories of the family's unit.
    Bram(u64),
    /// Multipliers.
    Dsp(u64),
}

/// Cells of a module or of an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    /// Look-up tables for logic.
    pub lut: u64,
    /// Look-up tables within carry cells.
    pub carry: u64,
    /// Look-up tables used as memory.
    pub lut_ram: u64,
    /// Flip-flops.
    pub ff: u64,
    /// Flip-flops that share no logic cell with a look-up table.
    pub lone_ff: u64,
    /// Block memories.
    pub bram: u64,
    /// Multipliers.
    pub dsp: u64,
}

impl AddAssign for Cells {
    fn add_assign(&mut self, other: Self) {
        self.lut += other.lut;
        self.carry += other.carry;
        self.lut_ram += other.lut_ram;
        self.ff += other.ff;
        self.lone_ff += other.lone_ff;
        self.bram += other.bram;
        self.dsp += other.dsp;
    }
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ice40, Self::Ecp5, Self::Gowin, Self::Xc7];

    /// The name on the command line and in board files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ice40 => "ice40",
            Self::Ecp5 => "ecp5",
            Self::Gowin => "gowin",
            Self::Xc7 => "xc7",
        }
    }

    /// The yosys command to which the model is fitted; `flatten` across the borders of modules.
    pub fn command(self, flatten: bool) -> &'static str {
        match (self, flatten) {
            (Self::Ice40, true) => "synth_ice40",
            (Self::Ice40, false) => "synth_ice40 -noflatten",
            (Self::Ecp5, true) => "synth_ecp5 -nowidelut",
            (Self::Ecp5, false) => "synth_ecp5 -nowidelut -noflatten",
            (Self::Gowin, true) => "synth_gowin -nowidelut -noiopads",
            (Self::Gowin, false) => "synth_gowin -nowidelut -noiopads -noflatten",
            (Self::Xc7, true) => "synth_xilinx -family xc7 -noiopad -noclkbuf -flatten",
            (Self::Xc7, false) => "synth_xilinx -family xc7 -noiopad -noclkbuf",
        }
    }

    /// What the look-up tables, or the cells that hold one, are called.
    pub fn logic_unit(self) -> &'static str {
        match self {
            Self::Ice40 => "logic cells",
            Self::Ecp5 | Self::Gowin => "LUT4",
            Self::Xc7 => "LUT6",
        }
    }

    /// The block memory that is counted.
    pub fn bram_unit(self) -> &'static str {
        match self {
            Self::Ice40 => "SB_RAM40 (4 kbit)",
            Self::Ecp5 => "DP16KD (18 kbit)",
            Self::Gowin => "BSRAM (18 kbit)",
            Self::Xc7 => "RAMB18 (18 kbit)",
        }
    }

    /// The cells of a netlist in units of [`logic_unit`](Self::logic_unit).
    ///
    /// On iCE40 a flip-flop lies in the cell of the table that feeds it, or takes one of its own.
    pub fn logic(self, cells: &Cells) -> u64 {
        let alone = if self == Self::Ice40 { cells.lone_ff } else { 0 };
        cells.lut + cells.carry + cells.lut_ram + alone
    }

    /// Bits that a block memory holds at most.
    pub(crate) fn bram_bits(self) -> u64 {
        if self == Self::Ice40 { 4 << 10 } else { 18 << 10 }
    }

    /// Multipliers of an array: those of the columns' `mul · z`, and of the nonlinearity where the
    /// array is extended.
    pub fn multipliers(self, array: &ArrayConfig) -> u64 {
        let cols = array.cols as u64;
        let bits_of_z = array.acc_bits + 1;
        let slope = u64::from(array.extended);
        match self {
            Self::Ice40 | Self::Gowin => 0,
            // One of 18 x 18 bits, a second from 20 bits on; the slope's product has 23 bits.
            Self::Ecp5 => cols * (1 + u64::from(bits_of_z > 19) + 2 * slope),
            // One of 25 x 18 bits; yosys makes the slope's of tables.
            Self::Xc7 => cols * (1 + u64::from(bits_of_z > 25)),
        }
    }

    /// What a cell of the netlist is; `None` if the family has none of this name.
    pub fn cell(self, name: &str) -> Option<CellKind> {
        match self {
            Self::Ice40 => ice40(name),
            Self::Ecp5 => ecp5(name),
            Self::Gowin => gowin(name),
            Self::Xc7 => xc7(name),
        }
    }
}

/// A carry cell lies beside the table of its sum.
fn ice40(name: &str) -> Option<CellKind> {
    Some(match name {
        "SB_LUT4" => CellKind::Lut(1),
        "SB_CARRY" => CellKind::Free,
        "SB_RAM40_4K" => CellKind::Bram(1),
        "SB_MAC16" => CellKind::Dsp(1),
        _ if name.starts_with("SB_DFF") => CellKind::Ff,
        _ if name.starts_with("SB_RAM40_4K") => CellKind::Bram(1),
        _ => return None,
    })
}

/// A distributed memory takes four tables for its bits and two for its write port.
fn ecp5(name: &str) -> Option<CellKind> {
    Some(match name {
        "LUT4" => CellKind::Lut(1),
        "CCU2C" => CellKind::Carry(2),
        "PFUMX" | "L6MUX21" => CellKind::Free,
        "TRELLIS_DPR16X4" => CellKind::LutRam(6),
        "TRELLIS_FF" => CellKind::Ff,
        "DP16KD" | "PDPW16KD" => CellKind::Bram(1),
        "MULT18X18D" => CellKind::Dsp(1),
        _ => return None,
    })
}

fn gowin(name: &str) -> Option<CellKind> {
    Some(match name {
        "LUT1" | "LUT2" | "LUT3" | "LUT4" => CellKind::Lut(1),
        "ALU" => CellKind::Carry(1),
        "GND" | "VCC" => CellKind::Free,
        _ if name.starts_with("MUX2_LUT") => CellKind::Free,
        _ if name.starts_with("RAM16") => CellKind::LutRam(6),
        _ if name.starts_with("DFF") => CellKind::Ff,
        _ if ["DP", "SDP", "SP", "pROM"].iter().any(|p| name.starts_with(p)) => CellKind::Bram(1),
        _ => return None,
    })
}

/// A carry cell lies beside the tables of its sums. The unit of block memory is 18 kbit.
fn xc7(name: &str) -> Option<CellKind> {
    Some(match name {
        "LUT1" | "LUT2" | "LUT3" | "LUT4" | "LUT5" | "LUT6" => CellKind::Lut(1),
        "CARRY4" | "MUXF7" | "MUXF8" | "INV" => CellKind::Free,
        "SRL16E" | "SRLC32E" | "SRLC16E" => CellKind::LutRam(1),
        "RAM32X1D" | "RAM64X1D" => CellKind::LutRam(2),
        "RAM32M" | "RAM64M" | "RAM128X1D" => CellKind::LutRam(4),
        "FDRE" | "FDSE" | "FDCE" | "FDPE" => CellKind::Ff,
        "RAMB18E1" => CellKind::Bram(1),
        "RAMB36E1" => CellKind::Bram(2),
        "DSP48E1" => CellKind::Dsp(1),
        _ => return None,
    })
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no family.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no family: ice40, ecp5, gowin or xc7")]
pub struct ParseFamilyError(String);

impl FromStr for Family {
    type Err = ParseFamilyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|family| family.name() == text);
        found.ok_or_else(|| ParseFamilyError(text.to_owned()))
    }
}
