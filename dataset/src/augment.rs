//! What is random about a training image.

use crate::decode::Rgb;
use crate::transform::{
    Window, crop_padded, cut_and_resize, fallback_window, flip_rows, lighting_offsets, rotate,
    shift_channels,
};
use crate::{DatasetKind, Error};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Largest [`Augment::crop`].
const MAX_PAD: usize = 4096;
/// Windows that [`Augment::resized_crop`] tries before it takes the middle.
const TRIES: usize = 10;
/// Aspects, width by height, of these windows.
const ASPECT: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// Random changes of a training image, applied and drawn in the order of the fields.
///
/// What is `None` or `false` is left out and draws nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augment {
    /// Resizes a random window, instead of the whole image, to the delivered side.
    pub resized_crop: Option<AreaRange>,
    /// Rotates by an angle drawn evenly from plus or minus these degrees; corners become black.
    pub rotation: Option<f64>,
    /// Pads each side with this many pixels of byte 0 and cuts a window of the old size out of it.
    ///
    /// Byte 0 is black, which is padding before normalisation as in the published recipes.
    pub crop: Option<usize>,
    /// Mirrors left and right with probability one half.
    pub flip: bool,
    /// Adds `AlexNet`'s lighting noise of this standard deviation; 0.1 is published.
    pub lighting: Option<f64>,
}

/// The area of a random window, as a part of the image's.
///
/// A window is drawn evenly in area and evenly in the logarithm of its aspect, 3/4 to 4/3, until it
/// fits; after ten that do not, it is the largest in the middle. Areas above 1 never fit: they make
/// the last choice more frequent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AreaRange {
    /// Smallest, above 0.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

impl AreaRange {
    /// `ReCU`'s and `OvSW`'s for `ImageNet`.
    pub const RECU: Self = Self { min: 0.08, max: 1.25 };
    /// torchvision's default, and `ReActNet`'s.
    pub const STANDARD: Self = Self { min: 0.08, max: 1.0 };
}

impl Augment {
    /// No change: what networks are measured on.
    pub const NONE: Self =
        Self { resized_crop: None, rotation: None, crop: None, flip: false, lighting: None };

    /// Returns the published augmentation of a data set; digits are not mirrored.
    pub fn published(kind: DatasetKind) -> Self {
        match kind {
            DatasetKind::Cifar10 | DatasetKind::Cifar100 => {
                Self { crop: Some(4), flip: true, ..Self::NONE }
            }
            DatasetKind::Mnist => Self { crop: Some(4), ..Self::NONE },
            DatasetKind::TinyImagenet => Self { rotation: Some(20.0), flip: true, ..Self::NONE },
            DatasetKind::Imagenet => {
                Self { resized_crop: Some(AreaRange::RECU), flip: true, ..Self::NONE }
            }
        }
    }

    /// Checks that every number makes sense.
    ///
    /// # Errors
    /// [`Error::Augment`] names the option.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |option, value: String, rule| Err(Error::Augment { option, value, rule });
        if let Some(AreaRange { min, max }) = self.resized_crop
            && !(min > 0.0 && min <= max && max <= 100.0)
        {
            return refuse("resized crop", format!("{min}..{max}"), "0 < min <= max <= 100");
        }
        if let Some(degrees) = self.rotation.filter(|d| !(0.0..=180.0).contains(d)) {
            return refuse("rotation", degrees.to_string(), "0 to 180 degrees");
        }
        if let Some(pad) = self.crop.filter(|&pad| pad > MAX_PAD) {
            return refuse("crop", pad.to_string(), "at most 4096 pixels");
        }
        if let Some(std) = self.lighting.filter(|s| !(0.0..=10.0).contains(s)) {
            return refuse("lighting", std.to_string(), "0 to 10");
        }
        Ok(())
    }

    /// Returns a random window resized to `side`, interleaved, where that is asked for.
    pub(crate) fn resized_crop(
        &self,
        image: &Rgb,
        side: usize,
        rng: &mut ChaCha8Rng,
    ) -> Option<Vec<u8>> {
        let window = draw_window(image.height, image.width, self.resized_crop?, rng);
        Some(cut_and_resize(image, window, side))
    }

    /// Appends an image with the changes that keep its size; `shape` is channels, height, width.
    pub(crate) fn append(
        &self,
        planes: &[u8],
        shape: [usize; 3],
        rng: &mut ChaCha8Rng,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let mut rotated = Vec::new();
        let mut planes = planes;
        if let Some(degrees) = self.rotation {
            rotated.extend_from_slice(planes);
            rotate(&mut rotated, shape, rng.random_range(-degrees..=degrees));
            planes = &rotated;
        }
        if let Some(pad) = self.crop {
            let (top, left) = (rng.random_range(0..=2 * pad), rng.random_range(0..=2 * pad));
            crop_padded(planes, shape, pad, [top, left], out);
        } else {
            out.extend_from_slice(planes);
        }
        if self.flip && rng.random() {
            flip_rows(&mut out[start..], shape[2]);
        }
        if let Some(std) = self.lighting {
            let alpha = [(); 3].map(|()| std * normal(rng));
            shift_channels(&mut out[start..], lighting_offsets(alpha));
        }
    }
}

/// Draws the window of a `RandomResizedCrop`, as torchvision does.
fn draw_window(height: usize, width: usize, area: AreaRange, rng: &mut ChaCha8Rng) -> Window {
    let whole = (height * width) as f64;
    for _ in 0..TRIES {
        let target = whole * rng.random_range(area.min..=area.max);
        let aspect = rng.random_range(ASPECT[0].ln()..=ASPECT[1].ln()).exp();
        let w = (target * aspect).sqrt().round_ties_even() as usize;
        let h = (target / aspect).sqrt().round_ties_even() as usize;
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let (top, left) = (rng.random_range(0..=height - h), rng.random_range(0..=width - w));
            return Window { top, left, height: h, width: w };
        }
    }
    fallback_window(height, width, ASPECT)
}

/// Draws from the normal distribution of mean 0 and deviation 1 (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (radius, angle): (f64, f64) = (rng.random(), rng.random());
    // 1 - radius is in (0, 1], where the logarithm is finite.
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

#[cfg(test)]
mod tests;
