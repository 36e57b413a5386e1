//! The error decay estimator of IR-Net: a gradient that narrows over the run.

use heartbit_ir::grid::Centering;

use crate::ops::binarize_weight::WeightBinarizer;

/// IR-Net's weight gradient.
///
/// Forward: `b = sign(w)`. Backward: `∂L/∂w = ∂L/∂b · k·t·(1 - tanh²(t·w))`, the derivative of
/// `k·tanh(t·w)`, with `t = 10^(-3 + 4·e/E)` and `k = max(1/t, 1)` in epoch `e` of `E`.
/// It begins as the identity (`k·t = 1` until `t = 1`) and ends as a narrow, high peak at 0.
///
/// Source: Qin et al., "Forward and Backward Information Retention for Accurate Binary Neural
/// Networks", CVPR 2020. The publication takes it of centred, standardised weights; here it is
/// taken of the latent weights themselves, whose signs are the bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ede {
    /// Height `k`.
    pub k: f64,
    /// Steepness `t`.
    pub t: f64,
}

/// Decimal logarithm of the first steepness.
const FIRST: f64 = -3.0;
/// Decades that the steepness grows over a run.
const DECADES: f64 = 4.0;

impl Ede {
    /// Returns the estimator of epoch `epoch`, from 0, of `epochs`.
    pub fn at(epoch: usize, epochs: usize) -> Self {
        let t = 10f64.powf(FIRST + DECADES * epoch as f64 / epochs as f64);
        Self { k: (1.0 / t).max(1.0), t }
    }

    fn slope(self, w: f64) -> f64 {
        self.k * self.t * (1.0 - (self.t * w).tanh().powi(2))
    }
}

impl WeightBinarizer for Ede {
    fn centering(&self) -> Centering {
        Centering::None
    }

    fn backward(&self, latent: &[f32], _fan_in: usize, grad: &[f32]) -> Vec<f32> {
        let each = latent.iter().zip(grad);
        each.map(|(&w, &g)| (f64::from(g) * self.slope(f64::from(w))) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= 1e-9 * expected, "{actual} is not {expected}");
    }

    #[test]
    fn schedule_runs_over_four_decades() {
        for (epoch, t, k) in [(0, 1e-3, 1e3), (300, 0.1, 10.0), (450, 1.0, 1.0), (600, 10.0, 1.0)] {
            let ede = Ede::at(epoch, 600);
            check(ede.t, t);
            check(ede.k, k);
        }
    }

    #[test]
    fn central_values_are_one_at_first_and_ten_at_last() {
        // At w = 0 the slope is k·t; at t·w = 1 it is that times 1 - tanh²(1) = 0.419974.
        check(Ede::at(0, 600).slope(0.0), 1.0);
        check(Ede::at(600, 600).slope(0.0), 10.0);
        check(Ede { k: 1.0, t: 10.0 }.slope(0.1), 4.199_743_416_140_26);
        assert_eq!(Ede::at(0, 600).backward(&[0.0, 0.1], 2, &[2.0, 2.0]), [2.0, 2.0]);
    }

    proptest! {
        #[test]
        fn gradient_is_the_derivative_of_k_tanh(
            epoch in 0usize..100, w in -3.0f32..3.0, g in -2.0f32..2.0,
        ) {
            let ede = Ede::at(epoch, 100);
            let at = |w: f64| ede.k * (ede.t * w).tanh();
            let (w64, step) = (f64::from(w), 1e-5);
            let slope = (at(w64 + step) - at(w64 - step)) / (2.0 * step);
            let actual = f64::from(ede.backward(&[w], 1, &[g])[0]);
            // Differences in f64 are good to t³·step², and the result is rounded to f32.
            prop_assert!((actual - f64::from(g) * slope).abs() < 2e-6, "{actual} {slope}");
        }
    }
}
