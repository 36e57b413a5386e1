//! Initial values of parameters.
//!
//! What the publications draw is in [`crate::presets`]; here is what each name means.

use std::fmt;

use heartbit_model::graph::{Parameter, Role};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Distribution of the weights of a convolution with `n = cin·k²` products for one output and
/// `m = cout·k²`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightInit {
    /// `N(0, √(2/n))`.
    KaimingNormal,
    /// `U(±√(6/n))`.
    KaimingUniform,
    /// `N(0, √(2/(n + m)))`.
    XavierNormal,
    /// `±√(2/n)`, each sign with probability one half.
    SignedConstant,
    /// `√(2/n)`.
    UnsignedConstant,
    /// `±√(2/(n + m))`, each sign with probability one half.
    XavierConstant,
    /// `U(±1/√n)`: PyTorch's default.
    Standard,
    /// `N(0, √(2/m))`: VGG-small's.
    FanOutNormal,
}

impl WeightInit {
    /// All distributions.
    pub const ALL: [Self; 8] = [
        Self::KaimingNormal,
        Self::KaimingUniform,
        Self::XavierNormal,
        Self::SignedConstant,
        Self::UnsignedConstant,
        Self::XavierConstant,
        Self::Standard,
        Self::FanOutNormal,
    ];

    /// Returns the name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::KaimingNormal => "kaiming-normal",
            Self::KaimingUniform => "kaiming-uniform",
            Self::XavierNormal => "xavier-normal",
            Self::SignedConstant => "signed-constant",
            Self::UnsignedConstant => "unsigned-constant",
            Self::XavierConstant => "xavier-constant",
            Self::Standard => "standard",
            Self::FanOutNormal => "fan-out-normal",
        }
    }

    /// Returns the distribution of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|init| init.name() == name)
    }

    /// Draws one weight.
    fn draw(self, [n, m]: [f64; 2], rng: &mut impl Rng) -> f64 {
        match self {
            Self::KaimingNormal => normal(rng) * (2.0 / n).sqrt(),
            Self::KaimingUniform => uniform(rng) * (6.0 / n).sqrt(),
            Self::XavierNormal => normal(rng) * (2.0 / (n + m)).sqrt(),
            Self::SignedConstant => sign(rng) * (2.0 / n).sqrt(),
            Self::UnsignedConstant => (2.0 / n).sqrt(),
            Self::XavierConstant => sign(rng) * (2.0 / (n + m)).sqrt(),
            Self::Standard => uniform(rng) / n.sqrt(),
            Self::FanOutNormal => normal(rng) * (2.0 / m).sqrt(),
        }
    }
}

impl fmt::Display for WeightInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a network's parameters are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Init {
    /// Latent weights of binary convolutions.
    pub binary: WeightInit,
    /// Factor on the latent weights: OvSW's ablation of the initial scale.
    pub binary_scale: f64,
    /// Weights of the stem and of other real convolutions.
    pub real: WeightInit,
    /// Scale of every batch normalisation of maps; that of the pooled vector is 1.
    pub norm_scale: f64,
    /// Classifier from `N(0, 0.01)` with bias 0, as VGG-small's; otherwise weights and bias are
    /// `U(±1/√n)`.
    pub classifier_normal: bool,
}

/// Standard deviation of VGG-small's classifier.
const CLASSIFIER_STD: f64 = 0.01;
/// Initial slope of a `PReLU`.
const SLOPE: f32 = 0.25;

impl Init {
    /// Draws the values of each parameter, in order.
    ///
    /// # Panics
    /// If a weight has fewer than two dimensions, or a classifier's bias no weight: a bug.
    pub fn draw(&self, parameters: &[Parameter], rng: &mut impl Rng) -> Vec<Vec<f32>> {
        let classifier = parameters.iter().find(|p| p.role == Role::ClassifierWeight);
        let features = classifier.map_or(1.0, |p| fans(&p.shape)[0]);
        parameters.iter().map(|p| self.draw_one(p, features, rng)).collect()
    }

    fn draw_one(&self, p: &Parameter, features: f64, rng: &mut impl Rng) -> Vec<f32> {
        let draw = |init: WeightInit, scale: f64, rng: &mut _| {
            let fans = fans(&p.shape);
            (0..p.len()).map(|_| (scale * init.draw(fans, rng)) as f32).collect()
        };
        let constant = |value: f32| vec![value; p.len()];
        match p.role {
            Role::BinaryWeight => draw(self.binary, self.binary_scale, rng),
            Role::StemWeight | Role::RealWeight => draw(self.real, 1.0, rng),
            Role::Alpha => (0..p.len()).map(|_| rng.random::<f32>()).collect(),
            Role::NormScale => constant(self.norm_scale as f32),
            Role::HeadNormScale => constant(1.0),
            Role::NormOffset | Role::HeadNormOffset | Role::Bias => constant(0.0),
            Role::Slope => constant(SLOPE),
            Role::ClassifierWeight if self.classifier_normal => {
                (0..p.len()).map(|_| (normal(rng) * CLASSIFIER_STD) as f32).collect()
            }
            Role::ClassifierWeight => draw(WeightInit::Standard, 1.0, rng),
            Role::ClassifierBias if self.classifier_normal => constant(0.0),
            Role::ClassifierBias => {
                (0..p.len()).map(|_| (uniform(rng) / features.sqrt()) as f32).collect()
            }
        }
    }
}

/// Fan-in and fan-out of a weight `[out, in, …]`.
fn fans(shape: &[usize]) -> [f64; 2] {
    let [out, input, ..] = shape else { panic!("bug: a weight has two dimensions") };
    let taps: usize = shape[2..].iter().product();
    [(input * taps) as f64, (out * taps) as f64]
}

/// Draws from `N(0, 1)` by the Box-Muller transform.
pub(crate) fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// Draws from `U[-1, 1)`.
fn uniform(rng: &mut impl Rng) -> f64 {
    2.0 * rng.random::<f64>() - 1.0
}

fn sign(rng: &mut impl Rng) -> f64 {
    if rng.random() { 1.0 } else { -1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;
    use heartbit_model::{Arch, Method};

    fn init() -> Init {
        Init {
            binary: WeightInit::KaimingNormal,
            binary_scale: 1.0,
            real: WeightInit::Standard,
            norm_scale: 1e-8,
            classifier_normal: false,
        }
    }

    /// Root mean square and largest magnitude.
    fn moments(values: &[f32]) -> (f64, f64) {
        let squares: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
        let largest = values.iter().map(|v| v.abs()).fold(0.0, f32::max);
        ((squares / values.len() as f64).sqrt(), f64::from(largest))
    }

    #[test]
    fn each_distribution_has_its_deviation_and_its_bound() {
        // 64 filters of 576 weights: the standard error of a deviation is 0.4 %.
        let shape = vec![64, 64, 3, 3];
        let p = Parameter { key: "w".into(), shape, role: Role::BinaryWeight };
        let (n, m) = (576f64, 576f64);
        for init in WeightInit::ALL {
            let values = Init { binary: init, ..self::init() }
                .draw(std::slice::from_ref(&p), &mut stream(4, 0))
                .remove(0);
            let (rms, largest) = moments(&values);
            let (std, bound) = match init {
                WeightInit::KaimingNormal | WeightInit::FanOutNormal => ((2.0 / n).sqrt(), 1.0),
                WeightInit::KaimingUniform => ((2.0 / n).sqrt(), (6.0 / n).sqrt()),
                WeightInit::XavierNormal => ((2.0 / (n + m)).sqrt(), 1.0),
                WeightInit::SignedConstant | WeightInit::UnsignedConstant => {
                    ((2.0 / n).sqrt(), (2.0 / n).sqrt())
                }
                WeightInit::XavierConstant => ((2.0 / (n + m)).sqrt(), (2.0 / (n + m)).sqrt()),
                WeightInit::Standard => ((1.0 / (3.0 * n)).sqrt(), (1.0 / n).sqrt()),
            };
            assert!((rms / std - 1.0).abs() < 0.02, "{init}: {rms} is not {std}");
            assert!(largest <= bound * (1.0 + 1e-6), "{init}: {largest} is beyond {bound}");
            let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
            if init == WeightInit::UnsignedConstant {
                assert!(values.iter().all(|&v| v > 0.0));
            } else {
                assert!(mean.abs() < 0.03 * std, "{init}: mean {mean}");
            }
            assert_eq!(WeightInit::from_name(init.name()), Some(init));
        }
    }

    #[test]
    fn fan_out_counts_the_filters_and_fan_in_the_channels() {
        assert_eq!(fans(&[128, 3, 3, 3]), [27.0, 1152.0]);
        assert_eq!(fans(&[10, 64]), [64.0, 10.0]);
    }

    #[test]
    fn every_role_has_the_value_of_its_table() {
        let parameters = Arch::ReActNet18.graph().parameters(Method::Recu);
        let values = init().draw(&parameters, &mut stream(1, 0));
        for (p, values) in parameters.iter().zip(&values) {
            assert_eq!(values.len(), p.len());
            let all = |v: f32| values.iter().all(|&x| x == v);
            let within = |range: std::ops::RangeInclusive<f32>| {
                values.iter().all(|x| range.contains(x)) && !all(values[0])
            };
            let right = match p.role {
                Role::BinaryWeight | Role::StemWeight | Role::RealWeight => within(-1.0..=1.0),
                Role::Alpha => within(0.0..=1.0),
                Role::NormScale => all(1e-8),
                Role::HeadNormScale => all(1.0),
                Role::NormOffset | Role::HeadNormOffset | Role::Bias => all(0.0),
                Role::Slope => all(0.25),
                Role::ClassifierWeight | Role::ClassifierBias => {
                    let bound = 1.0 / 512f32.sqrt();
                    within(-bound..=bound)
                }
            };
            assert!(right, "{}", p.key);
        }
    }

    #[test]
    fn scale_of_the_ablation_scales_binary_weights_only() {
        let parameters = Arch::ResNet20.graph().parameters(Method::Vanilla);
        let draw =
            |binary_scale| Init { binary_scale, ..init() }.draw(&parameters, &mut stream(1, 0));
        for ((p, plain), scaled) in parameters.iter().zip(draw(1.0)).zip(draw(16.0)) {
            let factor = if p.role == Role::BinaryWeight { 16.0 } else { 1.0 };
            let expected: Vec<f32> = plain.iter().map(|v| v * factor).collect();
            assert_eq!(scaled, expected, "{}", p.key);
        }
    }
}
