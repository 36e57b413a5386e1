//! The optimization step against worked examples of the specification.

use super::*;
use crate::rng::stream;
use rand::Rng;

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

/// A layer of one uncentred filter.
fn layer(fan_in: usize) -> BinaryLayer {
    BinaryLayer { fan_in, centering: Centering::None }
}

fn fresh(weights: &[f32]) -> SadState {
    Sad::default().state(weights, layer(weights.len()))
}

/// Applies SAD to one weight and returns whether it decayed it.
fn decays(state: &mut SadState, weight: f32) -> bool {
    let mut grad = [0.0];
    let silent = Sad::default().apply(&[weight], &mut grad, layer(1), state);
    assert_eq!(silent, if grad[0] == 0.0 { 0.0 } else { 1.0 });
    grad[0] != 0.0
}

#[test]
fn mean_ratio_is_that_before_scaling_whether_or_not_it_scales() {
    // Ratios 0.2 and 0.002.
    let (weights, grads) = ([0.3, -0.4, 0.3, -0.4], [0.1, 0.0, 0.001, 0.0]);
    let expected = 0.101;
    let off = mean_norm_ratio(&weights, &grads, 2);
    let mut scaled = grads;
    let on = Ags { lambda: 0.04 }.apply(&weights, &mut scaled, 2);
    assert!((off - expected).abs() < 1e-8, "{off}");
    assert_eq!(on, off);
    let after = mean_norm_ratio(&weights, &scaled, 2);
    assert!((after - 0.12).abs() < 1e-7, "{after}");
}

#[test]
fn norms_of_long_filters_are_those_of_a_plain_sum() {
    let mut rng = stream(3, 0);
    for fan_in in [1, 7, 8, 9, 144, 1153] {
        let weights: Vec<f32> = (0..fan_in).map(|_| rng.random::<f32>() - 0.5).collect();
        let grads: Vec<f32> = (0..fan_in).map(|_| rng.random::<f32>() - 0.5).collect();
        let plain = |v: &[f32]| v.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let expected = plain(&grads).max(GRAD_NORM_MIN) / plain(&weights).max(WEIGHT_NORM_MIN);
        let actual = mean_norm_ratio(&weights, &grads, fan_in);
        assert!((actual / expected - 1.0).abs() < 1e-12, "{fan_in}: {actual} {expected}");
    }
}

#[test]
fn sad_decays_every_weight_from_the_first_step() {
    let mut grads = [0.5, 0.5];
    let weights = [0.2, -0.1];
    let silent = Sad::default().apply(&weights, &mut grads, layer(2), &mut fresh(&weights));
    check(&grads, &[0.5 + 9e-4 * 0.2, 0.5 - 9e-4 * 0.1]);
    assert_eq!(silent, 1.0);
}

#[test]
fn sad_sees_a_flip_one_iteration_later() {
    let mut state = fresh(&[0.2]);
    // The optimizer step after this call flips the weight.
    assert!(decays(&mut state, 0.2));
    assert!(!decays(&mut state, -0.1), "the flip is visible now");
}

#[test]
fn one_flip_keeps_a_weight_from_decay_for_2302_iterations() {
    let mut state = fresh(&[0.2]);
    let spared = (0..3000).take_while(|_| !decays(&mut state, -0.1)).count();
    assert_eq!(spared, 2302);
}

#[test]
fn average_of_one_falls_silent_after_9206_iterations() {
    let sad = Sad { track_ones: true, ..Sad::default() };
    let mut state = sad.state(&[0.2], layer(1));
    let spared = (0..10_000).take_while(|_| !decays(&mut state, 0.2)).count();
    assert_eq!(spared + 1, 9206);
}

#[test]
fn centred_weights_flip_with_their_bits_or_with_their_latent_signs() {
    // The filter's mean moves from 0.2 to -0.2 while the middle weight stays: its bit flips, its
    // latent sign does not. The other two change their latent signs and keep their bits.
    let (before, after) = ([0.5, 0.1, 0.0], [0.0, 0.1, -0.7]);
    let layer = BinaryLayer { fan_in: 3, centering: Centering::FilterMean };
    let flipped = |sign| {
        let sad = Sad { sign, ..Sad::default() };
        let mut state = sad.state(&before, layer);
        let mut grads = [0.0; 3];
        let silent = sad.apply(&after, &mut grads, layer, &mut state);
        let flipped: Vec<bool> = state.flips.iter().map(|&f| f > 0.0).collect();
        assert_eq!(silent, flipped.iter().filter(|f| !**f).count() as f64 / 3.0);
        flipped
    };
    assert_eq!(flipped(SadSign::Effective), [false, true, false]);
    assert_eq!(flipped(SadSign::Latent), [false, false, true]);
}

#[test]
fn hooks_are_off_by_default_and_separately_switchable() {
    let weights = [0.3, -0.4];
    let with = |hooks: Hooks| {
        let mut grads = [0.001, 0.0];
        let report = hooks.apply(&weights, &mut grads, layer(2), Some(&mut fresh(&weights)));
        assert!((report.norm_ratio - 0.002).abs() < 1e-9, "{report:?}");
        assert_eq!(report.silent, hooks.sad.map(|_| 1.0));
        grads
    };
    check(&with(Hooks::default()), &[0.001, 0.0]);
    check(&with(Hooks { ags: Some(Ags { lambda: 0.04 }), sad: None }), &[0.02, 0.0]);
    let sad = Some(Sad::default());
    check(&with(Hooks { ags: None, sad }), &[0.001 + 9e-4 * 0.3, -9e-4 * 0.4]);
}

fn one_array(values: &[f32]) -> Arrays {
    let mut params = Arrays::default();
    params.push("w", &[1, values.len()], values.to_vec());
    params
}

#[test]
fn step_applies_ags_then_sad_then_weight_decay_then_momentum() {
    let mut params = one_array(&[0.3, -0.4]);
    let mut sgd = Optimizer::new(OptimizerSettings::SGD, vec![5e-4], &params);
    let hooks = Hooks { ags: Some(Ags { lambda: 0.04 }), sad: Some(Sad::default()) };
    let mut state = fresh(&[0.3, -0.4]);
    let step = |params: &mut Arrays, sgd: &mut Optimizer, state: &mut SadState, g: [f32; 2]| {
        let mut grads = vec![g.to_vec()];
        hooks.apply(&params.list[0].values, &mut grads[0], layer(2), Some(state));
        sgd.step(params, &grads, 0.1);
    };
    let velocity_of = |sgd: &Optimizer| sgd.state()[0].1.list[0].values.clone();

    step(&mut params, &mut sgd, &mut state, [0.001, 0.0]);
    // AGS: (0.02, 0). SAD adds 9e-4·w and decay 5e-4·w; the first velocity is the gradient.
    let velocity = [0.02 + 1.4e-3 * 0.3, -1.4e-3 * 0.4];
    check(&velocity_of(&sgd), &velocity);
    let w1 = [0.3 - 0.1 * velocity[0], -0.4 - 0.1 * velocity[1]];
    check(&params.list[0].values, &w1);

    step(&mut params, &mut sgd, &mut state, [1.0, 2.0]);
    // The gradient is large, so AGS leaves it.
    let expected = [0, 1].map(|i| 0.9 * velocity[i] + [1.0, 2.0][i] + 1.4e-3 * w1[i]);
    check(&velocity_of(&sgd), &expected);
}

/// The weight after each of three steps with gradients 1, -2 and 0.5.
fn three_steps(settings: OptimizerSettings, decay: f64, lr: f64) -> Vec<f32> {
    let mut params = one_array(&[1.0]);
    let mut optimizer = Optimizer::new(settings, vec![decay], &params);
    let step = |g: f32| {
        optimizer.step(&mut params, &[vec![g]], lr);
        params.list[0].values[0]
    };
    [1.0, -2.0, 0.5].map(step).to_vec()
}

#[test]
fn nesterov_looks_ahead_by_one_velocity() {
    // By hand, momentum 0.5, lr 0.1, decay 0: v = 1, -1.5, -0.25; steps 1.5, -2.75, 0.375.
    let settings = OptimizerSettings::Sgd { momentum: 0.5, nesterov: true };
    check(&three_steps(settings, 0.0, 0.1), &[0.85, 1.125, 1.0875]);
    let settings = OptimizerSettings::Sgd { momentum: 0.5, nesterov: false };
    check(&three_steps(settings, 0.0, 0.1), &[0.9, 1.05, 1.075]);
}

#[test]
fn adam_is_that_of_an_f64_transcription_of_its_formulas() {
    let (lr, decay) = (1e-3, 0.1);
    let mut expected = Vec::new();
    let (mut w, mut m, mut v) = (1.0f64, 0.0f64, 0.0f64);
    for (t, g) in [(1, 1.0), (2, -2.0), (3, 0.5)] {
        let d = g + decay * w;
        m = 0.9 * m + 0.1 * d;
        v = 0.999 * v + 0.001 * d * d;
        let (m_hat, v_hat) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.999f64.powi(t)));
        w -= lr * m_hat / (v_hat.sqrt() + 1e-8);
        expected.push(w as f32);
    }
    // The first step of Adam is lr in the direction of the gradient, whatever its size.
    assert!((expected[0] - 0.999).abs() < 1e-6);
    check(&three_steps(OptimizerSettings::ADAM, decay, lr), &expected);
}

#[test]
fn each_parameter_decays_by_its_own_factor() {
    let mut params = one_array(&[1.0]);
    params.push("b", &[1], vec![1.0]);
    for settings in [OptimizerSettings::SGD, OptimizerSettings::ADAM] {
        let mut params = params.clone();
        let mut optimizer = Optimizer::new(settings, vec![0.5, 0.0], &params);
        optimizer.step(&mut params, &[vec![0.0], vec![0.0]], 0.1);
        assert!(params.list[0].values[0] < 1.0, "{settings:?}");
        assert_eq!(params.list[1].values[0], 1.0, "{settings:?}");
    }
}

#[test]
fn optimizer_restored_from_its_arrays_continues_bit_for_bit() {
    let nesterov = OptimizerSettings::Sgd { momentum: 0.9, nesterov: true };
    for settings in [OptimizerSettings::SGD, nesterov, OptimizerSettings::ADAM] {
        let mut params = one_array(&[0.3, -0.4, 0.7]);
        let mut optimizer = Optimizer::new(settings, vec![5e-4], &params);
        let gradient = |i: usize| vec![vec![0.1 * i as f32, -0.3, 0.7 / (i + 1) as f32]];
        for i in 0..5 {
            optimizer.step(&mut params, &gradient(i), 0.01);
        }
        let mut other = Optimizer::new(settings, vec![5e-4], &params);
        for ((name, to), (saved, from)) in other.state_mut().into_iter().zip(optimizer.state()) {
            assert_eq!(name, saved);
            *to = from.clone();
        }
        let mut copy = params.clone();
        for i in 5..9 {
            optimizer.step(&mut params, &gradient(i), 0.01);
            other.step(&mut copy, &gradient(i), 0.01);
        }
        assert!(optimizer == other && params == copy, "{settings:?}");
    }
}

#[test]
fn prefixes_of_the_state_are_distinct() {
    let params = one_array(&[1.0]);
    let adam = Optimizer::new(OptimizerSettings::ADAM, vec![0.0], &params);
    let names: Vec<String> = adam
        .state()
        .into_iter()
        .flat_map(|(prefix, arrays)| arrays.list.iter().map(move |a| format!("{prefix}{}", a.name)))
        .collect();
    assert_eq!(names, ["adam.first.w", "adam.second.w", "adam.steps"]);
}
