//! tmp
use heartbit_cases::file::CaseFile;
use heartbit_cases::generate::Source;
use heartbit_compiler::random;
use heartbit_model::{Arch, Sizes};
use std::fs;
use std::path::Path;
fn put(t: &str, n: &str, b: &[u8]) {
    let d = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(t);
    fs::create_dir_all(&d).unwrap();
    fs::write(d.join(n), b).unwrap();
    println!("{t}/{n} {}", b.len());
}
#[test]
fn seeds() {
    for (i, n) in [0u64, 3, 5, 8].into_iter().enumerate() {
        let s = Source { seed: 2, networks: 1, max_channels: 4 };
        let c = s.case(n);
        put("network", &format!("random{i}.hbn"), &c.problem.network().to_bytes().unwrap());
        if i < 3 {
            put(
                "case",
                &format!("random{i}.json"),
                CaseFile::new(&c, "seed".into(), None).unwrap().to_json().as_bytes(),
            );
        }
    }
    for (name, arch, n) in [("vgg-small", Arch::VggSmall, 6), ("resnet20", Arch::ResNet20, 3)] {
        let p = arch.published();
        for side in [8, 16, 32] {
            let sizes = Sizes { image_side: side, classes: 2, widths: vec![4; n] };
            match random::checkpoint(arch, &sizes, 1) {
                Ok(mut c) => {
                    put("checkpoint", &format!("{name}.safetensors"), &c.to_bytes());
                    let f = heartbit_model::TensorFile {
                        metadata: Default::default(),
                        tensors: c.tensors.clone(),
                    };
                    if n == 6 {
                        put("import", &format!("{name}.safetensors"), &f.to_bytes());
                        println!(
                            "{:?}",
                            heartbit_model::import::import(&f.to_bytes(), "x", &Default::default())
                                .map(|_| ())
                                .map_err(|e| e.to_string())
                        );
                    }
                    c.tensors.clear();
                    put("checkpoint", "no-tensors.safetensors", &c.to_bytes());
                    break;
                }
                Err(e) => println!("{e} {p:?}"),
            }
        }
    }
    let d = tempfile::tempdir().unwrap();
    let before: std::collections::BTreeSet<_> =
        fs::read_dir(std::env::temp_dir()).unwrap().map(|e| e.unwrap().path()).collect();
    heartbit_tests::parsers::program(b"");
    for e in fs::read_dir(std::env::temp_dir()).unwrap() {
        let q = e.unwrap().path();
        if before.contains(&q) || !q.join("build").exists() {
            continue;
        }
        let read = |n: &str| fs::read_to_string(q.join("build").join(n)).unwrap();
        for e in fs::read_dir(q.join("build/mem")).unwrap() {
            println!("{:?}", e.unwrap().path());
        }
        put(
            "program",
            "json.txt",
            format!("-- program.json --\n{}", read("program.json")).as_bytes(),
        );
        put(
            "program",
            "program.txt",
            format!("-- mem/program.hex --\n{}", read("mem/program.hex")).as_bytes(),
        );
        put(
            "program",
            "memories.txt",
            ["steps_0", "weights_000", "weight_stream_001", "parameters_001"]
                .map(|n| format!("-- mem/{n}.hex --\n{}", read(&format!("mem/{n}.hex"))))
                .concat()
                .as_bytes(),
        );
        put("program", "empty.txt", b"-- mem/weights_000.hex --\n");
    }
    drop(d);
}

use heartbit_cases::case::{Case, Hardware, Memories};
use heartbit_cases::problem::{After, Block, Port, Problem, Read};
use heartbit_ir::program::PortSlots;
fn save(name: &str, why: &str, case: &Case) {
    let d = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    fs::create_dir_all(&d).unwrap();
    fs::write(d.join(name), CaseFile::new(case, why.into(), None).unwrap().to_json()).unwrap();
}
#[test]
fn cases() {
    let block = Block {
        channels: 1,
        kernel: 1,
        stride: 2,
        read: Read::Sign,
        after: After::Threshold,
        prelu: false,
        pool: None,
    };
    let problem = Problem {
        height: 5,
        width: 1,
        image_channels: 1,
        stem: (1, 1),
        wide_stem: false,
        blocks: vec![block; 3],
        flatten: false,
        head_levels: 8,
        classes: 1,
        head_bits: 1,
        seed: 0,
        port: None,
    };
    let hardware = Hardware {
        rows: 4,
        cols: 1,
        lanes: 4,
        taps: 1,
        lines: None,
        extended: false,
        memories: Memories::Sized,
    };
    let case = Case { problem, hardware, bands: None, streamed: None, images: 2, stalls: None };
    save(
        "thresholds-of-halved-maps.json",
        "found by a property test: three layers of thresholds halve a map",
        &case,
    );
    let mut two = case.clone();
    two.problem.height = 3;
    two.problem.blocks.pop();
    two.problem.head_levels = 5;
    two.hardware.extended = true;
    save(
        "few-levels-behind-thresholds.json",
        "found by a property test: a head of five-bit levels behind thresholds",
        &two,
    );
    let mut flat = case.clone();
    flat.problem.height = 1;
    flat.problem.blocks.clear();
    flat.problem.flatten = true;
    flat.problem.head_levels = 5;
    flat.problem.port = Some(Port {
        divisor: 0,
        slots: PortSlots { latency: 0, pattern: vec![true] },
        doublings: None,
        resident: 0,
    });
    flat.hardware = Hardware {
        rows: 1,
        cols: 1,
        lanes: 7,
        taps: 1,
        lines: None,
        extended: true,
        memories: Memories::Sized,
    };
    save(
        "port-of-one-pixel.json",
        "found by a property test: all weights of a flattened pixel through the port",
        &flat,
    );
    let s = Source { seed: 1, networks: 1, max_channels: 8 };
    let mut want = vec![
        ("bands", "bands-of-maps.json", "layers in bands"),
        ("streamed weights", "streamed-weights.json", "streamed weights"),
        ("pooled shortcut", "pooled-shortcut.json", "a pooled shortcut, and a host that waits"),
    ];
    for n in 0..400 {
        let c = s.case(n);
        let Ok(b) = c.build() else { continue };
        let f = b.features();
        if b.compiled.plan.layers.len() > 6 || c.problem.height * c.problem.width > 36 {
            continue;
        }
        want.retain(|(w, name, why)| {
            if f.contains(w)
                && (*w != "pooled shortcut" || f.contains("stalling host"))
                && (*w != "streamed weights" || c.problem.port.is_some())
            {
                save(name, why, &c);
                println!("{name} {n}");
                false
            } else {
                true
            }
        });
    }
    assert!(want.is_empty(), "{want:?}");
}
