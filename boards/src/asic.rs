//! The area of the accelerator in standard cells, module by module, in gate equivalents.
//!
//! yosys maps each module by itself onto the flip-flops of a library, and abc the rest onto its
//! gates; nothing is optimised across borders of modules, so that each has a figure. A gate
//! equivalent is the area of the library's NAND with two inputs of the least strength, which makes
//! libraries of different sizes comparable. Memories are counted in bits and are no gates: a chip
//! has them as macros of their own.
//!
//! Not here: placement, wires, clock tree, timing, test logic; the area is that of cells alone.

use crate::pnr::{PnrError, Program, Progress, Step, Tools, execute, io_error};
use crate::synthesis::Netlist;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The top module.
pub const TOP: &str = "heartbit";
/// Names of the cell whose area is 1.
const NAND2: [&str; 4] = ["NAND2X1", "NAND2_X1", "nand2_1", "sky130_fd_sc_hd__nand2_1"];

/// A library of standard cells that a package of Debian has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Library {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// The package.
    pub package: &'static str,
    /// Its Liberty file.
    pub path: &'static str,
}

/// Libraries of known packages.
pub const LIBRARIES: [Library; 3] = [
    Library {
        name: "osu018",
        title: "OSU, 0.18 um",
        package: "qflow-tech-osu018",
        path: "/usr/share/qflow/tech/osu018/osu018_stdcells.lib",
    },
    Library {
        name: "osu035",
        title: "OSU, 0.35 um",
        package: "qflow-tech-osu035",
        path: "/usr/share/qflow/tech/osu035/osu035_stdcells.lib",
    },
    Library {
        name: "osu050",
        title: "OSU, 0.5 um",
        package: "qflow-tech-osu050",
        path: "/usr/share/qflow/tech/osu050/osu05_stdcells.lib",
    },
];

/// A module of the design.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModuleArea {
    /// Its name.
    pub module: String,
    /// How often it is in the accelerator.
    pub instances: u64,
    /// Cells of one of them, without those of modules inside it.
    pub cells: u64,
    /// Flip-flops among them.
    pub flip_flops: u64,
    /// Gate equivalents of these cells.
    pub gates: f64,
    /// Gate equivalents with all modules inside it.
    pub gates_with_inside: f64,
    /// Bits of memories in one of them, without those of modules inside it.
    pub memory_bits: u64,
}

/// The area of an accelerator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Areas {
    /// Area of a gate equivalent, in the library's unit, square micrometres as a rule.
    pub nand2_area: f64,
    /// All modules, by name.
    pub modules: Vec<ModuleArea>,
}

impl Areas {
    /// A module.
    pub fn module(&self, name: &str) -> Option<&ModuleArea> {
        self.modules.iter().find(|module| module.module == name)
    }

    /// Bits of all memories.
    pub fn memory_bits(&self) -> u64 {
        self.modules.iter().map(|m| m.instances * m.memory_bits).sum()
    }

    /// All flip-flops.
    pub fn flip_flops(&self) -> u64 {
        self.modules.iter().map(|m| m.instances * m.flip_flops).sum()
    }
}

/// Why there is no area.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AsicError {
    /// The Liberty file is not there.
    #[error("there is no library `{path}`")]
    LibraryMissing {
        /// The file.
        path: PathBuf,
        /// The package that has it, if it is a known one.
        package: Option<&'static str>,
    },
    /// The Liberty file is not one.
    #[error("`{path}` is no library of standard cells: {reason}")]
    Library {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// yosys.
    #[error(transparent)]
    Tool(#[from] PnrError),
    /// The netlist is not what this program knows.
    #[error("the netlist of yosys is not understood: {0}")]
    Netlist(String),
}

/// Synthesises the accelerator of Verilog files in `rtl`; log and netlist are left in `folder`.
///
/// # Errors
/// [`AsicError`].
pub fn areas(
    rtl: &[PathBuf],
    liberty: &Path,
    folder: &Path,
    tools: &Tools,
    progress: &mut Progress<'_>,
) -> Result<Areas, AsicError> {
    let cells = Cells::read(liberty)?;
    std::fs::create_dir_all(folder).map_err(io_error(folder))?;
    let quoted = |path: &Path| format!("\"{}\"", path.display());
    let files: Vec<_> = rtl.iter().map(|path| quoted(path)).collect();
    // The steps of `synth`, but that memories stay whole.
    let script = format!(
        "read_verilog {files}; synth -top {TOP} -run begin:fine; opt -fast -full; \
         opt -undriven -fine; techmap; opt -fast; dfflibmap -liberty {liberty}; \
         abc -liberty {liberty}; opt_clean -purge; write_json netlist.json",
        files = files.join(" "),
        liberty = quoted(liberty),
    );
    let arguments = ["-p".to_owned(), script];
    execute(Step::Synthesis, &tools.find(Program::YOSYS)?, &arguments, folder, progress)?;
    let path = folder.join("netlist.json");
    let text = std::fs::read(&path).map_err(io_error(&path))?;
    let netlist: Netlist =
        serde_json::from_slice(&text).map_err(|error| AsicError::Netlist(error.to_string()))?;
    cells.areas(&netlist)
}

/// Areas of the cells of a library.
struct Cells {
    areas: BTreeMap<String, f64>,
    nand2: f64,
}

impl Cells {
    fn read(liberty: &Path) -> Result<Self, AsicError> {
        let text = std::fs::read_to_string(liberty).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                AsicError::LibraryMissing { path: liberty.to_owned(), package: package_of(liberty) }
            }
            _ => PnrError::Io { path: liberty.to_owned(), source: error }.into(),
        })?;
        let wrong = |reason: &str| AsicError::Library {
            path: liberty.to_owned(),
            reason: reason.to_owned(),
        };
        let areas = cell_areas(&text);
        if areas.is_empty() {
            return Err(wrong("it has no cell with an area"));
        }
        let nand2 = NAND2.iter().find_map(|name| areas.get(*name)).copied();
        let nand2 = nand2.filter(|area| *area > 0.0).ok_or_else(|| {
            wrong(&format!("it has no NAND of two inputs by one of the names {}", NAND2.join(", ")))
        })?;
        Ok(Self { areas, nand2 })
    }

    fn areas(&self, netlist: &Netlist) -> Result<Areas, AsicError> {
        let instances = netlist.instances(TOP);
        let mut modules = Vec::new();
        for (module, &instances) in &instances {
            let mut area = ModuleArea { instances, ..self.module(netlist, module)? };
            area.gates_with_inside = self.with_inside(netlist, module)?;
            modules.push(area);
        }
        Ok(Areas { nand2_area: self.nand2, modules })
    }

    /// What is in a module itself.
    fn module(&self, netlist: &Netlist, module: &str) -> Result<ModuleArea, AsicError> {
        let mut found = ModuleArea {
            module: module.to_owned(),
            instances: 0,
            cells: 0,
            flip_flops: 0,
            gates: 0.0,
            gates_with_inside: 0.0,
            memory_bits: 0,
        };
        for cell in netlist.cells(module) {
            if let Some(bits) = cell.memory_bits() {
                found.memory_bits += bits;
                continue;
            }
            let kind = cell.kind();
            let area = self.areas.get(kind).ok_or_else(|| {
                AsicError::Netlist(format!("cell `{kind}` in `{module}` is not of the library"))
            })?;
            found.cells += 1;
            found.flip_flops += u64::from(kind.to_ascii_uppercase().contains("DFF"));
            found.gates += area / self.nand2;
        }
        Ok(found)
    }

    fn with_inside(&self, netlist: &Netlist, module: &str) -> Result<f64, AsicError> {
        let mut all = 0.0;
        for (inner, times) in netlist.instances(module) {
            #[expect(clippy::cast_precision_loss, reason = "instances are few")]
            let times = times as f64;
            all += times * self.module(netlist, &inner)?.gates;
        }
        Ok(all)
    }
}

fn package_of(liberty: &Path) -> Option<&'static str> {
    LIBRARIES.iter().find(|l| Path::new(l.path) == liberty).map(|l| l.package)
}

/// The area of each cell of a Liberty file: `cell (NAME) { ... area : NUMBER; ... }`.
fn cell_areas(text: &str) -> BTreeMap<String, f64> {
    let mut areas = BTreeMap::new();
    let mut cell = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("cell").map(str::trim_start) {
            let name = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
            cell = name.map(|(name, _)| name.trim().trim_matches('"').to_owned()).or(cell);
        } else if let Some(rest) = line.strip_prefix("area").map(str::trim_start)
            && let Some(value) = rest.strip_prefix(':')
            && let Ok(area) = value.trim().trim_end_matches(';').trim().parse()
            && let Some(name) = cell.take()
        {
            areas.insert(name, area);
        }
    }
    areas
}

#[cfg(test)]
mod tests {
    use super::{AsicError, Cells, LIBRARIES, cell_areas};
    use std::path::Path;

    #[test]
    fn areas_are_those_of_the_cells() {
        let text = "library (x) {\n  area : 5;\n  cell (NAND2X1) {\n    cell_footprint : \"n\";\n    \
                    area : 24;\n    pin(A) { capacitance : 1; }\n  }\n  cell(\"INVX1\") {\n  \
                    area: 16.5 ;\n  }\n}\n";
        let areas = cell_areas(text);
        let expected = [("INVX1", 16.5), ("NAND2X1", 24.0)];
        assert_eq!(areas, expected.map(|(name, area)| (name.to_owned(), area)).into());
    }

    #[test]
    fn a_missing_library_names_its_package() {
        let Err(AsicError::LibraryMissing { package, .. }) = Cells::read(Path::new("/none.lib"))
        else {
            panic!("it is not there")
        };
        assert_eq!(package, None);
        for library in LIBRARIES {
            assert_eq!(super::package_of(Path::new(library.path)), Some(library.package));
        }
    }
}
