//! The accelerator behind AXI, its emitted Verilog under Verilator, among the bus models of this
//! crate: results and cycles of random networks while every port stalls at random, aborts and
//! resets at random cycles, and every error that a host can provoke.
//!
//! A missing Verilator fails these tests; it never skips them.

mod errors;
mod icarus;
mod loaded;
mod pins;
mod weights;

use heartbit_compiler::schedule::{Target, compile};
use heartbit_cosim::{axi_design, elaborate_icarus, elaborate_yosys, lint};
use heartbit_hdl::axi::AxiConfig;
use heartbit_hdl::axi::registers::Needs;
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayConfig, ArrayShape};
use heartbit_tests::bus::bench::Bench;
use heartbit_tests::bus::lite::SLVERR;
use heartbit_tests::problem::{Problem, problems};
use heartbit_tests::regs;
use heartbit_tests::verilated::{ModelPins, toolchain};
use loaded::Loaded;
use pins::{DEPTHS, bench};
use proptest::strategy::Strategy;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

const SMALL: ArrayConfig =
    ArrayConfig { rows: 2, cols: 3, lanes: 5, taps: 1, lines: 1, acc_bits: 24, extended: false };
const WIDE: ArrayConfig =
    ArrayConfig { rows: 3, cols: 4, lanes: 70, taps: 1, lines: 1, acc_bits: 24, extended: true };
const GROUPS: ArrayConfig =
    ArrayConfig { rows: 2, cols: 4, lanes: 16, taps: 2, lines: 2, acc_bits: 24, extended: false };
const BUS_64: AxiConfig = AxiConfig { data_bits: 64, address_bits: 40 };
const BUS_32: AxiConfig = AxiConfig { data_bits: 32, address_bits: 32 };

/// The same random networks each time.
fn some_problems(n: usize, extended: bool) -> Vec<Problem> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let one = |_| problems(9, extended).new_tree(&mut runner).expect("a problem").current();
    (0..n).map(one).collect()
}

/// Probabilities that a port waits, from never to mostly.
fn some_stalls(rng: &mut ChaCha8Rng) -> [f64; 4] {
    std::array::from_fn(|_| [0.0, 0.1, 0.5, 0.9][rng.random_range(0..4)])
}

fn some_base(rng: &mut ChaCha8Rng, axi: AxiConfig) -> u64 {
    let base = rng.random_range(0..1_u64 << (axi.address_bits - 1)) & !7;
    base | u64::from(axi.address_bits > 32) << (axi.address_bits - 1)
}

/// Runs images back to back while all ports stall; the program comes by `load`.
fn run_network(
    bench: &mut Bench<ModelPins>,
    loaded: &Loaded,
    axi: AxiConfig,
    rng: &mut ChaCha8Rng,
    by_registers: bool,
) -> Result<(), String> {
    bench.stall(rng.random(), some_stalls(rng));
    if by_registers {
        bench.stall(rng.random(), [0.0, 0.3, 0.3, 0.3]);
        bench.load_by_registers(&loaded.image, |target| loaded.units(target))?;
    } else {
        let errors = bench.load(some_base(rng, axi), &loaded.image)?;
        assert_eq!(errors, 0, "errors of a load");
    }
    let before = bench.read(regs::IMAGES)?;
    for image in &loaded.images {
        bench.source.packet(&image.pixels);
    }
    for (index, image) in loaded.images.iter().enumerate() {
        // A host that looks does not disturb.
        for _ in 0..rng.random_range(0..4) {
            let known = bench.read(regs::STATUS)? & regs::STATUS_LOADED;
            if known == 0 {
                return Err(format!("image {index}: no program"));
            }
        }
        bench.until("a result", |b| !b.sink.packets.is_empty())?;
        let result = bench.sink.packets.pop_front().expect("bug: just seen");
        if result != image.result {
            return Err(format!("image {index}: {result:x?} instead of {:x?}", image.result));
        }
        if rng.random() {
            bench.stall(rng.random(), some_stalls(rng));
        }
    }
    // Of the last image, and exact whatever stalled.
    let cycles = bench.read(regs::CYCLES)?;
    let last = loaded.images.last().expect("bug: an image");
    let class = last.result.last().copied().expect("bug: a class");
    let images = bench.read(regs::IMAGES)?.wrapping_sub(before);
    let fresh = regs::CLASS_FRESH | class;
    let seen = (u64::from(cycles), images as usize, bench.read(regs::CLASS)?);
    let expected = (loaded.cycles, loaded.images.len(), fresh);
    if seen != expected {
        return Err(format!("cycles, images, class: {seen:x?} instead of {expected:x?}"));
    }
    match bench.take_errors()? {
        0 => Ok(()),
        errors => Err(format!("errors {errors:#x}")),
    }
}

#[track_caller]
fn check_networks(array: &ArrayConfig, axi: AxiConfig, networks: usize) {
    let mut bench = bench(array, axi);
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for (index, problem) in some_problems(networks, array.extended).iter().enumerate() {
        let loaded = Loaded::new(problem, array, 3);
        let by_registers = index % 6 == 5;
        run_network(&mut bench, &loaded, axi, &mut rng, by_registers)
            .unwrap_or_else(|error| panic!("network {index}: {error}\n{problem:#?}"));
    }
    assert!(bench.memory.most_bursts > 1, "the loader asks ahead");
}

#[test]
fn stalls_change_nothing_behind_a_bus_of_64_bits() {
    check_networks(&WIDE, BUS_64, 24);
}

#[test]
fn stalls_change_nothing_behind_a_bus_of_32_bits() {
    check_networks(&SMALL, BUS_32, 24);
    check_networks(&GROUPS, BUS_32, 12);
}

/// The bundled network on the array of the demo, as `heartbit compile --axi` ships it.
#[test]
fn resnet20_runs_from_its_memory_image() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let network = Network::read(&root.join("models/resnet20-cifar10.hbn")).expect("readable");
    let shape = ArrayShape { rows: 8, cols: 8, lanes: 16 };
    let compiled = compile(&network, &Target::sized_for_network(shape)).expect("it fits");
    let program = compiled.program;
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let images: Vec<Vec<u8>> =
        (0..2).map(|_| (0..32 * 32 * 3).map(|_| rng.random()).collect()).collect();
    let loaded = Loaded::of(&network, &program, &images);
    let design = axi_design(&program.array, &program.depths, AxiConfig::default());
    let mut bench = pins::bench_of(design, AxiConfig::default());
    // Without stalls, the load takes hardly more than a cycle for each unit of 8 bytes.
    assert_eq!(bench.load(0x10_0000, &loaded.image), Ok(0));
    let units = loaded.image.len() / 8;
    let cycles = bench.read(regs::LOAD_CYCLES).expect("a register") as usize;
    assert!((units..units + units / 16 + 20).contains(&cycles), "{cycles} for {units} units");
    run_network(&mut bench, &loaded, AxiConfig::default(), &mut rng, false)
        .unwrap_or_else(|error| panic!("{error}"));
}

/// Takes packets until nothing is under way: each is a whole result or a cut one.
fn settle_after_abort(bench: &mut Bench<ModelPins>, loaded: &Loaded) -> Result<(), String> {
    // The source goes on with the image that was cut, and then with whole ones.
    bench.until("an idle source", |b| b.source.beats.is_empty())?;
    let over = regs::STATUS_IDLE;
    let quiet = over | regs::STATUS_RESULT | regs::STATUS_DISCARDING;
    while bench.read(regs::STATUS)? & quiet != over {}
    bench.steps(2)?;
    if bench.sink.is_within_packet() {
        return Err("a packet without an end".to_owned());
    }
    while let Some(packet) = bench.sink.packets.pop_front() {
        let whole = loaded.images.iter().any(|image| image.result == packet);
        let (last, logits) = packet.split_last().expect("bug: packets have beats");
        let cut = *last == regs::RESULT_CUT
            && loaded.images.iter().any(|image| image.result.starts_with(logits));
        if !whole && !cut {
            return Err(format!("neither a result nor the begin of one: {packet:x?}"));
        }
    }
    Ok(())
}

#[test]
fn image_after_an_abort_is_exact() {
    let mut bench = bench(&GROUPS, BUS_64);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut discarded = 0;
    for problem in some_problems(6, false) {
        let loaded = Loaded::new(&problem, &GROUPS, 2);
        assert_eq!(bench.load(0x1000, &loaded.image), Ok(0));
        let input = loaded.images[0].pixels.len() as u64;
        for _ in 0..12 {
            let stalls = [[0.0; 4], some_stalls(&mut rng)][rng.random_range(0..2)];
            bench.stall(rng.random(), stalls);
            loaded.images.iter().for_each(|image| bench.source.packet(&image.pixels));
            let wait = rng.random_range(0..3 * input + 2 * loaded.cycles);
            let ran = bench
                .steps(wait)
                .and_then(|()| bench.write(regs::CONTROL, regs::CONTROL_ABORT))
                .and_then(|()| bench.read(regs::STATUS));
            let status = ran.unwrap_or_else(|error| panic!("{error}"));
            discarded += u32::from(status & regs::STATUS_DISCARDING != 0);
            settle_after_abort(&mut bench, &loaded).unwrap_or_else(|error| panic!("{error}"));
            bench.source.packet(&loaded.images[1].pixels);
            bench.until("a result", |b| !b.sink.packets.is_empty()).expect("it comes");
            let result = bench.sink.packets.pop_front().expect("bug: just seen");
            assert_eq!(result, loaded.images[1].result, "after {wait} cycles of {problem:#?}");
            assert_eq!(bench.read(regs::CYCLES).map(u64::from), Ok(loaded.cycles));
            assert_eq!(bench.take_errors(), Ok(0));
        }
    }
    assert!(discarded > 5, "only {discarded} aborts within an image");
}

#[test]
fn reset_in_the_middle_leaves_a_working_design() {
    let mut bench = bench(&SMALL, BUS_64);
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let problem = &some_problems(1, false)[0];
    let loaded = Loaded::new(problem, &SMALL, 2);
    for round in 0..30 {
        bench.stall(rng.random(), some_stalls(&mut rng));
        let start = bench.start_load(0x2000, &loaded.image);
        start.unwrap_or_else(|error| panic!("round {round}: {error}"));
        loaded.images.iter().for_each(|image| bench.source.packet(&image.pixels));
        let wait = rng.random_range(0..loaded.image.len() as u64 / 4 + 2 * loaded.cycles);
        bench.steps(wait).unwrap_or_else(|error| panic!("round {round}: {error}"));
        bench.reset();
        bench.sink.packets.clear();
        assert_eq!(bench.read(regs::STATUS), Ok(regs::STATUS_IDLE), "round {round}");
        assert_eq!(bench.read(regs::IMAGES), Ok(0));
        run_network(&mut bench, &loaded, BUS_64, &mut rng, false)
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
        bench.sink.packets.clear();
    }
}

#[test]
fn abort_of_a_load_is_followed_by_a_good_one() {
    let mut bench = bench(&SMALL, BUS_32);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let loaded = Loaded::new(&some_problems(2, false)[1], &SMALL, 1);
    let mut cut = 0;
    for round in 0..20 {
        bench.stall(rng.random(), some_stalls(&mut rng));
        bench.start_load(0xff8, &loaded.image).expect("idle");
        let wait = rng.random_range(0..loaded.image.len() as u64 / 4);
        bench.steps(wait).unwrap_or_else(|error| panic!("round {round}: {error}"));
        bench.write(regs::CONTROL, regs::CONTROL_ABORT).expect("always");
        while bench.read(regs::STATUS).expect("a register") & regs::STATUS_LOADING != 0 {}
        let status = bench.read(regs::STATUS).expect("a register");
        cut += u32::from(status & regs::STATUS_LOADED == 0);
        assert_eq!(bench.take_errors(), Ok(0), "round {round}");
        run_network(&mut bench, &loaded, BUS_32, &mut rng, false)
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert!(cut > 5, "only {cut} loads were cut");
}

#[test]
fn registers_answer_as_the_table_says() {
    let mut bench = bench(&WIDE, BUS_64);
    bench.stall(3, [0.4, 0.0, 0.0, 0.0]);
    for register in heartbit_hdl::axi::registers::REGISTERS {
        let (value, response) = bench.read_raw(register.offset).expect("an answer");
        if matches!(register.needs, Needs::Ring | Needs::Link) {
            assert_eq!((value, response), (0, SLVERR), "{}", register.name);
            continue;
        }
        assert_eq!(response, 0, "{}", register.name);
        let by_hardware = register.name.starts_with("CONFIG") || register.name.starts_with("DEPTH");
        assert!(by_hardware || value == register.reset, "{} is {value:#x}", register.name);
        if !register.access.is_writable() {
            assert_eq!(bench.write_raw(register.offset, 1, 15), Ok(SLVERR), "{}", register.name);
        }
    }
    for (offset, value) in [
        (regs::ID, u32::from_le_bytes(*b"HBIT")),
        (regs::CONFIG0, 0x0004_0003),
        (regs::CONFIG1, 0x1849_0046),
        (regs::CONFIG2, 0x0087_2840),
        (regs::DEPTH_WEIGHT, u32::try_from(DEPTHS.weight).expect("small")),
        (regs::DEPTH_PROGRAM, u32::try_from(DEPTHS.program).expect("small")),
    ] {
        assert_eq!(bench.read(offset), Ok(value), "{offset:#x}");
    }
    // Holes and the end of the space.
    for offset in [0x014, 0x05c, 0x074, 0x098, 0x100, 0x800, 0xffc] {
        assert_eq!(bench.read_raw(offset), Ok((0, SLVERR)), "{offset:#x}");
        assert_eq!(bench.write_raw(offset, 1, 15), Ok(SLVERR), "{offset:#x}");
    }
    for offset in [regs::WATCHDOG, regs::TIMEOUT, regs::LOAD_BASE_LOW, regs::LOAD_LENGTH] {
        assert_eq!(bench.write(offset, 0x1234_5678), Ok(()));
        // Not all four bytes: refused as a whole.
        for strobes in [0, 1, 7, 8, 14] {
            assert_eq!(bench.write_raw(offset, 0xffff_ffff, strobes), Ok(SLVERR));
        }
        assert_eq!(bench.read(offset), Ok(0x1234_5678), "{offset:#x}");
    }
    // A write and a read at once, each at its own pace.
    for value in 0..40 {
        bench.lite.write(regs::TIMEOUT, value, 15);
        bench.lite.read(regs::ID);
        let both = |b: &mut Bench<ModelPins>| {
            b.lite.write_answer.is_some() && b.lite.read_answer.is_some()
        };
        bench.until("two answers", both).expect("no violation");
        assert_eq!(bench.lite.read_answer, Some((regs::ID_VALUE.into(), 0)));
        assert_eq!(bench.read(regs::TIMEOUT), Ok(value));
    }
    bench.write(regs::TIMEOUT, 0).expect("a register");
    assert_eq!(bench.take_errors(), Ok(regs::ERROR_OUTPUT_UNDERRUN), "CLASS was read above");
}

/// Lines of the text, what they become, and what the bus models say about it.
const MUTATIONS: [(&str, &str, &str, &str); 6] = [
    (
        "axi_results.v",
        "else if (free_now) valid_q <= t2;",
        "else valid_q <= t2;",
        "m_axis: valid fell without ready",
    ),
    ("axi_results.v", "if (t2) data_q <=", "data_q <=", "m_axis: ["),
    (
        "axi_reader.v",
        "else if (ask | m_axi_arready) ar_valid <= ask;",
        "else ar_valid <= ask;",
        "m_axi ar: valid fell without ready",
    ),
    ("axi_reader.v", "if (ask) ar_index <= index;", "ar_index <= index;", "m_axi ar: ["),
    ("axi_reader.v", "5'd16 - {1'b0, index[3:0]}", "{5'd16 | {4'd0, index[0] & 1'b0}}", "4 KiB"),
    (
        "axi_lite.v",
        "else if (act | (answered & s_axi_bready)) b_valid_q <= act;",
        "else b_valid_q <= act;",
        "s_axi b: valid fell without ready",
    ),
];

/// Negative control: a protocol that is broken in one line is caught, and named.
#[test]
fn broken_handshakes_are_caught() {
    let loaded = Loaded::new(&some_problems(1, false)[0], &SMALL, 2);
    let exercise = |design| {
        let mut bench = pins::bench_of(design, BUS_64);
        bench.stall(9, [0.5; 4]);
        bench.load(0xff8, &loaded.image)?;
        loaded.images.iter().for_each(|image| bench.source.packet(&image.pixels));
        bench.until("results", |b| b.sink.packets.len() == loaded.images.len())
    };
    let design = axi_design(&SMALL, &DEPTHS, BUS_64);
    assert_eq!(exercise(design.clone()), Ok(()));
    for (name, from, to, expected) in MUTATIONS {
        let mut broken = design.clone();
        let file = broken.files.iter_mut().find(|(file, _)| file == name).expect("a file");
        assert!(file.1.contains(from), "no `{from}` in {name}");
        file.1 = file.1.replacen(from, to, 1);
        let said = exercise(broken);
        assert!(said.as_ref().is_err_and(|e| e.contains(expected)), "{name}: {to}: {said:?}");
    }
}

/// Negative control: without the accelerator's own reset, an image that was aborted goes on.
#[test]
fn abort_stops_an_image_by_the_reset_alone() {
    let loaded = Loaded::new(&some_problems(1, false)[0], &SMALL, 1);
    let results_after_abort = |design| -> Result<usize, String> {
        let mut bench = pins::bench_of(design, BUS_64);
        bench.load(0x1000, &loaded.image)?;
        bench.source.packet(&loaded.images[0].pixels);
        bench.until("the image", |b| b.source.beats.is_empty())?;
        bench.steps(loaded.cycles / 2)?;
        bench.write(regs::CONTROL, regs::CONTROL_ABORT)?;
        bench.steps(2 * loaded.cycles)?;
        Ok(bench.sink.packets.len())
    };
    let mut design = axi_design(&SMALL, &DEPTHS, BUS_64);
    assert_eq!(results_after_abort(design.clone()), Ok(0));
    let top = design.files.iter_mut().find(|(name, _)| name == "heartbit_axi.v").expect("a file");
    assert!(top.1.contains(".rst(rst | supervisor_kill)"));
    top.1 = top.1.replacen(".rst(rst | supervisor_kill)", ".rst(rst)", 1);
    assert_eq!(results_after_abort(design), Ok(1));
}

#[test]
fn tools_find_nothing_in_the_text() {
    for (array, axi) in [(SMALL, BUS_32), (WIDE, BUS_64), (GROUPS, AxiConfig::default())] {
        let design = axi_design(&array, &DEPTHS, axi);
        lint(&toolchain(), &design).unwrap_or_else(|error| panic!("{array:?}: {error:#?}"));
        elaborate_yosys(None, &design).unwrap_or_else(|error| panic!("{array:?}: {error:#?}"));
        elaborate_icarus(None, &design).unwrap_or_else(|error| panic!("{array:?}: {error:#?}"));
    }
}
