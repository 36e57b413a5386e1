//! The two orders of an image's bytes: planes (channel, row, column) and interleaved (row, column,
//! channel).

/// Returns planes as interleaved bytes.
pub fn to_interleaved(planes: &[u8], channels: usize) -> Vec<u8> {
    let plane = planes.len() / channels;
    (0..plane).flat_map(|p| (0..channels).map(move |c| planes[c * plane + p])).collect()
}

/// Appends interleaved bytes as planes.
pub(crate) fn append_planes(interleaved: &[u8], channels: usize, out: &mut Vec<u8>) {
    for c in 0..channels {
        out.extend(interleaved.iter().skip(c).step_by(channels));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaving_and_its_inverse_move_each_byte_where_it_belongs() {
        let planes: Vec<u8> = (0..3 * 20).collect();
        let interleaved = to_interleaved(&planes, 3);
        assert_eq!(interleaved[..6], [0, 20, 40, 1, 21, 41]);
        let mut back = Vec::new();
        append_planes(&interleaved, 3, &mut back);
        assert_eq!(back, planes);
    }
}
