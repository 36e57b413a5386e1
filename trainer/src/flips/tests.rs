//! The tracker against lists of plain signs.

use heartbit_ir::grid::Centering;
use proptest::prelude::*;

use super::*;

fn layer(fan_in: usize, centering: Centering) -> BinaryLayer {
    BinaryLayer { fan_in, centering }
}

/// A layer's weights after every step: small whole numbers, so that flips are frequent.
fn history(weights: usize, steps: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
    let values = prop::collection::vec((-2i8..=2).prop_map(f32::from), weights);
    prop::collection::vec(values, steps + 1)
}

proptest! {
    #[test]
    fn rates_are_those_of_lists_of_signs(
        fan_in in 1usize..40, filters in 1usize..5, epochs in 1usize..3, centred: bool,
        seed in history(200, 6),
    ) {
        let weights = fan_in * filters;
        let history: Vec<Vec<f32>> = seed.iter().map(|w| w[..weights].to_vec()).collect();
        let centering = if centred { Centering::FilterMean } else { Centering::None };
        let layer = layer(fan_in, centering);
        let signs: Vec<Vec<bool>> =
            history.iter().map(|w| binary_weights(w, fan_in, centering)).collect();
        let per_epoch = (history.len() - 1) / epochs;

        let mut tracker = FlipTracker::new([(&history[0][..], layer)]);
        for epoch in 0..epochs {
            tracker.start_epoch();
            let (from, to) = (epoch * per_epoch, (epoch + 1) * per_epoch);
            for weights in &history[from + 1..=to] {
                tracker.step([&weights[..]]);
            }
            let moved = (0..weights).filter(|&i| signs[from][i] != signs[to][i]).count();
            let never = (0..weights)
                .filter(|&i| signs[..=to].windows(2).all(|pair| pair[0][i] == pair[1][i]))
                .count();
            let share = |n: usize| n as f64 / weights as f64;
            prop_assert_eq!(
                tracker.rates(),
                vec![LayerFlipRates { epoch: share(moved), never: share(never) }]
            );

            // A resumed run makes a tracker of the parameters and takes the state over.
            let mut resumed = FlipTracker::new([(&history[to][..], layer)]);
            prop_assert!(resumed.restore(&tracker.state(&["w".to_owned()])));
            tracker.start_epoch();
            prop_assert_eq!(&resumed, &tracker);
        }
    }
}

#[test]
fn weight_that_is_back_has_flipped() {
    let layer = layer(2, Centering::None);
    let mut tracker = FlipTracker::new([(&[1.0, 1.0][..], layer)]);
    for weights in [[-1.0, 1.0], [1.0, 1.0]] {
        tracker.step([&weights[..]]);
    }
    assert_eq!(tracker.rates(), [LayerFlipRates { epoch: 0.0, never: 0.5 }]);
}

#[test]
fn total_counts_weights_and_not_layers() {
    let (small, large) = (layer(1, Centering::None), layer(3, Centering::None));
    let mut tracker = FlipTracker::new([(&[1.0][..], small), (&[1.0; 3][..], large)]);
    tracker.step([&[-1.0][..], &[1.0; 3][..]]);
    let LayerFlipRates { epoch, never } = tracker.total();
    assert_eq!((epoch, never), (0.25, 0.75));
}

#[test]
fn state_of_another_network_is_refused() {
    let tracker = |weights: &[f32]| FlipTracker::new([(weights, layer(1, Centering::None))]);
    let mut target = tracker(&[1.0; 65]);
    let names = ["w".to_owned()];
    assert!(!target.restore(&tracker(&[1.0; 64]).state(&names)), "another size");
    let mut state = target.state(&names);
    state.list[0].values[3] = 0.5;
    assert!(!target.restore(&state), "not a whole number");
    assert!(!target.restore(&Arrays::default()), "no layer");
    assert_eq!(target, tracker(&[1.0; 65]));
}
