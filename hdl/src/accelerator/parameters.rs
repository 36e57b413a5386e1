//! The parameter memories of all columns.
//!
//! Microarchitecture.md, section 3.3. The word changes from pixel to pixel, so each field is wanted
//! in its own stage. Its parts are memories of at most 36 bits, the width of a common block memory,
//! with a register behind; the address of a later one is delayed rather than the many more bits of
//! its words.
//!
//! | port       | dir | width | stage | meaning                                                |
//! | ---------- | --- | ----- | ----- | ------------------------------------------------------ |
//! | `load_*`   | in  | ..    |       | the load port, for this target                         |
//! | `address`  | in  | 16    | D0    | word                                                   |
//! | `mul_{c}`  | out | 16    | D2    | multiplier of column `c`                               |
//! | `bias_{c}` | out | 40    | D3    | bias                                                   |
//! | `minimum_{c}` | out | 1  | D4    | extended only, as are all that follow                  |
//! | `before_{c}` | out | 22  | D7    |                                                        |
//! | `slope_{c}` | out | 16   | D8    |                                                        |
//! | `after_{c}` | out | 22   | D10   |                                                        |
//! | `threshold_{c}` | out | 17 | D12 |                                                        |
//! | `at_most_{c}` | out | 1  | D12   |                                                        |

use super::memories::{Load, Writes};
use super::sizes::{Sizes, delay};
use super::store::{Store, address_bits};
use crate::build::{Builder, Module, Sig};

/// Neighbouring bits of the word in a memory of their own.
struct Part {
    /// The stage in which they are there.
    stage: u32,
    /// The lowest of them.
    low: u32,
    /// From there on names, widths, and stages that they wait. Bits of a name that the part before
    /// ends with are above its.
    fields: &'static [(&'static str, u32, u32)],
}

const PLAIN: [Part; 2] = [
    Part { stage: 2, low: 0, fields: &[("mul", 16, 0), ("bias", 20, 1)] },
    Part { stage: 3, low: 36, fields: &[("bias", 20, 0)] },
];

const EXTENDED: [Part; 5] = [
    Part { stage: 2, low: 0, fields: &[("mul", 16, 0), ("bias", 20, 1)] },
    Part { stage: 3, low: 36, fields: &[("bias", 20, 0), ("minimum", 1, 1)] },
    Part { stage: 7, low: 57, fields: &[("before", 22, 0)] },
    Part { stage: 8, low: 79, fields: &[("slope", 16, 0), ("after", 20, 2)] },
    Part {
        stage: 10,
        low: 115,
        fields: &[("after", 2, 0), ("threshold", 17, 2), ("at_most", 1, 2)],
    },
];

/// Describes the module `parameters`.
pub(super) fn parameters(sizes: &Sizes) -> Module {
    let m = Builder::new("parameters", "Parameters of each column.");
    let writes = Load::inputs(&m, sizes.parameter_bits).later(&m, sizes.cols);
    let words = sizes.depths.parameter;
    let parts: &[Part] = if sizes.extended { &EXTENDED } else { &PLAIN };
    // The address of a word that is registered in stage 2, 3 and so on.
    let mut from = vec![m.input("address", 16, "word, D0").keep(0, address_bits(words))];
    for stage in 1..parts[parts.len() - 1].stage - 1 {
        from.push(m.pipe(&format!("from_{stage}"), from[from.len() - 1]));
    }
    for column in 0..sizes.cols {
        let mut fields: Vec<(&str, Sig<'_>)> = Vec::new();
        for part in parts {
            let from = from[part.stage as usize - 2];
            for (name, bits) in part.describe(&m, &writes, column, words, from) {
                match fields.last_mut() {
                    Some((before, low)) if *before == name => *low = m.concat(&[bits, *low]),
                    _ => fields.push((name, bits)),
                }
            }
        }
        for (name, value) in fields {
            m.output(&format!("{name}_{column}"), value, "");
        }
    }
    m.finish()
}

impl Part {
    /// The memory of a column; returns names and values of its fields.
    fn describe<'m>(
        &self,
        m: &'m Builder,
        writes: &Writes<'m>,
        column: u32,
        words: u32,
        from: Sig<'m>,
    ) -> Vec<(&'static str, Sig<'m>)> {
        let width = self.fields.iter().map(|(_, width, _)| width).sum();
        let memory = format!("column_{column}_stage_{}", self.stage);
        let store = Store::new(m, &memory, width, words);
        let enable = writes.enables[column as usize];
        store.write(enable, writes.address, writes.data.slice(self.low, width));
        let word = m.pipe(&format!("{memory}_word"), store.read(from));
        let mut low = 0;
        let mut out = Vec::new();
        for (name, width, wait) in self.fields {
            let bits = word.slice(low, *width);
            out.push((*name, delay(m, &format!("{name}_{column}"), bits, *wait)));
            low += width;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::sizes::test_sizes_of;
    use super::parameters;
    use crate::{Simulator, test_random};
    use heartbit_ir::program::Parameter;

    fn random_parameter(seed: &mut u64) -> Parameter {
        let mut random = |width: u32| (test_random(seed).cast_signed()) >> (64 - width);
        let narrow = |v: i64| i32::try_from(v).expect("bug: narrow");
        let half = |v: i64| i16::try_from(v).expect("bug: narrow");
        Parameter {
            mul: half(random(16)),
            bias: random(40),
            minimum: random(1) != 0,
            before: narrow(random(22)),
            slope: half(random(16)),
            after: narrow(random(22)),
            threshold: narrow(random(17)),
            at_most: random(1) != 0,
        }
    }

    /// Every field of the word of one address in its own stage, while the addresses change.
    #[track_caller]
    fn check_fields(extended: bool) {
        let (words, cols) = (64, 3);
        let sizes = test_sizes_of(1, cols, 4, 1, extended);
        let mut sim = Simulator::new(&parameters(&sizes));
        let mut seed = 6;
        let memory: Vec<Vec<Parameter>> =
            (0..cols).map(|_| (0..words).map(|_| random_parameter(&mut seed)).collect()).collect();
        sim.set("load_en", 1);
        for (column, memory) in memory.iter().enumerate() {
            for (address, parameter) in memory.iter().enumerate() {
                sim.set("load_index", column as u64);
                sim.set("load_addr", address as u64);
                let [low, middle, high] = parameter.encode();
                let plain = [low & ((1 << 56) - 1), 0, 0];
                let word = if extended { [low, middle, high] } else { plain };
                sim.set_words("load_data", &word);
                sim.step();
            }
        }
        sim.set("load_en", 0);
        let mut past = [0; 13];
        for cycle in 0..100 {
            past.rotate_right(1);
            past[0] = usize::try_from(test_random(&mut seed) % words).expect("bug: small");
            sim.set("address", past[0] as u64);
            for (column, memory) in memory.iter().enumerate().filter(|_| cycle > 13) {
                let at = |stage: usize| &memory[past[stage]];
                let mut fields = vec![("mul", i64::from(at(2).mul), 16), ("bias", at(3).bias, 40)];
                if extended {
                    fields.extend([
                        ("minimum", at(4).minimum.into(), 1),
                        ("before", at(7).before.into(), 22),
                        ("slope", at(8).slope.into(), 16),
                        ("after", at(10).after.into(), 22),
                        ("threshold", at(12).threshold.into(), 17),
                        ("at_most", at(12).at_most.into(), 1),
                    ]);
                }
                for (name, value, width) in fields {
                    let expected = value.cast_unsigned() & (u64::MAX >> (64 - width));
                    assert_eq!(sim.get(&format!("{name}_{column}")), expected, "{name}");
                }
            }
            sim.step();
        }
    }

    #[test]
    fn fields_are_there_in_their_stages() {
        check_fields(false);
        check_fields(true);
    }
}
