//! Training methods, as a choice of named parts.
//!
//! | part | vanilla | ReCU | OvSW | ReCU+OvSW |
//! | --- | --- | --- | --- | --- |
//! | bit of a weight | `w >= 0` | `w >= mean` | `w >= 0` | `w >= mean` |
//! | weight gradient | identity | clamp mask, standardisation | identity | as ReCU |
//! | alpha | statistic of the weights | learned | statistic | learned |
//! | activation's deviation | detached | attached | detached | attached |
//! | gradient hooks | none | none | AGS, then SAD | AGS, then SAD |
//! | learning rate | OvSW's cosine | ReCU's cosine | OvSW's cosine | ReCU's cosine |
//! | tau | - | grows each epoch | - | grows each epoch |
//!
//! The weight gradient of the uncentred methods can be exchanged. A further one is a file in
//! [`crate::binarizers`], a variant of [`WeightGradient`] and a row of its table.
//!
//! Not here: which hooks, schedule and values a publication takes ([`crate::presets`]); what a
//! trained network shows of its method ([`heartbit_model::method`]).

use std::fmt;
use std::sync::Arc;

use heartbit_ir::grid::Centering;
use serde::{Deserialize, Serialize};

use crate::binarizers::{Clip, Ede};
use crate::ops::binarize_activation::StdGradient;
use crate::ops::binarize_weight::{Identity, Recu, WeightBinarizer};
use crate::schedule::LrShape;

pub use heartbit_model::{Method, Norm};

/// Where the scale of a filter comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlphaSource {
    /// A parameter, drawn from `U[0, 1)`.
    Learned,
    /// `heartbit_ir::grid::alpha_statistic` of the latent weights, without gradient.
    Statistic,
}

impl AlphaSource {
    /// Returns the source that a method takes.
    pub fn of(method: Method) -> Self {
        if method.learns_alpha() { Self::Learned } else { Self::Statistic }
    }
}

/// Whether the gradient of a method flows through the activations' deviation.
fn std_gradient(method: Method) -> StdGradient {
    match method {
        Method::Recu | Method::RecuOvsw => StdGradient::Attached,
        Method::Vanilla | Method::Ovsw => StdGradient::Detached,
    }
}

/// Returns the learning rate's shape in a method's publication.
pub fn default_lr_shape(method: Method) -> LrShape {
    match method {
        Method::Recu | Method::RecuOvsw => LrShape::RecuCosine,
        Method::Vanilla | Method::Ovsw => LrShape::OvswCosine,
    }
}

/// How a gradient passes through the sign of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightGradient {
    /// The identity everywhere: vanilla and OvSW.
    Identity,
    /// ReCU's clamp mask and standardisation; for centred weights only.
    Recu,
    /// The window `|w| <= 1` of Bi-Real.
    Clip,
    /// The narrowing estimator of IR-Net.
    Ede,
}

/// Where in a run a step is, for gradients that change over it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Epoch, from 0.
    pub epoch: usize,
    /// All epochs.
    pub epochs: usize,
    /// ReCU's tau in this epoch.
    pub tau: f64,
}

/// A row of the table of weight gradients.
struct Row {
    gradient: WeightGradient,
    name: &'static str,
    centering: Centering,
    build: fn(Moment) -> Arc<dyn WeightBinarizer>,
}

/// Every weight gradient, in the order of the variants.
const ROWS: [Row; 4] = [
    Row {
        gradient: WeightGradient::Identity,
        name: "identity",
        centering: Centering::None,
        build: |_| Arc::new(Identity),
    },
    Row {
        gradient: WeightGradient::Recu,
        name: "recu",
        centering: Centering::FilterMean,
        build: |at| Arc::new(Recu { tau: at.tau }),
    },
    Row {
        gradient: WeightGradient::Clip,
        name: "clip",
        centering: Centering::None,
        build: |_| Arc::new(Clip),
    },
    Row {
        gradient: WeightGradient::Ede,
        name: "ede",
        centering: Centering::None,
        build: |at| Arc::new(Ede::at(at.epoch, at.epochs)),
    },
];

impl WeightGradient {
    /// All weight gradients.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Recu, Self::Clip, Self::Ede];

    fn row(self) -> &'static Row {
        ROWS.iter().find(|row| row.gradient == self).expect("bug: every gradient has a row")
    }

    /// Returns the name in files and on the command line.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the gradient of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.name == name).map(|row| row.gradient)
    }

    /// Returns the gradient of a method's publication.
    pub fn of(method: Method) -> Self {
        match method.centering() {
            Centering::FilterMean => Self::Recu,
            Centering::None => Self::Identity,
        }
    }

    /// Whether the gradient is defined for the bits of a method.
    pub fn fits(self, method: Method) -> bool {
        self.row().centering == method.centering()
    }

    /// Returns the binarizer at a moment of a run.
    pub fn binarizer(self, at: Moment) -> Arc<dyn WeightBinarizer> {
        (self.row().build)(at)
    }
}

impl fmt::Display for WeightGradient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The parts of a method that the forward and backward pass need.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Weight binarizer.
    pub weights: Arc<dyn WeightBinarizer>,
    /// Scale of the filters.
    pub alpha: AlphaSource,
    /// Activation binarizer.
    pub std_gradient: StdGradient,
}

impl Parts {
    /// Returns the parts of a method with a weight gradient that fits it.
    ///
    /// # Panics
    /// If the gradient does not fit the method, which the settings' validation refuses: a bug.
    pub fn of(method: Method, gradient: WeightGradient, at: Moment) -> Self {
        assert!(gradient.fits(method), "bug: `{gradient}` is not for `{}`", method.name());
        Self {
            weights: gradient.binarizer(at),
            alpha: AlphaSource::of(method),
            std_gradient: std_gradient(method),
        }
    }

    /// Returns the published parts of a method at a value of tau.
    pub fn published(method: Method, tau: f64) -> Self {
        Self::of(method, WeightGradient::of(method), Moment { epoch: 0, epochs: 1, tau })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gradient_has_one_row_one_name_and_the_bits_of_its_methods() {
        for gradient in WeightGradient::ALL {
            assert_eq!(WeightGradient::from_name(gradient.name()), Some(gradient));
            let json = serde_json::to_string(&gradient).expect("plain data");
            assert_eq!(json, format!("\"{gradient}\""));
            let binarizer = gradient.binarizer(Moment { epoch: 0, epochs: 1, tau: 0.9 });
            for method in Method::ALL {
                assert_eq!(gradient.fits(method), binarizer.centering() == method.centering());
            }
        }
    }

    #[test]
    fn a_combination_has_the_weights_of_one_method_and_not_those_of_the_other() {
        let parts = Parts::published(Method::RecuOvsw, 0.9);
        assert_eq!(parts.weights.centering(), Centering::FilterMean);
        assert_eq!(parts.alpha, AlphaSource::Learned);
        assert_eq!(parts.std_gradient, StdGradient::Attached);
        let parts = Parts::published(Method::Ovsw, 0.9);
        assert_eq!(parts.weights.centering(), Centering::None);
        assert_eq!(parts.alpha, AlphaSource::Statistic);
        assert_eq!(parts.std_gradient, StdGradient::Detached);
    }
}
