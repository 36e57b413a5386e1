//! Synthesis of a design with yosys, for its area: what the resource model is fitted to.
//!
//! The top is a wrapper that leaves the monitor ports open, as a board's would. The commands are
//! those of [`Family::command`](heartbit_compiler::resources::Family::command), without pads; there
//! is no placement.
//!
//! Not here: the model (`compiler::resources`), bitstreams.

use heartbit_compiler::resources::{CellKind, Cells, Design, Family, Wrapper};
use heartbit_hdl::axi::{AxiConfig, heartbit_axi};
use heartbit_hdl::uart::{UartConfig, heartbit_uart};
use heartbit_hdl::{Direction, Module, accelerator, emit};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Name of what is around the top module.
const TOP: &str = "area";
/// Name of the accelerator.
const CORE: &str = "heartbit";
/// Clock and speed of the serial link; what it takes depends on them by a few bits of counters.
const UART: (u32, u32) = (50_000_000, 1_000_000);

/// Which part of a design is synthesised, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// All of it, across the borders of modules.
    Whole,
    /// All of it, each module alone.
    Modules,
    /// What is around the accelerator.
    Wrapper,
}

/// Why an array has no measured area.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SynthesisError {
    /// yosys does not start.
    #[error("cannot start yosys: run `apt-get install yosys`")]
    ToolMissing(#[source] std::io::Error),
    /// yosys is not content.
    #[error("yosys failed: {0}")]
    ToolFailed(String),
    /// A file of the scratch directory.
    #[error("cannot use `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// The netlist is not what this program knows.
    #[error("the netlist of yosys is not understood")]
    Netlist(#[from] serde_json::Error),
    /// A cell that the family's table lacks.
    #[error("{family} has no cell `{cell}` in heartbit's table")]
    UnknownCell {
        /// The family.
        family: Family,
        /// The type of the cell.
        cell: String,
    },
}

/// Cells of one kind of module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleCells {
    /// Name of the module.
    pub module: String,
    /// How often it is in the array.
    pub instances: u64,
    /// Cells of one of them, without those of modules inside it.
    pub cells: Cells,
}

/// Synthesises a design as a whole, across the borders of its modules.
///
/// # Errors
/// [`SynthesisError`].
pub fn whole(family: Family, design: &Design) -> Result<Cells, SynthesisError> {
    synthesise(family, design, Scope::Whole)?.cells_of(family, TOP)
}

/// Synthesises what is around an accelerator, across the borders of its modules, without the
/// accelerator.
///
/// # Errors
/// [`SynthesisError`].
pub fn wrapper(family: Family, design: &Design) -> Result<Cells, SynthesisError> {
    synthesise(family, design, Scope::Wrapper)?.cells_of(family, TOP)
}

/// Synthesises a design module by module.
///
/// # Errors
/// [`SynthesisError`].
pub fn by_module(family: Family, design: &Design) -> Result<Vec<ModuleCells>, SynthesisError> {
    let netlist = synthesise(family, design, Scope::Modules)?;
    netlist
        .instances(TOP)
        .into_iter()
        .map(|(module, instances)| {
            let cells = netlist.cells_of(family, &module)?;
            Ok(ModuleCells { module, instances, cells })
        })
        .collect()
}

fn synthesise(family: Family, design: &Design, scope: Scope) -> Result<Netlist, SynthesisError> {
    let here = std::env::temp_dir();
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| SynthesisError::Io { path, source }
    };
    let directory = tempfile::Builder::new().prefix("heartbit-").tempdir().map_err(io(&here))?;
    write_design(directory.path(), design)?;
    let without = if scope == Scope::Wrapper { format!("blackbox {CORE};") } else { String::new() };
    let script = format!(
        "read_verilog *.v; {without} {} -top {TOP}; write_json netlist.json",
        family.command(scope != Scope::Modules)
    );
    let output = Command::new("yosys")
        .args(["-q", "-p", &script])
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .output()
        .map_err(SynthesisError::ToolMissing)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(SynthesisError::ToolFailed(text.trim().to_owned()));
    }
    let path = directory.path().join("netlist.json");
    let text = std::fs::read(&path).map_err(io(&path))?;
    Ok(serde_json::from_slice(&text)?)
}

/// Describes a design.
fn describe(design: &Design) -> Module {
    let Design { array, depths, wrapper } = design;
    let axi = |data_bits| AxiConfig { data_bits, ..AxiConfig::default() };
    match wrapper {
        Wrapper::None => accelerator(array, depths),
        Wrapper::Uart => {
            let config = UartConfig::new(UART.0, UART.1).expect("bug: a slow line");
            heartbit_uart(array, depths, config)
        }
        Wrapper::Axi32 => heartbit_axi(array, depths, axi(32)),
        Wrapper::Axi64 => heartbit_axi(array, depths, axi(64)),
    }
}

/// Writes the Verilog of a design, and what leaves its monitor open around it.
fn write_design(directory: &Path, design: &Design) -> Result<(), SynthesisError> {
    let write = |name: &str, text: &str| {
        let path = directory.join(format!("{name}.v"));
        std::fs::write(&path, text).map_err(|source| SynthesisError::Io { path, source })
    };
    let top = describe(design);
    for file in emit(&top) {
        write(&file.name, &file.text)?;
    }
    let (mut ports, mut connections) = (Vec::new(), Vec::new());
    for port in top.ports() {
        if port.name.starts_with("mon_") {
            continue;
        }
        let direction = match port.direction {
            Direction::Input => "input",
            Direction::Output => "output",
        };
        ports.push(format!("  {direction} wire [{}:0] {}", port.width - 1, port.name));
        connections.push(format!("    .{0}({0})", port.name));
    }
    let mut text = String::new();
    write!(
        text,
        "module {TOP} (\n{}\n);\n  {} array (\n{}\n  );\nendmodule\n",
        ports.join(",\n"),
        top.name(),
        connections.join(",\n")
    )
    .expect("bug: writing to a string");
    write(TOP, &text)
}

/// A netlist as yosys writes it, as far as it matters here.
#[derive(Deserialize)]
pub(crate) struct Netlist {
    modules: BTreeMap<String, NetlistModule>,
}

#[derive(Deserialize)]
struct NetlistModule {
    #[serde(default)]
    attributes: BTreeMap<String, serde_json::Value>,
    cells: BTreeMap<String, NetlistCell>,
}

/// A cell of a netlist.
#[derive(Deserialize)]
pub(crate) struct NetlistCell {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    parameters: BTreeMap<String, serde_json::Value>,
    connections: BTreeMap<String, Vec<Bit>>,
}

/// A net, or a constant.
#[derive(Deserialize)]
#[serde(untagged)]
enum Bit {
    Net(u64),
    Constant(serde::de::IgnoredAny),
}

impl NetlistCell {
    /// The name of the cell's kind.
    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    /// The bits of a memory that was not mapped.
    pub(crate) fn memory_bits(&self) -> Option<u64> {
        let number = |name: &str| u64::from_str_radix(self.parameters.get(name)?.as_str()?, 2).ok();
        if !self.kind.starts_with("$mem") {
            return None;
        }
        Some(number("WIDTH")? * number("SIZE")?)
    }
}

impl Netlist {
    /// A module and all in it, with how often they are there.
    pub(crate) fn instances(&self, module: &str) -> BTreeMap<String, u64> {
        let mut instances = BTreeMap::new();
        self.count_instances(module, 1, &mut instances);
        instances
    }

    /// Cells of a module that are no modules of the design.
    pub(crate) fn cells(&self, module: &str) -> impl Iterator<Item = &NetlistCell> {
        self.modules[module].cells.values().filter(|cell| !self.is_design(&cell.kind))
    }

    /// Adds the instances of a module and of all in it.
    fn count_instances(&self, module: &str, times: u64, counts: &mut BTreeMap<String, u64>) {
        *counts.entry(module.to_owned()).or_default() += times;
        let mut inside: BTreeMap<&str, u64> = BTreeMap::new();
        for cell in self.modules[module].cells.values() {
            if self.is_design(&cell.kind) {
                *inside.entry(&cell.kind).or_default() += 1;
            }
        }
        for (inner, n) in inside {
            self.count_instances(inner, times * n, counts);
        }
    }

    /// Whether this is a module of the design; the cells of the family are boxes.
    fn is_design(&self, kind: &str) -> bool {
        let is_box = |m: &NetlistModule| {
            ["blackbox", "whitebox"].iter().any(|name| m.attributes.contains_key(*name))
        };
        self.modules.get(kind).is_some_and(|module| !is_box(module))
    }

    fn cells_of(&self, family: Family, module: &str) -> Result<Cells, SynthesisError> {
        let mut cells = Cells::default();
        for cell in self.cells(module).filter(|cell| cell.kind != CORE) {
            let kind = family
                .cell(&cell.kind)
                .ok_or_else(|| SynthesisError::UnknownCell { family, cell: cell.kind.clone() })?;
            match kind {
                CellKind::Free => {}
                CellKind::Lut(n) => cells.lut += n,
                CellKind::Carry(n) => cells.carry += n,
                CellKind::LutRam(n) => cells.lut_ram += n,
                CellKind::Ff => cells.ff += 1,
                CellKind::Bram(n) => cells.bram += n,
                CellKind::Dsp(n) => cells.dsp += n,
            }
        }
        cells.lone_ff = self.modules[module].lone_ffs(family);
        Ok(cells)
    }
}

impl NetlistModule {
    /// Flip-flops whose input is not the output of a look-up table that feeds nothing else: where
    /// both share a logic cell, such a flip-flop takes a cell of its own.
    fn lone_ffs(&self, family: Family) -> u64 {
        let mut fan_out: BTreeMap<u64, u32> = BTreeMap::new();
        let mut from_lut: BTreeSet<u64> = BTreeSet::new();
        for cell in self.cells.values() {
            let lut = matches!(family.cell(&cell.kind), Some(CellKind::Lut(_)));
            for (port, bits) in &cell.connections {
                for bit in bits {
                    let Bit::Net(net) = bit else { continue };
                    if lut && port == "O" {
                        from_lut.insert(*net);
                    } else {
                        *fan_out.entry(*net).or_default() += 1;
                    }
                }
            }
        }
        let shares = |cell: &&NetlistCell| {
            let input = cell.connections.get("D").and_then(|bits| bits.first());
            matches!(input, Some(Bit::Net(net))
                if from_lut.contains(net) && fan_out.get(net) == Some(&1))
        };
        let ffs = || {
            let is_ff = |c: &&NetlistCell| matches!(family.cell(&c.kind), Some(CellKind::Ff));
            self.cells.values().filter(is_ff)
        };
        (ffs().count() - ffs().filter(shares).count()) as u64
    }
}
