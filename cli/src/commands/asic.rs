//! `asic`: the area of a build's accelerator in standard cells.

use crate::args::{AsicArgs, Format};
use crate::commands::cosim::verilog_checksum;
use crate::failure::{Code, Failure, Outcome};
use crate::inputs;
use crate::output::{self, Table, grouped};
use heartbit_boards::asic::{Areas, AsicError, ModuleArea, TOP, areas};
use heartbit_boards::pnr::Tools;
use heartbit_compiler::build::Build;
use serde_json::json;
use std::path::PathBuf;

/// The modules of a processing element and of all of them.
const PE: &str = "pe";
const ARRAY: &str = "array";

pub(crate) fn run(args: &AsicArgs, format: Format) -> Outcome {
    let build = inputs::build(&args.build)?;
    let program = &build.compiled.program;
    let design = heartbit_cosim::accelerator_design(&program.array, &program.depths);
    let rtl = std::path::absolute(args.build.join("rtl")).map_err(|error| {
        Failure::from_error(Code::BadInput, error).help("run in a folder that exists")
    })?;
    let files: Vec<_> = design.files.iter().map(|(name, _)| rtl.join(name)).collect();
    let liberty = args.liberty.clone().unwrap_or_else(|| PathBuf::from(args.library.path));
    let liberty = std::path::absolute(&liberty).unwrap_or(liberty);
    let folder = args.build.join("asic");
    let spinner = output::spinner("yosys maps the accelerator onto standard cells");
    let tools = Tools::new(&args.tool_path);
    let found = areas(&files, &liberty, &folder, &tools, &mut |_, _| ())?;
    spinner.finish_and_clear();
    let view = View::new(&build, &found)?;
    let json = json!({
        "schema": 1, "library": liberty, "nand2_area": found.nand2_area,
        "rtl_crc32": verilog_checksum(&args.build, &build)?,
        "array": { "rows": program.array.rows, "cols": program.array.cols,
            "lanes": program.array.lanes, "taps": program.array.taps },
        "gates": { "pe": view.pe, "pe_per_lane": view.pe_per_lane, "array": view.array,
            "total": view.total },
        "flip_flops": found.flip_flops(), "memory_bits": found.memory_bits(),
        "modules": found.modules,
    });
    output::result(format, &json, || {
        let name = liberty.file_name().unwrap_or_default().to_string_lossy();
        view.text(&build, &found, &name)
    })
}

/// Gate equivalents of the parts that have names.
struct View {
    pe: f64,
    pe_per_lane: f64,
    array: f64,
    total: f64,
}

impl View {
    fn new(build: &Build, found: &Areas) -> Outcome<Self> {
        let gates = |name: &str| {
            found.module(name).map(|module| module.gates_with_inside).ok_or_else(|| {
                let message = format!("the Verilog of the build has no module `{name}`");
                Failure::new(Code::BadInput, message)
                    .help("write the build again with `heartbit compile`")
            })
        };
        let pe = gates(PE)?;
        #[expect(clippy::cast_precision_loss, reason = "lanes are few")]
        let lanes = build.compiled.program.array.lanes as f64;
        Ok(Self { pe, pe_per_lane: pe / lanes, array: gates(ARRAY)?, total: gates(TOP)? })
    }

    fn text(&self, build: &Build, found: &Areas, library: &str) -> String {
        let a = &build.compiled.program.array;
        let mut table =
            Table::new(&["module", "number", "GE each", "GE", "share", "FF", "memory bits"]);
        let mut modules: Vec<&ModuleArea> = found.modules.iter().collect();
        modules.sort_by(|a, b| all(b).total_cmp(&all(a)).then(a.module.cmp(&b.module)));
        for module in modules {
            table.row(vec![
                module.module.clone(),
                grouped(module.instances),
                format!("{:.0}", module.gates),
                format!("{:.0}", all(module)),
                format!("{:.1} %", 100.0 * all(module) / self.total),
                grouped(module.instances * module.flip_flops),
                grouped(module.instances * module.memory_bits),
            ]);
        }
        let summary = format!(
            "an element: {:.0} GE, {:.1} a lane; the array: {:.0} GE; all: {:.0} GE, {} \
             flip-flops, and {} bits of memory, which are not counted as gates",
            self.pe,
            self.pe_per_lane,
            self.array,
            self.total,
            grouped(found.flip_flops()),
            grouped(found.memory_bits()),
        );
        format!(
            "{} on {}x{}x{}, {library}: 1 GE is {} um2\n\n{}\n{}\n",
            build.network.arch,
            a.rows,
            a.cols,
            a.lanes,
            found.nand2_area,
            table.render(),
            output::wrapped(&summary)
        )
    }
}

/// Gate equivalents of all instances of a module, without what is inside them.
fn all(module: &ModuleArea) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "instances are few")]
    let instances = module.instances as f64;
    instances * module.gates
}

impl From<AsicError> for Failure {
    fn from(error: AsicError) -> Self {
        match error {
            AsicError::Tool(error) => error.into(),
            AsicError::LibraryMissing { package: Some(package), .. } => {
                Self::from_error(Code::OutsideTool, error)
                    .help(format!("run `apt-get install {package}`, or give `--liberty`"))
            }
            AsicError::LibraryMissing { .. } | AsicError::Library { .. } => {
                Self::from_error(Code::BadInput, error)
                    .help("give a Liberty file with `--liberty`, or a known `--library`")
            }
            _ => Self::from_error(Code::OutsideTool, error)
                .help("use a version of yosys that docs/adding-a-board.md lists"),
        }
    }
}
