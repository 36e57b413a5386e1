//! Runs the engines of the ladder.

use super::{Bounds, CYCLE_SIM, FLOAT, ICARUS, NETWORK, RTL, Report, Rung, SIM, SNAPPED};
use crate::args::{DEFAULT_ARRAY, TRACE_MARGIN, VerifyArgs};
use crate::commands::cosim::{self, verilog_checksum};
use crate::commands::{compile, eval};
use crate::divergence::Tracer;
use crate::failure::{Code, Failure, Outcome};
use crate::inputs::{self, Images};
use crate::output::progress;
use crate::verdict::{self, Divergence, Subject};
use heartbit_compiler::build::Build;
use heartbit_compiler::compare::Difference;
use heartbit_cosim::{Design, Icarus, Toolchain, Trace, accelerator_design};
use heartbit_ir::interp::predicted_class;
use heartbit_model::{Checkpoint, float};
use rayon::prelude::*;
use std::borrow::Cow;
use std::time::Instant;

/// What is verified.
pub(crate) struct Model {
    pub(crate) build: Build,
    /// Where the network was folded from, if that was given.
    checkpoint: Option<Checkpoint>,
    /// Whether the build is a directory that the user gave.
    pub(crate) is_on_disk: bool,
}

impl Model {
    pub(crate) fn read(args: &VerifyArgs) -> Outcome<Self> {
        let path = &args.model;
        if path.is_dir() {
            if args.array.is_some() {
                let message = format!("`{}` is a build, which has its array", path.display());
                return Err(Failure::new(Code::Usage, message).help("leave `--array` out"));
            }
            return Ok(Self { build: inputs::build(path)?, checkpoint: None, is_on_disk: true });
        }
        let (network, checkpoint) = inputs::model(path)?;
        let array = args.array.unwrap_or(DEFAULT_ARRAY);
        let build = compile::compile(network, array, &args.limits, None, None)?;
        Ok(Self { build, checkpoint, is_on_disk: false })
    }
}

/// What a climb found, and on what.
pub(crate) struct Climbed {
    pub(crate) report: Report,
    pub(crate) build: Build,
}

/// Climbs the ladder.
pub(crate) fn climb(args: &VerifyArgs) -> Outcome<Climbed> {
    // Asked for first: without it there is no verdict on the RTL, and the rest takes long.
    let toolchain = if args.rtl_images > 0 { Some(Toolchain::detect()?) } else { None };
    let icarus = if args.icarus_images > 0 { Some(Icarus::detect()?) } else { None };
    let model = Model::read(args)?;
    let images = Images::test(&args.data)?.shard(args.shard)?;
    images.check_size(&model.build.network)?;
    images.check_classes(&model.build.network)?;
    let mut subject = Subject::new("verify", &model.build, &images);
    if model.is_on_disk && (toolchain.is_some() || icarus.is_some()) {
        subject.rtl_crc32 = Some(verilog_checksum(&args.model, &model.build)?);
    }
    let mut report = Report {
        subject,
        shard: images.shard_if_any(),
        bounds: Bounds { min_accuracy: args.min_accuracy, min_agreement: args.min_agreement },
        rungs: Vec::new(),
        not_compared: Vec::new(),
    };
    let (network, logits) = network(&model.build, &images)?;
    if let Some(checkpoint) = &model.checkpoint {
        let some = images.among_first(args.float_images);
        report.rungs.push(float(checkpoint, &some, &logits)?);
        if cfg!(feature = "train") && report.shard.is_none() {
            let started = Instant::now();
            let grid = crate::commands::train::evaluate(&args.model, &images)?.grid_logits;
            report.rungs.push(compared(SNAPPED, &images, &grid, &logits, started));
        }
    }
    report.rungs.push(network);
    let started = Instant::now();
    let simulated = eval::simulated_logits(&model.build.compiled.program, &images)?;
    report.rungs.push(compared(SIM, &images, &simulated, &logits, started));
    let some = images.among_first(args.sim_images);
    let mut verdict = verdict::simulate(&model.build, &some)?;
    verdict.locate(&model.build, &some, None)?;
    report.rungs.push(Rung::of_tensors(CYCLE_SIM, verdict));
    let some = images.among_first(args.rtl_images);
    if let Some(toolchain) = toolchain {
        report.rungs.push(rtl(args, &model, &some, &toolchain)?);
    }
    let some = images.among_first(args.icarus_images);
    if let Some(icarus) = icarus {
        report.rungs.push(under_icarus(args, &model, &some, &icarus)?);
    }
    report.not_compared = not_compared(args, &model, &images);
    Ok(Climbed { report, build: model.build })
}

/// The integer network's rung, and its logits.
fn network(build: &Build, images: &Images) -> Outcome<(Rung, Vec<Vec<i32>>)> {
    let started = Instant::now();
    let logits = eval::interpreted_logits(&build.network, images)?;
    let rung = Rung { logits: 0, ..compared(NETWORK, images, &logits, &logits, started) };
    Ok((rung, logits))
}

/// The rung of an engine whose logits are compared.
fn compared(
    name: &str,
    images: &Images,
    actual: &[Vec<i32>],
    expected: &[Vec<i32>],
    started: Instant,
) -> Rung {
    let mut rung = Rung {
        name: name.to_owned(),
        images: images.len(),
        seconds: started.elapsed().as_secs_f64(),
        logits_sum: Some(0),
        ..Rung::default()
    };
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let number = images.number(index);
        let class = predicted_class(actual);
        rung.correct += usize::from(class == images.label(index));
        rung.predictions_differing += usize::from(class != predicted_class(expected));
        rung.logits += expected.len();
        rung.logits_sum = rung.logits_sum.map(|sum| sum.wrapping_add(checksum(number, actual)));
        let differing = differing(actual, expected);
        rung.differing += differing.len();
        if let (Some(&first), None) = (differing.first(), &rung.first_divergence) {
            rung.first_divergence = Some(Divergence {
                image: number,
                engine: name.to_owned(),
                difference: Difference {
                    layer: "output".to_owned(),
                    tensor: Cow::Borrowed("logits"),
                    elements: differing.len(),
                    first: [0, 0, first],
                    expected: expected.get(first).copied().unwrap_or(i32::MIN),
                    actual: actual.get(first).copied().unwrap_or(i32::MIN),
                    place: None,
                },
                location: None,
                layer_cycles: Vec::new(),
            });
        }
    }
    rung
}

/// Positions at which logits differ or are missing on one side.
fn differing(actual: &[i32], expected: &[i32]) -> Vec<usize> {
    let n = actual.len().max(expected.len());
    (0..n).filter(|&i| actual.get(i) != expected.get(i)).collect()
}

/// A checksum of an image's logits, different for each image.
fn checksum(image: usize, logits: &[i32]) -> u64 {
    let image = u64::try_from(image).expect("bug: 64 bits").to_le_bytes();
    let bytes: Vec<u8> =
        image.into_iter().chain(logits.iter().flat_map(|logit| logit.to_le_bytes())).collect();
    let (low, high) = (crc32fast::hash(&bytes), crc32fast::hash(&bytes[1..]));
    u64::from(low) | u64::from(high) << 32
}

/// The rung of the checkpoint in real arithmetic, which has other logits by nature.
fn float(checkpoint: &Checkpoint, images: &Images, network: &[Vec<i32>]) -> Outcome<Rung> {
    let started = Instant::now();
    let bar = progress("float", images.len());
    let classes: Vec<usize> = (0..images.len())
        .into_par_iter()
        .map(|index| {
            bar.inc(1);
            let logits = float::logits(checkpoint, &images.planes(index)?);
            Ok(largest(&logits))
        })
        .collect::<Outcome<_>>()?;
    bar.finish_and_clear();
    let right = |(index, class): (usize, &usize)| images.label(index) == *class;
    let other = |(class, logits): (&usize, &Vec<i32>)| *class != predicted_class(logits);
    Ok(Rung {
        name: FLOAT.to_owned(),
        images: images.len(),
        correct: classes.iter().enumerate().filter(|x| right(*x)).count(),
        predictions_differing: classes.iter().zip(network).filter(|x| other(*x)).count(),
        seconds: started.elapsed().as_secs_f64(),
        ..Rung::default()
    })
}

/// The first of the largest logits.
fn largest(logits: &[f64]) -> usize {
    (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best })
}

/// The rung of the Verilog: of the files where a build was given.
fn rtl(args: &VerifyArgs, model: &Model, images: &Images, tools: &Toolchain) -> Outcome<Rung> {
    if images.len() == 0 {
        return Ok(Rung { name: RTL.to_owned(), ..Rung::default() });
    }
    let build = &model.build;
    let design = design(args, model)?;
    let mut accelerator = cosim::accelerator(design.clone(), build, tools, Trace::None)?;
    let mut verdict = verdict::cosimulate(build, images, &mut accelerator, false)?;
    let directory = args.trace.clone().or_else(|| model.is_on_disk.then(|| args.model.clone()));
    let tracer = directory.map(|directory| Tracer {
        design,
        toolchain: tools,
        directory,
        margin: TRACE_MARGIN,
        is_whole: false,
    });
    verdict.locate(build, images, tracer.as_ref())?;
    Ok(Rung::of_tensors(RTL, verdict))
}

/// The rung of the Verilog under the second simulator.
fn under_icarus(
    args: &VerifyArgs,
    model: &Model,
    images: &Images,
    icarus: &Icarus,
) -> Outcome<Rung> {
    if images.len() == 0 {
        return Ok(Rung { name: ICARUS.to_owned(), ..Rung::default() });
    }
    let build = &model.build;
    let mut verdict = cosim::under_icarus(icarus, design(args, model)?, build, images, false)?;
    verdict.locate(build, images, None)?;
    Ok(Rung::of_tensors(ICARUS, verdict))
}

/// The Verilog: the files where a build was given.
fn design(args: &VerifyArgs, model: &Model) -> Outcome<Design> {
    let program = &model.build.compiled.program;
    if model.is_on_disk {
        return cosim::design(&args.model, &model.build);
    }
    Ok(accelerator_design(&program.array, &program.depths))
}

/// What a climb leaves out, for a reader who takes a pass for more than it is.
fn not_compared(args: &VerifyArgs, model: &Model, images: &Images) -> Vec<String> {
    let mut left_out = Vec::new();
    let total = images.total();
    let mut some = |what: &str, n: usize, option: &str| {
        if n < total {
            let rest = total - n;
            left_out.push(format!("{what} of {rest} of {total} images ({option})"));
        }
    };
    if model.checkpoint.is_some() {
        some("float network", args.float_images, "--float-images");
    }
    some("tensors of the cycle-exact simulator", args.sim_images, "--sim-images");
    some("tensors of the RTL", args.rtl_images, "--rtl-images");
    some("tensors of the RTL under a second simulator", args.icarus_images, "--icarus-images");
    if model.checkpoint.is_none() {
        let what = "float and snapped float network: give the checkpoint instead of what was made \
                    of it";
        left_out.push(what.to_owned());
    } else if !cfg!(feature = "train") {
        let what = "snapped float network: this binary was built without the trainer \
                    (`--features train`)";
        left_out.push(what.to_owned());
    } else if images.shard_if_any().is_some() {
        left_out.push("snapped float network: it runs without `--shard` only".to_owned());
    }
    if args.min_accuracy.is_none() {
        left_out.push("accuracy with a bound (--min-accuracy)".to_owned());
    }
    if model.checkpoint.is_some() && args.min_agreement.is_none() {
        left_out.push(
            "predictions of float and integer network with a bound (--min-agreement)".to_owned(),
        );
    }
    left_out
}
