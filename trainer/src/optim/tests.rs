//! The optimization step against worked examples of the specification.

use super::*;
use crate::params::Arrays;

/// One `f32` operation's rounding on values of order 1.
const ULP: f32 = 1e-6;

#[track_caller]
fn check(actual: &[f32], expected: &[f32]) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= ULP * e.abs().max(1e-3), "{actual:?} is not {expected:?}");
    }
}

#[test]
fn ags_lifts_a_small_gradient_to_lambda() {
    // ‖W‖ = 0.5 and ‖G‖ = 0.001: the ratio 0.002 is lifted 20 times.
    let mut grads = [0.001, 0.0];
    Ags { lambda: 0.04 }.apply(&[0.3, -0.4], &mut grads, 2);
    check(&grads, &[0.02, 0.0]);
}

#[test]
fn ags_leaves_a_large_gradient_and_treats_filters_apart() {
    let mut grads = [0.1, 0.0, 0.001, 0.0];
    Ags { lambda: 0.04 }.apply(&[0.3, -0.4, 0.3, -0.4], &mut grads, 2);
    check(&grads, &[0.1, 0.0, 0.02, 0.0]);
}

#[test]
fn ags_bounds_the_factor_of_a_vanishing_gradient() {
    // g = max(1e-8, 1e-6), so the factor is 0.04 · 0.5 / 1e-6 and the norm stays below λ·‖W‖.
    let mut grads = [1e-8, 0.0];
    Ags { lambda: 0.04 }.apply(&[0.3, -0.4], &mut grads, 2);
    check(&grads, &[2e-4, 0.0]);
}

/// Applies SAD to one weight and returns whether it decayed it.
fn decays(state: &mut SadState, weight: f32) -> bool {
    let mut grad = [0.0];
    Sad::default().apply(&[weight], &mut grad, state);
    grad[0] != 0.0
}

#[test]
fn sad_decays_every_weight_from_the_first_step() {
    let mut grads = [0.5, 0.5];
    let weights = [0.2, -0.1];
    Sad::default().apply(&weights, &mut grads, &mut SadState::new(&weights));
    check(&grads, &[0.5 + 9e-4 * 0.2, 0.5 - 9e-4 * 0.1]);
}

#[test]
fn sad_sees_a_flip_one_iteration_later() {
    let mut state = SadState::new(&[0.2]);
    // The optimizer step after this call flips the weight.
    assert!(decays(&mut state, 0.2));
    assert!(!decays(&mut state, -0.1), "the flip is visible now");
}

#[test]
fn one_flip_keeps_a_weight_from_decay_for_2302_iterations() {
    let mut state = SadState::new(&[0.2]);
    let spared = (0..3000).take_while(|_| !decays(&mut state, -0.1)).count();
    assert_eq!(spared, 2302);
}

#[test]
fn average_of_one_falls_silent_after_9206_iterations() {
    let mut state = SadState { flips: vec![1.0], previous: vec![0.2] };
    let spared = (0..10_000).take_while(|_| !decays(&mut state, 0.2)).count();
    assert_eq!(spared + 1, 9206);
}

#[test]
fn step_applies_ags_then_sad_then_weight_decay_then_momentum() {
    let mut params = Arrays::default();
    params.push("w", &[1, 2], vec![0.3, -0.4]);
    let mut sgd = Sgd::new(0.9, 5e-4);
    let hooks = Hooks { ags: Some(Ags { lambda: 0.04 }), sad: Some(Sad::default()) };
    let mut state = SadState::new(&[0.3, -0.4]);
    let step = |params: &mut Arrays, sgd: &mut Sgd, state: &mut SadState, g: [f32; 2]| {
        let mut grads = vec![g.to_vec()];
        hooks.apply(&params.list[0].values, &mut grads[0], 2, Some(state));
        sgd.step(params, &grads, 0.1);
    };

    step(&mut params, &mut sgd, &mut state, [0.001, 0.0]);
    // AGS: (0.02, 0). SAD adds 9e-4·w and decay 5e-4·w; the first velocity is the gradient.
    let velocity = [0.02 + 1.4e-3 * 0.3, -1.4e-3 * 0.4];
    check(&sgd.velocity.as_ref().expect("stepped").list[0].values, &velocity);
    let w1 = [0.3 - 0.1 * velocity[0], -0.4 - 0.1 * velocity[1]];
    check(&params.list[0].values, &w1);

    step(&mut params, &mut sgd, &mut state, [1.0, 2.0]);
    // The gradient is large, so AGS leaves it.
    let expected = [0, 1].map(|i| 0.9 * velocity[i] + [1.0, 2.0][i] + 1.4e-3 * w1[i]);
    check(&sgd.velocity.as_ref().expect("stepped").list[0].values, &expected);
}

#[test]
fn hooks_are_off_by_default_and_separately_switchable() {
    let weights = [0.3, -0.4];
    let with = |hooks: Hooks| {
        let mut grads = [0.001, 0.0];
        hooks.apply(&weights, &mut grads, 2, Some(&mut SadState::new(&weights)));
        grads
    };
    check(&with(Hooks::default()), &[0.001, 0.0]);
    check(&with(Hooks { ags: Some(Ags { lambda: 0.04 }), sad: None }), &[0.02, 0.0]);
    let sad = Some(Sad::default());
    check(&with(Hooks { ags: None, sad }), &[0.001 + 9e-4 * 0.3, -9e-4 * 0.4]);
}
