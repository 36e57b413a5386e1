//! Checks that fail, shards that do not belong together, cases that are none.

use crate::support::flip_weight;
use crate::transcript::Transcript;
use expect_test::expect_file;

#[test]
fn checks_that_fail() {
    let mut t = Transcript::new();
    t.prepare("compile model.hbn --array 4x8x16 --out b");
    t.fails(
        1,
        "verify b --data data --images 20 --sim-images 2 --rtl-images 0 --min-accuracy 0.99",
    );
    t.fails(2, "cosim b --data data --images 1 --simulator icarus --trace first-mismatch");
    t.fails(2, "verify b --data data --images 1 --mutate --rtl-images 0");
    t.fails(1, "verify b --data data --images 1 --mutate --mutants 1 --shard 2/2");
    let pe = t.read("b/rtl/pe.v");
    t.write("b/rtl/pe.v", [&pe[..], b"// mine\n"].concat());
    t.fails(3, "verify b --data data --images 1 --mutate");
    t.write("b/rtl/pe.v", pe);
    flip_weight(&t.path("b"), 128);
    t.fails(1, "sim b --data data --images 1 --no-report");
    t.fails(1, "verify b --data data --images 1 --mutate");
    t.check(&expect_file!["runs.txt"]);
}

/// Writes what a command prints.
fn keep(t: &Transcript, name: &str, arguments: &str) {
    let command = format!("{arguments} --format json");
    t.write(name, t.prepare(&command));
}

/// The result of two mutants, one of which survived: a run that finds such takes minutes.
const MUTANTS: &str = r#"{"schema":1,
"subject":{"command":"mutate","arch":"resnet20","network_crc32":"0","array":"1x1x4","images":1},
"settings":{"seed":1,"asked":2,"mutants":2,"left_out":0,"rtl_images":1,"sim_images":0,"stress_images":0},
"outcomes":[
{"number":1,"family":"rtl","kind":"negate-enable","place":"pe.v","fate":{"equivalent":"same-control"}},
{"number":2,"family":"rtl","kind":"negate-enable","place":"pe.v","fate":{"survived":{"made_a_difference":true}}}],
"seconds":1.0,"kinds":{},"counts":{},"proofs":{},"verdict":"fail"}"#;

#[test]
fn shards_that_are_no_run() {
    let mut t = Transcript::new();
    t.prepare("compile model.hbn --array 4x8x16 --out b");
    let sim = "sim b --data data --no-report";
    keep(&t, "1of2", &format!("{sim} --images 4 --shard 1/2"));
    keep(&t, "2of2", &format!("{sim} --images 4 --shard 2/2"));
    keep(&t, "2of3", &format!("{sim} --images 4 --shard 2/3"));
    keep(&t, "other", &format!("{sim} --images 6 --shard 2/2"));
    t.fails(3, "merge absent");
    t.fails(3, "merge 1of2");
    t.fails(3, "merge 1of2 1of2 2of2");
    t.fails(3, "merge 1of2 2of3");
    t.fails(3, "merge 1of2 other");
    t.fails(2, "merge 1of2 2of2 --junit x.xml");
    for (name, text) in [("empty", ""), ("list", "[1]"), ("thing", "{\"schema\":1}"), ("old", "{}")]
    {
        t.write(name, text);
        t.fails(3, &format!("merge {name}"));
    }
    let text = String::from_utf8(t.read("1of2")).expect("JSON");
    t.write("words", text.replacen("\"images\": 2", "\"images\": \"two\"", 1));
    t.fails(3, "merge words 2of2");
    t.write("mutants", MUTANTS);
    t.fails(1, "merge mutants");
    t.check(&expect_file!["runs-merge.txt"]);
}

#[test]
fn cases_that_are_none() {
    let mut t = Transcript::new();
    t.fails(2, "fuzz --engines vcs");
    t.fails(2, "fuzz --cases 30 --networks 8 --first 12");
    t.fails(2, "fuzz --cases 3 --shard 4/4");
    t.fails(3, "fuzz --replay absent.json");
    t.write("text.json", "no case");
    t.fails(3, "fuzz --replay text.json");
    let stored = include_str!("../../../fuzz/corpus/case/random0.json");
    let mut case: serde_json::Value = serde_json::from_str(stored).expect("JSON");
    case["network"] = "AAAA".into();
    t.write("network.json", case.to_string());
    t.fails(3, "fuzz --replay network.json");
    t.fails(2, "bench latency --arch resnet20 --isa mmx");
    t.fails(3, "bench latency --arch resnet20 --peer absent");
    t.write("peer", "{}");
    t.fails(3, "bench latency --arch resnet20 --peer peer");
    t.check(&expect_file!["runs-cases.txt"]);
}

#[cfg(feature = "train")]
#[test]
fn trainings_that_do_not_start() {
    let mut t = Transcript::new();
    let train = "train --data data --out run --widths 4,8,16 --epochs 1 --train-images 16 \
                 --test-images 8 --batch 8 --threads 1 --warmup-epochs 0";
    t.prepare(train);
    t.fails(3, train);
    let run = std::fs::File::open(t.path("run")).expect("a folder");
    run.lock().expect("no process trains in it");
    t.fails(3, "train --out run --resume");
    drop(run);
    t.fails(2, "train --out absent --resume");
    let diverges = train.replace("--out run", "--out diverges").replace("images 16", "images 64");
    t.fails(1, &format!("{diverges} --no-grid --lr 1e38"));
    t.write("run/state.safetensors", "no state");
    t.fails(3, "train --out run --resume");
    t.fails(3, "train --data data --out other --init-from run/config.json");
    let photo = include_bytes!("../../../dataset/src/decode/fixtures/rgb.jpg");
    for class in 0..200 {
        t.write(&format!("t/train/n{class:03}/images/a.JPEG"), photo);
        t.write(&format!("t/val/n{:03}/a.JPEG", class + 1), photo);
    }
    t.fails(3, "train --data t --dataset tinyimagenet --arch resnet18 --out other");
    t.check(&expect_file!["runs-trainings.txt"]);
}

#[cfg(not(feature = "train"))]
#[test]
fn trainer_that_is_not_there() {
    let mut t = Transcript::new();
    t.fails(2, "train --data data --out run");
    t.fails(2, "landscape model.safetensors --data data");
    t.fails(2, "bench train");
    t.fails(2, "eval model.hbn --data data --engine float");
    t.check(&expect_file!["runs-trainer.txt"]);
}
