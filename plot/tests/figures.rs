//! Figures of run folders: files, series, words, and the same bytes again.

use heartbit_plot::{Error, Options, Report, XAxis, plot};
use roxmltree::Document;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const LAYERS: [&str; 4] = ["layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv1", "layer2.0.conv2"];
const BLUE: &str = "#0072B2";
const VERMILLION: &str = "#D55E00";

/// A record with plausible numbers; `null` where the method has no such quantity.
fn record(epoch: u32, epochs: u32, method: &str, seed: u32) -> Value {
    let t = f64::from(epoch) / f64::from(epochs);
    let (ovsw, shift) = (method == "ovsw", f64::from(seed) / 100.0);
    let flips = (0.15 + shift) * (1.0 - t);
    let layers: Vec<Value> = LAYERS
        .iter()
        .map(|name| json!({"name": name, "flip_rate": flips, "never_flipped": 0.9 - 0.5 * t - shift}))
        .collect();
    json!({
        "epoch": epoch, "lr": 0.1 * (1.0 - t), "tau": (!ovsw).then_some(0.85 + 0.1 * t),
        "train_loss": 2.0 - t, "train_accuracy": 0.3 + 0.5 * t, "test_accuracy": 0.3 + 0.4 * t + shift,
        "flip_rate": flips, "never_flipped": 0.9 - 0.5 * t, "silent": ovsw.then_some(0.5),
        "ags_ratio": ovsw.then_some(0.01 + 0.02 * t), "layers": layers, "seconds": 90.0,
    })
}

fn landscape() -> Value {
    let at: Vec<f64> = (-4..=4).map(|i| f64::from(i) / 4.0).collect();
    let loss = |x: f64, y: f64| 0.2 + x * x + 2.0 * y * y;
    json!({
        "schema": 1, "radius": 1.0, "alpha": at, "beta": at, "images": 100, "checkpoint": "c",
        "loss": at.iter().map(|y| at.iter().map(|x| loss(*x, *y)).collect()).collect::<Vec<Vec<f64>>>(),
        "loss_1d": at.iter().map(|x| loss(*x, 0.0)).collect::<Vec<f64>>(),
    })
}

/// Writes a run's folder.
fn run(root: &TempDir, name: &str, method: &str, seed: u32) -> PathBuf {
    let path = root.path().join(name);
    std::fs::create_dir(&path).expect("a new folder");
    let config = json!({"method": method, "seed": seed, "epochs": 12, "out": name,
        "ags": (method == "ovsw").then(|| json!({"lambda": 0.04}))});
    std::fs::write(path.join("config.json"), config.to_string()).expect("written");
    let lines: String = (0..12).map(|e| record(e, 12, method, seed).to_string() + "\n").collect();
    std::fs::write(path.join("metrics.jsonl"), lines).expect("written");
    std::fs::write(path.join("landscape.json"), landscape().to_string()).expect("written");
    path
}

/// Every file of a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.expect("readable");
        let bytes = std::fs::read(entry.path()).expect("readable");
        (entry.file_name().to_string_lossy().into_owned(), bytes)
    };
    std::fs::read_dir(folder).expect("a folder").map(read).collect()
}

fn draw(runs: &[PathBuf], out: &Path) -> Report {
    plot(runs, out, Options::default()).expect("drawn")
}

fn texts(svg: &Document<'_>) -> Vec<String> {
    let texts = svg.descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap_or("").trim().to_owned()).collect()
}

/// Number of points of each line of a colour; without the legend and dashes, which have few.
fn lines(svg: &Document<'_>, color: &str) -> Vec<usize> {
    let lines = svg.descendants().filter(|node| node.has_tag_name("polyline"));
    lines
        .filter(|node| node.attribute("stroke") == Some(color))
        .map(|node| node.attribute("points").unwrap_or("").split_whitespace().count())
        .filter(|points| *points > 4)
        .collect()
}

#[test]
fn methods_and_seeds_are_overlaid() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let runs = [
        run(&root, "recu", "recu", 1),
        run(&root, "ovsw1", "ovsw", 1),
        run(&root, "ovsw2", "ovsw", 2),
    ];
    let out = root.path().join("out");
    let report = draw(&runs, &out);
    let names: Vec<&str> = report.plots.iter().map(|plot| plot.name).collect();
    assert_eq!(
        names,
        [
            "loss",
            "accuracy",
            "flips",
            "flips-layers",
            "never-flipped",
            "never-flipped-layers",
            "silent",
            "ags-ratio",
            "schedules",
            "landscape",
            "landscape-1d"
        ]
    );
    assert_eq!((report.missing, report.notes), (vec![], vec![]));
    let files = files(&out);
    assert_eq!(files.len(), 12);
    let text = |name: &str| std::str::from_utf8(&files[name]).expect("UTF-8");
    for (name, curves, words) in [
        ("loss", [1, 1], "training loss, nats"),
        ("accuracy", [1, 1], "top-1 accuracy, %"),
        ("flips", [1, 1], "weights flipped in the epoch, %"),
        ("flips-layers", [4, 4], "weights flipped in the epoch, %"),
        ("never-flipped", [1, 1], "weights never flipped so far, %"),
        ("silent", [0, 1], "silent weights, %"),
        ("ags-ratio", [0, 1], "‖gradient‖ / ‖weights‖"),
        ("schedules", [2, 1], "learning rate"),
    ] {
        let svg = Document::parse(text(&format!("{name}.svg"))).expect("XML");
        let texts = texts(&svg);
        assert!(texts.iter().any(|text| text == words), "{name}: {texts:?}");
        assert!(texts.iter().any(|text| text == "epoch"), "{name}: {texts:?}");
        assert!(texts.iter().any(|text| text == "OvSW, mean of 2 seeds"), "{name}: {texts:?}");
        let points = [lines(&svg, BLUE), lines(&svg, VERMILLION)];
        assert_eq!(points, curves.map(|n| vec![12; n]), "{name}");
    }
    let svg = Document::parse(text("landscape.svg")).expect("XML");
    for title in ["ReCU", "OvSW, seed 1", "OvSW, seed 2", "loss, nats"] {
        assert!(texts(&svg).iter().any(|text| text == title), "{title}");
    }
    let page = text("index.html");
    for name in names {
        assert!(page.contains(&format!("<img src=\"{name}.svg\"")), "{name}");
    }
    assert!(!page.contains("<script"));
}

#[test]
fn flips_are_drawn_where_they_are() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let out = root.path().join("out");
    draw(&[run(&root, "recu", "recu", 0)], &out);
    let svg = std::fs::read_to_string(out.join("flips.svg")).expect("written");
    let svg = Document::parse(&svg).expect("XML");
    let points: Vec<(f64, f64)> = svg
        .descendants()
        .filter(|node| node.attribute("stroke") == Some(BLUE))
        .filter_map(|node| node.attribute("points"))
        .map(|points| {
            let pair = |p: &str| {
                let (x, y) = p.split_once(',').expect("a point");
                (x.parse().expect("a number"), y.parse().expect("a number"))
            };
            points.split_whitespace().map(pair).collect::<Vec<_>>()
        })
        .find(|points| points.len() == 12)
        .expect("the curve");
    // Straight from 15 % down to 1.25 %: equal steps right and down.
    for pair in points.windows(2) {
        let step = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        let whole = ((points[11].0 - points[0].0) / 11.0, (points[11].1 - points[0].1) / 11.0);
        assert!((step.0 - whole.0).abs() <= 1.5 && (step.1 - whole.1).abs() <= 1.5, "{points:?}");
        assert!(step.0 > 0.0 && step.1 > 0.0, "{points:?}");
    }
}

#[test]
fn same_runs_give_same_bytes() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let runs = [run(&root, "a", "ovsw", 1), run(&root, "b", "ovsw", 2)];
    let (first, second) = (root.path().join("first"), root.path().join("second"));
    draw(&runs, &first);
    draw(&runs, &second);
    assert_eq!(files(&first), files(&second));
    // Drawing into the same folder again leaves nothing else there.
    draw(&runs, &second);
    assert_eq!(files(&first), files(&second));
}

#[test]
fn old_runs_lack_curves_and_the_report_says_so() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let new = run(&root, "new", "ovsw", 1);
    let old = root.path().join("old");
    std::fs::create_dir(&old).expect("a new folder");
    let line = r#"{"epoch":0,"lr":0.1,"train_loss":2,"train_accuracy":0.2,"test_accuracy":0.3}"#;
    std::fs::write(old.join("metrics.jsonl"), format!("{line}\n{{\"epoch\":1,")).expect("written");
    let out = root.path().join("out");
    let report = draw(&[old.clone(), new.clone()], &out);
    let lacking: Vec<&str> =
        report.missing.iter().filter(|m| m.run.as_ref() == Some(&old)).map(|m| m.plot).collect();
    assert_eq!(
        lacking,
        [
            "flips",
            "flips-layers",
            "never-flipped",
            "never-flipped-layers",
            "silent",
            "ags-ratio",
            "landscape",
            "landscape-1d"
        ]
    );
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    assert!(report.notes[0].contains("breaks off"), "{:?}", report.notes);
    let report = draw(&[old], &root.path().join("alone"));
    assert_eq!(report.plots.len(), 3);
    assert_eq!(report.missing.len(), 8);
    assert!(report.missing.iter().all(|m| m.run.is_none()), "{:?}", report.missing);
}

#[test]
fn hostile_words_stay_words() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let path = run(&root, "a", "<b>&\"\u{1}", 1);
    let out = root.path().join("out");
    draw(&[path], &out);
    for (name, bytes) in files(&out) {
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(!text.contains("<b>"), "{name}");
        if Path::new(&name).extension().is_some_and(|e| e == "svg") {
            Document::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn hours_need_the_time_of_every_epoch() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let path = run(&root, "a", "recu", 1);
    let out = root.path().join("out");
    let options = Options { x: XAxis::Hours, png: false };
    plot(std::slice::from_ref(&path), &out, options).expect("drawn");
    let svg = std::fs::read_to_string(out.join("loss.svg")).expect("written");
    let words = texts(&Document::parse(&svg).expect("XML"));
    assert!(words.iter().any(|text| text == "hours"), "{words:?}");
    let metrics = path.join("metrics.jsonl");
    let text = std::fs::read_to_string(&metrics).expect("readable");
    std::fs::write(&metrics, text.replace("\"seconds\":90.0", "\"seconds\":null"))
        .expect("written");
    assert!(matches!(plot(&[path], &out, options), Err(Error::NoTime { .. })));
}

#[test]
fn bad_files_are_named_and_nothing_is_written() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let out = root.path().join("out");
    let path = run(&root, "a", "recu", 1);
    for (file, text) in [
        ("landscape.json", "{\"schema\":2,\"alpha\":[0]}"),
        ("config.json", "[]"),
        ("metrics.jsonl", "{\n"),
    ] {
        std::fs::write(path.join(file), text).expect("written");
        let error = plot(std::slice::from_ref(&path), &out, Options::default()).expect_err(file);
        assert!(error.to_string().contains(file), "{error}");
        assert!(!out.exists());
    }
    assert!(matches!(plot(&[], &out, Options::default()), Err(Error::NoRun)));
    let nowhere = root.path().join("nowhere");
    assert!(matches!(plot(&[nowhere], &out, Options::default()), Err(Error::Read { .. })));
}

#[cfg(not(feature = "png"))]
#[test]
fn png_needs_its_feature() {
    let options = Options { png: true, ..Options::default() };
    assert!(matches!(plot(&["a".into()], Path::new("b"), options), Err(Error::NoPng)));
}

#[cfg(feature = "png")]
#[test]
fn png_has_words_without_any_system_font() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let out = root.path().join("out");
    let options = Options { png: true, ..Options::default() };
    plot(&[run(&root, "a", "recu", 1)], &out, options).expect("drawn");
    let image = resvg::tiny_skia::Pixmap::load_png(out.join("loss.png")).expect("a PNG");
    assert_eq!(image.width(), 2000);
    // Left of the axis there is nothing but its words.
    let ink = (0..image.height()).flat_map(|y| (0..100).map(move |x| (x, y)));
    let dark = ink.filter(|&(x, y)| image.pixel(x, y).expect("inside").red() < 128).count();
    assert!(dark > 200, "{dark}");
}
