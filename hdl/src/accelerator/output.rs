//! Sends the logits and the class.
//!
//! Microarchitecture.md, section 5.4, state `Send`: one cycle to read each logit word, one beat
//! for each class, one beat for the class with the largest logit (the first of equal ones).
//!
//! | port        | dir | width       | meaning                                               |
//! | ----------- | --- | ----------- | ----------------------------------------------------- |
//! | `sending`   | in  | 1           | state `Send`                                          |
//! | `classes`   | in  | 16          | logits                                                |
//! | `from`      | out | 16          | word of the logit columns                             |
//! | `word`      | in  | `cols · 32` | that word, one cycle later                            |
//! | `out_valid`, `out_ready`, `out_data`, `out_last` | out, in, out, out | 1, 1, 32, 1 | port |
//! | `beat`      | out | 1           | a beat is accepted                                    |
//! | `sent`      | out | 1           | it is the last one                                    |
//!
//! Timing: the word is read in a cycle without a beat; from then on the address stands until the
//! last logit of the word is accepted.

use super::sizes::{Sizes, bits_for};
use crate::build::{Builder, Module};

/// Describes the module `output`.
pub(super) fn output(sizes: &Sizes) -> Module {
    let m = Builder::new("sender", "Sends the logits and the class.");
    let sending = m.input("sending", 1, "state Send");
    let classes = m.input("classes", 16, "logits");
    let word = m.input("word", sizes.cols * 32, "logit columns");
    let out_ready = m.input("out_ready", 1, "the beat is accepted");

    let reading = m.reg("reading", 1, 1);
    let ending = m.reg("ending", 1, 0);
    let valid = (sending & !*reading).named("valid_now");
    let beat = (valid & out_ready).named("beat_now");
    let column_bits = bits_for(sizes.cols - 1);
    let column = m.reg_without_reset("column", column_bits);
    let index = m.reg_without_reset("index", 16);
    let from = m.reg_without_reset("from_q", 16);
    let next_index = *index + 1;
    let last = (beat & next_index.eq(classes)).named("last_logit");
    let word_end = beat & column.eq(u64::from(sizes.cols - 1));
    // Behind the last logit the columns count on, which nobody sees.
    let refill = (word_end & !last).named("refill");
    reading.next(!sending | refill);
    ending.next_when(!sending | last, sending);
    column.next_when(!sending | beat, m.mux(!sending | word_end, 0, *column + 1));
    index.next_when(!sending | beat, m.mux(sending, next_index, 0));
    from.next_when(!sending | refill, m.mux(sending, *from + 1, 0));

    let items: Vec<_> = (0..sizes.cols).map(|c| word.slice(32 * c, 32)).collect();
    let logit = m.select(*column, &items).named("logit");
    // Compared in the next cycle, as a word has many logits to choose from.
    let pending = m.reg("pending", 1, 0);
    pending.next(beat & !*ending);
    let (sent_logit, sent_index) =
        (m.pipe_when("sent_logit", beat, logit), m.pipe_when("sent_index", beat, *index));
    let best = m.reg_without_reset("best", 32);
    let best_index = m.reg_without_reset("best_index", 16);
    // 2^31 is added to both and the sums are compared without a sign: this ends in the carry of one
    // chain, and a signed comparison in one more behind it.
    let [before, sent] = [*best, sent_logit].map(|logit| logit ^ (1 << 31));
    let take = (*pending & (sent_index.eq(0) | before.lt(sent))).named("better");
    best.next_when(take, sent_logit);
    best_index.next_when(take, sent_index);
    let class = m.mux(take, sent_index, *best_index);

    m.output("from", *from, "word of the logit columns");
    m.output("out_valid", valid, "a beat is there");
    m.output("out_data", m.mux(*ending, class.zero_extend(32), logit), "logit, then the class");
    m.output("out_last", *ending, "the beat is the class");
    m.output("beat", beat, "a beat is accepted");
    m.output("sent", beat & *ending, "the last beat is accepted");
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::super::sizes::test_sizes;
    use super::output;
    use crate::{Simulator, test_random};

    #[track_caller]
    fn check_send(sim: &mut Simulator, cols: usize, logits: &[i32], seed: &mut u64) {
        sim.set("classes", logits.len() as u64);
        sim.set("sending", 0);
        sim.step();
        sim.set("sending", 1);
        let mut sent = Vec::new();
        let (mut cycles, mut word) = (0, usize::MAX);
        loop {
            let column = |c: usize| logits.get(word.wrapping_mul(cols) + c).copied().unwrap_or(0);
            let bits: Vec<u32> = (0..cols).map(|c| column(c).cast_unsigned()).collect();
            let pair =
                |p: &[u32]| u64::from(p[0]) | u64::from(p.get(1).copied().unwrap_or(0)) << 32;
            sim.set_words("word", &bits.chunks(2).map(pair).collect::<Vec<_>>());
            let ready = test_random(seed) & 3 != 0;
            sim.set("out_ready", ready.into());
            let offered = sim.get("out_valid") == 1;
            let beat = ready && offered;
            cycles += u64::from(ready || !offered);
            assert_eq!(sim.get("beat"), u64::from(beat));
            let data = u32::try_from(sim.get("out_data")).expect("32 bits").cast_signed();
            let last = sim.get("out_last") == 1;
            assert_eq!(sim.get("sent") == 1, beat && last);
            word = usize::try_from(sim.get("from")).expect("16 bits");
            sim.step();
            if beat && last {
                let best = logits.iter().max().expect("a logit");
                let class = logits.iter().position(|l| l == best);
                assert_eq!(usize::try_from(data).ok(), class);
                break;
            }
            if beat {
                sent.push(data);
            }
        }
        assert_eq!(sent, logits);
        assert_eq!(cycles, (logits.len().div_ceil(cols) + logits.len() + 1) as u64);
    }

    #[test]
    fn logits_are_sent_in_order_and_the_first_largest_wins() {
        let mut seed = 3;
        for cols in [1, 2, 5, 8] {
            let mut sim = Simulator::new(&output(&test_sizes(1, cols, 16)));
            for classes in 1..=17 {
                // Few values, so that some are equal.
                let mut logit = || {
                    let value = i32::try_from(test_random(&mut seed) % 5).expect("small") - 2;
                    if test_random(&mut seed).is_multiple_of(8) {
                        i32::MIN + value.abs()
                    } else {
                        value
                    }
                };
                let logits: Vec<i32> = (0..classes).map(|_| logit()).collect();
                check_send(&mut sim, cols, &logits, &mut seed);
            }
        }
    }
}
