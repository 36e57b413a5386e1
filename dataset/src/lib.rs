//! Readers of image classification data sets.
//!
//! * [`cifar10`]: CIFAR-10 in its binary form, plain or `.xz`.
//!
//! Not here: augmentation and batching (the trainer's), downloads (the project never downloads).

pub mod cifar10;

pub use cifar10::{Cifar10, Error};
