//! The netlist that yosys makes of a board's top level, with models of its cells, to be simulated.
//!
//! The cells are simulated as the models say that yosys ships. Of the families of the open flow only
//! iCE40 has such models of its block memories; those of ECP5 and Gowin are empty boxes.
//!
//! The netlist is that of place-and-route, but for two things: it is written as Verilog, and its PLL
//! is renamed to [`PLL_MODEL`], since the vendor's model of that is empty, too.
//!
//! Not here: the bench ([`crate::bench`]), the simulator.

use crate::bench::PLL_MODEL;
use crate::board::Board;
use crate::pnr::{
    PnrError, Program, Progress, Project, Step, Tools, execute, io_error, synthesis_script,
};
use crate::top;
use heartbit_compiler::resources::Family;
use std::path::{Path, PathBuf};

/// Flags with which Verilator takes netlist and models.
///
/// The bits of a vector are of different cells, which looks like a loop; ports of cells that are not
/// used are left out; the models assign numbers without a width.
pub const ALLOWED: &[&str] = &["-Wno-UNOPTFLAT", "-Wno-PINMISSING", "-Wno-WIDTH"];

/// What Verilator needs before the models: it knows no defaults of ports, and one scale of time.
const SETTINGS: &str = "`timescale 1ps / 1ps\n`define NO_ICE40_DEFAULT_ASSIGNMENTS\n";

/// Synthesises a project; returns the Verilog files of netlist and models, by name, in the order in
/// which they are to be read.
///
/// # Errors
/// [`PnrError::NoModels`] for another family than iCE40, and those of synthesis.
pub fn files(
    board: &Board,
    project: &Project,
    tools: &Tools,
    progress: &mut Progress<'_>,
) -> Result<Vec<(String, String)>, PnrError> {
    if board.model != Some(Family::Ice40) {
        return Err(PnrError::NoModels { board: board.name.clone(), family: board.family.clone() });
    }
    let name = top::name(board);
    let netlist = format!("{name}_netlist.v");
    let cell = board.pll.as_ref().map(|pll| pll.primitive.cell());
    let rename = cell.map_or(String::new(), |cell| format!("chtype -set {PLL_MODEL} t:{cell}; "));
    let script = format!(
        "{}; {rename}write_verilog -noattr {netlist}",
        synthesis_script(Family::Ice40, board, project, &name)
    );
    let yosys = tools.find(Program::YOSYS)?;
    let arguments = ["-p".to_owned(), script];
    execute(Step::Synthesis, &yosys, &arguments, &project.folder, progress)?;
    let read = |path: &Path| std::fs::read_to_string(path).map_err(io_error(path));
    Ok(vec![
        ("cell_settings.v".to_owned(), SETTINGS.to_owned()),
        ("cells_sim.v".to_owned(), read(&models(&yosys))?),
        (netlist.clone(), read(&project.folder.join(&netlist))?),
    ])
}

/// The models, where yosys itself looks for them: beside the folder of the program.
fn models(yosys: &Path) -> PathBuf {
    let program = yosys.canonicalize().unwrap_or_else(|_| yosys.to_owned());
    let folder = program.parent().and_then(Path::parent).unwrap_or(Path::new("/usr"));
    folder.join("share/yosys/ice40/cells_sim.v")
}
