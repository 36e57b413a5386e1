//! Images for a parameter whose mutant differs for few sums, which other images do not have.
//!
//! Of a mutant of `mul` or `bias` it is known for which sums of its column the result differs
//! (`proof::differing`), and the layers before are intact. So the intact build tells of any image
//! whether a sum is among them, or how far away the closest one is. The search changes rectangles
//! of an image and keeps what brings a sum closer.
//!
//! Not here: whether the mutant is then caught, for which it runs with the image.

use crate::memory::MemoryMutant;
use crate::proof::{Differing, differing};
use heartbit_compiler::schedule::Compiled;
use heartbit_ir::program::{Execution, Program};
use heartbit_sim::fast::Engine;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Images that are tried for a mutant.
const TRIES: usize = 4_000;
/// Tries without a closer sum after which the search begins anew.
const PATIENCE: usize = 400;

/// Size of the images: rows, columns, bytes of a pixel.
#[derive(Clone, Copy, Debug)]
struct Size {
    height: usize,
    width: usize,
    channels: usize,
}

/// An image for which a sum of a parameter's column is one for which its mutant differs, and the
/// number of images that were tried; `None` if none was found, or if it is no such mutant.
pub(crate) fn image(
    compiled: &Compiled,
    mutant: &MemoryMutant,
    images: &[Vec<u8>],
) -> Option<(Vec<u8>, usize)> {
    let wanted = differing(compiled, mutant);
    let program = &compiled.program;
    let mut engine = Engine::new(program).ok()?;
    let size = Size::of(program, images.first()?);
    let mut distance =
        |image: &[u8]| engine.run(image).ok().and_then(|seen| closest(program, &wanted, &seen));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let (mut best, mut at) = (images[0].clone(), u64::MAX);
    let mut since = 0;
    for tried in 1..=TRIES {
        let image = if tried <= images.len() {
            images[tried - 1].clone()
        } else if since > PATIENCE {
            (at, since) = (u64::MAX, 0);
            images.choose(&mut rng).expect("bug: there is an image").clone()
        } else {
            changed(&best, size, images, &mut rng)
        };
        let distance = distance(&image)?;
        since = if distance < at { 0 } else { since + 1 };
        if distance <= at {
            (best, at) = (image, distance);
        }
        if at == 0 {
            return Some((best, tried));
        }
    }
    None
}

/// How far the closest sum is away from one that is wanted; `None` if no pixel can have one.
fn closest(program: &Program, wanted: &[Differing], seen: &Execution) -> Option<u64> {
    let of = |wanted: &Differing| {
        let (layer, output) = (&program.layers[wanted.layer], &seen.layers[wanted.layer]);
        let size = (output.height, output.width);
        let pixels = (0..size.0).flat_map(|y| (0..size.1).map(move |x| (y, x)));
        let of_class = pixels
            .filter(|(y, x)| layer.borders.class(*y, *x, size.0, size.1) == wanted.class)
            .map(|(y, x)| output.sums[(y * size.1 + x) * output.columns + wanted.column]);
        of_class.filter_map(|sum| wanted.distance(sum.into())).min()
    };
    wanted.iter().filter_map(of).min()
}

/// An image with another rectangle: of another image, of one colour, noise, or inverted.
fn changed(image: &[u8], size: Size, images: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut new = image.to_vec();
    let side = |rng: &mut ChaCha8Rng, of: usize| {
        let length = rng.random_range(1..=of);
        let first = rng.random_range(0..=of - length);
        first..first + length
    };
    let (rows, columns) = (side(rng, size.height), side(rng, size.width));
    let other = images.choose(rng).expect("bug: there is an image");
    let (kind, colour): (u8, [u8; 4]) = (rng.random_range(0..4), rng.random());
    for y in rows {
        for x in columns.clone() {
            for c in 0..size.channels {
                let at = (y * size.width + x) * size.channels + c;
                new[at] = match kind {
                    0 => other[at],
                    1 => colour[c % colour.len()],
                    2 => rng.random(),
                    _ => !new[at],
                };
            }
        }
    }
    new
}

impl Size {
    fn of(program: &Program, image: &[u8]) -> Self {
        let header = &program.header;
        let [height, width] = [header.image_height, header.image_width].map(usize::from);
        Self { height, width, channels: image.len() / (height * width) }
    }
}
