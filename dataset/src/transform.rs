//! Transforms of one image, each a plain function of its parameters: nothing is drawn here.

mod geometry;

pub(crate) use geometry::{crop_padded, flip_rows};
