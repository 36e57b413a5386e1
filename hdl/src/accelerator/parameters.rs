//! The parameter memories of all columns.
//!
//! Microarchitecture.md, section 3.3. The word changes from pixel to pixel, so each field is read
//! in its own stage: a memory for each stage, whose address is delayed and not the many more bits
//! of its words.
//!
//! | port       | dir | width | stage | meaning                                                |
//! | ---------- | --- | ----- | ----- | ------------------------------------------------------ |
//! | `load_*`   | in  | ..    |       | the load port, for this target                         |
//! | `address`  | in  | 16    | D0    | word                                                   |
//! | `mul_{c}`  | out | 16    | D1    | multiplier of column `c`                               |
//! | `bias_{c}` | out | 40    | D2    | bias                                                   |
//! | `minimum_{c}` | out | 1  | D2    | extended only, as are all that follow                  |
//! | `before_{c}` | out | 22  | D4    |                                                        |
//! | `slope_{c}` | out | 16   | D5    |                                                        |
//! | `after_{c}` | out | 22   | D6    |                                                        |
//! | `threshold_{c}` | out | 17 | D7  |                                                        |
//! | `at_most_{c}` | out | 1  | D7    |                                                        |

use super::memories::Load;
use super::sizes::Sizes;
use super::store::{Store, address_bits};
use crate::build::{Builder, Module, Sig};

/// Fields that are read together: the stage in which they are there, and from the lowest bit of
/// the word on their names and widths.
struct Fields {
    stage: u32,
    low: u32,
    parts: &'static [(&'static str, u32)],
}

const PLAIN: [Fields; 2] = [
    Fields { stage: 1, low: 0, parts: &[("mul", 16)] },
    Fields { stage: 2, low: 16, parts: &[("bias", 40)] },
];

const EXTENDED: [Fields; 6] = [
    Fields { stage: 1, low: 0, parts: &[("mul", 16)] },
    Fields { stage: 2, low: 16, parts: &[("bias", 40), ("minimum", 1)] },
    Fields { stage: 4, low: 57, parts: &[("before", 22)] },
    Fields { stage: 5, low: 79, parts: &[("slope", 16)] },
    Fields { stage: 6, low: 95, parts: &[("after", 22)] },
    Fields { stage: 7, low: 117, parts: &[("threshold", 17), ("at_most", 1)] },
];

/// Describes the module `parameters`.
pub(super) fn parameters(sizes: &Sizes) -> Module {
    let m = Builder::new("parameters", "Parameters of each column.");
    let load = Load::inputs(&m, sizes.parameter_bits);
    let words = sizes.depths.parameter;
    let memories: &[Fields] = if sizes.extended { &EXTENDED } else { &PLAIN };
    let mut from = m.input("address", 16, "word, D0").keep(0, address_bits(words));
    // The address of a word that is there in `stage`.
    let mut stage = 1;
    for memory in memories {
        while stage < memory.stage {
            from = m.pipe(&format!("from_{stage}"), from);
            stage += 1;
        }
        for column in 0..sizes.cols {
            memory.describe(&m, &load, column, words, from);
        }
    }
    m.finish()
}

impl Fields {
    fn describe<'m>(
        &self,
        m: &'m Builder,
        load: &Load<'m>,
        column: u32,
        words: u32,
        from: Sig<'m>,
    ) {
        let width = self.parts.iter().map(|(_, width)| width).sum();
        let name = format!("{}_column_{column}", self.parts[0].0);
        let store = Store::new(m, &name, width, words);
        store.write(load.element(column), load.address, load.data.slice(self.low, width));
        let word = store.read(from);
        let mut low = 0;
        for (name, width) in self.parts {
            m.output(&format!("{name}_{column}"), word.slice(low, *width), "");
            low += width;
        }
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
        let mut past = [0; 8];
        for cycle in 0..100 {
            past.rotate_right(1);
            past[0] = usize::try_from(test_random(&mut seed) % words).expect("bug: small");
            sim.set("address", past[0] as u64);
            for (column, memory) in memory.iter().enumerate().filter(|_| cycle > 8) {
                let at = |stage: usize| &memory[past[stage]];
                let mut fields = vec![("mul", i64::from(at(1).mul), 16), ("bias", at(2).bias, 40)];
                if extended {
                    fields.extend([
                        ("minimum", at(2).minimum.into(), 1),
                        ("before", at(4).before.into(), 22),
                        ("slope", at(5).slope.into(), 16),
                        ("after", at(6).after.into(), 22),
                        ("threshold", at(7).threshold.into(), 17),
                        ("at_most", at(7).at_most.into(), 1),
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
