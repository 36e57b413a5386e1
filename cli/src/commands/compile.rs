//! `compile`: a model onto an array.

use crate::args::{AxiBits, CompileArgs, Format, FpgaArgs, LimitArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::fpga::Fpga;
use crate::inputs;
use crate::layers::CompiledView;
use crate::output;
use heartbit_compiler::build::{self, Build};
use heartbit_compiler::resources::Area;
use heartbit_compiler::schedule::{self, Target};
use heartbit_hdl::axi::{self, AxiConfig};
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayShape, MemoryDepths, Program};
use std::path::Path;

pub(crate) fn run(args: &CompileArgs, format: Format) -> Outcome {
    let network = inputs::network(&args.model)?;
    let board = || Some(FpgaArgs { board: Some(args.board.clone()?), ..FpgaArgs::default() });
    let fpga = board().map(|args| Fpga::new(&args)).transpose()?;
    let build = match (&fpga, args.array) {
        (_, Some(array)) => compile(network, array, &args.limits)?,
        (Some(fpga), None) => compile_best(network, fpga, &args.limits)?,
        (None, None) => unreachable!("bug: the command line asks for one of both"),
    };
    let program = &build.compiled.program;
    let fit = |fpga: &Fpga| fpga.fit(&program.array, &program.depths);
    let area = fpga.as_ref().map(fit).transpose()?;
    write(&args.out, &build, args.axi.map(AxiBits::config))?;
    let view = CompiledView::new(&build.network, &build.compiled);
    let mut json = view.json();
    if let (Some(fpga), Some(area)) = (&fpga, area) {
        json["fpga"] = fpga.json();
        json["area"] = serde_json::json!(area);
        json["model_error"] = serde_json::json!(fpga.model.error());
    }
    output::result(format, &json, || {
        let fits = |(fpga, area): (&Fpga, Area)| {
            let (area, note) = (fpga.describe(&area), fpga.model_note());
            format!("fits {}: {area}\n{note}\n", fpga.name)
        };
        let fits = fpga.as_ref().zip(area).map_or(String::new(), fits);
        format!("{}{fits}\nwrote {}\n", view.text(), args.out.display())
    })
}

/// Compiles a network for the fastest array that fits, with the sizes that are given as they are.
fn compile_best(network: Network, fpga: &Fpga, limits: &LimitArgs) -> Outcome<Build> {
    let a = super::search::best(&network, fpga)?.array;
    let limits = LimitArgs {
        taps: limits.taps.or(Some(a.taps)),
        lines: limits.lines.or(Some(a.lines)),
        ..*limits
    };
    compile(network, ArrayShape { rows: a.rows, cols: a.cols, lanes: a.lanes }, &limits)
}

/// Compiles a network for an array of this shape.
pub(crate) fn compile(network: Network, shape: ArrayShape, limits: &LimitArgs) -> Outcome<Build> {
    let mut target = Target {
        taps: limits.taps,
        lines: limits.lines,
        extended: limits.extended.then_some(true),
        ..Target::sized_for_network(shape)
    };
    if limits.activation_words.or(limits.weight_words).or(limits.stream_words).is_some() {
        // Memories without a limit get what the network needs.
        let needed = schedule::compile(&network, &target)?.program.depths;
        target.depths = Some(MemoryDepths {
            activation: limits.activation_words.unwrap_or(needed.activation),
            weight: limits.weight_words.unwrap_or(needed.weight),
            stream: limits.stream_words.unwrap_or(needed.stream),
            ..needed
        });
    }
    target.acc_bits = limits.acc_bits;
    let compiled = schedule::compile(&network, &target)?;
    Ok(Build { network, compiled })
}

/// Writes a build with its Verilog, and, behind AXI, with what a host needs.
pub(crate) fn write(path: &Path, build: &Build, axi: Option<AxiConfig>) -> Outcome {
    let program = &build.compiled.program;
    let mut files = verilog(program, axi);
    if axi.is_some() {
        let host = |name: &str, bytes: Vec<u8>| (format!("host/{name}"), bytes);
        files.push(host("program.bin", axi::memory_image(program)));
        files.push(host("heartbit_regs.h", axi::c_header().into_bytes()));
        files.push(host("heartbit_regs.rs", axi::rust_module().into_bytes()));
    }
    build::write(path, &build.network, &build.compiled, &files).map_err(|error| {
        let code = Code::BadInput;
        Failure::from_error(code, error)
            .context(format!("cannot write the build `{}`", path.display()))
            .help("give `--out` a new directory, or an earlier build, in a place you may write to")
    })
}

/// Returns the Verilog of the array that a program was compiled for. The text behind AXI contains
/// that of the accelerator alone.
fn verilog(program: &Program, axi: Option<AxiConfig>) -> Vec<(String, Vec<u8>)> {
    let (array, depths) = (&program.array, &program.depths);
    let design = match axi {
        Some(axi) => heartbit_cosim::axi_design(array, depths, axi),
        None => heartbit_cosim::accelerator_design(array, depths),
    };
    let file = |(name, text): (String, String)| (format!("rtl/{name}"), text.into_bytes());
    design.files.into_iter().map(file).collect()
}
