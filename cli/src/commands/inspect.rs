//! `inspect`: what is in a model or a build.

use crate::args::{Format, InspectArgs};
use crate::failure::Outcome;
use crate::inputs;
use crate::layers::CompiledView;
use crate::output::{self, Table, grouped};
use heartbit_ir::network::{Network, ValueType};
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(crate) fn run(args: &InspectArgs, format: Format) -> Outcome {
    if args.path.is_dir() {
        let build = inputs::build(&args.path)?;
        let view = CompiledView::new(&build.network, &build.compiled);
        return output::result(format, &view.json(), || view.text());
    }
    let network = inputs::network(&args.path)?;
    let types = network.validate().expect("bug: validated when it was read");
    output::result(format, &network_json(&network, &types), || network_text(&network, &types))
}

fn network_json(network: &Network, types: &[ValueType]) -> Value {
    let ops: Vec<Value> = network
        .ops
        .iter()
        .zip(types)
        .map(|(op, t)| {
            json!({
                "name": op.name, "op": op.kind.mnemonic(), "element": t.element.to_string(),
                "shape": [t.height, t.width, t.channels],
            })
        })
        .collect();
    json!({
        "schema": 1,
        "network": {
            "arch": network.arch, "binary_macs": network.binary_macs(types),
            "classes": network.classes(), "frac_bits": network.frac_bits,
            "provenance": network.provenance,
        },
        "operations": ops,
    })
}

fn network_text(network: &Network, types: &[ValueType]) -> String {
    let mut table = Table::new(&["operation", "kind", "element", "output"]);
    for (op, t) in network.ops.iter().zip(types) {
        table.row(vec![
            op.name.clone(),
            op.kind.mnemonic().to_owned(),
            t.element.to_string(),
            format!("{}x{}x{}", t.height, t.width, t.channels),
        ]);
    }
    let mut text = format!(
        "{}: {} binary MACs, {} classes, {} fraction bits\n",
        network.arch,
        grouped(network.binary_macs(types)),
        network.classes(),
        network.frac_bits
    );
    for (key, value) in &network.provenance {
        writeln!(text, "  {key}: {value}").expect("bug: writing to a string");
    }
    text + "\n" + &table.render()
}
