//! Every bit of `ERROR`, provoked; and that the next image is exact again.

use super::{BUS_32, BUS_64, SMALL, some_problems};
use crate::loaded::Loaded;
use crate::pins::{DEPTHS, bench};
use heartbit_ir::program::DESCRIPTOR_WORDS;
use heartbit_tests::bus::bench::Bench;
use heartbit_tests::bus::lite::SLVERR;
use heartbit_tests::bus::memory::Fault;
use heartbit_tests::regs;
use heartbit_tests::verilated::ModelPins;

fn setup(axi: super::AxiConfig) -> (Bench<ModelPins>, Loaded) {
    let mut bench = bench(&SMALL, axi);
    let loaded = Loaded::new(&some_problems(1, false)[0], &SMALL, 2);
    assert!(loaded.images[0].pixels.len() > 3, "too small to be cut");
    bench.stall(1, [0.2, 0.2, 0.2, 0.2]);
    bench.write(regs::IRQ_ENABLE, regs::IRQ_ENABLE_ERROR).expect("a register");
    (bench, loaded)
}

/// The errors are these, the interrupt says so, and after that everything works.
#[track_caller]
fn check(bench: &mut Bench<ModelPins>, loaded: &Loaded, errors: u32) {
    use heartbit_tests::bus::Pins;
    let status = bench.read(regs::STATUS).expect("a register");
    assert_eq!(status & regs::STATUS_ERROR != 0, errors != 0);
    assert_eq!(bench.pins.get("irq"), u64::from(errors != 0), "interrupt");
    assert_eq!(bench.take_errors(), Ok(errors));
    bench.write(regs::EVENTS, u32::MAX).expect("a register");
    bench.steps(2).expect("no violation");
    assert_eq!(bench.pins.get("irq"), 0, "interrupt");
    if status & regs::STATUS_LOADED == 0 {
        assert_eq!(bench.load(0x4_0000, &loaded.image), Ok(0));
    }
    bench.sink.packets.clear();
    for image in &loaded.images {
        bench.source.packet(&image.pixels);
        bench.until("a result", |b| !b.sink.packets.is_empty()).expect("no violation");
        assert_eq!(bench.sink.packets.pop_front().as_ref(), Some(&image.result));
    }
    assert_eq!(bench.read(regs::CYCLES).map(u64::from), Ok(loaded.cycles));
    assert_eq!(bench.take_errors(), Ok(0));
    bench.write(regs::EVENTS, u32::MAX).expect("a register");
}

#[test]
fn bad_memory_images_are_refused() {
    for axi in [BUS_32, BUS_64] {
        let (mut bench, loaded) = setup(axi);
        let good = &loaded.image;
        let with = |at: usize, byte: u8| {
            let mut image = good.clone();
            image[at] = byte;
            image
        };
        let format = regs::ERROR_LOAD_FORMAT;
        let (range, program) = (regs::ERROR_LOAD_RANGE, regs::ERROR_ILLEGAL_PROGRAM);
        for (image, errors) in [
            // No magic word, another length, array, lanes.
            (with(0, b'X'), format),
            (with(4, good[4] ^ 8), format),
            (with(8, 9), format),
            (with(13, 1), format),
            // A section that is longer than the image; an image that is too short.
            (with(last_section(&loaded) + 7, 1), format),
            (good[..8].to_vec(), format),
            // Target, index and address of the first section.
            (with(16, 4), range),
            (with(16, 7), range),
            (with(18, 1), range),
            (with(21, 2), range),
            // The height of the image, the steps of the first layer.
            (with(24, 0), program),
            (zero(good, 24 + 3 * 8, 2), program),
            // Without its end.
            (zero(good, last_descriptor(good), 1), program),
        ] {
            assert_eq!(bench.load(0x8_0010, &image), Ok(errors));
            let status = bench.read(regs::STATUS).expect("a register");
            assert_eq!(status & regs::STATUS_LOADED, 0, "it is not used");
            bench.write(regs::EVENTS, u32::MAX).expect("a register");
        }
        check(&mut bench, &loaded, 0);
    }
}

fn zero(image: &[u8], at: usize, n: usize) -> Vec<u8> {
    let mut image = image.to_vec();
    image[at..at + n].fill(0);
    image
}

/// Where the last section begins.
fn last_section(loaded: &Loaded) -> usize {
    let (image, mut at) = (&loaded.image, 16);
    loop {
        let last = u16::from_le_bytes([image[at + 6], image[at + 7]]);
        let end = at + 8 + 8 * loaded.units(image[at]) * (usize::from(last) + 1);
        if end == image.len() {
            return at;
        }
        at = end;
    }
}

/// Where the last descriptor of the program begins, which is the first section.
fn last_descriptor(image: &[u8]) -> usize {
    let last = u16::from_le_bytes([image[22], image[23]]);
    24 + 8 * (usize::from(last) + 1 - DESCRIPTOR_WORDS)
}

#[test]
fn errors_of_the_bus_end_a_load() {
    for axi in [BUS_32, BUS_64] {
        let (mut bench, loaded) = setup(axi);
        let beats = loaded.image.len() as u64 * 8 / u64::from(axi.data_bits);
        for at in [0, 1, 15, 16, beats / 2, beats - 1] {
            for fault in [Fault::Response(at), Fault::Last(at)] {
                bench.memory.fault = Some(fault);
                let said = bench.load(0x1040, &loaded.image);
                assert_eq!(said, Ok(regs::ERROR_MEMORY_RESPONSE), "{fault:?}");
                bench.memory.fault = None;
                bench.write(regs::EVENTS, u32::MAX).expect("a register");
                check(&mut bench, &loaded, 0);
            }
        }
    }
}

#[test]
fn silent_memory_is_reported_and_can_be_left() {
    let (mut bench, loaded) = setup(BUS_64);
    bench.write(regs::TIMEOUT, 60).expect("a register");
    bench.memory.fault = Some(Fault::Silence(21));
    bench.start_load(0x1000, &loaded.image).expect("idle");
    bench.steps(400).expect("no violation");
    assert_eq!(bench.read(regs::ERROR), Ok(regs::ERROR_MEMORY_STALL));
    bench.write(regs::CONTROL, regs::CONTROL_ABORT).expect("always");
    // What was asked for still comes, at last; nothing else is.
    bench.memory.fault = None;
    while bench.read(regs::STATUS).expect("a register") & regs::STATUS_LOADING != 0 {}
    bench.write(regs::TIMEOUT, 0).expect("a register");
    check(&mut bench, &loaded, regs::ERROR_MEMORY_STALL);
}

#[test]
fn images_of_the_wrong_length_are_dropped() {
    let (mut bench, loaded) = setup(BUS_64);
    assert_eq!(bench.load(0x1000, &loaded.image), Ok(0));
    let good = &loaded.images[0].pixels;
    let n = good.len();
    let mut dropped = 0;
    for length in [1, 2, n - 1, n + 1, n + 2, 3 * n] {
        let bad: Vec<u32> = good.iter().cycle().take(length).copied().collect();
        // Alone, and behind an image that is being worked on.
        for before in [0, 1, 2] {
            (0..before).for_each(|_| bench.source.packet(good));
            bench.source.packet(&bad);
            bench.source.packet(&loaded.images[1].pixels);
            bench.until("results", |b| b.sink.packets.len() > before).expect("no violation");
            bench.steps(2 * loaded.cycles).expect("no violation");
            assert_eq!(bench.sink.packets.len(), before + 1, "{length} of {n} pixels");
            for _ in 0..before {
                let first = bench.sink.packets.pop_front();
                assert_eq!(first.as_ref(), Some(&loaded.images[0].result));
            }
            assert_eq!(bench.sink.packets[0], loaded.images[1].result);
            dropped += 1;
            assert_eq!(bench.read(regs::DROPPED), Ok(dropped));
            let error = if length < n { regs::ERROR_INPUT_SHORT } else { regs::ERROR_INPUT_LONG };
            check(&mut bench, &loaded, error);
        }
    }
}

#[test]
fn pixels_without_a_program_wait() {
    let (mut bench, loaded) = setup(BUS_64);
    bench.source.packet(&loaded.images[0].pixels);
    bench.steps(50).expect("no violation");
    assert_eq!(bench.source.accepted, 0);
    assert_eq!(bench.read(regs::ERROR), Ok(regs::ERROR_NO_PROGRAM));
    assert_eq!(bench.load(0x1000, &loaded.image), Ok(regs::ERROR_NO_PROGRAM));
    bench.until("a result", |b| !b.sink.packets.is_empty()).expect("no violation");
    assert_eq!(bench.sink.packets.pop_front().as_ref(), Some(&loaded.images[0].result));
    bench.write(regs::EVENTS, u32::MAX).expect("a register");
    check(&mut bench, &loaded, 0);
}

#[test]
fn loads_are_refused_while_an_image_is_under_way() {
    let (mut bench, loaded) = setup(BUS_32);
    assert_eq!(bench.load(0x1000, &loaded.image), Ok(0));
    let pixels = &loaded.images[0].pixels;
    bench.sink.stalls = heartbit_tests::bus::Stalls::new(4, 1.0);
    // In the middle of an image, and while its result waits.
    bench.source.beats.extend(pixels[..2].iter().map(|&pixel| (pixel, false)));
    bench.until("two pixels", |b| b.source.beats.is_empty()).expect("no violation");
    for round in 0..2 {
        for (register, value) in [
            (regs::CONTROL, regs::CONTROL_START_LOAD),
            (regs::CONTROL, regs::CONTROL_COMMIT),
            (regs::LOAD_SELECT, 0),
            (regs::LOAD_DATA, 0),
        ] {
            assert_eq!(bench.write_raw(register, value, 15), Ok(SLVERR), "round {round}");
            assert_eq!(bench.take_errors(), Ok(regs::ERROR_LOAD_REFUSED), "round {round}");
        }
        if round == 0 {
            bench.source.packet(&pixels[2..]);
            bench.steps(3 * loaded.cycles + 500).expect("no violation");
        }
    }
    let status = bench.read(regs::STATUS).expect("a register");
    assert_ne!(status & regs::STATUS_RESULT, 0);
    bench.sink.stalls = heartbit_tests::bus::Stalls::new(4, 0.3);
    bench.until("a result", |b| !b.sink.packets.is_empty()).expect("no violation");
    assert_eq!(bench.sink.packets.pop_front().as_ref(), Some(&loaded.images[0].result));
    assert_ne!(bench.read(regs::STALLS), Ok(0));
    bench.write(regs::EVENTS, u32::MAX).expect("a register");
    check(&mut bench, &loaded, 0);
}

#[test]
fn words_without_a_place_are_not_written() {
    let (mut bench, loaded) = setup(BUS_64);
    assert_eq!(bench.load(0x1000, &loaded.image), Ok(0));
    let status = |bench: &mut Bench<ModelPins>| bench.read(regs::STATUS).expect("a register");
    let cols = u32::try_from(SMALL.cols).expect("small") << regs::LOAD_SELECT_INDEX_SHIFT;
    let steps = u32::try_from(DEPTHS.step).expect("small") << regs::LOAD_SELECT_ADDRESS_SHIFT;
    // Column, address, target; and a word that may be written.
    for (select, errors) in [
        (2 | cols, regs::ERROR_LOAD_RANGE),
        (1 | steps, regs::ERROR_LOAD_RANGE),
        (5, regs::ERROR_LOAD_RANGE),
        (2, 0),
    ] {
        assert_ne!(status(&mut bench) & regs::STATUS_LOADED, 0);
        bench.write(regs::LOAD_SELECT, select).expect("idle");
        for half in [0x1234_5678, 0] {
            bench.write(regs::LOAD_DATA, half).expect("idle");
            assert_eq!(status(&mut bench) & regs::STATUS_LOADED, 0, "no program any more");
        }
        bench.write(regs::CONTROL, regs::CONTROL_COMMIT).expect("idle");
        let is_loaded = status(&mut bench) & regs::STATUS_LOADED != 0;
        assert_eq!(is_loaded, errors == 0, "{select:#x}");
        assert_eq!(bench.take_errors(), Ok(errors), "{select:#x}");
        assert_eq!(bench.load(0x1000, &loaded.image), Ok(0));
    }
    bench.write(regs::EVENTS, u32::MAX).expect("a register");
    check(&mut bench, &loaded, 0);
}

#[test]
fn watchdog_bites_one_cycle_late_and_not_before() {
    let (mut bench, loaded) = setup(BUS_64);
    assert_eq!(bench.load(0x1000, &loaded.image), Ok(0));
    let cycles = u32::try_from(loaded.cycles).expect("small");
    bench.write(regs::WATCHDOG, cycles).expect("a register");
    check(&mut bench, &loaded, 0);
    for limit in [cycles - 1, cycles / 2, 1] {
        bench.write(regs::WATCHDOG, limit).expect("a register");
        bench.source.packet(&loaded.images[0].pixels);
        bench.until("the image", |b| b.source.beats.is_empty()).expect("no violation");
        bench.steps(4 * loaded.cycles + 100).expect("no violation");
        assert!(!bench.sink.is_within_packet());
        // Near the end the result has begun, and is cut.
        let cut = bench.sink.packets.pop_front();
        let last = cut.as_ref().and_then(|packet| packet.last());
        assert!(last.is_none_or(|&last| last == regs::RESULT_CUT), "{cut:x?}");
        assert_eq!(cut.is_some(), limit == cycles - 1);
        bench.write(regs::WATCHDOG, 0).expect("a register");
        check(&mut bench, &loaded, regs::ERROR_WATCHDOG);
    }
}

#[test]
fn ports_that_wait_for_the_host_are_reported() {
    let (mut bench, loaded) = setup(BUS_64);
    assert_eq!(bench.load(0x1000, &loaded.image), Ok(0));
    bench.stall(2, [0.0; 4]);
    bench.write(regs::TIMEOUT, 100).expect("a register");
    let pixels = &loaded.images[0].pixels;
    bench.source.beats.extend(pixels[..2].iter().map(|&pixel| (pixel, false)));
    bench.steps(60).expect("no violation");
    assert_eq!(bench.read(regs::ERROR), Ok(0));
    bench.steps(80).expect("no violation");
    assert_eq!(bench.take_errors(), Ok(regs::ERROR_INPUT_STALL));
    bench.sink.stalls = heartbit_tests::bus::Stalls::new(4, 1.0);
    bench.source.packet(&pixels[2..]);
    bench.steps(3 * loaded.cycles + 500).expect("no violation");
    assert_eq!(bench.take_errors(), Ok(regs::ERROR_OUTPUT_STALL));
    bench.write(regs::EVENTS, u32::MAX).expect("a register");
    bench.write(regs::TIMEOUT, 0).expect("a register");
    bench.sink.stalls = heartbit_tests::bus::Stalls::new(4, 0.0);
    bench.until("a result", |b| !b.sink.packets.is_empty()).expect("no violation");
    check(&mut bench, &loaded, 0);
}

#[test]
fn interrupts_follow_their_events() {
    use heartbit_tests::bus::Pins;
    let (mut bench, loaded) = setup(BUS_64);
    let after = |bench: &mut Bench<ModelPins>, event: u32| {
        bench.steps(2).expect("no violation");
        let seen = (bench.pins.get("irq"), bench.read(regs::EVENTS));
        bench.write(regs::EVENTS, event).expect("a register");
        bench.steps(2).expect("no violation");
        assert_eq!(bench.pins.get("irq"), 0, "cleared");
        seen
    };
    bench.write(regs::IRQ_ENABLE, regs::EVENTS_LOAD).expect("a register");
    assert_eq!(bench.load(0x1000, &loaded.image), Ok(0));
    assert_eq!(after(&mut bench, regs::EVENTS_LOAD), (1, Ok(regs::EVENTS_LOAD)));
    for enabled in [regs::EVENTS_IMAGE, regs::EVENTS_RESET] {
        bench.write(regs::IRQ_ENABLE, enabled).expect("a register");
        bench.source.packet(&loaded.images[0].pixels);
        bench.until("a result", |b| !b.sink.packets.is_empty()).expect("no violation");
        bench.sink.packets.clear();
        let irq = u64::from(enabled == regs::EVENTS_IMAGE);
        assert_eq!(after(&mut bench, regs::EVENTS_IMAGE), (irq, Ok(regs::EVENTS_IMAGE)));
    }
    bench.write(regs::CONTROL, regs::CONTROL_ABORT).expect("always");
    assert_eq!(after(&mut bench, regs::EVENTS_RESET), (1, Ok(regs::EVENTS_RESET)));
}

#[test]
fn class_is_read_once() {
    let (mut bench, loaded) = setup(BUS_64);
    assert_eq!(bench.read(regs::CLASS).map(|c| c & regs::CLASS_FRESH), Ok(0));
    check(&mut bench, &loaded, regs::ERROR_OUTPUT_UNDERRUN);
    let class = *loaded.images[1].result.last().expect("bug: a class");
    assert_eq!(bench.read(regs::CLASS), Ok(regs::CLASS_FRESH | class));
    assert_eq!(bench.take_errors(), Ok(0));
    assert_eq!(bench.read(regs::CLASS), Ok(class));
    check(&mut bench, &loaded, regs::ERROR_OUTPUT_UNDERRUN);
}

#[test]
fn resync_begins_an_image_anew() {
    let (mut bench, loaded) = setup(BUS_64);
    assert_eq!(bench.load(0x1000, &loaded.image), Ok(0));
    let pixels = &loaded.images[0].pixels;
    for abort in [0, regs::CONTROL_ABORT] {
        // The source dies within an image.
        bench.source.beats.extend(pixels[..3].iter().map(|&pixel| (pixel, false)));
        bench.until("three pixels", |b| b.source.beats.is_empty()).expect("no violation");
        bench.write(regs::CONTROL, regs::CONTROL_RESYNC | abort).expect("always");
        let error = if abort == 0 { regs::ERROR_INPUT_SHORT } else { 0 };
        bench.steps(5).expect("no violation");
        check(&mut bench, &loaded, error);
    }
    // With an abort first, the rest would be awaited.
    bench.source.beats.extend(pixels[..3].iter().map(|&pixel| (pixel, false)));
    bench.until("three pixels", |b| b.source.beats.is_empty()).expect("no violation");
    bench.write(regs::CONTROL, regs::CONTROL_ABORT).expect("always");
    bench.steps(20).expect("no violation");
    let status = bench.read(regs::STATUS).expect("a register");
    assert_ne!(status & regs::STATUS_DISCARDING, 0);
    bench.write(regs::CONTROL, regs::CONTROL_RESYNC).expect("always");
    check(&mut bench, &loaded, 0);
}

#[test]
fn a_layer_that_must_not_begin_is_reported() {
    let (mut bench, loaded) = setup(BUS_64);
    let mut image = loaded.image.clone();
    // The gap after the first layer: word 5 behind the two of the header, its upper half.
    let at = 24 + 8 * (2 + 5) + 2;
    image[at..at + 2].copy_from_slice(&5u16.to_le_bytes());
    assert_eq!(bench.load(0x1000, &image), Ok(0), "the inspector sees no fault in it");
    bench.source.packet(&loaded.images[0].pixels);
    bench.until("the image", |b| b.source.beats.is_empty()).expect("no violation");
    bench.steps(100).expect("no violation");
    assert!(bench.sink.packets.is_empty() && !bench.sink.is_within_packet());
    assert_eq!(bench.take_errors(), Ok(regs::ERROR_ILLEGAL_DESCRIPTOR));
    bench.write(regs::EVENTS, u32::MAX).expect("a register");
    assert_eq!(bench.load(0x1000, &loaded.image), Ok(0));
    check(&mut bench, &loaded, 0);
}
