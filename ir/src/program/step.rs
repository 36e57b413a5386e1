//! Words of the step memory: microarchitecture.md, section 3.2.

use super::unpack;

/// What a lane group does in a step of a layer that reads a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one bit of the word each")]
pub struct Step {
    /// Added to the tile's address.
    pub offset: i16,
    /// Row of the tap relative to the window's centre, -8 to 7.
    pub dy: i8,
    /// Column of the tap relative to the window's centre, -8 to 7.
    pub dx: i8,
    /// -1, 0 or 1: row `r` reads bank `r + shift`.
    pub shift: i8,
    /// -1, 0 or 1: line `j` of the tile reads line `j + line_shift`; 0 in tiles of one line.
    pub line_shift: i8,
    /// No tap: never valid.
    pub off: bool,
    /// The accumulators double first.
    pub double: bool,
    /// Counts the products of the tap.
    pub tap_first: bool,
    /// The last word of a pixel: its unused lanes are masked.
    pub last_word: bool,
}

impl Step {
    /// Returns the word of the step memory.
    ///
    /// # Panics
    /// If a field is out of its range: a bug of the compiler.
    pub fn encode(&self) -> u32 {
        let one = -1..=1;
        assert!(one.contains(&self.shift) && one.contains(&self.line_shift), "bug: {self:?}");
        u32::from(self.offset.cast_unsigned())
            | nibble(self.dy) << 16
            | nibble(self.dx) << 20
            | u32::from(self.shift.cast_unsigned() & 3) << 24
            | u32::from(self.off) << 26
            | u32::from(self.line_shift.cast_unsigned() & 3) << 27
            | u32::from(self.double) << 29
            | u32::from(self.tap_first) << 30
            | u32::from(self.last_word) << 31
    }

    /// Reads the word of the step memory.
    pub fn decode(word: u32) -> Self {
        Self {
            offset: unpack(word).0.cast_signed(),
            dy: signed(word, 16, 4),
            dx: signed(word, 20, 4),
            shift: signed(word, 24, 2),
            line_shift: signed(word, 27, 2),
            off: word >> 26 & 1 == 1,
            double: word >> 29 & 1 == 1,
            tap_first: word >> 30 & 1 == 1,
            last_word: word >> 31 == 1,
        }
    }
}

/// What the array does in a step of a layer that reads the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageStep {
    /// Plane of each slot group that is used; group 1 exists only where two planes are read.
    pub planes: [Option<u8>; 2],
    /// Image rows that are read, 1 to 3.
    pub n_rows: u8,
    /// Which lanes of the vector: its elements from `part · lanes` on.
    pub part: u8,
    /// The first image row relative to the output row times the stride, -8 to 7.
    pub dy: i8,
    /// The accumulators double first.
    pub double: bool,
    /// Counts the products of a step.
    pub tap_first: bool,
}

impl ImageStep {
    /// Returns the word of the step memory.
    ///
    /// # Panics
    /// If a field is out of its range: a bug of the compiler.
    pub fn encode(&self) -> u32 {
        let in_range = (1..=3).contains(&self.n_rows)
            && self.part < 16
            && self.planes.iter().flatten().all(|&plane| plane < 8);
        assert!(in_range, "bug: step {self:?}");
        let plane = |e: usize| u32::from(self.planes[e].unwrap_or(0));
        let used = |e: usize| u32::from(self.planes[e].is_some());
        plane(0)
            | plane(1) << 3
            | used(0) << 6
            | used(1) << 7
            | u32::from(self.n_rows) << 8
            | u32::from(self.part) << 10
            | nibble(self.dy) << 16
            | u32::from(self.double) << 29
            | u32::from(self.tap_first) << 30
    }

    /// Reads the word of the step memory.
    pub fn decode(word: u32) -> Self {
        let field = |low: u32, bits: u32| {
            u8::try_from(word >> low & ((1 << bits) - 1)).expect("bug: at most 4 bits")
        };
        let plane = |e: u32| (field(6 + e, 1) == 1).then(|| field(3 * e, 3));
        Self {
            planes: [plane(0), plane(1)],
            n_rows: field(8, 2),
            part: field(10, 4),
            dy: signed(word, 16, 4),
            double: field(29, 1) == 1,
            tap_first: field(30, 1) == 1,
        }
    }
}

fn nibble(v: i8) -> u32 {
    assert!((-8..8).contains(&v), "bug: tap offset {v} does not fit 4 bits");
    u32::from(v.cast_unsigned() & 15)
}

fn signed(word: u32, low: u32, bits: u32) -> i8 {
    let value = (word >> low).cast_signed() << (32 - bits) >> (32 - bits);
    i8::try_from(value).expect("bug: at most 4 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_survive_encoding() {
        let step = Step {
            offset: -5,
            dy: -1,
            dx: 1,
            shift: -1,
            line_shift: 1,
            off: true,
            double: true,
            tap_first: false,
            last_word: true,
        };
        assert_eq!(Step::decode(step.encode()), step);
        let step = ImageStep {
            planes: [None, Some(7)],
            n_rows: 3,
            part: 15,
            dy: -3,
            double: true,
            tap_first: true,
        };
        assert_eq!(ImageStep::decode(step.encode()), step);
    }
}
