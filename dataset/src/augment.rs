//! What is random about a training image.

use crate::DatasetKind;
use crate::transform::{crop_padded, flip_rows};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Random changes of a training image, applied and drawn in the order of the fields.
///
/// What is `None` or `false` is left out and draws nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augment {
    /// Pads each side with this many pixels of byte 0 and cuts a window of the old size out of it.
    ///
    /// Byte 0 is black, which is padding before normalisation as in the published recipes.
    pub crop: Option<usize>,
    /// Mirrors left and right with probability one half.
    pub flip: bool,
}

impl Augment {
    /// No change: what networks are measured on.
    pub const NONE: Self = Self { crop: None, flip: false };

    /// Returns the published augmentation of a data set; digits are not mirrored.
    pub fn published(kind: DatasetKind) -> Self {
        match kind {
            DatasetKind::Cifar10 | DatasetKind::Cifar100 => {
                Self { crop: Some(4), flip: true, ..Self::NONE }
            }
            DatasetKind::Mnist => Self { crop: Some(4), ..Self::NONE },
        }
    }

    /// Appends the changed image; `shape` is channels, height, width.
    pub(crate) fn append(
        &self,
        planes: &[u8],
        shape: [usize; 3],
        rng: &mut ChaCha8Rng,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        if let Some(pad) = self.crop {
            let (top, left) = (rng.random_range(0..=2 * pad), rng.random_range(0..=2 * pad));
            crop_padded(planes, shape, pad, [top, left], out);
        } else {
            out.extend_from_slice(planes);
        }
        if self.flip && rng.random() {
            flip_rows(&mut out[start..], shape[2]);
        }
    }
}

#[cfg(test)]
mod tests;
