//! The worked example of docs/timing.md is what the description of the accelerator does.
//!
//! The native simulation runs a small network. Its signals are drawn, and the drawings are the
//! blocks of the page: `UPDATE_EXPECT=1` writes them. Apart from that every event is compared with
//! the formulas of microarchitecture.md and every sum with the interpreter.

mod check;
mod draw;
mod example;
mod layer;
mod wave;

use example::{Example, LAYERS};
use layer::Layer;
use std::path::Path;
use wave::Wave;

/// Paths of the signals that are recorded.
fn signals() -> Vec<String> {
    let mut paths: Vec<String> = [
        "feeder.issue",
        "feeder.first",
        "feeder.last",
        "feeder.step_0",
        "feeder.valid_0",
        "drain.start",
        "drain.shift",
        "array.products",
        "writer.bank_en",
        "writer.bits_addr",
        "writer.bits",
    ]
    .map(str::to_owned)
    .to_vec();
    for i in 0..2 {
        for name in ["feeder.a_", "activations.word_", "array.hits_"] {
            paths.push(format!("{name}{i}"));
        }
        paths.push(format!("feeder.addr_{i}_0"));
        paths.push(format!("array.count_{i}.acc"));
        for name in ["z_d2", "product_3", "biased_4", "y_5", "r_7", "result"] {
            paths.push(format!("post_{i}.{name}"));
        }
        for j in 0..2 {
            for name in ["a", "w", "skip", "tokens", "shift", "acc", "drain_q"] {
                paths.push(format!("array.row_{i}.pe_{j}.{name}"));
            }
        }
    }
    for stage in 1..=8 {
        for name in ["pixel", "x", "y"] {
            paths.push(format!("writer.{name}_d{stage}"));
        }
    }
    paths
}

fn record(example: &Example) -> Wave {
    Wave::record(&example.compiled.program, &example.image, signals())
}

#[test]
fn every_event_is_in_the_cycle_of_its_formula() {
    let example = Example::new();
    let wave = record(&example);
    for name in LAYERS {
        check::check(&Layer::new(&wave, &example, name));
    }
}

#[test]
fn page_shows_what_the_description_does() {
    let example = Example::new();
    let wave = record(&example);
    let [layer, pointwise] = LAYERS.map(|name| Layer::new(&wave, &example, name));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/timing.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let mut drawn = page.clone();
    for (name, text) in draw::drawings(&layer, &pointwise) {
        let block = block(&drawn, name);
        let update = std::env::var_os("UPDATE_EXPECT").is_some();
        let shown = &drawn[block.clone()];
        assert!(
            update || shown == text,
            "the drawing `{name}` of docs/timing.md is now (UPDATE_EXPECT=1 writes it)\n{text}\
             but the page has\n{shown}"
        );
        drawn.replace_range(block, &text);
    }
    if drawn != page {
        std::fs::write(&path, drawn).expect("the page is writable");
    }
}

/// Where the page has the text of a drawing.
fn block(page: &str, name: &str) -> std::ops::Range<usize> {
    let mark = format!("<!-- drawn: {name} -->\n\n```text\n");
    let (before, after) =
        page.split_once(&mark).unwrap_or_else(|| panic!("bug: no drawing `{name}` in the page"));
    let start = before.len() + mark.len();
    start..start + after.find("```").expect("bug: the block ends")
}
