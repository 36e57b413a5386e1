//! Board files: what an FPGA board has, for the choice of an array and for a design on its pins.
//!
//! A file holds the device, capacities in the units of the resource model, the pins that a design
//! with a UART link needs, the clock and the limits of the PLL, the tools, and where each fact is
//! from. All problems of a file are reported at once, each with its line; docs/adding-a-board.md
//! has the fields. The files of `boards/data` are built in.
//!
//! Not here: the text of a file ([`file`]), its rules (`check`).

mod check;
mod file;
mod quantity;

use heartbit_compiler::resources::Family;
use heartbit_compiler::search::fit::Capacity;
use std::fmt;
use std::path::{Path, PathBuf};

/// A board.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// The name on the command line: that of its file.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Address of the board's documentation.
    pub documentation: String,
    /// The FPGA, as its vendor writes it.
    pub device: String,
    /// Its family, as the file names it.
    pub family: String,
    /// The family of the resource model; `None` where there is no model.
    pub model: Option<Family>,
    /// The device as the open tools name it; `None` on boards for the vendor's tool.
    pub part: Option<String>,
    /// Package.
    pub package: String,
    /// Speed grade; `None` where the device has one only.
    pub speed: Option<String>,
    /// Which tools place and route.
    pub flow: Flow,
    /// Format of the constraints.
    pub constraints: ConstraintsFormat,
    /// The clock that is assumed for the array, in MHz.
    pub clock_mhz: f64,
    /// Clock input.
    pub clock: ClockInput,
    /// The PLL behind it; without one the array runs at the clock of the board.
    pub pll: Option<PllLimits>,
    /// Reset button.
    pub reset: Option<ActivePin>,
    /// What the FPGA receives on.
    pub uart_rx: Pin,
    /// What the FPGA sends on.
    pub uart_tx: Pin,
    /// LEDs, in the order of [`STATUS`].
    pub leds: [Option<ActivePin>; 4],
    /// Memories beside the FPGA.
    pub memories: Vec<Memory>,
    /// Capacities.
    pub capacity: Capacity,
    /// Where the facts are from.
    pub source: Sources,
}

/// The bits of the link's `status`, from bit 0.
pub const STATUS: [&str; 4] = ["ready", "busy", "error", "heartbeat"];

/// Which tools place and route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// yosys and nextpnr.
    Open,
    /// The vendor's tool, for which a project is written.
    Vendor,
}

impl Flow {
    /// The name in board files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Vendor => "vendor",
        }
    }
}

/// Format of the constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintsFormat {
    /// nextpnr-ice40.
    Pcf,
    /// nextpnr-ecp5.
    Lpf,
    /// nextpnr for Gowin.
    Cst,
    /// Vivado.
    Xdc,
    /// Quartus.
    Qsf,
}

impl ConstraintsFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pcf, Self::Lpf, Self::Cst, Self::Xdc, Self::Qsf];

    /// The name in board files, which is the extension, too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcf => "pcf",
            Self::Lpf => "lpf",
            Self::Cst => "cst",
            Self::Xdc => "xdc",
            Self::Qsf => "qsf",
        }
    }
}

/// A pin of the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its name.
    pub site: String,
    /// The IO standard, as the tools name it.
    pub standard: String,
}

/// A pin with its polarity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivePin {
    /// The pin.
    pub pin: Pin,
    /// Whether a low level is pressed, or lit.
    pub active_low: bool,
}

/// The clock input.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockInput {
    /// The pin.
    pub pin: Pin,
    /// Frequency in MHz.
    pub mhz: f64,
}

/// A PLL, and between which frequencies it works.
#[derive(Clone, Debug, PartialEq)]
pub struct PllLimits {
    /// Which cell it is.
    pub primitive: Primitive,
    /// Parameter `DEVICE` of the cell, where it has one.
    pub device: Option<String>,
    /// Phase detector, in MHz.
    pub pfd_mhz: [f64; 2],
    /// Oscillator, in MHz.
    pub vco_mhz: [f64; 2],
    /// Output, in MHz.
    pub out_mhz: [f64; 2],
}

/// The cell of a PLL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primitive {
    /// iCE40, at a pin of its own.
    Ice40Pad,
    /// iCE40, from the fabric.
    Ice40Core,
    /// ECP5.
    Ecp5,
    /// Gowin.
    Gowin,
    /// Xilinx 7 series.
    Xc7,
    /// Xilinx `UltraScale+`.
    Xcup,
    /// Intel Cyclone V.
    Cyclone5,
}

impl Primitive {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Ice40Pad,
        Self::Ice40Core,
        Self::Ecp5,
        Self::Gowin,
        Self::Xc7,
        Self::Xcup,
        Self::Cyclone5,
    ];

    /// Name of the cell.
    pub fn cell(self) -> &'static str {
        match self {
            Self::Ice40Pad => "SB_PLL40_PAD",
            Self::Ice40Core => "SB_PLL40_CORE",
            Self::Ecp5 => "EHXPLLL",
            Self::Gowin => "rPLL",
            Self::Xc7 => "PLLE2_BASE",
            Self::Xcup => "MMCME4_BASE",
            Self::Cyclone5 => "altera_pll",
        }
    }

    fn family(self) -> &'static str {
        match self {
            Self::Ice40Pad | Self::Ice40Core => "ice40",
            Self::Ecp5 => "ecp5",
            Self::Gowin => "gowin",
            Self::Xc7 => "xc7",
            Self::Xcup => "xcup",
            Self::Cyclone5 => "cyclone5",
        }
    }
}

/// A memory beside the FPGA.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// Kind, for example `SDRAM`.
    pub kind: String,
    /// Part, or where it is.
    pub part: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Data lines.
    pub width_bits: u64,
}

/// Where the facts of a board are from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Sources {
    /// Capacities.
    pub capacity: String,
    /// The clock that is assumed for the array.
    pub clock: String,
    /// Pins, IO standards, and the frequency at the clock pin.
    pub pins: String,
    /// Limits of the PLL.
    pub pll: Option<String>,
    /// Memories.
    pub memory: Option<String>,
}

/// Names and texts of the built-in boards, by name.
const BOARDS: [(&str, &str); 13] = [
    ("arty-a7-100", include_str!("../data/arty-a7-100.toml")),
    ("arty-a7-35", include_str!("../data/arty-a7-35.toml")),
    ("colorlight-i5", include_str!("../data/colorlight-i5.toml")),
    ("de10-nano", include_str!("../data/de10-nano.toml")),
    ("hx8k", include_str!("../data/hx8k.toml")),
    ("icebreaker", include_str!("../data/icebreaker.toml")),
    ("kv260", include_str!("../data/kv260.toml")),
    ("orangecrab-25f", include_str!("../data/orangecrab-25f.toml")),
    ("pynq-z2", include_str!("../data/pynq-z2.toml")),
    ("tang-nano-20k", include_str!("../data/tang-nano-20k.toml")),
    ("tang-nano-9k", include_str!("../data/tang-nano-9k.toml")),
    ("ulx3s-25f", include_str!("../data/ulx3s-25f.toml")),
    ("ulx3s-85f", include_str!("../data/ulx3s-85f.toml")),
];

/// Why there is no such board.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoardError {
    /// No built-in board has the name.
    #[error("there is no board `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The file cannot be read.
    #[error("cannot read the board file `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// The file breaks rules.
    #[error("the board file `{file}` is not valid: {}",
        .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// The file.
        file: String,
        /// All problems, by line.
        problems: Vec<Problem>,
    },
}

/// A rule that a board file breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The rule.
    pub rule: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.rule)
    }
}

/// All built-in boards, by name.
pub fn boards() -> Vec<Board> {
    let read = |(name, text): (&str, &str)| {
        parse(name, name, text).expect("bug: a built-in board file is not valid")
    };
    BOARDS.into_iter().map(read).collect()
}

impl Board {
    /// The built-in board of a name, or that of a file whose name ends in `.toml`.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn find(name: &str) -> Result<Self, BoardError> {
        let path = Path::new(name);
        if path.extension().is_some_and(|extension| extension == "toml") {
            return Self::read(path);
        }
        boards()
            .into_iter()
            .find(|board| board.name == name)
            .ok_or_else(|| BoardError::Unknown { name: name.to_owned() })
    }

    /// The board of a file, whatever the file is called.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn read(path: &Path) -> Result<Self, BoardError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| BoardError::Io { path: path.to_owned(), source })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        parse(&stem, &path.to_string_lossy(), &text)
    }
}

fn parse(name: &str, file: &str, text: &str) -> Result<Board, BoardError> {
    let invalid = |problems| BoardError::Invalid { file: file.to_owned(), problems };
    let read: file::File = toml::from_str(text).map_err(|error| {
        let line = check::line(text, error.span().map_or(0, |span| span.start));
        invalid(vec![Problem { line, rule: error.message().to_owned() }])
    })?;
    check::board(name, text, read).map_err(invalid)
}

#[cfg(test)]
mod tests;
