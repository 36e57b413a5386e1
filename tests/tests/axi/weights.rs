//! Weights that are streamed from memory: results, the cycles in which steps wait, and what ends a
//! stream and begins it anew.

use super::{BUS_32, BUS_64, GROUPS, SMALL, WIDE, settle_after_abort, some_problems, some_stalls};
use crate::loaded::Loaded;
use crate::pins::{DEPTHS, bench_of};
use heartbit_cosim::{axi_design, elaborate_icarus, elaborate_yosys, lint};
use heartbit_hdl::axi::AxiConfig;
use heartbit_hdl::axi::registers::{Needs, REGISTERS};
use heartbit_ir::program::{ArrayConfig, MemoryDepths, WeightRing};
use heartbit_tests::bus::Stalls;
use heartbit_tests::bus::bench::Bench;
use heartbit_tests::bus::memory::Fault;
use heartbit_tests::regs;
use heartbit_tests::verilated::{ModelPins, toolchain};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One column a beat, several in a unit of the memory.
const NARROW: WeightRing = WeightRing { words: 64, port_cols: 1 };
/// All columns of [`WIDE`], several units a beat.
const BROAD: WeightRing = WeightRing { words: 32, port_cols: 4 };
/// A beat is a unit.
const WHOLE: WeightRing = WeightRing { words: 16, port_cols: 4 };

fn depths(ring: WeightRing) -> MemoryDepths {
    MemoryDepths { ring: Some(ring), ..DEPTHS }
}

fn bench(array: &ArrayConfig, ring: WeightRing, axi: AxiConfig) -> Bench<ModelPins> {
    bench_of(axi_design(array, &depths(ring), axi), axi)
}

/// Somewhere above all memory images, its own place each time.
fn weight_base(bench: &Bench<ModelPins>) -> u64 {
    0x1000_0000 + bench.cycle / 8 * 0x1_0000
}

fn load(bench: &mut Bench<ModelPins>, loaded: &Loaded) -> Result<(), String> {
    bench.put_weights(weight_base(bench), &loaded.weights)?;
    match bench.load(0x1000, &loaded.image)? {
        0 => Ok(()),
        errors => Err(format!("errors of a load {errors:#x}")),
    }
}

/// Runs the images; every one is exact, and waiting explains all cycles beyond the predicted ones.
/// Returns the cycles in which steps waited.
fn run_images(bench: &mut Bench<ModelPins>, loaded: &Loaded) -> Result<u64, String> {
    let mut waits = 0;
    for (index, image) in loaded.images.iter().enumerate() {
        bench.source.packet(&image.pixels);
        bench.until("a result", |b| !b.sink.packets.is_empty())?;
        let result = bench.sink.packets.pop_front().expect("bug: just seen");
        if result != image.result {
            return Err(format!("image {index}: {result:x?} instead of {:x?}", image.result));
        }
        let cycles = u64::from(bench.read(regs::CYCLES)?);
        let stalls = u64::from(bench.read(regs::WEIGHT_STALLS)?);
        if cycles != loaded.cycles + stalls {
            return Err(format!("{cycles} cycles, {stalls} of {} waiting", loaded.cycles));
        }
        waits += stalls;
    }
    match bench.take_errors()? {
        0 => Ok(waits),
        errors => Err(format!("errors {errors:#x}")),
    }
}

#[track_caller]
fn check_networks(array: &ArrayConfig, ring: WeightRing, axi: AxiConfig) {
    let mut bench = bench(array, ring, axi);
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let (mut streamed, mut waits) = (0, 0);
    for (index, problem) in some_problems(12, array.extended).iter().enumerate() {
        // No layer, all, or some.
        let layers = [0, u32::MAX, rng.random(), rng.random()][index % 4];
        let loaded = Loaded::streamed(problem, array, ring, layers);
        bench.stall(rng.random(), some_stalls(&mut rng));
        let ran = load(&mut bench, &loaded).and_then(|()| {
            // A memory that is slower than every array, for some.
            let slow = [0.0, 0.99][index / 4 % 2];
            bench.memory.stalls = Stalls::new(rng.random(), slow);
            run_images(&mut bench, &loaded)
        });
        waits += ran.unwrap_or_else(|error| panic!("network {index}: {error}\n{problem:#?}"));
        streamed += u32::from(!loaded.weights.is_empty());
    }
    assert!(streamed > 5, "only {streamed} networks stream weights");
    assert!(waits > 0, "no step waited");
}

#[test]
fn streamed_weights_change_no_result() {
    check_networks(&SMALL, NARROW, BUS_32);
    check_networks(&WIDE, BROAD, BUS_64);
    check_networks(&GROUPS, WHOLE, BUS_64);
}

/// A network all of whose layers are streamed that fit.
fn setup(axi: AxiConfig) -> (Bench<ModelPins>, Loaded) {
    let mut bench = bench(&GROUPS, WHOLE, axi);
    let problems = some_problems(300, false);
    let loaded = problems.iter().map(|p| Loaded::streamed(p, &GROUPS, WHOLE, u32::MAX));
    let loaded = loaded.max_by_key(|loaded| loaded.weights.len()).expect("bug: a network");
    assert!(loaded.weights.len() > 64 * 8, "{} bytes of weights", loaded.weights.len());
    bench.stall(5, [0.1; 4]);
    load(&mut bench, &loaded).expect("it loads");
    (bench, loaded)
}

#[test]
fn weights_begin_anew_after_an_abort() {
    for axi in [BUS_32, BUS_64] {
        let (mut bench, loaded) = setup(axi);
        let mut rng = ChaCha8Rng::seed_from_u64(23);
        for round in 0..20 {
            bench.stall(rng.random(), some_stalls(&mut rng));
            loaded.images.iter().for_each(|image| bench.source.packet(&image.pixels));
            let ran = bench
                .steps(rng.random_range(0..4 * loaded.cycles))
                .and_then(|()| bench.write(regs::CONTROL, regs::CONTROL_ABORT))
                .and_then(|()| settle_after_abort(&mut bench, &loaded))
                .and_then(|()| run_images(&mut bench, &loaded));
            ran.unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
    }
}

#[test]
fn weights_begin_anew_with_every_program() {
    let (mut bench, loaded) = setup(BUS_64);
    let other = Loaded::streamed(&some_problems(8, false)[3], &GROUPS, WHOLE, 0b1010);
    run_images(&mut bench, &loaded).expect("exact");
    for round in 0..6 {
        // Taken again without a change, and after a write that changes nothing.
        if round % 2 == 0 {
            bench.write(regs::LOAD_SELECT, 0).expect("idle");
        }
        bench.write(regs::CONTROL, regs::CONTROL_COMMIT).expect("idle");
        run_images(&mut bench, &loaded).unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    // While weights are read.
    for round in 0..6 {
        let next = if round % 2 == 0 { &other } else { &loaded };
        load(&mut bench, next).unwrap_or_else(|error| panic!("round {round}: {error}"));
        if round > 2 {
            run_images(&mut bench, next).unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
    }
    // By registers.
    bench.load_by_registers(&loaded.image, |target| loaded.units(target)).expect("idle");
    run_images(&mut bench, &loaded).expect("exact");
    bench.reset();
    bench.sink.packets.clear();
    load(&mut bench, &loaded).expect("it loads");
    run_images(&mut bench, &loaded).expect("exact");
}

#[test]
fn error_of_the_bus_ends_program_and_image() {
    for axi in [BUS_32, BUS_64] {
        let (mut bench, loaded) = setup(axi);
        for at in [0, 17, loaded.weights.len() as u64 / 8 - 1] {
            let base = u64::from(bench.read(regs::WEIGHT_BASE_LOW).expect("a register"));
            bench.memory.fault = Some(Fault::Address(base + 8 * at));
            for image in &loaded.images {
                bench.source.packet(&image.pixels);
            }
            bench.steps(6 * loaded.cycles).expect("no violation");
            let status = bench.read(regs::STATUS).expect("a register");
            assert_eq!(status & regs::STATUS_LOADED, 0, "it is not used any more");
            let errors = bench.take_errors().expect("a register") & !regs::ERROR_NO_PROGRAM;
            assert_eq!(errors, regs::ERROR_MEMORY_RESPONSE);
            // What came before the error is right.
            while let Some(packet) = bench.sink.packets.pop_front() {
                let cut = packet.last() == Some(&regs::RESULT_CUT);
                assert!(cut || loaded.images.iter().any(|image| image.result == packet));
            }
            bench.memory.fault = None;
            bench.source.beats.clear();
            bench.reset();
            bench.sink.packets.clear();
            load(&mut bench, &loaded).expect("it loads");
            run_images(&mut bench, &loaded).expect("exact");
        }
    }
}

#[test]
fn weights_that_are_too_short_are_refused() {
    // Beats that share a unit, that are one, and that take several.
    for (array, ring) in [(SMALL, NARROW), (GROUPS, WHOLE), (WIDE, BROAD)] {
        let mut bench = bench(&array, ring, BUS_64);
        let problem = &some_problems(4, array.extended)[3];
        let loaded = Loaded::streamed(problem, &array, ring, u32::MAX);
        let length = u32::try_from(loaded.weights.len()).expect("small");
        bench.put_weights(0x2000_0000, &loaded.weights).expect("registers");
        // One sequence, as units that need not end with it.
        let sequence = u32::try_from(loaded.sequence_units * 8).expect("small");
        assert!(0 < sequence && sequence <= length);
        for (bytes, errors) in [
            (0, regs::ERROR_WEIGHTS_SHORT),
            (sequence - 8, regs::ERROR_WEIGHTS_SHORT),
            (sequence - 1, regs::ERROR_WEIGHTS_SHORT),
            (sequence, 0),
            (length, 0),
        ] {
            bench.write(regs::WEIGHT_LENGTH, bytes).expect("a register");
            assert_eq!(bench.load(0x1000, &loaded.image), Ok(errors), "{bytes} bytes of {length}");
            let status = bench.read(regs::STATUS).expect("a register");
            assert_eq!(status & regs::STATUS_LOADED != 0, errors == 0, "{bytes} of {length}");
            // Without another load, once the length is right.
            bench.write(regs::WEIGHT_LENGTH, length).expect("a register");
            bench.write(regs::CONTROL, regs::CONTROL_COMMIT).expect("idle");
            run_images(&mut bench, &loaded).unwrap_or_else(|error| panic!("{bytes}: {error}"));
        }
        // A program that streams nothing needs none.
        let none = Loaded::streamed(problem, &array, ring, 0);
        bench.write(regs::WEIGHT_LENGTH, 0).expect("a register");
        assert_eq!(bench.load(0x1000, &none.image), Ok(0));
        run_images(&mut bench, &none).expect("exact");
    }
}

#[test]
fn silent_memory_is_reported_and_waited_for() {
    let (mut bench, loaded) = setup(BUS_64);
    run_images(&mut bench, &loaded).expect("exact");
    bench.write(regs::TIMEOUT, 100).expect("a register");
    bench.memory.fault = Some(Fault::Silence(0));
    // One image: the register is of the last one, and another would find all its weights.
    let image = &loaded.images[0];
    bench.source.packet(&image.pixels);
    bench.steps(6 * loaded.cycles).expect("no violation");
    assert_eq!(bench.take_errors(), Ok(regs::ERROR_MEMORY_STALL));
    bench.memory.fault = None;
    bench.until("a result", |b| b.sink.packets.len() == 1).expect("no violation");
    assert_eq!(bench.sink.packets.drain(..).next().as_ref(), Some(&image.result));
    assert_ne!(bench.read(regs::WEIGHT_STALLS), Ok(0));
    bench.write(regs::TIMEOUT, 0).expect("a register");
    bench.take_errors().expect("a register");
    run_images(&mut bench, &loaded).expect("exact");
}

#[test]
fn registers_of_the_ring_answer() {
    let mut bench = bench(&WIDE, BROAD, BUS_64);
    for register in REGISTERS.iter().filter(|register| register.needs != Needs::Link) {
        let (value, response) = bench.read_raw(register.offset).expect("an answer");
        assert_eq!(response, 0, "{}", register.name);
        assert!(register.name == "CONFIG3" || register.needs != Needs::Ring || value == 0);
    }
    assert_eq!(bench.read(regs::CONFIG3), Ok(0x0004_0005));
    for offset in [regs::WEIGHT_BASE_LOW, regs::WEIGHT_BASE_HIGH, regs::WEIGHT_LENGTH] {
        bench.write(offset, 0x89ab_cdef).expect("a register");
        assert_eq!(bench.read(offset), Ok(0x89ab_cdef));
    }
}

#[test]
fn tools_find_nothing_in_the_text_with_a_ring() {
    for (array, ring, axi) in
        [(SMALL, NARROW, BUS_32), (WIDE, BROAD, BUS_64), (GROUPS, WHOLE, AxiConfig::default())]
    {
        let design = axi_design(&array, &depths(ring), axi);
        lint(&toolchain(), &design).unwrap_or_else(|error| panic!("{array:?}: {error:#?}"));
        elaborate_yosys(None, &design).unwrap_or_else(|error| panic!("{array:?}: {error:#?}"));
        elaborate_icarus(None, &design).unwrap_or_else(|error| panic!("{array:?}: {error:#?}"));
    }
}
