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

#[test]
fn numbers_without_sense_are_refused() {
    let area = |min, max| Augment { resized_crop: Some(AreaRange { min, max }), ..Augment::NONE };
    let rotation = |degrees| Augment { rotation: Some(degrees), ..Augment::NONE };
    for augment in [
        area(0.0, 1.0),
        area(0.5, 0.4),
        area(f64::NAN, 1.0),
        area(0.1, f64::INFINITY),
        rotation(-1.0),
        rotation(f64::NAN),
        Augment { crop: Some(usize::MAX), ..Augment::NONE },
        Augment { lighting: Some(-0.1), ..Augment::NONE },
    ] {
        let message = augment.validate().expect_err("no sense").to_string();
        assert!(message.contains("is not possible: it must be"), "{message}");
    }
    for kind in DatasetKind::ALL {
        Augment::published(kind).validate().expect("published");
    }
}

#[test]
fn rotation_turns_both_ways_by_at_most_its_angle() {
    let rotation = Augment { rotation: Some(20.0), ..Augment::NONE };
    let shape = [1, 64, 64];
    // The corners that a turn leaves black grow with its angle.
    let black = |planes: &[u8]| planes.iter().map(|&p| usize::from(p == 0)).sum::<usize>();
    let turned = |degrees| {
        let mut planes = vec![255; 64 * 64];
        rotate(&mut planes, shape, degrees);
        planes
    };
    let (mut most, mut clockwise) = (0, 0);
    for seed in 0..200 {
        let mut out = Vec::new();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rotation.append(&[255; 64 * 64], shape, &mut rng, &mut out);
        most = most.max(black(&out));
        // A clockwise turn leaves the top of the left edge black and the top edge's left not.
        clockwise += usize::from(out[10 * 64] == 0 && out[10] != 0);
    }
    assert!(most <= black(&turned(20.0)), "{most}");
    assert!(most > black(&turned(18.0)), "{most}");
    assert!((30..170).contains(&clockwise), "{clockwise} of 200");
}

#[test]
fn lighting_shifts_whole_channels_by_its_deviation() {
    let lighting = Augment { lighting: Some(0.1), ..Augment::NONE };
    let shape = [3, 1, 2];
    let mut squares = 0.0;
    for seed in 0..2000 {
        let mut out = Vec::new();
        lighting.append(&[100; 6], shape, &mut ChaCha8Rng::seed_from_u64(seed), &mut out);
        assert!(out[0] == out[1] && out[2] == out[3] && out[4] == out[5]);
        squares += (f64::from(out[0]) - 100.0).powi(2);
    }
    // 255 · 0.1 · |(-0.5675 · 0.2175, 0.7192 · 0.0188, 0.4009 · 0.0045)| is 3.17; rounding adds 1/12.
    let deviation = (squares / 2000.0 - 1.0 / 12.0).sqrt();
    assert!((deviation - 3.17).abs() < 0.2, "{deviation}");
}

#[test]
fn random_windows_are_inside_with_area_and_aspect_in_range() {
    for (height, width, range) in
        [(300, 400, AreaRange::STANDARD), (300, 400, AreaRange::RECU), (500, 90, AreaRange::RECU)]
    {
        let (mut small, mut fallback) = (0, 0);
        for seed in 0..1000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let w = draw_window(height, width, range, &mut rng);
            assert!(w.top + w.height <= height && w.left + w.width <= width);
            let area = (w.height * w.width) as f64 / (height * width) as f64;
            let aspect = w.width as f64 / w.height as f64;
            assert!((0.079..=1.0).contains(&area), "{area}");
            assert!((0.73..=1.37).contains(&aspect), "{aspect}");
            small += usize::from(area < 0.25);
            fallback += usize::from(w == fallback_window(height, width, ASPECT));
        }
        assert!(small > 100, "{small} small windows of 1000");
        assert!(fallback < 1000, "{fallback}");
    }
}

#[test]
fn window_that_never_fits_is_the_middle() {
    let range = AreaRange { min: 2.0, max: 3.0 };
    let window = draw_window(90, 100, range, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(window, Window { top: 0, left: 0, height: 90, width: 100 });
}
