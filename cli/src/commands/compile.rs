//! `compile`: a model onto an array.

use crate::args::{CompileArgs, Format, LimitArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::inputs;
use crate::layers::CompiledView;
use crate::output;
use heartbit_compiler::build::{self, Build};
use heartbit_compiler::schedule::{self, Target};
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayShape, MemoryDepths, Program};
use std::path::Path;

pub(crate) fn run(args: &CompileArgs, format: Format) -> Outcome {
    let network = inputs::network(&args.model)?;
    let build = compile(network, args.array, &args.limits)?;
    write(&args.out, &build)?;
    let view = CompiledView::new(&build.network, &build.compiled);
    output::result(format, &view.json(), || {
        format!("{}\nwrote {}\n", view.text(), args.out.display())
    })
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

/// Writes a build with its Verilog.
pub(crate) fn write(path: &Path, build: &Build) -> Outcome {
    let rtl = verilog(&build.compiled.program);
    build::write(path, &build.network, &build.compiled, &rtl).map_err(|error| {
        let code = Code::BadInput;
        Failure::from_error(code, error)
            .context(format!("cannot write the build `{}`", path.display()))
            .help("give `--out` a new directory, or an earlier build, in a place you may write to")
    })
}

/// Returns the Verilog of the array that a program was compiled for.
fn verilog(program: &Program) -> Vec<(String, String)> {
    heartbit_cosim::accelerator_design(&program.array, &program.depths).files
}
