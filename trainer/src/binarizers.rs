//! Weight gradients of other publications, one file each.
//!
//! Each is a [`WeightBinarizer`](crate::ops::binarize_weight::WeightBinarizer), so that the
//! convolution does not know them. Those of ReCU and OvSW are in [`crate::ops::binarize_weight`].

mod clip;
mod ede;

pub use clip::Clip;
pub use ede::Ede;
