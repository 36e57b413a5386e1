//! Sixteen images side by side: the memory layout of every activation in training.
//!
//! A batch is cut into *groups* of 16 images, and a group's map is `[channels, height, width]` of
//! [`Lanes`], one `f32` of each image.
//! The innermost loop of every operation on floats then runs over 16 images, which is one AVX-512
//! register at each layer, whatever its width: no unaligned loads, no borders inside a vector.
//! As burn tensors these maps have the shape `[groups, channels, height, width, 16]`.
//! Signs that a binary convolution reads are packed: [`Signs`], one AVX2 register.
//!
//! The last group of a batch may be partial; its surplus lanes are *dead*: they hold finite
//! values, are left out of batch statistics by [`lane_mask`], and get gradient 0.

use std::cell::RefCell;

/// Images in a group.
pub const LANES: usize = 16;

/// One value of each of 16 images, aligned to a cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub struct Lanes(pub [f32; LANES]);

/// Channels of [`Signs`].
pub const SIGN_CHANNELS: usize = 16;

/// The signs of 16 channels of each of 16 images, 1 for -1: bit `b` of byte `16·h + k` is that of
/// channel `8·h + b` of image `k`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(32))]
pub struct Signs(pub [u8; 2 * LANES]);

impl Lanes {
    /// All zeros.
    pub const ZERO: Self = Self([0.0; LANES]);

    /// Part `i` of `16 / W`.
    #[inline(always)]
    pub fn part<const W: usize>(&self, i: usize) -> &[f32; W] {
        &self.0.as_chunks().0[i]
    }

    /// Part `i` of `16 / W`.
    #[inline(always)]
    pub fn part_mut<const W: usize>(&mut self, i: usize) -> &mut [f32; W] {
        &mut self.0.as_chunks_mut().0[i]
    }
}

/// Returns the number of groups that hold `images` images.
pub fn groups_of(images: usize) -> usize {
    images.div_ceil(LANES)
}

/// Returns 1 for each living lane of group `group` of a batch of `images`, 0 for a dead one.
pub fn lane_mask(images: usize, group: usize) -> [f32; LANES] {
    std::array::from_fn(|lane| if group * LANES + lane < images { 1.0 } else { 0.0 })
}

/// Returns a slice of plain floats as lanes.
///
/// # Panics
/// If the length is not a multiple of 16: a bug of the caller.
pub fn as_lanes(values: &[f32]) -> &[[f32; LANES]] {
    let (lanes, rest) = values.as_chunks::<LANES>();
    assert!(rest.is_empty(), "bug: {} floats are not whole lanes", values.len());
    lanes
}

/// Returns a mutable slice of plain floats as lanes.
///
/// # Panics
/// If the length is not a multiple of 16: a bug of the caller.
pub fn as_lanes_mut(values: &mut [f32]) -> &mut [[f32; LANES]] {
    let (lanes, rest) = values.as_chunks_mut::<LANES>();
    assert!(rest.is_empty(), "bug: the floats are not whole lanes");
    lanes
}

/// Returns lanes as rows of floats.
pub fn as_rows(lanes: &[Lanes]) -> &[[f32; LANES]] {
    as_lanes(as_floats(lanes))
}

/// Returns lanes as plain floats.
#[expect(unsafe_code, reason = "a view of one type as another")]
pub fn as_floats(lanes: &[Lanes]) -> &[f32] {
    // SAFETY: `Lanes` is `repr(C)` with one field of 16 floats and no padding (its alignment is its
    // size), so `n` of them are `16n` floats; the lifetime is that of the argument.
    unsafe { std::slice::from_raw_parts(lanes.as_ptr().cast::<f32>(), lanes.len() * LANES) }
}

/// Buffers of one worker thread, kept between calls so that no step clears fresh pages.
#[derive(Default)]
pub struct Scratch {
    /// Padded map of convolution inputs.
    pub input: Vec<Lanes>,
    /// Map of the signs of convolution inputs.
    pub signs: Vec<Signs>,
    /// Padded map of output gradients.
    pub grad: Vec<Lanes>,
    /// Unpadded result of a convolution.
    pub output: Vec<Lanes>,
    /// Output gradients with images and channels exchanged.
    pub transposed: Vec<Lanes>,
}

/// Gives `f` this thread's scratch buffers.
///
/// # Panics
/// If `f` calls it again: a bug.
pub fn with_scratch<R>(f: impl FnOnce(&mut Scratch) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    SCRATCH.with(|s| f(&mut s.borrow_mut()))
}

/// Returns the first `len` elements of a scratch buffer, growing it if needed; the contents are
/// whatever the last user left.
pub fn take<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    &mut buffer[..len]
}
