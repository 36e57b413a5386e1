//! `verify --mutate`: whether the verification would notice a fault.

use crate::args::{Format, VerifyArgs};
use crate::commands::cosim;
use crate::failure::{Code, Failure, Outcome};
use crate::inputs::Images;
use crate::ladder::climb::Model;
use crate::mutants::{COMMAND, Report, Settings};
use crate::output::{self, progress};
use crate::shard::Shard;
use crate::verdict::Subject;
use heartbit_cosim::{Build, Design, Toolchain, accelerator_design, mutant_design};
use heartbit_mutate::{Bench, Engines, Judge, Plan, Scope, stress};
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(args: &VerifyArgs, format: Format) -> Outcome {
    let toolchain = Toolchain::detect()?;
    let model = Model::read(args)?;
    let images = Images::test(&args.data)?;
    images.check_size(&model.build.network)?;
    let (mut rtl, mut sim) = (first(&images, args.rtl_images)?, first(&images, args.sim_images)?);
    let n_rtl_images = rtl.len();
    if rtl.is_empty() {
        return Err(Failure::new(Code::Usage, "without an image no mutant can be caught")
            .help("give `--rtl-images` 1 or more"));
    }
    // Those of the data set first: a mutant that they catch needs no others.
    let stress = stress::images(&model.build.network, args.mutate.seed);
    rtl.extend_from_slice(&stress);
    sim.extend_from_slice(&stress);
    let program = &model.build.compiled.program;
    let design = accelerator_design(&program.array, &program.depths);
    if model.is_on_disk {
        check_verilog(&args.model, &cosim::design(&args.model, &model.build)?, &design)?;
    }
    let hardware = heartbit_hdl::accelerator(&program.array, &program.depths);
    let started = Instant::now();
    let n = usize::try_from(args.mutate.mutants).expect("bug: 32 bits");
    let plan = Plan::new(program, &hardware, n, args.mutate.seed);
    let spinner = output::spinner("Verilator and the C++ compiler build intact model and mutants");
    let compile = |design| Build::new(design).compile(&toolchain);
    let engines = Engines {
        intact: compile(design)?,
        mutants: plan.schemata.as_ref().map(|s| compile(mutant_design(s))).transpose()?,
    };
    spinner.finish_and_clear();
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let which: Vec<usize> =
        (0..shard.count(plan.mutants.len())).map(|index| shard.image(index)).collect();
    let judge = Judge::new(&model.build.network, &model.build.compiled, Scope::Everything);
    let bench = Bench::new(&judge, &hardware, &engines, &rtl, &sim);
    let bar = progress("mutants", which.len());
    let outcomes = bench.run(&plan, &which, || bar.inc(1))?;
    bar.finish_and_clear();
    let report = Report {
        subject: Subject::new(COMMAND, &model.build, &images),
        shard: args.shard.filter(|shard| *shard != Shard::WHOLE),
        settings: Settings {
            seed: args.mutate.seed,
            asked: n,
            mutants: plan.mutants.len(),
            left_out: plan.schemata.as_ref().map_or(0, |s| s.left_out.len()),
            rtl_images: n_rtl_images,
            sim_images: sim.len() - stress.len(),
            stress_images: stress.len(),
        },
        outcomes,
        seconds: started.elapsed().as_secs_f64(),
    };
    conclude(&report, args.junit.as_deref(), format)
}

/// The first images of the data set.
fn first(images: &Images, n: usize) -> Outcome<Vec<Vec<u8>>> {
    let images = images.among_first(n);
    (0..images.len()).map(|index| images.image(index)).collect()
}

/// Refuses a build whose Verilog is not that of which the mutants are.
fn check_verilog(path: &Path, actual: &Design, expected: &Design) -> Outcome {
    let differs = actual.files.iter().zip(&expected.files).find(|(a, b)| a != b);
    let Some(((name, _), _)) = differs else { return Ok(()) };
    let file = path.join("rtl").join(name);
    let message = format!(
        "`{}` is not what this version writes for the array, of which the mutants would be",
        file.display()
    );
    Err(Failure::new(Code::BadInput, message)
        .help("write the build again with `heartbit compile`, or leave `--mutate` out"))
}

/// Writes a report and turns survivors into exit code 1.
pub(crate) fn conclude(report: &Report, junit: Option<&Path>, format: Format) -> Outcome {
    if let Some(path) = junit {
        super::models::write_atomically(path, report.junit().as_bytes())?;
    }
    output::result(format, &report.json(), || report.text())?;
    if report.passed() {
        return Ok(());
    }
    if report.outcomes.is_empty() {
        return Err(Failure::new(Code::CheckFailed, "there is no mutant in this shard")
            .help("divide the mutants among fewer shards"));
    }
    let (survived, all) = (report.survivors().count(), report.outcomes.len());
    let message = format!("{survived} of {all} mutants survived");
    Err(Failure::new(Code::CheckFailed, message).help(
        "run more images (`--rtl-images`, `--sim-images`); docs/mutants.md has what to do then",
    ))
}
