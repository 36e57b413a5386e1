//! Tests of what is drawn, not of the transforms themselves.

use super::*;
use rand::SeedableRng;

const SHAPE: [usize; 3] = [3, 8, 8];

fn image() -> Vec<u8> {
    (1..=192).collect()
}

fn changed(augment: Augment, seed: u64) -> Vec<u8> {
    let mut out = Vec::new();
    augment.append(&image(), SHAPE, &mut ChaCha8Rng::seed_from_u64(seed), &mut out);
    out
}

#[test]
fn none_is_the_image() {
    assert_eq!(changed(Augment::NONE, 1), image());
}

#[test]
fn flip_mirrors_about_half_of_the_images() {
    let flip = Augment { flip: true, ..Augment::NONE };
    let mut mirrored = image();
    flip_rows(&mut mirrored, 8);
    let count = (0..1000).filter(|&seed| changed(flip, seed) == mirrored).count();
    assert!((440..=560).contains(&count), "{count} of 1000");
    let same = (0..1000).filter(|&seed| changed(flip, seed) == image()).count();
    assert_eq!(same + count, 1000);
}

#[test]
fn crop_draws_every_offset_about_equally_often() {
    let crop = Augment { crop: Some(1), ..Augment::NONE };
    let mut offsets = [0; 9];
    for seed in 0..1800 {
        let window = changed(crop, seed);
        let at = (0..9).find(|&o| {
            let mut expected = Vec::new();
            crop_padded(&image(), SHAPE, 1, [o / 3, o % 3], &mut expected);
            expected == window
        });
        offsets[at.expect("one of the nine windows")] += 1;
    }
    assert!(offsets.iter().all(|n| (140..=260).contains(n)), "{offsets:?}");
}
