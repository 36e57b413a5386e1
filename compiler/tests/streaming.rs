//! Networks whose weights come in part through the weight port.

use heartbit_compiler::build::{self, BuildError};
use heartbit_compiler::fold::fold;
use heartbit_compiler::plan;
use heartbit_compiler::predict::{back_to_back, predict, predict_images};
use heartbit_compiler::random;
use heartbit_compiler::schedule::{
    Compiled, Misfit, ScheduleError, Target, WeightPort, compile, outline,
};
use heartbit_ir::network::Network;
use heartbit_ir::program::{MemoryDepths, PortSlots, WeightRing};
use heartbit_model::Arch;
use std::path::Path;

fn network(arch: Arch) -> Network {
    let checkpoint = random::checkpoint(arch, &arch.published(), 1).expect("valid sizes");
    fold(&checkpoint).expect("complete")
}

fn port(cols: usize, beats: u32, cycles: u32) -> WeightPort {
    WeightPort { cols, slots: PortSlots::at_rate(30, beats, cycles), ring: None, room: None }
}

fn target(shape: &str, weight_port: Option<WeightPort>) -> Target {
    Target { weight_port, ..Target::sized_for_network(shape.parse().expect("an array")) }
}

/// ResNet-20 on an array whose weight memory holds so many words.
fn resnet20(words: usize, port: WeightPort) -> (Network, Compiled) {
    let network = network(Arch::ResNet20);
    let target = target("8x8x16", Some(WeightPort { room: Some(words), ..port }));
    let compiled = compile(&network, &target).expect("fits");
    (network, compiled)
}

/// Every weight word of every layer and column, wherever it is.
fn words(compiled: &Compiled) -> Vec<Vec<Vec<u64>>> {
    let program = &compiled.program;
    let ring = program.depths.ring.map_or(0, |ring| ring.words);
    let mut streamed = 0;
    let mut all = Vec::new();
    for (layer, d) in compiled.plan.layers.iter().zip(&program.layers) {
        let n = if layer.is_pass() { 0 } else { usize::from(d.col_tiles) * usize::from(d.steps) };
        let (columns, base) = match &program.weight_stream {
            Some(stream) if d.flags.stream_weights => (&stream.columns, streamed),
            _ => (&program.weights, usize::from(d.weight_base).saturating_sub(ring)),
        };
        let of = |word: usize| columns.iter().flat_map(|c| c.word(word).to_vec()).collect();
        all.push((base..base + n).map(of).collect());
        streamed += if d.flags.stream_weights { n } else { 0 };
    }
    all
}

#[test]
fn what_fits_is_what_it_was_without_a_port() {
    let network = network(Arch::ResNet20);
    let without = compile(&network, &target("8x8x16", None)).expect("fits");
    let with = compile(&network, &target("8x8x16", Some(port(4, 1, 2)))).expect("fits");
    assert_eq!(with, without);
    let all = without.program.depths.weight;
    assert_eq!(resnet20(all, port(4, 1, 2)).1, without);
    assert!(resnet20(all - 1, port(4, 1, 2)).1.program.depths.ring.is_some());
}

#[test]
fn every_weight_is_in_the_memory_or_comes_in_its_turn() {
    let network = network(Arch::ResNet20);
    let whole = compile(&network, &target("8x8x16", None)).expect("fits");
    for room in [2_500, 1_500, 600, 256] {
        let (_, compiled) = resnet20(room, port(4, 1, 2));
        let (program, all) = (&compiled.program, &whole.program);
        let ring = program.depths.ring.expect("not all fits");
        assert_eq!(ring.port_cols, 4);
        assert!(program.depths.weight <= room, "{room} words: {:?}", program.depths);
        assert_eq!(words(&compiled), words(&whole), "{room} words");
        let stream = program.weight_stream.as_ref().expect("a ring has a port");
        let resident = program.weights[0].len();
        assert_eq!(resident + stream.columns[0].len(), all.weights[0].len());
        assert_eq!(ring.words + resident, program.depths.weight);
        for (d, before) in program.layers.iter().zip(&all.layers) {
            let streamed = d.flags.stream_weights;
            assert!(!streamed || usize::from(d.steps) <= ring.words);
            assert!(streamed || usize::from(d.weight_base) >= ring.words);
            // All else is as it was.
            let mut same = *d;
            (same.flags.stream_weights, same.weight_base) = (false, before.weight_base);
            assert_eq!(same, *before);
        }
    }
}

#[test]
fn port_that_is_fast_enough_costs_nothing_and_a_slow_one_its_time() {
    let network = network(Arch::ResNet20);
    let whole = predict(&compile(&network, &target("8x8x16", None)).expect("fits").program);
    let (_, fast) = resnet20(600, port(8, 1, 2));
    assert_eq!(predict(&fast.program).total(), whole.total());
    assert_eq!(back_to_back(&fast.program).cycles, whole.total().0 + 1);
    let (_, slow) = resnet20(600, port(1, 1, 8));
    let stream = slow.program.weight_stream.as_ref().expect("not all fits");
    // A word is 8 beats of 8 cycles, and every image brings all of them.
    let port_cycles = (stream.columns[0].len() * 64) as u64;
    assert!(port_cycles > whole.total().0);
    let rhythm = back_to_back(&slow.program);
    assert!(rhythm.cycles >= port_cycles * rhythm.images, "{rhythm:?}");
    assert!(rhythm.cycles <= (port_cycles + whole.total().0) * rhythm.images, "{rhythm:?}");
    let images = predict_images(&slow.program, &[100_000, 1_000_000]);
    assert!(images.iter().all(|image| image.weight_wait().0 > 0));
}

#[test]
fn ring_and_memory_are_as_asked() {
    let (_, compiled) = resnet20(2_000, WeightPort { ring: Some(256), ..port(2, 1, 1) });
    let ring = WeightRing { words: 256, port_cols: 2 };
    assert_eq!(compiled.program.depths.ring, Some(ring));
    // The memory of hardware that other networks share is as large as it is, and so is its ring,
    // needed or not.
    let network = network(Arch::ResNet20);
    let whole = compile(&network, &target("8x8x16", None)).expect("fits").program;
    for weight in [2_000, 4_000] {
        let depths = MemoryDepths { weight, ring: Some(ring), ..whole.depths };
        let hardware = Target { depths: Some(depths), ..target("8x8x16", Some(port(2, 1, 1))) };
        let program = compile(&network, &hardware).expect("fits").program;
        assert_eq!(program.depths, depths);
        let streamed = program.weight_stream.expect("a ring has a port").columns[0].len();
        assert_eq!(streamed > 0, weight == 2_000, "{streamed} words");
        assert_eq!(streamed + program.weights[0].len(), whole.weights[0].len());
    }
}

#[test]
fn programs_are_at_least_as_good_as_their_outlines() {
    let network = network(Arch::ResNet20);
    let plan = plan::plan(&network).expect("a plan");
    for room in [2_000, 300] {
        let port = WeightPort { room: Some(room), ..port(4, 2, 5) };
        let target = target("8x8x16", Some(port));
        let program = compile(&network, &target).expect("fits").program;
        let fast = outline(&network, &plan, &target).expect("fits");
        assert!(fast.depths.ring.is_some() && fast.depths.weight <= room);
        assert!(predict(&program).total() <= fast.cycles().total(), "{room} words");
        assert!(fast.cycles().total().0 < fast.back_to_back().cycles, "{room} words");
    }
}

#[test]
fn too_small_a_memory_names_what_it_would_take() {
    let network = network(Arch::ResNet20);
    let small = |words, port: WeightPort| {
        let port = WeightPort { room: Some(words), ..port };
        compile(&network, &target("8x8x16", Some(port)))
    };
    // 192 steps of the head do not fit a ring of 64, so its 384 words have to stay.
    let narrow = WeightPort { ring: Some(64), ..port(8, 1, 1) };
    let error = small(447, narrow.clone()).expect_err("too small");
    let misfit = Misfit {
        resource: "--weight-words",
        layer: Some("linear".to_owned()),
        needed: 64 + 384,
        available: 447,
    };
    assert_eq!(error, ScheduleError::DoesNotFit(vec![misfit]));
    small(448, narrow).expect("fits");
    assert!(small(255, port(8, 1, 1)).is_err());
    small(256, port(8, 1, 1)).expect("all is streamed");
}

#[test]
fn ports_that_make_no_sense_are_refused() {
    let network = network(Arch::ResNet20);
    let slots = |latency, pattern: &[bool]| PortSlots { latency, pattern: pattern.to_vec() };
    for (wrong, words) in [
        (port(3, 1, 1), "3 columns in a beat of the weight port (--weight-port)"),
        (port(0, 1, 1), "0 columns"),
        (WeightPort { ring: Some(96), ..port(4, 1, 1) }, "96 words in the weight ring"),
        (WeightPort { ring: Some(1), ..port(4, 1, 1) }, "power of two from 2"),
        (WeightPort { slots: slots(0, &[]), ..port(4, 1, 1) }, "0 slots of the weight port"),
        (WeightPort { slots: slots(0, &[false]), ..port(4, 1, 1) }, "at least one"),
        (WeightPort { slots: slots(1 << 40, &[true]), ..port(4, 1, 1) }, "latency"),
        (WeightPort { slots: slots(0, &vec![true; 1 << 17]), ..port(4, 1, 1) }, "pattern"),
    ] {
        let error = compile(&network, &target("8x8x16", Some(wrong))).expect_err(words);
        let text = error.to_string();
        assert!(matches!(error, ScheduleError::Division { .. }) && text.contains(words), "{text}");
    }
    let whole = compile(&network, &target("8x8x16", None)).expect("fits").program.depths;
    let ring = Some(WeightRing { words: 256, port_cols: 4 });
    let depths = Some(MemoryDepths { ring, ..whole });
    for other in [None, Some(port(2, 1, 1)), Some(WeightPort { ring: Some(64), ..port(4, 1, 1) })] {
        let hardware = Target { depths, ..target("8x8x16", other.clone()) };
        let error = compile(&network, &hardware).expect_err("another port");
        assert!(matches!(error, ScheduleError::Division { .. }), "{other:?}: {error}");
    }
}

/// Changes a file of a build, and returns what reading says.
fn damaged(build: &Path, file: &str, change: impl FnOnce(String) -> String) -> BuildError {
    let path = build.join(file);
    let text = std::fs::read_to_string(&path).expect("readable");
    std::fs::write(&path, change(text.clone())).expect("writable");
    let error = build::read(build).expect_err("damaged");
    std::fs::write(&path, text).expect("writable");
    error
}

#[test]
fn builds_with_a_stream_are_read_back_and_damaged_ones_refused() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("build");
    let (network, compiled) = resnet20(600, port(4, 2, 5));
    build::write(&path, &network, &compiled, &[]).expect("writable");
    assert_eq!(build::read(&path).expect("readable").compiled, compiled);
    let program = &compiled.program;
    let ring = program.depths.ring.expect("not all fits").words;

    let json = |from: &str, to: &str| {
        damaged(&path, "program.json", |text| {
            assert!(text.contains(from), "`{from}` is not in {text}");
            text.replacen(from, to, 1)
        })
    };
    let words = format!("\"words\": {ring}");
    for (from, to, reason) in [
        (&words[..], "\"words\": 0", "0 words in the weight ring"),
        (&words, "\"words\": 96", "96 words in the weight ring"),
        (&words, "\"words\": 18446744073709551615", "power of two"),
        (&words, "\"words\": 16", "through a ring of 16"),
        ("\"port_cols\": 4", "\"port_cols\": 0", "0 columns in a beat"),
        ("\"port_cols\": 4", "\"port_cols\": 3", "3 columns in a beat"),
        ("\"latency\": 30", "\"latency\": -1", "invalid value"),
        ("\"latency\": 30", "\"latency\": 18446744073709551615", "latency of at most"),
        ("\"latency\": 30", "\"latency\": 30, \"x\": 0", "unknown field"),
        ("true", "2", "invalid type"),
    ] {
        let error = json(from, to).to_string();
        assert!(error.contains(reason), "{from} -> {to}: {error}");
    }
    let no_slot = damaged(&path, "program.json", |text| text.replace("true", "false"));
    assert!(no_slot.to_string().contains("at least one"), "{no_slot}");
    let no_ring = damaged(&path, "program.json", |text| {
        let begin = text.find(",\n    \"ring\"").expect("a ring");
        let end = begin + text[begin..].find('}').expect("its end");
        text[..begin].to_owned() + &text[end + 1..]
    });
    assert!(no_ring.to_string().contains("but no weight ring"), "{no_ring}");
    let no_slots =
        damaged(&path, "program.json", |text| text.replace("weight_slots", "weight_slits"));
    assert!(no_slots.to_string().contains("unknown field"), "{no_slots}");

    let stream = "mem/weight_stream_007.hex";
    let short = damaged(&path, stream, |text| text[5..].to_owned()).to_string();
    assert!(short.contains("but the layers take"), "{short}");
    let long = damaged(&path, stream, |text| text.clone() + &text[..5]).to_string();
    assert!(long.contains("more than"), "{long}");
    std::fs::remove_file(path.join(stream)).expect("it is there");
    assert!(matches!(build::read(&path), Err(BuildError::Io { .. })));
}
