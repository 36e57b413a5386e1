//! Readers of image classification data sets, and their batches.
//!
//! | item | is |
//! | --- | --- |
//! | [`DatasetKind`] | which data set: names, classes, image side |
//! | [`Dataset`] | a split of it: [`Dataset::open`], `len`, `label(i)`, `image(i)`, `image_shape` |
//! | [`OpenOptions`] | image side and number of classes, for sets of image files |
//! | [`Augment`] | what is random about a training image, each part a field |
//! | [`Loader::epoch`] | one epoch's batches, made ahead by worker threads: an [`Epoch`] |
//! | [`CorruptReport`] | which images of an epoch could not be read |
//!
//! ```no_run
//! use heartbit_dataset::{Dataset, DatasetKind, Loader, LoaderConfig, Split};
//! use std::sync::Arc;
//!
//! let kind = DatasetKind::from_name("cifar100").expect("a known name");
//! let train = Arc::new(Dataset::open(kind, Split::Train, "data/cifar100")?);
//! let mut epoch = Loader::epoch(&train, LoaderConfig::training(kind, 256, 1, 0));
//! for batch in &mut epoch {
//!     let batch = batch?; // pixels: images × channels × height × width, labels: u32
//!     assert_eq!(batch.pixels.len(), batch.labels.len() * 3 * 32 * 32);
//! }
//! assert!(epoch.corrupt().is_empty());
//! # Ok::<(), heartbit_dataset::Error>(())
//! ```
//!
//! Pixels are bytes in planes (channel, row, column); labels are `u32`.
//! An epoch's order depends on the seed and the epoch alone, an image's augmentation on the seed,
//! the epoch and the image alone: the number of workers changes nothing.
//! The files of each data set and its transforms are in `docs/datasets.md`.
//!
//! Not here: normalisation (the networks' first layer), downloads (the project never downloads).

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of images are below 2^14, and lengths are rounded on purpose"
)]
mod augment;
mod cifar;
mod container;
mod dataset;
mod decode;
mod error;
mod folder;
mod kind;
mod loader;
mod mnist;
pub mod planes;
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of images are below 2^14, and lengths are rounded on purpose"
)]
mod transform;

pub use augment::{AreaRange, Augment};
pub use dataset::{Dataset, OpenOptions};
pub use error::Error;
pub use kind::{DatasetKind, Split};
pub use loader::{
    Batch, CorruptImage, CorruptReport, Epoch, Loader, LoaderConfig, Order, default_corrupt_limit,
};
