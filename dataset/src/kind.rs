//! Which data sets there are.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// A data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DatasetKind {
    /// CIFAR-10, binary files.
    Cifar10,
    /// CIFAR-100, binary files, fine labels.
    Cifar100,
    /// MNIST, IDX files, delivered as 3×32×32.
    Mnist,
    /// Tiny-ImageNet, class folders of JPEG files.
    TinyImagenet,
    /// ImageNet of the 2012 challenge, class folders of JPEG files.
    Imagenet,
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// What networks are trained on.
    Train,
    /// What they are measured on; ImageNet calls it `val`.
    Test,
}

impl DatasetKind {
    /// Every data set.
    pub const ALL: [Self; 5] =
        [Self::Cifar10, Self::Cifar100, Self::Mnist, Self::TinyImagenet, Self::Imagenet];

    /// Returns the name used on the command line and in checkpoints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Mnist => "mnist",
            Self::TinyImagenet => "tinyimagenet",
            Self::Imagenet => "imagenet",
        }
    }

    /// Returns the data set of a [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the name in publications.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cifar10 => "CIFAR-10",
            Self::Cifar100 => "CIFAR-100",
            Self::Mnist => "MNIST",
            Self::TinyImagenet => "Tiny-ImageNet",
            Self::Imagenet => "ImageNet",
        }
    }

    /// Returns the number of classes.
    pub fn classes(self) -> u32 {
        match self {
            Self::Cifar10 | Self::Mnist => 10,
            Self::Cifar100 => 100,
            Self::TinyImagenet => 200,
            Self::Imagenet => 1000,
        }
    }

    /// Returns whether images are files in class folders, whose delivered side may be chosen.
    pub fn has_files(self) -> bool {
        matches!(self, Self::TinyImagenet | Self::Imagenet)
    }

    /// Returns the width and height of a delivered image, in pixels.
    pub fn default_side(self) -> usize {
        match self {
            Self::Cifar10 | Self::Cifar100 | Self::Mnist => 32,
            Self::TinyImagenet | Self::Imagenet => 224,
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DatasetKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::from_name(name).ok_or_else(|| Error::UnknownName {
            name: name.to_owned(),
            known: Self::ALL.map(Self::name).to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for kind in DatasetKind::ALL {
            assert_eq!(DatasetKind::from_name(kind.name()), Some(kind));
        }
        let message = "cifar".parse::<DatasetKind>().expect_err("no such name").to_string();
        assert!(message.contains("`cifar`") && message.contains("cifar100"), "{message}");
    }
}
