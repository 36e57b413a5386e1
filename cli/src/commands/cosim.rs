//! `cosim`: the Verilog against the interpreter.

use super::sim::conclude;
use crate::args::{CosimArgs, Format, VerilogSimulator};
use crate::divergence::Tracer;
use crate::failure::{Code, Failure, Outcome};
use crate::inputs::{self, Images};
use crate::output;
use crate::report::results::COSIM_ICARUS;
use crate::report::{self, Destination};
use crate::verdict::{self, Verdict, Watched};
use heartbit_compiler::build::Build;
use heartbit_cosim::{
    Accelerator, Design, Icarus, Initial, PeSignals, SaveFile, Simulation, Toolchain, Trace,
    Waveform, Windowed,
};
use heartbit_ir::program::PePlace;
use std::path::{Path, PathBuf};

/// The value of `--trace` that asks for the first image that differs.
const FIRST_MISMATCH: &str = "first-mismatch";

pub(crate) fn run(args: &CosimArgs, format: Format) -> Outcome {
    let build = inputs::build(&args.build)?;
    let destination = Destination::new(&args.report, Some(&args.build), args.shard)?;
    if let Some(path) = args.trace.as_deref().filter(|path| !is_first_mismatch(path)) {
        output::check_writable(path)?;
    }
    if args.simulator == VerilogSimulator::Icarus {
        return run_icarus(args, &build, destination.as_ref(), format);
    }
    let images = Images::test(&args.data)?.shard(args.shard)?;
    images.check_size(&build.network)?;
    let toolchain = Toolchain::detect()?;
    let mut rtl = from_build(&args.build, &build, &toolchain, Trace::None)?;
    let mut verdict = verdict::cosimulate(&build, &images, &mut rtl, true)?;
    verdict.subject.rtl_crc32 = Some(verilog_checksum(&args.build, &build)?);
    let finds_mismatch = args.trace.as_deref().is_some_and(is_first_mismatch);
    let tracer = Tracer {
        design: design(&args.build, &build)?,
        toolchain: &toolchain,
        directory: args.build.clone(),
        margin: args.trace_margin,
        is_whole: args.trace_full,
    };
    verdict.locate(&build, &images, Some(&tracer).filter(|_| finds_mismatch))?;
    let traced = match &args.trace {
        Some(path) if !finds_mismatch => {
            let rtl = from_build(&args.build, &build, &toolchain, Trace::Fst)?;
            let whole = 0..u64::MAX;
            let run =
                |rtl: &mut Accelerator, image: &[u8]| Ok(rtl.run_windowed(image, path, whole)?);
            trace_first(&build, &images, rtl, run, path)?;
            Some((images.number(0), path.clone()))
        }
        _ => waveform(&verdict),
    };
    conclude_with(args, &build, &verdict, traced.as_ref(), destination.as_ref(), format)
}

fn is_first_mismatch(trace: &Path) -> bool {
    trace.as_os_str() == FIRST_MISMATCH
}

/// The same under Icarus Verilog.
fn run_icarus(
    args: &CosimArgs,
    build: &Build,
    destination: Option<&Destination>,
    format: Format,
) -> Outcome {
    if args.trace.as_deref().is_some_and(is_first_mismatch) {
        let message = "`--trace first-mismatch` needs `--simulator verilator`";
        return Err(Failure::new(Code::Usage, message)
            .help("give `--trace FILE.fst` for a waveform of the first image"));
    }
    let images = Images::test(&args.data)?.shard(args.shard)?;
    images.check_size(&build.network)?;
    let icarus = Icarus::detect()?;
    let design = design(&args.build, build)?;
    let traced = args.trace.as_deref();
    if let Some(path) = traced {
        let rtl = loaded(icarus.model(design.clone(), None, Some(path))?, build)?;
        trace_first(build, &images, rtl, |rtl, image| Ok(rtl.run_traced(image)?), path)?;
    }
    let mut verdict = under_icarus(&icarus, design, build, &images, true)?;
    verdict.subject.rtl_crc32 = Some(verilog_checksum(&args.build, build)?);
    verdict.subject.simulator = Some("icarus".to_owned());
    verdict.locate(build, &images, None)?;
    let traced = traced.map(|path| (images.number(0), path.to_owned()));
    conclude_with(args, build, &verdict, traced.as_ref(), destination, format)
}

/// Runs a design under Icarus Verilog on all images.
pub(crate) fn under_icarus(
    icarus: &Icarus,
    design: Design,
    build: &Build,
    images: &Images,
    with_simulator: bool,
) -> Outcome<Verdict> {
    let watched = Watched::new(&design.watch);
    let mut rtl = loaded(icarus.model(design, None, None)?, build)?;
    let mut verdict = verdict::cosimulate(build, images, &mut rtl, with_simulator)?;
    verdict.watched = Some(watched);
    Ok(verdict)
}

/// Says what was found and which image has a waveform, and turns a difference into exit code 1.
fn conclude_with(
    args: &CosimArgs,
    build: &Build,
    verdict: &Verdict,
    traced: Option<&(usize, PathBuf)>,
    destination: Option<&Destination>,
    format: Format,
) -> Outcome {
    let mut json = verdict.json();
    if let Some((image, path)) = traced {
        json["trace"] = serde_json::json!({
            "image": image, "file": path, "gtkwave": path.with_extension("gtkw"),
            "surfer": path.with_extension("sucl"),
        });
    }
    if let Some(destination) = destination {
        let name = match args.simulator {
            VerilogSimulator::Verilator => "cosim",
            VerilogSimulator::Icarus => COSIM_ICARUS,
        };
        destination.write(build, Some(&args.build), name, &json)?;
    }
    output::result(format, &json, || {
        let note = traced.map(|(image, path)| waveform_lines(*image, path));
        note.unwrap_or_default() + &verdict.text() + &report::line(destination)
    })?;
    conclude(verdict.passed())
}

/// Where a waveform is, and what opens it.
fn waveform_lines(image: usize, path: &Path) -> String {
    let (gtkwave, surfer) = (path.with_extension("gtkw"), path.with_extension("sucl"));
    format!(
        "waveform of image {image}: {0}\n  gtkwave {1}\n  surfer {0} --command-file {2}\n",
        path.display(),
        gtkwave.display(),
        surfer.display()
    )
}

/// The first image that differs, and its waveform.
fn waveform(verdict: &Verdict) -> Option<(usize, PathBuf)> {
    let first = verdict.first_divergence.as_ref()?;
    Some((first.image, first.location.as_ref()?.waveform.as_ref()?.file.clone()))
}

/// Runs the first image, which writes its waveform, and writes the files that open it on the
/// sequencer and the first processing element, the marker where the image begins.
fn trace_first(
    build: &Build,
    images: &Images,
    mut rtl: Accelerator,
    run: impl FnOnce(&mut Accelerator, &[u8]) -> Outcome<Windowed>,
    path: &Path,
) -> Outcome {
    let spinner = output::spinner("the first image runs, traced");
    let fetch_cycle = run(&mut rtl, &images.image(0)?)?.fetch_cycle;
    // The waveform is complete when the simulator ends.
    drop(rtl);
    spinner.finish_and_clear();
    let first = PePlace { layer: 0, column_tile: 0, tile_row: 0, tile: 0, row: 0, col: 0 };
    let groups = PeSignals::new(&build.compiled.program.array, &first).groups();
    SaveFile::new(path, &Waveform::open(path)?, &groups, fetch_cycle)?.write()?;
    Ok(())
}

/// Builds a model from the Verilog in a build directory: what is simulated is what is shipped.
pub(crate) fn from_build(
    path: &Path,
    build: &Build,
    toolchain: &Toolchain,
    trace: Trace,
) -> Outcome<Accelerator> {
    accelerator(design(path, build)?, build, toolchain, trace)
}

/// Builds a model of a design, and loads the program of a build.
pub(crate) fn accelerator(
    design: Design,
    build: &Build,
    toolchain: &Toolchain,
    trace: Trace,
) -> Outcome<Accelerator> {
    let spinner = output::spinner("Verilator and the C++ compiler build the model");
    let compiled = heartbit_cosim::Build::new(design).trace(trace).compile(toolchain)?;
    spinner.finish_and_clear();
    // Registers without a reset start with random bits: a result must not depend on them.
    let model = compiled.instantiate(Initial::Random(1))?;
    loaded(model, build)
}

/// An accelerator with the program of a build.
fn loaded(model: impl Simulation + Send + 'static, build: &Build) -> Outcome<Accelerator> {
    let mut accelerator = Accelerator::new(model)?;
    accelerator.load(&build.compiled.program)?;
    Ok(accelerator)
}

/// The accelerator with the Verilog in a build directory.
pub(crate) fn design(path: &Path, build: &Build) -> Outcome<Design> {
    let program = &build.compiled.program;
    with_text(path, heartbit_cosim::accelerator_design(&program.array, &program.depths))
}

/// A design with the text in a build directory.
pub(crate) fn with_text(path: &Path, mut design: Design) -> Outcome<Design> {
    for (name, text) in &mut design.files {
        let file: PathBuf = path.join("rtl").join(&*name);
        *text = std::fs::read_to_string(&file).map_err(|error| {
            Failure::from_error(Code::BadInput, error)
                .context(format!("cannot read `{}`", file.display()))
                .help("write the build again with `heartbit compile`")
        })?;
    }
    Ok(design)
}

/// CRC-32 of the Verilog in a build directory.
pub(crate) fn verilog_checksum(path: &Path, build: &Build) -> Outcome<String> {
    let mut checksum = crc32fast::Hasher::new();
    for (_, text) in &design(path, build)?.files {
        checksum.update(text.as_bytes());
    }
    Ok(format!("{:08x}", checksum.finalize()))
}
