//! Rotation about the middle, as torchvision does with Pillow images: nearest pixel, black corners.

/// One in the fixed-point numbers of [`rotate`].
const ONE: f64 = 65_536.0;

/// Rotates planes counter-clockwise; what comes from outside the image is 0.
///
/// Coordinates are fixed-point with 16 fraction bits, as Pillow's, so that a difference in the last
/// place of a sine between platforms moves no pixel. `shape` is channels, height, width.
pub(crate) fn rotate(planes: &mut [u8], shape: [usize; 3], degrees: f64) {
    let [_, height, width] = shape;
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (middle_x, middle_y) = (width as f64 / 2.0, height as f64 / 2.0);
    // The pixel (x, y) of the result comes from x cos - y sin, x sin + y cos about the middle.
    let (x0, y0) = (0.5 - middle_x, 0.5 - middle_y);
    let row_x = fixed(x0 * cos - y0 * sin + middle_x);
    let row_y = fixed(x0 * sin + y0 * cos + middle_y);
    let (cos, sin) = (fixed(cos), fixed(sin));
    let inside = |fixed: i64, length: usize| {
        usize::try_from(fixed >> 16).ok().filter(|&index| index < length)
    };
    for plane in planes.chunks_exact_mut(height * width) {
        let source = plane.to_vec();
        for (y, row) in (0i64..).zip(plane.chunks_exact_mut(width)) {
            for (x, pixel) in (0i64..).zip(row) {
                let from_x = inside(row_x + x * cos - y * sin, width);
                let from_y = inside(row_y + x * sin + y * cos, height);
                *pixel = from_x.zip(from_y).map_or(0, |(x, y)| source[y * width + x]);
            }
        }
    }
}

fn fixed(value: f64) -> i64 {
    (value * ONE + 0.5).floor() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image([c, h, w]: [usize; 3]) -> Vec<u8> {
        (0..c * h * w).map(|i| (i * 7 % 255 + 1) as u8).collect()
    }

    #[test]
    fn quarter_turn_is_counter_clockwise() {
        // 1 2 3        3 6 9
        // 4 5 6  turns 2 5 8
        // 7 8 9        1 4 7
        let mut plane: Vec<u8> = (1..=9).collect();
        rotate(&mut plane, [1, 3, 3], 90.0);
        assert_eq!(plane, [3, 6, 9, 2, 5, 8, 1, 4, 7]);
    }

    #[test]
    fn rotation_is_pillows() {
        let at = |y: usize, x: usize| [x * 37 + y * 11, x * x + 3 * y, (x * 5) ^ (y * 9)];
        let plane =
            |c: usize| (0..29).flat_map(move |y| (0..29).map(move |x| (at(y, x)[c] % 256) as u8));
        let mut planes: Vec<u8> = (0..3).flat_map(plane).collect();
        rotate(&mut planes, [3, 29, 29], -17.3);
        // Pillow 13.0: `image.rotate(-17.3)`, interleaved.
        let pillow: &[u8] = include_bytes!("rotate/turned.rgb");
        assert_eq!(crate::planes::to_interleaved(&planes, 3), pillow);
    }

    #[test]
    fn corners_become_black() {
        let mut plane = vec![255; 64 * 64];
        rotate(&mut plane, [1, 64, 64], 20.0);
        assert_eq!([plane[0], plane[63], plane[63 * 64], plane[64 * 64 - 1]], [0; 4]);
        assert_eq!(plane[32 * 64 + 32], 255);
    }

    proptest! {
        #[test]
        fn zero_degrees_is_the_image_and_half_a_turn_reverses_it(
            shape in (1usize..4, 1usize..40, 1usize..40),
        ) {
            let shape = [shape.0, shape.1, shape.2];
            let before = image(shape);
            let mut planes = before.clone();
            rotate(&mut planes, shape, 0.0);
            prop_assert_eq!(&planes, &before);
            rotate(&mut planes, shape, 180.0);
            for (turned, plane) in
                planes.chunks(shape[1] * shape[2]).zip(before.chunks(shape[1] * shape[2]))
            {
                prop_assert!(turned.iter().eq(plane.iter().rev()));
            }
        }

        #[test]
        fn every_pixel_comes_from_where_the_rotation_says(
            shape in (1usize..3, 1usize..40, 1usize..40),
            degrees in -180.0f64..180.0,
        ) {
            let [c, h, w] = [shape.0, shape.1, shape.2];
            let before = image([c, h, w]);
            let mut planes = before.clone();
            rotate(&mut planes, [c, h, w], degrees);
            let (sin, cos) = degrees.to_radians().sin_cos();
            for (i, &pixel) in planes.iter().enumerate() {
                let (plane, y, x) = (i / (h * w), i / w % h, i % w);
                let dx = x as f64 + 0.5 - w as f64 / 2.0;
                let dy = y as f64 + 0.5 - h as f64 / 2.0;
                let from = [dy * cos + dx * sin + h as f64 / 2.0, dx * cos - dy * sin + w as f64 / 2.0];
                // Beside a boundary between pixels either one is right.
                if from.iter().any(|f| (f - f.round()).abs() < 2e-3) {
                    continue;
                }
                let [fy, fx] = from.map(f64::floor);
                let inside = fy >= 0.0 && fx >= 0.0 && fy < h as f64 && fx < w as f64;
                let expected =
                    if inside { before[(plane * h + fy as usize) * w + fx as usize] } else { 0 };
                prop_assert_eq!(pixel, expected, "plane {} y {} x {}", plane, y, x);
            }
        }
    }
}
