//! The shortcut and the borders of a layer: fields of the descriptor's last word.

/// How the stream joins a layer's result: microarchitecture.md, section 5.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// Not at all.
    #[default]
    None,
    /// The word at the pixel.
    Add,
    /// The rounded average of 2×2 words.
    Average,
    /// The largest or smallest word of a window.
    Extreme,
}

/// Which words of the stream a layer reads, and what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// What becomes of the words.
    pub join: Join,
    /// Side of the window, 1 to 3.
    pub window: u8,
    /// Whether windows are two positions apart.
    pub stride_2: bool,
    /// Whether windows begin one position before the map.
    pub padding: bool,
    /// Whether the first row of windows begins in the map's first row despite the padding: in a band
    /// that is not the first.
    pub inner: bool,
}

impl Default for Shortcut {
    fn default() -> Self {
        Self { join: Join::None, window: 1, stride_2: false, padding: false, inner: false }
    }
}

impl Shortcut {
    /// Cycles to read the words of one pixel.
    pub fn reads(&self) -> usize {
        match self.join {
            Join::None | Join::Add => 1,
            Join::Average => 2,
            Join::Extreme => usize::from(self.window).pow(2),
        }
    }

    /// Positions that the first windows begin before the map: rows and columns.
    pub fn paddings(&self) -> [usize; 2] {
        [usize::from(self.padding && !self.inner), usize::from(self.padding)]
    }

    /// Distance of two windows.
    pub fn stride(&self) -> usize {
        if self.stride_2 { 2 } else { 1 }
    }

    pub(super) fn encode(self) -> u16 {
        let join = match self.join {
            Join::None => 0,
            Join::Add => 1,
            Join::Average => 2,
            Join::Extreme => 3,
        };
        u16::from(self.window & 3)
            | u16::from(self.stride_2) << 2
            | u16::from(self.padding) << 3
            | join << 4
            | u16::from(self.inner) << 6
    }

    pub(super) fn decode(bits: u16) -> Self {
        let [low, _] = bits.to_le_bytes();
        Self {
            join: [Join::None, Join::Add, Join::Average, Join::Extreme][usize::from(low >> 4 & 3)],
            window: low & 3,
            stride_2: low >> 2 & 1 == 1,
            padding: low >> 3 & 1 == 1,
            inner: low >> 6 & 1 == 1,
        }
    }
}

/// Rows and columns at the borders of a result that have parameters of their own, 0 to 3 each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Borders {
    /// Rows at the top.
    pub top: u8,
    /// Rows at the bottom.
    pub bottom: u8,
    /// Columns at the left.
    pub left: u8,
    /// Columns at the right.
    pub right: u8,
}

impl Borders {
    /// Classes of rows: `n_y`.
    pub fn row_classes(&self) -> usize {
        usize::from(self.top + self.bottom) + 1
    }

    /// Classes of columns: `n_x`.
    pub fn column_classes(&self) -> usize {
        usize::from(self.left + self.right) + 1
    }

    /// Classes of pixels, the parameter words of a column tile.
    pub fn classes(&self) -> usize {
        self.row_classes() * self.column_classes()
    }

    /// Class of a pixel of a result of `height` × `width`.
    pub fn class(&self, y: usize, x: usize, height: usize, width: usize) -> usize {
        let row = class_along(y, height, self.top, self.bottom);
        row * self.column_classes() + class_along(x, width, self.left, self.right)
    }

    pub(super) fn encode(self) -> u16 {
        [self.top, self.bottom, self.left, self.right]
            .iter()
            .enumerate()
            .map(|(i, &n)| u16::from(n & 3) << (2 * i))
            .sum()
    }

    pub(super) fn decode(bits: u16) -> Self {
        let [low, _] = bits.to_le_bytes();
        let field = |i: u32| low >> (2 * i) & 3;
        Self { top: field(0), bottom: field(1), left: field(2), right: field(3) }
    }
}

fn class_along(at: usize, size: usize, before: u8, after: u8) -> usize {
    let (before, after) = (usize::from(before), usize::from(after));
    if at < before {
        at
    } else if at + after >= size {
        before + 1 + (at + after - size)
    } else {
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_count_from_both_borders() {
        let borders = Borders { top: 2, bottom: 1, left: 1, right: 1 };
        assert_eq!(
            (borders.row_classes(), borders.column_classes(), borders.classes()),
            (4, 3, 12)
        );
        let rows: Vec<_> = (0..6).map(|y| borders.class(y, 1, 6, 3) / 3).collect();
        assert_eq!(rows, [0, 1, 2, 2, 2, 3]);
        let columns: Vec<_> = (0..3).map(|x| borders.class(0, x, 6, 3)).collect();
        assert_eq!(columns, [0, 1, 2]);
        assert_eq!(Borders::default().class(5, 7, 9, 9), 0);
    }
}
