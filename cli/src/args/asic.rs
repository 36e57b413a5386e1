//! The flags of `asic`.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use heartbit_boards::asic::{LIBRARIES, Library};
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = ASIC_HELP)]
pub(crate) struct AsicArgs {
    /// Build.
    pub(crate) build: PathBuf,
    /// Library of standard cells.
    #[arg(long, value_name = "NAME", default_value = "osu018", value_parser = library())]
    pub(crate) library: Library,
    /// Another library, a Liberty file with combinational cells and flip-flops.
    #[arg(long, value_name = "FILE.lib", conflicts_with = "library")]
    pub(crate) liberty: Option<PathBuf>,
    /// Folder to look for yosys in, before PATH; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub(crate) tool_path: Vec<PathBuf>,
}

fn library() -> impl TypedValueParser<Value = Library> {
    PossibleValuesParser::new(LIBRARIES.map(|library| library.name)).map(|name| {
        LIBRARIES.into_iter().find(|library| library.name == name).expect("bug: one of the names")
    })
}

const ASIC_HELP: &str = "\
yosys maps the modules of the build's accelerator onto the cells of a library,
each by itself, and the area is reported in gate equivalents: 1 is the area of a
NAND with two inputs. It is that of cells alone: no wires, no clock tree, no
timing. Memories are macros on a chip, and counted in bits.

Libraries: osu018, osu035, osu050 of Oklahoma State University
  apt-get install yosys qflow-tech-osu018

Examples:
  heartbit asic build
  heartbit asic build --liberty sky130_fd_sc_hd__tt_025C_1v80.lib

Exit codes: 0 ok, 2 usage, 3 bad input file or unwritable output, 5 yosys or the
library is missing, or yosys failed.";
