//! The architectures by name, and the sizes that vary.

use crate::graph::Graph;
use crate::networks;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An architecture of the papers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Arch {
    /// ResNet-20 for CIFAR; ReCU's and OvSW's are the same network.
    #[serde(rename = "resnet20")]
    ResNet20,
    /// ResNet-18 for CIFAR in ReCU's topology: pooled shortcuts.
    #[serde(rename = "resnet18")]
    ResNet18,
    /// ResNet-18 for CIFAR in OvSW's topology: binary 1×1 shortcuts.
    #[serde(rename = "resnet18-ovsw")]
    ResNet18Ovsw,
    /// VGG-small in ReCU's topology: a hardtanh before the classifier.
    #[serde(rename = "vgg-small")]
    VggSmall,
    /// VGG-small in OvSW's topology: a `PReLU` before the classifier.
    #[serde(rename = "vgg-small-ovsw")]
    VggSmallOvsw,
    /// ResNet-18 for ImageNet.
    #[serde(rename = "resnet18-imagenet")]
    ResNet18ImageNet,
    /// ResNet-34 for ImageNet.
    #[serde(rename = "resnet34-imagenet")]
    ResNet34ImageNet,
    /// ReActNet-like ResNet-18 for ImageNet, of ReCU's two-stage recipe.
    #[serde(rename = "reactnet18")]
    ReActNet18,
}

/// An architecture that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture `{name}`; known: {}", Arch::names())]
pub struct UnknownArch {
    /// What was asked for.
    pub name: String,
}

/// Sizes that are not the same in every network of one architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Height and width of the image.
    pub image_side: usize,
    /// Classes.
    pub classes: usize,
    /// Output channels of each stage: 3 of ResNet-20, 6 convolutions of VGG-small, 4 of the others.
    pub widths: Vec<usize>,
}

/// Sizes that an architecture does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{arch}` cannot have {what} {value}: {rule}")]
pub struct InvalidSizes {
    /// The architecture.
    pub arch: Arch,
    /// Which size.
    pub what: &'static str,
    /// What was asked for.
    pub value: String,
    /// What it must be.
    pub rule: String,
}

impl Arch {
    /// All architectures.
    pub const ALL: [Self; 8] = [
        Self::ResNet20,
        Self::ResNet18,
        Self::ResNet18Ovsw,
        Self::VggSmall,
        Self::VggSmallOvsw,
        Self::ResNet18ImageNet,
        Self::ResNet34ImageNet,
        Self::ReActNet18,
    ];

    /// Returns the name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResNet20 => "resnet20",
            Self::ResNet18 => "resnet18",
            Self::ResNet18Ovsw => "resnet18-ovsw",
            Self::VggSmall => "vgg-small",
            Self::VggSmallOvsw => "vgg-small-ovsw",
            Self::ResNet18ImageNet => "resnet18-imagenet",
            Self::ResNet34ImageNet => "resnet34-imagenet",
            Self::ReActNet18 => "reactnet18",
        }
    }

    /// Returns the architecture of a name.
    ///
    /// # Errors
    /// [`UnknownArch`], which lists the known ones.
    pub fn from_name(name: &str) -> Result<Self, UnknownArch> {
        let found = Self::ALL.into_iter().find(|arch| arch.name() == name);
        found.ok_or_else(|| UnknownArch { name: name.to_owned() })
    }

    /// Returns all names, for messages.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Returns the published sizes.
    pub fn published(self) -> Sizes {
        let (image_side, classes, widths): (_, _, &[usize]) = match self {
            Self::ResNet20 => (32, 10, &[16, 32, 64]),
            Self::ResNet18 | Self::ResNet18Ovsw => (32, 10, &[64, 128, 256, 512]),
            Self::VggSmall | Self::VggSmallOvsw => (32, 10, &[128, 128, 256, 256, 512, 512]),
            Self::ResNet18ImageNet | Self::ResNet34ImageNet | Self::ReActNet18 => {
                (224, 1000, &[64, 128, 256, 512])
            }
        };
        Sizes { image_side, classes, widths: widths.to_vec() }
    }

    /// Returns the factor between the image's side and the last map's; a side is a multiple of it.
    pub fn reduction(self) -> usize {
        match self {
            Self::ResNet20 => 4,
            Self::ResNet18 | Self::ResNet18Ovsw | Self::VggSmall | Self::VggSmallOvsw => 8,
            Self::ResNet18ImageNet | Self::ResNet34ImageNet | Self::ReActNet18 => 32,
        }
    }

    /// Returns the network with the published sizes.
    pub fn graph(self) -> Graph {
        networks::graph(self, &self.published())
    }

    /// Returns the network with other sizes.
    ///
    /// # Errors
    /// [`InvalidSizes`] where the pieces would not fit together.
    pub fn graph_with(self, sizes: &Sizes) -> Result<Graph, InvalidSizes> {
        let invalid =
            |what, value: String, rule: String| Err(InvalidSizes { arch: self, what, value, rule });
        let count = self.published().widths.len();
        let Sizes { image_side, classes, widths } = sizes;
        let width_rule = || {
            format!(
                "there are {count}, multiples of 4 up to 4096, none smaller than the one before"
            )
        };
        let valid = |w: &usize| w.is_multiple_of(4) && (4..=4096).contains(w);
        if widths.len() != count || !widths.iter().all(valid) || !widths.is_sorted() {
            return invalid("widths", format!("{widths:?}"), width_rule());
        }
        let factor = self.reduction();
        if !image_side.is_multiple_of(factor) || !(factor..=1024).contains(image_side) {
            let rule = format!("a multiple of {factor} up to 1024");
            return invalid("image side", image_side.to_string(), rule);
        }
        if !(2..=4096).contains(classes) {
            return invalid("classes", classes.to_string(), "2 to 4096".to_owned());
        }
        Ok(networks::graph(self, sizes))
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_settings_is_the_name_on_the_command_line() {
        for arch in Arch::ALL {
            let json = serde_json::to_string(&arch).expect("plain data");
            assert_eq!(json, format!("\"{arch}\""));
            assert_eq!(Arch::from_name(arch.name()), Ok(arch));
        }
    }
}
