//! Cycles and utilisation of untrained networks on arrays: the table of docs/results.md.
//!
//! All figures follow from shapes, so they are the same on every machine and for every weight.

use crate::args::{BenchArraysArgs, Format};
use crate::failure::Outcome;
use crate::layers::CompiledView;
use crate::output::{self, Table, grouped, progress, share};
use heartbit_compiler::fold::fold;
use heartbit_compiler::random;
use heartbit_compiler::schedule::{ScheduleError, Target, compile};
use heartbit_ir::network::Network;
use heartbit_ir::program::ArrayShape;
use heartbit_model::Arch;
use serde_json::{Value, json};

/// Seed of the weights, on which nothing depends.
const SEED: u64 = 1;

pub(crate) fn run(args: &BenchArraysArgs, format: Format) -> Outcome {
    let mut rows = Vec::new();
    let bar = progress("compile", args.arch.len() * args.array.len());
    for &arch in &args.arch {
        let network = network(arch)?;
        for &array in &args.array {
            rows.push(Row { arch, array: array.to_string(), view: view(&network, array)? });
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let results: Vec<Value> = rows.iter().flat_map(Row::results).collect();
    output::result(format, &json!({ "schema": 1, "results": results }), || text(&rows))
}

fn network(arch: Arch) -> Outcome<Network> {
    let checkpoint =
        random::checkpoint(arch, &arch.published(), SEED).expect("bug: published sizes are valid");
    Ok(fold(&checkpoint)?)
}

/// A compiled network, or `None` where it does not fit.
fn view(network: &Network, array: ArrayShape) -> Outcome<Option<CompiledView>> {
    match compile(network, &Target::sized_for_network(array)) {
        Ok(compiled) => Ok(Some(CompiledView::new(network, &compiled))),
        Err(ScheduleError::DoesNotFit(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One network on one array.
struct Row {
    arch: Arch,
    array: String,
    view: Option<CompiledView>,
}

impl Row {
    fn results(&self) -> Vec<Value> {
        let result = |what: &str, value: Value, unit: &str| {
            json!({
                "name": format!("{}/{}/{what}", self.arch, self.array), "value": value,
                "unit": unit, "peer": null, "peer_value": null, "ratio": null,
            })
        };
        let Some(view) = &self.view else {
            return vec![result("cycles", Value::Null, "cycles")];
        };
        vec![
            result("cycles", view.prediction.total().0.into(), "cycles"),
            result("utilisation.binary", view.binary_utilisation().into(), "share of the peak"),
            result("utilisation.binary_in_all", binary_in_all(view).into(), "share of the peak"),
            result("utilisation.total", view.total_utilisation().into(), "share of the peak"),
        ]
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.arch.to_string(), self.array.clone()];
        let Some(view) = &self.view else {
            cells.extend(["", "", "no fit"].map(str::to_owned));
            return cells;
        };
        let a = view.program.array;
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        cells.extend([
            a.taps.to_string(),
            a.lines.to_string(),
            grouped(view.prediction.total().0),
            grouped(view.cycles_of("stem")),
            percent(view.binary_utilisation()),
            percent(binary_in_all(view)),
            percent(view.total_utilisation()),
        ]);
        cells
    }
}

/// Binary products in the cycles of the whole inference.
fn binary_in_all(view: &CompiledView) -> f64 {
    share(view.binary_macs, view.prediction.total().0 * view.peak())
}

fn text(rows: &[Row]) -> String {
    let mut table =
        Table::new(&["network", "array", "T", "Q", "cycles", "stem", "binary", "in all", "total"]);
    for row in rows {
        table.row(row.cells());
    }
    format!(
        "{}\nT lane groups, Q lines of a tile; percent of the peak: binary products in the\n\
         cycles of binary layers and in all cycles, and all products in all cycles\n",
        table.render()
    )
}
