//! The size of the array, and what follows from it: microarchitecture.md, section 1.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The size of the array: `rows × cols` processing elements of `lanes` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayConfig {
    /// Output pixels of a tile.
    pub rows: usize,
    /// Output channels of a tile.
    pub cols: usize,
    /// XNOR bits of a processing element.
    pub lanes: usize,
    /// Lane groups, each of which may work on another tap: 1, 2 or 4.
    pub taps: usize,
    /// Most lines of a map that a tile covers: 1, 2 or 4, a divisor of `rows`.
    pub lines: usize,
    /// Bits of an accumulator, an unsigned count of matches.
    pub acc_bits: u32,
    /// Whether there is hardware for more than the `CIFAR` networks need.
    pub extended: bool,
}

impl ArrayConfig {
    /// Cycles to write the results of one pixel: `D`.
    pub fn write_beats(&self) -> usize {
        self.cols.div_ceil(self.lanes)
    }

    /// Bits of a slice, the unit in which results are written: `S`.
    pub fn slice_bits(&self) -> usize {
        self.cols.div_ceil(self.write_beats())
    }

    /// Slices of an activation word: `G`.
    pub fn slices_per_word(&self) -> usize {
        self.lanes / self.slice_bits()
    }

    /// Cycles from the operands of a processing element to their count: `P`.
    pub fn popcount_latency(&self) -> usize {
        let levels = self.lanes.next_power_of_two().trailing_zeros() as usize;
        levels.div_ceil(2).max(1)
    }

    /// Lanes of a lane group.
    pub fn group_lanes(&self) -> usize {
        self.lanes / self.taps
    }

    /// Whether the lanes can be divided into so many groups of whole slices.
    pub fn divides_into(&self, taps: usize) -> bool {
        let slices = self.slices_per_word();
        taps == 1 || slices * self.slice_bits() == self.lanes && slices.is_multiple_of(taps)
    }

    /// Pipeline stages of the nonlinearity: `N`.
    pub fn nonlinear_stages(&self) -> usize {
        if self.extended { 6 } else { 0 }
    }

    /// Pixels of an image window: `V`.
    pub fn window_pixels(&self) -> usize {
        if self.extended { 2 * self.rows + 5 } else { self.rows + 2 }
    }

    /// Bit planes that a step of the stem reads: `NP`.
    pub fn stem_planes(&self) -> usize {
        if self.lanes >= 54 { 2 } else { 1 }
    }

    /// Elements of a slot group in a row's vector: `E`, for a kernel of side `k`.
    pub fn stem_group_stride(&self, k: usize) -> usize {
        let used = 9 * k;
        if self.stem_planes() * used <= self.lanes {
            used
        } else {
            self.lanes * used.div_ceil(self.lanes)
        }
    }

    /// Bits of a word of the parameter memory.
    pub fn parameter_bits(&self) -> usize {
        if self.extended { 135 } else { 56 }
    }

    /// Bits of one write through the load port.
    pub fn load_bits(&self) -> usize {
        self.lanes.max(self.parameter_bits())
    }
}

/// `ROWSxCOLSxLANES` as written on the command line; the accumulator is sized separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArrayShape {
    /// Output pixels of a tile.
    pub rows: usize,
    /// Output channels of a tile.
    pub cols: usize,
    /// XNOR bits of a processing element.
    pub lanes: usize,
}

/// Why a text is not an array shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an array: {rule}")]
pub struct ParseArrayError {
    text: String,
    rule: &'static str,
}

impl FromStr for ArrayShape {
    type Err = ParseArrayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |rule| ParseArrayError { text: text.to_owned(), rule };
        let sizes: Vec<usize> = text
            .split('x')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| error("write ROWSxCOLSxLANES, for example 8x16x64"))?;
        let &[rows, cols, lanes] = sizes.as_slice() else {
            return Err(error("write ROWSxCOLSxLANES, for example 8x16x64"));
        };
        if !(1..=256).contains(&rows) || !(1..=256).contains(&cols) {
            return Err(error("rows and columns are 1 to 256"));
        }
        if !(4..=1024).contains(&lanes) {
            return Err(error("lanes are 4 to 1024 (a pixel needs three and the constant one)"));
        }
        Ok(Self { rows, cols, lanes })
    }
}

impl fmt::Display for ArrayShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.rows, self.cols, self.lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(rows: usize, cols: usize, lanes: usize) -> ArrayConfig {
        ArrayConfig { rows, cols, lanes, taps: 1, lines: 1, acc_bits: 20, extended: false }
    }

    #[test]
    fn slices_follow_the_microarchitecture() {
        let sizes = |rows, cols, lanes| {
            let a = array(rows, cols, lanes);
            (a.write_beats(), a.slice_bits(), a.slices_per_word(), a.popcount_latency())
        };
        assert_eq!(sizes(8, 8, 16), (1, 8, 2, 2));
        assert_eq!(sizes(8, 12, 16), (1, 12, 1, 2));
        assert_eq!(sizes(4, 7, 4), (2, 4, 1, 1));
        assert_eq!(sizes(1, 9, 8), (2, 5, 1, 2));
        assert_eq!(sizes(8, 16, 64), (1, 16, 4, 3));
    }

    #[test]
    fn lane_groups_are_whole_slices() {
        assert!(array(4, 8, 32).divides_into(2) && array(4, 8, 32).divides_into(4));
        assert!(array(8, 8, 16).divides_into(2) && !array(8, 8, 16).divides_into(4));
        assert!(!array(8, 12, 16).divides_into(2));
    }

    #[test]
    fn stem_vectors_follow_the_microarchitecture() {
        assert_eq!(array(8, 8, 16).stem_group_stride(3), 32);
        assert_eq!(array(4, 8, 32).stem_group_stride(3), 27);
        assert_eq!(array(8, 16, 64).stem_group_stride(3), 27);
        assert_eq!(array(8, 16, 64).stem_group_stride(7), 64);
        assert_eq!(array(8, 16, 128).stem_group_stride(7), 63);
    }

    #[test]
    fn array_shape_rejects_what_the_array_cannot_be() {
        assert_eq!("8x16x64".parse(), Ok(ArrayShape { rows: 8, cols: 16, lanes: 64 }));
        for text in ["", "8x8", "8x8x8x8", "0x8x16", "8x8x3", "8xax8", "-1x2x8", "8x8x99999"] {
            assert!(text.parse::<ArrayShape>().is_err(), "{text}");
        }
    }
}
