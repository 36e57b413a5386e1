//! Post-processing of one column: from matches to the residual stream, the value and its bit.
//!
//! Microarchitecture.md, section 5.3; no intermediate value is truncated.
//!
//! | port         | dir | width          | stage | meaning                                    |
//! | ------------ | --- | -------------- | ----- | ------------------------------------------ |
//! | `hits`       | in  | `acc_bits`     | D0    | matches                                    |
//! | `products`   | in  | `acc_bits`     | D0    | number of products                         |
//! | `mul`        | in  | 16             | D2    | multiplier                                 |
//! | `bias`       | in  | 40             | D3    | added to the product                       |
//! | `shift`      | in  | 3              | layer | quarter of the shift                       |
//! | `even`, `odd`, `use_even`, `use_odd`, `first_word`, `take`, `average`, `live` | in | .. | .. | of `shortcut` |
//! | `extreme`, `minimum` | in | ..      | ..    | of `shortcut`; extended only               |
//! | `clip`, `floor` | in | 16           | layer | limits of the stream                       |
//! | `before_term`, `slope`, `value_shift`, `after_term`, `value_clip`, `value_floor`, `threshold`, `at_most` | in | .. | .. | of `nonlinear`; extended only |
//! | `z`          | out | `acc_bits + 1` | D7+N  | `2·hits - products`                        |
//! | `y`          | out | 32             | D7+N  | not clamped                                |
//! | `shortcut`   | out | 16             | D7+N  | what was added                             |
//! | `r`          | out | 16             | D7+N  | the stream                                 |
//! | `v`          | out | 16             | D7+N  | the value                                  |
//! | `next_v`     | out | 16             | D6+N  | the same, a cycle before; extended only    |
//! | `result`     | out | 1              | D7+N  | the result bit                             |
//!
//! Timing: one pixel a cycle, `7 + N` cycles from D0 to D7+N. No reset.

use super::arithmetic::{clamp, saturate, sum};
use super::nonlinear::nonlinear;
use super::shortcut::shortcut;
use super::sizes::{Sizes, delay};
use crate::build::{Builder, Instance, Module, Sig};

/// Bits of the saturated `y`: so wide that adding a shortcut cannot bring it back below a clip.
const Y_BITS: u32 = 18;

/// Describes the module `post`.
pub(super) fn post(sizes: &Sizes) -> Module {
    let m = Builder::new("post", "Post-processing of one column.");
    let z_2 = dot(&m, sizes.acc_bits);
    let y_5 = affine(&m, z_2);
    let join = m.inst("stream", &shortcut(sizes.extended));
    let bits = ["use_even", "use_odd", "first_word", "take", "average", "live"];
    let more = if sizes.extended { ["extreme", "minimum"].as_slice() } else { &[] };
    pass(&m, join, &["even", "odd"], 16);
    pass(&m, join, &bits, 1);
    pass(&m, join, more, 1);
    let (shortcut, round) = (join.out("shortcut"), join.out("round"));

    let (clip, floor) = (m.input("clip", 16, "upper limit"), m.input("floor", 16, "lower limit"));
    // The rounding is the carry.
    let with_round =
        sum(m.concat(&[saturate(y_5, Y_BITS), m.lit(1, 1)]), m.concat(&[shortcut, round]));
    m.discard(with_round.bit(0));
    let sum_6 = m.pipe("sum_6", with_round.slice(1, with_round.width() - 1));
    let r_7 = m.pipe("r_7", clamp(sum_6, clip, floor));
    // The results of the earlier stages wait for the value.
    let late = sizes.nonlinear_stages;
    let wait = |name: &str, value: Sig<'_>, cycles: u32| {
        m.output(name, delay(&m, &format!("{name}_wait"), value, cycles), "");
    };
    wait("z", z_2, 5 + late);
    wait("y", y_5.keep(0, 32), 2 + late);
    wait("shortcut", shortcut + round.zero_extend(16), 2 + late);
    wait("r", r_7, late);
    let (v, result) = if sizes.extended { value(&m, r_7) } else { (r_7, !r_7.msb()) };
    m.output("v", v, "value, D7+N");
    m.output("result", result, "result bit, D7+N");
    m.finish()
}

/// `z`, at D2.
fn dot(m: &Builder, acc_bits: u32) -> Sig<'_> {
    let hits = m.input("hits", acc_bits, "matches, D0");
    let products = m.input("products", acc_bits, "number of products, D0");
    let twice = m.concat(&[hits, m.lit(1, 0)]);
    delay(m, "z", twice - products.zero_extend(acc_bits + 1), 2)
}

/// `y`, at D5.
fn affine<'m>(m: &'m Builder, z_2: Sig<'m>) -> Sig<'m> {
    let mul = m.input("mul", 16, "multiplier, D2");
    let bias = m.input("bias", 40, "bias, D3");
    let shift = m.input("shift", 3, "quarter of the shift");
    let product_3 = m.pipe("product_3", z_2.mul_signed(mul));
    let width = product_3.width().max(40) + 1;
    let biased = product_3.sign_extend(width) + bias.sign_extend(width);
    let biased_4 = m.pipe("biased_4", biased);
    let shifted = (0..3).fold(biased_4, |value, k| m.mux(shift.bit(k), value.sar(4 << k), value));
    m.pipe("y_5", shifted)
}

/// `v` and its bit, at D13.
fn value<'m>(m: &'m Builder, r_7: Sig<'m>) -> (Sig<'m>, Sig<'m>) {
    let part = m.inst("value", &nonlinear()).set("r", r_7);
    pass(m, part, &["before_term", "after_term"], 22);
    pass(m, part, &["slope"], 16);
    pass(m, part, &["value_shift"], 3);
    pass(m, part, &["threshold"], 17);
    pass(m, part, &["at_most"], 1);
    part.set("clip", m.input("value_clip", 16, "upper limit of the value"))
        .set("floor", m.input("value_floor", 16, "lower limit of the value"));
    m.output("next_v", part.out("next_v"), "value, D6+N");
    (part.out("v"), part.out("result"))
}

/// Inputs of the part as inputs of the module.
fn pass<'m>(m: &'m Builder, part: Instance<'m>, names: &[&str], width: u32) {
    for name in names {
        part.set(name, m.input(name, width, ""));
    }
}

#[cfg(test)]
mod tests {
    use super::super::sizes::{Sizes, test_sizes_of};
    use super::post;
    use crate::{Simulator, test_bits as bits, test_random, test_signed as signed};

    /// What all pixels of a layer share.
    struct Layer {
        shift: u64,
        average: bool,
        clip: i64,
    }

    struct Pixel {
        hits: u64,
        products: u64,
        mul: i64,
        bias: i64,
        live: u64,
        /// With an average two pairs of words, else one of which one counts.
        pairs: [[i64; 2]; 2],
        odd: u64,
        before: i64,
        after: i64,
    }

    impl Pixel {
        fn random(sizes: &Sizes, seed: &mut u64) -> Self {
            let mut random = |width: u32| test_random(seed) >> (64 - width);
            let products = random(sizes.acc_bits);
            Self {
                hits: random(sizes.acc_bits).min(products),
                products,
                mul: signed(random(16), 16),
                bias: signed(random(40), 40) >> random(4),
                live: random(1),
                pairs: [0, 1].map(|_| [0, 1].map(|_| signed(random(16), 16))),
                odd: random(1),
                before: signed(random(16), 16),
                after: signed(random(16), 16),
            }
        }

        /// `z`, `y`, shortcut, `r`, `v` and the result bit.
        fn expect(&self, sizes: &Sizes, layer: &Layer) -> [i64; 6] {
            let dot = 2 * self.hits.cast_signed() - self.products.cast_signed();
            let y = (self.mul * dot + self.bias) >> (4 * layer.shift);
            let sum: i64 = self.pairs.iter().flatten().sum();
            let word = self.pairs[0][usize::from(self.odd == 1)];
            let shortcut = if layer.average { (sum + 2) >> 2 } else { word };
            let shortcut = shortcut * self.live.cast_signed();
            let r = (y + shortcut).clamp(-layer.clip, layer.clip);
            if !sizes.extended {
                return [dot, y, shortcut, r, r, (r >= 0).into()];
            }
            let sum = r + self.before;
            let scaled = if sum >= 0 { sum } else { (sum * 1024 + 128) >> 8 };
            let v = (scaled + self.after).clamp(-32_767, 32_767);
            [dot, y, shortcut, r, v, (v <= self.after).into()]
        }
    }

    fn set_layer(sim: &mut Simulator, sizes: &Sizes, layer: &Layer) {
        sim.set("shift", layer.shift);
        sim.set("average", layer.average.into());
        sim.set("clip", bits(layer.clip, 16));
        sim.set("floor", bits(-layer.clip, 16));
        if sizes.extended {
            sim.set("extreme", 0);
            sim.set("slope", 1 << 10);
            sim.set("value_shift", 2);
            sim.set("value_clip", 32_767);
            sim.set("value_floor", bits(-32_767, 16));
            sim.set("at_most", 1);
        }
    }

    /// Pixels without a gap; what belongs to a pixel is there in its own stage only.
    #[track_caller]
    fn check_layer(sim: &mut Simulator, sizes: &Sizes, layer: &Layer, seed: &mut u64) {
        let pixels: Vec<_> = (0..40).map(|_| Pixel::random(sizes, seed)).collect();
        let reads = if layer.average { 2 } else { 1 };
        let last = 7 + sizes.nonlinear_stages as usize;
        set_layer(sim, sizes, layer);
        for cycle in 0..pixels.len() * reads {
            // The pixel of a stage and its beat.
            let at = |stage: usize| {
                let beat = cycle.saturating_sub(stage);
                (&pixels[beat / reads], beat % reads)
            };
            sim.set("hits", at(0).0.hits);
            sim.set("products", at(0).0.products);
            sim.set("mul", bits(at(2).0.mul, 16));
            sim.set("bias", bits(at(3).0.bias, 40));
            let (pixel, beat) = at(3);
            sim.set("even", bits(pixel.pairs[beat][0], 16));
            sim.set("odd", bits(pixel.pairs[beat][1], 16));
            sim.set("use_even", u64::from(layer.average) | (1 - pixel.odd));
            sim.set("use_odd", u64::from(layer.average) | pixel.odd);
            sim.set("first_word", u64::from(at(4).1 == 0));
            sim.set("take", 1);
            sim.set("live", at(5).0.live);
            if sizes.extended {
                sim.set("before_term", bits(at(7).0.before, 22));
                sim.set("after_term", bits(at(10).0.after, 22));
                sim.set("threshold", bits(at(12).0.after, 17));
                let (pixel, beat) = at(12);
                if cycle >= 12 && beat + 1 == reads {
                    let v = pixel.expect(sizes, layer)[4];
                    assert_eq!(signed(sim.get("next_v"), 16), v);
                }
            }
            let (pixel, beat) = at(last);
            if cycle >= last && beat + 1 == reads {
                let [dot, y, shortcut, r, v, result] = pixel.expect(sizes, layer);
                assert_eq!(signed(sim.get("z"), sizes.acc_bits + 1), dot);
                assert_eq!(sim.get("y"), bits(y, 32));
                assert_eq!(signed(sim.get("shortcut"), 16), shortcut);
                assert_eq!(signed(sim.get("r"), 16), r, "{y} + {shortcut}, clip {}", layer.clip);
                assert_eq!((signed(sim.get("v"), 16), sim.get("result")), (v, bits(result, 1)));
            }
            sim.step();
        }
    }

    #[test]
    fn post_agrees_with_wide_arithmetic() {
        for extended in [false, true] {
            for acc_bits in [1, 5, 14, 20, 31] {
                let sizes = Sizes { acc_bits, ..test_sizes_of(1, 1, 4, 1, extended) };
                let mut sim = Simulator::new(&post(&sizes));
                let mut seed = u64::from(acc_bits);
                for case in 0..40 {
                    let clip = (test_random(&mut seed) >> 49 >> (case % 8)).max(1).cast_signed();
                    let layer = Layer { shift: case / 2 % 8, average: case % 2 == 1, clip };
                    check_layer(&mut sim, &sizes, &layer, &mut seed);
                }
            }
        }
    }
}
