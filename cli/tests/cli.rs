//! The command as a user meets it: results, exit codes, messages, and what is left on disk.

mod support;

use heartbit_ir::network::{Extreme, Network, Op, OpKind};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{
    build, bundled_network, data, fail, flip_weight, heartbit, names, succeed, temporary, text,
};
use tempfile::TempDir;

#[test]
fn demo_ends_in_its_verdict() {
    let directory = temporary();
    let json = succeed(&directory, &["demo"]);
    assert_eq!(json["verdict"], "pass");
    assert_eq!(json["sim"]["images"], 500);
    assert_eq!(json["sim"]["differing"], 0);
    assert_eq!(json["cosim"]["images"], 3);
    assert_eq!(json["cosim"]["differing"], 0);
    let cycles = &json["cosim"]["cycles"];
    assert!(cycles["predicted"].as_u64().is_some_and(|n| n > 10_000), "{cycles}");
    assert_eq!(cycles["predicted"], cycles["sim"]);
    assert_eq!(cycles["predicted"], cycles["rtl"]);
    assert!(json["sim"]["accuracy"].as_f64().is_some_and(|a| a > 0.5), "{}", json["sim"]);
    assert_eq!(names(directory.path()), ["heartbit-demo"]);
    assert_eq!(names(&directory.path().join("heartbit-demo")), ["build", "data"]);
}

#[test]
fn inspect_has_the_fields_that_scripts_rely_on() {
    let directory = temporary();
    let build = build(&directory);
    let json = succeed(&directory, &["inspect", text(&build)]);
    assert_eq!(json["network"]["arch"], "resnet20");
    assert_eq!(json["network"]["binary_macs"], 40_108_032);
    assert_eq!(json["array"]["rows"], 4);
    assert_eq!(json["array"]["cols"], 8);
    assert_eq!(json["array"]["lanes"], 16);
    let layers = json["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 20);
    let sum: u64 = layers.iter().filter_map(|l| l["cycles"].as_u64()).sum();
    for layer in layers {
        let parts = layer["of_which"].as_object().expect("parts");
        let sum: u64 = parts.values().filter_map(Value::as_u64).sum();
        assert_eq!(Some(sum), layer["cycles"].as_u64(), "{layer}");
    }
    let send = json["cycles"]["send"].as_u64().expect("send");
    assert_eq!(json["cycles"]["total"].as_u64(), Some(sum + send));
    for share in [&json["utilisation"]["binary"], &json["utilisation"]["total"]] {
        assert!(share.as_f64().is_some_and(|u| u > 0.0 && u <= 1.0), "{share}");
    }
    let json = succeed(&directory, &["inspect", text(&bundled_network())]);
    assert_eq!(json["network"]["classes"], 10);
}

#[test]
fn hardware_for_several_networks_is_compiled_as_asked() {
    let directory = temporary();
    let network = bundled_network();
    let compile = ["compile", text(&network), "--array", "8x8x16", "--out", "b"];
    let with = |extra: &[&'static str]| [&compile[..], extra].concat();
    let json = succeed(&directory, &with(&["--taps", "2", "--lines", "4", "--extended"]));
    assert_eq!((&json["array"]["taps"], &json["array"]["lines"]), (&2.into(), &4.into()));
    assert_eq!(json["array"]["extended"], true);
    let data = data();
    let sim = succeed(&directory, &["sim", "b", "--data", text(&data), "--images", "2"]);
    assert_eq!(sim["verdict"], "pass");
    for (extra, words) in [
        (["--taps", "4"], "8x8x16 cannot have 4 lane groups (--taps)"),
        (["--lines", "3"], "8x8x16 cannot have 3 lines of a tile (--lines)"),
    ] {
        fail(&directory, &with(&extra), 4, &[words, "leave the option out"]);
    }
}

#[test]
fn weights_that_do_not_fit_are_streamed() {
    let directory = temporary();
    let network = bundled_network();
    let compile = ["compile", text(&network), "--array", "8x8x16", "--out", "b"];
    let with = |extra: &[&'static str]| [&compile[..], extra].concat();
    let small = ["--weight-words", "600", "--weight-port", "2"];
    let slow = [&small[..], &["--weight-rate", "1/6", "--weight-latency", "9"]].concat();
    let whole = succeed(&directory, &compile);
    assert_eq!(whole["weight_port"], Value::Null);
    assert_eq!(whole["cycles"]["weight_wait"], 0);
    let number = |value: &Value| value.as_f64().expect("a number");
    let total = number(&whole["cycles"]["total"]);
    assert!((number(&whole["cycles"]["back_to_back"]) - total - 1.0).abs() < 1e-9);

    let json = succeed(&directory, &with(&slow));
    assert_eq!(json, succeed(&directory, &["inspect", "b"]));
    let port = &json["weight_port"];
    assert_eq!((&port["cols"], &port["latency"]), (&2.into(), &9.into()));
    assert_eq!((&port["slots"], &port["pattern_cycles"]), (&1.into(), &6.into()));
    assert_eq!(json["memories"]["weight"], 600);
    assert_eq!(json["memories"]["ring"]["words"], port["ring_words"]);
    let layers = json["layers"].as_array().expect("layers");
    let waits = layers.iter().map(|l| number(&l["of_which"]["wait"])).sum::<f64>();
    let wait = number(&json["cycles"]["weight_wait"]);
    assert!(wait > 0.0 && (waits - wait).abs() < 1e-9, "{waits} cycles, not {wait}");
    assert!((number(&json["cycles"]["total"]) - total - waits).abs() < 1e-9);
    // 4 beats of 6 cycles bring a word.
    let bound = 24.0 * number(&port["streamed_words"]);
    assert!(number(&json["cycles"]["back_to_back"]) >= bound);
    for layer in layers {
        let waits = number(&layer["of_which"]["wait"]) > 0.0;
        assert!(layer["streamed"] == true || !waits, "{layer}");
    }
    let output = heartbit(&directory, &["inspect", "b"]);
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    for words in ["weight port: 2 columns a beat, 1 beats in 6 cycles", "streamed", "back to back"]
    {
        assert!(shown.contains(words), "`{words}` is not in: {shown}");
    }

    for (extra, code, words) in [
        (&["--weight-ring", "64"][..], 2, "--weight-port"),
        (&["--weight-port", "2", "--weight-rate", "3/2"], 2, "BEATS/CYCLES"),
        (&["--weight-port", "8", "--axi", "--weight-rate", "1/1"], 2, "at a rate of 1/2"),
        (&["--weight-bandwidth", "100"], 2, "needs the clock"),
        (&["--weight-port", "2", "--weight-bandwidth", "9"], 2, "cannot be used with"),
        (&["--weight-port", "3"], 4, "3 columns in a beat of the weight port"),
        (&["--weight-port", "2", "--weight-ring", "63"], 4, "a power of two"),
        (&["--weight-port", "2", "--weight-words", "20"], 4, "--weight-words needs 256"),
    ] {
        fail(&directory, &with(extra), code, &[words]);
    }
}

#[test]
fn accelerator_behind_axi_is_written_beside_the_same_build() {
    let directory = temporary();
    let network = bundled_network();
    let compile = |out: &'static str, extra: &[&'static str]| {
        let args = ["compile", text(&network), "--array", "4x8x16", "--out", out];
        succeed(&directory, &[&args[..], extra].concat());
        directory.path().join(out)
    };
    let (plain, axi) = (compile("plain", &[]), compile("axi", &["--axi=32"]));
    let files = ["mem", "network.hbn", "program.json", "report.html", "results", "rtl"];
    assert_eq!(names(&plain), files);
    assert_eq!(names(&axi), [&["host"], &files[..]].concat());
    for name in names(&plain.join("rtl")) {
        let read = |build: &Path| std::fs::read(build.join("rtl").join(&name)).expect("a file");
        assert_eq!(read(&plain), read(&axi), "{name}");
    }
    let top = std::fs::read_to_string(axi.join("rtl/heartbit_axi.v")).expect("a file");
    assert!(top.contains("[31:0] m_axi_rdata"));
    let host = axi.join("host");
    assert_eq!(names(&host), ["heartbit_regs.h", "heartbit_regs.rs", "program.bin"]);
    let image = std::fs::read(host.join("program.bin")).expect("a file");
    assert_eq!(&image[..4], b"HBM1");
    assert_eq!(u32::from_le_bytes([image[4], image[5], image[6], image[7]]) as usize, image.len());
    let args = ["compile", text(&network), "--array", "4x8x16", "--out", "b", "--axi=48"];
    fail(&directory, &args, 2, &["32, 64"]);
}

#[test]
fn bench_of_arrays_says_what_fits_and_how_well() {
    let directory = temporary();
    let args = ["bench", "arrays", "--arch", "resnet20,resnet18", "--array", "8x8x16"];
    let json = succeed(&directory, &args);
    let results = json["results"].as_array().expect("results");
    let value = |name: &str| {
        let found = results.iter().find(|r| r["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {json}"))["value"].clone()
    };
    assert!(value("resnet20/8x8x16/utilisation.binary").as_f64().is_some_and(|u| u > 0.9));
    assert!(value("resnet20/8x8x16/cycles").as_u64().is_some_and(|n| n < 60_000));
    // Its weights are out of reach of 16 address bits.
    assert!(value("resnet18/8x8x16/cycles").is_null());
}

/// A small network, so that an interpreter of Verilog takes seconds.
#[test]
fn icarus_gives_the_report_of_cosim_and_names_what_is_unknown() {
    let directory = temporary();
    let model = "small.safetensors";
    succeed(&directory, &["random", "--arch", "resnet20", "--widths", "4,4,8", "--out", model]);
    succeed(&directory, &["compile", model, "--array", "8x4x64", "--out", "small"]);
    let data = data();
    let of = |command, more: &[&'static str]| -> Vec<String> {
        let args = [command, "small", "--data", text(&data), "--images", "1"];
        args.iter().chain(more).map(|&arg| arg.to_owned()).collect()
    };
    let args = of("cosim", &["--simulator", "icarus"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let json = succeed(&directory, &args);
    assert_eq!((&json["verdict"], &json["differing"]), (&"pass".into(), &0.into()), "{json}");
    assert_eq!(json["subject"]["simulator"], "icarus");
    assert_eq!(json["cycles"]["rtl"], json["cycles"]["predicted"]);
    assert!(json["watched"]["registers"].as_u64().is_some_and(|n| n > 50), "{}", json["watched"]);

    let sequencer = directory.path().join("small/rtl/sequencer.v");
    let verilog = std::fs::read_to_string(&sequencer).expect("a file of the build");
    let reset = "    if (rst) state_q <= 3'd0;\n    else state_q";
    assert!(verilog.contains(reset), "{verilog}");
    std::fs::write(&sequencer, verilog.replace(reset, "    state_q")).expect("writable");
    let word = "`heartbit.sequencer.state_q` is X or Z in cycle 1";
    fail(&directory, &args, 1, &[word, "help: "]);
    let verify = of("verify", &["--rtl-images", "0", "--sim-images", "0", "--icarus-images", "1"]);
    let verify: Vec<&str> = verify.iter().map(String::as_str).collect();
    fail(&directory, &verify, 1, &[word]);

    let first = [&args[..], &["--trace", "first-mismatch"]].concat();
    fail(&directory, &first, 2, &["--simulator verilator"]);
    let output = Command::new(env!("CARGO_BIN_EXE_heartbit"))
        .args(&args)
        .current_dir(directory.path())
        .env("IVERILOG", "/nonexistent/iverilog")
        .output()
        .expect("the command starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(5) && error.contains("apt-get install iverilog"),
        "{error}"
    );
}

#[test]
fn bench_of_simulators_has_verilator_as_the_peer() {
    let directory = temporary();
    let json = succeed(
        &directory,
        &["bench", "simulators", "--array", "2x4x32", "--repetitions", "1", "--rtl-images", "1"],
    );
    let results = json["results"].as_array().expect("results");
    let names: Vec<&Value> = results.iter().map(|result| &result["name"]).collect();
    let engines = ["fast engine", "cycle by cycle", "Verilator"];
    for (name, engine) in names.iter().step_by(2).zip(engines) {
        assert!(name.as_str().is_some_and(|name| name.starts_with(engine)), "{names:?}");
    }
    assert!(results.iter().all(|result| result["value"].as_f64().is_some_and(|v| v > 0.0)));
    assert_eq!(results[5]["ratio"], 1.0);
}

#[test]
fn bench_of_kernels_and_latency_compares_with_peers() {
    let directory = temporary();
    let kernels = ["bench", "kernels", "--channels", "16", "--repetitions", "2"];
    let json = succeed(&directory, &kernels);
    let portable = &json["results"][0];
    assert_eq!(portable["name"], "3x3/16/portable");
    let of = |name: &str| portable[name].as_f64().unwrap_or_else(|| panic!("no {name}: {json}"));
    assert!(of("value") > 0.0 && json["core_hz"].as_f64().is_some_and(|hertz| hertz > 1e8));
    assert!((of("ratio") * of("peer_value") / of("value") - 1.0).abs() < 1e-9);
    let line = r#"{"network":"resnet20","threads":1,"milliseconds":2.0,"torch":"2","frozen":true}"#;
    std::fs::write(directory.path().join("peer.jsonl"), line).expect("writable");
    let latency = ["bench", "latency", "--arch", "resnet20", "--repetitions", "1"];
    let with = |more: &[&'static str]| [&latency[..], more].concat();
    let json = succeed(&directory, &with(&["--peer", "peer.jsonl", "--isa", "portable"]));
    let [time, size] = [&json["results"][0], &json["results"][1]];
    assert_eq!((&time["name"], &time["peer_value"]), (&"resnet20/latency".into(), &2.0.into()));
    assert!(time["value"].as_f64().is_some_and(|ms| ms > 0.0));
    assert!(size["ratio"].as_f64().is_some_and(|ratio| ratio < 0.1), "{json}");
    fail(&directory, &with(&["--isa", "mmx"]), 2, &["portable"]);
    fail(&directory, &with(&["--peer", "none"]), 3, &["latency.py"]);
}

#[test]
fn engines_agree_on_every_logit() {
    let directory = temporary();
    let (network, data) = (bundled_network(), data());
    let hash = |engine: &str, images: &str| {
        let args =
            ["eval", text(&network), "--data", text(&data), "--images", images, "--engine", engine];
        succeed(&directory, &args)["logits_crc32"].clone()
    };
    assert_eq!(hash("network", "40"), hash("sim", "40"));
    assert_eq!(hash("exact", "4"), hash("sim", "4"));
    assert_eq!(hash("network", "2"), hash("rtl", "2"));
    assert_ne!(hash("network", "2"), hash("network", "3"));
}

#[test]
fn flipped_weight_bit_fails_and_names_the_layer() {
    let directory = temporary();
    let build = build(&directory);
    let data = data();
    let sim = ["sim", text(&build), "--data", text(&data), "--images", "2"];
    assert_eq!(succeed(&directory, &sim)["verdict"], "pass");
    // Word 64 · 2 of a column is the first of `layer1.0.conv1`: after two tiles of the stem.
    flip_weight(&build, 128);
    let output = heartbit(&directory, &sim);
    assert_eq!(output.status.code(), Some(1));
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(report.contains("layer `layer1.0.conv1`: sums differ"), "{report}");
    assert!(report.contains("verdict: FAIL"), "{report}");
}

#[test]
fn unknown_architecture_lists_the_known_ones() {
    let directory = temporary();
    fail(
        &directory,
        &["random", "--arch", "resnet99", "--out", "a.safetensors"],
        2,
        &["unknown architecture `resnet99`", "resnet20", "--arch"],
    );
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

#[test]
fn array_that_makes_no_sense_is_a_usage_error() {
    let directory = temporary();
    let network = bundled_network();
    for array in ["8x8", "0x8x16", "8x8x3"] {
        fail(&directory, &["compile", text(&network), "--array", array, "--out", "b"], 2, &[array]);
    }
}

/// Shown by `inspect`, and refused by name where hardware would be needed.
#[test]
fn structure_without_hardware_is_shown_and_refused() {
    let directory = temporary();
    let mut network = Network::read(&bundled_network()).expect("readable");
    // Between the global pooling and the classifier.
    let at = network.ops.len() - 2;
    for (id, op) in network.ops.iter_mut().enumerate().skip(at) {
        match &mut op.kind {
            OpKind::Conv { input, .. } | OpKind::Logits { input, .. } => *input = id,
            other => panic!("the network ends in {}", other.mnemonic()),
        }
    }
    let take = vec![Extreme::Max; 64];
    let kind = OpKind::MaxPool { input: at - 1, kernel: 3, stride: 1, padding: 1, take };
    network.ops.insert(at, Op { name: "extremes".to_owned(), kind });
    let path = directory.path().join("pooled.hbn");
    network.write(&path).expect("writable");
    let json = succeed(&directory, &["inspect", text(&path)]);
    assert_eq!(json["operations"][at]["op"], "max_pool");
    fail(
        &directory,
        &["compile", text(&path), "--array", "8x8x16", "--out", "b"],
        4,
        &["`extremes`", "it reads no stream of a layer", "docs/semantics.md"],
    );
}

#[test]
fn network_that_does_not_fit_says_by_how_much() {
    let directory = temporary();
    let network = bundled_network();
    let compile = |extra: &[&str], words: &[&str]| {
        let args = ["compile", text(&network), "--array", "8x8x16", "--out", "b"];
        let args: Vec<&str> = args.iter().chain(extra).copied().collect();
        fail(&directory, &args, 4, words)
    };
    compile(&["--acc-bits", "12"], &["--acc-bits needs", "but there are 12", "layer `linear`"]);
    compile(
        &["--weight-words", "100", "--stream-words", "64"],
        &[
            "--weight-words needs",
            "--stream-words needs",
            "help: compile with --weight-words",
            "stream the weights that do not fit (`--weight-port`",
        ],
    );
    // What bands need at least.
    compile(&["--stream-words", "64"], &["needs 992", "help: compile with --stream-words 992"]);
    compile(&["--stream-words", "991"], &["needs 992"]);
    fail(
        &directory,
        &["compile", text(&network), "--array", "1x1x4", "--out", "b"],
        4,
        &["more columns or lanes"],
    );
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

#[test]
fn layers_run_in_bands_where_streams_do_not_fit() {
    let directory = temporary();
    let network = bundled_network();
    let compile = |out: &str, extra: &[&str]| {
        let args = ["compile", text(&network), "--array", "8x8x16", "--out", out];
        succeed(&directory, &[&args, extra].concat())
    };
    let whole = compile("whole", &[]);
    assert_eq!(whole.get("bands"), None);
    let in_bands = compile("bands", &["--stream-words", "992"]);
    assert_eq!(in_bands["memories"]["stream"], 992);
    let cycles = |json: &Value| json["cycles"]["total"].as_u64().expect("a number");
    assert!(cycles(&in_bands) > cycles(&whole));
    let bands = &in_bands["bands"];
    let count = bands["count"].as_u64().expect("a number");
    assert!(count > 1);
    let layers = in_bands["layers"].as_array().expect("a list");
    let last = layers.iter().find(|l| l["name"] == bands["last"]).expect("a layer");
    assert_eq!(last["bands"].as_array().map(Vec::len), usize::try_from(count).ok());
    assert_eq!(last["bands"][0]["rows"][0], 0);
    assert_eq!(succeed(&directory, &["inspect", "bands"]), in_bands);
}

#[test]
fn data_that_are_missing_short_or_mislabelled_are_named() {
    let directory = temporary();
    let network = bundled_network();
    let eval = ["eval", text(&network), "--data", "images"];
    fail(&directory, &eval, 3, &["images", "test_batch.bin", "--data"]);
    let images = directory.path().join("images");
    std::fs::create_dir(&images).expect("writable");
    std::fs::write(images.join("test_batch.bin"), vec![0; 3_072]).expect("writable");
    fail(&directory, &eval, 3, &["test_batch.bin", "3072 bytes", "3073"]);
    std::fs::write(images.join("test_batch.bin"), vec![11; 2 * 3_073]).expect("writable");
    fail(&directory, &eval, 3, &["test_batch.bin", "11"]);
    std::fs::remove_file(images.join("test_batch.bin")).expect("writable");
    std::fs::write(images.join("test_batch.bin.xz"), b"not xz").expect("writable");
    fail(&directory, &eval, 3, &["test_batch.bin.xz"]);
    let data = data();
    let many = ["eval", text(&network), "--data", text(&data), "--images", "501"];
    fail(&directory, &many, 2, &["501 images", "holds 500"]);
}

#[test]
fn every_data_set_can_be_evaluated_and_must_fit_the_network() {
    let directory = temporary();
    let network = bundled_network();
    let at = |name: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("writable");
        path
    };
    std::fs::write(at("c/test.bin"), vec![7; 2 * 3_074]).expect("writable");
    let random = ["--arch", "resnet20", "--classes", "100", "--out", "c.safetensors"];
    succeed(&directory, &[&["random"], &random[..]].concat());
    let json =
        succeed(&directory, &["eval", "c.safetensors", "--data", "c", "--dataset", "cifar100"]);
    assert_eq!(json["images"], 2);
    let eval = ["eval", text(&network), "--dataset"];
    let fail = |rest: &[&str], code, words: &[&str]| {
        fail(&directory, &[&eval, rest].concat(), code, words);
    };
    fail(&["cifar100", "--data", "c"], 3, &["`cifar100` has 100 classes, but the network 10"]);
    fail(&["cifar", "--data", "c"], 2, &["no data set is called `cifar`", "tinyimagenet"]);

    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
    let images = [words(&[0x803, 1, 28, 28]), vec![9; 784]].concat();
    std::fs::write(at("m/t10k-images-idx3-ubyte"), images).expect("writable");
    let labels = [words(&[0x801, 1]), vec![4]].concat();
    std::fs::write(at("m/t10k-labels-idx1-ubyte"), labels).expect("writable");
    let json = succeed(&directory, &[&eval[..], &["mnist", "--data", "m"]].concat());
    assert_eq!(json["images"], 1);

    let photo = include_bytes!("../../dataset/src/decode/fixtures/rgb.jpg");
    for class in 0..200 {
        std::fs::write(at(&format!("t/val/n{class:03}/a.JPEG")), photo).expect("writable");
    }
    let tiny = ["tinyimagenet", "--data", "t"];
    fail(&tiny, 3, &["224×224×3", "`resnet20` takes 32×32×3", "--side"]);
    fail(&[&tiny[..], &["--side", "32"]].concat(), 3, &["has 200 classes"]);
    fail(&["imagenet", "--data", "t"], 3, &["val` has 200 classes, but ImageNet has 1000"]);
}

#[test]
fn models_that_are_no_models_are_refused() {
    let directory = temporary();
    let path = directory.path().join("broken.hbn");
    let mut bytes = std::fs::read(bundled_network()).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, &bytes).expect("writable");
    fail(&directory, &["inspect", "broken.hbn"], 3, &["broken.hbn", "checksum"]);
    std::fs::write(&path, &bytes[..100]).expect("writable");
    fail(&directory, &["inspect", "broken.hbn"], 3, &["truncated"]);
    fail(&directory, &["inspect", "absent.hbn"], 3, &["absent.hbn", "help:"]);
    std::fs::write(directory.path().join("a.safetensors"), b"{}").expect("writable");
    fail(&directory, &["inspect", "a.safetensors"], 3, &["a.safetensors", "checkpoint"]);
    fail(&directory, &["sim", "absent", "--data", "x"], 3, &["not a build directory"]);
}

#[test]
fn output_that_cannot_be_written_leaves_nothing_behind() {
    let directory = temporary();
    let network = bundled_network();
    let random = ["random", "--arch", "resnet20", "--out", "absent/a.safetensors"];
    fail(&directory, &random, 3, &["cannot write `absent/a.safetensors`"]);
    std::fs::write(directory.path().join("file"), "precious").expect("writable");
    let compile = ["compile", text(&network), "--array", "4x8x16", "--out", "file/build"];
    fail(&directory, &compile, 3, &["file/build"]);
    let onto_file = ["compile", text(&network), "--array", "4x8x16", "--out", "file"];
    fail(&directory, &onto_file, 3, &["file", "not a build"]);
    assert_eq!(names(directory.path()), ["file"]);
}

#[test]
fn missing_verilator_says_how_to_install_it() {
    let directory = temporary();
    let output = Command::new(env!("CARGO_BIN_EXE_heartbit"))
        .arg("demo")
        .env("VERILATOR", "/nonexistent/verilator")
        .current_dir(directory.path())
        .output()
        .expect("the command starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{error}");
    assert!(error.contains("apt-get install verilator"), "{error}");
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

#[test]
fn random_models_repeat_and_fold() {
    let directory = temporary();
    for out in ["a.safetensors", "b.safetensors"] {
        succeed(&directory, &["random", "--arch", "resnet20", "--seed", "5", "--out", out]);
    }
    let read = |name: &str| std::fs::read(directory.path().join(name)).expect("readable");
    assert!(read("a.safetensors") == read("b.safetensors"), "the same seed, the same bytes");
    let mode = |name: &str| {
        let metadata = std::fs::metadata(directory.path().join(name)).expect("there");
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions())
    };
    std::fs::write(directory.path().join("plain"), "").expect("writable");
    assert_eq!(mode("a.safetensors"), mode("plain"), "whoever may read a new file may read this");
    succeed(&directory, &["fold", "a.safetensors", "--note", "why=test", "--out", "a.hbn"]);
    let json = succeed(&directory, &["inspect", "a.hbn"]);
    assert_eq!(json["network"]["provenance"]["why"], "test");
    assert_eq!(json["network"]["provenance"]["seed"], "5");
}

/// A checkpoint that PyTorch wrote.
fn foreign(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/fixtures").join(name)
}

#[test]
fn foreign_checkpoint_is_imported_and_folds() {
    let directory = temporary();
    let json = succeed(&directory, &["import", text(&foreign("recu-resnet20.pth.tar"))]);
    assert_eq!(json["arch"], "resnet20");
    assert_eq!(json["method"], "recu");
    assert_eq!(json["norm"], "recu");
    assert_eq!(json["classes"], 10);
    assert_eq!(json["parameters"], 17_526);
    assert_eq!(json["unused"], serde_json::json!([]));
    assert_eq!(json["zeros"], 0);
    assert_eq!(json["out"], "recu-resnet20.safetensors");
    assert_eq!(names(directory.path()), ["recu-resnet20.safetensors"]);
    succeed(&directory, &["fold", "recu-resnet20.safetensors", "--out", "a.hbn"]);
    let json = succeed(&directory, &["inspect", "a.hbn"]);
    let provenance = &json["network"]["provenance"];
    assert_eq!(provenance["import.file"], "recu-resnet20.pth.tar");
    assert_eq!(provenance["import.container"], "PyTorch legacy");
    assert_eq!(provenance["import.epoch"], "8");
}

#[test]
fn options_of_an_import_are_taken() {
    let directory = temporary();
    let file = foreign("ovsw-resnet34-imagenet.pth");
    let options = ["--arch", "resnet34-imagenet", "--method", "vanilla", "--norm", "ovsw"];
    let mut args = vec!["import", text(&file), "--image-side", "64", "--out", "x.safetensors"];
    args.extend(options);
    let json = succeed(&directory, &args);
    assert_eq!(json["method"], "vanilla");
    assert_eq!(json["norm"], "ovsw");
    assert_eq!(json["image_side"], 64);
    assert_eq!(json["out"], "x.safetensors");
    let output = heartbit(&directory, &args);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("wrote x.safetensors: resnet34-imagenet, method vanilla"), "{said}");
}

#[test]
fn what_an_import_leaves_out_is_a_warning() {
    use heartbit_model::{Checkpoint, Tensor, TensorFile};
    let directory = temporary();
    succeed(&directory, &["random", "--arch", "resnet20", "--out", "own.safetensors"]);
    let own = std::fs::read(directory.path().join("own.safetensors")).expect("readable");
    let mut tensors = Checkpoint::from_bytes(&own).expect("just written").tensors;
    tensors.insert("teacher.bias".to_owned(), Tensor::new(&[1], vec![0.5]));
    tensors.get_mut("layer1.0.conv1.weight").expect("there").data[..144].fill(0.25);
    let file = TensorFile { metadata: std::collections::BTreeMap::new(), tensors };
    std::fs::write(directory.path().join("foreign.safetensors"), file.to_bytes())
        .expect("writable");
    let args = ["import", "foreign.safetensors", "--out", "x.safetensors"];
    let output = heartbit(&directory, &args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    assert!(error.contains("warning: nothing uses 1 keys of the file: teacher.bias\n"), "{error}");
    assert!(error.contains("warning: 144 binary weights are exactly"), "{error}");
    let json = succeed(&directory, &args);
    assert_eq!((&json["unused"][0], &json["zeros"]), (&"teacher.bias".into(), &144.into()));
    let own = "own.safetensors";
    fail(&directory, &["import", own, "--out", "y"], 3, &["already a heartbit checkpoint"]);
    let words = ["is the file that is imported", "help: give `--out`"];
    fail(&directory, &["import", "foreign.safetensors"], 2, &words);
}

#[test]
fn files_that_cannot_be_imported_leave_nothing() {
    let directory = temporary();
    let hostile = foreign("hostile/reduce-zip.pth");
    fail(&directory, &["import", text(&hostile)], 3, &["no tensors", "help: save the model's"]);
    let json = foreign("README.md");
    fail(&directory, &["import", text(&json)], 3, &["neither a PyTorch checkpoint", "help: "]);
    let good = foreign("recu-resnet20.pth.tar");
    let words = ["lacks: conv0.weight", "help: leave `--arch` out"];
    fail(&directory, &["import", text(&good), "--arch", "vgg-small"], 3, &words);
    let words = ["ReCU's learned scales", "help: leave `--method` out"];
    fail(&directory, &["import", text(&good), "--method", "ovsw"], 3, &words);
    fail(&directory, &["import", "absent.pth"], 3, &["cannot read `absent.pth`", "help: give"]);
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

#[cfg(not(feature = "train"))]
#[test]
fn training_without_the_trainer_says_how_to_get_it() {
    let directory = temporary();
    fail(&directory, &["train", "--data", "x", "--out", "y"], 2, &["--features train"]);
    fail(&directory, &["bench", "train"], 2, &["--features train"]);
    fail(&directory, &["landscape", "x", "--data", "y"], 2, &["--features train"]);
}

#[cfg(feature = "train")]
#[test]
fn trained_checkpoint_deploys_without_a_single_different_logit() {
    let directory = temporary();
    let data = data();
    let run = ["train", "--data", text(&data), "--epochs", "1", "--warmup-epochs", "0"];
    let run: Vec<&str> = run.iter().copied().chain(["--batch", "100", "--out", "run"]).collect();
    let output = heartbit(&directory, &run);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let hash = |engine: &str| {
        let args =
            ["eval", "run/checkpoint.safetensors", "--data", text(&data), "--engine", engine];
        let json = succeed(&directory, &args);
        // The float network is another one; beside it stands the same network on its grid.
        let of = if engine == "float" { &json["grid"] } else { &json };
        of["logits_crc32"].clone()
    };
    let network = hash("network");
    assert!(network.is_string());
    assert_eq!(hash("float"), network);
    assert_eq!(hash("sim"), network);
    fail(&directory, &run, 3, &["--resume"]);
    fail(
        &directory,
        &["train", "--arch", "resnet99", "--data", "x", "--out", "y"],
        2,
        &["resnet20"],
    );
    fail(&directory, &["train", "--data", "absent", "--out", "y"], 3, &["absent"]);
}

#[cfg(feature = "train")]
#[test]
fn checkpoint_trained_off_the_grid_is_measured_in_floats_and_as_deployed() {
    let directory = temporary();
    let data = data();
    let mut args = vec!["train", "--data", text(&data), "--no-grid", "--widths", "4,8,16"];
    args.extend(["--epochs", "2", "--warmup-epochs", "0", "--batch", "20", "--out", "run"]);
    args.extend(["--train-images", "40", "--test-images", "50"]);
    let output = heartbit(&directory, &args);
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(lines.matches("in floats").count(), 2, "{lines}");
    let metrics = std::fs::read_to_string(directory.path().join("run/metrics.jsonl"));
    let metrics = metrics.expect("readable");
    let last: Value = serde_json::from_str(metrics.lines().last().expect("lines")).expect("JSON");
    let eval = |engine: &str| {
        let args = ["eval", "run/checkpoint.safetensors", "--data", text(&data), "--images", "50"];
        succeed(&directory, &[&args[..], &["--engine", engine]].concat())
    };
    let (float, network) = (eval("float"), eval("network"));
    assert_eq!(float["accuracy"], last["float_accuracy"]);
    assert_eq!(float["grid"]["agreement"], last["float_agreement"]);
    assert_eq!(network["accuracy"], last["test_accuracy"]);
    assert_eq!(network["logits_crc32"], float["grid"]["logits_crc32"]);
}

/// A progress bar drops lines where standard error is no terminal.
#[cfg(feature = "train")]
#[test]
fn unreadable_training_image_is_named_where_nobody_watches_a_terminal() {
    let directory = temporary();
    let photo = include_bytes!("../../dataset/src/decode/fixtures/rgb.jpg");
    for class in 0..200 {
        for split in ["train", "val"] {
            let folder = directory.path().join(format!("t/{split}/n{class:03}"));
            std::fs::create_dir_all(&folder).expect("writable");
            std::fs::write(folder.join("a.JPEG"), photo).expect("writable");
        }
    }
    std::fs::write(directory.path().join("t/train/n001/a.JPEG"), "no image").expect("writable");
    let mut args = vec!["train", "--dataset", "tinyimagenet", "--data", "t", "--out", "run"];
    args.extend(["--image-side", "32", "--arch", "resnet20", "--widths", "4,8,16", "--batch", "4"]);
    args.extend(["--epochs", "1", "--warmup-epochs", "0", "--corrupt-limit", "1"]);
    args.extend(["--train-images", "8", "--test-images", "2"]);
    let output = heartbit(&directory, &args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    assert!(error.contains("warning: unreadable image `t/train/n001/a.JPEG`"), "{error}");
}

/// A run's folder with two epochs of the oldest format, and a line that breaks off.
fn training_run(directory: &TempDir, name: &str) -> PathBuf {
    let run = directory.path().join(name);
    std::fs::create_dir(&run).expect("a new folder");
    let line = |epoch: u32| {
        format!(
            "{{\"epoch\":{epoch},\"lr\":0.1,\"tau\":0.85,\"train_loss\":2.0,\
             \"train_accuracy\":0.25,\"test_accuracy\":0.33,\"flip_rate\":0.1}}\n"
        )
    };
    let lines = line(0) + &line(1) + "{\"epoch\":2,";
    std::fs::write(run.join("metrics.jsonl"), lines).expect("written");
    std::fs::write(run.join("config.json"), "{\"method\":\"recu\",\"seed\":1}").expect("written");
    run
}

#[test]
fn plot_draws_runs_and_names_what_they_lack() {
    let directory = temporary();
    let run = training_run(&directory, "run");
    let json = succeed(&directory, &["plot", "run"]);
    let files = |json: &Value| -> Vec<String> {
        let plots = json["plots"].as_array().expect("plots").iter();
        plots.map(|plot| plot["file"].as_str().expect("a file").to_owned()).collect()
    };
    assert_eq!(files(&json), ["loss.svg", "accuracy.svg", "flips.svg", "schedules.svg"]);
    let mut expected = files(&json);
    expected.push("index.html".to_owned());
    expected.sort();
    assert_eq!(names(&run.join("plots")), expected);
    let missing = json["missing"].as_array().expect("missing");
    assert!(missing.iter().any(|m| m["plot"] == "silent" && m["run"].is_null()), "{json}");
    assert!(json["notes"].to_string().contains("breaks off"), "{json}");
    // The same bytes in another folder.
    succeed(&directory, &["plot", "run", "--out", "again"]);
    for name in expected {
        let read = |folder: &Path| std::fs::read(folder.join(&name)).expect("readable");
        assert_eq!(read(&run.join("plots")), read(&directory.path().join("again")), "{name}");
    }
}

#[test]
fn help_of_plot_tells_what_a_run_is_and_what_is_drawn() {
    let directory = temporary();
    let help = String::from_utf8(heartbit(&directory, &["plot", "--help"]).stdout).expect("UTF-8");
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["Each RUN is a folder", "differ in the seed only are one curve", "Examples:"] {
        assert!(words.contains(part), "`{part}` is not in: {help}");
    }
}

#[test]
fn plot_names_bad_files_with_their_lines() {
    let directory = temporary();
    let run = training_run(&directory, "run");
    fail(&directory, &["plot"], 2, &["RUN"]);
    fail(&directory, &["plot", "nowhere"], 3, &["nowhere", "metrics.jsonl", "help:"]);
    fail(&directory, &["plot", "run", "--x", "hours"], 3, &["seconds", "--x hours"]);
    #[cfg(not(feature = "png"))]
    fail(&directory, &["plot", "run", "--png"], 2, &["--features png"]);
    let metrics = run.join("metrics.jsonl");
    let text = std::fs::read_to_string(&metrics).expect("readable");
    std::fs::write(&metrics, text + "\n").expect("written");
    fail(&directory, &["plot", "run"], 3, &["metrics.jsonl", "line 3", "help:"]);
    assert_eq!(names(&run), ["config.json", "metrics.jsonl"]);
}

#[cfg(feature = "train")]
#[test]
fn landscape_is_measured_then_drawn() {
    let directory = temporary();
    let run = training_run(&directory, "run");
    let data = data();
    let checkpoint = "run/checkpoint.safetensors";
    succeed(&directory, &["random", "--arch", "resnet20", "--out", checkpoint]);
    let args = ["landscape", checkpoint, "--data", text(&data), "--steps", "3", "--images", "8"];
    let of = |more: &[&'static str]| succeed(&directory, &[&args[..], more].concat());
    let json = of(&["--split", "test"]);
    assert_eq!((&json["points"], &json["images"]), (&9.into(), &8.into()), "{json}");
    let read = |path: &str| std::fs::read_to_string(directory.path().join(path)).expect("readable");
    let file: Value = serde_json::from_str(&read("run/landscape.json")).expect("JSON");
    assert_eq!(file["checkpoint"], "checkpoint.safetensors");
    assert_eq!(file["loss_1d"], file["loss"][1]);
    assert_eq!(file["loss_1d"][1], json["loss"]);
    let plots = succeed(&directory, &["plot", "run"])["plots"].to_string();
    for name in ["landscape.svg", "landscape-1d.svg"] {
        assert!(plots.contains(name), "{plots}");
        assert!(run.join("plots").join(name).exists(), "{name}");
    }
    // The same bytes again, others for other images and directions.
    of(&["--split", "test", "--out", "again.json"]);
    assert_eq!(read("run/landscape.json"), read("again.json"));
    assert_ne!(of(&["--split", "train", "--out", "x.json"])["loss"], json["loss"]);
    let other = of(&["--split", "test", "--seed", "2", "--out", "x.json"]);
    assert_eq!(other["loss"], json["loss"]);
    assert_ne!(other["highest"], json["highest"]);
}

#[cfg(feature = "train")]
#[test]
fn landscape_that_makes_no_sense_is_refused() {
    let directory = temporary();
    let data = data();
    succeed(&directory, &["random", "--arch", "resnet20", "--out", "a.safetensors"]);
    let of = |more: &[&'static str]| {
        [&["landscape", "a.safetensors", "--data", text(&data), "--split", "test"], more].concat()
    };
    fail(&directory, &of(&["--steps", "4"]), 2, &["`steps` is 4", "odd", "landscape --help"]);
    fail(&directory, &of(&["--radius", "0"]), 2, &["`radius` is 0"]);
    fail(&directory, &of(&["--images", "501"]), 2, &["501 images", "holds 500"]);
    let nowhere = of(&["--steps", "3", "--images", "1", "--out", "absent/x.json"]);
    fail(&directory, &nowhere, 3, &["absent/x.json", "--out"]);
    fail(&directory, &["landscape", "b.safetensors", "--data", "x"], 3, &["b.safetensors"]);
    assert_eq!(names(directory.path()), ["a.safetensors"]);
}

#[cfg(feature = "train")]
#[test]
fn dry_run_resolves_the_preset_of_every_network_and_method() {
    let directory = temporary();
    let archs = [
        "resnet20",
        "resnet18",
        "resnet18-ovsw",
        "vgg-small",
        "vgg-small-ovsw",
        "resnet18-imagenet",
        "resnet34-imagenet",
        "reactnet18",
    ];
    for arch in archs {
        for method in ["vanilla", "recu", "ovsw", "recu+ovsw"] {
            for dataset in ["cifar10", "cifar100", "mnist", "tinyimagenet", "imagenet"] {
                let args = ["train", "--dry-run", "--arch", arch, "--method", method];
                let args = [&args[..], &["--dataset", dataset]].concat();
                let config = succeed(&directory, &args)["config"].take();
                assert_eq!(config["arch"], arch);
                assert_eq!(config["method"], method);
                assert_eq!(config["dataset"], dataset);
                let lambda = if dataset.contains("imagenet") { 0.02 } else { 0.04 };
                let lambda = method.contains("ovsw").then_some(lambda);
                assert_eq!(config["ags"]["lambda"], serde_json::json!(lambda));
                let kind = if arch == "reactnet18" { "adam" } else { "sgd" };
                assert_eq!(config["optimizer"]["kind"], kind);
            }
        }
    }
    let args = ["train", "--dry-run", "--arch", "reactnet18", "--stage", "real-weights"];
    let config = succeed(&directory, &args)["config"].take();
    assert_eq!(config["decay_groups"], "conv-weights");
    assert_eq!(config["lr_shape"]["shape"], "linear");
    assert!(names(directory.path()).is_empty(), "a dry run writes nothing");
}

#[cfg(feature = "train")]
#[test]
fn flags_come_before_the_file_and_the_file_before_the_preset() {
    let directory = temporary();
    let args = ["train", "--dry-run", "--method", "ovsw", "--lr", "0.25", "--milestones", "7,9"];
    let args =
        [&args[..], &["--lr-shape", "step", "--no-sad", "--no-grid", "--crop", "2"]].concat();
    let images = ["--resized-crop", "0.5,1", "--rotation", "15", "--lighting", "0.1"];
    let args = [&args[..], &images].concat();
    let first = succeed(&directory, &args)["config"].take();
    assert_eq!(first["lr"], 0.25);
    assert_eq!(first["lr_shape"]["milestones"], serde_json::json!([7, 9]));
    assert_eq!(first["lr_shape"]["gamma"], 0.1);
    assert_eq!((&first["sad"], &first["grid_from"]), (&Value::Null, &Value::Null));
    assert_eq!(first["crop"], 2);
    assert_eq!(first["resized_crop"], serde_json::json!([0.5, 1.0]));
    assert_eq!((&first["rotation"], &first["lighting"]), (&15.0.into(), &0.1.into()));

    // What a dry run prints is a file to start from.
    let text = heartbit(&directory, &args).stdout;
    std::fs::write(directory.path().join("c.json"), text).expect("writable");
    let args = ["train", "--dry-run", "--config", "c.json"];
    assert_eq!(succeed(&directory, &args)["config"], first);
    let args = [&args[..], &["--epochs", "9", "--sad-sigma", "0.5", "--grid-from", "3"]].concat();
    let second = succeed(&directory, &args)["config"].take();
    assert_eq!((&second["epochs"], &second["lr"]), (&9.into(), &0.25.into()));
    assert_eq!((&second["sad"]["sigma"], &second["grid_from"]), (&0.5.into(), &3.into()));
    let third = succeed(&directory, &[&args[..], &["--resized-crop", "0"]].concat());
    assert_eq!(third["config"]["resized_crop"], serde_json::json!([0.0, 0.0]));
}

#[cfg(feature = "train")]
#[test]
fn all_settings_that_make_no_sense_are_reported_at_once() {
    let directory = temporary();
    let args = ["train", "--dry-run", "--method", "recu", "--lr", "0", "--batch", "1"];
    let args = [&args[..], &["--weight-gradient", "ede", "--betas", "0.9,0.99"]].concat();
    let words = ["`lr` is 0.0", "`batch` is 1", "`weight_gradient`", "`betas`", "4 settings"];
    fail(&directory, &args, 2, &words);
    fail(&directory, &["train", "--out", "y"], 2, &["`data`"]);
    fail(&directory, &["train", "--data", "x"], 2, &["--out"]);
    fail(&directory, &["train", "--method", "best", "--dry-run"], 2, &["recu+ovsw"]);
    fail(&directory, &["train", "--config", "absent", "--dry-run"], 3, &["absent"]);
    std::fs::write(directory.path().join("c.json"), r#"{"layers": 3}"#).expect("writable");
    fail(&directory, &["train", "--config", "c.json", "--dry-run"], 2, &["`layers` is 3"]);
}

#[cfg(feature = "train")]
#[test]
fn measured_training_step_has_the_fields_that_scripts_rely_on() {
    let directory = temporary();
    let peer = "{\"network\":\"resnet20\",\"method\":\"recu\",\"batch\":16,\"threads\":1,\
                \"channels_last\":false,\"compile\":false,\"images_per_second\":2.0,\
                \"windows\":[1.0,2.0],\"peak_rss_mib\":100,\"torch\":\"2.0.0\"}\n";
    std::fs::write(directory.path().join("peer"), peer).expect("writable");
    let run = |threads: &str| {
        let mut args = vec!["bench", "train", "--arch", "resnet20", "--batch", "16"];
        args.extend(["--steps", "1", "--warmup", "0", "--windows", "2", "--peer", "peer"]);
        args.extend(["--threads", threads]);
        succeed(&directory, &args)
    };
    let json = run("1");
    assert_eq!(json["settings"]["batch"], 16);
    let results = json["results"].as_array().expect("results").clone();
    let expected = [
        ("train/resnet20", "images/s", 2.0),
        ("train/resnet20/median", "images/s", 1.5),
        ("train/resnet20/peak", "MiB", 100.0),
    ];
    assert_eq!(results.len(), expected.len());
    for (result, (name, unit, theirs)) in results.iter().zip(expected) {
        assert_eq!((&result["name"], &result["unit"]), (&name.into(), &unit.into()));
        assert_eq!(
            (&result["peer"], &result["peer_value"]),
            (&"pytorch 2.0.0".into(), &theirs.into())
        );
        let value = result["value"].as_f64().expect("a number");
        assert!(value > 0.0, "{result}");
        assert_eq!(result["ratio"], value / theirs);
    }
    assert!(results[0]["value"].as_f64() >= results[1]["value"].as_f64(), "{json}");
    // Parameters, momentum and gradients alone are more than 3 MiB.
    assert!(results[2]["value"].as_f64().is_some_and(|mib| mib > 3.0), "{json}");
    for result in run("2")["results"].as_array().expect("results") {
        assert!(result["peer"].is_null() && result["ratio"].is_null(), "{result}");
    }
    std::fs::write(directory.path().join("peer"), "{}").expect("writable");
    let bench = ["bench", "train", "--peer", "peer"];
    fail(&directory, &bench, 3, &["line 1 of `peer`", "help: every line"]);
    fail(&directory, &["bench", "train", "--batch", "1"], 2, &["--batch"]);
}
