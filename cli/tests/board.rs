//! A network on a board: the clock of its PLL, its top level and its netlist behind the line, and
//! its area in standard cells.

mod support;

use std::path::{Path, PathBuf};
use support::{data, fail, succeed, temporary, text};
use tempfile::TempDir;

/// Compiles an untrained network of four channels for a small array on a board.
fn compile(directory: &TempDir, side: &str, array: &str, more: &[&str]) -> serde_json::Value {
    let random = ["random", "--arch", "resnet20", "--widths", "4,4,4", "--image-side", side];
    support::heartbit(directory, &[&random[..], &["--out", "small.safetensors"]].concat());
    let compile = ["compile", "small.safetensors", "--array", array, "--out", "b"];
    succeed(directory, &[&compile[..], more].concat())
}

fn link(directory: &TempDir) -> serde_json::Value {
    let path = directory.path().join("b/host/link.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("a link")).expect("JSON")
}

#[test]
fn clock_of_a_build_is_that_of_the_boards_pll() {
    let directory = temporary();
    let on = ["--board", "ulx3s-85f", "--uart"];
    let json = compile(&directory, "8", "1x1x4", &on);
    assert_eq!(
        (&json["link"]["clock_mhz"], &json["fpga"]["clock_mhz"]),
        (&43.75.into(), &43.75.into())
    );
    let expected = serde_json::json!({
        "schema": 1, "clock_hz": 43_750_000, "baud": 1_000_000, "board": "ulx3s-85f",
    });
    assert_eq!(link(&directory), expected);
    for (asked, [low, high]) in [("24000000", [24.0, 24.0]), ("23900000", [23.7, 23.9])] {
        let json = compile(&directory, "8", "1x1x4", &[&on[..], &["--clock-hz", asked]].concat());
        let mhz = json["link"]["clock_mhz"].as_f64().expect("a clock");
        assert!(low <= mhz && mhz <= high, "{asked}: {mhz}");
        // Place-and-route needs neither board nor clock.
        let project = succeed(&directory, &["pnr", "b", "--project-only"]);
        assert_eq!(project["board"], "ulx3s-85f");
        assert_eq!(project["clock_mhz"].as_f64(), Some(mhz));
    }
    let compile = ["compile", "small.safetensors", "--array", "1x1x4", "--out", "b", "--uart"];
    let with = |more: &[&'static str]| [&compile[..], more].concat();
    let slow = ["--board", "ulx3s-85f", "--clock-hz", "5000000"];
    fail(&directory, &with(&slow), 2, &["EHXPLLL cannot make 5 MHz", "--clock-hz"]);
    succeed(&directory, &compile);
    assert_eq!(link(&directory)["clock_hz"], 12_000_000);
    fail(&directory, &["pnr", "b"], 2, &["was the build compiled for one", "--board"]);
}

#[test]
fn images_run_on_the_top_level_of_a_board() {
    let directory = temporary();
    let data = data();
    compile(&directory, "32", "2x2x8", &["--uart", "--clock-hz", "24000000", "--baud", "6000000"]);
    let run = ["run", "b", "--data", text(&data), "--images", "1", "--simulate", "--board"];
    let on = |board: &'static str, more: &[&'static str]| [&run[..], &[board], more].concat();
    // 24 MHz take two outputs of the PLL of 25 MHz.
    let json = succeed(&directory, &on("ulx3s-85f", &[]));
    assert_eq!((&json["verdict"], &json["differing"]), (&"pass".into(), &0.into()));
    assert_eq!(json["cycles"]["predicted"], json["cycles"]["measured"]);
    fail(&directory, &on("none", &[]), 2, &["no board `none`"]);
    let words = ["`ulx3s-85f`", "no models of the block memories of ecp5", "--gate-level"];
    fail(&directory, &on("ulx3s-85f", &["--gate-level"]), 2, &words);
    let run = ["run", "b", "--data", text(&data), "--simulate", "--gate-level"];
    fail(&directory, &run, 2, &["--board"]);
}

/// A cut-down Tiny-ImageNet: the same image in each class.
fn small_images(directory: &TempDir) -> PathBuf {
    let data = directory.path().join("images");
    let image =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../dataset/src/decode/fixtures/rgb.jpg");
    for class in 0..200 {
        let folder = data.join(format!("val/n{class:03}"));
        std::fs::create_dir_all(&folder).expect("writable");
        std::fs::copy(&image, folder.join("a.JPEG")).expect("copied");
    }
    data
}

/// The smallest array that there is. Behind the link it takes a little more than the board has, which
/// matters to place-and-route alone.
#[test]
fn netlist_gives_the_logits_of_the_network() {
    let directory = temporary();
    let data = small_images(&directory);
    let more = ["--uart", "--clock-hz", "60000000", "--baud", "15000000"];
    compile(&directory, "4", "1x1x4", &more);
    let images = ["--data", text(&data), "--dataset", "tinyimagenet", "--side", "4"];
    let run = ["run", "b", "--images", "1", "--simulate", "--board", "hx8k", "--gate-level"];
    let json = succeed(&directory, &[&run[..], &images].concat());
    assert_eq!((&json["verdict"], &json["differing"]), (&"pass".into(), &0.into()));
    assert_eq!(json["cycles"]["predicted"], json["cycles"]["measured"]);
    assert!(directory.path().join("b/gate-level/hx8k/heartbit_hx8k_netlist.v").exists());
}

#[test]
fn area_in_standard_cells_adds_up() {
    let directory = temporary();
    let compiled = compile(&directory, "8", "2x1x4", &[]);
    let json = succeed(&directory, &["asic", "b"]);
    let number = |key: &str| json["gates"][key].as_f64().expect("a number");
    assert!(number("pe") > 50.0 && number("array") > 2.0 * number("pe"), "{}", json["gates"]);
    assert!((number("pe_per_lane") - number("pe") / 4.0).abs() < 1e-9);
    let modules = json["modules"].as_array().expect("modules");
    let of = |m: &serde_json::Value, key: &str| m[key].as_f64().expect("a number");
    let gates = |m: &serde_json::Value| of(m, "gates") * of(m, "instances");
    let sum: f64 = modules.iter().map(gates).sum();
    assert!((sum - number("total")).abs() < 1e-6 * sum, "{sum} {}", json["gates"]);
    // Memories have a power of two of words in hardware.
    let bits = |json: &serde_json::Value| json["memory_bits"].as_u64().expect("a number");
    assert!((bits(&compiled)..=2 * bits(&compiled)).contains(&bits(&json)), "{}", bits(&json));
    assert!(json["nand2_area"].as_f64().is_some_and(|area| area > 0.0));
    let other = |more: [&'static str; 2], code, words: &[&str]| {
        fail(&directory, &["asic", "b", more[0], more[1]], code, words);
    };
    other(["--liberty", "none.lib"], 3, &["no library", "none.lib", "--liberty"]);
    std::fs::write(directory.path().join("bad.lib"), "library(x) {}\n").expect("writable");
    other(["--liberty", "bad.lib"], 3, &["no cell with an area"]);
    other(["--library", "none"], 2, &["osu018"]);
}
