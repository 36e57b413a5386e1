//! Tests of windows and resizing against Pillow 13.0's results and against a slow reference.

use super::*;
use proptest::prelude::*;

/// The image that Pillow's results were made from.
fn texture(width: usize, height: usize) -> Rgb {
    let at = |y: usize, x: usize| [x * 37 + y * 11, x * x + 3 * y, (x * 5) ^ (y * 9)];
    let pixels = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| at(y, x).map(|v| (v % 256) as u8)))
        .collect();
    Rgb { width, height, pixels }
}

#[track_caller]
fn check_near(ours: &[u8], expected: &[u8]) {
    assert_eq!(ours.len(), expected.len());
    let worst = ours.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(1), "differs by {worst:?} levels");
}

#[test]
fn resize_and_crop_is_pillows_resize_then_crop() {
    let image = texture(31, 23);
    check_near(&resize_and_crop(&image, 16, 14), include_bytes!("down.rgb"));
    check_near(&resize_and_crop(&image, 40, 35), include_bytes!("up.rgb"));
}

#[test]
fn cut_and_resize_is_pillows_crop_then_resize() {
    let window = Window { top: 3, left: 4, height: 9, width: 17 };
    let ours = cut_and_resize(&texture(31, 23), window, 12);
    check_near(&ours, include_bytes!("window.rgb"));
}

#[test]
fn image_of_the_right_size_is_unchanged() {
    let image = texture(24, 24);
    assert_eq!(resize_and_crop(&image, 24, 24), image.pixels);
}

#[test]
fn long_thin_image_is_resized_without_its_whole_length() {
    // The whole would be 256 × 4,194,304 pixels.
    let image = texture(crate::decode::MAX_SIDE, 1);
    assert_eq!(resize_and_crop(&image, 256, 224).len(), 224 * 224 * 3);
}

/// The weights of the input pixels for one output pixel: a triangle around its middle.
fn weights(input: usize, output: usize, pixel: usize) -> Vec<f64> {
    let scale = input as f64 / output as f64;
    let middle = (pixel as f64 + 0.5) * scale;
    let weight = |x: usize| (1.0 - ((x as f64 + 0.5 - middle) / scale.max(1.0)).abs()).max(0.0);
    let weights: Vec<f64> = (0..input).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

/// The obvious resize: every output pixel is the weighted mean of all input pixels.
fn slow_resize(image: &Rgb, side: usize) -> Vec<f64> {
    let mut out = Vec::new();
    for y in 0..side {
        let rows = weights(image.height, side, y);
        for x in 0..side {
            let columns = weights(image.width, side, x);
            for c in 0..3 {
                let mut sum = 0.0;
                for (v, row) in rows.iter().enumerate() {
                    for (u, column) in columns.iter().enumerate() {
                        sum +=
                            row * column * f64::from(image.pixels[(v * image.width + u) * 3 + c]);
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

proptest! {
    #[test]
    fn resize_is_the_weighted_mean(width in 1usize..20, height in 1usize..20, side in 1usize..12) {
        let image = texture(width, height);
        let whole = Window { top: 0, left: 0, height, width };
        let ours = cut_and_resize(&image, whole, side);
        for (ours, exact) in ours.iter().zip(slow_resize(&image, side)) {
            // Each of the two passes rounds.
            prop_assert!((f64::from(*ours) - exact).abs() < 1.6, "{} for {}", ours, exact);
        }
    }

    #[test]
    fn centre_window_is_inside_and_has_the_middle(
        height in 1usize..600,
        width in 1usize..600,
        side in 1usize..300,
        more in 0usize..50,
    ) {
        let w = centre_window(height, width, side + more, side);
        prop_assert!(w.top >= 0.0 && w.left >= 0.0);
        prop_assert!(w.top + w.height <= height as f64 && w.left + w.width <= width as f64);
        // The margin is rounded to a pixel of the resized image.
        let pixel = height.max(width) as f64 / (side + more) as f64;
        prop_assert!((w.top + w.height / 2.0 - height as f64 / 2.0).abs() <= pixel);
        prop_assert!((w.left + w.width / 2.0 - width as f64 / 2.0).abs() <= pixel);
        let one = texture(width, height);
        prop_assert_eq!(resize_and_crop(&one, side + more, side).len(), side * side * 3);
    }

    #[test]
    fn fallback_window_is_inside_in_the_middle_with_an_aspect_in_range(
        height in 1usize..5000,
        width in 1usize..5000,
    ) {
        let w = fallback_window(height, width, [0.75, 4.0 / 3.0]);
        prop_assert!(w.height >= 1 && w.width >= 1);
        prop_assert!(w.top + w.height <= height && w.left + w.width <= width);
        prop_assert!((height - w.height).abs_diff(2 * w.top) <= 1);
        prop_assert!((width - w.width).abs_diff(2 * w.left) <= 1);
        prop_assert!(w.height == height || w.width == width);
        // Within the half pixel of rounding.
        let (h, v) = (w.width as f64, w.height as f64);
        prop_assert!((h + 0.5) / v >= 0.75 && h / (v + 0.5) <= 4.0 / 3.0, "{:?}", w);
    }
}
