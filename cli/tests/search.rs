//! `search`, `boards` and `compile --board` as a user meets them.

mod support;

use serde_json::Value;
use std::path::Path;
use support::{bundled_network, data, fail, heartbit, succeed, temporary, text};

#[test]
fn front_fits_and_is_a_front_and_can_be_compiled() {
    let directory = temporary();
    let (plot, build) = (directory.path().join("front.svg"), directory.path().join("build"));
    let (plot, build) = (plot.to_str().expect("UTF-8"), build.to_str().expect("UTF-8"));
    let network = bundled_network();
    let network = text(&network);
    let json = succeed(&directory, &["search", network, "--board", "ulx3s-85f", "--plot", plot]);
    let front = json["front"].as_array().expect("a front");
    assert!(front.len() > 10, "{front:?}");
    let number = |value: &Value| value.as_u64().expect("a number");
    for pair in front.windows(2) {
        assert!(number(&pair[0]["cycles"]) < number(&pair[1]["cycles"]));
        assert!(number(&pair[0]["area"]["lut"]) > number(&pair[1]["area"]["lut"]));
    }
    assert!(front.iter().all(|p| number(&p["area"]["lut"]) <= 83_640));
    assert!(std::fs::read_to_string(plot).expect("a figure").starts_with("<svg"));
    let best = succeed(&directory, &["compile", network, "--board", "ulx3s-85f", "--out", build]);
    assert_eq!(best["cycles"]["total"], json["models"][0]["best"]["cycles"]);
    assert_eq!(best["area"], json["models"][0]["best"]["area"]);
}

/// Each array of the front, compiled with the flags that are printed for it, takes exactly the cycles,
/// memories and area that were promised.
#[track_caller]
fn check_promises(args: &[&str]) -> Vec<Value> {
    let directory = temporary();
    let build = directory.path().join("build");
    let network = bundled_network();
    let network = text(&network);
    let json = succeed(&directory, &[&["search", network], args].concat());
    let front = json["front"].as_array().expect("a front").clone();
    for promised in &front {
        let flags = promised["compile"].as_array().expect("flags").iter();
        let flags: Vec<&str> = flags.map(|flag| flag.as_str().expect("a text")).collect();
        let own = ["compile", network, "--out", build.to_str().expect("UTF-8")];
        let compiled = succeed(&directory, &[&own[..], &flags].concat());
        let cycles = &compiled["cycles"];
        assert_eq!(cycles["total"], promised["cycles"], "{promised}");
        assert_eq!(cycles["back_to_back"], promised["cycles_back_to_back"], "{promised}");
        assert_eq!(compiled["memories"], promised["memories"]);
        assert_eq!(compiled["area"], promised["area"]);
        assert_eq!(compiled.get("bands").is_some(), !promised["bands"].is_null(), "{promised}");
        let layers = compiled["layers"].as_array().expect("layers").iter();
        let streamed = layers.filter(|layer| layer["streamed"] == true).count();
        assert_eq!(promised["streamed_layers"], streamed, "{promised}");
        assert_eq!(compiled["weight_port"].is_null(), promised["weight_port"].is_null());
    }
    front
}

#[test]
fn arrays_in_bands_are_what_compile_makes() {
    let front = check_promises(&["--board", "ulx3s-25f"]);
    assert!(front.iter().any(|array| !array["bands"].is_null()), "{front:?}");
}

#[test]
fn arrays_with_streamed_weights_are_what_compile_makes() {
    let limits = ["--family", "ecp5", "--lut", "16000", "--bram", "44", "--clock", "50"];
    let memory = ["--weight-bandwidth", "200", "--weight-latency", "20"];
    let front = check_promises(&[&limits[..], &memory].concat());
    let streams = |array: &&Value| !array["weight_port"].is_null();
    assert!(front.iter().filter(streams).count() > 2, "{front:?}");
    assert!(front.iter().filter(streams).any(|array| !array["bands"].is_null()), "{front:?}");
    let directory = temporary();
    let network = bundled_network();
    let network = text(&network);
    let text = heartbit(&directory, &[&["search", network], &limits[..], &memory].concat());
    let text = String::from_utf8(text.stdout).expect("UTF-8");
    for words in
        ["S layers with streamed weights", "more in bands or", "--weight-port", "the fastest:"]
    {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
    let (_, command) = text.split_once("the fastest:").expect("seen");
    assert!(command.lines().skip(2).all(|line| line.len() <= 80), "{text}");
}

#[test]
fn what_is_around_the_array_has_to_fit_too() {
    let directory = temporary();
    let network = bundled_network();
    let network = text(&network);
    let smallest = |around: &[&str]| {
        let limits = ["search", network, "--family", "ecp5", "--lut", "9000"];
        let json = succeed(&directory, &[&limits[..], around].concat());
        json["front"].as_array().and_then(|front| front.last().cloned()).expect("one fits")
    };
    let (bare, link) = (smallest(&[]), smallest(&["--uart", "--baud", "500000"]));
    assert!(bare["area"]["lut"].as_u64() < link["area"]["lut"].as_u64(), "{bare} {link}");
    let flags = link["compile"].as_array().expect("flags").iter();
    let flags: Vec<&str> = flags.map(|flag| flag.as_str().expect("a text")).collect();
    assert!(flags.ends_with(&["--uart", "--baud", "500000"]), "{flags:?}");
    let compiled = succeed(&directory, &[&["compile", network, "--out", "b"], &flags[..]].concat());
    assert_eq!((&compiled["area"], &compiled["fpga"]["wrapper"]), (&link["area"], &"uart".into()));
    let streamed = ["--weight-bandwidth", "100", "--board", "ulx3s-85f", "--uart"];
    fail(&directory, &[&["search", network], &streamed[..]].concat(), 2, &["cannot be used with"]);
}

#[test]
fn board_with_a_weight_port_is_compiled_for() {
    let directory = temporary();
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (board, build, network) = (path("small.toml"), path("build"), bundled_network());
    let network = text(&network);
    // Not even the bundled network's weights fit, with an array of this size.
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards/data/ulx3s-85f.toml");
    let known = std::fs::read_to_string(known).expect("readable");
    let limited = known.lines().map(|line| match line.split(' ').next() {
        Some(key @ ("lut" | "ff")) => format!("{key} = 40000\n"),
        Some("bram") => "bram = 75\n".to_owned(),
        _ => format!("{line}\n"),
    });
    let file: String = limited.collect();
    assert_eq!(file.matches("40000").count(), 2, "{file}");
    std::fs::write(&board, file).expect("writable");
    let array = ["--array", "8x8x16"];
    let own = ["compile", network, "--board", &board, "--out", &build];
    fail(&directory, &[&own[..], &array].concat(), 4, &["does not fit small", "--weight-port"]);
    let data = data();
    let data = text(&data);
    let port = ["--weight-port", "2", "--weight-rate", "1/2"];
    for array in [&array[..], &[]] {
        let compiled = succeed(&directory, &[&own[..], &port, array].concat());
        assert!(compiled["area"]["bram"].as_u64().is_some_and(|bram| bram <= 75), "{compiled}");
        let is_streamed = !compiled["weight_port"].is_null();
        assert!(is_streamed || array.is_empty(), "{compiled}");
        let sim = succeed(&directory, &["sim", &build, "--data", data, "--images", "2"]);
        assert_eq!(sim["verdict"], "pass");
    }
}

#[test]
fn what_does_not_fit_says_by_how_much_and_what_to_change() {
    let directory = temporary();
    let network = bundled_network();
    let network = text(&network);
    let words =
        ["does not fit ulx3s-25f", "more than the 20,644 it may take", "change ROWS", "search"];
    let args = ["compile", network, "--array", "16x16x32", "--board", "ulx3s-25f", "--out", "x"];
    fail(&directory, &args, 4, &words);
    fail(
        &directory,
        &["search", network, "--board", "icebreaker"],
        4,
        &["SB_RAM40", "comes closest"],
    );
    assert!(!Path::new("x").exists());
}

#[test]
fn wrong_boards_are_refused() {
    let directory = temporary();
    let network = bundled_network();
    let network = text(&network);
    fail(&directory, &["search", network], 2, &["--board"]);
    fail(
        &directory,
        &["search", network, "--board", "none"],
        2,
        &["no board `none`", "heartbit boards"],
    );
    fail(
        &directory,
        &["search", network, "--board", "kv260"],
        2,
        &["no resource model", "--family"],
    );
    fail(&directory, &["search", network, "--board", "none.toml"], 3, &["cannot read"]);
    let args = ["search", network, "--family", "ecp5", "--accuracy", "0.5,0.6"];
    fail(&directory, &args, 2, &["2 accuracies for 1 models"]);
    let boards = succeed(&directory, &["boards"]);
    assert!(boards["boards"].as_array().is_some_and(|boards| boards.len() == 13));
}
