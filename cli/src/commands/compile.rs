//! `compile`: a model onto an array.

use crate::args::{AxiBits, CompileArgs, Format, FpgaArgs, LimitArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::fpga::Fpga;
use crate::inputs;
use crate::layers::CompiledView;
use crate::output;
use crate::report;
use crate::report::results::{self, Results};
use heartbit_compiler::build::{self, Build};
use heartbit_compiler::resources::Area;
use heartbit_compiler::schedule::{self, MemoryWords, ScheduleError, Target, WeightPort};
use heartbit_compiler::search::fit::weight_room;
use heartbit_hdl::axi::{self, AxiConfig};
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayConfig, ArrayShape, MemoryDepths, Program};
use serde_json::Value;
use std::path::Path;

pub(crate) fn run(args: &CompileArgs, format: Format) -> Outcome {
    let network = inputs::network(&args.model)?;
    let board = || Some(FpgaArgs { board: Some(args.board.clone()?), ..FpgaArgs::default() });
    let fpga = board().map(|args| Fpga::new(&args)).transpose()?;
    let port = args.port.port();
    let build = match (&fpga, args.array) {
        (fpga, Some(array)) => compile(network, array, &args.limits, port, fpga.as_ref())?,
        (Some(fpga), None) => compile_best(network, fpga, &args.limits, port)?,
        (None, None) => unreachable!("bug: the command line asks for one of both"),
    };
    let program = &build.compiled.program;
    let fit = |fpga: &Fpga| fpga.fit(&program.array, &program.depths);
    let area = fpga.as_ref().map(fit).transpose()?;
    let view = CompiledView::new(&build.network, &build.compiled);
    let mut json = view.json();
    if let (Some(fpga), Some(area)) = (&fpga, area) {
        json["fpga"] = fpga.json();
        json["area"] = serde_json::json!(area);
        json["model_error"] = serde_json::json!(fpga.model.error());
    }
    write(&args.out, &build, args.axi.map(AxiBits::config), Some(&json))?;
    output::result(format, &json, || {
        let fits = |(fpga, area): (&Fpga, Area)| {
            let (area, note) = (fpga.describe(&area), fpga.model_note());
            let fits = format!("fits {}: {area}", fpga.name);
            format!("{}\n{}\n", output::wrapped(&fits), output::wrapped(&note))
        };
        let fits = fpga.as_ref().zip(area).map_or(String::new(), fits);
        let page = args.out.join(report::PAGE);
        let text = view.text();
        format!("{text}{fits}\nwrote {}\nreport: {}\n", args.out.display(), page.display())
    })
}

/// Compiles a network for the fastest array that fits, with the sizes that are given as they are. If
/// none does, the one that comes closest may fit with layers in bands.
fn compile_best(
    network: Network,
    fpga: &Fpga,
    limits: &LimitArgs,
    port: Option<WeightPort>,
) -> Outcome<Build> {
    let found = super::search::search(&network, fpga, port.as_ref())?;
    let Some(best) = found.best().or(found.closest.as_ref()) else {
        return Err(Failure::new(Code::DoesNotFit, "no array has a schedule for the network"));
    };
    let a = best.array;
    let limits = LimitArgs {
        taps: limits.taps.or(Some(a.taps)),
        lines: limits.lines.or(Some(a.lines)),
        ..*limits
    };
    // The port may be of other columns, where all weights fit.
    let port = port.filter(|_| best.depths.ring.is_some());
    let shape = ArrayShape { rows: a.rows, cols: a.cols, lanes: a.lanes };
    let build = compile(network, shape, &limits, port, Some(fpga))?;
    let (array, depths) = (&build.compiled.program.array, &build.compiled.program.depths);
    match super::search::none_fits(&found, fpga) {
        Some(failure) if !fpga.fits(array, depths) => Err(failure),
        _ => Ok(build),
    }
}

/// Limits the weight memory to what a board has left for it, if weights can be streamed.
fn give_room(target: &mut Target, network: &Network, fpga: &Fpga) -> Result<(), ScheduleError> {
    if target.words.weight.is_some() {
        return Ok(());
    }
    let plan = heartbit_compiler::plan::plan(network)?;
    let all = schedule::outline(network, &plan, target)?;
    if let Some(port) = &mut target.weight_port
        && !fpga.fits(&all.array, &all.depths)
    {
        // Without any room it is the whole that does not fit, which is said later.
        port.room = weight_room(fpga.model, &all.array, &all.depths, &fpga.capacity);
    }
    Ok(())
}

/// Compiles a network for an array of this shape, on an FPGA that it may have to fit.
pub(crate) fn compile(
    network: Network,
    shape: ArrayShape,
    limits: &LimitArgs,
    weight_port: Option<WeightPort>,
    fpga: Option<&Fpga>,
) -> Outcome<Build> {
    let mut target = Target {
        taps: limits.taps,
        lines: limits.lines,
        extended: limits.extended.then_some(true),
        acc_bits: limits.acc_bits,
        words: MemoryWords {
            activation: limits.activation_words,
            weight: limits.weight_words,
            stream: limits.stream_words,
        },
        weight_port,
        ..Target::sized_for_network(shape)
    };
    if let (Some(fpga), Some(_)) = (fpga, &target.weight_port) {
        give_room(&mut target, &network, fpga)?;
    }
    let fits = |array: &ArrayConfig, depths: &MemoryDepths| {
        fpga.is_none_or(|fpga| fpga.fits(array, depths))
    };
    let spinner = output::spinner("the network is scheduled");
    let compiled = schedule::compile_to_fit(&network, &target, &fits)?;
    spinner.finish_and_clear();
    Ok(Build { network, compiled })
}

/// Writes a build with its Verilog and its report, and, behind AXI, with what a host needs;
/// `result` is what `compile` says of it.
pub(crate) fn write(
    path: &Path,
    build: &Build,
    axi: Option<AxiConfig>,
    result: Option<&Value>,
) -> Outcome {
    let program = &build.compiled.program;
    let mut files = verilog(program, axi);
    if axi.is_some() {
        let host = |name: &str, bytes: Vec<u8>| (format!("host/{name}"), bytes);
        files.push(host("program.bin", axi::memory_image(program)));
        let weights = axi::weight_image(program);
        if !weights.is_empty() {
            files.push(host("weights.bin", weights));
        }
        files.push(host("heartbit_regs.h", axi::c_header().into_bytes()));
        files.push(host("heartbit_regs.rs", axi::rust_module().into_bytes()));
    }
    let mut results = Results::default();
    if let Some(result) = result {
        results.set("compile", result);
        files.push(results::of_compile(result));
    }
    let page = heartbit_report::html(&report::assemble(build, &results)?);
    files.push((report::PAGE.to_owned(), page.into_bytes()));
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
