//! `compile --axi --weight-port` as a host meets it: what the command wrote runs among models of the
//! bus, from the files alone.

mod support;

use heartbit_compiler::build::{self, Build};
use heartbit_compiler::predict::predict;
use heartbit_cosim::{Design, axi_design};
use heartbit_hdl::axi::AxiConfig;
use heartbit_ir::interp::Interpreter;
use heartbit_tests::bus::Stalls;
use heartbit_tests::bus::bench::Bench;
use heartbit_tests::packet::Image;
use heartbit_tests::regs;
use heartbit_tests::verilated::ModelPins;
use std::fs;
use std::path::{Path, PathBuf};
use support::{bundled_network, fail, names, succeed, temporary, text};
use tempfile::TempDir;

/// An array with room for few of the weights.
const STREAMED: [&str; 4] = ["--array", "4x8x16", "--weight-words", "300"];

fn compile(directory: &TempDir, extra: &[&str]) -> PathBuf {
    let network = bundled_network();
    let args = ["compile", text(&network), "--out", "b"];
    succeed(directory, &[&args[..], &STREAMED, extra].concat());
    directory.path().join("b")
}

/// The Verilog of a build, as it is on disk.
fn design(path: &Path, build: &Build, axi: AxiConfig) -> Design {
    let program = &build.compiled.program;
    let mut design = axi_design(&program.array, &program.depths, axi);
    let rtl = path.join("rtl");
    assert_eq!(names(&rtl).len(), design.files.len());
    for (name, text) in &mut design.files {
        *text = fs::read_to_string(rtl.join(&*name)).expect("a file of the build");
    }
    design
}

/// A build that was loaded into its Verilog.
struct Host {
    bench: Bench<ModelPins>,
    images: Vec<Image>,
}

impl Host {
    /// Does what docs/axi.md tells a driver.
    fn new(path: &Path, build: &Build, axi: AxiConfig) -> Self {
        let mut bench = Bench::new(ModelPins::new(design(path, build, axi)), axi.data_bits.into());
        let file = |name: &str| fs::read(path.join("host").join(name)).expect("a file");
        bench.put_weights(0x20_0000, &file("weights.bin")).expect("registers of the ring");
        assert_eq!(bench.load(0x10_0000, &file("program.bin")), Ok(0));
        let interpreter = Interpreter::new(&build.network).expect("a valid network");
        let bytes = |seed: u32| (0..32 * 32 * 3).map(move |i: u32| (i * i / 7 * seed % 251) as u8);
        let header = &build.compiled.program.header;
        let image = |seed| Image::new(&interpreter, header, &bytes(seed).collect::<Vec<_>>());
        Self { bench, images: (1..3).map(image).collect() }
    }

    /// Runs an image; returns its cycles and those in which a step waited for its weights.
    fn run(&mut self, image: usize) -> [u64; 2] {
        let Self { bench, images } = self;
        bench.source.packet(&images[image].pixels);
        bench.until("a result", |b| !b.sink.packets.is_empty()).expect("no violation");
        assert_eq!(bench.sink.packets.pop_front().as_ref(), Some(&images[image].result));
        assert_eq!(bench.take_errors(), Ok(0));
        [regs::CYCLES, regs::WEIGHT_STALLS].map(|r| bench.read(r).expect("a register").into())
    }
}

#[test]
fn streamed_network_behind_axi_takes_the_predicted_cycles() {
    let directory = temporary();
    let path = compile(&directory, &["--axi", "--weight-port", "1"]);
    assert!(names(&path.join("host")).contains(&"weights.bin".to_owned()));
    let build = build::read(&path).expect("a build");
    let predicted = predict(&build.compiled.program);
    let (total, wait) = (predicted.total().0, predicted.weight_wait().0);
    assert!(wait > 500, "only {wait} cycles of waiting");
    let mut host = Host::new(&path, &build, AxiConfig::default());
    // The bus brings 64 bits in each cycle, which hold four beats of a column: as stated.
    for image in [0, 1] {
        host.bench.steps(2000).expect("no violation");
        assert_eq!(host.run(image), [total, wait], "image {image}");
    }
    // A slower one changes no result, and waiting explains what it costs.
    host.bench.memory.stalls = Stalls::new(3, 0.9);
    let [cycles, stalls] = host.run(0);
    assert!(stalls > wait, "{stalls} cycles of waiting");
    assert_eq!(cycles - stalls, total - wait);
}

#[test]
fn rate_is_that_of_the_memory_port() {
    let directory = temporary();
    let path = compile(&directory, &["--axi=32", "--weight-port", "4"]);
    let build = build::read(&path).expect("a build");
    let program = &build.compiled.program;
    let slots = &program.weight_stream.as_ref().expect("streamed weights").slots;
    assert_eq!(slots.pattern, [false, true]);
    let predicted = predict(program);
    let mut host = Host::new(&path, &build, AxiConfig { data_bits: 32, ..AxiConfig::default() });
    host.bench.steps(2000).expect("no violation");
    let (total, wait) = (predicted.total().0, predicted.weight_wait().0);
    let [cycles, stalls] = host.run(0);
    assert_eq!(cycles - stalls, total - wait);
    // The second cycle after a beat, not every second one: one more where the ring was full before.
    let streamed = program.layers.iter().filter(|layer| layer.flags.stream_weights).count() as u64;
    assert!(wait > 100 && (wait..=wait + streamed).contains(&stalls), "{stalls}, not {wait}");

    let network = bundled_network();
    let args = ["compile", text(&network), "--out", "b", "--axi=32", "--weight-port", "4"];
    let faster = ["--weight-rate", "2/3"];
    let words =
        ["32 bits", "at a rate of 1/2", "--weight-rate 2/3", "help: give `--weight-rate 1/2`"];
    fail(&directory, &[&args[..], &STREAMED, &faster].concat(), 2, &words);
}
