//! The per-layer view of a compiled network: shapes, cycles, utilisation, bands.

use crate::output::{Table, grouped, percent, share, wrapped};
use heartbit_compiler::plan::Layer;
use heartbit_compiler::plan::bands::Rows;
use heartbit_compiler::predict::{BackToBack, CyclePrediction, LayerCycles, back_to_back, predict};
use heartbit_compiler::schedule::{Compiled, cycles_without_bands};
use heartbit_ir::network::{Element, Network, OpKind};
use heartbit_ir::program::{LaneMemory, PortSlots, Program};
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
    /// Whether its weights come through the weight port.
    pub(crate) streamed: bool,
}

/// A compiled network in reports.
pub(crate) struct CompiledView {
    pub(crate) arch: String,
    pub(crate) binary_macs: u64,
    pub(crate) program: Program,
    pub(crate) prediction: CyclePrediction,
    pub(crate) rhythm: BackToBack,
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
            streamed: parts().any(|&part| compiled.program.layers[part].flags.stream_weights),
        }
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "name": self.name, "kind": self.kind, "shape": self.shape,
            "cycles": self.cycles.total().0, "of_which": self.cycles,
            "utilisation": self.utilisation, "streamed": self.streamed,
        });
        if !self.bands.is_empty() {
            let band = |b: &BandView| json!({ "rows": [b.rows.first, b.rows.end - 1], "cycles": b.cycles });
            json["bands"] = self.bands.iter().map(band).collect();
        }
        json
    }

    /// Rows of the table with all its columns: the layer, and its bands below it.
    fn rows(&self) -> Vec<Vec<String>> {
        let [height, width, channels] = self.shape;
        let layer = vec![
            self.name.clone(),
            format!("{height}x{width}x{channels}"),
            grouped(self.cycles.total().0),
            percent(self.utilisation),
            if self.streamed { "streamed".to_owned() } else { String::new() },
            if self.streamed { grouped(self.cycles.wait) } else { String::new() },
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
        let rhythm = back_to_back(&program);
        let arch = network.arch.clone();
        Self { arch, binary_macs, program, prediction, rhythm, layers, bands }
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
                "weight_wait": self.prediction.weight_wait().0,
                "back_to_back": self.rhythm.cycles_per_image(),
            },
            "weight_port": self.port_json(),
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

    /// Words that come through the weight port once an image.
    fn streamed_words(&self) -> usize {
        let columns = self.program.weight_stream.as_ref().and_then(|s| s.columns.first());
        columns.map_or(0, LaneMemory::len)
    }

    fn port_json(&self) -> Value {
        let (Some(ring), Some(stream)) = (self.program.depths.ring, &self.program.weight_stream)
        else {
            return Value::Null;
        };
        json!({
            "cols": ring.port_cols, "ring_words": ring.words,
            "streamed_words": self.streamed_words(), "slots": n_slots(&stream.slots),
            "pattern_cycles": stream.slots.pattern.len(), "latency": stream.slots.latency,
        })
    }

    fn port_text(&self) -> String {
        let (Some(ring), Some(stream)) = (self.program.depths.ring, &self.program.weight_stream)
        else {
            return String::new();
        };
        format!(
            "weight port: {} columns a beat, {} beats in {} cycles after {}; ring of {} words, {} words \
             an image\n",
            ring.port_cols,
            n_slots(&stream.slots),
            stream.slots.pattern.len(),
            grouped(stream.slots.latency),
            grouped(ring.words as u64),
            grouped(self.streamed_words() as u64),
        )
    }

    /// The layers, and where weights are streamed also which ones wait for theirs.
    fn table(&self) -> Table {
        let has_port = self.program.weight_stream.is_some();
        let mut titles = vec!["layer", "output", "cycles", "utilisation"];
        titles.extend(["weights", "wait"].into_iter().filter(|_| has_port));
        let mut table = Table::new(&titles);
        for mut row in self.layers.iter().flat_map(LayerView::rows) {
            row.truncate(titles.len());
            table.row(row);
        }
        let logits = format!("{} logits", self.program.header.classes);
        let send = grouped(self.prediction.send.0);
        table.row(vec!["send".to_owned(), logits, send, String::new()]);
        let (total, share) = (self.prediction.total().0, percent(self.total_utilisation()));
        let mut row = vec!["total".to_owned(), String::new(), grouped(total), share];
        if has_port {
            row.extend([String::new(), grouped(self.prediction.weight_wait().0)]);
        }
        table.row(row);
        table
    }

    /// What images take that follow each other, where that is not a cycle more than one alone.
    fn rhythm_text(&self) -> String {
        if self.program.weight_stream.is_none() {
            return String::new();
        }
        format!("images back to back take {:.1} cycles each\n", self.rhythm.cycles_per_image())
    }

    pub(crate) fn text(&self) -> String {
        let a = self.program.array;
        let d = self.program.depths;
        let memories = wrapped(&format!(
            "memories: {} kbit; words: activation {}, weight {}, stream {}, step {}",
            grouped(heartbit_boards::memory_bits(&self.program).div_ceil(1024)),
            grouped(d.activation as u64),
            grouped(d.weight as u64),
            grouped(d.stream as u64),
            grouped(d.step as u64)
        ));
        format!(
            "{} on {}x{}x{}, {}-bit accumulators\n{} binary MACs, peak {} a cycle\n\
             {memories}\n{}\n{}\nbinary layers reach {} of the peak\n{}",
            self.arch,
            a.rows,
            a.cols,
            a.lanes,
            a.acc_bits,
            grouped(self.binary_macs),
            grouped(self.peak()),
            self.port_text(),
            self.table().render(),
            percent(self.binary_utilisation()),
            self.rhythm_text() + &self.bands.as_ref().map_or_else(String::new, BandsView::text),
        )
    }
}

/// Slots of a pattern.
fn n_slots(slots: &PortSlots) -> usize {
    slots.pattern.iter().filter(|slot| **slot).count()
}
