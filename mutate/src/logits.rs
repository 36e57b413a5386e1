//! Logits that decide every bit of the class: what images hardly do.
//!
//! The class is the first of the largest logits (microarchitecture.md, section 5.4, `Send`). A bit
//! of the comparison counts only where two logits differ in it and agree above, which those of a
//! trained network may never do. So the last layer is run alone, with parameters that make its
//! logits anything: with `mul = 0` and `shift = 8`, `y = bias >> 8` is any number of 32 bits
//! (section 5.3), whatever the map holds.
//!
//! Not here: the sums and thresholds of the layer, which the images compare.

use heartbit_cosim::{Accelerator, Error, LoadTarget, LoadWord};
use heartbit_ir::program::{LayerDescriptor, Parameter, Program};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Bits of a logit.
const BITS: u32 = 32;
/// The shift of the layer: 40 bits of bias become 32 of a logit.
const SHIFT: u32 = 8;
/// Sets of random logits.
const RANDOM: usize = 8;

/// Sets of logits: for each bit two that a stuck bit would exchange, one in which the larger one
/// comes first and one in which it comes last, and random ones.
pub(crate) fn sets(classes: usize) -> Vec<Vec<i32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(BITS));
    let mut sets = Vec::new();
    if classes > 1 {
        for (bit, pair) in (0..BITS).flat_map(|bit| pairs(bit).map(|pair| (bit, pair))) {
            let second = rng.random_range(1..classes);
            // Whatever comes before the first one would have a stuck sign, too.
            let first = if bit == BITS - 1 { 0 } else { rng.random_range(0..second) };
            let mut logits = vec![i32::MIN; classes];
            (logits[first], logits[second]) = pair;
            sets.push(logits);
        }
    }
    sets.extend((0..RANDOM).map(|_| (0..classes).map(|_| rng.random()).collect()));
    sets
}

/// Pairs of which another one would be larger if a bit of the first were always 1, or always 0.
fn pairs(bit: u32) -> [(i32, i32); 2] {
    if bit == BITS - 1 {
        return [(5, 3), (-3, 1)];
    }
    let weight = 1 << bit;
    let above = 0x2aaa_aaaa & !(weight | (weight - 1));
    // Without bit 0 the first one is smaller than its equal.
    let below = if bit == 0 { above | weight } else { above | (weight - 1) };
    [(above, above | weight), (above | weight, below)]
}

/// Runs all sets; what is sent wrongly first, in words. The accelerator is then of no use until a
/// program is loaded.
pub(crate) fn run(
    accelerator: &mut Accelerator,
    program: &Program,
    image: &[u8],
) -> Result<Option<String>, Error> {
    let Some(layer) = program.layers.last().filter(|layer| layer.flags.logits) else {
        return Ok(None);
    };
    let classes = usize::from(program.header.classes);
    let alone = alone(program, layer);
    for logits in sets(classes) {
        let words: Vec<_> =
            alone.iter().cloned().chain(parameters(program, layer, &logits)).collect();
        let class = first_largest(&logits);
        match accelerator.run_words(&words, image) {
            Ok(sent) if sent.logits == logits && sent.class == class => {}
            Ok(sent) => {
                let (was, of) = (sent.class, sent.logits);
                return Ok(Some(format!("logits {logits:?}: class {was} sent, of {of:?}")));
            }
            Err(error) if error.is_of_the_design() => {
                return Ok(Some(format!("logits {logits:?}: {error}")));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn first_largest(logits: &[i32]) -> usize {
    let largest = logits.iter().max().expect("bug: a network has classes");
    logits.iter().position(|logit| logit == largest).expect("bug: it is one of them")
}

/// Header and descriptor of a layer that is the only one of its program, with resident weights, whose
/// values do not matter.
fn alone(program: &Program, layer: &LayerDescriptor) -> Vec<LoadWord> {
    let mut layer = *layer;
    layer.flags.stream_weights = false;
    layer.shift = SHIFT;
    let words = program.header.encode().into_iter().chain(layer.encode());
    let load = |(at, word): (usize, u32)| LoadWord {
        target: LoadTarget::Program,
        index: 0,
        address: at,
        limbs: vec![word.into()],
    };
    words.enumerate().map(load).collect()
}

/// The parameters with which the columns of a layer compute some logits.
fn parameters(program: &Program, layer: &LayerDescriptor, logits: &[i32]) -> Vec<LoadWord> {
    let (cols, classes) = (program.array.cols, layer.borders.classes());
    let bits = program.array.parameter_bits();
    let tile = |ct: usize| (0..classes).map(move |class| (ct, class));
    let columns = (0..usize::from(layer.col_tiles)).flat_map(tile);
    columns
        .flat_map(|(ct, class)| (0..cols).map(move |col| (ct, class, col)))
        .map(|(ct, class, col)| {
            let logit = logits.get(ct * cols + col).copied().unwrap_or(i32::MAX);
            let parameter =
                Parameter { mul: 0, bias: i64::from(logit) << SHIFT, ..Parameter::default() };
            LoadWord {
                target: LoadTarget::Parameters,
                index: col,
                address: usize::from(layer.param_base) + ct * classes + class,
                limbs: parameter.encode_bits(bits).to_vec(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{BITS, first_largest, sets};

    /// What a sender finds whose largest logit so far has a bit that is stuck.
    fn class_with_stuck(logits: &[i32], bit: u32, at: bool) -> usize {
        let stuck = |logit: i32| if at { logit | 1 << bit } else { logit & !(1 << bit) };
        let (mut best, mut class) = (stuck(logits[0]), 0);
        for (index, logit) in logits.iter().enumerate().skip(1) {
            if best < *logit {
                (best, class) = (stuck(*logit), index);
            }
        }
        class
    }

    #[test]
    fn every_stuck_bit_of_the_largest_logit_changes_a_class() {
        for classes in [2, 5, 10, 1000] {
            let sets = sets(classes);
            assert!(sets.iter().all(|logits| logits.len() == classes));
            for bit in 0..BITS {
                for at in [false, true] {
                    let changes = |l: &&Vec<i32>| class_with_stuck(l, bit, at) != first_largest(l);
                    assert!(sets.iter().any(|l| changes(&l)), "{classes}: bit {bit} at {at}");
                }
            }
        }
    }

    #[test]
    fn one_class_has_random_logits_only() {
        assert!(sets(1).iter().all(|logits| first_largest(logits) == 0));
    }
}
