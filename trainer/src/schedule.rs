//! What changes from epoch to epoch: the learning rate and ReCU's tau.

use std::f64::consts::{E, PI};

use serde::{Deserialize, Serialize};

/// Shape of the learning rate over the epochs, after a linear warm-up.
///
/// With a warm-up of `W` epochs, the shapes of ReCU's code count from the *last* warm-up epoch,
/// `S = W - 1`, whose learning rate is already the largest; OvSW's counts from the first epoch
/// after it, `S = W`. Without a warm-up `S = 0`. `E` is the number of epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LrShape {
    /// ReCU's: `base/2 · (1 + cos(π(e - S)/(E - S)))`, which ends at 0.
    RecuCosine,
    /// OvSW's: the same with its own `S`, plus 1e-5.
    OvswCosine,
    /// `base · gamma^n`, where `n` milestones are at most `e - S`.
    ///
    /// As in ReCU's code, a milestone counts from `S`, not from epoch 0: with 5 epochs of warm-up,
    /// milestone 100 takes effect in epoch 104.
    Step {
        /// Epochs after `S` from which the factor applies once more.
        milestones: Vec<usize>,
        /// The factor.
        gamma: f64,
    },
    /// `base · (1 - (e - S)/(E - S))`.
    ///
    /// ReCU's code divides by `E - 4` but counts `e - 4` twice after a warm-up, so its rate starts
    /// above `base` and ends at 2 % of it; this is the line that was meant.
    Linear,
    /// `base`.
    Constant,
}

impl LrShape {
    /// Factor of ReCU's `step`.
    pub const GAMMA: f64 = 0.1;

    /// All names.
    pub const NAMES: [&'static str; 5] =
        ["recu-cosine", "ovsw-cosine", "step", "linear", "constant"];

    /// Returns the shape of a name; `step` has its published factor and no milestones yet.
    pub fn from_name(name: &str) -> Option<Self> {
        let step = Self::Step { milestones: Vec::new(), gamma: Self::GAMMA };
        let all = [Self::RecuCosine, Self::OvswCosine, step, Self::Linear, Self::Constant];
        all.into_iter().find(|shape| shape.name() == name)
    }

    /// Returns the name on the command line and in files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RecuCosine => "recu-cosine",
            Self::OvswCosine => "ovsw-cosine",
            Self::Step { .. } => "step",
            Self::Linear => "linear",
            Self::Constant => "constant",
        }
    }
}

/// Floor of OvSW's schedule.
const OVSW_FLOOR: f64 = 1e-5;

/// Learning rate of each epoch.
#[derive(Clone, Debug, PartialEq)]
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
    /// Returns the learning rate of epoch `epoch`, from 0: `base·(e + 1)/W` in the warm-up, then
    /// the shape's.
    pub fn at(&self, epoch: usize) -> f64 {
        if epoch < self.warmup {
            return self.base * (epoch as f64 + 1.0) / self.warmup as f64;
        }
        let start = match self.shape {
            LrShape::OvswCosine => self.warmup,
            _ => self.warmup.saturating_sub(1),
        };
        let step = epoch - start;
        let done = step as f64 / self.epochs.saturating_sub(start).max(1) as f64;
        let cosine = self.base / 2.0 * (1.0 + (PI * done).cos());
        match &self.shape {
            LrShape::RecuCosine => cosine,
            LrShape::OvswCosine => cosine + OVSW_FLOOR,
            LrShape::Step { milestones, gamma } => {
                milestones.iter().filter(|&&m| m <= step).fold(self.base, |lr, _| lr * gamma)
            }
            LrShape::Linear => self.base * (1.0 - done),
            LrShape::Constant => self.base,
        }
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
        let lr = LrSchedule { shape: LrShape::RecuCosine, base: 0.1, warmup: 5, epochs: 600 };
        check(lr.at(0), 0.02, 1e-15);
        check(lr.at(4), 0.1, 1e-15);
        check(lr.at(5), 0.099_999_3, 5e-8);
        check(lr.at(302), 0.05, 1e-12);
        check(lr.at(599), 6.95e-7, 5e-10);
    }

    #[test]
    fn ovsw_learning_rate_has_the_values_of_the_specification() {
        let lr = |epochs| LrSchedule { shape: LrShape::OvswCosine, base: 0.1, warmup: 5, epochs };
        check(lr(600).at(5), 0.100_01, 1e-12);
        check(lr(600).at(302), 0.050_142, 5e-7);
        check(lr(600).at(599), 1.0697e-5, 5e-10);
        check(lr(120).at(60), 0.053_422, 5e-7);
        check(lr(120).at(119), 2.8656e-5, 5e-10);
    }

    #[test]
    fn schedule_without_warmup_starts_at_the_base() {
        let lr = LrSchedule { shape: LrShape::RecuCosine, base: 0.1, warmup: 0, epochs: 10 };
        check(lr.at(0), 0.1, 0.0);
        check(lr.at(5), 0.05, 1e-15);
    }

    fn schedule(shape: LrShape, warmup: usize, epochs: usize) -> LrSchedule {
        LrSchedule { shape, base: 0.1, warmup, epochs }
    }

    #[test]
    fn steps_count_from_the_last_epoch_of_the_warm_up() {
        let shape = || LrShape::Step { milestones: vec![100, 150], gamma: LrShape::GAMMA };
        for (warmup, first, second) in [(0, 100, 150), (1, 100, 150), (5, 104, 154)] {
            let lr = schedule(shape(), warmup, 200);
            check(lr.at(first - 1), 0.1, 0.0);
            check(lr.at(first), 0.01, 1e-15);
            check(lr.at(second - 1), 0.01, 1e-15);
            check(lr.at(199), 0.001, 1e-15);
        }
    }

    #[test]
    fn line_starts_at_the_base_and_would_reach_zero_after_the_last_epoch() {
        let lr = schedule(LrShape::Linear, 5, 204);
        check(lr.at(4), 0.1, 0.0);
        check(lr.at(104), 0.05, 1e-15);
        check(lr.at(203), 0.1 / 200.0, 1e-15);
        check(schedule(LrShape::Linear, 0, 10).at(9), 0.01, 1e-15);
    }

    #[test]
    fn constant_rate_is_constant_after_its_warm_up() {
        let lr = schedule(LrShape::Constant, 2, 50);
        check(lr.at(0), 0.05, 0.0);
        for epoch in 1..50 {
            check(lr.at(epoch), 0.1, 0.0);
        }
    }

    #[test]
    fn every_shape_is_defined_in_every_epoch_of_every_short_run() {
        let step = LrShape::Step { milestones: vec![1], gamma: 0.1 };
        let (recu, ovsw) = (LrShape::RecuCosine, LrShape::OvswCosine);
        for shape in [recu, ovsw, step, LrShape::Linear, LrShape::Constant] {
            for epochs in 1..8 {
                for warmup in 0..=epochs {
                    let lr = schedule(shape.clone(), warmup, epochs);
                    for epoch in 0..epochs {
                        let rate = lr.at(epoch);
                        assert!(rate > 0.0 && rate <= 0.1 + 1e-5, "{lr:?} {epoch}: {rate}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for name in LrShape::NAMES {
            assert_eq!(LrShape::from_name(name).map(|shape| shape.name()), Some(name));
        }
        assert_eq!(LrShape::from_name("cosine"), None);
    }

    #[test]
    fn shape_in_a_file_has_the_name_of_the_command_line() {
        let step = LrShape::Step { milestones: vec![3], gamma: 0.5 };
        for shape in [LrShape::RecuCosine, LrShape::OvswCosine, step, LrShape::Linear] {
            let json = serde_json::to_value(&shape).expect("plain data");
            assert_eq!(json["shape"], shape.name());
            assert_eq!(serde_json::from_value::<LrShape>(json).expect("a shape"), shape);
        }
    }
}
