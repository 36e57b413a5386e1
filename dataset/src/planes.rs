//! The two orders of an image's bytes: planes (channel, row, column) and interleaved (row, column,
//! channel).

/// Returns planes as interleaved bytes.
pub fn to_interleaved(planes: &[u8], channels: usize) -> Vec<u8> {
    let plane = planes.len() / channels;
    (0..plane).flat_map(|p| (0..channels).map(move |c| planes[c * plane + p])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaving_moves_each_byte_where_it_belongs() {
        let planes: Vec<u8> = (0..3 * 20).collect();
        let interleaved = to_interleaved(&planes, 3);
        assert_eq!(interleaved[..6], [0, 20, 40, 1, 21, 41]);
    }
}
