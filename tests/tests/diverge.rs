//! The first difference: where and when it is, and what is wrong there.
//!
//! First that the cycles are right: of every pixel of random networks, against the waveform of the
//! RTL. Then that a fault is found: each is put into a program or into the Verilog, and the report
//! must name layer, element, cycle and cause.
//!
//! A missing Verilator fails these tests; it never skips them.

#[path = "support/mutate.rs"]
mod mutate;

use heartbit_compiler::compare::{Difference, Place};
use heartbit_compiler::diagnose::{Cause, Part, Programs, diagnose};
use heartbit_compiler::locate::{Location, WeightSource, layer_starts, locate};
use heartbit_compiler::plan::bands::Bands;
use heartbit_compiler::predict::{Predictor, predict};
use heartbit_compiler::schedule::{Compiled, Target, compile, compile_in_bands};
use heartbit_cosim::{
    Accelerator, Build, Design, Initial, Optimization, PeCycles, PeSignals, SaveFile, Toolchain,
    Trace, Waveform, Windowed, accelerator_design,
};
use heartbit_ir::network::Network;
use heartbit_ir::program::{
    ArrayConfig, ArrayShape, Execution, MemoryDepths, PeTrace, PortSlots, Program, StepTrace,
    WeightRing,
};
use heartbit_sim::Simulator;
use heartbit_tests::ladder;
use heartbit_tests::problem::{After, Block, Problem, Read, problems};
use heartbit_tests::streamed::streamed;
use mutate::mutate;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Enough for every random network on every array below, so that one model runs them all.
const DEPTHS: MemoryDepths = MemoryDepths { image: 128, ..heartbit_cases::generate::DEPTHS };

fn traced(design: Design) -> Accelerator {
    let toolchain =
        Toolchain::detect().unwrap_or_else(|e| panic!("{e}: {}", e.help().unwrap_or_default()));
    let build = Build::new(design).trace(Trace::Fst).optimization(Optimization::O0);
    let model = build.compile(&toolchain).expect("the Verilog compiles");
    Accelerator::new(model.instantiate(Initial::Random(5)).expect("loads")).expect("an accelerator")
}

/// An image that was run with a waveform of some of its cycles.
struct Run {
    result: Windowed,
    path: PathBuf,
}

impl Run {
    fn new(accelerator: &mut Accelerator, image: &[u8], directory: &Path, to: u64) -> Self {
        let path = directory.join("wave.fst");
        let result = accelerator.run_windowed(image, &path, 0..to).expect("runs");
        Self { result, path }
    }

    fn waveform(&self) -> Waveform {
        Waveform::open(&self.path).expect("a waveform")
    }

    fn location(&self, program: &Program, place: &Place) -> Location {
        let execution = &self.result.execution;
        let (_, waits) = Predictor::new(program).image_with_waits(execution.start);
        locate(program, layer_starts(&execution.layer_cycles)[place.layer], &waits, place)
    }

    /// What the element met.
    fn trace(&self, program: &Program, location: &Location) -> PeTrace {
        let (cycles, fetch) = (&location.cycles, self.result.fetch_cycle);
        let at = PeCycles {
            operands: location.operands.iter().map(|cycle| fetch + cycle).collect(),
            sum: fetch + cycles.sum,
            post: fetch + cycles.post,
        };
        PeSignals::new(&program.array, &location.pe).read(&mut self.waveform(), &at).expect("reads")
    }
}

/// Cycles in which the monitor shows each pixel: layer, column tile, row, column.
fn shown(run: &Run, cycles: u64) -> BTreeMap<[u64; 4], u64> {
    let names = ["mon_valid", "mon_result_layer", "mon_ct", "mon_y", "mon_x"];
    let names = names.map(|name| format!("heartbit.{name}"));
    let signals = run.waveform().read(&names).expect("the monitor");
    let fetch = run.result.fetch_cycle;
    let mut shown = BTreeMap::new();
    for cycle in (0..cycles).filter(|cycle| signals[0].number(fetch + cycle) == Some(1)) {
        let value = |i: usize| signals[i].number(fetch + cycle).expect("a value");
        let before = shown.insert([value(1), value(2), value(3), value(4)], cycle);
        assert_eq!(before, None, "a pixel is shown twice");
    }
    shown
}

/// Words without the lanes that do not count, as the simulator gives them.
fn without_idle_lanes(mut trace: PeTrace, array: &ArrayConfig) -> PeTrace {
    for StepTrace { activation, valid, .. } in &mut trace.steps {
        for lane in (0..array.lanes).filter(|lane| !valid[lane / array.group_lanes()]) {
            activation[lane / 64] &= !(1 << (lane % 64));
        }
    }
    trace
}

/// Every pixel of every layer is written in the cycle that `locate` says, and what elements met is
/// what the simulator's probe says.
fn check_network(accelerator: &mut Accelerator, compiled: &Compiled, problem: &Problem) {
    let directory = TempDir::new().expect("a directory");
    let (program, image) = (&compiled.program, &problem.images(1)[0]);
    accelerator.load(program).expect("loads");
    let mut simulator = Simulator::new(program).expect("a valid program");
    let run = Run::new(accelerator, image, directory.path(), 1 << 20);
    let cycles = run.result.execution.layer_cycles.iter().sum();
    let mut shown = shown(&run, cycles);
    for (layer, d) in program.layers.iter().enumerate() {
        let [height, width, tiles] = [d.out_height, d.out_width, d.col_tiles].map(usize::from);
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        for (column_tile, (y, x)) in (0..tiles).flat_map(|ct| pixels.clone().map(move |p| (ct, p)))
        {
            let channel = column_tile * program.array.cols + (y + x) % program.array.cols;
            let place = Place { layer, y, x, channel };
            let location = run.location(program, &place);
            let key = [layer, column_tile, y, x].map(|n| n as u64);
            assert_eq!(shown.remove(&key), Some(location.cycles.written), "{place:?}, {d:?}");
            // Elements all over the layer.
            if (7 * y + 3 * x + column_tile) % 23 == 0 {
                let met = without_idle_lanes(run.trace(program, &location), &program.array);
                let probed = simulator.probe(image, &location.pe).expect("a place");
                assert_eq!(met, probed, "{location:?}, {d:?}");
                let sums = &run.result.execution.layers[layer];
                let sum = sums.sums[(y * width + x) * sums.columns + channel];
                let [matches, products] = [met.drain, met.products].map(u64::cast_signed);
                assert_eq!(i64::from(sum), 2 * matches - products);
            }
        }
    }
    assert!(shown.is_empty(), "pixels of no layer: {shown:?}");
}

#[track_caller]
fn check_array(shape: &str, taps: usize, lines: usize, extended: bool, networks: usize) {
    let ArrayShape { rows, cols, lanes } = shape.parse().expect("an array");
    let array = ArrayConfig { rows, cols, lanes, taps, lines, acc_bits: 24, extended };
    let mut accelerator = traced(accelerator_design(&array, &DEPTHS));
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for _ in 0..networks {
        let problem = problems(18, extended).new_tree(&mut runner).expect("a problem").current();
        let target = Target::for_hardware(&array, DEPTHS);
        let compiled = compile(&problem.network(), &target).expect("fits");
        check_network(&mut accelerator, &compiled, &problem);
    }
}

#[test]
fn pixels_of_an_array_with_lane_groups_and_lines_are_where_they_are_located() {
    check_array("4x4x16", 2, 4, false, 8);
}

#[test]
fn pixels_of_an_extended_array_with_several_write_beats_are_where_they_are_located() {
    check_array("3x5x4", 1, 1, true, 8);
}

#[test]
fn words_of_more_than_64_lanes_are_read_back() {
    check_array("2x3x70", 1, 1, true, 3);
}

fn small_problem() -> Problem {
    let block = Block {
        channels: 20,
        kernel: 3,
        stride: 1,
        read: Read::Sign,
        after: After::Stream,
        prelu: false,
        pool: None,
    };
    Problem {
        height: 6,
        width: 7,
        image_channels: 3,
        stem: (8, 8),
        wide_stem: false,
        blocks: vec![block, block],
        flatten: false,
        head_levels: 8,
        classes: 5,
        head_bits: 8,
        seed: 11,
        port: None,
    }
}

fn small_target() -> Target {
    Target::sized_for_network("4x4x16".parse().expect("an array"))
}

#[test]
fn pixels_of_bands_are_where_they_are_located() {
    let problem = small_problem();
    let bands = Bands { first: 0, last: 1, height: 2 };
    let compiled = compile_in_bands(&problem.network(), &small_target(), bands).expect("fits");
    assert!(compiled.program.layers.len() > compiled.plan.layers.len() + 2);
    let design = accelerator_design(&compiled.program.array, &compiled.program.depths);
    check_network(&mut traced(design), &compiled, &problem);
}

/// All layers but one are streamed; returns the cycles in which steps wait.
fn check_streamed(ring: WeightRing, slots: PortSlots) -> u64 {
    let problem = small_problem();
    let mut compiled = compile(&problem.network(), &small_target()).expect("fits");
    compiled.program = streamed(&compiled.program, ring, slots, |layer| layer != 1);
    assert!(compiled.program.layers.iter().any(|layer| !layer.flags.stream_weights));
    let design = accelerator_design(&compiled.program.array, &compiled.program.depths);
    check_network(&mut traced(design), &compiled, &problem);
    predict(&compiled.program).weight_wait().0
}

#[test]
fn pixels_with_streamed_weights_are_where_they_are_located() {
    // A whole word in every cycle, and room for the next column tile behind this one.
    let fast = WeightRing { words: 512, port_cols: 4 };
    assert_eq!(check_streamed(fast, PortSlots::at_rate(0, 1, 1)), 0);
    // One word in 80 cycles, several times as many as it is used for.
    let slow = WeightRing { words: 64, port_cols: 2 };
    assert!(check_streamed(slow, PortSlots::at_rate(3, 1, 40)) > 1000);
}

/// The layer whose program is broken: its input comes from another one.
const BROKEN: usize = 2;

/// A small network on a small array, with one image.
struct Fixture {
    network: Network,
    compiled: Compiled,
    image: Vec<u8>,
    directory: TempDir,
}

/// What was reported.
struct Report {
    difference: Difference,
    location: Location,
    cause: Cause,
    run: Run,
}

impl Fixture {
    fn new() -> Self {
        let problem = small_problem();
        let network = problem.network();
        let compiled = compile(&network, &small_target()).expect("fits");
        let image = problem.images(1).remove(0);
        Self { network, compiled, image, directory: TempDir::new().expect("a directory") }
    }

    fn design(&self) -> Design {
        let program = &self.compiled.program;
        accelerator_design(&program.array, &program.depths)
    }

    fn first_difference(&self, execution: &Execution) -> Option<Difference> {
        ladder::differences(&self.network, &self.compiled, &self.image, execution)
            .into_iter()
            .next()
    }

    /// Runs a program on the Verilog of a design, and reports the first difference.
    fn report(&self, design: Design, loaded: &Program) -> Report {
        let expected = &self.compiled.program;
        let mut accelerator = traced(design);
        accelerator.load(loaded).expect("loads");
        let run = Run::new(&mut accelerator, &self.image, self.directory.path(), 1 << 20);
        let difference = self.first_difference(&run.result.execution).expect("a difference");
        let location = run.location(expected, &difference.place.expect("a place"));
        let mut simulator = Simulator::new(expected).expect("a valid program");
        let should = simulator.probe(&self.image, &location.pe).expect("a place");
        let met = run.trace(expected, &location);
        let programs = Programs { expected, loaded };
        let cause = diagnose(programs, &location, &difference, &should, &met);
        Report { difference, location, cause, run }
    }
}

#[test]
fn flipped_weight_bit_is_found_in_its_memory() {
    let fixture = Fixture::new();
    let (layer, col) = (BROKEN, 1);
    let d = fixture.compiled.program.layers[layer];
    // The second word of the second tap of column tile 1.
    let address = usize::from(d.weight_base + d.steps) + 3;
    let mut loaded = fixture.compiled.program.clone();
    let bit = loaded.weights[col].word(address)[0] >> 2 & 1 == 1;
    loaded.weights[col].set(address, 2, !bit);
    let Report { difference, location, cause, .. } = fixture.report(fixture.design(), &loaded);
    assert_eq!(difference.tensor, "sums");
    assert_eq!((location.pe.layer, location.pe.column_tile, location.pe.col), (layer, 1, col));
    let step = cause.step.clone().expect("a step");
    assert_eq!((cause.part, step.index, step.of), (Part::Weight, 3, usize::from(d.steps)));
    assert_eq!(WeightSource::of(&loaded, &location.pe, 3), WeightSource::Resident(address));
    assert_eq!(cause.cycle, location.cycles.operands + 3);
    let words = [&cause.expected, &cause.actual]
        .map(|word| u64::from_str_radix(&word[2..], 16).expect("hexadecimal"));
    assert_eq!(words[0] ^ words[1], 4, "{cause:?}");
    assert_eq!(words[1], loaded.weights[col].word(address)[0]);
    assert!(
        cause.note.contains(&format!("column 1, address {address}: the memory image is wrong"))
    );
}

#[test]
fn shifted_threshold_is_found_in_the_parameters() {
    let fixture = Fixture::new();
    let (layer, col) = (BROKEN, 2);
    let d = fixture.compiled.program.layers[layer];
    let mut loaded = fixture.compiled.program.clone();
    let first = usize::from(d.param_base);
    for parameter in &mut loaded.parameters[col][first..first + d.borders.classes()] {
        parameter.bias += 1 << d.shift;
    }
    let Report { difference, location, cause, .. } = fixture.report(fixture.design(), &loaded);
    assert_eq!((location.pe.layer, location.pe.column_tile, location.pe.col), (layer, 0, col));
    assert_eq!((difference.tensor.as_ref(), cause.part), ("stream", Part::Parameter));
    assert!(cause.note.contains("column 2") && cause.note.contains("image is wrong"), "{cause:?}");
    assert_eq!(cause.cycle, location.cycles.post + 1);
}

#[test]
fn broken_verilog_is_found_in_its_part() {
    let fixture = Fixture::new();
    let program = &fixture.compiled.program;
    let mutants = [
        // Row 2 gets its activations a cycle early.
        ("array.v", ".a(a_2_d2)", ".a(a_2_d1)", Part::Activation, Some(2), None, "cycle early"),
        // Weights run ahead of the activations from row 1 on.
        ("pe.v", "assign w_out = w_q;", "assign w_out = w;", Part::Weight, Some(1), None, "early"),
        // Elements count one match too many.
        (
            "pe.v",
            "wire [ACC] sum = ",
            "wire [ACC] sum = 1'd1 + ",
            Part::Accumulator,
            Some(0),
            Some(0),
            "popcount",
        ),
        // The sums of column 1 leave a cycle early.
        (
            "array.v",
            "assign hits_1 = hits_1_d2;",
            "assign hits_1 = hits_1_d1;",
            Part::Alignment,
            None,
            Some(1),
            "align",
        ),
    ];
    let acc = format!("[{}:0]", program.array.acc_bits - 1);
    for (file, from, to, part, row, col, note) in mutants {
        let (from, to) = (from.replace("[ACC]", &acc), to.replace("[ACC]", &acc));
        let Report { location, cause, .. } =
            fixture.report(mutate(fixture.design(), file, &from, &to), program);
        assert_eq!((cause.part, location.pe.layer), (part, 0), "{from}: {cause:?}");
        assert_eq!(row.unwrap_or(location.pe.row), location.pe.row, "{from}: {cause:?}");
        assert_eq!(col.unwrap_or(location.pe.col), location.pe.col, "{from}: {cause:?}");
        assert!(cause.note.contains(note), "{from}: {cause:?}");
        let tile = location.cycles.first_step..=location.cycles.post;
        assert!(tile.contains(&cause.cycle), "{from}: {cause:?}");
    }
}

#[test]
fn save_files_name_signals_of_the_waveform() {
    let fixture = Fixture::new();
    let mut loaded = fixture.compiled.program.clone();
    let word = usize::from(loaded.layers[BROKEN].weight_base);
    let bit = loaded.weights[0].word(word)[0] & 1 == 1;
    loaded.weights[0].set(word, 0, !bit);
    let Report { location, run, .. } = fixture.report(fixture.design(), &loaded);
    let waveform = run.waveform();
    let groups = PeSignals::new(&loaded.array, &location.pe).groups();
    let marker = run.result.fetch_cycle + location.cycles.sum;
    let save = SaveFile::new(&run.path, &waveform, &groups, marker).expect("all signals");
    let [gtkwave, surfer] =
        save.write().expect("writable").map(|path| std::fs::read_to_string(path).expect("a text"));
    let named = |name: &str| {
        let local = name.strip_prefix(&waveform.full_name("")).expect("the outer scope");
        let (local, range) = local.split_once('[').unwrap_or((local, "0:0]"));
        let top: u32 = range.split(':').next().expect("a range").parse().expect("a number");
        (waveform.width(local), top + 1)
    };
    let mut names = 0;
    for line in gtkwave.lines().filter(|line| line.starts_with(&waveform.full_name("heartbit"))) {
        let (width, range) = named(line);
        assert_eq!(width, Some(range), "{line}");
        names += 1;
    }
    let shown: usize = groups.iter().map(|group| group.signals.len()).sum();
    assert_eq!(names, shown);
    assert!(gtkwave.contains(&format!("*-4.000000 {} ", marker * 10 + 1)), "{gtkwave}");
    let commands: Vec<&str> =
        surfer.lines().filter_map(|line| line.strip_prefix("variable_add ")).collect();
    assert_eq!(commands.len(), shown);
    assert!(commands.iter().all(|name| named(name).0.is_some()), "{surfer}");
    assert!(surfer.contains(&format!("cursor_set {}", marker * 10 + 1)), "{surfer}");
}
