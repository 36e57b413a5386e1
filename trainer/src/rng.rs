//! The random numbers of a run.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator of one purpose: 0 is the initial parameters, 1 the images of
/// [`crate::bench`], 2 and 3 the directions of a [`crate::landscape`]; tests take others.
///
/// The order and augmentation of an epoch are the data set loader's.
pub fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}
