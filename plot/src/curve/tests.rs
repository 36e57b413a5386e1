//! Tests of means and ranges.

use super::*;
use std::path::Path;

fn run(flips: &[(u32, &str)]) -> Run {
    let line = |(epoch, flips): &(u32, &str)| {
        format!(
            "{{\"epoch\":{epoch},\"lr\":0.1,\"train_loss\":1,\"train_accuracy\":0,\
             \"test_accuracy\":0,\"flip_rate\":{flips}}}"
        )
    };
    let lines = flips.iter().map(line).collect::<Vec<_>>().join("\n");
    let epochs = crate::metrics::parse(Path::new("m"), lines.as_bytes()).expect("records").epochs;
    let xs = epochs.iter().map(|e| f64::from(e.epoch) + 1.0).collect();
    let config = serde_json::Map::new();
    Run { path: "r".into(), config, epochs, xs, landscape: None }
}

fn flips(runs: &[Run]) -> Option<Curve> {
    let group = Group { name: String::new(), runs: runs.iter().collect() };
    curve(&group, &|e| e.flip_rate)
}

#[test]
fn mean_and_range_over_seeds() {
    let runs = [run(&[(0, "0.1"), (1, "0.2")]), run(&[(0, "0.3"), (1, "0.2")])];
    let curve = flips(&runs).expect("a curve");
    assert_eq!(curve.seeds, 2);
    assert_eq!(curve.pieces.len(), 1);
    let [first, second] = curve.pieces[0][..] else { panic!("two points") };
    assert!((first.mean - 0.2).abs() < 1e-12);
    assert_eq!((first.x, first.min, first.max), (1.0, 0.1, 0.3));
    assert_eq!(second, Point { x: 2.0, mean: 0.2, min: 0.2, max: 0.2 });
}

#[test]
fn a_shorter_seed_ends_the_curve() {
    let runs = [run(&[(0, "0.1"), (1, "0.2")]), run(&[(0, "0.3")])];
    assert_eq!(flips(&runs).expect("a curve").points().count(), 1);
}

#[test]
fn gaps_break_the_curve_and_runs_without_the_quantity_do_not_count() {
    let runs = [run(&[(0, "0.1"), (1, "null"), (2, "0.2")]), run(&[(0, "null")])];
    let curve = flips(&runs).expect("a curve");
    assert_eq!((curve.seeds, curve.pieces.len()), (1, 2));
    assert_eq!(flips(&runs[1..]), None);
}
