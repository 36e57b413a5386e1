//! Images that take sums to their ends, which images of a data set hardly do.
//!
//! Flat ones, noise, and for a few channels of the stem the image that is the sign of the channel's
//! kernel, tile by tile: where it meets the kernel, every product is as large as it can be; and its
//! negative, where every product is as small as it can be.

use heartbit_ir::network::{Network, OpKind};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Channels of the stem that get images of their own.
const CHANNELS: usize = 2;

/// Images of the network's size, row by row, channel fastest.
pub fn images(network: &Network, seed: u64) -> Vec<Vec<u8>> {
    let Some((height, width, channels)) = network.ops.iter().find_map(|op| match op.kind {
        OpKind::Image { height, width, channels } => Some((height, width, channels)),
        _ => None,
    }) else {
        return Vec::new();
    };
    let bytes = height * width * channels;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut images = vec![vec![0; bytes], vec![u8::MAX; bytes]];
    images.push((0..bytes).map(|_| rng.random()).collect());
    images.push((0..bytes).map(|_| if rng.random() { u8::MAX } else { 0 }).collect());
    let stem = network.ops.iter().find_map(|op| match &op.kind {
        OpKind::Conv { weights, kernel, .. } => Some((weights, *kernel)),
        _ => None,
    });
    let Some((weights, kernel)) = stem else { return images };
    for channel in 0..CHANNELS.min(weights.rows() / (kernel * kernel)) {
        let is_positive = |index: usize| {
            let (pixel, c) = (index / channels, index % channels);
            let (y, x) = (pixel / width, pixel % width);
            let row = (channel * kernel + y % kernel) * kernel + x % kernel;
            weights.get(row, c) > 0
        };
        let image: Vec<u8> =
            (0..bytes).map(|index| if is_positive(index) { u8::MAX } else { 0 }).collect();
        images.push(image.iter().map(|byte| !byte).collect());
        images.push(image);
    }
    images
}
