//! The first difference as a user meets it: builds that were changed on disk.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use support::{bundled_network, data, flip_weight, flip_word, heartbit, succeed, temporary, text};
use tempfile::TempDir;

/// Compiles the bundled network for a small array.
fn small_build(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("build");
    let network = bundled_network();
    succeed(directory, &["compile", text(&network), "--array", "4x4x16", "--out", text(&path)]);
    path
}

/// Changes a text that occurs once in a file.
fn edit(path: &Path, from: &str, to: &str) {
    let old = fs::read_to_string(path).expect("readable");
    assert_eq!(old.matches(from).count(), 1, "`{from}` in {}", path.display());
    fs::write(path, old.replace(from, to)).expect("writable");
}

/// Runs a command that must find a difference, and returns its JSON.
fn differ(directory: &TempDir, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
    let output = heartbit(directory, &args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What `sim`, and `cosim` with a waveform, say of a build that was changed.
fn sim_and_cosim(directory: &TempDir, build: &Path, data: &Path) -> [Value; 2] {
    let images = ["--data", text(data), "--images", "2"];
    let run = |args: &[&str]| differ(directory, &[args, &images[..]].concat());
    [run(&["sim", text(build)]), run(&["cosim", text(build), "--trace", "first-mismatch"])]
}

#[test]
fn flipped_weight_bit_is_named_with_its_address_by_sim_and_cosim() {
    let directory = temporary();
    let (build, data) = (small_build(&directory), data());
    let [old, new] = flip_weight(&build, 300);
    let [sim, cosim] = sim_and_cosim(&directory, &build, &data);
    for json in [&sim, &cosim] {
        let location = &json["first_divergence"]["location"];
        let cause = &location["cause"];
        assert_eq!(cause["part"], "weight", "{json}");
        assert_eq!((&cause["expected"], &cause["actual"]), (&json!(old), &json!(new)));
        let note = cause["note"].as_str().expect("a note");
        assert!(note.contains("column 0, address 300: the memory image is wrong"), "{note}");
        let row = &location["pe"]["row"];
        assert_eq!(location["module"], format!("heartbit.array.row_{row}.pe_0"));
        let step = cause["step"]["index"].as_u64().expect("a step");
        let operands = location["cycles"]["operands"].as_u64().expect("a cycle");
        assert_eq!(cause["cycle"], operands + step);
    }
    let waveform = &cosim["first_divergence"]["location"]["waveform"];
    let file = PathBuf::from(waveform["file"].as_str().expect("a path"));
    assert_eq!(file, build.join("first-mismatch.fst"));
    for file in ["first-mismatch.fst", "first-mismatch.gtkw", "first-mismatch.sucl"] {
        assert!(build.join(file).is_file(), "{file}");
    }
    let cycles: Vec<u64> = waveform["cycles"]
        .as_array()
        .expect("cycles")
        .iter()
        .map(|cycle| cycle.as_u64().expect("a number"))
        .collect();
    let location = &cosim["first_divergence"]["location"]["cycles"];
    assert_eq!(cycles[0] + 16, location["first_step"].as_u64().expect("a number"));
    assert!(cycles[1] > location["end"].as_u64().expect("a number") && cycles[1] - cycles[0] < 300);
}

/// A network that waits for streamed weights: the cycles are those in which the steps are issued.
#[test]
fn flipped_bit_of_a_streamed_weight_is_named_in_its_cycle() {
    let directory = temporary();
    let path = directory.path().join("build");
    let (network, data) = (bundled_network(), data());
    let array = ["--array", "4x4x16", "--weight-words", "600", "--weight-port", "1"];
    let slow = ["--weight-rate", "1/8", "--weight-latency", "9"];
    let compile = ["compile", text(&network), "--out", text(&path)];
    let compiled = succeed(&directory, &[&compile[..], &array, &slow].concat());
    // A word of the first layer that waits for its weights.
    let layers = compiled["layers"].as_array().expect("layers");
    let waits = |layer: &Value| layer["of_which"]["wait"].as_u64().expect("a number");
    let number = layers.iter().position(|layer| waits(layer) > 0).expect("a layer waits");
    let streamed = layers[..number].iter().filter(|layer| layer["streamed"] == true);
    let file = fs::read_to_string(path.join("program.json")).expect("readable");
    let program: Value = serde_json::from_str(&file).expect("JSON");
    let words = |layer: &Value| {
        let at = layers.iter().position(|l| l["name"] == layer["name"]).expect("a layer");
        let steps = program["layers"][at]["steps"].as_u64().expect("a number");
        steps * layer["shape"][2].as_u64().expect("channels").div_ceil(4)
    };
    let word = usize::try_from(streamed.map(words).sum::<u64>()).expect("small") + 2;
    let [old, new] = flip_word(&path.join("mem/weight_stream_000.hex"), word);
    let [sim, cosim] = sim_and_cosim(&directory, &path, &data);
    for json in [&sim, &cosim] {
        let location = &json["first_divergence"]["location"];
        let cause = &location["cause"];
        assert_eq!((&location["pe"]["layer"], &cause["part"]), (&json!(number), &json!("weight")));
        assert_eq!((&cause["expected"], &cause["actual"]), (&json!(old), &json!(new)), "{json}");
        let note = cause["note"].as_str().expect("a note");
        let place = format!("word {word} of the weight stream: the memory image is wrong");
        assert!(note.contains(&place), "{note}");
        assert_eq!(location["notes"], json!([]));
        // The tile is the first one of its column tile: step 2 has waited.
        let cycles = &location["cycles"];
        let step = cause["step"]["index"].as_u64().expect("a step");
        let first = cycles["operands"].as_u64().expect("a cycle");
        assert!(step == 2 && cause["cycle"].as_u64().expect("a cycle") >= first + step, "{cause}");
    }
}

#[test]
fn the_location_survives_a_merge() {
    let directory = temporary();
    let (build, data) = (small_build(&directory), data());
    flip_weight(&build, 300);
    let sim = ["sim", text(&build), "--data", text(&data), "--images", "4"];
    let whole = differ(&directory, &sim);
    let files = ["1/2", "2/2"].map(|shard| {
        let json = differ(&directory, &[&sim[..], &["--shard", shard]].concat());
        let name = format!("shard-{}.json", &shard[..1]);
        fs::write(directory.path().join(&name), json.to_string()).expect("writable");
        name
    });
    let merged = differ(&directory, &["merge", &files[0], &files[1]]);
    assert_eq!(merged["first_divergence"], whole["first_divergence"]);
    assert!(merged["first_divergence"]["location"]["pe"]["row"].is_u64(), "{merged}");
}

#[test]
fn broken_verilog_is_named_by_verify() {
    let directory = temporary();
    let (build, data) = (small_build(&directory), data());
    // Row 3 gets its activations a cycle early.
    edit(&build.join("rtl/array.v"), ".a(a_3_d3)", ".a(a_3_d2)");
    let args = ["verify", text(&build), "--data", text(&data), "--images", "3"];
    let args: Vec<&str> =
        args.into_iter().chain(["--sim-images", "1", "--rtl-images", "1"]).collect();
    let json = differ(&directory, &args);
    let first = &json["first_divergence"];
    assert_eq!((&first["engine"], &first["image"]), (&json!("RTL"), &json!(0)));
    let location = &first["location"];
    assert_eq!((&location["pe"]["layer"], &location["pe"]["row"]), (&json!(0), &json!(3)));
    let signal = format!("heartbit.array.row_3.pe_{}.a", location["pe"]["col"]);
    assert_eq!(
        (&location["cause"]["part"], &location["signal"]),
        (&json!("activation"), &json!(signal))
    );
    let note = location["cause"]["note"].as_str().expect("a note");
    assert!(note.contains("a cycle early: skew"), "{note}");
    assert!(build.join("first-mismatch.gtkw").is_file());
    // The report is not lost where the waveform cannot be written.
    let args = [&args[..], &["--trace", "build/program.json"]].concat();
    let json = differ(&directory, &args);
    let location = &json["first_divergence"]["location"];
    assert_eq!((&location["cause"], &location["pe"]["row"]), (&Value::Null, &json!(3)));
    assert!(location["notes"].to_string().contains("no waveform: cannot create"), "{location}");
}
