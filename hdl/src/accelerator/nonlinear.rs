//! The nonlinearity of one column: offsets, slope of negative values, threshold. Extended only.
//!
//! Microarchitecture.md, section 5.3, stages D6+1 to D6+6. As `(p + half) >> s` is `p >> s` plus
//! the highest bit that is shifted out, nothing wide is added before the shift.
//!
//! | port          | dir | width | stage | meaning                                            |
//! | ------------- | --- | ----- | ----- | -------------------------------------------------- |
//! | `r`           | in  | 16    | D7    | clamped sum                                        |
//! | `before_term` | in  | 22    | D7    | added to it                                        |
//! | `slope`       | in  | 16    | D8    | multiplier of negative values                      |
//! | `value_shift` | in  | 3     | layer | quarter of the shift                               |
//! | `after_term`  | in  | 22    | D10   | added to the result                                |
//! | `clip`, `floor` | in | 16   | layer | `±value_clip`                                      |
//! | `threshold`   | in  | 17    | D12   | what the value is compared with                    |
//! | `at_most`     | in  | 1     | D12   | the bit is 1 up to the threshold                   |
//! | `next_v`      | out | 16    | D12   | the value                                          |
//! | `v`           | out | 16    | D13   | the value                                          |
//! | `result`      | out | 1     | D13   | the result bit                                     |
//!
//! Timing: one value a cycle. No reset.

use super::arithmetic::{clamp, saturate, sum};
use crate::build::{Builder, Module, Sig};

/// Bits of the value before `after` is added: as many as `u` has, and so many that this cannot
/// bring a saturated one back below a clip.
const SCALED_BITS: u32 = 23;

/// Describes the module `nonlinear`.
pub(super) fn nonlinear() -> Module {
    let m = Builder::new("nonlinear", "Nonlinearity of one column.");
    let r = m.input("r", 16, "clamped sum, D7").sign_extend(SCALED_BITS);
    let before = m.input("before_term", 22, "added to it, D7").sign_extend(SCALED_BITS);
    let u_8 = m.pipe("u_8", r + before);
    let slope = m.input("slope", 16, "multiplier of negative values, D8");
    let p_9 = m.pipe("p_9", u_8.mul_signed(slope));
    let u_9 = m.pipe("u_9", u_8);

    let shift = m.input("value_shift", 3, "quarter of the shift");
    let shifted = (0..3).fold(p_9, |value, k| m.mux(shift.bit(k), value.sar(4 << k), value));
    let negative = u_9.msb();
    let scaled = m.mux(negative, saturate(shifted, SCALED_BITS), u_9);
    let scaled_10 = m.pipe("scaled_10", scaled);
    let round_10 = m.pipe("round_10", highest_lost_bit(p_9, shift) & negative);
    let after = m.input("after_term", 22, "added to the result, D10").sign_extend(SCALED_BITS);
    let after = after + round_10.zero_extend(SCALED_BITS);
    let sum_11 = m.pipe("sum_11", sum(scaled_10, after));
    let clip = m.input("clip", 16, "upper limit");
    let floor = m.input("floor", 16, "lower limit");
    let v_12 = m.pipe("v_12", clamp(sum_11, clip, floor));

    let threshold = m.input("threshold", 17, "what the value is compared with, D12");
    let at_most = m.input("at_most", 1, "1 up to the threshold, D12");
    let wide = v_12.sign_extend(17);
    let result = m.mux(at_most, threshold.sge(wide), wide.sge(threshold));
    m.output("next_v", v_12, "value, D12");
    m.output("v", m.pipe("v_13", v_12), "value, D13");
    m.output("result", m.pipe("result_13", result), "bit, D13");
    m.finish()
}

/// Bit `4·shift - 1` of the value, 0 where nothing is shifted.
fn highest_lost_bit<'m>(value: Sig<'m>, shift: Sig<'m>) -> Sig<'m> {
    let m = value.builder();
    let bits: Vec<_> =
        std::iter::once(m.lit(1, 0)).chain((1..8).map(|k| value.bit(4 * k - 1))).collect();
    m.select(shift, &bits)
}

#[cfg(test)]
mod tests {
    use super::nonlinear;
    use crate::{Simulator, test_bits as bits, test_random, test_signed as signed};

    /// A stream of values; the inputs of every stage are there in its own cycle only.
    #[test]
    fn nonlinearity_agrees_with_wide_arithmetic() {
        for shift in 0..8 {
            let mut sim = Simulator::new(&nonlinear());
            let mut seed = shift;
            let mut random = |width: u32| signed(test_random(&mut seed) >> (64 - width), width);
            let clip = [32_767, 900][usize::from(shift % 2 == 1)];
            sim.set("value_shift", shift);
            sim.set("clip", bits(clip, 16));
            sim.set("floor", bits(-clip, 16));
            // `r`, `before`, `slope`, `after`, `threshold`, `at_most`.
            let cases: Vec<[i64; 6]> = (0..500)
                .map(|i| {
                    // Two of three times offsets that leave the value within its limits.
                    let less = if i % 3 == 0 { 0 } else { 12 };
                    let widths = [16, 22, 16, 22, 17, 1];
                    let [r, before, slope, after, threshold, at_most] = widths.map(&mut random);
                    [r, before >> less, slope, after >> less, threshold, at_most]
                })
                .collect();
            // Of the value that leaves: `v`, and the result bit.
            let mut before = None;
            for now in 0..cases.len() {
                let at = |stage: usize| cases[now.saturating_sub(stage)];
                sim.set("r", bits(at(0)[0], 16));
                sim.set("before_term", bits(at(0)[1], 22));
                sim.set("slope", bits(at(1)[2], 16));
                sim.set("after_term", bits(at(3)[3], 22));
                let [r, offset, slope, after, threshold, at_most] = at(5);
                let u = r + offset;
                let half = if shift == 0 { 0 } else { 1 << (4 * shift - 1) };
                let scaled = if u >= 0 { u } else { (u * slope + half) >> (4 * shift) };
                let v = (scaled + after).clamp(-clip, clip);
                // Now and then a threshold that the value meets.
                let threshold = if now % 5 == 0 { v } else { threshold };
                sim.set("threshold", bits(threshold, 17));
                sim.set("at_most", bits(at_most, 1));
                if now > 5 {
                    let place = format!("{:?}, shift {shift}", at(6));
                    assert_eq!(signed(sim.get("next_v"), 16), v, "{:?}, shift {shift}", at(5));
                    let left = (signed(sim.get("v"), 16), sim.get("result") == 1);
                    assert_eq!(Some(left), before, "{place}");
                }
                let result = if at_most == 0 { v >= threshold } else { v <= threshold };
                before = Some((v, result));
                sim.step();
            }
        }
    }
}
