//! Packed tensors of odd integers; the bipolar ±1 tensor is the one with one bit.
//!
//! Bit order: semantics.md, section 1. A tensor is a matrix of `rows` vectors of `cols` elements
//! (for weights: a row is one output channel and tap, a column one input channel), stored as one
//! [`BitMatrix`] for each bit plane.
//!
//! Not here: arithmetic. The interpreter decodes, and the engines have their own words.

/// Rows of bits, each row padded with zeros to whole bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitMatrix {
    rows: usize,
    cols: usize,
    bytes: Vec<u8>,
}

impl BitMatrix {
    /// Returns a matrix of zero bits.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, bytes: vec![0; rows * cols.div_ceil(8)] }
    }

    /// Takes packed rows, least significant bit first. `None` if the length is wrong or a padding
    /// bit is set.
    pub fn from_bytes(rows: usize, cols: usize, bytes: Vec<u8>) -> Option<Self> {
        let stride = cols.div_ceil(8);
        let padding = if cols.is_multiple_of(8) { 0 } else { u8::MAX << (cols % 8) };
        let clean = stride == 0
            || bytes.iter().skip(stride - 1).step_by(stride).all(|last| last & padding == 0);
        (bytes.len() == rows.checked_mul(stride)? && clean).then_some(Self { rows, cols, bytes })
    }

    /// Returns the packed rows.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns one bit.
    ///
    /// # Panics
    /// If the position is outside: a bug of the caller.
    pub fn get(&self, row: usize, col: usize) -> bool {
        let (byte, bit) = self.position(row, col);
        self.bytes[byte] >> bit & 1 == 1
    }

    /// Sets one bit.
    ///
    /// # Panics
    /// If the position is outside: a bug of the caller.
    pub fn set(&mut self, row: usize, col: usize, value: bool) {
        let (byte, bit) = self.position(row, col);
        self.bytes[byte] = self.bytes[byte] & !(1 << bit) | u8::from(value) << bit;
    }

    fn position(&self, row: usize, col: usize) -> (usize, usize) {
        assert!(row < self.rows && col < self.cols, "bug: bit ({row}, {col}) is outside");
        (row * self.cols.div_ceil(8) + col / 8, col % 8)
    }
}

/// A matrix of odd integers of `bits` bits, `±1` for one bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    rows: usize,
    cols: usize,
    planes: Vec<BitMatrix>,
}

impl Levels {
    /// Packs row-major odd integers.
    ///
    /// # Panics
    /// If a value is even or does not fit `bits`, or the length is not `rows · cols`: a bug of
    /// the caller.
    pub fn from_values(bits: u32, rows: usize, cols: usize, values: &[i32]) -> Self {
        assert_eq!(values.len(), rows * cols, "bug: {rows} x {cols} levels");
        let limit = crate::grid::max_level(bits);
        let mut planes = vec![BitMatrix::zeros(rows, cols); bits as usize];
        for (i, &v) in values.iter().enumerate() {
            assert!(v & 1 == 1 && v.abs() <= limit, "bug: {v} is not a level of {bits} bits");
            let code = i32::midpoint(v, limit);
            for (j, plane) in planes.iter_mut().enumerate() {
                plane.set(i / cols, i % cols, code >> j & 1 == 1);
            }
        }
        Self { rows, cols, planes }
    }

    /// Packs row-major signs, `true` for +1.
    pub fn from_signs(rows: usize, cols: usize, signs: &[bool]) -> Self {
        let values: Vec<i32> = signs.iter().map(|&s| if s { 1 } else { -1 }).collect();
        Self::from_values(1, rows, cols, &values)
    }

    /// Takes the planes, least significant first. `None` without planes.
    pub fn from_planes(planes: Vec<BitMatrix>) -> Option<Self> {
        let first = planes.first()?;
        let (rows, cols) = (first.rows, first.cols);
        planes.iter().all(|p| p.rows == rows && p.cols == cols).then_some(Self {
            rows,
            cols,
            planes,
        })
    }

    /// Number of bits of an element.
    pub fn bits(&self) -> u32 {
        u32::try_from(self.planes.len()).expect("bug: few planes")
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of elements in a row.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Returns the planes, least significant first.
    pub fn planes(&self) -> &[BitMatrix] {
        &self.planes
    }

    /// Returns one element.
    pub fn get(&self, row: usize, col: usize) -> i32 {
        self.planes
            .iter()
            .enumerate()
            .map(|(j, plane)| if plane.get(row, col) { 1 << j } else { -(1 << j) })
            .sum()
    }

    /// Returns all elements, row-major.
    pub fn to_values(&self) -> Vec<i32> {
        (0..self.rows).flat_map(|r| (0..self.cols).map(move |c| self.get(r, c))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_keeps_every_level(
            bits in 1u32..=8, rows in 1usize..5, cols in 1usize..40, seed in any::<u64>(),
        ) {
            let limit = i64::from(crate::grid::max_level(bits));
            let values: Vec<i32> = (0..rows * cols)
                .map(|i| {
                    let hash = seed.wrapping_mul(i as u64 + 1).rotate_left(17) >> 8;
                    let code = i64::try_from(hash).expect("56 bits") % (limit + 1);
                    i32::try_from(2 * code - limit).expect("small")
                })
                .collect();
            let levels = Levels::from_values(bits, rows, cols, &values);
            prop_assert_eq!(levels.to_values(), values);
        }
    }

    #[test]
    fn set_padding_bits_are_refused() {
        assert!(BitMatrix::from_bytes(2, 3, vec![0b111, 0b000]).is_some());
        assert!(BitMatrix::from_bytes(2, 3, vec![0b1111, 0b000]).is_none());
        assert!(BitMatrix::from_bytes(2, 3, vec![0b111]).is_none());
    }
}
