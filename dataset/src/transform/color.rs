//! Changes of colour: `AlexNet`'s lighting noise.

/// Square roots of the covariance's eigenvalues of ImageNet's RGB values in 0..=1.
const VALUES: [f64; 3] = [0.2175, 0.0188, 0.0045];
/// The eigenvectors as columns; a row is a channel.
const VECTORS: [[f64; 3]; 3] =
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]];

/// Returns what lighting adds to each channel, in levels of 255: `255 · vectors · (alpha ∘ values)`.
///
/// Krizhevsky et al., "`ImageNet` classification with deep convolutional neural networks", section
/// 4.1, with the published constants; `alpha` is drawn from a normal distribution.
pub(crate) fn lighting_offsets(alpha: [f64; 3]) -> [i16; 3] {
    VECTORS.map(|row| {
        let sum: f64 = row.iter().zip(alpha).zip(VALUES).map(|((v, a), value)| v * a * value).sum();
        (255.0 * sum).round() as i16
    })
}

/// Adds a number to each channel of planes; results stay in 0..=255.
pub(crate) fn shift_channels(planes: &mut [u8], offsets: [i16; 3]) {
    let plane = planes.len() / offsets.len();
    for (channel, offset) in planes.chunks_exact_mut(plane).zip(offsets) {
        for pixel in channel {
            *pixel = i16::from(*pixel).saturating_add(offset).clamp(0, 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_component_is_brightness() {
        assert_eq!(lighting_offsets([0.0; 3]), [0; 3]);
        // 255 · 0.2175 · -0.57 is -31.5, -32.2 and -32.4.
        assert_eq!(lighting_offsets([1.0, 0.0, 0.0]), [-31, -32, -32]);
        assert_eq!(lighting_offsets([0.0, 1.0, 0.0]), [3, 0, -3]);
    }

    #[test]
    fn components_are_orthogonal() {
        for (i, j) in [(0, 1), (0, 2), (1, 2)] {
            let dot: f64 = VECTORS.iter().map(|row| row[i] * row[j]).sum();
            assert!(dot.abs() < 1e-3, "{i} {j}: {dot}");
        }
    }

    #[test]
    fn levels_stay_in_range() {
        let mut planes = [0, 250, 0, 250, 7, 8];
        shift_channels(&mut planes, [10, -10, i16::MAX]);
        assert_eq!(planes, [10, 255, 0, 240, 255, 255]);
    }
}
