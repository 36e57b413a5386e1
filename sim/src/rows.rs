//! Rows of the array: which of them a tap is valid for, and which banks they read.
//!
//! Section 4.1 of microarchitecture.md, "Lines" included: with `q` lines a tile, the rows
//! `j·R/q .. (j+1)·R/q` have line `j`.

use crate::layout::lines;
use heartbit_ir::program::{LayerDescriptor, Step};
use std::ops::Range;

/// The same rows of several lines: `count` ranges of `len` rows, `pitch` from one to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    first: usize,
    len: usize,
    count: usize,
    pitch: usize,
}

impl Rows {
    /// The first `rows` rows.
    pub(crate) fn all(rows: usize) -> Self {
        Self { first: 0, len: rows, count: 1, pitch: 0 }
    }

    /// The rows of some columns of some lines, `pitch` rows a line.
    pub(crate) fn of_lines(lines: Range<usize>, columns: Range<usize>, pitch: usize) -> Self {
        if lines.is_empty() || columns.is_empty() {
            return Self::default();
        }
        let first = lines.start * pitch + columns.start;
        if columns.len() == pitch {
            return Self { first, len: lines.len() * pitch, count: 1, pitch: 0 };
        }
        Self { first, len: columns.len(), count: lines.len(), pitch }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The ranges, from the first row on.
    pub(crate) fn ranges(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.count).map(move |line| {
            let first = self.first + line * self.pitch;
            first..first + self.len
        })
    }
}

/// Neighbouring rows that read neighbouring banks at the same address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) rows: Range<usize>,
    /// The bank of the first row.
    pub(crate) bank: usize,
    /// Added to the tile's address.
    pub(crate) offset: isize,
}

impl Run {
    /// The runs of all rows in a step, `shift` and `line_shift` in their ranges.
    pub(crate) fn all(step: &Step, rows: usize, d: &LayerDescriptor) -> Vec<Self> {
        let pitch = rows / lines(d);
        let turn = isize::from(step.shift) + isize::from(step.line_shift) * pitch.cast_signed();
        let mut runs: Vec<Self> = Vec::new();
        for row in 0..rows {
            let bank = (row.cast_signed() + turn).rem_euclid(rows.cast_signed()).cast_unsigned();
            let offset = isize::from(step.offset) + adjust(step, bank, rows, d);
            match runs.last_mut() {
                Some(run) if run.offset == offset && run.bank + run.rows.len() == bank => {
                    run.rows.end += 1;
                }
                _ => runs.push(Self { rows: row..row + 1, bank, offset }),
            }
        }
        runs
    }
}

/// What is added to the address of a bank whose word is in another tile.
fn adjust(step: &Step, bank: usize, rows: usize, d: &LayerDescriptor) -> isize {
    let q = lines(d);
    let (turn, words, first, last) = if q == 1 {
        (step.shift, d.in_xt_words, bank == 0, bank == rows - 1)
    } else {
        let line = bank / (rows / q);
        (step.line_shift, d.in_y_words, line == 0, line == q - 1)
    };
    match turn {
        -1 if last => -isize::try_from(words).expect("bug: 16 bits"),
        1 if first => isize::try_from(words).expect("bug: 16 bits"),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice;

    fn runs(lines: u8, shift: i8, line_shift: i8) -> Vec<(Range<usize>, usize, isize)> {
        let d = LayerDescriptor {
            lines,
            in_xt_words: 7,
            in_y_words: 100,
            ..LayerDescriptor::default()
        };
        let step = Step { offset: 1000, shift, line_shift, ..Step::default() };
        let runs = Run::all(&step, 8, &d);
        runs.into_iter().map(|run| (run.rows, run.bank, run.offset)).collect()
    }

    #[test]
    fn single_lines_turn_into_the_neighbouring_tile() {
        assert_eq!(runs(1, 0, 0), [(0..8, 0, 1000)]);
        assert_eq!(runs(1, 1, 0), [(0..7, 1, 1000), (7..8, 0, 1007)]);
        assert_eq!(runs(1, -1, 0), [(0..1, 7, 993), (1..8, 0, 1000)]);
    }

    #[test]
    fn lines_turn_into_the_neighbouring_row_of_tiles() {
        assert_eq!(runs(2, 0, 0), [(0..8, 0, 1000)]);
        assert_eq!(runs(2, 0, 1), [(0..4, 4, 1000), (4..8, 0, 1100)]);
        assert_eq!(runs(4, 0, -1), [(0..2, 6, 900), (2..8, 0, 1000)]);
        // Row 3 meets line 0 and row 7 line 1, both outside of the map.
        assert_eq!(runs(2, 1, 0), [(0..7, 1, 1000), (7..8, 0, 1000)]);
        assert_eq!(runs(2, 1, 1), [(0..3, 5, 1000), (3..7, 0, 1100), (7..8, 4, 1000)]);
    }

    #[test]
    fn rows_of_lines_are_ranges() {
        let check = |lines, columns, expected: &[Range<usize>]| {
            let rows = Rows::of_lines(lines, columns, 4);
            assert_eq!(rows.ranges().collect::<Vec<_>>(), expected);
            assert_eq!(rows.is_empty(), expected.is_empty());
        };
        check(0..1, 2..4, slice::from_ref(&(2..4)));
        check(1..3, 1..4, &[5..8, 9..12]);
        check(1..3, 0..4, slice::from_ref(&(4..12)));
        check(1..1, 0..4, &[]);
        check(0..1, 3..3, &[]);
        assert_eq!(Rows::of_lines(0..2, 0..4, 4), Rows::all(8));
    }
}
