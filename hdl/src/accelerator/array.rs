//! The array: `rows` rows of `cols` processing elements, the count column, skew and alignment.
//!
//! Microarchitecture.md, sections 5.1 and 5.2. Activations and tokens enter all rows together and
//! are delayed here, row `r` by `r` cycles; the weights of column `c` must come `c` cycles late
//! (the weight memories delay their addresses, which are narrower). The results of the bottom row
//! leave with all columns aligned.
//!
//! | port        | dir | width      | meaning                                               |
//! | ----------- | --- | ---------- | ----------------------------------------------------- |
//! | `a_{r}`     | in  | `lanes`    | activation word of row `r`                            |
//! | `valid_{g}` | in  | `rows`     | the tap of row `r` in lane group `g` is valid         |
//! | `tap_first` | in  | `taps`     | a tap of the lane group begins                        |
//! | `first`     | in  | 1          | first step of a tile                                  |
//! | `double_sum` | in | 1          | the accumulators double first                         |
//! | `last`      | in  | 1          | last step of a tile                                   |
//! | `w_{c}`     | in  | `lanes`    | weight word of column `c`                             |
//! | `fan_in`    | in  | 16         | products of one tap                                   |
//! | `shift`     | in  | `rows`     | drain registers of column 0 that take the one above   |
//! | `hits_{c}`  | out | `acc_bits` | matches of the pixel that is drained                  |
//! | `products`  | out | `acc_bits` | its number of products                                |
//!
//! Timing: `last` in cycle `t` (`t_L + 6` of the page); the bottom row is at `hits` in
//! `t + P + rows + cols - 1`. `shift` in cycle `t` changes `hits` in `t + cols`.

use super::count_cell::count_cell;
use super::pe::LAST;
use super::pe_row::pe_row;
use super::sizes::{Sizes, bits_for, delay, fit};
use crate::build::{Builder, Module, Sig};

/// Describes the module `array`.
pub(super) fn array(sizes: &Sizes) -> Module {
    let doc = format!("{} x {} processing elements.", sizes.rows, sizes.cols);
    let m = Builder::new("array", &doc);
    let words: Vec<_> =
        (0..sizes.rows).map(|r| m.input(&format!("a_{r}"), sizes.lanes, "activation")).collect();
    let valid: Vec<_> = (0..sizes.taps)
        .map(|g| m.input(&format!("valid_{g}"), sizes.rows, "taps inside the map"))
        .collect();
    let tap_first = m.input("tap_first", sizes.taps, "a tap begins");
    let first = m.input("first", 1, "first step of a tile");
    let double = m.input("double_sum", 1, "double first");
    let last = m.input("last", 1, "last step of a tile");
    let mut weights: Vec<_> =
        (0..sizes.cols).map(|c| m.input(&format!("w_{c}"), sizes.lanes, "weight")).collect();
    weights.reverse();
    let fan_in = fit(m.input("fan_in", 16, "products of one tap"), sizes.acc_bits);
    let shift = m.input("shift", sizes.rows, "drain registers that take the one above");

    let row = pe_row(sizes);
    let cell = count_cell(sizes);
    debug_assert_eq!(LAST, 2, "bug: the order of the tokens");
    let mut tap_first = delay(&m, "tap", tap_first, row.skip_delay);
    let tokens = m.concat(&[last, double, first]);
    let mut tokens = delay(&m, "tokens", tokens, sizes.popcount_latency);
    let mut weights = m.concat(&weights);
    let mut north = m.lit(1, 0).repeat(sizes.cols * sizes.acc_bits);
    let mut north_count = m.lit(sizes.acc_bits, 0);
    for r in 0..sizes.rows {
        if r > 0 {
            tap_first = m.pipe(&format!("tap_r{r}"), tap_first);
            tokens = m.pipe(&format!("tokens_r{r}"), tokens);
        }
        let skip: Vec<_> = valid.iter().rev().map(|group| !group.bit(r)).collect();
        let skip = delay(&m, &format!("skip_{r}"), m.concat(&skip), row.skip_delay + r);
        let begins = ones(tap_first & !skip);
        let wait = sizes.popcount_latency - row.skip_delay;
        north_count = m
            .inst(&format!("count_{r}"), &cell)
            .set("fan_in", fan_in)
            .set("begins", delay(&m, &format!("begins_{r}"), begins, wait))
            .set("tokens", tokens)
            .set("shift", shift.bit(r))
            .set("north", north_count)
            .out("drain");
        let elements = m.inst(&format!("row_{r}"), &row.module);
        elements
            .set("a", delay(&m, &format!("a_{r}"), words[r as usize], r))
            .set("skip", skip)
            .set("tokens", tokens)
            .set("shift", shift.bit(r))
            .set("w", weights)
            .set("north", north);
        (weights, north) = (elements.out("w_out"), elements.out("drain"));
    }
    m.discard(weights);
    for c in 0..sizes.cols {
        let drain = north.slice(c * sizes.acc_bits, sizes.acc_bits);
        let aligned = delay(&m, &format!("hits_{c}"), drain, sizes.cols - 1 - c);
        m.output(&format!("hits_{c}"), aligned, "matches of the drained pixel");
    }
    let aligned = delay(&m, "products", north_count, sizes.cols - 1);
    m.output("products", aligned, "products of the drained pixel");
    m.finish()
}

/// Number of bits that are 1, of a few.
fn ones(bits: Sig<'_>) -> Sig<'_> {
    let width = bits_for(bits.width());
    let bit = |i: u32| bits.bit(i).zero_extend(width);
    (1..bits.width()).fold(bit(0), |sum, i| sum + bit(i))
}

#[cfg(test)]
mod tests {
    use super::super::sizes::{Sizes, test_sizes_of};
    use super::array;
    use crate::{Simulator, test_random};
    use std::collections::BTreeMap;

    /// Matches and products of the pixels of one tile, and the cycle of its last step.
    struct Tile {
        last: usize,
        hits: Vec<Vec<u64>>,
        products: Vec<u64>,
    }

    impl Tile {
        fn new(sizes: &Sizes) -> Self {
            let zero = vec![0; sizes.rows as usize];
            let hits = vec![zero.clone(); sizes.cols as usize];
            Self { last: 0, hits, products: zero }
        }

        fn add(&mut self, sizes: &Sizes, step: &Step) {
            for (r, word) in step.words.iter().enumerate() {
                let valid = |group: u32| step.valid[group as usize] >> r & 1;
                let matches = |weight: u64| -> u64 {
                    let equal = |lane: u32| !(word ^ weight) >> lane & 1;
                    (0..sizes.lanes).map(|l| equal(l) * valid(l / sizes.group_lanes)).sum()
                };
                let add = |sum: &mut u64, more: u64| *sum = (*sum << step.double) + more;
                for (hits, weight) in self.hits.iter_mut().zip(&step.weights) {
                    add(&mut hits[r], matches(*weight));
                }
                let begins = |group: u32| step.tap_first >> group & valid(group) & 1;
                add(&mut self.products[r], (0..sizes.taps).map(begins).sum::<u64>() * FAN_IN);
            }
        }
    }

    /// What enters the array in a step.
    struct Step {
        words: Vec<u64>,
        weights: Vec<u64>,
        /// The valid rows of each lane group.
        valid: Vec<u64>,
        tap_first: u64,
        double: u32,
    }

    impl Step {
        fn random(sizes: &Sizes, may_double: bool, seed: &mut u64) -> Self {
            let mut random = |bits: u32| test_random(seed) >> (64 - bits);
            Self {
                words: (0..sizes.rows).map(|_| random(sizes.lanes)).collect(),
                weights: (0..sizes.cols).map(|_| random(sizes.lanes)).collect(),
                valid: (0..sizes.taps).map(|_| random(sizes.rows)).collect(),
                tap_first: random(sizes.taps),
                double: u32::from(may_double && random(3) == 0),
            }
        }
    }

    const FAN_IN: u64 = 9;

    /// Runs tiles without a gap between them, each as short as its drain allows.
    #[track_caller]
    fn check_tiles(sizes: &Sizes, beats: usize) {
        let mut array = Simulator::new(&array(sizes));
        let (rows, cols) = (sizes.rows as usize, sizes.cols as usize);
        // Section 5.2, with the tile's last step at `last = t_L + 6`.
        let drained = |last: usize| last + sizes.popcount_latency as usize + rows;
        let (steps, n_tiles) = (rows * beats, 4);
        let mut seed = (rows * 100 + cols) as u64;
        array.set("fan_in", FAN_IN);

        let mut tiles: Vec<Tile> = Vec::new();
        let mut weights = BTreeMap::new();
        let mut shifts = BTreeMap::new();
        let mut expected = BTreeMap::new();
        let end = drained(n_tiles * steps) + rows + cols + rows * beats + 5;
        for cycle in 0..end {
            let at = cycle % steps;
            let issued = cycle < n_tiles * steps;
            let (first, last) = (issued && at == 0, issued && at == steps - 1);
            let mut step = Step::random(sizes, !first, &mut seed);
            if !issued {
                step = Step { valid: vec![0; step.valid.len()], tap_first: 0, double: 0, ..step };
            }
            if first {
                tiles.push(Tile::new(sizes));
            }
            if let (true, Some(tile)) = (issued, tiles.last_mut()) {
                tile.add(sizes, &step);
                tile.last = cycle;
            }
            for (r, word) in step.words.iter().enumerate() {
                array.set(&format!("a_{r}"), *word);
            }
            for (c, word) in step.weights.into_iter().enumerate() {
                weights.insert((cycle + c, c), word);
                let now = weights.get(&(cycle, c)).copied().unwrap_or(0);
                array.set(&format!("w_{c}"), now);
            }
            for (g, valid) in step.valid.iter().enumerate() {
                array.set(&format!("valid_{g}"), *valid);
            }
            array.set("tap_first", step.tap_first);
            array.set("first", first.into());
            array.set("double_sum", step.double.into());
            array.set("last", last.into());
            if last {
                let tile = tiles.last().expect("bug: a tile");
                for r in 0..rows {
                    // Row `rows - j` is shown before its shift, of the rows from `j` on.
                    let j = rows - r;
                    let shown = drained(cycle) + (j - 1) * beats;
                    shifts.insert(shown + beats - 1, u64::MAX << j & ((1 << rows) - 1));
                    for beat in 0..beats {
                        let hits: Vec<u64> = tile.hits.iter().map(|h| h[r]).collect();
                        expected.insert(shown + beat + cols - 1, (hits, tile.products[r]));
                    }
                }
            }
            array.set("shift", shifts.remove(&cycle).unwrap_or(0));
            if let Some((hits, products)) = expected.remove(&cycle) {
                for (c, hits) in hits.into_iter().enumerate() {
                    assert_eq!(array.get(&format!("hits_{c}")), hits, "column {c}, cycle {cycle}");
                }
                assert_eq!(array.get("products"), products, "cycle {cycle}");
            }
            array.step();
        }
        assert!(expected.is_empty(), "bug: the test ends too early");
    }

    #[test]
    fn tiles_drain_in_order_and_on_time() {
        for (rows, cols, lanes) in [(1, 1, 4), (2, 2, 4), (5, 3, 8), (3, 7, 4), (4, 2, 37)] {
            let sizes = test_sizes_of(rows, cols, lanes, 1, false);
            for reads in [1, 2, 9] {
                check_tiles(&sizes, reads - 1 + sizes.write_beats as usize);
            }
        }
    }

    #[test]
    fn lane_groups_count_on_their_own() {
        for (rows, cols, lanes, taps) in
            [(2, 4, 8, 2), (3, 2, 4, 2), (1, 1, 4, 4), (2, 3, 12, 4), (3, 2, 8, 4), (2, 8, 64, 4)]
        {
            check_tiles(&test_sizes_of(rows, cols, lanes, taps, false), 1);
        }
    }
}
