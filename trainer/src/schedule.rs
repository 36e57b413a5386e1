//! What changes from epoch to epoch: the learning rate and ReCU's tau.

use std::f64::consts::{E, PI};

use serde::{Deserialize, Serialize};

/// Shape of the learning rate over the epochs, after a linear warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrShape {
    /// ReCU's: the cosine begins in the last epoch of the warm-up and ends at 0.
    Recu,
    /// OvSW's: the cosine begins after the warm-up and stays 1e-5 above 0.
    Ovsw,
}

/// Floor of OvSW's schedule.
const OVSW_FLOOR: f64 = 1e-5;

/// Learning rate of each epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrSchedule {
    /// Shape after the warm-up.
    pub shape: LrShape,
    /// Largest learning rate.
    pub base: f64,
    /// Epochs of linear warm-up; 0 is none.
    pub warmup: usize,
    /// All epochs.
    pub epochs: usize,
}

impl LrSchedule {
    /// Returns the learning rate of epoch `epoch`, from 0.
    ///
    /// Warm-up of `W` epochs: `base·(e + 1) / W` for `e < W`. Then with `S = W - 1` (ReCU with a
    /// warm-up) or `S = W`: `base/2 · (1 + cos(π(e - S) / (E - S)))`, plus 1e-5 for OvSW.
    pub fn at(&self, epoch: usize) -> f64 {
        let (e, total) = (epoch as f64, self.epochs as f64);
        let warmup = self.warmup as f64;
        if epoch < self.warmup {
            return self.base * (e + 1.0) / warmup;
        }
        let (start, floor) = match self.shape {
            LrShape::Recu => ((warmup - 1.0).max(0.0), 0.0),
            LrShape::Ovsw => (warmup, OVSW_FLOOR),
        };
        let span = (total - start).max(1.0);
        self.base / 2.0 * (1.0 + (PI * (e - start) / span).cos()) + floor
    }
}

/// ReCU's tau over the epochs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TauSchedule {
    /// Tau of the first epoch.
    pub min: f64,
    /// What tau grows towards.
    pub max: f64,
}

impl Default for TauSchedule {
    fn default() -> Self {
        Self { min: 0.85, max: 0.99 }
    }
}

impl TauSchedule {
    /// Returns tau of epoch `epoch` of `epochs`: `A·exp(e/E) + B`, `A = (max - min)/(exp(1) - 1)`.
    pub fn at(&self, epoch: usize, epochs: usize) -> f64 {
        let a = (self.max - self.min) / (E - 1.0);
        a * (epoch as f64 / epochs as f64).exp() + (self.min - a)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(actual: f64, expected: f64, tolerance: f64) {
        assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected}");
    }

    #[test]
    fn tau_has_the_values_of_the_specification() {
        let tau = TauSchedule::default();
        // Given with six decimals.
        for (epoch, epochs, expected) in [
            (0, 120, 0.85),
            (1, 120, 0.850_682),
            (60, 120, 0.902_856),
            (119, 120, 0.988_162),
            (199, 200, 0.988_895),
            (599, 600, 0.989_631),
        ] {
            check(tau.at(epoch, epochs), expected, 5e-7);
        }
    }

    #[test]
    fn recu_learning_rate_has_the_values_of_the_specification() {
        let lr = LrSchedule { shape: LrShape::Recu, base: 0.1, warmup: 5, epochs: 600 };
        check(lr.at(0), 0.02, 1e-15);
        check(lr.at(4), 0.1, 1e-15);
        check(lr.at(5), 0.099_999_3, 5e-8);
        check(lr.at(302), 0.05, 1e-12);
        check(lr.at(599), 6.95e-7, 5e-10);
    }

    #[test]
    fn ovsw_learning_rate_has_the_values_of_the_specification() {
        let lr = |epochs| LrSchedule { shape: LrShape::Ovsw, base: 0.1, warmup: 5, epochs };
        check(lr(600).at(5), 0.100_01, 1e-12);
        check(lr(600).at(302), 0.050_142, 5e-7);
        check(lr(600).at(599), 1.0697e-5, 5e-10);
        check(lr(120).at(60), 0.053_422, 5e-7);
        check(lr(120).at(119), 2.8656e-5, 5e-10);
    }

    #[test]
    fn schedule_without_warmup_starts_at_the_base() {
        let lr = LrSchedule { shape: LrShape::Recu, base: 0.1, warmup: 0, epochs: 10 };
        check(lr.at(0), 0.1, 0.0);
        check(lr.at(5), 0.05, 1e-15);
    }
}
