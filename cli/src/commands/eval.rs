//! `eval`: accuracy of a network on a test set, on any engine.

use super::compile::compile;
use super::train;
use crate::args::{Engine, EvalArgs, Format, LimitArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::inputs::{self, Images};
use crate::output::{self, percent, progress, share};
use crate::verdict::rate;
use heartbit_cosim::{Accelerator, Toolchain};
use heartbit_ir::interp::{Interpreter, predicted_class};
use heartbit_ir::network::Network;
use heartbit_ir::program::Program;
use heartbit_sim::{Simulator, fast};
use rayon::prelude::*;
use serde_json::json;
use std::time::Instant;

/// What the trainer's evaluation says of a checkpoint: the float network, and beside it the
/// network on its grid, which is another one.
pub(crate) struct FloatAndGrid {
    /// Images that the float network classifies correctly.
    pub(crate) float_correct: usize,
    /// Share of images whose predictions agree.
    pub(crate) agreement: f64,
    /// Integer logits on the grid.
    pub(crate) grid_logits: Vec<Vec<i32>>,
}

pub(crate) fn run(args: &EvalArgs, format: Format) -> Outcome {
    let images = Images::test(&args.data)?;
    let started = Instant::now();
    let logits = match args.engine {
        Engine::Float => return float(args, &images, format, started),
        Engine::Network => interpret(args, &images)?,
        Engine::Sim => simulate(args, &images)?,
        Engine::Exact => simulate_cycles(args, &images)?,
        Engine::Rtl => cosimulate(args, &images)?,
    };
    let rate = rate(images.len(), started.elapsed().as_secs_f64());
    let correct = correct(&logits, &images);
    let accuracy = share(correct as u64, images.len() as u64);
    let engine = format!("{:?}", args.engine).to_lowercase();
    let hash = logits_hash(&logits);
    let json = json!({
        "schema": 1, "engine": engine, "images": images.len(), "correct": correct,
        "accuracy": accuracy, "logits_crc32": hash, "images_per_second": rate,
    });
    output::result(format, &json, || {
        format!(
            "{engine}: {correct} of {} right, accuracy {}, {rate:.1} images/s\n\
             CRC-32 of all integer logits: {hash}\n",
            images.len(),
            percent(accuracy)
        )
    })
}

/// Number of images whose class is right.
fn correct(logits: &[Vec<i32>], images: &Images) -> usize {
    let right = |(i, l): (usize, &Vec<i32>)| predicted_class(l) == images.label(i);
    logits.iter().enumerate().filter(|x| right(*x)).count()
}

/// The float network and, side by side, the same checkpoint on its grid.
fn float(args: &EvalArgs, images: &Images, format: Format, started: Instant) -> Outcome {
    let FloatAndGrid { float_correct, agreement, grid_logits } =
        train::evaluate(&args.model, images)?;
    let rate = rate(images.len(), started.elapsed().as_secs_f64());
    let grid_correct = correct(&grid_logits, images);
    let of_all = |n: usize| share(n as u64, images.len() as u64);
    let hash = logits_hash(&grid_logits);
    let json = json!({
        "schema": 1, "engine": "float", "images": images.len(), "correct": float_correct,
        "accuracy": of_all(float_correct), "images_per_second": rate,
        "grid": {
            "correct": grid_correct, "accuracy": of_all(grid_correct),
            "agreement": agreement, "logits_crc32": hash,
        },
    });
    output::result(format, &json, || {
        let n = images.len();
        format!(
            "float: {float_correct} of {n} right, accuracy {}\n\
             grid:  {grid_correct} of {n} right, accuracy {}, same prediction as float: {}\n\
             CRC-32 of all integer logits on the grid: {hash}\n",
            percent(of_all(float_correct)),
            percent(of_all(grid_correct)),
            percent(agreement)
        )
    })
}

/// Identifies all logits of all images: engines that print the same value agree on each of them.
fn logits_hash(logits: &[Vec<i32>]) -> String {
    let bytes: Vec<u8> = logits.iter().flatten().flat_map(|l| l.to_le_bytes()).collect();
    format!("{:08x}", crc32fast::hash(&bytes))
}

/// Reads the network and checks that the images are for it.
fn network(args: &EvalArgs, images: &Images) -> Outcome<Network> {
    let network = inputs::network(&args.model)?;
    images.check_size(&network)?;
    images.check_classes(&network)?;
    Ok(network)
}

fn interpret(args: &EvalArgs, images: &Images) -> Outcome<Vec<Vec<i32>>> {
    interpreted_logits(&network(args, images)?, images)
}

/// The interpreter's logits of all images.
pub(crate) fn interpreted_logits(network: &Network, images: &Images) -> Outcome<Vec<Vec<i32>>> {
    let interpreter = Interpreter::new(network).expect("bug: validated when it was read");
    let bar = progress("interpret", images.len());
    (0..images.len())
        .into_par_iter()
        .map(|index| {
            bar.inc(1);
            interpreter.logits(&images.image(index)?).map_err(|error| {
                Failure::from_error(Code::BadInput, error)
                    .help("the network was trained on images of another size")
            })
        })
        .collect()
}

/// The fast engine, layer by layer.
fn simulate(args: &EvalArgs, images: &Images) -> Outcome<Vec<Vec<i32>>> {
    let build = compile(network(args, images)?, args.array, &LimitArgs::default(), None, None)?;
    simulated_logits(&build.compiled.program, images)
}

/// The fast engine's logits of all images.
pub(crate) fn simulated_logits(program: &Program, images: &Images) -> Outcome<Vec<Vec<i32>>> {
    let engine = fast::Engine::new(program)?;
    let bar = progress("simulate", images.len());
    (0..images.len())
        .into_par_iter()
        .map_init(
            || engine.clone(),
            |engine, index| {
                bar.inc(1);
                Ok(engine.run_logits(&images.image(index)?)?.logits)
            },
        )
        .collect()
}

/// The simulator, cycle by cycle.
fn simulate_cycles(args: &EvalArgs, images: &Images) -> Outcome<Vec<Vec<i32>>> {
    let build = compile(network(args, images)?, args.array, &LimitArgs::default(), None, None)?;
    let simulator = Simulator::new(&build.compiled.program)?;
    let bar = progress("simulate", images.len());
    (0..images.len())
        .into_par_iter()
        .map_init(
            || simulator.clone(),
            |simulator, index| {
                bar.inc(1);
                Ok(simulator.run_logits(&images.image(index)?)?.logits)
            },
        )
        .collect()
}

fn cosimulate(args: &EvalArgs, images: &Images) -> Outcome<Vec<Vec<i32>>> {
    let build = compile(network(args, images)?, args.array, &LimitArgs::default(), None, None)?;
    let toolchain = Toolchain::detect()?;
    let spinner = output::spinner("Verilator and the C++ compiler build the model");
    let mut rtl = Accelerator::build(&build.compiled.program, &toolchain)?;
    spinner.finish_and_clear();
    let bar = progress("co-simulate", images.len());
    (0..images.len())
        .map(|index| {
            bar.inc(1);
            Ok(rtl.run(&images.image(index)?)?.logits)
        })
        .collect()
}
