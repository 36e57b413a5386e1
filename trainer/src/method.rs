//! Training methods, as a choice of named parts.
//!
//! | part | vanilla | ReCU | OvSW |
//! | --- | --- | --- | --- |
//! | weight binarizer | identity gradient | centred, clamped, standardised | identity gradient |
//! | alpha | statistic of the weights | learned | statistic of the weights |
//! | activation deviation | detached | attached | detached |
//! | gradient hook | none | none | AGS, then SAD |
//! | learning rate | OvSW's | ReCU's | OvSW's |
//! | tau | - | grows each epoch | - |
//!
//! A further binarizer is one implementation of
//! [`WeightBinarizer`] and one row of [`Method::parts`].

use std::sync::Arc;

use heartbit_ir::grid::{self, PixelStatistics};
use serde::{Deserialize, Serialize};

use crate::ops::binarize_activation::StdGradient;
use crate::ops::binarize_weight::{Identity, Recu, WeightBinarizer};
use crate::schedule::LrShape;

/// A published training method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The baseline: signs with straight-through gradients.
    Vanilla,
    /// Reviving dead weights by a clamp (ReCU).
    Recu,
    /// Overcoming silent weights (OvSW).
    Ovsw,
}

/// Where the scale of a filter comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlphaSource {
    /// A parameter, drawn from `U[0, 1)`.
    Learned,
    /// `heartbit_ir::grid::alpha_statistic` of the latent weights, without gradient.
    Statistic,
}

/// The parts a method is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Weight binarizer.
    pub weights: Arc<dyn WeightBinarizer>,
    /// Scale of the filters.
    pub alpha: AlphaSource,
    /// Activation binarizer.
    pub std_gradient: StdGradient,
}

impl Method {
    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vanilla => "vanilla",
            Self::Recu => "recu",
            Self::Ovsw => "ovsw",
        }
    }

    /// The method of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Vanilla, Self::Recu, Self::Ovsw].into_iter().find(|m| m.name() == name)
    }

    /// The parts at a value of tau, which only ReCU reads.
    pub fn parts(self, tau: f64) -> Parts {
        match self {
            Self::Vanilla | Self::Ovsw => Parts {
                weights: Arc::new(Identity),
                alpha: AlphaSource::Statistic,
                std_gradient: StdGradient::Detached,
            },
            Self::Recu => Parts {
                weights: Arc::new(Recu { tau }),
                alpha: AlphaSource::Learned,
                std_gradient: StdGradient::Attached,
            },
        }
    }

    /// The learning rate's shape.
    pub fn lr_shape(self) -> LrShape {
        match self {
            Self::Vanilla | Self::Ovsw => LrShape::Ovsw,
            Self::Recu => LrShape::Recu,
        }
    }

    /// Where alpha comes from.
    pub fn alpha(self) -> AlphaSource {
        self.parts(1.0).alpha
    }

    /// The pixel statistics of the method's publication.
    pub fn default_norm(self) -> Norm {
        match self {
            Self::Vanilla | Self::Ovsw => Norm::Ovsw,
            Self::Recu => Norm::Recu,
        }
    }
}

/// A preset of pixel statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// ReCU's: those of ImageNet.
    Recu,
    /// OvSW's: those of CIFAR.
    Ovsw,
}

impl Norm {
    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recu => "recu",
            Self::Ovsw => "ovsw",
        }
    }

    /// The preset of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Recu, Self::Ovsw].into_iter().find(|n| n.name() == name)
    }

    /// The statistics.
    pub fn pixels(self) -> PixelStatistics {
        match self {
            Self::Recu => grid::RECU_PIXELS,
            Self::Ovsw => grid::OVSW_PIXELS,
        }
    }
}
