//! Words that only pass through the registers of a descriptor: microarchitecture.md, section 5.4.
//!
//! The words of a part enter at the end of a chain, so each passes through the registers of those
//! behind it. While they do, the fields are anything, and nothing looks at them: the page says from
//! which cycle until which they stand, the program keeps these rules, and `fetch` is proven to. So a
//! mutant makes no difference if, with the words of every descriptor, what stands is the same.

use heartbit_compiler::schedule::Compiled;
use heartbit_hdl::mutate::{MUTANT, Mutation, Schemata, module_of};
use heartbit_hdl::{Direction, Module, Simulator};
use heartbit_ir::program::{DESCRIPTOR_WORDS, FRONT_WORDS};
use heartbit_sim::Simulator as Rules;
use std::ops::Range;

/// Whether the fields of all layers stand as they do without the mutation.
pub(super) fn stands(compiled: &Compiled, top: &Module, mutation: &Mutation) -> bool {
    let Some(part) = part(&mutation.module) else { return false };
    let Some(module) = module_of(top, mutation) else { return false };
    // A program that the simulator takes keeps the rules.
    Rules::new(&compiled.program).is_ok() && same_fields(compiled, &module, mutation, part)
}

/// The words that a module keeps.
fn part(module: &str) -> Option<Range<usize>> {
    match module {
        "front_fields" => Some(0..FRONT_WORDS),
        "result_fields" => Some(FRONT_WORDS..DESCRIPTOR_WORDS),
        _ => None,
    }
}

fn same_fields(
    compiled: &Compiled,
    module: &Module,
    mutation: &Mutation,
    part: Range<usize>,
) -> bool {
    // A descriptor has one instance of each part.
    let schemata = Schemata::new(module, std::slice::from_ref(mutation));
    if mutation.instance.is_some() || schemata.mutants.is_empty() {
        return false;
    }
    let outputs = module.ports().into_iter().filter(|port| port.direction == Direction::Output);
    let fields: Vec<String> = outputs.map(|port| port.name).collect();
    let mut sides = [0, 1].map(|active| {
        let mut side = Simulator::new(&schemata.module);
        side.set(MUTANT, active);
        side
    });
    let mut enter = |take: u64, word: u32| {
        let shown = sides.each_mut().map(|side| {
            side.set("take", take);
            side.set("word", word.into());
            let shown: Vec<u64> = fields.iter().map(|name| side.get(name)).collect();
            side.step();
            shown
        });
        shown[0] == shown[1]
    };
    let layers = &compiled.program.layers;
    // Once more: the first descriptor of an image follows the last one.
    layers.iter().chain(layers).all(|layer| {
        for word in &layer.encode()[part.clone()] {
            enter(1, *word);
        }
        // Whatever the memory shows meanwhile.
        [0, u32::MAX, 0].into_iter().all(|word| enter(0, word))
    })
}
