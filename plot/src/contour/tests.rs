//! Tests of lines of equal value.

use super::*;
use proptest::prelude::*;

/// -1 to 1 in steps of 0.1.
fn steps() -> Vec<f64> {
    (-10..=10).map(|i| f64::from(i) / 10.0).collect()
}

fn map(f: impl Fn(f64, f64) -> f64) -> Vec<Vec<Option<f64>>> {
    steps().iter().map(|&y| steps().iter().map(|&x| Some(f(x, y))).collect()).collect()
}

#[test]
fn a_bowl_has_circles() {
    let lines = isolines(&steps(), &steps(), &map(|x, y| x * x + y * y), 0.36);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].first(), lines[0].last(), "closed");
    for (x, y) in &lines[0] {
        assert!((x.hypot(*y) - 0.6).abs() < 0.01, "{x} {y}");
    }
}

#[test]
fn a_slope_has_one_open_line() {
    let lines = isolines(&steps(), &steps(), &map(|x, y| x + 2.0 * y), 0.3);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].iter().all(|(x, y)| (x + 2.0 * y - 0.3).abs() < 1e-9));
}

#[test]
fn a_hole_breaks_lines() {
    let mut values = map(|x, _| x);
    values[10][10] = None;
    assert_eq!(isolines(&steps(), &steps(), &values, 0.05).len(), 2);
}

proptest! {
    /// On random maps, every piece of every square is in exactly one line.
    #[test]
    fn no_piece_is_lost(values in proptest::collection::vec(
        proptest::collection::vec(proptest::option::weighted(0.9, 0.0..1.0_f64), 6), 5), level in 0.0..1.0_f64) {
        let xs = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let pieces: usize = (0..4)
            .flat_map(|i| (0..5).map(move |j| (i, j)))
            .map(|(i, j)| square(&values, i, j, level).len())
            .sum();
        let lines = isolines(&xs, &xs[..5], &values, level);
        prop_assert_eq!(lines.iter().map(|line| line.len() - 1).sum::<usize>(), pieces);
    }
}
