//! `compile`: a model onto an array.

use crate::args::{CompileArgs, Format, LimitArgs};
use crate::around::Around;
use crate::failure::{Code, Failure, Outcome};
use crate::fpga::Fpga;
use crate::inputs;
use crate::layers::CompiledView;
use crate::link;
use crate::output;
use crate::report;
use crate::report::results::{self, Results};
use heartbit_compiler::build::{self, Build};
use heartbit_compiler::resources::Area;
use heartbit_compiler::schedule::{self, MemoryWords, Target, WeightPort};
use heartbit_hdl::axi;
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayShape, Program};
use serde_json::Value;
use std::path::Path;

pub(crate) fn run(args: &CompileArgs, format: Format) -> Outcome {
    let mut fpga = args.fpga.is_given().then(|| Fpga::new(&args.fpga)).transpose()?;
    let around = args.around.on(&args.fpga, fpga.as_mut())?;
    let network = inputs::network(&args.model)?;
    let axi = args.around.axi();
    let build = match (&fpga, args.array) {
        (fpga, Some(array)) => {
            let port = args.port.port(array, fpga.as_ref().map(|fpga| fpga.clock_mhz), axi)?;
            compile(network, array, &args.limits, port, fpga.as_ref())?
        }
        (Some(fpga), None) => compile_best(network, fpga, args)?,
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
    if let Around::Uart(link) = &around {
        json["link"] = link.json();
    }
    write(&args.out, &build, &around, Some(&json))?;
    output::result(format, &json, || {
        let fits = |(fpga, area): (&Fpga, Area)| {
            let (area, note) = (fpga.describe(&area), fpga.model_note());
            let fits = format!("fits {}: {area}", fpga.name);
            format!("{}\n{}\n", output::wrapped(&fits), output::wrapped(&note))
        };
        let fits = fpga.as_ref().zip(area).map_or(String::new(), fits);
        let link = match &around {
            Around::Uart(link) => format!("{}\n", output::wrapped(&link.text())),
            _ => String::new(),
        };
        let page = args.out.join(report::PAGE);
        let text = view.text();
        format!("{text}{fits}{link}\nwrote {}\nreport: {}\n", args.out.display(), page.display())
    })
}

/// Compiles a network for the fastest array that fits, with the sizes that are given as they are.
fn compile_best(network: Network, fpga: &Fpga, args: &CompileArgs) -> Outcome<Build> {
    let axi = args.around.axi();
    // A rate that the memory port does not reach with so many lanes is no port of theirs.
    let port =
        |shape: &ArrayShape| args.port.port(*shape, Some(fpga.clock_mhz), axi).ok().flatten();
    let found = super::search::search(&network, fpga, &port)?;
    let Some(best) = found.best() else { return Err(super::search::none_fits(&found, fpga)) };
    let a = best.array;
    let limits = LimitArgs {
        taps: args.limits.taps.or(Some(a.taps)),
        lines: args.limits.lines.or(Some(a.lines)),
        ..args.limits
    };
    let shape = ArrayShape { rows: a.rows, cols: a.cols, lanes: a.lanes };
    compile(network, shape, &limits, best.port.clone(), Some(fpga))
}

/// Compiles a network for an array of this shape, on an FPGA that it may have to fit.
pub(crate) fn compile(
    network: Network,
    shape: ArrayShape,
    limits: &LimitArgs,
    weight_port: Option<WeightPort>,
    fpga: Option<&Fpga>,
) -> Outcome<Build> {
    let target = Target {
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
        budget: fpga.map(Fpga::budget),
        ..Target::sized_for_network(shape)
    };
    let spinner = output::spinner("the network is scheduled");
    let compiled = schedule::compile(&network, &target)?;
    spinner.finish_and_clear();
    Ok(Build { network, compiled })
}

/// Writes a build with its Verilog, its report, and what a host needs of what surrounds the
/// accelerator; `result` is what `compile` says of it.
pub(crate) fn write(
    path: &Path,
    build: &Build,
    around: &Around,
    result: Option<&Value>,
) -> Outcome {
    let program = &build.compiled.program;
    let mut files = verilog(program, around);
    let host = |name: &str, bytes: Vec<u8>| (format!("host/{name}"), bytes);
    if let Around::Axi(_) = around {
        files.push(host("program.bin", axi::memory_image(program)));
        let weights = axi::weight_image(program);
        if !weights.is_empty() {
            files.push(host("weights.bin", weights));
        }
        files.push(host("heartbit_regs.h", axi::c_header().into_bytes()));
        files.push(host("heartbit_regs.rs", axi::rust_module().into_bytes()));
    }
    if let Around::Uart(link) = around {
        files.push(host(link::FILE, link.describe()));
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

/// Returns the Verilog of the array that a program was compiled for. The text of what surrounds it
/// contains that of the accelerator alone.
fn verilog(program: &Program, around: &Around) -> Vec<(String, Vec<u8>)> {
    let (array, depths) = (&program.array, &program.depths);
    let design = match around {
        Around::Axi(axi) => heartbit_cosim::axi_design(array, depths, *axi),
        Around::Uart(link) => heartbit_cosim::uart_design(array, depths, link.uart),
        Around::Nothing => heartbit_cosim::accelerator_design(array, depths),
    };
    let file = |(name, text): (String, String)| (format!("rtl/{name}"), text.into_bytes());
    design.files.into_iter().map(file).collect()
}
