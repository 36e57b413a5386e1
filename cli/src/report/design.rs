//! What was compiled, as the report has it: network, cycles, memories, resources.

use crate::fpga::model_note;
use crate::layers::{CompiledView, LayerView};
use heartbit_boards::memories;
use heartbit_compiler::build::Build;
use heartbit_compiler::memory_map::MemoryMap;
use heartbit_compiler::plan::{Layer, ShortcutKind, Source};
use heartbit_compiler::resources::{Design, Family, Model, Wrapper};
use heartbit_compiler::schedule::Placed;
use heartbit_ir::program::Program;
use heartbit_report as page;
use serde_json::Value;

/// Network, layers, memories; nothing measured yet.
pub(super) fn design(build: &Build) -> page::Report {
    let compiled = &build.compiled;
    let (program, plan) = (&compiled.program, &compiled.plan);
    let view = CompiledView::new(&build.network, compiled);
    let layers = view.layers.iter().enumerate();
    let predicted = |predicted| page::Cycles { predicted, ..page::Cycles::default() };
    let map = MemoryMap::new(&build.network, compiled);
    let all = memories(&program.array, &program.depths);
    let used = memories(&program.array, &map.used);
    let memory = |(has, used): (&heartbit_boards::Memory, &heartbit_boards::Memory)| page::Memory {
        name: has.name,
        banks: has.banks as u64,
        word_bits: has.word_bits as u64,
        words: has.words as u64,
        used: used.words as u64,
    };
    let array = &program.array;
    page::Report {
        version: crate::version::SHORT.to_owned(),
        network: page::Network {
            arch: view.arch.clone(),
            binary_macs: view.binary_macs,
            classes: program.header.classes.into(),
            provenance: build.network.provenance.clone().into_iter().collect(),
        },
        array: page::Array {
            rows: array.rows,
            cols: array.cols,
            lanes: array.lanes,
            acc_bits: array.acc_bits,
        },
        layers: layers.map(|(i, of)| layer(of, &plan.layers[i], build, i)).collect(),
        send: predicted(view.prediction.send.0),
        total: predicted(view.prediction.total().0),
        memories: all.iter().zip(&used).map(memory).collect(),
        maps: vec![
            over_time("activation", program.depths.activation, &map.activation, build),
            over_time("stream", program.depths.stream, &map.stream, build),
        ],
        weight_port: weight_port(program),
        ..page::Report::default()
    }
}

fn layer(view: &LayerView, layer: &Layer, build: &Build, index: usize) -> page::Layer {
    let compiled = &build.compiled;
    let parts = compiled.sequence.of_layer(index);
    let cycles = &view.cycles;
    page::Layer {
        name: view.name.clone(),
        kind: view.kind,
        shape: view.shape,
        source: layer.source().map(|source| match source {
            Source::Image => page::Source::Image,
            Source::Layer(from) => page::Source::Layer(from),
        }),
        shortcut: shortcut(layer),
        bit_products: view.bit_products,
        cycles: page::Cycles { predicted: cycles.total().0, ..page::Cycles::default() },
        parts: page::Parts {
            compute: cycles.compute,
            wait: cycles.wait,
            stall: cycles.stall,
            drain: cycles.drain,
            fetch: cycles.fetch,
        },
        utilisation: view.utilisation,
        streamed_bits: streamed_bits(&compiled.program, parts),
        bands: parts.len(),
    }
}

fn shortcut(layer: &Layer) -> Option<page::Shortcut> {
    let shortcut = layer.shortcut?;
    let kind = match shortcut.kind {
        ShortcutKind::Identity { stride: 1 } => "as it is",
        ShortcutKind::Identity { .. } => "every second position",
        ShortcutKind::Average { .. } => "averaged over 2×2",
        ShortcutKind::Extreme { .. } => "largest or smallest of a window",
    };
    Some(page::Shortcut { from: shortcut.from, kind })
}

/// Bits of weights that come through the weight port for a layer, in all its bands.
fn streamed_bits(program: &Program, parts: &[usize]) -> u64 {
    let array = &program.array;
    let words = |part: &usize| {
        let layer = &program.layers[*part];
        let streamed = layer.flags.stream_weights;
        if streamed { u64::from(layer.col_tiles) * u64::from(layer.steps) } else { 0 }
    };
    parts.iter().map(words).sum::<u64>() * (array.cols * array.lanes) as u64
}

#[expect(clippy::cast_precision_loss, reason = "a pattern has few cycles")]
fn weight_port(program: &Program) -> Option<page::WeightPort> {
    let (ring, stream) = (program.depths.ring?, program.weight_stream.as_ref()?);
    let pattern = &stream.slots.pattern;
    let slots = pattern.iter().filter(|slot| **slot).count();
    let beat = (ring.port_cols * program.array.lanes) as f64;
    Some(page::WeightPort { bits_per_cycle: beat * slots as f64 / pattern.len() as f64 })
}

fn over_time(name: &'static str, words: usize, placed: &Placed, build: &Build) -> page::MemoryMap {
    let (plan, sequence) = (&build.compiled.plan, &build.compiled.sequence);
    let region = |region: &heartbit_compiler::schedule::Region| page::Region {
        steps: region.steps,
        base: region.base as u64,
        words: region.words as u64,
    };
    page::MemoryMap {
        name,
        words: words as u64,
        steps: (0..sequence.layers.len()).map(|index| sequence.name(plan, index)).collect(),
        regions: placed.regions.iter().map(region).collect(),
        live: placed.live.iter().map(|live| *live as u64).collect(),
    }
}

/// What the design takes of the FPGA that `compile` was given.
pub(super) fn fpga(build: &Build, compiled: Option<&Value>) -> Option<page::Fpga> {
    let fpga = compiled?.get("fpga")?;
    let family: Family = fpga["family"].as_str()?.parse().ok()?;
    let program = &build.compiled.program;
    let model = Model::of(family);
    let wrapper = Wrapper::from_name(fpga["wrapper"].as_str()?)?;
    let design = Design { array: program.array, depths: program.depths, wrapper };
    let area = model.area(&design);
    let resource = |name: &str, key: &str, estimated| page::Resource {
        name: name.to_owned(),
        estimated,
        limit: fpga["capacity"][key].as_u64(),
    };
    let modules = model.modules(&design).into_iter();
    Some(page::Fpga {
        name: fpga["name"].as_str()?.to_owned(),
        family: family.name().to_owned(),
        clock_mhz: fpga["clock_mhz"].as_f64()?,
        resources: vec![
            resource(family.logic_unit(), "lut", area.lut),
            resource("flip-flops", "ff", area.ff),
            resource(family.bram_unit(), "bram", area.bram),
            resource("multipliers", "dsp", area.dsp),
        ],
        note: model_note(model),
        modules: modules
            .map(|module| page::Module {
                name: module.module.to_owned(),
                instances: module.instances as u64,
                lut: module.lut,
                ff: module.ff,
            })
            .collect(),
    })
}
