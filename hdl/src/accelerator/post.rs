//! Post-processing of one column: from matches to the residual stream.
//!
//! Microarchitecture.md, section 5.3; no intermediate value is truncated.
//!
//! | port         | dir | width          | stage | meaning                                    |
//! | ------------ | --- | -------------- | ----- | ------------------------------------------ |
//! | `hits`       | in  | `acc_bits`     | D0    | matches                                    |
//! | `products`   | in  | `acc_bits`     | D0    | number of products                         |
//! | `mul`        | in  | 16             | D1    | multiplier                                 |
//! | `bias`       | in  | 32             | D2    | added to the product                       |
//! | `shift`      | in  | 3              | layer | quarter of the shift                       |
//! | `word`       | in  | 16             | D2    | stream word                                |
//! | `begin_sum`  | in  | 1              | D2    | beat 0: the word begins the sum            |
//! | `add`        | in  | 1              | D2    | the word is added to the sum               |
//! | `pooled`     | in  | 1              | layer | the shortcut is a quarter of the sum       |
//! | `live`       | in  | 1              | D3    | the column has a shortcut                  |
//! | `clip`       | in  | 16             | layer | limit                                      |
//! | `floor`      | in  | 16             | layer | `-clip`                                    |
//! | `z`          | out | `acc_bits + 1` | D4    | `2·hits - products`                        |
//! | `y`          | out | 32             | D4    | not clamped                                |
//! | `shortcut`   | out | 16             | D4    | what was added                             |
//! | `r`          | out | 16             | D4    | the stream                                 |
//!
//! Timing: one pixel a cycle, four cycles from D0 to D4. No reset.

use crate::build::{Builder, Module, Sig};

/// Bits of the saturated `y`: so wide that adding a shortcut cannot bring it back below a clip.
const Y_BITS: u32 = 18;

/// Describes the module `post`.
pub(super) fn post(acc_bits: u32) -> Module {
    let m = Builder::new("post", "Post-processing of one column.");
    let hits = m.input("hits", acc_bits, "matches, D0");
    let products = m.input("products", acc_bits, "number of products, D0");
    let mul = m.input("mul", 16, "multiplier, D1");
    let bias = m.input("bias", 32, "bias, D2");
    let shift = m.input("shift", 3, "quarter of the shift");
    let word = m.input("word", 16, "stream word, D2");
    let begin_sum = m.input("begin_sum", 1, "the word begins the sum, D2");
    let add = m.input("add", 1, "the word is added to the sum, D2");
    let pooled = m.input("pooled", 1, "a quarter of the sum is added");
    let live = m.input("live", 1, "the column has a shortcut, D3");
    let clip = m.input("clip", 16, "upper limit");
    let floor = m.input("floor", 16, "lower limit");

    let zero = m.lit(1, 0);
    let z_1 = m.pipe("z_1", m.concat(&[hits, zero]) - products.zero_extend(acc_bits + 1));
    let product_2 = m.pipe("product_2", z_1.mul_signed(mul));
    let width = product_2.width().max(32) + 1;
    let sum = (product_2.sign_extend(width) + bias.sign_extend(width)).named("biased");
    let shifted = (0..3).fold(sum, |value, k| m.mux(shift.bit(k), value.sar(4 << k), value));
    let y_3 = m.pipe("y_3", shifted);

    let word = word.sign_extend(18);
    let total = m.reg_without_reset("total", 18);
    total.next_when(begin_sum | add, m.mux(begin_sum, word, *total + word));
    let quarter = (*total + 2).sar(2).keep(0, 16);
    let shortcut = m.mux(pooled, quarter, total.slice(0, 16)) & live.repeat(16);

    let r = clamp(saturate(y_3, Y_BITS), shortcut, clip, floor);
    m.output("z", m.pipe("z_4", m.pipe("z_3", m.pipe("z_2", z_1))), "sum, D4");
    m.output("y", m.pipe("y_4", y_3.keep(0, 32)), "not clamped, D4");
    m.output("shortcut", m.pipe("shortcut_4", shortcut), "what was added, D4");
    m.output("r", m.pipe("r_4", r), "stream, D4");
    m.finish()
}

/// `value` limited to `bits` bits, two's complement.
fn saturate(value: Sig<'_>, bits: u32) -> Sig<'_> {
    let m = value.builder();
    let upper = value.slice(bits - 1, value.width() - bits + 1);
    let sign = value.msb();
    let limit = m.concat(&[sign, (!sign).repeat(bits - 1)]);
    m.mux(upper.all() | !upper.any(), value.slice(0, bits), limit)
}

/// `y + shortcut` between `floor` and `clip`.
fn clamp<'m>(y: Sig<'m>, shortcut: Sig<'m>, clip: Sig<'m>, floor: Sig<'m>) -> Sig<'m> {
    let m = y.builder();
    let width = y.width() + 1;
    let sum = (y.sign_extend(width) + shortcut.sign_extend(width)).named("with_shortcut");
    let (above, below) = (clip.sign_extend(width).slt(sum), sum.slt(floor.sign_extend(width)));
    m.mux(above, clip, m.mux(below, floor, sum.slice(0, 16)))
}

#[cfg(test)]
mod tests {
    use super::post;
    use crate::{Simulator, test_random};

    fn bits(value: i64, width: u32) -> u64 {
        value.cast_unsigned() & (u64::MAX >> (64 - width))
    }

    fn signed(value: u64, width: u32) -> i64 {
        (value << (64 - width)).cast_signed() >> (64 - width)
    }

    /// One pixel with `words.len()` reads, the inputs of each stage in its own cycle.
    #[track_caller]
    fn check_pixel(sim: &mut Simulator, acc_bits: u32, seed: &mut u64) {
        let mut random = |width: u32| test_random(seed) >> (64 - width);
        let products = random(acc_bits);
        let hits = random(acc_bits).min(products);
        let mul = signed(random(16), 16);
        let bias = signed(random(32), 32);
        let shift = random(3);
        let pooled = random(1);
        let live = random(1);
        let clip = (random(15) >> random(3)).max(1);
        let words: Vec<i64> =
            (0..if pooled == 1 { 4 } else { 1 }).map(|_| signed(random(16), 16)).collect();
        sim.set("hits", hits);
        sim.set("products", products);
        sim.set("shift", shift);
        sim.set("pooled", pooled);
        sim.set("clip", clip);
        sim.set("floor", bits(-clip.cast_signed(), 16));
        sim.set("mul", bits(mul, 16));
        sim.set("bias", bits(bias, 32));
        sim.set("live", live);
        sim.step();
        sim.step();
        for (i, word) in words.iter().enumerate() {
            sim.set("word", bits(*word, 16));
            sim.set("begin_sum", u64::from(i == 0));
            sim.set("add", 1);
            sim.step();
        }
        sim.set("begin_sum", 0);
        sim.set("add", 0);
        sim.step();
        let z = 2 * hits.cast_signed() - products.cast_signed();
        let y = (mul * z + bias) >> (4 * shift);
        let total: i64 = words.iter().sum();
        let shortcut = if pooled == 1 { (total + 2) >> 2 } else { total } * live.cast_signed();
        let r = (y + shortcut).clamp(-clip.cast_signed(), clip.cast_signed());
        assert_eq!(signed(sim.get("r"), 16), r, "{y} + {shortcut}, clip {clip}");
        assert_eq!(signed(sim.get("shortcut"), 16), shortcut);
        assert_eq!(sim.get("y"), bits(y, 32));
        sim.step();
        assert_eq!(signed(sim.get("z"), acc_bits + 1), z);
    }

    #[test]
    fn post_agrees_with_wide_arithmetic() {
        for acc_bits in [1, 5, 14, 20, 31] {
            let mut sim = Simulator::new(&post(acc_bits));
            let mut seed = u64::from(acc_bits);
            for _ in 0..400 {
                check_pixel(&mut sim, acc_bits, &mut seed);
            }
        }
    }
}
