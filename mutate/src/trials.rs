//! Layers that must not begin, and layers that just may: microarchitecture.md, section 5.4,
//! *Errors*.
//!
//! `verify` runs programs that make sense, so none of its images asks whether one that makes no
//! sense is refused. Here the first descriptor gets one field at its limit at a time: the
//! accelerator must halt with `error` and send nothing, or begin.
//!
//! Not here: what a layer with such fields computes; one that begins is not run to its end.

use crate::fields::{DESCRIPTOR, Field};
use heartbit_cosim::{Accelerator, Beginning, Error, LoadTarget, LoadWord};
use heartbit_ir::program::{FRONT_WORDS, HEADER_WORDS, Program};
use std::collections::BTreeMap;

/// The least `drain_wait`, and the least `layer_gap` after the last layer.
const LEAST_WAIT: u32 = 12;
/// The least `layer_gap` after other layers.
const LEAST_GAP: u32 = 15;
/// Fields that must not be 0.
const COUNTS: [&str; 4] = ["steps", "col_tiles", "front.row_tiles", "front.out_height"];

/// A first layer with some fields, and whether it may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trial {
    fields: Vec<(&'static str, u32)>,
    begins: bool,
}

/// All of them.
pub(crate) fn trials() -> Vec<Trial> {
    let least: Vec<_> = COUNTS.map(|name| (name, 1)).into_iter().collect();
    let trial = |changes: &[(&'static str, u32)], begins: bool| {
        let limits = [("drain_wait", LEAST_WAIT), ("layer_gap", LEAST_GAP), ("last_layer", 0)];
        let fields = least.iter().chain(&limits).chain(changes).copied();
        // The last value of a field counts.
        let fields: BTreeMap<_, _> = fields.collect();
        Trial { fields: fields.into_iter().collect(), begins }
    };
    let mut trials = vec![
        trial(&[], true),
        trial(&[("last_layer", 1), ("layer_gap", LEAST_WAIT)], true),
        trial(&[("layer_gap", LEAST_GAP - 1)], false),
        trial(&[("last_layer", 1), ("layer_gap", LEAST_WAIT - 1)], false),
        trial(&[("drain_wait", LEAST_WAIT - 1)], false),
        trial(&[("drain_wait", 0), ("layer_gap", u16::MAX.into())], false),
    ];
    for name in COUNTS {
        trials.push(trial(&[(name, 0)], false));
        trials.push(trial(&[(name, 1 << 15)], true));
    }
    trials
}

impl Trial {
    /// The words of the first descriptor that have other bits.
    fn words(&self, program: &Program) -> Vec<LoadWord> {
        let mut words = program.encode();
        for (name, value) in &self.fields {
            set(&mut words, named(name), *value);
        }
        let changed: Vec<_> = words.into_iter().zip(program.encode()).enumerate().collect();
        changed.into_iter().filter(|(_, (new, old))| new != old).map(load).collect()
    }

    /// What differs from the page, in words.
    fn judge(&self, became: Beginning) -> Option<String> {
        let expected = if self.begins { Beginning::Begun } else { Beginning::Refused };
        let fields = || {
            let field = |(name, value): &(&str, u32)| format!("{name} = {value}");
            self.fields.iter().map(field).collect::<Vec<_>>().join(", ")
        };
        let verb = if self.begins { "does not begin" } else { "is not refused" };
        (became != expected).then(|| format!("a layer with {} {verb}", fields()))
    }
}

/// Tries all layers; the first one that is treated wrongly, in words. The program is not loaded any
/// more afterwards.
pub(crate) fn run(
    accelerator: &mut Accelerator,
    program: &Program,
    image: &[u8],
) -> Result<Option<String>, Error> {
    let front = HEADER_WORDS..HEADER_WORDS + FRONT_WORDS;
    let intact: Vec<_> = program.encode().into_iter().enumerate().collect();
    let intact: Vec<_> = intact[front].iter().map(|(at, word)| load((*at, (*word, 0)))).collect();
    for trial in trials() {
        let words: Vec<_> = intact.iter().cloned().chain(trial.words(program)).collect();
        if let Some(detail) = trial.judge(accelerator.try_layer(&words, image)?) {
            return Ok(Some(detail));
        }
    }
    Ok(None)
}

/// Cycles from the first one in which the results half of a descriptor is addressed until its layer
/// is shown (section 5.4).
const SHOWN: u64 = 14;

/// Runs an image and compares when the results go on to another layer, in words.
pub(crate) fn result_layers(
    accelerator: &mut Accelerator,
    program: &Program,
    image: &[u8],
) -> Result<Option<String>, Error> {
    let seen = match accelerator.result_layers(image) {
        Ok(seen) => seen,
        Err(error) if error.is_of_the_design() => return Ok(Some(error.to_string())),
        Err(error) => return Err(error),
    };
    // Of layer 0 the results are addressed behind the front.
    let addressed = |layer: usize| match layer.checked_sub(1) {
        None => FRONT_WORDS as u64,
        Some(before) => program.layers[before].drain_wait.into(),
    };
    let n = program.layers.len();
    let others = if n > 1 { 0..n } else { 0..0 };
    let expected: Vec<_> = others.map(|layer| (layer, addressed(layer) + SHOWN)).collect();
    let differs = expected.iter().zip(&seen).find(|(a, b)| a != b);
    Ok(match differs {
        Some(((layer, expected), (shown, actual))) => Some(format!(
            "results of layer {shown} from cycle {actual} on, those of layer {layer} from {expected} \
             on expected"
        )),
        None if expected.len() != seen.len() => {
            Some(format!("results of {} layers, {} expected", seen.len(), expected.len()))
        }
        None => None,
    })
}

fn load((address, (word, _)): (usize, (u32, u32))) -> LoadWord {
    LoadWord { target: LoadTarget::Program, index: 0, address, limbs: vec![word.into()] }
}

fn named(name: &str) -> Field {
    *DESCRIPTOR.iter().find(|field| field.0 == name).expect("bug: a field of a descriptor")
}

/// Writes a field of the first descriptor.
fn set(words: &mut [u32], (_, word, low, bits): Field, value: u32) {
    let mask = (u32::MAX >> (32 - bits)) << low;
    let word = &mut words[HEADER_WORDS + word];
    *word = *word & !mask | value << low & mask;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_layer_on_both_sides_of_its_limit() {
        let trials = trials();
        for name in COUNTS.into_iter().chain(["drain_wait", "layer_gap"]) {
            let values = |begins: bool| {
                let of = trials.iter().filter(move |trial| trial.begins == begins);
                of.flat_map(|trial| &trial.fields).filter(|f| f.0 == name).map(|f| f.1)
            };
            let least = values(true).min().expect("a layer that begins");
            assert!(values(false).any(|value| value + 1 == least), "{name}");
        }
    }

    #[test]
    fn fields_are_written_at_their_places() {
        let mut words = vec![u32::MAX; HEADER_WORDS + FRONT_WORDS];
        set(&mut words, named("layer_gap"), 9);
        set(&mut words, named("last_layer"), 0);
        assert_eq!(words[HEADER_WORDS + 5], 9 << 16 | 0xffff);
        assert_eq!(words[HEADER_WORDS], !4);
    }
}
