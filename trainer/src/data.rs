//! Batches of a training set: shuffled, cropped and flipped from one seed.
//!
//! The order and augmentation of an epoch depend on the seed and the epoch alone, so a resumed run
//! sees the same images. Cropping pads with byte 0, black, which is padding before normalisation
//! as in the published recipes.

use heartbit_dataset::Cifar10;
use heartbit_dataset::cifar10::{IMAGE_BYTES, SIDE};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Pixels of padding on each side before a crop.
const PAD: usize = 4;

/// Images and labels of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Bytes in planes, image after image.
    pub pixels: Vec<u8>,
    /// One label an image.
    pub labels: Vec<u8>,
}

/// One epoch's batches.
pub struct Epoch<'a> {
    set: &'a Cifar10,
    order: Vec<usize>,
    rng: ChaCha8Rng,
    batch: usize,
    augment: bool,
    next: usize,
}

impl<'a> Epoch<'a> {
    /// Shuffles the first `images` images of a set for one epoch; the last batch may be smaller.
    pub fn new(
        set: &'a Cifar10,
        images: usize,
        batch: usize,
        augment: bool,
        seed: u64,
        epoch: usize,
    ) -> Self {
        let mut rng = stream(seed, epoch as u64 + 1);
        let mut order: Vec<usize> = (0..images.min(set.len())).collect();
        order.shuffle(&mut rng);
        Self { set, order, rng, batch, augment, next: 0 }
    }

    /// Number of batches.
    pub fn batches(&self) -> usize {
        self.order.len().div_ceil(self.batch)
    }
}

/// The generator of one purpose of a run: 0 is initialisation, `e + 1` the data of epoch `e`.
pub fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

impl Iterator for Epoch<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let end = self.order.len().min(self.next + self.batch);
        if self.next == end {
            return None;
        }
        let mut batch =
            Batch { pixels: Vec::with_capacity((end - self.next) * IMAGE_BYTES), labels: vec![] };
        for &i in &self.order[self.next..end] {
            batch.labels.push(self.set.labels[i]);
            let image = self.set.image(i);
            if self.augment {
                let (top, left) =
                    (self.rng.random_range(0..=2 * PAD), self.rng.random_range(0..=2 * PAD));
                crop_and_flip(image, top, left, self.rng.random(), &mut batch.pixels);
            } else {
                batch.pixels.extend_from_slice(image);
            }
        }
        self.next = end;
        Some(batch)
    }
}

/// Appends the crop at (`top`, `left`) of the image padded by 4, mirrored where `flip`.
fn crop_and_flip(image: &[u8], top: usize, left: usize, flip: bool, out: &mut Vec<u8>) {
    for plane in image.chunks_exact(SIDE * SIDE) {
        for y in 0..SIDE {
            let row = (y + top).checked_sub(PAD).and_then(|y| plane.chunks_exact(SIDE).nth(y));
            out.extend((0..SIDE).map(|x| {
                let x = if flip { SIDE - 1 - x } else { x };
                let x = (x + left).checked_sub(PAD);
                row.zip(x).and_then(|(row, x)| row.get(x)).copied().unwrap_or(0)
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(images: usize) -> Cifar10 {
        let pixels = (0..images * IMAGE_BYTES).map(|i| (i * 7 % 255 + 1) as u8).collect();
        Cifar10 { images: pixels, labels: (0..images).map(|i| (i % 10) as u8).collect() }
    }

    #[test]
    fn centre_crop_is_the_image_and_its_mirror_flips_rows() {
        let set = set(1);
        let mut out = Vec::new();
        crop_and_flip(set.image(0), PAD, PAD, false, &mut out);
        assert_eq!(out, set.image(0));
        crop_and_flip(set.image(0), PAD, PAD, true, &mut out);
        assert_eq!(out[IMAGE_BYTES], set.image(0)[SIDE - 1]);
    }

    #[test]
    fn corner_crop_is_padded_with_black() {
        let set = set(1);
        let mut out = Vec::new();
        crop_and_flip(set.image(0), 0, 8, false, &mut out);
        assert!(out[..4 * SIDE].iter().all(|&p| p == 0), "four rows above the image");
        assert_eq!(out[4 * SIDE..][..28], set.image(0)[4..32]);
        assert_eq!(out[4 * SIDE + 28..][..4], [0; 4]);
    }

    #[test]
    fn epoch_visits_every_image_once_and_depends_on_seed_and_number() {
        let set = set(37);
        let labels = |seed, epoch| -> Vec<u8> {
            Epoch::new(&set, 37, 16, true, seed, epoch).flat_map(|b| b.labels).collect()
        };
        let mut sorted = labels(1, 0);
        assert_eq!(labels(1, 0), sorted);
        assert_ne!(labels(1, 1), sorted);
        assert_ne!(labels(2, 0), sorted);
        sorted.sort_unstable();
        let mut expected = set.labels.clone();
        expected.sort_unstable();
        assert_eq!(sorted, expected);
        let sizes: Vec<usize> =
            Epoch::new(&set, 37, 16, true, 1, 0).map(|b| b.labels.len()).collect();
        assert_eq!(sizes, [16, 16, 5]);
    }
}
