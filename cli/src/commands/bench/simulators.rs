//! Images a second of the simulators of one accelerator: the fast engine, the cycle-exact simulator,
//! and the Verilog under Verilator.
//!
//! Each engine runs the same program and image on one thread and is timed in processor time of that
//! thread. What they compute is compared before it is timed.

use super::clock::shortest;
use crate::args::{BenchSimulatorsArgs, Format};
use crate::failure::{Code, Failure, Outcome};
use crate::output::{self, Table, grouped, progress, wrapped};
use heartbit_compiler::fold::fold;
use heartbit_compiler::random;
use heartbit_compiler::schedule::{Target, compile};
use heartbit_cosim::{Accelerator, Toolchain};
use heartbit_ir::program::{Execution, IMAGE_CHANNELS, Program};
use heartbit_sim::Simulator;
use heartbit_sim::fast::Engine;
use heartbit_sim::kernels::Kernels;
use serde_json::{Value, json};

/// Seed of the weights, on which no time depends.
const SEED: u64 = 1;

pub(crate) fn run(args: &BenchSimulatorsArgs, format: Format) -> Outcome {
    let toolchain = Toolchain::detect()?;
    let sizes = args.arch.published();
    let checkpoint =
        random::checkpoint(args.arch, &sizes, SEED).expect("bug: published sizes are valid");
    let compiled = compile(&fold(&checkpoint)?, &Target::sized_for_network(args.array))?;
    let side = sizes.image_side;
    let image: Vec<u8> = (0..=u8::MAX).cycle().take(side * side * IMAGE_CHANNELS).collect();
    let bench = Bench { args, program: &compiled.program, image };
    let rows = bench.rows(&toolchain)?;
    let base = rows.last().map_or(f64::NAN, |row| row.seconds);
    let results: Vec<Value> = rows.iter().map(|row| row.json(base)).collect();
    let cycles = bench.cycles()?;
    let verilator = toolchain.verilator_version().to_string();
    let json = json!({
        "schema": 1, "network": args.arch.to_string(), "array": args.array.to_string(),
        "cycles": cycles, "verilator": verilator, "isa": Kernels::best().isa().to_string(),
        "results": results,
    });
    output::result(format, &json, || {
        let title = format!(
            "{} on {}, {} cycles an image; one thread; Verilator {verilator}",
            args.arch,
            args.array,
            grouped(cycles)
        );
        text(&title, &rows, cycles)
    })
}

struct Bench<'a> {
    args: &'a BenchSimulatorsArgs,
    program: &'a Program,
    image: Vec<u8>,
}

/// What one engine takes for an image.
struct Row {
    engine: &'static str,
    /// What it shows: `logits`, or `all` tensors and cycles.
    shows: &'static str,
    /// Processor time.
    seconds: f64,
}

impl Bench<'_> {
    fn rows(&self, toolchain: &Toolchain) -> Outcome<Vec<Row>> {
        let image = &self.image;
        let bar = progress("measure", 6);
        let mut fast = Engine::new(self.program)?;
        let mut exact = Simulator::new(self.program)?;
        let mut rtl = Accelerator::build(self.program, toolchain)?;
        let expected = exact.run(image)?;
        let agree = |name: &str, execution: &Execution| {
            if (&execution.logits, execution.class) == (&expected.logits, expected.class) {
                return Ok(());
            }
            let message = format!("{name} and the cycle-exact simulator have different logits");
            Err(Failure::new(Code::CheckFailed, message)
                .help("`heartbit verify` says where they differ first"))
        };
        agree("the fast engine", &fast.run(image)?)?;
        agree("the RTL under Verilator", &rtl.run(image)?)?;
        let mut rows = Vec::new();
        let mut add = |engine, shows, repetitions, work: &mut dyn FnMut()| {
            rows.push(Row { engine, shows, seconds: shortest(repetitions, work) });
            bar.inc(1);
        };
        let (many, few) = (self.args.repetitions, self.args.rtl_images);
        // Every engine has run this image already.
        add("fast engine", "logits", many, &mut || drop(fast.run_logits(image)));
        add("fast engine", "all", many, &mut || drop(fast.run(image)));
        add("cycle by cycle", "logits", few, &mut || drop(exact.run_logits(image)));
        add("cycle by cycle", "all", few, &mut || drop(exact.run(image)));
        add("Verilator", "all", few, &mut || drop(rtl.run(image)));
        add("Verilator", "logits", few, &mut || drop(rtl.run_logits(image)));
        bar.finish_and_clear();
        Ok(rows)
    }

    /// Cycles of an image.
    fn cycles(&self) -> Outcome<u64> {
        let execution = Simulator::new(self.program)?.run(&self.image)?;
        Ok(execution.layer_cycles.iter().sum::<u64>() + execution.send_cycles)
    }
}

impl Row {
    /// `base` is the time that ratios are of.
    fn json(&self, base: f64) -> Value {
        json!({
            "name": format!("{}/{}", self.engine, self.shows), "value": 1.0 / self.seconds,
            "unit": "images/s", "peer": "Verilator/logits", "peer_value": 1.0 / base,
            "ratio": base / self.seconds,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn text(title: &str, rows: &[Row], cycles: u64) -> String {
    let titles = ["engine", "shows", "ms an image", "images/s", "kcycles/s", "of Verilator"];
    let mut table = Table::new(&titles);
    let base = rows.last().map_or(f64::NAN, |row| row.seconds);
    for row in rows {
        table.row(vec![
            row.engine.to_owned(),
            row.shows.to_owned(),
            format!("{:.3}", 1e3 * row.seconds),
            format!("{:.1}", 1.0 / row.seconds),
            format!("{:.0}", cycles as f64 / 1e3 / row.seconds),
            format!("{:.1}", base / row.seconds),
        ]);
    }
    format!("{}\n\n{}", wrapped(title), table.render())
}
