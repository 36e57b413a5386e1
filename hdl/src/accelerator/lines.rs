//! Lines of a tile: `q` of microarchitecture.md, section 4.1.
//!
//! Where no tile has more than one line (`Q = 1`) there is no such field, and everything here
//! becomes what it is for one line: it costs nothing. Lines are 1, 2 or 4, so products with them
//! are shifts, and `t·q + j` has `t` and `j` in bits of its own.

use super::sizes::Sizes;
use crate::build::{Builder, Sig};

/// Lines of a tile of the present layer, or of the layer that reads its map.
#[derive(Clone, Copy)]
pub(super) struct Lines<'m> {
    m: &'m Builder,
    /// `Q`.
    most: u32,
    /// `log2 q`.
    log2: Option<Sig<'m>>,
}

impl<'m> Lines<'m> {
    /// Declares the input of this name, if a tile may have several lines.
    pub(super) fn input(m: &'m Builder, sizes: &Sizes, name: &str) -> Self {
        let several = sizes.lines > 1;
        let log2 = several.then(|| m.input(name, sizes.lines_bits(), "lines of a tile, log2"));
        Self { m, most: sizes.lines, log2 }
    }

    /// Whether a tile may have several lines.
    pub(super) fn may_be_several(&self) -> bool {
        self.most > 1
    }

    /// Whether a tile has several lines.
    pub(super) fn several(&self) -> Sig<'m> {
        self.log2.map_or(self.m.lit(1, 0), Sig::any)
    }

    /// What `of` makes of `q`.
    pub(super) fn choose(&self, of: impl Fn(u32) -> Sig<'m>) -> Sig<'m> {
        let Some(log2) = self.log2 else { return of(1) };
        let choices: Vec<_> = (0..=self.most.trailing_zeros()).map(|log2| of(1 << log2)).collect();
        self.m.select(log2, &choices)
    }

    /// `q` in so many bits.
    pub(super) fn number(&self, width: u32) -> Sig<'m> {
        self.choose(|q| self.m.lit(width, q.into()))
    }

    /// `q·value`.
    pub(super) fn times(&self, value: Sig<'m>) -> Sig<'m> {
        self.choose(|q| value << q.trailing_zeros())
    }

    /// `j·words` for line `y = t·q + j`; nothing where `j` is always 0.
    pub(super) fn offset(&self, y: Sig<'m>, words: Sig<'m>) -> Option<Sig<'m>> {
        let bits = self.most.trailing_zeros();
        let line = |q: u32| y.keep(0, bits) & self.m.lit(bits, u64::from(q - 1));
        self.may_be_several().then(|| {
            let line = self.choose(line);
            let part = |bit: u32| words << bit & line.bit(bit).repeat(words.width());
            (1..bits).fold(part(0), |sum, bit| sum + part(bit))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sizes::{Sizes, test_sizes};
    use super::Lines;
    use crate::{Builder, Simulator};

    #[test]
    fn products_with_lines_are_products() {
        for most in [1_u32, 2, 4] {
            let sizes = Sizes { lines: most, ..test_sizes(4, 1, 4) };
            let m = Builder::new("products", "");
            let lines = Lines::input(&m, &sizes, "lines");
            let (y, words) = (m.input("y", 16, ""), m.input("words", 16, ""));
            m.output("several", lines.several(), "");
            m.output("number", lines.number(17), "");
            m.output("times", lines.times(words), "");
            m.output("offset", lines.offset(y, words).unwrap_or(m.lit(16, 0)), "");
            m.discard(y);
            let mut sim = Simulator::new(&m.finish());
            for q in [1_u64, 2, 4].into_iter().filter(|q| *q <= u64::from(most)) {
                if most > 1 {
                    sim.set("lines", q.trailing_zeros().into());
                }
                for (y, words) in [(0, 5), (1, 5), (6, 40_000), (11, 65_535)] {
                    sim.set("y", y);
                    sim.set("words", words);
                    assert_eq!((sim.get("several"), sim.get("number")), (u64::from(q > 1), q));
                    assert_eq!(sim.get("times"), q * words % 65_536);
                    assert_eq!(sim.get("offset"), y % q * words % 65_536);
                }
            }
        }
    }
}
