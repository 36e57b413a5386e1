//! What a worker thread does: makes its pieces, and replaces images that cannot be read.

use super::corrupt::{CorruptImage, Unreadable};
use super::{Purpose, generator};
use crate::augment::Augment;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

/// A source of images that workers share.
pub(crate) trait Images: Send + Sync + 'static {
    /// Bytes of every delivered image.
    fn image_bytes(&self) -> usize;

    /// Number of images.
    fn len(&self) -> usize;

    /// Class of image `i`.
    fn label(&self, i: usize) -> u32;

    /// Appends image `i`, changed; on failure `out` may hold part of it.
    fn append(
        &self,
        i: usize,
        augment: &Augment,
        rng: &mut ChaCha8Rng,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable>;
}

/// Some images of a batch.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) pixels: Vec<u8>,
    pub(super) labels: Vec<u32>,
    /// Images that could not be read, perhaps more than once each.
    pub(super) corrupt: Vec<CorruptImage>,
    /// No image was found for a place: there are too many that cannot be read.
    pub(super) gave_up: bool,
}

/// What the workers of an epoch share.
pub(super) struct Job<S> {
    pub(super) source: Arc<S>,
    /// The image at each place of the epoch.
    pub(super) order: Vec<usize>,
    /// The places of each piece.
    pub(super) ranges: Vec<Range<usize>>,
    pub(super) augment: Augment,
    pub(super) seed: u64,
    pub(super) epoch: usize,
    /// Most unreadable images.
    pub(super) limit: usize,
    pub(super) stop: Arc<AtomicBool>,
}

impl<S: Images> Job<S> {
    /// Makes the pieces `k`, `k + workers`, … until the last, or until nobody wants them.
    pub(super) fn run(&self, k: usize, workers: usize, pieces: &SyncSender<Piece>) {
        for range in self.ranges.iter().skip(k).step_by(workers) {
            let Some(piece) = self.piece(range.clone()) else { return };
            if pieces.send(piece).is_err() {
                return;
            }
        }
    }

    /// Returns `None` when the epoch was stopped.
    fn piece(&self, places: Range<usize>) -> Option<Piece> {
        let mut piece = Piece::default();
        piece.pixels.reserve_exact(places.len() * self.source.image_bytes());
        piece.labels.reserve_exact(places.len());
        for place in places {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            self.fill(place, &mut piece);
            if piece.gave_up {
                break;
            }
        }
        Some(piece)
    }

    /// Appends the image of a place, or the first readable one of the places after it.
    ///
    /// After the epoch's last place comes its first. The image that stands in is changed by the
    /// random numbers of the one it replaces, so that it does not appear twice in the same form.
    fn fill(&self, place: usize, piece: &mut Piece) {
        let start = piece.pixels.len();
        let replaced = self.order[place];
        let mut unreadable = BTreeSet::new();
        for i in self.order[place..].iter().chain(&self.order[..place]).copied() {
            let mut rng = generator(self.seed, self.epoch, Purpose::Image(replaced));
            match self.source.append(i, &self.augment, &mut rng, &mut piece.pixels) {
                Ok(()) => {
                    let bytes = piece.pixels.len() - start;
                    assert_eq!(bytes, self.source.image_bytes(), "bug: size of image {i}");
                    piece.labels.push(self.source.label(i));
                    return;
                }
                Err(Unreadable { path, reason }) => {
                    piece.pixels.truncate(start);
                    piece.corrupt.push(CorruptImage { index: i, path, reason });
                    unreadable.insert(i);
                }
            }
            if unreadable.len() > self.limit {
                break;
            }
        }
        piece.gave_up = true;
    }
}
