//! Tests of axes.

use super::*;
use proptest::prelude::*;

fn labels(axis: &Axis) -> Vec<&str> {
    axis.ticks.iter().map(|tick| tick.1.as_str()).collect()
}

#[test]
fn ticks_are_round() {
    assert_eq!(labels(&Axis::around(0.3, 17.0, 5)), ["0", "5", "10", "15", "20"]);
    assert_eq!(labels(&Axis::around(0.85, 0.988, 5)), ["0.85", "0.90", "0.95", "1.00"]);
    assert_eq!(labels(&Axis::around(-1.0, 1.0, 4)), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
    let within = Axis::within(0.0, 17.0, 4);
    assert_eq!((labels(&within), within.range.1), (vec!["0", "5", "10", "15"], 17.0));
}

#[test]
fn logarithmic_ticks_are_at_logarithms() {
    let axis = Axis::logarithmic(0.003, 0.04);
    assert_eq!(labels(&axis), ["0.002", "0.005", "0.01", "0.02", "0.05"]);
    assert!((axis.ticks[2].0 + 2.0).abs() < 1e-12);
    assert_eq!(labels(&Axis::logarithmic(2e-7, 0.5)).first(), Some(&"1e-7"));
}

#[test]
fn a_point_gets_a_range() {
    for value in [0.0, 1.0, 1e-30, 1e100] {
        for axis in [Axis::around(value, value, 5), Axis::within(value, value, 5)] {
            assert!(axis.range.0 < axis.range.1, "{axis:?}");
            assert!(axis.range.0 >= 0.0 && axis.ticks.len() >= 2, "{axis:?}");
        }
    }
}

proptest! {
    #[test]
    fn axes_cover_their_data(lo in 0.0..1e6_f64, more in 0.0..1e6_f64, n in 3..15_u32) {
        let axis = Axis::around(lo, lo + more, n);
        let slack = (axis.range.1 - axis.range.0) * 1e-6;
        prop_assert!(axis.range.0 <= lo + slack && axis.range.1 >= lo + more - slack, "{axis:?}");
        prop_assert!((2..=usize::try_from(n).expect("small") + 3).contains(&axis.ticks.len()));
    }

    #[test]
    fn logarithmic_axes_cover_their_data(a in -99.0..99.0_f64, decades in 0.0..99.0_f64) {
        let (lo, hi) = (10_f64.powf(a), 10_f64.powf((a + decades).min(99.0)));
        let axis = Axis::logarithmic(lo.min(hi), hi);
        prop_assert!(axis.range.0 <= lo.log10() + 1e-6 && axis.range.1 >= hi.log10() - 1e-6);
        prop_assert!(axis.range.0 < axis.range.1);
        prop_assert!((2..=8).contains(&axis.ticks.len()), "{axis:?}");
    }
}
