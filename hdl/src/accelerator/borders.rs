//! The parameter word of a pixel: that of its column tile and border class.
//!
//! Microarchitecture.md, section 5.3: word `param_base + ct·classes + class_y·n_x + class_x`. The
//! numbers of classes have three bits, so their products are three masks and two sums, or one of a
//! few multiples; what stands for the whole layer is in registers.
//!
//! | port         | dir | width | meaning                                                     |
//! | ------------ | --- | ----- | ----------------------------------------------------------- |
//! | `load`, `ct_end` | in | 1  | events of `position`, `D-1`                                 |
//! | `next_x`, `next_y` | in | 17, 16 | position, `D-2`                                       |
//! | `param_base`, `out_height`, `out_width` | in | 16 | of the descriptor                   |
//! | `top`, `bottom`, `left`, `right` | in | 2 | of the descriptor                           |
//! | `param`      | out | 16    | word of the parameter columns, D0                           |
//!
//! Timing: classes and `param` are registers.

use crate::build::{Builder, Module, Sig};

/// Bits of a signed position.
const POSITION_BITS: u32 = 18;
/// Bits of a class along one axis, `0..=6`, and of a number of classes.
const CLASS_BITS: u32 = 3;

/// Describes the module `borders`.
pub(super) fn borders() -> Module {
    let m = Builder::new("borders", "Parameter word of a pixel.");
    let load = m.input("load", 1, "the layer begins");
    let ct_end = m.input("ct_end", 1, "last cycle of a column tile");
    let lines = Axis::inputs(&m, "top", "bottom", "out_height");
    let columns = Axis::inputs(&m, "left", "right", "out_width");
    let y = m.input("next_y", 16, "line of the map, D-2");
    let x = m.input("next_x", 17, "column of the map, D-2");
    let class_y = m.pipe("class_y", lines.class(y.zero_extend(17)));
    let class_x = m.pipe("class_x", columns.class(x));

    let base = m.input("param_base", 16, "first word");
    let classes = m.pipe("all_classes", product(lines.classes, columns.classes));
    let tile = m.reg_without_reset("tile_base", 16);
    let next = *tile + classes.zero_extend(16);
    tile.next_when(load | ct_end, m.mux(load, base, next));
    let line = m.select(class_y, &multiples(&m, columns.classes)).zero_extend(16);
    let column = *tile + class_x.zero_extend(16);
    m.output("param", m.pipe("param_0", line + column), "word of the parameter columns, D0");
    m.finish()
}

/// The classes of one coordinate.
struct Axis<'m> {
    before: Sig<'m>,
    /// The first position of those at the end, may be negative.
    end: Sig<'m>,
    /// What makes such a position its class, modulo 8.
    to_class: Sig<'m>,
    /// `before + 1 + after`.
    classes: Sig<'m>,
}

impl<'m> Axis<'m> {
    fn inputs(m: &'m Builder, before: &str, after: &str, size: &str) -> Self {
        let doc = "positions of a class of their own";
        let before = m.input(before, 2, doc).zero_extend(CLASS_BITS);
        let after = m.input(after, 2, doc).zero_extend(CLASS_BITS);
        let name = |what: &str| format!("{size}_{what}");
        let (end, to_class) = (name("end"), name("to_class"));
        let size = m.input(size, 16, "size of the map").zero_extend(POSITION_BITS);
        let classes = before + after + 1;
        Self {
            before,
            end: m.pipe(&end, size - after.zero_extend(POSITION_BITS)),
            to_class: m.pipe(&to_class, classes - size.keep(0, CLASS_BITS)),
            classes,
        }
    }

    /// The class of a position of 17 bits; anything for one outside the map.
    fn class(&self, at: Sig<'m>) -> Sig<'m> {
        let m = at.builder();
        let low = at.keep(0, CLASS_BITS);
        let is_at_end = at.zero_extend(POSITION_BITS).sge(self.end);
        let at_end = m.mux(is_at_end, low + self.to_class, self.before);
        m.mux(at.lt(self.before.zero_extend(17)), low, at_end)
    }
}

/// The multiples of a number of three bits by 0 to 7.
fn multiples<'m>(m: &'m Builder, n: Sig<'m>) -> [Sig<'m>; 8] {
    let n = n.zero_extend(2 * CLASS_BITS);
    let stored = |k: u32, value: Sig<'m>| m.pipe(&format!("classes_by_{k}"), value);
    let (three, five) = (stored(3, (n << 1) + n), stored(5, (n << 2) + n));
    let seven = stored(7, (n << 3) - n);
    [m.lit(2 * CLASS_BITS, 0), n, n << 1, three, n << 2, five, three << 1, seven]
}

/// The product of two numbers of three bits.
fn product<'m>(a: Sig<'m>, b: Sig<'m>) -> Sig<'m> {
    let width = 2 * CLASS_BITS;
    let a = a.zero_extend(width);
    (1..CLASS_BITS)
        .fold(a & b.bit(0).repeat(width), |sum, k| sum + (a << k & b.bit(k).repeat(width)))
}

#[cfg(test)]
mod tests {
    use super::borders;
    use crate::{Simulator, test_random};
    use heartbit_ir::program::Borders;

    /// Every pixel of three column tiles, in an order that only the events tell.
    #[track_caller]
    fn check_map(sim: &mut Simulator, seed: &mut u64) {
        let mut random =
            |below: u64| usize::try_from(test_random(seed) % below).expect("bug: small");
        let mut border = || u8::try_from(random(4)).expect("bug: small");
        let borders = Borders { top: border(), bottom: border(), left: border(), right: border() };
        let (height, width, base) = (1 + random(9), 1 + random(9), random(65_536));
        for (name, value) in [
            ("top", borders.top.into()),
            ("bottom", borders.bottom.into()),
            ("left", borders.left.into()),
            ("right", borders.right.into()),
            ("out_height", height),
            ("out_width", width),
            ("param_base", base),
        ] {
            sim.set(name, value as u64);
        }
        sim.set("load", 1);
        sim.step();
        sim.set("load", 0);
        // The pixels of the cycles before: their class is known, and their word.
        let mut past = [None; 2];
        let pixels = (0..3).flat_map(|ct| (0..height * width).map(move |at| (ct, at)));
        for now in pixels.map(Some).chain([None, None]) {
            if let Some((_, at)) = now {
                sim.set("next_y", (at / width) as u64);
                sim.set("next_x", (at % width) as u64);
            }
            let ends = past[0].is_some_and(|(_, at)| at + 1 == height * width);
            sim.set("ct_end", ends.into());
            if let Some((ct, at)) = past[1] {
                let (y, x) = (at / width, at % width);
                // Not `Borders::class`: the page's words, once more.
                let along = |at: usize, size: usize, before: u8, after: u8| {
                    let (before, after) = (usize::from(before), usize::from(after));
                    if at < before {
                        at
                    } else if at + after >= size {
                        before + 1 + at + after - size
                    } else {
                        before
                    }
                };
                let n_x = usize::from(borders.left + 1 + borders.right);
                let n_y = usize::from(borders.top + 1 + borders.bottom);
                let class = along(y, height, borders.top, borders.bottom) * n_x
                    + along(x, width, borders.left, borders.right);
                let word = (base + ct * n_y * n_x + class) % 65_536;
                assert_eq!(sim.get("param"), word as u64, "{borders:?} at {y}, {x}");
            }
            sim.step();
            past = [now, past[0]];
        }
    }

    #[test]
    fn parameter_words_are_those_of_the_page() {
        let mut sim = Simulator::new(&borders());
        let mut seed = 21;
        for _ in 0..200 {
            check_map(&mut sim, &mut seed);
        }
    }
}
