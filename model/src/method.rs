//! Training methods, as far as a trained network shows them, and pixel statistics.

use heartbit_ir::grid::{self, Centering, PixelStatistics};
use serde::{Deserialize, Serialize};

/// A published training method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// The baseline: signs with straight-through gradients.
    #[serde(rename = "vanilla")]
    Vanilla,
    /// `ReCU`: centred weights, clamped in training, with a learned scale.
    #[serde(rename = "recu")]
    Recu,
    /// `OvSW`: vanilla weights, whose gradients are scaled and decayed in training.
    #[serde(rename = "ovsw")]
    Ovsw,
    /// `ReCU`'s weights with `OvSW`'s gradients.
    #[serde(rename = "recu+ovsw")]
    RecuOvsw,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 4] = [Self::Vanilla, Self::Recu, Self::Ovsw, Self::RecuOvsw];

    /// Returns the name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vanilla => "vanilla",
            Self::Recu => "recu",
            Self::Ovsw => "ovsw",
            Self::RecuOvsw => "recu+ovsw",
        }
    }

    /// Returns the method of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Returns what a weight is compared with.
    pub fn centering(self) -> Centering {
        match self {
            Self::Recu | Self::RecuOvsw => Centering::FilterMean,
            Self::Vanilla | Self::Ovsw => Centering::None,
        }
    }

    /// Whether the scale of a filter is a parameter; otherwise it is
    /// [`grid::alpha_statistic`] of the latent weights.
    pub fn learns_alpha(self) -> bool {
        matches!(self, Self::Recu | Self::RecuOvsw)
    }

    /// Returns the pixel statistics of the method's publication on CIFAR-10.
    pub fn default_norm(self) -> Norm {
        match self {
            Self::Recu | Self::RecuOvsw => Norm::Recu,
            Self::Vanilla | Self::Ovsw => Norm::Ovsw,
        }
    }
}

/// A preset of pixel statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// ImageNet's, which `ReCU` takes for CIFAR-10 too.
    Recu,
    /// CIFAR-10's, which `OvSW` takes for CIFAR-100 too.
    Ovsw,
    /// CIFAR-100's, which `ReCU` takes for it.
    Cifar100,
    /// Tiny-ImageNet's, which `ReCU` takes for it.
    TinyImagenet,
}

impl Norm {
    /// All presets.
    pub const ALL: [Self; 4] = [Self::Recu, Self::Ovsw, Self::Cifar100, Self::TinyImagenet];

    /// Returns the name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recu => "recu",
            Self::Ovsw => "ovsw",
            Self::Cifar100 => "cifar100",
            Self::TinyImagenet => "tinyimagenet",
        }
    }

    /// Returns the preset of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|norm| norm.name() == name)
    }

    /// Returns the statistics.
    pub fn pixels(self) -> PixelStatistics {
        match self {
            Self::Recu => grid::RECU_PIXELS,
            Self::Ovsw => grid::OVSW_PIXELS,
            Self::Cifar100 => grid::CIFAR100_RECU_PIXELS,
            Self::TinyImagenet => grid::TINY_IMAGENET_PIXELS,
        }
    }
}
