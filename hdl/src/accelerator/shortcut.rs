//! The shortcut of one column: joins the words that `reader` lets pass.
//!
//! Microarchitecture.md, section 5.3, *Shortcut*.
//!
//! | port         | dir | width | stage | meaning                                             |
//! | ------------ | --- | ----- | ----- | --------------------------------------------------- |
//! | `even`, `odd` | in | 16    | D3    | words of the two banks                              |
//! | `use_even`, `use_odd` | in | 1 | D3 | the word of this bank counts                        |
//! | `first_word` | in  | 1     | D4    | the first word of the pixel                         |
//! | `take`       | in  | 1     | D4    | a word of the pixel                                 |
//! | `average`    | in  | 1     | layer | a quarter of the sum, rounded                       |
//! | `extreme`    | in  | 1     | layer | the largest word; extended only                     |
//! | `minimum`    | in  | 1     | D4    | or the smallest; extended only                      |
//! | `live`       | in  | 1     | D5    | the column has a shortcut                           |
//! | `shortcut`   | out | 16    | D5    | after the last word of the pixel, rounded down      |
//! | `round`      | out | 1     | D5    | what is to be added to it                           |
//!
//! Timing: the shortcut stands until the next `take`. No reset.

use crate::build::{Builder, Module};

/// Describes the module `shortcut`.
pub(super) fn shortcut(extended: bool) -> Module {
    let m = Builder::new("shortcut", "Shortcut of one column.");
    let bit = |name: &str, doc: &str| m.input(name, 1, doc);
    let word = |name: &str| {
        let word = m.input(name, 16, "word of the bank, D3").sign_extend(18);
        word & bit(&format!("use_{name}"), "the word counts, D3").repeat(18)
    };
    // One of them, or their sum.
    let words = m.pipe("words", word("even") + word("odd"));
    let begin = bit("first_word", "first word of the pixel, D4");
    let take = bit("take", "a word of the pixel, D4");
    let average = bit("average", "a quarter of the sum");
    let total = m.reg_without_reset("total", 18);
    let sum = (*total & (!begin).repeat(18)) + words;
    let next = if extended {
        // Of equal words either one will do.
        let smaller = words.slt(*total);
        let better = begin | (smaller ^ !bit("minimum", "the smallest word, D4"));
        let best = m.mux(better, words, *total);
        m.mux(bit("extreme", "the largest word"), best, sum)
    } else {
        sum
    };
    total.next_when(take, next);
    let live = bit("live", "the column has a shortcut, D5");
    // A quarter is rounded up from two quarters on.
    let value = m.mux(average, total.slice(2, 16), total.slice(0, 16)) & live.repeat(16);
    m.output("shortcut", value, "shortcut, rounded down, D5");
    m.output("round", average & live & total.bit(1), "to be added to it, D5");
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::shortcut;
    use crate::{Simulator, test_random};

    /// A pixel with `reads` beats of two words each, of which some count.
    #[track_caller]
    fn check_pixel(sim: &mut Simulator, extended: bool, seed: &mut u64) {
        let mut random = |below: u64| test_random(seed) % below;
        let join = random(if extended { 3 } else { 2 });
        let (average, extreme) = (join == 1, join == 2);
        let (minimum, live) = (random(2) == 1, random(8) != 0);
        let reads = [1, 2, 1 + random(9)][usize::try_from(join).expect("bug: small")];
        sim.set("average", average.into());
        sim.set("live", live.into());
        if extended {
            sim.set("extreme", extreme.into());
            sim.set("minimum", minimum.into());
        }
        let mut words: Vec<i64> = Vec::new();
        let must = random(reads);
        sim.set("take", 0);
        for read in 0..reads {
            let pair = [0, 1].map(|_| random(65_536));
            let odd = random(2) == 1;
            // Words outside the map are left out, but never all of them.
            let take = !extreme || read == must || random(3) != 0;
            let counts = [average || !odd, average || odd];
            sim.set("even", pair[0]);
            sim.set("odd", pair[1]);
            sim.set("use_even", counts[0].into());
            sim.set("use_odd", counts[1].into());
            sim.step();
            sim.set("first_word", (take && words.is_empty()).into());
            sim.set("take", take.into());
            let signed = |word: u64| (word << 48).cast_signed() >> 48;
            let used = pair.iter().zip(counts).filter(|(_, counts)| take && *counts);
            words.extend(used.map(|(word, _)| signed(*word)));
        }
        let value = match (average, extreme, minimum) {
            (true, _, _) => (words.iter().sum::<i64>() + 2) >> 2,
            (_, true, true) => *words.iter().min().expect("bug: a word"),
            _ => *words.iter().max().expect("bug: a word"),
        };
        let expected = if live { value.cast_unsigned() & 0xffff } else { 0 };
        for _ in 0..3 {
            sim.set("even", random(65_536));
            sim.step();
            sim.set("first_word", random(2));
            sim.set("take", 0);
            let shortcut = (sim.get("shortcut") + sim.get("round")) & 0xffff;
            assert_eq!(shortcut, expected, "{words:?}, join {join}, {minimum}");
        }
    }

    #[test]
    fn words_join_as_on_the_page() {
        for extended in [false, true] {
            let mut sim = Simulator::new(&shortcut(extended));
            let mut seed = 4;
            for _ in 0..2000 {
                check_pixel(&mut sim, extended, &mut seed);
            }
        }
    }
}
