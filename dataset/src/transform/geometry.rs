//! Moves of pixels within planes: padded crop and mirror.

/// Appends the window at `[top, left]` of an image padded by `pad` zeros on each side.
///
/// The window has the image's size; `shape` is channels, height, width. `[pad, pad]` is the image.
pub(crate) fn crop_padded(
    planes: &[u8],
    shape: [usize; 3],
    pad: usize,
    [top, left]: [usize; 2],
    out: &mut Vec<u8>,
) {
    let [channels, height, width] = shape;
    let start = out.len();
    out.resize(start + channels * height * width, 0);
    // Columns of the window that come from the image, and where in a row of the image they begin.
    let (to, from) = (pad.saturating_sub(left), left.saturating_sub(pad));
    let columns = width.saturating_sub(to.max(from));
    if columns == 0 {
        return;
    }
    let windows = out[start..].chunks_exact_mut(height * width);
    for (plane, window) in planes.chunks_exact(height * width).zip(windows) {
        for y in 0..height {
            let Some(row) = (y + top).checked_sub(pad).filter(|&row| row < height) else {
                continue;
            };
            window[y * width + to..][..columns]
                .copy_from_slice(&plane[row * width + from..][..columns]);
        }
    }
}

/// Mirrors every row of `width` bytes.
pub(crate) fn flip_rows(planes: &mut [u8], width: usize) {
    for row in planes.chunks_exact_mut(width) {
        row.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The obvious crop: every pixel asks the padded image.
    fn slow_crop(planes: &[u8], [c, h, w]: [usize; 3], pad: usize, at: [usize; 2]) -> Vec<u8> {
        let padded = |k: usize, y: usize, x: usize| {
            let inside = (pad..pad + h).contains(&y) && (pad..pad + w).contains(&x);
            if inside { planes[(k * h + y - pad) * w + x - pad] } else { 0 }
        };
        let mut out = Vec::new();
        for k in 0..c {
            for y in 0..h {
                for x in 0..w {
                    out.push(padded(k, y + at[0], x + at[1]));
                }
            }
        }
        out
    }

    fn image([c, h, w]: [usize; 3]) -> Vec<u8> {
        (0..c * h * w).map(|i| (i * 7 % 255 + 1) as u8).collect()
    }

    proptest! {
        #[test]
        fn crop_equals_the_obvious_one(
            shape in prop::array::uniform3(1usize..9),
            pad in 0usize..11,
            at in (0.0f64..=1.0, 0.0f64..=1.0),
        ) {
            let last = 2.0 * pad as f64;
            let at = [(at.0 * last).round() as usize, (at.1 * last).round() as usize];
            let planes = image(shape);
            let mut out = vec![9];
            crop_padded(&planes, shape, pad, at, &mut out);
            prop_assert_eq!(out[0], 9);
            prop_assert_eq!(&out[1..], slow_crop(&planes, shape, pad, at));
        }

        #[test]
        fn flip_moves_column_x_to_the_other_end_and_twice_is_nothing(
            shape in prop::array::uniform3(1usize..9),
        ) {
            let planes = image(shape);
            let [_, _, w] = shape;
            let mut flipped = planes.clone();
            flip_rows(&mut flipped, w);
            for (i, &pixel) in flipped.iter().enumerate() {
                prop_assert_eq!(pixel, planes[i / w * w + (w - 1 - i % w)]);
            }
            flip_rows(&mut flipped, w);
            prop_assert_eq!(flipped, planes);
        }
    }
}
