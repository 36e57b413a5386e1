//! Gradients of the weight binarizers against central differences of what they differentiate.

use rand::Rng;

use super::*;
use crate::rng::stream;

/// `Σ grad · clamp(w1, -Q, Q)` with the standardised weights `w1` and a given constant `Q`.
fn clamped_dot(latent: &[f64], fan_in: usize, bound: f64, grad: &[f32]) -> f64 {
    let n = fan_in as f64;
    latent
        .chunks(fan_in)
        .zip(grad.chunks(fan_in))
        .map(|(filter, grad)| {
            let mean = filter.iter().sum::<f64>() / n;
            let var = filter.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let std = (var + 1e-5).sqrt();
            let terms = filter.iter().zip(grad).map(|(w, g)| {
                f64::from(*g) * ((w - mean) * 8f64.sqrt() / std).clamp(-bound, bound)
            });
            terms.sum::<f64>()
        })
        .sum()
}

#[test]
fn recu_gradient_is_the_derivative_of_the_clamped_standardised_weights() {
    let (filters, fan_in) = (3, 27);
    let mut rng = stream(7, 0);
    let latent: Vec<f32> = (0..filters * fan_in).map(|_| rng.random::<f32>() - 0.4).collect();
    let grad: Vec<f32> = (0..filters * fan_in).map(|_| rng.random::<f32>() - 0.5).collect();
    let recu = Recu { tau: 0.85 };
    let bound = recu.bound(&latent, fan_in);
    let actual = recu.backward(&latent, fan_in, &grad);
    let exact: Vec<f64> = latent.iter().map(|&w| f64::from(w)).collect();
    let step = 1e-6;
    for i in 0..latent.len() {
        let at = |d: f64| {
            let mut moved = exact.clone();
            moved[i] += d;
            clamped_dot(&moved, fan_in, bound, &grad)
        };
        let expected = (at(step) - at(-step)) / (2.0 * step);
        // Central differences in f64 are good to 1e-7 here; the result is rounded to f32.
        assert!((f64::from(actual[i]) - expected).abs() < 2e-6, "{i}: {} {expected}", actual[i]);
    }
    let masked = clamp_share(recu, &latent, fan_in);
    assert!((0.05..0.6).contains(&masked), "the mask must be active: {masked}");
}

/// Share of weights beyond the clamp.
fn clamp_share(recu: Recu, latent: &[f32], fan_in: usize) -> f64 {
    let bound = recu.bound(latent, fan_in);
    let filters: Vec<_> = latent.chunks(fan_in).map(Standardised::new).collect();
    let beyond: usize =
        filters.iter().map(|f| (0..fan_in).filter(|&i| f.scaled(i).abs() > bound).count()).sum();
    beyond as f64 / latent.len() as f64
}

#[test]
fn recu_masks_the_gaussian_share_of_the_specification() {
    // Specification 2.2: Q/σ = 0.961 and 33.7 % of a Gaussian at tau 0.85.
    let mut rng = stream(9, 0);
    let latent: Vec<f32> =
        (0..64 * 576).map(|_| (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0).collect();
    let share = clamp_share(Recu { tau: 0.85 }, &latent, 576);
    assert!((share - 0.337).abs() < 0.01, "{share}");
}

#[test]
fn recu_at_tau_one_clamps_nothing() {
    assert_eq!(Recu { tau: 1.0 }.bound(&[0.5, -0.5, 0.25, 1.0], 4), f64::INFINITY);
}

#[test]
fn signs_of_zero_are_plus_one() {
    assert_eq!(Identity.forward(&[0.0, -0.0, 1.0, -1.0], 4), [1.0, 1.0, 1.0, -1.0]);
    assert_eq!(Recu { tau: 0.9 }.forward(&[0.5; 4], 4), [1.0; 4]);
}

#[test]
fn identity_passes_the_gradient() {
    assert_eq!(Identity.backward(&[5.0, -3.0], 2, &[0.25, 0.5]), [0.25, 0.5]);
}
