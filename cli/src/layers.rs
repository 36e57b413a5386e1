//! The per-layer view of a compiled network: shapes, cycles, utilisation, bands.

use crate::output::{Table, grouped, percent, share};
use heartbit_compiler::plan::Layer;
use heartbit_compiler::plan::bands::Rows;
use heartbit_compiler::predict::{CyclePrediction, LayerCycles, predict};
use heartbit_compiler::schedule::{Compiled, cycles_without_bands};
use heartbit_ir::network::{Element, Network, OpKind};
use heartbit_ir::program::Program;
use serde_json::{Value, json};

/// One band of a layer in reports.
pub(crate) struct BandView {
    rows: Rows,
    cycles: u64,
}

/// Layers in bands in reports.
pub(crate) struct BandsView {
    /// Names of the first and the last layer.
    layers: [String; 2],
    count: usize,
    /// Rows of the last layer in a band.
    height: usize,
    /// Cycles more than without bands, as a share.
    more_cycles: f64,
}

impl BandsView {
    fn new(network: &Network, compiled: &Compiled, cycles: u64) -> Option<Self> {
        let plan = &compiled.plan;
        let bands = compiled.sequence.bands?;
        let without = cycles_without_bands(network, compiled).total().0;
        Some(Self {
            layers: [bands.first, bands.last].map(|i| plan.layers[i].name.clone()),
            count: bands.count(plan),
            height: bands.height,
            more_cycles: share(cycles, without) - 1.0,
        })
    }

    fn json(&self) -> Value {
        json!({
            "first": self.layers[0], "last": self.layers[1], "count": self.count,
            "rows": self.height, "more_cycles": self.more_cycles,
        })
    }

    fn text(&self) -> String {
        let Self { layers: [first, last], count, height, more_cycles } = self;
        let more = percent(*more_cycles);
        let rows = if *height == 1 { "row" } else { "rows" };
        format!(
            "layers `{first}` to `{last}` run in {count} bands of {height} {rows}: \
             {more} more cycles\n"
        )
    }
}

/// One layer in reports.
pub(crate) struct LayerView {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// Rows, columns, channels of the output.
    pub(crate) shape: [usize; 3],
    /// Bipolar products: multiply-accumulates times the bits of both operands.
    pub(crate) bit_products: u64,
    pub(crate) cycles: LayerCycles,
    pub(crate) utilisation: f64,
    /// Empty unless the layer runs in bands.
    bands: Vec<BandView>,
}

/// A compiled network in reports.
pub(crate) struct CompiledView {
    pub(crate) arch: String,
    pub(crate) binary_macs: u64,
    pub(crate) program: Program,
    pub(crate) prediction: CyclePrediction,
    pub(crate) layers: Vec<LayerView>,
    bands: Option<BandsView>,
}

/// Bipolar products of a layer's convolution on the array; a pass has none.
fn bit_products(network: &Network, compiled: &Compiled, layer: &Layer) -> u64 {
    let Some(convolution) = &layer.convolution else { return 0 };
    let OpKind::Conv { input, weights, kernel, .. } = &network.ops[convolution.conv].kind else {
        unreachable!("bug: a convolution");
    };
    let Element::Levels(bits) = compiled.plan.types[*input].element else {
        unreachable!("bug: a convolution reads levels");
    };
    let out = compiled.plan.types[convolution.conv];
    // The constant channel of the image is in the biases.
    let channels = convolution.in_order.len() * convolution.flat.unwrap_or(1);
    let macs = (out.len() * kernel * kernel * channels) as u64;
    macs * u64::from(bits) * u64::from(weights.bits())
}

impl LayerView {
    fn new(
        network: &Network,
        compiled: &Compiled,
        prediction: &CyclePrediction,
        index: usize,
    ) -> Self {
        let layer = &compiled.plan.layers[index];
        let sequence = &compiled.sequence;
        let parts = || sequence.of_layer(index).iter();
        let cycles: LayerCycles = parts().map(|&part| prediction.layers[part]).sum();
        let band = |&part: &usize| {
            let program_layer = sequence.layers[part];
            program_layer.band?;
            Some(BandView { rows: program_layer.rows, cycles: prediction.layers[part].total().0 })
        };
        let bit_products = bit_products(network, compiled, layer);
        let a = compiled.program.array;
        let peak = (a.rows * a.cols * a.lanes) as u64;
        Self {
            name: layer.name.clone(),
            kind: compiled.plan.kind(network, layer),
            shape: layer.shape,
            bit_products,
            cycles,
            utilisation: share(bit_products, cycles.total().0 * peak),
            bands: parts().filter_map(band).collect(),
        }
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "name": self.name, "kind": self.kind, "shape": self.shape,
            "cycles": self.cycles.total().0, "of_which": self.cycles,
            "utilisation": self.utilisation,
        });
        if !self.bands.is_empty() {
            let band = |b: &BandView| json!({ "rows": [b.rows.first, b.rows.end - 1], "cycles": b.cycles });
            json["bands"] = self.bands.iter().map(band).collect();
        }
        json
    }

    /// Rows of the table: the layer, and its bands below it.
    fn rows(&self) -> Vec<Vec<String>> {
        let [height, width, channels] = self.shape;
        let layer = vec![
            self.name.clone(),
            format!("{height}x{width}x{channels}"),
            grouped(self.cycles.total().0),
            percent(self.utilisation),
        ];
        let band = |b: &BandView| {
            let (first, last) = (b.rows.first, b.rows.end - 1);
            vec![
                format!("  rows {first} to {last}"),
                String::new(),
                grouped(b.cycles),
                String::new(),
            ]
        };
        std::iter::once(layer).chain(self.bands.iter().map(band)).collect()
    }
}

impl CompiledView {
    pub(crate) fn new(network: &Network, compiled: &Compiled) -> Self {
        let program = compiled.program.clone();
        let prediction = predict(&program);
        let layers = (0..compiled.plan.layers.len())
            .map(|index| LayerView::new(network, compiled, &prediction, index))
            .collect();
        let binary_macs = network.binary_macs(&compiled.plan.types);
        let bands = BandsView::new(network, compiled, prediction.total().0);
        Self { arch: network.arch.clone(), binary_macs, program, prediction, layers, bands }
    }

    pub(crate) fn peak(&self) -> u64 {
        let a = self.program.array;
        (a.rows * a.cols * a.lanes) as u64
    }

    /// Cycles of all layers of a kind.
    pub(crate) fn cycles_of(&self, kind: &str) -> u64 {
        self.layers.iter().filter(|l| l.kind == kind).map(|l| l.cycles.total().0).sum()
    }

    /// Share of the peak that the binary layers reach, weighted by their products.
    pub(crate) fn binary_utilisation(&self) -> f64 {
        share(self.binary_macs, self.cycles_of("binary") * self.peak())
    }

    /// Share of the peak that the whole inference reaches, stem and head included.
    pub(crate) fn total_utilisation(&self) -> f64 {
        let products = self.layers.iter().map(|l| l.bit_products).sum();
        share(products, self.prediction.total().0 * self.peak())
    }

    pub(crate) fn json(&self) -> Value {
        let a = self.program.array;
        let layers: Vec<Value> = self.layers.iter().map(LayerView::json).collect();
        let mut json = json!({
            "schema": 1,
            "network": { "arch": self.arch, "binary_macs": self.binary_macs },
            "array": {
                "rows": a.rows, "cols": a.cols, "lanes": a.lanes, "taps": a.taps, "lines": a.lines,
                "acc_bits": a.acc_bits, "extended": a.extended,
            },
            "memories": self.program.depths,
            "memory_bits": heartbit_boards::memory_bits(&self.program),
            "cycles": {
                "total": self.prediction.total().0,
                "stem": self.cycles_of("stem"),
                "head": self.cycles_of("head"),
                "send": self.prediction.send.0,
            },
            "utilisation": {
                "binary": self.binary_utilisation(), "total": self.total_utilisation(),
            },
            "layers": layers,
        });
        if let Some(bands) = &self.bands {
            json["bands"] = bands.json();
        }
        json
    }

    pub(crate) fn text(&self) -> String {
        let mut table = Table::new(&["layer", "output", "cycles", "utilisation"]);
        self.layers.iter().flat_map(LayerView::rows).for_each(|row| table.row(row));
        table.row(vec![
            "send".to_owned(),
            format!("{} logits", self.program.header.classes),
            grouped(self.prediction.send.0),
            String::new(),
        ]);
        table.row(vec![
            "total".to_owned(),
            String::new(),
            grouped(self.prediction.total().0),
            percent(self.total_utilisation()),
        ]);
        let a = self.program.array;
        let d = self.program.depths;
        format!(
            "{} on {}x{}x{}, {}-bit accumulators: {} binary MACs, peak {} a cycle\n\
             memories: {} kbit; words: activation {}, weight {}, stream {}, step {}\n\n\
             {}\nbinary layers reach {} of the peak\n{}",
            self.arch,
            a.rows,
            a.cols,
            a.lanes,
            a.acc_bits,
            grouped(self.binary_macs),
            grouped(self.peak()),
            grouped(heartbit_boards::memory_bits(&self.program).div_ceil(1024)),
            grouped(d.activation as u64),
            grouped(d.weight as u64),
            grouped(d.stream as u64),
            grouped(d.step as u64),
            table.render(),
            percent(self.binary_utilisation()),
            self.bands.as_ref().map_or_else(String::new, BandsView::text),
        )
    }
}
