//! The window of Bi-Real, and of the straight-through estimator before it.

use heartbit_ir::grid::Centering;

use crate::ops::binarize_weight::WeightBinarizer;

/// The clipped straight-through gradient.
///
/// Forward: `b = sign(w)`. Backward: `∂L/∂w = ∂L/∂b` where `|w| <= 1`, else 0: the derivative of
/// `clamp(w, -1, 1)`, whose bounds are inclusive as in PyTorch.
///
/// Source: Liu et al., "Bi-Real Net", ECCV 2018; the estimator is that of Courbariaux et al.,
/// "Binarized Neural Networks", 2016, equation 4.
#[derive(Clone, Copy, Debug)]
pub struct Clip;

impl WeightBinarizer for Clip {
    fn centering(&self) -> Centering {
        Centering::None
    }

    fn backward(&self, latent: &[f32], _fan_in: usize, grad: &[f32]) -> Vec<f32> {
        latent.iter().zip(grad).map(|(w, &g)| if w.abs() <= 1.0 { g } else { 0.0 }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds_belong_to_the_window() {
        let latent = [-1.0, 1.0, 1.0 + f32::EPSILON, -1.5, 0.0];
        let grad = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(Clip.backward(&latent, 5, &grad), [1.0, 2.0, 0.0, 0.0, 5.0]);
        assert_eq!(Clip.forward(&latent, 5), [-1.0, 1.0, 1.0, -1.0, 1.0]);
    }

    proptest! {
        #[test]
        fn gradient_is_the_derivative_of_the_clamp(w in -3.0f32..3.0, g in -2.0f32..2.0) {
            // The central difference is exact where both ends are on one piece.
            let step = 1e-3;
            prop_assume!((w.abs() - 1.0).abs() > step);
            let at = |w: f64| w.clamp(-1.0, 1.0);
            let (w64, step) = (f64::from(w), f64::from(step));
            let slope = (at(w64 + step) - at(w64 - step)) / (2.0 * step);
            let actual = Clip.backward(&[w], 1, &[g])[0];
            prop_assert!((f64::from(actual) - f64::from(g) * slope).abs() < 1e-9);
        }
    }
}
