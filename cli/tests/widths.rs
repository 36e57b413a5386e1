//! `widths` as a user meets it: what it measures, chooses, writes and refuses.

mod support;

use serde_json::Value;
use std::path::PathBuf;
use std::process::Output;
use support::{data, temporary, text};
use tempfile::TempDir;

/// Directory with the bundled images and an untrained checkpoint of an architecture.
struct Fixture {
    directory: TempDir,
    data: PathBuf,
}

impl Fixture {
    fn new(arch: &[&str]) -> Self {
        let fixture = Self { directory: temporary(), data: data() };
        let random = [&["random", "--out", "a.safetensors", "--arch"], arch].concat();
        assert!(fixture.heartbit(&random).status.success());
        fixture
    }

    fn resnet20() -> Self {
        Self::new(&["resnet20", "--widths", "8,16,32"])
    }

    fn heartbit(&self, args: &[&str]) -> Output {
        support::heartbit(&self.directory, args)
    }

    fn arguments<'a>(&'a self, extra: &[&'a str]) -> Vec<&'a str> {
        [&["widths", "a.safetensors", "--data", text(&self.data)], extra].concat()
    }

    fn widths(&self, extra: &[&str]) -> Output {
        self.heartbit(&self.arguments(extra))
    }

    #[track_caller]
    fn succeed(&self, extra: &[&str]) -> Value {
        support::succeed(&self.directory, &self.arguments(extra))
    }

    #[track_caller]
    fn fail(&self, extra: &[&str], code: i32, words: &[&str]) {
        support::fail(&self.directory, &self.arguments(extra), code, words);
    }

    fn names(&self) -> Vec<String> {
        support::names(self.directory.path())
    }
}

/// A text whose lines are not broken.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn count(value: &Value) -> i64 {
    value.as_i64().expect("a whole number")
}

/// Few enough combinations for a debug build: 3 × 2 × 1.
const FEW: [&str; 6] =
    ["--stem-weight-bits", "1,2,4", "--head-weight-bits", "2,6", "--head-activation-bits", "8"];

#[test]
fn chosen_network_has_the_accuracy_and_the_cycles_that_were_said() {
    let f = Fixture::resnet20();
    let options = ["--images", "30", "--tolerance", "100", "--out", "chosen.hbn"];
    let json = f.succeed(&[&FEW[..], &options].concat());
    assert_eq!((&json["images"], &json["dataset"]), (&30.into(), &"cifar10".into()));
    assert_eq!((&json["walk"], &json["combinations"]), (&"exhaustive".into(), &6.into()));
    assert_eq!(list(&json["measured"]).len(), 6);
    // With all accuracy to lose, the fewest cycles are those of the fewest bits.
    let (own, chosen) = (&json["own"], &json["chosen"]);
    assert_eq!(chosen["grid"]["stem_weight_bits"], 1);
    assert_eq!(chosen["grid"]["head_weight_bits"], 2);
    assert_eq!((&own["requantized"], &chosen["requantized"]), (&false.into(), &true.into()));
    assert_eq!((number(&own["agreement"]), number(&own["difference"])), (1.0, 0.0));
    for point in list(&json["measured"]) {
        assert!(count(&chosen["cycles"]) <= count(&point["cycles"]));
        let correct = count(&own["correct"]) + count(&point["gained"]) - count(&point["lost"]);
        assert_eq!(count(&point["correct"]), correct, "{point}");
    }
    let data = f.data.to_str().expect("a UTF-8 path");
    for (model, point) in [("chosen.hbn", chosen), ("a.safetensors", own)] {
        let eval = ["eval", model, "--data", data, "--images", "30", "--format", "json"];
        let eval: Value = serde_json::from_slice(&f.heartbit(&eval).stdout).expect("JSON");
        assert_eq!(eval["correct"], point["correct"], "{model}");
        let compile = ["compile", model, "--array", "8x8x16", "--out", "build", "--format", "json"];
        let compile: Value = serde_json::from_slice(&f.heartbit(&compile).stdout).expect("JSON");
        assert_eq!(compile["cycles"]["total"], point["cycles"], "{model}");
    }
    let inspect = f.heartbit(&["inspect", "chosen.hbn", "--format", "json"]).stdout;
    let inspect: Value = serde_json::from_slice(&inspect).expect("JSON");
    let grid = |key: &str| -> Value {
        let text = inspect["network"]["provenance"][key].as_str().expect("a grid");
        serde_json::from_str(text).expect("JSON")
    };
    assert_eq!((&grid("grid"), &grid("checkpoint.grid")), (&chosen["grid"], &own["grid"]));
}

#[test]
fn text_never_calls_one_accuracy_the_other() {
    let f = Fixture::resnet20();
    let output = f.widths(&[&FEW[..], &["--images", "20", "--tolerance", "100"]].concat());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let text = one_line(&text);
    for words in [
        "resnet20 on 8x8x16, 20 images of cifar10",
        "own grid",
        "± is one standard error",
        "accuracy of the re-quantized network",
        "of the own grid's",
        "the same class on",
        "nothing was written: `--out FILE.hbn`",
    ] {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
    let noisy = f.widths(&[&FEW[..], &["--images", "20", "--tolerance", "0"]].concat());
    let noisy = one_line(&String::from_utf8(noisy.stdout).expect("UTF-8"));
    let own = noisy.contains("chosen: the checkpoint's own grid");
    assert!(own || noisy.contains("20 images do not tell"), "{noisy}");
    assert_eq!(f.names(), ["a.safetensors"]);
}

#[test]
fn network_with_real_shortcuts_is_descended() {
    let widths = ["--widths", "8,16,16,32", "--image-side", "32", "--classes", "10"];
    let f = Fixture::new(&[&["resnet18-imagenet"], &widths[..]].concat());
    let head = ["--head-weight-bits", "6", "--head-activation-bits", "8"];
    let json = f.succeed(&[&head[..], &["--images", "3", "--tolerance", "100"]].concat());
    assert_eq!((&json["walk"], &json["combinations"]), (&"descent".into(), &512.into()));
    // Each step is one bit of one of three widths, down to one bit each.
    let measured = list(&json["measured"]).len();
    assert!((18..=54).contains(&measured), "{measured}");
    for width in ["stem_weight_bits", "downsample_weight_bits", "downsample_activation_bits"] {
        assert_eq!(json["chosen"]["grid"][width], 1, "{}", json["chosen"]);
    }
}

#[test]
fn board_takes_its_fastest_array() {
    let f = Fixture::resnet20();
    let json = f.succeed(&[&FEW[..], &["--images", "2", "--board", "ulx3s-25f"]].concat());
    let search = ["search", "a.safetensors", "--board", "ulx3s-25f", "--format", "json"];
    let search: Value = serde_json::from_slice(&f.heartbit(&search).stdout).expect("JSON");
    let best = &search["models"][0]["best"];
    assert_eq!(json["own"]["cycles"], best["cycles"]);
    for size in ["rows", "cols", "lanes", "taps", "lines"] {
        assert_eq!(json["array"][size], best["array"][size], "{size}");
    }
    assert_eq!(json["fpga"]["name"], "ulx3s-25f");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_measured() {
    let f = Fixture::resnet20();
    let fold = f.heartbit(&["fold", "a.safetensors", "--out", "a.hbn"]);
    assert!(fold.status.success());
    let of = |model, words: &[&str]| {
        support::fail(&f.directory, &["widths", model, "--data", text(&f.data)], 3, words);
    };
    of("a.hbn", &["`a.hbn` is a folded network, whose widths are fixed"]);
    of("none.safetensors", &["none"]);
    f.fail(&["--stem-weight-bits", "3,9"], 2, &["9", "1..=8"]);
    f.fail(&["--tolerance", "101"], 2, &["0 to 100 points"]);
    f.fail(&["--tolerance", "nan"], 2, &["0 to 100 points"]);
    let absent = ["`resnet20` has no shortcut weights", "leave the option out"];
    f.fail(&["--downsample-weight-bits", "4"], 2, &absent);
    f.fail(&["--images", "501"], 2, &["501 images", "1 to 500"]);
    f.fail(&["--board", "none"], 2, &["no board `none`"]);
    f.fail(&["--out", "absent/a.hbn"], 3, &["cannot write `absent/a.hbn`"]);
    let args = ["random", "--arch", "resnet20", "--classes", "100", "--out", "a.safetensors"];
    assert!(f.heartbit(&args).status.success());
    f.fail(&[], 3, &["has 10 classes, but the network 100"]);
    assert!(
        f.heartbit(&["random", "--arch", "resnet20", "--out", "a.safetensors"]).status.success()
    );
    f.fail(&["--array", "1x1x4"], 4, &["--weight-words needs"]);
    assert_eq!(f.names(), ["a.hbn", "a.safetensors"]);
}
