//! The array: `rows` x `cols` processing elements, the count column, skew and alignment.
//!
//! Microarchitecture.md, sections 5.1 and 5.2. Activations and tokens enter all rows together and
//! are delayed here, row `r` by `r` cycles; the weights of column `c` must come `c` cycles late
//! (the weight memories delay their addresses, which are narrower). The results of the bottom row
//! leave with all columns aligned.
//!
//! | port        | dir | width      | meaning                                               |
//! | ----------- | --- | ---------- | ----------------------------------------------------- |
//! | `a_{r}`     | in  | `lanes`    | activation word of row `r`                            |
//! | `valid`     | in  | `rows`     | the tap of row `r` is inside the map                  |
//! | `tap_first` | in  | 1          | a tap begins                                          |
//! | `first`     | in  | 1          | first step of a tile                                  |
//! | `double_sum` | in | 1          | the accumulators double first                         |
//! | `last`      | in  | 1          | last step of a tile                                   |
//! | `w_{c}`     | in  | `lanes`    | weight word of column `c`                             |
//! | `fan_in`    | in  | 16         | products of one tap                                   |
//! | `shift`     | in  | `rows`     | drain registers of column 0 that take the one above   |
//! | `hits_{c}`  | out | `acc_bits` | matches of the pixel that is drained                  |
//! | `products`  | out | `acc_bits` | its number of products                                |
//!
//! Timing: `last` in cycle `t` (`t_L + 3` of the page); the bottom row is at `hits` in
//! `t + P + rows + cols - 1`. `shift` in cycle `t` changes `hits` in `t + cols`.

use super::count_cell::count_cell;
use super::pe::{LAST, pe};
use super::sizes::{Sizes, delay, fit};
use crate::build::{Builder, Instance, Module, Sig};

/// Tokens on their way down the rows: those of the PE but `valid`, and `tap_first` in its place.
struct Tokens<'m> {
    tap: Sig<'m>,
    others: Sig<'m>,
}

/// Describes the module `array`.
pub(super) fn array(sizes: &Sizes) -> Module {
    let doc = format!("{} x {} processing elements.", sizes.rows, sizes.cols);
    let m = Builder::new("array", &doc);
    let words: Vec<_> =
        (0..sizes.rows).map(|r| m.input(&format!("a_{r}"), sizes.lanes, "activation")).collect();
    let valid = m.input("valid", sizes.rows, "taps inside the map");
    let tap_first = m.input("tap_first", 1, "a tap begins");
    let first = m.input("first", 1, "first step of a tile");
    let double = m.input("double_sum", 1, "double first");
    let last = m.input("last", 1, "last step of a tile");
    let weights: Vec<_> =
        (0..sizes.cols).map(|c| m.input(&format!("w_{c}"), sizes.lanes, "weight")).collect();
    let fan_in = fit(m.input("fan_in", 16, "products of one tap"), sizes.acc_bits);
    let shift = m.input("shift", sizes.rows, "drain registers that take the one above");

    let pe = pe(sizes.lanes, sizes.acc_bits);
    let cell = count_cell(sizes.acc_bits);
    let latency = sizes.popcount_latency;
    let others = m.concat(&[last, double, first]);
    debug_assert_eq!(LAST, 3, "bug: the order above");
    let mut tokens = Tokens {
        tap: delay(&m, "tap", tap_first, latency),
        others: delay(&m, "others", others, latency),
    };
    let mut weights = weights;
    let mut north = vec![m.lit(sizes.acc_bits, 0); sizes.cols as usize];
    let mut north_count = m.lit(sizes.acc_bits, 0);
    for r in 0..sizes.rows {
        if r > 0 {
            tokens.tap = m.pipe(&format!("tap_r{r}"), tokens.tap);
            tokens.others = m.pipe(&format!("others_r{r}"), tokens.others);
        }
        let valid = delay(&m, &format!("valid_{r}"), valid.bit(r), latency + r);
        north_count = m
            .inst(&format!("count_{r}"), &cell)
            .set("fan_in", fan_in)
            .set("tokens", m.concat(&[tokens.others, tokens.tap & valid]))
            .set("shift", shift.bit(r))
            .set("north", north_count)
            .out("drain");
        let mut east = East {
            word: delay(&m, &format!("a_{r}"), words[r as usize], r),
            tokens: m.concat(&[tokens.others, valid]),
            shift: shift.bit(r),
        };
        for c in 0..sizes.cols {
            let at = c as usize;
            let pe = m.inst(&format!("pe_{r}_{c}"), &pe);
            pe.set("a", east.word)
                .set("w", weights[at])
                .set("tokens", east.tokens)
                .set("shift", east.shift)
                .set("north", north[at]);
            east = East::of(pe);
            weights[at] = pe.out("w_out");
            north[at] = pe.out("drain");
        }
        east.discard(&m);
    }
    for (c, (south, drain)) in weights.iter().zip(&north).enumerate() {
        m.discard(*south);
        let late = sizes.cols - 1 - u32::try_from(c).expect("bug: a column");
        let aligned = delay(&m, &format!("hits_{c}"), *drain, late);
        m.output(&format!("hits_{c}"), aligned, "matches of the drained pixel");
    }
    let aligned = delay(&m, "products", north_count, sizes.cols - 1);
    m.output("products", aligned, "products of the drained pixel");
    m.finish()
}

/// What passes from PE to PE along a row.
struct East<'m> {
    word: Sig<'m>,
    tokens: Sig<'m>,
    shift: Sig<'m>,
}

impl<'m> East<'m> {
    fn of(pe: Instance<'m>) -> Self {
        Self { word: pe.out("a_out"), tokens: pe.out("tokens_out"), shift: pe.out("shift_out") }
    }

    fn discard(&self, m: &'m Builder) {
        m.discard(self.word);
        m.discard(self.tokens);
        m.discard(self.shift);
    }
}

#[cfg(test)]
mod tests {
    use super::super::drain::drain;
    use super::super::sizes::test_sizes;
    use super::array;
    use crate::{Simulator, test_random};
    use std::collections::BTreeMap;

    /// Matches and products of the pixels of one tile, and the cycle of its last step.
    struct Tile {
        last: usize,
        hits: Vec<Vec<u64>>,
        products: Vec<u64>,
    }

    /// Runs tiles without a gap between them, each as short as its drain allows.
    #[track_caller]
    fn check_tiles(rows: usize, cols: usize, lanes: usize, pooled: bool) {
        let sizes = test_sizes(rows, cols, lanes);
        let (mut array, mut drain) =
            (Simulator::new(&array(&sizes)), Simulator::new(&drain(&sizes)));
        let beats = sizes.write_beats as usize + if pooled { 3 } else { 0 };
        let latency = sizes.popcount_latency as usize;
        let (steps, n_tiles, fan_in) = (rows * beats, 4, 9);
        let mut seed = (rows * 100 + cols) as u64;
        let mut random = |bits: usize| test_random(&mut seed) >> (64 - bits);
        drain.set("pooled", pooled.into());
        array.set("fan_in", fan_in);

        let mut tiles = Vec::new();
        let mut weights = BTreeMap::new();
        let mut expected = BTreeMap::new();
        let end = n_tiles * steps + latency + 2 * rows + cols + rows * beats + 5;
        for cycle in 0..end {
            let step = cycle % steps;
            let issued = cycle < n_tiles * steps;
            let (first, last) = (issued && step == 0, issued && step == steps - 1);
            let double = issued && step > 0 && random(3) == 0;
            let tap_first = issued && random(1) == 1;
            let valid = if issued { random(rows) } else { 0 };
            let words: Vec<u64> = (0..rows).map(|_| random(lanes)).collect();
            let column: Vec<u64> = (0..cols).map(|_| random(lanes)).collect();
            if first {
                let zero = vec![0; rows];
                tiles.push(Tile { last: 0, hits: vec![zero.clone(); cols], products: zero });
            }
            if let (true, Some(tile)) = (issued, tiles.last_mut()) {
                for (r, word) in words.iter().enumerate() {
                    let taken = valid >> r & 1;
                    let add = |sum: &mut u64, count: u64| {
                        *sum = (*sum << u64::from(double)) + count * taken;
                    };
                    let mask = u64::MAX >> (64 - lanes);
                    for (c, weight) in column.iter().enumerate() {
                        let ones = (!(word ^ weight) & mask).count_ones();
                        add(&mut tile.hits[c][r], ones.into());
                    }
                    add(&mut tile.products[r], if tap_first { fan_in } else { 0 });
                }
                tile.last = cycle;
            }
            for (r, word) in words.iter().enumerate() {
                array.set(&format!("a_{r}"), *word);
            }
            for (c, word) in column.into_iter().enumerate() {
                weights.insert((cycle + c, c), word);
                let now = weights.get(&(cycle, c)).copied().unwrap_or(0);
                array.set(&format!("w_{c}"), now);
            }
            array.set("valid", valid);
            array.set("tap_first", tap_first.into());
            array.set("first", first.into());
            array.set("double_sum", double.into());
            array.set("last", last.into());
            let start = tiles
                .iter()
                .any(|t| t.last % steps == steps - 1 && t.last + latency + rows - 1 == cycle);
            drain.set("start", start.into());
            array.set("shift", drain.get("shift"));
            if last {
                let tile = tiles.last().expect("bug: a tile");
                for r in 0..rows {
                    for beat in 0..beats {
                        let at = cycle + latency + rows + (rows - 1 - r) * beats + beat + cols - 1;
                        let hits: Vec<u64> = tile.hits.iter().map(|h| h[r]).collect();
                        expected.insert(at, (hits, tile.products[r]));
                    }
                }
            }
            if let Some((hits, products)) = expected.remove(&cycle) {
                for (c, hits) in hits.into_iter().enumerate() {
                    assert_eq!(array.get(&format!("hits_{c}")), hits, "column {c}, cycle {cycle}");
                }
                assert_eq!(array.get("products"), products, "cycle {cycle}");
            }
            array.step();
            drain.step();
        }
        assert!(expected.is_empty(), "bug: the test ends too early");
    }

    #[test]
    fn tiles_drain_in_order_and_on_time() {
        for (rows, cols, lanes) in [(1, 1, 4), (2, 2, 4), (5, 3, 8), (3, 7, 4), (4, 2, 37)] {
            for pooled in [false, true] {
                check_tiles(rows, cols, lanes, pooled);
            }
        }
    }
}
