//! Transforms of one image, each a plain function of its parameters: nothing is drawn here.

mod color;
mod geometry;
mod resize;
mod rotate;

pub(crate) use color::{lighting_offsets, shift_channels};
pub(crate) use geometry::{crop_padded, flip_rows};
pub(crate) use resize::{Window, cut_and_resize, fallback_window, resize_and_crop};
pub(crate) use rotate::rotate;
