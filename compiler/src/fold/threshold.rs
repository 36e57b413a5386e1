//! Threshold folding: convolution, scale, batch normalisation and sign as one comparison.

use heartbit_ir::network::Threshold;

/// Folds `a·z + b >= 0` into an integer comparison that holds for every `|z| <= bound`.
///
/// The boundary is found by binary search over the float expression itself, because solving for
/// `z` rounds differently. A negative `a` gives [`Threshold::AtMost`].
pub fn threshold(a: f64, b: f64, bound: i64) -> Threshold {
    #[expect(clippy::cast_precision_loss, reason = "sums are below 2^31")]
    let plus = |z: i64| a * z as f64 + b >= 0.0;
    let narrow = |z: i64| i32::try_from(z).expect("bug: sums fit 32 bits");
    match (plus(-bound), plus(bound)) {
        (true, true) => Threshold::Constant(true),
        (false, false) => Threshold::Constant(false),
        (false, true) => Threshold::AtLeast(narrow(boundary(-bound, bound, plus))),
        (true, false) => Threshold::AtMost(narrow(boundary(-bound, bound, |z| !plus(z)) - 1)),
    }
}

/// Returns the smallest `z` of `low..=high` with `holds(z)`, given that it is monotone and holds
/// at `high`.
fn boundary(mut low: i64, mut high: i64, holds: impl Fn(i64) -> bool) -> i64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn threshold_agrees_with_the_float_expression_for_every_sum(
            a in prop_oneof![Just(0.0f64), -2.0..2.0f64, -1e-3..1e-3f64],
            at in -320.0..320.0f64,
            tie in any::<bool>(),
            bound in 1i64..300,
        ) {
            // Ties land exactly on integers where the product is exact.
            let at = if tie { at.round() } else { at };
            let b = -a * at;
            let t = threshold(a, b, bound);
            for z in -bound..=bound {
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let expected = a * z as f64 + b >= 0.0;
                let actual = match t {
                    Threshold::AtLeast(t) => z >= i64::from(t),
                    Threshold::AtMost(t) => z <= i64::from(t),
                    Threshold::Constant(c) => c,
                };
                prop_assert_eq!(actual, expected, "{}·{} + {}", a, z, b);
            }
        }
    }
}
