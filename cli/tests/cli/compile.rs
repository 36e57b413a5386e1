//! `compile` and `inspect`: what is written, what is streamed, what does not fit.

use crate::support::{
    build, bundled_network, data, fail, heartbit, names, succeed, temporary, text,
};
use heartbit_ir::network::{Extreme, Network, Op, OpKind};
use serde_json::Value;
use std::path::Path;

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
